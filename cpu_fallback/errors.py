"""Codes of a twin's errors by the names of its contract: what the rendered preamble is to a `.cu`.

A twin says `ERRORS = errors_of("<stem>")` and reports `ERRORS.<NAME>`. numba compiles these codes in as
constants, so whoever keeps compiled kernels keeps them by the codes as well (`sim.backends.cache`).
"""

from collections import namedtuple

import numpy as np

_DECLARED = {}


def declare(stem, codes):
    """Say which errors a kernel's contract has, before its twin is imported.

    Args:
        stem: The kernel.
        codes: Code of each error by its name.

    Raises:
        ValueError: The twin of this process was made with other codes.
    """
    if _DECLARED.setdefault(stem, codes) != codes:
        raise ValueError(
            f"{stem}: this process has loaded the twin with the codes {_DECLARED[stem]}, not {codes}"
        )


def errors_of(stem):
    """A named tuple of uint64: the code of each error of a kernel's contract.

    Raises:
        ImportError: The twin was imported by its module's name, and nothing gave it its contract.
    """
    if stem not in _DECLARED:
        raise ImportError(f"{stem}: import it through cpu_fallback.kernels.load, which is given its contract")
    codes = _DECLARED[stem]
    return namedtuple("Errors", codes)(*map(np.uint64, codes.values()))
