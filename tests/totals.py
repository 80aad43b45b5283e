"""Totals of a state computed in memory, and totals that are wrong in some figures."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from sim.shell.partition.staging import PartitionResult
from sim.shell.partition.sums import RunningSums
from sim.state.context import Context, PartitionContext
from sim.state.counters import as_json
from sim.state.totals import Drawn, Totals


def totals_of(ctx: Context, partitions: Iterable[PartitionContext]) -> Totals:
    """What a state's functions are given after these partitions, folded as the shell folds them."""
    sums = RunningSums(ctx.state)
    for place, inner in enumerate(partitions):
        sums.add(
            place,
            None,
            PartitionResult("", {}, [], as_json(inner.counters), list(inner.ledger_rows.values())),
        )
    return sums.totals(ctx)


def figures(totals: Totals) -> dict[str, Any]:
    """Every figure by key: counters, and `rng.<stream>.entities | draws | blocks`."""
    result = dict(totals.values)
    for stream in totals.ctx.state.streams:
        result |= {f"rng.{stream}.{name}": figure for name, figure in totals.drawn(stream)._asdict().items()}
    return result


def altered(totals: Totals, wrong: Mapping[str, Any]) -> Totals:
    """The same totals with some figures, named as by `figures`, replaced."""
    every = figures(totals)
    assert set(wrong) <= set(every), f"no figure is called {sorted(set(wrong) - set(every))}"
    every.update(wrong)
    drawn = {
        stream: Drawn(*(int(every.pop(f"rng.{stream}.{name}")) for name in Drawn._fields))
        for stream in totals.ctx.state.streams
    }
    return Totals(totals.ctx, every, drawn)
