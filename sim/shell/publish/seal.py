"""Sealed inputs and gate receipts: what a segment may read, with digests, decided before it reads anything.

A segment's gate requires all earlier segments, whether or not it reads one of their rows: the seal holds
their flags and indexes. The seal is derived from the states' declarations, never kept by hand. It names bulk
inputs by the digests that their producer published, so nothing is read again and nothing is unsealed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from sim.ground.contract_types import Contracts
from sim.ground.errors import GateError
from sim.ground.identity import canonical_json, contracts_digest, named_digest, pretty_json, sha256_bytes
from sim.shell.publish.bundle import Bundle
from sim.state.declaration import METADATA_ONLY, ROW_LEVEL
from sim.state.program import Segment

SEAL_FORMAT = "sealed-inputs-v3"
RECEIPT_FORMAT = "gate-receipt-v2"
_CONTRACTS = "contracts/"


def own_datasets(segment: Segment) -> set[str]:
    """Datasets the segment's own states write: read by manifest inside the segment, hence not sealed."""
    return {dataset for program in segment.programs for dataset in program.state.writes}


def contracts_of(rows: Iterable[Mapping[str, Any]]) -> str:
    """Digest of the contracts a seal's rows name, one row a file; of none at all where it names none."""
    files = (
        (str(row.get("path_template")).removeprefix(_CONTRACTS), str(row.get("sha256_hex")))
        for row in rows
        if row.get("role") == "CONTRACT"
    )
    return contracts_digest(files)


def sealed_rows(
    segment: Segment,
    contracts: Contracts,
    documents: Mapping[str, Any],
    reference: Mapping[str, str],
    externals: Mapping[str, str],
    bundles: Mapping[str, Bundle],
) -> list[dict[str, Any]]:
    """Every input of a segment as a sealed row, sorted by (owner_layer, owner_segment, manifest_key).

    Args:
        segment: The segment about to run.
        contracts: Compiled contracts.
        documents: Resolved config content by path.
        reference: Reference table -> SHA-256.
        externals: User-supplied input -> SHA-256, for those the run was given.
        bundles: Every earlier segment of the run, in build order.

    Raises:
        GateError: `SHELL.SEALED_INPUTS_INCOMPLETE`: nothing was published of a dataset that is demanded.
    """
    states = [program.state for program in segment.programs]
    rows = []
    for artefact in (
        contracts.artefact(name) for name in sorted({name for state in states for name in state.config})
    ):
        digest = sha256_bytes(canonical_json(documents[artefact.path]))
        path = f"config/{artefact.path}"
        rows.append(
            _row(artefact.layer, artefact.segment, artefact.id, path, artefact.schema, artefact.role, digest)
        )
    for table in sorted({name for state in states for name in state.reference}):
        path = f"config/reference/{table}.parquet"
        rows.append(_row(0, "REFERENCE", f"reference.{table}", path, "", "REFERENCE", reference[table]))
    for name in sorted({name for state in states for name in state.external}):
        given = name in externals
        row = _row(0, "EXTERNAL", f"external.{name}", "", "", "EXTERNAL_INPUT", externals.get(name, ""))
        rows.append(
            {
                **row,
                "status": "OPTIONAL" if given else "IGNORED",
                "notes": "" if given else "the run was given none",
            }
        )
    own = own_datasets(segment)
    scopes = dict.fromkeys(segment.present, METADATA_ONLY)
    for state in states:
        for dataset, scope in state.reads.items():
            if dataset not in own:
                scopes[dataset] = ROW_LEVEL if ROW_LEVEL in (scope, scopes.get(dataset)) else METADATA_ONLY
    for dataset, scope in scopes.items():
        entry = contracts.dataset(dataset)
        published = [item for item in bundles[entry.segment].datasets if item.dataset == dataset]
        if not published and (entry.required or dataset in segment.present):
            raise _absent(segment, dataset, entry.segment)
        files = [(f"{item.path}/{part.name}", part.file_sha256) for item in published for part in item.files]
        if not published and not entry.required:
            row = _row(entry.layer, entry.segment, dataset, entry.path, entry.table.id, "UPSTREAM_EGRESS", "")
            notes = f"not published: it is when {entry.published_when}"
            rows.append(
                {
                    **row,
                    "partition_keys": list(entry.partitioning),
                    "read_scope": scope,
                    "status": "IGNORED",
                    "notes": notes,
                }
            )
            continue
        row = _row(
            entry.layer,
            entry.segment,
            dataset,
            entry.path,
            entry.table.id,
            "UPSTREAM_EGRESS",
            named_digest("sealed-files", files),
        )
        row["status"] = "REQUIRED" if entry.required else "OPTIONAL"
        content = ", ".join(f"{item.scenario or 'all'}: {item.content_blake3}" for item in published)
        rows.append(
            {
                **row,
                "partition_keys": list(entry.partitioning),
                "read_scope": scope,
                "notes": f"content_blake3 {content}",
            }
        )
    for code, bundle in bundles.items():
        layer = next(dataset.layer for dataset in contracts.datasets.values() if dataset.segment == code)
        for key, role, digest in (
            ("bundle", "UPSTREAM_GATE_BUNDLE", bundle.digest),
            ("flag", "UPSTREAM_GATE_FLAG", bundle.flag_sha256),
        ):
            file = "index.json" if key == "bundle" else "_passed.flag"
            rows.append(
                {
                    **_row(layer, code, f"{code}.{key}", f"gates/{code}/{file}", "", role, digest),
                    "read_scope": METADATA_ONLY,
                }
            )
    for name, digest in contracts.files.items():
        row = _row(0, "CONTRACTS", f"contract.{name}", f"{_CONTRACTS}{name}", "", "CONTRACT", digest)
        rows.append({**row, "read_scope": METADATA_ONLY})
    return sorted(rows, key=lambda row: (row["owner_layer"], row["owner_segment"], row["manifest_key"]))


