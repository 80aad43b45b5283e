"""How accounts find their draws."""

from __future__ import annotations

import numpy as np

from sim.recipes.drawn import (
    INTEGER,
    RACE,
    UNIFORM,
    WEIGHT,
    Drawn,
    Explained,
    MadeOf,
    Told,
    Word,
    at,
    own_columns,
)
from sim.recipes.terms import WHOLE
from sim.recipes.weekdays import PARTS
from sim.segments.entities_6a.draw_keys import accounts_of, party_cells, rows_by_id
from sim.segments.entities_6a.draw_shares import cell_told, gated_weights, share_told
from sim.segments.entities_6a.s2_accounts.cells import accounts
from sim.segments.entities_6a.s2_accounts.credit import credit_groups
from sim.segments.entities_6a.s2_accounts.state import WEIGHT as WEIGHT_STREAM
from sim.segments.entities_6a.s2_accounts.state import weight_shape
from sim.state.context import Context
from sim.state.declaration import Partition
from sim.state.frames import Array, Frame, concat


def _accounts(ctx: Context, part: Partition, rows: Frame) -> Frame:
    """Accounts with their owner's rank and their number among the owner's accounts of the type."""
    mine = rows_by_id(accounts_of(ctx, part=part.index), "account_id", rows.account_id)
    return at(rows, np.arange(len(rows)), party_rank=mine.party_rank, account_number=mine.account_number)


def _owners(ctx: Context, part: Partition, rows: Frame) -> Frame:
    """What the owner of each account asked for of its type."""
    return _asking(ctx, rows, rows.owner_party_id)


def _credit(ctx: Context, part: Partition, rows: Frame) -> Frame:
    """The owner of each credit account, at both steps of picking holders where its type has two."""
    found, first, spread = [], accounts(ctx).first, float(ctx.params.product_mix_6A.holder_sigma)
    for group in credit_groups(ctx):
        codes = [ctx.code("account_type", name) for name in group.types]
        here = np.flatnonzero(np.isin(rows.account_type, codes))
        cells = party_cells(ctx, rows.owner_party_id[here])
        for step, units in enumerate([first[:, codes].sum(axis=1), *(first[:, code] for code in codes[1:])]):
            drew = np.flatnonzero(units[cells.cell] > 0)
            keys = {name: cells[name][drew] for name in ("country_iso", "segment_id", "party_rank")}
            law = {"idle": np.zeros(len(drew)), "sigma": np.full(len(drew), spread)}
            found.append(at(rows, here[drew], credit_step=np.full(len(drew), step), **keys, **law))
    return concat(found)


def _holders(ctx: Context, part: Partition, rows: Frame) -> Frame:
    """What the party of each holding asked for of the type."""
    return _asking(ctx, rows, rows.party_id)


def _asking(ctx: Context, rows: Frame, party: Array) -> Frame:
    cells = party_cells(ctx, party)
    idle, sigma = np.zeros(len(rows)), np.zeros(len(rows))
    for code in np.unique(rows.account_type).tolist():
        mine = np.flatnonzero(rows.account_type == code)
        idle[mine], sigma[mine] = weight_shape(
            ctx, ctx.vocabulary("account_type")[code], cells.segment_id[mine]
        )
    return at(
        rows,
        np.arange(len(rows)),
        country_iso=cells.country_iso,
        segment_id=cells.segment_id,
        party_rank=cells.party_rank,
        idle=idle,
        sigma=sigma,
    )


def _of_merchants(ctx: Context, part: Partition, rows: Frame) -> Frame:
    """Accounts of merchants; `reserve` tells the second from the first."""
    reserve = ctx.code("account_type", ctx.params.account_taxonomy_6A.merchant_accounts.reserve)
    return at(rows, np.arange(len(rows)), reserve=(rows.account_type == reserve).astype(np.uint64))


def _share_of_owner(ctx: Context, part: Partition, rows: Frame) -> list[str]:
    return _share(ctx, int(rows.owner_party_id[0]), int(rows.account_type[0]))


def _share_of_party(ctx: Context, part: Partition, rows: Frame) -> list[str]:
    return _share(ctx, int(rows.party_id[0]), int(rows.account_type[0]))


