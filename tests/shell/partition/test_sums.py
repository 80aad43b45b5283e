"""What a state keeps of its partitions: sums that do not depend on the order of arrival,
and little memory.
"""

from __future__ import annotations

import gc
import random
import tracemalloc
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import miniworld
import pytest

from sim.ground.errors import ValidationError
from sim.ground.identity import sha256_bytes
from sim.shell.partition.staging import PartitionResult
from sim.shell.partition.sums import RunningSums
from sim.state.context import Context
from sim.state.counters import Counters, Each, Maximum, Scalar, Vector
from sim.state.declaration import Check, Partition
from sim.state.program import Segment
from sim.state.records import LedgerRow, PartFile

MANY = 10_000
CHECKS = 24


class Counts(Counters):
    """What the invented partitions report beside their rows."""

    by_kind = Vector(3)
    most = Maximum(2)
    large = Each(("odd", "even"), Scalar())


STATE = replace(miniworld.ITEMS_STATE, counts=(miniworld.Counts, Counts))
CONTEXT: Any = SimpleNamespace(state=STATE)


def inventing(**replaced: Any) -> tuple[Segment, ...]:
    """The mini world, its items declaring what invented partitions report."""
    items, doubles = miniworld.segments(**replaced)
    return replace(items, programs=(replace(items.programs[0], state=STATE),)), doubles


def check_rows(rows: int, names: int, seed: int = 0, bad: float = 0.0) -> list[dict[str, Any]]:
    pick = random.Random(seed)
    return [
        {
            "dataset": "items",
            "name": f"range.column_{number}",
            "passed": (fine := pick.random() >= bad),
            "rows": rows,
            "found": f"{number}..{rows}",
            "expected": f"{-rows}..{rows}" if rows else "",
            "examples": [] if fine else [f"row {seed}: item_id={number}"],
        }
        for number in range(names)
    ]


def result_of(part: Partition, rows: int, bad: float = 0.0) -> PartitionResult:
    """What a partition of the mini world might report, had it more columns."""
    digest = sha256_bytes(part.name.encode())
    keys = {
        "rows": 1,
        "first": [part.index],
        "last": [part.index],
        "first_primary": [part.index],
        "last_primary": [part.index],
    }
    file = PartFile(
        f"part-{part.index:05d}.parquet",
        1000 + rows,
        rows,
        digest,
        digest[::-1],
        {**keys, "primary_increasing": True},
    )
    ledger = [LedgerRow("1A.word", None, f"{7:016x}", rows, 2 * rows, rows)]
    counters = {
        "rows": rows,
        "by_kind": [rows, 1, part.index],
        "most": [rows, part.index],
        "large.odd": 2**62 + part.index,
    }
    return PartitionResult(
        part.name, {"items": file}, check_rows(rows, CHECKS, part.index, bad), counters, ledger
    )


def folded(results: list[PartitionResult], order: list[int]) -> tuple[Any, ...]:
    sums = RunningSums(STATE)
    for place in order:
        sums.add(place, None, results[place])
    sums.add_checks(len(results), check_rows(5, 2, 99))
    totals = sums.totals(CONTEXT)
    seen = Counts(totals)
    read = (
        miniworld.Counts(totals).rows,
        seen.by_kind.tolist(),
        seen.most.tolist(),
        dict(seen.large),
        totals.drawn("1A.word"),
    )
    return read, sums.ledger(), dict(sums.files()), sums.checks(), sums.failed()


def test_the_order_of_arrival_changes_nothing() -> None:
    pick = random.Random(5)
    results = [result_of(Partition(index), pick.choice([0, 3, 17]), bad=0.1) for index in range(60)]
    plain = list(range(len(results)))
    totals, ledger, files, checks, failed = folded(results, plain)

    rows = sum(result.counters["rows"] for result in results)
    large = {"odd": 60 * 2**62 + 59 * 30, "even": 0}
    assert totals == (rows, [rows, 60, 59 * 30], [17, 59], large, (rows, 2 * rows, rows))
    assert ledger == [LedgerRow("1A.word", None, f"{7:016x}", rows, 2 * rows, rows)]
    assert files == {("items", None): [result.files["items"] for result in results]}
    every = [row for result in results for row in result.checks] + check_rows(5, 2, 99)
    assert failed == [row for row in every if not row["passed"]] and len(failed) > 60
    for check in checks:
        mine = [row for row in every if row["name"] == check["name"]]
        assert check["rows"] == sum(row["rows"] for row in mine)
        assert check["passed"] == all(row["passed"] for row in mine)
        assert check["expected"] == mine[-1]["expected"]
    assert [check["name"] for check in checks] == sorted({row["name"] for row in every})

    for seed in range(20):
        order = random.Random(seed).sample(plain, len(plain))
        assert folded(results, order) == (totals, ledger, files, checks, failed)


class Invented:
    """An executor whose partitions report as many checks as those of 5B.S4 and stage nothing."""

    name = "invented"
    threads = 1

    def map(self, work: Any, items: Any) -> Iterator[tuple[Partition, PartitionResult]]:
        for part in items:
            yield part, result_of(part, 1)

    def close(self) -> None:
        """Nothing to end."""


def held_by_the_driver(root: Path, many: int) -> int:
    """Bytes that Python holds for so many partitions once their results are summed,
    and before anything is published.
    """
    held: dict[str, int] = {}

    def plan(ctx: Context) -> list[Partition]:
        tracemalloc.start()
        return [Partition(index, spec={"rows": [index, index + 1]}) for index in range(many)]

    def check(ctx: Context, totals: Any) -> list[Check]:
        gc.collect()
        held["bytes"] = tracemalloc.get_traced_memory()[0]
        tracemalloc.stop()
        rows = miniworld.Counts(totals).rows
        return [Check("measured", rows != many, rows, "any other number: there are no files to publish")]

    with pytest.raises(ValidationError) as refused:
        programs = inventing(plan_items=plan, check_items=check)
        miniworld.build(root, programs=programs, executor=Invented(), until="1A")
    assert refused.value.total == 1
    return held["bytes"]


def test_a_partition_leaves_little_in_the_driver(root: Path) -> None:
    held_by_the_driver(root, 10)  # what a run loads when it is the first of its process is no partition's
    held = held_by_the_driver(root, MANY)
    assert held / MANY < 2000, f"{held / MANY:.0f} bytes a partition"


class Losing(Invented):
    """An executor that forgets its last partition."""

    def map(self, work: Any, items: Any) -> Iterator[tuple[Partition, PartitionResult]]:
        yield from super().map(work, list(items)[:-1])


def test_a_partition_that_never_came_is_missed(root: Path) -> None:
    with pytest.raises(RuntimeError, match=r"1 of 4 partitions of 1A\.S1 never came, 00003 among them"):
        miniworld.build(root, programs=inventing(), executor=Losing(), until="1A")


def test_partitions_of_one_name_are_refused(root: Path) -> None:
    programs = miniworld.segments(
        plan_items=lambda ctx: [*miniworld.plan_items(ctx), Partition(0, spec={"rows": [0, 1]})]
    )
    with pytest.raises(ValueError, match=r"1A\.S1 plans 5 partitions with 4 names"):
        miniworld.build(root, programs=programs, until="1A")