def encode_seal(segment: str, identity: Mapping[str, Any], rows: Iterable[Mapping[str, Any]]) -> bytes:
    """Bytes of `sealed_inputs_<SEG>.json`."""
    return pretty_json(
        {
            "format": SEAL_FORMAT,
            "segment": segment,
            "identity": dict(identity),
            "inputs": [dict(row) for row in rows],
        }
    )


def encode_receipt(
    segment: str, identity: Mapping[str, Any], bundles: Mapping[str, Bundle], seal: bytes, rows: int
) -> bytes:
    """Bytes of `s0_gate_receipt_<SEG>.json`: which gates were open, and which seal was set behind them."""
    upstream = {
        code: {"status": "PASS", "bundle_sha256": bundle.digest, "flag_sha256": bundle.flag_sha256}
        for code, bundle in bundles.items()
    }
    return pretty_json(
        {
            "format": RECEIPT_FORMAT,
            "segment": segment,
            "identity": dict(identity),
            "upstream_segments": upstream,
            "sealed_inputs_sha256": sha256_bytes(seal),
            "sealed_inputs_rows": rows,
        }
    )


def _absent(segment: Segment, dataset: str, producer: str) -> GateError:
    return GateError(
        "SHELL.SEALED_INPUTS_INCOMPLETE",
        f"{producer} passed without {dataset}, which {segment.code} needs",
        found=f"no partition of {dataset} in gates/{producer}/index.json",
        expected="at least one",
        do="restore the run directory from a copy, or build the run again with another --out",
    )


def _row(
    layer: int, segment: str, key: str, path: str, schema: str, role: str, digest: str
) -> dict[str, Any]:
    return {
        "owner_layer": layer,
        "owner_segment": segment,
        "manifest_key": key,
        "path_template": path,
        "schema_ref": schema,
        "partition_keys": [],
        "role": role,
        "status": "REQUIRED",
        "read_scope": ROW_LEVEL,
        "sha256_hex": digest,
        "notes": "",
    }
