"""What payments are held against: every arrival once, with what was valid then, in the order of its life."""

from __future__ import annotations

import numpy as np

from sim.recipes.audits import ledger_check
from sim.recipes.horizon import DAY_S, MICRO
from sim.recipes.sphere import beyond, half_chord
from sim.segments.flows_6b.s5_flows.arrivals import ENTITIES
from sim.segments.flows_6b.s5_flows.cards import CARD, CASH, CHANNELS, ECOMMERCE, PRESENT
from sim.segments.flows_6b.s5_flows.cards import USUAL as USUAL_CARD
from sim.segments.flows_6b.s5_flows.devices import DEVICE
from sim.segments.flows_6b.s5_flows.devices import USUAL as USUAL_DEVICE
from sim.segments.flows_6b.s5_flows.issuer import Answers, has_card
from sim.segments.flows_6b.s5_flows.prices import AMOUNT, PAIR, TIP, Prices
from sim.segments.flows_6b.s5_flows.rows import NOBODY, CardChoice, DeviceChoice, People, Rows, Sites
from sim.segments.flows_6b.s5_flows.settlement import SETTLE, Settlement
from sim.state.context import Context, PartitionContext
from sim.state.counters import Counters, Scalar, Vector
from sim.state.declaration import METADATA_ONLY, Check, Measurement, Needs
from sim.state.frames import Array
from sim.state.totals import Totals

FAST_KMH, FAR_KM = 900.0, 50.0
"""Nobody travels faster (flows.md 6 B); nearer than this, sites of one town are told apart badly."""
DAY_US = DAY_S * MICRO
_HOUR_US = 3_600_000_000.0
_FAST = f"neighbouring payments in person more than {FAR_KM:.0f} km and {FAST_KMH:.0f} km/h apart"

FLOW_CHECKS_NEEDS = Needs(reads={ENTITIES: METADATA_ONLY})


class FlowCounts(Counters):
    """Payments, what they were made with, and what must not be."""

    payments = Scalar()
    parties = Scalar()
    sessions = Scalar()
    tipped = Scalar()
    by_channel = Vector("payment_channel")
    by_mode = Vector("entry_mode")
    approved = Vector("payment_channel")
    without_device = Scalar()
    without_address = Scalar()
    outside_sessions = Scalar()
    bad_card = Scalar()
    bad_account = Scalar()
    bad_device = Scalar()
    bad_address = Scalar()
    bad_token = Scalar()
    stranger = Scalar()
    out_of_order = Scalar()
    too_much = Scalar()
    taken_unasked = Scalar()
    pairs_of_party = Scalar()
    too_fast_of_party = Scalar()
    pairs_of_card = Scalar()
    too_fast_of_card = Scalar()
    cleared = Scalar()
    partly = Scalar()
    reversed = Scalar()
    refunded = Scalar()


def count_flows(
    ctx: PartitionContext,
    rows: Rows,
    sites: Sites,
    people: People,
    cards: CardChoice,
    devices: DeviceChoice,
    tips: int,
    prices: Prices,
    answers: Answers,
    settled: Settlement,
) -> None:
    """Count the payments of a range; what they name is looked up again, whatever the kernels said.

    Args:
        ctx: Context.
        rows: Payments.
        sites: All sites.
        people: Who pays.
        cards: Of pass 1.
        devices: Of pass 2.
        tips: Payments that drew a tip.
        prices: Of pass 3.
        answers: Of pass 4.
        settled: Of pass 5.
    """
    approved = answers.approved != 0
    channels = len(ctx.vocabulary("payment_channel"))
    ctx.count(FlowCounts.payments, len(rows.ts_us))
    ctx.count(FlowCounts.parties, len(people.word))
    ctx.count(FlowCounts.tipped, tips)
    ctx.count(FlowCounts.by_channel, np.bincount(cards.channel, minlength=channels))
    ctx.count(FlowCounts.approved, np.bincount(cards.channel[approved], minlength=channels))
    ctx.count(FlowCounts.by_mode, np.bincount(cards.entry_mode, minlength=len(ctx.vocabulary("entry_mode"))))
    _count_holdings(ctx, rows, people, cards, answers, approved)
    _count_devices(ctx, rows, people, cards, devices)
    _count_money(ctx, rows, prices, answers, settled, approved)
    _count_travel(ctx, rows, sites, cards)


def _inside(day: Array, first: Array, last: Array) -> Array:
    found: Array = (first <= day) & (day <= last)
    return found


