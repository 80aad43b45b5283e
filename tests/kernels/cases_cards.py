"""Cases of the kernels that say what a party paid with and from where. See cases.py."""

import numpy as np

from tests.kernels.cases_parties import START_US, walks
from tests.kernels.numbers_of_cases import offsets, repeat

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


CASES = {"choose_cards": choose_cards}
