"""Checks of the parties of all partitions: counts, mixes, households, and priors against measured."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from sim.recipes.audits import between_check, ledger_check
from sim.recipes.terms import entry
from sim.segments.entities_6a.s1_parties.checks_people import PEOPLE_CHECKS_NEEDS, people_checks
from sim.segments.entities_6a.s1_parties.population import POPULATION_NEEDS, population
from sim.state.context import Context, PartitionContext
from sim.state.counters import Counters, Scalar, Vector
from sim.state.declaration import METADATA_ONLY, Check, Needs
from sim.state.frames import Array, Frame
from sim.state.totals import Totals

PARTY_CHECKS_NEEDS = Needs(
    reads={"outlet_catalogue": METADATA_ONLY},
    config=("household_prior_6A", "party_taxonomy_6A", "realism_gates_6A", "segmentation_prior_6A"),
    uses=(PEOPLE_CHECKS_NEEDS, POPULATION_NEEDS),
)


class PartyCounts(Counters):
    """Parties and households as published."""

    parties = Scalar()
    id_gaps = Scalar()
    households = Scalar()
    household_gaps = Scalar()
    torn_households = Scalar()
    shared_by_others = Scalar()
    size_by_region = Vector("region", lambda ctx: _sizes(ctx) + 1)
    segment_by_region = Vector("region", "segment")
    country = Vector("country")


def count_parties(ctx: PartitionContext, parties: Frame, head: Array) -> None:
    """Integer sums over the published rows of one partition.

    Args:
        ctx: Context of the partition.
        parties: Rows as published.
        head: int64: row of the first member of each household, in the order of household ids.
    """
    regions, segments = len(ctx.vocabulary("region")), len(ctx.vocabulary("segment"))
    sizes = _sizes(ctx)
    ids = parties.party_id.astype(np.int64)
    own = (parties.household_id - parties.household_id.min()).astype(np.int64)
    members = np.bincount(own, minlength=len(head))
    lead = head[np.minimum(own, len(head) - 1)] if len(head) else own
    retail = parties.party_type[head] == ctx.code("party_type", "RETAIL")
    table = np.bincount(
        parties.region_id[head[retail]].astype(np.int64) * (sizes + 1) + members[retail],
        minlength=regions * (sizes + 1),
    )
    ctx.count(PartyCounts.parties, len(parties))
    ctx.count(PartyCounts.id_gaps, int((np.diff(ids) != 1).sum()))
    ctx.count(PartyCounts.households, len(head))
    ctx.count(PartyCounts.household_gaps, abs(int((members > 0).sum()) - len(head)))
    torn = np.zeros(len(parties), dtype=np.bool_)
    for name in ("country_iso", "home_city_id", "home_lat_deg", "home_lon_deg", "address_id", "building_id"):
        torn |= parties[name] != parties[name][lead]
    ctx.count(PartyCounts.torn_households, int(torn.sum()))
    ctx.count(
        PartyCounts.shared_by_others,
        int((members[parties.party_type[head] != ctx.code("party_type", "RETAIL")] != 1).sum()),
    )
    ctx.count(PartyCounts.size_by_region, table)
    mix = parties.region_id.astype(np.int64) * segments + parties.segment_id
    ctx.count(PartyCounts.segment_by_region, np.bincount(mix, minlength=regions * segments))
    ctx.count(PartyCounts.country, np.bincount(parties.country_iso, minlength=len(ctx.vocabulary("country"))))


def _sizes(ctx: Context) -> int:
    """Members of the largest household."""
    return len(next(iter(ctx.params.household_prior_6A.size_mix.items()))[1])


def party_checks(ctx: Context, totals: Totals, streams: Mapping[str, str]) -> list[Check]:
    """Model checks of 6A.S1.

    Args:
        ctx: Context with `realism_gates_6A` and all that `population` needs.
        totals: Sums of `count_parties`.
        streams: Streams by what they are of: `household` (the queues), `match`, `home`, `dwelling`,
            `profile`, `life`.
    """
    seen = PartyCounts(totals)
    gates, targets = ctx.params.realism_gates_6A.parties, population(ctx)
    parties, expected = seen.parties, int(targets.countries.parties.sum())
    country = seen.country
    planned = np.zeros(len(country), dtype=np.int64)
    planned[targets.countries.country_iso] = targets.countries.parties.astype(np.int64)
    outlets = sum(file.rows for file in ctx.files("outlet_catalogue"))
    types, segments = _by_type(ctx, totals)
    business = int(types[:, ctx.code("party_type", "BUSINESS")].sum()) * 1000 // max(1, parties)
    top = int(np.argmax(country))
    share = int(country[top]) * 1000 // max(1, parties)
    largest = {"country": ctx.vocabulary("country")[top], "permille": share, **_concentration(country)}
    cap = gates.country_share_max_permille
    people = int(types[:, ctx.code("party_type", "RETAIL")].sum())
    homes = int(targets.countries.households.sum())
    whole = [seen.id_gaps, seen.household_gaps, seen.torn_households, seen.shared_by_others]
    ranges = [
        between_check(
            "business share", business, tuple(gates.business_share_permille), "permille of parties"
        ),
        _effective_check(ctx, segments, gates.effective_segments_permille),
        between_check(
            "parties an outlet",
            parties // max(1, outlets),
            tuple(gates.parties_per_outlet),
            f"{outlets} outlets",
        ),
        Check(
            "largest country",
            share <= cap or len(targets.countries) == 1,
            largest,
            cap,
            "share in permille; HHI and Gini in permille for information",
        ),
    ]
    return [
        *(ranges if parties >= gates.judged_from else []),
        Check(
            "parties in all",
            parties == expected,
            parties,
            expected,
            "by expected arrivals, within policy and people",
        ),
        Check(
            "parties of each country",
            bool((country == planned).all()),
            int((country != planned).sum()),
            0,
            "countries that differ",
        ),
        Check(
            "ids and households are whole",
            whole == [0, 0, 0, 0],
            whole,
            0,
            "id gaps; empty, torn and wrongly shared households",
        ),
        Check("households in all", seen.households == homes, seen.households, homes),
        _mix_check(ctx, "party types", types, _expected(ctx, "type"), gates.mix_tolerance_permille),
        _mix_check(ctx, "segments", segments, _expected(ctx, "segment"), gates.mix_tolerance_permille),
        _household_check(ctx, totals, gates.household_mean_tolerance_permille),
        *people_checks(ctx, totals),
        ledger_check(totals, streams["household"], people, 1),
        ledger_check(totals, streams["match"], people, 3),
        ledger_check(totals, streams["home"], homes, 4),
        ledger_check(totals, streams["dwelling"], homes, 3),
        ledger_check(totals, streams["profile"], parties, 7),
        ledger_check(totals, streams["life"], parties, 4),
    ]


def _by_type(ctx: Context, totals: Totals) -> tuple[Array, Array]:
    """Measured parties by region x type and region x segment: int64."""
    segments = PartyCounts(totals).segment_by_region
    taxonomy, names = ctx.params.party_taxonomy_6A.segments, ctx.vocabulary("party_type")
    types = np.zeros((len(segments), len(names)), dtype=np.int64)
    for code, name in enumerate(ctx.vocabulary("segment")):
        types[:, names.index(taxonomy[name].party_type)] += segments[:, code]
    return types, segments


def _expected(ctx: Context, level: str) -> Array:
    """Prior share of each type or segment in its region, in units of 10**-8: int64.

    A segment's share is the product of the shares of its type and of itself within the type.
    """
    mix, taxonomy = ctx.params.segmentation_prior_6A, ctx.params.party_taxonomy_6A.segments
    rows = []
    for region in ctx.vocabulary("region"):
        kinds = mix.party_type_mix[region]
        if level == "type":
            rows.append([entry(kinds, name, 0) * 10_000 for name in ctx.vocabulary("party_type")])
            continue
        row = []
        for name in ctx.vocabulary("segment"):
            kind = taxonomy[name].party_type
            inner = mix.segment_mix[kind][region]
            row.append(entry(kinds, kind, 0) * entry(inner, name, 0))
        rows.append(row)
    return np.array(rows, dtype=np.int64)


def _effective_check(ctx: Context, segments: Array, least: Any) -> Check:
    """Effective number of segments of each party type: the inverse Simpson index, in permille."""
    taxonomy, total = ctx.params.party_taxonomy_6A.segments, segments.sum(axis=0)
    found = {}
    for name in ctx.vocabulary("party_type"):
        own = [
            int(total[code])
            for code, term in enumerate(ctx.vocabulary("segment"))
            if taxonomy[term].party_type == name
        ]
        found[name] = sum(own) ** 2 * 1000 // max(1, sum(count * count for count in own))
    passed = all(found[name] >= least[name] for name in found)
    return Check(
        "effective segments", passed, found, least.plain(), "inverse Simpson index by party type, permille"
    )


def _mix_check(ctx: Context, name: str, found: Array, prior: Array, tolerance: int) -> Check:
    """Shares by region against their prior.

    The tolerance grows by one party a country and cell, which rounding may move.
    """
    per_region = found.sum(axis=1)
    wanted = prior * per_region[:, None] // 100_000_000
    rounding = len(ctx.vocabulary("country"))
    off = np.abs(found - wanted)
    allowed = per_region[:, None] * tolerance // 1000 + rounding
    at = int(np.argmax(off * 1_000_000 // np.maximum(1, per_region[:, None])))
    region, term = divmod(at, found.shape[1])
    terms = ctx.vocabulary("party_type" if found.shape[1] == len(ctx.vocabulary("party_type")) else "segment")
    widest = {"region": ctx.vocabulary("region")[region], "word": terms[term]}
    widest |= {"found": int(found[region, term]), "prior": int(wanted[region, term])}
    total = {code: int(count) for code, count in zip(terms, found.sum(axis=0), strict=True)}
    note = "share of each region within the tolerance; the widest is shown"
    return Check(
        f"mix of {name}",
        bool((off <= allowed).all()),
        {**widest, "world": total},
        {"permille": tolerance},
        note,
    )


def _household_check(ctx: Context, totals: Totals, tolerance: int) -> Check:
    """Mean members of RETAIL households by region against the size mix."""
    table = PartyCounts(totals).size_by_region
    size = np.arange(table.shape[1])
    figures, passed = {}, True
    for code, name in enumerate(ctx.vocabulary("region")):
        homes, people = int(table[code].sum()), int((table[code] * size).sum())
        mix = ctx.params.household_prior_6A.size_mix[name]
        prior = sum(share * (at + 1) for at, share in enumerate(mix))
        # Each country may have one smaller household of each size.
        slack = len(mix) * len(ctx.vocabulary("country")) * 1000
        passed &= abs(people * 1000 - prior * homes // 10) <= prior * homes // 10 * tolerance // 1000 + slack
        figures[name] = {"mean_permille": people * 1000 // max(1, homes), "prior_permille": prior // 10}
    return Check(
        "members of a household",
        bool(passed),
        figures,
        {"permille": tolerance},
        "mean by region against the size mix",
    )


def _concentration(country: Array) -> dict[str, int]:
    """Herfindahl index and Gini coefficient of parties over the countries that have any, in permille."""
    held = np.sort(country[country > 0])
    total, count = int(held.sum()), len(held)
    squares = sum(int(value) ** 2 for value in held)
    ranked = sum((2 * (at + 1) - count - 1) * int(value) for at, value in enumerate(held))
    return {
        "hhi_permille": squares * 1000 // max(1, total * total),
        "gini_permille": ranked * 1000 // max(1, count * total),
    }
