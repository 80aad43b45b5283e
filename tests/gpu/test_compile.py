"""NVRTC without a driver: options nobody can loosen, every kernel for every architecture, bit-exact PTX,
no local memory.
"""

import importlib.util
import stat
from concurrent.futures import ThreadPoolExecutor
from functools import cache

import pytest

from gpu_kernels import compile as nvrtc
from gpu_kernels import emulate
from gpu_kernels.cache import NotPrivate, compiled
from sim.backends.kernel_contracts import load_kernel_contracts
from tests.gpu import cubins, ptx

KERNELS = load_kernel_contracts()
ARCHS = (75, 80, 86, 89, 90, 100, 120)
# Bytes of local memory a thread may use. None: a spilled register or a local array costs more than a kernel
# here ever gains by it.
LOCAL_BUDGET = 0
# 65,536 registers of a multiprocessor / 1,024 threads: any block size can be launched, and four blocks of 256
# threads are resident.
MOST_REGISTERS = 64
ROOMY = {
    "attach_payers": 136,
    "choose_cards": 80,
    "choose_devices": 80,
    "count_cells": 160,
    "measure_gaps": 96,
    "price_rows": 104,
}
"""Kernels that may take more, for one block of 256 threads a multiprocessor: count_cells draws the counts of
a day and keeps its 17 sums beside them. A walk of a party keeps where it is, and has one thread a party;
attach_payers weighs three candidates side by side, and price_rows keeps a shop's law beside the purchase."""


@cache
def built(name, arch):
    return nvrtc.compile_kernel(KERNELS[name], arch, extra=nvrtc.STRICT)


@pytest.mark.parametrize("arch", ARCHS)
@pytest.mark.parametrize("name", sorted(KERNELS))
def test_every_kernel_for_every_architecture(name, arch):
    if arch not in nvrtc.supported_archs():
        pytest.skip(f"this NVRTC does not know sm_{arch}")
    made = built(name, arch)
    assert made.log == ""
    assert f".target sm_{arch}" in made.ptx
    assert ptx.faults(made.ptx) == []
    assert cubins.local_bytes(made.cubin) <= LOCAL_BUDGET
    assert cubins.registers(made.cubin) <= ROOMY.get(name, MOST_REGISTERS)


@pytest.mark.parametrize("name", sorted(KERNELS))
def test_every_kernel_on_the_host_without_a_warning(name, tmp_path):
    assert emulate.compile_host(KERNELS[name], tmp_path, extra=emulate.STRICT).stat().st_size > 0


def test_options_are_these():
    assert nvrtc.OPTIONS == (
        "--fmad=false",
        "--ftz=false",
        "--prec-div=true",
        "--prec-sqrt=true",
        "--std=c++17",
    )
    assert {"-ffp-contract=off", "-fno-fast-math", "-O2", "-std=c++17"} <= set(emulate.OPTIONS)


LOOSER = (
    *(
        "--use_fast_math",
        "-use_fast_math",
        "--fmad=true",
        "-fmad=true",
        "--fmad",
        "--ftz=true",
        "-ftz=true",
        "--prec-div=false",
    ),
    *("--prec-sqrt=false", "-prec-sqrt=false", "-Xptxas=--fmad=true"),
    *(
        "-ffast-math",
        "-Ofast",
        "-ffp-contract=fast",
        "-ffp-contract=on",
        "-funsafe-math-optimizations",
        "-fassociative-math",
    ),
    *(
        "-freciprocal-math",
        "-ffinite-math-only",
        "-fno-signed-zeros",
        "-mfma",
        "-march=native",
        "-mfpmath=387",
        "-ffp-model=fast",
    ),
    *("-fno-honor-nans", "-fdenormal-fp-math=positive-zero", "--FMAD=true"),
)


@pytest.mark.parametrize("option", LOOSER)
def test_options_about_floating_point_are_refused(option, tmp_path):
    kernel = KERNELS["exp_map"]
    for refused in (
        lambda: nvrtc.compile_kernel(kernel, 90, extra=(option,)),
        lambda: nvrtc.compile_ptx(kernel, 90, extra=(option,)),
        lambda: nvrtc.compile_cubin(kernel, 90, tmp_path, extra=(option,)),
        lambda: emulate.compile_host(kernel, tmp_path, extra=(option,)),
    ):
        with pytest.raises(nvrtc.ForbiddenOption, match="settled"):
            refused()
    assert list(tmp_path.iterdir()) == []


def kernel_of(body):
    loop = "for (u64 i = first_row(); i < LENGTH(y); i += row_stride()) {"
    return f'#include "kernel.cuh"\nKERNEL void exp_map(IN(f64, x), OUT(f64, y)) {{ {loop}\n{body}\n}}}}\n'


PLANTED = {
    "fused": ("y[i] = fma(x[i], x[i], 1.0);", "fma.rn.f64"),
    "single precision": ("y[i] = (f64)((float)x[i] * 3.0f);", "mul.rn.f32"),
    "libdevice": ("y[i] = exp(x[i]);", "fma.rn.f64"),
    "rounded down": ("y[i] = __dmul_rd(x[i], x[i]);", "mul.rm.f64"),
    "local array": (
        "f64 t[64]; for (int j = 0; j < 64; ++j) t[j] = x[i] * j; y[i] = t[(u64)x[i] & 63];",
        "__local_depot0",
    ),
    "shared": ("__shared__ f64 t[64]; t[threadIdx.x & 63] = x[i]; y[i] = t[0];", ".shared"),
}


