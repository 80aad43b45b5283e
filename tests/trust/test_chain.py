"""Behind every gate stand all segments that came before: whatever becomes of one flag,
each later segment stops and names it.
"""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
from collections.abc import Callable
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest

from sim.ground.errors import GateError
from sim.ground.identity import canonical_json, contracts_digest, pretty_json, sha256_bytes, sha256_file
from sim.ground.paths import contracts_root
from sim.segments import SEGMENTS
from sim.shell.contracts.load import load_contracts
from sim.shell.contracts.strict_yaml import load
from sim.shell.publish.bundle import Bundle, encode_flag
from sim.shell.publish.gate import open_bundle
from sim.shell.publish.seal import sealed_rows
from sim.shell.request.receipt import read_receipt
from sim.shell.runs.opened import require_passed, seal_problems, segment_problems
from sim.shell.runs.verify import verify_run

CODES = [segment.code for segment in SEGMENTS]
PAIRS = list(combinations(CODES, 2))


@pytest.fixture
def linked(demo_run: Path, tmp_path: Path) -> Path:
    """The tiny world again, its files shared: a test replaces files and never writes into one."""
    target = tmp_path / demo_run.name
    shutil.copytree(
        demo_run, target, symlinks=True, copy_function=os.link, ignore=shutil.ignore_patterns(".lock")
    )
    return target


def replace(path: Path, data: bytes) -> None:
    path.unlink()
    path.write_bytes(data)


def forge(run: Path, code: str, change: Callable[[dict[str, Any]], None]) -> None:
    """Change an index and make the flag that passes it: a segment that holds in itself."""
    folder = run / "gates" / code
    index = json.loads((folder / "index.json").read_bytes())
    change(index)
    data = pretty_json(index)
    replace(folder / "index.json", data)
    replace(folder / "_passed.flag", encode_flag(code, data))
    assert open_bundle(run, code).digest == sha256_bytes(data)


def other_figure(index: dict[str, Any]) -> None:
    index["checks"][0]["expected"] = "something else"


def bundles(run: Path, *without: str) -> dict[str, Bundle]:
    return {code: open_bundle(run, code) for code in CODES if code not in without}


def test_a_segment_holds_the_flags_and_indexes_of_all_before_it(demo_run: Path) -> None:
    files = set(load_contracts(contracts_root()).files)
    for place, code in enumerate(CODES):
        gate = demo_run / "gates"
        flags = {name: sha256_file(gate / name / "_passed.flag") for name in CODES[:place]}
        indexes = {name: sha256_file(gate / name / "index.json") for name in CODES[:place]}
        assert open_bundle(demo_run, code).document["parents"] == flags
        receipt = json.loads((gate / code / f"s0_gate_receipt_{code}.json").read_text())["upstream_segments"]
        assert receipt == {
            name: {"status": "PASS", "bundle_sha256": indexes[name], "flag_sha256": flags[name]}
            for name in flags
        }
        rows = json.loads((gate / code / f"sealed_inputs_{code}.json").read_text())["inputs"]
        sealed = {
            role: [row for row in rows if row["role"] == role]
            for role in ("UPSTREAM_GATE_FLAG", "UPSTREAM_GATE_BUNDLE", "CONTRACT")
        }
        assert {row["read_scope"] for found in sealed.values() for row in found} == {"METADATA_ONLY"}
        assert {row["owner_segment"]: row["sha256_hex"] for row in sealed["UPSTREAM_GATE_FLAG"]} == flags
        assert {row["owner_segment"]: row["sha256_hex"] for row in sealed["UPSTREAM_GATE_BUNDLE"]} == indexes
        assert {row["path_template"].removeprefix("contracts/") for row in sealed["CONTRACT"]} == files
        keys = [(row["owner_layer"], row["owner_segment"], row["manifest_key"]) for row in rows]
        assert keys == sorted(set(keys))


@pytest.mark.promise(
    "P4",
    "a flag removed or altered stops every later segment by name",
    faults="removed, forged in itself",
    cases=9,
)
@pytest.mark.parametrize("earlier", CODES[:-1])
def test_every_later_segment_stops_at_a_flag_removed_or_altered(linked: Path, earlier: str) -> None:
    receipt, later = read_receipt(linked), [late for early, late in PAIRS if early == earlier]
    flag, was = (
        linked / "gates" / earlier / "_passed.flag",
        sha256_file(linked / "gates" / earlier / "_passed.flag"),
    )
    forge(linked, earlier, other_figure)
    told = verify_run(linked, CODES).problems
    for code in later:
        before = {
            name: bundle for name, bundle in bundles(linked).items() if CODES.index(name) < CODES.index(code)
        }
        line = f"gates/{earlier}/_passed.flag: SHA-256 {sha256_file(flag)}, but {code} was built on {was}"
        assert line in told
        with pytest.raises(GateError) as error:
            require_passed(linked, code, CODES, receipt, before)
        assert line in error.value.examples
    flag.unlink()
    told = verify_run(linked, CODES).problems
    for code in later:
        before = {
            name: bundle
            for name, bundle in bundles(linked, earlier).items()
            if CODES.index(name) < CODES.index(code)
        }
        line = f"gates/{code}/index.json: built on {earlier}, which has not passed here"
        assert line in told
        with pytest.raises(GateError) as error:
            require_passed(linked, code, CODES, receipt, before)
        assert line in error.value.examples


