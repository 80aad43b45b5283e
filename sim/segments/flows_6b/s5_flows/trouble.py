"""What befalls payments beside money: a wrong PIN, a question not answered, a suspicion, a bank that is down.

All that is drawn of an answer is drawn here; kernel `authorise_rows` then goes by it and by balances alone.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sim.recipes.horizon import DAY_S, MICRO, Horizon
from sim.recipes.terms import require_terms
from sim.recipes.words import BELOW_NEEDS, WORDS_NEEDS, below, words_at
from sim.segments.flows_6b.s5_flows.cards import CHANNELS, ECOMMERCE, MAIL, RECURRING, way_of
from sim.segments.flows_6b.s5_flows.prices import Prices
from sim.segments.flows_6b.s5_flows.rows import CardChoice, People, Rows
from sim.segments.flows_6b.s5_flows.suspicion import points_of
from sim.state.addressed import Address
from sim.state.context import Context
from sim.state.declaration import Needs
from sim.state.frames import Array
from sim.state.refuse import Fault, refuse_any

ANSWER, OUTAGE = "6B.answer", "6B.outage"
POLICY, ASKING = "issuer_policy_6B", "authentication_6B"
TRIES = 4
"""Tries that a payment has at most."""
_HOUR_US = 3_600_000_000
_PERMYRIAD, _PERMILLE, _HUNDRED_THOUSAND = 10_000, 1000, 100_000
_LOW = np.uint64(0xFFFF_FFFF)
_HALF = np.uint64(32)

TROUBLE_NEEDS = Needs(
    config=(POLICY, ASKING),
    streams=(ANSWER, OUTAGE),
    kernels=("exp_map", "log_map", "normal_quantile_map", "open_uniform"),
    uses=(BELOW_NEEDS, WORDS_NEEDS),
)
REQUIRE_TROUBLE_NEEDS = Needs(config=(POLICY, ASKING))


@dataclass(frozen=True, slots=True)
class Trouble:
    """What befalls each row of a range: n rows.

    Attributes:
        answers: uint32: answer to try k whatever the money, in bits 8 k; 0 where nothing befalls it.
        tries: uint8: tries after a decline.
        with_other: uint8: bit k: try k is with another card, if there is one.
        confirms: bool: the holder confirms a suspicion at once.
        step_up: int16: code of vocabulary step_up.
        latency_us: int64: time to an answer.
        gap_us: int64: rest between tries.
    """

    answers: Array
    tries: Array
    with_other: Array
    confirms: Array
    step_up: Array
    latency_us: Array
    gap_us: Array


def require_trouble(ctx: Context) -> None:
    """Refuse channels and countries that do not exist, and shares that are more than all.

    Raises:
        ContractError: `6B.S5.VOCABULARY_MISMATCH`, `6B.S5.POLICY_INVALID`.
    """
    law, asking = ctx.params.issuer_policy_6B, ctx.params.authentication_6B
    channels = ctx.vocabulary("payment_channel")
    require_terms(ctx, law.residual.channels, channels, f"{POLICY}.residual.channels", "payment_channel")
    countries = ctx.vocabulary("country")
    require_terms(ctx, asking.regulated, countries, f"{ASKING}.regulated", "country", complete=False)
    faults = [
        Fault(f"{ASKING}.{key}", "more than all are asked")
        for key in ("inside", "elsewhere")
        if asking[key].frictionless + asking[key].challenged > _PERMILLE
    ]
    faults += [
        Fault(f"{POLICY}.gap_seconds.{key}", "the least is more than the most")
        for key in ("present", "remote")
        if law.gap_seconds[key][0] > law.gap_seconds[key][1]
    ]
    if list(law.suspicion.refused) != sorted(law.suspicion.refused):
        faults.append(Fault(f"{POLICY}.suspicion.refused", "fewer are refused with more points"))
    refuse_any(ctx, "POLICY_INVALID", "The issuers' policy contradicts itself.", faults, do="correct it")


def troubles(
    ctx: Context,
    horizon: Horizon,
    rows: Rows,
    people: People,
    cards: CardChoice,
    prices: Prices,
) -> Trouble:
    """What befalls the rows of a range; nothing is entered in the ledger."""
    law = ctx.params.issuer_policy_6B
    words = words_at(ctx, answer_place(ctx, rows))
    way = way_of(ctx, rows)
    abroad = rows.country != people.country[rows.party]
    step_up, failed = _asked(ctx, rows, people, way, words[0], words[8])
    tries, with_other = _tries(ctx, way, words[1], words[5])
    found = np.zeros((TRIES, len(way)), dtype=np.uint32)
    lost = _lost(ctx, horizon, rows, people, cards, words[2])
    refused = _refused(ctx, points_of(law.suspicion, rows, people, prices, way != RECURRING), words[3])
    residual = _residual(ctx, way, abroad, words[3])
    for name, which in (
        # What is met later on the way to an answer first, so that what is met before stands in its place.
        ("NOT_HONOURED", residual),
        ("SUSPECTED_FRAUD", [refused, *[np.zeros_like(refused)] * (TRIES - 1)]),
        ("AUTHENTICATION_FAILED", failed),
        ("WRONG_DETAILS", _wrong_details(ctx, way, words[4])),
        ("WRONG_PIN", _wrong_pin(ctx, cards, words[4])),
        ("ISSUER_UNAVAILABLE", lost),
    ):
        code = np.uint32(ctx.code("response", name))
        for number, some in enumerate(which):
            found[number][some] = code
    answers = np.zeros(len(way), dtype=np.uint32)
    for number in range(TRIES):
        answers |= found[number] << np.uint32(8 * number)
    return Trouble(
        answers,
        tries,
        with_other,
        _share(words[5] & _LOW, int(law.confirmed), _PERMILLE),
        step_up,
        _latency(ctx, words[6]),
        _gap(ctx, way, words[7]),
    )


def answer_place(ctx: Context, rows: Rows) -> Address:
    """Where rows draw what befalls them."""
    return ctx.address(ANSWER, event_us=rows.ts_us.astype(np.uint64), place=rows.place_id)


def _share(half: Array, part: Array | int, whole: int) -> Array:
    """Whether a coin of 32 bits (uint64) falls for a share of `part` in `whole`: bool."""
    found: Array = half * np.uint64(whole) < np.asarray(part, dtype=np.uint64) << _HALF
    return found


def _pieces(word: Array) -> list[Array]:
    """Four coins of 16 bits each, widened to 32: one a try."""
    return [
        ((word >> np.uint64(16 * number)) & np.uint64(0xFFFF)) << np.uint64(16) for number in range(TRIES)
    ]


def _again(word: Array, first: Array | int, again: int) -> list[Array]:
    """Of each try, whether something befalls it: the first with one share, each next with another.

    Args:
        word: uint64, n.
        first: Permyriad, of each row or of all.
        again: Permyriad of those whom it befell.
    """
    # A coin of 16 bits is too coarse for the rare first time.
    found = [_share(word >> _HALF, first, _PERMYRIAD)]
    rows = np.flatnonzero(found[0])
    coins = _pieces(word[rows])
    goes_on = np.ones(len(rows), dtype=np.bool_)
    for coin in (coins[0], coins[1], coins[0] ^ coins[1]):
        goes_on &= _share(coin, again, _PERMYRIAD)
        found.append(np.zeros(len(word), dtype=np.bool_))
        found[-1][rows[goes_on]] = True
    return found


def _wrong_pin(ctx: Context, cards: CardChoice, word: Array) -> list[Array]:
    law = ctx.params.issuer_policy_6B.wrong_pin
    typed = cards.entry_mode == ctx.code("entry_mode", "CHIP")
    return _again(word, np.where(typed, int(law.first), 0), int(law.again))


def _wrong_details(ctx: Context, way: Array, word: Array) -> list[Array]:
    law = ctx.params.issuer_policy_6B.wrong_details
    first = np.where(way == ECOMMERCE, int(law.online), np.where(way == MAIL, int(law.keyed), 0))
    return _again(word, first, int(law.again))


def _residual(ctx: Context, way: Array, abroad: Array, word: Array) -> list[Array]:
    """Answers without a reason: all tries with the same card get the same one."""
    law = ctx.params.issuer_policy_6B.residual
    share = np.array([int(law.channels[name]) for name in CHANNELS], dtype=np.int64)[way]
    share = np.where(abroad, share * int(law.abroad_percent) // 100, share)
    return [_share(word & _LOW, share, _PERMYRIAD)] * TRIES


def _refused(ctx: Context, points: Array, word: Array) -> Array:
    """Whether a rule refuses a payment with so many points: bool."""
    table = np.array([int(each) for each in ctx.params.issuer_policy_6B.suspicion.refused], dtype=np.int64)
    return _share(word >> _HALF, table[np.minimum(points, len(table) - 1)], _PERMYRIAD)


def _asked(
    ctx: Context, rows: Rows, people: People, way: Array, word: Array, luck: Array
) -> tuple[Array, list[Array]]:
    """How payers online are asked who they are (int16), and which tries fail by it."""
    law = ctx.params.authentication_6B
    strict = np.zeros(len(ctx.vocabulary("country")), dtype=np.bool_)
    strict[[ctx.code("country", name) for name in law.regulated]] = True
    inside = strict[rows.country] & strict[people.country[rows.party]]
    high = word >> _HALF
    plain = np.where(inside, int(law.inside.frictionless), int(law.elsewhere.frictionless))
    asked = np.where(inside, int(law.inside.challenged), int(law.elsewhere.challenged))
    online = way == ECOMMERCE
    smooth = online & _share(high, plain, _PERMILLE)
    challenged = online & ~smooth & _share(high, plain + asked, _PERMILLE)
    first = np.where(inside, int(law.failed.inside), int(law.failed.elsewhere)) * 10
    fails = _again(luck, np.where(challenged, first, 0), int(law.failed.again) * 10)
    names = ("NONE", "FRICTIONLESS", "CHALLENGED", "FAILED", "EXEMPT")
    none, frictionless, question, failed, exempt = (ctx.code("step_up", name) for name in names)
    step_up = np.full(len(way), none, dtype=np.int16)
    step_up[online & inside] = exempt
    step_up[smooth] = frictionless
    step_up[challenged] = question
    step_up[fails[0]] = failed
    return step_up, fails


def _tries(ctx: Context, way: Array, word: Array, more: Array) -> tuple[Array, Array]:
    """Tries after a decline (uint8), and which of them are with another card, in bits (uint8)."""
    law = ctx.params.issuer_policy_6B.tries
    remote = (way == ECOMMERCE) | (way == MAIL)
    first = np.where(remote, int(law.remote), int(law.present))
    coins = _pieces(word)
    goes_on = _share(coins[0], np.where(way == RECURRING, 0, first), _PERMILLE)
    tries = goes_on.astype(np.uint8)
    for coin in coins[1:3]:
        # In person nobody holds up the queue twice.
        goes_on = goes_on & remote & _share(coin, int(law.again), _PERMILLE)
        tries += goes_on
    other = np.zeros(len(way), dtype=np.uint8)
    for number, coin in enumerate((coins[3], *_pieces(more)[2:]), start=1):
        other |= _share(coin, int(law.other_card), _PERMILLE).astype(np.uint8) << np.uint8(number)
    return tries, other


def _lost(
    ctx: Context, horizon: Horizon, rows: Rows, people: People, cards: CardChoice, word: Array
) -> list[Array]:
    """Tries that get no answer: some of those in bad hours of the card's bank."""
    law = ctx.params.issuer_policy_6B.outage
    banks, bad = bad_hours(ctx, horizon, people)
    bank = np.searchsorted(banks, people.instruments.bank[cards.instrument])
    hour = (rows.ts_us - horizon.start_us) // _HOUR_US
    struck = np.flatnonzero(bad[bank, hour])
    found = []
    for coin in _pieces(word[struck]):
        found.append(np.zeros(len(word), dtype=np.bool_))
        found[-1][struck] = _share(coin, int(law.lost), _PERMILLE)
    return found


