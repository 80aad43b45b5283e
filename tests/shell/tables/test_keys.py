"""Comparing rows with the row before: equal to plain Python, whatever the block length and however sorted the
table is.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sim.ground.contract_types import Column, Dataset, ForeignKey, Invariant
from sim.shell.tables import foreign_keys, invariants, keys
from sim.shell.tables.foreign_keys import KeyIndex, check_foreign_key
from sim.state.frames import Frame

VALUES = st.sampled_from([0, 1, 2, 2**32, 2**63, 2**64 - 1])
TABLES = st.lists(st.tuples(VALUES, VALUES, VALUES), max_size=40)


@pytest.fixture(autouse=True, params=[1, 3, 8, 1 << 17])
def _blocks(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (keys, foreign_keys, invariants):
        monkeypatch.setattr(module, "_BLOCK", request.param)


same_blocks = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@same_blocks
@given(rows=TABLES, width=st.integers(1, 3), ordered=st.booleans(), few=st.sampled_from([1, 2, 16]))
def test_comparisons_agree_with_plain_python(
    rows: list[tuple[int, int, int]], width: int, ordered: bool, few: int
) -> None:
    rows = [row[:width] for row in (sorted(rows) if ordered else rows)]  # type: ignore[misc]
    columns = [np.array([row[place] for row in rows], dtype=np.uint64) for place in range(width)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(keys, "_FEW", few)
        before, equal = keys.compare_rows(columns)
        again = keys.compare_rows(columns, keys.group_starts(columns[:1]))
    assert all(np.array_equal(one, other) for one, other in zip(again, (before, equal), strict=True))
    pairs = list(pairwise(rows))
    assert before.tolist() == [after < here for here, after in pairs]
    assert equal.tolist() == [after == here for here, after in pairs]
    assert keys.same_as_before(columns).tolist() == equal.tolist()


@same_blocks
@given(
    rows=st.lists(st.tuples(st.sampled_from([None, 0, 1, 2]), st.integers(0, 3)), max_size=30),
    ordered=st.booleans(),
)
def test_what_was_asked_before_is_answered_alike(rows: list[tuple[int | None, int]], ordered: bool) -> None:
    """Nulls sort first, and are equal to one another; order, keys and groups are asked one after another,
    and twice.
    """
    keyed = [((first is not None, first or 0), second) for first, second in rows]
    keyed = sorted(keyed) if ordered else keyed
    mask = np.array([first[0] for first, _ in keyed], dtype=np.bool_)
    columns = {
        "a": np.array([first[1] for first, _ in keyed], dtype=np.uint32),
        "b": np.array([b for _, b in keyed], dtype=np.int64),
    }
    neighbours = keys.Neighbours(Frame(columns, {"a": mask}))
    for names, key in (
        (("a", "b"), lambda row: row),
        (("a",), lambda row: row[0]),
        (("b", "a"), lambda row: row[::-1]),
        (("a", "b"), lambda row: row),
    ):
        pairs = [(key(here), key(after)) for here, after in pairwise(keyed)]
        before, equal = neighbours.compared(names)
        assert before.tolist() == [after < here for here, after in pairs]
        assert equal.tolist() == [after == here for here, after in pairs]
        starts = [0, *(row for row, (here, after) in enumerate(pairs, 1) if here != after)] if keyed else []
        assert neighbours.starts(names).tolist() == starts


@same_blocks
@given(rows=st.lists(st.sampled_from(["", "a", "b"]), max_size=20))
def test_texts_are_compared_too(rows: list[str]) -> None:
    column = np.array(rows, dtype=object)
    before, equal = keys.compare_rows([column, column])
    assert before.tolist() == [after < here for here, after in pairwise(rows)]
    assert equal.tolist() == [after == here for here, after in pairwise(rows)]


@same_blocks
@given(
    here=st.lists(st.integers(-3, 9), max_size=30),
    there=st.sets(st.integers(-2, 8)),
    repeat=st.integers(1, 5),
)
def test_missing_keys_are_named_by_row(here: list[int], there: set[int], repeat: int) -> None:
    column = np.repeat(np.array(here, dtype=np.int64), repeat)
    index = KeyIndex(Frame({"k": np.array(sorted(there), dtype=np.int64)}), ("k",))
    missing = [row for row, value in enumerate(column.tolist()) if value not in there]
    assert index.missing([column]).tolist() == missing
    found = check_foreign_key(
        Frame({"k": column}), ForeignKey(columns=("k",), dataset="other", to=("k",)), index
    )
    assert found.passed is (not missing)


@same_blocks
@given(
    values=st.lists(st.sampled_from([0, 1, 2, 3, 254, 255]), min_size=1, max_size=20),
    groups=st.lists(st.booleans(), min_size=20, max_size=20),
)
def test_numbering_agrees_with_plain_python(
    make_dataset: Callable[..., Dataset], values: list[int], groups: list[bool]
) -> None:
    group = np.cumsum(groups)[: len(values)]
    frame = Frame({"g": group, "n": np.array(values, dtype=np.uint8)})
    counted = Invariant("contiguous", {"column": "n", "within": ["g"], "start": 1})
    result = invariants.check_invariant(
        frame, make_dataset(Column("g", "int64"), Column("n", "uint8")), counted, None
    )
    good = all(
        value == (values[row - 1] + 1 if row and group[row] == group[row - 1] else 1)
        for row, value in enumerate(values)
    )
    assert result.passed is good
