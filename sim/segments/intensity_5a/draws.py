"""How rows of 5A find their draws: for `closedworld explain`."""

from __future__ import annotations

import numpy as np

from sim.recipes.drawn import INTEGER, NORMAL, UNIFORM, Drawn, Explained, MadeOf, Word, at, where
from sim.recipes.horizon import DAY_S, MICRO
from sim.segments.intensity_5a.s4_calendar import DAY_MINUTES
from sim.state.context import Context
from sim.state.declaration import Partition
from sim.state.frames import Frame


def _online(ctx: Context, part: Partition, rows: Frame) -> Frame:
    return where(rows, rows.virtual_mode != ctx.code("virtual_mode", "NON_VIRTUAL"))


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


_PROFILE, _CALENDAR = "merchant_zone_profile_5A", "scenario_calendar_5A"

_DRAWS = (
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

_MADE_OF = (
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

EXPLAINED = Explained(_DRAWS, _MADE_OF)
"""How rows of 5A are explained."""
