"""Kernels that form addresses themselves form those of contracts/rng/streams.yaml.

Tables and bounds are chosen so that the output of a kernel shows bits of its random words. They are compared
with `philox_block` at the contract's address: for every twin, over edges and any values of the fields.
"""

import numpy as np
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from sim.rng import Streams
from tests.kernels.binder import EDGES, ROOT, call, contracts

STREAMS = Streams.from_document(yaml.safe_load((ROOT / "contracts/rng/streams.yaml").read_text()))
FULL = 2**64 - 1
SLOTS = 64
WORD = st.one_of(st.sampled_from(EDGES), st.integers(0, FULL))
NUMBER = st.one_of(st.sampled_from([0, 1, 2, 2**16, 2**31, 2**32 - 1]), st.integers(0, 2**32 - 1))
# A route looks up its bucket's start, so buckets stay few enough to list.
BUCKETS = 1 << 20
BUCKET = st.one_of(st.sampled_from([0, 1, 2**16 - 1, 2**16, BUCKETS - 1]), st.integers(0, BUCKETS - 1))
ROWS = st.lists(st.tuples(BUCKET, NUMBER, WORD), min_size=1, max_size=8)
QUICK = settings(max_examples=25, deadline=None, derandomize=True, database=None)


def words_at(stream, key, **fields):
    """Both words of a block at the contract's address: uint64."""
    at = STREAMS[stream].address(fields)
    (first, second), refused = call("philox_block", {"key": key, "c0": at.c0, "c1": at.c1})
    assert refused is None
    return first, second


def made(stem, values, dims=None):
    found, refused = call(stem, values, dims)
    assert refused is None
    return found


def test_every_kernel_that_draws_is_here():
    """Those that walk or price rows, `philox_block` and `role_race` are given addresses; others form them."""
    drawing = {name for name, contract in contracts().items() if contract["streams"]}
    assert drawing == {
        "attach_payers",
        "choose_cards",
        "choose_devices",
        "count_cells",
        "draw_counts",
        "fill_slots",
        "ou_field",
        "philox_block",
        "place_in_bucket",
        "price_rows",
        "role_race",
        "route_arrivals",
        "settle_rows",
    }


@QUICK
@given(key=WORD, rows=st.lists(st.tuples(NUMBER, NUMBER, WORD), min_size=1, max_size=8))
def test_arrivals_are_placed_at_their_address(key, rows):
    """Six bits of the first word choose a slot of 2**26 us, 26 bits of the second the offset in it."""
    bucket, rank, entity = (
        np.array(column, kind)
        for column, kind in zip(zip(*rows, strict=True), ("u4", "u4", "u8"), strict=True)
    )
    place = np.arange(len(rows), dtype=np.uint32)
    tables = {
        "table": np.zeros(len(rows)),
        "open_from": np.zeros(len(rows)),
        "open_to": np.full(len(rows), SLOTS),
        "slots": SLOTS,
        "slot_us": 2**26,
        "threshold": np.full(SLOTS, FULL),
        "alias": np.arange(SLOTS),
    }
    (packed,) = made(
        "place_in_bucket",
        {"key": key, "row": place, "rank": rank, "entity": entity, "bucket": bucket, **tables},
    )
    first, second = words_at(
        "5B.arrival_place", key, bucket_index=bucket, arrival_rank=rank, demand_key=entity
    )
    offset = ((first >> np.uint64(58)) << np.uint64(26)) | (second >> np.uint64(38))
    assert packed.tolist() == ((offset << np.uint64(32)) | place).tolist()


@QUICK
@given(key=WORD, till_key=WORD, rows=ROWS)
def test_arrivals_are_routed_at_their_address(key, till_key, rows):
    """The high bits of the first word choose one of 64 places,
    the highest bit of the second a site or an edge, those of a third one of 64 terminals.
    """
    bucket, rank, entity = (
        np.array(column, kind)
        for column, kind in zip(zip(*rows, strict=True), ("u4", "u4", "u8"), strict=True)
    )
    place, size = np.arange(len(rows), dtype=np.uint32), len(rows)
    given_ = {
        "key": key,
        "packed": place.astype(np.uint64),
        "row": place,
        "rank": rank,
        "entity": entity,
        "bucket": bucket,
        "key_row": np.zeros(size),
        "virtual_below": np.full(size, 1 << 63, dtype=np.uint64),
        "recurring_below": np.full(size, 1 << 62, dtype=np.uint64),
        "site_kind": [2],
        "edge_kind": 0,
        "recurring_kind": 1,
        "site_first": [0],
        "site_slots": [SLOTS],
        "edge_first": [SLOTS],
        "edge_slots": [SLOTS],
        "threshold": np.full(2 * SLOTS, FULL),
        "alias": np.tile(np.arange(SLOTS), 2),
        "place_id": np.arange(2 * SLOTS),
        "till_key": till_key,
        "till_first": np.zeros(2 * SLOTS),
        "till_slots": np.repeat([SLOTS, 0], SLOTS),
        "till_threshold": np.full(SLOTS, FULL),
        "till_alias": np.arange(SLOTS),
        "till_id": np.arange(SLOTS) + 1,
        "bucket_start": np.zeros(BUCKETS),
    }
    _, _, virtual, site, edge, terminal, kind = made("route_arrivals", given_)
    (till,) = words_at(
        "5B.arrival_terminal", till_key, bucket_index=bucket, arrival_rank=rank, demand_key=entity
    )[:1]
    at_till = np.where(virtual == 1, np.uint64(0), (till >> np.uint64(58)) + np.uint64(1))
    assert terminal.tolist() == at_till.tolist()
    pick, coin = words_at("5B.arrival_route", key, bucket_index=bucket, arrival_rank=rank, demand_key=entity)
    assert virtual.tolist() == [int(each < 1 << 63) for each in coin.tolist()]
    assert kind.tolist() == [1 if x < 1 << 62 else 0 if x < 1 << 63 else 2 for x in coin.tolist()]
    chosen = np.where(virtual == 1, edge - np.uint64(SLOTS), site)
    assert chosen.tolist() == (pick >> np.uint64(58)).tolist()


