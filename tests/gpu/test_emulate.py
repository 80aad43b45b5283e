"""The emulator: CUDA text on a host compiler gives the twin's bits whatever the geometry, from any thread,
out of a shared cache.
"""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from gpu_kernels import emulate
from gpu_kernels.compile import CompilerMissing, KernelCompileError
from gpu_kernels.emulate import Emulator, Geometry, chosen_geometry
from gpu_kernels.launch import WrongArguments
from sim.backends.kernel_contracts import load_kernel_contracts
from tests.kernels.runners import twin

ROOT = Path(__file__).resolve().parents[2]
KERNELS = load_kernel_contracts()
NO_ERROR = 2**64 - 1
# A row a thread, rows shared out, one thread for all, more threads than rows, blocks of one, of a prime, of a
# power of two.
GEOMETRIES = [
    Geometry(1, 1),
    Geometry(1, 33),
    Geometry(7, 97),
    Geometry(1000, 1),
    Geometry(11, 127),
    Geometry(40, 32, 9),
    Geometry(4, 1024, 3),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("objects")


def poisoned(n, dtype):
    column = np.empty(n, dtype)
    column.view(np.uint8).fill(0xA5)
    return column


def utc_offset(n):
    """Arguments of a kernel with scalars, searches, an error word; the rows from 700 on have no offset."""
    rng = np.random.default_rng(n)
    zone_offset = np.array([0, 3, 7], np.uint64)
    instants = np.array([-100, 0, 100, -1000, -5, 50, 60], np.int64)
    ts = rng.integers(-90, 200, n)
    ts[700:] = -(10**6)
    return [
        ts,
        rng.integers(0, 2, n).astype(np.int16),
        zone_offset,
        instants,
        np.arange(7, dtype=np.int16) * np.int16(60),
    ]


def run(launch, n):
    minutes, error = poisoned(n, np.int16), np.full(1, NO_ERROR, np.uint64)
    launch([*utc_offset(n), minutes, error])
    return minutes.tolist(), int(error[0])


@pytest.mark.parametrize("n", [0, 1, 699, 1000])
def test_geometry_does_not_matter(n, folder):
    expected = run(lambda arguments: twin("utc_offset")(*arguments), n)
    assert expected[1] == (NO_ERROR if n < 700 else (700 << 8) | 1)
    for geometry in GEOMETRIES:
        emulator = Emulator(folder, geometry=geometry)
        assert run(lambda arguments, e=emulator: e.launch(KERNELS["utc_offset"], arguments, n), n) == expected
    emulator = Emulator(folder)
    for _ in range(30):
        assert run(lambda arguments: emulator.launch(KERNELS["utc_offset"], arguments, n), n) == expected


def test_the_number_of_rows_given_is_only_a_hint(folder):
    expected = run(lambda arguments: twin("utc_offset")(*arguments), 500)
    for hint in (0, 1, 499, 10**6):
        assert (
            run(
                lambda arguments, rows=hint: Emulator(folder).launch(KERNELS["utc_offset"], arguments, rows),
                500,
            )
            == expected
        )


def test_every_kind_of_scalar_arrives_whole(tmp_path):
    from types import SimpleNamespace as Plain

    dtypes = ["uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64", "float64"]
    args = [Plain(name=f"a{i}", kind="scalar", dtype=dtype, out=False) for i, dtype in enumerate(dtypes)]
    kernel = Plain(
        name="scalars", args=(*args, Plain(name="seen", kind="column", dtype="uint64", out=True)), errors={}
    )
    stores = "\n".join(f"seen[{i}] = (u64)a{i};" for i in range(7)) + "seen[7] = float_bits(a7);"
    text = (
        "KERNEL void scalars(u8 a0, i16 a1, u16 a2, i32 a3, u32 a4, i64 a5, u64 a6, f64 a7, OUT(u64, "
        f"seen)) {{\n{stores}\n}}\n"
    )
    given = [
        np.uint8(255),
        np.int16(-2),
        np.uint16(65535),
        np.int32(-3),
        np.uint32(2**32 - 1),
        np.int64(-(2**63)),
        np.uint64(2**64 - 1),
        np.float64(-0.0),
    ]
    seen = poisoned(8, np.uint64)
    Emulator(tmp_path, texts={"scalars": text}).launch(kernel, [*given, seen], 1)
    assert seen.tolist() == [255, 2**64 - 2, 65535, 2**64 - 3, 2**32 - 1, 2**63, 2**64 - 1, 2**63]


@pytest.mark.parametrize("rows", [0, 1, 5, 1000, 4096, 4097, 1_300_000, 2**33])
def test_geometries_differ_and_repeat(rows):
    chosen = [chosen_geometry(rows, f"seed {i}") for i in range(200)]
    assert chosen == [chosen_geometry(rows, f"seed {i}") for i in range(200)]
    assert all(1 <= cut.blocks <= emulate.MOST_BLOCKS and cut.block in emulate.BLOCK_SIZES for cut in chosen)
    threads = [cut.blocks * cut.block for cut in chosen]
    assert {cut.block for cut in chosen} == {
        size for size in emulate.BLOCK_SIZES if rows <= emulate.SMALL or size > 2
    }
    assert max(threads) > rows or rows > emulate.MOST_BLOCKS * 255
    assert rows < 5 or min(threads) < rows
    # A simulated thread costs more than a row: there must never be many more of them than rows.
    assert max(threads) <= rows + 200 + 255


@pytest.mark.parametrize("geometry", [*GEOMETRIES, Geometry(50, 97, 5)])
def test_every_thread_of_a_geometry_runs_once(geometry):
    blocks, threads = geometry.order()
    assert sorted(blocks.tolist()) == list(range(geometry.blocks))
    assert sorted(threads.tolist()) == list(range(geometry.block))
    assert blocks.dtype == threads.dtype == np.uint32


def test_order_of_blocks_is_shuffled():
    assert Geometry(50, 97, 5).order()[0].tolist() != list(range(50))
    assert Geometry(50, 97, 5).order()[0].tolist() != Geometry(50, 97, 6).order()[0].tolist()


def test_a_result_that_depends_on_geometry_does_not_stay_hidden(tmp_path):
    kernel = KERNELS["exp_map"]
    # Forgets that there may be fewer threads than rows.
    lazy = (
        "KERNEL void exp_map(IN(f64, x), OUT(f64, y)) { const u64 i = first_row(); if (i < LENGTH(y)) { "
        "y[i] = x[i]; } }\n"
    )
    emulator = Emulator(tmp_path, texts={"exp_map": lazy})
    x = np.ones(500)
    found = set()
    for _ in range(20):
        y = poisoned(500, np.float64)
        emulator.launch(kernel, [x, y], 500)
        found.add(bool((y == x).all()))
    assert found == {True, False}


def test_threads_may_launch_different_kernels_at_once(folder):
    emulator = Emulator(folder)
    rng = np.random.default_rng(1)
    a, b = rng.integers(0, 2**64, (2, 20_000), dtype=np.uint64)
    key, x = np.uint64(77), rng.normal(0, 3, 20_000)
    jobs = {"entity_hash": [key, a, b], "exp_map": [x], "log_map": [np.abs(x)], "open_uniform": [a]}
    dtypes = {
        "entity_hash": np.uint64,
        "exp_map": np.float64,
        "log_map": np.float64,
        "open_uniform": np.float64,
    }

    def launch(name):
        out = poisoned(20_000, dtypes[name])
        emulator.launch(KERNELS[name], [*jobs[name], out], 20_000)
        return name, out.tobytes()

    expected = {}
    for name, given in jobs.items():
        out = poisoned(20_000, dtypes[name])
        twin(name)(*given, out)
        expected[name] = out.tobytes()
    with ThreadPoolExecutor(8) as pool:
        for name, found in pool.map(launch, sorted(jobs) * 25):
            assert found == expected[name], name


def test_processes_may_fill_one_cache_at_once(tmp_path):
    script = """
import sys, numpy as np
from pathlib import Path
from gpu_kernels.emulate import Emulator
from sim.backends.kernel_contracts import load_kernel_contracts
y = np.zeros(3)
Emulator(Path(sys.argv[1])).launch(load_kernel_contracts()["exp_map"], [np.zeros(3), y], 3)
print(y.tolist())
"""
    command = [sys.executable, "-c", script, str(tmp_path / "cache")]
    running = [subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) for _ in range(6)]
    assert [process.communicate()[0].strip() for process in running] == ["[1.0, 1.0, 1.0]"] * 6
    assert len(list((tmp_path / "cache").iterdir())) == 1


