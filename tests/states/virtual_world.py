"""3B over merchants in memory, for its tests."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

from memory_world import MemoryWorld, config, merchants, vocabularies

from sim.recipes.partitions import row_ranges
from sim.recipes.supplied import nothing_supplied
from sim.segments.virtual_3b import SEGMENT
from sim.state.frames import Frame
from sim.state.program import Program

CONFIGS = {
    "mcc_taxonomy_1A": config("layer1/1A/mcc_taxonomy.yaml"),
    "virtual_policy_3B": config("layer1/3B/virtual_policy.yaml"),
    "edge_policy_3B": config("layer1/3B/edge_policy.yaml"),
    "realism_gates_3B": config("layer1/3B/realism_gates.yaml"),
}
POLICY = CONFIGS["edge_policy_3B"]
COUNT = 6000


def build(of: Frame, target: int | None = None) -> tuple[MemoryWorld, dict[str, Frame]]:
    """3B over these merchants; `target` forces smaller partitions."""
    made = MemoryWorld(CONFIGS)
    made.store.parts |= {"merchant_catalogue_1A": [of], "merchant_supplied_1A": [nothing_supplied()]}
    rows: dict[str, Frame] = {}
    for program in SEGMENT.programs:
        rows |= made.run(
            program if target is None or program.state.id == "3B.S4" else _smaller(program, target)
        )
        assert made.failed() == []
    return made, rows


def _smaller(program: Program, target: int) -> Program:
    assert program.plan is not None
    plan = program.plan
    return replace(program, plan=lambda ctx: row_ranges(plan(ctx)[-1].spec["rows"][1], target))


@cache
def built() -> tuple[MemoryWorld, dict[str, Frame]]:
    """One world for all tests that only look."""
    return build(merchants(COUNT))


def code(vocabulary: str, value: str) -> int:
    return vocabularies()[vocabulary].index(value)
