"""Overlay events of a scenario on local clocks, from config, calendar and reference, before any demand.

Everything is decided per country, zone and class, never from the merchants of the world: another world has
the same calendar.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np

from sim.recipes.civil import Month, months_between, weekday_of
from sim.recipes.horizon import DAY_S, MICRO, Horizon
from sim.state.frames import Frame
from sim.state.params import Params

_HOUR_S = 3600
ANY = -1
EVERY_CLASS = "all"


@dataclass(frozen=True)
class Event:
    """One row of the calendar.

    Scope parts are codes, `ANY` where they do not restrict; times are local wall-clock seconds.

    `decided_by` is the key of the configuration that gives the factor.
    """

    kind: str
    name: str
    start: int
    stop: int
    factor: float
    decided_by: str
    ramp_in: int = 0
    ramp_out: int = 0
    country: int = ANY
    tzid: int = ANY
    label: int = ANY

    @property
    def rank(self) -> int:
        """How specific the scope is: zone over country over class."""
        return 4 * (self.tzid != ANY) + 2 * (self.country != ANY) + (self.label != ANY)


@dataclass(frozen=True)
class Almanac:
    """What the events of a horizon depend on.

    Attributes:
        horizon: The horizon.
        labels: Code of each demand class by name.
        countries: Code of each country by ISO code.
        region: UN M49 region of each country code.
        weekend: Weekend days (Monday = 1) of each country code.
        holidays: Country code -> {day since 1970: name}.
        feasts: Days since 1970 of each feast of `feasts_5A`.
    """

    horizon: Horizon
    labels: Mapping[str, int]
    countries: Mapping[str, int]
    region: Mapping[int, str]
    weekend: Mapping[int, frozenset[int]]
    holidays: Mapping[int, Mapping[int, str]]
    feasts: Mapping[str, tuple[int, ...]]

    @property
    def names(self) -> dict[int, str]:
        """ISO code of each country by code."""
        return {code: name for name, code in self.countries.items()}

    @property
    def first_day(self) -> int:
        """First local day an event can matter on: a local clock may be a day behind UTC."""
        return self.horizon.first_day - 1

    @property
    def last_day(self) -> int:
        """Last local day an event can matter on: a local clock may be a day ahead."""
        return self.horizon.first_day + self.horizon.days

    def touches(self, start: int, stop: int) -> bool:
        """Whether a stretch of local time meets the horizon in any zone."""
        return start < (self.last_day + 1) * DAY_S and stop > self.first_day * DAY_S

    def months(self) -> Iterator[Month]:
        """The months in which an event that touches the horizon may begin.

        They reach a year and a month beyond it on both sides.
        """
        return months_between(self.first_day - 400, self.last_day + 400)


def scenario_events(almanac: Almanac, scenarios: Params, policy: Params, name: str) -> list[Event]:
    """Events of a scenario that config and calendar decide: all but outages, which are drawn.

    Args:
        almanac: Of the scenario's horizon; it has every country and feast that config names.
        scenarios: `scenarios_5A`; it defines every window of the scenario.
        policy: `overlay_policy_5A`.
        name: The scenario.
    """
    scenario = scenarios.scenarios[name]
    parts = [window_events(almanac, key, scenarios.windows[key]) for key in scenario.windows]
    if "HOLIDAY" in scenario.overlays:
        parts.append(holiday_events(almanac, policy.holiday))
    if "PAYDAY" in scenario.overlays:
        parts.append(payday_events(almanac, policy.payday))
    return list(chain.from_iterable(parts))


def event_rows(events: Sequence[Event], kinds: Sequence[str]) -> Frame:
    """Events as columns of `scenario_calendar_5A` without id, name and shape, in the order given.

    Args:
        events: Events.
        kinds: Vocabulary `event_type`.

    Returns:
        Scope columns `country_iso`, `tzid`, `demand_class` hold `ANY` where they do not restrict.
    """
    scope = {"country_iso": "country", "tzid": "tzid", "demand_class": "label"}
    ramps = {"ramp_in_seconds": "ramp_in", "ramp_out_seconds": "ramp_out"}
    return Frame(
        {
            "event_type": np.array([kinds.index(event.kind) for event in events], dtype=np.int16),
            **{
                column: np.array([getattr(event, name) for event in events], dtype=np.int16)
                for column, name in scope.items()
            },
            "scope_rank": np.array([event.rank for event in events], dtype=np.uint8),
            "local_start": np.array([event.start for event in events], dtype=np.int64) * MICRO,
            "local_end": np.array([event.stop for event in events], dtype=np.int64) * MICRO,
            **{
                column: np.array([getattr(event, name) for event in events], dtype=np.uint32)
                for column, name in ramps.items()
            },
            "factor": np.array([event.factor for event in events], dtype=np.float64),
        }
    )


def holiday_events(almanac: Almanac, policy: Params) -> Iterator[Event]:
    """Public holidays by their kind, from midnight to midnight on the country's local clocks."""
    for country, days in almanac.holidays.items():
        for day, name in days.items():
            if almanac.first_day <= day <= almanac.last_day:
                kind = holiday_kind(almanac, policy, country, name)
                for label, factor, at in _factors(
                    almanac, policy.kinds[kind], f"overlay_policy_5A.holiday.kinds.{kind}"
                ):
                    yield Event(
                        "HOLIDAY",
                        name,
                        day * DAY_S,
                        (day + 1) * DAY_S,
                        factor,
                        at,
                        country=country,
                        label=label,
                    )


