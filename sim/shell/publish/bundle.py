"""The bundle as bytes: the index, and `_passed.flag` over it. Nothing here touches a file; `gate.py` does.

Every segment has one format, `bundle-v4`. The flag holds the SHA-256 of the index, the number of checks
behind it and the SHA-256 over their names. The index lists every published file with its digests, every check
with its figures, every state manifest, the seal, and the flags of every segment before it. `measurements`
lists figures that gate nothing; no flag counts them. So flags form a hash chain: whoever edits a segment
together with its own flag still breaks the flags after it. A flag says how many checks passed, and which.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sim.ground.errors import GateError
from sim.ground.identity import canonical_json, sha256_bytes
from sim.ground.json_text import load_json
from sim.ground.names import DIGEST, is_name
from sim.rng import SCHEME
from sim.shell.publish.manifest import StateManifest, encode_listing
from sim.state.records import Published

BUNDLE_FORMAT = "bundle-v4"
CheckName = tuple[str, str, str]
"""State, dataset (empty for model checks) and name of a check."""


@dataclass(frozen=True)
class Bundle:
    """A segment that passed.

    Attributes:
        segment: Segment code.
        digest: SHA-256 of the index; what the flag says.
        flag_sha256: SHA-256 of the flag's bytes; what later segments chain to.
        datasets: Every published dataset directory.
        document: The whole index.
    """

    segment: str
    digest: str
    flag_sha256: str
    datasets: tuple[Published, ...]
    document: Mapping[str, Any]

    @property
    def checks(self) -> list[dict[str, Any]]:
        """Every check that ran, with its figures."""
        return list(self.document["checks"])

    @property
    def measurements(self) -> list[dict[str, Any]]:
        """Every figure that was measured and gates nothing: state, name, severity, found, unit, note."""
        return list(self.document["measurements"])


def encode_index(
    segment: str,
    identity: Mapping[str, Any],
    parents: Mapping[str, str],
    documents: Mapping[str, str],
    manifests: Iterable[StateManifest],
) -> bytes:
    """Bytes of a bundle index.

    Args:
        segment: Segment code.
        identity: run_id, seed, parameter_hash, manifest_fingerprint, scenarios.
        parents: Every earlier segment of the run -> SHA-256 of its flag.
        documents: File name under the segment's gate directory -> SHA-256 (receipt, seal, state manifests).
        manifests: The segment's state manifests in order.

    Raises:
        ContractError: As `require_readable`.
    """
    states = list(manifests)
    document = {
        "format": BUNDLE_FORMAT,
        "segment": segment,
        "identity": dict(identity),
        "parents": dict(parents),
        "documents": dict(documents),
        "states": [state.state for state in states],
        "checks": [{"state": state.state, **check} for state in states for check in state.checks],
        "rng_audit": {
            "algorithm": "philox2x64-10",
            "key_law": SCHEME.decode(),
            "uniform": "((x >> 12) + 0.5) * 2**-52",
            "seed": identity.get("seed"),
        },
        "ledger": [{"state": state.state, **vars(row)} for state in states for row in state.ledger],
        "measurements": [{"state": state.state, **row} for state in states for row in state.measurements],
    }
    return encode_listing(document, (item for state in states for item in state.datasets), segment)


def check_names(checks: Iterable[Mapping[str, Any]]) -> list[CheckName]:
    """The names of an index's checks, sorted."""
    return sorted((str(row["state"]), str(row.get("dataset", "")), str(row["name"])) for row in checks)


def encode_flag(segment: str, index: bytes) -> bytes:
    """Bytes of `_passed.flag`: the index's digest, and the number and names of its checks.

    The flag is ASCII canonical JSON and a newline.

    Raises:
        GateError: If the index is not a JSON object of this format.
        KeyError, TypeError, AttributeError: If its checks are not rows with a state and a name.
    """
    names = check_names(load_json(index, f"{segment}: index", BUNDLE_FORMAT)["checks"])
    checks = {"number": len(names), "names_sha256": sha256_bytes(canonical_json(names))}
    return (
        canonical_json(
            {
                "format": BUNDLE_FORMAT,
                "segment": segment,
                "bundle_sha256": sha256_bytes(index),
                "checks": checks,
            }
        )
        + b"\n"
    )


def read_flag(data: bytes, segment: str, where: str) -> str:
    """The bundle digest a flag states.

    Raises:
        GateError: Unless the bytes are a flag of this segment, as `encode_flag` lays it out.
    """
    document = load_json(data, where, BUNDLE_FORMAT)
    digest, checks = document.get("bundle_sha256"), document.get("checks")
    figures = checks if isinstance(checks, dict) else {}
    number, names = figures.get("number"), figures.get("names_sha256")
    wanted = {
        "format": BUNDLE_FORMAT,
        "segment": segment,
        "bundle_sha256": digest,
        "checks": {"number": number, "names_sha256": names},
    }
    sound = is_name(DIGEST, digest) and is_name(DIGEST, names) and type(number) is int
    if not sound or data != canonical_json(wanted) + b"\n":
        raise GateError(
            "SHELL.UPSTREAM_HASHGATE_INVALID",
            f"the pass flag of {segment} is not a flag of this segment",
            found=data[:200].decode("ascii", "replace").strip(),
            expected='{"bundle_sha256":"<64 hex>","checks":{...},'
            f'"format":"{BUNDLE_FORMAT}","segment":"{segment}"}}',
            where=where,
            do="restore the run directory from a copy, or build the run again with another --out",
        )
    return str(digest)
