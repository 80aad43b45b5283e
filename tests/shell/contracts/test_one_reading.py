"""One request sees one content of each file: whatever lies under its name afterwards changes neither a row,
nor a digest, nor a proof.
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sim.ground.errors import ContractError
from sim.ground.paths import config_root, contracts_root
from sim.ground.plain_file import read_plain
from sim.model import MODEL
from sim.model.inputs.merchants import merchants_input
from sim.segments import SEGMENTS
from sim.shell.contracts.lint import lint, prove_agreement
from sim.shell.request.request import Prepared, Request, prepare
from sim.shell.runs.verify import sealed_vocabularies
from sim.shell.tables.reference import TABLES, Reference

ROOT = Path(__file__).resolve().parents[3]
STATES = [program.state for segment in SEGMENTS for program in segment.programs]


def copies(folder: Path) -> Request:
    for root in (contracts_root(), config_root()):
        shutil.copytree(root, folder / root.name)
    return Request(contracts=folder / "contracts", config=folder / "config")


def everything(prepared: Prepared) -> tuple[object, ...]:
    """What a run takes from a request, names and rows."""
    tables = {name: prepared.reference.frame(name, dict(prepared.vocabularies)) for name in TABLES}
    rows = {
        name: {column: values.tobytes() for column, values in frame.items()} for name, frame in tables.items()
    }
    return (
        prepared.run_id,
        prepared.contracts.digest,
        prepared.parameter_hash,
        prepared.reference_digests,
        prepared.vocabularies,
        rows,
    )


def test_a_file_that_is_another_after_it_was_read_is_never_seen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every file of contracts, packs, presets and reference turns into something else the moment it has been
    read.
    """
    request = copies(tmp_path)
    undisturbed = everything(prepare(request, MODEL))
    read: Counter[Path] = Counter()

    def read_and_swapped(path: Path, limit: int, *, follow: bool = True) -> bytes:
        data = read_plain(path, limit, follow=follow)
        read[path] += 1
        path.unlink()
        path.write_bytes(b"description: another\n" if path.suffix == ".yaml" else b"no Parquet")
        return data

    monkeypatch.setattr("sim.ground.read_once.read_plain", read_and_swapped)
    prepared = prepare(request, MODEL)
    assert lint(prepared.contracts, prepared.config, STATES).rows() == []
    prove_agreement(prepared.contracts, prepared.config, STATES)
    assert everything(prepared) == undisturbed
    assert set(read.values()) == {1}, [path for path, times in read.items() if times > 1]
    packs = {request.config / artefact.path for artefact in prepared.contracts.artefacts.values()}
    tables = {request.config / "reference" / f"{name}.parquet" for name in TABLES}
    contracts = {request.contracts / name for name in prepared.contracts.located}
    assert packs | tables | contracts | {request.config / "presets/demo.yaml"} <= read.keys()
    with pytest.raises(ContractError):
        prepare(request, MODEL)  # what lies there now is refused: the swap was real


def test_contracts_of_equal_size_and_time_are_told_apart(tmp_path: Path) -> None:
    """A clock that a file's owner sets is no proof of its content."""
    request = copies(tmp_path)
    before = prepare(request, MODEL).contracts.digest
    path = request.contracts / "vocabularies.yaml"
    status, text = path.stat(), path.read_text()
    changed = text.replace("card_present", "card_presemt", 1)
    assert changed != text and len(changed) == len(text)
    path.write_text(changed)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert prepare(request, MODEL).contracts.digest != before
    path.write_text(text)
    assert prepare(request, MODEL).contracts.digest == before


def test_a_proof_of_agreement_is_not_taken_for_another_listing(tmp_path: Path) -> None:
    """A stray file is found by its name alone, so the proof is of the names too."""
    request = copies(tmp_path)
    prepared = prepare(request, MODEL)
    prove_agreement(prepared.contracts, prepared.config, STATES)
    (request.config / "layer1/1A/notes.txt").write_text("nobody reads this")
    prepared = prepare(request, MODEL)
    with pytest.raises(ContractError) as error:
        prove_agreement(prepared.contracts, prepared.config, STATES)
    assert error.value.what == "A config file belongs to no pack."


