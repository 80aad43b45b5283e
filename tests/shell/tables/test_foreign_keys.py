"""Foreign keys: complete, exact at the edges of uint64, and equal to plain Python on random tables."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sim.ground.contract_types import ForeignKey
from sim.shell.tables.frame_checks import KeyIndex, check_foreign_key
from sim.state.frames import Array, Frame

ROWS = st.lists(
    st.tuples(st.integers(0, 2), st.integers(0, 3), st.sampled_from([0, 1, 2**63, 2**64 - 1])), max_size=14
)


def table(rows: list[tuple[int, int, int]]) -> Frame:
    types = (("a", "i8"), ("b", "u1"), ("c", "u8"))
    return Frame(
        {
            name: np.array([row[place] for row in rows], dtype=dtype)
            for place, (name, dtype) in enumerate(types)
        }
    )


@settings(max_examples=200, deadline=None)
@given(
    here=ROWS,
    there=ROWS,
    columns=st.sampled_from(
        [("a",), ("c",), ("a", "b"), ("b", "c"), ("a", "b", "c"), ("c", "b"), ("c", "b", "a")]
    ),
    alone=st.booleans(),
    nulls=st.lists(st.booleans(), min_size=14, max_size=14),
    repeat=st.integers(1, 4),
)
def test_foreign_keys_agree_with_plain_python(
    here: list[tuple[int, int, int]],
    there: list[tuple[int, int, int]],
    columns: tuple[str, ...],
    alone: bool,
    nulls: list[bool],
    repeat: int,
) -> None:
    if alone:  # the first column tells every row of the referenced table by itself, in whatever order
        there = list({row["abc".index(columns[0])]: row for row in there}.values())
    here = [row for row in here for _ in range(repeat)][:14]
    present = np.array(nulls[: len(here)], dtype=np.bool_)
    frame, other = Frame(dict(table(here).items()), {columns[-1]: present}), table(there)
    fk = ForeignKey(columns, "other", columns)
    known = {tuple(row["abc".index(name)] for name in columns) for row in there}
    missing = [
        n
        for n, row in enumerate(here)
        if present[n] and tuple(row["abc".index(name)] for name in columns) not in known
    ]
    for referenced in (other, KeyIndex(other, columns)):
        result = check_foreign_key(frame, fk, referenced)
        assert result.passed is (missing == [])
        assert [int(text.split(":")[0].removeprefix("row ")) for text in result.examples] == missing[:5]


def test_foreign_key_across_types() -> None:
    fk = ForeignKey(("a",), "other", ("a",))
    result = check_foreign_key(
        Frame({"a": np.array([1], np.int64)}), fk, Frame({"a": np.array([1], np.uint64)})
    )
    assert not result.passed and "int64" in result.found


@pytest.mark.parametrize("low", [0, 5, 2**63, 2**64 - 100])
def test_dense_keys(low: int) -> None:
    """Dense integer keys take the table of flags; its edges must hold at both ends of uint64."""
    keys = np.array([low + step for step in (0, 1, 2, 50, 99)], dtype=np.uint64)
    asked = np.array(
        [low, low + 99, low + 3, low + 50, max(low, 1) - 1, (low + 100) % 2**64], dtype=np.uint64
    )
    result = check_foreign_key(Frame({"a": asked}), ForeignKey(("a",), "other", ("a",)), Frame({"a": keys}))
    expected = [n for n, value in enumerate(asked.tolist()) if value not in keys.tolist()]
    assert [int(text.split(":")[0].removeprefix("row ")) for text in result.examples] == expected


def uneven(seed: int, size: int) -> Array:
    """Ids that crowd in a few places: the look-up by leading bits must give way to searching,
    with equal answers.
    """
    rng = np.random.Generator(np.random.PCG64(seed))
    near = rng.integers(0, 1000, size, dtype=np.uint64)
    return np.unique(np.concatenate([near, near + np.uint64(2**40), np.array([2**64 - 1], dtype=np.uint64)]))


@pytest.mark.parametrize("spread", ["even", "crowded", "signed", "few"])
def test_many_keys(spread: str) -> None:
    rng = np.random.Generator(np.random.PCG64(7))
    keys = {
        "even": np.unique(rng.integers(0, 2**64 - 1, 20_000, dtype=np.uint64)),
        "crowded": uneven(7, 900),
        "signed": np.unique(rng.integers(-(2**63), 2**63 - 1, 20_000)),
        "few": np.array([3, 2**64 - 1], dtype=np.uint64),
    }[spread]
    strangers = rng.integers(0, 2**63, 5000).astype(keys.dtype)
    asked = rng.permutation(np.concatenate([rng.choice(keys, 200_000), strangers]))
    result = check_foreign_key(Frame({"a": asked}), ForeignKey(("a",), "other", ("a",)), Frame({"a": keys}))
    known = set(keys.tolist())
    missing = [row for row, value in enumerate(asked.tolist()) if value not in known]
    assert result.found == f"{len(missing)} keys without a row"
    assert [int(text.split(":")[0].removeprefix("row ")) for text in result.examples] == missing[:5]
