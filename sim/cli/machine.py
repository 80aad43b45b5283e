"""Is this machine fit to build worlds: versions, caches, backends, space, the reference snapshot."""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import re
import shutil
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from sim import __version__
from sim.backends import NAMES, BackendUnavailable, driver_report, get_backend
from sim.ground.errors import BackendError, ContractError, SimError, StorageError
from sim.ground.read_once import read_once
from sim.rng import block
from sim.shell.contracts.config import config_folder
from sim.shell.contracts.lint import lint
from sim.shell.publish.space import existing_folder
from sim.shell.tables.reference import TABLES, Reference
from sim.state.declaration import State

PACKAGES = (
    "blake3",
    "duckdb",
    "jsonschema",
    "numba",
    "numpy",
    "pyarrow",
    "pyyaml",
    "referencing",
    "rich",
    "typer",
)
OPTIONAL = ("polars", "pandas", "cudf-cu13", "cupy-cuda13x", "pylibcudf-cu13", "distributed")
# Philox2x64-10 at key 0, counter 0 (Random123 1.14, kat_vectors).
KNOWN_ANSWER = (0xCA00A0459843D731, 0x66C24222C9A845B5)
_LEAST_FREE_BYTES = 1 << 30


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        name: What.
        ok: Whether a world can be built with it.
        found: What is there.
        do: What would help, empty when nothing needs to.
        exit_code: What the command ends with when this is the first that is not ok.
    """

    name: str
    ok: bool
    found: str
    do: str = ""
    exit_code: int = 0

    def as_json(self) -> dict[str, Any]:
        """JSON-ready mapping."""
        return asdict(self)


def examine(contracts: Path, config: Path, out: Path, states: Sequence[State]) -> list[Finding]:
    """Look at everything; raise nothing, report every finding."""
    root = Path(__file__).resolve().parents[2]
    return [
        Finding(
            "closedworld",
            True,
            f"{__version__} on Python {platform.python_version()}, {platform.system()} {platform.machine()}",
        ),
        *_versions(root / "constraints.txt"),
        _guarded("contracts", lambda: _contracts(contracts, config, states)),
        _guarded("reference snapshot", lambda: _reference(config / "reference")),
        _guarded("time-zone data", lambda: _zones(config / "reference")),
        *_backends(),
        _numba_cache(root),
        _disk(out),
        _memory(),
    ]


def _guarded(name: str, look: Callable[[], Finding]) -> Finding:
    try:
        return look()
    except SimError as error:
        return Finding(
            name, False, f"{error.code}: {error.what} {error.found}".strip(), error.do, error.exit_code
        )


def _versions(lock: Path) -> list[Finding]:
    locked = (
        dict(re.findall(r"(?m)^([A-Za-z0-9_.-]+)==([^\s;#]+)", lock.read_text("utf-8")))
        if lock.is_file()
        else {}
    )
    pinned = {_canonical(name): version for name, version in locked.items()}
    findings = []
    for name in PACKAGES:
        try:
            found = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            findings.append(
                Finding(name, False, "not installed", f"pip install {name}", BackendError.exit_code)
            )
            continue
        wanted = pinned.get(_canonical(name))
        if wanted is None:
            findings.append(Finding(name, True, f"{found} (no lock here to compare with)"))
        elif wanted == found:
            findings.append(Finding(name, True, f"{found} as locked"))
        else:
            # Rows do not depend on it; file bytes may differ from other machines' with another pyarrow.
            findings.append(
                Finding(
                    name,
                    True,
                    f"{found}, locked {wanted}",
                    f"pip install -c constraints.txt {name}=={wanted}",
                )
            )
    there = [f"{name} {version}" for name in OPTIONAL if (version := _version(name))]
    return [*findings, Finding("optional packages", True, ", ".join(there) or "none")]


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _contracts(contracts: Path, config: Path, states: Sequence[State]) -> Finding:
    from sim.shell.contracts.load import load_contracts

    compiled = load_contracts(contracts)
    report = lint(compiled, config_folder(config), states)
    if report.problems:
        first = report.problems[0]
        return Finding(
            "contracts",
            False,
            f"{len(report.problems)} problem(s); {first.where}: {first.what}",
            "closedworld contracts lint",
            first.exit_code,
        )
    return Finding(
        "contracts",
        True,
        f"{len(compiled.datasets)} datasets, {len(compiled.streams)} streams; SHA-256 {compiled.digest[:16]}",
    )


def _reference(root: Path) -> Finding:
    digests = Reference(root).digests()
    try:
        sources = read_once(root / "SOURCES.json", 1 << 20).data
    except ContractError as error:
        found = f"SOURCES.json beside it: {error.found}"
        return Finding(
            "reference snapshot", False, found, "restore config/reference", ContractError.exit_code
        )
    try:
        outputs = json.loads(sources)["outputs"]
        wanted = {name: str(outputs[f"{name}.parquet"]["file_sha256"]) for name in TABLES}
    except (ValueError, KeyError, TypeError) as error:
        return Finding(
            "reference snapshot",
            False,
            f"SOURCES.json: {type(error).__name__} {error}",
            "restore config/reference",
            ContractError.exit_code,
        )
    wrong = [name for name in TABLES if digests[name] != wanted[name]]
    if wrong:
        return Finding(
            "reference snapshot",
            False,
            f"{', '.join(wrong)}: not the table SOURCES.json lists",
            "restore config/reference",
            ContractError.exit_code,
        )
    return Finding("reference snapshot", True, f"{len(TABLES)} tables as listed in SOURCES.json")


def _zones(root: Path) -> Finding:
    metadata = Reference(root).metadata("tz_transitions")
    covers = f"{metadata.get('covers_from', '?')} .. {metadata.get('covers_to', '?')}"
    return Finding(
        "time-zone data", True, f"IANA {metadata.get('tzdata_version', '?')}, transitions {covers}"
    )


def _backends() -> list[Finding]:
    """Every backend; of those that can run, whether it gives the published words; and which `auto` takes."""
    findings = []
    for name in (name for name in NAMES if name != "auto"):
        needed = name == "cpu"
        try:
            described = get_backend(name).describe
            good = block(0, 0, 0, backend=name) == KNOWN_ANSWER
        except BackendUnavailable as error:
            code = BackendError.exit_code if needed else 0
            findings.append(Finding(f"backend {name}", not needed, f"not usable: {error}", error.do, code))
            continue
        except ImportError as error:
            findings.append(
                Finding(
                    f"backend {name}",
                    False,
                    f"not usable: {error}",
                    "pip install closedworld",
                    BackendError.exit_code,
                )
            )
            continue
        answers = ", ".join(
            f"{key} {value}" for key, value in described.items() if key not in ("backend", "numba", "numpy")
        )
        text = (
            "usable, published Philox vector reproduced"
            if good
            else "wrong words for the published Philox vector"
        )
        problem = ("", 0) if good else ("do not build worlds with it", BackendError.exit_code)
        findings.append(
            Finding(f"backend {name}", good, f"{text}{f' ({answers})' if answers else ''}", *problem)
        )
    chosen = get_backend("auto")
    return [*findings, Finding("backend auto", True, f"{chosen.name}: {chosen.why}"), _driver()]


def _driver() -> Finding:
    """The NVIDIA driver, its devices, and the packages that fit it."""
    report = driver_report()
    return Finding("NVIDIA driver", True, report["found"], report["do"])


def _numba_cache(root: Path) -> Finding:
    chosen = os.environ.get("NUMBA_CACHE_DIR")
    folder = Path(chosen) if chosen else root / "cpu_fallback" / "__pycache__"
    existing = existing_folder(folder)
    if os.access(existing, os.W_OK | os.X_OK):
        return Finding("numba cache", True, f"{folder} is writable")
    return Finding(
        "numba cache",
        True,
        f"{existing} is not writable: kernels are compiled in every process",
        "set NUMBA_CACHE_DIR to a writable directory",
    )


def _disk(out: Path) -> Finding:
    existing = existing_folder(out)
    free, good = shutil.disk_usage(existing).free, os.access(existing, os.W_OK | os.X_OK)
    if not good:
        return Finding(
            "disk", False, f"{existing} is not writable", "choose another --out", StorageError.exit_code
        )
    enough = free >= _LEAST_FREE_BYTES
    do = "" if enough else "free some space or choose another --out"
    return Finding(
        "disk",
        enough,
        f"{free / 1e9:,.1f} GB free at {existing}",
        do,
        0 if enough else StorageError.exit_code,
    )


def _memory() -> Finding:
    available = 0
    meminfo, group = Path("/proc/meminfo"), Path("/sys/fs/cgroup/memory.max")
    if meminfo.is_file() and (line := re.search(r"MemAvailable:\s+(\d+) kB", meminfo.read_text())):
        available = int(line[1]) * 1024
    if group.is_file() and (limit := group.read_text().strip()).isdigit():
        available = min(available, int(limit)) if available else int(limit)
    return Finding(
        "memory",
        True,
        f"{available / 1e9:,.1f} GB available, {len(os.sched_getaffinity(0))} processors"
        if available
        else "unknown",
    )
