"""What answers are held against: nothing approved beyond funds, no answer that tries do not explain."""

from __future__ import annotations

import numpy as np

from sim.recipes.audits import ledger_check
from sim.segments.flows_6b.s5_flows.funds import FUNDS
from sim.segments.flows_6b.s5_flows.issuer import Answers, IssuerTables
from sim.segments.flows_6b.s5_flows.prices import Prices
from sim.segments.flows_6b.s5_flows.rows import CardChoice, People, Rows
from sim.segments.flows_6b.s5_flows.trouble import ANSWER, OUTAGE
from sim.state.context import Context, PartitionContext
from sim.state.counters import Counters, Scalar, Vector
from sim.state.declaration import Check, Measurement
from sim.state.frames import Array
from sim.state.totals import Totals

_BIN_US, _BINS = 50_000, 400
"""Times to an answer are told in steps of 50 ms; the last holds all beyond 20 s."""


class AnswerCounts(Counters):
    """Answers by channel, their tries and times, and what must not be."""

    answered = Scalar()
    accounts = Scalar()
    bank_hours = Scalar()
    beyond_funds = Scalar()
    on_faulty = Scalar()
    tries_unexplained = Scalar()
    other_currency = Scalar()
    responses = Vector("payment_channel", "response")
    firsts = Vector("payment_channel", "response")
    attempts = Vector(5)
    steps = Vector("step_up")
    times = Vector(_BINS)


def count_answers(
    ctx: PartitionContext,
    tables: IssuerTables,
    rows: Rows,
    people: People,
    cards: CardChoice,
    prices: Prices,
    found: Answers,
) -> None:
    """Count the answers of a range."""
    approved = found.approved != 0
    again = found.attempts > 1
    channel = cards.channel.astype(np.int64)
    kinds = len(ctx.vocabulary("response"))
    size = kinds * len(ctx.vocabulary("payment_channel"))
    ctx.count(AnswerCounts.answered, len(rows.ts_us))
    ctx.count(AnswerCounts.accounts, len(people.accounts.account_no))
    banks = len(np.unique(people.instruments.bank))
    ctx.count(AnswerCounts.bank_hours, banks * tables.horizon.days * 24)
    ctx.count(AnswerCounts.beyond_funds, int((approved & (prices.billing > found.room)).sum()))
    faulty = (cards.faults != 0) & (found.instrument == cards.instrument)
    ctx.count(AnswerCounts.on_faulty, int((approved & faulty).sum()))
    # A first approval ends it, and one try has one answer.
    wrong = again == (found.first_response == 0)
    wrong &= again | (found.first_response != found.response)
    ctx.count(AnswerCounts.tries_unexplained, int(wrong.sum()))
    currency = people.accounts.currency[people.instruments.account]
    other = currency[found.instrument] != currency[cards.instrument]
    ctx.count(AnswerCounts.other_currency, int(other.sum()))
    ctx.count(AnswerCounts.responses, np.bincount(channel * kinds + found.response, minlength=size))
    ctx.count(AnswerCounts.firsts, np.bincount(channel * kinds + found.first_response, minlength=size))
    ctx.count(AnswerCounts.attempts, np.bincount(found.attempts, minlength=5))
    ctx.count(AnswerCounts.steps, np.bincount(found.step_up, minlength=len(ctx.vocabulary("step_up"))))
    once = found.answered_us[~again] - rows.ts_us[~again]
    ctx.count(AnswerCounts.times, np.bincount(np.minimum(once // _BIN_US, _BINS - 1), minlength=_BINS))


def issuer_checks(ctx: Context, totals: Totals) -> list[Check]:
    """Funds hold on every approved row, cards at fault are refused; draws as the rows say."""
    seen = AnswerCounts(totals)
    never = (
        (
            "approved within funds",
            seen.beyond_funds,
            "balance and what the bank lends, before the last answer",
        ),
        ("cards at fault refused", seen.on_faulty, "frozen, not valid, or not made for the sale"),
        ("tries explain answers", seen.tries_unexplained, "one try where the first was approved"),
        ("other cards bill in the same currency", seen.other_currency, "what is billed stays"),
    )
    return [
        *(Check(name, found == 0, found, 0, note) for name, found, note in never),
        ledger_check(totals, ANSWER, seen.answered, 9),
        ledger_check(totals, FUNDS, seen.accounts, 4),
        ledger_check(totals, OUTAGE, seen.bank_hours, 1),
    ]


def issuer_measure(ctx: Context, totals: Totals) -> list[Measurement]:
    """Declines by channel and reason, tries, questions, and times to an answer."""
    seen = AnswerCounts(totals)
    channels, names = ctx.vocabulary("payment_channel"), ctx.vocabulary("response")
    shape = (len(channels), len(names))
    last, first = seen.responses.reshape(shape), seen.firsts.reshape(shape)
    declined = last.sum(axis=0)
    declined[0] = 0
    firstly = first.sum(axis=0)
    firstly[0] = 0
    return [
        Measurement("declined by channel", _declined(channels, last), "permyriad"),
        Measurement("declined at first by channel", _declined(channels, first), "permyriad"),
        Measurement("reasons of declines", _shares(names, declined), "permille"),
        Measurement("reasons of first declines", _shares(names, firstly), "permille"),
        Measurement("payments by tries", seen.attempts.tolist()[1:], "payments"),
        Measurement(
            "questions online",
            dict(zip(ctx.vocabulary("step_up"), seen.steps.tolist(), strict=True)),
            "payments",
        ),
        Measurement(
            "time to an answer",
            {f"p{part}": _quantile(seen.times, part) for part in (50, 90, 99)},
            "ms",
            "of payments tried once, at most",
        ),
    ]


def _declined(channels: tuple[str, ...], table: Array) -> dict[str, int]:
    rows = zip(channels, table.tolist(), strict=True)
    return {name: 10_000 * (sum(row) - row[0]) // max(sum(row), 1) for name, row in rows}


def _shares(names: tuple[str, ...], counts: Array) -> dict[str, int]:
    whole = max(int(counts.sum()), 1)
    return {name: 1000 * count // whole for name, count in zip(names, counts.tolist(), strict=True) if count}


def _quantile(bins: Array, percent: int) -> int:
    """End of the step below which so many percent lie, ms."""
    reached = np.cumsum(bins) * 100 >= int(bins.sum()) * percent
    return (int(np.argmax(reached)) + 1) * _BIN_US // 1000
