"""Terminals of merchants in memory: 2B.S1 and 2B.S4 over their sites."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from typing import Any

from memory_world import MemoryWorld, config

from sim.recipes.supplied import nothing_supplied
from sim.segments.routing_2b import s1_site_weights, s4_site_terminals
from sim.state.frames import Frame
from sim.state.program import Program

CONFIGS = {
    "arrival_routing_policy_5B": config("layer2/5B/arrival_routing.yaml"),
    "mcc_taxonomy_1A": config("layer1/1A/mcc_taxonomy.yaml"),
    "realism_gates_2B": config("layer1/2B/realism_gates.yaml"),
    "site_terminals_policy_2B": config("layer1/2B/site_terminals.yaml"),
    "site_weight_policy_2B": config("layer1/2B/site_weights.yaml"),
}
KEY = ("merchant_id", "legal_country_iso", "site_order", "site_id")
WEIGHTS, TERMINALS = Program.of(s1_site_weights), Program.of(s4_site_terminals)


def till_world(
    of: Frame,
    located: Frame,
    zoned: Frame,
    policy: Mapping[str, Any] | None = None,
    supplied: Frame | None = None,
    seed: int = 7,
) -> MemoryWorld:
    """A world up to 2B.S1; `policy` replaces entries of `site_terminals_policy_2B`."""
    configs = deepcopy(CONFIGS)
    configs["site_terminals_policy_2B"] |= deepcopy(dict(policy or {}))
    made = MemoryWorld(configs, seed=seed)
    made.store.parts |= {
        "merchant_catalogue_1A": [of],
        "merchant_supplied_1A": [nothing_supplied() if supplied is None else supplied],
        "outlet_catalogue": [located.select(*KEY)],
        "site_locations": [located],
        "site_timezones": [zoned],
    }
    made.run(WEIGHTS)
    return made


def site_terminals(of: Frame, located: Frame, zoned: Frame, seed: int = 7) -> Frame:
    """Rows of `s4_site_terminals_2B`, every check passed."""
    made = till_world(of, located, zoned, seed=seed)
    rows = made.run(TERMINALS)["s4_site_terminals_2B"]
    assert made.failed() == []
    return rows
