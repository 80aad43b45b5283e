"""Programs and segments: a state's declaration with its functions, and an ordered list of programs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType
from typing import TYPE_CHECKING

from sim.state.declaration import Check, Frames, Measurement, Partition, State
from sim.state.totals import Totals

if TYPE_CHECKING:
    from sim.state.context import Context  # who only reads a run knows segments, and need not load backends


@dataclass(frozen=True)
class Program:
    """A state with its functions."""

    state: State
    compute: Callable[[Context, Partition], Frames] | None
    plan: Callable[[Context], list[Partition]] | None = None
    finish: Callable[[Context, Totals], Frames] | None = None
    checks: Callable[[Context, Totals], list[Check]] | None = None
    preflight: Callable[[Context], None] | None = None
    measure: Callable[[Context, Totals], list[Measurement]] | None = None

    @classmethod
    def of(cls, module: ModuleType) -> Program:
        """The program a state module describes."""
        get = vars(module).get
        return cls(
            module.STATE,
            get("compute"),
            get("plan"),
            get("finish"),
            get("checks"),
            get("preflight"),
            get("measure"),
        )

    def partitions(self, ctx: Context) -> list[Partition]:
        """The state's partitions: as it plans them, else one a scenario, else one."""
        if self.plan is not None:
            return self.plan(ctx)
        return (
            [Partition(0, scenario) for scenario in ctx.scenarios]
            if self.state.per_scenario
            else [Partition(0)]
        )


@dataclass(frozen=True)
class Segment:
    """An ordered list of states ending in the segment's gate.

    Attributes:
        code: `1A` ... `6B`.
        layer: 1, 2 or 3.
        title: A few words.
        programs: States S1.. in order; S0 and the bundle are generic and belong to the shell.
        present: Datasets of earlier segments of which one partition at least must have been published, though
            no state reads them.
    """

    code: str
    layer: int
    title: str
    programs: tuple[Program, ...]
    present: tuple[str, ...] = ()

    @classmethod
    def of(cls, layer: int, title: str, *states: ModuleType, present: tuple[str, ...] = ()) -> Segment:
        """A segment of state modules, in the order they run; its code is theirs."""
        programs = tuple(Program.of(module) for module in states)
        return cls(programs[0].state.segment, layer, title, programs, present)

    @property
    def gate(self) -> str:
        """What reports call the segment's gate, e.g. `5B.BUNDLE`."""
        return f"{self.code}.BUNDLE"
