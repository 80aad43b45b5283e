"""Kernels are compiled once a machine, by processes side by side, before any state begins; whoever fails
leaves it to this process.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from sim.backends.cache import kernel_sources_digest
from sim.backends.compiled import SORT, CompiledKernels, host_kernels
from sim.backends.kernel_contracts import load_kernel_contracts
from tests.work import PATIENCE_S

FEW = ["bounded_integer", "entity_hash", "open_uniform"]


def compiled(folder: Path) -> CompiledKernels:
    return CompiledKernels(folder, host_kernels())


def test_processes_compile_into_the_shared_folder_and_it_is_remembered(tmp_path: Path) -> None:
    kernels, told = compiled(tmp_path), []
    missing = kernels.missing(FEW)
    assert missing == sorted([*FEW, SORT])
    kernels.compile(missing, 2, told.append)
    assert told == [1, 2, 3, 4] and kernels.missing(FEW) == []
    made = {path.name.split(".")[0] for path in tmp_path.rglob("*.nbc")}
    assert {*FEW, "ops"} <= made, "by other processes: this one keeps what it compiles elsewhere"


@pytest.mark.parametrize("harm", ["python that is none", "python that fails", "one process"])
def test_what_processes_leave_undone_is_compiled_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, harm: str
) -> None:
    broken = {
        "python that is none": "/nonexistent/python",
        "python that fails": "/bin/false",
        "one process": sys.executable,
    }
    monkeypatch.setattr(sys, "executable", broken[harm])
    kernels, told = compiled(tmp_path), []
    kernels.compile(kernels.missing(FEW), 0 if harm == "one process" else 2, told.append)
    assert told == [1, 2, 3, 4] and kernels.missing(FEW) == []


def test_a_run_tells_it_before_its_first_state(cli, tmp_path, monkeypatch):  # type: ignore[no-untyped-def]
    from sim.backends import get_backend

    backend = get_backend("cpu")
    monkeypatch.setattr(backend.compiled, "_folder", tmp_path / "marks")
    (tmp_path / "marks").mkdir()
    words = [
        "run",
        "--until",
        "1A.S1",
        "--set",
        "merchant_universe_1A.merchants=40",
        "--out",
        tmp_path / "out",
        "--json",
        "--json-events",
    ]
    lines = [json.loads(line) for line in cli(*words).err.splitlines()]
    names = [line["event"] for line in lines]
    assert names.index("kernels_compiling") < names.index("state_began")
    last = [line for line in lines if line["event"] == "kernels_compiling"][-1]
    assert last["done"] == last["kernels"] > 1
    again = cli(*words[:-3], tmp_path / "other", "--json", "--json-events")
    assert again.code == 0 and "kernels_compiling" not in again.err


def test_twins_with_another_error_code_are_kept_elsewhere() -> None:
    codes = {stem: contract.codes for stem, contract in load_kernel_contracts().items()}
    other = {**codes, "bounded_integer": {"ZERO_BOUND": 2}}
    renamed = {**codes, "bounded_integer": {"NO_BOUND": 1}}
    assert len({kernel_sources_digest(given) for given in (codes, other, renamed)}) == 3
    assert kernel_sources_digest(dict(reversed(codes.items()))) == kernel_sources_digest(codes)


def test_a_twin_has_the_codes_of_its_contract_or_is_not_loaded(tmp_path: Path) -> None:
    """Another code of the contract is another code of the compiled twin, in a process that loads it; a twin
    without a contract has none.
    """
    code = """
from dataclasses import replace
import numpy as np
from sim.backends.kernel_contracts import load_kernel_contracts
from cpu_fallback.kernels import load
contract = load_kernel_contracts()["bounded_integer"]
try:
    import cpu_fallback.kernels.bounded_integer
except ImportError as error:
    print(error)
error = np.full(1, 2**64 - 1, np.uint64)
moved = replace(contract, errors={7: contract.errors[1]})
load(moved)(np.ones(2, np.uint64), np.array([5, 0], np.uint64), np.zeros(2, np.uint64), error)
print(int(error[0]))
try:
    load(contract)
except ValueError as error:
    print(error)
"""
    # this twin must not be found by a process with the true codes
    apart = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", code], env=apart, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == [
        "bounded_integer: import it through cpu_fallback.kernels.load, which is given its contract",
        str((1 << 8) | 7),
        (
            "bounded_integer: this process has loaded the twin with the codes {'ZERO_BOUND': 7}, not "
            "{'ZERO_BOUND': 1}"
        ),
    ]


def test_a_fresh_install_compiles_all() -> None:
    subprocess.run([sys.executable, "-m", "sim.backends.compiled"], check=True, timeout=PATIENCE_S)
    from sim.backends import get_backend

    backend = get_backend("cpu")
    assert backend.compiled is not None and backend.compiled.missing(backend.kernels.names) == []
