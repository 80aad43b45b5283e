"""Every lint rule has a violation that turns exactly it red; the clean folder has none."""

from __future__ import annotations

from dataclasses import replace

import pytest
from contracts_folder import Facts, Folder

from sim.ground.errors import ContractError
from sim.shell.contracts.config import config_folder
from sim.shell.contracts.lint import LintReport, lint
from sim.shell.contracts.load import load_contracts

DICTIONARY, SCHEMAS = "contracts/layer1/1A/dictionary.yaml", "contracts/layer1/1A/schemas.yaml"
REGISTRY, POLICY = "contracts/layer1/1A/registry.yaml", "config/layer1/1A/till_policy.yaml"

SUMS = "{law: sums_to, column: share, within: [shop_id], total: 100}"
ORPHAN = "  orphan:\n    description: x\n    columns: [{name: a, type: int8, description: x}]\ndocuments:\n"
IDLE = "scope: world}\n  - {id: 1A.idle, entity: e, c0: till_no, c1: shop_id, draws: 1, scope: world}"


def run(folder: Folder, states: tuple[Facts, ...]) -> LintReport:
    return lint(load_contracts(folder.contracts), config_folder(folder.config), states)


def test_clean(folder: Folder, states: tuple[Facts, ...]) -> None:
    report = run(folder, states)
    assert report.passed and report.rows() == []
    assert report.looked_at == {
        "files": 13,
        "datasets": 2,
        "columns": 6,
        "artefacts": 1,
        "kernels": 1,
        "streams": 1,
        "states": 2,
    }
    report.require()


@pytest.mark.parametrize(
    ("file", "old", "new", "words", "line"),
    [
        (DICTIONARY, "primary_key: [shop_id]", "primary_key: [shop]", "has no column 'shop'", 10),
        (
            DICTIONARY,
            "sort_order: [shop_id, till_no]",
            "sort_order: [shop_id, till_no, tint]",
            "has no column 'tint'",
            21,
        ),
        (
            DICTIONARY,
            "columns: [shop_id], dataset: shop,",
            "columns: [shop], dataset: shop,",
            "has no column 'shop'",
            22,
        ),
        (DICTIONARY, "to: [shop_id]", "to: [id]", "shop has no column 'id'", 22),
        (DICTIONARY, "dataset: shop,", "dataset: ship,", "refers to nothing", 22),
        (DICTIONARY, "to: [shop_id]", "to: [shop_id, country_iso]", "refers unevenly", 22),
        (DICTIONARY, "to: [shop_id]", "to: [country_iso]", "refers across types", 22),
        (DICTIONARY, "column: till_no, within", "column: till, within", "has no column 'till'", 24),
        (DICTIONARY, "column: till_no, within", "column: share, within", "in the sort order", 24),
        (
            DICTIONARY,
            "column: share, within: [shop_id]",
            "column: share, within: [colour]",
            "sorted together",
            25,
        ),
        (DICTIONARY, "column: share, within", "column: colour, within", "about integers", 25),
        (DICTIONARY, SUMS, "{law: exactly_one_present, columns: [colour, share]}", "always present", 25),
        (DICTIONARY, SUMS, "{law: at_least, column: share, other: colour}", "unlike types", 25),
        (DICTIONARY, "path: data/layer1/1A/till", "path: data/layer1/1A/tills", "lies elsewhere", 17),
        (
            DICTIONARY,
            "[seed, manifest_fingerprint]",
            "[manifest_fingerprint, seed]",
            "partitioned otherwise",
            8,
        ),
        (DICTIONARY, "produced_by: 1A.S2", "produced_by: 1A.S1", "one producer", 26),
        (DICTIONARY, "consumed_by: [1A.S2]", "consumed_by: []", "read by others", 13),
        (DICTIONARY, "consumed_by: [1A.S2]", "consumed_by: [1A.S2, 3B.S1]", "read by others", 13),
        (
            DICTIONARY,
            "primary_key: [shop_id, till_no]",
            "primary_key: [shop_id, colour]",
            "cannot be part of a primary key",
            20,
        ),
        (SCHEMAS, "vocabulary: colour", "vocabulary: color", "did you mean 'colour'", 13),
        (SCHEMAS, "minimum: 1}", "minimum: 7, maximum: 3}", "empty range", 6),
        (SCHEMAS, "minimum: 1}", "minimum: -1}", "cannot hold", 6),
        (SCHEMAS, "documents:\n", ORPHAN, "one dataset", 15),
        (POLICY, "tills_a_shop: 3", "tills_a_shop: 33", "at most 9", 1),
        (POLICY, "home: NO", "home: NO\nhome: SE", "twice", 3),
        (REGISTRY, "till_policy.yaml", "till.yaml", "has no file", 7),
        ("config/presets/tiny.yaml", "till_policy_1A", "til_policy_1A", "did you mean 'till_policy_1A'", 3),
        ("config/presets/tiny.yaml", "scenarios", "scenario", "did you mean 'scenarios'", 2),
        ("contracts/rng/streams.yaml", "scope: world}", IDLE, "no state", 7),
        ("contracts/rng/streams.yaml", "c0: till_no << 8", 'c0: "0"', "part of no address", 4),
    ],
)
def test_rule(
    folder: Folder, states: tuple[Facts, ...], file: str, old: str, new: str, words: str, line: int
) -> None:
    folder.replace(file, old, new)
    report = run(folder, states)
    rows = [row for row in report.rows() if words in row]
    assert len(rows) >= 1, report.rows()
    assert rows[0].startswith(f"{file}:{line}:"), rows
    # Damage may show on both sides (a pack without its file leaves a file without its pack), never anywhere
    # else.
    assert len(report.problems) <= 2, report.rows()


