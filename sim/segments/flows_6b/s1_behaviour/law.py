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
        ContractError: `6B.S1.VOCABULARY_MISMATCH`, `6B.S1.GENERATIONS_DISORDERED`.
    """
    prior = ctx.params.behaviour_prior_6B
    by_term(ctx, "segment", prior.activity_of_segment, "behaviour_prior_6B.activity_of_segment")
    for name in ("activity_of_income", "spend_of_income"):
        by_term(ctx, _BANDS, prior[name], f"behaviour_prior_6B.{name}")
    years = [row.year for row in prior.online_born_from]
    faults = [
        Fault("behaviour_prior_6B.online_born_from", f"{later} after {year}")
        for year, later in pairwise(years)
        if later <= year
    ]
    what, do = "Generations must be in the order of years.", "sort them"
    refuse_any(ctx, "GENERATIONS_DISORDERED", what, faults, do=do)


def active_share(ctx: Context) -> float:
    """Share of card holders who pay inside the horizon: that by which 6A counted parties, if it did."""
    size = ctx.params.population_prior_6A.size
    return float(size.active_share if size.law == "arrivals" else ctx.params.behaviour_prior_6B.active_share)


def behaviour(ctx: Context, drawn: tuple[Array, ...], parties: Frame, holds: Array) -> Frame:
    """Columns of behaviour.

    Args:
        ctx: Context.
        drawn: Words of stream 6B.behaviour, n each.
        parties: Columns `segment_id`, `income_band`, `birth_year` of s1_party_base_6A.
        holds: bool, n: who holds a valid card inside the horizon.
    """
    prior = ctx.params.behaviour_prior_6B
    person = parties.present(_BANDS)
    middle = ctx.code(_BANDS, "MIDDLE")
    band = np.where(person, parties.income_band, np.int16(middle))
    pays = holds & (ctx.kernels.open_uniform(x=drawn[ACTIVE]) < active_share(ctx))
    tilt = _factors(ctx, "segment", "activity_of_segment")[parties.segment_id]
    tilt = tilt * _factors(ctx, _BANDS, "activity_of_income")[band]
    activity = _heavy(ctx, drawn[ACTIVITY], prior.activity, tilt)
    online = _heavy(ctx, drawn[ONLINE], prior.online, _generation(ctx, parties))
    level = ctx.kernels.exp_map(x=float(prior.spend.sigma) * _normal(ctx, drawn[SPEND]))
    most = float(prior.clock.most_minutes)
    shift = np.clip(np.floor(float(prior.clock.sd_minutes) * _normal(ctx, drawn[CLOCK]) + 0.5), -most, most)
    return Frame(
        {
            "activity_q": np.where(pays, activity, np.uint32(0)),
            "online_q": online,
            "spend_level": level * _factors(ctx, _BANDS, "spend_of_income")[band],
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


def _generation(ctx: Context, parties: Frame) -> Array:
    """Factor of the taste for buying online by year of birth; 1 for parties that are not people."""
    rows = ctx.params.behaviour_prior_6B.online_born_from
    years = np.array([row.year for row in rows], dtype=np.int64)
    factor = np.array([row.factor for row in rows], dtype=np.float64)
    at = np.maximum(np.searchsorted(years, parties.birth_year.astype(np.int64), side="right") - 1, 0)
    found: Array = np.where(parties.present("birth_year"), factor[at], 1.0)
    return found
