"""Other generators of like rows, alternately in the same minutes and on as many threads: rows/s, bytes a row.

`closedworld 5B.S4` makes checked, digested, fsynced, referentially closed arrivals in order.
`numpy + pyarrow` draws every column of the same schema uniformly and writes it with the same options;
`duckdb` does the like with `range()` and `random()`; `tpchgen-cli` writes lineitem, whose rows are of another
schema (16 columns). None of the three checks, orders or seals anything.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from bench.case import Options, Row, seconds_of
from bench.world import DATASET, World
from bench.writing import writer_options
from sim.ground.contract_types import Column
from sim.shell.tables.arrow import arrow_type
from sim.shell.tables.parquet import arrow_schema

ROWS = 20_000_000
CHUNK = 1 << 20
LINES_A_SCALE = 6_001_215  # lineitem rows of TPC-H at scale factor 1

Measured = tuple[float, int, int]  # seconds, rows, bytes


def run(options: Options) -> list[Row]:
    """A row a generator; `tpchgen-cli` is run where it is installed,
    and said to be missing where it is not.
    """
    preset = options.presets[0]
    options.say(f"peers: building {preset} once")
    world = World.built(options, preset)
    rows = options.rows or ROWS

    def closedworld() -> Measured:
        world.without_arrivals()
        seconds = max(world.arrivals_again(options, preset)["wall_ms"], 1) / 1000
        store = world.store()
        files = [
            file for scenario in store.scenarios(DATASET) for file in store.published(DATASET, scenario).files
        ]
        return seconds, sum(file.rows for file in files), sum(file.bytes for file in files)

    tpchgen = _tpchgen()
    peers: dict[str, Callable[[], Measured]] = {
        "closedworld 5B.S4": closedworld,
        "numpy + pyarrow": lambda: _uniform(world, rows, options),
        "duckdb": lambda: _duckdb(world, rows, options),
    }
    if tpchgen is not None:
        peers["tpchgen-cli"] = lambda: _lines(tpchgen, rows, options)
    peers = {name: peer for name, peer in peers.items() if not options.names or name in options.names}
    seen: dict[str, list[Measured]] = {name: [] for name in peers}
    for number in range(options.runs):
        for name, peer in peers.items():
            options.say(f"peers: {name} {number + 1}/{options.runs}")
            seen[name].append(peer())
    made = [
        Row(
            name,
            {
                "wall": ("s", [one[0] for one in all_]),
                "rows": ("M/s", [one[1] / one[0] / 1e6 for one in all_]),
            },
            {"rows": all_[0][1], "bytes": all_[0][2], "bytes a row": round(all_[0][2] / all_[0][1], 2)},
        )
        for name, all_ in seen.items()
    ]
    if tpchgen is None:
        made.append(Row("tpchgen-cli", {}, {"missing": "pip install tpchgen-cli"}))
    return made


def _uniform(world: World, rows: int, options: Options) -> Measured:
    """Uniform values in every column of the arrival schema, a file a chunk."""
    dataset = world.prepared.contracts.dataset(DATASET)
    vocabularies = world.prepared.vocabularies
    schema = arrow_schema(dataset, vocabularies, {})
    writer = writer_options(dataset.table.columns)
    folder = _fresh(options.scratch / "peer")

    def chunk(number: int) -> None:
        random = np.random.default_rng(number)
        size = min(CHUNK, rows - number * CHUNK)
        arrays = [_column(random, column, size, vocabularies) for column in dataset.table.columns]
        pq.write_table(pa.Table.from_arrays(arrays, schema=schema), folder / f"{number}.parquet", **writer)

    def all_chunks() -> None:
        with ThreadPoolExecutor(options.workers) as pool:
            list(pool.map(chunk, range(-(-rows // CHUNK))))

    return _measured(all_chunks, rows, folder)


def _column(
    random: np.random.Generator, column: Column, size: int, vocabularies: dict[str, tuple[str, ...]]
) -> pa.Array:
    mask = random.integers(0, 4, size) == 0 if column.nullable else None
    if column.type == "category":
        values = vocabularies[str(column.vocabulary)]
        codes = random.integers(0, len(values), size, dtype=np.int16)
        return pa.DictionaryArray.from_arrays(pa.array(codes, mask=mask), pa.array(values, pa.string()))
    if column.type == "bool":
        return pa.array(random.integers(0, 2, size, dtype=np.int8).view(np.bool_), mask=mask)
    if column.type == "timestamp_us":
        return pa.array(
            random.integers(0, 90 * 86_400_000_000, size), pa.timestamp("us", tz="UTC"), mask=mask
        )
    dtype = np.dtype(column.numpy_dtype)
    most = 4200 if column.name == "merchant_id" else min(np.iinfo(dtype).max, 2**31 - 1)
    return pa.array(random.integers(0, most, size, dtype=dtype), mask=mask).cast(arrow_type(column))


def _duckdb(world: World, rows: int, options: Options) -> Measured:
    """The same columns from `range()` and `random()`; categories are texts,
    which DuckDB puts in dictionaries by itself.
    """
    folder = _fresh(options.scratch / "peer")
    dataset = world.prepared.contracts.dataset(DATASET)
    columns = ", ".join(f"{_expression(column, world)} AS {column.name}" for column in dataset.table.columns)
    import duckdb  # here, so that a machine without it has the other cases

    connection = duckdb.connect(config={"threads": options.workers})
    connection.execute("SET preserve_insertion_order = false")
    query = (
        f"COPY (SELECT {columns} FROM range({rows})) TO '{folder / 'rows.parquet'}' (FORMAT parquet, "
        "COMPRESSION snappy)"
    )
    try:
        return _measured(lambda: connection.execute(query), rows, folder)
    finally:
        connection.close()


def _expression(column: Column, world: World) -> str:
    kinds = {"uint64": "UBIGINT", "uint32": "UINTEGER", "int16": "SMALLINT"}  # an id is a BIGINT
    if column.type == "category":
        values = world.prepared.vocabularies[str(column.vocabulary)]
        made = (
            "(["
            + ", ".join("'" + value.replace("'", "''") + "'" for value in values)
            + f"])[1 + (random() * {len(values) - 1})::INTEGER]"
        )
    elif column.type == "bool":
        made = "random() < 0.5"
    elif column.type == "timestamp_us":
        made = "make_timestamptz((random() * 7776000000000)::BIGINT)"
    else:
        most = {"merchant_id": 4200, "utc_offset_minutes": 840}.get(column.name, 2_000_000_000)
        made = f"(random() * {most})::{kinds.get(column.type, 'BIGINT')}"
    return f"CASE WHEN random() < 0.25 THEN NULL ELSE {made} END" if column.nullable else made


def _lines(program: str, rows: int, options: Options) -> Measured:
    folder = _fresh(options.scratch / "peer")
    scale = max(rows / LINES_A_SCALE, 0.001)
    threads = ["--num-threads", str(options.workers)]
    command = [
        program,
        "parquet",
        "-s",
        f"{scale:.3f}",
        "--tables=lineitem",
        *threads,
        f"--output-dir={folder}",
    ]

    def generate() -> None:
        subprocess.run(command, check=True, capture_output=True)

    seconds, _, size = _measured(generate, rows, folder, keep=True)
    made = sum(pq.read_metadata(path).num_rows for path in folder.rglob("*.parquet"))
    shutil.rmtree(folder)
    return seconds, made, size


def _tpchgen() -> str | None:
    return shutil.which("tpchgen-cli") or shutil.which("tpchgen-cli", path=str(Path(sys.executable).parent))


def _fresh(folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    return folder


def _measured(work: Callable[[], object], rows: int, folder: Path, keep: bool = False) -> Measured:
    seconds = seconds_of(work)
    size = sum(path.stat().st_size for path in folder.rglob("*.parquet"))
    if not keep:
        shutil.rmtree(folder)
    return seconds, rows, size
