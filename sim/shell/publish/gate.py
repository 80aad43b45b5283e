"""The hash gate: the only module that decides whether what is published may be read. No PASS, no read.

`bundle.py` knows the bytes of a flag and an index. This module reads both from a run directory and compares
the directory's files with them.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from sim.ground.errors import GateError
from sim.ground.identity import sha256_bytes, sha256_file
from sim.ground.json_text import load_json
from sim.ground.plain_file import read_plain, unless_absent
from sim.shell.publish.bundle import BUNDLE_FORMAT, Bundle, encode_flag, read_flag
from sim.shell.publish.documents import DOCUMENT_BYTES
from sim.shell.publish.manifest import StateManifest, decode_published
from sim.shell.publish.publish import compare_directory, read_published
from sim.state.records import Published

FLAG_NAME = "_passed.flag"
INDEX_NAME = "index.json"


def gates_dir(run_dir: Path, segment: str) -> Path:
    """Where a segment's receipts, manifests, index and flag live."""
    return run_dir / "gates" / segment


def state_path(run_dir: Path, state: str) -> Path:
    """Where a state's manifest lives."""
    return gates_dir(run_dir, state.split(".")[0]) / "states" / f"{state}.json"


def open_bundle(run_dir: Path, segment: str) -> Bundle:
    """Read a segment's flag and index and check that they belong together. Data files are not touched.

    Raises:
        GateError: `UPSTREAM_HASHGATE_MISSING`, `..._INVALID`, `..._DIGEST_MISMATCH` or `..._CHECKS_DIFFER`.
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
    document = load_json(index, str(index_path), BUNDLE_FORMAT)
    passed = encode_flag(segment, index)
    if passed != flag:
        raise GateError(
            "SHELL.UPSTREAM_HASHGATE_CHECKS_DIFFER",
            f"the index of {segment} lists other checks than its flag passed",
            found=passed.decode().strip(),
            expected=flag.decode().strip(),
            where=f"{index_path} against {flag_path}",
            do="restore the run directory from a copy, or build the run again with another --out",
        )
    datasets = tuple(decode_published(item) for item in document["datasets"])
    return Bundle(segment, found, sha256_bytes(flag), datasets, document)


def verify_bundle(
    run_dir: Path,
    bundle: Bundle,
    deep: bool,
    on_bytes: Callable[[int], None] = lambda size: None,
    content: Callable[[Published], list[str]] | None = None,
) -> list[str]:
    """Compare a segment's files with its index.

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
            problems.append(f"{path}: {error.found}, published as {digest}")
            continue
        if found != digest:
            problems.append(f"{path}: SHA-256 {found}, published as {digest}")
    for parent, digest in sorted(bundle.document["parents"].items()):
        flag_path = gates_dir(run_dir, parent) / FLAG_NAME
        found = sha256_bytes(read_published(flag_path)) if flag_path.is_file() else "no flag"
        if found != digest:
            problems.append(f"{flag_path}: SHA-256 {found}, but {bundle.segment} was built on {digest}")
    for item in bundle.datasets:
        found_here = directory_problems(run_dir, item, deep)
        if not found_here and deep and content is not None:
            found_here = content(item)
        problems += found_here
        on_bytes(item.bytes)
    return problems


def directory_problems(run_dir: Path, item: Published, deep: bool) -> list[str]:
    """Differences between a published directory and its list: names, kinds, sizes and, if `deep`, every byte.

    Bytes are compared only where names, kinds and sizes agree.
    """
    directory, digests = run_dir / item.path, {part.name: part.file_sha256 for part in item.files}
    problems = compare_directory(directory, digests, hashes=False)
    if not problems:  # a file of another size is not worth hashing, and may be of any size
        sizes = [(part, (directory / part.name).stat().st_size) for part in item.files]
        problems = [
            f"{directory / p.name}: {size} bytes, published with {p.bytes}"
            for p, size in sizes
            if size != p.bytes
        ]
    return problems or (compare_directory(directory, digests) if deep else [])


def require_state(run_dir: Path, manifest: StateManifest, deep: bool) -> None:
    """Require what a state published, and no flag covers yet, to be as its manifest lists it.

    Raises:
        GateError: `SHELL.PUBLISHED_FILE_MISSING`, naming everything that is not as listed.
    """
    problems = [problem for item in manifest.datasets for problem in directory_problems(run_dir, item, deep)]
    if problems:
        raise gate_refused(manifest.state, problems, "SHELL.PUBLISHED_FILE_MISSING")


def gate_refused(
    whose: str, problems: list[str], code: str = "SHELL.UPSTREAM_HASHGATE_DIGEST_MISMATCH"
) -> GateError:
    """The refusal for a segment or state whose published files are not what its index or manifest says."""
    return GateError(
        code,
        f"what {whose} published is not what is there now",
        examples=problems,
        total=len(problems),
        do="restore the named files from a copy, or build the run again with another --out",
    )


def require_file(path: Path, digest: str) -> None:
    """A published data file must be the regular file that was published.

    Raises:
        GateError: If it is missing, a link, or its SHA-256 is not `digest`.
    """
    _require_digest(path, unless_absent(lambda: sha256_file(path, follow=False)), digest)


def require_bytes(path: Path, digest: str, size: int = DOCUMENT_BYTES) -> bytes:
    """The bytes of a published file, at most `size` of them, which must be those that were published.

    Read once.

    Raises:
        GateError: As `require_file`.
    """
    data = unless_absent(lambda: read_plain(path, size, follow=False))
    _require_digest(path, data if data is None else sha256_bytes(data), digest)
    return data or b""


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
