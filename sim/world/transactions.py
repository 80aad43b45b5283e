"""Payments with what was known when their answer was asked for: `World.transactions()`.

A row of `flows_6B` names a merchant, a site, a card, a device, an address. Here their attributes stand beside
it: those that hold at that instant, and none that tells of later (the end of a card's life, the last day of a
device). Columns of role `after` - the answer, clearing, refunds - come on demand.

Payments lie by party. Batches come in that order, or in time order: rows are then spilled by slices of time
into a temporary folder, and each slice is sorted, so that memory stays that of a file and of a slice.
"""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sim.ground.contract_types import AFTER
from sim.ground.errors import UsageError
from sim.state.records import PartFile, Published
from sim.world.source import Source
from sim.world.tables import Table, as_cudf, as_pandas, as_polars, only

FLOWS = "flows_6B"
ROWS = 1 << 16
"""Rows of a batch at most."""
_SLICE_ROWS, _MOST_SLICES = 2_000_000, 256


@dataclass(frozen=True)
class _Side:
    """Attributes of what a payment names.

    Attributes:
        dataset: Where they lie, one row a key.
        keys: Columns that hold the key there -> those of the payment.
        columns: Their column -> what it is called beside a payment.
    """

    dataset: str
    keys: Mapping[str, str]
    columns: Mapping[str, str]


SIDES = (
    _Side(
        "merchant_catalogue_1A",
        {"merchant_id": "merchant_id"},
        {"home_country_iso": "merchant_home_country_iso", "channel": "merchant_channel"},
    ),
    _Side(
        "site_locations",
        {"site_id": "site_id"},
        {"city_name": "city_name", "lat_deg": "site_lat_deg", "lon_deg": "site_lon_deg"},
    ),
    _Side(
        "s3_instrument_base_6A",
        {"instrument_id": "instrument_id"},
        {
            "instrument_type": "instrument_type",
            "issuer_id": "issuer_id",
            "scheme": "scheme",
            "brand_tier": "brand_tier",
            "domestic_only": "domestic_only",
            "bin": "bin",
        },
    ),
    _Side(
        "s3_card_base_6A",
        {"instrument_id": "instrument_id", "card_no": "card_no"},
        {"last4": "last4", "issue_date": "card_issue_date", "expiry_month": "card_expiry_month"},
    ),
    _Side(
        "s4_device_base_6A",
        {"device_id": "device_id"},
        {
            "device_type": "device_type",
            "os_family": "os_family",
            "browser": "browser",
            "language": "device_language",
            "first_seen": "device_first_seen",
        },
    ),
    _Side(
        "s4_ip_base_6A",
        {"ip_id": "ip_id"},
        {"ip_type": "ip_type", "country_iso": "ip_country_iso", "asn": "asn", "ip_version": "ip_version"},
    ),
    _Side(
        "s1_party_base_6A",
        {"party_id": "party_id"},
        {"country_iso": "home_country_iso", "segment_id": "segment_id"},
    ),
)
"""What stands beside a payment."""


class Transactions:
    """Payments of a world, or of one scenario, with attributes of what they name.

    Args:
        world: The world.
        flows: `flows_6B` of it, or of one of its scenarios.
        after: Whether columns known only later come too.
        order: `party`: as they lie; `time`: by instant, scenario by scenario.
        columns: Only these, in this order.

    Raises:
        UsageError: There is no such column or order.
    """

    def __init__(
        self,
        world: Source,
        flows: Table,
        after: bool = False,
        order: Literal["party", "time"] = "party",
        columns: Sequence[str] | None = None,
    ) -> None:
        self._world, self._flows, self._after, self._order = world, flows, after, order
        if order not in ("party", "time"):
            raise UsageError("SHELL.UNKNOWN_ORDER", f"no order is called {order!r}", expected="party, time")
        later = [] if after else [one.name for one in self._flows.contract.table.columns if one.role == AFTER]
        own = [name for name in self._flows.schema.names if name not in later]
        known = [*own, *(name for side in SIDES for name in side.columns.values())]
        for name in columns or ():
            if name not in known:
                role = ": it is known only later, ask for after=True" if name in later else ""
                what = f"transactions have no column {name!r}{role}"
                raise UsageError("SHELL.UNKNOWN_COLUMN", what, expected=", ".join(known))
        self.columns = tuple(known if columns is None else columns)
        """Names of the columns, in order."""

    def __repr__(self) -> str:
        return f"Transactions(rows={self.rows:,}, columns={len(self.columns)}, order={self._order!r})"

    def __len__(self) -> int:
        return self.rows

    @property
    def rows(self) -> int:
        """Number of payments."""
        return self._flows.rows

    @property
    def schema(self) -> pa.Schema:
        """Arrow schema of the rows."""
        fields = {field.name: field for field in self._flows.schema}
        for side in SIDES:
            there = _whole(self._world, side.dataset).schema
            nullable = any(fields[name].nullable for name in side.keys.values())
            for name, called in side.columns.items():
                one = there.field(name)
                fields[called] = pa.field(called, one.type, one.nullable or nullable)
        return pa.schema([fields[name] for name in self.columns])

    def batches(self) -> Iterator[pa.RecordBatch]:
        """The rows, batch by batch, of at most `ROWS` each; memory does not grow with their number.

        Raises:
            GateError: If a file is not the published one.
        """
        schema = self.schema
        if self._order == "party":
            for rows in self._joined():
                yield from rows.cast(schema).to_batches(max_chunksize=ROWS)
            return
        for item in self._flows.published:
            with tempfile.TemporaryDirectory(prefix="closedworld-") as folder:
                flows = Table(self._world, [item])
                one = Transactions(self._world, flows, self._after, "party", self._with_time())
                for rows in _in_time(one, Path(folder)):
                    yield from rows.select(self.columns).cast(schema).to_batches(max_chunksize=ROWS)

    def _with_time(self) -> tuple[str, ...]:
        return (*self.columns, *(name for name in ("ts_utc", "flow_id") if name not in self.columns))

    def _joined(self) -> Iterator[pa.Table]:
        """Rows of one file after the other, with what stands beside them."""
        sides = [_Beside(self._world, side, self.columns) for side in SIDES]
        sides = [side for side in sides if side.columns]
        stored = [name for name in self._flows.schema.names if name in self.columns]
        keys = [key for side in sides for key in side.keys]
        wanted = list(dict.fromkeys([*stored, *keys])) or ["flow_id"]
        for item in self._flows.published:
            for part in item.files:
                rows = _file(self._world, item, part).to_arrow(wanted)
                for side in sides:
                    rows = side.beside(rows)
                yield rows.select(self.columns)

    def reader(self) -> pa.RecordBatchReader:
        """`batches` as a reader: what DuckDB, polars and others take as a stream."""
        return pa.RecordBatchReader.from_batches(self.schema, self.batches())

    def to_arrow(self) -> pa.Table:
        """The rows as a table."""
        return self.reader().read_all()

    def to_polars(self) -> Any:
        """The rows as a `polars.DataFrame`."""
        return as_polars(self.to_arrow())

    def to_pandas(self) -> Any:
        """The rows as a `pandas.DataFrame` of Arrow columns."""
        return as_pandas(self.to_arrow())

    def to_cudf(self) -> Any:
        """The rows as a `cudf.DataFrame` on the GPU."""
        return as_cudf(self.to_arrow())

    def duckdb(self, connection: Any = None) -> Any:
        """The rows as a DuckDB relation over a stream, which is read once.

        Args:
            connection: A connection to make it on; a new one in memory by default.
        """
        import duckdb

        return (connection or duckdb.connect(":memory:")).from_arrow(self.reader())


