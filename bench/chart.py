"""The chart of README from kept results: arrivals against the write floor and peers, growth,
whole presets.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from bench.svg import Bar, bars, curve, page


def draw(results: Path, machine: str) -> str:
    """An SVG of what `results` holds for a machine; cases never run are left out.

    Raises:
        FileNotFoundError: If none was.
    """
    found = {
        path.name[: -len(machine) - 6]: json.loads(path.read_text())
        for path in sorted(results.glob(f"*-{machine}.json"))
    }
    groups = [group for name, make in MAKERS.items() if name in found and (group := make(found[name]))]
    if not groups:
        raise FileNotFoundError(
            f"no results of {machine} in {results}: closedworld bench write-floor peers growth end-to-end"
        )
    any_ = next(iter(found.values()))
    about = any_["environment"]
    memory = about["memory_bytes"] / 2**30
    versions = ", ".join(
        f"{name} {about['versions'][name]}" for name in ("pyarrow", "numba") if name in about["versions"]
    )
    return page(
        (
            f"{about['cpu']}, {about['cores']} cores, {memory:.0f} GiB, {versions}; medians, "
            f"{any_['started'][:10]}"
        ),
        groups,
    )


def _median(row: dict[str, Any], figure: str) -> float:
    return float(row["figures"][figure]["median"])


def _floor(result: dict[str, Any]) -> tuple[str, int]:
    workers = result["parameters"]["workers"]
    rows = [row for row in result["rows"] if "rows" in row["figures"]]
    made = [
        Bar(row["name"], _median(row, "rows"), f"{_median(row, 'rows'):.1f} M rows/s", "5B.S4" in row["name"])
        for row in rows
    ]
    ratios = [
        f"{_median(row, '5B.S4 / floor'):.2f}x" for row in result["rows"] if row["name"].endswith("ratio")
    ]
    times = f"{', '.join(ratios)} the time of pyarrow alone"
    return bars(f"Arrivals against writing the same columns, {workers} threads", times, made)


def _peers(result: dict[str, Any]) -> tuple[str, int]:
    rows = [row for row in result["rows"] if row["figures"]]
    made = [
        Bar(
            row["name"],
            _median(row, "rows"),
            f"{_median(row, 'rows'):.1f} M rows/s, {row['facts']['bytes a row']:.0f} B a row",
            row["name"].startswith("closedworld"),
        )
        for row in rows
    ]
    return bars(
        "Generators, alternately in the same minutes",
        "more is faster; only ours is ordered, checked and sealed",
        made,
    )


def _growth(result: dict[str, Any]) -> tuple[str, int] | None:
    points = []
    for row in result["rows"]:
        arrivals = row["facts"]["arrivals"]
        label = f"{arrivals / 1e6:,.0f} M"
        points.append(
            (
                float(arrivals),
                _median(row, "5B.S4"),
                f"{label} arrivals, {_median(row, 'peak'):,.0f} MiB",
                f"{_median(row, '5B.S4'):.1f}",
            )
        )
    return curve("Growth: M arrivals/s of 5B.S4", "peak memory of the whole run below", points)


def _whole(result: dict[str, Any]) -> tuple[str, int]:
    made = [
        Bar(
            f"{row['name']}, {row['facts']['arrivals'] / 1e6:,.1f} M arrivals",
            _median(row, "wall"),
            f"{_median(row, 'wall'):.1f} s, {_median(row, 'peak') / 1024:.1f} GiB",
            True,
        )
        for row in result["rows"]
    ]
    return bars("Whole presets, 1A to 6A, fresh process", "less is faster; peak memory", made)


MAKERS = {"write-floor": _floor, "peers": _peers, "growth": _growth, "end-to-end": _whole}