def _count_holdings(
    ctx: PartitionContext, rows: Rows, people: People, cards: CardChoice, answers: Answers, approved: Array
) -> None:
    """Approved payments whose card or account was not valid on their day (UTC), and cards of others."""
    day = rows.ts_us // DAY_US
    of = people.instruments.first.astype(np.int64)
    last = answers.instrument.astype(np.int64)
    strange = np.zeros(len(day), dtype=np.bool_)
    for place in (cards.instrument.astype(np.int64), last):
        strange |= (place < of[rows.party]) | (place >= of[rows.party + np.uint32(1)])
    valid = has_card(people, last, day)
    account = people.instruments.account[last]
    held = people.accounts
    open_ = _inside(day, held.open_day[account], held.last_day[account]) & (day < held.frozen_day[account])
    ctx.count(FlowCounts.stranger, int(strange.sum()))
    ctx.count(FlowCounts.bad_card, int((approved & ~valid).sum()))
    ctx.count(FlowCounts.bad_account, int((approved & ~open_).sum()))
    token = cards.token != NOBODY
    at = cards.token[token]
    wrong = people.tokens.instrument[at] != cards.instrument[token]
    wrong |= ~_inside(day[token], people.tokens.first_day[at], people.tokens.last_day[at])
    wallet = cards.entry_mode == ctx.code("entry_mode", "WALLET")
    ctx.count(FlowCounts.bad_token, int(wrong.sum()) + int((wallet != token).sum()))


def _count_devices(
    ctx: PartitionContext, rows: Rows, people: People, cards: CardChoice, devices: DeviceChoice
) -> None:
    """Devices of others or out of use, addresses that no link of the device gives it on that day."""
    day = rows.ts_us // DAY_US
    online = cards.channel == ctx.code("payment_channel", CHANNELS[ECOMMERCE])
    some = np.flatnonzero(devices.device != NOBODY)
    device = devices.device[some].astype(np.int64)
    of = people.devices.first.astype(np.int64)
    party = rows.party[some].astype(np.int64)
    wrong = (device < of[party]) | (device >= of[party + 1])
    wrong |= ~_inside(day[some], people.devices.first_day[device], people.devices.last_day[device])
    seen = np.flatnonzero(devices.address != NOBODY)
    link = devices.address[seen].astype(np.int64)
    at = np.minimum(devices.device[seen].astype(np.int64), len(people.devices.device_no) - 1)
    links = people.addresses.first.astype(np.int64)
    lost = (devices.device[seen] == NOBODY) | (link < links[at]) | (link >= links[at + 1])
    lost |= ~_inside(day[seen], people.addresses.first_day[link], people.addresses.last_day[link])
    without = online & (devices.device == NOBODY)
    ctx.count(FlowCounts.bad_device, int(wrong.sum()))
    ctx.count(FlowCounts.bad_address, int(lost.sum()))
    ctx.count(FlowCounts.without_device, int(without.sum()))
    ctx.count(FlowCounts.without_address, int((online & ~without & (devices.address == NOBODY)).sum()))
    in_session = devices.session != NOBODY
    ctx.count(FlowCounts.outside_sessions, int((in_session != (online & ~without)).sum()))
    ctx.count(FlowCounts.sessions, int((devices.session == np.arange(len(day))).sum()))


def _count_money(
    ctx: PartitionContext, rows: Rows, prices: Prices, answers: Answers, settled: Settlement, approved: Array
) -> None:
    """What happens out of order, is taken without an answer, or is given back beyond what was taken."""
    cleared, back, again = settled.cleared_us != 0, settled.reversed_us != 0, settled.refunded_us != 0
    wrong = (answers.answered_us <= rows.ts_us) | (cleared & (settled.cleared_us <= answers.answered_us))
    wrong |= back & (settled.reversed_us <= answers.answered_us)
    wrong |= again & (settled.refunded_us <= settled.cleared_us)
    too_much = (settled.refunded > settled.cleared) | (settled.cleared > prices.capture)
    unasked = (cleared | back | again) & ~approved
    unasked |= (again & ~cleared) | (cleared & back)
    ctx.count(FlowCounts.out_of_order, int(wrong.sum()))
    ctx.count(FlowCounts.too_much, int(too_much.sum()))
    ctx.count(FlowCounts.taken_unasked, int(unasked.sum()))
    for counter, which in (
        (FlowCounts.cleared, cleared),
        (FlowCounts.partly, cleared & (settled.cleared < prices.capture)),
        (FlowCounts.reversed, back),
        (FlowCounts.refunded, again),
    ):
        ctx.count(counter, int(which.sum()))


def _count_travel(ctx: PartitionContext, rows: Rows, sites: Sites, cards: CardChoice) -> None:
    """Neighbouring payments in person that nobody can have travelled between: of a party, and of a card."""
    # Who orders by telephone is not where the shop is.
    in_person = [ctx.code("payment_channel", CHANNELS[way]) for way in (PRESENT, CASH)]
    here = np.flatnonzero((rows.site != NOBODY) & np.isin(cards.channel, in_person))
    by_card = here[np.argsort(cards.instrument[here], kind="stable")]
    for order, holder, pairs, fast in (
        (here, rows.party, FlowCounts.pairs_of_party, FlowCounts.too_fast_of_party),
        (by_card, cards.instrument, FlowCounts.pairs_of_card, FlowCounts.too_fast_of_card),
    ):
        one, two = order[:-1], order[1:]
        same = holder[one] == holder[two]
        one, two = one[same], two[same]
        ctx.count(pairs, len(one))
        # Nearly all are near: only the others are asked how far one gets in the time.
        far = np.flatnonzero(beyond(half_chord(*_places(sites, rows, one, two)), np.full(len(one), FAR_KM)))
        one, two = one[far], two[far]
        hours = (rows.ts_us[two] - rows.ts_us[one]).astype(np.float64) / _HOUR_US
        half = half_chord(*_places(sites, rows, one, two))
        ctx.count(fast, int(beyond(half, hours * FAST_KMH).sum()))