def test_two_datasets_in_one_place(folder: Folder, states: tuple[Facts, ...]) -> None:
    folder.replace(DICTIONARY, "path: data/layer1/1A/till", "path: data/layer1/1A/shop")
    assert any("lies where shop does" in row for row in run(folder, states).rows())


def test_tables_of_user_inputs_have_no_dataset(folder: Folder, states: tuple[Facts, ...]) -> None:
    folder.replace(SCHEMAS, "documents:\n", ORPHAN.replace("orphan", "shops_input_1A"))
    assert run(folder, states).passed


def test_unregistered_file(folder: Folder, states: tuple[Facts, ...]) -> None:
    folder.write("config/layer1/1A/stray.yaml", "a: 1\n")
    (row,) = run(folder, states).rows()
    assert row.startswith("config/layer1/1A/stray.yaml:1:1") and "belongs to no pack" in row


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"streams": ("1A.till", "1A.tills")}, "unknown stream"),
        ({"kernels": ("add_two",)}, "unknown kernel"),
        ({"config": ("policy",)}, "unknown config pack"),
        ({"writes": ("till", "toll")}, "unknown dataset"),
        ({"reads": {"shop": "ROW_LEVEL", "ship": "ROW_LEVEL"}}, "unknown dataset"),
        ({"reads": {"shop": "SOME"}}, "unknown scope"),
    ],
)
def test_state_rule(folder: Folder, states: tuple[Facts, ...], change: dict[str, object], words: str) -> None:
    report = run(folder, (states[0], replace(states[1], **change)))  # type: ignore[arg-type]
    assert len(report.problems) == 1 and words in report.rows()[0], report.rows()


def test_two_writers_and_twins(folder: Folder, states: tuple[Facts, ...]) -> None:
    assert "one producer" in run(folder, (*states, Facts("1A.S3", writes=("till",)))).rows()[0]
    assert any("declared twice" in row for row in run(folder, (*states, states[1])).rows())


def test_everything_at_once(folder: Folder, states: tuple[Facts, ...]) -> None:
    folder.replace(DICTIONARY, "primary_key: [shop_id]", "primary_key: [shop]")
    folder.replace(POLICY, "home: NO", "home: Norway")
    report = run(folder, states)
    assert len(report.problems) == 2
    with pytest.raises(ContractError) as caught:
        report.require()
    assert len(caught.value.examples) == 2


def test_run_reports_belong_to_the_shell(folder: Folder, states: tuple[Facts, ...]) -> None:
    folder.write(
        "contracts/layer1/RUNS/schemas.yaml",
        "$id: closedworld:layer1/RUNS/schemas\ntables:\n"
        "  runs_1: {description: x, columns: [{name: step, type: uint32, description: x}]}\n",
    )
    folder.write(
        "contracts/layer1/RUNS/dictionary.yaml",
        "$id: closedworld:layer1/RUNS/dictionary\nsegment: RUNS\nlayer: 1\ndatasets:\n"
        "  - {id: runs_1, description: x, path: reports/layer1/runs, partitioning: [], primary_key: [step], "
        "sort_order: [step],\n"
        "     schema: 'closedworld:layer1/RUNS/schemas#/tables/runs_1', produced_by: SHELL, consumed_by: "
        "[], status: required}\n",
    )
    assert run(folder, states).passed
