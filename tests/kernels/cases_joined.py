"""Cases of the kernels of demand, which join columns of several lengths: keys, zones, shapes,
events. See cases.py.
"""

import numpy as np

from tests.kernels.numbers_of_cases import TINY, offsets, repeat, sizes, width


def keyed(numbers, n, mean):
    """Keys that share n rows, and where each one's rows start in a column long enough for all of them."""
    offset = numbers.partition(n, mean)
    size = sizes(offset)
    length = int(size.max(initial=0)) + 61
    return offset, length, numbers.below(np.uint64(length + 1) - size, len(size))


def hour_mass(numbers, n):
    """n rows of about n / 200 keys: every key has 168 outputs."""
    offset, length, start = keyed(numbers, n, 200)
    rate = numbers.mix(numbers.unit(n) * 1000.0, [0.0, -0.0, TINY, 2147483647.75, 2.0**-20])
    labels = {"hour": numbers.below(168, length), "times": numbers.mix(numbers.below(4, length), [255])}
    return labels | {"offset": offset, "rate": rate, "label_start": start}, {"m": 168 * len(start)}


def local_surface(numbers, n):
    offset, length, start = keyed(numbers, n, 50)
    keys = len(start)
    return {
        "offset": offset,
        "volume": numbers.mix(numbers.unit(keys) * 1e5, [0.0, TINY, 1e15]),
        "shape_start": numbers.below(2 * 168 + 1, keys),
        "grid_start": start,
        "factor_start": np.minimum(numbers.below(62, keys), np.uint64(length) - sizes(offset)),
        "shape": numbers.mix(numbers.unit(3 * 168), [0.0, 1.0]),
        "hour": numbers.below(168, length),
        "times": numbers.mix(numbers.below(4, length), [255]),
        "factor": numbers.mix(numbers.unit(length) * 3.0, [0.0, 1.0]),
        "hours": 0.3,
        "week": 168,
    }, {"n": n}


def utc_surface(numbers, n):
    """Keys of the same number of UTC buckets over local rows of very different numbers;
    copied rates may be any bits, NaN too.
    """
    buckets = width(n)
    keys = n // buckets
    size = numbers.below(30, keys) + np.uint64(1)
    local = np.sort(numbers.below(30, buckets * 31).reshape(31, buckets), axis=1)
    # Map i suits keys of i rows.
    local = np.minimum(local, np.maximum(np.arange(31), 1).astype(np.uint64)[:, None] - np.uint64(1))
    rows = offsets(size)
    values = {"offset": rows, "rate": numbers.bits(int(rows[-1])), "map_start": size * np.uint64(buckets)}
    return values | {"local": local.ravel(), "buckets": buckets}, {"n": n}


def merchants(numbers, keys, buckets):
    """Keys in groups of merchants: output row of (key, bucket t) is the merchant's first row + t * keys +
    place among them.
    """
    member = numbers.partition(keys, 4)
    begin = repeat(member[:-1], sizes(member))
    place = np.arange(keys, dtype=np.uint64) - begin
    return {
        "first": begin * np.uint64(buckets) + place,
        "stride": repeat(sizes(member), sizes(member)),
    }


def cell_intensity(numbers, n):
    """Weeks, zones, combinations and paths that keys share; steps of three buckets."""
    buckets = width(n, 25)
    keys, maps = n // buckets, 6
    wide = np.uint64(buckets)
    return merchants(numbers, keys, buckets) | {
        "base": numbers.mix(numbers.unit(4 * 168) * 9.0, [0.0, TINY, 1e300]),
        "base_start": numbers.below(3 * 168 + 1, keys),
        "map_start": numbers.below(maps, keys) * wide,
        "hour": numbers.below(168, maps * buckets),
        "local": numbers.mix(numbers.below(30, maps * buckets), [0, 29]),
        "step": numbers.below(9, maps * buckets),
        "factor_start": numbers.below(71, keys),
        "factor": numbers.mix(numbers.unit(100) * 3.0, [0.0, 1.0]),
        "hours": 0.3,
        "week": 168,
        "field_row": numbers.below(7, keys) * wide,
        "slow_row": numbers.below(5, keys) * np.uint64(9),
        "field": numbers.mix(numbers.unit(7 * buckets) * 2.0, [0.0, 1e200, TINY]),
        "slow": numbers.mix(numbers.unit(5 * 9) * 2.0, [0.0, 1e100]),
        "lowest": 0.4,
        "highest": 2.5,
        "buckets": buckets,
    }, {"n": n}


