"""Cases of the kernels of payers: units, zones, cells, parties, trips and rosters of a small country."""

import numpy as np

from tests.kernels.numbers_of_cases import offsets

FIRST_DAY, DAYS, DAY_US, HOUR_US = 20_454, 62, 86_400_000_000, 3_600_000_000
UNITS, ZONES, CELLS, PARTIES, TRIPS, METROS, SEGMENTS, CURVES = 40, 9, 12, 300, 200, 3, 4, 3


def entry_tables(numbers, of, values):
    """Alias tables of `of` (offsets), whose entries pick values below a bound: two words an entry."""
    total = int(of[-1])
    pair = numbers.below(values, total) | (numbers.below(values, total) << np.uint64(32))
    return np.stack((numbers.words(total), pair), axis=1).ravel()


def tables(numbers):
    """Cells of units and zones, people of cells."""
    size = numbers.mix(numbers.below(6, UNITS + ZONES) + np.uint64(1), [1, 12])
    cells = offsets(size)
    people = offsets(numbers.mix(numbers.below(40, CELLS) + np.uint64(1), [1]))
    return (
        cells,
        size,
        {
            "cell_table": entry_tables(numbers, cells, CELLS),
            "people_first": people,
            "people_table": entry_tables(numbers, people, PARTIES),
        },
    )


def fill_slots(numbers, n):
    cells, size, given = tables(numbers)
    return given | {
        "key": numbers.word(),
        "row": numbers.below(UNITS, n),
        "rank": numbers.mix(numbers.below(1000, n), [0, 2**32 - 1]),
        "word": numbers.words(UNITS),
        "cells_first": cells[:UNITS],
        "cells_size": size[:UNITS],
        "change_below": 2048,
        "days": DAYS,
    }, {}


def records(numbers):
    """Parties, some of whom cannot pay on some days or ever; everybody's map of days off home."""
    start = numbers.mix(np.full(PARTIES, FIRST_DAY, np.uint64), [0, FIRST_DAY + 30, 2**20 - 1])
    stop = numbers.mix(np.full(PARTIES, 2**20 - 1, np.uint64), [0, FIRST_DAY + 31])
    lag = numbers.mix(numbers.below(400, PARTIES) + np.uint64(32_568), [0, 2**16 - 1])
    packed = lag | (numbers.below(SEGMENTS, PARTIES) << np.uint64(16))
    packed |= (start << np.uint64(24)) | (stop << np.uint64(44))
    return np.stack((numbers.words(PARTIES), packed, numbers.words(PARTIES)), axis=1).ravel()


def attach_payers(numbers, n):
    """Arrivals of all kinds; where n is odd, candidates are asked for."""
    cells, size, given = tables(numbers)
    slots = numbers.below(20, UNITS) + np.uint64(1)
    billed = numbers.mix(numbers.below(4, UNITS), [0])
    first = offsets(slots + billed * np.uint64(30))
    many = int(first[-1])
    trips = offsets(numbers.below(2, PARTIES))
    owner = np.repeat(np.arange(PARTIES), np.diff(trips).astype(np.int64)).astype(np.uint64)
    count = len(owner)
    start = numbers.below(DAYS * 24, count).astype(np.int64) * HOUR_US + FIRST_DAY * DAY_US
    seats = offsets(numbers.mix(numbers.below(3, METROS * DAYS), [0]))
    ts = numbers.below(DAYS * 86_400, n).astype(np.int64) * 1_000_000 + FIRST_DAY * DAY_US
    once = numbers.below(2**24, UNITS)
    curves = np.sort(numbers.plain(CURVES * 4097).reshape(CURVES, 4097) >> np.uint64(32), axis=1)
    return given | {
        **{f"{name}_key": numbers.word() for name in ("row", "outing", "day", "season")},
        "first_day": FIRST_DAY,
        "days": DAYS,
        "stride": 3,
        "strata": 30,
        "strangers_below": 2**21,
        "away_us": 4 * HOUR_US,
        "inside_us": HOUR_US,
        "triples": 6,
        "traced": n % 2,
        "ts_us": numbers.mix(ts, [FIRST_DAY * DAY_US, (FIRST_DAY + DAYS) * DAY_US - 1]),
        "minutes": numbers.below(1561, n).astype(np.int64) - np.int64(720),
        "place": numbers.words(n),
        "unit": numbers.below(UNITS, n),
        "mode": numbers.mix(numbers.below(3, n), [1]),
        "rank": numbers.mix(numbers.below(4, n), [2**32 - 1]),
        "slot_first": first[:-1],
        "slots": slots,
        "strata_slots": billed,
        "curve": numbers.below(CURVES, UNITS),
        "visitor_below": numbers.mix(once // np.uint64(2), [0, 2**24]),
        "once_below": once,
        "metro": numbers.below(METROS, UNITS),
        "zone": numbers.below(ZONES, UNITS),
        "subzone": numbers.below(4, UNITS),
        "parts": numbers.mix(np.full(UNITS, 4, np.uint64), [1]),
        "cells_first": cells[:UNITS],
        "cells_size": size[:UNITS],
        "zone_word": numbers.words(ZONES),
        "zone_first": cells[UNITS:-1],
        "zone_size": size[UNITS:],
        "outings": numbers.mix(numbers.below(50, ZONES * 168) + np.uint64(1), [1, 2**32 - 1]),
        "curves": curves.ravel(),
        "slot_party": numbers.below(PARTIES, many),
        "slot_second": numbers.below(PARTIES, many),
        "slot_day": numbers.mix(numbers.below(DAYS, many), [0, 2**16 - 1]),
        "people": records(numbers),
        "trips_first": trips,
        "trip_party": owner,
        "trip_no": numbers.below(255, count) + np.uint64(1),
        "trip_from": start,
        "trip_to": start + numbers.below(9 * 24, count).astype(np.int64) * HOUR_US,
        "roster_first": seats,
        "roster": numbers.below(count, int(seats[-1])),
        "profile": numbers.mix(numbers.below(255, SEGMENTS * 168) + np.uint64(1), [1, 255]),
        "tokens": numbers.mix(numbers.below(4096, 304), [0, 15, 4095]),
    }, {"w": 3 * n if n % 2 else 0}


CASES = {"attach_payers": attach_payers, "fill_slots": fill_slots}
