"""Refusals of damaged files in place of Arrow's exceptions."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from sim.ground.errors import GateError


@contextlib.contextmanager
def damage_told(where: str) -> Iterator[None]:
    """Turn an OSError without a number, which Arrow raises for damaged pages, into a refusal."""
    try:
        yield
    except OSError as error:
        if error.errno:
            raise
        found = (str(error).strip().splitlines() or [""])[0][:300]
        do = "closedworld verify RUN --deep tells which file; restore it from a copy"
        raise GateError(
            "SHELL.PUBLISHED_FILE_INVALID", "a published file cannot be read", found=found, where=where, do=do
        ) from error
