"""Compiling contracts: what is accepted, what is refused and how precisely,
and that nothing is ever fetched.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from contracts_folder import Folder

from sim.ground.errors import ContractError
from sim.shell.contracts.load import load_contracts, validate_document
from sim.shell.contracts.schema_rules import pattern_problem
from sim.shell.contracts.strict_yaml import load, load_text

SCHEMAS = "contracts/layer1/1A/schemas.yaml"
COLUMNS = "contracts/columns.yaml"
POLICY = "closedworld:layer1/1A/schemas#/documents/till_policy_1A"


def refused(folder: Folder) -> ContractError:
    with pytest.raises(ContractError) as caught:
        load_contracts(folder.contracts)
    return caught.value


def test_compiles(folder: Folder) -> None:
    contracts = load_contracts(folder.contracts)
    till = contracts.dataset("till")
    assert (till.segment, till.layer, till.required, till.produced_by) == ("1A", 1, True, "1A.S2")
    assert till.table.names == ("shop_id", "till_no", "colour", "share")
    assert till.table.column("colour").nullable and till.table.column("colour").vocabulary == "colour"
    assert till.table.column("till_no").encoding == "delta"
    assert till.foreign_keys[0].dataset == "shop"
    assert till.invariants[0].kind == "contiguous" and till.invariants[0].params["within"] == ("shop_id",)
    assert till.where == "contracts/layer1/1A/dictionary.yaml:9:5"
    assert contracts.vocabularies == {"colour": ("red", "green", "blue")}
    assert contracts.reference_vocabularies == {"country": ("countries", "country_iso")}
    assert list(contracts.kernels) == ["add_one"] and list(contracts.streams) == ["1A.till"]
    assert contracts.artefact("till_policy_1A").role == "POLICY"
    assert load_contracts(folder.contracts) is contracts


def test_digest_is_of_content_not_of_layout(folder: Folder) -> None:
    before = load_contracts(folder.contracts).digest
    folder.replace(SCHEMAS, "tables:", "# a remark\ntables:\n")
    assert load_contracts(folder.contracts).digest == before
    folder.replace(SCHEMAS, "minimum: 1}", "minimum: 2}")
    assert load_contracts(folder.contracts).digest != before
    (folder.contracts / "decisions").mkdir()
    changed = load_contracts(folder.contracts).digest
    folder.write("contracts/decisions/why.yaml", "- because\n")
    assert load_contracts(folder.contracts).digest == changed


def test_nearest_names(folder: Folder) -> None:
    contracts = load_contracts(folder.contracts)
    column = contracts.dataset("till").table.column
    for ask, name in ((contracts.dataset, "tils"), (contracts.artefact, "till_policy"), (column, "shop")):
        with pytest.raises(ContractError) as caught:
            ask(name)
        assert "did you mean" in caught.value.do


def test_document_errors_are_all_listed_with_lines(folder: Folder) -> None:
    contracts = load_contracts(folder.contracts)
    text = "tills_a_shop: 12\nhome: Norway\npricee: 1\nkind: fncy\nswitch: no\n"
    with pytest.raises(ContractError) as caught:
        validate_document(contracts, POLICY, load_text(text, "p.yaml"))
    error = caught.value
    assert len(error.examples) == 5
    for row, line, words in zip(
        error.examples,
        (1, 2, 3, 4, 5),
        (
            "at most 9",
            "text matching ^[A-Z]{2}$",
            "did you mean 'price'",
            "did you mean 'fancy'",
            "YAML 1.2 booleans are true and false",
        ),
        strict=True,
    ):
        assert row.startswith(f"p.yaml:{line}:1") and words in row


@pytest.mark.parametrize(
    ("text", "found", "expected", "where"),
    [
        ("home: NO\n", "home", "the key 'tills_a_shop'", "p.yaml:1:1"),
        ("tills_a_shop: 1.0\nhome: NO\n", "1.0", "integer", "p.yaml:1:1"),
        ("tills_a_shop: true\nhome: NO\n", "True", "integer", "p.yaml:1:1"),
        ('tills_a_shop: 1\nhome: "NO\\n"\n', "'NO\\n'", "text matching ^[A-Z]{2}$", "p.yaml:2:1"),
        ("[1]\n", "[1]", "object", "p.yaml:1:1"),
    ],
)
def test_one_document_error(folder: Folder, text: str, found: str, expected: str, where: str) -> None:
    with pytest.raises(ContractError) as caught:
        validate_document(load_contracts(folder.contracts), POLICY, load_text(text, "p.yaml"))
    assert (caught.value.found, caught.value.expected, caught.value.where) == (found, expected, where)


def test_good_document(folder: Folder) -> None:
    validate_document(
        load_contracts(folder.contracts), POLICY, load(folder.config / "layer1/1A/till_policy.yaml")
    )


@pytest.fixture
def server() -> Iterator[tuple[int, list[bytes]]]:
    """A loopback server that writes down whatever is asked of it."""
    seen: list[bytes] = []
    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(0.05)
    stop = threading.Event()

    def serve() -> None:
        while not stop.is_set():
            try:
                connection, _ = listener.accept()
            except TimeoutError:
                continue
            with connection:
                seen.append(b"connected")

    thread = threading.Thread(target=serve)
    thread.start()
    yield listener.getsockname()[1], seen
    stop.set()
    thread.join()
    listener.close()


@pytest.mark.parametrize("scheme", ["http", "file", "relative", "anchor", "unknown", "metaschema"])
def test_references_never_leave(folder: Folder, server: tuple[int, list[bytes]], scheme: str) -> None:
    port, seen = server
    secret = folder.root / "secret.json"
    secret.write_text("{}", encoding="utf-8")
    ref = {
        "http": f"http://127.0.0.1:{port}/schema.json",
        "file": secret.as_uri(),
        "relative": "secret.json",
        "anchor": "#/documents/plaice",
        "unknown": "closedworld:layer9/9Z/schemas#/documents/x",
        "metaschema": "https://json-schema.org/draft/2020-12/schema",
    }[scheme]
    folder.replace(SCHEMAS, '{$ref: "#/documents/place"}', f'{{$ref: "{ref}"}}')
    error = refused(folder)
    assert error.code == "SHELL.SCHEMA_REF_UNRESOLVED"
    assert error.where == "contracts/layer1/1A/schemas.yaml:22:14"
    if scheme == "anchor":
        assert "did you mean 'place'" in error.do
    good = Folder(folder.root / "good")
    with pytest.raises(ContractError) as caught:
        validate_document(load_contracts(good.contracts), ref, load_text("a: 1\n", "p.yaml"))
    assert caught.value.code == "SHELL.SCHEMA_REF_UNRESOLVED"
    assert seen == []


@pytest.mark.parametrize(
    ("file", "old", "new", "words"),
    [
        (
            SCHEMAS,
            "type: uint32, description: Number",
            "type: uint23, description: Number",
            "did you mean 'uint32'",
        ),
        (SCHEMAS, "use: shop_id, minimum: 1", "use: shop_id, minimun: 1", "did you mean 'minimum'"),
        (SCHEMAS, "{name: till_no", "{name: shop_id", "declared twice"),
        (SCHEMAS, "vocabulary: country, ", "", "vocabulary"),
        (SCHEMAS, "use: shop_id, minimum: 1}", "use: shop_id, minimum: 0.5}", "integer"),
        (SCHEMAS, "use: shop_id, minimum: 1}", "use: shop_id, type: int8}", "Unknown key"),
        (SCHEMAS, "use: shop_id, minimum: 1}", "use: shop_idd, minimum: 1}", "did you mean 'shop_id'"),
        (SCHEMAS, "{use: shop_id}", "{use: shop_id, encoding: dictionry}", "did you mean 'dictionary'"),
        (
            SCHEMAS,
            "{name: colour, type: category, vocabulary: colour,",
            "{name: colour, vocabulary: colour,",
            "the key 'type'",
        ),
        (COLUMNS, "type: uint64, ", "", "the key 'type'"),
        (COLUMNS, "type: uint64", "type: category", "vocabulary"),
        (COLUMNS, "type: uint64", "type: float64, encoding: delta", "did you mean 'int64'"),
        (SCHEMAS, "    additionalProperties: false\n", "", "unknown keys"),
        (SCHEMAS, "type: integer, minimum: 1", "type: integr, minimum: 1", "JSON Schema"),
        (SCHEMAS, '"^[A-Z]{2}$"', '"[A-Z]{2}"', "anchored"),
        (SCHEMAS, '"^[A-Z]{2}$"', '"^(a+)+$"', "without repetition"),
        (SCHEMAS, "pattern: ", '$ref: "#/documents/place", pattern: ', "loop"),
        (SCHEMAS, "$id: closedworld:layer1/1A/schemas", "$id: closedworld:layer1/1B/schemas", "its own $id"),
        ("contracts/layer1/1A/dictionary.yaml", "id: till", "id: shop", "declared twice"),
        ("contracts/layer1/1A/dictionary.yaml", "id: till", "id: tils", "did you mean 'till'"),
        (
            "contracts/layer1/1A/dictionary.yaml",
            "id: till",
            f"schema: {POLICY}\n    id: till",
            "text matching",
        ),
        (
            "contracts/layer1/1A/dictionary.yaml",
            "id: till",
            "path: data/layer1/1A/till\n    id: till",
            "Unknown key",
        ),
        ("contracts/layer1/1A/dictionary.yaml", "id: till", "consumed_by: []\n    id: till", "Unknown key"),
        ("contracts/layer1/1A/dictionary.yaml", "id: till", "layer: 2\n    id: till", "no such key"),
        ("contracts/layer1/1A/dictionary.yaml", "layer: 1\n", "", "the key 'layer'"),
        ("contracts/layer1/1A/dictionary.yaml", "kind: sums_to", "kind: sums_up", "kind"),
        (
            "contracts/layer1/1A/registry.yaml",
            "role: POLICY",
            "path: ../layer1/a.yaml\n    role: POLICY",
            "text matching",
        ),
        (
            "contracts/layer1/1A/registry.yaml",
            "id: till_policy_1A",
            "id: tills_policy_1A",
            "did you mean 'till_policy_1A'",
        ),
        ("contracts/layer1/1A/registry.yaml", "role: POLICY", "role: POLICE", "did you mean 'POLICY'"),
        ("contracts/kernels/add_one.yaml", "name: add_one", "name: add_two", "called as its file"),
        ("contracts/kernels/add_one.yaml", "dtype: uint64, dir: out", "dtype: uint64", "dir"),
        ("contracts/rng/streams.yaml", "scope: world", "scope: universe", "one of world, scenario"),
        ("contracts/vocabularies.yaml", "[red, green, blue]", "[red, green, red]", "no item twice"),
        ("contracts/vocabularies.yaml", "[red, green, blue]", "[red, NO, 1]", "string"),
        ("contracts/meta/kernel.yaml", "$id", "id", "its own $id"),
    ],
)
def test_broken_contracts(folder: Folder, file: str, old: str, new: str, words: str) -> None:
    folder.replace(file, old, new)
    error = refused(folder)
    assert words in error.render(), error.render()
    assert error.where.startswith(file + ":")


@pytest.mark.parametrize(
    ("old", "new", "words", "at"),
    [
        ("c0: till_no << 8", "c0: till_no + 8", "operator that is not one of the grammar", "6 c0"),
        ("c0: till_no << 8", "c0: till_no << eight", "expected", "6 c0"),
        ("c0: till_no << 8", "c0: till << 8", "did you mean 'till_no'", "6 c0"),
        ("c0: till_no << 8", "c0: till_no << 49", "too wide", "6 c0"),
        ("c0: till_no << 8", "c0: till_no << 8 | shop_id", "overlap", "6 c0"),
        ("c0: till_no << 8", "c0: till_no | till_no << 16", "twice in one word", "6 c0"),
        ("c0: till_no << 8", "c0: till_no << 8 | block", "one block counts none", "6 c0"),
        ("c1: shop_id", "c1: shop_id ^ till_no", "a number", "6 c1"),
        ("draws: 1", "draws: 3", "lowest bits of c0", "6 c0"),
        ("draws: 1", "draws: one or more", "said once", "6 draws"),
        ("draws: 1", "draws: 1, blocks: 2", "said once", "6 draws"),
        ("draws: 1", "draws: -1", "at least 0", "6 draws"),
        ("bits: 16", "bits: 65", "at most 64", "4 bits"),
        ("bits: 16", "of: shop_id << 1", "too wide", "4 of"),
        ("bits: 16", "of: later", "unknown field", "4 of"),
        ("bits: 16,", "", "either given or made", "4 till_no"),
        ("bits: 16, is: number of the till", "bits: 16", "is", "4 till_no"),
        ("  till_no: {bits", "  block: {bits", "calls use themselves", "4 block"),
        ("  till_no: {bits", "  Till: {bits", "text matching", "2 fields"),
    ],
)  # fmt: skip
def test_broken_addresses(folder: Folder, old: str, new: str, words: str, at: str) -> None:
    folder.replace("contracts/rng/streams.yaml", old, new)
    error = refused(folder)
    assert words in error.render(), error.render()
    line, key = at.split()
    column = (folder.root / "contracts/rng/streams.yaml").read_text().splitlines()[int(line) - 1].index(
        f"{key}:"
    ) + 1
    assert error.where == f"contracts/rng/streams.yaml:{line}:{column}", error.where


def test_a_field_is_declared_once(folder: Folder) -> None:
    folder.write(
        "contracts/rng/more.yaml",
        "$id: closedworld:rng/more\nfields:\n  till_no: {bits: 3, is: x}\nstreams: []\n",
    )
    error = refused(folder)
    assert "field is declared twice" in error.what and "till_no" in error.found


def test_all_broken_files_are_reported_at_once(folder: Folder) -> None:
    folder.write("contracts/kernels/bad_one.yaml", "a: [\n")
    folder.write("contracts/kernels/bad_two.yaml", "a: 1\na: 2\n")
    error = refused(folder)
    assert error.code == "SHELL.YAML_INVALID" and len(error.examples) == 2


def test_strangers_and_empty_folders(folder: Folder, tmp_path: Path) -> None:
    folder.write("contracts/layer1/1A/extra.yaml", "$id: closedworld:layer1/1A/extra\n")
    assert "no place" in refused(folder).what
    with pytest.raises(ContractError, match="no contracts"):
        load_contracts(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("pattern", "safe"),
    [
        ("^[a-z]+$", True), ("^[a-z]{1,9}(_[a-z])?$", True), ("^(a|b)$", True), ("^(a|b)?$", True),
        ("^\\(a+\\)+$", True), ("^[(a+)]+$", True), ("^(ab)+$", True), ("^(a+)+$", False),
        ("^(a|a)*$", False), ("^((a*)b)+$", False), ("^(a+){2,}$", False), ("^(a?)*$", False),
        ("^((ab)+c)*$", False), ("a+", False), ("^a+", False), ("a+$", False), ("^a\\$", False),
        ("^(?=a)a$", False), ("^(a)\\1$", False), ("^[a$", False), ("^(a$", False),
    ],
)  # fmt: skip
def test_patterns(pattern: str, safe: bool) -> None:
    assert (pattern_problem(pattern) == "") is safe
