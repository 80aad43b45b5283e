"""What a handle adds to published rows - local time, lineage,
tables about the run - and how it is carried about.
"""

from __future__ import annotations

import copy
import datetime
import json
import pickle  # noqa: TID251 - users pickle; nothing of ours does
import shutil
from zoneinfo import ZoneInfo

import pyarrow as pa
import pytest

import sim.world as cw
from sim.ground.errors import GateError, UsageError
from sim.world.run_tables import RUN_TABLES

LOCAL = ("arrival_events_5B", "arrival_entities_6B", "flows_6B")
ADDED = ("ts_local", "run_id", "parameter_hash")


@pytest.fixture(scope="module")
def world(demo_run):
    return cw.open(demo_run)


def test_local_time_is_what_the_zone_says(world):
    """Every arrival of the world, against the IANA rules of its own zone."""
    rows = world["arrival_events_5B"].to_arrow(["ts_utc", "ts_local", "tzid_primary"])
    assert rows.schema.field("ts_local").type == pa.timestamp("us")
    looked = 0
    for row in rows.to_pylist()[:: max(len(rows) // 20_000, 1)]:
        assert row["ts_utc"].astimezone(ZoneInfo(row["tzid_primary"])).replace(tzinfo=None) == row["ts_local"]
        looked += 1
    assert looked > 10_000
    shown = world.sql("select ts_local from arrival_events_5B")["ts_local"]
    assert shown.combine_chunks().equals(rows["ts_local"].combine_chunks())


def test_rows_with_instants_can_be_fetched(world):
    relation = world["arrival_events_5B"].duckdb()
    assert relation.columns[-3:] == ["ts_local", "run_id", "parameter_hash"]
    some = relation.filter("scenario_id = 'baseline_v1'").limit(3).fetchall()
    assert len(some) == 3
    first = dict(zip(relation.columns, relation.limit(1).fetchall()[0], strict=True))
    assert first["ts_utc"].utcoffset() == datetime.timedelta(0) and first["ts_local"].tzinfo is None
    assert first["ts_local"] == (
        first["ts_utc"] + datetime.timedelta(minutes=first["utc_offset_minutes"])
    ).replace(tzinfo=None)
    assert (first["run_id"], first["parameter_hash"]) == (world.run_id, world.receipt["parameter_hash"])
    for dataset in world:  # every dataset's rows come out, whatever its types
        rows = world[dataset].duckdb().limit(2).fetchall()
        assert len(rows) == min(2, len(world[dataset]))


def test_lineage_is_in_every_view_and_in_no_file(world):
    for dataset in world:
        table = world[dataset]
        assert not set(table.schema.names) & {"run_id", "parameter_hash", "ts_local"}
        assert table.view_columns == (ADDED if dataset in LOCAL else ADDED[1:])
        columns = world.sql(f"select * from {dataset} limit 0").schema.names
        assert columns[: len(table.schema.names) - bool(table.scenarios)] == [
            n for n in table.schema.names if n != "scenario_id"
        ]
        assert ("scenario_id" in columns) == bool(table.scenarios)
        told = world.sql(f"select distinct run_id, parameter_hash from {dataset}").to_pylist()
        assert told == ([dict(world.lineage)] if len(table) else [])


def test_added_columns_are_made_where_they_are_asked_for(world):
    table = world["site_locations"]
    rows = table.to_arrow(["run_id", "merchant_id"])
    assert rows.schema.names == ["run_id", "merchant_id"]
    assert set(rows["run_id"].to_pylist()) == {world.run_id} and len(rows) == len(table)
    assert table.to_arrow(["parameter_hash"]).schema.names == ["parameter_hash"]
    assert table.to_polars(["run_id"])["run_id"].n_unique() == 1
    for columns in (["ts_local"], ["nothing"]):
        with pytest.raises(UsageError, match=r"SHELL\.UNKNOWN_COLUMN"):
            table.to_arrow(columns)
    with pytest.raises(UsageError, match=r"SHELL\.UNKNOWN_COLUMN"):
        table.to_arrow(filter={"run_id": world.run_id})


def test_checks_are_a_table(world):
    told = world.sql("select * from validation_checks").to_pylist()
    checks = [row for row in told if row["severity"] == "ERROR"]
    assert [(row["state"], row["name"], row["passed"]) for row in checks] == [
        (c["state"], c["name"], c["passed"]) for c in world.checks()
    ]
    measured = [row for bundle in world.segments.values() for row in bundle.measurements]
    figures = [row for row in told if row["severity"] == "INFO"]
    assert [row["name"] for row in figures] == [row["name"] for row in measured] and len(figures) > 5
    assert all(row["passed"] is None for row in figures)
    for row, check in zip(checks, world.checks(), strict=True):
        found = check.get("found")
        assert row["found"] == (
            found
            if found is None or isinstance(found, str)
            else json.dumps(found, ensure_ascii=False, sort_keys=True)
        )
        assert row["segment"] == check["state"].split(".")[0]
    by = world.sql(
        "select segment, count(*) filter (where not passed) as failed, sum(rows) as rows from "
        "validation_checks group by 1"
    )
    assert set(by["failed"].to_pylist()) == {0} and by.num_rows == len(world.segments)


def test_the_ledger_and_the_reports_are_tables(world):
    assert world.sql("select * from rng_ledger").equals(world.ledger())
    states = world.sql("select state, rows from run_reports where status = 'PASS' order by step").to_pylist()
    assert {"1A.S1", "6A.S7"} <= {row["state"] for row in states}
    joined = world.sql(
        "select count(*) as n from validation_checks c join run_reports r on c.state = r.state"
    )
    assert joined["n"].to_pylist()[0] > 100
    seen = world.sql("select table_name from information_schema.tables")["table_name"].to_pylist()
    assert set(seen) == {*world, "validation_checks", "rng_ledger", "rng_audit_log", "rng_trace_log"}
    with pytest.raises(UsageError, match=r"SHELL\.UNKNOWN_TABLE"):
        world.run_table("validation")
    assert not set(RUN_TABLES) & set(world)


def test_hostile_checks_are_only_text(mini_copy, tmp_path):
    from sim.world.run_tables import _row

    row = _row(
        "1A", {"name": ["\ud800", 1], "rows": -1, "passed": "yes", "found": {"a": "\ud800"}, "dataset": True}
    )
    assert (row["rows"], row["passed"]) == (None, None)
    assert pa.Table.from_pylist([row])["found"].to_pylist() == ['{"a": "?"}']


def test_the_catalogue_of_a_world_tells_what_it_publishes(world):
    entries = {entry["id"]: entry for entry in world.catalogue()}
    assert {name for name, entry in entries.items() if entry["published"]} == set(world)
    for name in world:
        assert (entries[name]["rows"], entries[name]["files"]) == (len(world[name]), len(world[name].files))
        assert tuple(entries[name]["scenarios"]) == world[name].scenarios
        assert tuple(entries[name]["view_columns"]) == world[name].view_columns
    json.dumps(list(entries.values()))


def test_a_world_is_handy(world):
    assert len(world) == len(world.tables) == len(list(world))
    assert world._ipython_key_completions_() == list(world.tables)
    table = world["arrival_events_5B"]
    assert table.head().equals(table.to_arrow().slice(0, 5))
    for n in (0, 1, len(table) - 1, len(table) + 7):
        assert table.head(n, ["merchant_id", "run_id"]).equals(
            table.to_arrow(["merchant_id", "run_id"]).slice(0, n)
        )
    assert table.head(-3).num_rows == 0


@pytest.mark.parametrize("carry", [lambda thing: pickle.loads(pickle.dumps(thing)), copy.deepcopy, copy.copy])  # noqa: S301
def test_worlds_and_tables_are_carried_by_place(world, carry, monkeypatch, tmp_path):
    again = carry(world)
    assert again is not world and (again.run_id, again.tables) == (world.run_id, world.tables)
    assert carry(world["site_locations"]).to_arrow().equals(world["site_locations"].to_arrow())
    storm = carry(world.table("s3_bucket_counts_5B", "baseline_v1"))
    assert storm.scenarios == ("baseline_v1",) and len(storm) == len(
        world.table("s3_bucket_counts_5B", "baseline_v1")
    )


def test_what_was_pickled_is_checked_again(mini_copy, mini, monkeypatch):
    monkeypatch.chdir(mini_copy.run.parent)
    text = pickle.dumps(cw.open(mini_copy.run.name))
    assert mini_copy.run.name.encode() in text and b"item_id" not in text
    monkeypatch.chdir("/")
    assert len(pickle.loads(text)["items"]) == 100  # noqa: S301
    part = next(mini_copy.run.glob("data/layer1/1A/items/*/*/part-00002.parquet"))
    part.write_bytes(part.read_bytes()[:-1])
    with pytest.raises(GateError):
        pickle.loads(text)  # noqa: S301


def test_another_run_at_the_place_is_refused(mini_copy, tmp_path):
    import miniworld

    world = cw.open(mini_copy.run)
    text = pickle.dumps(world)
    other = miniworld.build(
        mini_copy.root, out=tmp_path / "other", request={"scenarios": ("calm", "storm"), "seed": 43}
    ).run_dir
    shutil.rmtree(mini_copy.run)
    shutil.move(other, mini_copy.run)
    with pytest.raises(GateError, match=r"SHELL\.ANOTHER_RUN"):
        pickle.loads(text)  # noqa: S301


def test_remote_worlds_as_well(mini, tmp_path):
    pytest.importorskip("fsspec")
    shutil.copytree(mini.run, tmp_path / "place" / mini.run.name)
    world = cw.open(f"file://{tmp_path}/place/{mini.run.name}")
    assert world.sql("select distinct run_id from items")["run_id"].to_pylist() == [mini.run.name]
    assert len(world.sql("select * from validation_checks")) == len(world.checks())
    assert len(world.sql("select * from run_reports")) > 3
    assert pickle.loads(pickle.dumps(world))["doubles"].head(3).equals(world["doubles"].head(3))  # noqa: S301
    assert len(world["items"].duckdb().limit(1).fetchall()) == 1
    assert world["items"].to_arrow(["run_id"]).num_rows == 100
    with pytest.raises(TypeError, match="storage_options"):
        pickle.dumps(
            cw.open(f"file://{tmp_path}/place/{mini.run.name}", storage_options={"auto_mkdir": False})
        )
