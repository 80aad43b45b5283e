"""The text both compilers get: the contract in it, what kernels may hold,
what compiled code is filed under.
"""

import re
import shutil
from dataclasses import replace

import pytest

from gpu_kernels import compile as nvrtc
from gpu_kernels import emulate, sources
from sim.backends.kernel_contracts import load_kernel_contracts

KERNELS = load_kernel_contracts()
HEADERS = sorted(path.name for path in sources.INCLUDE.iterdir())
# Names a kernel must not call: not the same bits everywhere, or not the same on any geometry. sqrt and floor
# are exact.
BANNED = (
    r"fmaf?|exp[mf12]*|logf?|log1p|log2|log10|pow|sin|cos|tan|erf\w*|norm|normcdf\w*|"
    r"rsqrt|fmin|fmax|fabsf|rint|round|trunc|fdividef|__f\w+|__d\w+_r\w"
    r"|__shared__|__syncthreads|__shfl\w*|printf|malloc|alloca|assert|float|long "
    r"double|volatile|asm|atomic(?!Min\b)\w+|std"
)


def without_comments(text):
    return re.sub(r"//[^\n]*|/\*.*?\*/", "", text, flags=re.DOTALL)


def test_every_contract_has_its_kernel():
    assert sources.kernel_names() == tuple(sorted(KERNELS))


@pytest.mark.parametrize("name", sorted(KERNELS))
def test_arguments_are_the_contract_s_in_name_and_order(name):
    written = sources.written(sources.kernel_source(name))
    assert written.count("KERNELvoid") == 1
    assert (
        sources.written(f"KERNEL void {name}({', '.join(sources.parameters(KERNELS[name]))}) {{") in written
    )
    assert sources.kernel_source(name).startswith(f"// contract: {name} - ")


@pytest.mark.parametrize(
    "path",
    [*sorted(sources.KERNELS.glob("*.cu")), *sorted(sources.INCLUDE.glob("*.cuh"))],
    ids=lambda path: path.name,
)
def test_kernel_text_is_plain(path):
    text = path.read_text()
    code = without_comments(text)
    if path.name != "kernel.cuh":
        includes = re.findall(r"#include (\S+)", code)
        assert set(includes) <= {f'"{name}"' for name in HEADERS} - {f'"{sources.HOST_HEADER}"'}
        assert includes == sorted(includes)
        assert "atomicMin" not in code, "only report() touches the error word"
    assert re.findall(rf"\b(?:{BANNED})\s*\(|\b(?:float|long double|volatile|asm|std)\b", code) == []
    # A literal with an f would be a float; a local array would live in local memory.
    assert re.findall(r"\b\d+\.\d*(?:e[-+]?\d+)?[fF]\b", code) == []
    assert re.findall(r"^\s+(?:const )?(?:[ui](?:8|16|32|64)|f64) \w+\[", code, re.MULTILINE) == []
    assert max(map(len, text.splitlines())) <= 140


def test_preamble_of_a_kernel():
    assert sources.preamble(KERNELS["utc_offset"]) == (
        '#include "kernel.cuh"\n'
        "[[maybe_unused]] constexpr u64 NO_OFFSET = 1;\n"
        "KERNEL void utc_offset(IN(i64, ts_us), IN(i16, zone), IN(u64, zone_offset), IN(i64, "
        "transition_us), IN(i16, transition_minutes), "
        "OUT(i16, minutes), ERROR);\n"
    )


def test_names_that_are_words_of_cpp_get_an_underscore():
    assert "IN(u8, virtual_)" in sources.parameters(KERNELS["label_arrivals"])
    assert sources.identifier("row") == "row"


# What a translator may get wrong in the argument list of utc_offset.
WRONG = {
    "narrower column": ("IN(i64, ts_us)", "IN(i32, ts_us)"),
    "unsigned column": ("IN(i16, zone)", "IN(u16, zone)"),
    "input written": ("IN(i16, transition_minutes)", "OUT(i16, transition_minutes)"),
    "output read": ("OUT(i16, minutes)", "IN(i16, minutes)"),
    "swapped": ("IN(i64, ts_us), IN(i16, zone)", "IN(i16, zone), IN(i64, ts_us)"),
    "left out": ("IN(i16, zone), ", ""),
    "no error word": (", ERROR)", ")"),
    "unknown error": ("NO_OFFSET", "NO_OFFSETS"),
}


@pytest.mark.parametrize("change", WRONG.values(), ids=WRONG.keys())
def test_a_kernel_that_breaks_its_contract_compiles_nowhere(change, tmp_path):
    old, new = change
    text = re.sub(r"\s*\n\s+(?=IN|OUT|ERROR)", " ", sources.kernel_source("utc_offset"))
    assert old in text
    changed = text.replace(old, new)
    with pytest.raises(nvrtc.KernelCompileError) as device:
        nvrtc.compile_kernel(KERNELS["utc_offset"], 90, text=changed)
    with pytest.raises(nvrtc.KernelCompileError) as host:
        emulate.compile_host(KERNELS["utc_offset"], tmp_path, text=changed)
    if new == "NO_OFFSETS":
        # Errors are at lines of the .cu file, not of what was put before it.
        line = changed[: changed.index("NO_OFFSETS")].count("\n") + 1
        assert f"utc_offset.cu({line})" in device.value.log
        assert f"utc_offset.cu:{line}:" in host.value.log


def names(monkeypatch, folder):
    monkeypatch.setattr(sources, "INCLUDE", folder)
    kernel = KERNELS["exp_map"]
    return nvrtc.cubin_name(kernel, 90), emulate.object_name(kernel)


@pytest.mark.parametrize("header", HEADERS)
def test_a_changed_header_changes_what_compiled_code_is_filed_under(header, tmp_path, monkeypatch):
    shutil.copytree(sources.INCLUDE, tmp_path / "same")
    shutil.copytree(sources.INCLUDE, tmp_path / "changed")
    with (tmp_path / "changed" / header).open("a") as file:
        file.write("// one more line\n")
    before = nvrtc.cubin_name(KERNELS["exp_map"], 90), emulate.object_name(KERNELS["exp_map"])
    assert names(monkeypatch, tmp_path / "same") == before
    cubin, shared = names(monkeypatch, tmp_path / "changed")
    assert shared != before[1]
    assert (cubin != before[0]) == (header != sources.HOST_HEADER)


def test_text_contract_and_options_change_what_compiled_code_is_filed_under(monkeypatch):
    kernel = KERNELS["exp_map"]
    renamed = replace(kernel, args=tuple(replace(arg, name=f"{arg.name}_") for arg in kernel.args))
    monkeypatch.setattr(emulate, "host_compiler", lambda: (("g++",), "one compiler"))
    found = {
        emulate.object_name(kernel),
        emulate.object_name(kernel, text="//"),
        emulate.object_name(kernel, extra=("-g",)),
        emulate.object_name(renamed),
    }
    monkeypatch.setattr(emulate, "host_compiler", lambda: (("g++",), "another compiler"))
    assert len(found | {emulate.object_name(kernel)}) == 5
    cubins = {
        nvrtc.cubin_name(kernel, 90),
        nvrtc.cubin_name(kernel, 80),
        nvrtc.cubin_name(kernel, 90, text="//"),
        nvrtc.cubin_name(renamed, 90),
    }
    assert len(cubins | {nvrtc.cubin_name(kernel, 90, extra=nvrtc.STRICT)}) == 5


def test_parts_of_a_digest_cannot_run_together():
    assert sources.digest("ab", "c") != sources.digest("a", "bc") != sources.digest("abc")
