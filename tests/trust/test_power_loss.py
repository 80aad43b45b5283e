"""Power loss at every call of a real run, and after a kill and a resume: old or new, never in part,
and nothing told is lost.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from fault_world import SEED, files, final, fresh, lasting, power_after_kill, sources, trace
from power_loss import Op, Tree
from replays import Law, miniworld, replay

from sim.shell.publish.bundle import Bundle
from sim.shell.publish.gate import open_bundle, verify_bundle

__all__ = ["trace", "sources"]


def test_the_recorder_misses_nothing(trace: tuple[list[Op], str, Tree]) -> None:
    """The recorded calls alone make the directory that the run left; so no write,
    rename or removal went unseen.
    """
    ops, _, left = trace
    assert final(ops) == left
    assert sum(op[0] == "told" for op in ops) == 3 and not [op for op in ops if op[0] == "failed"]


@pytest.mark.promise(
    "P2",
    "Power loss at any moment: what is visible is whole and what was told is there",
    faults="power cut",
    cases=2600,
)
def test_power_loss_at_every_call(
    trace: tuple[list[Op], str, Tree], record_property: Callable[..., None]
) -> None:
    ops, run, left = trace
    tally = replay(ops, Law(left, run), SEED)
    print(
        f"seed {SEED}: {tally.states} crash states at {tally.points} points, {len(tally.distinct)} distinct"
    )
    assert tally.broken == []
    assert tally.points == len(ops) + 1 > 200
    assert tally.states > 2000 and len(tally.distinct) > 400
    record_property("cases", tally.states)


def calls(trace: tuple[list[Op], str, Tree]) -> int:
    return sum(op[0] != "told" for op in trace[0])


def materialised(out: Path, tree: Tree, folders: set[str]) -> None:
    for folder in sorted(folders):
        (out / folder).mkdir(parents=True, exist_ok=True)
    for path, data in tree.items():
        (out / path).write_bytes(data)


def recovered(sources: Path, states: list[tuple[Tree, set[str]]], run: str, left: Tree) -> int:
    """Lay out each state, let the gate judge it, resume, compare;
    returns how many had a segment that had passed.
    """
    passed = 0
    for tree, folders in states:
        out = fresh(sources, "after")
        materialised(out, tree, folders)
        for code in ("1A", "1B"):
            if f"{run}/gates/{code}/_passed.flag" in tree:
                bundle: Bundle = open_bundle(out / run, code)
                assert verify_bundle(out / run, bundle, deep=True) == []
                passed += 1
        miniworld.build(sources, out=out)
        assert lasting(files(out)) == lasting(left)
    return passed


def test_a_run_after_power_loss_completes_to_the_same_bytes(
    sources: Path, trace: tuple[list[Op], str, Tree]
) -> None:
    ops, run, left = trace
    states = replay(ops, Law(left, run), SEED, keep=1000).kept
    chosen = random.Random(SEED).sample(states, 40)
    print(f"seed {SEED}: {len(chosen)} of {len(states)} crash states laid out and resumed")
    assert recovered(sources, chosen, run, left) > 5


@pytest.mark.slow
@pytest.mark.promise(
    "P2",
    "After power loss the same request completes to the same bytes",
    faults="power cut, then resume",
    cases=400,
)
def test_after_every_distinct_crash_state_a_run_completes(
    sources: Path, trace: tuple[list[Op], str, Tree], record_property: Callable[..., None]
) -> None:
    ops, run, left = trace
    states = replay(ops, Law(left, run), SEED, keep=1000).kept
    assert recovered(sources, states, run, left) > 50 and len(states) > 400
    record_property("cases", len(states))


def test_power_loss_after_a_kill_and_a_resume(sources: Path, trace: tuple[list[Op], str, Tree]) -> None:
    states, broken = power_after_kill(sources, range(3, calls(trace), 19), trace[2])
    print(f"{states} crash states after kill and resume")
    assert broken == [] and states > 5000


@pytest.mark.slow(50)
@pytest.mark.promise(
    "P2",
    "Killed, resumed, then the power goes: still nothing told is lost",
    faults="SIGKILL, then power cut",
    cases=100_000,
)
def test_power_loss_after_a_kill_at_every_call_and_a_resume(
    sources: Path, trace: tuple[list[Op], str, Tree], record_property: Callable[..., None]
) -> None:
    states, broken = power_after_kill(sources, range(calls(trace)), trace[2])
    print(f"{states} crash states after kill and resume")
    assert broken == [] and states > 100_000
    record_property("cases", states)