@pytest.mark.parametrize("late", CODES[1:])
def test_an_index_that_leaves_out_an_earlier_segment_is_named(linked: Path, late: str) -> None:
    """Forged coherently, flag and all: what a gate must hold is said by the order of the run,
    not by the index.
    """
    receipt, place = read_receipt(linked), CODES.index(late)
    whole = (linked / "gates" / late / "index.json").read_bytes()
    for early in CODES[:place]:
        forge(linked, late, lambda index, early=early: index["parents"].pop(early))
        before = {name: open_bundle(linked, name) for name in CODES[:place]}
        line = f"gates/{late}/index.json: does not hold the flag of {early}, which comes before it"
        assert segment_problems(open_bundle(linked, late), receipt, before) == [line]
        replace(linked / "gates" / late / "index.json", whole)


def test_contracts_are_sealed_file_by_file_and_make_the_fingerprint(linked: Path) -> None:
    contracts, receipt = load_contracts(contracts_root()), read_receipt(linked)
    found = {path.relative_to(contracts_root()).as_posix() for path in contracts_root().rglob("*.yaml")}
    # what programs are told
    assert set(contracts.files) == {relative for relative in found if not relative.startswith("answers/")}
    for relative, digest in contracts.files.items():
        assert digest == sha256_bytes(canonical_json(load(contracts_root() / relative, relative).value)), (
            relative
        )
    assert contracts.digest == contracts_digest(contracts.files.items())
    assert seal_problems(linked, "6A", receipt) == []
    seal = linked / "gates/6A/sealed_inputs_6A.json"
    document = json.loads(seal.read_bytes())
    contract = [place for place, row in enumerate(document["inputs"]) if row["role"] == "CONTRACT"]
    fault: Callable[[list[dict[str, Any]]], Any]
    for fault in (
        lambda rows: rows.pop(contract[7]),
        lambda rows: rows[contract[7]].update(sha256_hex="0" * 64),
        lambda rows: rows[contract[7]].update(path_template="contracts/other.yaml"),
        lambda rows: rows.append(rows[contract[7]]),
        lambda rows: [rows.pop(place) for place in reversed(contract)],
    ):
        rows = [dict(row) for row in document["inputs"]]
        fault(rows)
        replace(seal, pretty_json({**document, "inputs": rows}))
        problems = seal_problems(linked, "6A", receipt)
        assert len(problems) == 1
        assert problems[0].startswith(f"{seal}: contracts ") and problems[0].endswith(
            f"expected {receipt['manifest_fingerprint']}"
        )


def test_entities_want_one_partition_of_the_arrivals(demo_run: Path) -> None:
    """No row of it is read; that it was published is sealed, in one scenario at least."""
    contracts = load_contracts(contracts_root())
    (segment,) = (segment for segment in SEGMENTS if segment.code == "6A")
    assert segment.present == ("arrival_events_5B",)
    rows = json.loads((demo_run / "gates/6A/sealed_inputs_6A.json").read_text())["inputs"]
    row = next(row for row in rows if row["manifest_key"] == "arrival_events_5B")
    assert (row["read_scope"], row["status"], row["role"]) == ("METADATA_ONLY", "REQUIRED", "UPSTREAM_EGRESS")
    documents = read_receipt(demo_run)["parameters"]
    reference = read_receipt(demo_run)["reference"]
    found = bundles(demo_run, "6A")
    arrivals = [item for item in found["5B"].datasets if item.dataset == "arrival_events_5B"]
    assert len(arrivals) == 2

    def seal(keep: int) -> list[dict[str, Any]]:
        kept = tuple(item for item in found["5B"].datasets if item not in arrivals[keep:])
        cut = {**found, "5B": dataclasses.replace(found["5B"], datasets=kept)}
        return sealed_rows(segment, contracts, documents, reference, {}, cut)

    assert row in seal(2)
    assert any(row["manifest_key"] == "arrival_events_5B" for row in seal(1))
    with pytest.raises(GateError, match="SEALED_INPUTS_INCOMPLETE") as error:
        seal(0)
    assert error.value.found == "no partition of arrival_events_5B in gates/5B/index.json"
