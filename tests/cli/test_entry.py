from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from sim.cli.common import table
from sim.cli.complete import (
    complete_dataset,
    complete_override,
    complete_preset,
    complete_run,
    complete_scenario,
)
from sim.ground.errors import UsageError
from sim.ground.plain_text import clean
from sim.shell.publish.lock import RunLock
from sim.shell.runs.find_run import find_run
from tests.work import PATIENCE_S

ROOT = Path(__file__).parents[2]
HEAVY = ("numba", "llvmlite", "numpy", "pyarrow", "duckdb", "polars", "blake3", "jsonschema", "yaml")
COMMANDS = (
    "run",
    "plan",
    "status",
    "verify",
    "sql",
    "diff",
    "explain",
    "contracts",
    "doctor",
    "bench",
    "rm",
    "duckdb",
)


def shell(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "sim", *arguments]
    return subprocess.run(
        command,
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )


def test_importing_the_command_line_loads_nothing_heavy():
    code = f"import sys, sim.cli.main; print([name for name in {HEAVY!r} if name in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE_S, check=True
    )
    assert done.stdout.strip() == "[]"


def test_only_a_dataset_s_readers_need_the_model():
    """`contracts show` of anything else imports no segment: states declare what they read."""
    loaded = "[name for name in sys.modules if name.startswith('sim.segments.')]"
    code = (
        "import sys, sim.cli.main\n"
        "sys.argv[1:1] = ['contracts', 'show']\n"
        "try: sim.cli.main.main()\n"
        f"finally: print(len({loaded}))"
    )
    for id, many in (("5A.outage", False), ("philox_block", False), ("outlet_catalogue", True)):
        done = subprocess.run(
            [sys.executable, "-c", code, id], capture_output=True, text=True, timeout=PATIENCE_S, check=True
        )
        *shown, modules = done.stdout.splitlines()
        assert (shown[0].split()[1], int(modules) > 0) == (id, many), done.stderr


def test_help_names_every_command_and_has_no_escape_codes():
    done = shell("--help", NO_COLOR="1")
    assert done.returncode == 0
    assert "\x1b" not in done.stdout
    assert all(command in done.stdout for command in COMMANDS)


@pytest.mark.parametrize("command", [*COMMANDS, "contracts lint", "contracts show"])
def test_every_command_has_help(cli, command):
    answer = cli(*command.split(), "--help")
    assert answer.code == 0
    assert "Usage" in answer.out


def test_version(cli):
    import sim

    assert cli("--version").out == f"closedworld {sim.__version__}\n"


@pytest.mark.parametrize(
    "arguments", [["nonsense"], ["run", "--nonsense"], ["verify"], ["run", "--workers", "0"], ["sql", "x"]]
)
def test_a_wrong_command_line_exits_2(cli, arguments):
    answer = cli(*arguments)
    assert answer.code == 2
    assert answer.out == ""
    assert answer.err.startswith("SHELL.USAGE  ")


def test_a_wrong_command_line_is_json_with_json(cli):
    answer = cli("run", "--nonsense", "--json")
    error = json.loads(answer.out)
    assert answer.code == 2
    assert (error["schema"], error["ok"], error["error"]["code"]) == (
        "closedworld.error/1",
        False,
        "SHELL.USAGE",
    )


@pytest.mark.parametrize(
    ("arguments", "code", "name"),
    [
        (["plan", "--preset", "demmo"], 2, "SHELL.UNKNOWN_PRESET"),
        (["plan", "--seed", "18446744073709551616"], 2, "SHELL.SEED_INVALID"),
        (["plan", "--seed", "one"], 2, "SHELL.SEED_INVALID"),
        (["plan", "--scenario", "nowhere_v1"], 2, "SHELL.UNKNOWN_SCENARIO"),
        (["plan", "--set", "nonsense"], 2, "SHELL.OVERRIDE_INVALID"),
        (["plan", "--set", "merchant_universe_1A.merchant=3"], 3, "SHELL.OVERRIDE_UNKNOWN"),
        (["plan", "--set", "merchant_universe_1A.merchants=-3"], 3, "SHELL.DOCUMENT_INVALID"),
        (["plan", "--merchants", "/nonexistent.csv"], 3, "1A.S1.MERCHANTS_FILE_INVALID"),
        (["run", "--executor", "cloud"], 2, "SHELL.UNKNOWN_EXECUTOR"),
        (["run", "--until", "9Z"], 2, "SHELL.UNKNOWN_SEGMENT"),
        (["run", "--backend", "quantum"], 9, "SHELL.BACKEND_UNAVAILABLE"),
        (["verify", "no-such-run"], 2, "SHELL.RUN_NOT_FOUND"),
        (["status", "no-such-run"], 2, "SHELL.RUN_NOT_FOUND"),
        (["sql", "no-such-run", "select 1"], 2, "SHELL.RUN_NOT_FOUND"),
        (["contracts", "show", "no_such_thing"], 2, "SHELL.UNKNOWN_CONTRACT"),
    ],
)
def test_refusals_have_their_code_and_say_it_as_json_too(cli, arguments, code, name):
    answer = cli(*arguments)
    assert (answer.code, answer.out) == (code, "")
    assert answer.err.startswith(f"{name}  ")
    told = cli(*arguments, "--json")
    error = json.loads(told.out)["error"]
    assert (told.code, error["code"], error["exit_code"]) == (code, name, code)


