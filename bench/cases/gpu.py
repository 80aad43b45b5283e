"""Kernels on a GPU against the device's own copy bandwidth, the arrival chain from its kernels,
whole worlds in turn with the CPU.

Kernels need CuPy, numpy and PyYAML alone. Inputs are those of the kernels' tests: valid, with every extreme a
contract allows.
"""

from __future__ import annotations

import importlib
import statistics
from typing import Any

import numpy as np

from bench.case import Options, Row, significant, steady
from bench.cases.end_to_end import one_run, row_of
from gpu_kernels.device import CudaDevice
from gpu_kernels.driver import probe
from sim.backends.cache import private_cache_dir
from sim.backends.calibration import Calibration, place_of, record
from sim.backends.device_backend import device_backend

ROWS = 1 << 22
COPY_BYTES = 1 << 30
# What an arrival of 5B.S4 goes through, once each.
CHAIN = ("expand_rows", "place_in_bucket", "sort_segments", "route_arrivals", "label_arrivals", "utc_offset")


def run(options: Options) -> list[Row]:
    """Copy bandwidth, a row a kernel, the segmented sort, the chain, the worlds; keeps the calibration that
    `--backend auto` goes by.

    Raises:
        DeviceUnavailable: There is no usable GPU.
    """
    device = CudaDevice(private_cache_dir("cubins"))
    with device.session():
        rows = kernel_rows(device, options)
    found = []
    for preset in options.presets:
        on: dict[str, list[Any]] = {"gpu": [], "cpu": []}
        for _ in range(options.runs):  # in turn, so that a busy minute meets both
            for name, runs in on.items():
                options.say(f"gpu: {preset}, --backend {name}")
                runs.append(one_run(options, preset, extra=("--backend", name)))
        made = [row_of(f"{preset}, --backend {name}", runs) for name, runs in on.items()]
        found.append(calibrated(preset, *made))
        made[0].facts["times the cpu"] = significant(found[-1].times)
        rows += made
    record(max(found, key=lambda one: one.arrivals))  # a GPU's start is most of a small world
    return rows


def calibrated(world: str, gpu: Row, cpu: Row) -> Calibration:
    """What two rows of whole runs say about this device: the record that `--backend auto` goes by."""
    seconds = [statistics.median(row.figures["wall"][1]) for row in (cpu, gpu)]
    return Calibration(place_of(probe()), world, int(gpu.facts["arrivals"]), *seconds)


def kernel_rows(device: Any, options: Options) -> list[Row]:
    """Everything that needs nothing but kernels, on any device that `device_backend` drives."""
    backend = device_backend(device)
    cases = importlib.import_module("tests.kernels.cases")
    n = options.rows or ROWS
    copy = _copy(device, min(COPY_BYTES, n * 256), options)
    bandwidth = statistics.median(copy.figures["memory"][1])
    rows = [Row(device.describe()["device"], copy.figures, {**copy.facts, **device.describe()})]
    for stem in backend.kernels.names:
        if options.names and stem not in options.names:
            continue
        given, dims = cases.case(stem, n)
        rows.append(_kernel(device, getattr(backend.kernels, stem), given, dims, n, bandwidth, options))
        options.say(f"gpu: {stem}: {statistics.median(rows[-1].figures['rows'][1]):.0f} M rows/s")
    rows.append(_sorted(device, backend.ops, n, options))
    cost = {row.name: row.figures["ns a row"][1] for row in rows if "ns a row" in row.figures}
    if set(CHAIN) <= set(cost):
        total = [sum(values) for values in zip(*(cost[name] for name in CHAIN), strict=True)]
        figures = {"ns a row": ("ns", total), "rows": ("M/s", [1e3 / value for value in total])}
        rows.append(Row("arrivals, computed", figures, {"sum of": ", ".join(CHAIN)}))
    return rows


def _waited(device: Any, work: Any) -> Any:
    """The work, ended: on a GPU a call returns before the device has done it."""
    stream = device.xp.cuda.get_current_stream() if device.name == "gpu" else None

    def whole() -> None:
        work()
        if stream is not None:
            stream.synchronize()

    return whole


def _copy(device: Any, size: int, options: Options) -> Row:
    source = device.upload(np.zeros(size // 8, np.uint64))
    target = device.empty(size // 8, np.uint64)

    def work() -> None:
        target[:] = source

    seconds = steady(_waited(device, work), options.runs)
    return Row(
        "copy",
        {"memory": ("GB/s", [2 * size / value / 1e9 for value in seconds])},
        {"bytes read and written": 2 * size},
    )


def _kernel(
    device: Any,
    kernel: Any,
    given: dict[str, Any],
    dims: dict[str, int],
    n: int,
    bandwidth: float,
    options: Options,
) -> Row:
    types = {arg.name: arg for arg in kernel.contract.inputs}
    there = {
        name: device.upload(np.ascontiguousarray(value, types[name].dtype))
        if types[name].kind == "column"
        else value
        for name, value in given.items()
    }
    made = kernel(**there, dims=dims)
    outputs = made if isinstance(made, tuple) else (made,)
    out = dict(zip([arg.name for arg in kernel.contract.outputs], outputs, strict=True))
    seconds = steady(_waited(device, lambda: kernel(**there, dims=dims, out=out)), options.runs)
    moved = sum(value.nbytes for value in (*there.values(), *outputs) if device.resident(value))
    figures = {
        "ns a row": ("ns", [value / n * 1e9 for value in seconds]),
        "rows": ("M/s", [n / value / 1e6 for value in seconds]),
        "memory": ("GB/s", [moved / value / 1e9 for value in seconds]),
        "of copy": ("", [moved / value / 1e9 / bandwidth for value in seconds]),
    }
    return Row(kernel.contract.name, figures, {"rows": n, "bytes": moved})


def _sorted(device: Any, ops: Any, n: int, options: Options) -> Row:
    """Random words in segments of 32: what orders arrivals inside their buckets."""
    words = np.arange(n, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    values = device.upload(words ^ (words >> np.uint64(29)))
    offset = device.upload(np.append(np.arange(0, n, 32, dtype=np.uint64), np.uint64(n)))
    work = device.empty(n, np.uint64)

    def once() -> None:
        work[:] = values
        ops.sort_segments(work, offset)

    seconds = steady(_waited(device, once), options.runs)
    figures = {
        "ns a row": ("ns", [value / n * 1e9 for value in seconds]),
        "rows": ("M/s", [n / value / 1e6 for value in seconds]),
    }
    return Row("sort_segments", figures, {"rows": n, "segment": 32})
