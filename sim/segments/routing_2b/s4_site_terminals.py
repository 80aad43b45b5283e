"""2B.S4: the terminals of every site that takes cards or gives cash, and each one's share of the work.

The law gives a site 2.3 terminals, say: two, and a third with probability 0.3. What a terminal is follows
from the trade: where cash is given an ATM, else a till or a kiosk.
"""

from __future__ import annotations

import numpy as np

from sim.recipes.audits import ledger_check
from sim.recipes.entities import ENTITY_NEEDS, id_of, pair_entity
from sim.recipes.groups import prefix
from sim.recipes.places import country_letters
from sim.recipes.sampling import fixed, from_fixed, sampling_check
from sim.recipes.words import WORDS_NEEDS, word
from sim.segments.routing_2b.terminal_law import (
    TERMINAL_LAW_NEEDS,
    require_trades,
    till_sites,
    work_weights,
)
from sim.state.context import Context, PartitionContext
from sim.state.counters import Counters, Scalar, Vector
from sim.state.declaration import ROW_LEVEL, Check, Frames, Measurement, Partition, State
from sim.state.frames import Array, Frame
from sim.state.totals import Totals

NUMBER, KIND = "2B.site_terminals", "2B.terminal_kind"
PERMILLE = 1000
_KEY = ("merchant_id", "legal_country_iso", "site_order", "site_id")


def _sectors(ctx: Context) -> int:
    return len(ctx.params.mcc_taxonomy_1A.sectors)


class Counts(Counters):
    """Sites and terminals as published; by sector, and what the law expects of them."""

    till_sites = Scalar()
    sites = Scalar()
    misplaced = Scalar()
    attended_or_not = Scalar()
    terminals = Vector(_sectors)
    expected_q = Vector(_sectors)
    variance_q = Vector(_sectors)
    kiosks = Vector(_sectors)
    kiosks_expected = Vector(_sectors)
    kiosks_variance = Vector(_sectors)


STATE = State(
    id="2B.S4",
    title="Site terminals",
    reads={"s1_site_weights_2B": ROW_LEVEL, "merchant_catalogue_1A": ROW_LEVEL},
    config=("arrival_routing_policy_5B", "mcc_taxonomy_1A", "realism_gates_2B"),
    writes=("s4_site_terminals_2B",),
    streams=(NUMBER, KIND),
    kernels=("bounded_integer", "expand_rows", "open_uniform"),
    counts=(Counts,),
    uses=(ENTITY_NEEDS, TERMINAL_LAW_NEEDS, WORDS_NEEDS),
)


def preflight(ctx: Context) -> None:
    """Refuse a policy that does not fit the taxonomy."""
    require_trades(ctx)


def plan(ctx: Context) -> list[Partition]:
    """One partition a file: files hold whole merchants."""
    return [Partition(index) for index in range(len(ctx.files("s1_site_weights_2B")))]


def compute(ctx: PartitionContext, part: Partition) -> Frames:
    """Terminals of the sites of one file."""
    weights = ctx.load("s1_site_weights_2B", part=part.index, columns=(*_KEY, "site_scale"))
    sites = till_sites(ctx, weights)
    letters = country_letters(ctx)[sites.legal_country_iso]
    x = word(ctx, NUMBER, country_letters=letters, site_order=sites.site_order, merchant_id=sites.merchant_id)
    count = np.floor(sites.wanted + ctx.kernels.open_uniform(x=x)).astype(np.uint64)
    offsets = prefix(count)
    row, number = ctx.kernels.expand_rows(offset=offsets, dims={"m": int(offsets[-1])})
    site = row.astype(np.int64)
    kiosk = _kiosks(ctx, sites, letters, site, number)
    code = {name: ctx.code("terminal_type", name) for name in ctx.vocabulary("terminal_type")}
    kind = np.where(sites.cash[site], code["ATM"], np.where(kiosk, code["KIOSK"], code["POS_TERMINAL"]))
    no = number + np.uint32(1)
    terminals = (
        sites.select(*_KEY)
        .take(site)
        .with_columns(
            terminal_no=no.astype(np.uint16),
            terminal_id=id_of(pair_entity(ctx, sites.site_id[site], no.astype(np.uint64))),
            terminal_type=kind.astype(np.int16),
            weight_q=work_weights(ctx, number, count.astype(np.int64)[site], offsets),
        )
    )
    _count(ctx, sites, site, terminals)
    return {"s4_site_terminals_2B": terminals}


