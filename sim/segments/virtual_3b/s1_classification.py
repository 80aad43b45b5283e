"""3B.S1: which merchants sell online - NON_VIRTUAL, HYBRID or VIRTUAL_ONLY by MCC and channel.

A HYBRID merchant's online share of demand is uniform between its channel's bounds.
"""

from __future__ import annotations

import numpy as np

from sim.recipes.audits import ledger_check
from sim.recipes.partitions import row_ranges, rows_of
from sim.recipes.supplied import replaced
from sim.recipes.words import WORDS_NEEDS, word
from sim.state.context import Context, PartitionContext
from sim.state.counters import Counters, Each, Scalar
from sim.state.declaration import ROW_LEVEL, Check, Frames, Partition, State
from sim.state.frames import Array, Frame
from sim.state.refuse import refuse
from sim.state.totals import Totals

MODE, SHARE = "3B.virtual_mode", "3B.virtual_share"
_MCCS = 10_000

_DRAWN_MODES = ("VIRTUAL_ONLY", "HYBRID")


class Counts(Counters):
    """Merchants, those that drew, and each mode's number, expected number and variance."""

    merchants = Scalar()
    drawn = Scalar()
    found = Each(_DRAWN_MODES, Scalar())
    expected_permille = Each(_DRAWN_MODES, Scalar())
    variance_ppm = Each(_DRAWN_MODES, Scalar())


STATE = State(
    id="3B.S1",
    title="Virtual classification",
    reads={"merchant_catalogue_1A": ROW_LEVEL, "merchant_supplied_1A": ROW_LEVEL},
    config=("mcc_taxonomy_1A", "virtual_policy_3B", "realism_gates_3B"),
    writes=("virtual_classification_3B",),
    streams=(MODE, SHARE),
    kernels=("bounded_integer", "open_uniform"),
    counts=(Counts,),
    uses=(WORDS_NEEDS,),
)


def preflight(ctx: Context) -> None:
    """A policy that contradicts itself is refused before anything is built."""
    for channel, bounds in ctx.params.virtual_policy_3B.hybrid_share.items():
        if bounds.low > bounds.high:
            at, found = (
                f"virtual_policy_3B.hybrid_share.{channel}",
                f"hybrid_share.{channel}: {bounds.low} > {bounds.high}",
            )
            do = "correct the pack or the override"
            refuse(
                ctx, "POLICY_IMPOSSIBLE", "a lower bound exceeds its upper bound", at=at, found=found, do=do
            )


def plan(ctx: Context) -> list[Partition]:
    """Ranges of merchants."""
    return row_ranges(sum(file.rows for file in ctx.files("merchant_catalogue_1A")), 1 << 18)


def compute(ctx: PartitionContext, part: Partition) -> Frames:
    """Mode and online share of a range of merchants."""
    merchants = ctx.load(
        "merchant_catalogue_1A", rows=rows_of(part), columns=("merchant_id", "mcc", "channel")
    )
    law = replaced(
        merchants.merchant_id,
        merchants.mcc,
        ctx.load("merchant_supplied_1A", columns=("merchant_id", "law_mcc")),
        "law_mcc",
    )
    only, either = _odds(ctx, merchants.with_columns(mcc=law))
    mode = np.full(len(merchants), ctx.code("virtual_mode", "NON_VIRTUAL"), dtype=np.int16)
    may = np.flatnonzero(either > 0)
    per_mille = _draw_permille(ctx, merchants.merchant_id[may])
    mode[may[per_mille < either[may]]] = ctx.code("virtual_mode", "HYBRID")
    mode[may[per_mille < only[may]]] = ctx.code("virtual_mode", "VIRTUAL_ONLY")
    share = (mode == ctx.code("virtual_mode", "VIRTUAL_ONLY")).astype(np.float64)
    hybrid = np.flatnonzero(mode == ctx.code("virtual_mode", "HYBRID"))
    share[hybrid] = _hybrid_share(ctx, merchants.take(hybrid))
    _count(ctx, mode, only, either)
    rows = {"virtual_mode": mode, "virtual_share": share, "decision_permille": either.astype(np.uint16)}
    return {"virtual_classification_3B": merchants.select("merchant_id").with_columns(**rows)}


