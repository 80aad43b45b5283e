"""Permutations of the numbers of a set, block by block: natural numbers inside the engine, published outside.

The numbers of a set (parties, accounts, ...) are 1 .. N without gaps. A block is a run of them, those of one
country. A keyed permutation takes each block onto itself (kernel `permuted_rank`), so a published number says
which block it is of and nothing else. Why: `contracts/decisions/6A_ids.md`.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from sim.backends import get_backend
from sim.rng import stream_key
from sim.state.declared import name_hashes
from sim.state.frames import Array

STREAM = "ids.published"
"""Names the key of all permutations; see `permutations` of contracts/rng/streams.yaml."""
_FEW = 4
"""A span of more numbers than this many times the rows that name them is not tabled."""
_CACHE_BYTES = 128 << 20
_Name: TypeAlias = tuple[Any, ...]
"""Set and block, or set, direction and blocks."""


@dataclass(frozen=True)
class Block:
    """A run of numbers of a set.

    Attributes:
        label: What it is called; a permutation of its own follows from set, label and count.
        first: First number.
        count: How many there are.
    """

    label: str
    first: int
    count: int


class Blocks:
    """Blocks of a set that follow one another without a gap.

    Args:
        of: Set.
        blocks: In any order.

    Raises:
        ValueError: There is a gap or an overlap, or a label occurs twice (a bug in a state or a contract).
    """

    def __init__(self, of: str, blocks: Iterable[Block]) -> None:
        self.of = of
        self.blocks = tuple(sorted(blocks, key=lambda block: block.first))
        ends = [block.first + block.count for block in self.blocks]
        if ends[:-1] != [block.first for block in self.blocks[1:]]:
            raise ValueError(f"blocks of {of} leave gaps or overlap: {self.blocks}")
        if len({block.label for block in self.blocks}) != len(self.blocks):
            raise ValueError(f"two blocks of {of} share a label: {self.blocks}")
        self.first = np.array([block.first for block in self.blocks], dtype=np.uint64)
        self.count = np.array([block.count for block in self.blocks], dtype=np.uint64)
        self.tweak = name_hashes(tuple(f"{of} {block.label}" for block in self.blocks))
        self.end = ends[-1] if ends else 0

    def of_numbers(self, numbers: Array) -> Array:
        """Row of the block that each number lies in: int64; of one outside of all, any or -1."""
        found: Array = np.searchsorted(self.first, numbers, side="right").astype(np.int64) - 1
        return found

    def holds(self, numbers: Array) -> Array:
        """Whether each number is one of the set: bool."""
        low = self.first[0] if len(self.first) else np.uint64(0)
        held: Array = (numbers >= low) & (numbers < np.uint64(self.end))
        return held


@dataclass(frozen=True)
class Across:
    """How rows that are sorted by numbers lie by the images of these.

    Attributes:
        order: int64, n: rows in ascending order of the images, stable.
        low: Least image that a row can have.
        each: int64: rows of each image from there on.
    """

    order: Array
    low: int
    each: Array

    def images(self) -> Array:
        """Image of each row, in that order: uint64, n."""
        return np.repeat(np.arange(self.low, self.low + len(self.each), dtype=np.uint64), self.each)


class Permutations:
    """The permutations of one seed; tables of blocks and spans that were used of late are kept.

    Args:
        seed: The world's seed.
    """

    def __init__(self, seed: int) -> None:
        self._key = stream_key(seed, STREAM)
        self._spans: OrderedDict[_Name, Array] = OrderedDict()
        self._ones: OrderedDict[_Name, Array] = OrderedDict()
        self._held = 0
        self._lock = threading.Lock()
        self.budget = _CACHE_BYTES

    def map(self, numbers: Array, valid: Array | None, blocks: Blocks, inverse: bool) -> Array:
        """Published numbers of natural ones, or back.

        What is in no block stays as it is, and so do null slots.

        Args:
            numbers: uint64, n.
            valid: bool, n, or None: which are present.
            blocks: Blocks of their set.
            inverse: Whether to go back.

        Returns:
            uint64, n.
        """
        held = blocks.holds(numbers)
        if valid is not None:
            held &= valid
        inside = int(np.count_nonzero(held))
        if inside == len(numbers):
            return self._mapped(numbers, blocks, inverse) if inside else numbers
        if inside == 0:
            return numbers
        # What is no number of the set stands in for one, so that columns with many nulls need no gathers.
        stood = np.where(held, numbers, numbers[int(np.argmax(held))])
        low, size, span = self._span(stood, blocks)
        if size > _FEW * inside:
            result = numbers.copy()
            rows = np.flatnonzero(held)
            result[rows] = self._one_by_one(numbers[rows], blocks, inverse)
            return result
        result = self._looked_up(stood, low, self._table(blocks, *span, inverse))
        np.copyto(result, numbers, where=~held)
        return result

    def across(self, numbers: Array, blocks: Blocks, inverse: bool) -> Across | None:
        """Order of rows by the images of their numbers, stable, without sorting.

        Args:
            numbers: uint64, n, ascending; a number may be on several rows.
            blocks: Blocks of their set.
            inverse: Whether images are natural numbers.

        Returns:
            None where the numbers do not ascend, are not all of the set, or are few among those between the
            first and the last.
        """
        rows = len(numbers)
        if rows == 0 or (numbers[1:] < numbers[:-1]).any() or not blocks.holds(numbers[[0, -1]]).all():
            return None
        low, size, span = self._span(numbers, blocks)
        if size > _FEW * rows:
            return None
        back = self._table(blocks, *span, not inverse)  # of each image, the number
        count = np.bincount((numbers - np.uint64(low)).view(np.int64), minlength=size)
        if rows == size and count.all():  # each number once
            return Across(back.astype(np.int64), low, count)
        each = count[back]
        start = (np.cumsum(count) - count)[back]
        start -= np.cumsum(each) - each
        found = np.repeat(start, each)
        found += np.arange(rows)
        return Across(found, low, each)

    def _mapped(self, numbers: Array, blocks: Blocks, inverse: bool) -> Array:
        low, size, span = self._span(numbers, blocks)
        if size > _FEW * len(numbers):
            return self._one_by_one(numbers, blocks, inverse)
        return self._looked_up(numbers, low, self._table(blocks, *span, inverse))

    def _span(self, numbers: Array, blocks: Blocks) -> tuple[int, int, tuple[int, int]]:
        """First number of the blocks between the least and the greatest, how many there are, and which."""
        first, last = blocks.of_numbers(np.array([numbers.min(), numbers.max()], dtype=np.uint64)).tolist()
        low, end = blocks.blocks[first], blocks.blocks[last]
        return low.first, end.first + end.count - low.first, (first, last)

    def _looked_up(self, numbers: Array, low: int, table: Array) -> Array:
        found: Array = np.add(table[(numbers - np.uint64(low)).view(np.int64)], np.uint64(low))
        return found

    def _one_by_one(self, numbers: Array, blocks: Blocks, inverse: bool) -> Array:
        row = blocks.of_numbers(numbers)
        first = blocks.first[row]
        return first + self._permuted(numbers - first, blocks.count[row], blocks.tweak[row], inverse)

    def _permuted(self, rank: Array, size: Array, tweak: Array, inverse: bool) -> Array:
        place: Array = get_backend("cpu").kernels.permuted_rank(
            key=self._key, inverse=int(inverse), tweak=tweak, size=size, rank=rank
        )
        return place

    def _table(self, blocks: Blocks, first: int, last: int, inverse: bool) -> Array:
        """Image of each number of a span of blocks, less the span's first number: uint32 where that fits."""
        span = blocks.blocks[first : last + 1]
        if len(span) == 1 and not inverse:
            return self._of_block(blocks, first)

        def made() -> Array:
            if inverse:
                forward = self._table(blocks, first, last, False)
                table = np.empty_like(forward)
                table[forward] = np.arange(len(forward), dtype=forward.dtype)
                return table
            start = span[0].first
            table = np.empty(span[-1].first + span[-1].count - start, dtype=_dtype(span))
            for row, block in enumerate(span, first):
                at = block.first - start
                np.add(self._of_block(blocks, row), at, out=table[at : at + block.count], casting="unsafe")
            return table

        return self._kept(self._spans, (blocks.of, inverse, span), made)

    def _of_block(self, blocks: Blocks, row: int) -> Array:
        """Image of each number of a block, less its first number; what costs most, so it is let go last."""
        block = blocks.blocks[row]

        def made() -> Array:
            size = np.full(block.count, block.count, dtype=np.uint64)
            rank, tweak = np.arange(block.count, dtype=np.uint64), np.full(block.count, blocks.tweak[row])
            return self._permuted(rank, size, tweak, inverse=False).astype(_dtype((block,)))

        return self._kept(self._ones, (blocks.of, block), made)

    def _kept(self, tables: OrderedDict[_Name, Array], name: _Name, make: Callable[[], Array]) -> Array:
        """A table that is kept while there is room; spans, made of blocks in no time, make room first."""
        with self._lock:
            if name in tables:
                tables.move_to_end(name)
                return tables[name]
        table = make()
        table.flags.writeable = False
        with self._lock:
            again = tables.pop(name, None)  # another thread made it meanwhile
            self._held += table.nbytes - (0 if again is None else again.nbytes)
            tables[name] = table
            while self._held > self.budget and len(self._spans) + len(self._ones) > 1:
                oldest = self._spans if self._spans else self._ones
                self._held -= oldest.popitem(last=False)[1].nbytes
        return table


