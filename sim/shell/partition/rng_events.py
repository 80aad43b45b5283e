"""`--rng-events`: the draws of a state one by one, as tables behind a gate of their own.

An event follows from its address, so events are made after the fact: the shell computes the state's
partitions again from published rows, keeps what they report to `ctx.ledger`, and drops their frames. Nothing
of the world depends on it. To the shell this is one more segment for each state, planned, checked over all
rows, staged, resumed and published like any other, by threads or by workers of a cluster. Its gate holds the
flags of the segments up to the state's own. Its sums must equal the ledger that the state's segment was
sealed with.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from sim.ground.contract_types import SCENARIO_KEY
from sim.ground.errors import UsageError
from sim.shell.contracts.event_tables import (
    KNOWN_STREAMS,
    event_code,
    event_dataset,
    event_producer,
    ledger_check,
)
from sim.shell.publish.bundle import Bundle
from sim.state.context import Context, PartitionContext
from sim.state.counters import Counters, Each, Scalar
from sim.state.declaration import Check, Frames, Partition
from sim.state.event_log import COUNTERS, FIGURES, EventLog
from sim.state.program import Program, Segment
from sim.state.totals import Totals


def _labels(ctx: Context) -> tuple[str, ...]:
    addresses = [(stream, scenario) for stream in ctx.state.streams for scenario in (None, *ctx.scenarios)]
    return tuple(_label(stream, scenario, figure) for stream, scenario in addresses for figure in FIGURES)


def _label(stream: str, scenario: str | None, figure: str) -> str:
    return f"{stream} {scenario or ''}.{figure}"


class Counts(Counters):
    """What the events of a state add up to, by stream, scenario and figure."""

    figures = Each(_labels, Scalar())


def drawing(segments: Sequence[Segment]) -> dict[str, Program]:
    """States that draw random numbers, by id, in the order of the run."""
    return {
        program.state.id: program
        for segment in segments
        for program in segment.programs
        if program.state.streams
    }


def gate_codes(segments: Sequence[Segment]) -> tuple[str, ...]:
    """Every gate a run of these segments may have, in order: the segments', then those of events."""
    return (*(segment.code for segment in segments), *(event_code(state) for state in drawing(segments)))


def require_events(asked: Sequence[str], until: str | None, segments: Sequence[Segment]) -> tuple[str, ...]:
    """Ids of the states meant by `--rng-events`: states, or segments for all their states that draw.

    Raises:
        UsageError: `SHELL.NO_SUCH_EVENTS`: nothing draws there, or it comes after the last segment that is
            built.
    """
    codes = [segment.code for segment in segments]
    last = until.split(".")[0] if until else ""
    # a state ends before its segment has passed
    built = codes[: codes.index(last) + (until in codes)] if last in codes else codes
    states = [state for state in drawing(segments) if state.split(".")[0] in built]
    wanted: set[str] = set()
    for name in asked:
        meant = [state for state in states if name in (state, state.split(".")[0])]
        if not meant:
            what = f"no state that is built and draws random numbers is meant by {name!r}"
            raise UsageError(
                "SHELL.NO_SUCH_EVENTS",
                what,
                expected=", ".join([*dict.fromkeys(s.split(".")[0] for s in states), *states]),
            )
        wanted.update(meant)
    return tuple(state for state in states if state in wanted)


def event_segment(
    segments: Sequence[Segment], state: str, bundles: Mapping[str, Bundle] | None = None
) -> Segment:
    """The segment that publishes the events of a state.

    Args:
        segments: The model.
        state: State id.
        bundles: Segments that passed, for the checks; workers, which make none, have none.
    """
    owner = next(segment for segment in segments if segment.code == state.split(".")[0])
    program = drawing([owner])[state]
    code = event_code(state)
    declared = replace(
        program.state,
        id=event_producer(state),
        title=f"Random events of {state}",
        writes=tuple(event_dataset(stream) for stream in program.state.streams),
        counts=(*program.state.counts, Counts),
    )

    def compute(ctx: Context, part: Partition) -> Frames:
        assert isinstance(ctx, PartitionContext)
        return _events(program, ctx, part)

    def checks(ctx: Context, totals: Totals) -> list[Check]:
        assert bundles is not None
        return _against_ledger(state, ctx, totals, bundles[owner.code])

    return Segment(
        code, owner.layer, declared.title, (Program(declared, compute, program.plan, None, checks),)
    )


def program_called(segments: Sequence[Segment], state: str) -> Program | None:
    """The program of a state of the model, or of the events of one; None for any other name."""
    for origin in drawing(segments):
        if state.split(".")[0] == event_code(origin):
            return event_segment(segments, origin).programs[0]
    return next(
        (program for segment in segments for program in segment.programs if program.state.id == state), None
    )


def _events(program: Program, ctx: PartitionContext, part: Partition) -> Frames:
    assert program.compute is not None
    log = ctx.events = EventLog()
    program.compute(ctx, part)
    ctx.counters.clear()
    ctx.ledger_rows.clear()  # the ledger is the state's own
    frames: Frames = {}
    for stream in program.state.streams:
        dataset = ctx.written(event_dataset(stream))
        names = {
            column.name: column.numpy_dtype
            for column in dataset.table.columns
            if column.name not in ("part", *COUNTERS, *FIGURES)
        }
        frame = log.frame(stream, part.index, ctx.event_unit(stream), names)
        for figure in FIGURES:
            ctx.count(Counts.figures[_label(stream, part.scenario, figure)], int(frame[figure].sum()))
        frames[dataset.id] = frame
    return frames


def _against_ledger(state: str, ctx: Context, totals: Totals, bundle: Bundle) -> list[Check]:
    """Compare each stream's key and sums over all events, by scenario, with the segment's sealed ledger."""
    sealed = {
        (row["stream"], row["scenario"]): row for row in bundle.document["ledger"] if row["state"] == state
    }
    figures = Counts(totals).figures
    result = []
    for stream in ctx.state.streams:
        found, expected = {}, {}
        by_scenario = SCENARIO_KEY in ctx.written(event_dataset(stream)).partitioning
        for scenario in ctx.scenarios if by_scenario else (None,):
            key = f"{ctx.stream(stream, scenario):016x}"
            found[scenario or ""] = [key, *(figures[_label(stream, scenario, figure)] for figure in FIGURES)]
            row: Mapping[str, Any] = sealed.get((stream, scenario), {"key": key})
            expected[scenario or ""] = [row["key"], *(int(row.get(figure, 0)) for figure in FIGURES)]
        note = "key, entities, draws and blocks over all events equal the ledger of the segment's index"
        result.append(Check(ledger_check(stream), found == expected, found, expected, note))
    known = {(stream, scenario) for stream in ctx.state.streams for scenario in (None, *ctx.scenarios)}
    strange = sorted(f"{stream} {scenario or ''}".strip() for stream, scenario in set(sealed) - known)
    result.append(
        Check(
            KNOWN_STREAMS,
            not strange,
            strange,
            [],
            "every ledger row of the state is of a stream it declares",
        )
    )
    return result
