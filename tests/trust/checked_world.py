"""A tiny world whose checks can be asked again: what every state's `checks` was given,
and ways to falsify it.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from tiny_world import TINY, TINY_SCENARIOS

from sim.backends import get_backend
from sim.ground.contract_types import Contracts, Dataset
from sim.model import MODEL
from sim.segments import SEGMENTS
from sim.shell.events.events import Silent
from sim.shell.loop.run import Options, run_world
from sim.shell.request.request import Request, prepare
from sim.shell.tables.blind import blind_name
from sim.shell.tables.foreign_keys import KeyIndex, check_foreign_key
from sim.shell.tables.key_ranges import check_key_ranges, key_range
from sim.state.context import Context
from sim.state.declaration import Check
from sim.state.frames import Array, Frame, concat
from sim.state.program import Program
from sim.state.records import Published
from sim.state.totals import Totals
from tests.totals import altered


@dataclass(frozen=True)
class Asked:
    """A state's check function and what it was given."""

    checks: Callable[[Any, Any], list[Check]]
    ctx: Context
    totals: Totals

    def red(self, totals: Mapping[str, Any], ctx: Any = None) -> set[str]:
        """Names of the checks that refuse these figures; none when the figures are beyond arithmetic."""
        try:
            with np.errstate(all="ignore"):
                return {
                    check.name
                    for check in self.checks(ctx or self.ctx, altered(self.totals, totals))
                    if not check.passed
                }
        # A root of a negative count is complex, which no bound compares with.
        except (ZeroDivisionError, ValueError, IndexError, OverflowError, TypeError):
            return set()


@dataclass(frozen=True)
class CheckedWorld:
    """A built world, the questions of its states, and everything needed to check its rows again."""

    run: Path
    states: Mapping[str, Asked]
    store: Any
    contracts: Contracts

    @property
    def indexes(self) -> list[dict[str, Any]]:
        return [json.loads(path.read_text()) for path in sorted(self.run.glob("gates/*/index.json"))]


def build(out: Path) -> CheckedWorld:
    """Build the tiny demo world and keep what every state's checks saw."""
    asked: dict[str, Asked] = {}

    def listening(program: Program) -> Program:
        if program.checks is None:
            return program

        def checks(ctx: Context, totals: Any) -> list[Check]:
            assert program.checks is not None
            asked[program.state.id] = Asked(program.checks, ctx, totals)
            return program.checks(ctx, totals)

        return dataclasses.replace(program, checks=checks)

    segments = tuple(
        dataclasses.replace(segment, programs=tuple(map(listening, segment.programs))) for segment in SEGMENTS
    )
    prepared = prepare(
        Request(preset="demo", scenarios=TINY_SCENARIOS, overrides=TINY),
        dataclasses.replace(MODEL, load=lambda: segments),
    )
    run = run_world(prepared, get_backend("cpu"), Options(out=out, workers=2), Silent()).run_dir
    return CheckedWorld(run, asked, next(iter(asked.values())).ctx._inputs, prepared.contracts)


def falsified(value: Any) -> list[Any]:
    """One counter, wrong in many ways: gone, too large, off by one, one cell off, cells exchanged."""
    if not isinstance(value, np.ndarray):
        return [0, value * 7 + 1013, value * 100_003 + 7, value + 1, max(value - 1, -1), -5]
    if value.size == 0:
        return []
    changed = [np.zeros_like(value), value * 7 + 1013, value[..., ::-1].copy(), np.roll(value, 1)]
    for place, amount in ((0, 10**6), (-1, 10**6), (int(np.argmax(np.abs(value))), None)):
        other = value.copy()
        other.flat[place] = 0 if amount is None else other.flat[place] + amount
        changed.append(other)
    return changed


class Instead:
    """A context in which some answers are others: `Instead(ctx, load=function)`."""

    def __init__(self, ctx: Any, **answers: Any) -> None:
        self._ctx, self._answers = ctx, answers

    def __getattr__(self, name: str) -> Any:
        return self._answers[name] if name in self._answers else getattr(self._ctx, name)


def put(frame: Frame, column: str, row: int, value: Any) -> Frame:
    """The frame with one value changed, and present."""
    values = frame[column].copy()
    values[row] = value
    valid = dict(frame.valid)
    if column in valid:
        valid[column] = valid[column].copy()
        valid[column][row] = True
    return Frame({**dict(frame.items()), column: values}, valid)


