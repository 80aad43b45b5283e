"""One module a kernel, stem for stem with `contracts/kernels`; `load(contract)` gives the compiled twin."""

import importlib

from cpu_fallback.errors import declare


def load(contract):
    """The numba dispatcher `cpu_fallback.kernels.<stem>.<stem>`; numba compiles it on the first call.

    A compiled kernel in the numba cache is read from there.

    Args:
        contract: The kernel's contract: its `name`, which is the stem, and the `codes` of its errors by name.

    Raises:
        ModuleNotFoundError: no twin with that stem.
        AttributeError: the module does not define a function named like its stem.
        ValueError: this process has loaded the twin with other error codes.
    """
    declare(contract.name, contract.codes)
    return getattr(importlib.import_module(f"{__name__}.{contract.name}"), contract.name)
