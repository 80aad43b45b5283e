"""Contracts by default: what is left out is what would have been written,
and what is written is not what would have followed.
"""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from contracts_folder import Folder

from sim.ground.contract_types import PARTITION_KEYS, Contracts
from sim.ground.paths import config_root, contracts_root
from sim.model import MODEL
from sim.shell.contracts.config import config_folder
from sim.shell.contracts.defaults import EVENTS, dataset_path, kind_of, pack_path
from sim.shell.contracts.event_tables import EVENT_KEY
from sim.shell.contracts.lint import lint
from sim.shell.contracts.load import load_contracts

STATES = MODEL.states


def compiled(contracts: Contracts) -> Any:
    """The compiled form of everything, places aside."""

    def plain(value: Any) -> Any:
        if dataclasses.is_dataclass(value):
            return {
                field.name: plain(getattr(value, field.name))
                for field in dataclasses.fields(value)
                if field.name != "where"
            }
        if isinstance(value, list | tuple):
            return [plain(item) for item in value]
        return {key: plain(item) for key, item in value.items()} if hasattr(value, "items") else value

    names = (
        "vocabularies",
        "reference_vocabularies",
        "datasets",
        "artefacts",
        "kernels",
        "streams",
        "checks",
        "tables",
    )
    return {name: plain(getattr(contracts, name)) for name in names}


def rewritten(folder: Path, change: Callable[[str, Any], None]) -> Contracts:
    """The real contracts, each file of segments parsed, changed, and written anew."""
    shutil.copytree(contracts_root(), folder)
    for path in folder.rglob("*.yaml"):
        relative = path.relative_to(folder).as_posix()
        if not relative.startswith(("decisions/", "answers/")) and kind_of(relative) in (
            "schemas",
            "dictionary",
            "registry",
        ):
            document = yaml.safe_load(path.read_text("utf-8"))
            change(relative, document)
            path.write_text(yaml.safe_dump(document, sort_keys=False, allow_unicode=True), encoding="utf-8")
    return load_contracts(folder)


def test_what_is_left_out_is_what_would_have_been_written(tmp_path: Path) -> None:
    """Every default of every entry of the real contracts written out: the same contracts,
    and lint names each of them.
    """
    real = load_contracts(contracts_root())
    written = 0

    def say(entry: dict[str, Any], **values: Any) -> None:
        nonlocal written
        written += len(values.keys() - entry.keys())
        entry |= {key: value for key, value in values.items() if key not in entry}

    def change(relative: str, document: Any) -> None:
        for entry in document.get("datasets", ()):
            dataset = real.datasets[entry["id"]]
            keys = ("partitioning", "sort_order")
            say(entry, schema=dataset.table.id, **{key: list(getattr(dataset, key)) for key in keys})
        for entry in document.get("artefacts", ()):
            say(entry, schema=real.artefacts[entry["id"]].schema, path=real.artefacts[entry["id"]].path)

    spelt_out = rewritten(tmp_path / "contracts", change)
    assert compiled(spelt_out) == compiled(real)
    report = lint(spelt_out, config_folder(config_root()), STATES)
    assert (
        written > 240
        and [problem.what.endswith("states what follows by itself.") for problem in report.problems]
        == [True] * written
    )


def test_a_column_used_is_the_column_written_out(tmp_path: Path) -> None:
    """Every `use` of the real contracts replaced by the column it stands for: the same contracts,
    and lint names each of them.
    """
    real = load_contracts(contracts_root())
    used: dict[str, int] = {}
    described: list[bool] = []

    def change(relative: str, document: Any) -> None:
        for name, table in document.get("tables", {}).items():
            columns = real.tables[f"{document['$id']}#/tables/{name}"].columns
            for entry, column in zip(table["columns"], columns, strict=True):
                if "use" in entry:
                    used[entry["use"]] = used.get(entry["use"], 0) + 1
                    described.append("description" in entry)
                    said = {
                        key: value
                        for key, value in vars(column).items()
                        if key != "where"
                        and value not in (None, "")
                        and not (column.type == "id" and key in ("minimum", "maximum"))
                    }
                    entry.clear()
                    entry.update(
                        {key: value for key, value in said.items() if (key, value) != ("nullable", False)}
                    )

    spelt_out = rewritten(tmp_path / "contracts", change)
    assert compiled(spelt_out) == compiled(real)
    rows = lint(spelt_out, config_folder(config_root()), STATES).rows()
    elsewhere = [row for row in rows if "is described elsewhere already" in row]
    # A table that describes its column itself repeats nothing; and no shared column has a user left.
    assert len(elsewhere) == sum(used.values()) - sum(described) > 150 and len(rows) == len(elsewhere) + len(
        used
    )
    assert min(used.values()) >= 2 and set(used) == set(
        yaml.safe_load((contracts_root() / "columns.yaml").read_text("utf-8"))["columns"]
    )


