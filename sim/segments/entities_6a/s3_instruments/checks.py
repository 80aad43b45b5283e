"""Checks of the instruments of all partitions: cells, caps, rules, dates, and priors against measured."""

from __future__ import annotations

import numpy as np

from sim.recipes.audits import between_check, ledger_check
from sim.recipes.terms import entry, shares
from sim.segments.entities_6a.measured import figures, histogram, recount
from sim.segments.entities_6a.s3_instruments.cells import (
    CARDS,
    INSTRUMENT_CELLS_NEEDS,
    Instruments,
    instruments,
    instruments_of,
    is_class,
)
from sim.segments.entities_6a.s3_instruments.market_checks import (
    MARKET_CHECKS_NEEDS,
    MarketCounts,
    count_marks,
    market_checks,
    pick_check,
)
from sim.segments.entities_6a.s3_instruments.rows import Holders
from sim.state.context import Context, PartitionContext
from sim.state.counters import Counters, Scalar, Vector
from sim.state.declaration import Check, Measurement, Needs
from sim.state.frames import Array, Frame
from sim.state.totals import Totals

INSTRUMENT_CHECKS_NEEDS = Needs(
    config=(
        "instrument_linkage_6A",
        "instrument_mix_6A",
        "instrument_per_account_6A",
        "instrument_taxonomy_6A",
        "realism_gates_6A",
    ),
    uses=(INSTRUMENT_CELLS_NEEDS, MARKET_CHECKS_NEEDS),
)


class InstrumentCounts(Counters):
    """Instruments as published."""

    rows = Scalar()
    misplaced = Scalar()
    wrong_owner = Scalar()
    over_cap = Scalar()
    without_required = Scalar()
    rule_breaks = Scalar()
    wrong_dates = Scalar()
    undated = Scalar()
    cards = Scalar()
    table = Vector(
        "account_type",
        "instrument_type",
        lambda ctx: ctx.params.instrument_per_account_6A.max_per_account + 1,
    )
    per_account = Vector(lambda ctx: ctx.params.instrument_per_account_6A.max_per_account + 1)
    schemes = Vector("instrument_type", "scheme")
    tiers = Vector("account_type", "brand_tier")


def count_instruments(ctx: PartitionContext, holders: Holders, counts: Array, base: Frame) -> None:
    """Integer sums of one partition, recounted from the published rows.

    Args:
        ctx: Context of the partition.
        holders: Its accounts.
        counts: uint8, accounts x types: what was given out.
        base: Rows of `s3_instrument_base_6A`.
    """
    kinds = counts.shape[1]
    first = holders.base.account_id[0] if len(holders.base) else np.uint64(1)
    account = (base.account_id - first).astype(np.int64)
    found = recount(account, base.instrument_type, (len(counts), kinds))
    limits, links = ctx.params.instrument_per_account_6A, ctx.params.instrument_linkage_6A.requires_any
    tallest = limits.max_per_account
    table = np.zeros((len(ctx.vocabulary("account_type")), kinds, tallest + 1), dtype=np.int64)
    in_all = found.sum(axis=1, dtype=np.int64)
    over, broken, missing = int((in_all > limits.max_per_account).sum()), 0, 0
    kind = holders.summary.account_type[holders.group]
    place = holders.summary.country_iso[holders.group]
    carrying = np.zeros((kinds, len(ctx.vocabulary("country"))), dtype=np.int64)
    for account_type, rules in ctx.params.instrument_mix_6A.accounts.items():
        at = ctx.code("account_type", account_type)
        own = found[np.flatnonzero(kind == at)]
        listed = np.zeros(kinds, dtype=np.bool_)
        for code, name in instruments_of(ctx, account_type):
            listed[code] = True
            over += int((own[:, code] > limits.accounts[account_type][name].cap).sum())
            missing += int((own[:, code] == 0).sum()) if rules[name].required else 0
            if entry(rules[name], "by_market", False):
                carry = place[np.flatnonzero(kind == at)][own[:, code] > 0]
                carrying[code] += np.bincount(carry, minlength=carrying.shape[1])
            if name in links:
                parents = own[:, [ctx.code("instrument_type", other) for other in links[name]]].any(axis=1)
                broken += int(((own[:, code] > 0) & ~parents).sum())
            table[at, code] = histogram(own[:, code], tallest)
        broken += int(own[:, ~listed].sum())
    ctx.count(InstrumentCounts.rows, len(base))
    ctx.count(
        InstrumentCounts.misplaced,
        int((found != counts).sum()) + int((np.diff(base.instrument_id.astype(np.int64)) != 1).sum()),
    )
    ctx.count(
        InstrumentCounts.wrong_owner, int((base.owner_party_id != holders.base.owner_party_id[account]).sum())
    )
    ctx.count(InstrumentCounts.over_cap, over)
    ctx.count(InstrumentCounts.without_required, missing)
    ctx.count(InstrumentCounts.rule_breaks, broken)
    ctx.count(InstrumentCounts.table, table)
    ctx.count(MarketCounts.by_market, carrying)
    ctx.count(InstrumentCounts.per_account, histogram(in_all, tallest))
    _count_dates(ctx, holders, account, base)