@QUICK
@given(key=WORD, entity=st.lists(WORD, min_size=1, max_size=4), buckets=st.integers(1, 9))
def test_paths_draw_a_bucket_after_the_other(key, entity, buckets):
    """With sigma 1 and no memory a path is the normal quantiles of its words: bucket t is draw t."""
    size, ones = len(entity), np.ones(len(entity))
    rules = {"sigma": ones, "phi": np.zeros(size), "step_scale": ones, "buckets": buckets}
    (z,) = made("ou_field", {"key": key, "entity": entity, **rules}, {"gz": size * buckets})
    lanes = []
    for t in range(buckets):
        groups = np.array(entity, np.uint64)
        lanes.append(words_at("5B.latent_field", key, block=t // 2, demand_group=groups)[t % 2])
    (uniform,) = made("open_uniform", {"x": np.stack(lanes, axis=1).ravel()})
    (normal,) = made("normal_quantile_map", {"u": uniform})
    assert z.tolist() == normal.tolist()


@QUICK
@given(
    key=WORD,
    rows=st.lists(st.tuples(st.sampled_from([0, 1, 2**16, 2**32 - 1]), WORD), min_size=1, max_size=8),
    blocks=st.integers(1, 5),
)
def test_counts_take_one_block_after_the_other(key, rows, blocks):
    """A count of 2 x blocks parts is the sum of counts of two parts, each at its block's address."""
    bucket, entity = (
        np.array([row[0] for row in rows], np.uint32),
        np.array([row[1] for row in rows], np.uint64),
    )
    law = {"key": key, "kappa": np.zeros(len(rows)), "part_mean": 8.0, "zero_truncated": 0}

    def count(parts, block):
        at = STREAMS["5B.bucket_count"].address(
            {"bucket_index": bucket, "demand_key": entity, "block": block}
        )
        found, draws = made(
            "draw_counts", {"c0": at.c0, "c1": at.c1, "mu": np.full(len(rows), 8.0 * parts), **law}
        )
        assert draws.tolist() == [parts] * len(rows)
        return found.astype(np.int64)

    assert count(2 * blocks, 0).tolist() == sum(count(2, block) for block in range(blocks)).tolist()


@QUICK
@given(
    key=WORD, entities=st.lists(WORD, min_size=1, max_size=4), days=st.integers(1, 3), day=st.integers(1, 4)
)
def test_cells_are_counted_as_one_by_one(key, entities, days, day):
    """Every bucket of every key has the count and the draws of `draw_counts` at its own address."""
    buckets, keys = days * day, len(entities)
    entity = np.array(entities, np.uint64)
    at = STREAMS["5B.bucket_count"].address(
        {"bucket_index": np.arange(buckets), "demand_key": np.zeros(buckets, np.uint64), "block": 0}
    )
    mean = np.resize([0.0, 0.3, 7.0, 64.0, 65.0, 150.0, 1.5], keys * buckets)
    kappa = np.resize([3.0, 0.0, 40.0], keys)
    law = {"key": key, "part_mean": 64.0}
    place = {"first": np.arange(keys) * buckets, "stride": np.ones(keys)}
    count, peak, sums = made(
        "count_cells",
        law
        | place
        | {
            "c0": at.c0,
            "c1": entity,
            "kappa": kappa,
            "mean": mean,
            "demand": mean,
            "largest": 1e6,
            "day": day,
        },
        {"d": keys * days, "m": 17 * keys * days},
    )
    one = {"c0": np.tile(at.c0, keys), "c1": np.repeat(entity, buckets), "kappa": np.repeat(kappa, buckets)}
    each, draws = made("draw_counts", law | one | {"mu": mean, "zero_truncated": 0})
    assert count.tolist() == each.tolist()
    by_day = [column.reshape(-1, day).astype(np.int64) for column in (each, draws)]
    assert sums.reshape(-1, 17)[:, [0, 3]].T.tolist() == [column.sum(axis=1).tolist() for column in by_day]
    assert peak.tolist() == mean.reshape(-1, day).max(axis=1).tolist()
