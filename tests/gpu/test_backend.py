"""Device backends: where rows live, what the shell is told when memory runs out,
which backend a name gives.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from gpu_kernels.arrays import DeviceArray
from sim.backends import BackendUnavailable, OutOfDeviceMemory, driver_report, get_backend
from sim.backends.binder import KernelCallError, KernelFailure
from sim.backends.device_backend import emulated_backend
from sim.ground.identity import code_files
from sim.rng import block
from sim.state.frames import Frame, changed, concat

OFFSET = np.array([0, 2, 2, 5], np.uint64)


@pytest.fixture(scope="module")
def device():
    return emulated_backend()


def equal(found, expected):
    return found.dtype == expected.dtype and found.tolist() == expected.tolist()


def test_host_in_host_out(device):
    found = device.kernels.expand_rows(offset=OFFSET, dims={"m": 5})
    wanted = get_backend("cpu").kernels.expand_rows(offset=OFFSET, dims={"m": 5})
    assert all(
        isinstance(one, np.ndarray) and one.flags.writeable and equal(one, other)
        for one, other in zip(found, wanted, strict=True)
    )


def test_device_in_device_out(device):
    found = device.kernels.expand_rows(offset=device.ops.to_device(OFFSET), dims={"m": 5})
    assert all(isinstance(one, DeviceArray) for one in found)
    assert found[0].tolist() == [0, 0, 2, 2, 2]


def test_one_device_column_among_host_ones_keeps_the_rows_there(device):
    c0, c1 = np.arange(5, dtype=np.uint64), np.zeros(5, np.uint64)
    mixed = device.kernels.philox_block(key=1, c0=device.ops.to_device(c0), c1=c1)
    wanted = get_backend("cpu").kernels.philox_block(key=1, c0=c0, c1=c1)
    assert all(
        isinstance(one, DeviceArray) and equal(one, other) for one, other in zip(mixed, wanted, strict=True)
    )
    strided = device.ops.to_device(np.repeat(c0, 2))[::2]
    assert equal(device.kernels.philox_block(key=1, c0=strided, c1=c1)[0], wanted[0])


def test_out_buffers_lie_where_the_outputs_do(device):
    c0 = np.arange(5, dtype=np.uint64)
    buffer = np.zeros(9, np.uint64)
    x0, _ = device.kernels.philox_block(key=1, c0=c0, c1=c0, out={"x0": buffer})
    assert (
        x0.base is buffer
        and buffer[:5].tolist() == get_backend("cpu").kernels.philox_block(key=1, c0=c0, c1=c0)[0].tolist()
    )
    on_device = device.xp.zeros(5, np.uint64)
    x0, _ = device.kernels.philox_block(key=1, c0=device.ops.to_device(c0), c1=c0, out={"x0": on_device})
    assert on_device.tolist() == x0.tolist() == buffer[:5].tolist()
    with pytest.raises(KernelCallError, match="not in the memory"):
        device.kernels.philox_block(key=1, c0=c0, c1=c0, out={"x0": on_device})


@pytest.mark.parametrize("there", [False, True])
def test_refusals_are_the_cpus(device, there):
    bad = np.array([0, 3, 2], np.uint64)
    with pytest.raises(KernelFailure, match="BAD_OFFSET at row 0") as failure:
        device.kernels.expand_rows(offset=device.ops.to_device(bad) if there else bad, dims={"m": 2})
    with pytest.raises(KernelFailure) as wanted:
        get_backend("cpu").kernels.expand_rows(offset=bad, dims={"m": 2})
    assert str(failure.value) == str(wanted.value)
    with pytest.raises(KernelCallError, match="contract says 1-d uint64"):
        device.kernels.expand_rows(offset=device.ops.to_device(bad.astype(np.int64)), dims={"m": 2})


def test_scalars_come_from_the_host(device):
    c0 = device.ops.to_device(OFFSET)
    with pytest.raises(TypeError):
        device.kernels.philox_block(key=c0[0], c0=c0, c1=c0)


@pytest.mark.parametrize("there", [False, True])
def test_sort_segments(device, there):
    rng = np.random.default_rng(3)
    for lengths in ([], [0], [1], [5, 0, 0, 300, 1], [0, 0]):
        offset = (np.uint64(2) + np.concatenate([[0], np.cumsum(lengths)])).astype(np.uint64)
        values = rng.integers(0, 2**64, int(offset[-1]) + 3, dtype=np.uint64)
        expected = values.copy()
        get_backend("cpu").ops.sort_segments(expected, offset)
        given = device.ops.to_device(values) if there else values
        device.ops.sort_segments(given, device.ops.to_device(offset) if there else offset.astype(np.int64))
        assert device.ops.to_host(given).tolist() == expected.tolist()


@pytest.mark.parametrize("dtype", [np.uint64, np.int64, np.uint32, np.uint16])
def test_repeat(device, dtype):
    counts = np.array([0, 3, 1, 0], dtype)
    columns = [
        np.arange(4, dtype=np.int16),
        np.array([True, False, True, True]),
        np.array([0.5, -0.0, 1.0, 2.0]),
    ]
    wanted = [np.repeat(column, counts.astype(np.int64)) for column in columns]
    for backend in (get_backend("cpu"), device):
        assert all(
            isinstance(a, np.ndarray) and equal(a, b)
            for a, b in zip(backend.ops.repeat(columns, counts), wanted, strict=True)
        )
    there = device.ops.repeat(columns, device.ops.to_device(counts))
    assert all(isinstance(a, DeviceArray) and equal(a, b) for a, b in zip(there, wanted, strict=True))
    assert all(
        isinstance(a, DeviceArray)
        for a in device.ops.repeat([device.ops.to_device(columns[0]), columns[1]], counts)
    )
    assert len(device.ops.repeat([device.xp.zeros(0, np.int16)], np.zeros(0, dtype))[0]) == 0


def test_frames_hold_device_columns(device):
    columns = {"a": np.array([3, 1, 2], np.uint64), "b": np.array([0, 1, 0], np.int16)}
    host = Frame(columns, {"b": np.array([True, False, True])})
    there = changed(host, lambda arrays: [device.ops.to_device(array) for array in arrays])
    assert all(isinstance(array, DeviceArray) for _, array in there.items())
    assert changed(there, lambda arrays: [device.ops.to_device(array) for array in arrays]) is there

    def back(frame):
        found = changed(frame, lambda arrays: [device.ops.to_host(array) for array in arrays])
        return {name: array.tolist() for name, array in found.items()}, {
            name: mask.tolist() for name, mask in found.valid.items()
        }

    assert back(there) == back(host)
    assert back(there.slice(1, 3)) == back(host.slice(1, 3))
    assert back(there.sort("b", "a")) == back(host.sort("b", "a"))
    assert back(there.take(np.flatnonzero(there.a > 1))) == back(host.take(np.flatnonzero(host.a > 1)))
    assert back(concat([there, there.select("a", "b"), Frame(dict(there.items()))])) == back(
        concat([host, host, Frame(columns)])
    )
    assert back(there.with_columns(c=there.a + 1)) == back(host.with_columns(c=host.a + 1))


def test_strings_stay_on_the_host(device):
    with pytest.raises(TypeError, match="stays on the host"):
        device.ops.to_device(np.array(["x"], object))


def test_known_answer_through_the_public_call():
    assert block(0, 0, 0, backend="emulated") == (0xCA00A0459843D731, 0x66C24222C9A845B5)


def test_compile_all(device):
    device.kernels.compile_all()


def test_a_turn_that_runs_out_is_tried_again_with_fewer_beside_it():
    backend = emulated_backend(slots=4, memory=1000)
    limits = []

    def work():
        limits.append(backend.slots.limit)
        held = backend.xp.zeros(100, np.uint64)
        if len(limits) < 3:
            backend.xp.zeros(100, np.uint64)
        return held.tolist()

    # which also shows that nothing of the failed attempts still lay on the device
    assert backend.ops.turn(work) == [0] * 100
    assert limits == [4, 2, 1] and backend.slots.limit == 1


def test_a_turn_that_does_not_fit_alone_is_refused():
    backend = emulated_backend(slots=2, memory=100)
    tries = []
    with pytest.raises(OutOfDeviceMemory, match="to itself"):
        backend.ops.turn(lambda: tries.append(backend.xp.zeros(100, np.uint64)))
    assert backend.slots.limit == 1 and tries == []


def test_another_error_ends_the_turn(device):
    with pytest.raises(ZeroDivisionError):
        device.ops.turn(lambda: 1 // 0)
    assert device.ops.turn(lambda: 5) == 5 and device.slots.limit == 2


@pytest.mark.skipif(driver_report()["found"] != "no NVIDIA driver", reason="there is a GPU here")
def test_names_without_a_gpu():
    auto = get_backend("auto")
    assert (auto.name, auto.why) == ("cpu", "no NVIDIA driver")
    with pytest.raises(BackendUnavailable, match="no NVIDIA driver") as refused:
        get_backend("gpu")
    assert "580" in refused.value.do
    with pytest.raises(BackendUnavailable, match="quantum"):
        get_backend("quantum")


def test_a_machine_without_a_driver_imports_nothing_of_a_device():
    """It costs 30 ms of every start; the driver is asked through ctypes alone."""
    program = """
import sys
import gpu_kernels.driver as driver
def none(): raise driver.DeviceUnavailable("no NVIDIA driver", "")
driver.probe = none
from sim.backends import get_backend
big = {"gpu_kernels.device", "sim.backends.device_backend", "cupy", "cudf"}
print(get_backend("auto").why, sorted(big & set(sys.modules)))
"""
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=Path(__file__).resolve().parents[2],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "no NVIDIA driver []"


def test_staged_partitions_are_bound_to_the_cuda_text_too():
    names = {path.name for path in code_files(Path(__file__).resolve().parents[2])}
    assert {"philox_block.cu", "philox.cuh", "host.h", "philox_block.py", "device_backend.py"} <= names


def test_no_compiler(monkeypatch):
    monkeypatch.setenv("CXX", "there-is-no-such-compiler")
    with pytest.raises(BackendUnavailable, match="there-is-no-such-compiler") as refused:
        emulated_backend()
    assert "g++" in refused.value.do
