"""Readers of foreign input as fuzz targets: any bytes give a value or a clean SimError, never anything else.

As a script (`python fuzzing.py TARGET SECONDS`) it is an atheris fuzzer of one target.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import random
import shutil
import sys
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
for folder in (ROOT, ROOT / "tests/shell"):
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))

_watched: contextlib.AbstractContextManager[object] = contextlib.nullcontext()
if __name__ == "__main__":
    import atheris

    _watched = atheris.instrument_imports(include=["sim.ground", "sim.shell"])
with _watched:
    import miniworld

    from sim.ground.errors import SimError
    from sim.ground.identity import canonical_json, sha256_bytes
    from sim.model.inputs.merchants import read_merchants
    from sim.shell.contracts import strict_yaml
    from sim.shell.contracts.config import config_folder, resolve
    from sim.shell.contracts.load import load_contracts
    from sim.shell.partition.staging import Staging
    from sim.shell.publish.bundle import encode_flag, read_flag
    from sim.shell.publish.manifest import StateManifest
    from sim.shell.request.receipt import RECEIPT_NAME, identity_problems, read_receipt
    from sim.shell.runs.opened import index_problems, open_segment, segment_problems
    from sim.shell.runs.verify import sealed_vocabularies, verify_run
    from sim.shell.tables.reference import Reference
    from sim.state.model import Facts, UserFile

CODES = ("1A", "1B")


@cache
def place() -> Path:
    """Contracts, config and a finished mini run to write hostile files into."""
    memory = Path("/dev/shm")
    root = Path(tempfile.mkdtemp(prefix="closedworld-fuzz-", dir=memory if memory.is_dir() else None))
    atexit.register(shutil.rmtree, root, ignore_errors=True)
    miniworld.write_world(root)
    run = miniworld.build(root).run_dir.rename(root / "run")
    for path in run.rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o644)
    return root


@cache
def merchants_world() -> Facts:
    """What reading merchants needs of the real engine."""
    contracts = load_contracts(ROOT / "contracts")
    configuration = resolve(contracts, config_folder(ROOT / "config"), [])
    reference = Reference(ROOT / "config/reference")
    return Facts(contracts, configuration.params, sealed_vocabularies(contracts, reference), reference, ())


def _written(name: str, data: bytes) -> Path:
    path = place() / name
    path.write_bytes(data)
    return path


def yaml_file(data: bytes) -> None:
    """The strict YAML loader."""
    strict_yaml.load(_written("fuzz.yaml", data))


def contract(data: bytes) -> None:
    """The contract compiler: one file of the mini world's contracts is anything."""
    names = ("layer1/1A/schemas", "layer1/1A/dictionary", "layer1/1A/registry", "rng/streams", "vocabularies")
    path = place() / "contracts" / f"{names[data[0] % len(names) if data else 0]}.yaml"
    before = path.read_bytes()
    path.write_bytes(data[1:])
    try:
        load_contracts(place() / "contracts")
    finally:
        path.write_bytes(before)


def flag(data: bytes) -> None:
    """`_passed.flag`."""
    read_flag(data, "1A", "flag")


def manifest(data: bytes) -> None:
    """A state manifest."""
    StateManifest.decode(data, "manifest").encode()


def index(data: bytes) -> None:
    """A bundle index whose flag agrees with it: everything a reader and a verifier look at."""
    run = place() / "run"
    files = [run / "gates/1A/index.json", run / "gates/1A/_passed.flag"]
    before = [path.read_bytes() for path in files]
    try:
        files[0].write_bytes(data)
        try:
            sealed = encode_flag("1A", data)
        except (SimError, KeyError, TypeError, AttributeError):  # no writer makes a flag of this: forge one
            checks = {"number": 0, "names_sha256": sha256_bytes(b"[]")}
            sealed = (
                canonical_json(
                    {
                        "format": "bundle-v4",
                        "segment": "1A",
                        "bundle_sha256": sha256_bytes(data),
                        "checks": checks,
                    }
                )
                + b"\n"
            )
        files[1].write_bytes(sealed)
        verify_run(run, CODES)
        bundle = open_segment(run, "1A", CODES)
        segment_problems(bundle, read_receipt(run), {})
        index_problems(run, bundle)
    finally:
        for path, content in zip(files, before, strict=True):
            path.write_bytes(content)


def receipt(data: bytes) -> None:
    """`run_receipt.json`."""
    run = place() / "run"
    before = (run / RECEIPT_NAME).read_bytes()
    try:
        (run / RECEIPT_NAME).write_bytes(data)
        identity_problems(run, read_receipt(run))
        verify_run(run, CODES)
    finally:
        (run / RECEIPT_NAME).write_bytes(before)


def staged(data: bytes) -> None:
    """The receipt of a finished partition, carrying its own right digest."""
    staging = Staging(place() / "staging", "1A.S1", "binding")
    staging.prepare()
    (staging.path / "receipts/00000.json").write_bytes(sha256_bytes(data).encode() + b"\n" + data)
    staging.finished("00000", None)


def merchants_csv(data: bytes) -> None:
    """The user's merchants as CSV."""
    read_merchants(UserFile(_written("fuzz.csv", data)), merchants_world())


def merchants_parquet(data: bytes) -> None:
    """The user's merchants as Parquet."""
    read_merchants(UserFile(_written("fuzz.parquet", data)), merchants_world())


