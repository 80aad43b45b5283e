"""Partitions of the network: the files of parties, each a run of whole countries."""

from __future__ import annotations

import numpy as np

from sim.state.context import Context
from sim.state.declaration import METADATA_ONLY, Needs, Partition
from sim.state.frames import Frame

COUNTRY_PARTITIONS_NEEDS = Needs(reads={"s1_party_base_6A": METADATA_ONLY})


def country_ranges(ctx: Context, summary: Frame) -> list[tuple[int, int, int]]:
    """Country codes [first, stop) of each file of s1_party_base_6A, and its rows; together all countries.

    Countries without parties belong to the file before them, those before the first to it.
    """
    files = ctx.files("s1_party_base_6A")
    ends = np.cumsum([file.rows for file in files])[:-1] + 1
    # The cell each later file begins with: ids are contiguous in the order of cells.
    begins = np.searchsorted(summary.first_party_no.astype(np.int64), ends)
    countries = len(ctx.vocabulary("country"))
    edges = [
        0,
        *(int(summary.country_iso[row]) if row < len(summary) else countries for row in begins.tolist()),
        countries,
    ]
    return [(edges[index], edges[index + 1], file.rows) for index, file in enumerate(files)]


def span(part: Partition) -> tuple[int, int]:
    """Country codes [first, stop) of a partition."""
    first, stop = part.spec["countries"]
    return int(first), int(stop)
