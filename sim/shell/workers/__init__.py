"""Partitions in other processes: the job, the driver's side, the worker's side."""
