"""Issuers' answers over the real rows of the tiny world: balances hold, causes show, policies bite."""

from __future__ import annotations

import copy
from functools import reduce
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import sim.world as cw
from sim.ground.errors import ContractError
from sim.segments import SEGMENTS
from sim.segments.flows_6b.s5_flows import issuer
from sim.segments.flows_6b.s5_flows.cards import CHANNELS, choose_cards, require_cards, way_of
from sim.segments.flows_6b.s5_flows.devices import require_devices
from sim.segments.flows_6b.s5_flows.funds import funds_of
from sim.segments.flows_6b.s5_flows.prices import prices
from sim.segments.flows_6b.s5_flows.state import tables, walked
from sim.segments.flows_6b.s5_flows.suspicion import first_at_merchant, habit_of, in_last_hour
from sim.segments.flows_6b.s5_flows.trouble import bad_hours, troubles
from sim.state.context import Context
from sim.state.params import Params
from sim.world.regenerate import context_of
from tests.reference.authorise_rows import authorise_rows

PROGRAM = next(p for segment in SEGMENTS for p in segment.programs if p.state.id == "6B.S5")


@pytest.fixture(scope="module")
def ctx(demo_run: Path) -> Context:
    return context_of(cw.open(demo_run), PROGRAM.state)


def changed(ctx: Context, pack: str, **values: Any) -> Context:
    """A context whose pack says something else; keys of `values` are paths, joined by two underscores."""
    document = copy.deepcopy(plain(ctx._configs[pack]))
    for path, value in values.items():
        *above, last = path.split("__")
        reduce(lambda at, key: at[key], above, document)[last] = value
    return Context(
        PROGRAM.state,
        seed=ctx._seed,
        scenarios=ctx.scenarios,
        configs={**ctx._configs, pack: Params(document)},
        contracts=ctx._contracts,
        inputs=ctx._inputs,
        backend=ctx._backend,
        externals=ctx._externals,
    )


def plain(value: Any) -> Any:
    if hasattr(value, "items"):
        return {key: plain(each) for key, each in value.items()}
    return [plain(each) for each in value] if isinstance(value, list | tuple) else value


def paid(ctx: Context) -> SimpleNamespace:
    """Passes 1, 3 and 4 over the first range of the first scenario."""
    part = PROGRAM.partitions(ctx)[0]
    mine = ctx.for_partition(part)
    known = tables(mine, part.scenario)
    rows, people = walked(mine, part, known)
    places = (rows, known.merchants, known.sites, people)
    cards = choose_cards(mine, part.scenario, *places)
    priced = prices(mine, known.prices, rows, people, cards)
    money = funds_of(mine, known.issuer, people, issuer.asked_of(rows, people, cards, priced))
    met = troubles(mine, known.issuer.horizon, rows, people, cards, priced)
    given = issuer.answer_arguments(mine, known.issuer, rows, people, cards, priced, money, met)
    return SimpleNamespace(
        ctx=mine, known=known, rows=rows, people=people, cards=cards, prices=priced, money=money, met=met,
        given=given, found=issuer.answered(mine, given, rows, met),
    )  # fmt: skip


@pytest.fixture(scope="module")
def world(ctx: Context) -> SimpleNamespace:
    return paid(ctx)


def test_no_account_ever_pays_more_than_it_has(world: SimpleNamespace) -> None:
    """Told by a ledger of its own: movements of each morning, then payments as they were approved."""
    people, money, found = world.people, world.money, world.found
    balance = money.opening.copy()
    after = money.move_first[:-1].astype(np.int64)
    stop = money.move_first[1:].astype(np.int64)
    day = world.given["day"]
    for row in np.flatnonzero(found.approved).tolist():
        account = int(people.instruments.account[found.instrument[row]])
        while after[account] < stop[account] and money.move_day[after[account]] <= day[row]:
            move = int(money.move[after[account]])
            debt = -int(balance[account])
            if not money.statement[after[account]]:
                balance[account] += move
            elif debt > 0:
                balance[account] += debt // 1000 * move
            after[account] += 1
        balance[account] -= int(world.prices.billing[row])
        assert balance[account] >= -money.credit[account]


