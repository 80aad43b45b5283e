"""5A.S8: seasons of single trades, day by day: florists on 14 February, toys in December, gardens in spring.

A season is of a merchant category and country, and says how much more than its class it sells on a local day.
"""

from __future__ import annotations

import numpy as np

from sim.recipes.groups import run_starts
from sim.recipes.horizon import Horizon, span_of
from sim.recipes.join import look_up
from sim.recipes.supplied import replaced
from sim.segments.intensity_5a.overlays import Almanac, almanac_of, anchor_days, feast_days
from sim.state.context import Context, PartitionContext
from sim.state.counters import Counters, Scalar
from sim.state.declaration import ROW_LEVEL, Check, Frames, Partition, State
from sim.state.frames import Array, Frame
from sim.state.params import Params
from sim.state.refuse import Fault, refuse_any
from sim.state.totals import Totals


class Counts(Counters):
    """Days of trades with a season, and factors beyond the gate."""

    rows = Scalar()
    outside = Scalar()


STATE = State(
    id="5A.S8",
    title="Seasons of trades",
    reads={
        "merchant_catalogue_1A": ROW_LEVEL,
        "merchant_supplied_1A": ROW_LEVEL,
        "merchant_zone_profile_5A": ROW_LEVEL,
    },
    config=("feasts_5A", "realism_gates_5A", "scenario_horizon_5A", "trade_seasons_5A"),
    reference=("countries", "holidays"),
    writes=("s8_trade_seasons_5A",),
    counts=(Counts,),
)

_COLUMNS = {
    "mcc": np.uint16,
    "legal_country_iso": np.int16,
    "date": np.int32,
    "factor": np.float64,
}


def preflight(ctx: Context) -> None:
    """A season of an unknown country or feast is refused before anything is built."""
    seasons, known = ctx.params.trade_seasons_5A.seasons, set(ctx.vocabulary("country"))
    at = "trade_seasons_5A.seasons"
    countries = [
        Fault(f"{at}.{name}.countries.{place}", iso)
        for name, season in seasons.items()
        for place, iso in enumerate(season.countries)
        if iso not in known
    ]
    what = "A season lists countries the snapshot lacks."
    refuse_any(ctx, "COUNTRY_UNKNOWN", what, countries, expected="ISO 3166-1 alpha-2 codes", do="correct it")
    feasts = [
        Fault(f"{at}.{name}.anchor.feast", season.anchor.feast)
        for name, season in seasons.items()
        if season.anchor.kind == "feast" and season.anchor.feast not in ctx.params.feasts_5A.dates
    ]
    what = "A season follows a feast that has no dates."
    refuse_any(
        ctx, "FEAST_UNKNOWN", what, feasts, expected="keys of feasts_5A.dates", do="give the feast its dates"
    )


def compute(ctx: PartitionContext, part: Partition) -> Frames:
    """Seasons of every category and country with demand, over the span of all horizons."""
    horizon = span_of(ctx.params.scenario_horizon_5A)
    vocabulary = {name: ctx.vocabulary(name) for name in ("country", "demand_class")}
    countries, holidays = ctx.reference("countries"), ctx.reference("holidays")
    almanac = almanac_of(horizon, vocabulary, countries, holidays, feast_days(ctx.params.feasts_5A))
    mcc, country = _pairs(ctx)
    parts = [
        season_days(almanac, season, mcc, country, horizon)
        for _, season in ctx.params.trade_seasons_5A.seasons.items()
    ]
    rows = {
        name: np.concatenate([np.zeros(0, dtype=kind), *(part[place] for part in parts)])
        for place, (name, kind) in enumerate(_COLUMNS.items())
    }
    every = Frame(rows).sort("mcc", "legal_country_iso", "date")
    starts = run_starts(every.mcc, every.legal_country_iso, every.date)
    frame = every.take(starts)
    if len(starts):
        frame = frame.with_columns(factor=np.multiply.reduceat(every.factor, starts))
    bounds = ctx.params.realism_gates_5A.season
    ctx.count(Counts.rows, len(frame))
    ctx.count(Counts.outside, int(((frame.factor < bounds.low) | (frame.factor > bounds.high)).sum()))
    return {"s8_trade_seasons_5A": frame}


def checks(ctx: Context, totals: Totals) -> list[Check]:
    """Seasons that overlap stay believable."""
    seen, bounds = Counts(totals), ctx.params.realism_gates_5A.season
    note = f"of {seen.rows} days of trades, outside {bounds.low} .. {bounds.high}"
    return [Check("seasons within bounds", seen.outside == 0, seen.outside, 0, note)]


def _pairs(ctx: Context) -> tuple[Array, Array]:
    """Merchant categories (uint16) and countries (int16) with demand, each pair once."""
    merchants = ctx.load("merchant_catalogue_1A", columns=("merchant_id", "mcc"))
    given = ctx.load("merchant_supplied_1A", columns=("merchant_id", "law_mcc"))
    keys = ctx.load("merchant_zone_profile_5A", columns=("merchant_id", "legal_country_iso"))
    law = replaced(merchants.merchant_id, merchants.mcc, given, "law_mcc")
    mcc = law[look_up(merchants.merchant_id, keys.merchant_id)]
    code = np.unique((mcc.astype(np.int64) << 16) | keys.legal_country_iso)
    return (code >> 16).astype(np.uint16), (code & 0xFFFF).astype(np.int16)


def season_days(
    almanac: Almanac, season: Params, mcc: Array, country: Array, horizon: Horizon
) -> tuple[Array, Array, Array, Array]:
    """Category, country, day and factor of one season for the pairs in its scope."""
    everywhere = not season.regions and not season.countries
    places = [
        code
        for iso, code in almanac.countries.items()
        if everywhere or almanac.region[code] in season.regions or iso in season.countries
    ]
    here = np.flatnonzero(np.isin(mcc, np.array(season.mccs)) & np.isin(country, np.array(places)))
    begins = sorted(set(anchor_days(almanac, season.anchor)))
    days = np.unique([day + later for day in begins for later in range(season.days)])
    days = days[(days >= almanac.first_day) & (days <= almanac.last_day)]
    size = len(here) * len(days)
    return (
        np.repeat(mcc[here], len(days)),
        np.repeat(country[here], len(days)),
        np.tile(days, len(here)).astype(np.int32),
        np.full(size, season.factor, dtype=np.float64),
    )
