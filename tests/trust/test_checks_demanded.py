""" "Passed" cannot mean "nothing was checked": a flag says how many checks passed and which,
and contracts say which must.
"""

from __future__ import annotations

import fnmatch
import json
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "shell"))

import miniworld

from sim.ground.errors import ContractError, GateError
from sim.ground.identity import canonical_json, pretty_json, sha256_bytes
from sim.ground.paths import contracts_root
from sim.shell.contracts.load import load_contracts
from sim.shell.publish.bundle import BUNDLE_FORMAT, encode_flag, encode_index, read_flag
from sim.shell.publish.gate import open_bundle
from sim.shell.publish.manifest import StateManifest
from sim.shell.request.receipt import read_receipt
from sim.shell.runs.demanded import contract_checks, missing_checks, unmet_demands
from sim.state.declaration import Check


def indexes(run: Path) -> list[dict[str, Any]]:
    return [json.loads(path.read_text()) for path in sorted(run.glob("gates/*/index.json"))]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    miniworld.write_world(tmp_path)
    return tmp_path


def test_the_contract_alone_says_which_row_checks_run(demo_run: Path) -> None:
    contracts = load_contracts(contracts_root())
    seen = 0
    for index in indexes(demo_run):
        listed: dict[str, list[str]] = {}
        for row in index["checks"]:
            if "dataset" in row:
                listed.setdefault(row["dataset"], []).append(row["name"])
        for dataset, names in listed.items():
            assert sorted(names) == sorted(contract_checks(contracts.dataset(dataset))), dataset
            seen += len(names)
    assert seen > 600


@pytest.mark.promise(
    "P22", "Deleting any demanded check keeps its segment from passing", faults="check deleted", cases=880
)
def test_every_demanded_check_is_missed(demo_run: Path) -> None:
    """Each demanded name, of rows and of the model, taken out of a real run's list:
    the gate names exactly it.
    """
    contracts = load_contracts(contracts_root())
    tried, states = 0, set()
    for index in indexes(demo_run):
        rows, datasets = index["checks"], [item["dataset"] for item in index["datasets"]]
        assert missing_checks(contracts, index["states"], datasets, rows) == []
        states |= set(index["states"])
        wanted = [
            (dataset, name)
            for dataset in sorted(set(datasets))
            for name in contract_checks(contracts.dataset(dataset))
        ]
        for dataset, name in wanted:
            left = [row for row in rows if (row.get("dataset"), row["name"]) != (dataset, name)]
            assert missing_checks(contracts, index["states"], datasets, left) == [f"{dataset}: {name}"]
            tried += 1
        for state in index["states"]:
            for pattern in contracts.checks.get(state, ()):
                left = [
                    row
                    for row in rows
                    if "dataset" in row
                    or row["state"] != state
                    or not fnmatch.fnmatchcase(row["name"], pattern)
                ]
                assert f"{state}: {pattern}" in missing_checks(contracts, index["states"], datasets, left)
                tried += 1
    print(f"{tried} demanded checks deleted, each missed")
    # The events of a state are a segment of its own, which only `--rng-events` makes
    # (tests/shell/partition/test_event_gates.py).
    assert tried > 850 and {state for state in contracts.checks if not state.startswith("RNG_")} <= states


def test_every_model_check_of_a_world_is_demanded(demo_run: Path) -> None:
    """But for those a smaller world has no figures for."""
    contracts = load_contracts(contracts_root())
    free = set()
    for index in indexes(demo_run):
        for row in index["checks"]:
            patterns = contracts.checks.get(row["state"], ())
            if "dataset" not in row and not any(
                fnmatch.fnmatchcase(row["name"], pattern) for pattern in patterns
            ):
                free.add((row["state"], row["name"]))
    assert {state for state, _ in free} <= {"5B.S2", "5B.S3", "6A.S1", "6A.S2", "3B.S3"} and len(
        free
    ) <= 15, sorted(free)


def demand(root: Path, *names: str) -> None:
    path = root / "contracts/layer1/1A/registry.yaml"
    path.write_text(path.read_text() + "checks:\n  1A.S1:\n" + "".join(f'    - "{name}"\n' for name in names))


