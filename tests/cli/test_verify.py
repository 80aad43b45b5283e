from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from sim.ground.errors import GateError
from sim.ground.identity import canonical_json, pretty_json, sha256_bytes, sha256_file
from sim.segments import SEGMENTS
from sim.shell.publish.bundle import encode_flag

PART = "part-00001.parquet"


def items(run: Path) -> Path:
    return next(run.glob("data/layer1/1A/items/seed=*/manifest_fingerprint=*"))


def reseal(run: Path, code: str, edit: Callable[[dict[str, Any]], None]) -> None:
    """Forge an index and its flag so that they agree with each other."""
    path = run / "gates" / code / "index.json"
    document = json.loads(path.read_text())
    edit(document)
    data = pretty_json(document)
    path.write_bytes(data)
    forge_flag(run, code, data)


def forge_flag(run: Path, code: str, index: bytes) -> None:
    """The flag of an index; for an index that none can be made of, the old flag with the new digest."""
    path = run / "gates" / code / "_passed.flag"
    try:
        path.write_bytes(encode_flag(code, index))
    except (GateError, TypeError, AttributeError):
        path.write_bytes(
            canonical_json({**json.loads(path.read_text()), "bundle_sha256": sha256_bytes(index)}) + b"\n"
        )


def flip(path: Path, place: int = 100) -> None:
    data = bytearray(path.read_bytes())
    data[place] ^= 1
    path.write_bytes(bytes(data))


def test_a_run_as_published_verifies(cli, mini):
    answer = cli("verify", mini.run)
    assert (answer.code, answer.err) == (0, "")
    told = json.loads(cli("verify", mini.run, "--deep", *mini.options, "--json").out)
    assert (told["schema"], told["ok"], told["deep"]) == ("closedworld.verify/1", True, True)
    assert [(s["segment"], s["rows"], s["files"]) for s in told["segments"]] == [
        ("1A", 100, 4),
        ("1B", 200, 2),
    ]
    assert told["not_built"] == [segment.code for segment in SEGMENTS[2:]]


def test_a_run_verifies_under_another_name_and_place(cli, mini_copy):
    moved = mini_copy.run.rename(mini_copy.run.parent / "moved [1] 'x'")
    assert cli("verify", moved, "--deep", *mini_copy.options).code == 0


def test_deep_verification_needs_the_contracts_of_the_run(cli, mini):
    answer = cli("verify", mini.run, "--deep")
    assert answer.code == 3
    assert answer.err.startswith("SHELL.CONTRACTS_DIFFER  ")


def test_one_flipped_bit_is_found_by_hashing(cli, mini_copy):
    flip(items(mini_copy.run) / PART)
    assert cli("verify", mini_copy.run).code == 0
    answer = cli("verify", mini_copy.run, "--deep", *mini_copy.options)
    assert answer.code == 5
    assert (
        f"items/seed=42/manifest_fingerprint={items(mini_copy.run).name.partition('=')[2]}/{PART}: SHA-256 "
        in answer.err
    )
    assert "published as " in answer.err


