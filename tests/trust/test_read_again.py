"""What was hashed is what is read: a file that took a proven one's name is hashed again; what is no plain
file is never waited for.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from sim.executors.cluster import Cluster, ClusterOptions
from sim.executors.protocol import ExecutorUnavailable
from sim.ground.errors import GateError, UsageError
from sim.ground.identity import sha256_bytes
from sim.ground.plain_file import NotPlain
from sim.shell.partition.staging import PartitionResult, Staging
from sim.shell.publish.gate import require_bytes, require_file
from sim.shell.runs.opened import open_run
from sim.shell.runs.status import state_rows
from sim.shell.runs.store import Store
from tests.trust import mini

Run = Callable[..., mini.Done]


def flipped(path: Path) -> bytes:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    return bytes(data)


def there(path: Path, thing: str) -> None:
    """Put something that is no plain file, or not the one that was there, in a file's place."""
    before = path.read_bytes() if path.is_file() else b""
    path.unlink(missing_ok=True)
    if thing == "pipe":
        os.mkfifo(path)
    elif thing == "zeros":
        path.symlink_to("/dev/zero")
    elif thing == "link":
        other = path.with_name("moved-aside")
        other.write_bytes(before)
        path.symlink_to(other)
    elif thing == "directory":
        path.mkdir()


@pytest.fixture
def store(copy: Path, mini_root: Path) -> Store:
    prepared = mini.miniworld.prepared(mini_root)
    opened = Store(copy, prepared.contracts, prepared.reference, prepared.vocabularies, prepared.request.seed)
    opened.register(open_run(copy, mini.CODES).published)
    return opened


@pytest.mark.promise(
    "P4",
    "a file swapped after it was hashed is hashed again and refused",
    faults="rename over a proven file, mtime set back",
)
def test_a_file_that_took_a_proven_ones_name_is_refused(store: Store, copy: Path) -> None:
    store.load("items", columns=["item_id"])  # every file is hashed now
    path = next((copy / "data").rglob("items/**/part-00001.parquet"))
    status, other = path.stat(), copy.parent / "other"
    other.write_bytes(flipped(path))
    os.utime(other, ns=(status.st_atime_ns, status.st_mtime_ns))
    other.rename(path)
    with pytest.raises(GateError, match="SEALED_INPUTS_DIGEST_MISMATCH") as error:
        store.load("items", columns=["word"])
    assert error.value.where == str(path)


def test_a_file_written_over_in_place_is_refused_and_one_touched_is_not(store: Store, copy: Path) -> None:
    store.load("items", columns=["item_id"])
    path = next((copy / "data").rglob("items/**/part-00001.parquet"))
    os.utime(path)
    store.load("items", columns=["weight"])
    path.chmod(0o644)
    path.write_bytes(flipped(path))
    with pytest.raises(GateError, match="SEALED_INPUTS_DIGEST_MISMATCH"):
        store.load("items", columns=["word"])


@pytest.mark.parametrize("thing", ["pipe", "zeros", "link", "directory", "gone"])
def test_a_published_file_that_is_no_plain_one_is_never_waited_for(tmp_path: Path, thing: str) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"published")
    there(path, thing)
    for require in (require_file, require_bytes):
        with pytest.raises(GateError) as error:
            require(path, sha256_bytes(b"published"))
        assert error.value.found == "no such file"
    if thing not in ("link", "gone"):
        from sim.ground.identity import sha256_file

        with pytest.raises(NotPlain):
            sha256_file(path)


def test_a_larger_file_is_not_read_into_memory(tmp_path: Path) -> None:
    path = tmp_path / "file"
    with path.open("wb") as stream:
        stream.truncate(1 << 40)  # a TiB of nothing
    with pytest.raises(GateError):
        require_bytes(path, "0" * 64, 1000)


@pytest.mark.parametrize("thing", ["pipe", "zeros", "directory", "link"])
@pytest.mark.parametrize("name", ["binding", "receipts/00000.json", "data/items/_/part-00000.parquet"])
def test_staging_that_is_no_plain_file_is_computed_again(tmp_path: Path, thing: str, name: str) -> None:
    from sim.state.records import PartFile

    staging = Staging(tmp_path, "1A.S1", "b" * 64)
    staging.prepare()
    data = b"rows"
    staging.write("items", None, "part-00000.parquet", memoryview(data), lambda: None)
    staging.record(
        PartitionResult(
            "00000", {"items": PartFile("part-00000.parquet", 4, 1, sha256_bytes(data), "c" * 64)}, [], {}, []
        )
    )
    assert staging.finished("00000", None) is not None
    there(staging.path / name, thing)
    again = Staging(tmp_path, "1A.S1", "b" * 64)
    again.prepare()
    assert again.finished("00000", None) is None


@pytest.mark.parametrize("thing", ["pipe", "zeros", "directory"])
def test_a_report_or_a_scheduler_file_that_is_none_is_never_waited_for(
    copy: Path, tmp_path: Path, thing: str
) -> None:
    report = next(copy.glob("reports/layer1/*/part-*.parquet"))
    there(report, thing)
    try:
        assert state_rows(copy, mini.CODES)  # others tell
    except UsageError as error:
        assert error.where == str(report)
    there(tmp_path / "scheduler.json", thing)
    with pytest.raises(ExecutorUnavailable, match=r"no scheduler at .*scheduler\.json") as refused:
        Cluster(ClusterOptions(1, scheduler_file=tmp_path / "scheduler.json"))
    assert {"pipe": "a named pipe", "zeros": "a character device", "directory": "a directory"}[thing] in str(
        refused.value
    )


def test_a_report_of_too_many_rows_is_refused_by_its_footer(copy: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    report = next(copy.glob("reports/layer1/*/part-*.parquet"))
    report.unlink()
    pq.write_table(pa.table({"rows": pa.nulls(2_000_000, pa.uint64())}), report)
    with pytest.raises(UsageError) as error:
        state_rows(copy, mini.CODES)
    assert "2,000,000 rows by its footer" in error.value.found
