"""Write a CycloneDX 1.5 bill of materials: the installed packages and the hashes they were locked with.

python .ci/sbom.py > sbom.json
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]


def locked_hashes(lock: str) -> dict[str, list[str]]:
    """Package name (normalised) -> SHA-256 of every file the lock accepts for it."""
    found: dict[str, list[str]] = {}
    for entry in re.split(r"\n(?=[A-Za-z0-9])", lock):
        name = re.match(r"([A-Za-z0-9._-]+)==", entry)
        if name:
            found[normalised(name[1])] = re.findall(r"--hash=sha256:([0-9a-f]{64})", entry)
    return found


def normalised(name: str) -> str:
    """A package name as registries compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def component(package: dict[str, Any], hashes: dict[str, list[str]]) -> dict[str, Any]:
    """One installed package as a CycloneDX component."""
    about = package["metadata"]
    name, version = normalised(about["name"]), about["version"]
    licence = about.get("license_expression") or about.get("license") or ""
    row: dict[str, Any] = {"type": "library", "name": name, "version": version}
    row["bom-ref"] = row["purl"] = f"pkg:pypi/{name}@{version}"
    if licence and len(licence) < 80:
        row["licenses"] = [{"license": {"name": licence}}]
    if hashes.get(name):
        row["properties"] = [
            {"name": "closedworld:locked-sha256", "value": value} for value in sorted(hashes[name])
        ]
    return row


def main() -> None:
    """Print the bill of this interpreter's environment."""
    done = subprocess.run(
        [sys.executable, "-m", "pip", "inspect", "--local"], capture_output=True, text=True, check=True
    )
    installed = [
        package
        for package in json.loads(done.stdout)["installed"]
        if normalised(package["metadata"]["name"]) != "pip"
    ]
    hashes = locked_hashes((ROOT / "requirements.lock").read_text())
    rows = [component(package, hashes) for package in installed]
    own = [row for row in rows if row["name"] == "closedworld"]
    bill = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {"component": {**own[0], "type": "application"}} if own else {},
        "components": sorted(
            (row for row in rows if row["name"] != "closedworld"), key=lambda row: row["name"]
        ),
    }
    json.dump(bill, sys.stdout, indent=1, sort_keys=True)
    print()


if __name__ == "__main__":
    main()
