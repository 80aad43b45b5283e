"""A world small enough to break a thousand times: two segments, real shell, real contracts machinery,
real files.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np

from sim.backends import get_backend
from sim.ground.paths import config_root, contracts_root
from sim.recipes.words import word
from sim.shell.events.events import Silent
from sim.shell.loop.outcome import RunResult
from sim.shell.loop.run import Options, run_world
from sim.shell.request.request import Prepared, Request, prepare
from sim.state.context import Context, PartitionContext
from sim.state.counters import Counters, Scalar
from sim.state.declaration import ROW_LEVEL, Check, Partition, State
from sim.state.frames import Frame
from sim.state.model import Model
from sim.state.program import Program, Segment
from sim.state.totals import Totals

ITEMS = """
$id: closedworld:layer1/1A/schemas
tables:
  items:
    description: Numbered things with a random word each.
    columns:
      - {name: item_id, type: uint64, description: Id, encoding: delta}
      - {name: word, type: uint64, description: Random word}
      - {name: weight, type: float64, minimum: 0, maximum: 1000000, description: Weight}
documents:
  items_1A:
    type: object
    additionalProperties: false
    required: [total, part_rows]
    properties:
      total: {type: integer, minimum: 1, maximum: 100000}
      part_rows: {type: integer, minimum: 1}
  scenarios_5A:
    type: object
    additionalProperties: false
    required: [scenarios]
    properties: {scenarios: {type: object, additionalProperties: {type: integer}}}
"""
ITEMS_DICTIONARY = """
$id: closedworld:layer1/1A/dictionary
segment: 1A
layer: 1
datasets:
  - id: items
    description: Numbered things.
    primary_key: [item_id]
    produced_by: 1A.S1
"""
ITEMS_REGISTRY = """
$id: closedworld:layer1/1A/registry
segment: 1A
layer: 1
artefacts:
  - id: items_1A
    role: POLICY
    description: How many items.
  - id: scenarios_5A
    path: layer1/1A/scenarios.yaml
    role: POLICY
    description: Scenarios.
"""
DOUBLES = """
$id: closedworld:layer1/1B/schemas
tables:
  doubles:
    description: Twice an item, a scenario at a time.
    columns:
      - {name: item_id, type: uint64, description: The item}
      - {name: twice, type: uint64, description: Two times the id}
      - {name: note, type: uint32, nullable: true, description: Present for even ids}
documents: {}
"""
DOUBLES_DICTIONARY = """
$id: closedworld:layer1/1B/dictionary
segment: 1B
layer: 1
datasets:
  - id: doubles
    description: Twice an item.
    partitioning: [seed, manifest_fingerprint, scenario_id]
    primary_key: [item_id]
    foreign_keys: [{columns: [item_id], dataset: items, to: [item_id]}]
    produced_by: 1B.S1
"""
DOUBLES_REGISTRY = """
$id: closedworld:layer1/1B/registry
segment: 1B
layer: 1
artefacts: []
"""
STREAMS = """
$id: closedworld:rng/streams
fields:
  item_id: {bits: 64, is: id of the item}
streams:
  - {id: 1A.word, state: 1A.S1, entity: item, c0: item_id, c1: "0", draws: 1, scope: world}
"""
EVENTS = """
$id: closedworld:rng/schemas
tables:
  rng_event:
    description: Events of a stream, one row an entity.
    columns:
      - {name: part, type: uint32, description: Partition}
      - {name: counter_before_hi, type: uint64, description: High word of the first block}
      - {name: counter_before_lo, type: uint64, description: Low word of the first block}
      - {name: counter_after_hi, type: uint64, description: High word after the last block}
      - {name: counter_after_lo, type: uint64, description: Low word after the last block}
      - {name: entities, type: uint64, description: Entities that drew}
      - {name: draws, type: uint64, description: Words used}
      - {name: blocks, type: uint64, description: Blocks evaluated}
