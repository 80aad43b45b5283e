"""5A.S1: the class and the weekly volume of each (merchant, country, time zone).

    physical = class median x brand x sum of site scales x outlets ** chain premium x channel multiplier
               x group weight x (1 - virtual share)
    virtual  = class median x brand x lognormal x channel and virtual multiplier
               x edge group weight x virtual share

The class follows from MCC and channel; the virtual part uses the MCC's card_not_present class. A key with
both parts is shaped by the class of the larger one. Brand is one factor a merchant; site scales are 2B's, so
a chain's zones are not drawn anew. A generated merchant is at most as large as its home market allows
(`market_volumes.py`).
"""

from __future__ import annotations

import numpy as np

from sim.ground.errors import ValidationError
from sim.recipes.apportion import fixed_point
from sim.recipes.audits import ledger_check
from sim.recipes.groups import run_of_row, run_offsets, sum_by_run
from sim.recipes.join import look_up, match
from sim.recipes.supplied import replaced
from sim.recipes.weights import POWER_NEEDS, as_share, power
from sim.recipes.words import WORDS_NEEDS, word
from sim.segments.intensity_5a.market_volumes import (
    MARKET_VOLUMES_NEEDS,
    MarketCounts,
    count_markets,
    largest_checks,
    market_check,
    within_market,
)
from sim.segments.intensity_5a.profile_counts import LARGEST, ProfileCounts, count_coverage, of_the_largest
from sim.state.context import Context, PartitionContext
from sim.state.declaration import ROW_LEVEL, Check, Frames, Measurement, Partition, State
from sim.state.frames import Array, Frame
from sim.state.refuse import refuse
from sim.state.totals import Totals

STATE = State(
    id="5A.S1",
    title="Demand profile",
    reads={
        "merchant_catalogue_1A": ROW_LEVEL,
        "merchant_supplied_1A": ROW_LEVEL,
        "s4_group_weights_2B": ROW_LEVEL,
        "virtual_classification_3B": ROW_LEVEL,
        "edge_group_weights_3B": ROW_LEVEL,
    },
    config=("mcc_taxonomy_1A", "demand_classes_5A", "demand_policy_5A", "realism_gates_5A"),
    writes=("merchant_zone_profile_5A",),
    streams=("5A.virtual_scale",),
    kernels=("lognormal_factor",),
    counts=(ProfileCounts, MarketCounts),
    uses=(MARKET_VOLUMES_NEEDS, POWER_NEEDS, WORDS_NEEDS),
)

_VOLUME_BITS = 30
_SCALE_UNIT = 2.0**-20  # of s4_group_weights_2B.site_scale_q


def compute(ctx: PartitionContext, part: Partition) -> Frames:
    """Profiles of all merchants."""
    merchants = _merchants(ctx)
    sites = ctx.load(
        "s4_group_weights_2B",
        columns=("merchant_id", "legal_country_iso", "tzid", "sites", "weight_q", "site_scale_q"),
    )
    edges = ctx.load("edge_group_weights_3B", columns=("merchant_id", "country_iso", "tzid", "weight_q"))
    volumes = within_market(ctx, merchants, *_merchant_volumes(ctx, merchants, sites))
    physical, virtual = _as_given(ctx, merchants, *volumes)
    at_site = look_up(merchants.merchant_id, sites.merchant_id)
    at_edge = look_up(merchants.merchant_id, edges.merchant_id)
    rows = _keys(
        sites,
        edges,
        at_site,
        at_edge,
        physical[at_site] * as_share(sites.weight_q),
        virtual[at_edge] * as_share(edges.weight_q),
    )
    profile = _profile(ctx, merchants, rows)
    _count_given(ctx, merchants, profile)
    count_markets(ctx, merchants, profile)
    groups = (at_site, sites.legal_country_iso, sites.weight_q), (at_edge, edges.country_iso, edges.weight_q)
    count_coverage(ctx, merchants["virtual_share"], *groups, profile)
    ctx.count(
        ProfileCounts.classes,
        np.bincount(profile.demand_class, minlength=len(ctx.vocabulary("demand_class"))),
    )
    ctx.count(ProfileCounts.volume, fixed_point(profile.weekly_volume_expected, 0).astype(np.int64).sum())
    ctx.count(ProfileCounts.volume_of_largest, of_the_largest(profile))
    ctx.count(
        ProfileCounts.too_large,
        int((profile.weekly_volume_expected > ctx.params.realism_gates_5A.max_weekly_volume).sum()),
    )
    return {"merchant_zone_profile_5A": profile}


