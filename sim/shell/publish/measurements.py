"""Figures that gate nothing, as manifests and indexes list them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

INFO = "INFO"
"""Severity of what is measured and gates nothing."""


def read_measurements(document: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The figures that a manifest or an index lists under `measurements`.

    Raises:
        TypeError: If it is not a list of figures of severity INFO: nothing that gates may be among them.
    """
    rows = document["measurements"]
    if not isinstance(rows, list) or not all(
        isinstance(row, dict) and row.get("severity") == INFO for row in rows
    ):
        raise TypeError("measurements that are not figures of severity INFO")
    return rows
