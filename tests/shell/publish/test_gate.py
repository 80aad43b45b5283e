"""No PASS, no read: whatever happens to a published byte, the next reader refuses and names the file."""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Callable
from pathlib import Path

import miniworld
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sim.ground.errors import GateError
from sim.shell.publish.bundle import encode_flag, encode_index, read_flag
from sim.shell.publish.gate import open_bundle, verify_bundle


def problems(run_dir: Path) -> list[str]:
    """Everything deep verification of both segments says."""
    found = []
    for segment in ("1A", "1B"):
        try:
            found += verify_bundle(run_dir, open_bundle(run_dir, segment), deep=True)
        except GateError as error:
            found.append(error.render())
    return found


@pytest.fixture
def run_dir(root: Path) -> Path:
    return miniworld.build(root).run_dir


def published(run_dir: Path) -> list[Path]:
    return sorted(
        path for part in ("data", "gates") for path in (run_dir / part).rglob("*") if path.is_file()
    )


def rewrite(path: Path, data: bytes) -> None:
    path.chmod(0o644)
    path.write_bytes(data)


def test_an_untouched_run_has_no_problems(run_dir: Path) -> None:
    assert problems(run_dir) == []


@pytest.mark.promise(
    "P4",
    "a flipped bit in any published file is named",
    faults="24 bits a file, every byte of a flag",
    cases=600,
)
def test_one_flipped_bit_anywhere_is_named(run_dir: Path) -> None:
    rng = random.Random(5)
    for path in published(run_dir):
        data = path.read_bytes()
        offsets = (
            range(len(data))
            if path.name == "_passed.flag"
            else rng.sample(range(len(data)), min(24, len(data)))
        )
        for offset in offsets:
            rewrite(
                path, data[:offset] + bytes([data[offset] ^ (1 << rng.randrange(8))]) + data[offset + 1 :]
            )
            found = problems(run_dir)
            assert found and any(path.name in text for text in found), (path, offset)
        rewrite(path, data)
    assert problems(run_dir) == []


def _delete(path: Path) -> None:
    path.unlink()


def _truncate(path: Path) -> None:
    rewrite(path, path.read_bytes()[:-1])


def _append(path: Path) -> None:
    rewrite(path, path.read_bytes() + b"\n")


def _rename(path: Path) -> None:
    path.rename(path.with_name(f"x{path.name}"))


def _symlink(path: Path) -> None:
    moved = path.parent.parent / f"{path.name}.moved"
    path.rename(moved)
    path.symlink_to(moved)


def _directory(path: Path) -> None:
    path.unlink()
    path.mkdir()


def _fifo(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


@pytest.mark.parametrize("harm", [_delete, _truncate, _append, _rename, _symlink, _directory, _fifo])
@pytest.mark.promise(
    "P5", "every published file is missed when harmed, by name", faults="one harm, each file", cases=15
)
def test_every_file_is_missed_if_harmed(run_dir: Path, tmp_path: Path, harm: Callable[[Path], None]) -> None:
    for number, path in enumerate(published(run_dir)):
        copy = tmp_path / f"copy{number}"
        shutil.copytree(run_dir, copy)
        harm(copy / path.relative_to(run_dir))
        assert any(path.name in text for text in problems(copy)), path


def test_extra_and_swapped_data_files_are_named(run_dir: Path) -> None:
    first, second = sorted((run_dir / "data/layer1/1A").rglob("part-0000[01].parquet"))
    extra = first.with_name("part-00009.parquet")
    shutil.copy(first, extra)
    assert any("part-00009" in text for text in problems(run_dir))
    extra.unlink()
    one, two = first.read_bytes(), second.read_bytes()
    rewrite(first, two)
    rewrite(second, one)
    assert len(problems(run_dir)) == 2


@pytest.mark.promise("P4", "the next segment refuses a harmed input and names the file", faults="bit flip")
def test_the_next_segment_refuses_a_harmed_input(root: Path) -> None:
    step = miniworld.build(root, until="1A")
    path = next((step.run_dir / "data").rglob("part-00002.parquet"))
    data = path.read_bytes()
    rewrite(path, data[:70] + bytes([data[70] ^ 4]) + data[71:])
    with pytest.raises(GateError, match="DIGEST_MISMATCH") as error:
        miniworld.build(root)
    assert "part-00002.parquet" in error.value.where
    assert not (step.run_dir / "data/layer1/1B").exists()


@pytest.mark.promise(
    "P6", "a whole segment of another world, with its flag, breaks the chain", faults="1A exchanged"
)
def test_a_coherent_rewrite_of_a_segment_breaks_the_chain(root: Path) -> None:
    """Editing 1A together with its manifest, index and flag still breaks 1B,
    which was built on the old flag.
    """
    run_dir = miniworld.build(root).run_dir
    other = miniworld.build(root, out=root / "other", request={"seed": 7}).run_dir
    shutil.rmtree(run_dir / "gates/1A")
    shutil.copytree(other / "gates/1A", run_dir / "gates/1A")
    shutil.rmtree(run_dir / "data/layer1/1A")
    shutil.copytree(other / "data/layer1/1A", run_dir / "data/layer1/1A")
    found = problems(run_dir)
    assert any("gates/1A/_passed.flag" in text and "1B was built on" in text for text in found)
    with pytest.raises(GateError):
        miniworld.build(root)


@given(st.binary(max_size=200))
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_only_the_writer_s_bytes_are_a_flag(data: bytes) -> None:
    with pytest.raises(GateError):
        read_flag(data, "1A", "flag")


def test_flag_round_trip() -> None:
    index = encode_index("1A", {}, {}, {}, [])
    flag = encode_flag("1A", index)
    assert len(read_flag(flag, "1A", "flag")) == 64
    for wrong in (
        flag[:-1],
        b"\xef\xbb\xbf" + flag,
        flag + b"\n",
        flag.replace(b'"1A"', b'"1B"'),
        flag.replace(b",", b", "),
    ):
        with pytest.raises(GateError):
            read_flag(wrong, "1A", "flag")


def test_a_hostile_manifest_path_is_refused(run_dir: Path) -> None:
    import json

    from sim.shell.publish.manifest import decode_published

    item = json.loads((run_dir / "gates/1A/index.json").read_text())["datasets"][0]
    for path in ("../../etc", "/etc", "data/./x", "data//x", "data/x\0", "a\\b"):
        with pytest.raises(GateError, match="PUBLISHED_FILE_INVALID"):
            decode_published({**item, "path": path})
