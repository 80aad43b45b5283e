"""Names in somebody else's run: none becomes SQL, a path outside the run, or more than a word of a refusal -
however well it was forged.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import duckdb
import pyarrow.dataset as pads
import pyarrow.parquet as pq
import pytest

import sim.world as cw
from sim.ground import names
from sim.ground.errors import SimError
from sim.shell.runs.verify import verify_run
from sim.world.query import Rows, connect, literal, quoted, sealed_connection
from sim.world.view_columns import added
from tests.trust import forgery, mini

WRITE = "x\" AS SELECT 1; COPY (SELECT 1 AS c) TO '{}'; CREATE VIEW \"y"


def item(key: str, value: object) -> forgery.Edit:
    """Change one field of the first dataset listed."""

    def edit(document: dict[str, Any]) -> None:
        for entry in document.get("datasets", ())[:1]:
            entry[key] = value

    return edit


def part(key: str, value: object) -> forgery.Edit:
    """Change one field of the first file listed."""

    def edit(document: dict[str, Any]) -> None:
        for entry in document.get("datasets", ())[:1]:
            entry["files"][0][key] = value

    return edit


def field(key: str, value: object, where: str) -> forgery.Edit:
    """Change one field of documents that have a field called `where`."""
    return lambda document: document.update({key: value}) if where in document else None


def rows(key: str, change: dict[str, object]) -> forgery.Edit:
    """Change fields of every row of a list."""
    return lambda document: [row.update(change) for row in document.get(key, ())]


EVIL = WRITE.format("{out}")
EDITS: dict[str, forgery.Edit] = {
    "dataset": forgery.rename_dataset("items", EVIL),
    "dataset with a newline": forgery.rename_dataset("items", "items\n"),
    "dataset that is no text": item("dataset", ["items"]),
    "scenario": item("scenario", EVIL),
    "path": item("path", f"data/layer1/1A/{EVIL}/seed=42"),
    "path of another seed": item("path", "data/layer1/1A/items/seed=7/manifest_fingerprint=" + "0" * 64),
    "path with a key of its own": item("path", "data/layer1/1A/items/merchant_id=5/seed=42"),
    "file": part("name", f"part-00000.parquet'{EVIL}"),
    "file elsewhere": part("name", "../part-00000.parquet"),
    "file digest": part("file_sha256", "0" * 63 + "\n"),
    "file rows": part("rows", 2**63),
    "file rows that are a word": part("rows", True),
    "content digest": item("content_blake3", EVIL),
    "receipt's scenario": field("scenarios", [EVIL], "preset"),
    "receipt's preset": field("preset", "\x1b]0;owned\x07", "preset"),
    "receipt's version": field("model_version", "1\n", "preset"),
    "receipt's fingerprint": field("manifest_fingerprint", EVIL, "preset"),
    "state of a check": rows("checks", {"state": EVIL}),
    "state of a ledger row": rows("ledger", {"state": EVIL}),
    "stream": rows("ledger", {"stream": EVIL}),
    "ledger figure": rows("ledger", {"draws": "many"}),
    "philox key": rows("ledger", {"key": EVIL}),
}


@pytest.mark.parametrize("case", EDITS)
def test_a_coherent_forgery_of_a_name_is_refused(
    cli, copy: Path, case: str, tmp_path: Path, monkeypatch
) -> None:  # type: ignore[no-untyped-def]
    def edit(document: dict[str, Any]) -> None:
        EDITS[case](document)
        for entry in document.get("datasets", ()):
            if isinstance(entry["dataset"], str):
                entry["dataset"] = entry["dataset"].replace("{out}", str(tmp_path / "owned"))

    (tmp_path / "cwd").mkdir()
    monkeypatch.chdir(tmp_path / "cwd")
    forgery.forge(copy, mini.CODES, edit)
    for command in (("verify", copy), ("sql", copy, "select 1"), ("sql", copy, "select 1", "--json")):
        answer = cli(*command)
        assert answer.code == 5, (case, command, answer)
        assert "\x1b" not in answer.out + answer.err
    assert verify_run(copy, mini.CODES).problems if "receipt" not in case else True
    with pytest.raises(SimError):
        cw.open(copy)
    assert not (tmp_path / "owned").exists() and list((tmp_path / "cwd").iterdir()) == []


def test_a_forgery_that_changes_no_name_passes_shallow_verification(copy: Path) -> None:
    """What the cases above refuse is refused for the name: the forger's digests hold."""
    forgery.forge(copy, mini.CODES, lambda document: None)
    report = verify_run(copy, mini.CODES)
    assert (report.problems, report.checks_not_judged) == ((), mini.CODES)
    assert cw.open(copy).sql("select count(*) as n from items")["n"].to_pylist() == [100]


