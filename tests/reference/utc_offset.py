"""Offset of the zone's last transition at or before the instant."""

from tests.reference._errors import RowError


def offset_at(instant, z, zone_offset, transition_us, transition_minutes):
    """None where the timetable does not cover the instant."""
    if not 0 <= z < len(zone_offset) - 1:
        return None
    own = slice(zone_offset[z], zone_offset[z + 1])
    past = [
        minutes
        for at, minutes in zip(transition_us[own], transition_minutes[own], strict=True)
        if at <= instant
    ]
    return past[-1] if past else None


def utc_offset(ts_us, zone, zone_offset, transition_us, transition_minutes):
    found = []
    for row, (instant, z) in enumerate(zip(ts_us, zone, strict=True)):
        minutes = None
        if 0 <= z < len(zone_offset) - 1 and zone_offset[z + 1] <= len(transition_us):
            minutes = offset_at(instant, z, zone_offset, transition_us, transition_minutes)
        if minutes is None:
            raise RowError(row, "NO_OFFSET")
        found.append(minutes)
    return found
