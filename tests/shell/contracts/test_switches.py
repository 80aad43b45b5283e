"""Optional datasets: published when their switch says so, not missed when it does not,
refused when they are there unasked.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import miniworld
import pytest

from sim.ground.contract_types import Switch
from sim.ground.errors import ValidationError
from sim.shell.contracts.config import config_folder
from sim.shell.contracts.lint import lint
from sim.shell.contracts.load import load_contracts
from sim.shell.contracts.text import contract_rows
from sim.shell.publish.gate import open_bundle
from sim.shell.request.receipt import read_receipt
from sim.shell.runs.built_with import DemandedChecks, left_out
from sim.shell.runs.demanded import unmet_demands
from sim.shell.runs.verify import verify_run
from sim.state.context import PartitionContext
from sim.state.declaration import Partition
from sim.state.program import Program, Segment

CODES = ("1A", "1B")
OFF, STORM_OFF = {"items_1A.noted": False}, {"items_1A.scenarios": {"storm": {"noted": False}}}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The mini world, whose `doubles` are optional: a switch for all scenarios, and one a scenario."""
    miniworld.write_world(tmp_path)
    change(
        tmp_path,
        "contracts/layer1/1B/dictionary",
        "produced_by: 1B.S1",
        f"produced_by: 1B.S1\n    {SWITCHED}",
    )
    change(
        tmp_path,
        "contracts/layer1/1A/schemas",
        "required: [total, part_rows]",
        "required: [total, part_rows, noted, scenarios]",
    )
    change(
        tmp_path, "contracts/layer1/1A/schemas", "      part_rows: {type", f"{SCHEMA}      part_rows: {{type"
    )
    change(tmp_path, "config/layer1/1A/items", "total: 100", "total: 100\nnoted: true\nscenarios: {}")
    return tmp_path


SWITCHED = "published_when: {config: items_1A, key: noted}"
SCHEMA = """\
      noted: {type: boolean}
      scenarios:
        type: object
        propertyNames: {pattern: "^[a-z]{1,9}$"}
        additionalProperties:
          type: object
          additionalProperties: false
          properties: {noted: {type: boolean}}
"""


def change(root: Path, name: str, old: str, new: str) -> None:
    path = root / f"{name}.yaml"
    text = path.read_text()
    assert text.count(old) == 1, (name, old)
    path.write_text(text.replace(old, new))


def doubles(ctx: PartitionContext, part: Partition) -> dict[str, Any]:
    return miniworld.compute_doubles(ctx, part) if ctx.publishes("doubles", part.scenario) else {}


def segments(compute: Callable[..., Any] = doubles, **state: Any) -> tuple[Segment, ...]:
    first, second = miniworld.segments()
    known = replace(miniworld.DOUBLES_STATE, config=("scenarios_5A", "items_1A"), **state)
    return (first, replace(second, programs=(Program(known, compute),)))


def build(
    root: Path, overrides: dict[str, Any], scenarios: tuple[str, ...] = ("calm", "storm"), **how: Any
) -> Path:
    request = {"overrides": overrides, "scenarios": scenarios}
    return miniworld.build(root, programs=how.pop("programs", segments()), request=request, **how).run_dir


def judged(root: Path, run: Path) -> list[str]:
    """What `verify` says against a run."""
    return list(verify_run(run, CODES, contracts=load_contracts(root / "contracts")).problems)


CALM_ALONE = OFF | {"items_1A.scenarios": {"calm": {"noted": True}}}


@pytest.mark.parametrize(
    ("overrides", "there"),
    [({}, ["calm", "storm"]), (OFF, []), (STORM_OFF, ["calm"]), (CALM_ALONE, ["calm"])],
    ids=str,
)
def test_what_is_published_is_what_the_switch_says(
    root: Path, overrides: dict[str, Any], there: list[str]
) -> None:
    run = build(root, overrides)
    bundle = open_bundle(run, "1B")
    assert [item.scenario for item in bundle.datasets] == there
    assert judged(root, run) == []  # what was switched off is not missing
    contracts = load_contracts(root / "contracts")
    off = {("doubles", name): Switch("items_1A", "noted") for name in ("calm", "storm") if name not in there}
    assert left_out(run, CODES, contracts) == off
    assert build(root, overrides) == run  # proven, and built upon


