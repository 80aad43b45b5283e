"""Cases of the kernels of arrivals, which join columns of several lengths: count rows, keys, places,
zones. See cases.py.
"""

import numpy as np

from tests.kernels.numbers_of_cases import offsets, repeat, sizes

ZONES = 40
HOUR_US = 3_600_000_000
EPOCH_US = 1_767_571_200_000_000


def label_arrivals(numbers, n):
    key = {
        f"key_{name}": numbers.mix(numbers.below(300, 97), [0, 2**15 - 1])
        for name in ("country", "zone", "channel", "settlement")
    }
    return key | {"arrival_key": numbers.below(97, n), "virtual": numbers.mix(numbers.below(2, n), [255])}, {}


def place_in_bucket(numbers, n):
    sources, tables, slots = n // 4 + 1, 5, 12
    low = numbers.mix(numbers.below(slots, sources), [0, 0, slots - 1])
    return {
        "key": numbers.word(),
        "row": numbers.below(sources, n),
        "rank": numbers.mix(numbers.below(100, n), [0, 2**32 - 1]),
        "entity": numbers.words(sources),
        "bucket": numbers.mix(numbers.below(2000, sources), [0, 2**32 - 1]),
        "table": numbers.below(tables, sources) * np.uint64(slots),
        "open_from": low,
        "open_to": low + np.uint64(1) + numbers.below(np.uint64(slots) - low, sources),
        "slots": slots,
        "slot_us": HOUR_US // slots,
        "threshold": numbers.words(tables * slots),
        "alias": numbers.below(slots, tables * slots),
    }, {}


def route_arrivals(numbers, n):
    """Arrivals in any order of their positions; keys that are always, never and sometimes virtual; places
    with no terminal, one, and many.
    """
    sources, keys, buckets = n // 3 + 1, 50, 24
    slots = numbers.mix(numbers.below(30, 2 * keys) + np.uint64(1), [1, 300])
    first = offsets(slots)
    places = int(first[-1])
    tills = numbers.mix(numbers.below(5, places), [1, 70])
    tills_from = offsets(tills)
    terminals = int(tills_from[-1])
    return {
        "key": numbers.word(),
        "packed": (numbers.below(HOUR_US, n) << np.uint64(32)) | numbers.order(n),
        "row": numbers.below(sources, n),
        "rank": numbers.mix(numbers.below(100, n), [0, 2**32 - 1]),
        "entity": numbers.words(sources),
        "bucket": numbers.below(buckets, sources),
        "key_row": numbers.below(keys, sources),
        "virtual_below": numbers.words(sources),
        "recurring_below": numbers.words(sources),
        "site_kind": numbers.mix(numbers.below(4, keys), [0, 2**15 - 1]),
        "edge_kind": 0,
        "recurring_kind": 2**15 - 1,
        "site_first": first[:keys],
        "site_slots": slots[:keys],
        "edge_first": first[keys:-1],
        "edge_slots": slots[keys:],
        "threshold": numbers.words(places),
        "alias": numbers.below(repeat(slots, slots), places),
        "place_id": numbers.words(places),
        "till_key": numbers.word(),
        "till_first": tills_from[:-1],
        "till_slots": tills,
        "till_threshold": numbers.words(terminals),
        "till_alias": numbers.below(repeat(tills, tills), terminals),
        "till_id": numbers.words(terminals),
        "bucket_start": numbers.mix(np.arange(buckets) * HOUR_US + EPOCH_US, [0, -HOUR_US, 2**62]),
    }, {}


def recount_buckets(numbers, n):
    """n arrivals of merchant and bucket segments with up to six count rows; some arrivals fit none."""
    arrival = numbers.partition(n, 30)
    segments = len(arrival) - 1
    count = numbers.below(6, segments) + np.uint64(1)
    first = offsets(count)
    segment = repeat(np.arange(segments).astype(np.uint64), count)
    place = np.arange(int(first[-1]), dtype=np.uint64) - first[segment.astype(np.int64)]
    rows = {
        "merchant": segment >> np.uint64(2),
        "bucket": segment & np.uint64(3),
        "country": place % np.uint64(3),
    }
    rows |= {"zone": place * np.uint64(7), "channel": place % np.uint64(2)}
    own = repeat(np.arange(segments), sizes(arrival)).astype(np.int64)
    chosen = (first[own] + numbers.below(count[own], n)).astype(np.int64)
    values = {name: column[chosen] for name, column in rows.items()}
    values["zone"] = numbers.mix(values["zone"], [2**15 - 1, *range(0, 42, 7)])
    return {f"row_{name}": column for name, column in rows.items()} | values | {
        "row_offset": first,
        "arrival_offset": arrival,
    }, {}