def _dtype(span: Sequence[Block]) -> type[np.unsignedinteger[Any]]:
    """What holds every number of a span, counted from its first."""
    return np.uint32 if span[-1].first + span[-1].count - span[0].first <= 1 << 32 else np.uint64


def stable_order(columns: Sequence[Array]) -> Array | None:
    """Row numbers in ascending order of the columns, stable; None where the rows are in that order.

    Args:
        columns: uint64, n each; the first is the most significant.

    Returns:
        int64, n, or None.
    """
    found: Array | None = None
    for column in reversed(columns):
        step = _order_of(column if found is None else column[found])
        if step is not None:
            found = step if found is None else found[step]
    return found


def _order_of(key: Array) -> Array | None:
    rows = len(key)
    if rows < 2 or not (key[1:] < key[:-1]).any():
        return None
    low = key.min()
    span = int(key.max() - low)
    if span + 1 == rows:  # most often each number once: its place is known
        place = np.full(rows, -1, dtype=np.int64)
        place[(key - low).view(np.int64)] = np.arange(rows)
        if place.min() >= 0:
            return place
    width = rows.bit_length()
    if span.bit_length() + width > 64:
        return np.argsort(key, kind="stable")
    # numpy sorts whole numbers several times faster than it finds their order
    packed = ((key - low) << np.uint64(width)) | np.arange(rows, dtype=np.uint64)
    packed.sort()
    packed &= np.uint64((1 << width) - 1)
    order: Array = packed.view(np.int64)
    return order
