"""A small file that says a great many: refused by its footer, before a page is decoded, in memory that does
not depend on what it says.
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import sim.world as cw
from sim.ground.errors import GateError, SimError, UsageError
from sim.ground.identity import sha256_bytes
from sim.shell.runs.status import REPORT_SCHEMA, report_rows
from sim.shell.tables import bounds
from sim.state.records import PartFile
from tests.trust import forgery, mini

ROWS = 200_000_000  # 24 bytes each in memory: 4.8 GB


def items(rows: int, **options: Any) -> bytes:
    """A file of `items` whose rows are all alike."""
    sink = pa.BufferOutputStream()
    schema = pa.schema(
        [("item_id", pa.uint64(), False), ("word", pa.uint64(), False), ("weight", pa.float64(), False)]
    )
    with pq.ParquetWriter(
        sink, schema, version="2.6", **{"compression": "snappy", "write_page_checksum": True, **options}
    ) as writer:
        size = min(rows, 1 << 20)
        batch = pa.record_batch([pa.repeat(pa.scalar(1, kind.type), size) for kind in schema], schema=schema)
        for _ in range(rows // size):
            writer.write_batch(batch, row_group_size=1 << 20)
    return sink.getvalue().to_pybytes()


def zstd() -> tuple[bytes, int]:
    return items(1 << 22, compression="zstd", use_dictionary=False), 1 << 22


def repeated() -> tuple[bytes, int]:
    rows = ROWS // (1 << 20) * (1 << 20)
    return items(rows), rows


def more_than_said() -> tuple[bytes, int]:
    return items(1 << 20), 100


def many_groups() -> tuple[bytes, int]:
    sink = pa.BufferOutputStream()
    table = pq.read_table(pa.BufferReader(items(1 << 14)))
    pq.write_table(table, sink, row_group_size=16, write_page_checksum=True)
    return sink.getvalue().to_pybytes(), 1 << 14


def many_columns() -> tuple[bytes, int]:
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table({f"c{number}": [1] for number in range(2000)}), sink)
    return sink.getvalue().to_pybytes(), 1


def text_in_every_row() -> tuple[bytes, int]:
    """One text of a megabyte, named by a million rows: a terabyte, were each row to hold its own."""
    sink = pa.BufferOutputStream()
    rows = 1 << 20
    text = pa.DictionaryArray.from_arrays(
        pa.repeat(pa.scalar(0, pa.int32()), rows), pa.array(["x" * (1 << 20)])
    )
    pq.write_table(
        pa.table({"item_id": text}), sink, compression="snappy", row_group_size=rows, store_schema=False
    )
    return sink.getvalue().to_pybytes(), rows


def not_parquet() -> tuple[bytes, int]:
    return b"PAR1" + b"\0" * 64 + b"PAR1", 1


def one_column() -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(
        pa.table({"item_id": pa.array([1, None], pa.uint64())}),
        sink,
        compression="snappy",
        write_page_checksum=True,
    )
    return sink.getvalue().to_pybytes()


def other_levels() -> tuple[bytes, int]:
    """A column without nulls by the schema, whose size statistics count them:
    Arrow's accessors of chunks abort the process.
    """
    optional = b"\x25\x02\x18\x07item_id"
    data = one_column()
    assert data.count(optional) == 1
    return data.replace(optional, b"\x25\x00\x18\x07item_id"), 2


def renamed() -> tuple[bytes, int]:
    """A chunk that says to be another column's than the one in whose place it stands."""
    data = one_column()
    at = data.rindex(b"\x07item_id") + 1
    return data[:at] + b"other_1" + data[at + 7 :], 2


def no_utf8() -> tuple[bytes, int]:
    return one_column().replace(b"\x07item_id", b"\x07\xfftem_id"), 2


def encrypted() -> tuple[bytes, int]:
    """A footer that says to be signed, without a signature: Arrow's writer of footers ends the process."""
    data = one_column()
    footer = data[-8 - int.from_bytes(data[-8:-4], "little") : -9] + b"\x1c\x1c\0\0\0"
    return data[: -8 - (len(footer) - 4)] + footer + len(footer).to_bytes(4, "little") + b"PAR1", 2


BOMBS: dict[str, Callable[[], tuple[bytes, int]]] = {
    made.__name__: made
    for made in (
        zstd,
        repeated,
        more_than_said,
        many_groups,
        many_columns,
        text_in_every_row,
        not_parquet,
        other_levels,
        renamed,
        no_utf8,
        encrypted,
    )
}


