"""Executors spread partitions over threads or processes. No result depends on the choice."""

from sim.executors.budget import MemoryBudget, MemoryLimitPassed
from sim.executors.local import LocalExecutor, run_local
from sim.executors.protocol import (
    ClusterLost,
    Executor,
    ExecutorError,
    ExecutorUnavailable,
    OutOfMemory,
    Transient,
    Work,
    WorkLost,
)

__all__ = [
    "ClusterLost",
    "Executor",
    "ExecutorError",
    "ExecutorUnavailable",
    "LocalExecutor",
    "MemoryBudget",
    "MemoryLimitPassed",
    "OutOfMemory",
    "Transient",
    "Work",
    "WorkLost",
    "run_local",
]