def _places(sites: Sites, rows: Rows, *ends: Array) -> list[tuple[Array, ...]]:
    """Sites of rows as vectors."""
    at = [rows.site[end] for end in ends]
    return [(sites.x[site], sites.y[site], sites.z[site]) for site in at]


def flow_checks(ctx: Context, totals: Totals) -> list[Check]:
    """Every arrival is one payment, with what was valid then; draws as the rows say."""
    seen = FlowCounts(totals)
    arrivals = sum(file.rows for scenario in ctx.scenarios for file in ctx.files(ENTITIES, scenario))
    channel = dict(zip(ctx.vocabulary("payment_channel"), seen.by_channel.tolist(), strict=True))
    approved = int(seen.approved.sum())
    words = 2 * seen.payments + 2 * channel[CHANNELS[PRESENT]]
    never = (
        ("cards of the party", seen.stranger, "instruments tried are the payer's"),
        ("cards valid when approved", seen.bad_card, "some card of the instrument was valid on the day"),
        ("accounts open when approved", seen.bad_account, "neither closed nor frozen on the day"),
        ("tokens of the card", seen.bad_token, "a wallet paid with a token that it held on the day"),
        ("devices in use", seen.bad_device, "the payer's or its household's, in use on the day"),
        ("addresses of the device", seen.bad_address, "linked to the device on the day"),
        ("sessions hold what is online", seen.outside_sessions, "all payments online with a device"),
        ("lives in order", seen.out_of_order, "asked, answered, cleared or reversed, refunded"),
        ("refunds within what was cleared", seen.too_much, "and clearing within what was to be taken"),
        ("nothing taken unasked", seen.taken_unasked, "only approved payments are cleared, or reversed"),
    )
    drawn = list(totals.drawn(CARD))
    card = [seen.payments, words, words // 2]
    return [
        Check("every arrival is one payment", seen.payments == arrivals, seen.payments, arrivals),
        *(Check(name, found == 0, found, 0, note) for name, found, note in never),
        Check(f"ledger {CARD}", drawn == card, drawn, card, "two words a payment, four in person"),
        ledger_check(totals, USUAL_CARD, seen.payments, 1),
        ledger_check(totals, DEVICE, channel[CHANNELS[ECOMMERCE]], 3),
        ledger_check(totals, USUAL_DEVICE, seen.parties, 1),
        ledger_check(totals, AMOUNT, seen.payments, 2),
        ledger_check(totals, PAIR, seen.payments, 2),
        ledger_check(totals, TIP, seen.tipped, 2),
        ledger_check(totals, SETTLE, approved, 8),
    ]


def flow_measure(ctx: Context, totals: Totals) -> list[Measurement]:
    """What payments are like; figures, no gates."""
    seen = FlowCounts(totals)
    channels, modes = ctx.vocabulary("payment_channel"), ctx.vocabulary("entry_mode")
    online = int(dict(zip(channels, seen.by_channel.tolist(), strict=True))[CHANNELS[ECOMMERCE]])
    approved = int(seen.approved.sum())
    return [
        Measurement(
            "payments by channel", dict(zip(channels, seen.by_channel.tolist(), strict=True)), "payments"
        ),
        Measurement(
            "approved by channel", dict(zip(channels, seen.approved.tolist(), strict=True)), "payments"
        ),
        Measurement(
            "payments by entry mode", dict(zip(modes, seen.by_mode.tolist(), strict=True)), "payments"
        ),
        Measurement("payments online without a device", _permille(seen.without_device, online), "permille"),
        Measurement(
            "payments online without an address", _permille(seen.without_address, online), "permille"
        ),
        Measurement("payments a session", _permille(online - seen.without_device, seen.sessions), "permille"),
        Measurement("too fast for a party", _ppm(seen.too_fast_of_party, seen.pairs_of_party), "ppm", _FAST),
        Measurement("too fast for a card", _ppm(seen.too_fast_of_card, seen.pairs_of_card), "ppm", _FAST),
        Measurement("cleared", _permille(seen.cleared, approved), "permille", "of what was approved"),
        Measurement("cleared in part", _permille(seen.partly, approved), "permille", "of what was approved"),
        Measurement("reversed", _permille(seen.reversed, approved), "permille", "of what was approved"),
        Measurement(
            "refunded", _permille(seen.refunded, seen.cleared), "permille", "of what was cleared, so far"
        ),
    ]


def _permille(part: int, whole: int) -> int:
    return 1000 * part // max(whole, 1)


def _ppm(part: int, whole: int) -> int:
    return 1_000_000 * part // max(whole, 1)