def plant(run: Path, data: bytes, rows: int) -> None:
    """Put a file in the place of the first one of `items`, and say so in every document above it."""
    path = next(iter(sorted(run.glob("data/layer1/1A/items/*/*/part-00000.parquet"))))
    path.write_bytes(data)

    def edit(document: dict[str, Any]) -> None:
        for entry in document.get("datasets", ()):
            if entry["dataset"] == "items":
                entry["files"][0] |= {"bytes": len(data), "rows": rows, "file_sha256": sha256_bytes(data)}
                entry["rows"] = sum(file["rows"] for file in entry["files"])

    forgery.forge(run, mini.CODES, edit, unknown_contracts=False)


LIMITED = """
import resource, sys
resource.setrlimit(resource.RLIMIT_DATA, (int(sys.argv[1]), int(sys.argv[1])))
from sim.cli.main import main
sys.argv = ["closedworld", *sys.argv[2:]]
main()
"""


@pytest.mark.parametrize("case", BOMBS)
def test_a_bomb_is_refused_before_it_is_decoded(copy: Path, mini_root: Path, case: str) -> None:
    data, rows = BOMBS[case]()
    assert len(data) < 8 << 20
    plant(copy, data, rows)
    places = ["--contracts", str(mini_root / "contracts"), "--config", str(mini_root / "config")]
    command = [sys.executable, "-c", LIMITED, str(1 << 30), "verify", str(copy), "--deep", "--json", *places]
    done = subprocess.run(
        command, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(mini.ROOT)}, check=False
    )
    assert done.returncode == 5, (done.stdout[-500:], done.stderr[-2000:])
    assert "a published file asks for more than a file of a run can" in json.dumps(
        json.loads(done.stdout)["error"]
    )
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    table = cw.open(copy)["items"]
    for read in (table.dataset, table.to_arrow, table.to_polars, lambda: table.to_arrow(["item_id"])):
        with pytest.raises(GateError, match="asks for more than a file of a run can"):
            read()
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 300_000


DAMAGED = """
import sys
import pyarrow as pa
import pyarrow.dataset as pads
import pyarrow.parquet as pq
from sim.shell.tables.bounds import require_bounded_file
from sim.ground.errors import GateError
from sim.state.records import PartFile
from sim.shell.runs.status import REPORT_SCHEMA, report_rows

columns = {"a": pa.array(range(100), pa.uint64()), "b": [str(n) for n in range(100)], "c": [None, 1.0] * 50}
sink = pa.BufferOutputStream()
pq.write_table(pa.table(columns), sink, compression="snappy", write_page_checksum=True, row_group_size=100)
good = sink.getvalue().to_pybytes()
footer = int.from_bytes(good[-8:-4], "little")
condition = (pads.field("a") == 3) & (pads.field("b") == "3") & (pads.field("c") == 1.0)
passed = refused = 0
for at in range(len(good) - 8 - footer, len(good)):
    b = good[at]
    for byte in {b ^ 1, b ^ 0x10, b ^ 0x40, (b - 1) % 256, (b + 1) % 256, 0, 255} - {b}:
        data = good[:at] + bytes([byte]) + good[at + 1 :]
        try:
            file = PartFile("here", len(data), 100, "", "")
            require_bounded_file("here", file, lambda: pa.BufferReader(data))
        except GateError:
            refused += 1
            continue
        passed += 1
        format = pads.ParquetFileFormat()
        try:
            fragment = format.make_fragment(pa.BufferReader(data))
            dataset = pads.FileSystemDataset([fragment], pa.table(columns).schema, format)
            dataset.to_table(filter=condition, use_threads=False)
        except (pa.ArrowException, OSError):
            pass
print(passed, refused)
"""


