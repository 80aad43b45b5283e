"""What a state's partitions came to, folded result by result as they arrive.

A result with all its checks is some 16 kB; what its state needs of it later is its file entries. The order in
which results arrive changes nothing: sums are of integers, and everything else is taken in plan order, by the
place each partition has in the plan.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from sim.shell.partition.staging import PartitionResult
from sim.state.frames import Array
from sim.state.records import LedgerRow, PartFile


@dataclass
class _Merged:
    """One contract check over the partitions seen so far.

    `expected` is what the last of them in plan order says.
    """

    passed: bool
    rows: int
    place: int
    expected: str


class RunningSums:
    """Sums over a state's partitions."""

    def __init__(self) -> None:
        self._counters: dict[str, Array] = {}
        self._ledger: dict[tuple[str, str, str], LedgerRow] = {}
        self._checks: dict[tuple[str, str], _Merged] = {}
        self._failed: list[tuple[int, dict[str, Any]]] = []
        self._files: dict[tuple[str, str | None], list[tuple[int, PartFile]]] = {}

    def add(self, place: int, scenario: str | None, result: PartitionResult) -> None:
        """Take over a partition's result.

        Args:
            place: The partition's place in the plan.
            scenario: Its scenario.
            result: What it reported; nothing of it is kept but file entries and rows of failed checks.
        """
        for dataset, file in result.files.items():
            self._files.setdefault((dataset, scenario), []).append((place, file))
        for name, value in result.counters.items():
            figure = np.asarray(value, dtype=np.int64)
            self._counters[name] = self._counters[name] + figure if name in self._counters else figure
        for row in result.ledger:
            key = (row.stream, row.scenario or "", row.key)
            before = self._ledger.get(key)
            self._ledger[key] = row if before is None else before.plus(row)
        self.add_checks(place, result.checks)

    def add_checks(self, place: int, rows: Iterable[dict[str, Any]]) -> None:
        """Take over outcomes of contract checks.

        `place` as in `add`, past the plan's end for checks of the whole state.
        """
        for row in rows:
            if not row["passed"]:
                self._failed.append((place, row))
            merged = self._checks.get((row["dataset"], row["name"]))
            if merged is None:
                self._checks[row["dataset"], row["name"]] = _Merged(
                    row["passed"], row["rows"], place, row["expected"]
                )
                continue
            merged.passed = merged.passed and row["passed"]
            merged.rows += row["rows"]
            if place >= merged.place:
                merged.place, merged.expected = place, row["expected"]

    def totals(self, streams: Sequence[str]) -> dict[str, Any]:
        """Counters by name, int or int64 array, and `rng.<stream>.entities | draws | blocks` of each stream
        over all scenarios.
        """
        totals: dict[str, Any] = {}
        for name, value in sorted(self._counters.items()):
            totals[name] = int(value) if value.ndim == 0 else value
        for stream in streams:
            rows = [row for row in self._ledger.values() if row.stream == stream]
            for figure in ("entities", "draws", "blocks"):
                totals[f"rng.{stream}.{figure}"] = sum(getattr(row, figure) for row in rows)
        return totals

    def ledger(self) -> list[LedgerRow]:
        """Ledger rows, sorted by stream and scenario."""
        return [self._ledger[key] for key in sorted(self._ledger)]

    def files(self) -> Mapping[tuple[str, str | None], list[PartFile]]:
        """Files of each dataset and scenario, in plan order."""
        return {key: [file for _, file in sorted(files, key=_place)] for key, files in self._files.items()}

    def checks(self) -> list[dict[str, Any]]:
        """Each contract check once, over all rows, sorted by dataset and name."""
        return [
            {
                "dataset": dataset,
                "name": name,
                "passed": merged.passed,
                "rows": merged.rows,
                "expected": merged.expected,
            }
            for (dataset, name), merged in sorted(self._checks.items())
        ]

    def failed(self) -> list[dict[str, Any]]:
        """Outcomes of failed contract checks as they were reported, in plan order."""
        return [row for _, row in sorted(self._failed, key=_place)]


def _place(entry: tuple[int, Any]) -> int:
    return entry[0]
