"""What pyarrow alone takes to write arrivals that are there already: same columns, encodings, statistics,
row groups, threads.

    python bench/writing.py RUN_DIR PRESET WORKERS FOLDER [--set KEY=VALUE]...

The state's files are loaded a few at a time, untimed; each batch is then written by as many threads as the
state had. Prints JSON: seconds, seconds with every file fsynced, rows, bytes, and whether the files are those
the state published, byte for byte.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from bench.world import DATASET, World
from sim.shell.tables.parquet import BATCH_ROWS, COMPRESSION, ROW_GROUP_ROWS, read_parquet, to_arrow

ENCODINGS = {"plain": "PLAIN", "delta": "DELTA_BINARY_PACKED", "byte_stream_split": "BYTE_STREAM_SPLIT"}
SMALL = ("category", "string", "int16", "uint16", "int8", "uint8")


def writer_options(columns: Any) -> dict[str, Any]:
    """`pyarrow.parquet.write_table` options that contract columns ask for (`sim/shell/tables/parquet.py`)."""
    encoded = {
        column.name: column.encoding or ("dictionary" if column.type in SMALL else "plain")
        for column in columns
    }
    dictionary = [
        column.name for column in columns if column.type == "category" or encoded[column.name] == "dictionary"
    ]
    others = {
        column.name: ENCODINGS[encoded[column.name]]
        for column in columns
        if column.name not in dictionary and column.type != "bool"
    }
    return {
        "version": "2.6",
        "compression": COMPRESSION,
        "use_dictionary": dictionary or False,
        "column_encoding": others or None,
        "write_page_checksum": True,
        "write_statistics": [column.name for column in columns if column.type != "category"],
        "row_group_size": ROW_GROUP_ROWS,
        "write_batch_size": BATCH_ROWS,
        "store_schema": True,
    }


def write_all(world: World, workers: int, folder: Path) -> dict[str, Any]:
    """Write every arrival file again under `folder`, removing each batch once it is measured."""
    store = world.store()
    dataset = world.prepared.contracts.dataset(DATASET)
    options = writer_options(dataset.table.columns)
    files = [
        (item, file)
        for scenario in store.scenarios(DATASET)
        for item in [store.published(DATASET, scenario)]
        for file in item.files
    ]
    total = {
        "seconds": 0.0,
        "fsynced_seconds": 0.0,
        "rows": 0,
        "bytes": 0,
        "same_bytes": True,
        "files": len(files),
    }
    with ThreadPoolExecutor(workers) as pool:
        for start in range(0, len(files), 4 * workers):
            batch = files[start : start + 4 * workers]
            tables = []
            for item, file in batch:
                path = world.run_dir / item.path / file.name
                frame = read_parquet(path, dataset, store.vocabularies)
                metadata = {
                    key.decode(): value.decode()
                    for key, value in pq.read_schema(path).metadata.items()
                    if key != b"ARROW:schema"
                }
                tables.append(to_arrow(frame, dataset, store.vocabularies, metadata))
            targets = [folder / f"{number}.parquet" for number in range(len(batch))]
            if start == 0:
                pq.write_table(tables[0], targets[0], **options)
                targets[0].unlink()
            for figure, durable in (("seconds", False), ("fsynced_seconds", True)):
                started = time.perf_counter()
                list(
                    pool.map(
                        lambda pair, durable=durable: _write(*pair, options, durable),
                        zip(tables, targets, strict=True),
                    )
                )
                total[figure] += time.perf_counter() - started
                for target, (_, file) in zip(targets, batch, strict=True):
                    if durable:
                        total["same_bytes"] &= (
                            hashlib.sha256(target.read_bytes()).hexdigest() == file.file_sha256
                        )
                        total["rows"] += file.rows
                        total["bytes"] += target.stat().st_size
                    target.unlink()
    return total


def _write(table: pa.Table, target: Path, options: dict[str, Any], durable: bool) -> None:
    pq.write_table(table, target, **options)
    if durable:
        handle = os.open(target, os.O_RDONLY)
        os.fsync(handle)
        os.close(handle)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("run_dir", type=Path)
    parser.add_argument("preset")
    parser.add_argument("workers", type=int)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--set", action="append", default=[])
    given = parser.parse_args()
    given.folder.mkdir(exist_ok=True)
    print(
        json.dumps(write_all(World.at(given.run_dir, given.preset, given.set), given.workers, given.folder))
    )


if __name__ == "__main__":
    main()