def _kiosks(ctx: PartitionContext, sites: Frame, letters: Array, site: Array, number: Array) -> Array:
    """Which terminals are not attended: bool; one draw each where no cash is given."""
    drew = np.flatnonzero(~sites.cash[site])
    mine = site[drew]
    x = word(
        ctx,
        KIND,
        site=ctx.field("site", country_letters=letters[mine], site_order=sites.site_order[mine]),
        terminal_number=number[drew],
        merchant_id=sites.merchant_id[mine],
    )
    below = ctx.kernels.bounded_integer(x=x, bound=np.full(len(x), PERMILLE, dtype=np.uint64))
    kiosk = np.zeros(len(site), dtype=np.bool_)
    kiosk[drew] = below.astype(np.int64) < sites.kiosk_permille[mine]
    return kiosk


def _count(ctx: PartitionContext, sites: Frame, site: Array, terminals: Frame) -> None:
    """Count the figures of the checks from the rows as published."""
    merchants = ctx.load("merchant_catalogue_1A", columns=("merchant_id", "mcc", "channel"))
    owner = merchants.take(np.searchsorted(merchants.merchant_id, terminals.merchant_id))
    cash = np.isin(owner.mcc, np.array(ctx.params.arrival_routing_policy_5B.cash_mccs, dtype=np.uint16))
    gives = terminals.terminal_type == ctx.code("terminal_type", "ATM")
    ctx.count(Counts.till_sites, len(sites))
    ctx.count(Counts.sites, np.count_nonzero(terminals.terminal_no == 1))
    ctx.count(Counts.misplaced, np.count_nonzero(gives != cash))
    ctx.count(Counts.attended_or_not, np.count_nonzero(~cash))
    sectors = _sectors(ctx)
    over = sites.wanted - np.floor(sites.wanted)
    share = sites.kiosk_permille[site] / np.float64(PERMILLE)
    kiosk = terminals.terminal_type == ctx.code("terminal_type", "KIOSK")
    ctx.count(Counts.terminals, np.bincount(sites.sector[site], minlength=sectors))
    ctx.count(Counts.kiosks, np.bincount(sites.sector[site[kiosk]], minlength=sectors))
    for counter, sector, values in (
        (Counts.expected_q, sites.sector, sites.wanted),
        (Counts.variance_q, sites.sector, over * (1.0 - over)),
        (Counts.kiosks_expected, sites.sector[site], share),
        (Counts.kiosks_variance, sites.sector[site], share * (1.0 - share)),
    ):
        sums = np.zeros(sectors, dtype=np.int64)
        np.add.at(sums, sector, fixed(values))
        ctx.count(counter, sums)


def checks(ctx: Context, totals: Totals) -> list[Check]:
    """Every till has its terminals, as many and of the kinds that the law says."""
    seen, gate = Counts(totals), ctx.params.realism_gates_2B.terminals
    names, allowed = list(ctx.params.mcc_taxonomy_1A.sectors), (gate.sigmas, gate.slack)
    return [
        Check(
            "sites with terminals",
            seen.sites == seen.till_sites,
            seen.sites,
            seen.till_sites,
            "those of merchants that take cards there",
        ),
        Check(
            "ATMs stand where cash is given",
            seen.misplaced == 0,
            seen.misplaced,
            0,
            "ATMs elsewhere, or other terminals at trades of arrival_routing_policy_5B.cash_mccs",
        ),
        sampling_check(
            "terminals by sector",
            names,
            seen.terminals,
            from_fixed(seen.expected_q),
            from_fixed(seen.variance_q),
            allowed,
            "terminals against trade and size of their sites",
        ),
        sampling_check(
            "kiosks by sector",
            names,
            seen.kiosks,
            from_fixed(seen.kiosks_expected),
            from_fixed(seen.kiosks_variance),
            allowed,
            "terminals that nobody attends",
        ),
        ledger_check(totals, NUMBER, seen.till_sites, 1),
        ledger_check(totals, KIND, seen.attended_or_not, 1),
    ]


def measure(ctx: Context, totals: Totals) -> list[Measurement]:
    """How many terminals a site has."""
    seen = Counts(totals)
    mean = int(seen.terminals.sum()) / max(1, seen.sites)
    return [Measurement("terminals a site", mean, "terminals", "of sites that have some")]