def put(path: Path, thing: str) -> None:
    """Something that is no plain file; nothing at all for any other word."""
    if thing == "pipe":
        os.mkfifo(path)
    elif thing == "zeros":
        path.symlink_to("/dev/zero")
    elif thing == "directory":
        path.mkdir()


@pytest.mark.parametrize(
    "name",
    ["contracts/layer1/1A/schemas.yaml", "config/layer1/1A/mcc_taxonomy.yaml", "config/presets/demo.yaml"],
)
@pytest.mark.parametrize("thing", ["pipe", "zeros", "directory", "gone"])
def test_what_is_no_plain_file_is_refused_by_name(tmp_path: Path, name: str, thing: str) -> None:
    request, path = copies(tmp_path), tmp_path / name
    said = {
        "pipe": "a named pipe",
        "zeros": "a character device",
        "directory": "a directory",
        "gone": "no such file",
    }[thing]
    path.unlink()
    put(path, thing)
    with pytest.raises(ContractError if thing != "gone" else Exception) as error:
        prepare(request, MODEL)
    told = str(error.value.render())  # type: ignore[attr-defined]
    assert said in told or "there is no preset" in told or "closedworld:layer1/1A/schemas" in told, told
    assert thing == "gone" or "a plain file of at most 1,000,000 bytes" in told


@pytest.mark.parametrize("thing", ["pipe", "zeros", "directory", "gone", "empty", "rows"])
def test_a_reference_table_that_is_none_is_refused_by_name(tmp_path: Path, thing: str) -> None:
    request = copies(tmp_path)
    path = request.config / "reference/holidays.parquet"
    path.unlink()
    put(path, thing)
    if thing == "empty":
        path.touch()
    elif thing == "rows":
        pq.write_table(pa.table({"country_iso": pa.nulls(10_000_001, pa.int8())}), path)
    said = {
        "pipe": "a named pipe",
        "zeros": "a character device",
        "directory": "a directory",
        "gone": "no such file",
    }
    said |= {"empty": "Parquet file size is 0 bytes", "rows": "10,000,001 rows by its footer"}
    with pytest.raises(ContractError) as error:
        everything(prepare(request, MODEL))
    assert (
        error.value.code == "SHELL.REFERENCE_INVALID"
        and error.value.where == str(path)
        and error.value.found.startswith(said[thing])
    )


def _table_bomb(case: str) -> pa.Table:
    """A table of a few kilobytes whose rows take gigabytes, one way or another."""
    rows = 1 << 20
    word = pa.DictionaryArray.from_arrays(
        pa.repeat(pa.scalar(0, pa.int32()), rows), pa.array(["x" * (1 << 16)])
    )
    if case == "a long text in every row":
        return pa.table({"country_iso": word})
    if case == "a category that is cast later":
        return pa.table({"name": word})
    if case == "a long text among short ones":  # numpy makes every row as wide as the longest
        return pa.table({"name": pa.array(["x" * (1 << 16), *["y"] * (rows - 1)])})
    if case == "many columns":
        return pa.table({f"c{number}": pa.repeat(pa.scalar(1, pa.int64()), rows) for number in range(64)})
    return pa.table({"name": pa.array(["x" * (260 << 20)])})


@pytest.mark.parametrize(
    "case",
    [
        "a long text in every row",
        "a category that is cast later",
        "a long text among short ones",
        "many columns",
        "a page that unpacks to much",
    ],
)
def test_a_reference_table_that_becomes_too_much_is_refused_before_its_rows_are_made(
    tmp_path: Path, case: str
) -> None:
    (tmp_path / "reference").mkdir()
    path = tmp_path / "reference/holidays.parquet"
    pq.write_table(
        _table_bomb(case), path, compression="zstd", store_schema=case == "a category that is cast later"
    )
    assert path.stat().st_size < 1 << 20
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(ContractError, match="bytes of rows out of") as error:
        Reference(tmp_path / "reference").texts("holidays", "name")
    assert error.value.code == "SHELL.REFERENCE_INVALID" and error.value.where == str(path)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 300_000


