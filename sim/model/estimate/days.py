"""What each local day of a scenario has of an ordinary week's demand, by the packs of 5A and the calendar.

    part(day) = weight of the day over those of its week
                x mean over its hours of the product of holidays, paydays, seasons and campaigns
    season(day) = the trade's own season

Every zone keeps the clock of UTC here, opening hours and a merchant's own clock are left out, and an outage
counts with its mean: over whole days these decide thousandths.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sim.recipes.horizon import Horizon, horizon_of, life_span, span_of
from sim.recipes.local_calendar import local_calendar
from sim.recipes.told_factors import combinations_of, told_factors
from sim.segments.intensity_5a.factor_runs import factor_runs
from sim.segments.intensity_5a.overlays import (
    ANY,
    Almanac,
    almanac_of,
    event_rows,
    feast_days,
    scenario_events,
)
from sim.segments.intensity_5a.s8_trade_seasons import season_days
from sim.state.frames import Array, Frame
from sim.state.model import Facts

_COUNTRIES_AT_ONCE = 16
_QUARTER = 365.25 / 4.0
_HOUR_S = 3600


@dataclass(frozen=True)
class DemandDays:
    """Days of one scenario's horizon.

    Attributes:
        days: int64, d: days since 1970.
        countries: int16 codes, c, ascending.
        mccs: uint16, t, ascending: the trades of the taxonomy.
        part: float64, (classes, channels, c, d): of an ordinary week's demand.
        season: float64, (t, c, d): factor of the trade's own season.
        mortal: float64, d: mean life of a generated merchant that may open and close.
        lasting: float64, d: mean life of one that does neither: a chain.
    """

    days: Array
    countries: Array
    mccs: Array
    part: Array
    season: Array
    mortal: Array
    lasting: Array

    def weeks(self, label: Array, channel: Array, trade: Array, country: Array, life: Array) -> Array:
        """Weeks of demand over the horizon: float64, n.

        Args:
            label: Demand class of each of n things.
            channel: Its channel.
            trade: Its place in `mccs`.
            country: Its place in `countries`.
            life: float64, (n or 1, d): what there is of it on each day.
        """
        part = self.part[label, channel, country] * self.season[trade, country]
        weeks: Array = (part * life).sum(axis=1)
        return weeks


def demand_days(facts: Facts, scenario: str, countries: Array) -> DemandDays:
    """Days of a scenario in some countries.

    Args:
        facts: The request; its windows, feasts and countries are known to each other (5A.S4 refuses others).
        scenario: One of its scenarios.
        countries: int16 codes, ascending.
    """
    horizon = horizon_of(facts.params["scenario_horizon_5A"], scenario)
    days = horizon.first_day + np.arange(horizon.days, dtype=np.int64)
    mccs = np.array(sorted(int(entry.mcc) for entry in facts.params["mcc_taxonomy_1A"].mccs), dtype=np.uint16)
    hours, events = _hour_shares(facts), _events(facts, scenario, horizon)
    part = np.empty((*hours.shape[:2], len(countries), horizon.days))
    for first in range(0, len(countries), _COUNTRIES_AT_ONCE):
        some = slice(first, first + _COUNTRIES_AT_ONCE)
        factor = _factors(facts, events, horizon, countries[some])
        part[:, :, some] = np.einsum("xcdh,xyh->xycd", factor, hours, optimize=True)
    part *= _day_shares(facts, countries, days)[:, None] * _outage(facts, scenario)
    mortal, lasting = _mean_lives(facts, days)
    season = _seasons(facts, mccs, countries, days)
    return DemandDays(days, countries, mccs, part, season, mortal, lasting)


def _hour_shares(facts: Facts) -> Array:
    """Share of a day's demand in each hour: float64, (classes, channels, 24)."""
    minute = np.arange(1440) + 0.5
    classes = facts.params["demand_classes_5A"].classes
    value = []
    for name in facts.vocabularies["demand_class"]:
        for channel in facts.vocabularies["channel"]:
            shape = classes[name].shape[channel]
            day = np.full(1440, float(shape.floor))
            for peak in shape.peaks:
                apart = np.abs(minute - peak.minute)
                day += peak.amp * np.exp(-(np.minimum(apart, 1440 - apart) ** 2) / (2.0 * peak.sigma**2))
            value.append(day.reshape(24, 60).sum(axis=1) / day.sum())
    shares: Array = np.array(value).reshape(len(facts.vocabularies["demand_class"]), -1, 24)
    return shares


def _day_shares(facts: Facts, countries: Array, days: Array) -> Array:
    """What each day has of an ordinary week: float64, (classes, countries, days)."""
    labels = [facts.params["demand_classes_5A"].classes[name] for name in facts.vocabularies["demand_class"]]
    plain = np.array([one.day_weights for one in labels], dtype=np.float64)
    factor = np.array([one.weekend_factor for one in labels], dtype=np.float64)
    table = facts.reference.frame("countries", facts.vocabularies)
    rest = dict(zip(table.country_iso.tolist(), table.weekend_days.tolist(), strict=True))
    weekend = np.array(
        [[str(day) in rest[code].split(",") for day in range(1, 8)] for code in countries.tolist()]
    ).reshape(-1, 7)
    weight = plain[:, None] * np.where(weekend[None], factor[:, None, None], 1.0)
    shares: Array = weight / weight.sum(axis=2, keepdims=True)
    return shares[:, :, (days + 3) % 7]  # 1970-01-01 was a Thursday