def holiday_kind(almanac: Almanac, policy: Params, country: int, name: str) -> str:
    """What a country does on a holiday: the kind of the first rule that fits, else that of its region."""
    iso, region = almanac.names[country], almanac.region[country]
    for rule in policy.rules:
        everywhere = not rule.countries and not rule.regions
        here = everywhere or iso in rule.countries or region in rule.regions
        if here and (not rule.words or any(word in name for word in rule.words)):
            return str(rule.kind)
    return str(policy.regions[region])


def payday_events(almanac: Almanac, policy: Params) -> Iterator[Event]:
    """Days on which pay arrives, moved before weekends and holidays of the country."""
    nominal: dict[int, tuple[int, ...]] = {}
    for group in policy.groups:
        for iso in group.countries:
            nominal.setdefault(almanac.countries[iso], group.days)
    for country in almanac.countries.values():
        days = {
            _working_day(almanac, country, month.day(day))
            for month in almanac.months()
            for day in nominal.get(country, policy.default_days)
        }
        for day in sorted(days):
            start, stop = day * DAY_S, day * DAY_S + policy.window_hours * _HOUR_S
            if almanac.touches(start, stop):
                ramps = {
                    "ramp_in": policy.ramp_in_hours * _HOUR_S,
                    "ramp_out": policy.ramp_out_hours * _HOUR_S,
                }
                for label, factor, at in _factors(
                    almanac, policy.factors, "overlay_policy_5A.payday.factors"
                ):
                    yield Event(
                        "PAYDAY", "payday", start, stop, factor, at, country=country, label=label, **ramps
                    )


def window_events(almanac: Almanac, name: str, window: Params) -> Iterator[Event]:
    """A window of a scenario, everywhere or in the countries of its regions."""
    named = window.countries if "countries" in window else ()
    places = (
        [ANY]
        if not window.regions and not named
        else [
            code
            for iso, code in almanac.countries.items()
            if almanac.region[code] in window.regions or iso in named
        ]
    )
    again = range(window.days if "days" in window else 1)
    ramps = {"ramp_in": window.ramp_in_hours * _HOUR_S, "ramp_out": window.ramp_out_hours * _HOUR_S}
    for day in sorted({day + later for day in anchor_days(almanac, window.anchor) for later in again}):
        start = day * DAY_S + window.start_hour * _HOUR_S
        stop = start + window.hours * _HOUR_S
        if almanac.touches(start, stop):
            for place in places:
                for label, factor, at in _factors(
                    almanac, window.factors, f"scenarios_5A.windows.{name}.factors"
                ):
                    yield Event(
                        window.type, name, start, stop, factor, at, country=place, label=label, **ramps
                    )


def anchor_days(almanac: Almanac, anchor: Params) -> Iterator[int]:
    """Days since 1970 a window may begin on, for every month around the horizon."""
    if anchor.kind == "horizon":
        yield almanac.horizon.first_day + anchor.day
        return
    if anchor.kind == "feast":
        yield from (day + anchor.offset_days for day in almanac.feasts[anchor.feast])
        return
    for month in almanac.months():
        if anchor.kind == "monthly":
            yield month.day(anchor.day)
        elif anchor.month != month.number:
            continue
        elif anchor.kind == "date":
            yield month.day(anchor.day)
        elif anchor.kind == "weekday_before":
            last = month.day(anchor.day) - 1
            yield last - (weekday_of(last) - anchor.weekday) % 7 - 7 * (anchor.nth - 1)
        else:
            yield month.nth_weekday(anchor.weekday, anchor.nth) + anchor.offset_days


def _factors(almanac: Almanac, factors: Params, at: str) -> Iterator[tuple[int, float, str]]:
    """(class code or ANY, factor, its key) of a factor list, which has the key `at`."""
    for name, factor in factors.items():
        yield (ANY if name == EVERY_CLASS else almanac.labels[name]), float(factor), f"{at}.{name}"


def _working_day(almanac: Almanac, country: int, day: int) -> int:
    """The day itself or the last day before it that is neither weekend nor holiday."""
    weekend, closed = almanac.weekend[country], almanac.holidays.get(country, {})
    for _ in range(31):
        if weekday_of(day) not in weekend and day not in closed:
            return day
        day -= 1
    return day


def feast_days(feasts: Params) -> dict[str, tuple[int, ...]]:
    """Days since 1970 of each feast of a resolved `feasts_5A`."""
    return {
        name: tuple(np.array(dates, dtype="datetime64[D]").astype(np.int64).tolist())
        for name, dates in feasts.dates.items()
    }


def almanac_of(
    horizon: Horizon,
    vocabulary: Mapping[str, tuple[str, ...]],
    countries: Any,
    holidays: Any,
    feasts: Mapping[str, tuple[int, ...]],
) -> Almanac:
    """The almanac of a horizon.

    Args:
        horizon: The horizon.
        vocabulary: `country` and `demand_class`.
        countries: Frame of the reference table `countries`.
        holidays: Frame of the reference table `holidays` (`date` in days since 1970).
        feasts: Days since 1970 of each feast.
    """
    closed: dict[int, dict[int, str]] = {}
    for country, day, name in zip(
        holidays.country_iso.tolist(), holidays.date.tolist(), holidays.name.tolist(), strict=True
    ):
        closed.setdefault(country, {})[day] = name
    codes = countries.country_iso.tolist()
    return Almanac(
        horizon=horizon,
        labels={name: code for code, name in enumerate(vocabulary["demand_class"])},
        countries={name: code for code, name in enumerate(vocabulary["country"])},
        region=dict(zip(codes, countries.region.tolist(), strict=True)),
        weekend={
            code: frozenset(int(day) for day in days.split(","))
            for code, days in zip(codes, countries.weekend_days.tolist(), strict=True)
        },
        holidays=closed,
        feasts=feasts,
    )
