"""Exact number of each fraud role: shares of the world's entities, split over cells and countries.

World: round(share x N) of each type, within the world cap. Cells (region, segment): in proportion to parties
x regional x segment tilt. Countries: in proportion to the entities that are still free. An entity bears one
role, so what one role takes the next cannot.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from sim.recipes.apportion import LARGEST_REMAINDER_NEEDS, largest_remainder
from sim.recipes.groups import run_of_row, run_offsets, sum_by_run
from sim.segments.entities_6a.s6_fraud_roles.prevalence import (
    PREVALENCE_NEEDS,
    prevalence,
    prevalence_key,
)
from sim.state.context import Context
from sim.state.declaration import ROW_LEVEL, Needs
from sim.state.frames import Array, Frame
from sim.state.params import Params
from sim.state.refuse import refuse

MILLION = np.uint64(1_000_000)
RACED = ("MULE", "ASSOCIATE", "SYNTHETIC_ID", "FIRST_PARTY_ABUSER")
"""Roles of parties that rings and clusters leave some of. Organisers lead rings, one each: none is left."""
PARTY_ORDER = ("ORGANISER", *RACED)
ACCOUNT_ORDER = ("ACCOUNT_TAKEN_OVER", "HIGH_RISK_ACCOUNT", "DORMANT_RISKY")
DEVICE_ORDER = ("HIGH_RISK_DEVICE", "REUSED_DEVICE")
IP_ORDER = ("ABUSED_IP", "PROXY_IP")
MERCHANT_ORDER = ("COLLUSIVE", "COMPROMISED")
"""Roles are given out in these orders, each among those without one."""

ROLE_TARGETS_NEEDS = Needs(
    reads={"s1_party_summary_6A": ROW_LEVEL},
    config=("fraud_roles_party_6A", "party_taxonomy_6A"),
    uses=(LARGEST_REMAINDER_NEEDS, PREVALENCE_NEEDS),
)


def capped_shares(ctx: Context, weight: Array, cap: Array, offsets: Array, units: Array) -> Array:
    """Largest remainder with a cap on each row; a row's excess goes to the others of its group by weight.

    Args:
        ctx: Context.
        weight: uint64, n: positive where the cap is.
        cap: uint64, n.
        offsets: uint64, g + 1: groups of adjacent rows.
        units: uint64, g: at most the group's caps together.

    Returns:
        uint64, n.
    """
    taken = np.zeros(len(weight), dtype=np.uint64)
    group = run_of_row(offsets)
    while True:
        left = units - sum_by_run(taken, offsets)
        if not left.any():
            return taken
        capacity = cap - taken
        # Groups that are done weigh anything, since a total of 0 is refused.
        open_weight = np.where(left[group] > 0, np.where(capacity > 0, weight, np.uint64(0)), np.uint64(1))
        taken += np.minimum(largest_remainder(ctx, open_weight, offsets, left), capacity)


def party_targets(ctx: Context) -> tuple[Frame, Array]:
    """Parties of each role in each (country, segment).

    Args:
        ctx: Context of 6A.S6.

    Returns:
        `s1_party_summary_6A`, sorted by country and segment, and uint64 counts: rows x roles (codes of
        `party_role`).
    """
    prior = prevalence(ctx, "party")
    summary = ctx.load("s1_party_summary_6A")
    order = np.lexsort((summary.country_iso, summary.segment_id, summary.region_id, summary.party_type))
    cells = summary.take(order)
    types = run_offsets(cells.party_type)
    inner = run_offsets(cells.party_type, cells.region_id, cells.segment_id)
    first = inner[:-1].astype(np.int64)
    types_of_cells = run_offsets(cells.party_type[first])
    free = cells.parties.copy()
    counts = np.zeros((len(cells), len(ctx.vocabulary("party_role"))), dtype=np.uint64)
    for name in PARTY_ORDER:
        share = by_name(ctx, "party_type", prior.share_ppm[name])[
            cells.party_type[types[:-1].astype(np.int64)]
        ]
        parties = sum_by_run(cells.parties, types)
        units = np.minimum(rounded(share, parties), sum_by_run(free, types))
        refuse_above_cap(
            ctx,
            prevalence_key(ctx, "party"),
            name,
            int(units.sum()),
            int(parties.sum()),
            prior.world_cap_ppm[name],
            len(units),
        )
        tilt = tilt_of(ctx, name)[cells.region_id[first], cells.segment_id[first]]
        by_cell = capped_shares(
            ctx, sum_by_run(cells.parties, inner) * tilt, sum_by_run(free, inner), types_of_cells, units
        )
        # Weights equal to caps: a largest remainder never exceeds them.
        taken = capped_shares(ctx, np.maximum(free, np.uint64(1)), free, inner, by_cell)
        free -= taken
        counts[:, ctx.code("party_role", name)] = taken
    back = np.empty_like(order)
    back[order] = np.arange(len(order))
    return summary, counts[back]


def tilt_of(ctx: Context, name: str) -> Array:
    """uint64, regions x segments: how much a cell speaks for a role, in millionths; positive."""
    prior = ctx.params.fraud_roles_party_6A
    taxonomy = ctx.params.party_taxonomy_6A.segments
    segments = []
    for segment in ctx.vocabulary("segment"):
        scores = taxonomy[segment].scores
        # A profile a segment has no score for is neutral.
        known = [
            (int(weight), scores[profile])
            for profile, weight in prior.segment_permille[name].items()
            if profile in scores
        ]
        total = 1000 + sum(weight * (round(1000 * score) - 500) // 1000 for weight, score in known)
        segments.append(max(int(prior.segment_least_permille), total))
    regions = by_name(ctx, "region", prior.region_permille[name])
    return regions[:, None] * np.array(segments, dtype=np.uint64)[None, :]


def typed_targets(
    ctx: Context, kind: str, vocabulary: tuple[str, str], order: Sequence[str], counts: Array
) -> Array:
    """Entities of each role by country and type.

    Args:
        ctx: Context of 6A.S6.
        kind: Kind of entity, of fraud_prevalence_6A.
        vocabulary: Vocabularies of the types and of the roles.
        order: Roles in the order they are given out.
        counts: uint64, countries x types: entities.

    Returns:
        uint64, roles x countries x types.
    """
    kinds, roles = vocabulary
    section = prevalence(ctx, kind)
    free = counts.T.copy()
    types, countries = free.shape
    found = np.zeros((len(ctx.vocabulary(roles)), countries, types), dtype=np.uint64)
    offsets = np.arange(types + 1, dtype=np.uint64) * np.uint64(countries)
    totals = sum_by_run(free.ravel(), offsets)
    for name in order:
        units = np.minimum(
            rounded(by_name(ctx, kinds, section.share_ppm[name]), totals), sum_by_run(free.ravel(), offsets)
        )
        refuse_above_cap(
            ctx,
            prevalence_key(ctx, kind),
            name,
            int(units.sum()),
            int(totals.sum()),
            section.world_cap_ppm[name],
            types,
        )
        flat = free.ravel()
        taken = capped_shares(ctx, np.maximum(flat, np.uint64(1)), flat, offsets, units).reshape(
            types, countries
        )
        free -= taken
        found[ctx.code(roles, name)] = taken.T
    return found


def by_name(ctx: Context, vocabulary: str, values: Params | Mapping[str, int]) -> Array:
    """A config object by code of a vocabulary: uint64, 0 for names it does not have."""
    table = np.zeros(len(ctx.vocabulary(vocabulary)), dtype=np.uint64)
    for name in values:
        table[ctx.code(vocabulary, name)] = values[name]
    return table


def rounded(share_ppm: Array, total: Array) -> Array:
    """round(share x total), halves up: uint64."""
    whole: Array = (share_ppm * total + MILLION // np.uint64(2)) // MILLION
    return whole


def refuse_above_cap(
    ctx: Context, pack: str, name: str, units: int, total: int, cap_ppm: int, slack: int
) -> None:
    """A role's share of the world may not exceed its cap; rounding may, by one a type."""
    if (units - slack) * 1_000_000 > cap_ppm * total:
        refuse(
            ctx,
            "CAP_INFEASIBLE",
            f"the shares of {name} break its world cap",
            found=f"{units} of {total}",
            expected=f"at most {cap_ppm} in a million",
            at=(f"{pack}.share_ppm.{name}", f"{pack}.world_cap_ppm.{name}"),
            do="lower the shares or raise the cap",
        )
