"""Stream keys and the stream registry."""

import hashlib
import subprocess
import sys

import pytest
import yaml

from sim.rng import StreamError, Streams, frame, stream_key
from tests.kernels.binder import ROOT

GOOD = {"id": "arrival_time", "entity": "arrival", "c0": "rank", "c1": "cell", "draws": 1, "scope": "world"}
FIELDS = {"rank": {"bits": 32, "is": "rank"}, "cell": {"bits": 64, "is": "cell"}}


def test_key_is_the_documented_hash():
    text = (
        bytes([18, 0, 0, 0])
        + b"closedworld.rng.v1"
        + bytes([42, 0, 0, 0, 0, 0, 0, 0])
        + bytes([12, 0, 0, 0])
        + b"arrival_time"
    )
    assert stream_key(42, "arrival_time") == int.from_bytes(hashlib.sha256(text).digest()[:8], "little")
    text += bytes([4, 0, 0, 0]) + b"base"
    assert stream_key(42, "arrival_time", "base") == int.from_bytes(
        hashlib.sha256(text).digest()[:8], "little"
    )


def test_keys_are_frozen():
    """A changed number here changes every world ever made."""
    assert f"{stream_key(0, 'bucket_count'):016x}" == "ed3826db7a52a145"
    assert f"{stream_key(2**64 - 1, 'bucket_count', 'stress'):016x}" == "65919f542ccc6d9b"


def test_keys_differ_by_every_part():
    parts = [(1, "a"), (2, "a"), (1, "b"), (1, "a", "b"), (1, "ab"), (1, "a", "c")]
    keys = [stream_key(*part) for part in parts]
    assert len(set(keys)) == len(keys)


def test_framing_separates_parts():
    assert frame(b"ab") + frame(b"c") != frame(b"a") + frame(b"bc")
    assert frame(b"") == bytes(4)


@pytest.mark.parametrize("arguments", [(-1, "a"), (2**64, "a"), (1, ""), (1, "a", "")])
def test_key_refusals(arguments):
    with pytest.raises(ValueError, match="must"):
        stream_key(*arguments)


def test_registry():
    many = {"id": "b", "scope": "scenario", "draws": "ceil(mu / 64)", "blocks": 4, "c0": "rank << 8 | block"}
    streams = Streams.from_document(
        {"fields": FIELDS, "streams": [GOOD | {"description": "when"}, GOOD | many]}
    )
    assert (
        list(streams) == ["arrival_time", "b"]
        and len(streams) == 2
        and list(streams.fields) == ["rank", "cell"]
    )
    assert streams["arrival_time"].description == "when" and (
        streams["arrival_time"].blocks,
        streams["b"].blocks,
    ) == (1, 4)
    assert (
        streams["arrival_time"].key(7)
        == streams["arrival_time"].key(7, "stress")
        == stream_key(7, "arrival_time")
    )
    assert streams["b"].key(7, "stress") == stream_key(7, "b", "stress")
    with pytest.raises(StreamError, match="needs a scenario"):
        streams["b"].key(7)


def test_packaged_registry_parses():
    streams = Streams.from_document(yaml.safe_load((ROOT / "contracts/rng/streams.yaml").read_text()))
    assert all(
        stream.document()["fields"] or (stream.c0, stream.c1) == ("0", "0") for stream in streams.values()
    )


def test_importing_rng_loads_neither_numba_nor_the_shell():
    code = (
        "import sys, sim.rng; print([m for m in ('numba', 'sim.shell', 'sim.backends', 'cpu_fallback') if m "
        "in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