def checks(ctx: Context, totals: Totals) -> list[Check]:
    """Draws, coverage, sizes."""
    seen = ProfileCounts(totals)
    limit = ctx.params.realism_gates_5A.max_weekly_volume
    return [
        ledger_check(totals, "5A.virtual_scale", seen.virtual_merchants, 1),
        Check(
            "every merchant-country with weight has demand",
            seen.uncovered_pairs == 0,
            seen.uncovered_pairs,
            0,
            f"of {seen.weighted_pairs} pairs of site and edge groups",
        ),
        Check(
            "weekly volumes as given",
            seen.given_off == 0,
            {"merchants": seen.given_volumes, "off": seen.given_off},
            {"off": 0},
            "the keys of a merchant sum to the weekly_volume its user gave, times the scale, to 2**-20 of it",
        ),
        market_check(ctx, totals),
        *largest_checks(ctx, totals),
        Check("largest weekly volume", seen.too_large == 0, seen.too_large, 0, f"keys above {limit} a week"),
    ]


def measure(ctx: Context, totals: Totals) -> list[Measurement]:
    """Class mix, size of a week, and how much of it the largest merchants have."""
    seen = ProfileCounts(totals)
    mix = dict(zip(ctx.vocabulary("demand_class"), seen.classes.tolist(), strict=True))
    largest = seen.volume_of_largest.tolist()
    shares = {name: part / max(1, seen.volume) for name, part in zip(LARGEST, largest, strict=True)}
    return [
        Measurement("keys by class", mix, "keys"),
        Measurement("weekly volume", seen.volume, "arrivals", "expected in an ordinary week"),
        Measurement(
            "upper shares of weekly volume",
            shares,
            "share",
            "what the largest merchants have of all expected arrivals",
        ),
    ]


def _merchants(ctx: Context) -> Frame:
    """Merchants with class codes and virtual share, sorted by id."""
    merchants = ctx.load(
        "merchant_catalogue_1A",
        columns=("merchant_id", "mcc", "channel", "home_country_iso", "brand_factor"),
    )
    modes = ctx.load("virtual_classification_3B", columns=("merchant_id", "virtual_mode", "virtual_share"))
    if not np.array_equal(merchants.merchant_id, modes.merchant_id):
        refuse(
            ctx,
            "MERCHANTS_DIFFER",
            "The virtual classification does not list the catalogue's merchants.",
            found=f"{len(modes)} merchants",
            expected=f"the {len(merchants)} of merchant_catalogue_1A, in order",
            do="closedworld verify RUN; then build the run again",
            error=ValidationError,
        )
    given = ctx.load(
        "merchant_supplied_1A", columns=("merchant_id", "law_mcc", "demand_class", "weekly_volume")
    )
    law = replaced(merchants.merchant_id, merchants.mcc, given, "law_mcc")
    own, online = _classes(ctx, merchants.with_columns(mcc=law))
    own = replaced(merchants.merchant_id, own, given, "demand_class")
    weekly = replaced(
        merchants.merchant_id, np.zeros(len(merchants), dtype=np.float64), given, "weekly_volume"
    )
    merchants = merchants.with_columns(
        own_class=own,
        online_class=online,
        given_volume=weekly,
        generated=~np.isin(merchants.merchant_id, given.merchant_id),
    )
    return merchants.with_columns(virtual_mode=modes.virtual_mode, virtual_share=modes.virtual_share)


