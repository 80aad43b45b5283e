"""Optional packages: imported when a command needs them; if one is missing, the error gives the pip line."""

from __future__ import annotations

import importlib
from types import ModuleType

from sim.ground.errors import UsageError


def require_package(name: str, purpose: str, install: str) -> ModuleType:
    """Import an optional package.

    Args:
        name: What is imported.
        purpose: What it is needed for.
        install: What to do when it is missing.

    Raises:
        UsageError: `SHELL.PACKAGE_MISSING`.
    """
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise UsageError(
            "SHELL.PACKAGE_MISSING",
            f"{name} is needed for {purpose} and cannot be imported",
            found=str(error),
            expected=f"an installed {name}",
            do=install,
        ) from error
