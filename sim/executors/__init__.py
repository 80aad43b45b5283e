"""Executors: how partitions are spread over workers. Results never depend on the choice."""

from sim.executors.local import run_local

__all__ = ["run_local"]
