"""Random events of one partition: the rows given to `ctx.ledger`, with the counters before and after.

An event is an entity, or a run of entities at consecutive counters. Where a stream's contract says
`events: cell`, the events of one high counter word are summed up; where it says `partition`, those of the
partition. The counters of a sum are the least before and the greatest after.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from sim.state.frames import Array, Frame

COUNTERS = ("counter_before_hi", "counter_before_lo", "counter_after_hi", "counter_after_lo")
FIGURES = ("entities", "draws", "blocks")
ENTITY, CELL, PARTITION = "entity", "cell", "partition"


def drawn(rows: int, draws: int | Array, entities: Array | None) -> tuple[int, int, int]:
    """(Entities, words, blocks) of one call of `ctx.ledger`; its arguments, in either memory."""
    number = None if entities is None else entities.astype(np.int64)
    if isinstance(draws, int):
        count = rows if number is None else int(number.sum())
        return count, count * draws, count * ((draws + 1) // 2)
    words = draws.astype(np.int64)
    blocks = (words + 1) // 2
    if number is None:
        return rows, int(words.sum()), int(blocks.sum())
    return int(number.sum()), int((words * number).sum()), int((blocks * number).sum())


@dataclass
class EventLog:
    """Events by stream, in the order of the calls.

    Attributes:
        rows: Stream -> columns of each call: the counters, the figures and the names; uint64, but for the
            names.
    """

    rows: dict[str, list[dict[str, Array]]] = field(default_factory=dict)

    def add(
        self,
        stream: str,
        c0: Array,
        c1: Array,
        *,
        draws: int | Array,
        entities: Array | None,
        names: Mapping[str, Array] | None,
    ) -> None:
        """Add one call of `ctx.ledger`; its arguments, in host memory."""
        number = np.ones(len(c0), dtype=np.uint64) if entities is None else entities.astype(np.uint64)
        words = (
            np.full(len(c0), draws, dtype=np.uint64) if isinstance(draws, int) else draws.astype(np.uint64)
        )
        blocks = number * ((words + np.uint64(1)) >> np.uint64(1))
        low, high = c0.astype(np.uint64), c1.astype(np.uint64)
        after = low + blocks
        counters = (high, low, high + (after < low).astype(np.uint64), after)
        row = dict(zip(COUNTERS, counters, strict=True)) | dict(
            zip(FIGURES, (number, number * words, blocks), strict=True)
        )
        self.rows.setdefault(stream, []).append(row | dict(names or {}))

    def frame(self, stream: str, part: int, by: str, names: Mapping[str, Any]) -> Frame:
        """The stream's events as a table: `part`, the names, the counters, the figures; sorted by counter.

        Args:
            stream: Stream id.
            part: Number of the partition.
            by: ENTITY, CELL or PARTITION.
            names: Name -> dtype of the columns that identify a row for a reader.
        """
        columns = {**names, **dict.fromkeys((*COUNTERS, *FIGURES), np.dtype(np.uint64))}
        calls = self.rows.get(stream, [])
        joined = {
            name: np.concatenate([np.zeros(0, dtype=kind), *(row[name] for row in calls)])
            for name, kind in columns.items()
        }
        order = np.lexsort((joined["counter_before_lo"], joined["counter_before_hi"]))
        joined = {name: np.ascontiguousarray(values[order]) for name, values in joined.items()}
        if by != ENTITY and len(order):
            joined = _summed(joined, by)
        number = len(joined["draws"])
        return Frame({"part": np.full(number, part, dtype=np.uint32), **joined})


def _summed(rows: dict[str, Array], by: str) -> dict[str, Array]:
    """Rows in counter order, those of a cell (or all) as one."""
    high = rows["counter_before_hi"]
    starts = (
        np.flatnonzero(np.append(True, high[1:] != high[:-1])) if by == CELL else np.zeros(1, dtype=np.intp)
    )
    ends = np.append(starts[1:], len(high))
    # The greatest counter after: within a run of equal high words the greatest low word, over runs the last
    # in order.
    last = np.lexsort(
        (rows["counter_after_lo"], rows["counter_after_hi"], np.repeat(np.arange(len(starts)), ends - starts))
    )[ends - 1]
    found = {name: rows[name][starts] for name in COUNTERS[:2]}
    found |= {name: rows[name][last] for name in COUNTERS[2:]}
    return found | {name: np.add.reduceat(rows[name], starts) for name in FIGURES}
