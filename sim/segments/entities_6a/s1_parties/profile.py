"""Who a party is: age, occupation, income, founding year, e-mail and phone; eight draws a party.

A person's occupation follows from the segment, and its income from segment and occupation, so that no cleaner
earns what a surgeon does more often than chance allows.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sim.recipes.months import year_of_day
from sim.recipes.tables import ALIAS_BUILD_NEEDS, ALIAS_PICK_NEEDS, AliasTables, build_alias
from sim.recipes.terms import COUNTRY_TERMS_NEEDS, by_term, region_of_country, require_terms, shares
from sim.segments.entities_6a.segment_types import SEGMENT_TYPES_NEEDS, segment_types
from sim.segments.entities_6a.tenure import DAYS_A_YEAR, TENURE_NEEDS, AgeLaws, Days
from sim.state.context import Context
from sim.state.declaration import Needs
from sim.state.frames import Array, Frame

AGE, OCCUPATION, INCOME, EMAIL, ABROAD, PHONE, FOUNDED = range(7)
"""Which draw decides what."""

PROFILE_NEEDS = Needs(
    config=("party_profile_6A",),
    reference=("countries",),
    kernels=("bounded_integer", "log_map", "normal_cdf_map", "normal_quantile_map", "open_uniform"),
    uses=(ALIAS_BUILD_NEEDS, ALIAS_PICK_NEEDS, COUNTRY_TERMS_NEEDS, SEGMENT_TYPES_NEEDS, TENURE_NEEDS),
)


def people_segments(ctx: Context) -> list[str]:
    """Names of the segments of RETAIL parties."""
    person = segment_types(ctx) == ctx.code("party_type", "RETAIL")
    return [name for name, own in zip(ctx.vocabulary("segment"), person, strict=True) if own]


def check_profile(ctx: Context) -> None:
    """Refuse a profile that does not use the vocabularies."""
    profile, people = ctx.params.party_profile_6A, people_segments(ctx)
    for name in ("ages", "occupation_mix"):
        require_terms(ctx, profile[name], people, f"party_profile_6A.{name}", "segment (RETAIL)")
    require_terms(ctx, profile.income.segment, people, "party_profile_6A.income.segment", "segment (RETAIL)")
    bands = ctx.vocabulary("income_band")[1:]
    require_terms(ctx, profile.income.band_from, bands, "party_profile_6A.income.band_from", "income_band")
    by_term(ctx, "occupation", profile.income.occupation, "party_profile_6A.income.occupation")
    by_term(ctx, "region", profile.age_shift, "party_profile_6A.age_shift")
    by_term(ctx, "party_type", profile.phone_abroad_permille, "party_profile_6A.phone_abroad_permille")
    mixes = by_term(ctx, "segment", profile.email_mix, "party_profile_6A.email_mix")
    for name, mix in zip(ctx.vocabulary("segment"), mixes, strict=True):
        shares(ctx, "email_domain_class", mix, f"party_profile_6A.email_mix.{name}")
    for name in people:
        shares(ctx, "occupation", profile.occupation_mix[name], f"party_profile_6A.occupation_mix.{name}")


@dataclass(frozen=True)
class Ages:
    """Ages of people, by region and segment: a normal cut off at both ends.

    Attributes:
        mean: float64, regions x segments.
        sd: float64, segments.
        least: float64, segments.
        most: float64, segments: one more than the greatest whole year.
        below: float64, regions x segments: share of the normal below `least`.
        inside: float64, regions x segments: its share between the bounds.
    """

    mean: Array
    sd: Array
    least: Array
    most: Array
    below: Array
    inside: Array

    @classmethod
    def by_segment(cls, ctx: Context) -> Ages:
        """Those of `party_profile_6A`; segments that are not people have an even law that is never used."""
        profile = ctx.params.party_profile_6A
        own = [
            profile.ages[name] if name in profile.ages else None  # noqa: SIM401 - `Params` has no `get`
            for name in ctx.vocabulary("segment")
        ]
        shift = np.array(
            by_term(ctx, "region", profile.age_shift, "party_profile_6A.age_shift"), dtype=np.float64
        )
        center = np.array([row.mean if row else 1.0 for row in own], dtype=np.float64)
        sd = np.array([row.sd if row else 1.0 for row in own], dtype=np.float64)
        least = np.array([row.least if row else 0 for row in own], dtype=np.float64)
        most = np.array([row.most + 1 if row else 2 for row in own], dtype=np.float64)
        mean = center[None, :] + shift[:, None]
        low, high = (
            ctx.kernels.normal_cdf_map(z=((bound - mean) / sd).ravel()).reshape(mean.shape)
            for bound in (least, most)
        )
        return cls(mean, sd, least, most, low, high - low)

    def drawn(self, ctx: Context, words: Array, region: Array, segment: Array) -> Array:
        """Ages in years, inside the bounds: float64, n."""
        u = self.below[region, segment] + ctx.kernels.open_uniform(x=words) * self.inside[region, segment]
        age = self.mean[region, segment] + self.sd[segment] * ctx.kernels.normal_quantile_map(u=u)
        last: Array = np.clip(age, self.least[segment], self.most[segment] - 1.0 / DAYS_A_YEAR)
        return last


def ages(ctx: Context, word: Array, people: Frame, person: Array) -> Array:
    """Ages at the end of the horizon in years: float64, n; infinite for parties that are not people.

    Args:
        ctx: Context.
        word: uint64, n.
        people: Columns `region_id`, `segment_id`.
        person: bool, n.
    """
    age = Ages.by_segment(ctx).drawn(ctx, word, people.region_id, people.segment_id)
    found: Array = np.where(person, age, np.inf)
    return found


def profiles(ctx: Context, drawn: tuple[Array, ...], people: Frame, age: Array, joined: Array) -> Frame:
    """Columns of who parties are, with masks where only people, or only others, have one.

    Args:
        ctx: Context.
        drawn: Words of stream 6A.party_profile.
        people: Columns `country_iso`, `region_id`, `party_type`, `segment_id`.
        age: float64, n: see `ages`.
        joined: int32, n: day of joining.
    """
    person = people.party_type == ctx.code("party_type", "RETAIL")
    work = _pick(ctx, "occupation", drawn[OCCUPATION], people.segment_id, occupations(ctx))
    email = _pick(ctx, "email_domain_class", drawn[EMAIL], people.segment_id, email_classes(ctx))
    days = Days.of_horizon(ctx)
    born = days.last - np.floor(np.where(person, age, 0.0) * DAYS_A_YEAR).astype(np.int32)
    zero = np.zeros(len(born), dtype=np.int16)
    return Frame(
        {
            "birth_year": np.where(person, year_of_day(born), 0).astype(np.int16),
            "founded_year": np.where(person, 0, _founded(ctx, drawn[FOUNDED], joined)).astype(np.int16),
            "occupation": np.where(person, work, zero),
            "income_band": np.where(person, _income(ctx, drawn[INCOME], people.segment_id, work), zero),
            "email_domain_class": email,
            "phone_country_iso": _phones(ctx, drawn[ABROAD], drawn[PHONE], people),
        },
        {"birth_year": person, "founded_year": ~person, "occupation": person, "income_band": person},
    )


def occupations(ctx: Context) -> Array:
    """Shares of occupations in ten-thousandths: uint64, segments x terms; even where nobody has one."""
    mixes, size = ctx.params.party_profile_6A.occupation_mix, len(ctx.vocabulary("occupation"))
    return np.stack(
        [
            shares(ctx, "occupation", mixes[name], f"party_profile_6A.occupation_mix.{name}")
            if name in mixes
            else np.ones(size, dtype=np.uint64)
            for name in ctx.vocabulary("segment")
        ]
    )


def email_classes(ctx: Context) -> Array:
    """Shares of classes of e-mail domains in ten-thousandths: uint64, segments x terms."""
    mixes = ctx.params.party_profile_6A.email_mix
    return np.stack(
        [
            shares(ctx, "email_domain_class", mixes[name], f"party_profile_6A.email_mix.{name}")
            for name in ctx.vocabulary("segment")
        ]
    )


def _pick(ctx: Context, vocabulary: str, word: Array, row: Array, weight: Array) -> Array:
    """Terms of a vocabulary by the weights of a row: int16, n."""
    size = len(ctx.vocabulary(vocabulary))
    table = build_alias(ctx, np.arange(len(weight) + 1, dtype=np.uint64) * np.uint64(size), weight.ravel())
    picked: Array = (table.pick(ctx, word, row.astype(np.int64)) % size).astype(np.int16)
    return picked


def _income(ctx: Context, word: Array, segment: Array, work: Array) -> Array:
    """Income bands: int16, n; the logarithm of income over the median against where bands begin."""
    law, bands = ctx.params.party_profile_6A.income, ctx.vocabulary("income_band")
    names = ctx.vocabulary("segment")
    of_segment = np.array([law.segment[name] if name in law.segment else 0.0 for name in names])  # noqa: SIM401
    of_work = np.array(by_term(ctx, "occupation", law.occupation, "party_profile_6A.income.occupation"))
    cuts = ctx.kernels.log_map(x=np.array([law.band_from[name] for name in bands[1:]], dtype=np.float64))
    normal = ctx.kernels.normal_quantile_map(u=ctx.kernels.open_uniform(x=word))
    income = of_segment[segment] + of_work[work] + np.float64(law.spread) * normal
    band: Array = np.searchsorted(cuts, income, side="right").astype(np.int16)
    return band


def _founded(ctx: Context, word: Array, joined: Array) -> Array:
    """Founding years of parties that are not people: int32, n."""
    law = ctx.params.party_profile_6A.founded
    laws = AgeLaws.by_median(ctx, np.array([law.median_years], dtype=np.float64), law.sigma)
    most = np.full(len(word), law.most_years * DAYS_A_YEAR, dtype=np.float64)
    years: Array = year_of_day(joined - laws.ages(ctx, word, most, np.zeros(len(word), dtype=np.uint32)))
    return years


def _phones(ctx: Context, coin: Array, word: Array, people: Frame) -> Array:
    """Countries of phone numbers: int16, n; mostly the home's."""
    permille = np.array(
        by_term(
            ctx,
            "party_type",
            ctx.params.party_profile_6A.phone_abroad_permille,
            "party_profile_6A.phone_abroad_permille",
        ),
        dtype=np.uint64,
    )
    point = ctx.kernels.bounded_integer(x=coin, bound=np.full_like(coin, 1000))
    abroad = np.flatnonzero(point < permille[people.party_type])
    phone: Array = people.country_iso.astype(np.int16).copy()
    picked = phone_tables(ctx).pick(ctx, word[abroad], people.region_id[abroad].astype(np.int64))
    phone[abroad] = (picked % len(ctx.vocabulary("country"))).astype(np.int16)
    return phone


def phone_tables(ctx: Context) -> AliasTables:
    """Countries of foreign phone numbers: one table a region, by population."""
    table, region = ctx.reference("countries"), region_of_country(ctx)
    people = np.zeros(len(region), dtype=np.float64)
    people[table.country_iso] = table.population
    near = np.float64(ctx.params.party_profile_6A.phone_same_region)
    regions = np.arange(len(ctx.vocabulary("region")))
    weight = np.floor(people[None, :] * np.where(region[None, :] == regions[:, None], near, 1.0))
    size = np.uint64(len(region))
    return build_alias(
        ctx, np.arange(len(regions) + 1, dtype=np.uint64) * size, weight.ravel().astype(np.uint64)
    )
