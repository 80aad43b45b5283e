"""`contracts lint --write`: demanded checks are those that some worlds made; nothing else changes."""

from __future__ import annotations

import json
import re
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

sys.path.insert(0, str(Path(__file__).parents[1] / "shell"))

import miniworld

from sim.ground.errors import ContractError, GateError, UsageError
from sim.ground.paths import contracts_root
from sim.shell.contracts.load import load_contracts
from sim.shell.runs.check_names import Rewritten, wanted, write_checks
from sim.state.declaration import Check
from sim.world.gates import gates

ONE_MERCHANT = {
    "merchant_universe_1A.merchants": 1,
    "scenario_horizon_5A.start": "2026-03-27",
    "scenario_horizon_5A.end": "2026-03-29",
}


@pytest.fixture(scope="module")
def smallest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A world of one merchant: whatever it has figures for, every world has."""
    from sim.backends import get_backend
    from sim.model import MODEL
    from sim.shell.events.events import Silent
    from sim.shell.loop.run import Options, run_world
    from sim.shell.request.request import Request, prepare

    request = Request(preset="demo", overrides=ONE_MERCHANT, seed=3)
    options = Options(out=tmp_path_factory.mktemp("smallest"), workers=2)
    return run_world(prepare(request, MODEL), get_backend("cpu"), options, Silent()).run_dir


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    return Path(shutil.copytree(contracts_root(), tmp_path / "contracts"))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    miniworld.write_world(tmp_path)
    return tmp_path


def texts(folder: Path) -> dict[str, str]:
    return {path.relative_to(folder).as_posix(): path.read_text() for path in folder.rglob("*.yaml")}


def test_the_registries_are_what_every_world_checks(copy: Path, demo_run: Path, smallest: Path) -> None:
    before = texts(copy)
    assert write_checks(load_contracts(copy), [demo_run, smallest], gates()) == [] and texts(copy) == before


def test_lists_are_filled_from_nothing(copy: Path, demo_run: Path, smallest: Path) -> None:
    """But for patterns: that `*` stands for any category is for a person to say. Every other line stays."""
    real = load_contracts(copy)
    before = texts(copy)
    for name, text in before.items():
        if name.startswith("layer") and "\nchecks:\n" in text and "RNG" not in name:
            (copy / name).write_text(text[: text.index("checks:\n")])
    emptied = {name for name, text in texts(copy).items() if text != before[name]}
    changed = write_checks(load_contracts(copy), [demo_run, smallest], gates())
    filled = load_contracts(copy)
    assert {row.file for row in changed} == emptied and len(emptied) == 10
    exact = [state for state, names in real.checks.items() if not any("*" in name for name in names)]
    assert len(exact) > 25 and all(set(filled.checks[state]) == set(real.checks[state]) for state in exact)
    assert set(filled.checks) == set(real.checks)
    for name, text in texts(copy).items():
        assert text.split("checks:\n")[0] == before[name].split("checks:\n")[0]
    assert write_checks(filled, [demo_run, smallest], gates()) == []


def test_what_one_run_did_not_check_is_not_demanded() -> None:
    assert wanted((), [{"a", "b"}, {"b", "c"}]) == ["b"]
    assert wanted(("a", "b"), [{"a", "b"}, {"b"}]) == ["b"]
    assert wanted(("mean *", "gone"), [{"mean of x", "z", "a"}, {"mean of y", "z", "a"}]) == [
        "mean *",
        "a",
        "z",
    ]


def test_a_new_check_is_demanded_and_a_deleted_one_no_more(root: Path) -> None:
    """A run without a demanded check is refused; written from that run, the check is demanded no more."""
    registry = root / "contracts/layer1/1A/registry.yaml"
    odd = 'weights: "of items" # 1'

    def more(ctx: Any, totals: Any) -> list[Check]:
        return [Check(odd, True), *miniworld.check_items(ctx, totals)]

    run = miniworld.build(root, programs=miniworld.segments(check_items=more)).run_dir
    (row, *others) = write_checks(load_contracts(root / "contracts"), [run], ("1A", "1B"))
    assert (
        row == Rewritten("layer1/1A/registry.yaml", "1A.S1", ("ledger_equals_rows", odd), ()) and not others
    )
    assert load_contracts(root / "contracts").checks["1A.S1"] == ("ledger_equals_rows", odd)
    assert registry.read_text().endswith(
        f"checks:\n  1A.S1:\n    - ledger_equals_rows\n    - {json.dumps(odd)}\n"
    )
    with pytest.raises(GateError, match="CHECKS_MISSING"):
        miniworld.build(root, out=root / "fewer")
    (refused,) = (root / "fewer").iterdir()
    changed = write_checks(load_contracts(root / "contracts"), [refused], ("1A", "1B"))
    assert changed == [Rewritten("layer1/1A/registry.yaml", "1A.S1", (), (odd,))]
    assert miniworld.build(root, out=root / "again").bundles.keys() == {"1A", "1B"}


@pytest.mark.parametrize("lists", ["  1A.S1: [a]\n", "  1A.S1:\n    - a\n"])
def test_a_list_is_replaced_wherever_it_is(root: Path, lists: str) -> None:
    run = miniworld.build(root).run_dir
    registry = root / "contracts/layer1/1A/registry.yaml"
    head, artefacts = registry.read_text().split("artefacts:")
    registry.write_text(f"{head}checks:\n{lists}artefacts:{artefacts}")
    write_checks(load_contracts(root / "contracts"), [run], ("1A", "1B"))
    filled = "checks:\n  1A.S1:\n    - ledger_equals_rows\n"
    assert registry.read_text() == f"{head}{filled}artefacts:{artefacts}"


@pytest.mark.parametrize("flow", [False, True])
def test_another_layout_is_refused_and_left_alone(root: Path, flow: bool) -> None:
    run = miniworld.build(root).run_dir
    registry = root / "contracts/layer1/1A/registry.yaml"
    head, artefacts = registry.read_text().split("artefacts:")
    other = f"{head}checks:\n  1B.S9: [a]\nartefacts:{artefacts}"  # a new list would go to the end
    registry.write_text(f"{head}artefacts:{artefacts}checks: {{1A.S1: [a]}}\n" if flow else other)
    before = registry.read_text()
    with pytest.raises(ContractError, match="cannot be filled") as caught:
        write_checks(load_contracts(root / "contracts"), [run], ("1A", "1B"))
    assert re.fullmatch(r"contracts/layer1/1A/registry.yaml:\d+:1", caught.value.where)
    assert registry.read_text() == before


def test_a_run_without_a_state_says_nothing(root: Path) -> None:
    (root / "runs/empty/gates").mkdir(parents=True)
    with pytest.raises(UsageError, match="NOTHING_TO_WRITE"):
        write_checks(load_contracts(root / "contracts"), [root / "runs/empty"], ("1A", "1B"))


def test_the_command_writes_then_lints(cli: Any, copy: Path, demo_run: Path, smallest: Path) -> None:
    registry = copy / "layer1/1B/registry.yaml"
    before = registry.read_text()
    first = yaml.safe_load(before)["checks"]["1B.S1"][-1]
    registry.write_text(
        "".join(line for line in before.splitlines(keepends=True) if line != f"    - {first}\n")
    )
    asked = ("contracts", "lint", "--contracts", copy, "--write", demo_run, "--write", smallest)
    answer = cli(*asked)
    assert answer.code == 0 and f"contracts/layer1/1B/registry.yaml: 1B.S1 demands {first!r}" in answer.out, (
        answer
    )
    assert registry.read_text() == before and "nothing to write" in cli(*asked).out
    registry.write_text(before + "    - invented\n")
    told = json.loads(cli(*asked, "--json").out)
    assert told["written"] == [
        {"file": "layer1/1B/registry.yaml", "state": "1B.S1", "added": [], "removed": ["invented"]}
    ]
    assert registry.read_text() == before
    assert cli("contracts", "lint", "--write", copy / "nowhere").code == 2
