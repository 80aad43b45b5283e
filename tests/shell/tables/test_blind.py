"""Ids that say nothing: the figures are those of all orders there are; an order by attribute is found out."""

from itertools import permutations, product

import numpy as np
import pytest

from sim.ground.contract_types import Blind
from sim.shell.tables.blind import areas, check_blind, neighbours_expected, tally
from sim.shell.tables.permuted import Block, Blocks, Permutations
from sim.state.frames import Frame


def of(values, sizes):
    ends = np.cumsum([0, *sizes])
    blocks = Blocks("t", [Block(str(i), 1 + int(ends[i]), size) for i, size in enumerate(sizes)])
    numbers = np.arange(1, len(values) + 1, dtype=np.uint64)
    return Frame({"id": numbers, "kind": np.array(values, dtype=np.int16)}), blocks


@pytest.mark.parametrize("values", [[0, 0, 1, 1, 1], [0, 1, 2, 2, 1, 0], [0] * 6, [0, 1, 2, 3], [3, 0, 0]])
def test_mean_and_variance_are_those_of_every_order(values) -> None:
    orders = list(permutations(values))
    frames = [of(order, [len(values)]) for order in orders]
    tallies = [tally(frame.id, frame.kind, blocks) for frame, blocks in frames]
    pairs = [each.pairs for each in tallies]
    assert neighbours_expected(tallies[0].counts) == pytest.approx((np.mean(pairs), np.var(pairs)))
    found = np.array([areas(each)[0] for each in tallies])
    assert found.mean(axis=0) == pytest.approx(np.full(found.shape[1], 0.5))
    assert found.std(axis=0) == pytest.approx(areas(tallies[0])[1])


def test_areas_are_shares_of_pairs_within_blocks() -> None:
    values, sizes = np.random.default_rng(5).integers(0, 4, 60), (25, 1, 34)
    frame, blocks = of(values, sizes)
    block = np.repeat(range(3), sizes)
    area, _ = areas(tally(frame.id, frame.kind, blocks))
    for kind in range(4):
        won = [
            i > j
            for i, j in product(range(60), repeat=2)
            if block[i] == block[j] and values[i] == kind and values[j] != kind
        ]
        assert area[kind] == pytest.approx(np.mean(won))


@pytest.mark.parametrize("seed", range(5))
def test_runs_and_trends_are_found_out_and_shuffled_rows_are_not(seed: int) -> None:
    sizes = (3000, 500, 20)
    runs = np.concatenate([np.sort(np.arange(size) % 9) for size in sizes])
    frame, blocks = of(runs, sizes)
    rule = Blind("id", ("kind",))
    assert not check_blind(frame, rule, blocks)[0].passed
    place = Permutations(seed).map(frame.id, None, blocks, inverse=False)
    shuffled = Frame({"id": frame.id, "kind": runs[np.argsort(place)].astype(np.int16)})
    assert check_blind(shuffled, rule, blocks)[0].passed
    # a trend without runs: a rare value that lies a little late
    draw = np.random.default_rng(seed)
    trend = (draw.random(3520) < np.where(np.arange(3520) % 3000 > 1500, 0.12, 0.04)).astype(np.int16)
    assert not check_blind(frame.with_columns(kind=trend), rule, blocks)[0].passed


def test_the_number_of_rows_of_an_id_must_not_follow_from_it() -> None:
    sizes = np.repeat([1, 2, 3, 4], 400)
    rule = Blind("home", ("rows",))
    blocks = Blocks("home", [Block("", 1, len(sizes))])
    homes = np.arange(1, len(sizes) + 1, dtype=np.uint64)
    assert not check_blind(Frame({"home": np.repeat(homes, sizes)}), rule, blocks)[0].passed
    turned = Permutations(1).map(homes, None, blocks, inverse=False)
    assert check_blind(Frame({"home": np.repeat(turned, sizes)}), rule, blocks)[0].passed


def test_tiny_tables_bear_every_order() -> None:
    for values in product(range(2), repeat=5):
        frame, blocks = of(values, (5,))
        assert check_blind(frame, Blind("id", ("kind",)), blocks)[0].passed
