"""A manifest's file entries are written out field by field: all of them, in the bytes they always had."""

from __future__ import annotations

import json
from dataclasses import asdict, fields
from pathlib import Path

import miniworld
import pytest

from sim.ground.errors import ContractError
from sim.ground.identity import pretty_json
from sim.shell.publish import documents
from sim.shell.publish.bundle import encode_index
from sim.shell.publish.manifest import StateManifest, encode_file
from sim.state.context import PartitionContext
from sim.state.declaration import Frames, Partition
from sim.state.records import PartFile, Published

KEYS = {"rows": 3, "first": [1, "é"], "last": [2**64 - 1, None], "primary_increasing": True}
FILE = PartFile("part-00000.parquet", 10, 3, "a" * 64, "b" * 64, KEYS)


def test_a_file_entry_says_every_field() -> None:
    assert encode_file(FILE) == asdict(FILE)
    assert list(encode_file(FILE)) == [field.name for field in fields(PartFile)]
    assert encode_file(FILE)["keys"] is not KEYS


def test_a_manifest_is_sorted_and_indented_json_and_reads_back() -> None:
    made = StateManifest(
        "1A.S1", {"seed": 1}, (Published("items", None, "data/items", (FILE, FILE), "c" * 64),), (), ()
    )
    item = {"content_blake3": "c" * 64, "dataset": "items", "path": "data/items", "rows": 6, "scenario": None}
    document = {
        "format": "state-v3",
        "state": "1A.S1",
        "identity": {"seed": 1},
        "checks": [],
        "ledger": [],
        "measurements": [],
    }
    document["datasets"] = [{**item, "files": [asdict(FILE), asdict(FILE)]}]
    expected = json.dumps(document, sort_keys=True, indent=1, ensure_ascii=False) + "\n"
    assert made.encode() == expected.encode()
    assert StateManifest.decode(made.encode(), "here") == made


def test_an_entry_is_longer_than_the_least() -> None:
    least = PartFile("part-00000.parquet", 0, 0, "a" * 64, "b" * 64, {})
    one, two = (len(pretty_json([[encode_file(least)] * count])) for count in (1, 2))
    assert two - one > documents.LEAST_ENTRY_BYTES


def test_a_list_of_files_nobody_could_read_is_not_written(monkeypatch: pytest.MonkeyPatch) -> None:
    made = StateManifest(
        "1A.S1", {"seed": 1}, (Published("items", None, "data/items", (FILE,) * 9, "c" * 64),), (), ()
    )
    lists = (made.encode, lambda: encode_index("1A", {"seed": 1}, {}, {}, [made]))
    for encode in lists:
        size = len(encode())
        monkeypatch.setattr(documents, "DOCUMENT_BYTES", size)
        assert len(encode()) == size
        monkeypatch.setattr(documents, "DOCUMENT_BYTES", size - 1)
        with pytest.raises(ContractError, match=r"SHELL\.TOO_MANY_FILES") as refused:
            encode()
        assert refused.value.found == f"9 files, {size:,} bytes or more to list them"
        monkeypatch.undo()


def test_a_plan_too_long_to_list_is_refused_before_anything_is_computed(tmp_path: Path) -> None:
    miniworld.write_world(tmp_path)
    parts = (documents.DOCUMENT_BYTES // documents.LEAST_ENTRY_BYTES) + 1
    plan = [Partition(number, spec={"rows": [0, 1]}) for number in range(parts)]

    def never(ctx: PartitionContext, part: Partition) -> Frames:
        raise AssertionError("computed")

    with pytest.raises(ContractError, match=r"1A\.S1 has more partitions"):
        miniworld.build(
            tmp_path, programs=miniworld.segments(plan_items=lambda ctx: plan, compute_items=never)
        )
    assert not [path for room in ("data", "staging") for path in tmp_path.glob(f"runs/*/{room}/**/*.parquet")]
