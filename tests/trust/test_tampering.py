"""A machine harms a finished run in every way it can think of: verify and the next state refuse with exit 5
and name what was harmed.
"""

from __future__ import annotations

import contextlib
import functools
import random
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from sim.ground.errors import GateError, SimError
from sim.shell.runs.verify import content_check, verify_run
from tests.trust import mini
from tests.trust.tampering import HARMS, files, state

FIGURES = (
    "SHA-256 ",
    "published ",
    "expected ",
    "bundle lists",
    "missing",
    "no flag",
    "not a regular file",
    "begun and not passed",
    "built on",
)


world = functools.cache(mini.miniworld.prepared)
"""Contracts and vocabularies to verify by: nothing harms them, so they are read once, not 12,000 times."""


def deep_problems(run: Path, root: Path) -> list[str]:
    """What deep verification says, refusals included."""
    prepared = world(root)
    try:
        return list(
            verify_run(
                run, mini.CODES, content_check(run, prepared.contracts, prepared.vocabularies)
            ).problems
        )
    except GateError as error:
        return [error.render()]


def named(path: str, problems: list[str]) -> bool:
    """Whether a harmed path, or the directory or segment it belongs to, is named."""
    parts = path.split("/")
    flag = f"gates/{parts[1]}"
    return any(
        path in text or (parts[0] == "gates" and flag in text) or str(Path(path).parent) in text
        for text in problems
    )


class Tampering(RuleBasedStateMachine):
    """Harms pile up on a copy of a finished run; the model is the directory as it was published."""

    source: Path
    root: Path
    refused: dict[str, int]

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory(dir=self.source.parents[1])
        self.run = Path(self.folder.name) / "run"
        self.restore()
        self.before = state(self.run)
        self.done: list[str] = []

    @rule(how=st.sampled_from(sorted(HARMS)), pick=st.integers(0, 10**6), seed=st.integers(0, 2**32))
    def harm(self, how: str, pick: int, seed: int) -> None:
        """One more harm to one of the files that are left."""
        choice = files(self.run)
        if not choice:
            return
        try:
            HARMS[how](self.run, choice[pick % len(choice)], random.Random(seed))
        except (OSError, KeyError, ValueError, IndexError, StopIteration, GateError):
            return  # an earlier harm left nothing to do this one to, or another document in its place
        self.done.append(how)

    @precondition(lambda self: self.done)
    @rule()
    def restore(self) -> None:
        """Back to what was published: nothing is left to refuse."""
        shutil.rmtree(self.run, ignore_errors=True)
        shutil.copytree(self.source, self.run)
        for path in self.run.rglob("*"):
            path.chmod(0o755 if path.is_dir() else 0o644)
        self.done = []

    @invariant()
    def verify_tells(self) -> None:
        """Verification passes exactly when nothing differs; otherwise a changed name
        stands in what it says.
        """
        now = state(self.run)
        changed = sorted(path for path in {*now, *self.before} if now.get(path) != self.before.get(path))
        problems = deep_problems(self.run, self.root)
        assert bool(problems) == bool(changed), (self.done, changed, problems)
        if changed:
            assert any(named(path, problems) for path in changed), (self.done, changed, problems)
            assert all(any(figure in text for figure in FIGURES) for text in problems), problems
            self.refused["sequences"] += 1

    def teardown(self) -> None:
        """Remove the copy."""
        self.folder.cleanup()


def machine(plain: Path, root: Path, examples: int) -> int:
    """Run the machine; how many harmed states were refused."""
    Tampering.source, Tampering.root, Tampering.refused = plain, root, {"sequences": 0}
    checks = settings(
        max_examples=examples,
        stateful_step_count=6,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        print_blob=True,
    )

    class Machine(Tampering.TestCase):  # type: ignore[misc]
        settings = checks

    Machine("runTest").runTest()
    return Tampering.refused["sequences"]


P5 = "whatever sequence of harms is done to published files: verify refuses and names one; undone, it passes"


@pytest.mark.promise(
    "P5",
    P5,
    faults="flip, truncate, append, delete, extra, swap, rename, links, directory, FIFO, coherent rewrite",
)
@pytest.mark.promise(
    "P4",
    "a flipped bit anywhere is refused with found and expected digest",
    faults="bit flips among other harms",
)
def test_tamper_machine(plain: Path, mini_root: Path, record_property: Callable[..., None]) -> None:
    record_property("cases", machine(plain, mini_root, 25))