def test_the_segment_resumes_with_a_dataset_off(root: Path) -> None:
    request = {"overrides": OFF}
    miniworld.build(root, programs=segments(), request=request, until="1A")
    assert miniworld.build(root, programs=segments(), request=request).bundles.keys() == {"1A", "1B"}


def test_a_state_that_leaves_out_what_is_asked_for_does_not_publish(root: Path) -> None:
    def never(ctx: PartitionContext, part: Partition) -> dict[str, Any]:
        return miniworld.compute_doubles(ctx, part) if part.scenario == "calm" else {}

    with pytest.raises(ValidationError) as error:
        build(root, {}, programs=segments(never))
    assert list(error.value.examples) == ["doubles of storm: not written"]
    with pytest.raises(
        ValueError, match=r"made what is switched off: \['doubles of calm', 'doubles of storm'\]"
    ):
        build(root, OFF, programs=segments(miniworld.compute_doubles))


def test_verify_tells_what_was_asked_and_what_was_not(root: Path) -> None:
    """The same bundles held against receipts of the other request."""
    contracts = load_contracts(root / "contracts")
    on, off = build(root, {}), build(root, STORM_OFF)
    receipts = {run: read_receipt(run) for run in (on, off)}
    bundles = {run: open_bundle(run, "1B") for run in (on, off)}
    assert (
        unmet_demands(contracts, bundles[on], receipts[on])
        == unmet_demands(contracts, bundles[off], receipts[off])
        == []
    )
    assert unmet_demands(contracts, bundles[off], receipts[on]) == [
        "dataset 'doubles of storm' is demanded by the contracts and not published"
    ]
    assert unmet_demands(contracts, bundles[on], receipts[off]) == [
        "dataset 'doubles of storm' is published, and the request does not ask for it"
    ]
    del receipts[on]["parameters"]["layer1/1A/items.yaml"]
    (problem,) = unmet_demands(contracts, bundles[on], receipts[on])
    assert problem == "the receipt does not say which optional datasets were asked for: KeyError 'items_1A'"


def test_an_input_of_the_user_is_a_switch_too(root: Path) -> None:
    path = "contracts/layer1/1B/dictionary"
    change(root, path, "{config: items_1A, key: noted}", "{external: merchants_input_1A}")
    program = segments(miniworld.compute_doubles, external=("merchants_input_1A",))
    with pytest.raises(ValueError, match="switched off"):
        build(root, {}, programs=program, out=root / "refused")
    run = build(root, {}, programs=segments(external=("merchants_input_1A",)))
    assert open_bundle(run, "1B").datasets == () and judged(root, run) == []
    assert left_out(run, CODES, load_contracts(root / "contracts"))[("doubles", "calm")] == Switch(
        external="merchants_input_1A"
    )


def test_a_reader_of_what_is_off_is_told_in_the_seal(root: Path) -> None:
    """1B reads `items`, which is optional now: sealed as read where it is published,
    as ignored where it is not.
    """
    change(
        root, "contracts/layer1/1A/dictionary", "produced_by: 1A.S1", f"produced_by: 1A.S1\n    {SWITCHED}"
    )
    key = "{columns: [item_id], dataset: items, to: [item_id]}"
    change(root, "contracts/layer1/1B/dictionary", key, "")

    def items(ctx: PartitionContext, part: Partition) -> dict[str, Any]:
        made = miniworld.compute_items(ctx, part)
        return made if ctx.publishes("items") else {}

    rows = {}
    for name, overrides in (("on", {}), ("off", OFF)):
        first, second = segments()
        programs = (replace(first, programs=(replace(first.programs[0], compute=items),)), second)
        run = build(root, overrides, programs=programs, out=root / name)
        seal = json.loads((run / "gates/1B/sealed_inputs_1B.json").read_bytes())
        (rows[name],) = [row for row in seal["inputs"] if row["manifest_key"] == "items"]
    assert (rows["on"]["status"], len(rows["on"]["sha256_hex"])) == ("OPTIONAL", 64)
    assert (rows["off"]["status"], rows["off"]["sha256_hex"]) == ("IGNORED", "")
    assert rows["off"]["notes"] == "not published: it is when items_1A.noted is true"