def test_the_reference_says_the_same_of_the_first_parties(world: SimpleNamespace) -> None:
    given, parties = world.given, 300
    ends = {name: int(given[name][parties]) for name in ("row_first", "card_first", "account_first")}
    moves = int(given["move_first"][ends["account_first"]])
    cut = {}
    for name, values in given.items():
        if name in ends:
            values = values[: parties + 1]
        elif name == "move_first":
            values = values[: ends["account_first"] + 1]
        elif name in ("move_day", "move", "statement"):
            values = values[:moves]
        elif name in ("opening", "credit"):
            values = values[: ends["account_first"]]
        elif name in ("account", "day_most", "cash_most", "taps_most"):
            values = values[: ends["card_first"]]
        elif isinstance(values, np.ndarray):
            values = values[: ends["row_first"]]
        cut[name] = values
    kernel = world.ctx.kernels.authorise_rows(**cut)
    told = authorise_rows(
        **{
            name: values.tolist() if isinstance(values, np.ndarray) else values
            for name, values in cut.items()
        }
    )
    for mine, theirs in zip(kernel, told, strict=False):
        assert mine.tolist() == list(theirs)


def test_another_card_pays_from_the_same_currency_and_is_valid(world: SimpleNamespace) -> None:
    people, cards, found, rows = world.people, world.cards, world.found, world.rows
    other = np.flatnonzero(found.instrument != cards.instrument)
    assert len(other) > 10
    at = found.instrument[other].astype(np.int64)
    party = rows.party[other]
    assert (people.instruments.first[party] <= at).all() and (at < people.instruments.first[party + 1]).all()
    currency = people.accounts.currency[people.instruments.account]
    assert (currency[at] == currency[cards.instrument[other]]).all()
    assert issuer.has_card(people, at, rows.ts_us[other] // 86_400_000_000).all()
    assert (found.attempts[other] > 1).all()


def test_a_card_at_fault_is_never_approved(world: SimpleNamespace) -> None:
    faulty = (world.cards.faults != 0) & (world.found.instrument == world.cards.instrument)
    assert faulty.sum() > 0 and not world.found.approved[faulty].any()


def test_observables_are_those_before_the_payment(world: SimpleNamespace) -> None:
    """Counted again, row by row, from the party's rows before it."""
    rows, amount = world.rows, world.prices.billing
    first, (before, mean), hour = first_at_merchant(rows), habit_of(rows, amount), in_last_hour(rows)
    seen: dict[int, list[tuple[int, int, int]]] = {}
    for row in range(5000):
        mine = seen.setdefault(int(rows.party[row]), [])
        merchant, ts = int(rows.merchant[row]), int(rows.ts_us[row])
        assert first[row] == all(one != merchant for one, _, _ in mine)
        assert before[row] == len(mine)
        assert mean[row] == sum(cost for _, _, cost in mine) // max(len(mine), 1)
        # Rows of the very instant an hour before count; those of this instant come by their ids.
        assert hour[row] == sum(ts - when <= 3_600_000_000 for _, when, _ in mine)
        mine.append((merchant, ts, int(amount[row])))


def test_a_bank_that_is_down_answers_nobody(ctx: Context) -> None:
    found = paid(changed(ctx, "issuer_policy_6B", outage__hours=100_000, outage__lost=1000))
    assert (found.found.response == found.ctx.code("response", "ISSUER_UNAVAILABLE")).all()
    banks, bad = bad_hours(found.ctx, found.known.issuer.horizon, found.people)
    assert len(banks) > 5 and bad.all()


def test_a_stricter_rule_refuses_what_it_sees_and_nothing_else(ctx: Context, world: SimpleNamespace) -> None:
    """The counterfactual of a rule: amounts, cards and clocks stay, and only answers move."""
    strict = paid(changed(ctx, "issuer_policy_6B", suspicion__refused=[0, 0, 0, 10_000]))
    for name in ("amount", "capture", "billing"):
        assert (getattr(strict.prices, name) == getattr(world.prices, name)).all()
    assert (strict.cards.instrument == world.cards.instrument).all()
    suspected = strict.ctx.code("response", "SUSPECTED_FRAUD")
    was, now = ((one.found.first_response == suspected).sum() for one in (world, strict))
    assert now > 3 * was


def test_who_is_poorer_is_refused_more_often(ctx: Context, world: SimpleNamespace) -> None:
    """And where money is short it is the balance that is: four days after a pay, nobody's else is."""
    poor = paid(changed(ctx, "funds_law_6B", put_by=[0] * 8 + [100] * 9, left=[0] * 8 + [500] * 9))
    code = world.ctx.code("response", "INSUFFICIENT_FUNDS")
    short = poor.found.response == code
    assert short.sum() > 100 + 3 * (world.found.response == code).sum()
    assert (poor.prices.billing[short] > poor.found.room[short]).all()


def test_payers_are_asked_where_the_law_says(ctx: Context, world: SimpleNamespace) -> None:
    """Where both banks must ask, in every country for once; and where none must."""
    countries = list(ctx.vocabulary("country"))
    every = paid(changed(ctx, "authentication_6B", regulated=countries))
    nobody = paid(changed(ctx, "authentication_6B", regulated=[]))
    law, online = ctx.params.authentication_6B, way_of(ctx, world.rows) == CHANNELS.index("ECOMMERCE")
    names = ("NONE", "FRICTIONLESS", "CHALLENGED", "FAILED", "EXEMPT")
    for found, part in ((every, law.inside), (nobody, law.elsewhere)):
        share = {name: (found.met.step_up[online] == ctx.code("step_up", name)).mean() for name in names}
        assert (found.met.step_up[~online] == ctx.code("step_up", "NONE")).all()
        asked = share["CHALLENGED"] + share["FAILED"]
        assert abs(share["FRICTIONLESS"] - part.frictionless / 1000) < 0.02
        assert abs(asked - part.challenged / 1000) < 0.02
    assert share["EXEMPT"] == 0.0 < share["NONE"]
    failed = every.ctx.code("response", "AUTHENTICATION_FAILED")
    assert (
        (every.found.first_response == failed).sum() > 3 * (nobody.found.first_response == failed).sum() > 0
    )


def test_answers_take_time_and_tries_take_longer(world: SimpleNamespace) -> None:
    later = world.found.answered_us - world.rows.ts_us
    once = later[world.found.attempts == 1]
    median = np.median(once) / 1000
    assert abs(median / world.ctx.params.issuer_policy_6B.latency_ms.median - 1) < 0.03
    assert later.min() > 0 and np.quantile(once, 0.99) < 8_000_000
    assert later[world.found.attempts > 1].min() > 15_000_000


BROKEN = (
    ("funds_law_6B", {"pay_days": [9, 3]}, issuer.require_issuer, "FUNDS_INVALID"),
    ("funds_law_6B", {"bill_days": [9, 3]}, issuer.require_issuer, "FUNDS_INVALID"),
    ("funds_law_6B", {"left": [*range(16), 3]}, issuer.require_issuer, "FUNDS_INVALID"),
    ("funds_law_6B", {"credit__part": [300, 40]}, issuer.require_issuer, "FUNDS_INVALID"),
    ("funds_law_6B", {"floor_usd__incomes": {"LOW": 1}}, issuer.require_issuer, "VOCABULARY_MISMATCH"),
    ("authentication_6B", {"inside__challenged": 900}, issuer.require_issuer, "POLICY_INVALID"),
    ("authentication_6B", {"regulated": ["XX"]}, issuer.require_issuer, "VOCABULARY_MISMATCH"),
    ("issuer_policy_6B", {"gap_seconds__remote": [9, 3]}, issuer.require_issuer, "POLICY_INVALID"),
    ("issuer_policy_6B", {"suspicion__refused": [9, 3]}, issuer.require_issuer, "POLICY_INVALID"),
    ("issuer_policy_6B", {"residual__channels": {"CASH": 1}}, issuer.require_issuer, "VOCABULARY_MISMATCH"),
    ("card_choice_6B", {"weights__CASH__debit": 0}, require_cards, "CARDS_INVALID"),
    ("card_choice_6B", {"weights__ECOMMERCE__credit": 0}, require_cards, "CARDS_INVALID"),
    ("card_choice_6B", {"usual": {"CASH": 1}}, require_cards, "VOCABULARY_MISMATCH"),
    ("card_choice_6B", {"wallet__countries": {"XX": 1}}, require_cards, "VOCABULARY_MISMATCH"),
    ("device_choice_6B", {"work_hours": [17, 9]}, require_devices, "DEVICES_INVALID"),
    ("device_choice_6B", {"devices": {"TOASTER": 1}}, require_devices, "VOCABULARY_MISMATCH"),
    ("device_choice_6B", {"away": {"MOBILE": 1}}, require_devices, "VOCABULARY_MISMATCH"),
)


@pytest.mark.parametrize(("pack", "values", "require", "code"), BROKEN)
def test_packs_that_contradict_themselves_are_refused(
    ctx: Context, pack: str, values: dict[str, Any], require: Any, code: str
) -> None:
    require(ctx)
    with pytest.raises(ContractError, match=f"6B.S5.{code}"):
        require(changed(ctx, pack, **values))
