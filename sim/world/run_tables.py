"""Tables about the run itself, queried like datasets: checks and figures, random numbers, run reports."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import pyarrow as pa

from sim.shell.publish.bundle import Bundle
from sim.world.described import Described
from sim.world.rng_logs import as_utf8, audit_log, trace_log

_CHECK = pa.schema(
    [
        ("segment", pa.string()),
        ("state", pa.string()),
        ("severity", pa.string()),
        ("name", pa.string()),
        ("passed", pa.bool_()),
        ("dataset", pa.string()),
        ("rows", pa.uint64()),
        ("expected", pa.string()),
        ("found", pa.string()),
        ("unit", pa.string()),
        ("note", pa.string()),
    ]
)
ERROR, INFO = "ERROR", "INFO"


def validation_checks(bundles: Iterable[Bundle]) -> pa.Table:
    """Checks (severity ERROR: one that fails stops a run) and measured figures that gate nothing (INFO).

    Values of `expected` and `found` that are not text are JSON. `passed` is null where nothing was compared.
    """
    rows = [
        {**_row(bundle.segment, row), "severity": ERROR}
        for bundle in bundles
        for row in bundle.document["checks"]
    ]
    rows += [
        {**_row(bundle.segment, row), "severity": INFO, "passed": None}
        for bundle in bundles
        for row in bundle.measurements
    ]
    return pa.Table.from_pylist(rows, schema=_CHECK)


def _row(segment: str, row: Mapping[str, Any]) -> dict[str, Any]:
    count, passed = row.get("rows"), row.get("passed")
    whole = isinstance(count, int) and not isinstance(count, bool) and 0 <= count < 2**64
    texts = {
        name: _text(row.get(name))
        for name in ("state", "name", "dataset", "expected", "found", "unit", "note")
    }
    return {
        "segment": segment,
        "passed": passed if isinstance(passed, bool) else None,
        "rows": count if whole else None,
        **texts,
    }


def _text(value: Any) -> str | None:
    if value is None:
        return None
    return as_utf8(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, sort_keys=True))


def run_reports(world: Described) -> pa.Table:
    """What each invocation did, a state a row. It is outside every gate, so nothing proves it.

    Raises:
        UsageError: `SHELL.REPORT_UNREADABLE`.
    """
    from sim.shell.runs.status import REPORT_SCHEMA, report_rows

    return pa.Table.from_pylist(list(report_rows(world.path)), schema=REPORT_SCHEMA)


RUN_TABLES: Mapping[str, Callable[[Described], pa.Table]] = {
    "validation_checks": lambda world: validation_checks(world.segments.values()),
    "rng_ledger": lambda world: world.ledger(),
    "rng_audit_log": lambda world: audit_log(world.receipt, world.segments),
    "rng_trace_log": lambda world: trace_log(world.segments),
    "run_reports": run_reports,
}
UNGATED = ("run_reports",)
