"""5A.S4: events over the horizon (holidays, paydays, seasons, campaigns, outages, stress) and clocks.

The state also publishes what the events amount to: the factors of each country, zone and class with demand,
and the events behind each factor.

Events are in local wall clock: a holiday in Tokyo is a day in Tokyo. Outages are drawn for each zone and
local day, so a longer horizon only adds days. The calendar is its own state because every partition of the
surfaces needs all of it.
"""

from __future__ import annotations

import hashlib

import numpy as np

from sim.recipes.audits import ledger_check
from sim.recipes.entities import ENTITY_NEEDS, id_of, pair_entity
from sim.recipes.horizon import DAY_S, MICRO, Horizon, horizon_of, span_of
from sim.recipes.local_calendar import local_calendar
from sim.recipes.told_factors import packed
from sim.recipes.words import BELOW_NEEDS, WORDS_NEEDS, below, words
from sim.segments.intensity_5a.factor_runs import factor_runs
from sim.segments.intensity_5a.feasts import FEASTS_NEEDS, FeastCounts, count_feasts, feast_checks
from sim.segments.intensity_5a.overlays import (
    ANY,
    Almanac,
    Event,
    almanac_of,
    event_rows,
    feast_days,
    scenario_events,
)
from sim.state.context import Context, PartitionContext
from sim.state.counters import Counters, PerScenario, Vector
from sim.state.declaration import ROW_LEVEL, Check, Frames, Measurement, Partition, State
from sim.state.frames import Array, Frame
from sim.state.refuse import Fault, refuse, refuse_any
from sim.state.totals import Totals


class Counts(Counters):
    """Events of each scenario by type."""

    events = PerScenario(Vector("event_type"))


STATE = State(
    id="5A.S4",
    title="Scenario calendar",
    reads={"tz_timetable_cache": ROW_LEVEL, "merchant_zone_profile_5A": ROW_LEVEL},
    config=("scenario_horizon_5A", "scenarios_5A", "overlay_policy_5A", "feasts_5A"),
    reference=("countries", "holidays"),
    writes=(
        "scenario_manifest_5A",
        "scenario_calendar_5A",
        "scenario_zone_calendar_5A",
        "scenario_overlay_factors_5A",
    ),
    streams=("5A.outage",),
    kernels=("open_uniform",),
    per_scenario=True,
    counts=(Counts, FeastCounts),
    uses=(BELOW_NEEDS, ENTITY_NEEDS, FEASTS_NEEDS, WORDS_NEEDS),
)

_OUTAGE_DRAWS = 3
_OUTAGE_FACTOR = "overlay_policy_5A.outage.factor"
DAY_MINUTES = 1440
_DAY_MASK = np.uint64(2**63 - 1)  # days before 1970 count from 2**63 down


def preflight(ctx: Context) -> None:
    """Refuse impossible horizons, undefined windows and factors out of bounds, before any state runs.

    A horizon is impossible if it is empty, has no holidays or belongs to no scenario.
    """
    horizons, known = ctx.params.scenario_horizon_5A, ctx.params.scenarios_5A.scenarios
    span_of(horizons)
    what = "scenario_horizon_5A names scenarios that scenarios_5A does not define."
    unknown = [
        Fault(f"scenario_horizon_5A.scenarios.{name}", name)
        for name in horizons.scenarios
        if name not in known
    ]
    refuse_any(
        ctx,
        "SCENARIO_UNKNOWN",
        what,
        unknown,
        expected=", ".join(known),
        do="define the scenario in scenarios_5A, or drop it here",
    )
    policy = ctx.params.overlay_policy_5A
    for name in ctx.scenarios:
        _, events = _almanac_and_events(ctx, name, horizon_of(horizons, name))
        if "OUTAGE" in known[name].overlays:
            events.append(Event("OUTAGE", "outage", 0, 1, policy.outage.factor, _OUTAGE_FACTOR))
        _require_bounded(ctx, events)


def compute(ctx: PartitionContext, part: Partition) -> Frames:
    """Manifest, events, zone clocks and factors of one scenario."""
    assert part.scenario is not None
    scenario = ctx.params.scenarios_5A.scenarios[part.scenario]
    horizon = horizon_of(ctx.params.scenario_horizon_5A, part.scenario)
    events = _calendar(ctx, _events(ctx, part.scenario, horizon))
    manifest = Frame(
        {
            "horizon_start_utc": np.array([horizon.start_us], dtype=np.int64),
            "horizon_end_utc": np.array([horizon.end_us], dtype=np.int64),
            "bucket_seconds": np.array([horizon.bucket_seconds], dtype=np.uint32),
            "buckets": np.array([horizon.buckets], dtype=np.uint32),
            "band": np.array([ctx.code("scenario_band", scenario.band)], dtype=np.int16),
            "events": np.array([len(events)], dtype=np.uint32),
        }
    )
    ctx.count(
        Counts.events[part.scenario],
        np.bincount(events.event_type, minlength=len(ctx.vocabulary("event_type"))),
    )
    factors = _factors(ctx, events, horizon)
    count_feasts(ctx, part.scenario, horizon, factors)
    return {
        "scenario_manifest_5A": manifest,
        "scenario_calendar_5A": events,
        "scenario_zone_calendar_5A": _zones(ctx, horizon),
        "scenario_overlay_factors_5A": factors,
    }