def bank_hours(ctx: Context, horizon: Horizon, people: People) -> tuple[Array, Address]:
    """Banks of a range's cards (uint64, ascending), and where each of their hours draws, bank by bank."""
    banks = np.unique(people.instruments.bank)
    hours = np.arange(horizon.days * 24, dtype=np.uint64) + np.uint64(horizon.start_s // 3600)
    at = ctx.address(OUTAGE, utc_hour=np.tile(hours, len(banks)), bank=np.repeat(banks, len(hours)))
    return banks, at


def bad_hours(ctx: Context, horizon: Horizon, people: People) -> tuple[Array, Array]:
    """Banks of a range's cards, and which of their hours are bad: bool, banks x hours."""
    banks, at = bank_hours(ctx, horizon, people)
    (word,) = words_at(ctx, at)
    bad = _share(word >> _HALF, int(ctx.params.issuer_policy_6B.outage.hours), _HUNDRED_THOUSAND)
    return banks, bad.reshape(len(banks), horizon.days * 24)


def _latency(ctx: Context, word: Array) -> Array:
    """Time to an answer: lognormal, whole microseconds, at least one: int64."""
    law = ctx.params.issuer_policy_6B.latency_ms
    z = ctx.kernels.normal_quantile_map(u=ctx.kernels.open_uniform(x=word))
    median = ctx.kernels.log_map(x=np.array([float(law.median) * 1000.0]))[0]
    found: Array = np.floor(ctx.kernels.exp_map(x=median + float(law.sigma) * z)).astype(np.int64) + 1
    return np.minimum(found, DAY_S * MICRO)


def _gap(ctx: Context, way: Array, word: Array) -> Array:
    """Rest between tries: int64, microseconds."""
    law = ctx.params.issuer_policy_6B.gap_seconds
    remote = (way == ECOMMERCE) | (way == MAIL) | (way == RECURRING)
    low = np.where(remote, int(law.remote[0]), int(law.present[0])).astype(np.int64) * MICRO
    high = np.where(remote, int(law.remote[1]), int(law.present[1])).astype(np.int64) * MICRO
    found: Array = low + below(ctx, word, high - low + 1)
    return found
