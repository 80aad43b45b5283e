"""6B.S1: who pays, how much and when; cells of metros; days on which a card is there."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from memory_world import MemoryWorld, computed, config
from people_world import EntityWorld, base_configs, words

from sim.ground.errors import ContractError
from sim.recipes.months import last_valid_day
from sim.segments.flows_6b.s1_behaviour import state as s1_behaviour
from sim.segments.flows_6b.s1_behaviour.checks import bins, gini_permille
from sim.segments.flows_6b.s1_behaviour.holding import PHYSICAL, _longest
from sim.state.frames import Frame, concat
from sim.state.params import Params
from sim.state.program import Program

PACK = config("layer3/6B/behaviour.yaml")
PROGRAM = Program.of(s1_behaviour)
PARTIES = 30_000
CELLS = {"parties": 100, "most_a_metro": 8}


class BehaviourWorld:
    """6A.S1 to 6A.S3, then 6B.S1."""

    def __init__(self) -> None:
        packs = base_configs() | {"behaviour_prior_6B": PACK | {"cells": CELLS}}
        self.world = EntityWorld(PARTIES, packs).build()
        self.parties = self.world.frames["s1_party_base_6A"]
        self.made = self.world.run(PROGRAM)
        self.rows, self.cells = self.made["party_behaviour_6B"], self.made["cells_6B"]

    def again(self, **changes: Any) -> dict[str, Frame]:
        """Rows with another pack, whatever its checks say."""
        other = MemoryWorld({})
        other.configs = self.world.configs | {"behaviour_prior_6B": Params(PACK | {"cells": CELLS} | changes)}
        other.store = self.world.store
        ctx = other.context(s1_behaviour.STATE)
        PROGRAM.preflight(ctx)
        made, _ = computed(PROGRAM, ctx)
        return {name: concat(frames) for name, frames in made.items()}


@pytest.fixture(scope="module")
def built() -> BehaviourWorld:
    return BehaviourWorld()


def test_every_check_passes(built: BehaviourWorld) -> None:
    assert built.world.failed() == []
    assert np.array_equal(built.rows.party_id, built.parties.party_id)


def test_who_pays_holds_a_physical_card(built: BehaviourWorld) -> None:
    """Days again, card by card: on the first and the last day some card is valid, and nobody else has any."""
    cards, owners = (built.world.frames[name] for name in ("s3_card_base_6A", "s3_instrument_base_6A"))
    of = np.searchsorted(owners.instrument_id, cards.instrument_id)
    kind = words(owners, "instrument_type", "instrument_type")[of]
    owner = owners.owner_party_id[of].astype(np.int64)
    begin = np.where(cards.present("activation_date"), cards.activation_date, 2**30).astype(np.int64)
    end = last_valid_day(cards.expiry_month).astype(np.int64)
    end = np.where(cards.present("closed_date"), np.minimum(end, cards.closed_date.astype(np.int64) - 1), end)
    real = np.isin(kind, PHYSICAL)
    horizon = config("layer2/5A/scenario_horizon.yaml")
    low, high = (int(np.datetime64(str(horizon[key]), "D").astype(int)) for key in ("start", "end"))
    rows = built.rows
    days = {
        "can_pay_from": np.maximum(rows.can_pay_from, low),
        "can_pay_to": np.minimum(rows.can_pay_to, high - 1),
    }
    for day in days.values():
        valid = real & (begin <= day[owner - 1]) & (day[owner - 1] <= end)
        some = np.bincount(owner[valid], minlength=PARTIES + 1)[1:] > 0
        assert some[rows.present("can_pay_from")].all()
    ever = real & (begin <= end) & (begin < high) & (end >= low)
    holders = np.bincount(owner[ever], minlength=PARTIES + 1)[1:] > 0
    assert np.array_equal(holders, rows.present("can_pay_from"))
    assert (rows.activity_q[~holders] == 0).all()


@pytest.mark.parametrize(
    ("spans", "wanted"),
    [
        ([(5, 30)], (5, 30)),
        ([(5, 30), (31, 40)], (5, 40)),
        ([(5, 30), (10, 20)], (5, 30)),
        ([(5, 30), (32, 80)], (32, 80)),
        ([(-900, 30), (32, 60)], (-900, 30)),
        ([(2, 31), (33, 62)], (2, 31)),
        ([(-50, -1)], None),
        ([(90, 95)], None),
    ],
)
def test_the_longest_time_with_a_card_counts(spans, wanted) -> None:
    """Days count from the first of the horizon, which has ninety; another party's cards do not matter."""
    ninety = config("layer2/5A/scenario_horizon.yaml") | {"start": "2026-01-05", "end": "2026-04-05"}
    start = int(np.datetime64(ninety["start"], "D").astype(int))
    days = np.array([(1, 1), *spans, (0, 89)]) + start
    owner = np.array([0, *([1] * len(spans)), 2])
    ctx = MemoryWorld({"scenario_horizon_5A": ninety}).context(s1_behaviour.STATE)
    found = _longest(ctx, owner, days[:, 0], days[:, 1], 4)
    assert found.present("can_pay_from").tolist() == [True, wanted is not None, True, False]
    if wanted is not None:
        assert (found.can_pay_from[1] - start, found.can_pay_to[1] - start) == wanted


