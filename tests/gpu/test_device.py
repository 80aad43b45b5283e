"""Devices: turns, the driver's answers (by drivers compiled for the purpose),
out-of-memory of every library, the emulated device.
"""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from gpu_kernels.device import CudaDevice, EmulatedDevice
from gpu_kernels.driver import DeviceUnavailable, Driver, Gpu, driver_release, package_line, probe, require
from gpu_kernels.faults import ran_out, translated
from gpu_kernels.memory import OutOfDeviceMemory
from gpu_kernels.slots import Slots
from sim.backends.kernel_contracts import load_kernel_contracts

ROOT = Path(__file__).resolve().parents[2]
H100 = Gpu("NVIDIA H100", (9, 0), 80 << 30)


def run_threads(work, count):
    threads = [threading.Thread(target=work) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


@pytest.mark.parametrize("limit", [1, 2, 3])
def test_slots_bound_who_is_in(limit):
    slots, lock, inside, most, together = Slots(limit), threading.Lock(), [0], [0], threading.Barrier(limit)

    def work():
        with slots.turn() as (granted, outermost):
            assert granted == limit and outermost
            with lock:
                inside[0] += 1
                most[0] = max(most[0], inside[0])
            together.wait(60)  # broken unless as many as the limit are in at once
            # of the same thread: no second slot, or two threads would wait for each other
            with slots.turn() as (again, outer):
                assert again == limit and not outer
            with lock:
                inside[0] -= 1

    run_threads(work, 12)
    assert most == [limit]


def test_slots_halve_to_one_and_then_refuse():
    slots = Slots(5)
    assert slots.halve(5) and slots.limit == 2
    assert slots.halve(5) and slots.limit == 2  # a neighbour of the same crowd: nobody has been alone yet
    assert slots.halve(2) and slots.limit == 1
    assert not slots.halve(1) and slots.limit == 1
    with pytest.raises(ValueError, match="at least one"):
        Slots(0)


def test_a_lowered_limit_waits_for_those_inside():
    slots, order, entered = Slots(2), [], threading.Event()

    def second():
        entered.wait()
        with slots.turn() as (granted, _):
            order.append(("second", granted))

    thread = threading.Thread(target=second)
    thread.start()
    with slots.turn():
        slots.halve(2)
        entered.set()
        time.sleep(0.05)
        order.append(("first leaves", 2))
    thread.join()
    assert order == [("first leaves", 2), ("second", 1)]


DRIVER = """
#include <string.h>
#include <stddef.h>
extern "C" {
int cuInit(unsigned) { return INIT; }
int cuDriverGetVersion(int *v) { *v = VERSION; return 0; }
int cuDeviceGetCount(int *n) { *n = COUNT; return 0; }
int cuDeviceGet(int *d, int k) { *d = k; return 0; }
int cuDeviceGetName(char *s, int n, int) { strncpy(s, "NVIDIA H100", n); return 0; }
int cuDeviceTotalMem_v2(size_t *m, int) { *m = (size_t)80 << 30; return 0; }
int cuDeviceGetAttribute(int *v, int which, int) { *v = which == 75 ? MAJOR : 0; return ASK; }
}
"""


@pytest.fixture
def driver(tmp_path):
    """Compiles a driver that answers as told."""

    def make(init=0, version=13010, count=1, major=9, ask=0):
        said = {"INIT": init, "VERSION": version, "COUNT": count, "MAJOR": major, "ASK": ask}
        library = tmp_path / f"libcuda-{'-'.join(map(str, said.values()))}.so"
        defines = [f"-D{name}={value}" for name, value in said.items()]
        subprocess.run(
            ["g++", "-shared", "-fPIC", *defines, "-x", "c++", "-", "-o", str(library)],
            input=DRIVER,
            text=True,
            check=True,
        )
        return str(library)

    return make


def test_a_good_driver(driver):
    found = probe(driver())
    assert found == Driver((13, 1), (H100,)) and require(found) == H100
    assert package_line(found) == "pip install 'closedworld[gpu-cu13]'"


@pytest.mark.parametrize(
    ("answers", "why", "do"),
    [
        ({"init": 100}, "no NVIDIA device", "CUDA_VISIBLE_DEVICES"),
        ({"count": 0}, "no NVIDIA device", "CUDA_VISIBLE_DEVICES"),
        ({"init": 803}, "does not start .*803", "nvidia-smi"),
        ({"ask": 3}, "does not answer .*3", "nvidia-smi"),
        ({"version": 12040}, "knows CUDA 12.4, CUDA 13 is needed", "driver 580 or newer"),
        ({"major": 7}, "compute capability 7.0, 7.5 is needed", "Turing"),
    ],
)
def test_a_driver_that_will_not_do(driver, answers, why, do):
    with pytest.raises(DeviceUnavailable, match=why) as refused:
        require(probe(driver(**answers)))
    assert do in refused.value.do


def test_no_driver():
    with pytest.raises(DeviceUnavailable, match="no NVIDIA driver"):
        probe("libcuda-that-is-not-there.so")


def test_package_line_of_an_old_driver():
    assert (
        package_line(Driver((12, 4), (H100,)))
        == "install NVIDIA driver 580 or newer, then pip install 'closedworld[gpu-cu13]'"
    )


def test_older_runtimes_run_on_newer_drivers():
    assert require(Driver((13, 1), (H100,)), cuda_major=12) == H100


def test_driver_release(tmp_path):
    (tmp_path / "version").write_text(
        "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  580.65.06  Release Build\n"
    )
    assert driver_release(tmp_path / "version") == "580.65.06"
    assert driver_release(tmp_path / "other") == "unknown"


@pytest.mark.skipif(importlib.util.find_spec("cupy") is not None, reason="CuPy is installed")
def test_a_driver_without_cupy(driver, monkeypatch, tmp_path):
    monkeypatch.setattr("gpu_kernels.device.probe", lambda: probe(driver()))
    with pytest.raises(DeviceUnavailable, match="CuPy cannot be imported: No module named 'cupy'") as refused:
        CudaDevice(tmp_path)
    assert refused.value.do == "pip install 'closedworld[gpu-cu13]'"


CupysOwn = type("OutOfMemoryError", (MemoryError,), {"__module__": "cupy.cuda.memory"})


@pytest.mark.parametrize(
    "error",
    [
        CupysOwn("Out of memory allocating 1,024 bytes"),
        MemoryError("std::bad_alloc: out_of_memory: CUDA error at: /rmm/mr/cuda_memory_resource.hpp"),
        RuntimeError("cudaErrorMemoryAllocation: out of memory"),
    ],
)
def test_every_librarys_out_of_memory_is_ours(error):
    assert ran_out(error)
    with pytest.raises(OutOfDeviceMemory, match="has no room"), translated():
        raise error


@pytest.mark.parametrize(
    "error", [MemoryError(), MemoryError("Unable to allocate 8. GiB for an array"), ValueError("no")]
)
def test_a_hosts_out_of_memory_stays_what_it_is(error):
    with pytest.raises(type(error)) as raised, translated():
        raise error
    assert raised.value is error


@pytest.fixture(scope="module")
def emulated(tmp_path_factory):
    return EmulatedDevice(tmp_path_factory.mktemp("emulated"))


def test_emulated_device_runs_a_kernel(emulated):
    host = np.array([0, 2, 2, 5], np.uint64)
    offset = emulated.upload(host)
    row, rank, error = (
        emulated.empty(5, "uint32"),
        emulated.empty(5, "uint32"),
        emulated.upload(np.full(1, 2**64 - 1, np.uint64)),
    )
    with emulated.session() as granted:
        emulated.launch(load_kernel_contracts()["expand_rows"], [offset, row, rank, error], 5)
    assert granted == 2 and int(error[0]) == 2**64 - 1
    assert emulated.download(row).tolist() == [0, 0, 2, 2, 2] and emulated.download(rank).tolist() == [
        0,
        1,
        0,
        1,
        2,
    ]
    downloaded = emulated.download(offset)
    downloaded[0] = 7
    host[1] = 9
    assert offset.tolist() == [0, 2, 2, 5]  # neither copy is the device's memory
    assert emulated.resident(offset) and not emulated.resident(host)
    assert emulated.describe()["device"] == "emulated" and "compiler" in emulated.describe()


def test_nothing_of_a_gpu_is_imported_before_one_is_asked_for():
    code = (
        "import sys, sim.cli.main, sim.backends.device_backend; print({m.split('.')[0] for m in "
        "sys.modules} & {'cupy', 'cudf', 'rmm'})"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
