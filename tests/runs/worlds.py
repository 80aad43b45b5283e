"""Worlds that tests build whole: small enough for a suite, with everything the engine does in them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.work import PATIENCE_S

ROOT = Path(__file__).resolve().parents[2]

TINY = {
    "merchant_universe_1A.merchants": 120,
    "scenario_horizon_5A.start": "2026-03-27",
    "scenario_horizon_5A.end": "2026-03-31",
}
"""Four days around the European clock change of 29 March 2026."""

WORLDS: dict[str, dict[str, Any]] = {
    "tiny": {"set": TINY, "scenarios": ["baseline_v1"]},
    "tiny-stress-900": {
        "set": {**TINY, "scenario_horizon_5A.bucket_seconds": 900},
        "scenarios": ["baseline_v1", "stress_peak_online_v1"],
        "seed": "18446744073709551615",
    },
    "tiny-1800": {
        "set": {**TINY, "scenario_horizon_5A.bucket_seconds": 1800},
        "scenarios": ["stress_peak_online_v1"],
        "seed": "7",
    },
    "demo": {"set": {}, "scenarios": []},
    "small": {"preset": "small", "set": {}, "scenarios": []},
}


def arguments(world: str, out: Path) -> list[str]:
    """Command-line arguments of `closedworld run` for a named world."""
    spec = WORLDS[world]
    args = [
        "run",
        "--preset",
        spec.get("preset", "demo"),
        "--seed",
        spec.get("seed", "42"),
        "--out",
        str(out),
        "--json",
    ]
    for key, value in spec["set"].items():
        args += ["--set", f"{key}={value}"]
    for scenario in spec["scenarios"]:
        args += ["--scenario", scenario]
    return args


def closedworld(
    *args: str,
    cwd: Path = ROOT,
    env: dict[str, str] | None = None,
    check: bool = True,
    stdin: Path | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run the real command in a fresh process, with a file as its standard input or none."""
    full = {**os.environ, "PYTHONPATH": str(ROOT), "NO_COLOR": "1", **(env or {})}
    command, given = [sys.executable, "-m", "sim", *args], stdin.read_text() if stdin else ""
    done = subprocess.run(
        command,
        cwd=cwd,
        env=full,
        input=given,
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE_S,
    )
    assert not check or done.returncode == 0, f"{args}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    if "--json" in args and done.stdout:
        from tests.conftest import follows_its_schema

        follows_its_schema(done.stdout)
    return done


def build(world: str, out: Path, *extra: str, cwd: Path = ROOT, env: dict[str, str] | None = None) -> Path:
    """Build a named world in a fresh process; returns its run directory."""
    done = closedworld(*arguments(world, out), *extra, cwd=cwd, env=env)
    return Path(json.loads(done.stdout)["run_dir"])


def content_digests(run_dir: Path) -> dict[str, str]:
    """`dataset[/scenario]` -> content digest, from the bundle indexes."""
    found = {}
    for index in sorted((run_dir / "gates").glob("*/index.json")):
        for item in json.loads(index.read_text())["datasets"]:
            name = item["dataset"] + (f"/{item['scenario']}" if item["scenario"] else "")
            found[name] = item["content_blake3"]
    return found


def published(run_dir: Path) -> dict[str, bytes]:
    """Every published file, byte for byte."""
    files = [
        path for part in ("data", "gates") for path in sorted((run_dir / part).rglob("*")) if path.is_file()
    ]
    return {str(path.relative_to(run_dir)): path.read_bytes() for path in files}
