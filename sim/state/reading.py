"""What a state finds out beside its rows: values that its partitions share, and numbers of sets."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sim.backends import Backend
from sim.ground.contract_types import Contracts
from sim.state.addressed import Addressed
from sim.state.declaration import ROW_LEVEL, State
from sim.state.declared import DeclaredKernels, UndeclaredAccess
from sim.state.frames import Array, Frame
from sim.state.inputs import Inputs
from sim.state.shared import Made, Shared


class Reading(Addressed):
    """The inputs of a state, as far as it declares them; see `Context`."""

    def __init__(
        self,
        state: State,
        seed: int,
        contracts: Contracts,
        inputs: Inputs,
        backend: Backend,
        shared: Shared | None,
    ) -> None:
        super().__init__(state, seed, contracts.streams, DeclaredKernels(backend, state))
        self._contracts, self._inputs, self._backend = contracts, inputs, backend
        self._shared = Shared(lambda: inputs.keeps) if shared is None else shared

    def shared(self, name: str, make: Callable[[], Made]) -> Made:
        """A value that all partitions of the state share, made once a process; others wait for who makes it.

        It is kept while the state runs and there is room (`Store.fit`); what was asked for longest ago goes
        first. On another backend it is another value.

        Args:
            name: What it is called within the state.
            make: Makes it from inputs and parameters alone: no partition, no counter, no draw that the ledger
                hears of. Its arrays and frames are frozen.

        Raises:
            RuntimeError: `make` needs itself, or counts or draws for the partition that happened to ask.
            Exception: What `make` raised, to all who wait; it is not kept.
        """
        return self._shared.get((self._backend.name, name), make)

    def forget_shared(self) -> None:
        """Let go of what partitions share: the engine calls it when the state has ended."""
        self._shared.clear()

    def load_groups(
        self,
        dataset: str,
        scenario: str | None = None,
        *,
        low: int,
        high: int,
        columns: Sequence[str] | None = None,
    ) -> Frame:
        """Rows of a declared input whose value of the column that `row_groups` names is in [low, high).

        Only the row groups of these values are read, out of all files. Memory is that of the rows.

        Args:
            dataset: Dataset id; its dictionary says `row_groups`.
            scenario: Scenario id for scenario data.
            low: First value.
            high: The value after the last.
            columns: Only these columns.

        Returns:
            The rows file by file, each in its order; natural numbers. Not kept: each call reads.

        Raises:
            UndeclaredAccess: The state does not declare to read it.
            ValueError: Its dictionary says no `row_groups`.
            GateError: A file is not the published one, or footer, pages or values are not what the manifest
                says.
        """
        self._declared(dataset, row_level=True)
        return self._inputs.load_groups(dataset, scenario, low, high, columns)

    def group_rows(self, dataset: str, scenario: str | None = None) -> Array:
        """Rows of a declared input by value of the column that `row_groups` names: what plans are made of.

        Returns:
            uint64, greatest value + 1: rows over all files, by their manifests.

        Raises:
            UndeclaredAccess, ValueError, GateError: As `load_groups`.
        """
        self._declared(dataset, row_level=False)
        return self._inputs.group_rows(dataset, scenario)

    def published(self, set_name: str, numbers: Array) -> Array:
        """Published ids of natural numbers: for orders and ranges, never for an address.

        Args:
            set_name: Set; the state reads the dataset that numbers it, METADATA_ONLY at least.
            numbers: uint64, n, in host memory; 0, the slot of a null, stays 0.

        Returns:
            uint64, n.

        Raises:
            UndeclaredAccess: The state does not read that dataset, or there is no such set.
            ValueError: A number is none of the set.
        """
        return self._renumbered(set_name, numbers, inverse=False)

    def natural(self, set_name: str, numbers: Array) -> Array:
        """Natural numbers of published ids; see `published`."""
        return self._renumbered(set_name, numbers, inverse=True)

    def _renumbered(self, set_name: str, numbers: Array, inverse: bool) -> Array:
        home = self._contracts.set_homes.get(set_name)
        if home is None:
            raise UndeclaredAccess(f"{self.state.id} asks for a set {set_name!r} that no dataset numbers")
        self._declared(home, row_level=False)
        return self._inputs.renumbered(set_name, numbers, inverse)

    def _declared(self, dataset: str, row_level: bool) -> None:
        scope = self.state.reads.get(dataset)
        if scope is None or (row_level and scope != ROW_LEVEL):
            raise UndeclaredAccess(f"{self.state.id} declares {scope or 'no'} access to {dataset!r}")