def test_a_deleted_check_does_not_pass_and_a_restored_one_resumes(root: Path) -> None:
    demand(root, "ledger_equals_rows", "weights of *")

    def some(ctx: Any, totals: Any) -> list[Check]:
        return [Check("weights of items", True), *miniworld.check_items(ctx, totals)]

    run = root / "runs" / miniworld.prepared(root).run_id
    for deleted in ("ledger_equals_rows", "weights of items"):

        def fewer(ctx: Any, totals: Any, deleted: str = deleted) -> list[Check]:
            return [check for check in some(ctx, totals) if check.name != deleted]

        with pytest.raises(GateError, match="CHECKS_MISSING") as error:
            miniworld.build(root, out=root / deleted, programs=miniworld.segments(check_items=fewer))
        assert (
            error.value.total == 1
            and not list((root / deleted).rglob("_passed.flag"))
            and not list((root / deleted).rglob("index.json"))
        )
    assert miniworld.build(root, programs=miniworld.segments(check_items=some)).run_dir == run
    assert miniworld.build(root).bundles.keys() == {"1A", "1B"}


def test_a_passed_segment_is_held_against_the_demand_again(root: Path) -> None:
    """A run published by code that demanded less (here: its contracts are made to demand more) is not built
    upon.
    """
    result = miniworld.build(root, until="1A")
    prepared = miniworld.prepared(root)
    prepared.contracts.checks["1A.S1"] = ("another",)  # type: ignore[index]
    from sim.backends import get_backend
    from sim.shell.events.events import Silent
    from sim.shell.loop.run import Options, run_world

    with pytest.raises(GateError, match="CHECKS_MISSING"):
        run_world(prepared, get_backend("cpu"), Options(out=root / "runs", workers=1), Silent())
    assert not (result.run_dir / "gates/1B/_passed.flag").exists()
    del prepared.contracts.checks["1A.S1"]  # type: ignore[attr-defined]


def test_states_are_demanded_of_once(root: Path) -> None:
    path = root / "contracts/layer1/1B/registry.yaml"
    path.write_text(path.read_text() + "checks:\n  1A.S1: [x]\n")
    demand(root, "y")
    with pytest.raises(ContractError, match="CONTRACT_INVALID"):
        miniworld.prepared(root)


def test_a_flag_says_how_many_checks_passed_and_which(root: Path) -> None:
    run = miniworld.build(root).run_dir
    flag = json.loads((run / "gates/1A/_passed.flag").read_text())
    index = json.loads((run / "gates/1A/index.json").read_text())
    names = sorted([row["state"], row.get("dataset", ""), row["name"]] for row in index["checks"])
    assert (
        flag["checks"] == {"number": len(names), "names_sha256": sha256_bytes(canonical_json(names))}
        and len(names) == 8
    )
    assert flag["format"] == BUNDLE_FORMAT == "bundle-v4"


FORGED = {
    "one check fewer": {"number": 7},
    "other names": {"names_sha256": "0" * 64},
    "a number as text": {"number": "8"},
    "truth as a number": {"number": True},
    "no names": {"names_sha256": None},
    "more than a flag says": {"seen": 1},
}


@pytest.mark.promise(
    "P22", "A flag whose checks are not those of its index is refused", faults="forged flag", cases=7
)
@pytest.mark.parametrize("how", FORGED)
def test_a_flag_with_other_checks_is_refused(root: Path, how: str) -> None:
    run = miniworld.build(root).run_dir
    path = run / "gates/1A/_passed.flag"
    flag = json.loads(path.read_text())
    path.chmod(0o644)
    path.write_bytes(canonical_json({**flag, "checks": {**flag["checks"], **FORGED[how]}}) + b"\n")
    with pytest.raises(
        GateError,
        match="HASHGATE_CHECKS_DIFFER" if how in ("one check fewer", "other names") else "HASHGATE_INVALID",
    ):
        open_bundle(run, "1A")


def test_an_index_with_fewer_checks_and_its_digest_forged_is_refused(root: Path) -> None:
    run = miniworld.build(root).run_dir
    path, flag = run / "gates/1A/index.json", run / "gates/1A/_passed.flag"
    index = json.loads(path.read_text())
    del index["checks"][3]
    data = pretty_json(index)
    for file in (path, flag):
        file.chmod(0o644)
    path.write_bytes(data)
    flag.write_bytes(
        canonical_json({**json.loads(flag.read_text()), "bundle_sha256": sha256_bytes(data)}) + b"\n"
    )
    with pytest.raises(GateError, match="CHECKS_DIFFER"):
        open_bundle(run, "1A")
    assert read_flag(encode_flag("1A", data), "1A", "flag") == sha256_bytes(data)


