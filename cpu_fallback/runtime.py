"""Setting numba up before the first kernel is imported."""

import os

import numba


def keep_compiled_kernels_in(folder: str) -> str:
    """Point numba's cache at a directory (which must be private: numba trusts what it loads).

    Returns:
        The numba version, for provenance.
    """
    os.environ["NUMBA_CACHE_DIR"] = folder
    numba.config.CACHE_DIR = folder
    return str(numba.__version__)
