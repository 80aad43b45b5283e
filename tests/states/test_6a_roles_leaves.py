"""Every value of the packs of fraud roles is used: changing it changes a digest or a check, or is refused."""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest
from config_leaves import Path, fingerprint, leaves, unused
from memory_world import MemoryWorld, computed
from posture_world import CONFIGS, entity_world

from sim.segments.entities_6a.s6_fraud_roles import state as s6_fraud_roles
from sim.segments.entities_6a.s7_audit import state as s7_audit
from sim.segments.entities_6a.s9_circles import state as s9_circles
from sim.state.frames import concat
from sim.state.params import Params
from sim.state.program import Program

PACKS = [
    name for name in CONFIGS if "fraud" in name or "posture" in name or "risk" in name or "circle" in name
]
SHARED = ("device_share_permille", "users_per_device", "hub_ip_types")


def outcome(base: MemoryWorld, pack: str, document: Any, module: Any) -> str:
    """Fingerprint of one state over a world, without the contract checks of its rows."""
    world = MemoryWorld({})
    world.configs = base.configs | {pack: Params(document)}
    world.store.parts = dict(base.store.parts)
    ctx = world.context(module.STATE)
    if hasattr(module, "preflight"):
        module.preflight(ctx)
    made, totals = computed(Program.of(module), ctx)
    base.store.parts.update({name: frames for name, frames in made.items() if name not in base.store.parts})
    return fingerprint({name: concat(frames) for name, frames in made.items()}, module.checks(ctx, totals))


@cache
def base(parties: int, shops: int) -> MemoryWorld:
    """A world of so many parties and merchants, with the rows of S9 and S6 as shipped packs have them."""
    world = entity_world(parties, shops=shops)
    for module in (s9_circles, s6_fraud_roles):
        outcome(world, PACKS[0], CONFIGS[PACKS[0]], module)
    return world


def idle(pack: str, document: Any, paths: list[Path]) -> list[Path]:
    """Values that change nothing in a world of 6,000 parties, nor where each cell of a role has somebody."""
    modules = [module for module in (s9_circles, s6_fraud_roles, s7_audit) if pack in module.STATE.config]
    for size in ((6000, 1500), (40_000, 6000)):
        if paths:
            world = base(*size)
            paths = unused(
                pack,
                document,
                lambda other, world=world: "".join(outcome(world, pack, other, each) for each in modules),
                paths,
            )
    return paths


@pytest.mark.slow(60)
@pytest.mark.parametrize("pack", PACKS)
def test_every_value_is_used(pack: str) -> None:
    document = CONFIGS[pack]
    # What members share is made by 6A.S4; see the leaf test of the network.
    paths = [path for path in leaves(document) if not set(path) & set(SHARED)]
    if pack == "fraud_prevalence_6A":
        # A world has one profile: what the other says shows in a world that has that one.
        other = [path for path in paths if path[0] == "realistic"]
        here = [path for path in paths if path[0] != "realistic"]
        assert idle(pack, document, here) + idle(pack, document | {"profile": "realistic"}, other) == []
    else:
        assert idle(pack, document, paths) == []
