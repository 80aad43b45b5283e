"""A small complete contracts folder, with the real meta-schemas and invented content."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

META = Path(__file__).parents[3] / "contracts" / "meta"

FILES = {
    "contracts/vocabularies.yaml": """\
$id: closedworld:vocabularies
vocabularies:
  colour: [red, green, blue]
from_reference:
  country: {table: countries, column: country_iso}
""",
    "contracts/columns.yaml": """\
$id: closedworld:columns
columns:
  shop_id: {type: uint64, description: Shop}
""",
    "contracts/layer1/1A/schemas.yaml": """\
$id: closedworld:layer1/1A/schemas
tables:
  shop:
    description: Shops.
    columns:
      - {use: shop_id, minimum: 1}
      - {name: country_iso, type: category, vocabulary: country, description: Home}
  till:
    description: Tills of shops.
    columns:
      - {use: shop_id}
      - {name: till_no, type: uint32, description: Number in the shop, encoding: delta}
      - {name: colour, type: category, vocabulary: colour, nullable: true, description: Paint}
      - {name: share, type: int64, description: Share of takings}
documents:
  till_policy_1A:
    type: object
    additionalProperties: false
    required: [tills_a_shop, home]
    properties:
      tills_a_shop: {type: integer, minimum: 1, maximum: 9}
      home: {$ref: "#/documents/place"}
      price: {type: number}
      kind: {enum: [plain, fancy]}
      switch: {type: boolean}
  place: {type: string, pattern: "^[A-Z]{2}$"}
""",
    "contracts/layer1/1A/dictionary.yaml": """\
$id: closedworld:layer1/1A/dictionary
segment: 1A
layer: 1
datasets:
  - id: shop
    description: Shops.
    primary_key: [shop_id]
    produced_by: 1A.S1
  - id: till
    description: Tills.
    primary_key: [shop_id, till_no]
    foreign_keys: [{columns: [shop_id], dataset: shop, to: [shop_id]}]
    invariants:
      - {kind: contiguous, column: till_no, within: [shop_id], start: 1}
      - {kind: sums_to, column: share, within: [shop_id], total: 100}
    produced_by: 1A.S2
""",
    "contracts/layer1/1A/registry.yaml": """\
$id: closedworld:layer1/1A/registry
segment: 1A
layer: 1
artefacts:
  - id: till_policy_1A
    role: POLICY
    description: How many tills.
""",
    "contracts/rng/streams.yaml": """\
$id: closedworld:rng/streams
fields:
  shop_id: {bits: 64, is: id of the shop}
  till_no: {bits: 16, is: number of the till}
streams:
  - {id: 1A.till, state: 1A.S2, entity: a till, c0: till_no << 8, c1: shop_id, draws: 1, scope: world}
""",
    "contracts/rng/schemas.yaml": """\
$id: closedworld:rng/schemas
tables:
  rng_event:
    description: Events.
    columns:
      - {name: part, type: uint32, description: Partition}
      - {name: counter_before_hi, type: uint64, description: High word}
      - {name: counter_before_lo, type: uint64, description: Low word}
""",
    "contracts/kernels/add_one.yaml": """\
name: add_one
why: the least kernel there is
thread: one row
arithmetic: integer
args:
  - {name: x, kind: column, dtype: uint64, dir: in}
  - {name: y, kind: column, dtype: uint64, dir: out}
streams: []
errors: []
""",
    "config/layer1/1A/till_policy.yaml": "tills_a_shop: 3\nhome: NO\n",
    "config/presets/tiny.yaml": (
        "description: A small world for tests.\nscenarios: [baseline_v1]\nset: "
        "{till_policy_1A.tills_a_shop: 1}\n"
    ),
}


@dataclass
class Folder:
    """A contracts and a config folder on disk, easy to damage."""

    root: Path
    contracts: Path = field(init=False)
    config: Path = field(init=False)

    def __post_init__(self) -> None:
        self.contracts, self.config = self.root / "contracts", self.root / "config"
        for name, text in FILES.items():
            self.write(name, text)
        shutil.copytree(META, self.contracts / "meta")

    def write(self, name: str, text: str) -> None:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")

    def replace(self, name: str, old: str, new: str) -> None:
        text = (self.root / name).read_text(encoding="utf-8")
        assert text.count(old) >= 1, (name, old)
        self.write(name, text.replace(old, new, 1))


@dataclass(frozen=True)
class Facts:
    """A state as lint sees it."""

    id: str
    reads: Mapping[str, str] = field(default_factory=dict)
    config: tuple[str, ...] = ()
    external: tuple[str, ...] = ()
    writes: tuple[str, ...] = ()
    streams: tuple[str, ...] = ()
    kernels: tuple[str, ...] = ()
    per_scenario: bool = False


STATES = (
    Facts("1A.S1", writes=("shop",), config=("till_policy_1A",)),
    Facts("1A.S2", reads={"shop": "ROW_LEVEL"}, writes=("till",), streams=("1A.till",), kernels=("add_one",)),
)
