"""`CudaDevice` over fake libraries (`fake_cupy.py`) and, where there is one, a GPU: streams, pools,
pinned memory, faults, runs.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gpu_kernels.device import CudaDevice
from gpu_kernels.memory import DeviceFault, OutOfDeviceMemory
from sim.backends import BackendUnavailable, get_backend
from sim.backends.cache import private_cache_dir
from sim.backends.device_backend import device_backend, gpu_backend
from sim.ground.errors import BackendError
from sim.model import MODEL
from sim.shell.events.progress import Silent
from sim.shell.loop.run import Options, run_world
from sim.shell.request.request import Request, prepare
from tests.gpu.fake_cupy import CUDARuntimeError, Machine, StreamRace, installed
from tests.gpu.test_pipeline import SCENARIOS, resident
from tests.runs.worlds import published
from tests.shell import miniworld
from tests.tiny_world import TINY, TINY_SCENARIOS

NUMBERS = np.arange(100_000, dtype=np.uint64)


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Iterator[Machine]:
    with installed(Machine(private_cache_dir("emulated")), monkeypatch) as made:
        yield made


@pytest.fixture(params=["fake", pytest.param("real", marks=pytest.mark.gpu)])
def folder(request: pytest.FixtureRequest) -> Path:
    """Where cubins are kept, on a fake machine or a real one."""
    if request.param == "fake":
        request.getfixturevalue("machine")
    return private_cache_dir("cubins")


def in_threads(count: int, work: Any) -> None:
    threads = [threading.Thread(target=work, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_copies_streams_and_memory(folder: Path) -> None:
    device, meet = CudaDevice(folder, slots=4), threading.Barrier(4)
    results: dict[int, tuple[np.ndarray, int]] = {}

    def work(number: int) -> None:
        with device.session():
            meet.wait(60)  # all four are in: a stream that has ended may lend its handle to the next
            array = device.upload(NUMBERS)
            results[number] = (
                device.download(array * np.uint64(number)),
                device.xp.cuda.get_current_stream().ptr,
            )

    in_threads(4, work)
    assert len({stream for _, stream in results.values()}) == 4 and 0 not in {
        stream for _, stream in results.values()
    }
    for number, (host, _) in results.items():
        assert (host == NUMBERS * np.uint64(number)).all() and host.flags.writeable
    assert device.download(device.upload(np.zeros(0, bool))).shape == (0,)
    device.release()
    assert {"device", "driver", "cuda_runtime", "cupy"} <= set(device.describe())


@pytest.mark.gpu
def test_a_gpus_own_memory_ends(tmp_path: Path) -> None:
    device = CudaDevice(private_cache_dir("cubins"))
    with pytest.raises(OutOfDeviceMemory), device.session():
        device.empty(1 << 45, np.uint64)


def test_streams_are_as_many_as_turns_at_once(machine: Machine) -> None:
    device = CudaDevice(private_cache_dir("cubins"), slots=3)

    def work(number: int) -> None:
        with device.session():
            device.download(device.upload(NUMBERS))

    for _ in range(4):  # threads come and go, as in every state
        in_threads(6, work)
    assert 1 <= len(machine.streams) <= 3


def test_what_one_stream_wrote_is_not_read_on_another_before_it_was_waited_for(machine: Machine) -> None:
    """The fake notices what a GPU would leave to chance."""
    device = CudaDevice(private_cache_dir("cubins"))
    one, other = (device.xp.cuda.Stream(non_blocking=True) for _ in range(2))
    with one:
        array = device.upload(NUMBERS)
    with other, pytest.raises(StreamRace):
        array.sum()
    one.synchronize()
    with other:
        assert int(array[1:].sum()) == int(NUMBERS.sum())


def test_an_array_of_pinned_memory_may_change_after_its_upload(machine: Machine) -> None:
    device = CudaDevice(private_cache_dir("cubins"))
    with device.session():
        pinned = device.download(device.upload(NUMBERS))
        with pytest.raises(StreamRace, match="changed before"):  # what the device must not do
            raw = device.xp.array(pinned[:10])
            pinned[:10] += np.uint64(1)
            device.xp.cuda.get_current_stream().synchronize()
        there = device.upload(pinned[1:5])
        pinned += np.uint64(1)
        assert device.download(there).tolist() == [2, 3, 4, 5] and len(raw) == 10


def test_one_pool_a_process_and_nobody_elses_is_replaced(machine: Machine) -> None:
    import rmm

    for _ in range(2):
        CudaDevice(private_cache_dir("cubins"))
    assert machine.calls == ["reinitialize 8589934592", "set_allocator", "set_allocator"]
    users = rmm.mr.PoolMemoryResource()
    rmm.mr.set_per_device_resource(0, users)
    CudaDevice(private_cache_dir("cubins"))
    assert rmm.mr.get_per_device_resource(0) is users


def test_released_memory_is_the_hosts_too(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    CudaDevice(private_cache_dir("cubins")).release()
    assert machine.calls[-1:] == ["pinned.free_all_blocks"] and "device.free_all_blocks" not in machine.calls
    with installed(Machine(private_cache_dir("emulated")), monkeypatch, without=("rmm", "pylibcudf")) as bare:
        CudaDevice(private_cache_dir("cubins")).release()
        assert bare.calls == ["device.free_all_blocks", "pinned.free_all_blocks"]


def test_host_memory_that_cannot_be_pinned_is_no_affair_of_the_devices(machine: Machine) -> None:
    backend = device_backend(CudaDevice(private_cache_dir("cubins"), slots=4))
    machine.pinned_left = 1000
    with pytest.raises(MemoryError, match=r"no host memory to pin for 800,000 bytes") as told:
        backend.ops.turn(lambda: backend.ops.to_host(backend.ops.to_device(NUMBERS)))
    assert (
        not isinstance(told.value, OutOfDeviceMemory)
        and backend.slots is not None
        and backend.slots.limit == 4
    )


def test_a_fault_is_told_with_the_kernels_that_may_have_done_it(machine: Machine) -> None:
    backend = device_backend(device := CudaDevice(private_cache_dir("cubins")))
    machine.fails_at = "entity_hash"
    kept: list[Any] = []
    zeros = np.zeros(3, np.uint64)

    def work() -> None:
        there = backend.ops.to_device(zeros)
        backend.kernels.philox_block(key=1, c0=there, c1=there)
        device.keep(object())
        assert device._turn is not None
        kept.append(device._turn)
        hashes = backend.kernels.entity_hash
        hashes(**{arg.name: there if arg.kind == "column" else 1 for arg in hashes.contract.inputs})
        backend.ops.to_host(there)

    with pytest.raises(DeviceFault, match="cudaErrorIllegalAddress") as fault:
        backend.ops.turn(work)
    assert fault.value.kernels == ("philox_block", "entity_hash")
    assert fault.value.after == "after kernel philox_block, entity_hash was queued"
    assert isinstance(fault.value.__cause__, CUDARuntimeError)
    assert kept[0].kept == [] and kept[0].stream not in device._streams and not device.slots.held
    with pytest.raises(DeviceFault):  # it stays so, and says so each time
        backend.ops.turn(lambda: backend.ops.to_device(zeros))


def test_the_first_error_is_the_one_that_is_told(machine: Machine) -> None:
    device = CudaDevice(private_cache_dir("cubins"))
    with pytest.raises(ZeroDivisionError), device.session():
        machine.failed = True  # the stream, its end and the device's end all raise after this
        raise ZeroDivisionError


@pytest.mark.parametrize(
    "said",
    [
        "CUDF failure at: reader.cpp:44: no such column",
        "CUDA error at: x.cu:9: cudaErrorECCUncorrectable",
        "RMM failure at: y",
    ],
)
def test_what_libcudf_says_is_a_fault(machine: Machine, said: str) -> None:
    device = CudaDevice(private_cache_dir("cubins"))
    with pytest.raises(DeviceFault, match=said[:12]) as fault, device.session():
        raise RuntimeError(said)
    assert fault.value.after == "with no kernel queued"
    with pytest.raises(RuntimeError, match="of ours") as other, device.session():
        raise RuntimeError("of ours")
    assert not isinstance(other.value, DeviceFault)


def test_a_gpu_that_fails_at_once_is_unavailable(machine: Machine) -> None:
    machine.failed = True
    with pytest.raises(BackendUnavailable, match="the GPU does not start: cudaErrorIllegalAddress"):
        gpu_backend()


def test_cupy_alone_is_enough(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    with installed(Machine(private_cache_dir("emulated")), monkeypatch, without=("rmm", "pylibcudf")):
        backend = gpu_backend()
    assert (
        backend.ops.read_parquet is None
        and backend.describe["cupy"] == "14.2.0"
        and not {"rmm", "pylibcudf"} & set(backend.describe)
    )
    with installed(machine, monkeypatch):
        assert gpu_backend().ops.read_parquet is not None


@pytest.fixture(scope="module")
def mini_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("mini")
    miniworld.write_world(root)
    return root


def run_mini(root: Path, out: Path, programs: Any, **options: Any) -> Path:
    backend = device_backend(CudaDevice(private_cache_dir("cubins")))
    settings = Options(out=out, **{"workers": 4, "verify_fraction": 0.0, **options})
    return run_world(
        miniworld.prepared(root, programs, scenarios=SCENARIOS), backend, settings, Silent()
    ).run_dir


@pytest.mark.parametrize("without", [(), ("rmm", "pylibcudf")])
def test_the_mini_world_on_the_gpus_path(
    machine: Machine, mini_root: Path, tmp_path: Path, monkeypatch: Any, without: Any
) -> None:
    expected = published(
        miniworld.build(mini_root, tmp_path / "cpu", request={"scenarios": SCENARIOS}).run_dir
    )
    with installed(machine, monkeypatch, without=without):
        for name, programs in (("resident", resident()), ("host", miniworld.segments())):
            assert published(run_mini(mini_root, tmp_path / name, programs, verify_fraction=1.0)) == expected
    assert set(machine.launched) >= {"philox_block", "expand_rows"}


def test_a_fault_ends_a_run_with_the_kernels_name_and_the_run_goes_on_elsewhere(
    machine: Machine, mini_root: Path, tmp_path: Path
) -> None:
    machine.fails_at = "philox_block"
    with pytest.raises(BackendError) as refused:
        # One at a time: beside others, the next to wait for the device meets the fault, whatever it queued.
        run_mini(mini_root, tmp_path, resident(), workers=1)
    error = refused.value
    assert (error.code, error.exit_code) == ("SHELL.DEVICE_FAULT", 9)
    assert "partition 0000" in error.what and "of 1A.S1, after kernel philox_block was queued" in error.what
    assert (
        error.found == "cudaErrorIllegalAddress: an illegal memory access was encountered"
        and "--backend cpu" in error.do
    )
    settings = Options(out=tmp_path, workers=2)
    request = miniworld.prepared(mini_root, resident(), scenarios=SCENARIOS)
    found = run_world(request, get_backend("cpu"), settings, Silent()).run_dir
    assert published(found) == published(
        miniworld.build(mini_root, tmp_path / "cpu", request={"scenarios": SCENARIOS}).run_dir
    )


@pytest.mark.slow(60)
def test_the_tiny_world_on_the_gpus_path(machine: Machine, demo_run: Path, tmp_path: Path) -> None:
    """Everything from 1A to 6A, two scenarios, file for file the CPU's."""
    request = prepare(Request(preset="demo", scenarios=TINY_SCENARIOS, overrides=TINY), MODEL)
    backend = device_backend(CudaDevice(private_cache_dir("cubins")))
    found = run_world(
        request, backend, Options(out=tmp_path, workers=2, verify_fraction=0.0), Silent()
    ).run_dir
    assert published(found) == published(demo_run)