def test_a_locked_run_exits_6_and_names_its_holder(cli, tmp_path):
    planned = json.loads(cli("plan", "--out", tmp_path, "--json").out)
    run_dir = Path(planned["run_dir"])
    run_dir.mkdir(parents=True)
    with RunLock(run_dir):
        answer = cli("run", "--out", tmp_path, "--quiet")
    assert answer.code == 6
    assert answer.err.startswith("SHELL.RUN_LOCKED  ")
    assert f'"pid": {os.getpid()}' in answer.err


def runs(folder, *names):
    for name in names:
        (folder / name).mkdir(parents=True)
        (folder / name / "run_receipt.json").write_text("{}")


def test_a_run_is_found_by_path_and_by_unique_prefix(tmp_path):
    runs(tmp_path, "abc1", "abd2")
    assert find_run(str(tmp_path / "abc1")) == tmp_path / "abc1"
    assert find_run("abc", tmp_path) == tmp_path / "abc1"
    for text in ("ab", "", "x", "..", "*", "[", "abc1/../abc1", "a\0b", "a" * 5000, "a\udc80"):
        with pytest.raises(UsageError, match=r"SHELL\.RUN_NOT_FOUND"):
            find_run(text, tmp_path)


def test_a_folder_and_the_first_characters_name_a_run(tmp_path, monkeypatch):
    runs(tmp_path / "some/dir", "67d1", "68aa")
    runs(tmp_path / "runs", "99ff")
    monkeypatch.chdir(tmp_path)
    assert find_run("some/dir/67") == find_run(Path("some/dir/67d")) == Path("some/dir/67d1")
    assert find_run(f"{tmp_path}/some/dir/68") == tmp_path / "some/dir/68aa"
    assert find_run("runs/9") == find_run("9") == find_run("runs/99ff/") == Path("runs/99ff")
    monkeypatch.chdir(tmp_path / "some/dir")
    assert find_run("67") == Path("67d1")  # from inside the folder of runs
    for text in ("../67", "other/67", "../dir/6", "../dir/"):
        with pytest.raises(UsageError, match=r"SHELL\.RUN_NOT_FOUND"):
            find_run(text)


def test_what_no_run_fits_is_told_whole(tmp_path, monkeypatch):
    import pickle  # noqa: TID251 - a refusal crosses a process here

    import sim.world as cw

    runs(tmp_path / "runs", "67d1", "67d2")
    monkeypatch.chdir(tmp_path)
    for text, what, found in (
        ("67", "fits 2 runs", "67d1, 67d2"),
        ("x", "no run called 'x'", "other runs: 67d1, 67d2"),
    ):
        with pytest.raises(UsageError) as refusal:
            cw.open(text)
        told = str(refusal.value)
        assert what in told and f"found     {found}" in told and "expected  a run directory" in told
        assert f"where     {tmp_path / 'runs'}" in told and "do        closedworld status --out runs" in told
        assert str(pickle.loads(pickle.dumps(refusal.value))) == told  # noqa: S301 - made a line above


@pytest.mark.parametrize(
    "command", [["verify"], ["status"], ["diff", "RUN"], ["sql", "select 1"], ["explain", "items", "1"]]
)
def test_every_command_takes_a_folder_and_first_characters(cli, mini, command):
    short = f"{mini.run.parent}/{mini.run.name[:9]}"
    name, *rest = command
    answer = cli(name, short, *(short if word == "RUN" else word for word in rest))
    assert "RUN_NOT_FOUND" not in answer.err + answer.out
    assert answer.code in ((0,) if name != "explain" else (0, 2, 3)), answer


