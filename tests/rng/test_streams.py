"""Stream keys and the stream registry."""

import hashlib
import subprocess
import sys

import pytest
import yaml

from sim.rng import StreamError, Streams, frame, stream_key
from tests.kernels.binder import ROOT

GOOD = {"id": "arrival_time", "entity": "arrival", "c0": "rank", "c1": "cell", "draws": 1, "scope": "world"}


def test_key_is_the_documented_hash():
    text = bytes([18, 0, 0, 0]) + b"closedworld.rng.v1" + bytes([42, 0, 0, 0, 0, 0, 0, 0]) + bytes([12, 0, 0, 0]) + b"arrival_time"
    assert stream_key(42, "arrival_time") == int.from_bytes(hashlib.sha256(text).digest()[:8], "little")
    text += bytes([4, 0, 0, 0]) + b"base"
    assert stream_key(42, "arrival_time", "base") == int.from_bytes(hashlib.sha256(text).digest()[:8], "little")


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
    streams = Streams.from_document({"streams": [GOOD, GOOD | {"id": "b", "scope": "scenario", "draws": "ceil(mu / 64)"}]})
    assert list(streams) == ["arrival_time", "b"]
    assert len(streams) == 2
    assert Streams.from_document({"streams": [GOOD | {"description": "when"}]})["arrival_time"].description == "when"
    assert streams["arrival_time"].key(7) == streams["arrival_time"].key(7, "stress") == stream_key(7, "arrival_time")
    assert streams["b"].key(7, "stress") == stream_key(7, "b", "stress")
    with pytest.raises(StreamError, match="needs a scenario"):
        streams["b"].key(7)


@pytest.mark.parametrize(
    "entries",
    [
        None, {}, [1], [GOOD, GOOD], [{**GOOD, "extra": 1}], [{k: v for k, v in GOOD.items() if k != "c1"}], [GOOD | {"scope": "run"}],
        [GOOD | {"draws": -1}], [GOOD | {"draws": True}], [GOOD | {"draws": 1.5}], [GOOD | {"draws": ""}],
        [GOOD | {"entity": " "}], [GOOD | {"id": 3}], [GOOD | {"description": 3}],
    ],
)  # fmt: skip
def test_registry_refusals(entries):
    with pytest.raises(StreamError):
        Streams.from_document({"streams": entries})


def test_packaged_registry_parses():
    Streams.from_document(yaml.safe_load((ROOT / "contracts/rng/streams.yaml").read_text()))


def test_importing_rng_loads_neither_numba_nor_the_shell():
    code = "import sys, sim.rng; print([m for m in ('numba', 'sim.shell', 'sim.backends', 'cpu_fallback') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
