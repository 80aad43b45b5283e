"""How links abroad find their draws."""

from __future__ import annotations

import numpy as np

from sim.recipes.drawn import CHOICE, NORMAL, UNIFORM, WEIGHT, Drawn, Explained, MadeOf, Word, at
from sim.segments.entities_6a.draw_keys import devices_of, party_cells, rows_by_id
from sim.segments.entities_6a.s8_abroad.law import travel_kinds
from sim.state.context import Context
from sim.state.declaration import Partition
from sim.state.frames import Array, Frame


def _all(ctx: Context, part: Partition, rows: Frame, some: Array) -> Frame:
    """Rows with the key of their party and of their device, and the law of the party's weight."""
    party = party_cells(ctx, rows.party_id[some])
    device = rows_by_id(devices_of(ctx, part=part.index), "device_id", rows.device_id[some])
    law = ctx.params.ip_abroad_prior_6A.traveller
    idle, sigma = (np.full(len(some), float(law[name])) for name in ("idle", "sigma"))
    return at(
        rows,
        some,
        party_rank=party.party_rank,
        segment_id=party.segment_id,
        country_iso=party.country_iso,
        abroad_number=(rows.abroad_no[some] - np.uint16(1)).astype(np.uint64),
        device_type=device.device_type,
        device_number=device.device_number,
        idle=idle,
        sigma=sigma,
    )


def _every(ctx: Context, part: Partition, rows: Frame) -> Frame:
    return _all(ctx, part, rows, np.arange(len(rows)))


def _journeys(ctx: Context, part: Partition, rows: Frame) -> Frame:
    return _all(ctx, part, rows, np.flatnonzero(travel_kinds(ctx)[rows.ip_type]))


def _exits(ctx: Context, part: Partition, rows: Frame) -> Frame:
    """Links that are no part of a journey, with the law of the device's weight."""
    found = _all(ctx, part, rows, np.flatnonzero(~travel_kinds(ctx)[rows.ip_type]))
    law, prior = ctx.params.ip_abroad_prior_6A, ctx.params.ip_prior_6A.idle_permille
    names = ctx.vocabulary("ip_type")
    idle = np.array([int(prior[name]) / 1000.0 if name in prior else 0.0 for name in names])
    return found.with_columns(idle=idle[found.ip_type], sigma=np.full(len(found), float(law.exit_sigma)))


_LINKS = "s8_links_abroad_6A"


def _where(first: int) -> tuple[Word, ...]:
    return (
        Word(first, CHOICE, "country_iso", "country_iso"),
        Word(first + 1, CHOICE, "metro_id", "metro_id"),
        Word(first + 2, NORMAL, "days: median x exp(sigma n)"),
        Word(first + 3, UNIFORM, "valid_from: where in the horizon it is"),
    )


_DRAWS = (
    Drawn(_LINKS, "6A.journey", (Word(0, WEIGHT, "how much the party travels"), *_where(1)), _journeys),
    Drawn(
        _LINKS,
        "6A.abroad_wish",
        (Word("ip_type", WEIGHT, "how much the device asks for exits of the kind"),),
        _exits,
    ),
    Drawn(
        _LINKS,
        "6A.abroad_start",
        (Word(0, UNIFORM, "where systematic sampling of the country's devices begins"),),
        _every,
    ),
    Drawn(_LINKS, "6A.exit", _where(0), _exits),
)

EXPLAINED = Explained(
    _DRAWS, (MadeOf(_LINKS, "s4_device_base_6A", "its device", {"device_id": "device_id"}),)
)
