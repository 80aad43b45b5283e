"""Reading a run where it lies: the same rows, digests and answers as from a directory,
and refusals that name the object.
"""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import duckdb
import pytest

import sim.world as cw
from sim.ground.errors import GateError, UsageError
from sim.world.compare import compare
from sim.world.query import connect

KINDS = ("s3", "file")


@pytest.fixture(params=KINDS)
def place(request, minis, mini, tmp_path):
    """URL of the mini run in a store of each kind."""
    if request.param == "file":
        root = f"file://{tmp_path}/store"
    else:
        server = request.getfixturevalue("s3")
        root = f"s3://{server.bucket}/w"
    minis.run(root, tmp_path / "work")
    return f"{root}/{mini.run.name}"


@pytest.fixture
def local(mini):
    return cw.open(mini.run, mini.root / "contracts", mini.root / "config")


def test_rows_answers_and_digests_are_those_of_the_directory(place, minis, local):
    world = minis.open(place)
    assert world.tables == local.tables == ("items", "doubles")
    assert repr(world) == repr(local).replace(str(local.path), place)
    assert compare(world, local).same
    for name in local.tables:
        here, there = local[name], world[name]
        assert there.schema.equals(here.schema)
        assert there.to_arrow().equals(here.to_arrow())
        assert there.to_polars().equals(here.to_polars())
        assert [item.content_blake3 for item in there.published] == [
            item.content_blake3 for item in here.published
        ]
        query = f"SELECT * FROM {name} ORDER BY ALL"
        assert world.sql(query).equals(local.sql(query))
        assert sorted(map(repr, there.duckdb().fetchall())) == sorted(map(repr, here.duckdb().fetchall()))
        connection = connect()
        rows = there.duckdb(connection)
        assert rows.columns == here.duckdb().columns
        assert rows.aggregate("count(*)").fetchall() == [(len(here),)]
    big = 2**63 + 40
    assert world["items"].to_arrow(["item_id"], {"item_id": big}).to_pydict() == {"item_id": [big]}
    assert world.sql(f"SELECT item_id FROM items WHERE item_id = {big}").to_pydict() == {"item_id": [big]}
    assert world.table("doubles", "storm").to_arrow().equals(local.table("doubles", "storm").to_arrow())
    assert world.ledger().equals(local.ledger()) and world.checks() == local.checks()


@pytest.mark.parametrize("place", ["file", "s3"], indirect=True)
def test_sql_reaches_nothing_but_the_run(place, minis, tmp_path):
    (tmp_path / "secret.csv").write_text("a\n1\n")
    world = minis.open(place)
    for query in (
        f"SELECT * FROM read_csv('{tmp_path}/secret.csv')",
        "SELECT * FROM world",
        f"SELECT * FROM '{tmp_path}/secret.csv'",
    ):
        with pytest.raises(UsageError):
            world.sql(query)
    with pytest.raises(UsageError):
        world.sql("INSTALL httpfs")
    assert duckdb.__version__


def item_keys(store):
    return sorted(key for key in store.list() if "/items/" in key)


def remove(store, key):
    store.fs.rm_file(store.path(key))


def replace(store, key, data):
    remove(store, key)
    store.fs.pipe_file(store.path(key), data)


def flipped(data):
    middle = len(data) // 2
    return data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :]


@pytest.mark.promise(
    "P5",
    "missing, short, changed and added objects of a store are named by URL",
    faults="tampered objects",
    cases=4,
)
def test_missing_short_changed_and_added_objects_are_named(place, minis, objects):
    store = objects(place)
    assert minis.verify(place, deep=False) == []
    keys = item_keys(store)
    whole = {key: store.read(key) for key in keys}
    remove(store, keys[0])
    replace(store, keys[1], whole[keys[1]][:-1])
    replace(store, keys[2], flipped(whole[keys[2]]))
    store.fs.pipe_file(store.path(f"{keys[3]}.bak"), b"x")
    shallow, deep = (minis.verify(place, deep=deep) for deep in (False, True))
    size = len(whole[keys[1]])
    plain = [
        f"{store.url(keys[0])}: missing",
        f"{store.url(keys[1])}: {size - 1} bytes, published with {size}",
        f"{store.url(keys[3])}.bak: an object that no bundle lists",
    ]
    assert [problem for problem in deep if keys[2] not in problem] == plain
    assert [problem.split(": SHA-256")[0] for problem in deep if keys[2] in problem] == [store.url(keys[2])]
    assert [problem for problem in shallow if keys[2] not in problem] == plain
    with pytest.raises(GateError) as refusal:
        minis.open(place)
    assert refusal.value.exit_code == 5
    assert list(refusal.value.examples) == plain[:2]
    for key in keys:
        if key != keys[2]:
            store.fs.pipe_file(store.path(key), whole[key])
    world = minis.open(place)
    with pytest.raises(GateError) as refusal:
        world["items"].to_arrow()
    assert refusal.value.where == store.url(keys[2])
    with pytest.raises(GateError):
        world.sql("SELECT * FROM items")


