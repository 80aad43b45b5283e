"""What `closedworld run` says at its end: totals and the next steps; with `--verbose` states and datasets."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

from sim.backends import Backend
from sim.cli.common import few_people, invoked, table
from sim.shell.loop.outcome import SIZES_CHECKED, RunResult, describe
from sim.shell.request.request import Prepared
from sim.world.build import Built


def rows_of(result: RunResult, dataset: str) -> int:
    """Rows of a dataset over all scenarios, 0 where its segment has not passed."""
    return sum(
        item.rows for bundle in result.bundles.values() for item in bundle.datasets if item.dataset == dataset
    )


def end_text(
    built: Built,
    prepared: Prepared,
    backend: Backend,
    out: str,
    memory: Mapping[str, int] | None,
    seconds: float,
    verbose: bool,
) -> list[str]:
    """The text.

    Args:
        built: What was built.
        prepared: The request.
        backend: Where kernels ran.
        out: `--out` as it was given.
        memory: Bytes of limit and peak, with `--memory-limit`.
        seconds: What the command took.
        verbose: Whether to list every state and dataset.
    """
    result, world = built.result, built.world
    summary = describe(result)
    size = sum(item.bytes for bundle in result.bundles.values() for item in bundle.datasets)
    volumes = [
        f"{rows_of(result, dataset):,} {what}"
        for segment, dataset, what in (
            ("5B", "arrival_events_5B", "arrivals"),
            ("6A", "s1_party_base_6A", "parties"),
        )
        if segment in result.bundles
    ]
    checks = f"{summary['checks_passed']:,} checks passed" if summary["checks_passed"] else ""
    facts = [
        ("world", world),
        ("holds", ", ".join([*volumes, f"{size / 1e6:,.1f} MB"])),
        ("customers", _customers(result)),
        ("checks", checks),
        (
            "built",
            (
                f"in {seconds:,.1f} s, seed {prepared.request.seed}, scenarios "
                f"{', '.join(prepared.scenarios)}, {_named(backend)}"
            ),
        ),
    ]
    if result.taken_over:
        before = ", ".join(result.taken_over)
        facts.append(
            (
                "complete",
                f"{before} before this command: {SIZES_CHECKED} (closedworld verify --deep reads them)",
            )
        )
    if result.stopped_after:
        segment = result.stopped_after.partition(".")[0]
        facts.append(
            (
                "stopped",
                (
                    f"after {result.stopped_after}: {segment} has not passed; the same command without "
                    "--until goes on"
                ),
            )
        )
    if memory:
        facts.append(
            (
                "memory",
                f"{memory['peak'] / 2**20:,.0f} MiB at the highest, limit {memory['limit'] / 2**20:,.0f} MiB",
            )
        )
    text = [*(_tables(result) if verbose else []), *(f"{label:<10} {fact}" for label, fact in facts if fact)]
    return [*text, *(_next(result, world, out) if "5B" in result.bundles else [])]


def _customers(result: RunResult) -> str:
    """Where the countries have too few people for the customers asked for, that this is so."""
    bundle = result.bundles.get("6A")
    for row in bundle.measurements if bundle else ():
        if (row["state"], row["name"]) == ("6A.S1", "customers"):
            return few_people(row["found"]["parties"], row["found"]["asked"])
    return ""


def _named(backend: Backend) -> str:
    return f"backend {backend.name}{f' ({backend.why})' if backend.why else ''}"


def _tables(result: RunResult) -> list[str]:
    states = [
        (
            row.state,
            row.status,
            f"{row.rows:,}",
            f"{row.wall_ms / 1000:.2f}",
            row.partitions_resumed or "",
            f"{row.peak_rss_bytes / 1e6:,.0f}",
        )
        for row in result.rows
    ]
    datasets = [
        (item.dataset, item.scenario or "", f"{item.rows:,}", f"{item.bytes / 1e6:,.1f}")
        for bundle in result.bundles.values()
        for item in bundle.datasets
    ]
    return [
        table(
            ("state", "status", "rows", "seconds", "resumed", "peak MB"),
            states,
            right=frozenset({2, 3, 4, 5}),
        ),
        "",
        table(("dataset", "scenario", "rows", "MB"), datasets, right=frozenset({2, 3})),
        "",
    ]


def _next(result: RunResult, world: str, out: str) -> list[str]:
    program = Path(sys.argv[0])
    command = invoked(program, "closedworld") if program.stem == "closedworld" else "closedworld"
    python = invoked(Path(sys.executable), "python")
    where = result.run_dir.name[:8] if out == "runs" else world
    return [
        "",
        "try next",
        f"  {command} verify {where} --deep",
        (
            f'  {command} sql {where} "select channel_group, count(*) as arrivals from arrival_events_5B '
            'group by 1"'
        ),
        (
            f'  {python} -c "import sim.world as cw; '
            f"print(cw.open('{world}')['arrival_events_5B'].to_polars())\""
        ),
    ]
