"""5B's kernels: twins equal references, refusals included; picks inside one
merchant-hour follow the weights.
"""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.kernels.binder import call, check

SEED = st.integers(0, 2**32 - 1)
CASES = settings(max_examples=60, deadline=None, derandomize=True, database=None)


def offsets(counts):
    return np.concatenate([[0], np.cumsum(counts)]).astype(np.uint64)


def u64(rng, n):
    return rng.integers(0, 2**64, n, dtype=np.uint64)


@CASES
@given(SEED, st.booleans())
def test_cell_intensity(seed, broken):
    rng = np.random.default_rng(seed)
    members = rng.integers(1, 5, rng.integers(0, 6))
    keys, buckets = int(members.sum()), int(rng.integers(1, 9))
    first = np.repeat(np.cumsum(members) - members, members)
    values = {
        "base": rng.random(2 * 168) * 9,
        "base_start": rng.integers(0, 169, keys),
        "map_start": rng.integers(0, 3, keys) * buckets,
        "hour": rng.integers(0, 168, 3 * buckets),
        "local": rng.integers(0, 4, 3 * buckets),
        "step": rng.integers(0, 3, 3 * buckets),
        "factor_start": rng.integers(0, 3, keys) * 4,
        "factor": rng.lognormal(0, 1, 12),
        "hours": 0.25,
        "week": 168,
        "field_row": rng.integers(0, 3, keys) * buckets,
        "slow_row": rng.integers(0, 2, keys) * 3,
        "field": rng.lognormal(0, 1, 3 * buckets),
        "slow": rng.lognormal(0, 1, 6),
        "lowest": 0.4,
        "highest": 2.5,
        "first": first * buckets + np.arange(keys) - first,
        "stride": np.repeat(members, members),
        "buckets": buckets,
    }
    if broken and keys:
        ways = {"slow_row": 6, "factor_start": 12, "base_start": 169, "field_row": 3 * buckets}
        name, wrong = list(ways.items())[rng.integers(0, 4)]
        values[name][rng.integers(0, keys)] = wrong
    check("cell_intensity", values, {"n": keys * buckets})


@CASES
@given(SEED, st.booleans())
def test_match_keys(seed, broken):
    rng = np.random.default_rng(seed)
    lists = [
        sorted({tuple(rng.integers(0, 3, 3).tolist()) for _ in range(rng.integers(1, 9))})
        for _ in range(rng.integers(1, 5))
    ]
    keys = np.array([key for own in lists for key in own], np.int16)
    merchant = rng.integers(0, len(lists), 30).astype(np.uint32)
    rows = np.array([lists[m][rng.integers(0, len(lists[m]))] for m in merchant], np.int16)
    if broken:
        rows[rng.integers(0, 30)] = 7
        merchant[rng.integers(0, 30)] = len(lists)
    names = ("country", "zone", "channel")
    values = {f"key_{name}": keys[:, i] for i, name in enumerate(names)} | {
        name: rows[:, i] for i, name in enumerate(names)
    }
    check("match_keys", values | {"offset": offsets([len(own) for own in lists]), "merchant": merchant})


def tables(rng, sizes):
    """Concatenated alias tables with random weights."""
    offset = offsets(sizes)
    weight = rng.integers(1, 1 << 20, int(offset[-1])).astype(np.uint64)
    threshold, alias = call("alias_build", {"offset": offset, "weight": weight})[0]
    return offset, weight, threshold, alias


def place_case(seed, arrivals=60):
    rng = np.random.default_rng(seed)
    sources = int(rng.integers(1, 8))
    _, _, threshold, alias = tables(rng, [12] * 5)
    low = rng.choice([0, 0, 5, 11], sources)
    return rng, {
        "key": int(u64(rng, 1)[0]),
        "row": rng.integers(0, sources, arrivals),
        "rank": rng.integers(0, 2**32, arrivals),
        "entity": u64(rng, sources),
        "bucket": rng.integers(0, 5, sources),
        "table": rng.integers(0, 5, sources) * 12,
        "open_from": low,
        "open_to": rng.integers(low, 12) + 1,
        "slots": 12,
        "slot_us": 300_000_000,
        "threshold": threshold,
        "alias": alias,
    }


