"""What a case is, what it is told and what it gives back: rows of figures,
each with its median and spread over runs.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Options:
    """What the command line says; every case reads what concerns it.

    Attributes:
        scratch: Existing directory for worlds and files; what a case puts there it removes.
        runs: Measurements a figure.
        workers: Threads.
        presets: Presets of `states`, `write-floor`, `partition`, `end-to-end`; the first one is used where
            one is.
        sizes: Arrivals of `growth`.
        rows: Rows of kernel inputs and of the peers' files; None for each case's own.
        partitions: Partitions of `plan-scale`.
        names: Only these kernels (`kernels`, `start-up`) or peers (`peers`); empty for all.
        settings: `--set` values for every world that is built.
        until: Last segment of built worlds, or None.
        against: Another checkout, measured alternately with this one (`states`, `end-to-end`).
        say: Told what is going on.
    """

    scratch: Path
    runs: int = 3
    workers: int = 2
    presets: tuple[str, ...] = ("demo",)
    sizes: tuple[int, ...] = (10_000_000, 100_000_000)
    rows: int | None = None
    partitions: int = 1_000_000
    names: tuple[str, ...] = ()
    settings: tuple[str, ...] = ()
    until: str | None = None
    against: Path | None = None
    say: Callable[[str], None] = print

    def parameters(self) -> dict[str, Any]:
        """What belongs into a result."""
        return {
            "runs": self.runs,
            "workers": self.workers,
            "presets": list(self.presets),
            "sizes": list(self.sizes),
            "rows": self.rows,
            "partitions": self.partitions,
            "names": list(self.names),
            "settings": list(self.settings),
            "until": self.until,
        }


@dataclass(frozen=True)
class Row:
    """One line of a result.

    Attributes:
        name: What was measured.
        figures: Figure name -> (unit, one value a run).
        facts: What does not vary from run to run: counts, sizes, remarks.
    """

    name: str
    figures: dict[str, tuple[str, list[float]]]
    facts: dict[str, int | float | str | bool] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """JSON-ready: median, lowest and highest beside the values."""
        figures = {}
        for name, (unit, values) in self.figures.items():
            rounded = [significant(value) for value in values]
            spread = {
                "median": significant(statistics.median(values)),
                "lowest": min(rounded),
                "highest": max(rounded),
            }
            figures[name] = {"unit": unit, **spread, "values": rounded}
        return {"name": self.name, "figures": figures, "facts": self.facts}


@dataclass(frozen=True)
class Case:
    """A case: its name, what it measures, about how long it takes, its function,
    and whether it runs when none is named.
    """

    name: str
    title: str
    takes: str
    run: Callable[[Options], list[Row]]
    standard: bool


def significant(value: float, digits: int = 5) -> float:
    """Rounded to so many significant digits: what a timing can bear."""
    return float(f"{float(value):.{digits}g}")


def seconds_of(work: Callable[[], object]) -> float:
    """Wall seconds of one call."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def steady(work: Callable[[], object], runs: int, least: float = 0.1) -> list[float]:
    """Seconds a call, `runs` times: each the median over as many calls as fill `least` seconds,
    after one call to warm up.
    """
    work()
    values = []
    for _ in range(runs):
        calls = [seconds_of(work)]
        while sum(calls) < least and len(calls) < 1000:
            calls.append(seconds_of(work))
        values.append(statistics.median(calls))
    return values


def table(rows: Iterable[dict[str, Any]]) -> str:
    """Rows of a result as text: medians, with the range where there were several runs."""
    lines = []
    for row in rows:
        cells = []
        for name, figure in row["figures"].items():
            spread = f" ({figure['lowest']:g}..{figure['highest']:g})" if len(figure["values"]) > 1 else ""
            cells.append(f"{name} {figure['median']:g}{spread} {figure['unit']}".rstrip())
        facts = [
            f"{name} {value:,}" if type(value) is int else f"{name} {value}"
            for name, value in row["facts"].items()
        ]
        lines.append(f"  {row['name']:<24} " + "; ".join(cells + facts))
    return "\n".join(lines)
