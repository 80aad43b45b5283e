"""Pass 2: from which device and address each payment of a range came, and in which session."""

from __future__ import annotations

from typing import Any

import numpy as np

from sim.recipes.terms import by_term, require_terms
from sim.segments.flows_6b.s5_flows.cards import ECOMMERCE, way_of
from sim.segments.flows_6b.s5_flows.rows import CardChoice, DeviceChoice, People, Rows
from sim.segments.flows_6b.s5_flows.thresholds import below
from sim.state.context import Context, PartitionContext
from sim.state.declaration import Needs
from sim.state.frames import Array
from sim.state.refuse import Fault, refuse_any

DEVICE, USUAL = "6B.device", "6B.usual_device"
LAW = "device_choice_6B"
_MINUTE_US, _HOUR_US = 60_000_000, 3_600_000_000
_WEIGHTS = ("at_home", "at_work", "away", "roaming")

DEVICES_NEEDS = Needs(config=(LAW,), kernels=("choose_devices",), streams=(DEVICE, USUAL))
REQUIRE_DEVICES_NEEDS = Needs(config=(LAW,))
BUYING_NEEDS = Needs(config=(LAW,))


def require_devices(ctx: Context) -> None:
    """Refuse kinds that do not exist, and hours of work that end before they begin.

    Raises:
        ContractError: `6B.S5.VOCABULARY_MISMATCH`, `6B.S5.DEVICES_INVALID`.
    """
    law, kinds = ctx.params.device_choice_6B, ctx.vocabulary("ip_type")
    names = ctx.vocabulary("device_type")
    require_terms(ctx, law.devices, names, f"{LAW}.devices", "device_type", complete=False)
    for key in _WEIGHTS:
        require_terms(ctx, law[key], kinds, f"{LAW}.{key}", "ip_type")
    first, last = law.work_hours
    faults = [] if first <= last else [Fault(f"{LAW}.work_hours", f"{first} is after {last}")]
    refuse_any(ctx, "DEVICES_INVALID", "Hours of work end after they begin.", faults, do="correct them")


def buying_types(ctx: Context) -> Array:
    """Kinds of devices that somebody buys with: int16 codes of device_type, ascending."""
    law = ctx.params.device_choice_6B.devices
    names = ctx.vocabulary("device_type")
    return np.array([code for code, name in enumerate(names) if name in law], dtype=np.int16)


def device_arguments(ctx: Context, rows: Rows, people: People, cards: CardChoice) -> dict[str, Any]:
    """Arguments of `choose_devices` but for the keys of its streams."""
    law = ctx.params.device_choice_6B
    names = ctx.vocabulary("device_type")
    weight = np.array([int(law.devices[name]) if name in law.devices else 0 for name in names], np.uint32)
    begin, end = (int(hour) * _HOUR_US for hour in law.work_hours)
    kinds = {
        key: np.array([int(each) for each in by_term(ctx, "ip_type", law[key], f"{LAW}.{key}")], np.uint32)
        for key in _WEIGHTS
    }
    return {
        "gap_us": int(law.gap_minutes) * _MINUTE_US,
        "usual_below": int(below(np.array([int(law.usual)]))[0]),
        "keep_below": int(below(np.array([int(law.keep)]))[0]),
        "work_from": begin,
        "work_to": end,
        "row_first": rows.row_first,
        "word": people.word,
        "home": people.metro,
        "c0": rows.c0,
        "place_id": rows.place_id,
        "ts_us": rows.ts_us,
        "offset_minutes": rows.offset_minutes,
        "online": (way_of(ctx, rows) == ECOMMERCE).astype(np.uint8),
        "token": cards.token,
        "token_device": people.tokens.device,
        "trip_first": people.trips.first,
        "trip_from": people.trips.from_us,
        "trip_to": people.trips.to_us,
        "trip_metro": people.trips.metro,
        "device_first": people.devices.first,
        "device_weight": weight[people.devices.device_type],
        "device_from": people.devices.first_day,
        "device_to": people.devices.last_day,
        "link_first": people.addresses.first,
        "link_kind": people.addresses.kind.astype(np.uint8),
        "link_metro": people.addresses.metro,
        "link_from": people.addresses.first_day,
        "link_to": people.addresses.last_day,
        **kinds,
    }


def choose_devices(
    ctx: PartitionContext, scenario: str | None, rows: Rows, people: People, cards: CardChoice
) -> DeviceChoice:
    """Devices, addresses and sessions of the rows of a range, entered in the ledger."""
    given = device_arguments(ctx, rows, people, cards)
    keys: dict[str, Any] = {"key": ctx.stream(DEVICE), "usual_key": ctx.stream(USUAL)}
    device, link, session, _, _ = ctx.kernels.choose_devices(**keys, **given)
    online = np.flatnonzero(given["online"])
    if ctx.lists_events:
        event_us = rows.ts_us[online].astype(np.uint64)
        at = ctx.address(DEVICE, event_us=event_us, place=rows.place_id[online])
        ctx.ledger(at, scenario=scenario)
        ctx.ledger(ctx.address(USUAL, party=people.word), scenario=scenario)
    else:
        many, parties = len(online), len(people.word)
        ctx.ledger_sums(DEVICE, (many, 3 * many, 2 * many), most=3, scenario=scenario)
        ctx.ledger_sums(USUAL, (parties, parties, parties), most=1, scenario=scenario)
    return DeviceChoice(device, link, session)
