"""What a party's payments are like: activity, taste for buying online, level of prices, own clock."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from sim.recipes.terms import by_term
from sim.recipes.words import BELOW_NEEDS, below
from sim.state.context import Context
from sim.state.declaration import Needs
from sim.state.frames import Array, Frame
from sim.state.refuse import Fault, refuse_any

ACTIVE, ACTIVITY, ONLINE, SPEND, CLOCK, PHASE = range(6)
"""Which draw decides what."""
ORDINARY = 65_536
"""Weight of an ordinary party."""
HOUR = 60
_BANDS = "income_band"

BEHAVIOUR_LAW_NEEDS = Needs(
    config=("behaviour_prior_6B", "population_prior_6A"),
    kernels=("exp_map", "normal_quantile_map", "open_uniform"),
    uses=(BELOW_NEEDS,),
)


def require_behaviour(ctx: Context) -> None:
    """Refuse a prior that does not use the vocabularies, or whose generations are not in order.

    Raises:
        ContractError: `6B.S1.VOCABULARY_MISMATCH`, `6B.S1.GENERATIONS_DISORDERED`,
            `6B.S1.CLOCK_BEYOND_ITS_CUT`: a generation lies beyond the bounds of all clocks.
    """
    prior = ctx.params.behaviour_prior_6B
    by_term(ctx, "segment", prior.activity_of_segment, "behaviour_prior_6B.activity_of_segment")
    for name in ("activity_of_income", "spend_of_income"):
        by_term(ctx, _BANDS, prior[name], f"behaviour_prior_6B.{name}")
    faults = [
        Fault(f"behaviour_prior_6B.{key}", f"{later.year} after {row.year}")
        for key in ("online_born_from", "clock_born_from")
        for row, later in pairwise(prior[key])
        if later.year <= row.year
    ]
    what, do = "Generations must be in the order of years.", "sort them"
    refuse_any(ctx, "GENERATIONS_DISORDERED", what, faults, do=do)
    most, where = int(prior.clock.most_minutes), "behaviour_prior_6B.clock_born_from"
    faults = [
        Fault(where, f"{row.minutes} minutes, of those born from {row.year} on")
        for row in prior.clock_born_from
        if abs(int(row.minutes)) > most
    ]
    what, do = f"A generation's clock is more than clock.most_minutes ({most}) off.", "raise that, or move it"
    refuse_any(ctx, "CLOCK_BEYOND_ITS_CUT", what, faults, do=do)


def active_share(ctx: Context) -> float:
    """Share of card holders who pay inside the horizon: that by which 6A counted parties, if it did."""
    size = ctx.params.population_prior_6A.size
    return float(size.active_share if size.law == "arrivals" else ctx.params.behaviour_prior_6B.active_share)


def tilts(ctx: Context) -> Array:
    """Mean activity, before the cut, by segment and income band: float64, segments x bands."""
    segment = _factors(ctx, "segment", "activity_of_segment")
    found: Array = segment[:, np.newaxis] * _factors(ctx, _BANDS, "activity_of_income")
    return found


def band_of(ctx: Context, parties: Frame) -> Array:
    """Code of the income band; the middle one for parties that are not people: int16."""
    middle = np.int16(ctx.code(_BANDS, "MIDDLE"))
    found: Array = np.where(parties.present(_BANDS), parties.income_band, middle)
    return found


def ordinary_level(ctx: Context, parties: Frame) -> Array:
    """Median level of prices of each party's income: float64."""
    found: Array = _factors(ctx, _BANDS, "spend_of_income")[band_of(ctx, parties)]
    return found


def ordinary_clock(ctx: Context, parties: Frame) -> Array:
    """Mean shift of each party's generation, minutes: int64."""
    return _generation(ctx, parties, "clock_born_from", "minutes", 0).astype(np.int64)


def behaviour(ctx: Context, drawn: tuple[Array, ...], parties: Frame, holds: Array) -> Frame:
    """Columns of behaviour.

    Args:
        ctx: Context.
        drawn: Words of stream 6B.behaviour, n each.
        parties: Columns `segment_id`, `income_band`, `birth_year` of s1_party_base_6A.
        holds: bool, n: who holds a valid card inside the horizon.
    """
    prior = ctx.params.behaviour_prior_6B
    pays = holds & (ctx.kernels.open_uniform(x=drawn[ACTIVE]) < active_share(ctx))
    activity = _heavy(
        ctx, drawn[ACTIVITY], prior.activity, tilts(ctx)[parties.segment_id, band_of(ctx, parties)]
    )
    taste = _generation(ctx, parties, "online_born_from", "factor", 1)
    level = ctx.kernels.exp_map(x=float(prior.spend.sigma) * _normal(ctx, drawn[SPEND]))
    most = float(prior.clock.most_minutes)
    noise = np.floor(float(prior.clock.sd_minutes) * _normal(ctx, drawn[CLOCK]) + 0.5)
    shift = np.clip(noise + ordinary_clock(ctx, parties), -most, most)
    return Frame(
        {
            "activity_q": np.where(pays, activity, np.uint32(0)),
            "online_q": _heavy(ctx, drawn[ONLINE], prior.online, taste),
            "spend_level": level * ordinary_level(ctx, parties),
            "clock_shift_minutes": shift.astype(np.int16),
            "phase_minutes": below(ctx, drawn[PHASE], HOUR).astype(np.uint8),
        }
    )


def _normal(ctx: Context, words: Array) -> Array:
    found: Array = ctx.kernels.normal_quantile_map(u=ctx.kernels.open_uniform(x=words))
    return found


def _heavy(ctx: Context, words: Array, law: object, tilt: Array) -> Array:
    """Tilt x lognormal of mean 1, cut, in 65,536ths and at least one: uint32, n."""
    sigma, most = float(law.sigma), float(law.most)  # type: ignore[attr-defined]
    raw = tilt * ctx.kernels.exp_map(x=sigma * _normal(ctx, words) - 0.5 * sigma * sigma)
    found: Array = np.maximum(np.floor(np.minimum(raw, most) * np.float64(ORDINARY)), 1.0).astype(np.uint32)
    return found


def _factors(ctx: Context, vocabulary: str, key: str) -> Array:
    prior = ctx.params.behaviour_prior_6B
    return np.array(by_term(ctx, vocabulary, prior[key], f"behaviour_prior_6B.{key}"), dtype=np.float64)


def _generation(ctx: Context, parties: Frame, key: str, value: str, else_: int) -> Array:
    """Value of each party's generation, by year of birth; another one for parties that are not people."""
    rows = ctx.params.behaviour_prior_6B[key]
    years = np.array([row.year for row in rows], dtype=np.int64)
    values = np.array([row[value] for row in rows], dtype=np.float64)
    at = np.maximum(np.searchsorted(years, parties.birth_year.astype(np.int64), side="right") - 1, 0)
    found: Array = np.where(parties.present("birth_year"), values[at], np.float64(else_))
    return found
