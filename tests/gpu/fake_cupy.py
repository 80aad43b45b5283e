"""A GPU's libraries without a GPU: `cupy`, `rmm` and `pylibcudf` as `gpu_kernels` uses them,
over the emulator.

What is queued runs at once; what a GPU would hide is told instead. Every buffer remembers the stream that
touched it last: touching it on another one with no synchronisation in between raises, and so does changing a
pinned host array before the copy from it was waited for. A kernel can be made to fail as an illegal address
does: the launch returns, and every later call says so. `real_api.py` holds the names here against the real
packages.
"""

from __future__ import annotations

import itertools
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from gpu_kernels.arrays import Allocation, DeviceArray, Memory
from gpu_kernels.driver import Driver, Gpu
from gpu_kernels.emulate import Emulator, Geometry
from gpu_kernels.memory import OutOfDeviceMemory
from gpu_kernels.namespace import Namespace

DRIVER = Driver((13, 0), (Gpu("NVIDIA H200", (9, 0), 141 << 30),))
VERSIONS = {"cupy": "14.2.0", "rmm": "26.10.0", "pylibcudf": "26.10.2"}


class StreamRace(AssertionError):
    """Work on one stream that nothing orders after work on another."""


CUDARuntimeError = type("CUDARuntimeError", (RuntimeError,), {"__module__": "cupy_backends.cuda.api.runtime"})
CupysOutOfMemory = type("OutOfMemoryError", (MemoryError,), {"__module__": "cupy.cuda.memory"})


class Machine:
    """The pretended device: its streams, its memory, and whether it still answers."""

    def __init__(self, emulated: Path, memory: int | None = None) -> None:
        self.memory = StreamMemory(self, memory)
        self.emulator = Emulator(emulated)
        self.fails_at: str | None = None
        self.failed = False
        self.pinned_left: int | None = None
        self.launched: list[str] = []
        self.streams: list[Stream] = []
        self.calls: list[str] = []
        self._mine = threading.local()
        self._numbers = itertools.count(1)
        self.null = Stream(self, 0)

    def answer(self) -> None:
        """Raise if the device has failed."""
        if self.failed:
            raise CUDARuntimeError("cudaErrorIllegalAddress: an illegal memory access was encountered")

    @property
    def current(self) -> Stream:
        stack = getattr(self._mine, "stack", [])
        return stack[-1] if stack else self.null

    def push(self, stream: Stream) -> None:
        if not hasattr(self._mine, "stack"):
            self._mine.stack = []
        self._mine.stack.append(stream)

    def pop(self) -> None:
        self._mine.stack.pop()

    def tick(self) -> int:
        return next(self._numbers)


class Stream:
    """`cupy.cuda.Stream`."""

    def __init__(self, machine: Machine, ptr: int) -> None:
        self._machine, self.ptr, self.synced = machine, ptr, 0
        self.broken: str | None = None
        self.copies: list[tuple[np.ndarray, np.ndarray]] = []

    def __enter__(self) -> Stream:
        self._machine.push(self)
        return self

    def __exit__(self, *error: Any) -> None:
        self._machine.pop()
        self._machine.answer()

    def synchronize(self) -> None:
        self._machine.answer()
        self.synced = self._machine.tick()
        copies, self.copies = self.copies, []
        if self.broken:
            raise StreamRace(self.broken)
        if any(not np.array_equal(source, copied) for source, copied in copies):
            raise StreamRace("a pinned host array was changed before the copy from it had been made")


class Tracked(Allocation):
    """A buffer that knows which stream touched it last, and when."""

    __slots__ = ("number", "stream")


class StreamMemory(Memory):
    """Device memory whose arrays are `ndarray`s."""

    def __init__(self, machine: Machine, limit: int | None) -> None:
        super().__init__(limit)
        self.machine = machine

    def adopt(self, array: np.ndarray) -> DeviceArray:
        self.machine.answer()
        try:
            return super().adopt(array)
        except OutOfDeviceMemory as error:
            raise CupysOutOfMemory(str(error)) from None

    def token(self) -> Allocation:
        return tracked(self.machine, self.machine.current)

    def made(self, array: np.ndarray, memory: Memory, token: Allocation) -> DeviceArray:
        return sys.modules["cupy"].ndarray(array, memory, token)


def tracked(machine: Machine, stream: Stream) -> Tracked:
    """The account of a buffer that a stream has just written."""
    token = Tracked()
    token.stream, token.number = stream, machine.tick()
    return token


