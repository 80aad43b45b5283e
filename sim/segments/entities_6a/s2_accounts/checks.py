"""Checks of the accounts of all partitions: cells, caps, rules, dates, and priors against measured."""

from __future__ import annotations

import numpy as np

from sim.recipes.audits import between_check, ledger_check
from sim.recipes.sampling import sampling_check
from sim.segments.entities_6a.measured import figures, histogram, recount
from sim.segments.entities_6a.payments import PAYMENTS_NEEDS, holders_of, permille_of
from sim.segments.entities_6a.s2_accounts.cells import (
    ACCOUNT_CELLS_NEEDS,
    Accounts,
    accounts,
    eligible_segments,
    party_account_types,
)
from sim.segments.entities_6a.s2_accounts.checks_life import LIFE_CHECKS_NEEDS, count_lives, life_checks
from sim.segments.entities_6a.s2_accounts.credit import CREDIT_NEEDS, PICK, START, credit_groups
from sim.segments.entities_6a.s2_accounts.life import ACCOUNT_LIFE_NEEDS, status_limits
from sim.segments.entities_6a.s2_accounts.merchant_accounts import MerchantCounts
from sim.segments.entities_6a.spread import holds_any
from sim.segments.entities_6a.tenure import Days
from sim.state.context import Context, PartitionContext
from sim.state.counters import Counters, Scalar, Vector
from sim.state.declaration import METADATA_ONLY, Check, Needs
from sim.state.frames import Array, Frame
from sim.state.totals import Totals

ACCOUNT_CHECKS_NEEDS = Needs(
    reads={"merchant_catalogue_1A": METADATA_ONLY},
    config=(
        "account_life_6A",
        "account_per_party_6A",
        "account_taxonomy_6A",
        "product_linkage_6A",
        "product_mix_6A",
        "realism_gates_6A",
    ),
    uses=(ACCOUNT_CELLS_NEEDS, ACCOUNT_LIFE_NEEDS, LIFE_CHECKS_NEEDS, CREDIT_NEEDS, PAYMENTS_NEEDS),
)


class AccountCounts(Counters):
    """Accounts of parties as published."""

    rows = Scalar()
    unlike_owner = Scalar()
    misplaced = Scalar()
    over_cap = Scalar()
    rule_breaks = Scalar()
    without_required = Scalar()
    by_type = Vector("account_type", lambda ctx: _most(ctx) + 1)
    by_party_type = Vector("party_type", lambda ctx: _most(ctx) + 1)
    parties = Vector("party_type", "country")
    card_holders = Vector("party_type", "country")
    status = Vector("account_type", "account_status")


