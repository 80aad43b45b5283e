"""A run directory opened for reading: receipt, identity and the bundles of the segments that passed.

Run directories come from other people and other machines, so nothing in one is trusted: shapes are checked
before values are used, names must stay inside the directory, and only regular files are read. No PASS, no
read.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sim import MODEL_VERSION
from sim.ground.identity import canonical_json, manifest_fingerprint, sha256_bytes
from sim.ground.json_text import damaged, load_json
from sim.ground.names import DIGEST, DOCUMENT, SEGMENT, STATE, is_name
from sim.shell.publish.bundle import Bundle, encode_index
from sim.shell.publish.gate import FLAG_NAME, gate_refused, gates_dir, open_bundle, verify_bundle
from sim.shell.publish.manifest import StateManifest, decode_ledger
from sim.shell.publish.measurements import read_measurements
from sim.shell.publish.publish import read_published
from sim.shell.publish.seal import SEAL_FORMAT, contracts_of
from sim.shell.publish.segment_order import held_by
from sim.shell.request.receipt import IDENTITY, identity_problems, read_receipt, refused, require_types
from sim.state.records import Published

_INDEX_TYPES: Mapping[str, type] = {
    "segment": str,
    "identity": dict,
    "parents": dict,
    "documents": dict,
    "states": list,
    "datasets": list,
    "checks": list,
    "measurements": list,
    "rng_audit": dict,
    "ledger": list,
}
LEDGER_FIELDS = ("state", "stream", "scenario", "key", "entities", "draws", "blocks")


@dataclass(frozen=True)
class OpenRun:
    """A run whose identity and gates hold; no data file has been read yet.

    Attributes:
        path: Run directory.
        receipt: Content of `run_receipt.json`.
        bundles: Segments that passed, in build order.
        unfinished: Segments that have begun and not passed; nothing of them may be read.
    """

    path: Path
    receipt: Mapping[str, Any]
    bundles: Mapping[str, Bundle]
    unfinished: tuple[str, ...]

    @property
    def published(self) -> list[Published]:
        """Every proven dataset directory, in build order."""
        return [item for bundle in self.bundles.values() for item in bundle.datasets]


def open_run(run_dir: Path, codes: Sequence[str]) -> OpenRun:
    """Open a run for reading: verify identity, flags, indexes and chain, and that files exist in their sizes.

    Args:
        run_dir: Run directory.
        codes: All segment codes in build order.

    Raises:
        GateError: If anything published is not what its flag or receipt says.
    """
    receipt = read_receipt(run_dir)
    problems = identity_problems(run_dir, receipt)
    if problems:
        raise refused(problems)
    bundles: dict[str, Bundle] = {}
    for code in passed_segments(run_dir, codes):
        bundles[code] = require_passed(run_dir, code, codes, receipt, bundles)
    return OpenRun(run_dir, receipt, bundles, unfinished_segments(run_dir, codes))


def require_passed(
    run_dir: Path, code: str, codes: Sequence[str], receipt: Mapping[str, Any], before: Mapping[str, Bundle]
) -> Bundle:
    """The bundle of a segment that passed, or a refusal.

    Args:
        run_dir: Run directory.
        code: The segment.
        codes: All segment codes in build order.
        receipt: Identity it must carry.
        before: Segments opened before it; its parents must be among them, with these flags.

    Raises:
        GateError: If flag, index, identity, a file's presence or size, or the chain does not hold.
    """
    bundle = open_segment(run_dir, code, codes)
    problems = segment_problems(bundle, receipt, before) + verify_bundle(run_dir, bundle, deep=False)
    if problems:
        raise gate_refused(code, problems)
    return bundle


def passed_segments(run_dir: Path, codes: Sequence[str]) -> list[str]:
    """Segments with a flag, in build order."""
    return [code for code in codes if (gates_dir(run_dir, code) / FLAG_NAME).is_file()]


def unfinished_segments(
    run_dir: Path, codes: Sequence[str], passed: Sequence[str] | None = None
) -> tuple[str, ...]:
    """Segments that have a gate directory and no flag.

    Args:
        run_dir: Run directory.
        codes: All segment codes in build order.
        passed: Segments found to have passed before; any other that has begun counts as unfinished, even if
            it passed meanwhile.
    """
    done = passed_segments(run_dir, codes) if passed is None else passed
    return tuple(code for code in codes if code not in done and gates_dir(run_dir, code).is_dir())


def linked_folder(run_dir: Path, paths: Iterable[str]) -> Path | None:
    """The first directory on the way to one of these paths that is a symbolic link, hence not this run's."""
    folders = {folder for path in paths for folder in Path(path).parents} - {Path()}
    return next((run_dir / folder for folder in sorted(folders) if (run_dir / folder).is_symlink()), None)


