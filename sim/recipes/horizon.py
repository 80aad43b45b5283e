"""Scenario horizons: whole UTC days cut into equal buckets, from config `scenario_horizon_5A`.

`start` and `end` are every scenario's, but for those with dates of their own under `scenarios`. Lives that
are made once for all scenarios (of merchants, parties, accounts, cards, devices, addresses) go by `start` and
`end` alone: a scenario with dates of its own sees the same lives. Clocks and seasons are tables by day: they
cover the days of all scenarios, run or not, and what they say of a day depends on no scenario.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import NoReturn

from sim.state.params import Params
from sim.state.refuse import refuse

DAY_S = 86_400
MICRO = 1_000_000
_EPOCH = date(1970, 1, 1)


@dataclass(frozen=True)
class Horizon:
    """A span of whole UTC days.

    Attributes:
        first_day: Days since 1970-01-01 of the first day.
        days: Number of days.
        bucket_seconds: 900, 1800 or 3600.
    """

    first_day: int
    days: int
    bucket_seconds: int

    @property
    def start_s(self) -> int:
        """First second, since 1970 (UTC)."""
        return self.first_day * DAY_S

    @property
    def start_us(self) -> int:
        """First microsecond, since 1970 (UTC)."""
        return self.start_s * MICRO

    @property
    def end_us(self) -> int:
        """First microsecond after the horizon."""
        return (self.first_day + self.days) * DAY_S * MICRO

    @property
    def buckets(self) -> int:
        """Number of buckets."""
        return self.days * DAY_S // self.bucket_seconds


def day_number(text: str) -> int:
    """Days since 1970-01-01 of a day written YYYY-MM-DD.

    Raises:
        ValueError: There is no such day.
    """
    return (date.fromisoformat(text) - _EPOCH).days


def horizon_of(params: Params, scenario: str) -> Horizon:
    """The horizon of a scenario, as a resolved `scenario_horizon_5A` describes it.

    Raises:
        ContractError: `5A.S4.HORIZON_INVALID`: a date that does not exist, or an end that is not after the
            start.
    """
    dates = {"start": params.start, "end": params.end}
    if scenario in params.scenarios:
        dates |= {name: value for name, value in params.scenarios[scenario].items() if name in dates}
    return _horizon(params, dates["start"], dates["end"], scenario)


def life_span(params: Params) -> Horizon:
    """The span in which lives begin and end: `start` and `end` of a resolved `scenario_horizon_5A` alone.

    Raises:
        ContractError: As `horizon_of`.
    """
    return _horizon(params, params.start, params.end, "every scenario")


def span_of(params: Params) -> Horizon:
    """First day of the earliest horizon in a resolved `scenario_horizon_5A`, and last day of the latest.

    Raises:
        ContractError: As `horizon_of`, for any of them.
    """
    found = [life_span(params), *(horizon_of(params, name) for name in params.scenarios)]
    first, stop = min(one.first_day for one in found), max(one.first_day + one.days for one in found)
    return Horizon(first, stop - first, int(params.bucket_seconds))


def _horizon(params: Params, start: str, end: str, whose: str) -> Horizon:
    try:
        first, stop = day_number(start), day_number(end)
    except ValueError as error:
        _refuse(params, whose, str(error))
    if stop <= first:
        _refuse(params, whose, f"{start} .. {end}")
    return Horizon(first, stop - first, int(params.bucket_seconds))


def _refuse(params: Params, whose: str, found: str) -> NoReturn:
    own = f"scenario_horizon_5A.scenarios.{whose}"
    refuse(
        "5A.S4",
        "HORIZON_INVALID",
        f"The horizon of {whose} is not a span of days.",
        at=own if whose in params.scenarios else ("scenario_horizon_5A.start", "scenario_horizon_5A.end"),
        pack=params,
        found=found,
        expected="start and end as YYYY-MM-DD, end after start (end is the first day outside)",
        do="--set scenario_horizon_5A.start=2026-01-05 --set scenario_horizon_5A.end=2026-01-19",
    )
