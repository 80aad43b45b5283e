"""The hash gate: bundle index, `_passed.flag`, and the proof a reader asks for. No PASS, no read.

One law for every segment, `bundle-v1`: the flag holds the SHA-256 of the index; the index lists every published file with
its digests, every check with its figures, every state manifest, the seal, and the flags of the segments it was built on.
So flags form a hash chain: editing a segment together with its own flag still breaks the flags after it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sim.rng import SCHEME
from sim.shell.errors import GateError
from sim.shell.identity import canonical_json, pretty_json, sha256_bytes, sha256_file
from sim.shell.manifest import LedgerRow, Published, StateManifest, decode_published, encode_published, load_json
from sim.shell.publish import compare_directory, read_published

BUNDLE_LAW = "bundle-v1"
FLAG_NAME = "_passed.flag"
INDEX_NAME = "index.json"


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
    def ledger(self) -> list[LedgerRow]:
        """Random numbers drawn by the segment's states."""
        return [LedgerRow(**row) for row in self.document["ledger"]]


def gates_dir(run_dir: Path, segment: str) -> Path:
    """Where a segment's receipts, manifests, index and flag live."""
    return run_dir / "gates" / segment


def state_path(run_dir: Path, state: str) -> Path:
    """Where a state's manifest lives."""
    return gates_dir(run_dir, state.split(".")[0]) / "states" / f"{state}.json"


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
        parents: Upstream segment -> SHA-256 of its flag.
        documents: File name under the segment's gate directory -> SHA-256 (receipt, seal, state manifests).
        manifests: The segment's state manifests in order.
    """
    states = list(manifests)
    return pretty_json(
        {
            "law": BUNDLE_LAW,
            "segment": segment,
            "identity": dict(identity),
            "parents": dict(parents),
            "documents": dict(documents),
            "states": [state.state for state in states],
            "datasets": [encode_published(item) for state in states for item in state.datasets],
            "checks": [{"state": state.state, **check} for state in states for check in state.checks],
            "rng_audit": {
                "algorithm": "philox2x64-10",
                "key_law": SCHEME.decode(),
                "uniform": "((x >> 12) + 0.5) * 2**-52",
                "seed": identity.get("seed"),
            },
            "ledger": [{"state": state.state, **vars(row)} for state in states for row in state.ledger],
        }
    )


def encode_flag(segment: str, index: bytes) -> bytes:
    """Bytes of `_passed.flag`: ASCII canonical JSON and a newline."""
    return canonical_json({"law": BUNDLE_LAW, "segment": segment, "bundle_sha256": sha256_bytes(index)}) + b"\n"


def read_flag(data: bytes, segment: str, where: str) -> str:
    """The bundle digest a flag states.

    Raises:
        GateError: Unless the bytes are exactly what `encode_flag` writes for this segment.
    """
    document = load_json(data, where, BUNDLE_LAW)
    digest = document.get("bundle_sha256")
    wanted = canonical_json({"law": BUNDLE_LAW, "segment": segment, "bundle_sha256": digest}) + b"\n"
    if not isinstance(digest, str) or len(digest) != 64 or data != wanted:
        raise GateError(
            "SHELL.UPSTREAM_HASHGATE_INVALID",
            f"the pass flag of {segment} is not a flag of this segment",
            found=data[:120].decode("ascii", "replace").strip(),
            expected=f'{{"bundle_sha256":"<64 hex>","law":"{BUNDLE_LAW}","segment":"{segment}"}}',
            where=where,
            do="restore the run directory from a copy, or build the run again with another --out",
        )
    return digest


def open_bundle(run_dir: Path, segment: str) -> Bundle:
    """Read a segment's flag and index and check that they belong together. Data files are not touched.

    Raises:
        GateError: `UPSTREAM_HASHGATE_MISSING`, `..._INVALID` or `..._DIGEST_MISMATCH`.
    """
    folder = gates_dir(run_dir, segment)
    flag_path, index_path = folder / FLAG_NAME, folder / INDEX_NAME
    if not flag_path.is_file():
        raise GateError(
            "SHELL.UPSTREAM_HASHGATE_MISSING",
            f"segment {segment} has not passed: no PASS, no read",
            found="no _passed.flag",
            where=str(flag_path),
            do="closedworld run (the same request resumes where it stopped)",
        )
    flag = read_published(flag_path)
    stated = read_flag(flag, segment, str(flag_path))
    index = read_published(index_path)
    found = sha256_bytes(index)
    if found != stated:
        raise GateError(
            "SHELL.UPSTREAM_HASHGATE_DIGEST_MISMATCH",
            f"the index of {segment} is not the one its flag passed",
            found=f"SHA-256 {found}",
            expected=f"SHA-256 {stated}",
            where=f"{index_path} against {flag_path}",
            do="restore the run directory from a copy, or build the run again with another --out",
        )
    document = load_json(index, str(index_path), BUNDLE_LAW)
    datasets = tuple(decode_published(item) for item in document["datasets"])
    return Bundle(segment, found, sha256_bytes(flag), datasets, document)


def verify_bundle(
    run_dir: Path,
    bundle: Bundle,
    deep: bool,
    on_bytes: Callable[[int], None] = lambda size: None,
    content: Callable[[Published], list[str]] | None = None,
) -> list[str]:
    """Hold a segment's files against its index.

    Args:
        run_dir: Run directory.
        bundle: An opened bundle.
        deep: Re-hash every byte; otherwise only names, kinds and sizes are compared.
        on_bytes: Told how many bytes were covered after each dataset (for progress).
        content: Recomputes content digests of a dataset and returns problems; used by deep verification.

    Returns:
        Every problem found, each naming its file, what was found and what was expected; empty means PASS.
    """
    problems = []
    folder = gates_dir(run_dir, bundle.segment)
    for name, digest in sorted(bundle.document["documents"].items()):
        path = folder / name
        if ".." in Path(name).parts or Path(name).is_absolute():
            problems.append(f"{path}: leaves the run directory")
            continue
        try:
            found = sha256_bytes(read_published(path))
        except GateError as error:
            problems.append(f"{path}: {error.found}")
            continue
        if found != digest:
            problems.append(f"{path}: SHA-256 {found}, published as {digest}")
    for parent, digest in sorted(bundle.document["parents"].items()):
        flag_path = gates_dir(run_dir, parent) / FLAG_NAME
        found = sha256_bytes(read_published(flag_path)) if flag_path.is_file() else "no flag"
        if found != digest:
            problems.append(f"{flag_path}: SHA-256 {found}, but {bundle.segment} was built on {digest}")
    for item in bundle.datasets:
        directory = run_dir / item.path
        found_here = compare_directory(directory, {part.name: part.file_sha256 for part in item.files}, hashes=deep)
        if not found_here:
            sizes = [(part, (directory / part.name).stat().st_size) for part in item.files]
            found_here = [f"{directory / p.name}: {size} bytes, published with {p.bytes}" for p, size in sizes if size != p.bytes]
        if not found_here and deep and content is not None:
            found_here = content(item)
        problems += found_here
        on_bytes(item.bytes)
    return problems


def gate_refused(segment: str, problems: list[str]) -> GateError:
    """The refusal for a segment whose published files are not what its index says."""
    return GateError(
        "SHELL.UPSTREAM_HASHGATE_DIGEST_MISMATCH",
        f"what {segment} published is not what is there now",
        examples=problems,
        total=len(problems),
        do="restore the named files from a copy, or build the run again with another --out",
    )


def require_file(path: Path, digest: str) -> None:
    """A published data file must be the regular file that was published.

    Raises:
        GateError: If it is missing, a link, or its SHA-256 is not `digest`.
    """
    _require_digest(path, sha256_file(path) if path.is_file() and not path.is_symlink() else None, digest)


def require_bytes(path: Path, digest: str) -> bytes:
    """The bytes of a published data file, which must be those that were published.

    Raises:
        GateError: As `require_file`.
    """
    data = path.read_bytes() if path.is_file() and not path.is_symlink() else b""
    _require_digest(path, sha256_bytes(data) if data else None, digest)
    return data


def _require_digest(path: Path, actual: str | None, digest: str) -> None:
    found = "no such file" if actual is None else f"SHA-256 {actual}"
    if found != f"SHA-256 {digest}":
        raise GateError(
            "SHELL.SEALED_INPUTS_DIGEST_MISMATCH",
            "a file is not the one that was published",
            found=found,
            expected=f"SHA-256 {digest}",
            where=str(path),
            do="restore the file from a copy, or build the run again with another --out",
        )