def _classes(ctx: Context, merchants: Frame) -> tuple[Array, Array]:
    """Class codes of each merchant's physical and virtual demand: two int16 arrays."""
    mccs = ctx.params.mcc_taxonomy_1A.mccs
    known = np.array([row.mcc for row in mccs], dtype=np.uint16)
    order = np.argsort(known)
    row, found = match(known[order], merchants.mcc)
    at, missing = order[row], np.unique(merchants.mcc[~found]).tolist()
    if missing:
        refuse(
            ctx,
            "MCC_UNKNOWN",
            "A merchant's category has no demand class.",
            found=", ".join(str(code) for code in missing[:8]),
            expected="an MCC of the taxonomy",
            at="mcc_taxonomy_1A.mccs",
            do="add the MCC to the taxonomy, or correct the merchant",
        )
    channels = ctx.vocabulary("channel")
    table = np.array(
        [[ctx.code("demand_class", row.demand_class[name]) for name in channels] for row in mccs],
        dtype=np.int16,
    )
    return table[at, merchants.channel], table[at, ctx.code("channel", "card_not_present")]


def _merchant_volumes(ctx: PartitionContext, merchants: Frame, sites: Frame) -> tuple[Array, Array]:
    """Weekly physical and virtual volume of each merchant, over all its zones: float64."""
    policy, classes = ctx.params.demand_policy_5A, ctx.params.demand_classes_5A.classes
    names = ctx.vocabulary("demand_class")
    median = np.array([classes[name].weekly_volume_per_site_median for name in names], dtype=np.float64)
    channel = np.array(
        [policy.channel_multiplier[name] for name in ctx.vocabulary("channel")], dtype=np.float64
    )
    common = merchants.brand_factor * channel[merchants.channel] * np.float64(policy.volume_scale)

    scale = np.zeros(len(merchants), dtype=np.float64)
    offsets = run_offsets(sites.merchant_id)
    owner = look_up(merchants.merchant_id, sites.merchant_id[offsets[:-1].astype(np.int64)])
    scale[owner] = sum_by_run(sites.site_scale_q, offsets).astype(np.float64) * _SCALE_UNIT
    outlets = np.ones(len(merchants), dtype=np.float64)
    outlets[owner] = sum_by_run(sites.sites.astype(np.uint64), offsets).astype(np.float64)
    scale = scale * power(ctx, outlets, policy.chain_premium)
    physical = median[merchants.own_class] * common * scale * (1.0 - merchants.virtual_share)

    virtual = np.zeros(len(merchants), dtype=np.float64)
    online = np.flatnonzero(merchants.virtual_share > 0.0)
    drawn = _virtual_scale(ctx, merchants.merchant_id[online], policy.virtual_sigma)
    modes = ctx.vocabulary("virtual_mode")
    mode = np.array(
        [policy.virtual_multiplier[name] if name != "NON_VIRTUAL" else 0.0 for name in modes],
        dtype=np.float64,
    )
    base = median[merchants.online_class[online]] * common[online] * mode[merchants.virtual_mode[online]]
    virtual[online] = base * drawn * merchants.virtual_share[online]
    ctx.count(
        ProfileCounts.virtual_merchants,
        int((merchants.virtual_mode != ctx.code("virtual_mode", "NON_VIRTUAL")).sum()),
    )
    return physical, virtual


def _as_given(ctx: Context, merchants: Frame, physical: Array, virtual: Array) -> tuple[Array, Array]:
    """Volumes of merchants whose user gave one, split in the proportion of the law: float64, float64."""
    wanted = _wanted(ctx, merchants)
    drawn = physical + virtual
    factor = np.where((wanted > 0.0) & (drawn > 0.0), wanted / np.where(drawn > 0.0, drawn, 1.0), 1.0)
    return physical * factor, virtual * factor


def _wanted(ctx: Context, merchants: Frame) -> Array:
    """Weekly volume each merchant must have because it was given, 0 where the law decides: float64."""
    wanted: Array = merchants.given_volume * np.float64(ctx.params.demand_policy_5A.given_volume_scale)
    return wanted