def index_problems(run_dir: Path, bundle: Bundle) -> list[str]:
    """Differences between an index and what its states' manifests make of it.

    They show an index that was rewritten together with its flag.
    """
    document, folder = bundle.document, gates_dir(run_dir, bundle.segment)
    paths = [folder / name for name in document["documents"] if name.startswith("states/")]
    manifests = {
        manifest.state: manifest
        for manifest in (StateManifest.decode(read_published(path), str(path)) for path in paths)
    }
    states = [str(state) for state in document["states"]]
    if sorted(manifests) != sorted(states):
        return [f"{folder}: manifests of {sorted(manifests)}, expected those of {sorted(states)}"]
    made = encode_index(
        bundle.segment,
        document["identity"],
        document["parents"],
        document["documents"],
        [manifests[state] for state in states],
    )
    found = sha256_bytes(made)
    if found == bundle.digest:
        return []
    return [
        f"{folder / 'index.json'}: SHA-256 {bundle.digest}, expected {found} as its states' manifests make"
    ]


def require_plain_folders(run_dir: Path, paths: Iterable[str]) -> None:
    """Refuse a run in which one of these paths leads through a symbolic link."""
    link = linked_folder(run_dir, paths)
    if link is not None:
        raise damaged(str(link), "is a symbolic link", "plain files and directories")


def state_files(run_dir: Path, codes: Iterable[str]) -> Iterator[tuple[str, Path]]:
    """(Code of its gate, manifest file) of every published state, whether or not its segment has passed.

    Raises:
        GateError: If the way there leads through a link.
    """
    for code in codes:
        require_plain_folders(run_dir, [f"gates/{code}/states/*"])
        yield from ((code, path) for path in sorted((gates_dir(run_dir, code) / "states").glob("*.json")))


def open_segment(run_dir: Path, code: str, codes: Sequence[str]) -> Bundle:
    """A passed segment's bundle; every field of its index has its shape and every path is inside the run.

    Raises:
        GateError: If flag and index do not belong together, or the index cannot be what a run wrote.
    """
    where = str(gates_dir(run_dir, code) / "index.json")
    require_plain_folders(run_dir, [f"gates/{code}/{FLAG_NAME}"])
    try:
        bundle = open_bundle(run_dir, code)
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise damaged(where, f"{type(error).__name__}: {error}"[:200]) from None
    document = bundle.document
    require_types(document, _INDEX_TYPES, where)
    if document["segment"] != code:
        raise damaged(where, f"an index of {document['segment']!r}", f"an index of {code}")
    named = [(SEGMENT, name, digest) for name, digest in document["parents"].items()]
    for kind, name, digest in [
        *named,
        *((DOCUMENT, name, digest) for name, digest in document["documents"].items()),
    ]:
        if not is_name(kind, name) or not is_name(DIGEST, digest):
            raise damaged(where, f"the entry {name[:200]!r}", "a name inside the run, and a digest")
    strangers = sorted(set(document["parents"]) - set(codes))
    if strangers:
        raise damaged(where, f"a parent called {strangers[0]!r}", "segment codes")
    if not all(isinstance(row, dict) for name in ("checks", "ledger") for row in document[name]):
        raise damaged(where, "checks or ledger rows that are not objects")
    if not all(
        is_name(STATE, state)
        for state in [*document["states"], *(row.get("state") for row in document["checks"])]
    ):
        raise damaged(where, "a state of a name that no segment gives")
    try:
        read_measurements(document)
    except TypeError as error:
        raise damaged(where, str(error)) from None
    if not all(set(row) == set(LEDGER_FIELDS) and is_name(STATE, row["state"]) for row in document["ledger"]):
        raise damaged(where, "ledger rows of other fields", ", ".join(LEDGER_FIELDS))
    try:
        for row in document["ledger"]:
            decode_ledger({name: value for name, value in row.items() if name != "state"})
    except TypeError as error:
        raise damaged(where, str(error)) from None
    for item in bundle.datasets:
        _published(item, document["identity"], where)
    if len({item.path for item in bundle.datasets}) != len(bundle.datasets):
        raise damaged(where, "one directory listed twice")
    read = [f"{item.path}/*" for item in bundle.datasets] + [
        f"gates/{code}/{name}" for name in document["documents"]
    ]
    read += [f"gates/{parent}/{FLAG_NAME}" for parent in document["parents"]]
    require_plain_folders(run_dir, read)
    return bundle


