"""The table of realism measures every target on a real run."""

from __future__ import annotations

from pathlib import Path

from bench.realism.__main__ import TARGETS, measure, table


def test_every_target_is_measured_on_a_run(demo_run: Path) -> None:
    figures = measure(demo_run)
    assert len(figures) == len(TARGETS)
    assert not [(name, value) for name, value in figures.items() if isinstance(value, str)]
    assert figures["merchants | reference >= 24,000"] == 120
    assert len(table({demo_run: figures}).splitlines()) == len(TARGETS) + 2
