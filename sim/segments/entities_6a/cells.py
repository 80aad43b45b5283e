"""Cells (region, segment): their factors, and a world's total shared exactly over cells and countries.

A world total = round(mean x holders). It is shared over the cells by largest remainder in proportion to size
x factor, where

    factor = exp(clip(sum of weight x (score - 0.5), +- limit))

and each cell's units over its countries by largest remainder in proportion to size. So the mean of the prior
holds in every world, and segments and regions only share it out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from sim.ground.errors import ValidationError
from sim.recipes.apportion import LARGEST_REMAINDER_NEEDS, fixed_point, largest_remainder
from sim.recipes.groups import run_offsets, sum_by_run
from sim.recipes.terms import by_term, entry, require_terms
from sim.state.context import Context
from sim.state.declaration import Needs
from sim.state.frames import Array, Frame
from sim.state.params import Params
from sim.state.refuse import Fault, refuse, refuse_any

FACTOR_BITS = 20
NEUTRAL = 0.5
Tilt = Mapping[str, float] | Any

CELL_WORDS_NEEDS = Needs(kernels=("entity_hash",))
SEGMENT_SCORES_NEEDS = Needs(config=("party_taxonomy_6A",))
LEANINGS_NEEDS = Needs(config=("region_context_6A",), kernels=("exp_map",), uses=(SEGMENT_SCORES_NEEDS,))
SHARES_NEEDS = Needs(uses=(LARGEST_REMAINDER_NEEDS,))


def segment_scores(ctx: Context) -> dict[str, Array]:
    """Scores of segments by scale, float64 by segment code; scales a segment says nothing of are neutral."""
    segments = by_term(ctx, "segment", ctx.params.party_taxonomy_6A.segments, "party_taxonomy_6A.segments")
    return _scores([segment.scores for segment in segments])


def region_scores(ctx: Context) -> dict[str, Array]:
    """Scores of regions by scale, float64 by region code."""
    return _scores(by_term(ctx, "region", ctx.params.region_context_6A.scores, "region_context_6A.scores"))


def _scores(rows: list[Any]) -> dict[str, Array]:
    scales = sorted({name for row in rows for name in row})
    return {name: np.array([entry(row, name, NEUTRAL) for row in rows], dtype=np.float64) for name in scales}


@dataclass(frozen=True)
class Leanings:
    """How cells lean on scales.

    Attributes:
        segments: Scores of segments by scale.
        regions: Scores of regions by scale.
    """

    segments: dict[str, Array]
    regions: dict[str, Array]

    @classmethod
    def of(cls, ctx: Context) -> Leanings:
        """Scores of `party_taxonomy_6A` and `region_context_6A`."""
        return cls(segment_scores(ctx), region_scores(ctx))

    def check(self, ctx: Context, tilts: Params, where: str, segment: str, region: str) -> None:
        """Refuse a tilt on a scale without scores (`<state>.VOCABULARY_MISMATCH`).

        Args:
            ctx: Context.
            tilts: Object of the configuration that holds both tilts.
            where: Its key, `<pack>.<key>`.
            segment: Name of the tilt by scores of segments in it.
            region: Name of the tilt by scores of regions in it.
        """
        require_terms(
            ctx, tilts[segment], self.segments, f"{where}.{segment}", "of segment scores", complete=False
        )
        require_terms(
            ctx, tilts[region], self.regions, f"{where}.{region}", "of region scores", complete=False
        )

    def factor(self, ctx: Context, segment_tilt: Tilt, region_tilt: Tilt, limit: float) -> Array:
        """Factor of each cell: float64, regions x segments."""
        shape = (len(ctx.vocabulary("region")), len(ctx.vocabulary("segment")))
        total = np.zeros(shape, dtype=np.float64)
        for name in segment_tilt:
            total = total + np.float64(segment_tilt[name]) * (self.segments[name] - NEUTRAL)[None, :]
        for name in region_tilt:
            total = total + np.float64(region_tilt[name]) * (self.regions[name] - NEUTRAL)[:, None]
        clipped = np.clip(total, -np.float64(limit), np.float64(limit))
        factor: Array = ctx.kernels.exp_map(x=clipped.ravel()).reshape(shape)
        return factor


def cell_words(ctx: Context, rows: Frame) -> Array:
    """Field `party_cell` of each row: a hash of its country and segment, uint64.

    It also breaks ties between rows.
    """
    country, segment = (
        ctx.name_hashes("country")[rows.country_iso],
        ctx.name_hashes("segment")[rows.segment_id],
    )
    return ctx.field("party_cell", country_name=country, segment_name=segment)


def total_of(mean: float, holders: int) -> int:
    """round(mean x holders), halves up."""
    return int(np.floor(np.float64(mean) * np.float64(holders) + 0.5))


def share_out(
    ctx: Context, total: int, rows: Frame, size: Array, factor: Array, chance: Array, what: str, mean: str
) -> Array:
    """Whole units of each row.

    Args:
        ctx: Context.
        total: Units to share.
        rows: One row a country of a cell: `country_iso`, `region_id`, `segment_id`.
        size: uint64, one a row: 0 gets nothing.
        factor: float64, regions x segments.
        chance: uint64, one a row: breaks ties.
        what: What the units are, for the message.
        mean: Key of the mean that the total comes from, `<pack>.<key>`, for the message.

    Returns:
        uint64, one a row, of sum `total`.

    Raises:
        ValidationError: `<state>.ZERO_WEIGHT`: units to share, but no row may take them.
    """
    units = np.zeros(len(rows), dtype=np.uint64)
    scaled = fixed_point(factor, FACTOR_BITS)[rows.region_id, rows.segment_id]
    open_rows = np.flatnonzero((size > 0) & (scaled > 0))
    if total == 0:
        return units
    if len(open_rows) == 0:
        refuse(
            ctx,
            "ZERO_WEIGHT",
            f"{what}: a positive total and nobody who may hold it",
            found=f"{total} units, weights that sum to 0",
            expected="an eligible cell with holders",
            at=mean,
            do="set the mean to 0, or make a segment eligible (product_linkage_6A, instrument_linkage_6A)",
            error=ValidationError,
        )
    cell = rows.region_id.astype(np.int64) * factor.shape[1] + rows.segment_id
    order = open_rows[np.argsort(cell[open_rows], kind="stable")]
    offsets = run_offsets(cell[order])
    first = order[offsets[:-1].astype(np.int64)]
    weight = sum_by_run(size[order], offsets) * scaled[first]
    whole = np.array([0, len(first)], dtype=np.uint64)
    of_cell = largest_remainder(ctx, weight, whole, np.array([total], dtype=np.uint64), chance[first])
    units[order] = largest_remainder(ctx, size[order], offsets, of_cell, chance[order])
    return units


def require_capacity(
    ctx: Context, what: str, rows: Frame, units: Array, holders: Array, cap: int, where: str
) -> None:
    """Refuse cells that hold more units than their caps allow.

    Raises:
        ValidationError: `<state>.CAPS_INFEASIBLE` naming the first cell, the rule and the fix.
    """
    full = np.flatnonzero(units > holders * np.uint64(cap))
    if len(full):
        at = int(full[0])
        country, segment = (
            ctx.vocabulary("country")[rows.country_iso[at]],
            ctx.vocabulary("segment")[rows.segment_id[at]],
        )
        refuse(
            ctx,
            "CAPS_INFEASIBLE",
            f"{what}: {len(full)} cell(s) must hold more than their caps allow",
            found=f"{int(units[at])} units for {int(holders[at])} holders in {country}, {segment}",
            expected=f"at most {cap} a holder",
            at=where,
            do="raise the cap there, or lower the mean",
            error=ValidationError,
        )


def check_links(ctx: Context, vocabulary: str, links: Mapping[str, Any] | Any, where: str) -> None:
    """Refuse links to terms that a vocabulary does not have or has later.

    Raises:
        ContractError: `<state>.VOCABULARY_MISMATCH` or `<state>.LINKAGE_IMPOSSIBLE`.
    """
    terms = ctx.vocabulary(vocabulary)
    require_terms(ctx, links, terms, where, vocabulary, complete=False)
    faults = []
    for name in links:
        require_terms(ctx, links[name], terms, f"{where}.{name}", vocabulary, complete=False)
        late = [other for other in links[name] if terms.index(other) >= terms.index(name)]
        faults += [
            Fault(f"{where}.{name}", f"{name} requires {other}, which is decided later") for other in late
        ]
        faults += [] if links[name] else [Fault(f"{where}.{name}", f"{name} requires one of nothing")]
    what, do = "A linkage rule can never be met.", f"name {vocabulary}s that come earlier in their vocabulary"
    refuse_any(ctx, "LINKAGE_IMPOSSIBLE", what, faults, do=do)
