"""5B.S4 against the floor: pyarrow writing the same, already generated columns. Each in a fresh process,
state and floor in turn.

The state's time holds everything: reading counts, generating, all checks, digests, SHA-256, fsync,
publishing. The floor's holds `pyarrow.parquet.write_table` on as many threads (files loaded in batches,
untimed); a second floor also fsyncs.
"""

from __future__ import annotations

import json
from typing import Any

from bench.case import ROOT, Options, Row
from bench.process import python
from bench.world import World


def run(options: Options) -> list[Row]:
    """Rows state, floor and ratio for each preset."""
    rows = []
    for preset in options.presets:
        options.say(f"write-floor: building {preset} once")
        world = World.built(options, preset)
        states: list[dict[str, Any]] = []
        floors: list[dict[str, Any]] = []
        for number in range(options.runs):
            options.say(f"write-floor: {preset} {number + 1}/{options.runs}")
            world.without_arrivals()
            states.append(world.arrivals_again(options, preset))
            floors.append(_floor(options, world, preset))
        rows += _rows(preset, states, floors)
    return rows


def _floor(options: Options, world: World, preset: str) -> dict[str, Any]:
    settings = [word for setting in options.settings for word in ("--set", setting)]
    where = [str(world.run_dir), preset, str(options.workers), str(options.scratch / "floor")]
    answer: dict[str, Any] = json.loads(python([str(ROOT / "bench/writing.py"), *where, *settings]).text)
    return answer


def _rows(preset: str, states: list[dict[str, Any]], floors: list[dict[str, Any]]) -> list[Row]:
    rows = floors[0]["rows"]
    state = [max(one["wall_ms"], 1) / 1000 for one in states]
    rows_of = {
        "5B.S4": state,
        "floor": [one["seconds"] for one in floors],
        "floor, fsynced": [one["fsynced_seconds"] for one in floors],
    }
    facts = {"rows": rows, "bytes": floors[0]["bytes"], "files": floors[0]["files"]}
    made = [
        Row(
            f"{preset} {name}",
            {"wall": ("s", seconds), "rows": ("M/s", [rows / value / 1e6 for value in seconds])},
            dict(facts),
        )
        for name, seconds in rows_of.items()
    ]
    made[1].facts["same bytes as published"] = all(one["same_bytes"] for one in floors)
    ratios = {
        f"5B.S4 / {name}": ("", [own / other for own, other in zip(state, rows_of[name], strict=True)])
        for name in ("floor", "floor, fsynced")
    }
    return [*made, Row(f"{preset} ratio", ratios)]
