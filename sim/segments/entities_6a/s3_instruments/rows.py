"""From counts of instruments to rows: scheme, tier, token, card behind the token, dates."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sim.recipes.entities import ENTITY_NEEDS, id_of, pair_entity
from sim.recipes.groups import prefix, run_offsets
from sim.recipes.horizon import span_of
from sim.recipes.months import first_day_of_month, month_of_day
from sim.recipes.tables import ALIAS_BUILD_NEEDS, ALIAS_PICK_NEEDS, AliasTables, build_alias
from sim.recipes.words import WORDS_NEEDS, words_at
from sim.segments.entities_6a.s3_instruments.cells import (
    CARDS,
    INSTRUMENT_CELLS_NEEDS,
    WALLET,
    instrument_entity,
    is_class,
)
from sim.segments.entities_6a.terms import COUNTRY_TERMS_NEEDS, currency_of_country, shares, shares_by_region
from sim.state.addressed import Address
from sim.state.context import Context, PartitionContext
from sim.state.declaration import Needs
from sim.state.frames import Array, Frame

CARD, TOKEN = "6A.card", "6A.wallet_token"
DAYS_A_MONTH = 30
"""Shorter than a mean month, so that a card of age below validity x 30 days has not expired."""
_TOKEN_TAG = np.uint64(0x746F6B656E)  # ASCII "token"

INSTRUMENT_ROWS_NEEDS = Needs(
    config=("instrument_taxonomy_6A", "scenario_horizon_5A"),
    streams=(CARD, TOKEN),
    kernels=("bounded_integer", "expand_rows"),
    uses=(
        ALIAS_BUILD_NEEDS,
        ALIAS_PICK_NEEDS,
        COUNTRY_TERMS_NEEDS,
        ENTITY_NEEDS,
        INSTRUMENT_CELLS_NEEDS,
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
    country, region = holders.summary.country_iso[group], holders.summary.region_id[group]
    opened = holders.base.open_date[account]
    shape = len(account)
    columns = {
        "scheme": _rails(ctx)[kind, country],
        "brand_tier": np.full(shape, ctx.code("brand_tier", "NONE"), dtype=np.int16),
        "issue_date": opened.copy(),
        "expiry_month": np.zeros(shape, dtype=np.int32),
    }
    cards, tokens = np.flatnonzero(is_class(ctx, *CARDS)[kind]), np.flatnonzero(is_class(ctx, WALLET)[kind])
    schemes = _scheme_tables(ctx)
    keys = kind.astype(np.int64) * len(ctx.vocabulary("region")) + region
    tier = holders.summary.account_type[group[cards]]
    at_card, at_token = (
        ctx.address(
            stream,
            account=holders.account[account[rows]],
            instrument_number=nth[rows],
            instrument_cell=entity[rows],
        )
        for stream, rows in ((CARD, cards), (TOKEN, tokens))
    )
    _cards(ctx, columns, cards, at_card, schemes, keys[cards], tier, opened[cards])
    behind = _tokens(
        ctx, columns, tokens, at_token, schemes, keys[tokens], account, is_class(ctx, *CARDS), counts
    )
    has_token = np.zeros(shape, dtype=np.bool_)
    has_token[tokens] = True
    token_id, underlying = np.zeros(shape, dtype=np.uint64), np.zeros(shape, dtype=np.uint64)
    token_id[tokens] = id_of(pair_entity(ctx, at_token.c1, at_token.c0 ^ _TOKEN_TAG))
    underlying[tokens] = behind.astype(np.uint64) + np.uint64(first_id)
    expires = has_token.copy()
    expires[cards] = True
    return Frame(
        {
            "instrument_id": np.arange(shape, dtype=np.uint64) + np.uint64(first_id),
            "account_id": holders.base.account_id[account],
            "owner_party_id": holders.base.owner_party_id[account],
            "instrument_type": kind,
            "scheme": columns["scheme"],
            "brand_tier": columns["brand_tier"],
            "token_id": token_id,
            "underlying_instrument_id": underlying,
            "issue_date": columns["issue_date"],
            "expiry_month": columns["expiry_month"],
        },
        {"token_id": has_token, "underlying_instrument_id": has_token, "expiry_month": expires},
    )


def _cards(
    ctx: PartitionContext,
    columns: dict[str, Array],
    rows: Array,
    at: Address,
    schemes: AliasTables,
    keys: Array,
    account_type: Array,
    opened: Array,
) -> None:
    """Scheme, tier and dates of cards: four draws each.

    A card is younger than its validity and than its account.
    """
    x0, x1, x2, x3 = words_at(ctx, at)
    ctx.ledger(at)
    columns["scheme"][rows] = (schemes.pick(ctx, x0, keys) % len(ctx.vocabulary("scheme"))).astype(np.int16)
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
    last = span_of(ctx.params.scenario_horizon_5A).first_day - 1
    span = np.minimum(months * DAYS_A_MONTH, last - opened.astype(np.int64) + 1)
    issue = last - ctx.kernels.bounded_integer(x=x3, bound=span.astype(np.uint64)).astype(np.int64)
    columns["issue_date"][rows] = issue
    columns["expiry_month"][rows] = first_day_of_month(month_of_day(issue) + months)


def _tokens(
    ctx: PartitionContext,
    columns: dict[str, Array],
    rows: Array,
    at: Address,
    schemes: AliasTables,
    keys: Array,
    account: Array,
    is_card: Array,
    counts: Array,
) -> Array:
    """Wallet, card behind it and dates of wallet tokens: three draws each.

    Returns the card's row (int64, one a token).

    Cards come first among the rows of an account, so its k-th card is k rows after its first row. A token is
    issued after its card and ends with it.
    """
    x0, x1, x2 = words_at(ctx, at)
    ctx.ledger(at)
    columns["scheme"][rows] = (schemes.pick(ctx, x0, keys) % len(ctx.vocabulary("scheme"))).astype(np.int16)
    offsets = run_offsets(account)
    start = np.zeros(len(counts), dtype=np.int64)
    start[account[offsets[:-1].astype(np.int64)]] = offsets[:-1].astype(np.int64)
    owner = account[rows]
    cards = counts[owner][:, is_card].sum(axis=1, dtype=np.uint64)
    behind: Array = start[owner] + ctx.kernels.bounded_integer(x=x1, bound=cards).astype(np.int64)
    last = span_of(ctx.params.scenario_horizon_5A).first_day - 1
    since = columns["issue_date"][behind].astype(np.int64)
    age = ctx.kernels.bounded_integer(x=x2, bound=(last - since + 1).astype(np.uint64)).astype(np.int64)
    columns["issue_date"][rows] = last - age
    columns["expiry_month"][rows] = columns["expiry_month"][behind]
    columns["brand_tier"][rows] = columns["brand_tier"][behind]
    return behind


def _scheme_tables(ctx: Context) -> AliasTables:
    """One table a (instrument type, region) over all schemes.

    Types without a mix have an even one that is never used.
    """
    taxonomy, schemes = ctx.params.instrument_taxonomy_6A, len(ctx.vocabulary("scheme"))
    rows = []
    for name in ctx.vocabulary("instrument_type"):
        kind = taxonomy.instruments[name]
        if kind in taxonomy.scheme_mix:
            rows.append(
                shares_by_region(
                    ctx, "scheme", taxonomy.scheme_mix[kind], f"instrument_taxonomy_6A.scheme_mix.{kind}"
                )
            )
        else:
            rows.append(np.ones((len(ctx.vocabulary("region")), schemes), dtype=np.uint64))
    weight = np.concatenate(rows).ravel()
    return build_alias(
        ctx, np.arange(len(weight) // schemes + 1, dtype=np.uint64) * np.uint64(schemes), weight
    )


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
    taxonomy = ctx.params.instrument_taxonomy_6A
    rails, code = taxonomy.bank_rails, {name: at for at, name in enumerate(ctx.vocabulary("scheme"))}
    currency = currency_of_country(ctx)
    domestic = np.full(len(currency), code[rails.domestic], dtype=np.int16)
    for name, rail in rails.by_currency.items():
        domestic[currency == ctx.code("currency", name)] = code[rail]
    for name, rail in rails.by_country.items():
        domestic[ctx.code("country", name)] = code[rail]
    abroad = np.full(len(currency), code[rails.international], dtype=np.int16)
    kinds = [taxonomy.instruments[name] for name in ctx.vocabulary("instrument_type")]
    return np.stack([abroad if kind == "BANK_INTERNATIONAL" else domestic for kind in kinds])
