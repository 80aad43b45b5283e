"""The same world on threads and on worker processes of a local dask cluster, in turn.

A cluster's wall and processor seconds include starting it: each worker loads the model and prepares the
request once.
"""

from __future__ import annotations

from bench.case import Options, Row
from bench.cases.end_to_end import one_run, row_of

EXECUTORS = ("local", "dask")


def run(options: Options) -> list[Row]:
    """A row an executor, and the ratio of their wall times run by run."""
    preset = options.presets[0]
    runs = {name: [] for name in EXECUTORS}
    for number in range(options.runs):
        for name, done in runs.items():
            options.say(f"executors: {name} {preset} {number + 1}/{options.runs}")
            done.append(one_run(options, preset, extra=("--executor", name)))
    rows = [row_of(f"{preset}, {name}", done) for name, done in runs.items()]
    ratios = [dask[0].wall / local[0].wall for local, dask in zip(runs["local"], runs["dask"], strict=True)]
    return [*rows, Row(f"{preset}, dask / local", {"wall": ("", ratios)})]
