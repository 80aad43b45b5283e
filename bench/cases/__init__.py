"""The cases, in the order in which they run."""

from __future__ import annotations

from bench.case import Case
from bench.cases import (
    end_to_end,
    executors,
    floor,
    gpu,
    growth,
    kernels,
    memory,
    partition,
    peers,
    plan_scale,
    startup,
    states,
    words,
)

CASES: dict[str, Case] = {
    case.name: case
    for case in (
        Case("philox", "Words a second from one core, warm buffer", "seconds", words.philox, True),
        Case(
            "detmath", "exp, log and normal quantile, one core, warm buffer", "seconds", words.detmath, True
        ),
        Case("kernels", "Every kernel that has a contract: ns a row, GB/s", "1 minute", kernels.run, True),
        Case(
            "start-up", "Command line import, compiled kernels warm and cold", "3 minutes", startup.run, True
        ),
        Case(
            "states",
            "Every state of a preset: rows/s, peak memory",
            "--runs x the preset's time",
            states.run,
            True,
        ),
        Case(
            "partition", "One partition of 5B.S4, step by step on one thread", "1 minute", partition.run, True
        ),
        Case(
            "write-floor",
            "5B.S4 against pyarrow writing the same columns, alternately",
            "--runs x 2 x 5B.S4",
            floor.run,
            True,
        ),
        Case(
            "end-to-end", "Whole runs in fresh processes", "--runs x the preset's time", end_to_end.run, False
        ),
        Case(
            "growth",
            "1A..5B at growing numbers of arrivals",
            "20 s, 1 min, 8 min for 10M, 100M, 1B",
            growth.run,
            False,
        ),
        Case(
            "memory",
            "Peak memory against workers, state by state",
            "--runs x 3 x the preset's time",
            memory.run,
            False,
        ),
        Case("peers", "Other generators of like rows, alternately", "--runs x 1 minute", peers.run, False),
        Case(
            "executors",
            "Threads against worker processes, alternately",
            "--runs x 2 x the preset's time",
            executors.run,
            False,
        ),
        Case("gpu", "Kernels and worlds on an NVIDIA GPU", "3 minutes", gpu.run, False),
        Case(
            "plan-scale",
            "Plan, bookkeeping and manifest at a million partitions",
            "5 minutes",
            plan_scale.run,
            False,
        ),
    )
}
