"""closedworld duckdb: statements from a pipe and from a person, what a session may do,
and a file of views.
"""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import duckdb as engine
import pytest

from sim.world.run_tables import RUN_TABLES
from tests.work import PATIENCE_S

ROOT = Path(__file__).parents[2]


@pytest.fixture
def said(cli, monkeypatch, mini):
    def ask(text: str, *options: str):
        monkeypatch.setattr(sys, "stdin", io.StringIO(text))
        return cli("duckdb", mini.run, *options)

    return ask


def test_statements_of_a_pipe_are_run_in_turn(said):
    answer = said(
        "create table mine as select * from items where item_id % 2 = 0;\nselect count(*) as n\nfrom "
        "mine;\n.mode json\nselect 'a;' as t"
    )
    assert (answer.code, answer.err) == (0, "")
    assert answer.out.split() == ["n", "--", "50", '{"t":', '"a;"}']


def test_words_of_the_shell(said):
    told = said(".tables\n.schema doubles\n.nonsense\n.quit\nselect 1")
    assert told.out.split()[: 2 + len(RUN_TABLES)] == ["items", "doubles", *RUN_TABLES]
    assert "twice" in told.out and ".tables" in told.err and told.code == 0
    csv = said("select name, passed from validation_checks limit 1", "--mode", "csv").out
    assert csv.splitlines()[0] == "name,passed"
    assert json.loads(said("select count(*) as n from run_reports", "--mode", "json").out)["n"] > 3
    assert said("", "--mode", "xml").code == 2
    assert said("").out == ""


@pytest.mark.parametrize(
    "statement",
    [
        "copy (select 1) to 'FILE'",
        "explain analyze copy (select 1) to 'FILE'",
        "prepare p as copy (select 1) to 'FILE'",
        "attach 'FILE'",
        "export database 'FILE'",
        "install httpfs",
        "load httpfs",
        "set threads = 1",
        "pragma enable_profiling",
        "create table a as select * from read_csv('/etc/passwd')",
        "select * from read_text('/etc/passwd')",
        "create table a as select 1; copy a to 'FILE'",
        "nonsense",
    ],
)
def test_a_session_reaches_nothing_beside_the_run(said, mini, tmp_path, statement):
    part = next(mini.run.glob("data/layer1/1A/items/*/*/part-00000.parquet"))
    before = part.read_bytes()
    for file in (tmp_path / "out", part):
        answer = said(statement.replace("FILE", str(file)))
        assert answer.code == 2 and answer.err.startswith("SHELL.SQL_"), answer
    assert part.read_bytes() == before and list(tmp_path.iterdir()) == []


def test_a_file_that_is_not_the_published_one_is_refused_before_anything_is_asked(
    cli, monkeypatch, mini_copy
):
    part = next(mini_copy.run.glob("data/layer1/1A/items/*/*/part-00000.parquet"))
    part.write_bytes(part.read_bytes()[:-1] + b"x")
    monkeypatch.setattr(sys, "stdin", io.StringIO("select 1"))
    answer = cli("duckdb", mini_copy.run)
    assert (answer.code, answer.out) == (5, "")


def test_a_person_goes_on_after_a_mistake(mini):
    master, slave = os.openpty()
    os.write(master, b"select nonsense;\nselect 41 +\n1 as n;\n.quit\n")
    command = [sys.executable, "-m", "sim", "duckdb", str(mini.run)]
    done = subprocess.run(
        command, cwd=ROOT, stdin=slave, capture_output=True, text=True, timeout=PATIENCE_S, check=False
    )
    os.close(master)
    os.close(slave)
    assert done.returncode == 0 and "42" in done.stdout and "SHELL.SQL_INVALID" in done.stderr, done


def test_a_file_of_views_is_for_other_tools(cli, mini, tmp_path):
    file = tmp_path / "world.duckdb"
    before = sorted(str(path) for path in mini.run.rglob("*"))
    assert cli("duckdb", mini.run, "--to", file).code == 0
    with engine.connect(str(file), read_only=True) as connection:
        assert connection.sql("select count(*), max(item_id), any_value(run_id) from items").fetchall() == [
            (100, 2**63 + 99, mini.run.name)
        ]
        assert connection.sql("select count(*) from doubles where scenario_id = 'storm'").fetchall() == [
            (100,)
        ]
        assert connection.sql(
            "select bool_and(passed) from validation_checks where severity = 'ERROR'"
        ).fetchall() == [(True,)]
    assert [path.name for path in tmp_path.iterdir()] == ["world.duckdb"]
    assert sorted(str(path) for path in mini.run.rglob("*")) == before
    for target, code in (
        (file, "SHELL.FILE_EXISTS"),
        (mini.run / "w.duckdb", "SHELL.USAGE"),
        (tmp_path / "no/w.duckdb", "SHELL.IO_WRITE_FAILED"),
    ):
        answer = cli("duckdb", mini.run, "--to", target)
        assert answer.code in (2, 7) and answer.err.startswith(code), answer
