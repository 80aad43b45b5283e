"""A manifest's file entries are written out field by field: all of them, in the bytes they always had."""

from __future__ import annotations

import json
from dataclasses import asdict, fields

from sim.shell.manifest import PartFile, Published, StateManifest, encode_file

KEYS = {"rows": 3, "first": [1, "é"], "last": [2**64 - 1, None], "primary_increasing": True}
FILE = PartFile("part-00000.parquet", 10, 3, "a" * 64, "b" * 64, KEYS)


def test_a_file_entry_says_every_field() -> None:
    assert encode_file(FILE) == asdict(FILE)
    assert list(encode_file(FILE)) == [field.name for field in fields(PartFile)]
    assert encode_file(FILE)["keys"] is not KEYS


def test_a_manifest_is_sorted_and_indented_json_and_reads_back() -> None:
    made = StateManifest("1A.S1", {"seed": 1}, (Published("items", None, "data/items", (FILE, FILE), "c" * 64),), (), ())
    item = {"content_blake3": "c" * 64, "dataset": "items", "path": "data/items", "rows": 6, "scenario": None}
    document = {"law": "state-v1", "state": "1A.S1", "identity": {"seed": 1}, "checks": [], "ledger": []}
    document["datasets"] = [{**item, "files": [asdict(FILE), asdict(FILE)]}]
    expected = json.dumps(document, sort_keys=True, indent=1, ensure_ascii=False) + "\n"
    assert made.encode() == expected.encode()
    assert StateManifest.decode(made.encode(), "here") == made
