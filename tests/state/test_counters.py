"""Declared counters: refusals where something is counted, zeros where nothing was, totals in any order."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from sim.backends import get_backend
from sim.state.context import Context, PartitionContext
from sim.state.counters import Counters, Each, Maximum, PerScenario, Scalar, UndeclaredCounter, Vector
from sim.state.declaration import State
from tests.states.memory_world import contracts, memory_store
from tests.totals import totals_of


class Counts(Counters):
    rows = Scalar()
    by_channel = Vector("channel")
    table = Vector(lambda ctx: len(ctx.scenarios), 3)
    most = Maximum(2)
    found = Each(("early", "late"), Scalar())
    kinds = Each("channel", Vector(2))
    keys = PerScenario(Scalar())


class Elsewhere(Counters):
    strange = Scalar()


STATE = State(id="1A.S1", title="counting", writes=(), counts=(Counts,))
CHANNELS = 3


def context(state: State = STATE) -> Context:
    return Context(
        state,
        seed=1,
        scenarios=("calm", "storm"),
        configs={},
        contracts=contracts(),
        inputs=memory_store(),
        backend=get_backend("cpu"),
        externals={},
    )


def partition(ctx: Context | None = None) -> PartitionContext:
    part: Any = None
    return (ctx or context()).for_partition(part)


def test_what_nobody_counted_reads_as_zeros_of_its_shape() -> None:
    seen = Counts(totals_of(context(), []))
    assert (seen.rows, dict(seen.found), dict(seen.keys)) == (
        0,
        {"early": 0, "late": 0},
        {"calm": 0, "storm": 0},
    )
    for vector, shape in ((seen.by_channel, (CHANNELS,)), (seen.table, (2, 3)), (seen.most, (2,))):
        assert (vector.shape, vector.dtype, vector.any()) == (shape, np.int64, False)
    assert {label: figures.tolist() for label, figures in seen.kinds.items()} == {
        name: [0, 0] for name in context().vocabulary("channel")
    }


def test_sums_and_maxima_of_partitions_in_any_order() -> None:
    pick = np.random.default_rng(3)
    ctx, inner, expected = (
        context(),
        [],
        {"rows": 0, "table": np.zeros((2, 3), np.int64), "most": np.zeros(2, np.int64), "storm": 0},
    )
    for number in range(40):
        part = partition(ctx)
        rows, table, most = (
            int(pick.integers(2**62)),
            pick.integers(-9, 9, (2, 3)),
            pick.integers(0, 99, 2).astype(np.uint32),
        )
        part.count(Counts.rows, rows)
        part.count(
            Counts.table, table.ravel() if number % 2 else table
        )  # flat, as a bincount is, or in its shape
        part.count(Counts.table, table)
        if number % 5:
            part.count(Counts.most, most)
        part.count(Counts.keys["storm"], np.int16(number))
        expected["rows"] += rows
        expected["table"] += 2 * table
        expected["most"] = np.maximum(expected["most"], most if number % 5 else 0)
        expected["storm"] += number
        inner.append(part)
    assert expected["rows"] > 2**64, "a scalar is a whole number of any size"
    for seed in range(5):
        seen = Counts(totals_of(ctx, random.Random(seed).sample(inner, len(inner))))
        assert seen.rows == expected["rows"] and seen.keys == {"calm": 0, "storm": expected["storm"]}
        assert np.array_equal(seen.table, expected["table"]) and np.array_equal(seen.most, expected["most"])


@pytest.mark.parametrize(
    ("counter", "value", "error", "says"),
    [
        (Elsewhere.strange, 1, UndeclaredCounter, r"1A\.S1 does not list the class of counter 'strange'"),
        (Counts.found["never"], 1, UndeclaredCounter, r"its family is of early, late, not of 'never'"),
        (Counts.keys["baseline"], 1, UndeclaredCounter, r"'keys\.baseline': its family is of calm, storm"),
        (Counts.keys[None], 1, UndeclaredCounter, r"not of None"),
        (Counts.found, 1, TypeError, "'found' is a family of counters"),
        (Counts.rows, np.arange(3), ValueError, r"'rows' is one number, not an array of shape \(3,\)"),
        (Counts.rows, 1.0, TypeError, "'rows' is float64: cross-row sums are whole numbers only"),
        (Counts.by_channel, np.zeros(CHANNELS), TypeError, "'by_channel' is float64"),
        (
            Counts.by_channel,
            np.zeros(CHANNELS + 1, np.int64),
            ValueError,
            r"'by_channel' has shape \(3,\), not \(4,\)",
        ),
        (Counts.by_channel, 5, ValueError, r"'by_channel' has shape \(3,\), not \(\)"),
        (Counts.table, np.zeros((3, 2), np.int64), ValueError, r"'table' has shape \(2, 3\), not \(3, 2\)"),
        (
            Counts.kinds["mixed"],
            np.zeros(3, np.int64),
            ValueError,
            r"'kinds\.mixed' has shape \(2,\), not \(3,\)",
        ),
        (
            Counts.most,
            np.array([1, -1]),
            ValueError,
            "'most' is the largest figure and at least 0: -1 is below",
        ),
        (Counts.most, np.array([1, 2**63], np.uint64), OverflowError, "'most': a figure does not fit int64"),
    ],
)
def test_what_is_undeclared_or_of_another_shape_is_refused_when_it_is_counted(
    counter: Any, value: Any, error: Any, says: str
) -> None:
    part = partition()
    with pytest.raises(error, match=says):
        part.count(counter, value)
    assert part.counters == {}


def test_a_sum_that_does_not_fit_is_refused() -> None:
    for sign in (1, -1):
        part = partition()
        part.count(Counts.by_channel, np.array([sign * 2**62, 0, 0]))
        with pytest.raises(OverflowError, match="'by_channel': a sum does not fit int64"):
            part.count(Counts.by_channel, np.array([sign * (2**62 + 1), 0, 0]))


def test_only_what_a_state_declares_is_read_and_nothing_is_set() -> None:
    totals = totals_of(context(), [])
    with pytest.raises(UndeclaredCounter, match=r"1A\.S1 does not list .*\.Elsewhere in counts"):
        Elsewhere(totals)
    with pytest.raises(AttributeError, match="rows is a total: it is read, not set"):
        Counts(totals).rows = 3  # type: ignore[assignment]
    with pytest.raises(KeyError):
        totals.drawn("1A.word")


def test_one_name_has_one_meaning_in_a_state() -> None:
    class Other(Counters):
        rows = Vector(2)

    with pytest.raises(ValueError, match=r"counter 'rows' is declared by .*Counts.* and by .*Other"):
        replace(STATE, counts=(Counts, Other))


@pytest.mark.parametrize("planted", ["strange", "rows.early", "found"])
def test_a_partition_that_reports_what_its_state_does_not_declare_is_refused(planted: str) -> None:
    part = partition()
    part.counters[planted] = 1
    with pytest.raises(UndeclaredCounter, match=f"reports counter '{planted}'"):
        totals_of(context(), [part])
