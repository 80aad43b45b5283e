"""Figures of what a run published, by dataset and scenario, in the same words in every answer."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from sim.shell.publish.bundle import Bundle
from sim.shell.publish.manifest import StateManifest
from sim.shell.publish.publish import read_published
from sim.shell.runs.opened import state_files
from sim.state.records import Published

ARRIVALS = "arrival_events_5B"


def figures(segment: str, items: Iterable[Published]) -> list[dict[str, Any]]:
    """Rows, files and bytes of published directories, JSON-ready."""
    return [
        {
            "segment": segment,
            "dataset": item.dataset,
            "scenario": item.scenario,
            "rows": item.rows,
            "files": len(item.files),
            "bytes": item.bytes,
            "content_blake3": item.content_blake3,
        }
        for item in items
    ]


def bundle_figures(bundles: Iterable[Bundle]) -> list[dict[str, Any]]:
    """Figures of segments that passed."""
    return [entry for bundle in bundles for entry in figures(bundle.segment, bundle.datasets)]


def manifest_figures(run_dir: Path, codes: Sequence[str]) -> list[dict[str, Any]]:
    """Figures of every state that was published, from its manifest, whether its segment passed or not.

    Proves nothing.

    Raises:
        GateError: If a manifest is damaged.
    """
    found: list[dict[str, Any]] = []
    for code, path in state_files(run_dir, codes):
        found += figures(code, StateManifest.decode(read_published(path), str(path)).datasets)
    return found


def arrivals(entries: Iterable[dict[str, Any]]) -> int:
    """Arrivals of all scenarios together."""
    return sum(entry["rows"] for entry in entries if entry["dataset"] == ARRIVALS)
