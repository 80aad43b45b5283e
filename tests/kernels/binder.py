"""Calls twins and references straight from their contracts, independently of `sim.backends`, for exact comparison."""

import importlib
from functools import cache
from pathlib import Path

import numpy as np
import yaml
from numba import from_dtype, types

from cpu_fallback.kernels import load
from tests.reference._errors import RowError

ROOT = Path(__file__).resolve().parents[2]
NO_ERROR = 2**64 - 1
POISON = 0xA5
EDGES = (0, 1, 2, 2**32 - 1, 2**32, 2**63 - 1, 2**63, 2**64 - 2, 2**64 - 1)


@cache
def contracts():
    """Parsed contracts by stem."""
    return {path.stem: yaml.safe_load(path.read_text()) for path in sorted((ROOT / "contracts/kernels").glob("*.yaml"))}


def inputs(stem):
    return [arg for arg in contracts()[stem]["args"] if arg["kind"] == "scalar" or arg["dir"] == "in"]


def outputs(stem):
    return [arg for arg in contracts()[stem]["args"] if arg["kind"] == "column" and arg["dir"] == "out"]


def reference(stem):
    return getattr(importlib.import_module(f"tests.reference.{stem}"), stem)


def argument_types(stem):
    """The one numba signature a twin is called with: inputs read-only, outputs writable."""
    found = []
    for arg in contracts()[stem]["args"]:
        scalar = from_dtype(np.dtype(arg["dtype"]))
        column = types.Array(scalar, 1, "C", readonly=arg.get("dir") == "in")
        found.append(scalar if arg["kind"] == "scalar" else column)
    if contracts()[stem]["errors"]:
        found.append(types.Array(types.uint64, 1, "C"))
    return tuple(found)


def frozen(value, dtype):
    """A read-only copy, so that a twin cannot touch its inputs."""
    array = np.array(value, dtype=dtype)
    array.flags.writeable = False
    return array


def call(stem, given, dims=None):
    """Run the twin on poisoned outputs: ([output arrays], None or (row, error name))."""
    contract = contracts()[stem]
    lengths = dict(dims or {})
    bound = {}
    for arg in inputs(stem):
        dtype = np.dtype(arg["dtype"])
        if arg["kind"] == "scalar":
            bound[arg["name"]] = dtype.type(given[arg["name"]])
            continue
        column = frozen(given[arg["name"]], dtype)
        expected = lengths.setdefault(arg.get("dim", "n"), len(column) - arg.get("plus", 0))
        assert len(column) == expected + arg.get("plus", 0)
        bound[arg["name"]] = column
    for arg in outputs(stem):
        size = lengths[arg.get("dim", "n")] + arg.get("plus", 0)
        column = np.empty(size, arg["dtype"])
        column.view(np.uint8).fill(POISON)
        bound[arg["name"]] = column
    arguments = [bound[arg["name"]] for arg in contract["args"]]
    word = np.full(1, NO_ERROR, np.uint64)
    if contract["errors"]:
        arguments.append(word)
    load(stem)(*arguments)
    refused = None
    if int(word[0]) != NO_ERROR:
        names = {error["code"]: error["name"] for error in contract["errors"]}
        refused = (int(word[0]) >> 8, names[int(word[0]) & 0xFF])
    return [bound[arg["name"]] for arg in outputs(stem)], refused


def check(stem, given, dims=None):
    """Twin and reference give the same bits, or refuse the same row for the same reason; returns the outputs."""
    found, refused = call(stem, given, dims)
    plain = [given[arg["name"]] for arg in inputs(stem)]
    plain = [value if isinstance(value, int | float) else np.asarray(value).tolist() for value in plain]
    try:
        expected = reference(stem)(*plain)
    except RowError as error:
        assert refused == (error.row, error.name), stem
        return found
    assert refused is None, (stem, refused)
    expected = expected if isinstance(expected, tuple) else (expected,)
    assert len(expected) == len(found)
    for arg, want, got in zip(outputs(stem), expected, found, strict=True):
        want_array = np.array(want, dtype=arg["dtype"])
        assert want_array.shape == got.shape, (stem, arg["name"])
        bits = f"u{got.itemsize}"
        for row in np.flatnonzero(want_array.view(bits) != got.view(bits)):
            raise AssertionError(f"{stem}.{arg['name']} row {row}: reference {want[row]!r}, twin {got[row]!r}")
    return found


def words(rng, n):
    """Random uint64 words with the edge values mixed in."""
    found = rng.integers(0, 2**64, n, dtype=np.uint64)
    edges = np.array(EDGES, np.uint64)
    where = rng.random(n) < 0.2
    found[where] = rng.choice(edges, int(where.sum()))
    return found
