"""The reference snapshot: small sealed tables of the real world under `config/reference/`.

The run reads these files and nothing else of the outside: no network, no host time-zone database.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from sim.ground.errors import ContractError, GateError
from sim.ground.read_once import FileBytes, read_once
from sim.shell.tables.bounds import require_bounded_table
from sim.state.frames import Frame

TABLES = ("cities", "countries", "holidays", "land_edges", "tz_transitions", "tzids")
MAX_TABLE_BYTES, MAX_TABLE_ROWS = 1 << 26, 10_000_000
MAX_TABLE_MEMORY = 1 << 28
"""Bytes of a table's rows in memory: a hundred times what the largest of ours takes."""


class Reference:
    """Lazy, cached access to the snapshot; each file is read once, and what is hashed is what is decoded.

    Args:
        root: Directory of the snapshot.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._lock = threading.RLock()
        self._files: dict[str, FileBytes] = {}
        self._tables: dict[str, pa.Table] = {}
        self._frames: dict[str, Frame] = {}

    def digests(self) -> dict[str, str]:
        """Table name -> SHA-256 of its file, for all tables: of the very bytes that rows are taken from.

        Raises:
            ContractError: `SHELL.REFERENCE_INVALID` if a table's file is no plain file of at most
                `MAX_TABLE_BYTES` bytes.
        """
        return {name: self._file(name).sha256 for name in TABLES}

    def vocabulary(self, name: str, column: str) -> tuple[str, ...]:
        """The different values of a text column in the order of their first rows."""
        return tuple(dict.fromkeys(str(value) for value in self._table(name)[column].to_pylist()))

    def texts(self, name: str, column: str) -> list[str]:
        """A text column, row by row."""
        return [str(value) for value in self._table(name)[column].to_pylist()]

    def metadata(self, name: str) -> dict[str, str]:
        """Key-value metadata of a table's schema."""
        raw: dict[bytes, bytes] = self._table(name).schema.metadata or {}
        return {key.decode(): value.decode() for key, value in raw.items()}

    def frame(self, name: str, vocabularies: Mapping[str, tuple[str, ...]]) -> Frame:
        """A table as a `Frame`: `country_iso`, `tzid` as codes into the sealed lists, other text as str."""
        with self._lock:
            cached = self._frames.get(name)
        if cached is not None:
            return cached
        columns: dict[str, Any] = {}
        for field in self._table(name).schema:
            values = self._table(name)[field.name].combine_chunks()
            if field.name in ("country_iso", "tzid"):
                sealed = vocabularies["country" if field.name == "country_iso" else "tzid"]
                codes = pc.index_in(values.cast(pa.string()), pa.array(sealed))
                if codes.null_count:
                    raise self._invalid(name, f"{field.name} outside its sealed list", "every value listed")
                columns[field.name] = codes.to_numpy().astype(np.int16)
            elif pa.types.is_string(field.type) or pa.types.is_dictionary(field.type):
                columns[field.name] = np.array(values.cast(pa.string()).to_pylist(), dtype=np.str_)
            elif pa.types.is_date32(field.type):
                columns[field.name] = values.cast(pa.int32()).to_numpy()
            else:
                columns[field.name] = values.to_numpy(zero_copy_only=False)
        frame = Frame(columns)
        with self._lock:
            return self._frames.setdefault(name, frame)

    def _file(self, name: str) -> FileBytes:
        with self._lock:
            if name not in self._files:
                try:
                    self._files[name] = read_once(self._root / f"{name}.parquet", MAX_TABLE_BYTES)
                except ContractError as error:
                    raise self._invalid(name, error.found, error.expected) from error
            return self._files[name]

    def _table(self, name: str) -> pa.Table:
        with self._lock:
            if name not in self._tables:
                try:
                    with pq.ParquetFile(
                        pa.BufferReader(self._file(name).data), page_checksum_verification=True
                    ) as file:
                        rows = file.metadata.num_rows
                        if rows > MAX_TABLE_ROWS:
                            raise self._invalid(
                                name, f"{rows:,} rows by its footer", f"at most {MAX_TABLE_ROWS:,} rows"
                            )
                        require_bounded_table(name, self._file(name).data, MAX_TABLE_MEMORY)
                        # A thread of Arrow could be the last to hold Python's bytes, and give them up when
                        # the interpreter ends: an abort.
                        self._tables[name] = file.read(use_threads=False)
                except GateError as error:
                    raise self._invalid(name, error.found, error.expected) from error
                except MemoryError:  # Arrow's is an ArrowException too
                    raise
                except (OSError, pa.ArrowException, UnicodeDecodeError) as error:
                    # the last: names that are no UTF-8
                    raise self._invalid(name, str(error), "a readable Parquet file") from error
            return self._tables[name]

    def _invalid(self, name: str, found: str, expected: str) -> ContractError:
        return ContractError(
            "SHELL.REFERENCE_INVALID",
            f"reference table {name!r} cannot be used",
            found=found,
            expected=expected,
            where=str(self._root / f"{name}.parquet"),
            do="python config/reference/build.py rebuilds the snapshot; or point --config at a complete one",
        )
