"""Pass 1: with which card each payment of a range is made, and how."""

from __future__ import annotations

from typing import Any

import numpy as np

from sim.recipes.sphere import RADIUS_KM
from sim.recipes.terms import entry, require_terms
from sim.segments.flows_6b.s5_flows.holdings import CardKinds
from sim.segments.flows_6b.s5_flows.rows import NOBODY, CardChoice, Merchants, People, Rows, Sites
from sim.segments.flows_6b.s5_flows.thresholds import below
from sim.state.context import Context, PartitionContext
from sim.state.declaration import Needs
from sim.state.frames import Array
from sim.state.refuse import Fault, refuse_any

CARD, USUAL = "6B.card", "6B.usual_card"
LAW = "card_choice_6B"
PRESENT, ECOMMERCE, RECURRING, MAIL, CASH = range(5)
"""Ways of a sale as kernel `choose_cards` counts them; so does vocabulary payment_channel."""
CHANNELS = ("CARD_PRESENT", "ECOMMERCE", "RECURRING", "MAIL_TELEPHONE", "CASH")
MODES = ("CHIP", "CONTACTLESS", "WALLET", "MAGSTRIPE", "ONLINE", "ON_FILE", "KEYED")
KINDS = ("virtual_debit", "debit", "virtual_credit", "credit")
"""Kinds of cards by the two low bits of `Instruments.flags`."""
PHYSICAL = (
    "RETAIL_DEBIT_CARD_PHYSICAL",
    "RETAIL_CREDIT_CARD_PHYSICAL",
    "BUSINESS_DEBIT_CARD_PHYSICAL",
    "BUSINESS_CREDIT_CARD_PHYSICAL",
)
CREDIT = ("RETAIL_CREDIT_CARD_PHYSICAL", "RETAIL_CREDIT_CARD_VIRTUAL", "BUSINESS_CREDIT_CARD_PHYSICAL")
VIRTUAL = ("RETAIL_DEBIT_CARD_VIRTUAL", "RETAIL_CREDIT_CARD_VIRTUAL")
_HOUR_US = 3_600_000_000.0

CARDS_NEEDS = Needs(config=(LAW,), kernels=("choose_cards",), streams=(CARD, USUAL))
REQUIRE_CARDS_NEEDS = Needs(config=(LAW,))


def require_cards(ctx: Context) -> None:
    """Refuse channels and countries that do not exist, and channels on which no physical card pays.

    Raises:
        ContractError: `6B.S5.VOCABULARY_MISMATCH`, `6B.S5.CARDS_INVALID`.
    """
    law = ctx.params.card_choice_6B
    names = ctx.vocabulary("payment_channel")
    require_terms(ctx, law.weights, names, f"{LAW}.weights", "payment_channel")
    require_terms(ctx, law.usual, names, f"{LAW}.usual", "payment_channel")
    for key in ("wallet", "stripe", "contactless"):
        where = f"{LAW}.{key}.countries"
        require_terms(ctx, law[key].countries, ctx.vocabulary("country"), where, "country", complete=False)
    faults = [
        Fault(f"{LAW}.weights.{name}.debit", "0: a party with nothing else could not pay")
        for name in names
        if not law.weights[name].debit or (name != "CASH" and not law.weights[name].credit)
    ]
    refuse_any(ctx, "CARDS_INVALID", "A physical card pays everywhere.", faults, do="give it a weight")


def card_kinds(ctx: Context) -> CardKinds:
    """Which instruments are cards, physical ones and credit cards."""
    found = (
        np.array([ctx.code("instrument_type", name) for name in names], dtype=np.int16)
        for names in ((*PHYSICAL, *VIRTUAL), PHYSICAL, CREDIT)
    )
    return CardKinds(*found)


def way_of(ctx: Context, rows: Rows) -> Array:
    """Way of each sale: uint8, a place in `CHANNELS`."""
    online = rows.site == NOBODY
    way = np.where(online, ECOMMERCE, PRESENT).astype(np.uint8)
    for name, code in (("MIT_RECURRING", RECURRING), ("MOTO", MAIL), ("ATM", CASH)):
        way[rows.kind == ctx.code("arrival_kind", name)] = code
    return way


