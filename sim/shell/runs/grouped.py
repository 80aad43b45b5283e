"""Reads the row groups of some values out of files that have a row group a value; see `row_groups.py`."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from sim.ground.contract_types import Dataset
from sim.shell.tables.arrow import from_arrow
from sim.shell.tables.bounds import require_bounded_file
from sim.shell.tables.parquet import Vocabularies, damages, require_schema_of
from sim.shell.tables.row_groups import chosen, require_recorded, require_values
from sim.state.frames import Frame
from sim.state.records import PartFile

_FOOTER_BYTES = 64 << 20


class Footers:
    """Footers that were compared with manifests, by path: what each read of a few row groups begins with.

    Attributes:
        budget: Most bytes of footers, as they lie in files, that are kept.
    """

    def __init__(self) -> None:
        self.budget = _FOOTER_BYTES
        self._kept: OrderedDict[tuple[Path, str], pq.FileMetaData] = OrderedDict()
        self._held = 0
        self._lock = threading.Lock()

    def get(self, path: Path, part: PartFile, dataset: Dataset, vocab: Vocabularies) -> pq.FileMetaData:
        """The footer of a file whose bytes were proven.

        Raises:
            GateError: `SHELL.PUBLISHED_FILE_INVALID`: it is not what the manifest or the contract says.
        """
        key = (path, part.file_sha256)
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
        require_bounded_file(str(path), part, lambda: pa.OSFile(str(path)), ())
        with pq.ParquetFile(path, page_checksum_verification=True) as file:
            require_schema_of(path, file, dataset, vocab)
            footer = file.metadata
        with self._lock:
            if key not in self._kept:
                self._kept[key] = footer
                self._held += footer.serialized_size
                while len(self._kept) > 1 and self._held > self.budget:
                    self._held -= self._kept.popitem(last=False)[1].serialized_size
        return footer


def read_groups(
    path: Path,
    part: PartFile,
    dataset: Dataset,
    vocab: Vocabularies,
    footers: Footers,
    low: int,
    high: int,
    columns: Sequence[str],
) -> Frame | None:
    """Rows of a file whose value is in [low, high); no other row group is read.

    Args:
        path: A file whose bytes were proven.
        part: Its manifest entry.
        dataset: Its contract.
        vocab: All vocabularies by name.
        footers: Those that are known.
        low: First value.
        high: The value after the last.
        columns: Those wanted.

    Returns:
        The rows in the order of the file, published ids; None where there are none.

    Raises:
        GateError: `SHELL.PUBLISHED_FILE_INVALID`: footer, pages or values are not what the manifest says.
        StorageError: `SHELL.IO_READ_FAILED`.
    """
    numbers, found = chosen(require_recorded(str(path), part, dataset), low, high)
    if not numbers:
        return None
    assert dataset.row_groups is not None
    names = list(dict.fromkeys([*columns, dataset.row_groups]))
    with damages(path, dataset):
        footer = footers.get(path, part, dataset, vocab)
        with pq.ParquetFile(path, metadata=footer, page_checksum_verification=True) as file:
            table = file.read_row_groups(numbers, columns=names, use_threads=False)
        frame = from_arrow(table.select(names), dataset, vocab, names)
    require_values(str(path), frame[dataset.row_groups], found)
    return frame.select(*columns)


def require_grouped(dataset: Dataset) -> None:
    """Refuse a dataset without row groups of its own.

    Raises:
        ValueError: Its dictionary does not say `row_groups` (a bug in a state).
    """
    if dataset.row_groups is None:
        raise ValueError(f"{dataset.id} has no row groups by a column: its dictionary does not say any")


def no_rows(dataset: Dataset, columns: Iterable[str]) -> Frame:
    """A frame of no rows."""
    return Frame({name: np.empty(0, dataset.table.column(name).numpy_dtype) for name in columns})
