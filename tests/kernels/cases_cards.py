"""Cases of the kernels that say what a party paid with and from where. See cases.py."""

import numpy as np

from tests.kernels.cases_parties import START_US, walks
from tests.kernels.numbers_of_cases import offsets, repeat, sizes

WEIGHTS = (3, 50, 2, 40, 30, 50, 20, 40, 1, 50, 1, 2**32 - 1, 5, 50, 5, 40, 0, 95, 0, 5)


def choose_cards(numbers, n):
    """One instrument or several, no card on some days; places a minute or a world away."""
    first, party, _ = walks(numbers, n)
    parties = len(first) - 1
    held = numbers.mix(numbers.below(5, parties) + np.uint64(1), [1])
    instrument_first = offsets(held)
    i = int(instrument_first[-1])
    many = numbers.below(3, i)
    many[instrument_first[:-1].astype(np.int64)] |= np.uint64(1)
    card_first = offsets(many)
    c = int(card_first[-1])
    day = START_US // 86_400_000_000
    began = np.sort(numbers.below(120, c).astype(np.int64))
    card_from = day - 40 + began[np.argsort(np.argsort(numbers.plain(c)))]
    of = repeat(np.arange(i).astype(np.uint64), many)
    card_from = card_from[np.lexsort((card_from, of))].astype(np.int32)
    tokens = numbers.below(3, parties)
    token_first = offsets(tokens)
    t = int(token_first[-1])
    whose = repeat(np.arange(parties).astype(np.uint64), tokens).astype(np.int64)
    step = numbers.mix(numbers.plain(n) >> (np.uint64(24) + numbers.below(36, n)), [0, 1])
    before = np.cumsum(step) - step
    ts = (before - before[first[party].astype(np.int64)]).astype(np.int64) % (90 * 86_400_000_000) + START_US
    ts = ts[np.lexsort((ts, party))]
    channel = numbers.mix(numbers.below(5, n), [0]).astype(np.uint8)
    sites = 41
    where = np.stack([numbers.unit(sites) - 0.5 for _ in range(3)])
    where /= np.sqrt(where[0] * where[0] + where[1] * where[1] + where[2] * where[2])
    frozen = numbers.mix(np.full(i, 2**31 - 1, np.int64), [day, day + 30, -(2**31)]).astype(np.int32)
    wallet = numbers.mix(numbers.plain(7), [0, 2**64 - 1])
    stripe = numbers.mix(numbers.plain(7) >> np.uint64(4), [0])
    flags = numbers.mix(numbers.below(8, i), [1, 3]).astype(np.uint8)
    return {
        "key": numbers.word(),
        "usual_key": numbers.word(),
        "radians_per_us": 900.0 / 3.6e9 / (2.0 * 6371.0088),
        "row_first": first,
        "word": numbers.words(parties),
        "home": numbers.below(7, parties).astype(np.int16),
        "c0": numbers.words(n),
        "place_id": numbers.words(n),
        "ts_us": ts,
        "merchant": numbers.below(11, n).astype(np.uint32),
        "channel": channel,
        "site": np.where(
            (channel == 0) | (channel == 4),
            numbers.mix(numbers.below(sites, n), [2**32 - 1]),
            np.uint64(2**32 - 1),
        ).astype(np.uint32),
        "sale_country": numbers.below(7, n).astype(np.int16),
        "merchant_word": numbers.words(11),
        "x": where[0].copy(),
        "y": where[1].copy(),
        "z": where[2].copy(),
        "instrument_first": instrument_first,
        "flags": flags,
        "frozen_day": frozen,
        "card_first": card_first,
        "card_from": card_from,
        "card_to": card_from + numbers.mix(numbers.below(400, c), [0]).astype(np.int32),
        "token_first": token_first,
        "token_instrument": (instrument_first[whose] + numbers.below(held[whose], t)).astype(np.uint32),
        "token_from": (day - 20 + numbers.below(60, t).astype(np.int64)).astype(np.int32),
        "token_to": (day + numbers.below(90, t).astype(np.int64)).astype(np.int32),
        "weight": np.array(WEIGHTS, np.uint32),
        "usual_below": np.array([2**63, 2**64 - 1, 0, 2**62, 2**64 - 2], np.uint64),
        "wallet_below": wallet,
        "stripe_below": stripe,
        "contactless_below": numbers.mix(numbers.plain(7), [0, 2**64 - 1]),
    }, {}


