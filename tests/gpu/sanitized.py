"""Run the parity cases of kernels through the emulator, compiled with the address and undefined-behaviour
sanitizers.

Started by test_emulate.py with the sanitizers' runtime preloaded, so that numpy's columns have fenced ends:

    python -m tests.gpu.sanitized CACHE '{"names": [...], "texts": {...}, "hostile": 20}'
"""

import json
import sys
from pathlib import Path

import numpy as np

from gpu_kernels.emulate import SANITIZE, Emulator
from sim.backends.kernel_contracts import load_kernel_contracts
from tests.kernels.cases import case

SIZES = (0, 1, 257, 1000)
EDGES = (0, 1, 2, 2**31, 2**32 - 1, 2**63 - 1, 2**63, 2**64 - 2, 2**64 - 1)
# What kernels take on trust, like their twins: a count takes time in proportion to its mean, which random
# doubles make centuries of.
TRUSTED = {("draw_counts", "mu"), ("draw_counts", "part_mean")}


def arguments(kernel, given, lengths):
    """The contract's arguments in order, outputs poisoned, the error word last."""
    lengths = dict(lengths)
    for arg in kernel.inputs:
        if arg.kind == "column":
            lengths[arg.dim] = len(given[arg.name]) - arg.plus
    found = []
    for arg in kernel.args:
        if arg.kind == "scalar":
            found.append(np.dtype(arg.dtype).type(given[arg.name]))
        elif not arg.out:
            # An own allocation of exactly this size: a view would have neighbours.
            found.append(np.array(given[arg.name], dtype=arg.dtype))
        else:
            column = np.empty(lengths[arg.dim] + arg.plus, arg.dtype)
            column.view(np.uint8).fill(0xA5)
            found.append(column)
    return [*found, np.full(1, 2**64 - 1, np.uint64)] if kernel.errors else found


def hostile(rng, kernel, given):
    """The arguments with words of one input replaced: edges of ranges, lengths, anything."""
    which = [i for i, arg in enumerate(kernel.args) if not arg.out and (kernel.name, arg.name) not in TRUSTED]
    if not which:
        return given
    at = int(rng.choice(which))
    dtype = np.dtype(kernel.args[at].dtype)
    column = np.atleast_1d(given[at])
    n = len(column)
    words = rng.integers(0, 2**64, n, dtype=np.uint64)
    words = np.where(
        rng.random(n) < 0.6, rng.choice(np.array([*EDGES, n - 1 if n else 0, n, n + 1], np.uint64), n), words
    )
    words = words.view(np.float64) if dtype.kind == "f" else words.astype(dtype)
    changed = np.where(rng.random(n) < rng.choice([0.05, 0.5, 1.0]), words, column).astype(dtype)
    given[at] = dtype.type(changed[0]) if kernel.args[at].kind == "scalar" else changed
    return given


def main(folder, what):
    kernels = load_kernel_contracts()
    emulator = Emulator(Path(folder), extra=SANITIZE, texts=what["texts"])
    rng = np.random.default_rng(20261122)
    for name in what["names"]:
        kernel = kernels[name]
        for n in SIZES:
            for _ in range(3):
                emulator.launch(kernel, arguments(kernel, *case(name, n)), n)
            for _ in range(what["hostile"]):
                emulator.launch(kernel, hostile(rng, kernel, arguments(kernel, *case(name, n))), n)


if __name__ == "__main__":
    main(sys.argv[1], json.loads(sys.argv[2]))