def replace_by_fifo(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def replace_by_link(path: Path) -> None:
    other = path.rename(path.parents[5] / f"elsewhere-{path.name}")
    path.symlink_to(other)


def replace_by_loop(path: Path) -> None:
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    path.symlink_to(path)


def write_unseen(path: Path) -> None:
    """A space more in a JSON file; it says the same."""
    path.write_text(path.read_text().replace('": ', '":  ', 1))


def append(path: Path, data: bytes) -> None:
    path.write_bytes(path.read_bytes() + data)


TAMPERINGS: dict[str, tuple[Callable[[Path], Any], str]] = {
    "truncated": (lambda run: os.truncate(items(run) / PART, 50), f"{PART}: 50 bytes, published with "),
    "grown": (lambda run: append(items(run) / PART, b"x"), f"{PART}: "),
    "missing": (lambda run: (items(run) / PART).unlink(), f"{PART}: missing"),
    "missing directory": (lambda run: shutil.rmtree(items(run)), "missing directory"),
    "fifo": (lambda run: replace_by_fifo(items(run) / PART), f"{PART}: not a regular file"),
    "link": (lambda run: replace_by_link(items(run) / PART), f"{PART}: not a regular file"),
    "link to itself": (lambda run: replace_by_loop(items(run) / PART), f"{PART}: not a regular file"),
    "directory link to itself": (lambda run: replace_by_loop(items(run)), "is a symbolic link"),
    "linked layer": (
        lambda run: ((run / "data/layer1").rename(run / "x"), (run / "data/layer1").symlink_to(run / "x")),
        "is a symbolic link",
    ),
    "linked data": (
        lambda run: ((run / "data").rename(run / "x"), (run / "data").symlink_to(run / "x")),
        "is a symbolic link",
    ),
    "extra file": (
        lambda run: (items(run) / "part-00009.parquet").write_bytes(b""),
        "part-00009.parquet: not in the published list",
    ),
    "hidden file": (
        lambda run: (run / "data/.hidden").write_bytes(b""),
        ".hidden: a file that no bundle lists",
    ),
    "extra seed": (
        lambda run: (items(run).parents[1] / "seed=43").mkdir(),
        "seed=43: a directory that no bundle lists",
    ),
    "extra segment": (lambda run: (run / "gates/9Z").mkdir(), "gates/9Z: a directory that no bundle lists"),
    "extra gate file": (
        lambda run: (run / "gates/1A/notes.txt").write_text("x"),
        "notes.txt: a file that no bundle lists",
    ),
    "gate fifo": (lambda run: os.mkfifo(run / "gates/1A/pipe"), "gates/1A/pipe: is prw"),
    "index": (lambda run: write_unseen(run / "gates/1A/index.json"), "index.json"),
    "flag of another": (
        lambda run: shutil.copy(run / "gates/1B/_passed.flag", run / "gates/1A/_passed.flag"),
        "_passed.flag",
    ),
    "flag with a space": (lambda run: append(run / "gates/1A/_passed.flag", b" "), "_passed.flag"),
    "flag fifo": (lambda run: replace_by_fifo(run / "gates/1A/_passed.flag"), "1A has begun and not passed"),
    "no flag": (lambda run: (run / "gates/1A/_passed.flag").unlink(), "1A has begun and not passed"),
    "state manifest": (lambda run: write_unseen(run / "gates/1A/states/1A.S1.json"), "1A.S1.json: SHA-256 "),
    "seal": (lambda run: write_unseen(run / "gates/1B/sealed_inputs_1B.json"), "sealed_inputs_1B.json"),
    "whole segment with its flag": (
        lambda run: reseal(run, "1A", lambda index: index["checks"].clear()),
        "but 1B was built on ",
    ),
    "removed segment": (
        lambda run: shutil.rmtree(run / "gates/1A"),
        "built on 1A, which has not passed here",
    ),
}


@pytest.mark.parametrize("how", TAMPERINGS)
@pytest.mark.promise(
    "P5",
    "the command refuses each tampering with exit 5 and names it",
    faults="truncate, grow, link, FIFO, extra, missing",
)
def test_tampering_is_refused_and_named(cli, mini_copy, how):
    tamper, said = TAMPERINGS[how]
    tamper(mini_copy.run)
    answer = cli("verify", mini_copy.run)
    assert answer.code == 5, answer
    assert said in answer.err
    assert "Traceback" not in answer.err
    error = json.loads(cli("verify", mini_copy.run, "--json").out)["error"]
    assert error["exit_code"] == 5
    assert error["total"] >= 1


RECEIPTS: dict[str, Callable[[dict[str, Any]], Any]] = {
    "seed": lambda receipt: receipt.update(seed=43),
    "scenario": lambda receipt: receipt["scenarios"].append("gale"),
    "parameter": lambda receipt: receipt["parameters"]["layer1/1A/items.yaml"].update(total=101),
    "run id": lambda receipt: receipt.update(run_id="0" * 32),
    "reference": lambda receipt: receipt["reference"].update(cities="0" * 64),
    "seed type": lambda receipt: receipt.update(seed="42"),
    "seed range": lambda receipt: receipt.update(seed=2**64),
    "format": lambda receipt: receipt.update(format="run-receipt-v0"),
    "no scenarios": lambda receipt: receipt.pop("scenarios"),
    "external": lambda receipt: receipt["externals"].update(merchants_input_1A=3),
}


@pytest.mark.parametrize("how", RECEIPTS)
@pytest.mark.promise("P27", "a forged receipt is refused", faults="each field")
def test_a_receipt_must_make_its_own_names(cli, mini_copy, how):
    path = mini_copy.run / "run_receipt.json"
    receipt = json.loads(path.read_text())
    RECEIPTS[how](receipt)
    path.write_text(json.dumps(receipt))
    answer = cli("verify", mini_copy.run)
    assert answer.code == 5, answer
    assert "receipt" in answer.err


def published(index: dict[str, Any]) -> dict[str, Any]:
    return index["datasets"][0]


HOSTILE: dict[str, Callable[[dict[str, Any]], Any]] = {
    "parent path": lambda index: published(index).update(path="data/../../../etc/seed=42"),
    "absolute path": lambda index: published(index).update(path="/etc"),
    "nul": lambda index: published(index).update(path=published(index)["path"].replace("items", "it\0ems")),
    "backslash": lambda index: published(index).update(
        path=published(index)["path"].replace("items", "it\\ems")
    ),
    "outside data": lambda index: published(index).update(path="gates/1A"),
    "another seed": lambda index: published(index).update(
        path=published(index)["path"].replace("seed=42", "seed=43")
    ),
    "file name with a folder": lambda index: published(index)["files"][0].update(
        name="../part-00000.parquet"
    ),
    "document path": lambda index: index["documents"].update({"../../../etc/passwd": "0" * 64}),
    "absolute document": lambda index: index["documents"].update({"/etc/passwd": "0" * 64}),
    "nul document": lambda index: index["documents"].update({"a\0b": "0" * 64}),
    "parent segment path": lambda index: index["parents"].update({"../../1A": "0" * 64}),
    "parent of itself": lambda index: index["parents"].update({"1A": "0" * 64}),
    "datasets of another type": lambda index: index.update(datasets={"a": 1}),
    "dataset of another type": lambda index: index.update(datasets=[1]),
    "no path": lambda index: published(index).pop("path"),
    "file with unknown field": lambda index: published(index)["files"][0].update(colour="red"),
    "rows as text": lambda index: published(index)["files"][0].update(rows="30"),
    "negative rows": lambda index: published(index)["files"][0].update(rows=-30),
    "digest as number": lambda index: published(index)["files"][0].update(file_sha256=7),
    "no files": lambda index: published(index).update(files=[]),
    "twice": lambda index: index["datasets"].append(published(index)),
    "checks of another type": lambda index: index.update(checks=[1]),
    "ledger of another type": lambda index: index.update(ledger=[{"state": 1}]),
    "identity of another run": lambda index: index["identity"].update(seed=43),
    "no identity": lambda index: index.pop("identity"),
    "another segment": lambda index: index.update(segment="1B"),
    "format": lambda index: index.update(format="bundle-v0"),
}


@pytest.mark.parametrize("how", HOSTILE)
@pytest.mark.promise(
    "P27",
    "a forged index with a right flag is refused by verify and sql",
    faults="paths out, wrong types",
    cases=2,
)
def test_a_forged_index_is_refused_whatever_it_says(cli, mini_copy, how):
    reseal(mini_copy.run, "1A", HOSTILE[how])
    for arguments in (["verify", mini_copy.run], ["sql", mini_copy.run, "select count(*) from items"]):
        answer = cli(*arguments)
        assert (answer.code, answer.out) == (5, ""), answer
        assert "Traceback" not in answer.err
        assert "root:" not in answer.err


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"null",
        b"[]",
        b"{",
        b'{"format": "bundle-v4", "format": "bundle-v4"}',
        b"[" * 100_000,
        b"\xff\xfe",
        b"0" * 1000,
    ],
)
def test_an_index_that_is_not_one_is_refused(cli, mini_copy, data):
    (mini_copy.run / "gates/1A/index.json").write_bytes(data)
    forge_flag(mini_copy.run, "1A", data)
    assert cli("verify", mini_copy.run).code == 5


