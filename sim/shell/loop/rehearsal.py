"""A small world's volumes as they will be: the states up to the demand profile, computed in memory, nothing published.

A few hundred merchants with heavy tails are seldom near their mean, but everything about them is a function of its address: what a run
will draw can be drawn now. Large worlds are near their mean, and are estimated by it (`expected_volume`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import numpy as np

from sim.backends import Backend
from sim.model.estimate.volumes import Volumes, weeks_of_demand
from sim.shell.request.request import Prepared
from sim.shell.request.request_context import context_for
from sim.shell.runs.memory_store import MemoryStore
from sim.shell.runs.store import Store
from sim.state.declaration import Program, Segment

PROFILE = "merchant_zone_profile_5A"
MOST_OUTLETS = 20_000


def drawn_volumes(prepared: Prepared, segments: Sequence[Segment], backend: Backend) -> Volumes:
    """Figures of the merchants a run of this request has.

    Args:
        prepared: The request.
        segments: The model.
        backend: Where kernels run.

    Raises:
        SimError: Whatever one of these states would refuse in a run.
    """
    store = MemoryStore(prepared.vocabularies, prepared.reference)
    for program in _needed(segments):
        ctx = context_for(program, prepared, backend, cast(Store, store))
        assert program.compute is not None
        for part in program.partitions(ctx):
            for dataset, frame in program.compute(ctx.for_partition(part), part).items():
                store.parts.setdefault(dataset, []).append(frame)
    profile = store.load(PROFILE)
    weeks = weeks_of_demand(prepared)[profile.demand_class, profile.legal_country_iso]
    return Volumes(
        merchants=len(store.load("merchant_catalogue_1A")),
        outlets=float(len(store.load("outlet_catalogue"))),
        keys=float(len(profile)),
        weekly=float(np.sum(profile.weekly_volume_expected)),
        arrivals=float(np.sum(profile.weekly_volume_expected * weeks)),
    )


def _needed(segments: Sequence[Segment]) -> list[Program]:
    """The states behind the demand profile, in build order."""
    programs = [program for segment in segments for program in segment.programs]
    wanted, found = {PROFILE}, []
    for program in reversed(programs):
        if wanted & set(program.state.writes):
            found.append(program)
            wanted |= set(program.state.reads)
    return found[::-1]
