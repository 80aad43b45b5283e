"""How rows of 5A find their draws: for `closedworld explain`."""

from __future__ import annotations

import numpy as np

from sim.recipes.drawn import (
    INTEGER,
    NORMAL,
    UNIFORM,
    Drawn,
    Explained,
    MadeOf,
    Told,
    Word,
    at,
    position,
    where,
)
from sim.recipes.horizon import DAY_S, MICRO
from sim.recipes.life import LIFE, SEASONS, life_of
from sim.recipes.local_calendar import local_calendar, published_horizon
from sim.recipes.places import country_letters
from sim.segments.intensity_5a.s4_calendar import DAY_MINUTES
from sim.state.context import Context
from sim.state.declaration import Partition
from sim.state.frames import Frame


def _online(ctx: Context, part: Partition, rows: Frame) -> Frame:
    return where(rows, rows.virtual_mode != ctx.code("virtual_mode", "NON_VIRTUAL"))


def _by_letters(ctx: Context, part: Partition, rows: Frame) -> Frame:
    """Rows with the letters of their country."""
    letters = country_letters(ctx)[rows.legal_country_iso]
    return at(rows, np.arange(len(rows)), country_letters=letters)


def _outages(ctx: Context, part: Partition, rows: Frame) -> Frame:
    """Outages with the local `civil_day` they began on, and the number of `durations` there are."""
    here = np.flatnonzero(rows.event_type == ctx.code("event_type", "OUTAGE"))
    durations = len(ctx.params.overlay_policy_5A.outage.durations_minutes)
    return at(
        rows,
        here,
        civil_day=rows.local_start[here] // MICRO // DAY_S,
        durations=np.full(len(here), durations),
    )


def _factors(ctx: Context, part: Partition, rows: Frame) -> list[str]:
    """The factors that moved an intensity in its local bucket, and the events behind them."""
    profile = ctx.load("merchant_zone_profile_5A", columns=(*_SCOPE, "merchant_id", "channel_group"))
    owner = ("merchant_id", "legal_country_iso", "tzid", "channel_group")
    key = profile.take(np.all([profile[name] == rows[name][0] for name in owner], axis=0))
    bucket = _local_bucket(ctx, part, rows)
    table = ctx.load("scenario_overlay_factors_5A", scenario=part.scenario)
    first, length = table.local_bucket_index.astype(np.int64), table.local_buckets.astype(np.int64)
    same = np.all([table[name] == key[name][0] for name in _SCOPE], axis=0)
    mine = table.take(same & (first <= bucket) & (bucket < first + length))
    events = ctx.load(_CALENDAR, scenario=part.scenario, columns=("event_id", "event_name"))
    names = events.event_name[position(events.event_id, mine.event_id)]
    told = [
        f"factor   {factor:.12g} of {ctx.vocabulary('event_type')[kind]}, event {name} ({event}), "
        f"by scenario_overlay_factors_5A from local bucket {since}"
        for factor, kind, name, event, since in zip(
            mine.factor.tolist(),
            mine.event_type.tolist(),
            names.tolist(),
            mine.event_id.tolist(),
            mine.local_bucket_index.tolist(),
            strict=True,
        )
    ]
    total, whole = ctx.params.overlay_policy_5A.total, 1.0
    for factor in mine.factor.tolist():
        whole *= factor
    horizon = published_horizon(ctx.load("scenario_manifest_5A", scenario=part.scenario))
    clock = local_calendar(ctx.load("tz_timetable_cache"), rows.tzid, horizon)
    day = (clock.origin_s + bucket * horizon.bucket_seconds) // DAY_S
    life = float(life_of(ctx, rows, day)[0, 0])
    if life != 1.0:
        told.append(
            f"factor   {life:.12g} of the merchant's life and its trade's season, by {LIFE} and {SEASONS}"
        )
    within = min(max(whole, float(total.low)), float(total.high)) * life
    return [*told, f"factors  {len(told)}, together {within:.12g}, in local bucket {bucket}"]


def _local_bucket(ctx: Context, part: Partition, rows: Frame) -> int:
    """The local bucket of a row of a surface: its own, or that of the middle of its UTC bucket."""
    if "local_bucket_index" in rows:
        return int(rows.local_bucket_index[0])
    horizon = published_horizon(ctx.load("scenario_manifest_5A", scenario=part.scenario))
    clock = local_calendar(ctx.load("tz_timetable_cache"), rows.tzid, horizon)
    return int(clock.local[int(rows.bucket_index[0])])


