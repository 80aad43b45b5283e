"""What a task costs a dask scheduler: text out, text back, two in flight a worker,
as closedworld's dask executor keeps it.
"""

from __future__ import annotations

import importlib.util
import time

from bench.case import Options, Row
from sim.ground.identity import canonical_json
from sim.state.declaration import Partition

TASKS = 5000


def echo(text: str) -> str:
    """What a worker does here: nothing."""
    return text


def messages(options: Options, plan: list[Partition]) -> list[Row]:
    """Microseconds a task over a loopback cluster of `workers` processes;
    nothing where `distributed` is not installed.
    """
    if importlib.util.find_spec("distributed") is None:
        return [Row("dask: a task", {}, {"missing": "pip install distributed"})]
    from distributed import Client, LocalCluster, as_completed

    texts = [canonical_json([part.index, part.scenario, dict(part.spec)]).decode() for part in plan[:TASKS]]
    with (
        LocalCluster(
            n_workers=options.workers, threads_per_worker=1, host="127.0.0.1", dashboard_address="127.0.0.1:0"
        ) as cluster,
        Client(cluster) as client,
    ):
        client.gather(client.map(echo, texts[:10], pure=False))
        waiting = iter(texts[10:])
        started = time.perf_counter()
        flying = as_completed(
            [client.submit(echo, next(waiting), pure=False) for _ in range(2 * options.workers)]
        )
        done = 0
        for future in flying:
            done += 1
            future.release()
            following = next(waiting, None)
            if following is not None:
                flying.add(client.submit(echo, following, pure=False))
        seconds = time.perf_counter() - started
    length = sum(map(len, texts)) // len(texts)
    return [
        Row(
            "dask: a task",
            {"wall": ("us", [seconds / done * 1e6])},
            {"tasks": done, "workers": options.workers, "bytes out": length},
        )
    ]