def test_cells_are_whole_numbers_of_equal_parts(built: BehaviourWorld) -> None:
    rows, cells = built.rows, built.cells
    assert np.array_equal(cells.cell_id, np.arange(len(cells)))
    assert np.array_equal(np.bincount(rows.cell_id, minlength=len(cells)), cells.parties)
    active = np.zeros(len(cells), dtype=np.uint64)
    np.add.at(active, rows.cell_id, rows.activity_q.astype(np.uint64))
    assert np.array_equal(active, cells.activity_q)
    online = np.zeros(len(cells), dtype=np.uint64)
    np.add.at(online, rows.cell_id, (rows.activity_q.astype(np.uint64) * rows.online_q) >> np.uint64(16))
    assert np.array_equal(online, cells.online_q)
    metro, many = np.unique(cells.metro_id, return_counts=True)
    for at in metro[many > 1].tolist():
        size = cells.parties[cells.metro_id == at].astype(int)
        assert np.ptp(size) <= 6 and CELLS["parties"] <= size.min() and len(size) <= CELLS["most_a_metro"]
    assert many.max() == CELLS["most_a_metro"]


def test_parts_of_a_metro_lie_side_by_side(built: BehaviourWorld) -> None:
    """Cells of the largest metro spread less than half as wide as the metro does."""
    rows, cells = built.rows, built.cells
    metro = np.bincount(cells.metro_id[rows.cell_id]).argmax()
    home = np.c_[built.parties.home_lat_deg, built.parties.home_lon_deg]
    inside = cells.metro_id[rows.cell_id] == metro
    whole = home[inside].var(axis=0).sum()
    parts = [home[rows.cell_id == cell].var(axis=0).sum() for cell in cells.cell_id[cells.metro_id == metro]]
    assert np.mean(parts) < whole / 2


def test_partitions_do_not_matter(built: BehaviourWorld) -> None:
    """Files of 6A hold whole countries: as many as there are give the same rows."""
    names = ("s1_party_base_6A", "s3_card_base_6A", "s3_instrument_base_6A")
    kept = {name: built.world.store.parts[name] for name in names}
    parties, cards, owners = (concat(kept[name]) for name in names)
    edges = np.flatnonzero(np.diff(parties.country_iso)) + 1
    bounds = [0, *edges.tolist(), len(parties)]
    split: dict[str, list[Frame]] = {name: [] for name in names}
    for low, high in pairwise(bounds):
        split["s1_party_base_6A"].append(parties.take(np.arange(low, high)))
        mine = np.flatnonzero((owners.owner_party_id > low) & (owners.owner_party_id <= high))
        split["s3_instrument_base_6A"].append(owners.take(mine))
        held = np.isin(cards.instrument_id, owners.instrument_id[mine])
        split["s3_card_base_6A"].append(cards.take(np.flatnonzero(held)))
    built.world.store.parts |= split
    try:
        again = built.again()
    finally:
        built.world.store.parts |= kept
    assert len(bounds) > 8
    for name, frame in built.made.items():
        for column, values in frame.items():
            assert np.array_equal(values, again[name][column]), column


