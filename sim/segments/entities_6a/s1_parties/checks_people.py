"""Checks of who parties are, since when, and who lives with whom and where: over all rows."""

from __future__ import annotations

import numpy as np

from sim.recipes.groups import run_starts
from sim.recipes.months import year_of_day
from sim.recipes.sampling import sampling_check
from sim.recipes.weekdays import Weekdays
from sim.segments.entities_6a.calendar_checks import (
    CALENDAR_CHECKS_NEEDS,
    OLDEST_DAYS,
    by_age,
    share_check,
    spike_check,
)
from sim.segments.entities_6a.s1_parties.profile import email_classes, occupations
from sim.segments.entities_6a.segment_types import SEGMENT_TYPES_NEEDS
from sim.segments.entities_6a.tenure import DAYS_A_YEAR, NEVER, Days
from sim.state.context import Context, PartitionContext
from sim.state.counters import Counters, Scalar, Vector
from sim.state.declaration import Check, Needs
from sim.state.frames import Array, Frame
from sim.state.totals import Totals

PEOPLE_CHECKS_NEEDS = Needs(
    config=("party_life_6A", "party_profile_6A", "realism_gates_people_6A"),
    uses=(CALENDAR_CHECKS_NEEDS, SEGMENT_TYPES_NEEDS),
)


class PeopleCounts(Counters):
    """Lives, ages, trades and homes of parties as published."""

    wrong_lives = Scalar()
    wrong_profiles = Scalar()
    torn_buildings = Scalar()
    joined = Vector(OLDEST_DAYS)
    joined_on_weekend = Scalar()
    left = Scalar()
    days = Scalar()
    pairs = Vector("segment", "segment")
    odd_pairs = Scalar()
    occupations = Vector("segment", "occupation")
    emails = Vector("segment", "email_domain_class")
    phones_abroad = Scalar()
    homes = Scalar()
    homes_in_shared_buildings = Scalar()


def count_people(ctx: PartitionContext, parties: Frame) -> None:
    """Integer sums over the published rows of one partition."""
    _count_lives(ctx, parties)
    _count_profiles(ctx, parties)
    _count_homes(ctx, parties)


def _count_lives(ctx: PartitionContext, parties: Frame) -> None:
    days, leaves = Days.of_horizon(ctx), parties.present("left_date")
    left = np.where(leaves, parties.left_date, NEVER)
    joined = parties.joined_date
    wrong = (joined > days.last) | (leaves & ((left <= joined) | (left < days.first) | (left > days.last)))
    year = year_of_day(joined)
    person = parties.present("birth_year")
    least = int(ctx.params.party_life_6A.least_age_years)
    wrong |= person & (year - parties.birth_year < least)
    wrong |= ~person & (year < parties.founded_year)
    ctx.count(PeopleCounts.wrong_lives, int(wrong.sum()))
    ctx.count(PeopleCounts.joined, by_age(ctx, joined))
    week = Weekdays.by_country(ctx, ctx.params.party_life_6A.weekend_permille)
    ctx.count(PeopleCounts.joined_on_weekend, int(week.on_weekend(ctx, joined, parties.country_iso).sum()))
    ctx.count(PeopleCounts.left, int(leaves.sum()))
    exposed = np.maximum(np.minimum(left, days.last) - days.may_close_from(joined) + np.int32(1), 0)
    ctx.count(PeopleCounts.days, int(exposed.sum(dtype=np.int64)))


def _count_profiles(ctx: PartitionContext, parties: Frame) -> None:
    """Ages outside the segment's, and columns that people, or only others, have."""
    person = parties.party_type == ctx.code("party_type", "RETAIL")
    wrong = parties.present("founded_year") == person
    for name in ("birth_year", "occupation", "income_band"):
        wrong |= parties.present(name) != person
    laws, names = ctx.params.party_profile_6A.ages, ctx.vocabulary("segment")
    least, most = (
        np.array([laws[name][bound] if name in laws else 0 for name in names]) for bound in ("least", "most")
    )
    # A year of birth leaves a year of doubt about the age.
    age = int(year_of_day(np.array([Days.of_horizon(ctx).last]))[0]) - parties.birth_year.astype(np.int64)
    young, old = age < least[parties.segment_id], age > most[parties.segment_id] + 1
    ctx.count(PeopleCounts.wrong_profiles, int((wrong | (person & (young | old))).sum()))
    terms = len(ctx.vocabulary("occupation"))
    work = parties.segment_id[person].astype(np.int64) * terms + parties.occupation[person]
    ctx.count(PeopleCounts.occupations, np.bincount(work, minlength=len(names) * terms))
    terms = len(ctx.vocabulary("email_domain_class"))
    mail = parties.segment_id.astype(np.int64) * terms + parties.email_domain_class
    ctx.count(PeopleCounts.emails, np.bincount(mail, minlength=len(names) * terms))
    ctx.count(PeopleCounts.phones_abroad, int((parties.phone_country_iso != parties.country_iso).sum()))


