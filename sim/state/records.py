"""Records of what was published: a file, a dataset, the draws from a stream.

Values only: this module reads and writes no file.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from itertools import accumulate
from typing import Any


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
        """Number of rows before each file, and the total.

        It is cached, because every partition that reads a range needs it.
        """
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

    def plus(self, more: LedgerRow) -> LedgerRow:
        """This row and one of the same stream, scenario and key."""
        figures = (self.entities + more.entities, self.draws + more.draws, self.blocks + more.blocks)
        return LedgerRow(self.stream, self.scenario, self.key, *figures)
