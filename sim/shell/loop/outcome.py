"""What a run did: a row a state, the segments that passed, and both as JSON."""

from __future__ import annotations

import time
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sim.executors.resident import highest
from sim.shell.publish.bundle import Bundle
from sim.shell.runs.figures import bundle_figures
from sim.shell.runs.runs_report import StateRow
from sim.state.program import Segment

SIZES_CHECKED = "sizes checked, bytes not re-read"
"""What is done with the files of a segment whose flag lies there; a state that reads one hashes it first."""


@dataclass
class RunResult:
    """What a run did.

    Attributes:
        run_dir: The run directory.
        rows: One entry a state: what `segment_state_runs` says.
        bundles: Segments that passed, in order.
        taken_over: Those of them that an earlier invocation built: `SIZES_CHECKED` says what was looked at of
            their files.
        stopped_after: State after which `--until` ended the run, its segment not passed; None if it went to
            the end of a segment.
        session: Name of this invocation, unlike any other.
    """

    run_dir: Path
    rows: list[StateRow] = field(default_factory=list)
    bundles: dict[str, Bundle] = field(default_factory=dict)
    taken_over: list[str] = field(default_factory=list)
    stopped_after: str | None = None
    session: str = field(default_factory=lambda: uuid.uuid4().hex)


def state_row(
    segment: Segment, state: str, status: str, rows: int, reused: int, started: float, error: str = ""
) -> StateRow:
    """A row of `segment_state_runs`; `started` is of `time.perf_counter`."""
    return StateRow(
        layer=segment.layer,
        segment=segment.code,
        state=state,
        status=status,
        error_code=error,
        rows=rows,
        partitions_resumed=reused,
        wall_ms=round((time.perf_counter() - started) * 1000),
        peak_rss_bytes=highest(),
    )


def gate_row(segment: Segment, bundle: Bundle, status: str, started: float) -> StateRow:
    """The row of a segment's gate: rows of every dataset behind it, built now (PASS) or earlier (PROVEN)."""
    return state_row(segment, segment.gate, status, sum(item.rows for item in bundle.datasets), 0, started)


def describe(result: RunResult) -> dict[str, Any]:
    """JSON-ready summary of a run."""
    return {
        "run_dir": str(result.run_dir),
        "segments": {code: bundle.digest for code, bundle in result.bundles.items()},
        "checks_passed": sum(
            len(bundle.checks) for code, bundle in result.bundles.items() if code not in result.taken_over
        ),
        "taken_over": dict.fromkeys(result.taken_over, SIZES_CHECKED),
        "stopped_after": result.stopped_after,
        "states": [vars(row) for row in result.rows],
        "datasets": bundle_figures(result.bundles.values()),
    }
