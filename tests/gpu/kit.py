"""What to take along to a GPU node without a registry: wheels it lacks,
and every kernel compiled for its architecture.

    make gpu-node-kit

Wheels go to .whl/, cubins to .numba_cache/cubins/; both are ignored by git. Pinned by hash in node-wheels.txt
and node-nvrtc.txt.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).resolve().parent
WHEELS = ROOT / ".whl"
ARCH = 90  # H100, H200
MOST_BYTES = 64 << 20
PLATFORMS = (
    "manylinux_2_28_x86_64",
    "manylinux_2_17_x86_64",
    "manylinux2014_x86_64",
    "manylinux_2_12_x86_64",
    "manylinux2010_x86_64",
)


def download(requirements: Path, target: Path) -> list[Path]:
    """The wheels of a list of pinned hashes, for the node's Python."""
    platforms = [word for name in PLATFORMS for word in ("--platform", name)]
    node = ["--only-binary=:all:", "--python-version", "3.12", "--implementation", "cp", *platforms]
    pip = [
        sys.executable,
        "-m",
        "pip",
        "download",
        "--quiet",
        "--disable-pip-version-check",
        "--no-deps",
        "--require-hashes",
    ]
    subprocess.run([*pip, *node, "--dest", str(target), "--requirement", str(requirements)], check=True)
    return sorted(target.glob("*.whl"))


def compile_with(library: Path) -> None:
    """Compile every kernel with this NVRTC, in a process that knows no other."""
    sys.path.insert(0, str(ROOT))
    from gpu_kernels.compile import compile_cubins, nvrtc_version
    from sim.backends.cache import private_cache_dir
    from sim.backends.kernel_contracts import load_kernel_contracts

    ctypes.CDLL(str(library), mode=ctypes.RTLD_GLOBAL)  # found loaded, it is not looked for
    made = compile_cubins(load_kernel_contracts().values(), ARCH, private_cache_dir("cubins"))
    size = sum(path.stat().st_size for path in made)
    print(
        f"{len(made)} cubins for sm_{ARCH} by NVRTC {'.'.join(map(str, nvrtc_version()))}: {size / 1e6:.1f} "
        f"MB in {made[0].parent}"
    )


def main(words: list[str]) -> int:
    """Make the kit; say how to take it along."""
    if words:
        compile_with(Path(words[0]))
        return 0
    shutil.rmtree(WHEELS, ignore_errors=True)
    wheels = download(HERE / "node-wheels.txt", WHEELS)
    print(f"{len(wheels)} wheels: {sum(path.stat().st_size for path in wheels) / 1e6:.1f} MB in {WHEELS}")
    with tempfile.TemporaryDirectory() as scratch:
        (wheel,) = download(HERE / "node-nvrtc.txt", Path(scratch))
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(scratch)
        (library,) = Path(scratch).rglob("libnvrtc.so.13")
        # What the library opens by itself lies beside it, which it does not know.
        environment = {**os.environ, "LD_LIBRARY_PATH": str(library.parent)}
        subprocess.run([sys.executable, __file__, str(library)], cwd=ROOT, env=environment, check=True)
    taken = [
        path
        for folder in (WHEELS, ROOT / ".numba_cache/cubins")
        for path in folder.rglob("*")
        if path.is_file()
    ]
    size = sum(path.stat().st_size for path in taken)
    print(
        f"take along {size / 1e6:.1f} MB: .whl .numba_cache/cubins; there: python3 tests/gpu/node.py "
        "--budget 400 --out OUT"
    )
    return 0 if size < MOST_BYTES else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
