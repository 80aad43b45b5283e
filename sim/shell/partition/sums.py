"""What a state's partitions came to, folded result by result as they arrive.

A result with all its checks is some 16 kB; what its state needs of it later is its file entries. The order in
which results arrive changes nothing: sums are of integers, and everything else is taken in plan order, by the
place each partition has in the plan.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sim.shell.partition.staging import PartitionResult
from sim.state.context import Context
from sim.state.counters import counter_of
from sim.state.declaration import State
from sim.state.records import LedgerRow, PartFile
from sim.state.totals import Drawn, Totals


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
    """Sums over the partitions of a state."""

    def __init__(self, state: State) -> None:
        self._state, self._declared = state, state.counters
        self._counters: dict[str, Any] = {}
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
        for key, stored in result.counters.items():
            counter = counter_of(self._declared, key)
            value, before = counter.decoded(stored), self._counters.get(key)
            self._counters[key] = value if before is None else counter.merged(before, value)
        for row in result.ledger:
            at = (row.stream, row.scenario or "", row.key)
            drawn = self._ledger.get(at)
            self._ledger[at] = row if drawn is None else drawn.plus(row)
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

    def totals(self, ctx: Context) -> Totals:
        """What all partitions counted, and what they drew from each stream over all scenarios.

        The state's functions receive it.
        """
        drawn = {}
        for stream in self._state.streams:
            rows = [row for row in self._ledger.values() if row.stream == stream]
            drawn[stream] = Drawn(*(sum(getattr(row, figure) for row in rows) for figure in Drawn._fields))
        return Totals(ctx, self._counters, drawn)

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
