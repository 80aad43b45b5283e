"""A model as the engine takes it: segments in order, scenarios, readers of users' files, and an estimate.

The engine (`sim.shell`) runs any model and knows none; `sim.model.MODEL` is the one of this package.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Any, Protocol

from sim.ground.contract_types import Contracts
from sim.state.declaration import State
from sim.state.frames import Frame
from sim.state.inputs import Inputs, ReferenceTables
from sim.state.params import Params
from sim.state.program import Segment


@dataclass(frozen=True)
class Facts:
    """What of a request a model may look at before anything is built.

    Attributes:
        contracts: Compiled contracts.
        params: Resolved config packs by id.
        vocabularies: Sealed lists by name, in code order.
        reference: The reference snapshot.
        scenarios: Scenario ids of the run, sorted.
        externals: Rows of users' files by id of their table contract, as far as they are read.
    """

    contracts: Contracts
    params: Mapping[str, Params]
    vocabularies: Mapping[str, tuple[str, ...]]
    reference: ReferenceTables
    scenarios: tuple[str, ...]
    externals: Mapping[str, Frame] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True)
class UserFile:
    """A file a user gives, and how it is to be read.

    Attributes:
        path: The file.
        form: JSON-able options of its reader by name; the reader says which there are.
    """

    path: Path
    form: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))


class Supplied(Protocol):
    """A user's file, read."""

    @property
    def name(self) -> str:
        """What people call it."""
        ...

    @property
    def frame(self) -> Frame:
        """Its rows, checked."""
        ...

    @property
    def digest(self) -> str:
        """SHA-256 of the content; the run is sealed with it."""
        ...

    @property
    def told(self) -> Mapping[str, Any]:
        """For the receipt, JSON-able: what the reader used of the file and what it left out."""
        ...

    def echo(self) -> list[str]:
        """What was read, in a few lines for people."""
        ...


ReadInput = Callable[[UserFile, Facts], Supplied]
"""Reads a user's file once. Raises ContractError naming every bad value."""

Rehearse = Callable[..., Inputs]
"""Computes the states behind the datasets it is called with, publishing nothing, and gives their rows."""

Estimate = Callable[[Facts, Rehearse | None], Mapping[str, Any]]
"""Places and rough volumes of a request by name, JSON-able, `bytes` on disk among them;
without a rehearsal by expectation alone.
"""


@dataclass(frozen=True)
class Model:
    """What the engine runs.

    Attributes:
        module: Module whose `MODEL` this is: workers in other processes import it by this name.
        load: Gives the segments in build order; called when they are first needed.
        scenario_pack: Config pack whose `scenarios` are the scenarios by id.
        inputs: Reader of each kind of user's file, by id of its table contract.
        estimate: Rough volumes, or None for a model without an estimate.
    """

    module: str
    load: Callable[[], tuple[Segment, ...]]
    scenario_pack: str
    inputs: Mapping[str, ReadInput] = field(default_factory=lambda: MappingProxyType({}))
    estimate: Estimate | None = None

    @cached_property
    def segments(self) -> tuple[Segment, ...]:
        """Segments in build order."""
        return self.load()

    @property
    def states(self) -> list[State]:
        """Declarations of all states, in build order."""
        return [program.state for segment in self.segments for program in segment.programs]

    @property
    def readers(self) -> dict[str, tuple[str, ...]]:
        """Dataset id -> ids of states that read it, in build order; datasets without readers are absent."""
        found: dict[str, tuple[str, ...]] = {}
        for state in self.states:
            for dataset in state.reads:
                found[dataset] = (*found.get(dataset, ()), state.id)
        return found
