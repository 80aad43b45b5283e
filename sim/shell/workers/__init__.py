"""Partitions in other processes: the job's description, the driver's side and the worker's side."""