class Pinned(bytearray):
    """`cupy.cuda.PinnedMemoryPointer`: a buffer of the host that the device copies from by itself."""


def modules(machine: Machine) -> dict[str, ModuleType]:
    """The fake packages by name, ready for `sys.modules`."""
    cupy, rmm, plc = _cupy(machine), _rmm(machine), _pylibcudf(machine)
    allocators = _module("rmm.allocators")
    inner = _module("rmm.allocators.cupy", rmm_cupy_allocator=lambda nbytes, stream=None: machine.memory)
    return {
        "cupy": cupy,
        "rmm": rmm,
        "rmm.allocators": allocators,
        "rmm.allocators.cupy": inner,
        "pylibcudf": plc,
    }


@contextmanager
def installed(machine: Machine, monkeypatch: Any, *, without: tuple[str, ...] = ()) -> Iterator[Machine]:
    """A process that has a GPU: driver and packages, some of them left out."""
    from gpu_kernels.launch import _device_limits

    for name, module in modules(machine).items():
        monkeypatch.setitem(sys.modules, name, None if name.split(".")[0] in without else module)
    versions = {name: None if name in without else version for name, version in VERSIONS.items()}
    for module in ("gpu_kernels.device", "gpu_kernels.packages"):
        monkeypatch.setattr(f"{module}.version_of", versions.get)
    monkeypatch.setattr("gpu_kernels.device.probe", lambda: DRIVER)
    _device_limits.cache_clear()
    try:
        yield machine
    finally:
        _device_limits.cache_clear()


def _module(name: str, **members: Any) -> ModuleType:
    made = ModuleType(name)
    made.__spec__ = ModuleSpec(name, None)
    vars(made).update(members)
    return made


class Kernel:
    """What `RawModule.get_function` gives."""

    max_threads_per_block = 1024

    def __init__(self, machine: Machine, name: str) -> None:
        self._machine, self._name = machine, name

    def __call__(self, grid: tuple[int, ...], block: tuple[int, ...], args: tuple[Any, ...]) -> None:
        from sim.backends.kernel_contracts import load_kernel_contracts

        self._machine.answer()
        self._machine.launched.append(self._name)
        if self._name == self._machine.fails_at:
            self._machine.failed = True  # told by whatever comes next, as a GPU does
            return
        kernel, flat, given = load_kernel_contracts()[self._name], iter(args), []
        for arg in kernel.args:
            value = next(flat)
            given.append(value.held if isinstance(value, DeviceArray) else value)
            if arg.kind != "scalar":
                assert int(next(flat)) == len(given[-1])
        given += [value.held for value in flat]
        self._machine.emulator.launch(kernel, given, 1, Geometry(grid[0], block[0], self._machine.tick()))


