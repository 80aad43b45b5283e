"""The outcome of one check over all rows of a table, with a few offending rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from sim.ground.contract_types import Dataset
from sim.ground.errors import EXAMPLE_LIMIT
from sim.state.frames import Array, Frame


@dataclass(frozen=True)
class CheckResult:
    """What a check found.

    Attributes:
        name: `schema`, `range.<column>`, `codes.<column>`, `finite.<column>`, `sort_order`, `primary_key`,
            `<invariant>.<column>`, `blind.<id>.<column>`, `foreign_key.<columns>`, or `seam.<check>` for
            checks across partitions.
        passed: Whether every row passed.
        rows: Rows looked at: all of them.
        found: What was there.
        expected: What had to be there.
        examples: At most five offending rows: row number and key.
    """

    name: str
    passed: bool
    rows: int
    found: str
    expected: str
    examples: tuple[str, ...] = ()


def passed(name: str, frame: Frame, found: str = "", expected: str = "") -> CheckResult:
    """A check every row passed."""
    return CheckResult(name, True, len(frame), found, expected)


def failed(
    name: str, frame: Frame, dataset: Dataset, bad: Array, expected: str, *columns: str
) -> CheckResult:
    """A check failed by the rows where `bad` (bool, one a row) is set.

    `columns` are shown beside the primary key.
    """
    rows = np.flatnonzero(bad)
    shown = (*dataset.primary_key, *(name for name in columns if name not in dataset.primary_key))
    return CheckResult(
        name, False, len(frame), f"{len(rows)} of {len(frame)} rows", expected, examples(frame, shown, rows)
    )


def examples(frame: Frame, names: Sequence[str], rows: Array) -> tuple[str, ...]:
    """`row 17: merchant_id=5, site_id=9` for the first few of `rows`."""
    return tuple(
        f"row {row}: " + ", ".join(f"{name}={value_at(frame, name, int(row))}" for name in names)
        for row in rows[:EXAMPLE_LIMIT]
    )


def value_at(frame: Frame, name: str, row: int) -> Any:
    """One value as a plain int, float, bool or str; None for a null."""
    mask = frame.valid.get(name)
    if mask is not None and not mask[row]:
        return None
    value = frame[name][row]
    return value.item() if isinstance(value, np.generic) else value
