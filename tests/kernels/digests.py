"""SHA-256 of a kernel's columns, and the committed ones. hashlib alone: the same on every machine."""

import hashlib
from functools import cache
from pathlib import Path

import numpy as np

from tests.kernels.binder import bind, inputs

GOLDEN = Path(__file__).resolve().parents[1] / "golden/kernels.tsv"


def _digest(columns):
    """Of the columns in order, each framed by its number of bytes; values little-endian."""
    state = hashlib.sha256()
    for column in columns:
        column = np.ascontiguousarray(column, column.dtype.newbyteorder("<"))
        state.update(column.nbytes.to_bytes(8, "little"))
        state.update(column)
    return state.hexdigest()


def digest_of_outputs(columns):
    """Of the output columns in the order of the contract."""
    return _digest(columns)


def digest_of_inputs(stem, given):
    """Of what the kernel is given, in the order of the contract."""
    bound, _ = bind(stem, given, None)
    return _digest([np.atleast_1d(bound[arg["name"]]) for arg in inputs(stem)])


@cache
def committed():
    """(kernel, rows) -> (digest of the inputs, digest of the outputs)."""
    rows = (line.split("\t") for line in GOLDEN.read_text().splitlines()[1:])
    return {(stem, int(n)): (given, found) for stem, n, given, found in rows}