def _count_homes(ctx: PartitionContext, parties: Frame) -> None:
    """Segments of the two members of RETAIL pairs, and who shares buildings."""
    order = np.argsort(parties.household_id, kind="stable")
    start = run_starts(parties.household_id[order])
    size = np.diff(np.append(start, len(order)))
    two = start[size == 2]
    first, second = (parties.segment_id[order[two + at]].astype(np.int64) for at in (0, 1))
    segments = len(ctx.vocabulary("segment"))
    pairs = np.bincount(
        np.minimum(first, second) * segments + np.maximum(first, second), minlength=segments * segments
    )
    ctx.count(PeopleCounts.pairs, pairs)
    odd = 0
    for one, other in ctx.params.realism_gates_people_6A.odd_pairs:
        low, high = sorted((ctx.code("segment", one), ctx.code("segment", other)))
        odd += int(pairs[low * segments + high])
    ctx.count(PeopleCounts.odd_pairs, odd)
    heads = parties.select("building_id", "home_lat_deg", "home_lon_deg").take(order[start])
    heads = heads.take(np.argsort(heads.building_id, kind="stable"))
    at = run_starts(heads.building_id)
    homes = np.diff(np.append(at, len(heads)))
    lead = np.repeat(at, homes)
    torn = (heads.home_lat_deg != heads.home_lat_deg[lead]) | (heads.home_lon_deg != heads.home_lon_deg[lead])
    ctx.count(PeopleCounts.torn_buildings, int(torn.sum()))
    ctx.count(PeopleCounts.homes, len(heads))
    ctx.count(PeopleCounts.homes_in_shared_buildings, int(homes[homes > 1].sum()))


def people_checks(ctx: Context, totals: Totals) -> list[Check]:
    """Checks of lives, profiles and homes.

    Args:
        ctx: Context with `PEOPLE_CHECKS_NEEDS`.
        totals: Sums of `count_people`.
    """
    seen, gates = PeopleCounts(totals), ctx.params.realism_gates_people_6A
    parties, young = int(seen.joined.sum()), int(gates.young_days)
    return [
        Check(
            "lives of parties", seen.wrong_lives == 0, seen.wrong_lives, 0,
            "parties that joined too young, before their founding or after the horizon, or left out of order",
        ),
        Check(
            "profiles of parties", seen.wrong_profiles == 0, seen.wrong_profiles, 0,
            "people without age, work or income, others with one, ages outside the segment's",
        ),
        Check("a building is at one point", seen.torn_buildings == 0, seen.torn_buildings, 0, "households"),
        spike_check(ctx, "days of joining without a spike", seen.joined),
        share_check(
            ctx, "parties that join", int(seen.joined[:young].sum()), parties * young / DAYS_A_YEAR,
            gates.joined_a_year_permille, f"a year, by the last {young} days",
        ),
        share_check(
            ctx, "parties that leave", seen.left, seen.days / DAYS_A_YEAR, gates.left_a_year_permille,
            "a year of the horizon in which they could",
        ),
        share_check(
            ctx, "joining on weekends", seen.joined_on_weekend, parties, gates.weekend_permille,
            "by the country's weekend",
        ),
        *_pair_checks(ctx, seen.pairs, seen.odd_pairs),
        share_check(
            ctx, "shared buildings", seen.homes_in_shared_buildings, seen.homes,
            gates.shared_building_permille, "households with others in their building",
        ),
        _mix_check(ctx, "occupations", seen.occupations, "occupation", occupations(ctx)),
        _mix_check(
            ctx, "e-mail classes", seen.emails, "email_domain_class", email_classes(ctx)
        ),
        _phone_check(ctx, seen, parties),
    ]  # fmt: skip


def _pair_checks(ctx: Context, pairs: Array, odd: int) -> list[Check]:
    """Pairs against chance: those of one segment (distinct segments are 2 less their share), and odd ones."""
    gates, count = ctx.params.realism_gates_people_6A, int(pairs.sum())
    alike = int(np.trace(pairs))
    members = pairs.sum(axis=0) + pairs.sum(axis=1)
    by_chance = float(((members / max(1, int(members.sum()))) ** 2).sum())
    return [
        share_check(
            ctx, "couples of one segment", alike, count, gates.alike_pairs_permille,
            f"of pairs; {by_chance * 1000:.0f} permille by chance", 1,
        ),
        share_check(
            ctx, "odd couples", odd, count, (0, gates.odd_pairs_most_permille),
            "pairs whose stages of life are far apart", 1,
        ),
    ]  # fmt: skip


def _phone_check(ctx: Context, seen: PeopleCounts, parties: int) -> Check:
    """Phones abroad: no more than drew one, for who draws the home's country stays at home."""
    permille = ctx.params.party_profile_6A.phone_abroad_permille
    most = max(int(odds) for _, odds in permille.items())
    note = "of parties; at most the largest share of a type"
    return share_check(ctx, "phones abroad", seen.phones_abroad, parties, (0, most), note)


def _mix_check(ctx: Context, name: str, found: Array, vocabulary: str, mix: Array) -> Check:
    """Draws of a vocabulary by segment against the shares they were drawn from."""
    terms, weight = ctx.vocabulary(vocabulary), mix / np.maximum(mix.sum(axis=1), np.uint64(1))[:, None]
    expected = weight * found.sum(axis=1)[:, None]
    labels = [f"{segment} {term}" for segment in ctx.vocabulary("segment") for term in terms]
    allowance = (ctx.params.realism_gates_people_6A.draw_sigmas, 1.0)
    variance = expected * (1.0 - weight)
    note = "by segment against the mix of the prior"
    return sampling_check(name, labels, found.ravel(), expected.ravel(), variance.ravel(), allowance, note)
