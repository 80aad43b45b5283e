"""Where the time of one partition of 5B.S4 goes: each step by itself on one thread, in this process, warm."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

from bench.case import Options, Row, steady
from bench.world import DATASET, STATE, World
from sim.backends import get_backend
from sim.ground.identity import sha256_bytes
from sim.segments import SEGMENTS
from sim.shell.loop.run import context_for
from sim.shell.publish.publish import write_new
from sim.shell.tables.digest import table_digest
from sim.shell.tables.foreign_keys import KeyIndex, check_foreign_key
from sim.shell.tables.frame_checks import check_frame
from sim.shell.tables.key_ranges import key_range
from sim.shell.tables.parquet import encode_parquet, to_arrow
from sim.state.declaration import Frames, Partition


def run(options: Options) -> list[Row]:
    """A row a step, for the first partition of 5B.S4 in the first preset."""
    preset = options.presets[0]
    options.say(f"partition: building {preset} once")
    world = World.built(options, preset)
    store, prepared = world.store(), world.prepared
    program = next(
        program for segment in SEGMENTS for program in segment.programs if program.state.id == STATE
    )
    context = context_for(program, prepared, get_backend("cpu"), store)
    assert program.plan is not None and program.compute is not None
    compute, plan = program.compute, program.plan
    part: Partition = plan(context)[0]

    def computed() -> Frames:
        return compute(context.for_partition(part), part)

    frame = computed()[DATASET]
    dataset = prepared.contracts.dataset(DATASET)
    vocabularies = store.vocabularies
    indexes = []
    for key in dataset.foreign_keys:
        own = part.scenario if part.scenario in store.scenarios(key.dataset) else None
        indexes.append((key, KeyIndex(store.load(key.dataset, own, columns=key.to), key.to)))
    data = encode_parquet(frame, dataset, vocabularies, {})
    numbers = itertools.count()

    def written() -> None:
        path = options.scratch / f"written-{next(numbers)}"
        write_new(path, memoryview(data))
        path.unlink()

    steps: dict[str, Callable[[], Any]] = {
        "plan (whole state)": lambda: plan(context),
        "compute": computed,
        "contract checks": lambda: check_frame(frame, dataset, vocabularies),
        "foreign keys": lambda: [check_foreign_key(frame, key, index) for key, index in indexes],
        "to Arrow": lambda: to_arrow(frame, dataset, vocabularies, {}),
        "to Arrow and Parquet": lambda: encode_parquet(frame, dataset, vocabularies, {}),
        "SHA-256": lambda: sha256_bytes(memoryview(data)),
        "write and fsync": written,
        "content digest": lambda: table_digest(frame, dataset, vocabularies),
        "key range": lambda: key_range(frame, dataset),
    }
    rows = []
    for name, step in steps.items():
        seconds = steady(step, options.runs)
        figures = {
            "wall": ("ms", [value * 1e3 for value in seconds]),
            "ns a row": ("ns", [value / len(frame) * 1e9 for value in seconds]),
        }
        rows.append(Row(name, figures, {"rows": len(frame), "bytes": len(data)}))
    return rows
