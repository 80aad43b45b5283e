"""What modules of the model declare to need is compared with what their text reaches for, both ways.

Every function is read, and every name is followed to who writes it (`model_code.py`): a helper declares what
it writes itself, and a caller that passes a name declares that. A state's declaration unites its own and its
helpers', and must be what its functions can reach: not less, so that no run ends in `UndeclaredAccess`; not
more, so that seals name nothing that is not read.
"""

from __future__ import annotations

import ast
import importlib
from functools import cache
from pathlib import Path

import pytest

from sim.ground.paths import contracts_root
from sim.segments import SEGMENTS
from sim.shell.contracts.load import load_contracts
from sim.state.declaration import METADATA_ONLY, ROW_LEVEL, Needs, State
from sim.state.program import Program
from tests.architecture.model_code import Model, Module, model
from tests.architecture.model_uses import GROUPS, NAMED, RUNNING, Use, Uses, unfollowed

KINDS = ("config", "reference", "external", "streams", "kernels")
FREE = {
    "vocabulary",
    "code",
    "name_hashes",
    "count",
    "scenarios",
    "state",
    "to_publish",
    "to_read",
    "field",
    "ledger",
    "ledger_sums",
    "lists_events",
    "permutation",
    "require_room",
    "shared",
}
"""What a context gives everybody: sealed lists, counters, and what a declaration itself says."""
DEVICE = {"columns", "on_device", "on_host", "repeat", "sort_segments", "xp", "for_partition"}
PREFLIGHT = ("config", "reference", "external")
"""A preflight sees all of these undeclared (`sim/shell/loop/preflight.py`)."""


@cache
def uses() -> Uses:
    return Uses(model(), load_contracts(contracts_root()).streams)


PROGRAMS = {program.state.id: program for segment in SEGMENTS for program in segment.programs}


def module_of(program: Program) -> Module:
    assert program.compute is not None
    return model().modules[program.compute.__module__]


@cache
def needed() -> tuple[set[Use], set[Use]]:
    """Uses of all states while they run, and those of preflights."""
    running = set().union(*(uses().reached(module_of(program), RUNNING) for program in PROGRAMS.values()))
    before = set().union(
        *(uses().reached(module_of(program), ("preflight",)) for program in PROGRAMS.values())
    )
    return running, before


def switches(found: set[Use]) -> set[str]:
    """Config packs that decide whether a dataset is published: `ctx.publishes` looks at them."""
    contracts = load_contracts(contracts_root())
    names = {use.name for use in found if use.kind == "files" and use.name in contracts.datasets}
    said = {contracts.dataset(name).published_when for name in names}
    return {pack for pack in contracts.artefacts if any(pack in str(when) for when in said)}


def names(found: set[Use], kind: str) -> set[str]:
    return {use.name for use in found if use.kind == kind}


def reads(found: set[Use], own: tuple[str, ...] = ()) -> dict[str, str]:
    rows = names(found, "rows")
    homes = load_contracts(contracts_root()).set_homes
    numbering = {homes[name] for name in names(found, "sets") if name in homes}
    return {
        name: ROW_LEVEL if name in rows else METADATA_ONLY
        for name in rows | names(found, "files") | numbering
        if name not in own
    }


@pytest.mark.parametrize("state", PROGRAMS)
def test_a_state_declares_what_its_functions_reach(state: str) -> None:
    program = PROGRAMS[state]
    running = uses().reached(module_of(program), RUNNING)
    before = uses().reached(module_of(program), ("preflight",))
    declared = program.state
    assert dict(declared.reads) == reads(running, declared.writes)
    for kind in KINDS:
        said, must = set(getattr(declared, kind)), names(running, kind)
        may = must | names(before, kind) | (switches(running) if kind == "config" else set())
        if kind not in PREFLIGHT:
            must |= names(before, kind)
        assert must <= said <= may, (kind, must - said, said - may)
        assert len(getattr(declared, kind)) == len(said)