def _extremes(values: Array) -> list[Any]:
    if values.dtype.kind == "f":
        return [np.nan, np.inf, -1e300, 1e300]
    if values.dtype.kind in "iu":
        info = np.iinfo(values.dtype)
        return [info.max, info.min, info.max // 2, min(info.max, 2**20)]
    return []


def corrupted(frame: Frame, dataset: Dataset, name: str) -> Iterator[Frame]:
    """Frames that ought to break the contract check of this name."""
    family, _, rest = name.removeprefix("seam.").partition(".")
    columns = [column for column in dataset.table.names if column in rest.split("-")] or list(
        dataset.sort_order
    )
    twice = concat([frame.slice(0, min(len(frame), 2000))] * 2)
    if family == "schema":
        yield frame.select(*frame.names[:-1])
    elif family in ("sort_order", "primary_key"):
        yield twice
        for column in dataset.sort_order:
            for value in _extremes(frame[column]):
                yield put(twice, column, 0, value)
    else:
        for column in columns:
            for value in _extremes(frame[column]):
                yield put(frame, column, 0, value)
            values = frame[column].copy()
            yield frame.with_columns(**{column: values[::-1].copy()})
            if column in frame.valid:
                valid = {**frame.valid, column: ~frame.valid[column]}
                yield Frame(dict(frame.items()), valid)
        yield twice
        yield frame.slice(1, len(frame))


def referenced(world: CheckedWorld, dataset: Dataset, name: str, item: Published) -> tuple[Any, KeyIndex]:
    """The foreign key a check is named after, and the keys it must find."""
    key = next(fk for fk in dataset.foreign_keys if "foreign_key." + "-".join(fk.columns) == name)
    scenario = item.scenario if item.scenario in world.store.scenarios(key.dataset) else None
    return key, KeyIndex(world.store.load(key.dataset, scenario, columns=key.to), key.to)


def seam_results(frame: Frame, dataset: Dataset, name: str) -> list[Any]:
    """Two partitions that do not fit: the same one twice, one after its successor,
    one whose numbering jumps.
    """
    whole = dict(key_range(frame, dataset))
    late = {**whole, "first": list(whole["last"])}
    jump = {**whole, "first": [value + 5 if isinstance(value, int) else value for value in whole["first"]]}
    beyond = {
        **whole,
        "last": [f"{value}z" if isinstance(value, str) else value + 5 for value in whole["last"]],
    }
    tries = (
        [beyond, whole],
        [whole, whole],
        [late, whole],
        [jump, whole],
        [jump],
        [whole, {**whole, "primary_increasing": False}],
    )
    return [
        check
        for ranges in tries
        for check in check_key_ranges(ranges, dataset)
        if check.name == name and not check.passed
    ]


def foreign_red(frame: Frame, key: Any, keys: KeyIndex) -> bool:
    """Whether a key that is in no row of the other table is refused."""
    for column in key.columns:
        for value in _extremes(frame[column]):
            broken = frame
            for other in key.columns:  # part of the key null names nothing: make all of it present
                broken = put(broken, other, 0, broken[other][0])
            if not check_foreign_key(put(broken, column, 0, value), key, keys).passed:
                return True
    return False


def blind_red(world: CheckedWorld, dataset: Dataset, name: str) -> bool:
    """Whether ids that count along an attribute are refused, where the published ones are not.

    All rows of each file: the published ones; the same with the attribute sorted along the ids of each block,
    as if they numbered its kinds one after another; and with two values only, the second in the later half of
    each block (nearly all merchants of a tiny world are alike in some column, so sorting says little of it).
    """
    rule, column = next(
        (rule, column) for rule in dataset.blind for column in rule.to if blind_name(rule, column) == name
    )
    numberings = world.store.numberings
    blocks = numberings.blocks(dataset.table.column(rule.id).set)

    def passes(frame: Frame) -> bool:
        results = numberings.blind(frame, dataset, {})
        return all(each.passed for each in results if each.name == name)

    red = False
    for part in range(len(world.store.published(dataset.id).files)):
        frame = world.store.load_published(dataset.id, part=part)
        assert passes(frame), (dataset.id, name, part)
        red |= any(not passes(told) for told in _ids_that_tell(frame, rule.id, column, blocks))
    return red


def _ids_that_tell(frame: Frame, id_column: str, column: str, blocks: Any) -> Iterator[Frame]:
    if column == "rows":
        ids, places, rows = np.unique(frame[id_column], return_inverse=True, return_counts=True)
        turned = np.empty_like(ids)
        turned[np.lexsort((rows, blocks.of_numbers(ids)))] = ids
        yield frame.with_columns(**{id_column: turned[places]})
        return
    block = blocks.of_numbers(frame[id_column])
    yield frame.with_columns(**{column: frame[column][np.lexsort((frame[column], block))]})
    rank = frame[id_column] - blocks.first[block]
    later = rank > blocks.count[block] // np.uint64(2)
    yield frame.with_columns(**{column: later.astype(frame[column].dtype)})
