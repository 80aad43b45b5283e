"""6B.S4 over every row of the demo world: one payer each, from the tables that the law names."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import sim.world as cw
from sim.segments import SEGMENTS
from sim.segments.flows_6b.s4_payers.law import ONE, profiles, tokens
from sim.segments.flows_6b.s4_payers.rows import COLUMNS, NEVER, Met, met, slots_of
from sim.segments.flows_6b.s4_payers.state import RELATIONS, arguments, attached
from sim.segments.flows_6b.s4_payers.tables import tables
from sim.state.context import Context
from sim.world.regenerate import context_of
from tests.reference.attach_payers import attach_payers

STATE = next(p.state for segment in SEGMENTS for p in segment.programs if p.state.id == "6B.S4")


@pytest.fixture(scope="module")
def ctx(demo_run: Path) -> Context:
    return context_of(cw.open(demo_run), STATE)


def test_every_arrival_has_one_payer_who_is_a_party(demo_run: Path) -> None:
    world = cw.open(demo_run)
    rows = world["arrival_entities_6B"].to_arrow()
    arrivals = world["arrival_events_5B"].to_arrow()
    keys = []
    for table in (rows, arrivals):
        merchant = table["merchant_id"].to_numpy().astype(np.uint64)
        order = np.lexsort((table["arrival_seq"].to_numpy(), merchant))
        keys.append(
            (merchant[order], table["arrival_seq"].to_numpy()[order], table["ts_utc"].to_numpy()[order])
        )
    for left, right in zip(*keys, strict=True):
        np.testing.assert_array_equal(left, right)
    party = rows["party_id"].to_numpy()
    assert np.isin(party, world["s1_party_base_6A"].to_arrow()["party_id"].to_numpy()).all()
    number = rows["party_range"].to_numpy()
    # A range is a stretch of published ids.
    for one in np.unique(number):
        mine, others = party[number == one], party[number != one]
        assert not ((others >= mine.min()) & (others <= mine.max())).any()


def test_a_trip_is_given_for_travellers_alone(demo_run: Path) -> None:
    rows = cw.open(demo_run)["arrival_entities_6B"].to_polars()
    for relation in RELATIONS:
        some = rows.filter(rows["relation"].cast(str) == relation)["trip_no"]
        assert some.null_count() == (0 if relation == "VISITOR" else len(some))


def test_rhythm_has_the_mean_one_and_never_zero(ctx: Context) -> None:
    found = tokens(ctx).astype(np.int64)
    for first, stop in ((0, 16), (16, 32), (32, 288), (288, 304)):
        part = found[first:stop]
        assert part.min() >= 1 and abs(part.mean() / ONE - 1.0) < 0.02
    habit = profiles(ctx).reshape(-1, 168)
    assert habit.min() >= 1 and (abs(habit.mean(axis=1) - 64.0) < 1.0).all()
    # Gamma of shape 4: its largest sixteenth is worth about 2.3 times the mean.
    assert 2.0 < found[15] / ONE < 2.8


def test_reference_says_the_same_of_real_rows(ctx: Context) -> None:
    """The kernel's definition in plain integers, over the tables of a world and a thousand arrivals."""
    found = tables(ctx)
    scenario = ctx.scenarios[0]
    events = ctx.load("arrival_events_5B", scenario=scenario, part=0, columns=COLUMNS)
    rows = met(ctx, found, events)
    some = np.linspace(0, len(events) - 1, 300).astype(np.int64)
    few = Met(rows.number, *(column[some] for column in (rows.unit, rows.mode, rows.rank, rows.place)))
    given = arguments(ctx, found, events.take(some), few)
    plain = {
        name: value.tolist() if isinstance(value, np.ndarray) else int(value) for name, value in given.items()
    }
    made = attached(ctx, found, events.take(some), few, traced=True)
    wanted = attach_payers(**plain, traced=1)
    for name, values in zip(("party", "relation", "trip", "tries"), wanted, strict=False):
        np.testing.assert_array_equal(made[name], values, name)
    for i in range(3):
        np.testing.assert_array_equal(made[f"candidate_{i}"], wanted[4][i::3])
        np.testing.assert_array_equal(made[f"weight_{i}"], wanted[5][i::3])


def test_some_slots_change_hands_once(ctx: Context) -> None:
    found = tables(ctx)
    slots = slots_of(ctx, found, np.arange(len(found.units)))
    changed = slots.day != NEVER
    assert abs(changed.mean() - 614 / 4096) < 0.02
    assert (slots.party[~changed] == slots.second[~changed]).all()
    assert (slots.party[changed] != slots.second[changed]).mean() > 0.9


def test_bills_of_a_day_go_to_different_parties(demo_run: Path) -> None:
    """Nobody is billed twice by one slot: members of a stratum are distinct slots of one night."""
    rows = cw.open(demo_run)["arrival_entities_6B"].to_polars()
    billed = rows.filter(rows["relation"].cast(str) == "RECURRING")
    assert (billed["arrival_kind"].cast(str) == "MIT_RECURRING").all()
    assert len(billed) > 0
