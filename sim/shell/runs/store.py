"""The rows a run may read: published datasets by manifest, verified when first opened.

The store checks a file's SHA-256 when a state first opens it, and again if another file has taken its name
since. Every read verifies page checksums. The store finds files by manifest, never by listing a directory.
"""

from __future__ import annotations

import threading
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

from sim.backends.protocol import ColumnSpec, ParquetReader, UnexpectedRows
from sim.ground.contract_types import PUBLISHED, Contracts, Dataset
from sim.ground.errors import GateError
from sim.shell.publish.gate import require_bytes
from sim.shell.runs.grouped import Footers, no_rows, read_groups, require_grouped
from sim.shell.runs.numbers import Numberings, numbered_prefix
from sim.shell.runs.proven import ProvenFiles
from sim.shell.tables.arrow import vocabulary_of
from sim.shell.tables.parquet import damaged, read_parquet, require_schema
from sim.shell.tables.reference import Reference
from sim.shell.tables.row_groups import require_recorded, rows_by_value
from sim.state.frames import Array, Frame, concat
from sim.state.records import PartFile, Published

_CACHE_BYTES = 192 << 20
_CACHE_SHARE = 16
"""Under a memory limit this part of it may be used for rows that were read, where that is less."""
_KEEPS = 1 << 30
_KEEPS_SHARE = 4
"""The same of what the partitions of a state share."""
_Key: TypeAlias = tuple[str, str, tuple[str, ...] | None]


