"""Each way in which a state may reach for what it does not declare is refused: the seal rests on it."""

from __future__ import annotations

import ast
from collections.abc import Callable

import numpy as np
import pytest
from memory_world import ROOT, MemoryWorld, config, contracts

from sim.state.context import Context
from sim.state.declaration import METADATA_ONLY, ROW_LEVEL, Needs, Partition, State
from sim.state.declared import UndeclaredAccess

PACKS = ("merchant_universe_1A", "scenario_horizon_5A", "arrival_count_config_5B")
STATE = State(
    id="5B.S3",
    title="A state",
    writes=("s3_bucket_counts_5B",),
    reads={"site_locations": ROW_LEVEL, "outlet_catalogue": METADATA_ONLY},
    config=("merchant_universe_1A",),
    reference=("countries",),
    external=("merchants_input_1A",),
    streams=("1A.merchant_id", "5A.outage", "5B.bucket_count"),
    kernels=("exp_map",),
)

REFUSALS: dict[str, tuple[Callable[[Context], object], str]] = {
    "kernel": (lambda ctx: ctx.kernels.log_map, "kernel 'log_map'"),
    "config": (lambda ctx: ctx.params.scenario_horizon_5A, "config 'scenario_horizon_5A'"),
    "stream": (lambda ctx: ctx.stream("1A.merchant_mcc"), "stream '1A.merchant_mcc'"),
    "stream of a scenario without one": (lambda ctx: ctx.stream("5A.outage"), "needs a scenario id"),
    "how many words, where that is not fixed": (lambda ctx: ctx.draws_of("5B.bucket_count"), "is not fixed"),
    "address": (lambda ctx: ctx.address("1A.merchant_mcc", merchant_id=1), "stream '1A.merchant_mcc'"),
    "load, not declared": (
        lambda ctx: ctx.load("edge_catalogue_3B"),
        "declares no access to 'edge_catalogue_3B'",
    ),
    "load, declared for metadata only": (
        lambda ctx: ctx.load("outlet_catalogue"),
        "declares METADATA_ONLY access to 'outlet_catalogue'",
    ),
    "load, of its own dataset": (lambda ctx: ctx.load("s3_bucket_counts_5B"), "declares no access"),
    "files": (lambda ctx: ctx.files("edge_catalogue_3B"), "declares no access to 'edge_catalogue_3B'"),
    "publishes": (
        lambda ctx: ctx.publishes("edge_catalogue_3B"),
        "declares no access to 'edge_catalogue_3B'",
    ),
    "written": (lambda ctx: ctx.written("site_locations"), "to write 'site_locations'"),
    "reference": (lambda ctx: ctx.reference("cities"), "reference table 'cities'"),
    "reference metadata": (
        lambda ctx: ctx.reference_metadata("tz_transitions"),
        "reference table 'tz_transitions'",
    ),
    "numbers of a set": (
        lambda ctx: ctx.published("party", np.ones(1, dtype=np.uint64)),
        "declares no access to 's1_party_base_6A'",
    ),
    "numbers of no set": (lambda ctx: ctx.natural("nobody", np.ones(1, dtype=np.uint64)), "set 'nobody'"),
    "external": (lambda ctx: ctx.external("another_input"), "external input 'another_input'"),
}


@pytest.fixture(scope="module")
def ctx() -> Context:
    return MemoryWorld({name: config(contracts().artefacts[name].path) for name in PACKS}).context(STATE)


@pytest.mark.parametrize("access", REFUSALS)
def test_what_is_not_declared_is_refused(ctx: Context, access: str) -> None:
    reach, says = REFUSALS[access]
    for context in (ctx, ctx.for_partition(Partition(0))):
        with pytest.raises(UndeclaredAccess) as refused:
            reach(context)
        assert says in str(refused.value)


def test_what_is_declared_is_given(ctx: Context) -> None:
    """The same calls with names that the state declares: nothing above is refused for another reason."""
    assert ctx.kernels.exp_map is not None
    assert ctx.params.merchant_universe_1A.merchants > 0
    assert ctx.stream("1A.merchant_id") != ctx.stream("5A.outage", "baseline_v1")
    assert ctx.written("s3_bucket_counts_5B").id == "s3_bucket_counts_5B"
    assert len(ctx.reference("countries")) > 100 and ctx.reference_metadata("countries") is not None
    assert ctx.external("merchants_input_1A") is None
    assert ctx.publishes("outlet_catalogue") and ctx.publishes("s3_bucket_counts_5B")


def test_what_a_helper_needs_is_its_states() -> None:
    """`uses` gives a state what its helpers declare, and their helpers in turn; the wider scope counts."""
    inner = Needs(kernels=("log_map",), reads={"outlet_catalogue": ROW_LEVEL})
    outer = Needs(config=("scenario_horizon_5A",), kernels=("exp_map",), uses=(inner, inner))
    parts = {name: getattr(STATE, name) for name in ("id", "title", "writes", "reads", "config", "kernels")}
    united = State(**parts, uses=(outer,))
    assert united.kernels == ("exp_map", "log_map")
    assert united.config == ("merchant_universe_1A", "scenario_horizon_5A")
    assert dict(united.reads) == {"site_locations": ROW_LEVEL, "outlet_catalogue": ROW_LEVEL}
    assert State(**parts).kernels == STATE.kernels


def test_every_refusal_has_its_case(ctx: Context) -> None:
    """Each line of `sim` that raises `UndeclaredAccess` is where one of the cases above ends."""
    lines = {
        (str(path), number)
        for path in sorted((ROOT / "sim").rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Raise) and "UndeclaredAccess(" in ast.unparse(node)
        for number in range(node.lineno, (node.end_lineno or node.lineno) + 1)
    }
    first = {line for line in lines if (line[0], line[1] - 1) not in lines}
    ended = set()
    for reach, _ in REFUSALS.values():
        with pytest.raises(UndeclaredAccess) as refused:
            reach(ctx)
        last = refused.traceback[-1]
        ended.add((str(last.path), last.lineno + 1))
    assert first - ended == set()
