"""Which kernels this machine has compiled for the CPU, and compiling the others before they are needed.

numba compiles under one lock, so threads gain nothing: each of a few processes
(`python -m sim.backends.compiled FOLDER`) takes one stem after the other from its standard input, compiles it
into the shared cache directory and says so. Whatever a process leaves undone is compiled here. A mark a
kernel remembers what was compiled, by everything numba's own cache looks at; a wrong mark costs time, no
more.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np

from sim.backends.binder import BoundKernel, Kernels
from sim.backends.cache import kernel_sources_digest, private_cache_dir
from sim.backends.kernel_contracts import load_kernel_contracts

SORT = "sort_segments"
"""What is compiled beside kernels: the segmented sort of the host."""
_ROOT = Path(__file__).resolve().parents[2]
_AT_LEAST = 2  # kernels a process, or starting it costs more than it saves


def host_kernels() -> Kernels:
    """Kernels of the CPU, compiled when they are first called."""
    from cpu_fallback.kernels import load

    return Kernels(load_kernel_contracts(), lambda contract: BoundKernel(contract, load(contract)))


class CompiledKernels:
    """What of the CPU's kernels is compiled already.

    Args:
        folder: Where compiled kernels are kept, ours alone.
        kernels: The kernels of this process.
    """

    def __init__(self, folder: Path, kernels: Kernels) -> None:
        self._folder, self._kernels = folder, kernels

    def missing(self, stems: Iterable[str]) -> list[str]:
        """Those of these kernels, and the segmented sort, that were not compiled here yet."""
        return [stem for stem in sorted({*stems, SORT}) if not self._mark(stem).is_file()]

    def compile(self, stems: list[str], processes: int, told: Callable[[int], None]) -> None:
        """Compile kernels.

        Args:
            stems: Which.
            processes: At most so many at once.
            told: Called with the number that are done, in the calling thread.
        """
        done: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        todo: queue.SimpleQueue[str] = queue.SimpleQueue()
        for stem in stems:
            todo.put(stem)
        helpers = [
            helper
            for _ in range(min(processes, len(stems) // _AT_LEAST))
            if (helper := self._helper()) is not None
        ]
        feeders = [
            threading.Thread(target=_feed, args=(helper, todo, done), daemon=True) for helper in helpers
        ]
        left = set(stems)
        try:
            for feeder in feeders:
                try:
                    feeder.start()
                except RuntimeError:  # no thread to be had
                    done.put(None)
            working = len(helpers)
            while working:
                made = done.get()
                if made is None:
                    working -= 1
                elif made in left:
                    left.remove(made)
                    self._note(made)
                    told(len(stems) - len(left))
        finally:
            for helper, feeder in zip(helpers, feeders, strict=True):
                helper.kill()
                helper.wait()
                if feeder.ident is not None:
                    feeder.join()
                for pipe in (helper.stdin, helper.stdout):
                    with contextlib.suppress(OSError):
                        pipe.close()  # type: ignore[union-attr]
        for stem in sorted(left):
            warm(self._kernels, stem)
            self._note(stem)
            left.remove(stem)
            told(len(stems) - len(left))

    def _helper(self) -> subprocess.Popen[str] | None:
        path = os.pathsep.join(
            [str(_ROOT), *([os.environ["PYTHONPATH"]] if os.environ.get("PYTHONPATH") else [])]
        )
        # -P: no module is taken from the current directory. A session of its own: the driver alone answers
        # Ctrl-C, and ends it.
        command = [sys.executable, "-P", "-m", "sim.backends.compiled", str(self._folder)]
        pipes: dict[str, Any] = {
            "stdin": subprocess.PIPE,
            "stdout": subprocess.PIPE,
            "stderr": subprocess.DEVNULL,
        }
        try:
            return subprocess.Popen(
                command, env={**os.environ, "PYTHONPATH": path}, text=True, start_new_session=True, **pipes
            )
        except OSError:  # no process to be had: it is compiled here
            return None

    def _note(self, stem: str) -> None:
        mark = self._mark(stem)
        with contextlib.suppress(OSError):  # compiled again next time
            mark.parent.mkdir(mode=0o700, exist_ok=True)
            mark.touch(mode=0o600)

    def _mark(self, stem: str) -> Path:
        return self._folder / "compiled" / f"{stem}-{_key(stem)}"


def kept_kernels() -> tuple[CompiledKernels, Kernels, str]:
    """The CPU's compiled kernels in this user's cache, the kernels that use them, and numba's version."""
    from cpu_fallback.runtime import keep_compiled_kernels_in

    codes = {stem: contract.codes for stem, contract in load_kernel_contracts().items()}
    folder = private_cache_dir(f"numba-{kernel_sources_digest(codes)}")
    version = keep_compiled_kernels_in(str(folder))
    kernels = host_kernels()
    return CompiledKernels(folder, kernels), kernels, version


def _feed(
    helper: subprocess.Popen[str], todo: queue.SimpleQueue[str], done: queue.SimpleQueue[str | None]
) -> None:
    """Give a process one stem after the other; ends when there is none, or when it has ended."""
    assert helper.stdin is not None and helper.stdout is not None
    with contextlib.suppress(OSError, ValueError, queue.Empty):
        while True:
            stem = todo.get_nowait()
            helper.stdin.write(f"{stem}\n")
            helper.stdin.flush()
            if helper.stdout.readline() != f"{stem}\n":
                break
            done.put(stem)
    with contextlib.suppress(OSError):
        helper.stdin.close()
    done.put(None)


def warm(kernels: Kernels, stem: str) -> None:
    """Compile a kernel, or the segmented sort, by running it over no rows."""
    if stem == SORT:
        from cpu_fallback import ops

        ops.sort_segments(np.empty(0, dtype=np.uint64), np.zeros(1, dtype=np.uint64))
        return
    kernel: BoundKernel = getattr(kernels, stem)
    kernel.warm()


def _key(stem: str) -> str:
    """Digest of what a compiled kernel depends on beside the sources, whose digest names the directory."""
    import llvmlite
    import numba
    from llvmlite import binding

    source = _ROOT / "cpu_fallback" / ("ops.py" if stem == SORT else f"kernels/{stem}.py")
    parts = [
        numba.__version__,
        llvmlite.__version__,
        str(sys.implementation.cache_tag),
        str(source.stat().st_mtime_ns),
    ]
    parts += [
        binding.get_host_cpu_name(),
        binding.get_host_cpu_features().flatten(),
        *map(os.environ.get, ("NUMBA_CPU_NAME", "NUMBA_OPT")),
    ]
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]


def serve(folder: str) -> None:
    """Compile the stems that come on standard input into a directory, and say each when it is done."""
    from cpu_fallback.runtime import keep_compiled_kernels_in

    keep_compiled_kernels_in(folder)
    kernels = host_kernels()
    for line in sys.stdin:
        warm(kernels, line.strip())
        sys.stdout.write(line)
        sys.stdout.flush()


def main() -> None:
    """Compile what is not compiled yet for this machine, as a fresh install does.

    With a directory as argument, this process is one of several that compile.
    """
    if len(sys.argv) > 1:
        serve(sys.argv[1])
        return
    compiled, kernels, _ = kept_kernels()
    compiled.compile(compiled.missing(kernels.names), len(os.sched_getaffinity(0)), lambda done: None)


if __name__ == "__main__":
    main()