@pytest.mark.slow(150)
@pytest.mark.promise("P5", P5, faults="as the quick machine, 2000 sequences")
def test_tamper_machine_long(plain: Path, mini_root: Path, record_property: Callable[..., None]) -> None:
    record_property("cases", machine(plain, mini_root, 2000))


@pytest.mark.parametrize("how", sorted(HARMS))
@pytest.mark.promise(
    "P5",
    "each harm to each published file: verify refuses naming that file, found and expected",
    faults="one harm, each file",
    cases=17,
)
def test_each_harm_to_each_file(plain: Path, mini_root: Path, copy: Path, how: str) -> None:
    published = files(copy)
    assert len(published) == 15
    for number, path in enumerate(published):
        run = copy.parent / f"{how}{number}"
        shutil.copytree(copy, run)
        target = run / path.relative_to(copy)
        before = state(run)
        HARMS[how](run, target, random.Random(number))
        after = state(run)
        changed = [name for name in {*before, *after} if before.get(name) != after.get(name)]
        problems = deep_problems(run, mini_root)
        assert changed and any(named(name, problems) for name in changed), (how, target, problems)
        shutil.rmtree(run)


READ_BY_1B = (
    "gates/1A/_passed.flag",
    "gates/1A/index.json",
    "gates/1A/states/1A.S1.json",
    "gates/1A/sealed_inputs_1A.json",
    "data",
)


@pytest.mark.parametrize("how", sorted(set(HARMS) - {"extra"}))
@pytest.mark.promise(
    "P4",
    "harmed inputs: the next segment refuses with exit 5, names the file, publishes nothing",
    faults="one harm, each input",
)
@pytest.mark.promise(
    "P6",
    "a segment rewritten together with its flag is caught by the segment built on it",
    faults="coherent rewrite and others",
)
def test_the_next_segment_refuses(mini_root: Path, ram: Path, how: str) -> None:
    """1A is built, harmed, and 1B built on it. (A stranger in a directory is verify's to find,
    or 1B's when it lists the directory.)
    """
    half = mini.miniworld.build(mini_root, out=ram / "half", until="1A").run_dir
    for number, path in enumerate(files(half)):
        name = str(path.relative_to(half))
        if not name.startswith(READ_BY_1B) or (how == "coherent" and not name.startswith("data")):
            continue
        out = ram / f"{number}"
        shutil.copytree(half.parent, out)
        run = out / half.name
        for one in run.rglob("*"):
            one.chmod(0o755 if one.is_dir() else 0o644)
        HARMS[how](run, run / name, random.Random(number))
        # whoever rewrites all of 1A makes another 1A: nothing was built on the old one yet
        if how == "coherent":
            with contextlib.suppress(GateError):  # where the flip made the file unreadable
                mini.miniworld.build(mini_root, out=out)
            assert any("as its states' manifests make" in text for text in deep_problems(run, mini_root))
            continue
        try:
            mini.miniworld.build(mini_root, out=out)
        except SimError as error:
            where = error.render()
            if name.endswith("_passed.flag") and how in (
                "delete",
                "rename",
                "directory",
                "fifo",
                "linked_directory",
            ):
                # without a flag 1A is made again, and finds something in its place
                assert error.exit_code in (5, 6, 7), where
            else:
                assert error.exit_code == 5, (how, name, where)
            assert Path(name).name in where or "gates/1A" in where or str(Path(name).parent) in where, (
                how,
                name,
                where,
            )
            assert not (run / "data/layer1/1B").exists()
        else:
            # made again, equal
            assert name.endswith("_passed.flag") and how in ("delete", "rename"), (how, name)


@pytest.mark.parametrize("how", ["flip", "delete", "swap", "symlink", "fifo", "coherent"])
@pytest.mark.promise(
    "P5",
    "the same through the command: exit 5, no traceback",
    faults="six harms to a data file and a flag",
    cases=2,
)
def test_through_the_command(cli, copy: Path, mini_root: Path, how: str) -> None:  # type: ignore[no-untyped-def]
    places = ["--contracts", str(mini_root / "contracts"), "--config", str(mini_root / "config")]
    for name in ("part-00001.parquet", "_passed.flag"):
        run = copy.parent / f"{name}{how}"
        shutil.copytree(copy, run)
        HARMS[how](run, next(path for path in files(run) if path.name == name), random.Random(3))
        answer = cli("verify", run, "--deep", *places)
        assert answer.code == 5 and answer.out == "" and "Traceback" not in answer.err, answer
        assert str(run) in answer.err and " do " in answer.err