def test_what_real_contracts_state_otherwise() -> None:
    """The exceptions, each by name: a default that many entries override is none."""
    real = load_contracts(contracts_root())
    model = [
        dataset
        for dataset in real.datasets.values()
        if dataset.segment in {segment.code for segment in MODEL.segments}
    ]
    assert {item.id for item in model if item.sort_order != item.primary_key} == {
        "arrival_entities_6B",
        "arrival_events_5B",
        "edge_catalogue_3B",
        "flow_origin_6B",
        "flows_6B",
        "scenario_calendar_5A",
        "sessions_6B",
    }
    once = {state.id for state in STATES if not state.per_scenario}
    assert all(
        item.partitioning == (PARTITION_KEYS[:2] if item.produced_by in once else PARTITION_KEYS)
        for item in model
    )
    assert all(item.table.id.endswith(f"/tables/{item.id}") for item in model)
    events = [
        item for item in real.datasets.values() if item.segment == EVENTS and item.produced_by != "SHELL"
    ]
    assert len(events) == len(real.streams) and {item.primary_key for item in events} == {EVENT_KEY}


@pytest.mark.parametrize(
    ("id", "segment", "layer", "producer", "path"),
    [
        ("s3_bucket_counts_5B", "5B", 2, "5B.S3", "data/layer2/5B/s3_bucket_counts"),
        ("outlet_catalogue", "1A", 1, "1A.S2", "data/layer1/1A/outlet_catalogue"),
        ("s5_5B_of_1A", "1A", 1, "1A.S2", "data/layer1/1A/s5_5B_of"),
        ("rng_event_3B_edge", "RNG", 1, "RNG_3B_S3.S1", "data/layer1/RNG_3B_S3/rng_event_3B_edge"),
        ("rng_audit_log", "RNG", 1, "SHELL", "gates"),
        ("segment_state_runs_3", "RUNS", 3, "SHELL", "reports/layer3/segment_state_runs"),
    ],
)
def test_a_path_follows_from_an_id(id: str, segment: str, layer: int, producer: str, path: str) -> None:
    assert dataset_path(id, segment, layer, producer) == path


def test_a_pack_lies_where_its_id_says() -> None:
    assert pack_path("arrival_count_config_5B", "5B", 2) == "layer2/5B/arrival_count_config.yaml"


def test_readers_are_the_states_that_declare_to_read() -> None:
    found = MODEL.readers
    assert found["s3_bucket_counts_5B"] == ("5B.S4", "5B.S5") and "s4_arrival_summary_5B" not in found
    assert sum(map(len, found.values())) == sum(len(state.reads) for state in STATES)


def test_a_table_may_lie_in_any_schemas_file_of_the_folder(folder: Folder) -> None:
    """And its name is one in the folder: an entry names it by its own id alone."""
    more = (
        "$id: closedworld:layer1/1A/schemas_more\ntables:\n  tray:\n    description: x\n    columns: [{use: "
        "shop_id}]\n"
    )
    folder.write("contracts/layer1/1A/schemas_more.yaml", more)
    entry = "datasets:\n  - {id: tray, description: x, primary_key: [shop_id], produced_by: 1A.S1}\n"
    folder.replace("contracts/layer1/1A/dictionary.yaml", "datasets:\n", entry)
    assert (
        load_contracts(folder.contracts).dataset("tray").table.id
        == "closedworld:layer1/1A/schemas_more#/tables/tray"
    )
    folder.write("contracts/layer1/1A/schemas_more.yaml", more.replace("tray", "till"))
    with pytest.raises(Exception, match="declared twice") as caught:
        load_contracts(folder.contracts)
    assert "till, first at contracts/layer1/1A/schemas.yaml:8" in str(caught.value)