def _count_given(ctx: PartitionContext, merchants: Frame, profile: Frame) -> None:
    """Merchants with a given volume, and how many of them the published rows do not add up to it."""
    wanted = _wanted(ctx, merchants)
    offsets = run_offsets(profile.merchant_id)
    found = np.zeros(len(merchants), dtype=np.float64)
    owner = look_up(merchants.merchant_id, profile.merchant_id[offsets[:-1].astype(np.int64)])
    found[owner] = (
        sum_by_run(fixed_point(profile.weekly_volume_expected, _VOLUME_BITS), offsets).astype(np.float64)
        * 2.0**-_VOLUME_BITS
    )
    keys = np.zeros(len(merchants), dtype=np.float64)
    keys[owner] = np.diff(offsets.astype(np.int64))
    slack = wanted * 2.0**-20 + keys * 2.0**-_VOLUME_BITS  # every key is cut to whole units
    ctx.count(ProfileCounts.given_volumes, int((wanted > 0.0).sum()))
    ctx.count(ProfileCounts.given_off, int(((wanted > 0.0) & (np.abs(found - wanted) > slack)).sum()))


def _virtual_scale(ctx: PartitionContext, merchant_id: Array, spread: float) -> Array:
    """Lognormal size of a merchant's virtual demand, median 1: float64, one draw a merchant."""
    x = word(ctx, "5A.virtual_scale", merchant_id=merchant_id)
    sigma = np.full(len(merchant_id), spread, dtype=np.float64)
    factor: Array = ctx.kernels.lognormal_factor(x=x, mu=np.zeros(len(merchant_id)), sigma=sigma)
    return factor


def _keys(
    sites: Frame, edges: Frame, at_site: Array, at_edge: Array, physical: Array, virtual: Array
) -> Frame:
    """The union of site groups and edge groups, one row a (merchant, country, zone).

    `owner` is the merchant's row.
    """
    both = Frame(
        {
            "owner": np.concatenate([at_site, at_edge]),
            "country": np.concatenate([sites.legal_country_iso, edges.country_iso]),
            "tzid": np.concatenate([sites.tzid, edges.tzid]),
            "physical": np.concatenate([physical, np.zeros(len(edges))]),
            "virtual": np.concatenate([np.zeros(len(sites)), virtual]),
        }
    ).sort("owner", "country", "tzid")
    offsets = run_offsets(both.owner, both.country, both.tzid)
    # A key has at most one site group and one edge group, so each column has at most one value a run that is
    # not 0.
    run, size = run_of_row(offsets), len(offsets) - 1
    columns: dict[str, Array] = {"physical": np.zeros(size), "virtual": np.zeros(size)}
    for name, column in columns.items():
        filled = both[name] > 0.0
        column[run[filled]] = both[name][filled]
    return (
        both.take(offsets[:-1].astype(np.int64))
        .select("owner", "country", "tzid")
        .with_columns(None, **columns)
    )


def _profile(ctx: Context, merchants: Frame, rows: Frame) -> Frame:
    """Rows of `merchant_zone_profile_5A`: keys without volume are left out."""
    total = rows.physical + rows.virtual
    kept = np.flatnonzero(total > 0.0)
    rows, total = rows.take(kept), total[kept]
    owner = rows.owner
    mainly_virtual = rows.virtual > rows.physical
    return Frame(
        {
            "merchant_id": merchants.merchant_id[owner],
            "legal_country_iso": rows.country,
            "tzid": rows.tzid,
            "channel_group": merchants.channel[owner],
            "demand_class": np.where(
                mainly_virtual, merchants.online_class[owner], merchants.own_class[owner]
            ),
            "virtual_mode": merchants.virtual_mode[owner],
            "weekly_volume_expected": total,
            "virtual_share": rows.virtual / total,
            "physical_volume": rows.physical,
            "virtual_volume": rows.virtual,
        }
    )
