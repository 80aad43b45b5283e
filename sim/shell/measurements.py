"""Figures that gate nothing, as manifests and indexes list them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sim.shell.state import Measurement

INFO = "INFO"
"""Severity of what is measured and gates nothing."""


def measured_row(figure: Measurement) -> dict[str, Any]:
    """A figure as it stands in manifests."""
    return {"name": figure.name, "severity": INFO, "found": figure.found, "unit": figure.unit, "note": figure.note}


def read_measurements(document: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What a manifest or index measured.

    Raises:
        TypeError: If it is not a list of figures of severity INFO: nothing that gates may stand there.
    """
    rows = document["measurements"]
    if not isinstance(rows, list) or not all(isinstance(row, dict) and row.get("severity") == INFO for row in rows):
        raise TypeError("measurements that are not figures of severity INFO")
    return rows