def _cupy(machine: Machine) -> ModuleType:
    namespace = Namespace(machine.memory)

    class ndarray(DeviceArray):
        """`cupy.ndarray`, made by the memory or over memory of another library."""

        __slots__ = ("_held",)

        def __init__(self, shape: Any, dtype: Any = float, memptr: Any = None, *_: Any) -> None:
            if isinstance(shape, np.ndarray):  # as `Memory.adopt` makes it
                super().__init__(shape, dtype, memptr)
                return
            owner = memptr.mem.owner
            assert (
                memptr.mem.ptr == owner.values.ctypes.data
                and memptr.mem.size >= shape * np.dtype(dtype).itemsize
            )
            super().__init__(
                owner.values.view(np.uint8)[memptr.offset :].view(dtype)[:shape], machine.memory, owner.token
            )

        def _get(self) -> np.ndarray:
            token, current = self._token, machine.current
            if token.stream is not current and token.number > token.stream.synced:
                raise StreamRace(
                    f"stream {current.ptr} touches what stream {token.stream.ptr} was not waited for"
                )
            token.stream, token.number = current, machine.tick()
            return self._held

        def _set(self, held: np.ndarray) -> None:
            self._held = held

        held = property(_get, _set)  # type: ignore[assignment]
        dtype = property(lambda self: self._held.dtype)
        shape = property(lambda self: self._held.shape)
        ndim = property(lambda self: self._held.ndim)
        size = property(lambda self: self._held.size)
        nbytes = property(lambda self: self._held.nbytes)
        flags = property(lambda self: self._held.flags)
        itemsize = property(lambda self: self._held.itemsize)

        def __len__(self) -> int:
            return len(self._held)

        def get(
            self, stream: Any = None, order: str = "C", out: np.ndarray | None = None, blocking: bool = True
        ) -> np.ndarray:
            machine.answer()
            found = super().get()
            machine.current.synchronize()
            if out is None:
                return found
            out[...] = found
            return out

    def array(obj: Any, dtype: Any = None, copy: bool = True, order: str = "K") -> Any:
        made = machine.memory.upload(np.asarray(obj, dtype))
        owner: Any = obj
        while isinstance(owner, np.ndarray):
            owner = owner.base
        if isinstance(getattr(owner, "obj", owner), Pinned):
            machine.current.copies.append((obj, made.held.copy()))
        return made

    class Device:
        """`cupy.cuda.Device`."""

        attributes: ClassVar = {"MultiProcessorCount": 132, "MaxThreadsPerMultiProcessor": 2048}
        compute_capability = "90"

        def __init__(self, device: int | None = None) -> None:
            self.id = device or 0

        def __enter__(self) -> Device:
            return self

        def __exit__(self, *args: Any) -> None:
            machine.answer()

    def new_stream(
        null: bool = False, non_blocking: bool = False, ptds: bool = False, priority: Any = None
    ) -> Stream:
        machine.answer()
        assert non_blocking
        machine.streams.append(Stream(machine, 0x1000 + len(machine.streams)))
        return machine.streams[-1]

    def alloc_pinned_memory(size: int) -> Pinned:
        if machine.pinned_left is not None and size > machine.pinned_left:
            raise CUDARuntimeError("cudaErrorMemoryAllocation: out of memory")
        return Pinned(b"\xa5" * size)

    class RawModule:
        """`cupy.RawModule` of a cubin: its name says the kernel, and it must be one."""

        def __init__(self, *, path: str) -> None:
            assert Path(path).read_bytes()[:4] == b"\x7fELF"
            self._name = Path(path).name.rsplit("-sm", 1)[0]

        def get_function(self, name: str) -> Kernel:
            assert name == self._name
            return Kernel(machine, name)

    def pool(name: str) -> Any:
        return SimpleNamespace(free_all_blocks=lambda: machine.calls.append(f"{name}.free_all_blocks"))

    runtime = _module(
        "cupy.cuda.runtime",
        runtimeGetVersion=lambda: 13000,
        memGetInfo=lambda: (140 << 30, 141 << 30),
        getDevice=lambda: 0,
        CUDARuntimeError=CUDARuntimeError,
    )
    cuda = _module(
        "cupy.cuda",
        Device=Device,
        Stream=new_stream,
        get_current_stream=lambda device_id=-1: machine.current,
        alloc_pinned_memory=alloc_pinned_memory,
        PinnedMemoryPointer=Pinned,
        UnownedMemory=Unowned,
        MemoryPointer=lambda mem, offset: SimpleNamespace(mem=mem, offset=offset),
        set_allocator=lambda allocator=None: machine.calls.append("set_allocator"),
        runtime=runtime,
    )
    made = _module(
        "cupy",
        ndarray=ndarray,
        array=array,
        cuda=cuda,
        RawModule=RawModule,
        get_default_memory_pool=lambda: pool("device"),
        get_default_pinned_memory_pool=lambda: pool("pinned"),
    )
    made.__getattr__ = lambda name: getattr(namespace, name)  # type: ignore[method-assign]
    return made


class Unowned:
    """`cupy.cuda.UnownedMemory`."""

    def __init__(self, ptr: int, size: int, owner: Any, device_id: int = -1) -> None:
        assert ptr and size
        self.ptr, self.size, self.owner = ptr, size, owner


def _rmm(machine: Machine) -> ModuleType:
    class CudaMemoryResource:
        """What a device has before anybody set up a pool."""

    class PoolMemoryResource:
        """A pool."""

    resource: list[Any] = [CudaMemoryResource()]

    def reinitialize(
        pool_allocator: bool = False,
        managed_memory: bool = False,
        initial_pool_size: int | None = None,
        maximum_pool_size: int | None = None,
        devices: Any = 0,
        logging: bool = False,
        log_file_name: str | None = None,
    ) -> None:
        assert pool_allocator and initial_pool_size and initial_pool_size % 256 == 0
        machine.calls.append(f"reinitialize {initial_pool_size}")
        resource[0] = PoolMemoryResource()

    mr = _module(
        "rmm.mr",
        CudaMemoryResource=CudaMemoryResource,
        PoolMemoryResource=PoolMemoryResource,
        get_per_device_resource=lambda device_id: resource[0],
        set_per_device_resource=lambda device_id, mr: resource.__setitem__(0, mr),
    )
    return _module("rmm", mr=mr, reinitialize=reinitialize)