def segment_problems(bundle: Bundle, receipt: Mapping[str, Any], before: Mapping[str, Bundle]) -> list[str]:
    """Where a bundle does not belong to this receipt, or to the segments opened before it."""
    problems = []
    for name in IDENTITY:
        if bundle.document["identity"].get(name) != receipt[name]:
            found = bundle.document["identity"].get(name)
            problems.append(
                f"gates/{bundle.segment}/index.json: {name} {found!r}, expected {receipt[name]!r} by the "
                "receipt"
            )
    for parent, digest in bundle.document["parents"].items():
        if parent not in before:
            problems.append(
                f"gates/{bundle.segment}/index.json: built on {parent}, which has not passed here"
            )
        elif before[parent].flag_sha256 != digest:
            problems.append(
                f"gates/{parent}/{FLAG_NAME}: SHA-256 {before[parent].flag_sha256}, but {bundle.segment} "
                f"was built on {digest}"
            )
    for earlier in held_by(bundle.segment, before):
        if earlier not in bundle.document["parents"]:
            problems.append(
                f"gates/{bundle.segment}/index.json: does not hold the flag of {earlier}, which comes "
                "before it"
            )
    return problems


def seal_problems(run_dir: Path, code: str, receipt: Mapping[str, Any]) -> list[str]:
    """Where a segment's sealed inputs are not the parameters, reference and contracts of the receipt."""
    path = gates_dir(run_dir, code) / f"sealed_inputs_{code}.json"
    require_plain_folders(run_dir, [f"gates/{code}/{path.name}"])
    document = load_json(read_published(path), str(path), SEAL_FORMAT)
    rows = document.get("inputs")
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise damaged(str(path), "no list of inputs")
    contracts = contracts_of(rows)
    inputs = {f"reference/{name}": value for name, value in receipt["reference"].items()}
    inputs |= {f"external/{name}": value for name, value in receipt["externals"].items()}
    made = manifest_fingerprint(contracts, receipt["parameter_hash"], inputs)
    problems = []
    # Another model version frames another name, which only that version can recompute.
    if receipt["model_version"] == MODEL_VERSION and made != receipt["manifest_fingerprint"]:
        problems.append(
            f"{path}: contracts {contracts} make fingerprint {made}, expected "
            f"{receipt['manifest_fingerprint']}"
        )
    for row in rows:
        key, template, digest = (
            str(row.get(name)) for name in ("manifest_key", "path_template", "sha256_hex")
        )
        expected: str | None = digest
        if row.get("owner_segment") == "REFERENCE":
            expected = receipt["reference"].get(key.removeprefix("reference."))
        elif row.get("owner_segment") == "EXTERNAL":
            expected = receipt["externals"].get(key.removeprefix("external."), "")
        elif template.startswith("config/"):
            name = template.removeprefix("config/")
            expected = (
                sha256_bytes(canonical_json(receipt["parameters"][name]))
                if name in receipt["parameters"]
                else None
            )
        if expected != digest:
            problems.append(f"{path}: {key} sealed with SHA-256 {digest}, the receipt's is {expected}")
    return problems


def _published(item: Published, identity: Mapping[str, Any], where: str) -> None:
    if not item.files:
        raise damaged(where, f"an entry of {item.dataset} without files")
    if len({part.name for part in item.files}) != len(item.files):
        raise damaged(where, f"a file of {item.dataset} listed twice")
    keys = [f"seed={identity.get('seed')}", f"manifest_fingerprint={identity.get('manifest_fingerprint')}"]
    keys += [f"scenario_id={item.scenario}"] if item.scenario is not None else []
    parts = item.path.split("/")
    given = [part for part in parts if "=" in part]
    if parts[-len(keys) :] != keys or given != keys or len(parts) < len(keys) + 3:
        raise damaged(where, f"the path {item.path!r} for {item.dataset}", f"data/.../{'/'.join(keys)}")
