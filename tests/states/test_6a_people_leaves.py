"""Every value of the packs of parties, accounts and instruments is used: another value changes rows or
checks, or cannot be had.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from functools import cache
from types import ModuleType
from typing import Any

import pytest
from config_leaves import Path, at, fingerprint, leaves, with_leaf
from memory_world import computed, config, contracts, vocabularies
from people_world import STATES, EntityWorld, base_configs, changed, demand

from sim.backends.binder import KernelFailure
from sim.ground.errors import SimError
from sim.shell.contracts.schema_check import document_problems
from sim.shell.contracts.strict_yaml import Located
from sim.state.frames import concat
from sim.state.params import Params
from sim.state.program import Program

WHOLE = 10_000
# Of these the states read a few values; tests of other states look at the rest.
PARTLY = ("footprint_policy_1A", "national_payments_6A", "scenario_horizon_5A")
PACKS = [name for name in base_configs() if name not in PARTLY]
# Businesses and institutions are rare; here they are not, so that each of their segments has somebody.
EVEN = {region: {"RETAIL": 5000, "BUSINESS": 3000, "OTHER": 2000} for region in vocabularies()["region"]}
BASE = {
    "segmentation_prior_6A.party_type_mix": EVEN,
    # Cards expire at the end of a month, so the horizon has one.
    "scenario_horizon_5A.start": "2026-01-19",
    "scenario_horizon_5A.end": "2026-02-02",
}


# Scales that other states lean on: devices on digital and stability, roles on what their prior names.
ROLES = config(contracts().artefacts["fraud_roles_party_6A"].path)["segment_permille"]
ELSEWHERE = {"digital", "stability"} | {scale for weights in ROLES.values() for scale in weights}


@cache
def base(parties: int) -> EntityWorld:
    world = EntityWorld(parties, changed(BASE))
    for module in STATES:
        world.rows_of(module)
    return world


def outcome(pack: str, document: Any, module: ModuleType, parties: int) -> str:
    """Fingerprint of the rows and checks one state makes of a document,
    its inputs being those of the base world.
    """
    world = EntityWorld(parties)
    world.configs = base(parties).configs | {pack: Params(document)}
    world.store.parts = dict(base(parties).store.parts) | {
        name: [frame] for name, frame in demand(parties).items()
    }
    ctx = world.context(module.STATE)
    module.preflight(ctx)
    made, totals = computed(Program.of(module), ctx)
    return fingerprint({name: concat(frames) for name, frames in made.items()}, module.checks(ctx, totals))


def others(pack: str, document: Any, path: Path) -> Iterator[Any]:
    """Documents the schema allows that differ in one value; in mixes, whose parts have a sum, in two;
    in lists, by one word.
    """
    schema = contracts().artefacts[pack].schema
    for made in _changes(document, path):
        if not list(document_problems(contracts().documents, schema, Located(made, pack, {}))):
            yield made


def _changes(document: Any, path: Path) -> Iterator[Any]:
    old, parent = at(document, path), at(document, path[:-1])
    rows = at(document, path[:-2]) if len(path) > 1 else None
    values = list(parent.values()) if isinstance(parent, dict) else parent
    if all(type(value) is int for value in values) and sum(values) == WHOLE:
        keys = list(parent) if isinstance(parent, dict) else list(range(len(parent)))
        yield from _moved(document, path, [(*path[:-1], key) for key in keys if key != path[-1]])
    elif path[-1] == "parts" and isinstance(rows, list):
        yield from _moved(
            document, path, [(*path[:-2], row, "parts") for row in range(len(rows)) if row != path[-2]]
        )
    elif isinstance(old, str) and isinstance(parent, list):
        made = copy.deepcopy(document)
        at(made, path[:-1]).remove(old)
        yield made
        for word in (
            next((words for words in vocabularies().values() if old in words), ())
            if path[0] != "segments"
            else ()
        ):
            yield with_leaf(document, path, word)
    elif isinstance(old, str):
        lists = [words for words in vocabularies().values() if old in words]
        enum = [
            "DEPOSIT",
            "CREDIT_REVOLVING",
            "CREDIT_INSTALLMENT",
            "SETTLEMENT",
            "DEBIT_CARD",
            "CREDIT_CARD",
            "WALLET",
            "BANK_DOMESTIC",
        ]
        for word in [*(word for words in lists for word in words), *enum]:
            yield with_leaf(document, path, word)
    elif isinstance(old, bool):
        yield with_leaf(document, path, not old)
    else:
        kind = type(old)
        for value in (old * 3, old * 0.3, old + 1, old - 1, old * 10 + 1000, 0.5 * old, -old, 1, 0):
            yield with_leaf(document, path, kind(value))


def _moved(document: Any, path: Path, targets: list[Path]) -> Iterator[Any]:
    """A mix with half of one part, or of the other's, moved between two words."""
    for target in targets:
        for giver, taker in ((path, target), (target, path)):
            amount = (at(document, giver) + 1) // 2
            made = with_leaf(document, giver, at(document, giver) - amount)
            yield with_leaf(made, taker, at(document, taker) + amount)


def idle(pack: str, paths: list[Path], parties: int) -> list[Path]:
    """Values of a pack of which no allowed change shows in a world of so many parties."""
    document = base(parties).configs[pack].plain()
    modules = [module for module in STATES if pack in module.STATE.config]
    before = {module: outcome(pack, document, module, parties) for module in modules}
    found = []
    for path in paths:
        refused = shown = False
        for other in others(pack, document, path):
            if other == document:
                continue
            try:
                shown = any(outcome(pack, other, module, parties) != before[module] for module in modules)
            except (SimError, KernelFailure):
                refused = True
            if shown:
                break
        alternatives = list(zip(others(pack, document, path), range(3), strict=False))
        if not shown and not refused and any(other != document for other, _ in alternatives):
            found.append(path)
    return found


@pytest.mark.slow
@pytest.mark.parametrize("pack", PACKS)
def test_every_value_is_used(pack: str) -> None:
    """In a world of 2,500 parties; what does not show there must in a larger one."""
    paths = idle(pack, list(leaves(base_configs()[pack])), 2_500)
    paths = [path for path in paths if "scores" not in path[:-1] or path[-1] not in ELSEWHERE]
    # Names of issuers are made after the partitions: `test_a_bin_is_an_issuer_and_a_product` looks at them.
    paths = [path for path in paths if path[0] not in ("stems", "kinds")]
    assert (idle(pack, paths, 30_000) if paths else []) == []
