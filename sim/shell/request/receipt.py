"""`run_receipt.json`: what a run directory claims to be; a reader trusts no directory and proves the receipt.

Reading compares the receipt with what its own content makes of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sim.ground.errors import GateError
from sim.ground.identity import parameter_hash, run_id
from sim.ground.json_text import damaged, load_json
from sim.ground.names import DIGEST, RUN_ID, SCENARIO, WORD, is_name
from sim.shell.publish.documents import RECEIPT_FORMAT
from sim.shell.publish.documents import RECEIPT_NAME as RECEIPT_NAME
from sim.shell.publish.publish import read_published

_RECEIPT_TYPES: Mapping[str, type] = {
    "run_id": str,
    "seed": int,
    "parameter_hash": str,
    "manifest_fingerprint": str,
    "scenarios": list,
    "model_version": str,
    "preset": str,
    "parameters": dict,
    "reference": dict,
    "externals": dict,
    "provenance": dict,
}
IDENTITY = ("run_id", "seed", "parameter_hash", "manifest_fingerprint", "scenarios", "model_version")


def read_receipt(run_dir: Path) -> dict[str, Any]:
    """`run_receipt.json`, its shape checked.

    Raises:
        GateError: If it is missing, damaged or of another format.
    """
    path = run_dir / RECEIPT_NAME
    receipt = load_json(read_published(path), str(path), RECEIPT_FORMAT)
    require_types(receipt, _RECEIPT_TYPES, str(path))
    for name in ("reference", "externals"):
        if not all(is_name(DIGEST, value) for value in receipt[name].values()):
            raise damaged(str(path), f"{name} that are not digests")
    if not 0 <= receipt["seed"] < 2**64 or not all(
        is_name(SCENARIO, scenario) for scenario in receipt["scenarios"]
    ):
        raise damaged(str(path), "a seed or scenario that no run can have")
    for name, kind in (
        ("run_id", RUN_ID),
        ("parameter_hash", DIGEST),
        ("manifest_fingerprint", DIGEST),
        ("model_version", WORD),
        ("preset", WORD),
    ):
        if not is_name(kind, receipt[name]):
            raise damaged(str(path), f"{name} {receipt[name][:100]!r}", "a name that a run may have")
    return receipt


def require_receipt(run_dir: Path, identity: Mapping[str, Any]) -> None:
    """The receipt that lies in a run directory must be of the request that goes on with it.

    Raises:
        GateError: If it is damaged, of another format, or of another request.
    """
    receipt = read_receipt(run_dir)
    path = run_dir / RECEIPT_NAME
    problems = identity_problems(run_dir, receipt)
    problems += [
        f"{path}: {name} {receipt[name]!r}, this request's is {identity[name]!r}"
        for name in IDENTITY
        if receipt[name] != identity[name]
    ]
    if problems:
        raise refused(problems)


def identity_problems(run_dir: Path, receipt: Mapping[str, Any]) -> list[str]:
    """Where a receipt's names do not follow from what it says they are made of."""
    path = run_dir / RECEIPT_NAME
    made = {
        "parameter_hash": parameter_hash(receipt["parameters"]),
        "run_id": run_id(receipt["manifest_fingerprint"], receipt["seed"], receipt["scenarios"]),
    }
    return [
        f"{path}: {name} {receipt[name]}, its content makes {value}"
        for name, value in made.items()
        if receipt[name] != value
    ]


def refused(problems: Sequence[str]) -> GateError:
    """The refusal of a run that is not as it was published."""
    return GateError(
        "SHELL.RUN_NOT_AS_PUBLISHED",
        f"{len(problems)} thing(s) in this run are not as they were published",
        examples=problems,
        total=len(problems),
        do="restore the named files from a copy, or build the run again with another --out",
    )


def require_types(document: Mapping[str, Any], types: Mapping[str, type], where: str) -> None:
    """Refuse a document whose fields are not of these types."""
    for name, kind in types.items():
        value = document.get(name)
        if not isinstance(value, kind) or isinstance(value, bool):
            raise damaged(where, f"{name} of type {type(value).__name__}", kind.__name__)
