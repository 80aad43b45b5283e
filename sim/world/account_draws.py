"""Why a party holds the accounts it holds: its cell's quota, its weight among the cell's parties,
and the draws behind both.

Everything is computed again from the state's own law (`sim.segments.entities_6a`), for one cell: (country,
segment, account type).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from sim.rng import stream_key
from sim.segments.entities_6a.s2_accounts.cells import accounts, cell_entities
from sim.segments.entities_6a.s2_accounts.state import START, WEIGHT, weight_shape
from sim.state.context import Context
from sim.world.addresses import Draw, draws_at
from sim.world.handle import World

DATASETS = {"s2_account_base_6A": "owner_party_id", "s2_party_product_holdings_6A": "party_id"}


def account_draws(
    world: World, ctx: Context, dataset: str, row: Mapping[str, Any]
) -> tuple[list[Draw], list[str]]:
    """Draws and remarks for an account, or for a party's holding of one type.

    Args:
        world: The world.
        ctx: Context of 6A.S2.
        dataset: One of `DATASETS`.
        row: The row, values as published.
    """
    party, name = int(row[DATASETS[dataset]]), str(row["account_type"])
    code, made = ctx.code("account_type", name), accounts(ctx)
    summary = made.summary
    first, size = summary.first_party_id.astype(np.int64), summary.parties.astype(np.int64)
    cell = int(np.flatnonzero((first <= party) & (party < first + size))[0])
    rank, entity = party - int(first[cell]), int(cell_entities(ctx, summary)[cell, code])
    rule = ctx.params.account_taxonomy_6A.party_accounts[name]
    quota, parties = int(made.beyond[cell, code]), int(size[cell])
    country, segment = (
        ctx.vocabulary("country")[summary.country_iso[cell]],
        ctx.vocabulary("segment")[summary.segment_id[cell]],
    )
    notes = [
        (
            f"cell     {country}, {segment}, {name}: {parties:,} parties hold "
            f"{int(made.total[cell, code]):,} accounts"
        )
    ]
    if rule.required:
        notes.append("required every party of this type has one before anything is shared")
    if quota == 0:
        notes.append("quota    nothing beyond the required accounts is shared in this cell: no draw was made")
        return [], notes
    weights = _weights(world, ctx, name, entity, parties, int(summary.segment_id[cell]))
    mine, total = int(weights[rank]), int(weights.sum(dtype=np.uint64))
    notes.append(f"quota    {quota:,} accounts beyond that, shared in proportion to weights up to the caps")
    share = f"{quota * mine / total:.4f} expected, caps and eligibility aside"
    notes.append(f"weight   {mine / 2**20:.4f} of {total / 2**20:,.4f} in the cell: {share}")
    limits = ctx.params.account_per_party_6A
    notes.append(
        f"caps     {limits.accounts[name].cap} of this type, {limits.max_per_party[rule.party_type]} "
        "accounts in all"
    )
    if name in ctx.params.product_linkage_6A.requires_any:
        notes.append(
            f"needs    one of {', '.join(ctx.params.product_linkage_6A.requires_any[name])}; parties "
            "without one weigh nothing"
        )
    draws = draws_at(
        WEIGHT,
        stream_key(world.seed, WEIGHT),
        rank << 8,
        entity,
        1,
        "weight of the party in its cell (idle, else lognormal)",
    )
    draws += draws_at(
        START, stream_key(world.seed, START), 0, entity, 1, "where systematic sampling of the cell starts"
    )
    return draws, notes


def _weights(
    world: World, ctx: Context, name: str, entity: int, parties: int, segment: int
) -> np.ndarray[Any, np.dtype[np.uint64]]:
    ranks = np.arange(parties, dtype=np.uint64)
    words, _ = ctx.kernels.philox_block(
        key=stream_key(world.seed, WEIGHT),
        c0=ranks << np.uint64(8),
        c1=np.full(parties, entity, dtype=np.uint64),
    )
    idle, sigma = weight_shape(ctx, name, np.full(parties, segment))
    weights: np.ndarray[Any, np.dtype[np.uint64]] = ctx.kernels.gated_weight(x=words, idle=idle, sigma=sigma)
    return weights
