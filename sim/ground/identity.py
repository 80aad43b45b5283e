"""Canonical bytes and the names derived from them: parameter hash, fingerprint, run id.

Framing is u32 little-endian length + bytes, so that no content can move between fields unseen. Hashed JSON is
canonical: sorted keys, no spaces, UTF-8, floats as `repr` writes them, unknown types refused.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import struct
import sys
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from sim import MODEL_VERSION
from sim.ground.plain_file import open_plain

_CHUNK = 1 << 22
_PLAIN = frozenset({str, int, bool, type(None)})


def frame(data: bytes | str) -> bytes:
    """u32 little-endian length, then the bytes (text as UTF-8): no two lists of parts share one encoding."""
    body = data.encode("utf-8") if isinstance(data, str) else data
    return len(body).to_bytes(4, "little") + body


def _refuse(value: Any, path: str) -> None:
    kind = type(value)
    if kind in _PLAIN:
        return
    # Counters of a partition are lists of 100,000s of integers: looked at type by type, and spelt out only
    # where one is not plain.
    if kind in (list, tuple) and _PLAIN.issuperset(map(type, value)):
        return
    if isinstance(value, Mapping):
        for key, item in value.items():
            if not isinstance(key, str):
                raise TypeError(f"{path}: key {key!r} is not text")
            _refuse(item, f"{path}.{key}")
    elif isinstance(value, list | tuple):
        for number, item in enumerate(value):
            _refuse(item, f"{path}[{number}]")
    elif isinstance(value, float):
        if not math.isfinite(value):
            raise ValueError(f"{path}: {value} has no canonical form")
    elif value is not None and not isinstance(value, str | int | bool):
        raise TypeError(f"{path}: {type(value).__name__} has no canonical form")


def canonical_json(value: Any) -> bytes:
    """Canonical JSON bytes of plain data.

    Raises:
        TypeError: For any type JSON does not have (no `default=`: a digest object must never be hashed by
            accident).
        ValueError: For NaN and infinities.
    """
    _refuse(value, "$")
    return json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    ).encode("utf-8")


def pretty_json(value: Any) -> bytes:
    """JSON for files people open: sorted, indented, newline at the end.

    Refuses what `canonical_json` refuses.
    """
    _refuse(value, "$")
    return (json.dumps(value, sort_keys=True, indent=1, ensure_ascii=False, allow_nan=False) + "\n").encode(
        "utf-8"
    )


def sha256_bytes(data: bytes | memoryview) -> str:
    """SHA-256 as 64 hex digits."""
    return hashlib.sha256(data).hexdigest()


def sha256_file(path: Path, *, follow: bool = True) -> str:
    """SHA-256 of a plain file's bytes, read in 4 MiB pieces.

    Never waits for a pipe, and reads no more than lay there when it was opened.

    Args:
        path: The file.
        follow: Whether the last name may be a symbolic link.

    Raises:
        OSError: If it cannot be read; `NotPlain` if it is no plain file.
    """
    digest = hashlib.sha256()
    buffer = bytearray(_CHUNK)
    view = memoryview(buffer)
    descriptor = open_plain(path, sys.maxsize, follow=follow)
    with os.fdopen(descriptor, "rb", buffering=0) as stream:
        # of a file that grows, one byte more: it is not what it was, and may grow for ever
        left = os.fstat(descriptor).st_size + 1
        while left and (size := stream.readinto(view[: min(left, _CHUNK)])):
            digest.update(view[:size])
            left -= size
    return digest.hexdigest()


def named_digest(label: str, rows: Iterable[tuple[str, str]]) -> str:
    """SHA-256 over a label and framed (name, digest) pairs sorted by name."""
    digest = hashlib.sha256(frame(label))
    for name, value in sorted(rows):
        digest.update(frame(name) + frame(value))
    return digest.hexdigest()


def contracts_digest(files: Iterable[tuple[str, str]]) -> str:
    """SHA-256 over the sorted (path under contracts/, SHA-256 of canonical JSON of the content).

    Comments and layout do not count.
    """
    return named_digest("closedworld.contracts.v1", files)


def parameter_hash(configs: Mapping[str, Any]) -> str:
    """Digest of every config pack the engine declares, after presets and overrides.

    Args:
        configs: Path relative to `config/` -> resolved content.
    """
    rows = ((path, sha256_bytes(canonical_json(content))) for path, content in configs.items())
    return named_digest("closedworld.parameters.v1", rows)


def manifest_fingerprint(contracts_digest: str, parameters: str, inputs: Mapping[str, str]) -> str:
    """Digest that names a world: contracts, parameters, reference and external inputs, model version.

    Args:
        contracts_digest: Digest of the compiled contracts.
        parameters: The parameter hash.
        inputs: Name of each reference table and external input -> SHA-256 of its bytes.
    """
    rows = [("contracts", contracts_digest), ("parameters", parameters), ("model_version", MODEL_VERSION)]
    rows += [(f"input/{name}", digest) for name, digest in inputs.items()]
    return named_digest("closedworld.fingerprint.v1", rows)


def run_id(fingerprint: str, seed: int, scenarios: Iterable[str]) -> str:
    """First 32 hex digits of SHA-256 over fingerprint, seed and the sorted scenario set."""
    text = frame("closedworld.run.v1") + frame(fingerprint) + struct.pack("<Q", seed)
    for scenario in sorted(set(scenarios)):
        text += frame(scenario)
    return hashlib.sha256(text).hexdigest()[:32]


@cache
def code_digest() -> str:
    """Digest of the engine's sources; only the same sources reuse finished partitions in staging."""
    root = Path(__file__).resolve().parents[2]
    return named_digest(
        "closedworld.code.v1", [(str(path.relative_to(root)), sha256_file(path)) for path in code_files(root)]
    )


def code_files(root: Path) -> list[Path]:
    """The engine's sources, Python and CUDA, sorted."""
    files = (path for folder in ("sim", "cpu_fallback", "gpu_kernels") for path in (root / folder).rglob("*"))
    return sorted(path for path in files if path.suffix in (".py", ".cu", ".cuh", ".h"))