def card_weights(ctx: Context) -> Array:
    """How often a kind of card is taken: uint32, 20, at way * 4 + kind; 0 where it cannot pay."""
    weights = ctx.params.card_choice_6B.weights
    return np.array([int(weights[name][kind]) for name in CHANNELS for kind in KINDS], dtype=np.uint32)


def card_arguments(
    ctx: Context, rows: Rows, merchants: Merchants, sites: Sites, people: People
) -> dict[str, Any]:
    """Arguments of `choose_cards` but for the keys of its streams."""
    law = ctx.params.card_choice_6B
    stripe = _by_country(ctx, law.stripe)
    return {
        # Half the angle at the Earth's centre: the kernel compares half chords.
        "radians_per_us": float(law.travel_kmh) / _HOUR_US / (2.0 * RADIUS_KM),
        "row_first": rows.row_first,
        "word": people.word,
        "home": people.country,
        "c0": rows.c0,
        "place_id": rows.place_id,
        "ts_us": rows.ts_us,
        "merchant": rows.merchant,
        "channel": way_of(ctx, rows),
        "site": rows.site,
        "sale_country": rows.country,
        "merchant_word": merchants.merchant_id,
        "x": sites.x,
        "y": sites.y,
        "z": sites.z,
        "instrument_first": people.instruments.first,
        "flags": people.instruments.flags,
        "frozen_day": people.accounts.frozen_day[people.instruments.account],
        "card_first": people.cards.first,
        "card_from": people.cards.first_day,
        "card_to": people.cards.last_day,
        "token_first": people.tokens.first,
        "token_instrument": people.tokens.instrument,
        "token_from": people.tokens.first_day,
        "token_to": people.tokens.last_day,
        "weight": card_weights(ctx),
        "usual_below": below(np.array([int(law.usual[name]) for name in CHANNELS], dtype=np.uint64)),
        "wallet_below": below(_by_country(ctx, law.wallet)),
        "stripe_below": below(stripe),
        # One coin decides of stripe, touch and chip, so touch begins where stripe ends.
        "contactless_below": below(stripe + _by_country(ctx, law.contactless)),
    }


def _by_country(ctx: Context, law: Any) -> Array:
    found = [int(entry(law.countries, name, law.default)) for name in ctx.vocabulary("country")]
    return np.array(found, dtype=np.uint64)


def choose_cards(
    ctx: PartitionContext,
    scenario: str | None,
    rows: Rows,
    merchants: Merchants,
    sites: Sites,
    people: People,
) -> CardChoice:
    """Cards of the rows of a range, entered in the ledger."""
    given = card_arguments(ctx, rows, merchants, sites, people)
    keys: dict[str, Any] = {"key": ctx.stream(CARD), "usual_key": ctx.stream(USUAL)}
    instrument, card, token, mode, faults, _ = ctx.kernels.choose_cards(**keys, **given)
    way = given["channel"]
    words = np.where(way == PRESENT, 4, 2)
    if ctx.lists_events:
        at = ctx.address(CARD, event_us=rows.ts_us.astype(np.uint64), place=rows.place_id)
        ctx.ledger(at, draws=words, scenario=scenario)
        ctx.ledger(ctx.address(USUAL, **pair_of(rows, merchants, people)), scenario=scenario)
    else:
        total = int(words.sum())
        ctx.ledger_sums(CARD, (len(way), total, total // 2), most=4, scenario=scenario)
        ctx.ledger_sums(USUAL, (len(way), len(way), len(way)), most=1, scenario=scenario)
    channels = np.array([ctx.code("payment_channel", name) for name in CHANNELS], dtype=np.int16)
    modes = np.array([ctx.code("entry_mode", name) for name in MODES], dtype=np.int16)
    return CardChoice(instrument, card, faults, token, channels[way], modes[mode])


def pair_of(rows: Rows, merchants: Merchants, people: People) -> dict[str, Array]:
    """Fields of streams of party and merchant."""
    return {"merchant_id": merchants.merchant_id[rows.merchant], "party": people.word[rows.party]}