def _share(ctx: Context, party: int, code: int) -> list[str]:
    """Quota, weight, caps and needs of a party's accounts of a type."""
    name, made = ctx.vocabulary("account_type")[code], accounts(ctx)
    key = party_cells(ctx, np.array([party], dtype=np.uint64))
    cell, country, segment = int(key.cell[0]), int(key.country_iso[0]), int(key.segment_id[0])
    rule, parties = ctx.params.account_taxonomy_6A.party_accounts[name], int(made.summary.parties[cell])
    notes = [
        cell_told(
            ctx,
            country,
            segment,
            f"{name}: {parties:,} parties hold {int(made.total[cell, code]):,} accounts",
        )
    ]
    if rule.required:
        notes.append("required every party of this type has one before anything is shared")
    holders = {
        "party_rank": np.arange(parties, dtype=np.uint64),
        "country_name": ctx.name_hashes("country")[np.full(parties, country)],
        "segment_name": ctx.name_hashes("segment")[np.full(parties, segment)],
        "account_type_name": ctx.name_hashes("account_type")[np.full(parties, code)],
    }
    idle, sigma = weight_shape(ctx, name, key.segment_id)
    law, quota = (float(idle[0]), float(sigma[0])), int(made.beyond[cell, code])
    what = "accounts beyond that" if rule.required else "accounts"
    weight = gated_weights(ctx, WEIGHT_STREAM, holders, 0, law)
    notes += share_told(weight, int(key.party_rank[0]), quota, what)
    limits, links = ctx.params.account_per_party_6A, ctx.params.product_linkage_6A.requires_any
    notes.append(
        f"caps     {limits.accounts[name].cap} of this type, {limits.max_per_party[rule.party_type]} "
        "accounts in all"
    )
    if name in links:
        notes.append(f"needs    one of {', '.join(links[name])}; parties without one weigh nothing")
    return notes


_BASE, _HOLDINGS, _MERCHANTS = (
    "s2_account_base_6A",
    "s2_party_product_holdings_6A",
    "s2_merchant_account_base_6A",
)
_WEIGHT = (Word(0, WEIGHT, "how much the party asks for of its cell's accounts of the type"),)
_START = (Word(0, UNIFORM, "where systematic sampling of the cell's accounts begins"),)
_CREDIT = (Word(0, WEIGHT, "how likely the owner is picked: to hold a credit card, or a premium one first"),)
_AGE, _STATUS = (
    Word(0, UNIFORM, "open_date: place in the law of ages, up to the owner's"),
    Word(1, INTEGER, "status while open, by the mix of its ledger", below=WHOLE),
)
_OPENING = Word(2, INTEGER, "open_date: which workday instead, where it would be on a weekend", below=PARTS)
_LEAD = Word(3, UNIFORM, "open_date: days before the first sale from which a merchant has an account")
_LIFE = (
    _AGE,
    _STATUS,
    _OPENING,
    Word(3, RACE, "close_date: how long it stays open, unless the owner leaves first"),
    Word(4, INTEGER, "close_date: which workday instead", below=PARTS),
    Word(5, INTEGER, "frozen_date: inside the horizon or before it", below=1000),
    Word(6, UNIFORM, "frozen_date: which day"),
)

_DRAWS = (
    Drawn(_BASE, "6A.account_weight", _WEIGHT, _owners),
    Drawn(_BASE, "6A.account_start", _START, _owners),
    Drawn(_BASE, "6A.credit_holder", _CREDIT, _credit),
    Drawn(_BASE, "6A.credit_start", _START, _credit),
    Drawn(_BASE, "6A.account_life", _LIFE, _accounts),
    Drawn(_HOLDINGS, "6A.account_weight", _WEIGHT, _holders),
    Drawn(_HOLDINGS, "6A.account_start", _START, _holders),
    Drawn(
        _MERCHANTS,
        "6A.merchant_reserve",
        (
            Word(
                0,
                INTEGER,
                "whether the merchant has a reserve account: below the chance of its channel",
                below=1000,
            ),
        ),
        own_columns,
    ),
    Drawn(_MERCHANTS, "6A.merchant_account_life", (_AGE, _STATUS, _OPENING, _LEAD), _of_merchants),
)

_CELL = {name: name for name in ("country_iso", "account_type", "segment_id")}

_MADE_OF = (
    MadeOf(_BASE, "s2_account_summary_6A", "accounts of its cell", _CELL),
    MadeOf(_HOLDINGS, _BASE, "the accounts", {"owner_party_id": "party_id", "account_type": "account_type"}),
    MadeOf(
        "s2_account_summary_6A",
        "s1_party_summary_6A",
        "parties of the cell",
        {"country_iso": "country_iso", "segment_id": "segment_id"},
    ),
)

_TOLD = (Told(_BASE, _share_of_owner), Told(_HOLDINGS, _share_of_party))

EXPLAINED = Explained(_DRAWS, _MADE_OF, _TOLD)