TARGETS: dict[str, Callable[[bytes], None]] = {
    target.__name__: target
    for target in (
        yaml_file,
        contract,
        flag,
        manifest,
        index,
        receipt,
        staged,
        merchants_csv,
        merchants_parquet,
    )
}


def seeds(target: str) -> list[bytes]:
    """Good input of a target, to start from."""
    run = place() / "run"
    if target in ("yaml_file", "contract"):
        texts = [miniworld.ITEMS, miniworld.ITEMS_DICTIONARY, miniworld.ITEMS_REGISTRY, miniworld.STREAMS]
        prefix = b"" if target == "yaml_file" else None
        return [
            (bytes([number]) if prefix is None else b"") + text.encode() for number, text in enumerate(texts)
        ]
    if target.startswith("merchants"):
        text = b"merchant_id,mcc,channel,country,outlet_country,lat,lon\n"
        text += b"1001,5411,card_present,DE,FR,52.52,13.405\n7,5816,mixed,NO,,,\n"
        return [text] if target == "merchants_csv" else [_parquet()]
    names = {
        "flag": "gates/1A/_passed.flag",
        "manifest": "gates/1A/states/1A.S1.json",
        "index": "gates/1A/index.json",
    }
    if target == "staged":
        return [
            json.dumps(
                {"format": "x", "name": "00000", "files": {}, "checks": [], "counters": {}, "ledger": []}
            ).encode()
        ]
    return [(run / names.get(target, RECEIPT_NAME)).read_bytes()]


def _parquet() -> bytes:
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns = {
        "merchant_id": [1, 2],
        "mcc": [5411, 5812],
        "channel": ["mixed", "mixed"],
        "country": ["DE", "NO"],
    }
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table(columns), sink)
    return bytes(sink.getvalue())


TOKENS = [
    *(
        b"null",
        b"true",
        b"-1",
        b"1e999",
        b"NaN",
        b"9" * 25,
        b'"\\ud800"',
        b"[]",
        b"{}",
        b'""',
        b"0.5",
        b"../../etc",
        b"\0",
        b"\xff",
    ),
    *(
        b"\xe2\x80\xae",
        b"&a",
        b"*a",
        b"!!python/object:os.system",
        b"<<: ",
        b"- - - ",
        b"? ",
        b"%YAML 9.9",
        b"---",
        b"[" * 100,
    ),
    *(
        b'{"a":' * 100,
        b"\r",
        b"\t",
        b"'",
        b'"',
        b",",
        b"\n",
        b":",
        b"2026-13-45",
        b"1" * 5000,
        b"$ref: file:///etc/passwd",
    ),
    b"pattern: '(a+)+$'",
]


def mutated(data: bytes, rng: random.Random) -> bytes:
    """Good input with a few things wrong."""
    for _ in range(rng.randint(1, 4)):
        at, to = sorted((rng.randrange(len(data) + 1), rng.randrange(len(data) + 1)))
        to = min(to, at + rng.choice((0, 1, 3, 10, 10**6)))
        piece = rng.choice((rng.choice(TOKENS), b"", rng.randbytes(rng.randint(1, 6)), data[at:to] * 2))
        data = data[:at] + piece + data[to:]
    return data


def json_mutated(data: bytes, rng: random.Random) -> bytes:
    """A JSON document with one value replaced by another kind of value, still JSON: past the parser,
    at the code behind it.
    """
    document = json.loads(data)
    values: list[Any] = [
        None,
        True,
        -1,
        2**70,
        0.5,
        "",
        "x",
        "../x",
        "a\0b",
        [],
        {},
        [1],
        {"a": 1},
        "\ud800",
        [[[[]]]],
        10**400,
    ]
    spot, key = document, None
    parent: Any = None
    while isinstance(spot, dict | list) and spot and rng.random() < 0.85:
        parent, key = spot, rng.choice(list(spot)) if isinstance(spot, dict) else rng.randrange(len(spot))
        spot = spot[key]
    if parent is None:
        return json.dumps(rng.choice(values)).encode()
    if rng.random() < 0.2:
        del parent[key]
    else:
        parent[key] = rng.choice(values)
    if isinstance(parent, dict) and rng.random() < 0.1:
        parent[rng.choice(("a", "../a", "", "\0"))] = rng.choice(values)
    return (json.dumps(document, sort_keys=True, indent=1) + "\n").encode()


def call(target: str, data: bytes) -> bool:
    """Feed a target; True if it took the input, False if it refused it cleanly."""
    try:
        TARGETS[target](data)
    except SimError as error:
        assert error.code and error.what and error.exit_code in (2, 3, 4, 5, 7), error
        error.render().encode("utf-8", "backslashreplace")
        return False
    return True


def main() -> None:
    """Fuzz one target with atheris for some seconds; a crash ends with another code than 0."""
    target, seconds = sys.argv[1], sys.argv[2]
    corpus = Path(tempfile.mkdtemp())
    for number, seed in enumerate(seeds(target)):
        (corpus / f"seed{number}").write_bytes(seed)
    arguments = [
        sys.argv[0],
        str(corpus),
        f"-max_total_time={seconds}",
        "-rss_limit_mb=4096",
        "-timeout=900",
        "-max_len=4096",
        "-verbosity=0",
    ]
    arguments += ["-print_final_stats=1", f"-artifact_prefix={corpus}/crash-"]
    atheris.Setup(arguments, lambda data: call(target, data))
    atheris.Fuzz()


if __name__ == "__main__":
    main()