def checks(ctx: Context, totals: Totals) -> list[Check]:
    """Outage draws."""
    drawing = [name for name in ctx.scenarios if "OUTAGE" in ctx.params.scenarios_5A.scenarios[name].overlays]
    days = sum(horizon_of(ctx.params.scenario_horizon_5A, name).days + 2 for name in drawing)
    zone_days = days * len(ctx.vocabulary("tzid"))
    return [ledger_check(totals, "5A.outage", zone_days, _OUTAGE_DRAWS), *feast_checks(ctx, totals)]


def measure(ctx: Context, totals: Totals) -> list[Measurement]:
    """Events of each scenario by type."""
    types = ctx.vocabulary("event_type")
    events = Counts(totals).events
    mixes = {name: dict(zip(types, events[name].tolist(), strict=True)) for name in ctx.scenarios}
    return [
        Measurement(f"events of {name}", mix, "rows", "rows of the calendar by type")
        for name, mix in mixes.items()
    ]


def _events(ctx: PartitionContext, name: str, horizon: Horizon) -> list[Event]:
    """Every event of a scenario that may touch the horizon, each within its type's bounds."""
    almanac, events = _almanac_and_events(ctx, name, horizon)
    if "OUTAGE" in ctx.params.scenarios_5A.scenarios[name].overlays:
        events += _outages(ctx, name, almanac)
    _require_bounded(ctx, events)
    return events


def _almanac_and_events(ctx: Context, name: str, horizon: Horizon) -> tuple[Almanac, list[Event]]:
    """The almanac of a horizon, and all events but the drawn ones: those of config and calendar."""
    policy, config = ctx.params.overlay_policy_5A, ctx.params.scenarios_5A
    vocabulary = {key: ctx.vocabulary(key) for key in ("country", "demand_class")}
    countries, holidays = ctx.reference("countries"), ctx.reference("holidays")
    almanac = almanac_of(horizon, vocabulary, countries, holidays, feast_days(ctx.params.feasts_5A))
    _refuse_unknown(ctx, almanac, name)
    if "HOLIDAY" in config.scenarios[name].overlays:
        _refuse_uncovered(ctx, ctx.reference("holidays").date, almanac)
    return almanac, scenario_events(almanac, config, policy, name)


def _require_bounded(ctx: Context, events: list[Event]) -> None:
    for event in events:
        bounds = ctx.params.overlay_policy_5A.types[event.kind]
        if not bounds.low <= event.factor <= bounds.high:
            refuse(
                ctx,
                "FACTOR_OUT_OF_BOUNDS",
                "An event's factor leaves the bounds of its type.",
                at=(event.decided_by, f"overlay_policy_5A.types.{event.kind}"),
                found=f"{event.kind} {event.name}: factor {event.factor}",
                expected=f"{bounds.low} .. {bounds.high}",
                do="change the factor of the event, or the bounds of its type",
            )


def _outages(ctx: PartitionContext, scenario: str, almanac: Almanac) -> list[Event]:
    """Outages drawn a time zone and local day: whether one begins, at which minute, how long it lasts."""
    policy = ctx.params.overlay_policy_5A.outage
    zones = len(ctx.vocabulary("tzid"))
    days = np.arange(almanac.first_day, almanac.last_day + 1, dtype=np.int64)
    zone, day = np.repeat(np.arange(zones), len(days)), np.tile(days, zones)
    days_mod = day.astype(np.uint64) & _DAY_MASK
    begins, minutes, lasts = words(
        ctx, "5A.outage", scenario=scenario, civil_day=days_mod, tzid_name=ctx.name_hashes("tzid")[zone]
    )
    hit = np.flatnonzero(ctx.kernels.open_uniform(x=begins) < policy.probability_per_zone_day)
    minute = below(ctx, minutes[hit], DAY_MINUTES)
    length = np.array(policy.durations_minutes, dtype=np.int64)[
        below(ctx, lasts[hit], len(policy.durations_minutes))
    ]
    start = day[hit] * DAY_S + minute * 60
    rows = zip(zone[hit].tolist(), start.tolist(), (start + length * 60).tolist(), strict=True)
    return [
        Event("OUTAGE", "outage", begin, end, policy.factor, _OUTAGE_FACTOR, tzid=code)
        for code, begin, end in rows
    ]