class Store:
    """Read access to one run directory.

    Args:
        run_dir: Run directory.
        contracts: Compiled contracts.
        reference: Reference snapshot.
        vocabularies: All sealed lists, static and from the reference.
        seed: The world's seed, of which published ids are permutations.

    Attributes:
        numberings: Turns natural numbers of frames into published ids, and back.
        keeps: Bytes that values shared by the partitions of a state may take.
    """

    def __init__(
        self,
        run_dir: Path,
        contracts: Contracts,
        reference: Reference,
        vocabularies: Mapping[str, tuple[str, ...]],
        seed: int,
    ) -> None:
        self.reference = reference
        self.vocabularies = dict(vocabularies)
        self.numberings = Numberings(
            seed, contracts, self.vocabularies, lambda dataset: self.published(dataset).files
        )
        self._run_dir, self._contracts = run_dir, contracts
        self._published: dict[tuple[str, str | None], Published] = {}
        self._proven = ProvenFiles()
        self._frames: OrderedDict[_Key, Frame] = OrderedDict()
        self._held = 0  # bytes of these
        self._lock = threading.Lock()
        self._budget = _CACHE_BYTES
        self._footers = Footers()
        self.keeps = _KEEPS

    def fit(self, memory_limit: int | None) -> None:
        """Keep fewer rows in memory where the process may take `memory_limit` bytes; None for no limit."""
        self._budget = (
            _CACHE_BYTES if memory_limit is None else min(_CACHE_BYTES, memory_limit // _CACHE_SHARE)
        )
        self._footers.budget = min(self._footers.budget, self._budget)
        self.keeps = _KEEPS if memory_limit is None else min(_KEEPS, memory_limit // _KEEPS_SHARE)
        self.numberings.permutations.budget = min(self.numberings.permutations.budget, self._budget)

    def register(self, items: Iterable[Published]) -> None:
        """Make published datasets readable. Only proven ones may be registered."""
        for item in items:
            self._published[(item.dataset, item.scenario)] = item

    def published(self, dataset: str, scenario: str | None = None) -> Published:
        """The published directory of a dataset.

        Raises:
            GateError: If nothing proven was published under that name.
        """
        item = self._published.get((dataset, scenario))
        if item is None:
            raise GateError(
                "SHELL.INPUT_NOT_PUBLISHED",
                f"{dataset} has no published rows" + (f" for scenario {scenario}" if scenario else ""),
                expected=f"published by {self._contracts.dataset(dataset).produced_by}",
                do="closedworld run builds it; scenario data need --scenario",
            )
        return item

    def scenarios(self, dataset: str) -> list[str | None]:
        """Scenarios under which a dataset is published (a single None for scenario-free data)."""
        return [scenario for name, scenario in self._published if name == dataset]

    def holds(self, dataset: str, scenario: str | None = None) -> bool:
        """Whether a dataset (of a scenario) has been published."""
        return (dataset, scenario) in self._published

    def load(
        self,
        dataset: str,
        scenario: str | None = None,
        *,
        part: int | None = None,
        rows: tuple[int, int] | None = None,
        columns: Sequence[str] | None = None,
        as_filed: bool = False,
    ) -> Frame:
        """Rows of a published dataset in natural numbers and their order; see `Context.load`.

        `as_filed`: in natural numbers and the order of the files, as are rows that were made in it.
        """
        contract = self._contracts.dataset(dataset)
        read = self._as_filed if as_filed or contract.made_in == PUBLISHED else self._natural
        if not contract.numbered:
            read = self._read
        return self._load(read, dataset, scenario, part, rows, columns)

    def load_groups(
        self,
        dataset: str,
        scenario: str | None,
        low: int,
        high: int,
        columns: Sequence[str] | None = None,
    ) -> Frame:
        """Rows of some values of the column that row groups follow; see `Context.load_groups`."""
        item, contract = self.published(dataset, scenario), self._contracts.dataset(dataset)
        require_grouped(contract)
        names = contract.table.names if columns is None else tuple(columns)
        frames = []
        for file in item.files:
            path = self._run_dir / item.path / file.name
            self._verify(path, file)
            found = read_groups(path, file, contract, self.vocabularies, self._footers, low, high, names)
            if found is not None:
                frames.append(found)
        if not frames:
            return no_rows(contract, names)
        frame = frames[0] if len(frames) == 1 else concat(frames)
        return self.numberings.natural(frame, contract) if contract.numbered else frame

    def group_rows(self, dataset: str, scenario: str | None = None) -> Array:
        """Rows of each value of the column that row groups follow; see `Context.group_rows`."""
        item, contract = self.published(dataset, scenario), self._contracts.dataset(dataset)
        require_grouped(contract)
        return rows_by_value(
            [
                require_recorded(str(self._run_dir / item.path / file.name), file, contract)
                for file in item.files
                if file.rows
            ]
        )

    def renumbered(self, name: str, numbers: Array, inverse: bool) -> Array:
        """Published ids of natural numbers of a set, or back; see `Context.published`."""
        return self.numberings.renumbered(name, numbers, inverse)

    def load_published(
        self,
        dataset: str,
        scenario: str | None = None,
        *,
        part: int | None = None,
        rows: tuple[int, int] | None = None,
        columns: Sequence[str] | None = None,
    ) -> Frame:
        """Rows of a published dataset as they lie in its files; arguments as `Context.load`."""
        return self._load(self._read, dataset, scenario, part, rows, columns)

    def _load(
        self,
        read: Callable[[Published, PartFile, tuple[str, ...] | None], Frame],
        dataset: str,
        scenario: str | None,
        part: int | None,
        rows: tuple[int, int] | None,
        columns: Sequence[str] | None,
    ) -> Frame:
        item = self.published(dataset, scenario)
        wanted = tuple(columns) if columns is not None else None
        frames = [read(item, file, wanted).slice(low, high) for file, low, high in pieces(item, part, rows)]
        return frames[0] if len(frames) == 1 else concat(frames)

    def decodes(self, dataset: str) -> bool:
        """Whether a device may decode the files of a dataset: those whose ids need no turning back."""
        return not self._contracts.dataset(dataset).numbered

    def load_to(
        self,
        read: ParquetReader,
        dataset: str,
        scenario: str | None = None,
        *,
        part: int | None = None,
        rows: tuple[int, int] | None = None,
        columns: Sequence[str] | None = None,
    ) -> Frame:
        """Rows of a published dataset, decoded in device memory from the verified bytes of its files.

        See `Context.load`.
        """
        item, contract = self.published(dataset, scenario), self._contracts.dataset(dataset)
        wanted = [
            contract.table.column(name) for name in (contract.table.names if columns is None else columns)
        ]
        sealed = {column.name: tuple(vocabulary_of(contract, column, self.vocabularies)) for column in wanted}
        specs = [
            ColumnSpec(column.name, column.type, column.numpy_dtype, column.nullable, sealed[column.name])
            for column in wanted
        ]
        frames = []
        for file, low, high in pieces(item, part, rows):
            path = self._run_dir / item.path / file.name
            data = require_bytes(path, file.file_sha256, file.bytes)
            require_schema(path, data, contract, self.vocabularies)
            try:
                found = read(data, specs, (low, high))
            except UnexpectedRows as error:
                raise damaged(path, contract, str(error), "rows its contract allows") from error
            masks = {name: mask for name, (_, mask) in found.items() if mask is not None}
            frames.append(Frame({name: values for name, (values, _) in found.items()}, masks))
        return frames[0] if len(frames) == 1 else concat(frames)

    def _read(self, item: Published, file: PartFile, columns: tuple[str, ...] | None) -> Frame:
        """Rows of a file as they lie there."""
        path = self._run_dir / item.path / file.name

        def read() -> Frame:
            self._verify(path, file)
            return read_parquet(
                path, self._contracts.dataset(item.dataset), self.vocabularies, columns, part=file
            )

        return self._kept((str(path), "published", columns), read)

    def _as_filed(self, item: Published, file: PartFile, columns: tuple[str, ...] | None) -> Frame:
        """Rows of a file in natural numbers, in the order in which they lie there."""
        path, contract = self._run_dir / item.path / file.name, self._contracts.dataset(item.dataset)

        def turned() -> Frame:
            self._verify(path, file)
            frame = read_parquet(path, contract, self.vocabularies, columns, part=file)
            return self.numberings.natural(frame, contract)

        return self._kept((str(path), "as filed", columns), turned)

    def _natural(self, item: Published, file: PartFile, columns: tuple[str, ...] | None) -> Frame:
        """Rows of a file in natural numbers and their order."""
        path, contract = self._run_dir / item.path / file.name, self._contracts.dataset(item.dataset)

        def turned() -> Frame:
            self._verify(path, file)
            frame = read_parquet(path, contract, self.vocabularies, columns, part=file)
            return self.numberings.natural(frame, contract, self._order(path, file, contract, frame))

        return self._kept((str(path), "natural", columns), turned)

    def _order(self, path: Path, file: PartFile, contract: Dataset, beside: Frame) -> Array | None:
        """Order of a file's rows by natural numbers; None where they are in it.

        Args:
            path: The file.
            file: What its manifest says.
            contract: Its contract.
            beside: Columns of the file that have been read; those that order it need not be among them.
        """
        prefix = numbered_prefix(contract)
        if not prefix:
            return None

        def found() -> Frame:
            frame = beside
            if any(name not in beside for name in prefix):
                frame = read_parquet(path, contract, self.vocabularies, prefix, part=file)
            order = self.numberings.natural_order(frame, contract)
            return Frame({} if order is None else {"row": order})

        kept = self._kept((str(path), "order", prefix), found)
        return dict(kept.items()).get("row")

    def _kept(self, key: _Key, make: Callable[[], Frame]) -> Frame:
        """A frame that is kept in memory while there is room."""
        with self._lock:
            if key in self._frames:
                self._frames.move_to_end(key)
                return self._frames[key]
        frame = make()
        with self._lock:
            again = self._frames.pop(key, None)  # another thread made it meanwhile
            self._held += _bytes(frame) - (0 if again is None else _bytes(again))
            self._frames[key] = frame
            while len(self._frames) > 1 and self._held > self._budget:
                self._held -= _bytes(self._frames.popitem(last=False)[1])
        return frame

    def _verify(self, path: Path, file: PartFile) -> None:
        self._proven.require([(path, file.file_sha256)])


def pieces(
    item: Published, part: int | None, rows: tuple[int, int] | None
) -> list[tuple[PartFile, int, int]]:
    """Files and the half-open row range wanted of each; never nothing.

    Args:
        item: What was published.
        part: Only this file.
        rows: Only this range over the rows of what `part` selects.
    """
    files, starts = item.files, item.starts
    if part is not None:
        files, starts = (item.files[part],), (0, item.files[part].rows)
    if rows is None:
        return [(file, 0, file.rows) for file in files]
    (low, high), found = rows, []
    number = max(0, bisect_right(starts, low) - 1)
    while number < len(files) and starts[number] < high:
        start, stop = max(low, starts[number]), min(high, starts[number + 1])
        if start < stop:
            found.append((files[number], start - starts[number], stop - starts[number]))
        number += 1
    return found or [(files[0], 0, 0)]


def _bytes(frame: Frame) -> int:
    return sum(array.nbytes for _, array in frame.items())