def test_a_run_without_a_receipt_is_damaged_and_not_absent(cli, mini_copy):
    (mini_copy.run / "run_receipt.json").unlink()
    assert cli("verify", mini_copy.run).code == 5


def test_run_ids_complete_in_the_shell(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert complete_run("") == []
    for name in ("abc1", "abd2", "xyz3"):
        (tmp_path / "runs" / name).mkdir(parents=True)
    for name in ("abc1", "abd2"):
        (tmp_path / "runs" / name / "run_receipt.json").write_text("{}")
    assert complete_run("ab") == ["abc1", "abd2"]
    assert complete_run("runs/ab") == ["runs/abc1", "runs/abd2"]
    assert complete_run(f"{tmp_path}/runs/abc") == [f"{tmp_path}/runs/abc1"]
    assert complete_run("nowhere/") == []
    assert complete_run("x") == []


def test_names_cannot_drive_a_terminal():
    assert clean("a\x1b[31mb\r\x07") == "a\\x1b[31mb\\r\\x07"
    assert "\x1b" not in table(("a\x1b",), [("b\x1b[2J",)])


def test_tables_align_numbers_right():
    assert (
        table(("name", "n"), [("a", 1), ("bb", 100)], right=frozenset({1}))
        == "name    n\n----  ---\na       1\nbb    100"
    )


def test_words_of_the_model_complete_in_the_shell():
    from sim.ground.paths import config_root, contracts_root
    from sim.shell.contracts.config import config_folder, load_preset, resolve
    from sim.shell.contracts.load import load_contracts

    contracts = load_contracts(contracts_root())
    folder = config_folder(config_root())
    assert complete_dataset("") == sorted(contracts.datasets)
    assert complete_dataset("arrival_ev") == ["arrival_events_5B"]
    assert "demo" in complete_preset("") and complete_preset("re") == ["reference"]
    assert all(load_preset(contracts, folder, name) for name in complete_preset(""))
    configuration = resolve(contracts, folder, [])
    assert complete_scenario("") == sorted(configuration.documents["layer2/5A/scenarios.yaml"]["scenarios"])
    assert complete_override("") == sorted(f"{name}." for name in contracts.artefacts)
    assert complete_override("merchant_universe_1A.mer") == ["merchant_universe_1A.merchants="]
    assert complete_override("merchant_universe_1A.merchants=") == complete_override("nothing_1A.") == []
    for pack in contracts.artefacts:  # what is completed names a value, and every value is completed
        content = configuration.documents[contracts.artefacts[pack].path]
        completed = complete_override(f"{pack}.")
        assert len(completed) == len(set(completed)) == leaves(content)
        for key in completed:
            node = content
            for part in key.removeprefix(f"{pack}.").removesuffix("=").split("."):
                node = node[part]
            assert not isinstance(node, dict) or not node


def leaves(node) -> int:
    return sum(leaves(value) if isinstance(value, dict) and value else 1 for value in node.values())


@pytest.mark.parametrize(
    ("typed", "completed"),
    [
        ("closedworld run --preset re", ["reference"]),
        ("closedworld plan --scenario stress", ["stress_peak_online_v1"]),
        ("closedworld plan --set merchant_universe_1A.mer", ["merchant_universe_1A.merchants="]),
        ("closedworld explain x arrival_ev", ["arrival_events_5B"]),
        ("closedworld contracts show tz_time", ["tz_timetable_cache"]),
        ("closedworld contracts show rng_event_1A_multi", ["rng_event_1A_multi_site"]),
    ],
)
def test_the_shell_is_answered_without_anything_heavy(typed, completed):
    """The protocol of bash completion, as an installed command has it."""
    code = (
        f"import sys, atexit\natexit.register(lambda: print([n for n in {HEAVY[:-1]!r} if n in "
        "sys.modules], file=sys.stderr))\n"
    )
    code += "from sim.cli.main import main\nsys.argv = ['closedworld']\nmain()"
    words = len(typed.split()) - 1
    environment = {
        **os.environ,
        "_CLOSEDWORLD_COMPLETE": "complete_bash",
        "COMP_WORDS": typed,
        "COMP_CWORD": str(words),
    }
    command = [sys.executable, "-c", code]
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=PATIENCE_S, check=False
    )
    assert done.stdout.split() == completed, done.stderr
    assert done.stderr.strip() == "[]"