def test_the_flag_of_an_older_law_is_refused_by_name(root: Path) -> None:
    run = miniworld.build(root).run_dir
    path = run / "gates/1A/_passed.flag"
    flag = json.loads(path.read_text())
    path.chmod(0o644)
    path.write_bytes(
        canonical_json({"bundle_sha256": flag["bundle_sha256"], "format": "bundle-v1", "segment": "1A"})
        + b"\n"
    )
    with pytest.raises(GateError) as error:
        open_bundle(run, "1A")
    assert (error.value.found, error.value.expected) == ("format 'bundle-v1'", "format 'bundle-v4'")


def forged(run: Path, code: str, keep: Callable[[dict[str, Any]], bool]) -> None:
    """Publish a segment again with fewer checks: manifests,
    index and flag rewritten so that they all agree.
    """
    folder = run / "gates" / code
    index = json.loads((folder / "index.json").read_bytes())
    manifests, documents = [], dict(index["documents"])
    for state in index["states"]:
        path = folder / f"states/{state}.json"
        document = json.loads(path.read_bytes())
        document["checks"] = [row for row in document["checks"] if keep(row)]
        manifest = StateManifest.decode(pretty_json(document), str(path))
        path.write_bytes(manifest.encode())
        documents[f"states/{state}.json"] = sha256_bytes(manifest.encode())
        manifests.append(manifest)
    data = encode_index(code, index["identity"], index["parents"], documents, manifests)
    (folder / "index.json").write_bytes(data)
    (folder / "_passed.flag").write_bytes(encode_flag(code, data))


@pytest.mark.promise(
    "P22",
    "A run that says it passed with a demanded check left out does not verify",
    faults="coherent forgery",
    cases=4,
)
@pytest.mark.parametrize("deep", [(), ("--deep",)], ids=["plain", "deep"])
@pytest.mark.parametrize("remote", [False, True], ids=["directory", "store"])
def test_verify_misses_a_check_that_no_longer_runs(
    cli: Any, mini_copy: Any, deep: tuple[str, ...], remote: bool
) -> None:
    where = f"file://{mini_copy.run}" if remote else str(mini_copy.run)
    forged(mini_copy.run, "1B", lambda row: True)
    assert cli("verify", where, *deep, *mini_copy.options).code == 0  # rewritten alike, it is what it was
    forged(mini_copy.run, "1B", lambda row: row["name"] != "primary_key")
    answer = cli("verify", where, *deep, *mini_copy.options)
    assert answer.code == 5 and "SHELL.RUN_NOT_AS_PUBLISHED" in answer.err
    assert (
        "gates/1B/index.json: check 'doubles: primary_key' is demanded by the contracts and did not run"
        in answer.err
    )


def test_verify_judges_nobody_by_contracts_that_are_not_theirs(cli: Any, mini_copy: Any) -> None:
    """A run of older contracts is read, and it is said what was not asked of it;
    deep verification needs those contracts.
    """
    forged(mini_copy.run, "1B", lambda row: row["name"] != "primary_key")
    told = json.loads(cli("verify", mini_copy.run, "--json").out)
    assert (told["ok"], told["checks_not_judged"]) == (True, ["1A", "1B"])
    assert "1A, 1B built with other contracts" in cli("verify", mini_copy.run).out
    assert "SHELL.CONTRACTS_DIFFER" in cli("verify", mini_copy.run, "--deep").err


def test_whole_datasets_are_demanded_too(mini: Any) -> None:
    bundle, contracts, receipt = (
        open_bundle(mini.run, "1B"),
        load_contracts(mini.root / "contracts"),
        read_receipt(mini.run),
    )
    assert unmet_demands(contracts, bundle, receipt) == []
    for fewer, missing in (((), receipt["scenarios"]), (bundle.datasets, ["another"])):
        told = [
            f"dataset 'doubles of {name}' is demanded by the contracts and not published" for name in missing
        ]
        asked = {**receipt, "scenarios": sorted({*receipt["scenarios"], *missing})}
        assert unmet_demands(contracts, replace(bundle, datasets=fewer), asked) == told
    other = replace(bundle, datasets=(replace(bundle.datasets[0], dataset="stranger"), *bundle.datasets))
    assert unmet_demands(contracts, other, receipt) == ["no contract declares 'stranger'"]
