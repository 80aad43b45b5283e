"""Coherent forgeries: whatever a run's documents say is changed, and every digest above it made anew, as
somebody with time would.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from sim.ground.identity import pretty_json, sha256_bytes
from sim.shell.publish.bundle import encode_flag

Edit = Callable[[dict[str, Any]], object]


def forge(run: Path, codes: Sequence[str], edit: Edit, unknown_contracts: bool = True) -> None:
    """Change a run's documents and seal them again.

    Args:
        run: Run directory, writable.
        codes: Its segments in build order.
        edit: Called with the receipt, every state manifest and every index; changes them in place.
        unknown_contracts: Say that contracts nobody has at hand were used, of another model version: then
            nothing demands anything.
    """
    receipt = run / "run_receipt.json"
    write(receipt, edited(json.loads(receipt.read_bytes()), edit, unknown_contracts))
    flags: dict[str, str] = {}
    for code in codes:
        folder = run / "gates" / code
        index = json.loads((folder / "index.json").read_bytes())
        for name in index["documents"]:
            document = json.loads((folder / name).read_bytes())
            if name.startswith("states/"):
                document = edited(document, edit, unknown_contracts)
            for row in document.get("inputs", ()) if unknown_contracts else ():
                if row.get("role") == "CONTRACT":
                    row["sha256_hex"] = "0" * 64
            index["documents"][name] = write(folder / name, document)
        index = edited(index, edit, unknown_contracts)
        index["parents"] = {parent: flags[parent] for parent in index["parents"]}
        write(folder / "index.json", index)
        flag = encode_flag(code, (folder / "index.json").read_bytes())
        (folder / "_passed.flag").chmod(0o644)
        (folder / "_passed.flag").write_bytes(flag)
        flags[code] = sha256_bytes(flag)


def edited(document: dict[str, Any], edit: Edit, unknown_contracts: bool) -> dict[str, Any]:
    """A document after its edit."""
    if unknown_contracts:
        (document if "preset" in document else document["identity"])["model_version"] = "0"
    edit(document)
    return document


def write(path: Path, document: dict[str, Any]) -> str:
    """Write a document; its SHA-256."""
    path.chmod(0o644)
    data = pretty_json(document)
    path.write_bytes(data)
    return sha256_bytes(data)


def rename_dataset(old: str, new: str) -> Edit:
    """Call a dataset otherwise wherever its name is written."""

    def edit(document: dict[str, Any]) -> None:
        for row in [*document.get("datasets", ()), *document.get("checks", ())]:
            if row.get("dataset") == old:
                row["dataset"] = new

    return edit
