"""Exact number of instruments of each type in every cell (country, account type, segment).

The numbers are small tables and are not published.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sim.recipes.apportion import fixed_point
from sim.recipes.groups import run_offsets
from sim.recipes.terms import by_term, entry, require_terms, shares
from sim.segments.entities_6a.cells import (
    CELL_WORDS_NEEDS,
    FACTOR_BITS,
    LEANINGS_NEEDS,
    SHARES_NEEDS,
    Leanings,
    cell_words,
    check_links,
    require_capacity,
    share_out,
    total_of,
)
from sim.segments.entities_6a.payments import (
    FUNDINGS,
    HOLDING_NEEDS,
    PAYMENTS_NEEDS,
    check_payments,
    holders_of,
    permille_of,
    shared_holders,
)
from sim.state.context import Context
from sim.state.declaration import ROW_LEVEL, Needs
from sim.state.frames import Array, Frame
from sim.state.refuse import Fault, refuse_any

CARDS = FUNDINGS

INSTRUMENT_CELLS_NEEDS = Needs(
    reads={"s2_account_summary_6A": ROW_LEVEL},
    config=(
        "account_taxonomy_6A",
        "instrument_linkage_6A",
        "instrument_mix_6A",
        "instrument_per_account_6A",
        "instrument_taxonomy_6A",
    ),
    kernels=("entity_hash",),
    uses=(CELL_WORDS_NEEDS, HOLDING_NEEDS, LEANINGS_NEEDS, PAYMENTS_NEEDS, SHARES_NEEDS),
)


@dataclass(frozen=True)
class Instruments:
    """Instruments by row of `s2_account_summary_6A` and instrument type.

    Attributes:
        summary: Rows of `s2_account_summary_6A`.
        beyond: uint64, rows x types: instruments beyond the one each account must have; all where none is
            required.
        total: uint64, rows x types: all instruments.
        first: uint64, rows x types: accounts with a card that not all of their type have.
    """

    summary: Frame
    beyond: Array
    total: Array
    first: Array

    def of(self, rows: Array) -> Instruments:
        """Some rows of it."""
        return Instruments(self.summary.take(rows), self.beyond[rows], self.total[rows], self.first[rows])


def instruments(ctx: Context) -> Instruments:
    """Instruments of every cell."""
    summary = ctx.load("s2_account_summary_6A")
    shape = (len(summary), len(ctx.vocabulary("instrument_type")))
    beyond, total = np.zeros(shape, dtype=np.uint64), np.zeros(shape, dtype=np.uint64)
    first = np.zeros(shape, dtype=np.uint64)
    mix, links = ctx.params.instrument_mix_6A, ctx.params.instrument_linkage_6A.requires_any
    leanings = Leanings.of(ctx)
    words = cell_words(ctx, summary)
    for account_type in mix.accounts:
        own = np.flatnonzero(summary.account_type == ctx.code("account_type", account_type))
        rows = summary.take(own)
        holders = int(rows.accounts.sum())
        for code, name in instruments_of(ctx, account_type):
            prior, tilt = mix.accounts[account_type][name], mix.tilts[name]
            size = rows.accounts
            if name in links:
                parents = [ctx.code("instrument_type", other) for other in links[name]]
                size = total[own][:, parents].sum(axis=1)
            factor = leanings.factor(ctx, tilt.segment, tilt.region, mix.tilt_limit)
            have, must = holders, holders if prior.required else 0
            if entry(prior, "by_market", False):
                first[own, code] = size = _by_market(ctx, rows, factor, words[own])
                have = must = int(size.sum())
            what = f"{name} of {account_type}"
            mean = f"instrument_mix_6A.accounts.{account_type}.{name}.mean"
            beyond[own, code] = share_out(
                ctx, max(total_of(prior.mean, have) - must, 0), rows, size, factor, words[own], what, mean
            )
            must_have = rows.accounts if prior.required else first[own, code]
            total[own, code] = beyond[own, code] + must_have
            cap = ctx.params.instrument_per_account_6A.accounts[account_type][name].cap
            where = f"instrument_per_account_6A.accounts.{account_type}.{name}.cap"
            require_capacity(ctx, what, rows, total[own, code], rows.accounts, cap, where)
    return Instruments(summary, beyond, total, first)


def _by_market(ctx: Context, rows: Frame, factor: Array, words: Array) -> Array:
    """Accounts of each cell with a debit card, exact in every country: uint64."""
    offsets = run_offsets(rows.country_iso)
    starts = offsets[:-1].astype(np.int64)
    accounts = np.add.reduceat(rows.accounts.astype(np.int64), starts) if len(rows) else rows.accounts
    permille = permille_of(ctx, "holding_permille", "debit")[rows.country_iso[starts]]
    units = holders_of(accounts.astype(np.int64), permille).astype(np.uint64)
    weight = rows.accounts * fixed_point(factor, FACTOR_BITS)[rows.region_id, rows.segment_id]
    return shared_holders(ctx, offsets, weight, rows.accounts, units, words[starts])


def instruments_of(ctx: Context, account_type: str) -> list[tuple[int, str]]:
    """(code, name) of the instruments an account type may carry, in order of their codes."""
    rules = ctx.params.instrument_mix_6A.accounts[account_type]
    return [(code, name) for code, name in enumerate(ctx.vocabulary("instrument_type")) if name in rules]


def account_entity(ctx: Context, summary: Frame) -> Array:
    """Address part of the accounts of each row of `s2_account_summary_6A`: uint64."""
    return ctx.field(
        "account_cell",
        party_cell=cell_words(ctx, summary),
        account_type_name=ctx.name_hashes("account_type")[summary.account_type],
    )


def instrument_entity(ctx: Context, accounts: Array, code: int) -> Array:
    """Address part of the instruments of one type on the accounts of each row: uint64."""
    return ctx.field(
        "instrument_cell",
        account_cell=accounts,
        instrument_type_name=ctx.name_hashes("instrument_type")[code],
    )


def is_class(ctx: Context, *classes: str) -> Array:
    """Whether each instrument type is of one of the classes: bool by code."""
    taxonomy = ctx.params.instrument_taxonomy_6A.instruments
    return np.array([taxonomy[name] in classes for name in ctx.vocabulary("instrument_type")], dtype=np.bool_)


def check_instruments(ctx: Context) -> None:
    """Refuse taxonomies, priors and rules of instruments that contradict one another; runs first of all."""
    taxonomy, mix = ctx.params.instrument_taxonomy_6A, ctx.params.instrument_mix_6A
    terms = ctx.vocabulary("instrument_type")
    by_term(ctx, "instrument_type", taxonomy.instruments, "instrument_taxonomy_6A.instruments")
    held, spreads = "account_type (of parties)", ctx.params.instrument_per_account_6A.accounts
    require_terms(
        ctx,
        mix.accounts,
        list(ctx.params.account_taxonomy_6A.party_accounts),
        "instrument_mix_6A.accounts",
        held,
    )
    require_terms(ctx, spreads, mix.accounts, "instrument_per_account_6A.accounts", held)
    by_term(ctx, "instrument_type", mix.tilts, "instrument_mix_6A.tilts")
    leanings = Leanings.of(ctx)
    for name, tilt in mix.tilts.items():
        leanings.check(ctx, tilt, f"instrument_mix_6A.tilts.{name}", "segment", "region")
    for name, rules in mix.accounts.items():
        require_terms(
            ctx, rules, terms, f"instrument_mix_6A.accounts.{name}", "instrument_type", complete=False
        )
        require_terms(
            ctx,
            spreads[name],
            rules,
            f"instrument_per_account_6A.accounts.{name}",
            f"instrument_type (of {name})",
        )
    check_links(
        ctx,
        "instrument_type",
        ctx.params.instrument_linkage_6A.requires_any,
        "instrument_linkage_6A.requires_any",
    )
    check_payments(ctx)
    carded = [
        name
        for name, rules in mix.accounts.items()
        if any(taxonomy.instruments[term] in CARDS for term in rules)
    ]
    require_terms(
        ctx,
        taxonomy.brand_tier_mix,
        carded,
        "instrument_taxonomy_6A.brand_tier_mix",
        "account_type (with cards)",
    )
    for name, tiers in taxonomy.brand_tier_mix.items():
        shares(ctx, "brand_tier", tiers, f"instrument_taxonomy_6A.brand_tier_mix.{name}")
    what, do = (
        "Instruments: priors and rules contradict one another.",
        "correct the mean, the cap or the rule named",
    )
    refuse_any(ctx, "POLICY_CONTRADICTS", what, _contradictions(ctx), do=do)


def _contradictions(ctx: Context) -> list[Fault]:
    taxonomy, mix = ctx.params.instrument_taxonomy_6A, ctx.params.instrument_mix_6A
    rules, links = ctx.params.instrument_per_account_6A, ctx.params.instrument_linkage_6A.requires_any
    faults = []
    months = sum(row.parts for row in taxonomy.validity_mix)
    if months != 10_000:
        faults.append(
            Fault(
                "instrument_taxonomy_6A.validity_mix",
                f"instrument_taxonomy_6A.validity_mix sums to {months}, not 10000",
            )
        )
    for account_type, priors in mix.accounts.items():
        for name, prior in priors.items():
            cap, at = (
                rules.accounts[account_type][name].cap,
                f"instrument_mix_6A.accounts.{account_type}.{name}",
            )
            if prior.required and prior.mean < 1:
                faults.append(
                    Fault(
                        f"{at}.mean",
                        f"{name} is required of every {account_type}, but its mean is {prior.mean}, below 1",
                    )
                )
            if entry(prior, "by_market", False) and (prior.required or prior.mean < 1):
                what = (
                    f"{name} of {account_type} follows the market: it is not required, its mean not below 1"
                )
                faults.append(Fault(at, what))
            if prior.mean > cap:
                faults.append(
                    Fault(f"{at}.mean", f"{name} of {account_type}: mean {prior.mean} is above the cap {cap}")
                )
            if name in links and not any(other in priors for other in links[name]):
                what = (
                    f"{name} of {account_type} requires one of {', '.join(links[name])}, which that account "
                    "never carries"
                )
                faults.append(Fault(at, what))
            if name in links and prior.required:
                faults.append(
                    Fault(f"{at}.required", f"{name} of {account_type} is required and leans on others")
                )
        mean = sum(prior.mean for _, prior in priors.items())
        if mean > rules.max_per_account:
            what = f"{account_type}: means sum to {mean}, above max_per_account {rules.max_per_account}"
            faults.append(Fault(f"instrument_mix_6A.accounts.{account_type}", what))
    return faults