class Column:
    """`pylibcudf.Column`: fixed-width values whose null slots are poisoned, or strings."""

    def __init__(
        self, machine: Machine, stream: Stream, values: Any, valid: np.ndarray | None = None
    ) -> None:
        self.values, self.valid, self.token = values, valid, tracked(machine, stream)

    def null_count(self) -> int:
        return 0 if self.valid is None else int((~self.valid).sum())

    def data(self) -> Any:
        return SimpleNamespace(ptr=self.values.ctypes.data, size=self.values.nbytes)

    def size(self) -> int:
        return len(self.values)

    def offset(self) -> int:
        return 0

    def to_arrow(self, metadata: Any = None, stream: Any = None) -> Any:
        return pa.array(self.values)


class Table:
    """`pylibcudf.Table`."""

    def __init__(self, columns: list[Column]) -> None:
        self._columns = columns

    def columns(self) -> list[Column]:
        return self._columns

    def num_rows(self) -> int:
        return self._columns[0].size()


class Builder:
    """`pylibcudf.io.parquet.ParquetReaderOptionsBuilder`."""

    def __init__(self, source: list[bytes]) -> None:
        self._source = source

    def use_arrow_schema(self, val: bool) -> Builder:
        assert val is False  # a dictionary column comes as its strings
        return self

    def build(self) -> Options:
        return Options(self._source)


class Options:
    """`pylibcudf.io.parquet.ParquetReaderOptions`."""

    builder = staticmethod(Builder)

    def __init__(self, source: list[bytes]) -> None:
        self.source, self.names, self.skip, self.rows = source, [], 0, None

    def set_column_names(self, column_names: list[str]) -> None:
        self.names = column_names

    def set_skip_rows(self, skip_rows: int) -> None:
        self.skip = skip_rows

    def set_num_rows(self, num_rows: int) -> None:
        self.rows = num_rows


def _pylibcudf(machine: Machine) -> ModuleType:
    def decoded(stream: Stream, array: pa.Array) -> Column:
        valid = array.is_valid().to_numpy(zero_copy_only=False) if array.null_count else None
        if pa.types.is_dictionary(array.type):
            return Column(machine, stream, array.cast(pa.string()).to_pylist(), valid)
        # libcudf has whole numbers: TIMESTAMP_MICROSECONDS is int64, TIMESTAMP_DAYS is int32.
        plain = array.cast(pa.int64()) if pa.types.is_timestamp(array.type) else array
        plain = plain.cast(pa.int32()) if pa.types.is_date32(plain.type) else plain
        values = (
            plain.fill_null(False if pa.types.is_boolean(plain.type) else 0)
            .to_numpy(zero_copy_only=False)
            .copy()
        )
        if valid is not None:
            values[~valid] = True if values.dtype.kind == "b" else 77
        return Column(machine, stream, values, valid)

    def read(options: Options, stream: Stream) -> Any:
        machine.answer()
        assert stream is machine.current
        with pq.ParquetFile(pa.BufferReader(options.source[0])) as file:
            table = file.read(columns=options.names).slice(options.skip, options.rows)
        columns = [decoded(stream, table[name].combine_chunks()) for name in options.names]
        return SimpleNamespace(
            tbl=Table(columns), column_names=lambda include_children=False: list(options.names)
        )

    def encode(input: Table, stream: Stream) -> tuple[Table, Column]:
        (column,) = input.columns()
        keys = sorted({value for value in column.values if value is not None}) + (
            [None] if None in column.values else []
        )
        codes = np.array([keys.index(value) for value in column.values], np.int32)
        return Table([Column(machine, stream, keys)]), Column(machine, stream, codes)

    def is_valid(input: Column, stream: Stream) -> Column:
        assert input.valid is not None
        return Column(machine, stream, input.valid.copy())

    parquet = _module(
        "pylibcudf.io.parquet",
        ParquetReaderOptions=Options,
        ParquetReaderOptionsBuilder=Builder,
        read_parquet=read,
    )
    io = _module("pylibcudf.io", parquet=parquet, types=_module("pylibcudf.io.types", SourceInfo=list))
    inner = {
        "unary": _module("pylibcudf.unary", is_valid=is_valid),
        "transform": _module("pylibcudf.transform", encode=encode),
    }
    return _module("pylibcudf", io=io, Table=Table, **inner)
