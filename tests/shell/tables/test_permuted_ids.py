"""Numbers of sets turned round and back: as the plain definition says, by table or one by one."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.rng import stream_key
from sim.shell.tables.permuted import STREAM, Block, Blocks, Permutations, stable_order
from sim.state.declared import name_hashes
from tests.reference.permuted_rank import permuted_rank

BLOCKS = Blocks("thing", [Block("b", 41, 700), Block("a", 1, 40), Block("c", 741, 1), Block("d", 742, 300)])
EVERY = np.arange(1, 1042, dtype=np.uint64)


def plain(number: int) -> int:
    block = next(each for each in BLOCKS.blocks if each.first <= number < each.first + each.count)
    tweak = int(name_hashes((f"thing {block.label}",))[0])
    key = stream_key(9, STREAM)
    return block.first + permuted_rank(key, 0, [tweak], [block.count], [number - block.first])[0]


def test_every_number_goes_where_the_definition_says_and_comes_back() -> None:
    turned = Permutations(9).map(EVERY, None, BLOCKS, inverse=False)
    assert turned.tolist() == [plain(int(number)) for number in EVERY]
    assert np.array_equal(Permutations(9).map(turned, None, BLOCKS, inverse=True), EVERY)


@given(st.lists(st.integers(0, 1100), max_size=60), st.booleans(), st.integers(0, 2**32))
def test_tables_and_single_numbers_agree_and_strangers_stay(numbers, inverse, seed) -> None:
    """A few numbers are looked up one by one, many in a table; 0 and what is beyond all blocks stay."""
    given_, ids = np.array(numbers, dtype=np.uint64), Permutations(seed)
    few = ids.map(given_, None, BLOCKS, inverse)
    many = ids.map(np.concatenate([given_, EVERY]), None, BLOCKS, inverse)[: len(given_)]
    assert np.array_equal(few, many)
    strange = (given_ < 1) | (given_ > 1041)
    assert np.array_equal(few[strange], given_[strange])
    assert np.array_equal(ids.map(few, None, BLOCKS, not inverse), given_)


@pytest.mark.parametrize("every", [1, 2, 3, 200, 2000])
def test_null_slots_stay_as_they_are(every: int) -> None:
    """Whether there are many numbers, which are looked up in a table, or few, or none."""
    valid = EVERY % np.uint64(every) == 0
    given_ = np.where(EVERY % np.uint64(7) == 0, np.uint64(0), EVERY)
    turned = Permutations(9).map(given_, valid, BLOCKS, inverse=False)
    mapped = valid & (given_ > 0)
    assert np.array_equal(turned[~mapped], given_[~mapped])
    assert turned[mapped].tolist() == [plain(int(number)) for number in given_[mapped]]


def test_seeds_sets_and_labels_have_permutations_of_their_own() -> None:
    rest = np.arange(41, 741, dtype=np.uint64)
    images = [
        tuple(Permutations(seed).map(rest, None, Blocks(of, [Block(label, 41, 700)]), False).tolist())
        for seed, of, label in ((9, "thing", "b"), (8, "thing", "b"), (9, "other", "b"), (9, "thing", "a"))
    ]
    assert len(set(images)) == 4


@given(st.lists(st.integers(1, 1041), min_size=300, max_size=900), st.booleans(), st.integers(0, 2**32))
def test_rows_of_sorted_numbers_are_ordered_across_without_sorting(numbers, inverse, seed) -> None:
    """As a stable sort by the images says, whether numbers are on no, one or several rows."""
    rows, ids = np.sort(np.array(numbers, dtype=np.uint64)), Permutations(seed)
    images = ids.map(rows, None, BLOCKS, inverse)
    expected, found = np.argsort(images, kind="stable"), ids.across(rows, BLOCKS, inverse)
    assert found is not None
    assert np.array_equal(found.order, expected) and np.array_equal(found.images(), images[expected])


@pytest.mark.parametrize("inverse", [False, True])
def test_rows_that_name_each_number_once_are_ordered_across(inverse: bool) -> None:
    ids = Permutations(9)
    found, images = ids.across(EVERY, BLOCKS, inverse), ids.map(EVERY, None, BLOCKS, inverse)
    assert found is not None and np.array_equal(found.images(), EVERY)
    assert np.array_equal(images[found.order], EVERY)


@pytest.mark.parametrize(
    "numbers",
    [EVERY[::-1], np.arange(0, 1042, dtype=np.uint64), np.arange(1, 1043, dtype=np.uint64), EVERY[::300]],
    ids=["falling", "from nothing", "beyond all blocks", "few of many"],
)
def test_other_rows_are_left_to_a_sort(numbers) -> None:
    assert Permutations(9).across(numbers, BLOCKS, inverse=False) is None


def test_a_block_is_permuted_once_for_all_spans_it_is_in(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []
    permuted = Permutations._permuted

    def counted(self, rank, size, tweak, inverse):
        sizes.append(len(rank))
        return permuted(self, rank, size, tweak, inverse)

    monkeypatch.setattr(Permutations, "_permuted", counted)
    ids = Permutations(9)
    for stop in (1041, 740, 200):
        part = EVERY[stop >= EVERY]
        back = ids.map(ids.map(part, None, BLOCKS, False), None, BLOCKS, True)
        assert np.array_equal(back, part)
    assert sorted(sizes) == [1, 40, 300, 700]


@pytest.mark.parametrize("budget", [1, 400, 4_000, 8_000])
def test_tables_that_do_not_fit_are_made_again(budget: int) -> None:
    ids = Permutations(9)
    ids.budget = budget
    for part in (EVERY, EVERY[:40], EVERY[40:741], EVERY):
        back = ids.map(ids.map(part, None, BLOCKS, False), None, BLOCKS, True)
        assert np.array_equal(back, part)
        assert ids._held == sum(table.nbytes for table in (*ids._spans.values(), *ids._ones.values()))
        assert ids._held <= budget or len(ids._spans) + len(ids._ones) == 1


@pytest.mark.parametrize(
    "blocks",
    [
        [Block("a", 1, 4), Block("b", 6, 2)],
        [Block("a", 1, 4), Block("b", 4, 2)],
        [Block("a", 1, 4), Block("a", 5, 2)],
    ],
)
def test_blocks_with_gaps_overlaps_or_one_name_are_refused(blocks) -> None:
    with pytest.raises(ValueError, match=r"blocks of thing|two blocks"):
        Blocks("thing", blocks)


@pytest.mark.parametrize("top", [3, 50, 2**40, 2**63])
def test_rows_are_ordered_as_by_a_stable_sort(top: int) -> None:
    draw = np.random.default_rng(top)
    for rows in (0, 1, 2, 500):
        first, second = (draw.integers(1, top, rows, dtype=np.uint64, endpoint=True) for _ in range(2))
        shuffled = draw.permutation(rows).astype(np.uint64) + np.uint64(5)
        for columns in ([first], [shuffled], [first, second], [first, shuffled]):
            expected, found = np.lexsort(columns[::-1]), stable_order(columns)
            assert np.array_equal(np.arange(rows) if found is None else found, expected)
    assert stable_order([np.sort(first)]) is None
