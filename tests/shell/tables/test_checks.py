"""Every check has a violation that turns exactly it red,
and agrees with the obvious Python on random tables.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sim.ground.contract_types import Column, Dataset, Invariant, TableContract
from sim.shell.tables.check_result import CheckResult
from sim.shell.tables.frame_checks import check_frame, check_key_ranges, key_range
from sim.shell.tables.keys import has_duplicates
from sim.state.frames import Array, Frame
from tests.work import calls

VOCAB = {"colour": ("red", "green", "blue")}
COLUMNS = (
    Column("shop", "uint64", minimum=1),
    Column("no", "uint32", maximum=1000),
    Column("paint", "category", True, vocabulary="colour"),
    Column("site", "uint64", True, minimum=10),
    Column("edge", "uint64", True),
    Column("weight", "int64"),
    Column("low", "int16"),
    Column("high", "uint64"),
    Column("rate", "float64", minimum=0.0, maximum=1.0),
    Column("code", "uint64"),
)
INVARIANTS = (
    Invariant("contiguous", {"column": "no", "within": ("shop",), "start": 1}),
    Invariant("exactly_one_present", {"columns": ("site", "edge")}),
    Invariant("sums_to", {"column": "weight", "within": ("shop",), "total": 2**40}),
    Invariant("at_least", {"column": "high", "other": "low"}),
)
BIG = 2**63


def dataset(**changes: Any) -> Dataset:
    values: dict[str, Any] = {
        "id": "t",
        "segment": "1A",
        "layer": 1,
        "description": "",
        "path": "",
        "partitioning": (),
    }
    values |= {
        "table": TableContract("t", "", COLUMNS),
        "primary_key": ("shop", "no"),
        "sort_order": ("shop", "no"),
        "invariants": INVARIANTS,
    }
    return Dataset(**{**values, **changes})


def good(**changes: Array) -> Frame:
    mask = np.array([True, False, True, False, True])
    columns: dict[str, Array] = {
        "shop": np.array([1, 1, BIG, BIG, BIG + 1], dtype=np.uint64),
        "no": np.array([1, 2, 1, 2, 1], dtype=np.uint32),
        "paint": np.array([0, 1, 2, 0, 0], dtype=np.int16),
        "site": np.array([10, 0, 2**64 - 1, 0, 11], dtype=np.uint64),
        "edge": np.array([0, 7, 0, 8, 0], dtype=np.uint64),
        "weight": np.array([2**40 + 5, -5, 1, 2**40 - 1, 2**40], dtype=np.int64),
        "low": np.array([-1, 2, 3, 4, 5], dtype=np.int16),
        "high": np.array([0, 2, BIG, 4, 5], dtype=np.uint64),
        "rate": np.array([0.0, -0.0, 1.0, 0.5, 1e-300], dtype=np.float64),
        "code": np.array([5, 3, 4, 1, 2], dtype=np.uint64),
    }
    return Frame(
        {**columns, **changes},
        {"paint": np.array([True, True, True, True, False]), "site": mask, "edge": ~mask},
    )


def put(name: str, row: int, value: Any) -> Frame:
    frame = good()
    array = frame[name].copy()
    array[row] = value
    return good(**{name: array})


def red(results: Sequence[CheckResult]) -> list[str]:
    return [result.name for result in results if not result.passed]


ALL = [
    "schema",
    "range.shop",
    "range.no",
    "codes.paint",
    "range.site",
    "finite.rate",
    "range.rate",
    "sort_order",
    "primary_key",
]
ALL += ["contiguous.no", "exactly_one_present.site-edge", "sums_to.weight", "at_least.high"]


def test_good_frame() -> None:
    results = check_frame(good(), dataset(), VOCAB, None)
    assert [result.name for result in results] == ALL
    assert red(results) == []
    assert all(result.rows == 5 for result in results)
    assert red(check_frame(good().slice(0, 0), dataset(), VOCAB, None)) == []


def masked(**masks: list[bool]) -> Frame:
    """The good frame with other validity."""
    return Frame(
        dict(good().items()), {**good().valid, **{name: np.array(mask) for name, mask in masks.items()}}
    )


UNBOUNDED = TableContract("t", "", (*COLUMNS[:8], Column("rate", "float64"), COLUMNS[9]))
VIOLATIONS: list[tuple[str, Callable[[], Frame], dict[str, Any], str]] = [
    (
        "range.shop",
        lambda: put("shop", 0, 0).slice(0, 1).with_columns(weight=np.array([2**40])),
        {},
        "row 0: shop=0, no=1",
    ),
    (
        "range.no",
        lambda: put("no", 0, 1001),
        {"invariants": INVARIANTS[1:], "sort_order": ("shop",)},
        "row 0: shop=1, no=1001",
    ),
    ("range.site", lambda: put("site", 4, 9), {}, "row 4: shop=9223372036854775809, no=1, site=9"),
    ("codes.paint", lambda: put("paint", 2, 3), {}, "paint=3"),
    ("codes.paint", lambda: put("paint", 2, -1), {}, "paint=-1"),
    ("finite.rate", lambda: put("rate", 3, np.nan), {}, "rate=nan"),
    ("finite.rate", lambda: put("rate", 3, np.inf), {"table": UNBOUNDED}, "rate=inf"),
    ("range.rate", lambda: put("rate", 3, 1.0000000000000002), {}, "rate=1.0000000000000002"),
    ("range.rate", lambda: put("rate", 3, -5e-324), {}, "rate=-5e-324"),
    ("sort_order", lambda: good().take(np.array([2, 3, 0, 1, 4])), {}, "row 2: shop=1, no=1"),
    ("primary_key", lambda: put("no", 1, 1), {"invariants": INVARIANTS[1:]}, "row 1: shop=1, no=1"),
    ("primary_key", lambda: put("code", 4, 3), {"primary_key": ("code",)}, "row 4: code=3"),
    ("contiguous.no", lambda: put("no", 1, 3), {}, "row 1: shop=1, no=3"),
    ("contiguous.no", lambda: put("no", 4, 0), {}, "row 4: shop=9223372036854775809, no=0"),
    ("exactly_one_present.site-edge", lambda: masked(edge=[True, True, False, True, False]), {}, "row 0"),
    (
        "exactly_one_present.site-edge",
        lambda: masked(site=[True, False, False, False, True]),
        {},
        "site=None, edge=None",
    ),
    ("sums_to.weight", lambda: put("weight", 2, 0), {}, "row 2: shop=9223372036854775808: sum 1099511627775"),
    ("at_least.high", lambda: put("high", 1, 1), {}, "high=1, low=2"),
]


@pytest.mark.parametrize(("name", "frame", "changes", "example"), VIOLATIONS)
def test_violation_turns_exactly_its_check_red(
    name: str, frame: Callable[[], Frame], changes: dict[str, Any], example: str
) -> None:
    results = check_frame(frame(), dataset(**changes), VOCAB, None)
    assert red(results) == [name]
    (result,) = (result for result in results if not result.passed)
    assert example in result.examples[0], result
    assert result.found and result.expected


@pytest.mark.parametrize(
    "frame",
    [
        good().select("shop"),
        good(shop=np.zeros(5, np.int64)),
        Frame(dict(good().items()), {"shop": np.zeros(5, np.bool_)}),
    ],
)
def test_wrong_columns_stop_the_rest(frame: Frame) -> None:
    results = check_frame(frame, dataset(), VOCAB, None)
    assert [(result.name, result.passed) for result in results] == [("schema", False)]


def test_examples_are_bounded_and_the_total_is_told() -> None:
    plain = dataset(
        table=TableContract("t", "", (Column("a", "int64", minimum=0),)),
        primary_key=("a",),
        sort_order=("a",),
        invariants=(),
    )
    (result,) = (r for r in check_frame(Frame({"a": np.arange(-100, 0)}), plain, VOCAB, None) if not r.passed)
    assert result.found == "100 of 100 rows" and len(result.examples) == 5


def test_previous_key() -> None:
    rest = good().slice(3, 5).with_columns(weight=np.array([2**40, 2**40]))
    assert red(check_frame(rest, dataset(), VOCAB, (BIG, 1))) == []
    assert red(check_frame(rest, dataset(), VOCAB)) == []  # left to check_key_ranges
    assert red(check_frame(rest, dataset(), VOCAB, None)) == ["contiguous.no"]
    assert red(check_frame(rest, dataset(), VOCAB, (BIG, 5))) == ["sort_order", "contiguous.no"]
    assert red(check_frame(rest, dataset(), VOCAB, (BIG - 1, 1))) == ["contiguous.no"]


def test_key_ranges() -> None:
    spec = dataset()
    parts = [good().slice(0, 3), good().slice(3, 3), good().slice(3, 5)]
    ranges = [key_range(part, spec) for part in parts]
    assert ranges[0] == {
        "rows": 3, "first": [1, 1], "last": [BIG, 1], "first_primary": [1, 1], "last_primary": [BIG, 1],
        "primary_increasing": True,
    }  # fmt: skip
    assert ranges[1] == {"rows": 0}
    results = check_key_ranges(ranges, spec)
    assert [result.name for result in results] == [
        "seam.sort_order",
        "seam.primary_key",
        "seam.contiguous.no",
    ]
    assert red(results) == [] and results[0].rows == 5
    assert red(check_key_ranges(ranges[::-1], spec)) == [
        "seam.sort_order",
        "seam.primary_key",
        "seam.contiguous.no",
    ]
    assert red(check_key_ranges([ranges[0], ranges[0]], spec)) == ["seam.sort_order", "seam.primary_key"]
    gap = key_range(put("no", 3, 3).slice(3, 5), spec)
    assert red(check_key_ranges([ranges[0], gap], spec)) == ["seam.contiguous.no"]
    late = key_range(put("no", 0, 2).slice(0, 1), spec)
    assert red(check_key_ranges([late], spec)) == ["seam.contiguous.no"]
    twice = key_range(good().slice(2, 5), spec)
    assert red(check_key_ranges([ranges[0], twice], spec)) == ["seam.primary_key", "seam.contiguous.no"]
    assert red(check_key_ranges([], spec)) == []


def test_key_that_is_not_the_sort_order() -> None:
    spec = dataset(primary_key=("shop", "code"), invariants=())
    ranges = [key_range(good().slice(0, 2), spec), key_range(good().slice(2, 5), spec)]
    assert red(check_key_ranges(ranges, spec)) == []
    split = [key_range(good().slice(0, 3), spec), key_range(good().slice(3, 5), spec)]
    # shop 2**63 spans the seam and its codes fall
    assert red(check_key_ranges(split, spec)) == ["seam.primary_key"]


def test_nulls_sort_first() -> None:
    columns = (Column("a", "int32", True), Column("b", "uint8"))
    spec = dataset(
        table=TableContract("t", "", columns), primary_key=("b",), sort_order=("a", "b"), invariants=()
    )
    frame = Frame(
        {"a": np.array([0, 9, -5, 0], np.int32), "b": np.arange(4, dtype=np.uint8)},
        {"a": np.array([False, False, True, True])},
    )
    assert red(check_frame(frame, spec, VOCAB, None)) == []
    assert red(check_frame(frame.take(np.array([2, 0, 1, 3])), spec, VOCAB, None)) == ["sort_order"]
    assert key_range(frame, spec)["first"] == [None, 0]
    assert (
        red(check_key_ranges([key_range(frame.slice(2, 4), spec), key_range(frame.slice(0, 2), spec)], spec))[
            0
        ]
        == "seam.sort_order"
    )


ROWS = st.lists(
    st.tuples(st.integers(0, 2), st.integers(0, 3), st.sampled_from([0, 1, 2**63, 2**64 - 1])), max_size=14
)


@settings(max_examples=200, deadline=None)
@given(
    rows=ROWS,
    primary=st.sampled_from([("a", "b"), ("b", "a"), ("c",), ("a", "c"), ("a", "b", "c"), ("c", "b")]),
)
def test_keys_agree_with_plain_python(rows: list[tuple[int, int, int]], primary: tuple[str, ...]) -> None:
    columns = (Column("a", "int16"), Column("b", "float64"), Column("c", "uint64"))
    spec = dataset(
        table=TableContract("t", "", columns), primary_key=primary, sort_order=("a", "b"), invariants=()
    )
    frame = Frame(
        {
            "a": np.array([row[0] for row in rows], dtype=np.int16),
            "b": np.array([row[1] for row in rows], dtype=np.float64),
            "c": np.array([row[2] for row in rows], dtype=np.uint64),
        }
    )
    results = {result.name: result for result in check_frame(frame, spec, VOCAB, None)}
    assert results["sort_order"].passed is all(x[:2] <= y[:2] for x, y in itertools.pairwise(rows))
    keys = [tuple(row["abc".index(name)] for name in primary) for row in rows]
    assert results["primary_key"].passed is (len(set(keys)) == len(keys))
    again = [number for number, key in enumerate(keys) if key in keys[:number]]
    assert has_duplicates([frame[name] for name in primary]).tolist() == again


def test_sums_are_exact_beyond_64_bits() -> None:
    spec = dataset(
        table=TableContract("t", "", (Column("g", "uint8"), Column("x", "uint64"))),
        primary_key=("g",),
        sort_order=("g",),
        invariants=(Invariant("sums_to", {"column": "x", "within": ("g",), "total": 0}),),
    )
    frame = Frame({"g": np.zeros(2, np.uint8), "x": np.array([2**63, 2**63], np.uint64)})
    result = check_frame(frame, spec, VOCAB, None)[-1]
    assert not result.passed and result.examples == ("row 0: g=0: sum 18446744073709551616",)


def test_checks_look_at_columns_and_never_at_single_rows() -> None:
    """A hundred times the rows are about the same calls: no check walks row by row."""
    spec = dataset(
        table=TableContract(
            "t", "", (Column("m", "uint64", minimum=1), Column("t", "timestamp_us"), Column("n", "uint32"))
        ),
        primary_key=("m", "n"),
        sort_order=("m", "t", "n"),
        invariants=(Invariant("contiguous", {"column": "n", "within": ("m",), "start": 0}),),
    )

    def work(rows: int) -> int:
        number = np.arange(rows)
        frame = Frame(
            {"m": (number // 1000 + 1).astype(np.uint64), "t": number, "n": (number % 1000).astype(np.uint32)}
        )
        return calls(lambda: red(check_frame(frame, spec, VOCAB, None)))

    few, many = work(10_000), work(1_000_000)
    assert many < 5 * few, (few, many)  # chunks, of which a million rows have some


def test_an_id_is_the_same_number_signed_and_unsigned() -> None:
    column = Column("item_id", "id", nullable=True)
    contract = dataset(
        table=TableContract("t", "", (Column("no", "uint32"), column)),
        primary_key=("no",),
        sort_order=("no",),
        invariants=(),
    )
    assert (column.minimum, column.maximum, column.numpy_dtype) == (1, 2**63 - 1, "uint64")

    def checked(*ids: int) -> list[str]:
        values = np.array(ids, dtype=np.uint64)
        columns = {"no": np.arange(len(ids), dtype=np.uint32), "item_id": values}
        return red(check_frame(Frame(columns, {"item_id": values != 7}), contract, VOCAB, None))

    assert checked(1, 2**63 - 1, 7) == []  # 7 is null
    assert checked(1, 0) == checked(2**63, 1) == checked(2**64 - 1) == ["range.item_id"]
