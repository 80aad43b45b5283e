"""6B.S8: every currency on every day, pegs, weekends, days of no horizon, and refusals."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
from memory_world import MemoryWorld, config, vocabularies

from sim.ground.errors import ContractError
from sim.segments.flows_6b.s8_exchange import state as s8_exchange
from sim.state.frames import Array, Frame
from sim.state.program import Program

PACK = config("layer3/6B/exchange_rates.yaml")
PROGRAM = Program.of(s8_exchange)


def world(start: str = "2026-01-05", end: str = "2026-04-05", **changes: Any) -> MemoryWorld:
    pack = copy.deepcopy(PACK) | changes
    horizon = config("layer2/5A/scenario_horizon.yaml") | {"start": start, "end": end, "scenarios": {}}
    return MemoryWorld({"exchange_rates_config_6B": pack, "scenario_horizon_5A": horizon})


def rates(start: str = "2026-01-05", end: str = "2026-04-05", **changes: Any) -> Frame:
    made = world(start, end, **changes)
    found = made.run(PROGRAM)["exchange_rates_6B"]
    assert made.failed() == []
    return found


def of(rows: Frame, name: str) -> Array:
    return rows.per_usd_e9[rows.currency == vocabularies()["currency"].index(name)]


def test_dollar_is_one_and_pegs_hold():
    rows = rates()
    assert set(of(rows, "USD").tolist()) == {10**9}
    assert set(of(rows, "AED").tolist()) == {3_672_500_000}
    euro, cfa = of(rows, "EUR"), of(rows, "XOF")
    assert len(set(euro.tolist())) > 50
    wanted = euro.astype(float) * (560 / 0.855)
    assert np.abs(cfa - wanted).max() <= 560 / 0.855 + 1
    krone = of(rows, "DKK") / euro
    assert 0 < np.ptp(krone) < 0.05


def test_rates_stand_still_on_weekends():
    rows = rates()
    euro = of(rows, "EUR")
    moved = np.flatnonzero(np.diff(euro) == 0)
    days = np.arange("2026-01-05", "2026-04-05", dtype="datetime64[D]")[1:]
    weekend = np.isin((days.astype(np.int64) + 3) % 7, [5, 6])
    assert moved.tolist() == np.flatnonzero(weekend).tolist()


def test_a_day_has_the_same_rate_in_every_horizon():
    early, late = rates("2025-11-01", "2026-02-01"), rates("2026-01-10", "2026-01-20")
    at = (np.datetime64("2026-01-10") - np.datetime64("2025-11-01")).astype(int)
    for name in ("EUR", "JPY", "DKK", "XOF"):
        assert of(early, name)[at : at + 10].tolist() == of(late, name).tolist()
    level = (np.datetime64("2026-01-01") - np.datetime64("2025-11-01")).astype(int)
    assert of(early, "JPY")[level] == 156 * 10**9


def test_spread_of_moves_is_that_of_the_law():
    rows = rates("2026-01-05", "2029-01-05")
    step = np.diff(np.log(of(rows, "GBP").astype(float)))
    step = step[step != 0.0]
    assert len(step) > 700
    assert abs(step.std() / PACK["moves"]["MAJOR"] - 1.0) < 0.1


def test_minor_units_are_those_of_the_currency():
    rows = rates()
    found = {name: set(rows.minor_units[rows.currency == code].tolist()) for code, name in _names()}
    assert found["USD"] == {2} and found["JPY"] == {0} and found["KWD"] == {3}


def _names() -> list[tuple[int, str]]:
    return list(enumerate(vocabularies()["currency"]))


@pytest.mark.parametrize(
    ("key", "law"),
    [
        ("XOF", {"per_usd": 560, "moves": "FIXED", "follows": "DKK"}),
        ("XOF", {"per_usd": 560, "moves": "WILD"}),
        ("USD", {"per_usd": 1.1, "moves": "FIXED"}),
        ("USD", {"per_usd": 1, "moves": "MAJOR"}),
    ],
)
def test_refuses_rates_that_contradict_themselves(key, law):
    pack = copy.deepcopy(PACK)
    pack["currencies"][key] = law
    made = world(currencies=pack["currencies"])
    with pytest.raises(ContractError, match="RATES_INVALID"):
        PROGRAM.preflight(made.context(s8_exchange.STATE))


def test_refuses_a_currency_left_out_and_a_day_that_does_not_exist():
    pack = copy.deepcopy(PACK)
    del pack["currencies"]["CHF"]
    with pytest.raises(ContractError, match="VOCABULARY_MISMATCH"):
        PROGRAM.preflight(world(currencies=pack["currencies"]).context(s8_exchange.STATE))
    with pytest.raises(ContractError, match="RATES_INVALID"):
        PROGRAM.preflight(world(level_day="2026-02-30").context(s8_exchange.STATE))


@pytest.mark.parametrize(
    ("check", "counter"),
    [
        ("every currency has a rate on every day", "rows"),
        ("a dollar costs a dollar", "odd_dollars"),
        ("pegs hold", "off_peg"),
        ("no move beyond the law", "jumps"),
    ],
)
def test_each_check_can_fail(check, counter):
    made = world()
    made.run(PROGRAM)
    assert not made.check_with(s8_exchange, check, {counter: 1}).passed