@pytest.mark.parametrize("body, fault", PLANTED.values(), ids=PLANTED.keys())
def test_the_rules_about_ptx_find_what_is_planted(body, fault):
    assert fault in ptx.faults(nvrtc.compile_ptx(KERNELS["exp_map"], 90, text=kernel_of(body)))


def test_a_local_array_is_seen_in_the_binary():
    for arch in (75, 90, 120):
        assert (
            cubins.local_bytes(
                nvrtc.compile_kernel(
                    KERNELS["exp_map"], arch, text=kernel_of(PLANTED["local array"][0])
                ).cubin
            )
            == 512
        )


def test_without_our_options_products_and_sums_would_be_fused():
    unit = nvrtc.translation_unit(KERNELS["exp_map"], kernel_of("y[i] = x[i] * x[i] + 1.0;"))
    loose = nvrtc._nvrtc().compile("loose.cu", unit, ("--gpu-architecture=sm_90", "--std=c++17"))
    assert "fma.rn.f64" in ptx.faults(loose.ptx)
    ours = nvrtc.compile_ptx(KERNELS["exp_map"], 90, text=kernel_of("y[i] = x[i] * x[i] + 1.0;"))
    assert {"mul.rn.f64", "add.rn.f64"} <= set(ptx.instructions(ours))
    assert ptx.faults(ours) == []


@pytest.mark.parametrize("binding", sorted(nvrtc.BINDINGS))
def test_both_bindings_reach_the_same_compiler(binding, tmp_path):
    if binding == "cupy" and importlib.util.find_spec("cupy") is None:
        pytest.skip("CuPy is not installed")
    library = nvrtc.BINDINGS[binding]()
    assert library.version() == nvrtc.nvrtc_version()
    assert tuple(sorted(library.archs())) == nvrtc.supported_archs()
    options = (*nvrtc.OPTIONS, "--gpu-architecture=sm_90")
    found = library.compile("exp_map.cu", nvrtc.translation_unit(KERNELS["exp_map"]), options)
    assert (found.ptx, found.log) == (built("exp_map", 90).ptx, "")
    assert cubins.local_bytes(found.cubin) == 0
    with pytest.raises(nvrtc.KernelCompileError, match=r"exp_map\.cu\(3\): error") as refused:
        library.compile(
            "exp_map.cu", nvrtc.translation_unit(KERNELS["exp_map"], kernel_of("y[i] = z;")), options
        )
    assert 'identifier "z" is undefined' in refused.value.log


def test_no_compiler_is_a_clear_error(monkeypatch):
    monkeypatch.setattr(nvrtc, "BINDINGS", {})
    nvrtc._nvrtc.cache_clear()
    try:
        with pytest.raises(nvrtc.CompilerMissing, match="pip install cuda-bindings nvidia-cuda-nvrtc"):
            nvrtc.nvrtc_version()
    finally:
        nvrtc._nvrtc.cache_clear()


@pytest.mark.parametrize("capability, arch", [("90", 90), ("75", 75), ("87", 86), ("89", 86), ("121", 120)])
def test_a_device_gets_a_binary_it_runs(capability, arch):
    assert nvrtc.binary_arch(capability, (75, 80, 86, 90, 100, 120)) == arch


@pytest.mark.parametrize("capability", ["70", "101", "130"])
def test_a_device_the_compiler_does_not_know_is_a_clear_error(capability):
    with pytest.raises(nvrtc.CompilerMissing, match=f"the device has {capability}"):
        nvrtc.binary_arch(capability, (75, 80, 86, 90, 103, 120))


def test_binaries_are_kept_and_found_again(tmp_path):
    folder = tmp_path / "cache"
    first = nvrtc.compile_cubin(KERNELS["exp_map"], 90, folder)
    stamp = first.stat().st_mtime_ns, first.stat().st_ino
    again = nvrtc.compile_cubin(KERNELS["exp_map"], 90, folder)
    assert (again, (again.stat().st_mtime_ns, again.stat().st_ino)) == (first, stamp)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    nvrtc.compile_cubin(KERNELS["exp_map"], 80, folder)
    assert len(list(folder.iterdir())) == 2


def test_threads_build_a_file_once(tmp_path):
    built_in = []

    def build(path):
        built_in.append(path)
        path.write_bytes(b"x")

    with ThreadPoolExecutor(8) as pool:
        found = set(pool.map(lambda _: compiled(tmp_path, "kernel-0", build), range(64)))
    assert (found, len(built_in)) == ({tmp_path / "kernel-0"}, 1)


def test_a_failed_build_leaves_nothing(tmp_path):
    with pytest.raises(nvrtc.KernelCompileError):
        nvrtc.compile_cubin(KERNELS["exp_map"], 90, tmp_path, text="nonsense")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("mode", [0o770, 0o707, 0o722])
def test_a_cache_others_can_write_to_is_refused(mode, tmp_path):
    folder = tmp_path / "cache"
    folder.mkdir()
    folder.chmod(mode)
    with pytest.raises(NotPrivate, match="chmod 700"):
        nvrtc.compile_cubin(KERNELS["exp_map"], 90, folder)
    (tmp_path / "link").symlink_to(tmp_path)
    with pytest.raises(NotPrivate):
        nvrtc.compile_cubin(KERNELS["exp_map"], 90, tmp_path / "link")
