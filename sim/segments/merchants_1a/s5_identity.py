"""1A.S5: what merchants are called, and who acquires for them.

A generated merchant's name is a made-up word and a noun of its trade; a merchant of the user keeps the name
it came with, or has none. Two merchants may share a name, as on real statements. The descriptor is the name
in capitals. The acquirers of a country have shares that fall as a power of their rank; a merchant has one of
its home country.
"""

from __future__ import annotations

import numpy as np

from sim.recipes.audits import ledger_check
from sim.recipes.join import look_up
from sim.recipes.sampling import sampling_check
from sim.recipes.statement import statement_text
from sim.recipes.words import WORDS_NEEDS, word, words
from sim.segments.merchants_1a.s4_acquirers import RANKS_NEEDS, acquirers_of, most_acquirers, rank_totals
from sim.state.context import Context, PartitionContext
from sim.state.counters import Counters, Scalar, Vector
from sim.state.declaration import ROW_LEVEL, Check, Frames, Partition, State
from sim.state.frames import Array, Frame
from sim.state.totals import Totals

NAME, ACQUIRER = "1A.merchant_name", "1A.merchant_acquirer"
_STATEMENT_LETTERS = 22


class Counts(Counters):
    """Merchants looked at, those of each country, and those of each rank of acquirer."""

    merchants = Scalar()
    long_names = Scalar()
    by_country = Vector("country")
    by_rank = Vector(most_acquirers)


STATE = State(
    id="1A.S5",
    title="Names of merchants",
    reads={
        "merchant_catalogue_1A": ROW_LEVEL,
        "merchant_supplied_1A": ROW_LEVEL,
        "s4_acquirers_1A": ROW_LEVEL,
    },
    writes=("s5_merchant_identity_1A",),
    config=("merchant_identity_1A", "realism_gates_1A"),
    streams=(NAME, ACQUIRER),
    kernels=("bounded_integer",),
    counts=(Counts,),
    uses=(RANKS_NEEDS, WORDS_NEEDS),
)


def compute(ctx: PartitionContext, part: Partition) -> Frames:
    """Names and acquirers of all merchants."""
    columns = ("merchant_id", "merchant_ref", "mcc", "home_country_iso")
    merchants = ctx.load("merchant_catalogue_1A", columns=columns)
    acquirers = ctx.load("s4_acquirers_1A").sort("country_iso", "acquirer_rank")
    name = _names(ctx, merchants)
    generated = ~merchants.present("merchant_ref")
    descriptor = statement_text(name, _STATEMENT_LETTERS)
    rank = _ranks(ctx, merchants)
    owner = np.searchsorted(acquirers.country_iso, merchants.home_country_iso) + rank
    identity = Frame(
        {
            "merchant_id": merchants.merchant_id,
            "merchant_name": name,
            "descriptor": descriptor,
            "acquirer_id": acquirers.acquirer_id[owner],
        },
        {"merchant_name": name != "", "descriptor": descriptor != ""},
    )
    countries = len(ctx.vocabulary("country"))
    whole = np.char.str_len(name[generated].astype(np.str_))
    ctx.count(Counts.merchants, len(merchants))
    ctx.count(Counts.long_names, np.count_nonzero(whole > _STATEMENT_LETTERS))
    ctx.count(Counts.by_country, np.bincount(merchants.home_country_iso, minlength=countries))
    ctx.count(Counts.by_rank, np.bincount(rank, minlength=most_acquirers(ctx)))
    return {"s5_merchant_identity_1A": identity}


def checks(ctx: Context, totals: Totals) -> list[Check]:
    """Acquirers have the merchants their ranks give them; generated names fit; the ledger the rows."""
    seen, gate = Counts(totals), ctx.params.realism_gates_1A.mix
    share = np.zeros((len(ctx.vocabulary("country")), most_acquirers(ctx)))
    total = rank_totals(ctx)
    weight = np.diff(np.concatenate(([0], total))).astype(np.float64)
    for country, many in enumerate(acquirers_of(ctx)):
        share[country, :many] = weight[:many] / float(total[many - 1])
    merchants = seen.by_country.astype(np.float64)[:, None]
    return [
        sampling_check(
            "merchants by rank of their acquirer",
            [str(rank + 1) for rank in range(share.shape[1])],
            seen.by_rank,
            (merchants * share).sum(axis=0),
            (merchants * share * (1.0 - share)).sum(axis=0),
            (gate.sigmas, gate.slack_merchants),
            "a country's acquirers share its merchants by rank ** -exponent",
        ),
        Check(
            "generated names fit a statement",
            seen.long_names == 0,
            seen.long_names,
            0,
            f"at most {_STATEMENT_LETTERS} letters",
        ),
        ledger_check(totals, NAME, seen.merchants, 3),
        ledger_check(totals, ACQUIRER, seen.merchants, 1),
    ]


def _ranks(ctx: PartitionContext, merchants: Frame) -> Array:
    """Rank of each merchant's acquirer from 0: int64; one draw."""
    upper, many = rank_totals(ctx), acquirers_of(ctx)[merchants.home_country_iso]
    ticket = ctx.kernels.bounded_integer(
        x=word(ctx, ACQUIRER, merchant_id=merchants.merchant_id), bound=upper[many - 1]
    )
    rank: Array = np.searchsorted(upper, ticket, side="right")
    return rank


def _names(ctx: PartitionContext, merchants: Frame) -> Array:
    """Name of each merchant, "" for one of the user's that came without: object; three draws."""
    law = ctx.params.merchant_identity_1A
    lists = [*(trade.words for trade in law.trades), law.other_words]
    of_mcc = np.full(10_000, len(lists) - 1, dtype=np.int64)
    for number, trade in reversed(list(enumerate(law.trades))):
        of_mcc[np.array(trade.mccs, dtype=np.int64)] = number
    kind = of_mcc[merchants.mcc]
    sizes = np.array([len(each) for each in lists], dtype=np.uint64)
    nouns = np.array([word_ for each in lists for word_ in each], dtype=object)
    first = np.cumsum(sizes) - sizes
    x0, x1, x2 = words(ctx, NAME, merchant_id=merchants.merchant_id)
    beginnings, endings = (np.array(words_, dtype=object) for words_ in (law.beginnings, law.endings))

    def one_of(x: Array, bound: Array) -> Array:
        chosen: Array = ctx.kernels.bounded_integer(x=x, bound=bound).astype(np.int64)
        return chosen

    begin = one_of(x0, np.full(len(merchants), len(beginnings), dtype=np.uint64))
    end = one_of(x1, np.full(len(merchants), len(endings), dtype=np.uint64))
    noun = one_of(x2, sizes[kind]) + first[kind].astype(np.int64)
    name: Array = beginnings[begin] + endings[end] + " " + nouns[noun]
    supplied = ctx.load("merchant_supplied_1A", columns=("merchant_id", "name"))
    name[merchants.present("merchant_ref")] = ""
    name[look_up(merchants.merchant_id, supplied.merchant_id)] = supplied.name
    return name