def clock(numbers):
    """Transitions of 40 zones: the first at the smallest int64, up to eleven more."""
    count = numbers.below(12, ZONES) + np.uint64(1)
    offset = offsets(count)
    total = int(offset[-1])
    instant = numbers.plain(total).view(np.int64) >> np.int64(13)
    instant[offset[:-1].astype(np.int64)] = -(2**63)
    zone = repeat(np.arange(ZONES), count)
    minutes = numbers.below(1561, total).astype(np.int64) - np.int64(720)
    return {
        "zone_offset": offset,
        "transition_us": instant[np.lexsort((instant, zone))],
        "transition_minutes": minutes,
    }


def verify_arrivals(numbers, n):
    """Arrivals of merchants in order, most of them right; every fault among them."""
    buckets, step = 30, 36
    owner = numbers.partition(n, 20)
    merchant = repeat(np.arange(len(owner) - 1), sizes(owner)).astype(np.uint64)
    seq = np.arange(n, dtype=np.uint64) - owner[merchant.astype(np.int64)] + np.uint64(1)
    bucket = numbers.below(buckets, n)
    bucket = bucket[np.lexsort((bucket, merchant))]
    ts = bucket.astype(np.int64) * np.int64(step) + numbers.below(step + 1, n).astype(np.int64)
    zone = numbers.mix(numbers.below(ZONES, n), [ZONES, 2**15 - 1])
    times = clock(numbers)
    inside = np.minimum(zone, np.uint64(ZONES - 1)).astype(np.int64)
    first = times["zone_offset"][inside].astype(np.int64)
    return times | {
        "first_seq": 3,
        "merchant": numbers.mix(merchant, [0, 2**64 - 1]),
        "bucket": numbers.mix(bucket, [buckets, 2**32 - 1]),
        "seq": numbers.mix(seq, [0, 1, 2**32 - 1]),
        "ts_us": numbers.mix(ts, [-1, 2**62, -(2**63)]),
        "zone": zone,
        "minutes": times["transition_minutes"][first],
        "bucket_start": np.arange(buckets - 1) * step,
        "bucket_us": step,
        "slot_us": 3,
    }, {}


def verify_routes(numbers, n):
    """Arrivals at sites and edges of 40 keys, most of them right; count rows that do not exist, wrong ids,
    flags, terminals and zones among them.
    """
    keys, sources = 40, 90
    count = numbers.below(30, 2 * keys)
    first = offsets(count)
    member = np.arange(int(first[-1]), dtype=np.uint64) * np.uint64(2**40 + 3)
    key_row = numbers.below(keys, sources)
    row = numbers.below(sources, n)
    key = key_row[row.astype(np.int64)].astype(np.int64)
    virtual = numbers.below(2, n)
    ids = {}
    for name, side in (("site_id", 0), ("edge_id", keys)):
        at = first[key + side] + numbers.below(np.maximum(count[key + side], np.uint64(1)), n)
        ids[name] = numbers.mix(member[np.minimum(at.astype(np.int64), len(member) - 1)], [0, 1, 2**64 - 1])
    tills = numbers.below(4, len(member))
    tills_from = offsets(tills)
    terminal = np.arange(int(tills_from[-1]), dtype=np.uint64) * np.uint64(2**40 + 5)
    wanted = np.where(virtual == np.uint64(1), ids["edge_id"], ids["site_id"])
    place = np.minimum(wanted // np.uint64(2**40 + 3), np.uint64(len(member) - 1)).astype(np.int64)
    mine = tills_from[place] + numbers.below(np.maximum(tills[place], np.uint64(1)), n)
    ids["terminal_id"] = numbers.mix(
        terminal[np.minimum(mine.astype(np.int64), len(terminal) - 1)], [0, 1, 2**64 - 1]
    )
    zone, settlement = numbers.below(5, keys), numbers.below(5, keys)
    return ids | {
        "terminal_present": numbers.mix((tills[place] > np.uint64(0)).astype(np.uint64), [0, 1, 255]),
        "row": numbers.mix(row, [2**32 - 1]),
        "virtual": numbers.mix(virtual, [255]),
        "site_present": numbers.mix(np.uint64(1) - virtual, [0, 1, 255]),
        "edge_present": numbers.mix(virtual, [0, 1, 255]),
        "primary": numbers.mix(zone[key], [0, 1]),
        "settlement": numbers.mix(np.where(virtual == np.uint64(1), settlement[key], zone[key]), [0, 1]),
        "key_row": key_row,
        "key_zone": zone,
        "key_settlement": settlement,
        "may_virtual": numbers.below(5, keys) > np.uint64(0),
        "may_physical": numbers.below(5, keys) > np.uint64(0),
        "site_first": first[:keys],
        "site_count": count[:keys],
        "edge_first": first[keys:-1],
        "edge_count": count[keys:],
        "member_id": member,
        "till_first": tills_from[:-1],
        "till_count": tills,
        "till_id": terminal,
    }, {}


CASES = {
    law.__name__: law
    for law in (
        label_arrivals,
        place_in_bucket,
        recount_buckets,
        route_arrivals,
        verify_arrivals,
        verify_routes,
    )
}