def _count_dates(ctx: PartitionContext, holders: Holders, account: Array, base: Frame) -> None:
    """Dates out of order, and cards by what they bear."""
    cards = is_class(ctx, *CARDS)[base.instrument_type]
    wrong = base.valid_from < holders.base.open_date[account]
    wrong |= base.present("valid_to") & (base.valid_to < base.valid_from)
    ctx.count(InstrumentCounts.wrong_dates, int(wrong.sum()))
    ctx.count(InstrumentCounts.undated, int((base.present("bin") != cards).sum()))
    ctx.count(InstrumentCounts.cards, int(cards.sum()))
    kinds, schemes = len(ctx.vocabulary("instrument_type")), len(ctx.vocabulary("scheme"))
    key = base.instrument_type.astype(np.int64) * schemes + base.scheme
    ctx.count(InstrumentCounts.schemes, np.bincount(key, minlength=kinds * schemes))
    # Account types x tiers.
    own = np.flatnonzero(cards)
    shape = len(ctx.vocabulary("account_type")), len(ctx.vocabulary("brand_tier"))
    account_type = holders.summary.account_type[holders.group[account[own]]]
    key = account_type.astype(np.int64) * shape[1] + base.brand_tier[own]
    ctx.count(InstrumentCounts.tiers, np.bincount(key, minlength=shape[0] * shape[1]))
    count_marks(ctx, holders.summary.country_iso[holders.group[account[own]]], base.take(own))


def instrument_checks(ctx: Context, totals: Totals, streams: tuple[str, str, str, str, str]) -> list[Check]:
    """Model checks of 6A.S3.

    Args:
        ctx: Context with everything `instruments` needs and `realism_gates_6A`.
        totals: Sums of `count_instruments`.
        streams: Weights, starts, cards; weights and starts of picking who carries a card.
    """
    seen = InstrumentCounts(totals)
    gates, all_cells = ctx.params.realism_gates_6A.instruments, instruments(ctx)
    table = seen.table
    planned = np.zeros(table.shape[:2], dtype=np.int64)
    np.add.at(planned, all_cells.summary.account_type, all_cells.total.astype(np.int64))
    measured = (table * np.arange(table.shape[2])).sum(axis=2)
    rows = int(all_cells.total.sum())
    exact = [int((measured != planned).sum()), seen.rows - rows, seen.misplaced, seen.wrong_owner]
    rules = [seen.over_cap, seen.without_required, seen.rule_breaks, seen.wrong_dates, seen.undated]
    busy, picking = all_cells.beyond > 0, all_cells.first > 0
    drawn, cells = int((all_cells.summary.accounts[:, None] * busy).sum()), int(busy.sum())
    per_account = seen.per_account
    carrying = (int(per_account.sum()) - int(per_account[0])) * 1000 // max(1, int(per_account.sum()))
    note = (
        "types off their total; rows off the total; ids and accounts out of place; owners that are not the "
        "account's"
    )
    return [
        Check("instruments of each cell", exact == [0, 0, 0, 0], exact, 0, note),
        Check("caps by type and in all", rules[0] == 0, rules[0], 0, "accounts above a cap"),
        Check("accounts have what is required", rules[1] == 0, rules[1], 0),
        Check("instrument linkage", rules[2] == 0, rules[2], 0, "accounts that carry what they may not"),
        Check(
            "dates are in order",
            rules[3] == 0,
            rules[3],
            0,
            "opened <= valid from <= valid to",
        ),
        Check("cards alone have a BIN", rules[4] == 0, rules[4], 0),
        _mean_check(ctx, table, gates.mean_tolerance_permille, all_cells),
        *market_checks(ctx, totals, all_cells, gates.draw_sigmas),
        between_check(
            "accounts with an instrument", carrying, tuple(gates.instrumented_permille), "permille"
        ),
        tier_check(ctx, seen.tiers, gates.draw_sigmas),
        ledger_check(totals, streams[0], drawn, 1),
        ledger_check(totals, streams[1], cells, 1),
        ledger_check(totals, streams[2], seen.cards, 3),
        ledger_check(totals, streams[3], int((all_cells.summary.accounts[:, None] * picking).sum()), 1),
        ledger_check(totals, streams[4], int(picking.sum()), 1),
    ]