def test_no_damage_of_a_footer_ends_the_process() -> None:
    """Every byte of a footer, several ways: what the bounds let through is read, or refused by Arrow,
    never an abort of the process.
    """
    done = subprocess.run(
        [sys.executable, "-c", DAMAGED], capture_output=True, text=True, cwd=mini.ROOT, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    passed, refused = map(int, done.stdout.split())
    assert passed > 1000
    assert refused > 1000


def test_sql_on_a_bomb_keeps_to_its_memory(copy: Path) -> None:
    """DuckDB goes through rows without holding them: what is in the file is answered, within the bound."""
    data, rows = repeated()
    plant(copy, data, rows)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    found = cw.open(copy).sql("select count(*) as n, min(item_id) as least from items", 256 << 20).to_pylist()
    assert found == [{"n": rows + 70, "least": 1}]
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 600_000


def test_a_report_of_more_than_reports_hold_is_refused(copy: Path) -> None:
    """Reports have no digest: 20,000 rows of one text of 100 kB are 2 GB out of a few kilobytes."""
    rows = 20_000
    text = pa.DictionaryArray.from_arrays(
        pa.repeat(pa.scalar(0, pa.int32()), rows), pa.array(["x" * 100_000])
    )
    alike = {
        field.name: pa.repeat(
            pa.scalar(1, field.type) if pa.types.is_integer(field.type) else pa.scalar("x"), rows
        )
        for field in REPORT_SCHEMA
        if field.name != "ended_utc"
    }
    stamps = pa.repeat(pa.scalar(0, REPORT_SCHEMA.field("ended_utc").type), rows)
    columns = {
        field.name: stamps
        if field.name == "ended_utc"
        else text
        if field.name == "error_code"
        else alike[field.name]
        for field in REPORT_SCHEMA
    }
    path = next(copy.glob("reports/layer*/segment_state_runs")) / "part-99999.parquet"
    pq.write_table(pa.table(columns), path, store_schema=False)
    assert path.stat().st_size < 100_000
    with pytest.raises(UsageError) as refused:
        list(report_rows(copy))
    assert (refused.value.code, refused.value.where) == (
        "SHELL.REPORT_UNREADABLE",
        str(path),
    ) and "bytes of rows" in refused.value.found


def test_files_of_ours_are_far_from_the_bounds(demo_run: Path) -> None:
    world = cw.open(demo_run)
    for name in world.tables:
        for item in world[name].published:
            for part in item.files:
                path = world.path / item.path / part.name
                with pa.OSFile(str(path)) as stream:
                    decoded, _ = bounds.require_bounded(str(path), part, stream)
                assert decoded <= bounds.LEAST + part.bytes * bounds.RATIO // 4
        world[name].dataset()


def test_rows_that_do_not_fit_into_memory_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sim.executors.resident.available", lambda: 100 << 20)
    part = PartFile("part-00000.parquet", 1 << 20, 1, "", "")
    bounds.require_room("here", part, 100 << 20)
    with pytest.raises(SimError, match=r"SHELL\.OUT_OF_MEMORY") as refused:
        bounds.require_room("here", part, (100 << 20) + 1)
    assert refused.value.exit_code == 7


def first(run: Path) -> Path:
    return next(iter(sorted(run.glob("data/layer1/1A/items/*/*/part-00000.parquet"))))


def flipped(path: Path) -> None:
    """Other bytes of the same size under the same name, and the times of the old ones."""
    status = path.stat()
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    other = path.with_name("other")
    other.write_bytes(bytes(data))
    os.utime(other, ns=(status.st_atime_ns, status.st_mtime_ns))
    other.replace(path)


def in_place(path: Path) -> None:
    with path.open("r+b") as stream:
        stream.seek(200)
        stream.write(b"\xff\x00")


def gone(path: Path) -> None:
    path.unlink()


def linked(path: Path) -> None:
    shutil.copy(path, path.parents[6] / "away")
    path.unlink()
    path.symlink_to(path.parents[6] / "away")


@pytest.mark.parametrize("harm", [flipped, in_place, gone, linked])
def test_a_file_replaced_after_it_was_proven_is_refused(copy: Path, harm: Callable[[Path], None]) -> None:
    world = cw.open(copy)
    table = world["items"]
    assert table.to_arrow().num_rows == 100
    assert world.sql("select count(*) as n from items")["n"].to_pylist() == [100]
    harm(first(copy))
    for read in (
        table.to_arrow,
        table.to_polars,
        table.dataset,
        table.duckdb,
        lambda: world.sql("select * from items"),
    ):
        with pytest.raises(GateError, match="not the one that was published"):
            read()
    assert world.sql("select count(*) > 0 as some from doubles")["some"].to_pylist() == [True]


def test_a_file_replaced_while_an_answer_streams_is_refused(copy: Path) -> None:
    world = cw.open(copy)
    stream = world.stream("select * from items")
    flipped(first(copy))
    with pytest.raises(GateError, match="not the one that was published"):
        stream.read_all()


def test_the_same_bytes_in_another_file_are_proven_again(copy: Path) -> None:
    world = cw.open(copy)
    before = world["items"].to_arrow()
    path = first(copy)
    shutil.copy(path, path.with_name("other"))
    path.with_name("other").replace(path)
    assert world["items"].to_arrow().equals(before)


def test_texts_that_nobody_reads_are_not_counted() -> None:
    """They take no memory, and to decode them for each other column that is read took a tenth of 6A.S6."""
    data, rows = text_in_every_row()
    file = PartFile("here", len(data), rows, "", "")
    bounds.require_bounded_file("here", file, lambda: pa.BufferReader(data), ["word"])
    for columns in (["item_id"], ["word", "item_id"], None):
        with pytest.raises(GateError, match="asks for more than a file of a run can"):
            bounds.require_bounded_file("here", file, lambda: pa.BufferReader(data), columns)