@CASES
@given(SEED, st.sampled_from(["", "row", "table", "slots", "open", "none"]))
def test_place_in_bucket(seed, broken):
    rng, values = place_case(seed)
    if broken == "row":
        values["row"][rng.integers(0, 60)] = 99
    elif broken == "table":
        values["table"][0] = 49
    elif broken == "open":
        values["open_to"][0] = 13
    elif broken == "none":
        values["open_from"][0] = values["open_to"][0]
    elif broken:
        values["slots"] = 0
    check("place_in_bucket", values)


def route_case(seed, arrivals=60):
    rng, place = place_case(seed, arrivals)
    keys, sources = int(rng.integers(1, 5)), len(place["entity"])
    sizes = rng.integers(1, 9, 2 * keys)
    offset, _, threshold, alias = tables(rng, sizes)
    tills = rng.integers(1, 4, len(alias))
    till_from, _, till_threshold, till_alias = tables(rng, tills)
    return rng, {
        "key": place["key"],
        "packed": (rng.integers(0, 3_600_000_000, arrivals).astype(np.uint64) << np.uint64(32))
        | rng.permutation(arrivals).astype(np.uint64),
        "row": place["row"],
        "rank": place["rank"],
        "entity": place["entity"],
        "bucket": place["bucket"],
        "key_row": rng.integers(0, keys, sources),
        "virtual_below": rng.choice(np.array([0, 2**63, 2**64 - 1], np.uint64), sources),
        "recurring_below": rng.choice(np.array([0, 2**62, 2**64 - 1], np.uint64), sources),
        "site_kind": rng.integers(0, 4, keys),
        "edge_kind": 0,
        "recurring_kind": 1,
        "site_first": offset[:keys],
        "site_slots": sizes[:keys],
        "edge_first": offset[keys:-1],
        "edge_slots": sizes[keys:],
        "threshold": threshold,
        "alias": alias,
        "place_id": u64(rng, len(alias)),
        "till_key": int(u64(rng, 1)[0]),
        "till_first": till_from[:-1],
        "till_slots": tills * rng.integers(0, 2, len(alias)),
        "till_threshold": till_threshold,
        "till_alias": till_alias,
        "till_id": u64(rng, len(till_alias)),
        "bucket_start": np.arange(5) * 3_600_000_000 + 1_767_571_200_000_000,
    }


@CASES
@given(SEED, st.sampled_from(["", "table", "beyond", "row", "key", "tills", "position"]))
def test_route_arrivals(seed, broken):
    rng, values = route_case(seed)
    if broken == "table":
        values["site_slots"][0] = 0
        values["edge_slots"][0] = 0
    elif broken == "beyond":
        values["site_slots"][0] = values["edge_slots"][0] = len(values["alias"]) + 1
    elif broken == "row":
        values["row"][rng.integers(0, 60)] = 99
    elif broken == "key":
        values["key_row"][0] = 99
    elif broken == "tills":
        values["till_slots"][:] = len(values["till_id"]) + 1
    elif broken:
        values["packed"][3] |= np.uint64(0xFFFFFFFF)
    check("route_arrivals", values)


def test_routes_inside_one_merchant_hour_follow_the_weights():
    """One count row of 40,000 arrivals over 9 sites: chi-square at 8 degrees below its 1e-6 value;
    a shift of 6 % shows.
    """
    rng, values = route_case(1, 40_000)
    _, weight, threshold, alias = tables(rng, [9])
    values |= {
        "packed": np.arange(40_000),
        "row": np.zeros(40_000, int),
        "rank": np.arange(40_000),
        "key_row": np.zeros(len(values["entity"])),
    }
    values |= {
        "virtual_below": np.zeros(len(values["entity"]), np.uint64),
        "site_first": [0],
        "site_slots": [9],
        "site_kind": [0],
        "edge_first": [0],
        "edge_slots": [0],
    }
    values |= {"threshold": threshold, "alias": alias, "place_id": np.arange(9)}
    values |= {"till_first": np.zeros(9), "till_slots": np.zeros(9)}
    (_, _, virtual, site, *_), refused = call("route_arrivals", values)
    assert refused is None and not virtual.any()
    found, expected = np.bincount(site.astype(int), minlength=9), 40_000 * weight / weight.sum()
    assert ((found - expected) ** 2 / expected).sum() < 42.7
    assert len(set(site[:200].tolist())) > 5  # not: one site for the whole row
    shifted = found.copy()
    shifted[0] -= 0.06 * found.sum()
    shifted[1] += 0.06 * found.sum()
    assert ((shifted - expected) ** 2 / expected).sum() > 42.7