class _Beside:
    """Attributes of one kind, held in memory for the columns that are asked for."""

    def __init__(self, world: Source, side: _Side, wanted: Sequence[str]) -> None:
        self.columns = {name: called for name, called in side.columns.items() if called in wanted}
        self.keys = tuple(side.keys.values()) if self.columns else ()
        if not self.columns:
            return
        table = _whole(world, side.dataset).to_arrow([*side.keys, *self.columns])
        self._key = _packed([table[name] for name in side.keys])
        order = np.argsort(self._key, kind="stable")
        self._key = self._key[order]
        if not (order[1:] > order[:-1]).all():
            table = table.take(pa.array(order))
        self._values = table.select(list(self.columns)).combine_chunks()

    def beside(self, rows: pa.Table) -> pa.Table:
        """Rows with these attributes; null where they name nothing."""
        named = [rows[name] for name in self.keys]
        none = np.zeros(len(rows), dtype=np.bool_)
        for column in named:
            none |= column.is_null().to_numpy()
        wanted = _packed([pc.fill_null(column, 0) if column.null_count else column for column in named])
        at = np.minimum(np.searchsorted(self._key, wanted), max(len(self._key) - 1, 0))
        index = pa.array(at, mask=none)
        for name, called in self.columns.items():
            rows = rows.append_column(called, self._values[name].take(index))
        return rows


def _packed(columns: Sequence[pa.ChunkedArray]) -> Any:
    """A key as one number: uint64. A card's number among those of its instrument has eight bits."""
    key = columns[0].to_numpy().astype(np.uint64)
    for column in columns[1:]:
        key = (key << np.uint64(8)) | column.to_numpy().astype(np.uint64)
    return key


def _in_time(found: Transactions, folder: Path) -> Iterator[pa.Table]:
    """Rows of one scenario by instant and flow: spilled by slices of time, each sorted.

    Slices are of equal length, so a busy hour makes a larger one; there are so many that one holds some two
    million payments.
    """
    slices = min(max(-(-found.rows // _SLICE_ROWS), 1), _MOST_SLICES)
    low, high = _span(found)
    width = (high - low) // slices + 1
    with contextlib.ExitStack() as opened:
        spills: dict[int, pa.RecordBatchWriter] = {}
        for rows in found._joined():
            of = (rows["ts_utc"].cast(pa.int64()).to_numpy() - low) // width
            for number in np.unique(of).tolist():
                some = rows.filter(pa.array(of == number)).cast(found.schema)
                if number not in spills:
                    sink = str(folder / f"{number}.arrows")
                    spills[number] = opened.enter_context(pa.ipc.new_stream(sink, found.schema))
                spills[number].write_table(some)
    for number in sorted(spills):
        name = folder / f"{number}.arrows"
        with pa.memory_map(str(name)) as source, pa.ipc.open_stream(source) as stream:
            rows = stream.read_all()
            yield rows.sort_by([("ts_utc", "ascending"), ("flow_id", "ascending")])
        name.unlink()


def _span(found: Transactions) -> tuple[int, int]:
    """First and last instant, microseconds since 1970: from the column alone."""
    low, high = [], []
    for item in found._flows.published:
        for part in item.files:
            column = _file(found._world, item, part).to_arrow(["ts_utc"])["ts_utc"]
            if len(column):
                ends = pc.min_max(column.cast(pa.int64())).as_py()
                low.append(ends["min"])
                high.append(ends["max"])
    return min(low, default=0), max(high, default=0)


def _whole(world: Source, dataset: str) -> Table:
    return Table(world, world.published(dataset))


def _file(world: Source, item: Published, part: PartFile) -> Table:
    """One file of a dataset."""
    return Table(world, [only(item, part)])