def tier_check(ctx: Context, tiers: Array, sigmas: float) -> Check:
    """Drawn tiers of cards against their mixes.

    Args:
        ctx: Context.
        tiers: int64: cards by account type and tier, flat.
        sigmas: Standard deviations allowed.
    """
    taxonomy = ctx.params.instrument_taxonomy_6A
    names = list(taxonomy.brand_tier_mix)
    at = "instrument_taxonomy_6A.brand_tier_mix"
    prior = np.stack(
        [shares(ctx, "brand_tier", taxonomy.brand_tier_mix[name], f"{at}.{name}") for name in names]
    )
    found = tiers.reshape(len(ctx.vocabulary("account_type")), -1)[
        [ctx.code("account_type", name) for name in names]
    ]
    labels = [f"{name} {tier}" for name in names for tier in ctx.vocabulary("brand_tier")]
    return pick_check("tiers of cards", labels, found, prior, sigmas)


def instrument_measurements(ctx: Context, totals: Totals) -> list[Measurement]:
    """Instruments an account, and by scheme."""
    seen = InstrumentCounts(totals)
    by_scheme = seen.schemes.sum(axis=0).tolist()
    return [
        Measurement("instruments an account", figures(seen.per_account), "", "those without any included"),
        Measurement("schemes", dict(zip(ctx.vocabulary("scheme"), by_scheme, strict=True)), "instruments"),
    ]


def _mean_check(ctx: Context, table: Array, tolerance: int, cells: Instruments) -> Check:
    """Instruments an account of each type against the prior's mean, or an account that has one.

    The totals are rounded, so one instrument is allowed for.
    """
    shown, passed = {}, True
    for account_type, rules in ctx.params.instrument_mix_6A.accounts.items():
        at = ctx.code("account_type", account_type)
        for code, name in instruments_of(ctx, account_type):
            seen = figures(table[at, code])
            total = int((table[at, code] * np.arange(table.shape[2])).sum())
            have = float(seen["holders"])
            if entry(rules[name], "by_market", False):
                mine = cells.summary.account_type == at
                have *= float(cells.first[mine, code].sum())
                have /= max(float(cells.summary.accounts[mine].sum()), 1.0)
            wanted = rules[name].mean * have
            passed &= abs(total - wanted) <= wanted * tolerance / 1000 + 1
            cap = ctx.params.instrument_per_account_6A.accounts[account_type][name].cap
            shown[f"{account_type} {name}"] = {
                "prior_permille": round(rules[name].mean * 1000),
                "cap": cap,
                **seen,
            }
    note = "mean over all accounts of the type"
    return Check(
        "instruments an account against the prior", bool(passed), shown, {"permille": tolerance}, note
    )
