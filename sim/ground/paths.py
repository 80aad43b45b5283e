"""Where the packaged data live: `contracts/` and `config/` beside the sources, or inside the wheel."""

from __future__ import annotations

import os
from pathlib import Path

_PACKAGE = Path(__file__).resolve().parents[1]


def _data(name: str) -> Path:
    inside = _PACKAGE / "_data" / name
    return inside if inside.is_dir() else _PACKAGE.parent / name


def contracts_root() -> Path:
    """Directory of the packaged contracts."""
    return _data("contracts")


def config_root() -> Path:
    """Directory of the packaged configuration and reference snapshot."""
    return _data("config")


def user_cache() -> Path | None:
    """Where this user's caches lie, as the XDG base directories have it.

    None for a user without a home (no HOME, no passwd entry).
    """
    named = Path(os.environ.get("XDG_CACHE_HOME", ""))
    if named.is_absolute():
        return named
    try:
        return Path.home() / ".cache"
    except RuntimeError:
        return None