def test_no_compiler_is_a_clear_error(tmp_path, monkeypatch):
    monkeypatch.setenv("CXX", str(tmp_path / "no such compiler"))
    with pytest.raises(CompilerMissing, match="apt-get install g\\+\\+"):
        emulate.compile_host(KERNELS["exp_map"], tmp_path)
    monkeypatch.delenv("CXX")
    monkeypatch.setenv("PATH", str(tmp_path))
    emulate._compiler.cache_clear()
    try:
        with pytest.raises(CompilerMissing, match="install g\\+\\+ or clang\\+\\+"):
            emulate.compile_host(KERNELS["exp_map"], tmp_path)
    finally:
        emulate._compiler.cache_clear()


def test_cxx_names_the_compiler(tmp_path, monkeypatch):
    wrapper = tmp_path / "c++ of mine"
    wrapper.write_text(f'#!/bin/sh\necho "$@" >> "{tmp_path}/called"\nexec g++ "$@"\n')
    wrapper.chmod(0o755)
    monkeypatch.setenv("CXX", f"'{wrapper}' -pipe")
    other = emulate.compile_host(KERNELS["exp_map"], tmp_path / "cache")
    called = (tmp_path / "called").read_text()
    assert "-pipe -std=c++17" in called and "-ffp-contract=off" in called
    monkeypatch.delenv("CXX")
    assert emulate.object_name(KERNELS["exp_map"]) != other.name


