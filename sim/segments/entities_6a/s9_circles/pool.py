"""Who may join a circle: parties with their newest deposit account, in orders in which seats find them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sim.recipes.groups import prefix
from sim.recipes.join import look_up
from sim.segments.entities_6a.s6_fraud_roles.targets import ROLE_TARGETS_NEEDS, by_name, tilt_of
from sim.state.context import Context
from sim.state.declaration import Needs
from sim.state.frames import Array, Frame

_DAY_BITS, _METRO_BITS = np.uint64(20), np.uint64(32)
_FIRST_DAY = -(1 << 19)

CIRCLE_POOL_NEEDS = Needs(
    config=("circles_6A", "fraud_prevalence_6A", "fraud_role_taxonomy_6A"),
    kernels=("bounded_integer",),
    reference=("cities",),
    uses=(ROLE_TARGETS_NEEDS,),
)


@dataclass(frozen=True)
class Pool:
    """Parties of a partition, of whole countries.

    Attributes:
        country: int16, n.
        metro: uint32, n: metro of the home.
        day: int64, n: opening of the account.
        account: uint64, n: newest account that can be a mule account; 0 for none.
        weight: uint64 by kind of circle, n: how likely its circles take a party; 0: never.
        lead: uint64, n: the same for who leads.
        business: bool, n: whether it is a business.
        student: bool, n: whether it is a student.
        order: int64, n: rows by metro and day; by day.
        key: uint64, n: keys of these orders, ascending.
    """

    country: Array
    metro: Array
    day: Array
    account: Array
    weight: dict[str, Array]
    lead: Array
    business: Array
    student: Array
    order: tuple[Array, Array]
    key: tuple[Array, Array]


def pool_of(ctx: Context, parties: Frame, accounts: Frame) -> Pool:
    """The pool of a partition.

    Args:
        ctx: Context of 6A.S9.
        parties: party_id, country_iso, region_id, party_type, segment_id, home_city_id.
        accounts: account_id, owner_party_id, account_type, open_date.
    """
    account, day = _newest(ctx, parties, accounts)
    cities = ctx.reference("cities")
    by_id = np.argsort(cities.city_id, kind="stable")
    at = look_up(cities.city_id[by_id], parties.home_city_id) if len(parties) else np.zeros(0, dtype=np.int64)
    metro = cities.metro_id[by_id][at]
    weight = _weights(ctx, parties, account > 0)
    lead = weight["MULE_RING"] * _bears(ctx, "ORGANISER")[parties.party_type].astype(np.uint64)
    keys = (
        local_key(parties.country_iso, metro, day),
        wide_key(parties.country_iso, day),
    )
    orders = tuple(np.argsort(key, kind="stable") for key in keys)
    return Pool(
        parties.country_iso,
        metro,
        day,
        account,
        weight,
        lead,
        parties.party_type == ctx.code("party_type", "BUSINESS"),
        parties.segment_id == ctx.code("segment", "R_STUDENT"),
        (orders[0], orders[1]),
        (keys[0][orders[0]], keys[1][orders[1]]),
    )


def local_key(country: Array, metro: Array, day: Array) -> Array:
    """Key of the order by country, metro and day: uint64."""
    place = (country.astype(np.uint64) << _METRO_BITS) | metro.astype(np.uint64)
    return (place << _DAY_BITS) | _day(day)


def wide_key(country: Array, day: Array) -> Array:
    """Key of the order by country and day: uint64."""
    return (country.astype(np.uint64) << _DAY_BITS) | _day(day)


def _day(day: Array) -> Array:
    found: Array = np.clip(day - _FIRST_DAY, 0, (1 << 20) - 1).astype(np.uint64)
    return found


def _newest(ctx: Context, parties: Frame, accounts: Frame) -> tuple[Array, Array]:
    """Newest account of each party that can be a mule account (uint64, 0: none) and its day (int64)."""
    types = ctx.params.fraud_role_taxonomy_6A.account_roles.MULE_ACCOUNT.types
    rows = np.flatnonzero(np.isin(accounts.account_type, [ctx.code("account_type", name) for name in types]))
    first = parties.party_id[0] if len(parties) else np.uint64(1)
    owner = (accounts.owner_party_id[rows] - first).astype(np.int64)
    best = np.zeros(len(parties), dtype=np.uint64)
    packed = (_day(accounts.open_date[rows].astype(np.int64)) << _METRO_BITS) | rows.astype(np.uint64)
    np.maximum.at(best, owner, packed + np.uint64(1))
    row = ((best - np.uint64(1)) & np.uint64(0xFFFFFFFF)).astype(np.int64)
    has = best > 0
    row = np.where(has, row, 0)
    if len(accounts) == 0:
        return np.zeros(len(parties), dtype=np.uint64), np.zeros(len(parties), dtype=np.int64)
    account = np.where(has, accounts.account_id[row], np.uint64(0))
    return account, np.where(has, accounts.open_date[row].astype(np.int64), 0)


def _bears(ctx: Context, role: str) -> Array:
    """Whether parties of a type may bear a role: bool by party type."""
    pack = ctx.params.fraud_prevalence_6A
    return by_name(ctx, "party_type", pack[pack.profile].party.share_ppm[role]) > 0


def _weights(ctx: Context, parties: Frame, able: Array) -> dict[str, Array]:
    found: dict[str, Array] = {}
    for kind, role in (("MULE_RING", "MULE"), ("SYNTHETIC_CLUSTER", "SYNTHETIC_ID")):
        tilt = tilt_of(ctx, role)[parties.region_id, parties.segment_id]
        found[kind] = tilt * (able & _bears(ctx, role)[parties.party_type]).astype(np.uint64)
    for kind, segments in ctx.params.circles_6A.segment_weights.items():
        table = by_name(ctx, "segment", segments)
        found[kind] = table[parties.segment_id] * able.astype(np.uint64)
    return found


@dataclass(frozen=True)
class Range:
    """Rows of one of the pool's orders, for each seat: `first` <= position < `stop`, int64."""

    first: Array
    stop: Array


def ranges(
    pool: Pool, country: Array, metro: Array, start: Array, days: int
) -> tuple[Range, Range, Range, Range]:
    """Where a seat looks: its metro in the window, its metro, its country in the window, its country.

    Args:
        pool: Who there is.
        country: int16, s: country of the seat.
        metro: uint32, s.
        start: int64, s: day on which the circle begins.
        days: Half width of the window.
    """
    low, high = np.full(len(start), _FIRST_DAY), np.full(len(start), 1 << 20)
    found = []
    for order in (0, 1):
        for first, last in ((start - days, start + days), (low, high)):
            keys = [
                local_key(country, metro, day) if order == 0 else wide_key(country, day)
                for day in (first, last)
            ]
            found.append(
                Range(
                    np.searchsorted(pool.key[order], keys[0], side="left"),
                    np.searchsorted(pool.key[order], keys[1], side="right"),
                )
            )
    return found[0], found[1], found[2], found[3]


def drawn(ctx: Context, pool: Pool, kind: str, order: int, where: Range, x: Array) -> Array:
    """A party of each range in proportion to its weight: int64, -1 where nobody may join."""
    sums = prefix(pool.weight[kind][pool.order[order]])
    low, total = sums[where.first], sums[where.stop] - sums[where.first]
    step = ctx.kernels.bounded_integer(x=x, bound=np.maximum(total, np.uint64(1)))
    at = np.searchsorted(sums, low + step, side="right") - 1
    found: Array = np.where(total > 0, pool.order[order][np.minimum(at, len(sums) - 2)], -1)
    return found
