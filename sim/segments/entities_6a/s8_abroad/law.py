"""Whose devices are abroad, where and when.

The share of a country's links of a kind that go abroad is exact. A party makes at most one journey: all its
links of the kinds that need somebody there are in one city, in the days of the journey.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sim.recipes.groups import prefix, run_starts
from sim.recipes.horizon import Horizon, life_span
from sim.recipes.words import WORDS_NEEDS, block_at, word, words
from sim.segments.entities_6a.network_tables import integers, matrix
from sim.segments.entities_6a.s4_devices.rows import Cells
from sim.segments.entities_6a.s5_network.targets import IP_TARGETS_NEEDS, ip_targets
from sim.segments.entities_6a.s8_abroad.destinations import DESTINATIONS_NEEDS, destinations_of
from sim.state.context import Context, PartitionContext
from sim.state.declaration import Needs
from sim.state.frames import Array, Frame
from sim.state.params import Params

JOURNEY, WISH, START, EXIT = "6A.journey", "6A.abroad_wish", "6A.abroad_start", "6A.exit"
_TASTE = np.float64(1 << 10)
_DOWN = np.uint64(8)

ABROAD_LAW_NEEDS = Needs(
    config=("ip_abroad_prior_6A", "ip_prior_6A", "scenario_horizon_5A"),
    streams=(EXIT, JOURNEY, START, WISH),
    kernels=(
        "bounded_integer",
        "capped_share",
        "entity_hash",
        "expand_rows",
        "gated_weight",
        "lognormal_factor",
    ),
    uses=(DESTINATIONS_NEEDS, IP_TARGETS_NEEDS, WORDS_NEEDS),
)


@dataclass(frozen=True)
class Owned:
    """Devices of parties, in the order of their ids.

    Attributes:
        owner: int64, never falling: row of the owner in the partition.
        kind: int16: type of device.
        country: int16, never falling.
        address: uint64: field `device` of its address.
        cell: uint64: field `party_cell` of its address.
        first: int64: first day of its use.
        last: int64: last day of its use, far away where it goes on.
    """

    owner: Array
    kind: Array
    country: Array
    address: Array
    cell: Array
    first: Array
    last: Array


def asked_abroad(ctx: Context) -> Array:
    """Links that should go abroad by home country (row) and kind of address (column): int64."""
    share = integers(ctx, "ip_type", ctx.params.ip_abroad_prior_6A.abroad_permille)
    asked: Array = (ip_targets(ctx).links * share + 500) // 1000
    return asked


def travel_kinds(ctx: Context) -> Array:
    """Which kinds of addresses a device meets only where its owner is: bool, by code."""
    names = ctx.params.ip_abroad_prior_6A.travel_kinds
    return np.array([name in names for name in ctx.vocabulary("ip_type")], dtype=np.bool_)


def links_abroad(ctx: PartitionContext, cells: Cells, devices: Owned, span: tuple[int, int]) -> Frame:
    """Links abroad of a partition, in the order device, kind.

    Returns:
        `device` (int64, row of `devices`), `ip_type`, `country_iso` (int16), `metro_id` (uint32),
        `abroad_number` (uint64, among the party's, from 0), `valid_from`, `valid_to` (int32 days).
    """
    horizon, law = life_span(ctx.params.scenario_horizon_5A), ctx.params.ip_abroad_prior_6A
    trip = words(ctx, JOURNEY, party_rank=cells.rank, party_cell=cells.entity[cells.of_party])
    travels = travel_kinds(ctx)
    there = _there(ctx, devices, (trip[3], trip[4]), horizon)
    counts = _counts(ctx, devices, trip[0], asked_abroad(ctx), span, there)
    flat = counts.ravel()
    some = np.flatnonzero(flat)
    entry, _ = ctx.kernels.expand_rows(offset=prefix(flat[some]), dims={"m": int(flat.sum())})
    at = some[entry]
    device = at // counts.shape[1]
    kind = at - device * counts.shape[1]
    owner = devices.owner[device]
    starts = run_starts(owner)
    number = np.arange(len(owner)) - np.repeat(starts, np.diff(np.append(starts, len(owner))))
    journey = travels[kind]
    x = [word[owner] for word in trip[1:]]
    left = np.flatnonzero(~journey)
    own = words(
        ctx,
        EXIT,
        party_rank=cells.rank[owner[left]],
        abroad_number=number[left],
        party_cell=devices.cell[device[left]],
    )
    for column, words_ in zip(x, own, strict=True):
        column[left] = words_
    home = devices.country[device]
    where = destinations_of(ctx, np.unique(devices.country))
    country = where.countries(ctx, x[0], home, journey) if len(home) else home.astype(np.int64)
    final = np.int64(horizon.first_day + horizon.days - 1)
    begin, stop = np.full(len(home), horizon.first_day, dtype=np.int64), np.full(len(home), final)
    begin[left] = np.maximum(begin[left], devices.first[device[left]])
    stop[left] = np.minimum(stop[left], devices.last[device[left]])
    first, last = np.zeros(len(home), dtype=np.int64), np.zeros(len(home), dtype=np.int64)
    for mine, how_long in ((journey, law.journey), (~journey, law.exit_days)):
        rows = np.flatnonzero(mine)
        days = _days(ctx, x[2][rows], how_long)
        first[rows] = _first_day(ctx, x[3][rows], days, begin[rows], stop[rows])
        last[rows] = first[rows] + days - 1
    # Exits are the device's own; a journey is made with devices that are there for all of it.
    first[left] = np.maximum(first[left], devices.first[device[left]])
    last[left] = np.minimum(last[left], devices.last[device[left]])
    return Frame(
        {
            "device": device,
            "ip_type": kind.astype(np.int16),
            "country_iso": country.astype(np.int16),
            "metro_id": where.metros(ctx, x[1], country),
            "abroad_number": number.astype(np.uint64),
            "valid_from": first.astype(np.int32),
            "valid_to": last.astype(np.int32),
        }
    )


def _there(ctx: Context, devices: Owned, x: tuple[Array, Array], horizon: Horizon) -> Array:
    """Whether a device is in use on all days of its owner's journey: bool, one a device.

    Args:
        ctx: Context.
        devices: Devices.
        x: uint64, one a party each: words of days and first day of the journey.
        horizon: Days of the world.
    """
    law, final = ctx.params.ip_abroad_prior_6A.journey, np.int64(horizon.first_day + horizon.days - 1)
    found = np.ones(len(devices.owner), dtype=np.bool_)
    # Whoever was in use before any journey and is to the end was there.
    rows = np.flatnonzero((devices.first > horizon.first_day - int(law.most)) | (devices.last <= final))
    owner = devices.owner[rows]
    days = _days(ctx, x[0][owner], law)
    begin, stop = np.full(len(rows), horizon.first_day, dtype=np.int64), np.full(len(rows), final)
    first = _first_day(ctx, x[1][owner], days, begin, stop)
    found[rows] = (devices.first[rows] <= first) & (first + days - 1 <= devices.last[rows])
    return found


def _days(ctx: Context, x: Array, law: Params) -> Array:
    """Days by a lognormal law, rounded: int64."""
    factor = ctx.kernels.lognormal_factor(x=x, mu=np.zeros(len(x)), sigma=np.full(len(x), float(law.sigma)))
    days: Array = np.clip(np.floor(factor * np.float64(law.median) + 0.5), 1, law.most).astype(np.int64)
    return days


def _first_day(ctx: Context, x: Array, days: Array, begin: Array, stop: Array) -> Array:
    """First day of a span of `days` that meets `begin` to `stop`: int64, each equally likely."""
    later = ctx.kernels.bounded_integer(x=x, bound=(days + stop - begin).astype(np.uint64))
    first: Array = begin - days + 1 + later.astype(np.int64)
    return first


def _counts(
    ctx: PartitionContext, devices: Owned, x: Array, asked: Array, span: tuple[int, int], there: Array
) -> Array:
    """Links abroad of each device by kind: int64, devices x kinds; of journeys for those `there` alone."""
    law, prior = ctx.params.ip_abroad_prior_6A, ctx.params.ip_prior_6A
    travels = travel_kinds(ctx)
    affinity = matrix(ctx, "device_type", "ip_type", prior.affinity)
    most = np.minimum(
        integers(ctx, "ip_type", law.links_per_device), integers(ctx, "ip_type", prior.ips_per_device)
    )
    countries = np.arange(span[0], span[1] + 1, dtype=np.int16)
    offsets = np.searchsorted(devices.country, countries).astype(np.uint64)
    walker = ctx.kernels.gated_weight(
        x=x,
        idle=np.full(len(x), float(law.traveller.idle)),
        sigma=np.full(len(x), float(law.traveller.sigma)),
    )
    counts = np.zeros((len(devices.owner), asked.shape[1]), dtype=np.int64)
    sigma = np.full(len(devices.owner), float(law.exit_sigma))
    for kind in np.flatnonzero(asked[span[0] : span[1]].sum(axis=0)).tolist():
        taste = np.floor(affinity[:, kind] * _TASTE).astype(np.uint64)[devices.kind]
        if travels[kind]:
            weight = walker[devices.owner]
        else:
            idle = np.full(len(sigma), int(prior.idle_permille[ctx.vocabulary("ip_type")[kind]]) / 1000.0)
            at = ctx.address(WISH, device=devices.address, party_cell=devices.cell, block=kind // 2)
            weight = ctx.kernels.gated_weight(x=block_at(ctx, at)[kind % 2], idle=idle, sigma=sigma)
            ctx.ledger(at, draws=1)
        cap = np.where((taste > 0) & (there | ~travels[kind]), most[kind], 0)
        room = np.diff(
            np.concatenate((np.zeros(1, dtype=np.int64), np.cumsum(cap)))[offsets.astype(np.int64)]
        )
        units = np.minimum(asked[span[0] : span[1], kind], room)
        here, start = np.flatnonzero(units), np.zeros(len(units), dtype=np.uint64)
        start[here] = word(ctx, START, ip_cell=_cells(ctx, kind, here + span[0]))
        counts[:, kind] = ctx.kernels.capped_share(
            offset=offsets,
            weight=((weight >> _DOWN) + np.uint64(1)) * taste,
            cap=cap.astype(np.uint32),
            units=units.astype(np.uint64),
            start=start,
        )
    return counts


def _cells(ctx: Context, kind: int, country: Array) -> Array:
    """Field `ip_cell` of each country (code) and a kind: uint64."""
    names = ctx.name_hashes("country")[country]
    kinds = np.full(len(names), ctx.name_hashes("ip_type")[kind])
    return ctx.field("ip_cell", country_name=names, ip_type_name=kinds)
