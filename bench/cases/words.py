"""Philox and the elementary functions on one core, into warm buffers of 2**16 rows."""

from __future__ import annotations

import numpy as np

from bench.case import Options, Row, steady
from sim.backends import get_backend

CHUNK = 1 << 16


def philox(options: Options) -> list[Row]:
    """Counter blocks (two words each), and what is usually made of words."""
    k = get_backend("cpu").kernels
    c0 = np.arange(CHUNK, dtype=np.uint64)
    c1 = c0 * np.uint64(7919)
    words, _ = k.philox_block(key=1, c0=c0, c1=c1)
    return [
        _row(options, "philox_block", {"key": 1, "c0": c0, "c1": c1}, 2),
        _row(options, "open_uniform", {"x": words}, 1),
        _row(options, "bounded_integer", {"x": words, "bound": c0 + np.uint64(1)}, 1),
        _row(options, "entity_hash", {"a": c0, "b": c1, "key": 1}, 1),
    ]


def detmath(options: Options) -> list[Row]:
    """Elementary functions over the ranges the model uses."""
    k = get_backend("cpu").kernels
    c0 = np.arange(CHUNK, dtype=np.uint64)
    words, other = k.philox_block(key=1, c0=c0, c1=c0)
    u = k.open_uniform(x=words)
    ones = np.ones(CHUNK)
    return [
        _row(options, "exp_map", {"x": (u - 0.5) * 20.0}, 1),
        _row(options, "log_map", {"x": u}, 1),
        _row(options, "normal_quantile_map", {"u": u}, 1),
        _row(options, "lognormal_factor", {"x": other, "mu": ones, "sigma": ones}, 1),
    ]


def _row(options: Options, stem: str, arguments: dict[str, object], words: int) -> Row:
    kernel = getattr(get_backend("cpu").kernels, stem)
    made = kernel(**arguments)
    names = [arg.name for arg in kernel.contract.outputs]
    out = dict(zip(names, made if isinstance(made, tuple) else (made,), strict=True))
    seconds = steady(lambda: kernel(**arguments, out=out), options.runs)
    figures = {
        "ns a value": ("ns", [value / CHUNK / words * 1e9 for value in seconds]),
        "values": ("M/s", [CHUNK * words / value / 1e6 for value in seconds]),
    }
    return Row(stem, figures, {"rows": CHUNK, "values a row": words})