def test_laws_of_activity_and_clocks(built: BehaviourWorld) -> None:
    rows, parties = built.rows, built.parties
    activity = rows.activity_q[rows.activity_q > 0] / 65_536
    assert activity.max() == PACK["activity"]["most"]
    assert 0.50 < _gini(activity) < 0.60
    segment = words(parties, "segment_id", "segment")
    mean = {
        name: rows.activity_q[(segment == name) & (rows.activity_q > 0)].mean()
        for name in ("R_AFFLUENT", "R_MASS_MARKET", "R_RETIRED")
    }
    assert mean["R_AFFLUENT"] > mean["R_MASS_MARKET"] > mean["R_RETIRED"]
    people = parties.present("birth_year")
    young, old = people & (parties.birth_year >= 1994), people & (parties.birth_year < 1962)
    gap = rows.clock_shift_minutes[young].mean() - rows.clock_shift_minutes[old].mean()
    assert 35 < gap < 45
    assert rows.online_q[young].mean() > 1.5 * rows.online_q[old].mean()
    assert abs(rows.clock_shift_minutes).max() <= PACK["clock"]["most_minutes"]


def _gini(values: np.ndarray) -> float:
    ordered = np.sort(values)
    rank = np.arange(1, len(ordered) + 1)
    return float(
        2 * (rank * ordered).sum() / (len(ordered) * ordered.sum()) - (len(ordered) + 1) / len(ordered)
    )


def test_gini_by_bins_is_that_of_all_values(built: BehaviourWorld) -> None:
    weight = built.rows.activity_q[built.rows.activity_q > 0]
    at = bins(weight)
    assert (np.diff(at[np.argsort(weight, kind="stable")]) >= 0).all()
    sums = np.zeros(512, dtype=np.int64)
    np.add.at(sums, at, weight.astype(np.int64))
    found = gini_permille(np.bincount(at, minlength=512), sums)
    assert abs(found - 1000 * _gini(weight.astype(float))) < 2


def test_another_prior_of_one_trait_moves_that_trait_alone(built: BehaviourWorld) -> None:
    """Addresses are of parties and traits: a changed law of prices leaves activity, tastes and clocks."""
    other = built.again(spend={"sigma": 0.5})["party_behaviour_6B"]
    for name, values in built.rows.items():
        assert np.array_equal(values, other[name]) == (name != "spend_level"), name
    fewer = built.again(active_share=0.5, activity_of_income=dict.fromkeys(PACK["activity_of_income"], 0.5))
    rows = fewer["party_behaviour_6B"]
    for name, values in built.rows.items():
        assert np.array_equal(values, rows[name]) == (name != "activity_q"), name


@pytest.mark.parametrize(
    ("check", "change"),
    [
        ("everybody has a behaviour", {"parties": 1}),
        ("who pays holds a card", {"paying_without_card": 1}),
        ("share of holders who pay", {"active": 2_000}),
        ("sum of activity", {"activity": 65_536 * 2_000}),
        ("half buy above the level of their income", {"dear": 3_000}),
        ("half are later than their generation", {"late": 3_000}),
        ("clocks within their bounds", {"beyond_clock": 1}),
        ("cells as planned", {"cells": 1}),
        ("cells of a metro are of one size", {"uneven": 1}),
        ("cells hold everybody once", {"in_cells": 1}),
        ("activity of cells", {"cell_activity": 1}),
    ],
)
def test_each_check_can_fail(built: BehaviourWorld, check: str, change: Mapping[str, int]) -> None:
    assert not built.world.check_with(s1_behaviour, check, change).passed


def test_checks_of_spread_can_fail(built: BehaviourWorld) -> None:
    heap = np.zeros(512, dtype=np.int64)
    heap[300] = 60_000
    assert not built.world.check_with(s1_behaviour, "Gini of activity", {"bin_parties": heap}).passed
    minute = np.zeros(60, dtype=np.int64)
    minute[0] = 1_000
    assert not built.world.check_with(
        s1_behaviour, "own hours begin at any minute", {"phases": minute}
    ).passed


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        (
            {"online_born_from": [{"year": 1990, "factor": 1}, {"year": 1980, "factor": 1}]},
            "GENERATIONS_DISORDERED",
        ),
        (
            {"clock_born_from": [{"year": 1990, "minutes": 1}, {"year": 1990, "minutes": 2}]},
            "GENERATIONS_DISORDERED",
        ),
        ({"clock_born_from": [{"year": 1990, "minutes": 181}]}, "CLOCK_BEYOND_ITS_CUT"),
        ({"activity_of_segment": {"R_STUDENT": 1.0}}, "VOCABULARY_MISMATCH"),
        ({"spend_of_income": PACK["spend_of_income"] | {"RICH": 2.0}}, "VOCABULARY_MISMATCH"),
    ],
)
def test_refuses_what_contradicts_itself(built: BehaviourWorld, changes: dict[str, Any], code: str) -> None:
    with pytest.raises(ContractError, match=code):
        built.again(**changes)