def _calendar(ctx: Context, events: list[Event]) -> Frame:
    """Events as rows of `scenario_calendar_5A`."""
    names = {
        name: int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "little")
        for name in {event.name for event in events}
    }
    rows = event_rows(events, ctx.vocabulary("event_type"))
    event_id = pair_entity(
        ctx,
        np.array([names[event.name] for event in events], dtype=np.uint64),
        rows.event_type.astype(np.uint64),
    )
    vocabularies = {"country_iso": "country", "tzid": "tzid", "demand_class": "demand_class"}
    for column, vocabulary in vocabularies.items():
        hashes = np.append(ctx.name_hashes(vocabulary), np.uint64(0))  # ANY = -1 takes the last
        event_id = pair_entity(ctx, event_id, hashes[rows[column]])
    start = np.array([event.start for event in events], dtype=np.int64)
    ramp = (rows.ramp_in_seconds > 0) | (rows.ramp_out_seconds > 0)
    shapes = [ctx.code("event_shape", name) for name in ("ramp", "constant")]
    frame = Frame(
        {
            "event_id": id_of(pair_entity(ctx, event_id, start.astype(np.uint64))),
            "event_name": np.array([event.name for event in events], dtype=object),
            "shape": np.where(ramp, *shapes).astype(np.int16),
            **dict(rows.items()),
            **{column: np.where(rows[column] == ANY, np.int16(0), rows[column]) for column in vocabularies},
        },
        {column: rows[column] != ANY for column in vocabularies},
    )
    return frame.sort("event_type", "local_start", "event_id")


def _zones(ctx: Context, horizon: Horizon) -> Frame:
    """Where each time zone's local buckets begin, and how many there are."""
    timetable = ctx.load("tz_timetable_cache")
    clock = local_calendar(timetable, np.unique(timetable.tzid), horizon)
    return Frame(
        {
            "tzid": clock.tzid,
            "local_origin": clock.origin_s * MICRO,
            "local_buckets": np.diff(clock.offset.astype(np.int64)).astype(np.uint32),
        }
    )


def _factors(ctx: Context, events: Frame, horizon: Horizon) -> Frame:
    """What the events come to for each country, zone and class with demand."""
    scope = ("legal_country_iso", "tzid", "demand_class")
    keys = ctx.load("merchant_zone_profile_5A", columns=scope)
    combinations = keys.take(np.unique(packed(keys), return_index=True)[1]).sort(*scope)
    clock = local_calendar(ctx.load("tz_timetable_cache"), np.unique(combinations.tzid), horizon)
    kinds, policy = ctx.vocabulary("event_type"), ctx.params.overlay_policy_5A
    return factor_runs(kinds, combinations, events, clock, horizon, policy)


def _refuse_unknown(ctx: Context, almanac: Almanac, name: str) -> None:
    """Names in config that name nothing: windows of the scenario, countries of the payday groups."""
    config, groups = ctx.params.scenarios_5A, ctx.params.overlay_policy_5A.payday.groups
    at = f"scenarios_5A.scenarios.{name}.windows"
    windows = [
        Fault(f"{at}.{row}", key)
        for row, key in enumerate(config.scenarios[name].windows)
        if key not in config.windows
    ]
    what = f"Scenario {name} uses windows that are not defined."
    refuse_any(
        ctx,
        "WINDOW_UNKNOWN",
        what,
        windows,
        expected="keys of scenarios_5A.windows",
        do="define the window, or drop it here",
    )
    countries = [
        Fault(f"overlay_policy_5A.payday.groups.{row}.countries.{place}", iso)
        for row, group in enumerate(groups)
        for place, iso in enumerate(group.countries)
        if iso not in almanac.countries
    ]
    feasts = [
        Fault(f"scenarios_5A.windows.{key}.anchor.feast", config.windows[key].anchor.feast)
        for key in config.scenarios[name].windows
        if config.windows[key].anchor.kind == "feast"
        and config.windows[key].anchor.feast not in almanac.feasts
    ]
    what = "A window follows a feast that has no dates."
    refuse_any(
        ctx, "FEAST_UNKNOWN", what, feasts, expected="keys of feasts_5A.dates", do="give the feast its dates"
    )
    what = "A payday group lists countries the snapshot lacks."
    refuse_any(
        ctx, "COUNTRY_UNKNOWN", what, countries, expected="ISO 3166-1 alpha-2 codes", do="correct the code"
    )


def _refuse_uncovered(ctx: Context, dates: Array, almanac: Almanac) -> None:
    """A horizon past the holiday table would silently have none."""
    if almanac.first_day < int(dates.min()) or almanac.last_day > int(dates.max()):
        first, last, begin, end = np.array(
            [almanac.first_day, almanac.last_day, dates.min(), dates.max()]
        ).astype("datetime64[D]")
        refuse(
            ctx,
            "HOLIDAYS_NOT_COVERED",
            "The snapshot's holidays do not cover the horizon and the local days around it.",
            found=f"{first} .. {last}",
            expected=f"within {begin} .. {end}",
            at=("scenario_horizon_5A.start", "scenario_horizon_5A.end"),
            do="choose other dates, or rebuild the reference snapshot with later holidays",
        )
