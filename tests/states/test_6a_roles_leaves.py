"""Every value of the packs of fraud roles is used: changing it changes a digest or a check, or is refused."""

from __future__ import annotations

from typing import Any

import pytest
from config_leaves import fingerprint, unused
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


@pytest.mark.slow
@pytest.mark.parametrize("pack", PACKS)
def test_every_value_is_used(pack: str) -> None:
    """On a world of 40,000 parties and 6,000 merchants: enough for every cell of a role to have somebody."""
    base = entity_world(40_000, shops=6000)
    for module in (s9_circles, s6_fraud_roles):
        outcome(base, pack, CONFIGS[pack], module)

    def run(document: Any) -> str:
        return "".join(
            outcome(base, pack, document, module)
            for module in (s9_circles, s6_fraud_roles, s7_audit)
            if pack in module.STATE.config
        )

    idle = unused(pack, CONFIGS[pack], run)
    # What members share is made by 6A.S4; see the leaf test of the network.
    idle = [path for path in idle if not set(path) & set(SHARED)]
    if pack == "fraud_prevalence_6A":
        # A world has one profile: what the other says must show in a world that has that one.
        other = CONFIGS[pack] | {"profile": "realistic"}
        here = [path for path in idle if path[0] != "realistic"]
        idle = here + [path for path in unused(pack, other, run) if path[0] != "dense"]
    assert idle == [], idle
