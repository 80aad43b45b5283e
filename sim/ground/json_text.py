"""Strict reader of the JSON files of a run, whoever wrote them: bounded depth, a known format."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from typing import Any

from sim.ground.errors import GateError

_MAX_DEPTH = 64


def no_duplicates(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    """`object_pairs_hook` that refuses repeated keys."""
    result: dict[str, Any] = {}
    for key, value in pairs:
        if key in result:
            raise ValueError(f"duplicate key {key!r}")
        result[key] = value
    return result


def load_json(data: bytes, where: str, wanted: str) -> dict[str, Any]:
    """Parse a published JSON object that must be of a format.

    Args:
        data: Its bytes.
        where: What they are called.
        wanted: The format and its version, e.g. `bundle-v4`.

    Raises:
        GateError: If it does not parse, repeats a key, nests deeper than 64, holds what no run writes, or
            is of another format.
    """
    try:
        text = data.decode("utf-8")
        document = json.loads(
            text, object_pairs_hook=no_duplicates, parse_float=_finite, parse_constant=_finite
        )
        _require_plain(document, data)
    except (ValueError, RecursionError) as error:
        raise damaged(where, str(error)[:200]) from None
    if not isinstance(document, dict) or document.get("format") != wanted:
        found: Any = type(document).__name__
        if isinstance(document, dict):  # versions before 4 called the field `law`
            found = document.get("format", document.get("law"))
        raise damaged(where, f"format {found!r}", expected=f"format {wanted!r}")
    return document


def _require_plain(document: Any, data: bytes) -> None:
    """Refuse what JSON can say and no run writes: deep nesting, and text that is not Unicode."""
    if b"\\u" in data:  # only an escape can make a lone surrogate
        json.dumps(document, ensure_ascii=False).encode("utf-8")
    level, depth = [document] if type(document) in (dict, list) else [], 0
    while level:
        depth += 1
        if depth > _MAX_DEPTH:
            raise ValueError(f"nested deeper than {_MAX_DEPTH}")
        inside = (value.values() if type(value) is dict else value for value in level)
        level = [item for items in inside for item in items if type(item) in (dict, list)]


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"the number {text[:20]}")
    return value


def damaged(where: str, found: str, expected: str = "the bytes this version publishes") -> GateError:
    """The error for a published JSON file that cannot be what a run wrote."""
    return GateError(
        "SHELL.PUBLISHED_FILE_INVALID",
        "a published manifest, index or flag is damaged or foreign",
        found=found,
        expected=expected,
        where=where,
        do="restore the run directory from a copy, or build the run again with another --out",
    )
