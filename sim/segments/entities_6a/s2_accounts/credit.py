"""Who holds a credit card: as many parties of every country as `national_payments_6A` says.

Holders of a country are exact. Segments share them by their leaning, no segment above its parties; inside a
cell parties are picked by weights. Some holders have a premium account first, the others a standard one; what
they hold beyond the first is spread over holders alone.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sim.recipes.apportion import fixed_point
from sim.recipes.groups import prefix, run_offsets
from sim.recipes.terms import entry, require_terms
from sim.segments.entities_6a.cells import CELL_WORDS_NEEDS, FACTOR_BITS, LEANINGS_NEEDS, Leanings, cell_words
from sim.segments.entities_6a.payments import (
    HOLDING_NEEDS,
    PAYMENTS_NEEDS,
    holders_of,
    permille_of,
    shared_holders,
)
from sim.segments.entities_6a.spread import SPREAD_NEEDS, Law, spread
from sim.state.context import Context, PartitionContext
from sim.state.declaration import Needs
from sim.state.frames import Array, Frame
from sim.state.refuse import Fault, refuse_any

PICK, START = "6A.credit_holder", "6A.credit_start"

CREDIT_NEEDS = Needs(
    config=("product_linkage_6A", "product_mix_6A"),
    uses=(CELL_WORDS_NEEDS, HOLDING_NEEDS, LEANINGS_NEEDS, PAYMENTS_NEEDS),
)
CREDIT_HOLDERS_NEEDS = Needs(
    config=("product_mix_6A",),
    streams=(PICK, START),
    kernels=("expand_rows",),
    uses=(CELL_WORDS_NEEDS, SPREAD_NEEDS),
)


@dataclass(frozen=True)
class Group:
    """Credit accounts of a party type.

    Attributes:
        party_type: Its code.
        standard: Account type most holders have first.
        premium: Account type some have first; None where there is no other.
    """

    party_type: int
    standard: str
    premium: str | None

    @property
    def types(self) -> tuple[str, ...]:
        """Account types of the group."""
        return (self.standard,) if self.premium is None else (self.standard, self.premium)


def credit_groups(ctx: Context) -> list[Group]:
    """Groups of `product_mix_6A.credit`."""
    return [
        Group(ctx.code("party_type", name), rule.standard, entry(rule, "premium", None))
        for name, rule in ctx.params.product_mix_6A.credit.items()
    ]


def first_accounts(ctx: Context, summary: Frame, eligible: dict[str, Array]) -> dict[str, Array]:
    """Holders of each cell by the credit account they have first: uint64 by row of the summary.

    Args:
        ctx: Context.
        summary: Rows of `s1_party_summary_6A`.
        eligible: bool by segment code, whether it may hold an account type.
    """
    share, leanings, chance = (
        permille_of(ctx, "holding_permille", "credit"),
        Leanings.of(ctx),
        cell_words(ctx, summary),
    )
    mix, found = ctx.params.product_mix_6A, {}
    for group in credit_groups(ctx):
        rows = np.flatnonzero(summary.party_type == group.party_type)
        cells = summary.take(rows)
        offsets = run_offsets(cells.country_iso)
        country = cells.country_iso[offsets[:-1].astype(np.int64)]
        parties = cells.parties.astype(np.int64)
        in_all = np.add.reduceat(parties, offsets[:-1].astype(np.int64)) if len(rows) else parties
        units = holders_of(in_all, share[country]).astype(np.uint64)

        def leaning(name: str, cells: Frame = cells) -> Array:
            tilt = mix.accounts[name].segment_tilt
            factor = fixed_point(leanings.factor(ctx, tilt, {}, mix.tilt_limit), FACTOR_BITS)
            weight: Array = factor[cells.region_id, cells.segment_id]
            return weight

        start = chance[rows][offsets[:-1].astype(np.int64)]
        holders = shared_holders(
            ctx, offsets, cells.parties * leaning(group.standard), cells.parties, units, start
        )
        first = {group.standard: holders}
        if group.premium is not None:
            may = np.where(eligible[group.premium][cells.segment_id], holders, np.uint64(0))
            room = np.add.reduceat(may, offsets[:-1].astype(np.int64)) if len(rows) else may
            part = np.uint64(mix.credit[ctx.vocabulary("party_type")[group.party_type]].premium_permille)
            wanted = np.minimum(units * part // np.uint64(1000), room)
            best = shared_holders(ctx, offsets, may * leaning(group.premium), may, wanted, start)
            first = {group.standard: holders - best, group.premium: best}
        for name, counts in first.items():
            found[name] = np.zeros(len(summary), dtype=np.uint64)
            found[name][rows] = counts
    return found


def give_first(
    ctx: PartitionContext, summary: Frame, first: dict[str, Array], begin: int, held: Array
) -> dict[str, Array]:
    """Pick holders and give each its first credit account: fills their columns of `held`.

    Args:
        ctx: Context.
        summary: Rows of `s1_party_summary_6A` of the partition.
        first: `first_accounts` of these rows.
        begin: Row of the partition's first party among all.
        held: parties x account types.

    Returns:
        Whether each party is a holder (bool), by account type.
    """
    columns = ctx.columns
    result: dict[str, Array] = {}
    for group in credit_groups(ctx):
        flag = columns.xp.zeros(len(held), dtype=np.bool_)
        units = sum((first[name] for name in group.types), np.zeros(len(summary), dtype=np.uint64))
        picked = _pick(ctx, summary, units, begin, len(held), None, 0)
        flag[picked[0]] = picked[1] > 0
        best = columns.xp.zeros(len(held), dtype=np.bool_)
        if group.premium is not None:
            chosen = _pick(ctx, summary, first[group.premium], begin, len(held), flag, 1)
            best[chosen[0]] = chosen[1] > 0
            held[:, ctx.code("account_type", group.premium)] = best
        held[:, ctx.code("account_type", group.standard)] = flag & ~best
        result |= dict.fromkeys(group.types, flag)
    return result


def _pick(
    ctx: PartitionContext,
    summary: Frame,
    units: Array,
    begin: int,
    parties: int,
    among: Array | None,
    step: int,
) -> tuple[Array, Array]:
    """Parties of the cells that pick somebody, and how often each is picked (0 or 1)."""
    columns = ctx.columns
    rows = np.flatnonzero(units > 0)
    cells = summary.take(rows)
    offsets = prefix(cells.parties)
    cell, rank = ctx.kernels.expand_rows(offset=columns.place(offsets), dims={"m": int(offsets[-1])})
    party = columns.take(cells.first_party_no - np.uint64(begin + 1), cell) + rank
    law = Law(
        {"party_cell": cell_words(ctx, cells), "credit_step": np.full(len(rows), step, dtype=np.uint64)},
        units[rows],
        np.zeros(len(rows)),
        np.full(len(rows), float(ctx.params.product_mix_6A.holder_sigma)),
    )
    eligible = np.ones_like(party, dtype=np.bool_) if among is None else among[party]
    capacity = np.ones_like(party, dtype=np.uint32)
    count = spread(ctx, law, offsets, cell, {"party_rank": rank}, capacity, eligible, (PICK, START))
    return party, count


def check_credit(ctx: Context) -> None:
    """Refuse credit groups that are no accounts of their party type.

    Raises:
        ContractError: `<state>.VOCABULARY_MISMATCH` or `<state>.POLICY_CONTRADICTS`.
    """
    credit, taxonomy = ctx.params.product_mix_6A.credit, ctx.params.account_taxonomy_6A.party_accounts
    require_terms(
        ctx, credit, ctx.vocabulary("party_type"), "product_mix_6A.credit", "party_type", complete=False
    )
    faults: list[Fault] = []
    barred = ctx.params.product_linkage_6A.not_eligible
    for name, rule in credit.items():
        types = [rule.standard, *([rule.premium] if "premium" in rule else [])]
        require_terms(
            ctx, types, list(taxonomy), f"product_mix_6A.credit.{name}", "account_type (of parties)", False
        )
        at = f"product_mix_6A.credit.{name}"
        wrong = [kind for kind in types if taxonomy[kind].party_type != name or taxonomy[kind].required]
        faults += [Fault(at, f"{kind} is required, or no account of {name} parties") for kind in wrong]
        if rule.standard in barred:
            faults.append(Fault(at, f"{rule.standard}: product_linkage_6A keeps some segments from it"))
        if ("premium" in rule) != ("premium_permille" in rule):
            faults.append(Fault(at, f"{name}: premium and premium_permille go together"))
    what, do = "Credit accounts: the mix contradicts the taxonomy.", "correct the group named"
    refuse_any(ctx, "POLICY_CONTRADICTS", what, faults, do=do)
