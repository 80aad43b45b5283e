"""Estimates how many rows and bytes a request will make, before a run.

Nothing published depends on an estimate.
"""
