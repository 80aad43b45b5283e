"""Peak memory against workers and size: it should follow workers x the largest partition, whatever the preset.

Rows name the state with the highest peak. Resident memory includes pages of files that are mapped; anonymous memory does not, and is
what a limit has to hold.
"""

from __future__ import annotations

import dataclasses
import shutil

from bench.case import Options, Row
from bench.process import metered

MIB = 2**20


def run(options: Options) -> list[Row]:
    """A row a preset and number of workers: 1, 2, 4, ... up to `workers`, and twice that."""
    counts = [1]
    while counts[-1] < 2 * options.workers:
        counts.append(2 * counts[-1])
    return [_row(dataclasses.replace(options, workers=workers), preset) for preset in options.presets for workers in counts]


def _row(options: Options, preset: str) -> Row:
    peaks, anonymous, highest = [], [], set()
    for number in range(options.runs):
        options.say(f"memory: {preset}, {options.workers} workers, {number + 1}/{options.runs}")
        out = options.scratch / "world"
        try:
            _, answer = metered(options, preset, out)
        finally:
            shutil.rmtree(out, ignore_errors=True)
        states = answer["states"]
        peaks.append(max(state["peak_rss"] for state in states.values()) / MIB)
        anonymous.append(max(state["peak_anon"] for state in states.values()) / MIB)
        highest.add(max(states, key=lambda state: int(states[state]["peak_anon"])))
    figures = {"peak": ("MiB", peaks), "peak anonymous": ("MiB", anonymous)}
    arrivals = answer["rows"].get("arrival_events_5B", 0)
    return Row(f"{preset}, workers {options.workers}", figures, {"arrivals": arrivals, "highest": ", ".join(sorted(highest))})
