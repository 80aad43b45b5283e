"""6B.S5: every arrival is a payment - with a card of its payer, from a device, for an amount, and its answer.

A partition is a range of parties, read from every file of payers: the exchange from merchants to parties. A
party's rows are walked in time: with which card (pass 1), from which device (2), how much (3), what the
issuer answers (4), what becomes of it (5).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sim.recipes.horizon import horizon_of
from sim.segments.flows_6b.party_ranges import PARTY_RANGES_NEEDS, range_width
from sim.segments.flows_6b.s5_flows.arrivals import (
    ARRIVALS_NEEDS,
    ENTITIES,
    PLACES_NEEDS,
    arrivals_of,
    merchants_of,
    rows_of,
    sites_of,
)
from sim.segments.flows_6b.s5_flows.cards import (
    CARDS_NEEDS,
    REQUIRE_CARDS_NEEDS,
    choose_cards,
    pair_of,
    require_cards,
)
from sim.segments.flows_6b.s5_flows.checks import (
    FLOW_CHECKS_NEEDS,
    FlowCounts,
    count_flows,
    flow_checks,
    flow_measure,
)
from sim.segments.flows_6b.s5_flows.devices import (
    DEVICES_NEEDS,
    REQUIRE_DEVICES_NEEDS,
    choose_devices,
    require_devices,
)
from sim.segments.flows_6b.s5_flows.issuer import (
    ISSUER_NEEDS,
    ISSUER_TABLES_NEEDS,
    REQUIRE_ISSUER_NEEDS,
    IssuerTables,
    answers,
    issuer_tables,
    require_issuer,
)
from sim.segments.flows_6b.s5_flows.issuer_checks import (
    AnswerCounts,
    count_answers,
    issuer_checks,
    issuer_measure,
)
from sim.segments.flows_6b.s5_flows.party_files import PARTIES, PARTY_FILES_NEEDS, people_of
from sim.segments.flows_6b.s5_flows.prices import (
    AMOUNT,
    FEES_NEEDS,
    PAIR,
    PRICE_TABLES_NEEDS,
    PRICES_NEEDS,
    TIP,
    PriceTables,
    price_tables,
    prices,
    require_fees,
    tips_drawn,
)
from sim.segments.flows_6b.s5_flows.published import flow_frame, origin_frame, session_frame
from sim.segments.flows_6b.s5_flows.rows import Merchants, People, Rows, Sites
from sim.segments.flows_6b.s5_flows.settlement import (
    REQUIRE_SETTLEMENT_NEEDS,
    SETTLE,
    SETTLE_NEEDS,
    SETTLE_TABLES_NEEDS,
    SettleTables,
    require_settlement,
    settle_tables,
    settlement,
)
from sim.state.context import Context, PartitionContext
from sim.state.declaration import METADATA_ONLY, Check, Frames, Measurement, Partition, State
from sim.state.frames import Array
from sim.state.totals import Totals

FLOWS, SESSIONS, ORIGIN = "flows_6B", "sessions_6B", "flow_origin_6B"

STATE = State(
    id="6B.S5",
    title="Payments",
    reads={ENTITIES: METADATA_ONLY, PARTIES: METADATA_ONLY},
    config=("scenario_horizon_5A",),
    writes=(FLOWS, SESSIONS, ORIGIN),
    streams=(AMOUNT, PAIR, SETTLE, TIP),
    per_scenario=True,
    counts=(AnswerCounts, FlowCounts),
    uses=(
        ARRIVALS_NEEDS,
        CARDS_NEEDS,
        DEVICES_NEEDS,
        FEES_NEEDS,
        FLOW_CHECKS_NEEDS,
        ISSUER_NEEDS,
        ISSUER_TABLES_NEEDS,
        PARTY_FILES_NEEDS,
        PARTY_RANGES_NEEDS,
        PLACES_NEEDS,
        PRICES_NEEDS,
        PRICE_TABLES_NEEDS,
        REQUIRE_CARDS_NEEDS,
        REQUIRE_DEVICES_NEEDS,
        REQUIRE_ISSUER_NEEDS,
        REQUIRE_SETTLEMENT_NEEDS,
        SETTLE_NEEDS,
        SETTLE_TABLES_NEEDS,
    ),
)


@dataclass(frozen=True, slots=True)
class Tables:
    """What all ranges of a scenario look things up in."""

    merchants: Merchants
    sites: Sites
    prices: PriceTables
    issuer: IssuerTables
    settle: SettleTables


def preflight(ctx: Context) -> None:
    """Refuse laws that contradict themselves or the vocabularies."""
    require_cards(ctx)
    require_devices(ctx)
    require_fees(ctx)
    require_issuer(ctx)
    require_settlement(ctx)


def plan(ctx: Context) -> list[Partition]:
    """One partition a range of parties, all of one weight.

    So they are begun in the order of published ids, and a file of 6A is in memory for its own ranges alone.
    """
    return [
        Partition(index, scenario, {"range": index, "rows": int(rows)})
        for scenario in ctx.scenarios
        for index, rows in enumerate(ctx.group_rows(ENTITIES, scenario).tolist())
    ]


def compute(ctx: PartitionContext, part: Partition) -> Frames:
    """Payments of a range of parties."""
    known = ctx.shared(f"tables {part.scenario}", lambda: tables(ctx, part.scenario))
    rows, people = walked(ctx, part, known)
    merchants, sites = known.merchants, known.sites
    cards = choose_cards(ctx, part.scenario, rows, merchants, sites, people)
    devices = choose_devices(ctx, part.scenario, rows, people, cards)
    priced = prices(ctx, known.prices, rows, people, cards)
    tips = tips_drawn(ctx, known.prices, rows, priced.shop)
    _enter_prices(ctx, part.scenario, rows, merchants, people, tips)
    answered = answers(ctx, part.scenario, known.issuer, rows, people, cards, priced)
    settled = settlement(ctx, known.settle, rows, priced, answered.approved, answered.answered_us)
    _enter_settlement(ctx, part.scenario, rows, np.flatnonzero(answered.approved))
    count_flows(ctx, rows, sites, people, cards, devices, len(tips), priced, answered, settled)
    count_answers(ctx, known.issuer, rows, people, cards, priced, answered)
    shops = known.prices
    return {
        FLOWS: flow_frame(rows, merchants, people, cards, devices, shops, priced, answered, settled),
        SESSIONS: session_frame(rows, people, devices),
        ORIGIN: origin_frame(rows, merchants, people),
    }


def tables(ctx: Context, scenario: str | None) -> Tables:
    """Tables of a scenario."""
    merchants = merchants_of(ctx)
    horizon = horizon_of(ctx.params.scenario_horizon_5A, scenario or "")
    return Tables(
        merchants,
        sites_of(ctx),
        price_tables(ctx, merchants),
        issuer_tables(ctx, horizon),
        settle_tables(ctx, horizon),
    )


def walked(ctx: Context, part: Partition, known: Tables) -> tuple[Rows, People]:
    """The rows of a range in the order of the walk, and who they are of."""
    index = int(part.spec["range"])
    parties = sum(file.rows for file in ctx.files(PARTIES))
    width = range_width(ctx, parties)
    published = np.arange(index * width + 1, min((index + 1) * width, parties) + 1, dtype=np.uint64)
    party = ctx.natural("party", published)
    events = arrivals_of(ctx, part.scenario, index)
    rows, payers = rows_of(ctx, part.scenario, known.merchants, known.sites, party, events)
    return rows, people_of(ctx, party[payers])


def _enter_prices(
    ctx: PartitionContext,
    scenario: str | None,
    rows: Rows,
    merchants: Merchants,
    people: People,
    tips: Array,
) -> None:
    """Enter the draws of pass 3 in the ledger; `tips`: rows (int64) that drew one."""
    if ctx.lists_events:
        event_us = rows.ts_us.astype(np.uint64)
        ctx.ledger(ctx.address(AMOUNT, event_us=event_us, place=rows.place_id), scenario=scenario)
        ctx.ledger(ctx.address(PAIR, **pair_of(rows, merchants, people)), scenario=scenario)
        at = ctx.address(TIP, event_us=event_us[tips], place=rows.place_id[tips])
        ctx.ledger(at, scenario=scenario)
        return
    many = len(rows.ts_us)
    for stream, entities in ((AMOUNT, many), (PAIR, many), (TIP, len(tips))):
        ctx.ledger_sums(stream, (entities, 2 * entities, entities), most=2, scenario=scenario)


def _enter_settlement(ctx: PartitionContext, scenario: str | None, rows: Rows, approved: Array) -> None:
    if ctx.lists_events:
        event_us = rows.ts_us[approved].astype(np.uint64)
        at = ctx.address(SETTLE, event_us=event_us, place=rows.place_id[approved])
        ctx.ledger(at, scenario=scenario)
        return
    many = len(approved)
    ctx.ledger_sums(SETTLE, (many, 8 * many, 4 * many), most=8, scenario=scenario)


def checks(ctx: Context, totals: Totals) -> list[Check]:
    """See `flow_checks` and `issuer_checks`."""
    return [*flow_checks(ctx, totals), *issuer_checks(ctx, totals)]


def measure(ctx: Context, totals: Totals) -> list[Measurement]:
    """See `flow_measure` and `issuer_measure`."""
    return [*flow_measure(ctx, totals), *issuer_measure(ctx, totals)]
