"""From counts of instruments to rows: marks, tier, dates."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sim.recipes.groups import prefix
from sim.recipes.horizon import span_of
from sim.recipes.months import first_day_of_month, month_of_day
from sim.recipes.tables import ALIAS_BUILD_NEEDS, ALIAS_PICK_NEEDS, AliasTables, build_alias
from sim.recipes.words import WORDS_NEEDS, words_at
from sim.segments.entities_6a.payments import (
    PAYMENTS_NEEDS,
    Marks,
    international_rails,
    marks_of,
    online_rails,
)
from sim.segments.entities_6a.s3_instruments.cells import (
    CARDS,
    INSTRUMENT_CELLS_NEEDS,
    instrument_entity,
    is_class,
)
from sim.segments.entities_6a.terms import shares
from sim.state.addressed import Address
from sim.state.context import Context, PartitionContext
from sim.state.declaration import Needs
from sim.state.frames import Array, Frame

CARD = "6A.card"
DAYS_A_MONTH = 30
"""Shorter than a mean month, so that a card of age below validity x 30 days has not expired."""

INSTRUMENT_ROWS_NEEDS = Needs(
    config=("instrument_taxonomy_6A", "scenario_horizon_5A"),
    streams=(CARD,),
    kernels=("bounded_integer", "expand_rows"),
    uses=(
        ALIAS_BUILD_NEEDS,
        ALIAS_PICK_NEEDS,
        INSTRUMENT_CELLS_NEEDS,
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
    """

    summary: Frame
    group: Array
    entity: Array
    account: Array
    base: Frame


def instrument_rows(ctx: PartitionContext, holders: Holders, counts: Array, first_id: int) -> Frame:
    """Rows of `s3_instrument_base_6A`.

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
    opened = holders.base.open_date[account]
    shape = len(account)
    columns = {
        "scheme": _rails(ctx)[kind, country],
        "co_badge_scheme": np.zeros(shape, dtype=np.int16),
        "domestic_only": np.zeros(shape, dtype=np.bool_),
        "brand_tier": np.full(shape, ctx.code("brand_tier", "NONE"), dtype=np.int16),
        "issue_date": opened.copy(),
        "expiry_month": np.zeros(shape, dtype=np.int32),
    }
    is_card = is_class(ctx, *CARDS)[kind]
    cards = np.flatnonzero(is_card)
    at = ctx.address(
        CARD,
        account=holders.account[account[cards]],
        instrument_number=nth[cards],
        instrument_cell=entity[cards],
    )
    tier = holders.summary.account_type[group[cards]]
    co_badged = np.zeros(shape, dtype=np.bool_)
    co_badged[cards] = _cards(ctx, columns, cards, at, kind[cards], country[cards], tier, opened[cards])
    return Frame(
        {
            "instrument_id": np.arange(shape, dtype=np.uint64) + np.uint64(first_id),
            "account_id": holders.base.account_id[account],
            "owner_party_id": holders.base.owner_party_id[account],
            "instrument_type": kind,
            "scheme": columns["scheme"],
            "co_badge_scheme": columns["co_badge_scheme"],
            "domestic_only": columns["domestic_only"],
            "brand_tier": columns["brand_tier"],
            "issue_date": columns["issue_date"],
            "expiry_month": columns["expiry_month"],
        },
        {"co_badge_scheme": co_badged, "expiry_month": is_card},
    )


def _cards(
    ctx: PartitionContext,
    columns: dict[str, Array],
    rows: Array,
    at: Address,
    kind: Array,
    country: Array,
    account_type: Array,
    opened: Array,
) -> Array:
    """Marks, tier and dates of cards: four draws each; answers which bear two marks.

    A card is younger than its validity and than its account.
    """
    x0, x1, x2, x3 = words_at(ctx, at)
    ctx.ledger(at)
    marks, tables = mark_tables(ctx)
    mark = tables.pick(ctx, x0, mark_group(ctx, kind, country)) % len(marks.scheme)
    columns["scheme"][rows] = marks.scheme[mark]
    columns["co_badge_scheme"][rows] = np.maximum(marks.co_badge[mark], 0)
    columns["domestic_only"][rows] = marks.domestic[country, mark]
    tiers, tier_group = _tier_tables(ctx)
    columns["brand_tier"][rows] = (
        tiers.pick(ctx, x1, tier_group[account_type]) % len(ctx.vocabulary("brand_tier"))
    ).astype(np.int16)
    validity = ctx.params.instrument_taxonomy_6A.validity_mix
    weight = np.array([row.parts for row in validity], dtype=np.uint64)
    table = build_alias(ctx, np.array([0, len(weight)], dtype=np.uint64), weight)
    months = np.array([row.months for row in validity], dtype=np.int64)[
        table.pick(ctx, x2, np.zeros(len(rows), dtype=np.int64))
    ]
    # What opened inside the horizon has its cards from its first day on.
    last = np.maximum(span_of(ctx.params.scenario_horizon_5A).first_day - 1, opened.astype(np.int64))
    span = np.minimum(months * DAYS_A_MONTH, last - opened.astype(np.int64) + 1)
    issue = last - ctx.kernels.bounded_integer(x=x3, bound=span.astype(np.uint64)).astype(np.int64)
    columns["issue_date"][rows] = issue
    columns["expiry_month"][rows] = first_day_of_month(month_of_day(issue) + months)
    two_marks: Array = marks.co_badge[mark] >= 0
    return two_marks


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