def count_cells(numbers, n):
    """Days of three buckets where there are three; means of every size, some beyond the largest."""
    buckets = width(n, 25)
    keys, day = n // buckets, 3 if buckets % 3 == 0 else 1
    mean = numbers.mix(numbers.unit(n) * numbers.unit(n) * 9.0, [0.0, -0.0, TINY, 63.5, 64.5, 200.0, 5000.0])
    days = keys * (buckets // day)
    return merchants(numbers, keys, buckets) | {
        "key": numbers.word(),
        "c0": numbers.words(buckets),
        "c1": numbers.words(keys),
        "kappa": numbers.mix(numbers.unit(keys) * 30.0 + 0.5, [0.0, -1.0, 1e9, 1e300]),
        "mean": mean,
        "demand": numbers.mix(numbers.unit(n) * 9.0, [0.0, -0.0, TINY, 2.0**42]),
        "part_mean": 64.0,
        "largest": 1000.0,
        "day": day,
    }, {"d": days, "m": 17 * days}


def demand_mass(numbers, n):
    """About n / 168 keys, each with 168 outputs; clocks of up to 60 local buckets."""
    buckets, keys, zones = 50, n // 168, 7
    size = numbers.below(60, zones) + np.uint64(1)
    grid = offsets(size)
    zone = numbers.below(zones, keys).astype(np.int64)
    local = (numbers.unit(zones * buckets) * np.repeat(size, buckets)).astype(np.uint64)
    hours = int(grid[-1])
    return {
        "base": numbers.mix(numbers.unit(5 * 336) * 900.0, [0.0, -0.0, TINY, 2.0**-20]),
        "base_start": numbers.below(4 * 336 + 1, keys),
        "grid_start": grid[:-1][zone],
        "grid_size": size[zone],
        "map_start": zone.astype(np.uint64) * np.uint64(buckets),
        "factor_start": numbers.below(40, keys),
        "hour": numbers.below(336, hours),
        "times": numbers.mix(numbers.below(4, hours), [255]),
        "local": local,
        "utc_hour": numbers.below(168, zones * buckets),
        "factor": numbers.mix(numbers.unit(100) * 3.0, [0.0, 1.0]),
        "hours": 0.25,
        "parts": 2,
        "buckets": buckets,
    }, {"o": 168 * keys}


def match_keys(numbers, n):
    """Merchants with up to some 25 keys; the smallest and largest codes among them."""
    merchants = n // 50 + 3
    drawn = merchants * 12
    merchant = np.sort(numbers.below(merchants, drawn))
    code = [numbers.mix(numbers.below(5, drawn), [0, 2**15 - 1]) for _ in range(3)]
    packed = (merchant << np.uint64(45)) | (code[0] << np.uint64(30)) | (code[1] << np.uint64(15)) | code[2]
    packed = np.unique(packed)
    own = packed >> np.uint64(45)
    mask = np.uint64(2**15 - 1)
    country, zone, channel = ((packed >> np.uint64(shift)) & mask for shift in (30, 15, 0))
    row = numbers.below(len(packed), n).astype(np.int64)
    keys = {"key_country": country, "key_zone": zone, "key_channel": channel}
    rows = {"merchant": own[row], "country": country[row], "zone": zone[row], "channel": channel[row]}
    offset = np.searchsorted(own, np.arange(merchants + 1, dtype=np.uint64)).astype(np.uint64)
    return keys | rows | {"offset": offset}, {}


def overlay_factor(numbers, n):
    """n cells of combinations that may see up to 11 of 60 events, by kind and falling rank."""
    cell = numbers.partition(n, 40)
    combinations, events, hour = len(cell) - 1, 60, np.int64(3600)
    seen = numbers.below(12, combinations)
    kind, rank = numbers.below(5, events), numbers.below(8, events)
    event = numbers.below(events, int(seen.sum()))
    owner = repeat(np.arange(combinations), seen)
    at = event.astype(np.int64)
    event = event[np.lexsort((at, np.uint64(8) - rank[at], kind[at], owner))]
    start = numbers.below(200, events).astype(np.int64) * hour - np.int64(20) * hour
    length = (numbers.below(80, events).astype(np.int64) + 1) * hour
    ramps = [
        np.where(numbers.below(2, events) == 0, 0, numbers.below(40, events).astype(np.int64) * hour // 2)
        for _ in range(2)
    ]
    return {
        "cell": cell,
        "first": numbers.below(100, combinations).astype(np.int64) * hour
        - np.int64(20) * hour
        + np.int64(450),
        "step": 900,
        "link": offsets(seen),
        "event": event,
        "start": start,
        "stop": start + length,
        "ramp_in": ramps[0],
        "ramp_out": ramps[1],
        "peak": numbers.mix(numbers.unit(events) * 3.0, [0.0, 1.0]),
        "kind": kind,
        "rank": rank,
        "take_least": np.array([0, 1, 0, 1, 0]),
        "low": np.array([0.5, 0.0, 1.0, 0.25, 0.0]),
        "high": np.array([2.0, 0.6, 2.5, 1.5, 8.0]),
        "total_low": 0.1,
        "total_high": 3.0,
    }, {"f": n}


def balance_catchments(numbers, n):
    """Metros of up to six places and five cells, some empty; affinities over many powers of ten."""
    problems = n // 8
    places = numbers.below(7, problems)
    cells = (numbers.below(5, problems) + np.uint64(1)) * (places > np.uint64(0)).astype(np.uint64)
    first = {
        "row_first": offsets(places),
        "col_first": offsets(cells),
        "entry_first": offsets(places * cells),
    }
    rows, cols, entries = (int(first[name][-1]) for name in ("row_first", "col_first", "entry_first"))
    return first | {
        "affinity": numbers.mix(numbers.unit(entries) + 1e-9, [1e-30, 1.0, 1e30]),
        "row_total": numbers.mix(numbers.unit(rows) * 1e4 + 1e-3, [1e-6, 1e9]),
        "col_total": numbers.mix(numbers.unit(cols) * 1e4 + 1e-3, [1e-6, 1e9]),
        "rounds": 6,
    }, {}


def inverse_lorenz(numbers, n):
    points = 16
    laws = n // (points + 1)
    return {
        "shape": numbers.mix(numbers.unit(laws) * 4.0 + 0.1, [0.015625, 0.6, 1.0, 64.0]),
        "most": numbers.mix(numbers.unit(laws) * 10.0 + 0.1, [1e-3, 1e300]),
        "steps": 100,
        "points": points,
    }, {"n": laws * (points + 1)}


CASES = {
    law.__name__: law
    for law in (
        balance_catchments,
        cell_intensity,
        count_cells,
        demand_mass,
        hour_mass,
        inverse_lorenz,
        local_surface,
        match_keys,
        overlay_factor,
        utc_surface,
    )
}