def test_coin_and_pick_are_independent():
    """Half virtual by coin: which of two even places is picked must not depend on it. Four cells of 10,000:
    below 30.7 (1e-6).
    """
    _, values = route_case(2, 40_000)
    even = np.full(4, 2**64 - 1, np.uint64), np.tile(np.arange(2), 2)
    values |= {
        "packed": np.arange(40_000),
        "row": np.zeros(40_000, int),
        "rank": np.arange(40_000),
        "key_row": np.zeros(len(values["entity"])),
    }
    values |= {
        "virtual_below": np.full(len(values["entity"]), 2**63, np.uint64),
        "site_first": [0],
        "site_slots": [2],
        "site_kind": [0],
        "edge_first": [2],
        "edge_slots": [2],
    }
    values |= {"threshold": even[0], "alias": even[1], "place_id": [0, 1, 0, 1]}
    values |= {"till_first": np.zeros(4), "till_slots": np.full(4, 2), "till_id": [1, 2]}
    values |= {"till_threshold": even[0][:2], "till_alias": even[1][:2]}
    (_, _, virtual, site, edge, terminal, _), _ = call("route_arrivals", values)
    picked = virtual.astype(int) * 2 + np.where(virtual, edge, site).astype(int)
    cells = np.bincount(picked, minlength=4)
    assert ((cells - 10_000) ** 2 / 10_000).sum() < 30.7
    # With either of two even terminals: eight cells of 5,000, below 40.5 (1e-6).
    cells = np.bincount(picked * 2 + terminal.astype(int) - 1, minlength=8)
    assert ((cells - 5_000) ** 2 / 5_000).sum() < 40.5


@CASES
@given(SEED, st.booleans())
def test_label_arrivals(seed, broken):
    rng = np.random.default_rng(seed)
    values = {f"key_{name}": rng.integers(0, 300, 6) for name in ("country", "zone", "channel", "settlement")}
    arrival = rng.integers(0, 6, 40)
    arrival[0] = 6 if broken else 0
    check("label_arrivals", values | {"arrival_key": arrival, "virtual": rng.integers(0, 2, 40)})


def clock(rng, zones=4):
    counts = rng.integers(0, 4, zones)
    counts[0] = 2
    total = int(counts.sum())
    instants = np.concatenate([np.sort(rng.integers(-50, 50, n)) for n in counts])
    return {
        "zone_offset": offsets(counts),
        "transition_us": instants,
        "transition_minutes": rng.integers(-720, 841, total),
    }


@CASES
@given(SEED)
def test_utc_offset(seed):
    rng = np.random.default_rng(seed)
    values = clock(rng)
    check("utc_offset", values | {"ts_us": rng.integers(-60, 60, 12), "zone": rng.integers(0, 5, 12)})
    late = {"ts_us": np.full(5, 60), "zone": np.zeros(5, int)}
    check("utc_offset", values | late)


def recount_case(seed):
    rng = np.random.default_rng(seed)
    rows = sorted({tuple(row) for row in rng.integers(0, 3, (12, 5)).tolist()})
    counts = rng.integers(1, 5, len(rows))
    change = [i for i, row in enumerate(rows) if i == 0 or row[:2] != rows[i - 1][:2]] + [len(rows)]
    arrivals = [row for row, n in zip(rows, counts, strict=True) for _ in range(n)]
    row, arrival = np.array(rows), np.array(arrivals)
    names = ("merchant", "bucket", "country", "zone", "channel")
    values = {f"row_{name}": row[:, i] for i, name in enumerate(names)} | {
        name: arrival[:, i] for i, name in enumerate(names)
    }
    return rng, counts, values | {"row_offset": np.array(change), "arrival_offset": offsets(counts)[change]}


