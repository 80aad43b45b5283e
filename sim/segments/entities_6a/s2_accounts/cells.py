"""How many accounts of each type every (country, segment) holds: exact, small, recomputed by every partition.

For a type whose holders must own another product, cells and countries are weighed by the accounts of that
product, so units only go to cells with parties that may hold them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sim.recipes.terms import by_term, currency_of_country, entry, require_terms, shares
from sim.segments.entities_6a.cells import (
    CELL_WORDS_NEEDS,
    LEANINGS_NEEDS,
    SHARES_NEEDS,
    Leanings,
    cell_words,
    check_links,
    require_capacity,
    share_out,
    total_of,
)
from sim.segments.entities_6a.payments import check_payments
from sim.segments.entities_6a.s2_accounts.credit import (
    CREDIT_NEEDS,
    check_credit,
    credit_groups,
    first_accounts,
)
from sim.segments.entities_6a.segment_types import segment_types
from sim.state.context import Context
from sim.state.declaration import ROW_LEVEL, Needs
from sim.state.frames import Array, Frame
from sim.state.refuse import Fault, refuse_any

ACCOUNT_CELLS_NEEDS = Needs(
    reads={"s1_party_summary_6A": ROW_LEVEL},
    config=("account_per_party_6A", "account_taxonomy_6A", "product_linkage_6A", "product_mix_6A"),
    kernels=("entity_hash",),
    uses=(CELL_WORDS_NEEDS, CREDIT_NEEDS, LEANINGS_NEEDS, SHARES_NEEDS),
)


@dataclass(frozen=True)
class Accounts:
    """Accounts by row of `s1_party_summary_6A` and account type.

    Attributes:
        summary: Rows of `s1_party_summary_6A`.
        beyond: uint64, rows x types: accounts beyond the one each party must have; all accounts where none is
            required.
        total: uint64, rows x types: all accounts.
        first_id: uint64, rows x types: id of the first one; ids run by country, type, segment.
        first: uint64, rows x types: holders of credit cards by the account they have first.
    """

    summary: Frame
    beyond: Array
    total: Array
    first_id: Array
    first: Array

    def of(self, rows: Array) -> Accounts:
        """Some rows of it."""
        parts = (self.beyond, self.total, self.first_id, self.first)
        return Accounts(self.summary.take(rows), *(part[rows] for part in parts))


def accounts(ctx: Context) -> Accounts:
    """Accounts of every cell."""
    summary = ctx.load("s1_party_summary_6A")
    shape = (len(summary), len(ctx.vocabulary("account_type")))
    beyond, total = np.zeros(shape, dtype=np.uint64), np.zeros(shape, dtype=np.uint64)
    taxonomy, mix, links = (
        ctx.params.account_taxonomy_6A.party_accounts,
        ctx.params.product_mix_6A,
        ctx.params.product_linkage_6A,
    )
    leanings, chance = Leanings.of(ctx), cell_words(ctx, summary)
    first = np.zeros(shape, dtype=np.uint64)
    for name, counts in first_accounts(
        ctx, summary, {name: eligible_segments(ctx, name) for name in taxonomy}
    ).items():
        first[:, ctx.code("account_type", name)] = counts
    holding = {
        name: first[:, [ctx.code("account_type", other) for other in group.types]].sum(axis=1)
        for group in credit_groups(ctx)
        for name in group.types
    }
    for code, name in party_account_types(ctx):
        rule, prior = taxonomy[name], mix.accounts[name]
        own = summary.party_type == ctx.code("party_type", rule.party_type)
        holders = int(summary.parties[own].sum())
        size = np.where(own & eligible_segments(ctx, name)[summary.segment_id], summary.parties, np.uint64(0))
        capacity = size
        if name in links.requires_any:
            parents = [ctx.code("account_type", other) for other in links.requires_any[name]]
            size = np.where(size > 0, total[:, parents].sum(axis=1), np.uint64(0))
        must = holders if rule.required else 0
        if name in holding:
            size = capacity = np.where(size > 0, holding[name], np.uint64(0))
            holders, must = int(holding[name].sum()), int(first[:, code].sum())
        factor = leanings.factor(ctx, prior.segment_tilt, prior.region_tilt, mix.tilt_limit)
        mean = f"product_mix_6A.accounts.{name}.mean"
        beyond[:, code] = share_out(
            ctx, max(total_of(prior.mean, holders) - must, 0), summary, size, factor, chance, name, mean
        )
        must_have = summary.parties * own if rule.required else first[:, code]
        total[:, code] = beyond[:, code] + must_have
        cap = ctx.params.account_per_party_6A.accounts[name].cap
        require_capacity(
            ctx, name, summary, total[:, code], capacity, cap, f"account_per_party_6A.accounts.{name}.cap"
        )
    return Accounts(summary, beyond, total, _first_ids(summary, total), first)


def party_account_types(ctx: Context) -> list[tuple[int, str]]:
    """(code, name) of the account types parties hold, in order of their codes."""
    taxonomy = ctx.params.account_taxonomy_6A.party_accounts
    return [(code, name) for code, name in enumerate(ctx.vocabulary("account_type")) if name in taxonomy]


def eligible_segments(ctx: Context, account_type: str) -> Array:
    """Whether each segment may hold an account type: bool by segment code, whatever its party type."""
    barred = ctx.params.product_linkage_6A.not_eligible
    names = entry(barred, account_type, ())
    return np.array([segment not in names for segment in ctx.vocabulary("segment")], dtype=np.bool_)


def required(ctx: Context) -> Array:
    """Whether every party of its type holds an account type: bool by code."""
    taxonomy = ctx.params.account_taxonomy_6A.party_accounts
    return np.array(
        [name in taxonomy and taxonomy[name].required for name in ctx.vocabulary("account_type")],
        dtype=np.bool_,
    )


def cell_entities(ctx: Context, summary: Frame) -> Array:
    """Address part of the accounts of each row and type: uint64, rows x types."""
    names = ctx.name_hashes("account_type")
    cell = np.repeat(cell_words(ctx, summary), len(names))
    return ctx.field("account_cell", party_cell=cell, account_type_name=np.tile(names, len(summary))).reshape(
        len(summary), len(names)
    )


def _first_ids(summary: Frame, total: Array) -> Array:
    row, kind = np.nonzero(np.ones(total.shape, dtype=np.bool_))
    order = np.lexsort((summary.segment_id[row], kind, summary.country_iso[row]))
    counts = total[row[order], kind[order]]
    first = np.zeros(total.shape, dtype=np.uint64)
    first[row[order], kind[order]] = np.cumsum(counts) - counts + np.uint64(1)
    return first


def check_products(ctx: Context) -> None:
    """Refuse taxonomies, priors and rules of accounts that contradict one another, before anything runs."""
    taxonomy, rules, mix = (
        ctx.params.account_taxonomy_6A,
        ctx.params.account_per_party_6A,
        ctx.params.product_mix_6A,
    )
    links, types = ctx.params.product_linkage_6A, ctx.vocabulary("account_type")
    merchant = [taxonomy.merchant_accounts.settlement, taxonomy.merchant_accounts.reserve]
    party = list(taxonomy.party_accounts)
    at, kinds = "account_taxonomy_6A.party_accounts", ctx.vocabulary("party_type")
    require_terms(ctx, merchant, types, "account_taxonomy_6A.merchant_accounts", "account_type", False)
    require_terms(ctx, [*party, *merchant], types, at, "account_type")
    for name, rule in taxonomy.party_accounts.items():
        require_terms(ctx, [rule.party_type], kinds, f"{at}.{name}.party_type", "party_type", False)
    require_terms(ctx, mix.accounts, party, "product_mix_6A.accounts", "account_type (of parties)")
    require_terms(ctx, rules.accounts, party, "account_per_party_6A.accounts", "account_type (of parties)")
    by_term(ctx, "party_type", rules.max_per_party, "account_per_party_6A.max_per_party")
    by_term(
        ctx,
        "channel",
        taxonomy.merchant_accounts.reserve_permille,
        "account_taxonomy_6A.merchant_accounts.reserve_permille",
    )
    check_links(ctx, "account_type", links.requires_any, "product_linkage_6A.requires_any")
    require_terms(
        ctx, links.not_eligible, party, "product_linkage_6A.not_eligible", "account_type (of parties)", False
    )
    check_payments(ctx)
    check_credit(ctx)
    leanings = Leanings.of(ctx)
    for name, prior in mix.accounts.items():
        leanings.check(ctx, prior, f"product_mix_6A.accounts.{name}", "segment_tilt", "region_tilt")
    for ledger, mix_of_ledger in ctx.params.account_life_6A.status_mix.items():
        shares(ctx, "account_status", mix_of_ledger, f"account_life_6A.status_mix.{ledger}")
    needed = {rule.ledger for _, rule in taxonomy.party_accounts.items()} | {"SETTLEMENT"}
    require_terms(
        ctx,
        ctx.params.account_life_6A.status_mix,
        sorted(needed),
        "account_life_6A.status_mix",
        "of ledgers in use",
    )
    require_terms(
        ctx,
        ctx.params.account_life_6A.tenure_factor,
        sorted(needed),
        "account_life_6A.tenure_factor",
        "of ledgers in use",
    )
    for key in ("closed_a_year", "with_first_permille"):
        ledgers = sorted(needed - {"SETTLEMENT"})
        require_terms(
            ctx, ctx.params.account_life_6A[key], ledgers, f"account_life_6A.{key}", "of ledgers of parties"
        )
    currency_of_country(ctx)
    what, do = (
        "Accounts: priors and rules contradict one another.",
        "correct the mean, the cap or the rule named",
    )
    refuse_any(ctx, "POLICY_CONTRADICTS", what, _contradictions(ctx), do=do)


def _contradictions(ctx: Context) -> list[Fault]:
    taxonomy, rules, mix = (
        ctx.params.account_taxonomy_6A,
        ctx.params.account_per_party_6A,
        ctx.params.product_mix_6A,
    )
    links = ctx.params.product_linkage_6A
    faults: list[Fault] = []
    kind = dict(
        zip(
            ctx.vocabulary("segment"),
            (ctx.vocabulary("party_type")[code] for code in segment_types(ctx)),
            strict=True,
        )
    )
    for name, rule in taxonomy.party_accounts.items():
        mean, cap, most = (
            mix.accounts[name].mean,
            rules.accounts[name].cap,
            rules.max_per_party[rule.party_type],
        )
        barred, needed, mean_at = (
            f"product_linkage_6A.not_eligible.{name}",
            f"product_linkage_6A.requires_any.{name}",
            f"product_mix_6A.accounts.{name}.mean",
        )
        if rule.required and mean < 1:
            faults.append(
                Fault(
                    mean_at,
                    f"{name} is required of every party, but product_mix_6A gives a mean of {mean}, below 1",
                )
            )
        if rule.required and (name in links.not_eligible or name in links.requires_any):
            at = barred if name in links.not_eligible else needed
            faults.append(
                Fault(at, f"{name} is required of every party, but product_linkage_6A keeps some from it")
            )
        if mean > min(cap, most):
            faults.append(
                Fault(
                    mean_at, f"{name}: mean {mean} is above the cap {min(cap, most)} of account_per_party_6A"
                )
            )
        strangers = [
            segment for segment in entry(links.not_eligible, name, ()) if kind.get(segment) != rule.party_type
        ]
        faults += [
            Fault(barred, f"not_eligible.{name}: {segment} is no {rule.party_type} segment")
            for segment in strangers
        ]
        own = [other for other, held in taxonomy.party_accounts.items() if held.party_type == rule.party_type]
        wrong = [other for other in entry(links.requires_any, name, ()) if other not in own]
        faults += [
            Fault(needed, f"requires_any.{name}: {other} is not held by {rule.party_type} parties")
            for other in wrong
        ]
    for party_type, most in rules.max_per_party.items():
        own = [name for name, rule in taxonomy.party_accounts.items() if rule.party_type == party_type]
        mean = sum(mix.accounts[name].mean for name in own)
        if mean > most:
            what = f"{party_type}: means sum to {mean}, above max_per_party {most}"
            faults.append(Fault(f"account_per_party_6A.max_per_party.{party_type}", what))
    carried = {
        tag
        for segment in ctx.vocabulary("segment")
        for tag in ctx.params.party_taxonomy_6A.segments[segment].tags
    }
    tags = "account_per_party_6A.tags"
    faults += [
        Fault(f"{tags}.{tag}", f"{tags}.{tag}: no segment carries it")
        for tag in rules.tags
        if tag not in carried
    ]
    unknown = [tag for tag in sorted(carried) if tag not in rules.tags]
    faults += [
        Fault(tags, f"tag {tag} of party_taxonomy_6A is not in account_per_party_6A") for tag in unknown
    ]
    for tag, effects in rules.tags.items():
        strangers = [name for name in effects if name not in rules.accounts]
        faults += [
            Fault(f"{tags}.{tag}.{name}", f"{tags}.{tag}: {name} is no account of parties")
            for name in strangers
        ]
    return faults