@pytest.mark.parametrize("place", ["file", "s3"], indirect=True)
@pytest.mark.parametrize(
    "name", ["run_receipt.json", "gates/1A/index.json", "gates/1A/_passed.flag", "gates/1A/states/1A.S1.json"]
)
def test_a_changed_document_is_refused_by_url(place, minis, objects, name):
    store = objects(place)
    data = store.read(name)
    replace(
        store, name, data.replace(b"1A", b"1C") if name != "run_receipt.json" else data.replace(b"42", b"43")
    )
    with pytest.raises(GateError) as refusal:
        minis.open(place)
    said = refusal.value.render()
    assert (
        refusal.value.exit_code == 5 and f"{place}/{name}" in said and "/tmp" not in said.replace(place, "")
    )
    try:
        problems = minis.verify(place, deep=False)
    except GateError as error:
        problems = [error.where]
    assert any(f"{place}/{name}" in problem for problem in problems)


@pytest.mark.parametrize("place", ["file", "s3"], indirect=True)
def test_without_its_flag_a_segment_is_not_there(place, minis, objects):
    remove(objects(place), "gates/1B/_passed.flag")
    world = minis.open(place)
    assert world.tables == ("items",)
    assert [problem for problem in minis.verify(place) if "has begun" in problem] == [
        f"{place}/gates/1B: 1B has begun and not passed; running the same request again finishes it"
    ]


def test_file_urls_need_no_s3fs(minis, mini, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "s3fs", None)
    minis.run(f"file://{tmp_path}/store", tmp_path / "work")
    assert len(minis.open(f"file://{tmp_path}/store/{mini.run.name}")["items"].to_arrow()) == 100
    with pytest.raises(UsageError) as refusal:
        cw.open("s3://bucket/w")
    assert (refusal.value.code, refusal.value.do) == (
        "SHELL.PACKAGE_MISSING",
        "pip install 'closedworld[s3]'",
    )


def test_a_file_url_run_is_a_run_directory(minis, mini, tmp_path):
    from sim.shell.runs.verify import verify_run

    minis.run(f"file://{tmp_path}/store", tmp_path / "work")
    folder = tmp_path / "store" / mini.run.name
    assert verify_run(folder, ("1A", "1B")).problems == ()
    assert len(cw.open(folder, mini.root / "contracts", mini.root / "config")["items"].to_arrow()) == 100


def test_where_no_run_is(tmp_path, cli):
    answer = cli("verify", f"file://{tmp_path}/nothing")
    assert (
        answer.code == 2
        and "SHELL.RUN_NOT_FOUND" in answer.err
        and f"file://{tmp_path}/nothing" in answer.err
    )


def test_commands_with_urls(cli, demo_run, tmp_path):
    from tiny_world import TINY, TINY_SCENARIOS

    work = tmp_path / "work" / demo_run.name
    shutil.copytree(demo_run, work)
    request = [option for name, value in TINY.items() for option in ("--set", f"{name}={value}")]
    request += [option for scenario in TINY_SCENARIOS for option in ("--scenario", scenario)]
    root = f"file://{tmp_path}/store"
    run = f"{root}/{demo_run.name}"
    answer = cli("run", *request, "--out", root, "--work-dir", work.parent, "--json")
    assert answer.code == 0, answer.err
    said = json.loads(answer.out)
    assert said["url"] == run and {state["status"] for state in said["states"]} == {"PROVEN"}
    assert list(work.glob("data/**/*.parquet")) == []
    query = (
        "select channel_group, count(*) n, min(seed) s from arrival_events_5B where scenario_id = "
        "'baseline_v1' group by 1 order by 1"
    )
    assert cli("sql", run, query, "--csv") == cli("sql", demo_run, query, "--csv")
    here, there = (json.loads(cli("verify", at, "--json").out) for at in (demo_run, run))
    assert here["segments"] == there["segments"] and there["not_built"] == []
    listed = json.loads(cli("status", "--out", root, "--json").out)["runs"]
    assert [(one["run_id"], one["path"], one["state"]) for one in listed] == [
        (demo_run.name, run, "complete")
    ]
    assert json.loads(cli("status", run, "--json").out)["run"]["passed"] == [
        segment["segment"] for segment in here["segments"]
    ]
    assert cli("diff", run, demo_run).code == 0
    merchant = cw.open(demo_run)["merchant_catalogue_1A"].to_arrow()["merchant_id"][0].as_py()
    explained = cli("explain", run, "merchant_catalogue_1A", str(merchant))
    assert explained.out == cli("explain", demo_run, "merchant_catalogue_1A", str(merchant)).out
    assert cli("plan", *request, "--out", root).code == 2
    assert cli("run", "--work-dir", work).code == 2
    broken = next(Path(f"{tmp_path}/store").glob("*/data/**/part-00000.parquet"))
    broken.chmod(0o644)
    broken.write_bytes(flipped(broken.read_bytes()))
    answer = cli("verify", run, "--deep")
    assert answer.code == 5 and f"file://{broken}: SHA-256" in answer.err
