"""Kernels under the address and undefined-behaviour sanitizers:
what a GPU would do silently stops the process here.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from gpu_kernels import emulate
from sim.backends.kernel_contracts import load_kernel_contracts
from tests.work import PATIENCE_S

ROOT = Path(__file__).resolve().parents[2]
KERNELS = load_kernel_contracts()

OUT_OF_BOUNDS = (
    "KERNEL void exp_map(IN(f64, x), OUT(f64, y)) { for (u64 i = first_row(); i < LENGTH(y); i += "
    "row_stride()) { y[i] = x[i + 1]; } }\n"
)
UNDEFINED = """KERNEL void exp_map(IN(f64, x), OUT(f64, y)) {
    for (u64 i = first_row(); i < LENGTH(y); i += row_stride()) {
        y[i] = (f64)((i64)0x7fffffffffffffffLL + (i64)LENGTH(x)); } }
"""


def sanitized(tmp_path, what):
    """Run kernels compiled with the sanitizers in a process that has their runtime: (exit code, stderr)."""
    environment = os.environ | {
        "LD_PRELOAD": emulate.sanitizer_runtime(),
        "ASAN_OPTIONS": "detect_leaks=0",
        "PYTHONMALLOC": "malloc",
        "PYTHONPATH": str(ROOT),
    }
    command = [sys.executable, "-m", "tests.gpu.sanitized", str(tmp_path / "cache"), json.dumps(what)]
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=PATIENCE_S
    )
    return done.returncode, done.stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    "text, message", [(OUT_OF_BOUNDS, "heap-buffer-overflow"), (UNDEFINED, "signed integer overflow")]
)
def test_the_sanitizers_see_what_is_planted(text, message, tmp_path):
    code, said = sanitized(tmp_path, {"texts": {"exp_map": text}, "names": ["exp_map"], "hostile": 0})
    assert code != 0
    assert message in said


@pytest.mark.slow
@pytest.mark.parametrize("half", [0, 1])
def test_no_kernel_leaves_its_columns_or_defined_arithmetic(half, tmp_path):
    """Not for what the contract allows, and not for hostile columns either: a GPU would lose the whole
    process over one bad address.
    """
    code, said = sanitized(tmp_path, {"texts": {}, "names": sorted(KERNELS)[half::2], "hostile": 20})
    assert (code, said) == (0, "")
