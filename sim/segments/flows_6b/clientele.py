"""Classes of clienteles and the law of each: how often regulars come, who else comes, and how far."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sim.recipes.supplied import replaced
from sim.recipes.terms import by_term, require_terms
from sim.state.context import Context
from sim.state.declaration import ROW_LEVEL, Needs
from sim.state.frames import Array, Frame
from sim.state.refuse import Fault, refuse_any

LAW = "clientele_law_6B"
CLASS = "clientele_class"
CATALOGUE, SUPPLIED = "merchant_catalogue_1A", "merchant_supplied_1A"
VISIT_DAYS = 90
"""Days in which a regular makes the visits of its class's law."""

CLIENTELE_NEEDS = Needs(config=(LAW,))
TRADES_NEEDS = Needs(
    reads={CATALOGUE: ROW_LEVEL, SUPPLIED: ROW_LEVEL}, config=("mcc_taxonomy_1A",), uses=(CLIENTELE_NEEDS,)
)


@dataclass(frozen=True)
class Clientele:
    """The law of each class, by code.

    Attributes:
        visits: float64: mean visits of a regular in 90 days.
        occasional: float64: once-only buyers, of arrivals that are no visitors'.
        visitors: float64: share of arrivals that travellers make.
        reach_km: float64: scale of the distance from home; infinite for classes that no site has.
    """

    visits: Array
    occasional: Array
    visitors: Array
    reach_km: Array


def clientele(ctx: Context) -> Clientele:
    """The law of each class."""
    rows = by_term(ctx, CLASS, ctx.params.clientele_law_6B.classes, f"{LAW}.classes")

    def column(name: str) -> Array:
        return np.array([row[name] for row in rows], dtype=np.float64)

    reach = np.array([row.reach_km if "reach_km" in row else np.inf for row in rows], dtype=np.float64)
    return Clientele(column("visits"), column("occasional") / 1000.0, column("visitors") / 1000.0, reach)


def require_clientele(ctx: Context) -> None:
    """Refuse classes, sectors or trades that do not exist, a trade in two classes, or sites without a reach.

    Raises:
        ContractError: `6B.S2.VOCABULARY_MISMATCH`, `6B.S2.TRADE_TWICE`, `6B.S2.NO_REACH`.
    """
    law, names = ctx.params.clientele_law_6B, ctx.vocabulary(CLASS)
    clientele(ctx)
    require_terms(ctx, law.sectors, ctx.params.mcc_taxonomy_1A.sectors, f"{LAW}.sectors", "sectors of 1A")
    for sector in law.sectors:
        pair = law.sectors[sector]
        require_terms(ctx, (pair.site, pair.online), names, f"{LAW}.sectors.{sector}", CLASS, complete=False)
    require_terms(ctx, (law.unknown.site, law.unknown.online), names, f"{LAW}.unknown", CLASS, complete=False)
    require_terms(ctx, law.site_trades, names, f"{LAW}.site_trades", CLASS, complete=False)
    seen: dict[int, str] = {}
    faults = []
    for name in law.site_trades:
        for mcc in law.site_trades[name]:
            if mcc in seen:
                faults.append(Fault(f"{LAW}.site_trades.{name}", f"{mcc} is one of {seen[mcc]} too"))
            seen[mcc] = name
    at_sites = {*law.site_trades, law.unknown.site, *(law.sectors[sector].site for sector in law.sectors)}
    lost = [
        Fault(f"{LAW}.classes.{name}", "no reach_km")
        for name in sorted(at_sites)
        if "reach_km" not in law.classes[name]
    ]
    refuse_any(ctx, "NO_REACH", "A class of sites says how far its customers come.", lost, do="say it")
    refuse_any(ctx, "TRADE_TWICE", "A trade has one class at its sites.", faults, do="leave it in one class")


def trades(ctx: Context) -> Frame:
    """Class of each merchant's clientele: `merchant_id`, `site_class`, `online_class` (int16)."""
    merchants = ctx.load(CATALOGUE, columns=("merchant_id", "mcc"))
    given = ctx.load(SUPPLIED, columns=("merchant_id", "law_mcc"))
    mcc = replaced(merchants.merchant_id, merchants.mcc, given, "law_mcc").astype(np.int64)
    law, entries = ctx.params.clientele_law_6B, ctx.params.mcc_taxonomy_1A.mccs
    site = np.full(1 << 16, ctx.code(CLASS, law.unknown.site), dtype=np.int16)
    online = np.full(1 << 16, ctx.code(CLASS, law.unknown.online), dtype=np.int16)
    for entry in entries:
        pair = law.sectors[entry.sector]
        site[int(entry.mcc)], online[int(entry.mcc)] = (
            ctx.code(CLASS, pair.site),
            ctx.code(CLASS, pair.online),
        )
    for name in law.site_trades:
        site[[int(mcc) for mcc in law.site_trades[name]]] = ctx.code(CLASS, name)
    return Frame({"merchant_id": merchants.merchant_id, "site_class": site[mcc], "online_class": online[mcc]})
