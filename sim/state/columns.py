"""Where a partition's rows lie, and what brings columns there.

A state that begins its bulk here is resident without knowing it. Rows lie on the device if the state says
`resident=True` and the backend has a device; else they are numpy's. Only `ctx.columns` knows which. What a
state goes on with takes columns of either memory and answers in the same one:

* operators, and the functions of numpy that `gpu_kernels/namespace.py` lists (`np.where`, `np.nonzero`,
  `np.cumsum`, `np.bincount`, `np.zeros_like`, ...);
* `Frame` (`take`, `sort`, `slice`), `concat`, and `order`, a stable sort by several keys
  (`sim/state/frames.py`);
* runs of equal keys, groups, prefix and segment sums (`sim/recipes/groups.py`);
* look-ups and joins by key, each proven to have found its key (`sim/recipes/join.py`);
* kernels, `ctx.ledger` and counters.

Small tables (a row a cell, a word of a vocabulary) stay numpy's; `take` gathers from them. The device refuses
an operation between the two memories, and the emulator refuses what a GPU would leave open. So a line that
would move rows by accident fails in a test.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from sim.backends import Backend
from sim.backends.host import HostOps
from sim.state.frames import Array, Rows, changed


class Columns:
    """Columns in the memory of a partition's rows.

    Args:
        backend: Where the run computes.
        resident: Whether the rows lie in the backend's memory, rather than the host's.

    Attributes:
        xp: Array namespace of that memory: what makes columns there (`xp.zeros`, `xp.arange`, `xp.full`).
    """

    def __init__(self, backend: Backend, resident: bool) -> None:
        self.xp: Any = backend.xp if resident else np
        self._ops = backend.ops if resident else HostOps(backend.ops.sort_segments)

    def place(self, rows: Rows) -> Rows:
        """An array or frame where the rows lie; the same object if it is there."""
        return changed(rows, lambda columns: [self._ops.to_device(column) for column in columns])

    def take(self, rows: Rows, index: Array) -> Rows:
        """Rows of an array (of any shape) or frame at row numbers, or where a mask holds.

        They lie with the others.

        Args:
            rows: Array or frame, from either memory.
            index: Whole numbers from 0 (a GPU does not see one out of range) or bool, from either memory.
        """
        at = self._ops.to_device(index)
        return changed(rows, lambda columns: [self._ops.to_device(column)[at] for column in columns])

    def repeat(self, rows: Rows, counts: Array) -> Rows:
        """Row i of an array or frame `counts[i]` times, in order; they lie with the others.

        Args:
            rows: Array or frame of r rows, from either memory.
            counts: Whole numbers >= 0, r of them, from either memory.

        Raises:
            ValueError: There are not as many counts as rows; numpy would take one for all.
        """
        times = self._ops.to_device(counts)

        def repeated(columns: Sequence[Array]) -> list[Array]:
            if any(len(column) != len(times) for column in columns):
                raise ValueError(f"{len(times)} counts for {len(columns[0])} rows")
            return self._ops.repeat(columns, times)

        return changed(rows, repeated)
