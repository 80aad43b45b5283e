"""What a state published: files, rows, digests, checks, ledger - the list by which every later reader opens files.

A manifest is JSON, written once by the state that made the files, and never reconstructed from a directory listing.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from itertools import accumulate
from typing import Any

from sim.shell.documents import require_readable
from sim.shell.errors import GateError
from sim.shell.identity import pretty_json

STATE_LAW = "state-v2"
INFO = "INFO"
"""Severity of what is measured and gates nothing."""
_MAX_DEPTH = 64


@dataclass(frozen=True, slots=True)
class PartFile:
    """One published Parquet file.

    Attributes:
        name: File name inside its dataset directory.
        bytes: Size.
        rows: Number of rows.
        file_sha256: Seals the bytes on disk.
        content_blake3: Logical digest of the rows, equal on every backend and writer version.
        keys: First and last sort key and primary key, used to prove order and uniqueness across files.
    """

    name: str
    bytes: int
    rows: int
    file_sha256: str
    content_blake3: str
    keys: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Published:
    """One dataset directory: a dataset, or one scenario of it.

    Attributes:
        dataset: Dataset id.
        scenario: Scenario id, or None.
        path: Directory relative to the run directory.
        files: Its files in order.
        content_blake3: Digest over the files' content digests, in order.
    """

    dataset: str
    scenario: str | None
    path: str
    files: tuple[PartFile, ...]
    content_blake3: str

    @property
    def rows(self) -> int:
        """Rows over all files."""
        return self.starts[-1]

    @cached_property
    def starts(self) -> tuple[int, ...]:
        """Number of rows before each file, and of all of them: summed up once, since every partition that reads a range asks."""
        return (0, *accumulate(part.rows for part in self.files))

    @property
    def bytes(self) -> int:
        """Bytes over all files."""
        return sum(part.bytes for part in self.files)


@dataclass(frozen=True)
class LedgerRow:
    """Random numbers one state drew from one stream (recomputed from counts by the state's checks).

    Attributes:
        key: Philox key, 16 hex digits.
        entities: How many entities drew.
        draws: How many 64-bit words were used.
        blocks: How many Philox blocks were evaluated for them.
    """

    stream: str
    scenario: str | None
    key: str
    entities: int
    draws: int
    blocks: int


@dataclass(frozen=True)
class StateManifest:
    """Everything one state published."""

    state: str
    identity: Mapping[str, Any]
    datasets: tuple[Published, ...]
    checks: tuple[Mapping[str, Any], ...]
    ledger: tuple[LedgerRow, ...]
    measurements: tuple[Mapping[str, Any], ...] = ()

    def encode(self) -> bytes:
        """The manifest file's bytes.

        Raises:
            ContractError: As `require_readable`.
        """
        document = {
            "law": STATE_LAW,
            "state": self.state,
            "identity": dict(self.identity),
            "checks": [dict(check) for check in self.checks],
            "ledger": [asdict(row) for row in self.ledger],
            "measurements": [dict(row) for row in self.measurements],
        }
        return encode_listing(document, self.datasets, self.state)

    @classmethod
    def decode(cls, data: bytes, where: str) -> StateManifest:
        """Parse a manifest file.

        Raises:
            GateError: If it is not a manifest of this law.
        """
        document = load_json(data, where, STATE_LAW)
        try:
            if not isinstance(document["identity"], dict) or not all(isinstance(check, dict) for check in document["checks"]):
                raise TypeError("identity or checks that are not objects")
            return cls(
                state=str(document["state"]),
                identity=document["identity"],
                datasets=tuple(decode_published(item) for item in document["datasets"]),
                checks=tuple(document["checks"]),
                ledger=tuple(LedgerRow(**row) for row in document["ledger"]),
                measurements=tuple(read_measurements(document)),
            )
        except (KeyError, TypeError, AttributeError) as error:
            raise damaged(where, f"{type(error).__name__}: {error}") from None


def read_measurements(document: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What a manifest or index measured.

    Raises:
        TypeError: If it is not a list of figures of severity INFO: nothing that gates may stand there.
    """
    rows = document["measurements"]
    if not isinstance(rows, list) or not all(isinstance(row, dict) and row.get("severity") == INFO for row in rows):
        raise TypeError("measurements that are not figures of severity INFO")
    return rows


def encode_listing(document: Mapping[str, Any], datasets: Iterable[Published], whose: str) -> bytes:
    """Bytes of a document that lists the files of datasets, under `datasets`.

    Args:
        document: What else it says.
        datasets: In order.
        whose: State or segment.

    Raises:
        ContractError: As `require_readable`.
    """
    listed = [encode_published(item) for item in datasets]
    data = pretty_json({**document, "datasets": listed})
    require_readable(len(data), sum(len(item["files"]) for item in listed), whose)
    return data


def encode_published(item: Published) -> dict[str, Any]:
    """JSON form of a `Published`."""
    return {
        "dataset": item.dataset,
        "scenario": item.scenario,
        "path": item.path,
        "rows": item.rows,
        "content_blake3": item.content_blake3,
        "files": [encode_file(part) for part in item.files],
    }


def encode_file(part: PartFile) -> dict[str, Any]:
    """JSON form of a `PartFile`; written out, since `asdict` copies key by key and a manifest has an entry a file."""
    return {
        "name": part.name,
        "bytes": part.bytes,
        "rows": part.rows,
        "file_sha256": part.file_sha256,
        "content_blake3": part.content_blake3,
        "keys": dict(part.keys),
    }


def decode_published(document: Mapping[str, Any]) -> Published:
    """A `Published` from its JSON form; the path must stay inside the run directory."""
    path = str(document["path"])
    files = tuple(PartFile(**part) for part in document["files"])
    for name in (path, *(part.name for part in files)):
        parts = name.split("/")
        if name.startswith("/") or "\\" in name or "\0" in name or any(part in ("", ".", "..") for part in parts):
            raise damaged(path, f"path {name!r} leaves the run directory")
    for part in files:
        if "/" in part.name or not isinstance(part.rows, int) or not isinstance(part.bytes, int) or not isinstance(part.keys, dict):
            raise damaged(path, f"file entry {part.name!r}")
    return Published(document["dataset"], document["scenario"], path, files, document["content_blake3"])


def no_duplicates(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    """`object_pairs_hook` that refuses repeated keys."""
    result: dict[str, Any] = {}
    for key, value in pairs:
        if key in result:
            raise ValueError(f"duplicate key {key!r}")
        result[key] = value
    return result


def load_json(data: bytes, where: str, law: str) -> dict[str, Any]:
    """Parse a published JSON object that must carry `law`.

    Raises:
        GateError: If it does not parse, repeats a key, nests deeper than 64, holds what no run writes, or follows another law.
    """
    try:
        text = data.decode("utf-8")
        document = json.loads(text, object_pairs_hook=no_duplicates, parse_float=_finite, parse_constant=_finite)
        _require_plain(document, data)
    except (ValueError, RecursionError) as error:
        raise damaged(where, str(error)[:200]) from None
    if not isinstance(document, dict) or document.get("law") != law:
        found = document.get("law") if isinstance(document, dict) else type(document).__name__
        raise damaged(where, f"law {found!r}", expected=f"law {law!r}")
    return document


def _require_plain(document: Any, data: bytes) -> None:
    """Refuse what JSON can say and no run writes: deep nesting, and text that is not Unicode."""
    if b"\\u" in data:  # only an escape can make a lone surrogate
        json.dumps(document, ensure_ascii=False).encode("utf-8")
    level, depth = [document] if type(document) in (dict, list) else [], 0
    while level:
        depth += 1
        if depth > _MAX_DEPTH:
            raise ValueError(f"nested deeper than {_MAX_DEPTH}")
        inside = (value.values() if type(value) is dict else value for value in level)
        level = [item for items in inside for item in items if type(item) in (dict, list)]


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"the number {text[:20]}")
    return value


def damaged(where: str, found: str, expected: str = "the bytes this version publishes") -> GateError:
    """The error for a published JSON file that cannot be what a run wrote."""
    return GateError(
        "SHELL.PUBLISHED_FILE_INVALID",
        "a published manifest, index or flag is damaged or foreign",
        found=found,
        expected=expected,
        where=where,
        do="restore the run directory from a copy, or build the run again with another --out",
    )