def _odds(ctx: Context, merchants: Frame) -> tuple[Array, Array]:
    """Permille of VIRTUAL_ONLY, and of VIRTUAL_ONLY or HYBRID, for each merchant: int64."""
    only = np.zeros((_MCCS, len(ctx.vocabulary("channel"))), dtype=np.int64)
    hybrid, known = only.copy(), np.zeros(_MCCS, dtype=np.bool_)
    for entry in ctx.params.mcc_taxonomy_1A.mccs:
        known[entry.mcc] = True
        for channel, law in entry.virtual.items():
            only[entry.mcc, ctx.code("channel", channel)] = law.virtual_only
            hybrid[entry.mcc, ctx.code("channel", channel)] = law.hybrid
    if not known[merchants.mcc].all():
        codes = np.unique(merchants.mcc[~known[merchants.mcc]])
        refuse(
            ctx,
            "MCC_UNKNOWN",
            "merchants have category codes the taxonomy does not list",
            at="mcc_taxonomy_1A.mccs",
            expected="every merchant's MCC in mcc_taxonomy_1A",
            examples=[f"MCC {code}" for code in codes[:5].tolist()],
            total=len(codes),
            do="add the codes to the taxonomy or correct the merchants file",
        )
    chosen = only[merchants.mcc, merchants.channel]
    return chosen, chosen + hybrid[merchants.mcc, merchants.channel]


def _draw_permille(ctx: PartitionContext, merchant_id: Array) -> Array:
    """Uniform in 0..999, int64: one draw a merchant."""
    x = word(ctx, MODE, merchant_id=merchant_id)
    value: Array = ctx.kernels.bounded_integer(
        x=x, bound=np.full(len(merchant_id), 1000, dtype=np.uint64)
    ).astype(np.int64)
    return value


def _hybrid_share(ctx: PartitionContext, hybrid: Frame) -> Array:
    """Online share of demand of HYBRID merchants, float64 inside (0, 1): one draw a merchant."""
    low, high = np.zeros(len(ctx.vocabulary("channel"))), np.zeros(len(ctx.vocabulary("channel")))
    for channel, bounds in ctx.params.virtual_policy_3B.hybrid_share.items():
        low[ctx.code("channel", channel)], high[ctx.code("channel", channel)] = bounds.low, bounds.high
    x = word(ctx, SHARE, merchant_id=hybrid.merchant_id)
    start = low[hybrid.channel]
    share: Array = start + (high[hybrid.channel] - start) * ctx.kernels.open_uniform(x=x)
    return share


def _count(ctx: PartitionContext, mode: Array, only: Array, either: Array) -> None:
    hybrid = either - only
    ctx.count(Counts.merchants, len(mode))
    ctx.count(Counts.drawn, int((either > 0).sum()))
    for name, permille in zip(_DRAWN_MODES, (only, hybrid), strict=True):
        ctx.count(Counts.found[name], int((mode == ctx.code("virtual_mode", name)).sum()))
        ctx.count(Counts.expected_permille[name], int(permille.sum()))
        ctx.count(Counts.variance_ppm[name], int((permille * (1000 - permille)).sum()))


def checks(ctx: Context, totals: Totals) -> list[Check]:
    """There is one row a merchant, and each mode has about its expected number.

    The limit is z standard deviations of the Poisson binomial law.
    """
    seen = Counts(totals)
    z = ctx.params.realism_gates_3B.mode_z
    merchants = sum(file.rows for file in ctx.files("merchant_catalogue_1A"))
    result = [
        Check("one row a merchant", seen.merchants == merchants, seen.merchants, merchants),
        ledger_check(totals, MODE, seen.drawn, 1),
        ledger_check(totals, SHARE, seen.found["HYBRID"], 1),
    ]
    for name in _DRAWN_MODES:
        found, mean = seen.found[name], seen.expected_permille[name]
        # Units of a thousandth merchant; one whole merchant of slack keeps tiny worlds from failing on
        # rounding.
        off = max(0, abs(1000 * found - mean) - 1000)
        passed = off * off <= z * z * seen.variance_ppm[name]
        result.append(
            Check(
                f"{name} merchants",
                passed,
                found,
                mean // 1000,
                f"expected from MCC and channel, within {z} sd",
            )
        )
    return result
