"""Running CUDA text without a GPU: a C++ compiler, a shim for CUDA's built-ins, a launcher that shuffles.

The kernel's text is compiled unchanged. A launch calls the kernel once for every simulated thread, one after
the other, blocks and threads in shuffled order and in odd numbers, so that a result that depended on any of
that would not stay hidden.
"""

from __future__ import annotations

import ctypes
import os
import platform
import random
import shlex
import subprocess
import threading
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from gpu_kernels.cache import compiled
from gpu_kernels.compile import CompilerMissing, KernelCompileError, guarded
from gpu_kernels.launch import flat_arguments
from gpu_kernels.sources import C_TYPES, KernelText, digest, digest_of_headers, host_headers, translation_unit

# The arithmetic law, as for NVRTC: contraction would fuse a * b + c where the machine can (arm64 by default).
# errno is nobody's business.
OPTIONS = (
    "-std=c++17",
    "-O2",
    "-ffp-contract=off",
    "-fno-fast-math",
    "-fno-math-errno",
    "-fPIC",
    "-shared",
    "-Wall",
    "-Wextra",
)
# For tests, see compile.STRICT.
STRICT = ("-Werror", "-Wconversion", "-Wshadow")
# For a process started with the sanitizers' runtime preloaded (`sanitizer_runtime`): reads and writes out of
# bounds, undefined arithmetic.
SANITIZE = ("-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-fno-omit-frame-pointer", "-g")

BLOCK_SIZES = (1, 2, 33, 97, 127, 255)
MOST_BLOCKS = 1 << 16
SMALL = 4096


@dataclass(frozen=True)
class Geometry:
    """How a launch is cut: blocks of `block` threads, both taken in an order shuffled by `seed`."""

    blocks: int
    block: int
    seed: int = 0

    def order(self) -> tuple[np.ndarray, np.ndarray]:
        """Block indices and thread indices (uint32) in the order they run."""
        shuffle = np.random.Generator(np.random.PCG64(self.seed))
        blocks = shuffle.permutation(self.blocks).astype(np.uint32)
        # Threads go round their block from somewhere, forwards or backwards: neighbours stay neighbours,
        # which memory likes.
        threads = np.roll(np.arange(self.block, dtype=np.uint32), shuffle.integers(self.block))
        return blocks, threads[::-1].copy() if shuffle.integers(2) else threads