def _events(facts: Facts, scenario: str, horizon: Horizon) -> Frame:
    """Events of a scenario but for outages: columns of `scenario_calendar_5A`."""
    events = scenario_events(
        _almanac(facts, horizon), facts.params["scenarios_5A"], facts.params["overlay_policy_5A"], scenario
    )
    rows = event_rows(events, facts.vocabularies["event_type"])
    return rows.with_columns(event_id=np.arange(len(rows), dtype=np.int64))


def _outage(facts: Facts, scenario: str) -> float:
    """Mean factor of outages."""
    if "OUTAGE" not in facts.params["scenarios_5A"].scenarios[scenario].overlays:
        return 1.0
    law = facts.params["overlay_policy_5A"].outage
    share = law.probability_per_zone_day * float(np.mean(law.durations_minutes)) / 1440.0
    return 1.0 - float(share * (1.0 - law.factor))


def _factors(facts: Facts, events: Frame, horizon: Horizon, countries: Array) -> Array:
    """Product of the events in each hour: float64, (classes, countries, days, 24)."""
    policy = facts.params["overlay_policy_5A"]
    kinds, labels = facts.vocabularies["event_type"], len(facts.vocabularies["demand_class"])
    hourly = Horizon(horizon.first_day, horizon.days, _HOUR_S)
    rows = events.take((events.country_iso == ANY) | np.isin(events.country_iso, countries))
    utc = Frame(
        {
            "tzid": np.zeros(1, dtype=np.int16),
            "transition_utc": np.full(1, np.iinfo(np.int64).min),
            "offset_minutes": np.zeros(1, dtype=np.int16),
        }
    )
    clock = local_calendar(utc, utc.tzid, hourly)
    combinations = Frame(
        {
            "legal_country_iso": np.repeat(countries, labels),
            "tzid": np.zeros(len(countries) * labels, dtype=np.int16),
            "demand_class": np.tile(np.arange(labels, dtype=np.int16), len(countries)),
        }
    )
    runs = factor_runs(kinds, combinations, rows, clock, hourly, policy)
    bounds = (float(policy.total.low), float(policy.total.high))
    factor = told_factors(combinations_of(combinations, clock), runs, len(kinds), bounds)
    return factor.reshape(len(countries), labels, horizon.days, 24).transpose(1, 0, 2, 3)


def _almanac(facts: Facts, horizon: Horizon) -> Almanac:
    words, tables = facts.vocabularies, facts.reference
    countries, holidays = tables.frame("countries", words), tables.frame("holidays", words)
    return almanac_of(horizon, words, countries, holidays, feast_days(facts.params["feasts_5A"]))


def _seasons(facts: Facts, mccs: Array, countries: Array, days: Array) -> Array:
    """Factor of each trade's own season: float64, (trades, countries, days)."""
    span = span_of(facts.params["scenario_horizon_5A"])
    almanac = _almanac(facts, span)
    pairs = np.repeat(mccs, len(countries)), np.tile(countries, len(mccs))
    factor = np.ones((len(mccs), len(countries), len(days)))
    for _, season in facts.params["trade_seasons_5A"].seasons.items():
        mcc, country, day, times = season_days(almanac, season, *pairs, span)
        now = (day >= days[0]) & (day <= days[-1])
        trade, place = np.searchsorted(mccs, mcc[now]), np.searchsorted(countries, country[now])
        factor[trade, place, day[now] - days[0]] *= times[now]
    return factor


def _mean_lives(facts: Facts, days: Array) -> tuple[Array, Array]:
    """Mean life of generated merchants on the days, by the hazards of 5A.S7: float64, float64.

    Growth has mean 0. The first is of those that may open and close, the second of the others.
    """
    law, span = facts.params["merchant_life_5A"], life_span(facts.params["scenario_horizon_5A"])
    opening, closing = (
        -np.log1p(-float(part)) / _QUARTER for part in (law.openings_a_quarter, law.closings_a_quarter)
    )
    age = np.arange(span.days + law.ramp.days + 1)
    chance = np.exp(-opening * age) - np.exp(-opening * (age + 1))
    opened = span.first_day + span.days - 1 - age

    def mean(opened: Array, closing: float) -> Array:
        since = days[:, None] - opened[None, :]
        ramp = law.ramp["from"] + (1.0 - law.ramp["from"]) * np.clip(since, 0, law.ramp.days) / law.ramp.days
        sells = np.maximum(days[:, None] - np.maximum(opened, span.first_day)[None, :], 0)
        new = (np.where(since < 0, 0.0, ramp) * np.exp(-closing * sells) * chance).sum(axis=1)
        old = np.exp(-closing * np.maximum(days - span.first_day, 0))
        life: Array = new + (1.0 - chance.sum()) * old
        return life

    return mean(opened, closing), mean(np.minimum(opened, span.first_day), 0.0)
