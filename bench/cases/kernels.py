"""Every kernel that has a contract, on one core, over the inputs its tests use: valid columns with the
extremes a contract allows.

Because of those extremes a figure is what a hard input costs, not what a world pays; `states` and `partition`
say that.
"""

from __future__ import annotations

import importlib
import statistics
from typing import Any

import numpy as np

from bench.case import Options, Row, steady
from sim.backends import get_backend

ROWS = 1 << 18


def run(options: Options) -> list[Row]:
    """One row a kernel."""
    kernels = get_backend("cpu").kernels
    cases = importlib.import_module("tests.kernels.cases")
    rows = []
    for stem in kernels.names:
        if options.names and stem not in options.names:
            continue
        n = options.rows or ROWS
        kernel = getattr(kernels, stem)
        given, dims = cases.case(stem, n)
        arguments = {
            arg.name: given[arg.name] if arg.kind == "scalar" else given[arg.name].astype(arg.dtype)
            for arg in kernel.contract.inputs
        }
        rows.append(_measured(kernel, arguments, dims, n, options.runs))
        options.say(f"kernels: {stem}: {statistics.median(rows[-1].figures['ns a row'][1]):.2f} ns a row")
    return rows


def _measured(kernel: Any, arguments: dict[str, Any], dims: dict[str, int], n: int, runs: int) -> Row:
    made = kernel(**arguments, dims=dims)
    outputs = made if isinstance(made, tuple) else (made,)
    out = dict(zip([arg.name for arg in kernel.contract.outputs], outputs, strict=True))
    seconds = steady(lambda: kernel(**arguments, dims=dims, out=out), runs)
    moved = sum(value.nbytes for value in (*arguments.values(), *outputs) if isinstance(value, np.ndarray))
    figures = {
        "ns a row": ("ns", [value / n * 1e9 for value in seconds]),
        "memory": ("GB/s", [moved / value / 1e9 for value in seconds]),
    }
    return Row(kernel.contract.name, figures, {"rows": n, "bytes": moved})