def test_no_name_is_sql_even_if_it_came_so_far(copy: Path, tmp_path: Path) -> None:
    out = tmp_path / "owned"
    name = WRITE.format(out)
    files = [str(path) for path in sorted(copy.glob("data/layer1/1A/items/*/*/part-*.parquet"))]
    keys = {"seed": "5; COPY (SELECT 1) TO 'owned'", "scenario_id": "a' || 'b"}
    for source in (files, pads.dataset(files)):
        connection = sealed_connection({name: [Rows(source, {"scenario_id": keys["scenario_id"]})]})
        assert [row[0] for row in connection.execute("show tables").fetchall()] == [name]
        assert connection.execute(f"select distinct scenario_id from {quoted(name)}").fetchall() == [
            ("a' || 'b",)
        ]
        with pytest.raises(duckdb.Error):
            sealed_connection({name: [Rows(source, {"seed": keys["seed"]})]}).execute(
                f"select * from {quoted(name)}"
            ).fetchall()
    assert not out.exists()


def test_the_connection_is_locked_before_a_view_is_made(copy: Path, tmp_path: Path, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    said: list[str] = []
    real = duckdb.connect

    class Spy:
        def __init__(self, inner: Any) -> None:
            self.inner = inner

        def execute(self, text: str) -> Any:
            said.append(text)
            return self.inner.execute(text)

        def sql(self, text: str) -> Any:
            said.append(text)
            return self.inner.sql(text)

        def __getattr__(self, name: str) -> Any:
            return getattr(self.inner, name)

    monkeypatch.setattr("duckdb.connect", lambda *args, **kwargs: Spy(real(*args, **kwargs)))
    cw.open(copy).sql("select count(*) from items")
    lock = next(
        number
        for number, text in enumerate(said)
        if "lock_configuration=true" in text and "enable_external_access=false" in text
    )
    views = [number for number, text in enumerate(said) if "read_parquet" in text]
    assert views and lock < min(views) and all("items" not in text for text in said[:lock])
    (tmp_path / "x.csv").write_text("a\n1\n")
    for connection in (connect([]), sealed_connection({})):
        for text in (
            f"COPY (SELECT 1) TO '{tmp_path}/y.csv'",
            f"SELECT * FROM read_csv('{tmp_path}/x.csv')",
            f"ATTACH '{tmp_path}/z.db'",
            "SET enable_external_access=true",
            "SET memory_limit='1TB'",
            "INSTALL httpfs",
            "LOAD httpfs",
        ):
            with pytest.raises(duckdb.Error):
                connection.execute(text)
        secret = pads.dataset(sorted(copy.glob("data/layer1/1A/items/*/*/part-*.parquet"))[0])
        with pytest.raises(duckdb.Error):  # a Python variable is no table
            connection.sql("SELECT * FROM secret")
        assert secret.count_rows() > 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["x.csv"]


def test_a_relation_leaves_the_users_connection_as_it_is(copy: Path, tmp_path: Path) -> None:
    world = cw.open(copy)
    mine = duckdb.connect(":memory:")
    before = mine.execute("select name, value from duckdb_settings() order by name").fetchall()
    made = world["doubles"].duckdb(mine)
    assert made.aggregate("count(*)").fetchall() == [(len(world["doubles"]),)]
    assert mine.execute("select name, value from duckdb_settings() order by name").fetchall() == before
    assert mine.execute("show all tables").fetchall() == []
    made.write_parquet(str(tmp_path / "out.parquet"))
    assert pq.read_metadata(tmp_path / "out.parquet").num_rows == len(world["doubles"])
    ours = world["doubles"].duckdb()
    assert ours.filter("seed = 42").aggregate("count(*)").fetchall() == [(len(world["doubles"]),)]
    with pytest.raises(duckdb.Error):
        ours.write_parquet(str(tmp_path / "other.parquet"))
    with pytest.raises(duckdb.Error):
        ours.query("view", f"SELECT * FROM read_text('{tmp_path}/out.parquet')").fetchall()
    assert not (tmp_path / "other.parquet").exists()


PLACES = (
    "merchant_id=5",
    "item_id=5",
    "seed=9",
    "scenario_id=x",
    "manifest_fingerprint=0",
    "a=b",
    "seed=9/scenario_id=x/item_id=1",
    "glob *?[a-z]{b,c}**",
    'it\'s "quoted"',
    "back\\slash [x]",
    "new\nline",
    "ünïcode 漢字",
    "%41%2e",
    "~",
    "$HOME",
)


def answers(world: cw.World) -> dict[str, Any]:
    """One world's rows by every way to read them, sorted."""
    found: dict[str, Any] = {}
    for name in world.tables:
        table = world[name]
        order = [(column, "ascending") for column in table.schema.names]
        arrow = table.to_arrow().sort_by(order)
        found[name] = arrow.to_pylist()
        assert table.to_polars().sort(table.schema.names).to_dicts() == found[name]
        keys = {"seed": world.seed, "manifest_fingerprint": world.receipt["manifest_fingerprint"]}
        wanted = [{**row, **keys} for row in found[name]]
        columns = list(wanted[0])
        asked = f"select {', '.join(columns)} from {name} order by {', '.join(table.schema.names)}"
        assert world.sql(asked).to_pylist() == wanted
        relation = table.duckdb()
        assert sorted(relation.columns) == sorted([*columns, *added(table.schema.names)])
        assert [
            dict(zip(columns, row, strict=True))
            for row in relation.query("r", asked.replace(f"from {name}", "from r")).fetchall()
        ] == wanted
    return found


@pytest.mark.parametrize("place", PLACES)
def test_where_a_run_lies_does_not_change_what_is_in_it(cli, plain: Path, tmp_path: Path, place: str) -> None:  # type: ignore[no-untyped-def]
    moved = tmp_path / place / plain.name
    shutil.copytree(plain, moved)
    here = answers(cw.open(plain))
    assert answers(cw.open(moved)) == here
    query = (
        "select count(*), count(distinct item_id), min(item_id), any_value(seed), "
        "any_value(manifest_fingerprint) from items"
    )
    assert cli("sql", moved, query, "--csv").out == cli("sql", plain, query, "--csv").out
    if not set(place) & set("?#\\\n ") and place.isascii():
        assert answers(cw.open(f"file://{moved}")) == here


def test_a_place_that_is_no_text_is_refused_by_name(plain: Path, tmp_path: Path) -> None:
    moved = tmp_path / os.fsdecode(b"latin\xff") / plain.name
    shutil.copytree(plain, moved)
    world = cw.open(moved)
    for ask in (
        lambda: world.sql("select count(*) from items"),
        world["items"].to_arrow,
        world["items"].to_polars,
        world["items"].duckdb,
    ):
        with pytest.raises(SimError, match=r"SHELL\.PATH_NOT_TEXT") as refused:
            ask()
        assert refused.value.exit_code == 7
    assert verify_run(moved, mini.CODES).problems == ()


@pytest.mark.parametrize("name", [name for name in vars(names) if name.isupper()])
def test_names_are_one_line_from_end_to_end(name: str) -> None:
    kind = getattr(names, name)
    for text in (
        "",
        "\n",
        "a\n",
        "1A\n",
        "x" * 500,
        "a b",
        'a"',
        "a'",
        "a;b",
        "../a",
        "a\0",
        "\x1b[0m",
        "\u202ea",
    ):
        assert not names.is_name(kind, text), (name, text)
    for value in (None, 1, b"a", ["a"], {"a": 1}):
        assert not names.is_name(kind, value)


def test_contracts_name_what_runs_may_be_called(mini_root: Path) -> None:
    from sim.ground.paths import contracts_root
    from sim.shell.contracts.load import load_contracts

    contracts = load_contracts(contracts_root())
    assert all(names.is_name(names.DATASET, name) for name in contracts.datasets)
    assert all(names.is_name(names.STREAM, name) for name in contracts.streams)
    assert all(
        names.is_name(names.COLUMN, column)
        for item in contracts.datasets.values()
        for column in item.table.names
    )


def test_quoting_holds_whatever_is_quoted() -> None:
    connection = duckdb.connect(":memory:")
    for text in (
        "a",
        'a"b',
        "a'b",
        "'; drop table x; --",
        '"; drop table x; --',
        "\\",
        "a\nb",
        "\u202e",
        "''",
        '""',
    ):
        assert connection.execute(f"select {literal(text)} as {quoted(text)}").fetchall() == [(text,)]
        assert connection.description[0][0] == text