def rewrite_table(run: Path) -> None:
    """Other rows under the recorded content digest: table, manifest, index,
    flag and chain rewritten together.
    """
    path = items(run) / PART
    rows = pq.read_table(path)
    pq.write_table(
        rows.set_column(
            2,
            rows.schema.field(2),
            rows["weight"].filter([True] * len(rows)).take(list(range(len(rows)))[::-1]),
        ),
        path,
    )

    def edit(index: dict[str, Any]) -> None:
        manifest_path = run / "gates/1A/states/1A.S1.json"
        manifest = json.loads(manifest_path.read_text())
        for document in (index, manifest):
            part = next(part for part in published(document)["files"] if part["name"] == PART)
            part.update(file_sha256=sha256_file(path), bytes=path.stat().st_size)
        manifest_path.write_bytes(pretty_json(manifest))
        index["documents"]["states/1A.S1.json"] = sha256_file(manifest_path)

    reseal(run, "1A", edit)
    chained = sha256_bytes((run / "gates/1A/_passed.flag").read_bytes())
    reseal(run, "1B", lambda index: index["parents"].update({"1A": chained}))


@pytest.mark.promise(
    "P6",
    "a table, its manifest, index, flag and chain rewritten together still differ in content",
    faults="coherent rewrite",
)
def test_a_rewritten_table_with_forged_file_digests_differs_in_content(cli, mini_copy):
    rewrite_table(mini_copy.run)
    assert cli("verify", mini_copy.run).code == 0
    answer = cli("verify", mini_copy.run, "--deep", *mini_copy.options)
    assert answer.code == 5
    assert f"{PART}: content BLAKE3 " in answer.err


def test_an_unfinished_segment_is_not_proven_and_its_rows_are_not_listed(cli, mini_copy):
    (mini_copy.run / "gates/1B/_passed.flag").unlink()
    answer = cli("verify", mini_copy.run)
    assert answer.code == 5
    assert "1 of 1" in answer.err
    assert "1B has begun and not passed" in answer.err


def test_everything_wrong_is_counted_and_five_are_shown(cli, mini_copy):
    for number in range(9):
        (mini_copy.run / f"data/stranger-{number}").write_bytes(b"")
    answer = cli("verify", mini_copy.run)
    assert answer.err.startswith("SHELL.RUN_NOT_AS_PUBLISHED  9 thing(s)")
    assert answer.err.count(" of 9 ") == 5
