"""Who reads Parquet out of bytes of Python is the one who gives them up.

A thread of Arrow that is the last to hold them needs the interpreter to do so: one that has come to its end
then ends the process by an abort ("terminate called without an active exception").
"""

from __future__ import annotations

import threading
from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sim.ground.paths import config_root
from sim.model.inputs.parquet_file import parquet_table
from sim.shell.runs.status import report_rows
from sim.shell.tables.reference import TABLES, Reference

ROUNDS = 30


class Bytes(np.ndarray):  # type: ignore[type-arg]
    """Bytes that tell which thread gave them up."""

    given_up: Counter[int]

    def __del__(self) -> None:
        if hasattr(self, "given_up"):
            self.given_up[threading.get_ident()] += 1


@pytest.fixture
def given_up(monkeypatch: pytest.MonkeyPatch) -> Counter[int]:
    """How many readers' bytes each thread gave up."""
    told: Counter[int] = Counter()
    reader = pa.BufferReader

    def watched(data: bytes) -> pa.BufferReader:
        view = np.frombuffer(data, dtype=np.uint8).view(Bytes)
        view.given_up = told
        return reader(view)

    monkeypatch.setattr(pa, "BufferReader", watched)
    return told


def test_reference_tables(given_up: Counter[int]) -> None:
    for _ in range(ROUNDS):
        reference = Reference(config_root() / "reference")
        assert all(reference.metadata(name) is not None for name in TABLES)
        del reference
    assert given_up == {threading.get_ident(): 3 * ROUNDS * len(TABLES)}  # bounds, texts, rows


def test_run_reports(given_up: Counter[int], mini) -> None:  # type: ignore[no-untyped-def]
    rows = [len(list(report_rows(mini.run))) for _ in range(ROUNDS)]
    assert set(given_up) == {threading.get_ident()} and min(rows) > 3


def test_a_merchants_file(given_up: Counter[int], tmp_path: Path) -> None:
    names = [f"c{number}" for number in range(12)]
    pq.write_table(
        pa.table({name: [f"{name} {row}" for row in range(500)] for name in names}), tmp_path / "m.parquet"
    )
    data = (tmp_path / "m.parquet").read_bytes()
    for _ in range(ROUNDS):
        assert sum(1 for _ in parquet_table(Path("m.parquet"), data, names, ()).rows) == 500
    assert given_up == {threading.get_ident(): 2 * ROUNDS}
