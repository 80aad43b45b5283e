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

COLUMNS, POLICY_SCHEMA = "contracts/columns.yaml", "closedworld:layer1/1A/schemas#/documents/till_policy_1A"
TILL_KEY = "primary_key: [shop_id, till_no]"
TURNED = "partitioning: [manifest_fingerprint, seed]"
BY_SCENARIO = "partitioning: [seed, manifest_fingerprint, scenario_id]"
PAINT = "{name: colour, type: category, vocabulary: colour, description: Paint}"
SUMS = "{kind: sums_to, column: share, within: [shop_id], total: 100}"
ORPHAN = "  orphan:\n    description: x\n    columns: [{name: a, type: int8, description: x}]\ndocuments:\n"
IDLE = "scope: world}\n  - {id: 1A.idle, entity: e, c0: till_no, c1: shop_id, draws: 1, scope: world}"


def run(folder: Folder, states: tuple[Facts, ...]) -> LintReport:
    return lint(load_contracts(folder.contracts), config_folder(folder.config), states)


def test_clean(folder: Folder, states: tuple[Facts, ...]) -> None:
    report = run(folder, states)
    assert report.passed and report.rows() == []
    assert report.looked_at == {
        "files": 16,
        "datasets": 3,
        "columns": 9,
        "artefacts": 1,
        "kernels": 1,
        "streams": 1,
        "states": 2,
    }
    report.require()