"""


def write_world(root: Path) -> None:
    """Contracts and config of the mini world under `root`."""
    contracts, config = root / "contracts", root / "config"
    shutil.copytree(contracts_root() / "meta", contracts / "meta")
    shutil.copytree(contracts_root() / "kernels", contracts / "kernels")
    shutil.copytree(contracts_root() / "runs", contracts / "runs")
    shutil.copy(contracts_root() / "vocabularies.yaml", contracts)
    for name, text in {
        "layer1/1A/schemas": ITEMS,
        "layer1/1A/dictionary": ITEMS_DICTIONARY,
        "layer1/1A/registry": ITEMS_REGISTRY,
        "layer1/1B/schemas": DOUBLES,
        "layer1/1B/dictionary": DOUBLES_DICTIONARY,
        "layer1/1B/registry": DOUBLES_REGISTRY,
        "rng/streams": STREAMS,
        "rng/schemas": EVENTS,
    }.items():
        path = contracts / f"{name}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    shutil.copytree(
        config_root() / "reference",
        config / "reference",
        ignore=shutil.ignore_patterns("*.py", "__pycache__"),
    )
    for name, text in {
        "layer1/1A/items": "total: 100\npart_rows: 30\n",
        "layer1/1A/scenarios": "scenarios: {calm: 1, storm: 2}\n",
        "presets/mini": "description: The mini world.\nscenarios: [calm]\nset: {}\n",
    }.items():
        path = config / f"{name}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


class Counts(Counters):
    rows = Scalar()


def plan_items(ctx: Context) -> list[Partition]:
    total, step = ctx.params.items_1A.total, ctx.params.items_1A.part_rows
    return [
        Partition(k, spec={"rows": [start, min(start + step, total)]})
        for k, start in enumerate(range(0, total, step))
    ]


def compute_items(ctx: PartitionContext, part: Partition) -> dict[str, Frame]:
    low, high = part.spec["rows"]
    ids = np.arange(low, high, dtype=np.uint64) + np.uint64(2**63)
    drawn = word(ctx, "1A.word", item_id=ids)
    ctx.count(Counts.rows, len(ids))
    return {
        "items": Frame({"item_id": ids, "word": drawn, "weight": (ids % np.uint64(7)).astype(np.float64)})
    }


def check_items(ctx: Context, totals: Totals) -> list[Check]:
    drawn, rows = totals.drawn("1A.word").entities, Counts(totals).rows
    return [Check("ledger_equals_rows", drawn == rows, drawn, rows)]


def compute_doubles(ctx: PartitionContext, part: Partition) -> dict[str, Frame]:
    items = ctx.load("items")
    even = items.item_id % np.uint64(2) == 0
    columns = {
        "item_id": items.item_id,
        "twice": items.item_id * np.uint64(2),
        "note": np.where(even, 7, 0).astype(np.uint32),
    }
    return {"doubles": Frame(columns, valid={"note": even})}


ITEMS_STATE = State(
    id="1A.S1",
    title="items",
    writes=("items",),
    config=("items_1A",),
    streams=("1A.word",),
    kernels=("philox_block",),
    counts=(Counts,),
)
DOUBLES_STATE = State(
    id="1B.S1",
    title="doubles",
    writes=("doubles",),
    reads={"items": ROW_LEVEL},
    config=("scenarios_5A",),
    per_scenario=True,
)


def segments(**replaced: Any) -> tuple[Segment, ...]:
    """The two segments; keyword arguments replace functions by name, e.g. `compute_items=`."""
    use = {
        "plan_items": plan_items,
        "compute_items": compute_items,
        "check_items": check_items,
        "compute_doubles": compute_doubles,
    }
    use |= replaced
    items = Program(ITEMS_STATE, use["compute_items"], use["plan_items"], None, use["check_items"])
    doubles = Program(DOUBLES_STATE, use["compute_doubles"])
    return (Segment("1A", 1, "items", (items,)), Segment("1B", 1, "doubles", (doubles,)))


def model(programs: tuple[Segment, ...] | None = None, module: str = "miniworld") -> Model:
    """The mini world's model; workers in other processes find it as `module.MODEL`."""
    return Model(module=module, load=lambda: programs or segments(), scenario_pack="scenarios_5A")


def prepared(
    root: Path, programs: tuple[Segment, ...] | None = None, module: str = "miniworld", **request: Any
) -> Prepared:
    """The mini world's request, hashed."""
    wanted = Request(preset="mini", contracts=root / "contracts", config=root / "config", **request)
    return prepare(wanted, model(programs, module))


def build(
    root: Path,
    out: Path | None = None,
    programs: tuple[Segment, ...] | None = None,
    request: dict[str, Any] | None = None,
    module: str = "miniworld",
    **options: Any,
) -> RunResult:
    """Run the mini world under `root`."""
    settings = Options(out=out or root / "runs", **{"workers": 1, **options})
    return run_world(
        prepared(root, programs, module, **(request or {})), get_backend("cpu"), settings, Silent()
    )


MODEL = model()
