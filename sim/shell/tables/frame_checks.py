"""Complete, vectorised checks of tables: every row of every partition, never a sample.

`check_frame` proves one partition against its contract. What spans partitions - order, uniqueness,
numbering - is proven from the first and last keys each partition reports (`key_range`), so no partition is
looked at twice. `keys.py` holds the key arithmetic, `invariants.py` the invariants, `foreign_keys.py` the
membership of foreign keys.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from sim.ground.contract_types import Column, Dataset
from sim.shell.tables.arrow import schema_problem
from sim.shell.tables.check_result import CheckResult, examples, failed, passed
from sim.shell.tables.foreign_keys import KeyIndex, check_foreign_key
from sim.shell.tables.invariants import check_invariant
from sim.shell.tables.key_ranges import check_key_ranges, key_range
from sim.shell.tables.keys import Neighbours, has_duplicates, is_after, key_columns
from sim.state.frames import Array, Frame

__all__ = ["CheckResult", "KeyIndex", "check_foreign_key", "check_frame", "check_key_ranges", "key_range"]

_BLOCK = 1 << 18


def check_frame(
    frame: Frame,
    dataset: Dataset,
    vocab: Mapping[str, Sequence[str]],
    previous_key: tuple[Any, ...] | None = (),
    neighbours: Neighbours | None = None,
) -> list[CheckResult]:
    """Every check of one partition.

    Args:
        frame: The partition, in file order.
        dataset: Its contract.
        vocab: All vocabularies by name.
        previous_key: The sort key of the row before this partition, as `key_range` gives it. None: there is
            none, the partition is the first. `()`: not known; order and numbering across the seam are left to
            `check_key_ranges`.
        neighbours: Of this frame, for callers that compare its neighbouring rows further.

    Returns:
        One result a check, in a fixed order. When the columns themselves are wrong, only that result.
    """
    problem = schema_problem(frame, dataset)
    if problem:
        found, expected, _ = problem
        return [CheckResult("schema", False, len(frame), found, expected, ())]
    results = [passed("schema", frame)]
    for column in dataset.table.columns:
        results += _column_checks(frame, dataset, column, vocab)
    neighbours = neighbours or Neighbours(frame)
    results.append(_sort_order(frame, dataset, previous_key, neighbours))
    results.append(_primary_key(frame, dataset, results[-1].passed, neighbours))
    results += [
        check_invariant(frame, dataset, invariant, previous_key, neighbours)
        for invariant in dataset.invariants
    ]
    return results


def _column_checks(
    frame: Frame, dataset: Dataset, column: Column, vocab: Mapping[str, Sequence[str]]
) -> list[CheckResult]:
    values, valid = frame[column.name], frame.valid.get(column.name)
    results: list[CheckResult] = []
    if column.type == "category" and column.vocabulary:
        results.append(
            _range(
                frame,
                dataset,
                column,
                f"codes.{column.name}",
                values,
                valid,
                0,
                len(vocab[column.vocabulary]) - 1,
            )
        )
    if column.type == "float64":
        results.append(_finite(frame, dataset, column, values))
    if column.minimum is not None or column.maximum is not None:
        name = f"range.{column.name}"
        results.append(_range(frame, dataset, column, name, values, valid, column.minimum, column.maximum))
    return results


def _range(
    frame: Frame,
    dataset: Dataset,
    column: Column,
    name: str,
    values: Array,
    valid: Array | None,
    low: int | float | None,
    high: int | float | None,
) -> CheckResult:
    """Values of present slots within [low, high].

    The extremes decide; offenders are looked for only when there are some.
    """
    present = values if valid is None or valid.all() else values[valid]
    if len(present) == 0:
        return passed(name, frame)
    least, most = present.min(), present.max()
    expected = f"{low if low is not None else 'any'}..{high if high is not None else 'any'}"
    # NumPy compares its integers with Python ints of any size exactly; NaN compares false and is the finite
    # check's business.
    if not ((low is not None and least < low) or (high is not None and most > high)):
        return passed(name, frame, f"{least}..{most}", expected)
    bad = np.zeros(len(values), dtype=np.bool_)
    if low is not None:
        bad |= values < low
    if high is not None:
        bad |= values > high
    if valid is not None:
        bad &= valid
    return failed(name, frame, dataset, bad, expected, column.name)


def _finite(frame: Frame, dataset: Dataset, column: Column, values: Array) -> CheckResult:
    """No NaN and no infinity anywhere, null slots included: no reader could compare or hash them sensibly."""
    name = f"finite.{column.name}"
    for start in range(0, len(values), _BLOCK):
        if not np.isfinite(values[start : start + _BLOCK]).all():
            return failed(name, frame, dataset, ~np.isfinite(values), "finite numbers", column.name)
    return passed(name, frame)


def _sort_order(
    frame: Frame, dataset: Dataset, previous_key: tuple[Any, ...] | None, neighbours: Neighbours
) -> CheckResult:
    descending, _ = neighbours.compared(dataset.sort_order)
    expected = "non-decreasing " + ", ".join(dataset.sort_order)
    bad = np.flatnonzero(descending) + 1
    if len(frame) and previous_key and is_after(previous_key, first_key(frame, dataset)):
        bad = np.concatenate([[0], bad])
    if len(bad) == 0:
        return passed("sort_order", frame, "in order", expected)
    found = f"{len(bad)} rows before their predecessor"
    return CheckResult(
        "sort_order", False, len(frame), found, expected, examples(frame, dataset.sort_order, bad)
    )


def first_key(frame: Frame, dataset: Dataset) -> tuple[Any, ...]:
    """Sort key of the first row, as `key_range` writes it."""
    key: tuple[Any, ...] = tuple(key_range(frame.slice(0, 1), dataset)["first"])
    return key


def _primary_key(frame: Frame, dataset: Dataset, ordered: bool, neighbours: Neighbours) -> CheckResult:
    names = dataset.primary_key
    expected = "each " + ", ".join(names) + " once"
    width = len(names)
    if ordered and set(dataset.sort_order[:width]) == set(names):
        # Sorted by the key itself: equal keys are neighbours.
        _, equal = neighbours.compared(dataset.sort_order[:width])
        again = np.flatnonzero(equal) + 1
    else:
        not_after, equal = neighbours.compared(names)
        if not (not_after.any() or equal.any()):
            return passed("primary_key", frame, "strictly increasing", expected)
        again = has_duplicates(key_columns(frame, names))
    if len(again) == 0:
        return passed("primary_key", frame, "unique", expected)
    found = f"{len(again)} repeated keys"
    return CheckResult("primary_key", False, len(frame), found, expected, examples(frame, names, again))