def chosen_geometry(rows: int, seed: str) -> Geometry:
    """An odd geometry for so many rows: fewer threads than rows, as many, or more.

    The same for the same seed.
    """
    choice = random.Random(seed)
    small = rows <= SMALL
    # A thread a row, several rows a thread (the loop strides), blocks with nothing to do; a single thread
    # only where that is quick.
    wanted = max(1, choice.choice((rows, rows // 3, rows + 200, *((rows // 7, 1) if small else ()))))
    fitting = BLOCK_SIZES if small else tuple(size for size in BLOCK_SIZES if size > 2)
    block = choice.choice(fitting)
    return Geometry(min(MOST_BLOCKS, -(-wanted // block)), block, choice.getrandbits(32))


@cache
def _compiler(command: str) -> tuple[tuple[str, ...], str]:
    """Command line and identity of a host compiler."""
    words = tuple(shlex.split(command))
    try:
        said = subprocess.run([*words, "--version"], capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError, IndexError) as error:
        raise CompilerMissing(
            f"the emulated backend compiles CUDA text with a host C++17 compiler, and {command!r} cannot be "
            f"run ({error}); "
            "install g++ or clang++ (Debian: apt-get install g++), or name one in the environment variable "
            "CXX"
        ) from None
    return words, f"{command}\n{said}\n{platform.machine()}"


def host_compiler() -> tuple[tuple[str, ...], str]:
    """Command line and identity of the host compiler: CXX, else g++, else clang++.

    Raises:
        CompilerMissing: There is none; says what to install.
    """
    named = os.environ.get("CXX")
    if named:
        return _compiler(named)
    try:
        return _compiler("g++")
    except CompilerMissing:
        return _compiler("clang++")


def sanitizer_runtime() -> str:
    """What LD_PRELOAD must hold before a process loads kernels compiled with `SANITIZE`."""
    words, _ = host_compiler()
    return subprocess.run(
        [*words, "-print-file-name=libasan.so"], capture_output=True, text=True, check=True
    ).stdout.strip()


def launcher(kernel: KernelText) -> str:
    """C++ text of the function that runs every simulated thread.

    `word` holds the flat arguments, 64 bits each.
    """
    arguments = []
    for arg in kernel.args:
        c_type, at = C_TYPES[arg.dtype], len(arguments)
        if arg.kind != "scalar":
            arguments += [
                f"reinterpret_cast<{'' if arg.out else 'const '}{c_type} *>(word[{at}])",
                f"word[{at + 1}]",
            ]
        elif c_type == "f64":
            arguments.append(f"bits_float(word[{at}])")
        else:
            arguments.append(f"static_cast<{c_type}>(word[{at}])")
    if kernel.errors:
        arguments.append(f"reinterpret_cast<unsigned long long *>(word[{len(arguments)}])")
    called = ",\n                ".join(arguments)
    return f"""
#line 1 "emulated launch"
extern "C" void emulated_launch(const u64 *word, const u32 *blocks, u32 block_count,
                                const u32 *threads, u32 thread_count) {{
    gridDim.x = block_count;
    blockDim.x = thread_count;
    for (u32 b = 0; b < block_count; ++b) {{
        blockIdx.x = blocks[b];
        for (u32 t = 0; t < thread_count; ++t) {{
            threadIdx.x = threads[t];
            {kernel.name}(
                {called});
        }}
    }}
}}
"""


def object_name(kernel: KernelText, *, extra: Iterable[str] = (), text: str | None = None) -> str:
    """File name of a shared object: digests kernel, preamble, headers, shim, options and compiler."""
    _, identity = host_compiler()
    unit = translation_unit(kernel, text) + launcher(kernel)
    made_of = digest(unit, digest_of_headers(host_headers()), " ".join(guarded(OPTIONS, extra)), identity)
    return f"{kernel.name}-{made_of[:32]}.so"


def compile_host(
    kernel: KernelText, folder: Path, *, extra: Iterable[str] = (), text: str | None = None
) -> Path:
    """Path of the kernel's shared object, from the cache or compiled into it.

    Args:
        kernel: The contract.
        folder: Private cache directory.
        extra: Further options (`STRICT`, `SANITIZE`), none that touches arithmetic.
        text: Kernel text instead of the file's.

    Raises:
        CompilerMissing: No host compiler.
        KernelCompileError: With the compiler's messages.
        ForbiddenOption: See `compile.guarded`.
    """
    words, _ = host_compiler()
    options = guarded(OPTIONS, extra)

    def build(path: Path) -> None:
        include = path.parent / "include"
        include.mkdir()
        for name, header in host_headers().items():
            (include / name).write_text(header, encoding="utf-8")
        command = [*words, *options, "-Iinclude", "-x", "c++", "-", "-o", path.name]
        unit = translation_unit(kernel, text) + launcher(kernel)
        done = subprocess.run(
            command, input=unit, capture_output=True, text=True, cwd=path.parent, check=False
        )
        if done.returncode != 0:
            raise KernelCompileError(kernel.name, " ".join(words), done.stderr.strip())

    return compiled(folder, object_name(kernel, extra=extra, text=text), build)


class Emulator:
    """Launches kernels on the host.

    One object serves any number of threads; a running kernel holds no Python lock.
    """

    def __init__(
        self,
        folder: Path,
        *,
        seed: int = 0,
        geometry: Geometry | None = None,
        extra: Sequence[str] = (),
        texts: Mapping[str, str] | None = None,
    ) -> None:
        """Set up; nothing is compiled before it is launched.

        Args:
            folder: Private cache directory of shared objects.
            seed: Chooses the geometries: every launch of a kernel gets another one.
            geometry: The geometry of all launches instead (tests).
            extra: Further compiler options, none that touches arithmetic.
            texts: Kernel texts by name instead of the files' (tests plant changes with it).
        """
        self._folder = folder
        self._seed = seed
        self._geometry = geometry
        self._extra = tuple(extra)
        self._texts = dict(texts or {})
        self._functions: dict[str, Any] = {}
        self._turns: Counter[str] = Counter()
        self._lock = threading.Lock()

    def _function(self, kernel: KernelText) -> Any:
        # Two threads may both come here: the file is built once, and loading it twice gives the same
        # function.
        if kernel.name not in self._functions:
            path = compile_host(kernel, self._folder, extra=self._extra, text=self._texts.get(kernel.name))
            function = ctypes.CDLL(str(path)).emulated_launch
            function.argtypes = [
                ctypes.c_void_p,
                ctypes.c_void_p,
                ctypes.c_uint32,
                ctypes.c_void_p,
                ctypes.c_uint32,
            ]
            function.restype = None
            self._functions[kernel.name] = function
        return self._functions[kernel.name]

    def launch(
        self, kernel: KernelText, arguments: Sequence[Any], rows: int, geometry: Geometry | None = None
    ) -> None:
        """Run a kernel over numpy arrays; returns when it has run.

        Args:
            kernel: The contract.
            arguments: See `launch.flat_arguments`.
            rows: How many rows there are to share out among threads.
            geometry: For this launch alone.
        """
        flat = flat_arguments(kernel, arguments)
        function = self._function(kernel)
        with self._lock:
            self._turns[kernel.name] += 1
            turn = self._turns[kernel.name]
        cut = geometry or self._geometry or chosen_geometry(rows, f"{self._seed} {kernel.name} {turn}")
        blocks, threads = cut.order()
        words = np.array([_word(value) for value in flat], np.uint64)
        # `flat` keeps the arrays alive: ctypes sees only addresses.
        function(words.ctypes.data, blocks.ctypes.data, len(blocks), threads.ctypes.data, len(threads))


def _word(value: Any) -> int:
    """A flat argument as 64 bits: an address, an integer modulo 2**64, or the bits of a double."""
    if isinstance(value, np.ndarray):
        return value.ctypes.data
    if value.dtype.kind == "f":
        return int(value.view(np.uint64))
    return int(value) & 0xFFFFFFFFFFFFFFFF
