"""status, diff, contracts, plan, doctor: what they print, what they refuse."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
from pathlib import Path

from sim.shell.contracts.load import load_contracts
from sim.shell.runs.status import probe_lock

BIG = 2**63


def told(answer) -> dict:
    assert answer.code in (0, 1), answer
    assert answer.out.count("\n") == 1
    document = json.loads(answer.out)
    assert document["ok"] is True
    return document


# ---- status


def test_status_lists_runs_and_one_run(cli, mini):
    root = mini.run.parent
    listed = told(cli("status", "--out", root, "--json"))
    assert listed["schema"] == "closedworld.status/1"
    assert [(run["run_id"], run["state"], run["passed"]) for run in listed["runs"]] == [
        (mini.run.name, "partial", ["1A", "1B"])
    ]
    assert mini.run.name[:12] in cli("status", "--out", root).out
    files = len(load_contracts(mini.root / "contracts").files)
    # and a config pack; a pack, the items, the flag and index of 1A
    sealed = {"1A": files + 1, "1B": files + 4}
    states = told(cli("status", mini.run.name[:8], "--out", root, "--json"))["states"]
    assert [(state["state"], state["status"], state["rows"]) for state in states] == [
        ("1A.S0", "PASS", sealed["1A"]),
        ("1A.S1", "PASS", 100),
        ("1A.BUNDLE", "PASS", 100),
        ("1B.S0", "PASS", sealed["1B"]),
        ("1B.S1", "PASS", 200),
        ("1B.BUNDLE", "PASS", 200),
    ]
    assert all(state["wall_ms"] >= 0 for state in states)
    assert "1B.S1" in cli("status", mini.run).out


def test_status_without_runs(cli, tmp_path):
    assert told(cli("status", "--out", tmp_path / "none", "--json"))["runs"] == []
    assert "closedworld run" in cli("status", "--out", tmp_path).out


def test_status_says_who_holds_a_run(cli, mini_copy):
    with (mini_copy.run / ".lock").open("r+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        lock.seek(0)
        lock.truncate()
        lock.write('{"pid": 7}')
        lock.flush()
        run = told(cli("status", mini_copy.run, "--json"))["run"]
        assert (run["state"], run["holder"]) == ("running", '{"pid": 7}')
    assert told(cli("status", mini_copy.run, "--json"))["run"]["state"] == "partial"


def test_probing_a_lock_creates_nothing_and_survives_strange_files(tmp_path):
    assert probe_lock(tmp_path) == (False, "")
    assert list(tmp_path.iterdir()) == []
    os.mkfifo(tmp_path / ".lock")
    assert probe_lock(tmp_path) == (False, "")


def test_status_of_a_damaged_run(cli, mini_copy):
    (mini_copy.run / "run_receipt.json").write_text("{}")
    run = told(cli("status", mini_copy.run, "--json"))["run"]
    assert (run["state"], run["run_id"]) == ("damaged", mini_copy.run.name)


def test_status_without_reports_counts_from_manifests(cli, mini_copy):
    shutil.rmtree(mini_copy.run / "reports")
    states = told(cli("status", mini_copy.run, "--json"))["states"]
    assert [(state["state"], state["rows"], state["wall_ms"]) for state in states] == [
        ("1A.S1", 100, None),
        ("1B.S1", 200, None),
    ]


def test_status_refuses_a_report_that_is_not_one(cli, mini_copy):
    next(mini_copy.run.glob("reports/layer1/*/part-00000.parquet")).write_bytes(b"PAR1")
    assert cli("status", mini_copy.run).code == 2


# ---- the catalogue of outputs


def test_the_catalogue_says_what_joins_to_what(cli):
    from sim.ground.paths import contracts_root
    from sim.shell.contracts.load import load_contracts

    datasets = load_contracts(contracts_root()).datasets
    answer = cli("contracts", "catalogue", "--json")
    entries = {entry["id"]: entry for entry in json.loads(answer.out)["datasets"]}
    assert list(entries) == list(datasets)
    for id, dataset in datasets.items():
        entry = entries[id]
        assert [column["name"] for column in entry["columns"]] == list(dataset.table.names)
        assert tuple(entry["primary_key"]) == dataset.primary_key
        for key in entry["foreign_keys"]:
            assert {"columns": key["to"], "dataset": id, "by": key["columns"]} in entries[key["dataset"]][
                "referred_to_by"
            ]
        asked = entry["role"] == "events"  # required of a gate that is there only when it was asked for
        assert (entry["published_when"] is None) == (dataset.required and not asked)
    refers, referred = (
        sum(len(entry[key]) for entry in entries.values()) for key in ("foreign_keys", "referred_to_by")
    )
    assert refers == referred > 50
    roles = {id: entry["role"] for id, entry in entries.items()}
    assert (roles["flows_6B"], roles["site_locations"], roles["segment_state_runs_1"]) == (
        "final",
        "shared",
        "report",
    )
    assert (
        entries["arrival_events_5B"]["gate"] == "gates/5B/_passed.flag"
        and entries["segment_state_runs_1"]["gate"] is None
    )
    event, log = entries["rng_event_5B_bucket_count"], entries["rng_trace_log"]
    assert (event["role"], event["gate"]) == ("events", "gates/RNG_5B_S3/_passed.flag")
    assert event["published_when"] == "asked for by --rng-events 5B.S3"
    assert (log["role"], log["gate"], log["published_when"]) == ("log", "gates/*/_passed.flag", None)
    assert "arrival_events_5B" in cli("contracts", "catalogue").out


# ---- diff


def build_variant(mini, out: Path, **request) -> Path:
    import miniworld

    return miniworld.build(mini.root, out=out, request={"scenarios": ("calm", "storm"), **request}).run_dir


def test_diff_of_equal_runs_exits_0(cli, mini):
    document = told(cli("diff", mini.run, mini.run, "--json"))
    assert (document["schema"], document["equal"], document["different"], document["receipt"]) == (
        "closedworld.diff/1",
        True,
        [],
        {},
    )
    assert cli("diff", mini.run, mini.run).code == 0


def test_diff_counts_rows_and_names_the_first(cli, mini, tmp_path):
    other = build_variant(mini, tmp_path, seed=43)
    answer = cli("diff", mini.run, other, *mini.options, "--json")
    assert answer.code == 1
    document = told(answer)
    assert document["equal"] is False
    assert document["equal_datasets"] == ["doubles (calm)", "doubles (storm)"]
    (found,) = document["different"]
    assert (found["dataset"], found["first_part"], found["changed"], found["unchanged"]) == (
        "items",
        "part-00000.parquet",
        100,
        0,
    )
    assert found["columns"] == {"word": 100}
    assert (found["first"]["key"], found["first"]["column"]) == ({"item_id": BIG}, "word")
    assert document["receipt"]["seed"] == {"a": 42, "b": 43}
    text = cli("diff", mini.run, other, *mini.options)
    assert text.code == 1
    assert f"items.word at item_id={BIG}" in text.out


def test_diff_aligns_rows_by_key_whatever_the_files(cli, mini, tmp_path):
    other = build_variant(mini, tmp_path, overrides={"items_1A.total": 90, "items_1A.part_rows": 40})
    found = told(cli("diff", mini.run, other, *mini.options, "--json"))["different"]
    assert [
        (one["dataset"], one["only_a"], one["only_b"], one["changed"], one["unchanged"]) for one in found
    ] == [
        ("items", 10, 0, 0, 90),
        ("doubles", 10, 0, 0, 90),
        ("doubles", 10, 0, 0, 90),
    ]
    swapped = told(cli("diff", other, mini.run, *mini.options, "--json"))["different"]
    assert [(one["only_a"], one["only_b"]) for one in swapped] == [(0, 10)] * 3
    assert swapped[0]["first"] == {
        "key": {"item_id": BIG + 90},
        "column": "",
        "a": "no such row",
        "b": "this row",
    }


def test_diff_of_the_same_rows_in_other_files(cli, mini, tmp_path):
    other = build_variant(mini, tmp_path, overrides={"items_1A.part_rows": 40})
    answer = cli("diff", mini.run, other, *mini.options)
    assert answer.code == 1
    assert "items: the same rows, cut into other files" in answer.out


def test_diff_names_datasets_only_one_has(cli, mini, tmp_path):
    import miniworld

    other = miniworld.build(mini.root, out=tmp_path, request={"scenarios": ("calm",)}).run_dir
    document = told(cli("diff", mini.run, other, *mini.options, "--json"))
    assert (document["only_a"], document["only_b"], document["different"]) == (["doubles (storm)"], [], [])


# ---- contracts, plan, doctor


def test_contracts_lint_and_show(cli):
    assert told(cli("contracts", "lint", "--json"))["schema"] == "closedworld.contracts.lint/1"
    everything = told(cli("contracts", "show", "--json"))["contracts"]
    assert {row["kind"] for row in everything} == {
        "dataset",
        "config",
        "input",
        "kernel",
        "stream",
        "vocabulary",
    }
    for row in everything:
        shown = cli("contracts", "show", row["id"])
        assert (shown.code, shown.err) == (0, ""), row
        assert shown.out.startswith(f"{row['kind']} {row['id']}\n")


def test_contracts_lint_reports_every_problem(cli, mini):
    answer = cli("contracts", "lint", *mini.options)
    assert answer.code == 3
    assert " of " in answer.err


def test_plan_tells_what_would_run_and_writes_nothing(cli, tmp_path):
    document = told(cli("plan", "--out", tmp_path / "runs", "--json"))
    assert document["schema"] == "closedworld.plan/1"
    assert {state["status"] for state in document["states"]} == {"to run"}
    assert document["estimate"]["merchants"] > 0
    assert document["free_bytes"] > 0
    assert list(tmp_path.iterdir()) == []
    text = cli("plan", "--out", tmp_path / "runs").out
    assert document["run_id"] in text
    assert "estimate" in text


def test_doctor_finds_this_machine_fit(cli, tmp_path):
    document = told(cli("doctor", "--out", tmp_path, "--json"))
    assert document["schema"] == "closedworld.doctor/1"
    assert document["healthy"] is True
    found = {finding["name"]: finding for finding in document["findings"]}
    assert found["backend cpu"]["found"].startswith("usable")
    assert found["time-zone data"]["found"].startswith("IANA ")
    assert cli("doctor", "--out", tmp_path).out.endswith("everything needed is there\n")


def test_doctor_finds_a_changed_reference_table(cli, mini, tmp_path):
    config = tmp_path / "config"
    shutil.copytree(mini.root / "config", config)
    data = bytearray((config / "reference/tzids.parquet").read_bytes())
    data[60] ^= 1
    (config / "reference/tzids.parquet").write_bytes(bytes(data))
    answer = cli(
        "doctor", "--out", tmp_path, "--contracts", mini.root / "contracts", "--config", config, "--json"
    )
    assert answer.code == 3
    found = {finding["name"]: finding for finding in json.loads(answer.out)["findings"]}
    assert found["reference snapshot"]["ok"] is False
    assert "tzids" in found["reference snapshot"]["found"]