@pytest.mark.parametrize(
    "message, changed",
    [
        ("takes 7 arguments, not 6", lambda given: given[:-1]),
        (
            "column ts_us must be a contiguous one-dimensional int64 array, not int32",
            lambda given: [given[0].astype(np.int32), *given[1:]],
        ),
        ("column ts_us .* not int64\\[10, 10\\]", lambda given: [given[0].reshape(10, 10), *given[1:]]),
        ("column ts_us .* not int64\\[50\\]", lambda given: [given[0][::2], *given[1:]]),
        ("column ts_us .* not list", lambda given: [given[0].tolist(), *given[1:]]),
        ("the error word is one uint64, not 2", lambda given: [*given[:-1], np.zeros(2, np.uint64)]),
    ],
)
def test_arguments_that_are_not_the_contract_s_are_refused(message, changed, folder):
    given = [*utc_offset(100), poisoned(100, np.int16), np.full(1, NO_ERROR, np.uint64)]
    with pytest.raises(WrongArguments, match=message):
        Emulator(folder).launch(KERNELS["utc_offset"], changed(given), 100)


@pytest.mark.parametrize("key", [7, np.int64(7), np.uint32(7), np.zeros(1, np.uint64)])
def test_a_scalar_of_another_width_is_refused(key, folder):
    column = np.zeros(3, np.uint64)
    with pytest.raises(WrongArguments, match=r"scalar key must be a numpy\.uint64"):
        Emulator(folder).launch(KERNELS["entity_hash"], [key, column, column, column.copy()], 3)


def test_a_kernel_that_does_not_compile_says_where(tmp_path):
    with pytest.raises(KernelCompileError, match=r"exp_map\.cu:2:\d+: error"):
        Emulator(tmp_path, texts={"exp_map": "\nnonsense;\n"}).launch(
            KERNELS["exp_map"], [np.zeros(1), np.zeros(1)], 1
        )
