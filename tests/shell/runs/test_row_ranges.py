"""Row ranges over many files: a bisection finds what a walk over all of them finds."""

from __future__ import annotations

import random

import pytest

from sim.shell.runs.store import pieces
from sim.state.records import PartFile, Published


def published(rows: list[int]) -> Published:
    files = tuple(
        PartFile(f"part-{number:05d}.parquet", 0, count, "", "") for number, count in enumerate(rows)
    )
    return Published("items", None, "data/items", files, "")


def walked(item: Published, rows: tuple[int, int]) -> list[tuple[PartFile, int, int]]:
    """The law: every file, and what of the range lies in it."""
    found, start = [], 0
    for file in item.files:
        low, high = max(rows[0], start), min(rows[1], start + file.rows)
        if low < high:
            found.append((file, low - start, high - start))
        start += file.rows
    return found or [(item.files[0], 0, 0)]


def test_a_range_is_found_as_by_walking() -> None:
    pick = random.Random(11)
    seen = set()
    for _ in range(3000):
        item = published([pick.choice([0, 0, 1, 2, 5]) for _ in range(pick.randint(1, 7))])
        rows = (pick.randint(-2, item.rows + 2), pick.randint(-2, item.rows + 2))
        assert pieces(item, None, rows) == walked(item, rows)
        part = pick.randrange(len(item.files))
        one = Published("items", None, "data/items", (item.files[part],), "")
        assert pieces(item, part, rows) == walked(one, rows)
        seen.add(len(pieces(item, None, rows)))
    assert seen >= {1, 2, 3, 4}


def test_all_rows_are_all_files_even_empty_ones() -> None:
    item = published([0, 3, 0])
    assert [(low, high) for _, low, high in pieces(item, None, None)] == [(0, 0), (0, 3), (0, 0)]
    assert pieces(item, 1, None) == [(item.files[1], 0, 3)]
    with pytest.raises(IndexError):
        pieces(item, 3, (0, 1))


class Counted(tuple[int, ...]):
    """First rows that count how often they are asked for."""

    asked = 0

    def __getitem__(self, index: object) -> int:
        Counted.asked += 1
        return super().__getitem__(index)  # type: ignore[index]


def test_what_a_range_costs_does_not_grow_with_the_number_of_files() -> None:
    item = published([10] * 200_000)
    vars(item)["starts"] = Counted(item.starts)
    assert pieces(item, None, (1_999_985, 1_999_995)) == [(item.files[-2], 5, 10), (item.files[-1], 0, 5)]
    assert 18 <= Counted.asked < 40
