"""What a state may see: frames, parameters, kernels, streams. No path, clock, environment or backend name.

`Context` serves planning and checking; `PartitionContext` adds the accumulators of one partition. Both refuse
what the state did not declare, so that declarations stay true and the seal derived from them complete.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import numpy as np

from sim.backends import Backend
from sim.ground.contract_types import Contracts, Dataset
from sim.rng import Address
from sim.state.columns import Columns
from sim.state.counters import Counter, Value
from sim.state.declaration import Partition, State
from sim.state.declared import DeclaredParams, UndeclaredAccess, name_hashes
from sim.state.event_log import EventLog, drawn
from sim.state.frames import Array, Frame, Rows, changed
from sim.state.inputs import DeviceInputs, Inputs
from sim.state.params import Params
from sim.state.reading import Reading
from sim.state.records import LedgerRow, PartFile
from sim.state.shared import Made, Shared
from sim.state.switches import Choices, asked_for, is_published


class Context(Reading):
    """What `plan`, `finish` and `checks` see.

    Attributes:
        state: The state's declaration.
        scenarios: Scenario ids of the run, sorted.
        params: `ctx.params.<config id>.<key>`, only for declared configs.
        kernels: `ctx.kernels.<stem>(...)`, only for declared kernels.
        columns: Where rows lie, and what brings them there; see `columns.py`.
    """

    # Whether this is the context of a partition, whose rows may lie on a device.
    _of_partition = False

    def __init__(
        self,
        state: State,
        *,
        seed: int,
        scenarios: Sequence[str],
        configs: Mapping[str, Params],
        contracts: Contracts,
        inputs: Inputs,
        backend: Backend,
        externals: Mapping[str, Frame],
        shared: Shared | None = None,
    ) -> None:
        super().__init__(state, seed, contracts, inputs, backend, shared)
        self.scenarios = tuple(scenarios)
        self.params = DeclaredParams(configs, state)
        self._externals = externals
        self._configs = configs
        self.columns = Columns(backend, self._resident)

    @property
    def _resident(self) -> bool:
        # Rows on a device take one of its slots, which only `compute` of a state that says so is given.
        return self._of_partition and self.state.resident

    def for_partition(self, part: Partition, backend: Backend | None = None) -> PartitionContext:
        """This context with fresh accumulators for one partition; on another `backend` to compare the two."""
        return PartitionContext(
            self.state,
            seed=self._seed,
            scenarios=self.scenarios,
            configs=self._configs,
            contracts=self._contracts,
            inputs=self._inputs,
            backend=backend or self._backend,
            externals=self._externals,
            shared=self._shared,
        )

    def written(self, dataset: str) -> Dataset:
        """Contract of a dataset the state writes."""
        if dataset not in self.state.writes:
            raise UndeclaredAccess(f"{self.state.id} does not declare to write {dataset!r}")
        return self._contracts.dataset(dataset)

    def vocabulary(self, name: str) -> tuple[str, ...]:
        """The sealed list behind category codes."""
        return self._inputs.vocabularies[name]

    def code(self, vocabulary: str, value: str) -> int:
        """Code of one value of a sealed list."""
        return self._inputs.vocabularies[vocabulary].index(value)

    def name_hashes(self, vocabulary: str) -> Array:
        """uint64 hash of each value of a sealed list: LE64 of SHA-256 over its framed text."""
        return name_hashes(self._inputs.vocabularies[vocabulary])

    def reference(self, table: str) -> Frame:
        """A declared table of the reference snapshot (`country_iso` and `tzid` as codes)."""
        if table not in self.state.reference:
            raise UndeclaredAccess(f"{self.state.id} does not declare reference table {table!r}")
        return self._inputs.reference.frame(table, self._inputs.vocabularies)

    def reference_metadata(self, table: str) -> dict[str, str]:
        """Key-value metadata of a declared reference table."""
        if table not in self.state.reference:
            raise UndeclaredAccess(f"{self.state.id} does not declare reference table {table!r}")
        return self._inputs.reference.metadata(table)

    def external(self, name: str) -> Frame | None:
        """A declared user-supplied input, or None when the run was given none."""
        if name not in self.state.external:
            raise UndeclaredAccess(f"{self.state.id} does not declare external input {name!r}")
        return self._externals.get(name)

    def publishes(self, dataset: str, scenario: str | None = None) -> bool:
        """Whether the request asks for a dataset (of a scenario) that the state reads or writes.

        A request may switch an optional dataset off.
        """
        if dataset not in self.state.writes:
            self._declared(dataset, row_level=False)
        return is_published(self._contracts.dataset(dataset), self._choices, scenario)

    def to_publish(self) -> set[tuple[str, str | None]]:
        """Every (dataset, scenario) the state must publish.

        The scenario is None where data are not by scenario.
        """
        return asked_for((self._contracts.dataset(name) for name in self.state.writes), self._choices)

    def to_read(self) -> set[tuple[str, str | None]]:
        """Every (dataset, scenario) the request publishes of what the state reads."""
        return asked_for((self._contracts.dataset(name) for name in self.state.reads), self._choices)

    @property
    def _choices(self) -> Choices:
        return Choices(self._configs, self._externals.keys(), self.scenarios)

    def files(self, dataset: str, scenario: str | None = None) -> tuple[PartFile, ...]:
        """Files of a declared input in order, with rows and first/last keys: what plans are made of."""
        self._declared(dataset, row_level=False)
        return self._inputs.published(dataset, scenario).files

    def load(
        self,
        dataset: str,
        *,
        scenario: str | None = None,
        part: int | None = None,
        rows: tuple[int, int] | None = None,
        columns: Sequence[str] | None = None,
        device: bool = False,
        order: Literal["natural", "published"] = "natural",
    ) -> Frame:
        """Rows of a declared input.

        Args:
            dataset: Dataset id.
            scenario: Scenario id for scenario data.
            part: Only this file; all files when None.
            rows: Half-open row range inside what `part` selects.
            columns: Only these columns.
            device: Where the bulk of a state begins: columns where its rows lie (`ctx.columns`). No strings.
            order: Of the rows: that of natural numbers, or that in which they lie in files, which is that of
                published ids. Ids are natural in either.

        Returns:
            The frame; arrays are read-only and may be shared with other partitions.
        """
        self._declared(dataset, row_level=True)
        reader = self._backend.ops.read_parquet
        # Rows whose ids must be turned back are decoded on the host, and placed like any others.
        able = isinstance(self._inputs, DeviceInputs) and self._inputs.decodes(dataset)
        if device and self._resident and reader is not None and able:
            assert isinstance(self._inputs, DeviceInputs)
            return self._inputs.load_to(reader, dataset, scenario, part=part, rows=rows, columns=columns)
        loaded = self._inputs.load(
            dataset, scenario, part=part, rows=rows, columns=columns, as_filed=order == "published"
        )
        return self.columns.place(loaded) if device else loaded

    def on_host(self, value: Rows) -> Rows:
        """An array or frame in host memory: the same object if it is there already."""
        ops = self._backend.ops
        return changed(value, lambda columns: [ops.to_host(column) for column in columns])

    def sort_segments(self, values: Array, offset: Array) -> None:
        """Sort uint64 `values` in place within each `[offset[i], offset[i + 1])`, wherever they are."""
        self._backend.ops.sort_segments(values, offset)


class PartitionContext(Context):
    """What `compute` sees: a `Context` that also counts and keeps the RNG ledger of its partition."""

    _of_partition = True

    def __init__(self, state: State, **kwargs: Any) -> None:
        super().__init__(state, **kwargs)
        self.counters: dict[str, Any] = {}
        self.ledger_rows: dict[tuple[str, str | None], LedgerRow] = {}
        self.events: EventLog | None = None
        self._sharing = 0

    def shared(self, name: str, make: Callable[[], Made]) -> Made:
        """See `Context.shared`."""

        def made() -> Made:
            self._sharing += 1
            try:
                return make()
            finally:
                self._sharing -= 1

        return super().shared(name, made)

    def _own(self, what: str) -> None:
        # Which partition makes a shared value depends on threads: what it counted would move with them.
        if self._sharing:
            raise RuntimeError(f"{self.state.id}: what partitions share may not {what}")

    def count(self, counter: Counter[Value], value: Value | np.integer[Any]) -> None:
        """Add to a declared counter; `Counter.plus` says what is refused."""
        self._own("count")
        self.counters[counter.key] = counter.plus(self.counters.get(counter.key), self.on_host(value), self)

    def ledger(
        self,
        at: Address,
        *,
        draws: int | Array | None = None,
        entities: Array | None = None,
        scenario: str | None = None,
        names: Mapping[str, Array] | None = None,
    ) -> None:
        """Account for random numbers drawn from a stream: one row an entity, or a run of entities.

        Entities of a run are at consecutive counters.

        Args:
            at: Where the draws of each row begin, n rows; from `address`.
            draws: Words of one entity: one int for all, or an array of n; None for the number the stream's
                contract says.
            entities: Whole numbers, n: entities of each row, each at the next counter after the one before;
                None for one each.
            scenario: Scenario, for scenario data.
            names: Columns of n that identify a row for a reader; kept if the run publishes events
                (`rng_events.py`).

        Raises:
            ValidationError: `<state>.ADDRESS_OVERFLOW`: an entity draws more, or a run is longer, than its
                address has room for.
        """
        self._own("enter draws in the ledger")
        stream, words = at.stream, self.draws_of(at.stream) if draws is None else draws
        self.require_room(stream, words, entities)
        self._enter(stream, scenario, drawn(len(at), words, entities))
        if self.events is not None:
            host = self.on_host
            named = {name: host(column) for name, column in (names or {}).items()}
            each = None if entities is None else host(entities)
            self.events.add(
                stream,
                host(at.c0),
                host(at.c1),
                draws=words if isinstance(words, int) else host(words),
                entities=each,
                names=named,
            )

    @property
    def lists_events(self) -> bool:
        """Whether the run publishes each draw, and so `ledger` wants every row."""
        return self.events is not None

    def ledger_sums(
        self, stream: str, sums: tuple[int, int, int], *, most: int, scenario: str | None = None
    ) -> None:
        """Account for random numbers that a kernel drew and summed up itself; see `ledger`.

        A run that publishes events needs the rows: there the caller uses `ledger` instead (`lists_events`).

        Args:
            stream: Declared stream id.
            sums: Entities, words and blocks.
            most: Words of the entity that drew most.
            scenario: Scenario, for scenario data.

        Raises:
            ValidationError: `<state>.ADDRESS_OVERFLOW`: an entity draws more than its address has room for.
            RuntimeError: The run publishes events, which sums do not hold.
        """
        self._own("enter draws in the ledger")
        if self.lists_events:
            raise RuntimeError(f"{stream}: a run that publishes events lists its draws row by row")
        self.require_room(stream, most, None)
        self._enter(stream, scenario, sums)

    def _enter(self, stream: str, scenario: str | None, sums: tuple[int, int, int]) -> None:
        row = LedgerRow(stream, scenario, f"{self.stream(stream, scenario):016x}", *sums)
        before = self.ledger_rows.get((stream, scenario))
        self.ledger_rows[(stream, scenario)] = row if before is None else before.plus(row)
