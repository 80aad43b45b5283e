"""Time zone transitions of the world snapshot, computed with zoneinfo; the host's database is never read."""

from __future__ import annotations

import io
import zoneinfo
from datetime import UTC, datetime, timedelta
from typing import Final

import pyarrow as pa
import seal

COVERS_FROM: Final = datetime(2020, 1, 1, tzinfo=UTC)
COVERS_TO: Final = datetime(2036, 1, 1, tzinfo=UTC)
# far below the shortest stretch between two changes since 2020; the tests compare every hour
STEP_S: Final = 6 * 3600
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def seconds(instant: datetime) -> int:
    """Whole seconds since 1970-01-01T00:00:00Z of an aware, whole-second instant."""
    return (instant - EPOCH) // timedelta(seconds=1)


def offset_s(zone: zoneinfo.ZoneInfo, utc_s: int) -> int:
    """UTC offset in seconds in force in `zone` at an instant given in seconds since 1970 (UTC)."""
    offset = (EPOCH + timedelta(seconds=utc_s)).astimezone(zone).utcoffset()
    if offset is None:
        raise ValueError(f"{zone} has no offset at {utc_s}")
    return offset // timedelta(seconds=1)


def transitions(zone: zoneinfo.ZoneInfo) -> list[tuple[int, int]]:
    """(instant, offset minutes) pairs: the state at COVERS_FROM, then each change before COVERS_TO.

    Instants are exact to the second.

    Scans in STEP_S steps and bisects every step whose ends differ. ValueError where an offset is not whole
    minutes.
    """
    start, end = seconds(COVERS_FROM), seconds(COVERS_TO)
    found = [(start, offset_s(zone, start))]
    for right in range(start + STEP_S, end + 1, STEP_S):
        last = min(right, end - 1)
        after = offset_s(zone, last)
        if after == found[-1][1]:
            continue
        low, high = right - STEP_S, last  # the offset at low is the old one, at high the new one
        while high - low > 1:
            middle = (low + high) // 2
            if offset_s(zone, middle) == found[-1][1]:
                low = middle
            else:
                high = middle
        found.append((high, after))
    if any(offset % 60 for _, offset in found):
        raise ValueError(f"{zone} has an offset that is not whole minutes")
    return [(instant, offset // 60) for instant, offset in found]


def transition_table(files: dict[str, bytes], version: str) -> pa.Table:
    """tz_transitions: sorted (tzid, transition_utc_s).

    Its horizon and IANA version stand in the key-value metadata.

    Args:
        files: tzid -> bytes of its TZif file; equal files are scanned once.
        version: IANA release, such as 2026f.

    """
    schema = seal.schema(
        tzid=pa.string(), transition_utc_s=pa.int64(), offset_minutes=pa.int16()
    ).with_metadata(
        {
            "covers_from": COVERS_FROM.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "covers_to": COVERS_TO.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "covers_from_utc_s": str(seconds(COVERS_FROM)),
            "covers_to_utc_s": str(seconds(COVERS_TO)),
            "tzdata_version": version,
        }
    )
    known: dict[bytes, list[tuple[int, int]]] = {}
    rows = []
    for tzid in sorted(files):
        raw = files[tzid]
        if raw not in known:
            known[raw] = transitions(zoneinfo.ZoneInfo.from_file(io.BytesIO(raw), key=tzid))
        rows += [
            {"tzid": tzid, "transition_utc_s": at, "offset_minutes": offset} for at, offset in known[raw]
        ]
    return pa.Table.from_pylist(rows, schema=schema)


def tzid_table(names: list[str]) -> pa.Table:
    """tzids: the sealed category list of time zones; tz_index is the position in sorted order."""
    rows = [{"tz_index": index, "tzid": name} for index, name in enumerate(sorted(names))]
    return pa.Table.from_pylist(rows, schema=seal.schema(tz_index=pa.int16(), tzid=pa.string()))
