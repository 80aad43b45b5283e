"""What a state is: a frozen declaration and up to six functions, discovered from one module.

    STATE = State(id="5B.S3", ...)
    def preflight(ctx) -> None                    # refuses impossible parameters before any state has run
    def plan(ctx) -> list[Partition]              # default: one, or one a scenario where `per_scenario`
    def compute(ctx, part) -> dict[str, Frame]    # frames by dataset id; in any order, on any worker
    def finish(ctx, totals) -> dict[str, Frame]   # small tables made from the sums of all partitions
    def checks(ctx, totals) -> list[Check]        # model checks over these sums, before publishing
    def measure(ctx, totals) -> list[Measurement] # figures published beside the checks; they stop nothing

All but `compute` are optional.

What partitions count is declared too: `counters.py` says how.

A state module reads like the model: it imports numpy-free helpers, never a path, clock, environment or
backend.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import InitVar, dataclass, field
from types import MappingProxyType
from typing import Any

from sim.state.counters import Counter, Counters, united
from sim.state.frames import Frame

ROW_LEVEL = "ROW_LEVEL"
METADATA_ONLY = "METADATA_ONLY"

Frames = dict[str, Frame]


@dataclass(frozen=True)
class Needs:
    """What a helper of states reads, sees and calls: declared beside the functions that do, united by states.

    A module with one kind of users has one such constant; where some functions need less than others, each
    group of functions has its own. `tests/architecture/test_needs.py` holds them against the text.

    Attributes:
        reads: Dataset id -> ROW_LEVEL or METADATA_ONLY.
        config: Ids of config packs.
        reference: Tables of the reference snapshot.
        external: Ids of user-supplied inputs.
        streams: Random streams; one that a caller names is the caller's.
        kernels: Kernels.
        uses: Needs of the helpers that it calls in turn.
    """

    reads: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    config: tuple[str, ...] = ()
    reference: tuple[str, ...] = ()
    external: tuple[str, ...] = ()
    streams: tuple[str, ...] = ()
    kernels: tuple[str, ...] = ()
    uses: tuple[Needs, ...] = ()

    def all(self) -> Iterable[Needs]:
        """These needs and those of the helpers, and theirs."""
        yield self
        for needs in self.uses:
            yield from needs.all()


@dataclass(frozen=True)
class State:
    """Declaration of one state.

    It lists what its own module reads, sees and calls; `uses` adds what its helpers do. The attributes hold
    both.

    Attributes:
        id: `SEG.S<k>`, e.g. `5B.S3`.
        title: A few words for progress and reports.
        reads: Dataset id -> ROW_LEVEL or METADATA_ONLY. The seal and its scopes are derived from this.
        writes: Dataset ids this state alone produces.
        config: Ids of config packs whose resolved values it may see.
        reference: Tables of the reference snapshot it may see.
        external: Ids of user-supplied inputs it may see when the run was given them.
        streams: Random streams it may draw from.
        kernels: Kernels it may call.
        counts: Classes of the counters it may add to and read: its own, and those of helpers that count.
        per_scenario: Whether it runs once for each scenario of the run.
        resident: Whether rows of its `compute` lie in a device's memory, where there is one (`ctx.columns`);
            nothing else of a state says so. On a device backend such a partition holds one of the device's
            slots; any other holds one only while a kernel of it runs.
        uses: Needs of its helpers.
    """

    id: str
    title: str
    writes: tuple[str, ...]
    reads: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    config: tuple[str, ...] = ()
    reference: tuple[str, ...] = ()
    external: tuple[str, ...] = ()
    streams: tuple[str, ...] = ()
    kernels: tuple[str, ...] = ()
    counts: tuple[type[Counters], ...] = ()
    per_scenario: bool = False
    resident: bool = False
    uses: InitVar[tuple[Needs, ...]] = ()

    def __post_init__(self, uses: tuple[Needs, ...]) -> None:
        united(self.counts)  # no two helpers may mean different things by one name
        helpers = [needs for one in uses for needs in one.all()]
        if not helpers:
            return
        for name in ("config", "reference", "external", "streams", "kernels"):
            named = [*getattr(self, name), *(item for needs in helpers for item in getattr(needs, name))]
            object.__setattr__(self, name, tuple(dict.fromkeys(named)))
        reads: dict[str, str] = {}
        pairs = [*self.reads.items(), *(pair for needs in helpers for pair in needs.reads.items())]
        for dataset, scope in pairs:
            reads[dataset] = ROW_LEVEL if ROW_LEVEL in (scope, reads.get(dataset)) else METADATA_ONLY
        object.__setattr__(self, "reads", MappingProxyType(reads))

    @property
    def counters(self) -> dict[str, Counter[Any]]:
        """Every declared counter by name."""
        return united(self.counts)

    @property
    def segment(self) -> str:
        """Segment code, e.g. `5B`."""
        return self.id.split(".")[0]


@dataclass(frozen=True)
class Partition:
    """A piece of a state's work: a pure function of upstream counts, never of workers, memory or backend.

    Attributes:
        index: Position among the state's partitions of the same scenario; names the part files.
        scenario: Scenario id, or None for scenario-free states.
        spec: JSON-able description of what to compute.
        weight: About how long it takes beside the others of the plan, in any unit (rows, as a rule). The
            heaviest are begun first, so that none is left to one worker in the end; nothing that is computed
            knows of it.
    """

    index: int
    scenario: str | None = None
    spec: Mapping[str, Any] = field(default_factory=dict)
    weight: int = 0

    @property
    def name(self) -> str:
        """Stable name, unique in the state: `<scenario>-00003` or `00003`."""
        return f"{self.scenario}-{self.index:05d}" if self.scenario else f"{self.index:05d}"


@dataclass(frozen=True)
class Check:
    """The outcome of one check; it is published in the bundle with its figures, passed or not.

    Attributes:
        name: Stable name.
        passed: Whether it passed; publishing stops at a check that did not.
        found: Measured figure(s), JSON-able.
        expected: What the figures were compared with, JSON-able.
        note: One sentence for people.
    """

    name: str
    passed: bool
    found: Any = None
    expected: Any = None
    note: str = ""


@dataclass(frozen=True)
class Measurement:
    """A figure of what a state made, published beside its checks.

    Nothing depends on it: what may refuse is a `Check`.

    Attributes:
        name: Stable name, unique in the state.
        found: Measured figure(s), JSON-able.
        unit: Unit of the figures, empty for counts and names.
        note: One sentence for people.
    """

    name: str
    found: Any
    unit: str = ""
    note: str = ""
