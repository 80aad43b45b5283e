"""Terminals of a site: how many by trade and size, how many of them unattended, and how work is shared.

A till is added where work waits, so their number grows with the size of the site, and slower than it.
Customers take the first terminal that is free: with a offered load and n terminals, number j carries
a x (B(j - 1, a) - B(j, a)) of it, where B is Erlang's loss formula (Erlang 1917; Cooper 1981). The load that
n terminals are meant for follows from square-root staffing, n = a + spare x sqrt(a) (Halfin & Whitt 1981).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sim.recipes.apportion import fixed_point
from sim.recipes.join import match
from sim.recipes.supplied import replaced
from sim.recipes.weights import EXACT_WEIGHTS_NEEDS, POWER_NEEDS, exact_weights, power
from sim.state.context import Context
from sim.state.declaration import ROW_LEVEL, Needs
from sim.state.frames import Array, Frame
from sim.state.refuse import Fault, refuse_any

USE_BITS = 32

TERMINAL_LAW_NEEDS = Needs(
    reads={"merchant_catalogue_1A": ROW_LEVEL, "merchant_supplied_1A": ROW_LEVEL},
    config=("arrival_routing_policy_5B", "mcc_taxonomy_1A", "site_terminals_policy_2B"),
    uses=(EXACT_WEIGHTS_NEEDS, POWER_NEEDS),
)


@dataclass(frozen=True)
class Trades:
    """What config says of every category of the taxonomy.

    Attributes:
        mcc: uint16, ascending.
        sector: int64: place of its sector among `mcc_taxonomy_1A.sectors`.
        terminals: float64: terminals of a site of average size.
        kiosk_permille: int64: of its terminals.
    """

    mcc: Array
    sector: Array
    terminals: Array
    kiosk_permille: Array


def trades_of(ctx: Context) -> Trades:
    """Terminals by trade: a category's own entry, else its sector's."""
    law, rows = (
        ctx.params.site_terminals_policy_2B.trades,
        sorted(ctx.params.mcc_taxonomy_1A.mccs, key=lambda row: int(row.mcc)),
    )
    sectors = {name: place for place, name in enumerate(ctx.params.mcc_taxonomy_1A.sectors)}
    mine = [law.mccs[str(row.mcc)] if str(row.mcc) in law.mccs else law.sectors[row.sector] for row in rows]
    return Trades(
        np.array([row.mcc for row in rows], dtype=np.uint16),
        np.array([sectors[row.sector] for row in rows], dtype=np.int64),
        np.array([entry.terminals for entry in mine], dtype=np.float64),
        np.array([entry.kiosk_permille for entry in mine], dtype=np.int64),
    )


def require_trades(ctx: Context) -> None:
    """Refuse a policy that lacks a sector of the taxonomy, or names a category or sector that it has not.

    Raises:
        ContractError: `2B.S4.TRADES_DIFFER`.
    """
    law, taxonomy, at = (
        ctx.params.site_terminals_policy_2B.trades,
        ctx.params.mcc_taxonomy_1A,
        "site_terminals_policy_2B.trades",
    )
    sectors = {str(row.sector) for row in taxonomy.mccs}
    mccs = {str(row.mcc) for row in taxonomy.mccs}
    faults = [
        *(Fault(f"{at}.sectors", f"{at}.sectors has no {name}") for name in sorted(sectors - {*law.sectors})),
        *(
            Fault(f"{at}.sectors.{name}", f"{at}.sectors.{name}: no such sector")
            for name in sorted({*law.sectors} - {*taxonomy.sectors})
        ),
        *(
            Fault(f"{at}.mccs.{name}", f"{at}.mccs.{name}: no such category")
            for name in sorted({*law.mccs} - mccs)
        ),
    ]
    refuse_any(
        ctx,
        "TRADES_DIFFER",
        "terminals are not given for the trades of the taxonomy",
        faults,
        do="correct site_terminals_policy_2B, or mcc_taxonomy_1A",
    )


def till_sites(ctx: Context, weights: Frame) -> Frame:
    """Sites at which cards are taken, with what their terminals follow from.

    Args:
        ctx: Context of 2B.S4.
        weights: Rows of `s1_site_weights_2B`: keys and `site_scale`.

    Returns:
        The keys, `cash` (bool: their terminals give cash), `wanted` (float64: terminals by law, from 1 on),
        `sector` (int64) and `kiosk_permille` (int64; 0 where they give cash).
    """
    policy, trades = ctx.params.site_terminals_policy_2B, trades_of(ctx)
    merchants = ctx.load("merchant_catalogue_1A", columns=("merchant_id", "mcc", "channel", "brand_factor"))
    given = ctx.load("merchant_supplied_1A", columns=("merchant_id", "law_mcc"))
    law = match(trades.mcc, replaced(merchants.merchant_id, merchants.mcc, given, "law_mcc"))[0]
    row, _ = match(merchants.merchant_id, weights.merchant_id)
    sites = np.flatnonzero(merchants.channel[row] != ctx.code("channel", "card_not_present"))
    row = row[sites]
    cash = np.isin(
        merchants.mcc[row], np.array(ctx.params.arrival_routing_policy_5B.cash_mccs, dtype=np.uint16)
    )
    size = merchants.brand_factor[row] * weights.site_scale[sites]
    wanted = trades.terminals[law[row]] * power(ctx, size, float(policy.size_exponent))
    keys = weights.take(sites).select("merchant_id", "legal_country_iso", "site_order", "site_id")
    return keys.with_columns(
        cash=cash,
        wanted=np.clip(wanted, 1.0, np.float64(policy.max_per_site)),
        sector=trades.sector[law[row]],
        kiosk_permille=np.where(cash, 0, trades.kiosk_permille[law[row]]),
    )


def shares_of_work(most: int, spare: float) -> Array:
    """Load of each terminal, in units of one always busy, where there are up to `most` of them.

    Args:
        most: Largest number of terminals.
        spare: Terminals beyond the mean load a, in units of sqrt(a).

    Returns:
        float64, (most + 1) x most: row n holds the loads of n terminals, the first free one taken; 0 behind.
    """
    n = np.arange(most + 1, dtype=np.float64)
    root = (np.sqrt(np.float64(spare) * np.float64(spare) + 4.0 * n) - np.float64(spare)) * 0.5
    offered = root * root
    lost = np.ones(most + 1, dtype=np.float64)  # Erlang's B with no terminal
    loads = np.zeros((most + 1, most), dtype=np.float64)
    for number in range(1, most + 1):
        further = offered * lost / (np.float64(number) + offered * lost)
        loads[:, number - 1] = np.where(n >= number, offered * (lost - further), 0.0)
        lost = further
    return loads


def work_weights(ctx: Context, number: Array, size: Array, offsets: Array) -> Array:
    """Share of each terminal in its site's arrivals as an exact integer of 2**-40: uint64.

    Args:
        ctx: Context of 2B.S4.
        number: Number of each terminal at its site, from 0.
        size: Terminals of its site.
        offsets: uint64: terminals of each site.
    """
    policy = ctx.params.site_terminals_policy_2B
    loads = shares_of_work(int(policy.max_per_site), float(policy.spare))
    return exact_weights(ctx, fixed_point(loads[size, number], USE_BITS), offsets)