def test_contracts_say_when(root: Path) -> None:
    contracts = load_contracts(root / "contracts")
    assert ("published", "when items_1A.noted is true") in contract_rows(contracts, "doubles", {}).facts
    assert ("published", "always") in contract_rows(contracts, "items", {}).facts
    assert contract_rows(contracts, "doubles", {}).document["published_when"] == {
        "config": "items_1A",
        "key": "noted",
    }


LINTED = [
    ("dictionary", "config: items_1A", "config: item_1A", "unknown config pack.*did you mean 'items_1A'"),
    ("dictionary", "key: noted", "key: total", "switched by what is no switch"),
    ("dictionary", "key: noted", "key: nowhere", "no such key"),
    (
        "dictionary",
        "{config: items_1A, key: noted}",
        "{external: merchants_input_1A}",
        "State 1B.S1 cannot tell whether doubles",
    ),
    ("schemas", "part_rows, noted,", "part_rows,", "a required key of type boolean"),
]


@pytest.mark.parametrize(
    ("file", "old", "new", "words"), LINTED, ids=[case[3][:40] + case[2][:9] for case in LINTED]
)
def test_lint(root: Path, file: str, old: str, new: str, words: str) -> None:
    import re

    states = [program.state for segment in segments() for program in segment.programs]
    assert lint(load_contracts(root / "contracts"), config_folder(root / "config"), states).passed
    change(
        root,
        "contracts/layer1/1A/schemas" if file == "schemas" else "contracts/layer1/1B/dictionary",
        old,
        new,
    )
    rows = lint(load_contracts(root / "contracts"), config_folder(root / "config"), states).rows()
    assert any(re.search(words, row) for row in rows), rows


def test_lint_of_readers_and_references(root: Path) -> None:
    rare = SWITCHED.replace("noted", "rare")
    change(root, "contracts/layer1/1A/dictionary", "produced_by: 1A.S1", f"produced_by: 1A.S1\n    {rare}")
    change(root, "contracts/layer1/1A/schemas", "noted, scenarios]", "noted, scenarios, rare]")
    rare = "      noted: {type: boolean}\n"
    change(root, "contracts/layer1/1A/schemas", rare, rare + rare.replace("noted", "rare"))
    change(root, "config/layer1/1A/items", "noted: true", "noted: true\nrare: true")
    contracts = load_contracts(root / "contracts")
    first, second = segments()
    states = [first.programs[0].state, second.programs[0].state]
    rows = lint(contracts, config_folder(root / "config"), states).rows()
    assert (
        len(rows) == 1
        and "doubles refers to what may not be published" in rows[0]
        and "items_1A.rare is true" in rows[0]
    )
    blind = replace(states[1], config=("scenarios_5A",))
    rows = lint(contracts, config_folder(root / "config"), [states[0], blind]).rows()
    # what it reads, and what it writes
    assert sum("State 1B.S1 cannot tell whether" in row for row in rows) == 2, rows


def test_a_state_may_ask_only_of_what_it_declares(root: Path) -> None:
    def curious(ctx: PartitionContext, part: Partition) -> dict[str, Any]:
        ctx.publishes("strangers")
        return {}

    with pytest.raises(RuntimeError, match="declares no access to 'strangers'"):
        build(root, OFF, programs=segments(curious))


def test_a_copied_run_is_compared_with_the_demands_of_its_request(root: Path) -> None:
    """A dataset taken out of a run, coherently: whoever holds the contracts misses it."""
    run = build(root, {})
    copy = root / "copy" / run.name
    shutil.copytree(run, copy)
    bundle = open_bundle(copy, "1B")
    fewer = replace(bundle, datasets=bundle.datasets[:1])
    demanded, receipt = DemandedChecks(copy, load_contracts(root / "contracts")), read_receipt(copy)
    assert demanded.problems(bundle, receipt) == []
    assert [problem.split(": ", 1)[1] for problem in demanded.problems(fewer, receipt)] == [
        "dataset 'doubles of storm' is demanded by the contracts and not published"
    ]
