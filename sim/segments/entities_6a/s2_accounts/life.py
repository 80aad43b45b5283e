"""When accounts were opened, and whether they are in use: two draws an account."""

from __future__ import annotations

import numpy as np

from sim.recipes.horizon import span_of
from sim.recipes.words import WORDS_NEEDS, words
from sim.segments.entities_6a.s2_accounts.cells import ACCOUNT_CELLS_NEEDS, party_account_types
from sim.segments.entities_6a.terms import WHOLE, by_term, shares
from sim.state.context import Context, PartitionContext
from sim.state.declaration import Needs
from sim.state.frames import Array

DAYS_A_YEAR = 365.25

ACCOUNT_LIFE_NEEDS = Needs(
    config=("account_life_6A", "account_taxonomy_6A", "party_taxonomy_6A", "scenario_horizon_5A"),
    kernels=("bounded_integer", "lognormal_factor"),
    uses=(ACCOUNT_CELLS_NEEDS, WORDS_NEEDS),
)


def account_life(
    ctx: PartitionContext,
    stream: str,
    segment: Array,
    kind: Array,
    group: Array,
    entity: Array,
    rank: Array,
    index: Array,
) -> tuple[Array, Array]:
    """Opening day and status of parties' accounts.

    Args:
        ctx: Context of a state that declares the stream.
        stream: Two draws an account: age, status.
        segment: int16, k: owners' segment of each cell.
        kind: int64, k: account type of each cell.
        group: n: cell of each account.
        entity: uint64, n: address part of the cell.
        rank: uint64, n: owner's place in its (country, segment).
        index: uint32, n: the account's place among the owner's accounts of the type.

    Returns:
        Days since 1970 (int32, n), before the horizon; codes of `account_status` (int16, n).
    """
    x0, x1 = words(ctx, stream, party_rank=rank, account_number=index, account_cell=entity)
    life, taxonomy = ctx.params.account_life_6A, ctx.params.account_taxonomy_6A.party_accounts
    segments = by_term(ctx, "segment", ctx.params.party_taxonomy_6A.segments, "party_taxonomy_6A.segments")
    factor = np.zeros(len(ctx.vocabulary("account_type")), dtype=np.float64)
    for code, name in party_account_types(ctx):
        factor[code] = life.tenure_factor[taxonomy[name].ledger]
    median = np.array([row.tenure_median_years for row in segments], dtype=np.float64)[segment] * factor[kind]
    most = np.array([row.tenure_max_years for row in segments], dtype=np.float64)[segment]
    take = ctx.columns.take
    day = opened(ctx, x0, take(median, group), take(most, group))
    return day, status(ctx, x1, take(status_limits(ctx)[kind], group))


def opened(ctx: Context, words: Array, median: Array, most: Array) -> Array:
    """Days of opening of accounts, the day before the horizon at the latest: int32.

    An account's age is median x lognormal years, at most `most` years.
    """
    sigma = np.full_like(words, ctx.params.account_life_6A.tenure_sigma, dtype=np.float64)
    years = median * ctx.kernels.lognormal_factor(
        x=words, mu=np.zeros_like(words, dtype=np.float64), sigma=sigma
    )
    days = np.floor(np.minimum(years, most) * DAYS_A_YEAR).astype(np.int32)
    day: Array = np.int32(span_of(ctx.params.scenario_horizon_5A).first_day - 1) - days
    return day


def status_limits(ctx: Context) -> Array:
    """Running totals of the status mix of each account type's ledger, in ten-thousandths.

    uint64, types x statuses.
    """
    taxonomy, mix = ctx.params.account_taxonomy_6A, ctx.params.account_life_6A.status_mix
    rows = []
    for name in ctx.vocabulary("account_type"):
        ledger = taxonomy.party_accounts[name].ledger if name in taxonomy.party_accounts else "SETTLEMENT"
        rows.append(
            np.cumsum(shares(ctx, "account_status", mix[ledger], f"account_life_6A.status_mix.{ledger}"))
        )
    return np.stack(rows)


def status(ctx: Context, words: Array, limits: Array) -> Array:
    """Status codes drawn from running totals (uint64, n x statuses): int16."""
    point = ctx.kernels.bounded_integer(x=words, bound=np.full_like(words, WHOLE))
    code = np.zeros_like(words, dtype=np.int16)
    for column in range(limits.shape[1] - 1):
        code += point >= limits[:, column]
    return code
