"""One module a kernel, stem for stem with `contracts/kernels`; `load(stem)` gives the compiled twin."""

import importlib


def load(stem):
    """The numba dispatcher `cpu_fallback.kernels.<stem>.<stem>`, compiled on first call (or read from the numba cache).

    Raises:
        ModuleNotFoundError: no twin with that stem.
        AttributeError: the module does not define a function named like its stem.
    """
    return getattr(importlib.import_module(f"{__name__}.{stem}"), stem)
