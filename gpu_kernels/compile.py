"""The single place that calls NVRTC: kernel text -> PTX or cubin, with fixed options.

Binaries, never PTX, are loaded: a driver runs those of every minor version of its CUDA (580 is CUDA 13.0, and
NVRTC 13.5 may have made them), while PTX of a newer NVRTC would be refused.

NVRTC is reached through `cuda.bindings` where that is installed, else through CuPy's own binding: a GPU
machine needs no more than CuPy.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Protocol

from gpu_kernels.cache import compiled
from gpu_kernels.sources import KernelText, digest, digest_of_headers, headers, translation_unit

# The arithmetic law: every product and sum is rounded by itself, subnormals are kept, division and root are
# correctly rounded.
OPTIONS = ("--fmad=false", "--ftz=false", "--prec-div=true", "--prec-sqrt=true", "--std=c++17")
# For tests: a warning in a kernel is a fault. Not above, so that a later NVRTC with a new warning still runs
# what was released.
STRICT = ("--warning-as-error=all-warnings",)
# Parts of option names, of NVRTC and of host compilers, that change the bits of a double.
FORBIDDEN = (
    *(
        "fast-math",
        "ofast",
        "fmad",
        "ftz",
        "prec-div",
        "prec-sqrt",
        "fp-contract",
        "fp-model",
        "mfma",
        "mfpmath",
        "march",
        "denormal",
    ),
    *(
        "unsafe-math",
        "associative-math",
        "reciprocal-math",
        "finite-math",
        "signed-zeros",
        "honor-nans",
        "precise-",
    ),
)


class ForbiddenOption(ValueError):
    """A compiler option that could change a bit of a result."""


class CompilerMissing(RuntimeError):
    """No NVRTC on this machine."""


class KernelCompileError(RuntimeError):
    """A kernel that does not compile.

    Attributes:
        log: What the compiler said.
    """

    def __init__(self, name: str, compiler: str, log: str) -> None:
        self.log = log
        super().__init__(f"kernel {name} does not compile with {compiler}:\n{log}")


def guarded(fixed: tuple[str, ...], extra: Iterable[str] = ()) -> tuple[str, ...]:
    """The fixed options and harmless extra ones.

    Raises:
        ForbiddenOption: An extra option touches floating-point arithmetic, to loosen it or not: that is
            settled.
    """
    extra = tuple(extra)
    for option in extra:
        spelled = option.lower().replace("_", "-")
        if any(word in spelled for word in FORBIDDEN):
            raise ForbiddenOption(
                f"{option!r}: results are the same bits everywhere, so floating point is settled: "
                f"{' '.join(fixed)}"
            )
    return (*fixed, *extra)


@dataclass(frozen=True)
class Program:
    """A compiled kernel: its PTX, the binary made from that, and what the compiler had to say."""

    ptx: str
    cubin: bytes
    log: str


class _Nvrtc(Protocol):
    """The few calls needed of a binding."""

    def version(self) -> tuple[int, int]: ...
    def archs(self) -> tuple[int, ...]: ...
    def compile(self, name: str, unit: str, options: Sequence[str]) -> Program: ...


def _said(text: bytes) -> str:
    return text.decode(errors="replace").strip("\0 \n")


class _CudaBindings:
    """NVRTC through NVIDIA's `cuda-bindings`."""

    def __init__(self) -> None:
        from cuda.bindings import nvrtc

        self._nvrtc = nvrtc

    def _ok(self, result: tuple[Any, ...]) -> Any:
        code, *values = result
        if int(code) != 0:
            raise RuntimeError(str(self._nvrtc.nvrtcGetErrorString(code)[1], "ascii"))
        return values[0] if len(values) == 1 else tuple(values)

    def version(self) -> tuple[int, int]:
        return self._ok(self._nvrtc.nvrtcVersion())

    def archs(self) -> tuple[int, ...]:
        return tuple(self._ok(self._nvrtc.nvrtcGetSupportedArchs()))

    def _text(self, size: Any, fill: Any, program: Any) -> bytes:
        buffer = bytes(self._ok(size(program)))
        self._ok(fill(program, buffer))
        return buffer

    def compile(self, name: str, unit: str, options: Sequence[str]) -> Program:
        lib = self._nvrtc
        texts = [text.encode() for text in headers().values()]
        names = [header.encode() for header in headers()]
        program = self._ok(lib.nvrtcCreateProgram(unit.encode(), name.encode(), len(texts), texts, names))
        try:
            (code,) = lib.nvrtcCompileProgram(program, len(options), [option.encode() for option in options])
            log = _said(self._text(lib.nvrtcGetProgramLogSize, lib.nvrtcGetProgramLog, program))
            if int(code) != 0:
                raise KernelCompileError(name, "NVRTC", log or str(code))
            ptx = self._text(lib.nvrtcGetPTXSize, lib.nvrtcGetPTX, program)
            return Program(_said(ptx), self._text(lib.nvrtcGetCUBINSize, lib.nvrtcGetCUBIN, program), log)
        finally:
            lib.nvrtcDestroyProgram(program)


