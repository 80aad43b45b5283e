"""Rewrite the locks from pyproject.toml: each version pinned and each file hashed, for all systems.

They hold for Python 3.11 and newer.

requirements.lock is what building worlds needs, requirements-test.lock what tests and linters need besides
(CUDA's run-time compiler, dask, an S3 server, cosmic-ray ...), constraints.txt the same pins without hashes.
`uv` resolves for all systems at once; pip installs.

    python .ci/lock.py [--upgrade]
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
HEAD = (
    "# Made by `make lock`; installed by `make` with --require-hashes. Wheels of every system are listed, "
    "so any of them can use it.\n"
)


def resolved(*extras: str, upgrade: bool) -> dict[str, str]:
    """Package -> its entry in a lock of these extras; pins of constraints.txt are kept unless upgrading."""
    command = [
        "uv",
        "pip",
        "compile",
        "--quiet",
        "--universal",
        "--python-version",
        "3.11",
        "--generate-hashes",
    ]
    command += [
        "--no-annotate",
        "--no-header",
        "--no-emit-index-url",
        *(f"--extra={extra}" for extra in extras),
    ]
    command += [] if upgrade else ["--constraint", "constraints.txt"]
    done = subprocess.run([*command, "pyproject.toml"], cwd=ROOT, capture_output=True, text=True, check=True)
    entries = [entry for entry in re.split(r"\n(?=[A-Za-z0-9])", done.stdout.strip()) if "==" in entry]
    return {entry.split("==")[0]: entry for entry in entries}


def main() -> None:
    """Write all three files."""
    upgrade = "--upgrade" in sys.argv
    whole, base = (
        resolved("dev", "nvrtc", "mutation", upgrade=upgrade),
        resolved("build", "polars", upgrade=upgrade),
    )
    for name in base:
        base[name] = whole[name]
    rest = {name: entry for name, entry in whole.items() if name not in base}
    for file, entries in (("requirements.lock", base), ("requirements-test.lock", rest)):
        (ROOT / file).write_text(HEAD + "".join(f"{entries[name]}\n" for name in sorted(entries)))
    pins = sorted(
        re.match(r"[^ ;\\]+", entry)[0] for entry in whole.values() if "win32" not in entry.split("\\")[0]
    )  # type: ignore[index]
    (ROOT / "constraints.txt").write_text("".join(f"{pin}\n" for pin in pins))
    print(f"{len(base)} and {len(rest)} packages locked")


if __name__ == "__main__":
    main()