def count_accounts(ctx: PartitionContext, summary: Frame, held: Array, base: Frame, parties: Frame) -> None:
    """Integer sums of one partition, recounted from the published rows.

    Args:
        ctx: Context of the partition.
        summary: Rows of `s1_party_summary_6A` of the partition.
        held: uint8, parties x types: what was given out.
        base: Rows of `s2_account_base_6A`.
        parties: Columns `joined_date`, `left_date` of `s1_party_base_6A`.
    """
    types, columns = held.shape[1], ctx.columns
    owner = (base.owner_party_id - summary.first_party_no.min()).astype(np.int64)
    found = recount(owner, base.account_type, (len(held), types))
    theirs = columns.repeat(
        summary.select("country_iso", "region_id", "party_type", "segment_id"), summary.parties
    )
    kind = theirs.party_type
    taxonomy, limits = ctx.params.account_taxonomy_6A.party_accounts, ctx.params.account_per_party_6A
    links = ctx.params.product_linkage_6A.requires_any
    over = broken = missing = 0
    tallest = _most(ctx)
    by_type = np.zeros((types, tallest + 1), dtype=np.int64)
    for code, name in party_account_types(ctx):
        own = found[:, code]
        right = kind == ctx.code("party_type", taxonomy[name].party_type)
        over += int((own > limits.accounts[name].cap).sum())
        barred = columns.take(~eligible_segments(ctx, name), theirs.segment_id)
        broken += int(((own > 0) & (~right | barred)).sum())
        if taxonomy[name].required:
            missing += int((right & (own == 0)).sum())
        if name in links:
            broken += int(
                (
                    (own > 0) & ~holds_any(found, [ctx.code("account_type", other) for other in links[name]])
                ).sum()
            )
        by_type[code] = ctx.on_host(histogram(own[right], tallest))
    in_all = found.sum(axis=1, dtype=np.int64)
    most = np.array([limits.max_per_party[name] for name in ctx.vocabulary("party_type")])
    ctx.count(
        AccountCounts.unlike_owner,
        sum(int((base[name] != values[owner]).sum()) for name, values in theirs.items()),
    )
    ctx.count(AccountCounts.rows, len(base))
    ctx.count(
        AccountCounts.misplaced,
        int((np.diff(base.account_id.astype(np.int64)) != 1).sum()) + int((found != held).sum()),
    )
    ctx.count(AccountCounts.over_cap, over + int((in_all > columns.take(most, kind)).sum()))
    ctx.count(AccountCounts.rule_breaks, broken)
    ctx.count(AccountCounts.without_required, missing)
    ctx.count(AccountCounts.by_type, by_type)
    per_kind = [histogram(in_all[kind == code], tallest) for code in range(len(ctx.vocabulary("party_type")))]
    ctx.count(AccountCounts.by_party_type, np.stack(per_kind))
    countries = len(ctx.vocabulary("country"))
    country = columns.repeat(summary.country_iso.astype(np.int64), summary.parties)
    place, size = kind.astype(np.int64) * countries + country, len(per_kind) * countries
    ctx.count(AccountCounts.parties, np.bincount(place, minlength=size))
    types_of_cards = [name for group in credit_groups(ctx) for name in group.types]
    cards = [ctx.code("account_type", name) for name in types_of_cards]
    ctx.count(AccountCounts.card_holders, np.bincount(place[holds_any(found, cards)], minlength=size))
    count_lives(ctx, base, owner, parties)
    # Of accounts that are open and old enough for every state.
    statuses, days = len(ctx.vocabulary("account_status")), Days.of_horizon(ctx)
    idle = np.int32(ctx.params.account_life_6A.dormant_after_days)
    here = np.flatnonzero(~base.present("close_date") & (base.open_date <= days.last - idle))
    state = base.account_type[here].astype(np.int64) * statuses + base.status[here]
    ctx.count(AccountCounts.status, np.bincount(state, minlength=types * statuses))


def _most(ctx: Context) -> int:
    """Most accounts any party may hold."""
    return max(int(most) for _, most in ctx.params.account_per_party_6A.max_per_party.items())


def account_checks(
    ctx: Context, totals: Totals, streams: tuple[str, str, str], merchant_streams: tuple[str, str]
) -> list[Check]:
    """Model checks of 6A.S2.

    Args:
        ctx: Context with everything `accounts` needs and `realism_gates_6A`.
        totals: Sums of `count_accounts` and of the merchants' accounts.
        streams: Weights, starts, ages and states.
        merchant_streams: Reserve coins, ages and states.
    """
    seen, settled = AccountCounts(totals), MerchantCounts(totals)
    gates, all_cells = ctx.params.realism_gates_6A.accounts, accounts(ctx)
    found = seen.by_type
    planned = all_cells.total.sum(axis=0).astype(np.int64)
    measured = (found * np.arange(found.shape[1])).sum(axis=1)
    rows = int(planned.sum())
    broken, unlike = seen.rule_breaks, seen.unlike_owner
    exact = [int((measured != planned).sum()), seen.rows - rows, seen.misplaced]
    used = all_cells.beyond > 0
    drawn = int((all_cells.summary.parties[:, None] * used).sum())
    merchants = sum(file.rows for file in ctx.files("merchant_catalogue_1A"))
    result = [
        Check(
            "accounts of each cell",
            exact == [0, 0, 0],
            exact,
            0,
            "types and rows off their total; ids and owners out of place",
        ),
        Check(
            "accounts carry what their owners are",
            unlike == 0,
            unlike,
            0,
            "countries, regions, types and segments other than the owner's",
        ),
        Check("caps by type and in all", seen.over_cap == 0, seen.over_cap, 0, "parties above a cap"),
        Check("everybody has what is required", seen.without_required == 0, seen.without_required, 0),
        Check("eligibility and linkage", broken == 0, broken, 0, "parties that hold what they may not"),
        *life_checks(ctx, totals),
        _mean_check(ctx, found, gates.mean_tolerance_permille, all_cells.first),
        *_holding_checks(ctx, seen.parties, seen.card_holders),
        _status_check(ctx, seen.status, gates.draw_sigmas),
        ledger_check(totals, streams[0], drawn, 1),
        ledger_check(totals, streams[1], int(used.sum()), 1),
        *_credit_ledger(ctx, totals, all_cells),
        ledger_check(totals, streams[2], rows, 7),
        Check("merchants have accounts before they sell", settled.opened_late == 0, settled.opened_late, 0),
        Check("every merchant settles", settled.merchants == merchants, settled.merchants, merchants),
        ledger_check(totals, merchant_streams[0], merchants, 1),
        ledger_check(totals, merchant_streams[1], merchants + settled.merchant_reserves, 4),
    ]
    by_kind = seen.by_party_type
    for code, name in enumerate(ctx.vocabulary("party_type")):
        held = figures(by_kind[code])
        bounds = tuple(gates.per_party_mean_permille[name])
        note = (
            f"mean, permille; p50 {held['p50']}, p99 {held['p99']}, max {held['max']} over "
            f"{held['holders']} parties"
        )
        if held["holders"] >= gates.judged_from:
            result.append(between_check(f"accounts a {name} party", held["mean_permille"], bounds, note))
    return result


