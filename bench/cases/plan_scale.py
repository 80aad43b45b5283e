"""A plan of a million partitions: what the driver does for them, without computing any.

Measured on the code runs use: cutting merchant-days into partitions (5B.S4's plan), the staging binding, an
executor handing out a million items that do nothing, sums over a million partition results, order and
uniqueness across a million files, the manifest's bytes. What costs the same for every partition (receipts,
small files, fsync) is measured per partition on fewer of them.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any, TypeVar

import numpy as np

from bench.apportion import served_by_counting, served_by_sorting
from bench.case import Options, Row
from bench.cases.messages import messages
from sim.executors import run_local
from sim.ground.identity import canonical_json, sha256_bytes
from sim.ground.paths import contracts_root
from sim.segments.arrivals_5b.s4_arrival_events import STATE
from sim.segments.arrivals_5b.slices import Days, cut, spec_of
from sim.shell.contracts.load import load_contracts
from sim.shell.partition.staging import PartitionResult, Staging
from sim.shell.partition.sums import RunningSums
from sim.shell.publish.manifest import StateManifest
from sim.shell.runs.store import pieces
from sim.shell.tables.digest import combine_digests
from sim.shell.tables.key_ranges import check_key_ranges
from sim.state.declaration import Partition
from sim.state.records import LedgerRow, PartFile, Published

Made = TypeVar("Made")

ARRIVALS_A_PARTITION = 1 << 20
DAYS_A_PARTITION = 8
"""Merchant-days in a partition here; a world of larger merchants has fewer,
one of smaller ones more. Memory of the plan follows it.
"""
SAMPLE = 1000
"""Results made beforehand and folded again and again, so that what is timed is the folding."""
CHECKS = 24
RECEIPTS = 2000
CELL = 10_000_000
LISTED = 80_000
"""Files in one manifest; 110,000 would be more than a document may hold."""
DATASET = "arrival_events_5B"
FOLDER = "data/layer2/5B/arrival_events/seed=42"


def run(options: Options) -> list[Row]:
    """One row a step of the driver."""
    steps = _Steps(options, options.partitions)
    plan = _plan(steps, options)
    _fold(steps, plan)
    _manifest(steps, plan)
    rows = [*steps.rows, _receipts(options, plan[:RECEIPTS]), *messages(options, plan)]
    return rows + _huge_cell(min(CELL, 10 * options.partitions))


def _plan(steps: _Steps, options: Options) -> list[Partition]:
    days = steps.step("merchant-days of the plan", lambda: _days(options.partitions))
    edges = steps.step("cut into partitions", lambda: cut(days, ARRIVALS_A_PARTITION))
    sources = {"merchant_zone_profile_5A": days.merchants}
    plan = steps.step("partitions", lambda: _partitions(days, edges, sources))
    spec = steps.step(
        "plan as canonical JSON",
        lambda: canonical_json([[part.index, part.scenario, dict(part.spec)] for part in plan]),
    )
    steps.step("SHA-256 of the plan", lambda: sha256_bytes(spec))
    steps.step(
        "executor: items that do nothing",
        lambda: sum(1 for _ in run_local(lambda part: part.index, plan, options.workers)),
    )
    return plan


def _fold(steps: _Steps, plan: list[Partition]) -> None:
    results = [_result(part) for part in plan[:SAMPLE]]
    context: Any = SimpleNamespace(state=STATE)

    def fold() -> RunningSums:
        sums = RunningSums(STATE)
        for place, part in enumerate(plan):
            sums.add(place, part.scenario, results[place % len(results)])
        return sums

    sums = steps.step("fold results", fold)
    steps.step(
        "sums, checks and files in plan order",
        lambda: (sums.totals(context), sums.ledger(), sums.checks(), sums.files()),
    )


def _manifest(steps: _Steps, plan: list[Partition]) -> None:
    files = steps.step("file entries", lambda: [_file(part) for part in plan])
    steps.step("dataset digest", lambda: combine_digests([file.content_blake3 for file in files]))
    dataset = load_contracts(contracts_root()).dataset(DATASET)
    across = steps.step(
        "order and keys across files", lambda: check_key_ranges([file.keys for file in files], dataset)
    )
    if not all(check.passed for check in across):
        raise RuntimeError(f"the simulated files are not in order: {across}")
    # A manifest lists what a document may hold; so many partitions take several.
    lists = [tuple(files[start : start + LISTED]) for start in range(0, len(files), LISTED)]
    manifests = [
        StateManifest("5B.S4", {}, (Published(DATASET, "baseline_v1", FOLDER, listed, "0" * 64),), (), ())
        for listed in lists
    ]
    data = steps.step("manifest: encode", lambda: [manifest.encode() for manifest in manifests])
    steps.step("manifest: decode", lambda: [StateManifest.decode(one, "bench") for one in data])
    whole = Published(DATASET, "baseline_v1", FOLDER, tuple(files), "0" * 64)
    steps.step("find a row range's files: each partition's", lambda: _row_ranges(whole))


class _Steps:
    """Times steps once each; memory is what the step's result still holds. All but the executor use one
    thread.
    """

    def __init__(self, options: Options, count: int) -> None:
        self._options, self._count = options, count
        self.rows: list[Row] = []

    def step(self, name: str, work: Callable[[], Made], count: int | None = None) -> Made:
        gc.collect()
        before, started, cpu = _resident(), time.perf_counter(), time.process_time()
        made = work()
        seconds, cpu = time.perf_counter() - started, time.process_time() - cpu
        held = max(0, _resident() - before)
        self._options.say(
            f"plan-scale: {name}: {seconds:.2f} s wall, {cpu:.2f} s cpu, {held / 2**20:.0f} MiB"
        )
        count = count or self._count
        figures = {
            "wall": ("s", [seconds]),
            "cpu": ("s", [cpu]),
            "cpu a partition": ("us", [cpu / count * 1e6]),
            "held": ("MiB", [held / 2**20]),
            "held a partition": ("bytes", [held / count]),
        }
        written = [one for one in (made if isinstance(made, list) else [made]) if isinstance(one, bytes)]
        self.rows.append(
            Row(
                name, figures, {"partitions": count, **({"bytes": sum(map(len, written))} if written else {})}
            )
        )
        return made


def _resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


def _days(count: int) -> Days:
    """Merchant-days of 90-day merchants, arrivals such that `DAYS_A_PARTITION` fill a partition."""
    days = count * DAYS_A_PARTITION
    first = np.arange(0, days, 90, dtype=np.int64)
    arrivals = np.arange(days + 1, dtype=np.int64) * np.int64(ARRIVALS_A_PARTITION // DAYS_A_PARTITION)
    return Days(
        (first // 90).astype(np.uint64), first, arrivals, np.arange(days + 1, dtype=np.int64) * np.int64(24)
    )


def _partitions(days: Days, edges: list[int], sources: dict[str, Any]) -> list[Partition]:
    return [
        Partition(index, "baseline_v1", spec_of(days, first, stop, sources))
        for index, (first, stop) in enumerate(pairwise(edges))
    ]


def _file(part: Partition) -> PartFile:
    """What a manifest says of one file of arrivals."""
    low, rows = part.index * 10, part.spec["arrivals"]
    keys = {
        "rows": rows,
        "first": [low, part.index, 1],
        "last": [low + 9, part.index, rows],
        "first_primary": [low, 1],
        "last_primary": [low + 9, rows],
        "primary_increasing": True,
    }
    digest = sha256_bytes(part.name.encode())
    return PartFile(f"part-{part.index:05d}.parquet", 7 * rows, rows, digest, digest, keys)


def _result(part: Partition) -> PartitionResult:
    """What a finished partition reports: two files, counters, ledger,
    and as many checks as the rows of 5B.S4 stand.
    """
    rows = part.spec["arrivals"]
    checks = [
        {
            "dataset": DATASET,
            "name": f"range.utc_offset_{number}",
            "passed": True,
            "rows": rows,
            "found": f"{number}..{rows}",
            "expected": f"{-rows}..{rows}",
            "examples": [],
        }
        for number in range(CHECKS)
    ]
    ledger = [
        LedgerRow(stream, "baseline_v1", f"{rows:016x}", rows, 2 * rows, rows)
        for stream in ("5B.arrival_place", "5B.arrival_route")
    ]
    files = {DATASET: _file(part), "s4_arrival_summary_5B": _file(part)}
    return PartitionResult(
        part.name, files, checks, {"arrivals": rows, "planned": rows, "virtual": 0}, ledger
    )


def _row_ranges(item: Published) -> int:
    """What `Store.load(rows=...)` pays to find its files, once a partition: as many rows as a file has,
    from its middle on.
    """
    half = item.files[0].rows // 2
    return sum(len(pieces(item, None, (start + half, start + 3 * half))) for start in item.starts[:-1])


def _receipts(options: Options, plan: list[Partition]) -> Row:
    """Durable receipts, and reading them back on resume: per partition, on fewer partitions."""
    staging = Staging(options.scratch / "staging", "5B.S4", "bench")
    staging.prepare()
    results = [_result(part) for part in plan]
    started = time.perf_counter()
    for result in results:
        staging.record(PartitionResult(result.name, {}, result.checks, result.counters, result.ledger))
    written = time.perf_counter() - started
    size = sum(path.stat().st_size for path in (staging.path / "receipts").iterdir()) // len(plan)
    started = time.perf_counter()
    found = sum(staging.finished(part.name, part.scenario) is not None for part in plan)
    read = time.perf_counter() - started
    if found != len(plan):
        raise RuntimeError(f"{found} of {len(plan)} receipts found again")
    figures = {
        "write and fsync": ("us", [written / len(plan) * 1e6]),
        "read back": ("us", [read / len(plan) * 1e6]),
    }
    return Row("a receipt", figures, {"partitions": len(plan), "bytes": size})


def _huge_cell(rows: int) -> list[Row]:
    """Largest remainder of one cell: sorted whole, and counted in 16 pieces that exchange tables of counts
    only.
    """
    random = np.random.Generator(np.random.PCG64(7))
    remainder = random.integers(0, 2**63, rows, dtype=np.uint64) >> np.uint64(20)
    chance = random.integers(0, 2**63, rows, dtype=np.uint64)
    left = rows // 3
    pieces = list(zip(np.array_split(remainder, 16), np.array_split(chance, 16), strict=True))
    started = time.process_time()
    sorted_ = served_by_sorting(remainder, chance, left)
    whole = time.process_time() - started
    started = time.process_time()
    counted = served_by_counting(pieces, left)
    counting = time.process_time() - started
    same = bool((np.concatenate(counted) == sorted_).all())
    return [
        Row(
            "one cell, sorted", {"cpu": ("s", [whole]), "a row": ("ns", [whole / rows * 1e9])}, {"rows": rows}
        ),
        Row(
            "one cell, counted in 16",
            {"cpu": ("s", [counting]), "a row": ("ns", [counting / rows * 1e9])},
            {"rows": rows, "same": same},
        ),
    ]
