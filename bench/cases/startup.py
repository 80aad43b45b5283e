"""What one waits for: the command line, an answer from a world,
and kernels compiled or taken from their cache.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

from bench.case import ROOT, Options, Row
from bench.process import python

COMPILE = """
import sys, time
started = time.perf_counter()
from sim.backends import get_backend
kernels = get_backend("cpu").kernels
imported = time.perf_counter()
for name in sys.argv[1:] or kernels.names:
    getattr(kernels, name).warm()
print(imported - started, time.perf_counter() - imported)
"""


def run(options: Options) -> list[Row]:
    """Wall seconds of fresh processes; and where the import time goes."""
    calls = max(options.runs, 5)
    bare = [python(["-c", "pass"]).wall for _ in range(calls)]
    helped = [python(["-m", "sim", "--help"]).wall for _ in range(calls)]
    imported = [_import_seconds("sim.cli.main") for _ in range(calls)]
    rows = [
        Row("python -c pass", {"wall": ("s", bare)}),
        Row("closedworld --help", {"wall": ("s", helped)}),
        Row("import sim.cli.main", {"cumulative": ("s", imported)}, {"by": "python -X importtime"}),
    ]
    rows.append(
        Row(
            "closedworld sql",
            {"wall": ("s", _asked(options, calls))},
            {"of": f"{options.presets[0]}, merchant_catalogue_1A"},
        )
    )
    copy = _copy(options.scratch / "checkout")
    options.say("start-up: compiling kernels into an empty cache")
    cold = [_compile(copy, options.names) for _ in range(1)]
    warm = [_compile(copy, options.names) for _ in range(options.runs)]
    rows.append(
        Row(
            "kernels, cold cache",
            {"load": ("s", [load for _, load in cold]), "import": ("s", [imp for imp, _ in cold])},
        )
    )
    rows.append(
        Row(
            "kernels, warm cache",
            {"load": ("s", [load for _, load in warm]), "import": ("s", [imp for imp, _ in warm])},
        )
    )
    return rows


def _asked(options: Options, calls: int) -> list[float]:
    """Wall seconds from start to answer of one question to a world."""
    options.say("start-up: building a world to ask")
    settings = [word for setting in options.settings for word in ("--set", setting)]
    out = options.scratch / "asked"
    python(
        [
            "-m",
            "sim",
            "run",
            "--preset",
            options.presets[0],
            "--out",
            str(out),
            "--until",
            options.until or "6A",
            *settings,
        ]
    )
    run = next(path for path in out.iterdir() if path.is_dir())
    question = "select channel, count(*) from merchant_catalogue_1A group by all order by all"
    walls = [python(["-m", "sim", "sql", str(run), question]).wall for _ in range(calls)]
    shutil.rmtree(out)
    return walls


def _import_seconds(module: str) -> float:
    command = [sys.executable, "-X", "importtime", "-c", f"import {module}"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    found = re.findall(rf"import time:\s+\d+ \|\s+(\d+) \| +{re.escape(module)}$", done.stderr, re.M)
    return int(found[-1]) / 1e6


def _copy(target: Path) -> Path:
    """A checkout with an empty kernel cache: compiled kernels lie beside the sources."""
    for name in ("sim", "cpu_fallback", "gpu_kernels", "contracts"):
        shutil.copytree(ROOT / name, target / name, ignore=shutil.ignore_patterns("__pycache__"))
    (target / "config").symlink_to(ROOT / "config")
    return target


def _compile(root: Path, names: tuple[str, ...]) -> tuple[float, float]:
    """Seconds to import the backend, and to load (or compile) kernels."""
    imported, loaded = python(["-c", COMPILE, *names], root).text.split()
    return float(imported), float(loaded)