def spans(numbers, count, day):
    """First and last days about the horizon; some of one day, some without an end."""
    low = day - 30 + numbers.below(60, count).astype(np.int64)
    high = numbers.mix(low + numbers.below(90, count).astype(np.int64), [2**31 - 1])
    high = np.where(numbers.below(9, count) == np.uint64(0), low, high)
    return low.astype(np.int32), high.astype(np.int32)


def choose_devices(numbers, n):
    """Bursts and rests, trips, parties without a device, devices without an address, every kind of both."""
    first, party, _ = walks(numbers, n)
    parties = len(first) - 1
    day = START_US // 86_400_000_000
    step = numbers.mix(numbers.plain(n) >> (np.uint64(26) + numbers.below(30, n)), [0, 1, 1_800_000_000])
    before = np.cumsum(step) - step
    ts = (before - before[first[party].astype(np.int64)]).astype(np.int64) % (90 * 86_400_000_000) + START_US
    ts = ts[np.lexsort((ts, party))]
    device_first = offsets(numbers.below(5, parties))
    d = int(device_first[-1])
    link_first = offsets(numbers.below(5, d))
    links = int(link_first[-1])
    owned = sizes(device_first)[party]
    tokens = numbers.below(5, n) == np.uint64(0)
    tokens &= owned > 0
    token = np.where(tokens, np.cumsum(tokens) - 1, 2**32 - 1).astype(np.uint32)
    held = device_first[party] + numbers.below(np.maximum(owned, np.uint64(1)), n)
    trip_first = offsets(numbers.below(3, parties))
    v = int(trip_first[-1])
    leaves = (day + numbers.below(80, v).astype(np.int64)) * 86_400_000_000
    device_from, device_to = spans(numbers, d, day)
    link_from, link_to = spans(numbers, links, day)
    return {
        "key": numbers.word(),
        "usual_key": numbers.word(),
        "gap_us": 1_800_000_000,
        "usual_below": 3 << 62,
        "keep_below": (1 << 63) + (1 << 62),
        "work_from": 9 * 3_600_000_000,
        "work_to": 17 * 3_600_000_000,
        "row_first": first,
        "word": numbers.words(parties),
        "home": numbers.below(3, parties).astype(np.uint32),
        "c0": numbers.words(n),
        "place_id": numbers.words(n),
        "ts_us": ts,
        "offset_minutes": numbers.mix(numbers.below(1440, n).astype(np.int64) - 720, [-1440, 1440]).astype(
            np.int16
        ),
        "online": numbers.mix(numbers.below(2, n), [255]).astype(np.uint8),
        "token": token,
        "token_device": held[tokens].astype(np.uint32),
        "trip_first": trip_first,
        "trip_from": leaves,
        "trip_to": leaves + numbers.below(10, v).astype(np.int64) * 86_400_000_000,
        "trip_metro": numbers.below(3, v).astype(np.uint32),
        "device_first": device_first,
        "device_weight": numbers.mix(numbers.below(100, d), [0, 2**32 - 1]).astype(np.uint32),
        "device_from": device_from,
        "device_to": device_to,
        "link_first": link_first,
        "link_kind": numbers.below(8, links).astype(np.uint8),
        "link_metro": numbers.below(3, links).astype(np.uint32),
        "link_from": link_from,
        "link_to": link_to,
        "at_home": np.array([70, 25, 0, 1, 0, 1, 0, 2**32 - 1], np.uint32),
        "at_work": np.array([20, 30, 45, 1, 0, 20, 0, 3], np.uint32),
        "away": np.array([0, 40, 0, 20, 60, 0, 0, 3], np.uint32),
        "roaming": np.array([0, 30, 0, 0, 0, 0, 0, 2], np.uint32),
    }, {}


CASES = {law.__name__: law for law in (choose_cards, choose_devices)}