@pytest.mark.parametrize(
    ("file", "old", "new", "words", "line"),
    [
        (DICTIONARY, "primary_key: [shop_id]", "primary_key: [shop]", "has no column 'shop'", 7),
        (
            DICTIONARY,
            TILL_KEY,
            f"{TILL_KEY}\n    sort_order: [shop_id, till_no, tint]",
            "has no column 'tint'",
            12,
        ),
        (
            DICTIONARY,
            "columns: [shop_id], dataset: shop,",
            "columns: [shop], dataset: shop,",
            "has no column 'shop'",
            12,
        ),
        (DICTIONARY, "to: [shop_id]", "to: [id]", "shop has no column 'id'", 12),
        (DICTIONARY, "dataset: shop,", "dataset: ship,", "refers to nothing", 12),
        (DICTIONARY, "to: [shop_id]", "to: [shop_id, country_iso]", "refers unevenly", 12),
        (DICTIONARY, "to: [shop_id]", "to: [country_iso]", "refers across types", 12),
        (DICTIONARY, "column: till_no, within", "column: till, within", "has no column 'till'", 14),
        (DICTIONARY, "column: till_no, within", "column: share, within", "in the sort order", 14),
        (
            DICTIONARY,
            "column: share, within: [shop_id]",
            "column: share, within: [colour]",
            "sorted together",
            15,
        ),
        (DICTIONARY, "column: share, within", "column: colour, within", "about integers", 15),
        (DICTIONARY, SUMS, "{kind: exactly_one_present, columns: [colour, share]}", "always present", 15),
        (DICTIONARY, SUMS, "{kind: at_least, column: share, other: colour}", "unlike types", 15),
        (
            DICTIONARY,
            "primary_key: [shop_id]",
            f"{TURNED}\n    primary_key: [shop_id]",
            "partitioned otherwise",
            7,
        ),
        (
            DICTIONARY,
            "primary_key: [shop_id]",
            f"{BY_SCENARIO}\n    primary_key: [shop_id]",
            "partitioned unlike its state",
            7,
        ),
        (DICTIONARY, "produced_by: 1A.S1", "produced_by: 1A.S2", "one producer", 8),
        (DICTIONARY, TILL_KEY, "primary_key: [shop_id, colour]", "cannot be part of a primary key", 11),
        (DICTIONARY, TILL_KEY, f"{TILL_KEY}\n    sort_order: [shop_id, till_no]", "leave sort_order out", 12),
        (
            DICTIONARY,
            TILL_KEY,
            f"{TILL_KEY}\n    partitioning: [seed, manifest_fingerprint]",
            "leave partitioning out",
            12,
        ),
        (
            DICTIONARY,
            TILL_KEY,
            f"{TILL_KEY}\n    schema: closedworld:layer1/1A/schemas#/tables/till",
            "leave schema out",
            12,
        ),
        (
            DICTIONARY,
            "primary_key: [shop_id]",
            "primary_key: [shop_id]\n    foreign_keys: []",
            "leave foreign_keys out",
            8,
        ),
        (
            DICTIONARY,
            "primary_key: [shop_id]",
            "primary_key: [shop_id]\n    invariants: []",
            "leave invariants out",
            8,
        ),
        (SCHEMAS, "vocabulary: colour", "vocabulary: color", "did you mean 'colour'", 13),
        (SCHEMAS, "minimum: 1}", "minimum: 7, maximum: 3}", "empty range", 6),
        (SCHEMAS, "minimum: 1}", "minimum: -1}", "cannot hold", 6),
        (SCHEMAS, "documents:\n", ORPHAN, "one dataset", 15),
        (SCHEMAS, "{use: shop_id}", "{use: shop_id, description: Shop}", "leave description out", 11),
        (SCHEMAS, "{use: shop_id}", "{name: shop_id, type: uint64, description: Shop}", "{use: shop_id}", 11),
        # The second of two equal columns is named, and the first where it is.
        (
            SCHEMAS,
            "description: Home}",
            f"description: Home}}\n      - {PAINT}",
            "the same at contracts/layer1/1A/schemas.yaml:8:9",
            14,
        ),
        (
            COLUMNS,
            "columns:\n",
            "columns:\n  shop: {name: shop_id, type: uint64, description: Shop}\n",
            "described twice",
            3,
        ),
        (COLUMNS, "columns:\n", "columns:\n  idle: {type: uint8, description: Idle}\n", "0 uses", 3),
        (POLICY, "tills_a_shop: 3", "tills_a_shop: 33", "at most 9", 1),
        (POLICY, "home: NO", "home: NO\nhome: SE", "twice", 3),
        (REGISTRY, "role: POLICY", "path: layer1/1A/till.yaml\n    role: POLICY", "has no file", 6),
        (REGISTRY, "role: POLICY", "path: layer1/1A/till_policy.yaml\n    role: POLICY", "leave path out", 6),
        (REGISTRY, "role: POLICY", f"schema: {POLICY_SCHEMA}\n    role: POLICY", "leave schema out", 6),
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


def test_a_column_of_one_table_is_described_there(folder: Folder, states: tuple[Facts, ...]) -> None:
    folder.replace(SCHEMAS, "{use: shop_id}", "{name: shop_id, type: uint64, description: Owner}")
    (row,) = run(folder, states).rows()
    assert row.startswith(f"{COLUMNS}:3:3: Column shop_id is not shared.") and "1 uses" in row


def test_two_datasets_in_one_place(folder: Folder, states: tuple[Facts, ...]) -> None:
    """The suffix of the segment is left off a path, so `shop` and `shop_1A` are too alike."""
    folder.replace(DICTIONARY, "id: till", "id: shop_1A")
    folder.replace(SCHEMAS, "  till:\n", "  shop_1A:\n")
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
        "contracts/runs/schemas.yaml",
        (
            "$id: closedworld:runs/schemas\ntables:\n  rows: {description: x, columns: [{name: step, type: "
            "uint32, description: x}]}\n"
        ),
    )
    head, schema = (
        "$id: closedworld:runs/dictionary\nsegment: RUNS\ndatasets:\n",
        "closedworld:runs/schemas#/tables/rows",
    )
    entries = (
        (
            f"  - {{id: rows_{n}, layer: {n}, description: x, primary_key: [step], schema: '{schema}', "
            f"produced_by: SHELL}}\n"
        )
        for n in (1, 2)
    )
    folder.write("contracts/runs/dictionary.yaml", head + "".join(entries))
    compiled = load_contracts(folder.contracts)
    assert [(compiled.dataset(f"rows_{n}").path, compiled.dataset(f"rows_{n}").layer) for n in (1, 2)] == [
        ("reports/layer1/rows", 1),
        ("reports/layer2/rows", 2),
    ]
    assert run(folder, states).passed
