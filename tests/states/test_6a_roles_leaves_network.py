"""Every value of the packs of devices and addresses is used, and all packs of 6A have such a test."""

from __future__ import annotations

from functools import cache
from types import ModuleType
from typing import Any

import pytest
import test_6a_people_leaves
import test_6a_roles_leaves
from config_leaves import fingerprint, leaves, unused
from memory_world import MemoryWorld, computed, contracts
from network_world import CONFIGS, changed, world
from test_6a_network_config import OWN
from test_6a_payments_leaves import PACK as PAYMENTS

from sim.segments.entities_6a.s4_devices import state as s4_devices
from sim.segments.entities_6a.s5_network import state as s5_network
from sim.segments.entities_6a.s8_abroad import state as s8_abroad
from sim.state.frames import Frame, concat
from sim.state.params import Params
from sim.state.program import Program

PACKS = [*OWN, "circles_6A"]
# Where only organisations have servers, nobody sees what servers do at homes and at other people's premises:
# here people have some.
TYPES, CAPS = (CONFIGS["device_prior_6A"][name]["RETAIL"] for name in ("type_permille", "type_cap"))
SERVERS = {
    "device_prior_6A.type_permille.RETAIL": {**TYPES, "MOBILE": TYPES["MOBILE"] - 200, "SERVER": 200},
    "device_prior_6A.type_cap.RETAIL": {**CAPS, "MOBILE": 3, "SERVER": 2},
}
BASE = changed(SERVERS)
SMALL = {"DE": 1500, "US": 1000, "NG": 500, "JP": 500, "AU": 300, "LI": 6}
LARGE = {"DE": 12_000, "US": 8000, "NG": 6000, "JP": 6000, "AU": 6000, "FR": 4000}


@cache
def inputs(large: bool) -> dict[str, list[Frame]]:
    return dict(world(LARGE if large else SMALL, shops=400 if large else 80).store.parts)


def outcome(pack: str, document: Any, large: bool) -> str:
    """Fingerprint of S4 and S5, one after the other, without the contract checks of their rows."""
    made = MemoryWorld(BASE)
    made.configs = made.configs | {pack: Params(document)}
    made.store.parts = dict(inputs(large))
    found = ""
    modules: tuple[ModuleType, ...] = (s4_devices, s8_abroad, s5_network)
    for module in modules:
        made.context(module.STATE)
        module.preflight(made.context(module.STATE))
    for module in modules:
        ctx = made.context(module.STATE)
        frames, totals = computed(Program.of(module), ctx)
        if hasattr(module, "finish"):
            frames |= {dataset: [frame] for dataset, frame in module.finish(ctx, totals).items()}
        made.store.parts |= frames
        found += fingerprint(
            {name: concat(rows) for name, rows in frames.items()}, module.checks(ctx, totals)
        )
    return found


@pytest.mark.slow(60)
@pytest.mark.parametrize("pack", PACKS)
def test_every_value_is_used(pack: str) -> None:
    """In a world of some 4,000 parties; what does not show there must in one of 42,000."""
    paths = list(leaves(BASE[pack]))
    if pack == "circles_6A":
        paths = [path for path in paths if set(path) & set(test_6a_roles_leaves.SHARED)]
    idle = unused(pack, BASE[pack], lambda document: outcome(pack, document, False), paths)
    if idle:
        idle = unused(pack, BASE[pack], lambda document: outcome(pack, document, True), idle)
    assert idle == [], idle


def test_no_pack_is_left_out() -> None:
    """Every pack registered for 6A is looked at by one of the leaf tests."""
    own = {name for name, artefact in contracts().artefacts.items() if artefact.path.startswith("layer3/6A/")}
    assert own == {PAYMENTS, *PACKS, *test_6a_roles_leaves.PACKS, *test_6a_people_leaves.PACKS}