@pytest.mark.parametrize("module", model().modules.values(), ids=lambda module: module.short)
def test_a_module_declares_what_it_writes_itself(module: Module) -> None:
    """A helper in its `Needs`, a state in its `State`; what their helpers need is not said again."""
    running, before = ({use for use in found if use.module == module.name} for found in needed())
    said = _declared(module)
    own = said.pop("writes", {})
    needs = reads(running, tuple(own))
    assert said.pop("reads", {}) == needs
    for kind in KINDS:
        must = names(running, kind) | (set() if kind in PREFLIGHT else names(before, kind))
        may = must | names(before, kind) | (switches(running) if kind == "config" else set())
        assert must <= set(said.get(kind, {})) <= may, (
            kind,
            must - set(said.get(kind, {})),
            set(said.get(kind, {})) - may,
        )


def _declared(module: Module) -> dict[str, dict[str, str]]:
    """What a module's `Needs` and `State` list: names by field; of reads, their scope."""
    runtime = importlib.import_module(module.name)
    found: dict[str, dict[str, str]] = {}
    for name, value in module.constants.items():
        if not isinstance(getattr(runtime, name, None), Needs | State):
            continue
        assert isinstance(value, ast.Call)
        anywhere = (module, next(iter(module.functions.values())))
        for word in value.keywords:
            said = found.setdefault(word.arg or "", {})
            if word.arg == "reads":
                assert isinstance(word.value, ast.Dict)
                for key, scope in zip(word.value.keys, word.value.values, strict=True):
                    assert key is not None
                    (name,) = (text.text for text in model().values(anywhere, key))
                    assert said.setdefault(name, ast.unparse(scope)) == ast.unparse(scope)
            elif word.arg in (*KINDS, "writes"):
                said |= {text.text: "" for text in model().values(anywhere, word.value)}
    return found


def test_needs_are_no_circle_and_named() -> None:
    """Each is a constant of a module, and none uses itself."""
    every = {
        id(value)
        for module in model().modules
        for value in vars(importlib.import_module(module)).values()
        if isinstance(value, Needs)
    }
    for module in model().modules:
        for value in vars(importlib.import_module(module)).values():
            if isinstance(value, Needs):
                assert all(id(used) in every for used in value.uses)
                assert len({id(one) for one in value.all()}) < len(every)


def test_every_name_is_followed() -> None:
    running, before = needed()
    lost = {(use.kind, use.module) for use in unfollowed(uses()) if use in running | before}
    assert not lost


def test_no_way_to_a_context_is_overlooked() -> None:
    """Whatever the model takes from `ctx` is among the names that are followed, or given to everybody."""
    taken = {
        node.attr
        for module in model().modules.values()
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "ctx"
    }
    assert taken <= {*NAMED, *GROUPS, *FREE, *DEVICE}
    for module in model().modules.values():
        for node in ast.walk(module.tree):
            assert not (
                isinstance(node, ast.Call)
                and ast.unparse(node.func) == "getattr"
                and "ctx" in ast.unparse(node.args[0])
            )


PLANTED = {
    "sim/segments/x/helper.py": """
NAME = "h.stream"
def helper(ctx, stream, table="t.default"):
    ctx.load(table)
    ctx.kernels.mine(key=ctx.stream(stream))
    ctx.ledger(ctx.address(NAME, thing=1))
def unused(ctx):
    ctx.kernels.never()
""",
    "sim/segments/x/state.py": """
from sim.segments.x.helper import helper
TABLES = {"a": "t.one", "b": "t.two"}
def preflight(ctx):
    ctx.params.early
def compute(ctx, part):
    for stream in ("s.one", "s.two"):
        helper(ctx, stream)
    for _, table in TABLES.items():
        helper(ctx, "s.three", table=table)
    ctx.params.late.key
    ctx.files("t.files")
""",
}


def test_the_reader_finds_what_is_planted(tmp_path: Path) -> None:
    """Names passed belong to the caller, names written to the writer, and what nobody calls to nobody."""
    for name, text in PLANTED.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    planted = Model(tmp_path)
    found = Uses(planted)
    state, helper = "sim.segments.x.state", "sim.segments.x.helper"
    running = found.reached(planted.modules[state], RUNNING)
    assert {(use.kind, use.name, use.module) for use in running} == {
        *(("streams", name, state) for name in ("s.one", "s.two", "s.three")),
        *(("rows", name, state) for name in ("t.one", "t.two")),
        ("rows", "t.default", helper),
        ("streams", "h.stream", helper),
        ("kernels", "mine", helper),
        ("config", "late", state),
        ("files", "t.files", state),
    }
    assert {use.name for use in found.reached(planted.modules[state], ("preflight",))} == {"early"}
