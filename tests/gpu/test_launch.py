"""The launch on a GPU as far as it can be checked without one: geometry, what is imported when,
CuPy's calls.
"""

import subprocess
import sys
from pathlib import Path

import pytest

from gpu_kernels.launch import THREADS, WAVES, geometry

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(
    "rows, blocks",
    [
        (0, 1),
        (1, 1),
        (255, 1),
        (256, 1),
        (257, 2),
        (10**6, 3907),
        (10**12, 132 * 8 * WAVES),
        (2**63, 132 * 8 * WAVES),
    ],
)
def test_no_more_blocks_than_rows_need_or_keep_the_device_busy(rows, blocks):
    assert geometry(rows, processors=132, resident_threads=2048, block=THREADS) == (blocks, THREADS)


def test_a_block_larger_than_what_a_processor_holds_still_runs():
    assert geometry(10**6, processors=2, resident_threads=512, block=1024) == (2 * WAVES, 1024)


def test_importing_the_package_needs_no_gpu_library_and_nothing_of_sim():
    modules = sorted(f"gpu_kernels.{path.stem}" for path in (ROOT / "gpu_kernels").glob("*.py"))
    script = f"""
import importlib, sys
for name in {modules!r}:
    importlib.import_module(name)
print(*sorted({{name.split(".")[0] for name in sys.modules}}))
"""
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert "numpy" in done.stdout.split()
    assert not {
        "sim",
        "cpu_fallback",
        "numba",
        "cupy",
        "cupy_backends",
        "cudf",
        "rmm",
        "cuda",
        "pyarrow",
    } & set(done.stdout.split())


def test_cupy_has_what_the_launcher_calls():
    cupy = pytest.importorskip("cupy")
    assert "str path=None" in cupy.RawModule.__doc__.splitlines()[0]
    assert hasattr(cupy.RawModule, "get_function")
    assert hasattr(cupy.RawKernel, "max_threads_per_block")
    assert "grid, block, args" in cupy.RawKernel.__call__.__doc__
    assert {"attributes", "compute_capability"} <= set(dir(cupy.cuda.Device))
    assert callable(cupy.cuda.runtime.getDevice)