class _CupyBinding:
    """NVRTC through the binding CuPy brings along."""

    def __init__(self) -> None:
        import cupy  # noqa: F401  (finds the CUDA libraries)
        from cupy_backends.cuda.libs import nvrtc

        self._nvrtc = nvrtc

    def version(self) -> tuple[int, int]:
        major, minor = self._nvrtc.getVersion()
        return int(major), int(minor)

    def archs(self) -> tuple[int, ...]:
        return tuple(int(arch) for arch in self._nvrtc.getSupportedArchs())

    def compile(self, name: str, unit: str, options: Sequence[str]) -> Program:
        lib = self._nvrtc
        # CuPy keeps only pointers to these: they must outlive the program.
        texts = [text.encode() for text in headers().values()]
        names = [header.encode() for header in headers()]
        program = lib.createProgram(unit, name, texts, names)
        try:
            try:
                lib.compileProgram(program, tuple(options))
            except lib.NVRTCError as error:
                raise KernelCompileError(
                    name, "NVRTC", _said(lib.getProgramLog(program).encode()) or str(error)
                ) from None
            return Program(
                _said(lib.getPTX(program)), lib.getCUBIN(program), _said(lib.getProgramLog(program).encode())
            )
        finally:
            lib.destroyProgram(program)


BINDINGS = {"cuda.bindings": _CudaBindings, "cupy": _CupyBinding}


@cache
def _nvrtc() -> _Nvrtc:
    """The first binding that finds a library."""
    reasons = []
    for name, make in BINDINGS.items():
        try:
            binding = make()
            binding.version()
        except Exception as error:  # each binding has its own classes for "no such library"
            reasons.append(f"{name}: {type(error).__name__}: {error}".splitlines()[0])
        else:
            return binding
    raise CompilerMissing(
        "no NVRTC found; pip install cuda-bindings nvidia-cuda-nvrtc, or CuPy (" + "; ".join(reasons) + ")"
    )


def nvrtc_version() -> tuple[int, int]:
    """Major and minor version of the NVRTC in use."""
    return _nvrtc().version()


def supported_archs() -> tuple[int, ...]:
    """Compute capabilities this NVRTC compiles for, as 10 * major + minor, ascending."""
    return tuple(sorted(_nvrtc().archs()))


def binary_arch(capability: str, supported: Sequence[int]) -> int:
    """The architecture to compile for: the device's own, or an older one of the same major version.

    Args:
        capability: CuPy's compute capability, such as "90".
        supported: See `supported_archs`.

    Raises:
        CompilerMissing: This NVRTC knows none that the device would run.
    """
    wanted = int(capability)
    fitting = [arch for arch in supported if arch <= wanted and arch // 10 == wanted // 10]
    if not fitting:
        known = ", ".join(str(arch) for arch in supported)
        raise CompilerMissing(
            f"this NVRTC compiles for compute capabilities {known}; the device has {capability}: install a "
            "matching NVRTC"
        )
    return max(fitting)


def compile_kernel(
    kernel: KernelText, arch: int, *, extra: Iterable[str] = (), text: str | None = None
) -> Program:
    """Compile a kernel for `sm_<arch>`; nothing is kept.

    Args:
        kernel: The contract.
        arch: Architecture, such as 90.
        extra: Further options (`STRICT`), none that touches arithmetic.
        text: Kernel text instead of the file's.

    Raises:
        KernelCompileError: With NVRTC's log.
        ForbiddenOption: See `guarded`.
    """
    return _nvrtc().compile(f"{kernel.name}.cu", translation_unit(kernel, text), _options(arch, extra))


def compile_ptx(kernel: KernelText, arch: int, *, extra: Iterable[str] = (), text: str | None = None) -> str:
    """PTX of a kernel for `sm_<arch>`, see `compile_kernel`."""
    return compile_kernel(kernel, arch, extra=extra, text=text).ptx


def cubin_name(kernel: KernelText, arch: int, *, extra: Iterable[str] = (), text: str | None = None) -> str:
    """File name of a cubin, with a digest of kernel, preamble, headers, options and NVRTC version."""
    version = ".".join(map(str, nvrtc_version()))
    made_of = digest(
        translation_unit(kernel, text), digest_of_headers(headers()), " ".join(_options(arch, extra)), version
    )
    return f"{kernel.name}-sm{arch}-{made_of[:32]}.cubin"


def compile_cubin(
    kernel: KernelText, arch: int, folder: Path, *, extra: Iterable[str] = (), text: str | None = None
) -> Path:
    """Path of a kernel's binary for `sm_<arch>` in the private cache `folder`, compiled if it is missing.

    See `compile_kernel`.
    """

    def build(path: Path) -> None:
        path.write_bytes(compile_kernel(kernel, arch, extra=extra, text=text).cubin)

    return compiled(folder, cubin_name(kernel, arch, extra=extra, text=text), build)


def compile_cubins(kernels: Iterable[KernelText], arch: int, folder: Path) -> list[Path]:
    """Paths of kernels' binaries for `sm_<arch>`, in order.

    Those that are not there are compiled side by side. See `compile_cubin`.
    """
    nvrtc_version()  # finds the library once, before threads look for it
    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        return list(pool.map(lambda kernel: compile_cubin(kernel, arch, folder), kernels))


def _options(arch: int, extra: Iterable[str]) -> tuple[str, ...]:
    return (*guarded(OPTIONS, extra), f"--gpu-architecture=sm_{arch}")
