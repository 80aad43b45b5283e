"""Devices from other countries at the addresses of a partition, and what its own devices do abroad."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sim.segments.entities_6a.cells import CELL_WORDS_NEEDS, cell_words
from sim.segments.entities_6a.s5_network.days import OPEN, Days
from sim.state.context import Context
from sim.state.declaration import ROW_LEVEL, Needs, Partition
from sim.state.frames import Array, Frame

GUESTS_NEEDS = Needs(
    reads={"s1_party_summary_6A": ROW_LEVEL, "s8_links_abroad_6A": ROW_LEVEL}, uses=(CELL_WORDS_NEEDS,)
)


@dataclass(frozen=True)
class Guests:
    """Links of devices from other countries to addresses of a partition, g, in the order of their parties.

    Attributes:
        device, party: uint64: ids.
        home: int16: country of the party.
        kind: int16: of address.
        country: int16: where the address is.
        metro: uint32: likewise.
        days: When.
        fields: Fields of the links' own addresses: `party_rank`, `abroad_number`, `party_cell`.
    """

    device: Array
    party: Array
    home: Array
    kind: Array
    country: Array
    metro: Array
    days: Days
    fields: dict[str, Array]


def guests_of(ctx: Context, span: tuple[int, int]) -> Guests:
    """Guests of the countries with codes in [first, stop)."""
    every = ctx.load("s8_links_abroad_6A", columns=("country_iso",)).country_iso
    rows = np.flatnonzero((every >= span[0]) & (every < span[1]))
    links = ctx.load("s8_links_abroad_6A").take(rows)
    summary = ctx.load("s1_party_summary_6A")
    cell = np.searchsorted(summary.first_party_no, links.party_id, side="right") - 1
    return Guests(
        links.device_id,
        links.party_id,
        links.home_country_iso,
        links.ip_type,
        links.country_iso,
        links.metro_id,
        Days(links.valid_from, np.where(links.present("valid_to"), links.valid_to, OPEN)),
        {
            "party_rank": links.party_id - summary.first_party_no[cell],
            "abroad_number": (links.abroad_no - np.uint16(1)).astype(np.uint64),
            "party_cell": cell_words(ctx, summary)[cell],
        },
    )


def links_away(ctx: Context, part: Partition, devices: Frame) -> Frame:
    """Links abroad of the partition's own devices: `device` (int64 row of `devices`) and `ip_type`."""
    links = ctx.load("s8_links_abroad_6A", part=part.index, columns=("device_id", "ip_type"))
    first = devices.device_id[0] if len(devices) else np.uint64(1)
    return Frame({"device": (links.device_id - first).astype(np.int64), "ip_type": links.ip_type})