@pytest.mark.parametrize(
    "column",
    [pa.array([[1, 2]]), pa.array([{"a": 1}]), pa.array([[["x"]]]), pa.array([b"12"], pa.binary(2))],
    ids=lambda one: str(one.type),
)
def test_a_reference_table_of_nested_columns_is_refused(tmp_path: Path, column: pa.Array) -> None:
    pq.write_table(pa.table({"name": column}), tmp_path / "tzids.parquet")
    with pytest.raises(ContractError) as error:
        Reference(tmp_path).texts("tzids", "name")
    assert error.value.code == "SHELL.REFERENCE_INVALID"


def test_unlisted_pipes_and_devices_stop_nobody(tmp_path: Path) -> None:
    """Whatever lies about in a config directory and is no pack is named by lint, and opened by nobody."""
    request = copies(tmp_path)
    os.mkfifo(request.config / "layer1/1A/pipe.yaml")
    os.mkfifo(request.config / "presets/pipe.yaml")
    (request.config / "layer2/zeros.yaml").symlink_to("/dev/zero")
    prepared = prepare(request, MODEL)
    with pytest.raises(ContractError) as error:
        prove_agreement(prepared.contracts, prepared.config, STATES)
    assert len(error.value.examples) == 3 and "a named pipe" in " ".join(error.value.examples)


def test_sealed_vocabularies_come_from_the_same_bytes(tmp_path: Path) -> None:
    prepared = prepare(copies(tmp_path), MODEL)
    assert sealed_vocabularies(prepared.contracts, prepared.reference) == prepared.vocabularies


CSV = "merchant_id,mcc,channel,country\n"
SWAPPED_MERCHANTS = """
import json, sys
from pathlib import Path
from sim.ground import read_once
from sim.model import MODEL
from sim.model.inputs.merchants import merchants_input
from sim.shell.request.request import Request, prepare

plain, path, other = read_once.read_plain, Path(sys.argv[1]), Path(sys.argv[2])

def swapped(name, limit, **how):
    data = plain(name, limit, **how)
    if name == path and other.exists():
        other.rename(path)  # the moment it has been read, another lies there
    return data

read_once.read_plain = swapped
prepared = prepare(Request(inputs=merchants_input(path)), MODEL)
print(json.dumps([prepared.run_id, sum(len(frame) for frame in prepared.externals.values())]))
"""


def test_two_merchants_files_never_share_a_run_id(tmp_path: Path) -> None:
    """The file is another one the moment it was read: name and rows are those of what was read."""
    few = CSV + "".join(f"{number},5411,card_present,DE\n" for number in range(1, 61))
    many = CSV + "".join(f"{number},5411,card_present,DE\n" for number in range(1, 1501))

    def asked(first: str, then: str | None) -> list[object]:
        (tmp_path / "merchants.csv").write_text(first)
        if then is not None:
            (tmp_path / "other.csv").write_text(then)
        command = [
            sys.executable,
            "-c",
            SWAPPED_MERCHANTS,
            str(tmp_path / "merchants.csv"),
            str(tmp_path / "other.csv"),
        ]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        assert (tmp_path / "merchants.csv").read_text() == (first if then is None else then)
        return list(json.loads(done.stdout))

    undisturbed = asked(few, None), asked(many, None)
    assert [rows for _, rows in undisturbed] == [60, 1500] and undisturbed[0][0] != undisturbed[1][0]
    assert (asked(few, many), asked(many, few)) == undisturbed


@pytest.mark.parametrize("thing", ["pipe", "zeros", "directory", "gone", "device by its own name"])
def test_a_merchants_file_that_is_none_is_refused_at_once(tmp_path: Path, thing: str) -> None:
    path = Path("/dev/zero") if thing.startswith("device") else tmp_path / "merchants.csv"
    put(path, thing)
    with pytest.raises(ContractError) as error:
        prepare(Request(inputs=merchants_input(path)), MODEL)
    said = {"pipe": "a named pipe", "directory": "a directory", "gone": "no such file"}
    assert said.get(thing, "a character device") in error.value.found and error.value.where.startswith(
        str(path)
    )
