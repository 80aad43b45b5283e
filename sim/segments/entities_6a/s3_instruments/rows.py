"""From counts of instruments to rows: marks, tier, dates."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sim.recipes.entities import ENTITY_NEEDS, pair_entity
from sim.recipes.groups import prefix
from sim.recipes.tables import ALIAS_BUILD_NEEDS, ALIAS_PICK_NEEDS, AliasTables, build_alias
from sim.recipes.terms import entry, shares
from sim.recipes.words import WORDS_NEEDS, words_at
from sim.segments.entities_6a.payments import (
    PAYMENTS_NEEDS,
    Marks,
    international_rails,
    marks_of,
    online_rails,
)
from sim.segments.entities_6a.s3_instruments.cards import CARD_LIFE_NEEDS, LIFE, Carried, card_rows
from sim.segments.entities_6a.s3_instruments.cells import (
    CARDS,
    INSTRUMENT_CELLS_NEEDS,
    instrument_entity,
    is_class,
)
from sim.segments.entities_6a.s3_instruments.issuers import ISSUERS_NEEDS, bin_of, issuers_of_accounts
from sim.state.context import Context, PartitionContext
from sim.state.declaration import Needs
from sim.state.frames import Array, Frame

CARD = "6A.card"
_NEVER = np.int64(2**31 - 2)
_DIGITS_TAG = np.uint64(0x646967697473)  # ASCII "digits"

INSTRUMENT_ROWS_NEEDS = Needs(
    config=("instrument_mix_6A", "instrument_taxonomy_6A"),
    streams=(CARD, LIFE),
    kernels=("bounded_integer", "expand_rows"),
    uses=(
        ALIAS_BUILD_NEEDS,
        ALIAS_PICK_NEEDS,
        CARD_LIFE_NEEDS,
        ENTITY_NEEDS,
        INSTRUMENT_CELLS_NEEDS,
        ISSUERS_NEEDS,
        PAYMENTS_NEEDS,
        WORDS_NEEDS,
    ),
)


@dataclass(frozen=True)
class Holders:
    """Accounts of a partition.

    Attributes:
        summary: Rows of `s2_account_summary_6A` of the partition.
        group: uint32, n: row of `summary` of each account.
        entity: uint64, rows: address part of the accounts of each row.
        account: uint64, n: field `account` of addresses: the owner's rank, the number among the owner's
            accounts of the type.
        base: `account_id`, `owner_party_id`, `open_date`.
        owner: int64, n: row of its owner among the parties of the partition.
        parties: `country_iso`, and address fields `party_rank`, `party_cell`, of those parties.
        closed: int64, n: day the account closes, far away if it does not.
    """

    summary: Frame
    group: Array
    entity: Array
    account: Array
    base: Frame
    owner: Array
    parties: Frame
    closed: Array


def instrument_rows(
    ctx: PartitionContext, holders: Holders, counts: Array, first_id: int
) -> tuple[Frame, Frame]:
    """Rows of `s3_instrument_base_6A` and of `s3_card_base_6A`.

    Args:
        ctx: Context.
        holders: Accounts.
        counts: uint8, accounts x types.
        first_id: Id of the first row.
    """
    kinds = counts.shape[1]
    filled = np.flatnonzero(counts)
    times = counts.ravel()[filled]
    row, nth = ctx.kernels.expand_rows(offset=prefix(times), dims={"m": int(times.sum(dtype=np.int64))})
    account, kind = filled[row] // kinds, (filled[row] % kinds).astype(np.int16)
    group = holders.group[account]
    entity = np.stack([instrument_entity(ctx, holders.entity, code) for code in range(kinds)], axis=1)[
        group, kind
    ]
    country = holders.summary.country_iso[group]
    opened, shape = holders.base.open_date[account].astype(np.int64), len(account)
    columns = {
        "scheme": _rails(ctx)[kind, country],
        "co_badge_scheme": np.zeros(shape, dtype=np.int16),
        "domestic_only": np.zeros(shape, dtype=np.bool_),
        "brand_tier": np.full(shape, ctx.code("brand_tier", "NONE"), dtype=np.int16),
        "bin": np.zeros(shape, dtype=np.uint32),
    }
    is_card = is_class(ctx, *CARDS)[kind]
    cards = np.flatnonzero(is_card)
    fields = {
        "account": holders.account[account[cards]],
        "instrument_number": nth[cards],
        "instrument_cell": entity[cards],
    }
    tier = holders.summary.account_type[group[cards]]
    at_bank = Frame({"account": holders.account, "account_cell": holders.entity[holders.group]})
    issuer = issuers_of_accounts(ctx, holders.owner, holders.parties, at_bank)[account]
    co_badged = np.zeros(shape, dtype=np.bool_)
    co_badged[cards], age = _cards(
        ctx, columns, cards, fields, kind[cards], country[cards], tier, issuer[cards]
    )
    closed = holders.closed[account]
    prompt = (nth[cards] == 0) & _comes_along(ctx)[tier, kind[cards]]
    carried = Carried(cards, kind[cards], country[cards], opened[cards], closed[cards], prompt, age, fields)
    issued = card_rows(ctx, carried)
    begins, ends = opened.copy(), np.minimum(closed, _NEVER)
    first = np.flatnonzero(issued.card_no == 1)
    final = np.append(first[1:], len(issued)) - 1
    begins[cards] = issued.issue_date[first]
    over = issued.present("closed_date")[final]
    ends[cards] = np.where(over, issued.closed_date[final], _NEVER)
    base = Frame(
        {
            "instrument_id": np.arange(shape, dtype=np.uint64) + np.uint64(first_id),
            "account_id": holders.base.account_id[account],
            "owner_party_id": holders.base.owner_party_id[account],
            "instrument_type": kind,
            "issuer_id": issuer,
            "scheme": columns["scheme"],
            "co_badge_scheme": columns["co_badge_scheme"],
            "domestic_only": columns["domestic_only"],
            "brand_tier": columns["brand_tier"],
            "bin": columns["bin"],
            "valid_from": begins.astype(np.int32),
            "valid_to": np.where(ends < _NEVER, ends, 0).astype(np.int32),
        },
        {"co_badge_scheme": co_badged, "bin": is_card, "valid_to": ends < _NEVER},
    )
    numbers = {
        "instrument_id": base.instrument_id[cards[issued["at"]]],
        "card_no": issued.card_no,
        "number_no": issued.number_no,
        "last4": _last_digits(ctx, carried, issued),
    }
    dates = ("issue_date", "activation_date", "expiry_month", "closed_date", "status")
    return base, Frame({**numbers, **{name: issued[name] for name in dates}}, issued.valid)


def _last_digits(ctx: Context, carried: Carried, issued: Frame) -> Array:
    """Last four digits of each card's number, which a reissue keeps and a replacement changes: uint16."""
    fields = {name: values[issued["at"]] for name, values in carried.fields.items()}
    at = ctx.address(LIFE, card_number=issued.number_no, **fields)
    word = pair_entity(ctx, at.c1, at.c0 ^ _DIGITS_TAG)
    digits: Array = ctx.kernels.bounded_integer(x=word, bound=np.full(len(word), 10_000, dtype=np.uint64))
    return digits.astype(np.uint16)


