"""Comparing a device with the CPU: a seeded sample of partitions is computed twice and must be equal.

A GPU that computes wrongly without a sign is rare and real. The `cpu` backend recomputes one partition of
every state, and a fraction of all. Frames are compared by content digest, counters and the RNG ledger by
value.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from sim.backends import Backend
from sim.ground.contract_types import Contracts
from sim.ground.errors import BackendError
from sim.shell.runs.store import Store
from sim.shell.tables.digest import table_digest
from sim.state.context import Context, PartitionContext
from sim.state.counters import as_json
from sim.state.declaration import Frames, Partition
from sim.state.program import Program

DISAGREES = "SHELL.BACKEND_DISAGREES"


def sampled(fraction: float, run_id: str, state: str, parts: Sequence[Partition]) -> frozenset[str]:
    """Names of the partitions to compute twice, chosen by a hash of each name.

    Each is chosen with the given chance, at least one is; none for 0.

    Args:
        fraction: 0 .. 1.
        run_id: Run id.
        state: State id.
        parts: Partitions about to be computed.
    """
    if fraction <= 0 or not parts:
        return frozenset()
    drawn = {
        part.name: hashlib.sha256(f"{run_id}/{state}/{part.name}".encode()).digest()[:8] for part in parts
    }
    limit = int(fraction * 2**64)
    least = min(drawn, key=lambda name: drawn[name])
    return frozenset(name for name, word in drawn.items() if int.from_bytes(word, "little") < limit) | {least}


def hold_against(
    reference: Backend,
    program: Program,
    ctx: Context,
    part: Partition,
    contracts: Contracts,
    store: Store,
    inner: PartitionContext,
    frames: Frames,
) -> None:
    """Compute a partition on another backend and compare.

    Args:
        reference: The backend to trust.
        program: The state.
        ctx: Its context.
        part: The partition.
        contracts: Compiled contracts.
        store: For the sealed vocabularies.
        inner: What the partition counted.
        frames: What it computed, in host memory.

    Raises:
        BackendError: `SHELL.BACKEND_DISAGREES`, naming state, partition, dataset and both figures.
    """
    assert program.compute is not None
    again = ctx.for_partition(part, reference)
    expected = program.compute(again, part)
    for dataset in sorted({*frames, *expected}):
        digests = [
            table_digest(side[dataset], contracts.dataset(dataset), store.vocabularies)
            if dataset in side
            else "no frame"
            for side in (frames, expected)
        ]
        if digests[0] != digests[1]:
            raise _differs(program, part, f"dataset {dataset}", digests[0], digests[1])
    counted = [as_json(side.counters) for side in (inner, again)]
    for name in sorted({*counted[0], *counted[1]}):
        counts = [side.get(name, "no counter") for side in counted]
        if counts[0] != counts[1]:
            raise _differs(program, part, f"counter {name}", str(counts[0])[:80], str(counts[1])[:80])
    if inner.ledger_rows != again.ledger_rows:
        raise _differs(
            program,
            part,
            "RNG ledger",
            str(list(inner.ledger_rows.values())),
            str(list(again.ledger_rows.values())),
        )


def _differs(program: Program, part: Partition, what: str, found: str, wanted: str) -> BackendError:
    return BackendError(
        DISAGREES,
        (
            f"the device computed {program.state.id}, partition {part.name}, {what}, otherwise than the cpu "
            "backend"
        ),
        found=found,
        expected=f"{wanted} by the cpu backend",
        do="nothing of this state was published; do not trust the device: run again with --backend cpu and "
        "another --out,"
        " then compare what this device published before with closedworld diff RUN_A RUN_B",
    )