def _credit_ledger(ctx: Context, totals: Totals, cells: Accounts) -> list[Check]:
    """Every party of a cell that picks somebody draws a weight at each step."""
    drawn = starts = 0
    for group in credit_groups(ctx):
        codes = [ctx.code("account_type", name) for name in group.types]
        steps = [cells.first[:, codes].sum(axis=1), *(cells.first[:, code] for code in codes[1:])]
        for units in steps:
            drawn += int(cells.summary.parties[units > 0].sum())
            starts += int((units > 0).sum())
    return [ledger_check(totals, PICK, drawn, 1), ledger_check(totals, START, starts, 1)]


def _holding_checks(ctx: Context, parties: Array, holders: Array) -> list[Check]:
    """Parties with a credit card, of each country against the table; a country's holders are rounded."""
    share, names = permille_of(ctx, "holding_permille", "credit"), ctx.vocabulary("country")
    result = []
    for group in credit_groups(ctx):
        found, wanted = holders[group.party_type], holders_of(parties[group.party_type], share)
        off = np.abs(found - wanted)
        worst = int(np.argmax(off))
        result.append(
            Check(
                f"credit card holders of {ctx.vocabulary('party_type')[group.party_type]} parties",
                bool((off == 0).all()),
                {"country": names[worst], "holders": int(found[worst]), "countries": int((found > 0).sum())},
                {"country": names[worst], "holders": int(wanted[worst])},
                "of every country as national_payments_6A says; the country that is farthest off is shown",
            )
        )
    return result


def _mean_check(ctx: Context, found: Array, tolerance: int, first: Array) -> Check:
    """Accounts a party of each type against the prior's mean; of credit cards, accounts a holder.

    The totals are rounded, so one account is allowed for.
    """
    table, passed = {}, True
    codes = {name: code for code, name in party_account_types(ctx)}
    holding = {
        name: int(first[:, [codes[other] for other in group.types]].sum())
        for group in credit_groups(ctx)
        for name in group.types
    }
    for code, name in party_account_types(ctx):
        seen = figures(found[code])
        prior = ctx.params.product_mix_6A.accounts[name].mean
        total = int((found[code] * np.arange(found.shape[1])).sum())
        wanted = prior * (holding[name] if name in holding else seen["holders"])
        if name in holding:  # nobody holds less than the first one
            wanted = max(wanted, float(first[:, code].sum()))
        passed &= abs(total - wanted) <= wanted * tolerance / 1000 + 1
        table[name] = {
            "prior_permille": round(prior * 1000),
            "cap": ctx.params.account_per_party_6A.accounts[name].cap,
            **seen,
        }
    return Check(
        "accounts a party against the prior",
        bool(passed),
        table,
        {"permille": tolerance},
        "mean over all parties of the type",
    )


def _status_check(ctx: Context, found: Array, sigmas: float) -> Check:
    """States of accounts that are open, and old enough for all of them, against the mix of their ledger."""
    statuses = ctx.vocabulary("account_status")
    limits = status_limits(ctx).astype(np.int64)
    share = np.diff(limits, axis=1, prepend=0) / np.float64(10_000)
    expected = share * found.sum(axis=1)[:, None]
    labels = [f"{kind} {status}" for kind in ctx.vocabulary("account_type") for status in statuses]
    variance = expected * (1.0 - share)
    note = "states of accounts against the mix of their ledger"
    return sampling_check(
        "account states", labels, found.ravel(), expected.ravel(), variance.ravel(), (sigmas, 1.0), note
    )