_SCOPE = ("legal_country_iso", "tzid", "demand_class")
_PROFILE, _CALENDAR = "merchant_zone_profile_5A", "scenario_calendar_5A"

_CLOCK = (
    Word(0, NORMAL, "phase_minutes = own deviate + the country's habits"),
    Word(1, NORMAL, "peak_ratio = exp(sigma n)"),
    Word(2, NORMAL, "opens_minute of its rows of s6_opening_hours_5A: deviate from the trade's"),
    Word(3, NORMAL, "closes_minute of its rows of s6_opening_hours_5A: deviate from the trade's"),
    Word(4, UNIFORM, "always_open: below the trade's share"),
    Word(5, UNIFORM, "closed_weekdays: closed on the day of rest, at or above the share that opens then"),
    Word(6, UNIFORM, "closed_weekdays: closed on the other day off, at or above the share that opens then"),
    Word(7, UNIFORM, "closed_weekdays: takes one more weekday off, below the trade's share"),
    Word(8, UNIFORM, "closed_weekdays: which weekday that is, by their weights"),
    Word(9, UNIFORM, "batch_hour: by the weights of the hours"),
)
_HOURS = (
    Word(0, NORMAL, "phase of the merchant's clock"),
    Word(2, NORMAL, "opens_minute = the trade's + phase + sigma n, rounded"),
    Word(3, NORMAL, "closes_minute = the trade's + phase + sigma n, rounded"),
)

_LIFE = (
    Word(0, UNIFORM, "opened_date: days before the end of the world = -log(u) over the hazard"),
    Word(1, UNIFORM, "closed_date: days after the first of sales = -log(u) over the hazard"),
    Word(2, NORMAL, "growth = sigma n, held within its limit"),
)

_DRAWS = (
    Drawn("s6_merchant_clocks_5A", "5A.merchant_clock", _CLOCK, _by_letters),
    Drawn("s6_opening_hours_5A", "5A.merchant_clock", _HOURS, _by_letters),
    Drawn("s7_merchant_life_5A", "5A.merchant_life", _LIFE),
    Drawn(_PROFILE, "5A.virtual_scale", (Word(0, NORMAL, "virtual_volume = base x exp(sigma n)"),), _online),
    Drawn(
        _CALENDAR,
        "5A.outage",
        (
            Word(0, UNIFORM, "whether an outage begins that day: below its probability"),
            Word(1, INTEGER, "local_start: minute of the day", below=DAY_MINUTES),
            Word(2, INTEGER, "local_end: which of the durations", below="durations"),
        ),
        _outages,
    ),
)

_KEY = {name: name for name in ("merchant_id", "legal_country_iso", "tzid")}
_EDGE_KEY = {"merchant_id": "merchant_id", "country_iso": "legal_country_iso", "tzid": "tzid"}

_BASELINE, _PAIR = (
    "merchant_zone_baseline_local_5A",
    {name: name for name in ("merchant_id", "legal_country_iso")},
)
_MADE_OF = (
    MadeOf("s6_opening_hours_5A", "s6_merchant_clocks_5A", "clock of the merchant there", _PAIR),
    MadeOf(_BASELINE, "s6_merchant_clocks_5A", "clock of the merchant there", _PAIR),
    MadeOf(_BASELINE, "s6_opening_hours_5A", "when its sites are open", _PAIR),
    MadeOf(_PROFILE, "s4_group_weights_2B", "share of its sites", _KEY),
    MadeOf(_PROFILE, "edge_group_weights_3B", "share of its edges", _EDGE_KEY),
    MadeOf(
        _PROFILE,
        "virtual_classification_3B",
        "how much of its demand is online",
        {"merchant_id": "merchant_id"},
    ),
    MadeOf("scenario_overlay_factors_5A", _CALENDAR, "event behind the factor", {"event_id": "event_id"}),
)

_TOLD = (
    Told("merchant_zone_scenario_local_5A", _factors),
    Told("merchant_zone_scenario_utc_5A", _factors),
)

EXPLAINED = Explained(_DRAWS, _MADE_OF, _TOLD)
"""How rows of 5A are explained."""