def _comes_along(ctx: Context) -> Array:
    """Whether a card comes with its account, and not later: bool, account types x instrument types."""
    accounts, kinds = ctx.vocabulary("account_type"), ctx.vocabulary("instrument_type")
    table = np.zeros((len(accounts), len(kinds)), dtype=np.bool_)
    for account, rules in ctx.params.instrument_mix_6A.accounts.items():
        for name, prior in rules.items():
            place = accounts.index(account), kinds.index(name)
            table[place] = prior.required or entry(prior, "by_market", False)
    return table


def _cards(
    ctx: PartitionContext,
    columns: dict[str, Array],
    rows: Array,
    fields: dict[str, Array],
    kind: Array,
    country: Array,
    account_type: Array,
    issuer: Array,
) -> tuple[Array, Array]:
    """Marks, tier and BIN of cards; answers which bear two marks, and the word of each card's age."""
    at = ctx.address(CARD, **fields)
    x0, x1, x2 = words_at(ctx, at)
    ctx.ledger(at)
    marks, tables = mark_tables(ctx)
    group = mark_group(ctx, kind, country)
    mark = tables.pick(ctx, x0, group) % len(marks.scheme)
    columns["scheme"][rows] = marks.scheme[mark]
    columns["co_badge_scheme"][rows] = np.maximum(marks.co_badge[mark], 0)
    columns["domestic_only"][rows] = marks.domestic[country, mark]
    tiers, tier_group = _tier_tables(ctx)
    tier = tiers.pick(ctx, x1, tier_group[account_type]) % len(ctx.vocabulary("brand_tier"))
    columns["brand_tier"][rows] = tier.astype(np.int16)
    credit = (group >= len(ctx.vocabulary("country"))).astype(np.int64)
    columns["bin"][rows] = bin_of(ctx, issuer, credit, tier, mark)
    two_marks: Array = marks.co_badge[mark] >= 0
    return two_marks, x2


def mark_tables(ctx: Context) -> tuple[Marks, AliasTables]:
    """Kinds of cards, and one table of them a (funding, country)."""
    marks = marks_of(ctx)
    weight = marks.parts.reshape(-1, len(marks.scheme)).copy()
    size = weight.shape[1]
    weight[weight.sum(axis=1) == 0, 0] = 1
    offsets = np.arange(len(weight) + 1, dtype=np.uint64) * np.uint64(size)
    return marks, build_alias(ctx, offsets, weight.ravel())


def mark_group(ctx: Context, kind: Array, country: Array) -> Array:
    """Table of `mark_tables` of cards by their type and country: int64."""
    taxonomy = ctx.params.instrument_taxonomy_6A.instruments
    funding = np.array([taxonomy[name] == CARDS[1] for name in ctx.vocabulary("instrument_type")])
    group: Array = funding[kind].astype(np.int64) * len(ctx.vocabulary("country")) + country
    return group


def _tier_tables(ctx: Context) -> tuple[AliasTables, Array]:
    """Tables of tiers, and which of them each account type uses: int64 by code."""
    mixes, tiers = ctx.params.instrument_taxonomy_6A.brand_tier_mix, len(ctx.vocabulary("brand_tier"))
    names = [name for name in ctx.vocabulary("account_type") if name in mixes]
    weight = np.concatenate(
        [
            shares(ctx, "brand_tier", mixes[name], f"instrument_taxonomy_6A.brand_tier_mix.{name}")
            for name in names
        ]
    )
    group = np.array(
        [names.index(name) if name in names else 0 for name in ctx.vocabulary("account_type")], dtype=np.int64
    )
    return build_alias(ctx, np.arange(len(names) + 1, dtype=np.uint64) * np.uint64(tiers), weight), group


def _rails(ctx: Context) -> Array:
    """Rail of bank accounts by instrument type and country: int16 codes of `scheme`.

    Other types get the domestic one, to be replaced.
    """
    domestic, abroad = online_rails(ctx), international_rails(ctx)
    kinds = ctx.params.instrument_taxonomy_6A.instruments
    names = [kinds[name] for name in ctx.vocabulary("instrument_type")]
    return np.stack([abroad if kind == "BANK_INTERNATIONAL" else domestic for kind in names])
