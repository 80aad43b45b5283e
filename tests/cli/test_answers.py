"""contracts/answers/: every command's every answer is described whole, the schemas are sound,
and they move no run id.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import typer

from sim.ground.errors import ContractError
from sim.ground.paths import contracts_root
from sim.shell.contracts.answers import load_answers
from sim.shell.contracts.load import load_contracts

ANSWERS = load_answers(contracts_root())
TINY_RUN = ["--preset", "demo", "--set", "merchant_universe_1A.merchants=40", "--until", "1A", "--out", "OUT"]
COMMANDS = {
    "run": ["run", *TINY_RUN],
    "run again": ["run", *TINY_RUN, "--memory-limit", "8GiB"],
    "plan": ["plan"],
    "status": ["status", "--out", "OUT"],
    "status of one": ["status", "RUN"],
    "verify": ["verify", "RUN"],
    "verify deep": ["verify", "RUN", "--deep"],
    "sql": ["sql", "RUN", "select * from arrival_events_5B limit 3"],
    "sql of everything": [
        "sql",
        "RUN",
        "select null, 1.5, 'nan'::double, [1, 2], {'a': date '2026-01-01'}, '1'::blob, 1::hugeint",
    ],
    "diff": ["diff", "RUN", "RUN"],
    "explain": ["explain", "RUN", "merchant_catalogue_1A", "MERCHANT"],
    "contracts lint": ["contracts", "lint"],
    "contracts catalogue": ["contracts", "catalogue"],
    "contracts list": ["contracts", "show"],
    "contracts mccs": ["contracts", "mccs"],
    "plan of own merchants": ["plan", "--merchants", "MINE"],
    **{
        f"contracts show {id}": ["contracts", "show", id]
        for id in (
            "tz_timetable_cache",
            "demand_policy_5A",
            "ou_field",
            "1A.merchant_mcc",
            "merchants_input_1A",
        )
    },
    "contracts show country": ["contracts", "show", "country"],
    "doctor": ["doctor", "--out", "OUT"],
    "bench": ["bench", "list"],
    "rm": ["rm", "COPY", "--yes"],
    "refusal": ["plan", "--preset", "demmo"],
    "contract refusal": ["plan", "--set", "merchant_universe_1A.merchants=-3"],
}


@pytest.fixture(scope="module")
def said() -> dict[str, str]:
    """Answers by the name of their command, as they come."""
    return {}


@pytest.mark.parametrize("name", COMMANDS)
def test_the_answer_follows_its_schema(cli, demo_run: Path, mini_copy, tmp_path_factory, said, name):
    import sim.world as cw

    out = tmp_path_factory.getbasetemp() / "answers"
    mine = tmp_path_factory.getbasetemp() / "mine.csv"
    mine.write_text("merchant_id;mcc;channel;country;owner\n7;5411;mixed;DE;x\n")
    filled = {"MINE": str(mine), "OUT": str(out), "RUN": str(demo_run), "COPY": str(mini_copy.run)}
    if "MERCHANT" in COMMANDS[name]:
        filled["MERCHANT"] = str(
            cw.open(demo_run)["merchant_catalogue_1A"].to_arrow(["merchant_id"])["merchant_id"][0].as_py()
        )
    # the fixture holds it against its schema
    answer = cli(*(filled.get(word, word) for word in COMMANDS[name]), "--json")
    said[name] = json.loads(answer.out)["schema"].removeprefix("closedworld.").removesuffix("/1")
    assert answer.code == (2 if name == "refusal" else 3 if name == "contract refusal" else 0), answer


def test_every_schema_is_some_commands_and_every_command_has_one(said):
    """Runs after the above; alone it would have nothing to look at."""
    if set(said) != set(COMMANDS):
        pytest.skip("only together with every command of this file")
    assert set(said.values()) | {"event"} == set(ANSWERS.names)  # events: tests/cli/test_telling.py
    from sim.cli.main import app

    leaves = set()
    for name, command in typer.main.get_command(app).commands.items():
        leaves |= {f"{name} {inner}" for inner in getattr(command, "commands", ())} or {name}
    silent = {"duckdb"}  # a shell: it has no answer
    asked = {" ".join(words[:2]) if words[0] == "contracts" else words[0] for words in COMMANDS.values()}
    assert leaves - silent == asked


def test_answers_of_a_run_tell_rows_and_bytes_by_dataset(cli, demo_run: Path):
    import sim.world as cw

    world = cw.open(demo_run)
    for command in (["status", demo_run], ["verify", demo_run]):
        told = json.loads(cli(*command, "--json").out)["datasets"]
        found = {
            (entry["dataset"], entry["scenario"]): (entry["rows"], entry["bytes"], entry["files"])
            for entry in told
        }
        assert found == {
            (item.dataset, item.scenario): (
                item.rows,
                sum(part.bytes for part in item.files),
                len(item.files),
            )
            for name in world
            for item in world[name].published
        }


@pytest.mark.parametrize(
    "answer",
    [
        {"schema": "closedworld.rm/1", "ok": True, "run_dir": "x", "files": 1, "bytes": 2, "more": 3},
        {"schema": "closedworld.rm/1", "ok": True, "run_dir": "x", "files": 1},
        {"schema": "closedworld.rm/1", "ok": True, "run_dir": "x", "files": -1, "bytes": 2},
        {"schema": "closedworld.rm/1", "ok": False, "run_dir": "x", "files": 1, "bytes": 2},
        {"schema": "closedworld.nothing/1", "ok": True},
        {"schema": "closedworld.common/1", "ok": True},
        {"schema": "closedworld.status/1", "ok": True},
        {"schema": "closedworld.status/1", "ok": True, "runs": [], "run": {}},
        {},
    ],
)
def test_another_answer_is_not_let_through(answer):
    assert ANSWERS.problems(json.dumps(answer))


def test_schemas_of_answers_move_no_run_id(tmp_path):
    copy = tmp_path / "contracts"
    shutil.copytree(contracts_root(), copy)
    before = load_contracts(copy).digest
    with (copy / "answers/rm.yaml").open("a") as file:
        file.write("title: another wording\n")
    (copy / "answers/new.yaml").write_text("$id: nonsense\n")
    assert load_contracts(copy).digest == before
    with (copy / "vocabularies.yaml").open("a") as file:
        file.write("description: another wording\n")
    with pytest.raises(ContractError):  # every other file counts
        load_contracts(copy)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (
            lambda text: text.replace("$id: closedworld:answers/rm", "$id: closedworld:answers/mr"),
            "must begin with its own",
        ),
        (lambda text: text.replace("additionalProperties: false\n", ""), "lists all its keys"),
        (lambda text: text.replace("closedworld.rm/1", "closedworld.mr/1"), "names its schema"),
        (lambda text: text.replace("description: A run was removed.\n", ""), "must say what"),
        (lambda text: text.replace("type: object", "type: objekt"), "is not valid"),
        (lambda text: text.replace("#/$defs/count", "#/$defs/counts"), "names nothing"),
        (
            lambda text: text.replace("closedworld:answers/common", "https://example.org/common"),
            "leads outside",
        ),
    ],
)
def test_lint_knows_the_folder(cli, tmp_path, change, problem):
    copy = tmp_path / "contracts"
    shutil.copytree(contracts_root(), copy)
    assert cli("contracts", "lint", "--contracts", copy).code == 0
    path = copy / "answers/rm.yaml"
    path.write_text(change(path.read_text()))
    answer = cli("contracts", "lint", "--contracts", copy)
    assert answer.code == 3 and problem in answer.err and "answers/rm.yaml" in answer.err, answer.err
