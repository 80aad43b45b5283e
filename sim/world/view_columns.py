"""Columns that views and handles add to the rows of files: local wall time, and the run of a row."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import pyarrow as pa

LOCAL = "ts_local"
_NEEDED = ("ts_utc", "utc_offset_minutes")
_MINUTE = 60_000_000
LINEAGE = ("run_id", "parameter_hash")


def added(stored: Collection[str]) -> list[str]:
    """Names of the columns made for rows with these columns, in their order."""
    local = [LOCAL] if all(name in stored for name in _NEEDED) else []
    return [name for name in (*local, *LINEAGE) if name not in stored]


def local_sql() -> str:
    """Local wall time as SQL: integer arithmetic, which needs no time-zone extension."""
    return f"make_timestamp(epoch_us(ts_utc) + utc_offset_minutes::BIGINT * {_MINUTE})"


def needed(name: str) -> tuple[str, ...]:
    """Stored columns an added one is made of."""
    return _NEEDED if name == LOCAL else ()


def made(name: str, rows: pa.Table, lineage: Mapping[str, str]) -> Any:
    """An added column of rows that hold what it is made of."""
    import pyarrow.compute as pc

    if name != LOCAL:
        return pa.repeat(pa.scalar(lineage[name], pa.string()), rows.num_rows)
    shift = pc.multiply(rows["utc_offset_minutes"].cast(pa.int64()), _MINUTE)
    return pc.add(rows["ts_utc"].cast(pa.int64()), shift).cast(pa.timestamp("us"))