@CASES
@given(SEED, st.sampled_from(["", "zone", "bucket", "start", "fall"]))
def test_recount_buckets(seed, broken):
    rng, counts, values = recount_case(seed)
    if broken in ("zone", "bucket"):
        values[broken][rng.integers(0, len(values["zone"]))] = 9
    elif broken == "start":
        values["row_offset"] = values["row_offset"] + np.arange(len(values["row_offset"]))[::-1]
    elif broken and len(values["arrival_offset"]) > 2:
        values["arrival_offset"][1] = values["arrival_offset"][-1] + 1
    found = check("recount_buckets", values)
    if not broken:
        assert found[0].tolist() == counts.tolist()


@CASES
@given(SEED)
def test_verify_arrivals(seed):
    rng = np.random.default_rng(seed)
    n = 30
    bucket = np.sort(rng.integers(0, 4, n))
    values = clock(rng) | {
        "first_seq": int(rng.integers(1, 4)),
        "merchant": np.sort(rng.integers(0, 3, n)) if seed % 3 else rng.integers(0, 3, n),
        "bucket": bucket,
        "seq": np.arange(n) % 7 + 1,
        "ts_us": bucket * 36 + rng.integers(-2, 38, n),
        "zone": rng.integers(0, 5, n),
        "minutes": rng.integers(-720, 841, n),
        "bucket_start": np.arange(3) * 36,
        "bucket_us": 36,
        "slot_us": 3,
    }
    check("verify_arrivals", values)
    right = values | {
        "zone": np.zeros(n, int),
        "minutes": np.full(n, values["transition_minutes"][1]),
        "ts_us": np.sort(values["ts_us"]) + 60,
    }
    check("verify_arrivals", right)


@CASES
@given(SEED, st.sampled_from(["", "row", "key", "tills", "list"]))
def test_verify_routes(seed, broken):
    rng = np.random.default_rng(seed)
    n, keys = 40, 3
    lists = [np.unique(rng.integers(0, 9, 5)) for _ in range(2 * keys)]
    offset = offsets([len(own) for own in lists])
    size = np.array([len(own) for own in lists])
    members = int(size.sum())
    tills = [np.unique(rng.integers(0, 5, rng.integers(0, 4))) for _ in range(members)]
    many = np.array([len(own) for own in tills])
    flags = ("virtual", "site_present", "edge_present", "terminal_present")
    values = {name: rng.integers(0, 2, n) for name in flags} | {
        "row": rng.choice([0, 1, 2, 3, 2**32 - 1], n, p=[0.24] * 4 + [0.04]),
        "site_id": rng.integers(0, 9, n),
        "edge_id": rng.integers(0, 9, n),
        "terminal_id": rng.integers(0, 5, n),
        "primary": rng.integers(0, 2, n),
        "settlement": rng.integers(0, 2, n),
        "key_row": rng.integers(0, keys, 4),
        "key_zone": rng.integers(0, 2, keys),
        "key_settlement": rng.integers(0, 2, keys),
        "may_virtual": rng.integers(0, 2, keys),
        "may_physical": rng.integers(0, 2, keys),
        "site_first": offset[:keys],
        "site_count": size[:keys],
        "edge_first": offset[keys:-1],
        "edge_count": size[keys:],
        "member_id": np.concatenate(lists),
        "till_first": offsets(many)[:-1],
        "till_count": many,
        "till_id": np.concatenate(tills),
    }
    if broken == "row":
        values["row"][0] = 4
    elif broken == "key":
        values["key_row"][:] = 3
    elif broken == "tills":
        values["till_count"][:] = 99
    elif broken:
        values["site_count"][:] = 99
    check("verify_routes", values)


@pytest.mark.parametrize("stem", ["place_in_bucket", "route_arrivals"])
def test_empty(stem):
    _, values = (place_case if stem == "place_in_bucket" else route_case)(3, 0)
    check(stem, values)
