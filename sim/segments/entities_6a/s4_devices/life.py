"""How long devices live, which of them are replaced inside the horizon, and on which day.

A life is X whole days with P(X > b) = S(b) = exp(-pi/4 (b / mean)^2), a Rayleigh law. The world is in
equilibrium: every day as many devices begin as end. So a device that lives through the horizon is b days old
on its last day with weight S(b), b >= H days, and one that is replaced on day r has lived X > r days. Their
share, sum(S(b), b < H) / sum(S(b)), is exact in every country and kind. A device is replaced once at most.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sim.recipes.apportion import LARGEST_REMAINDER_NEEDS, largest_remainder
from sim.recipes.horizon import Horizon, life_span
from sim.recipes.tables import ALIAS_BUILD_NEEDS, ALIAS_PICK_NEEDS, AliasTables, build_alias
from sim.recipes.words import BELOW_NEEDS, WORDS_NEEDS, below, word, words
from sim.segments.entities_6a.network_tables import integers, permille_word
from sim.segments.entities_6a.tenure import NEVER
from sim.state.context import Context, PartitionContext
from sim.state.declaration import Needs
from sim.state.frames import Array, Frame

LIFE, REPLACED, START = "6A.device_life", "6A.device_replaced", "6A.replaced_start"
_MONTH = np.float64(365.25 / 12)
_QUARTER_PI = np.float64(0.7853981633974483)
_LONGEST = 5.0
"""Lives of more than so many means do not occur: S is 3e-9 there."""
_UNITS = np.float64(1 << 40)

DEVICE_LIFE_NEEDS = Needs(
    config=("device_life_6A", "scenario_horizon_5A"),
    streams=(LIFE, REPLACED, START),
    kernels=("bounded_integer", "exp_map"),
    uses=(ALIAS_BUILD_NEEDS, ALIAS_PICK_NEEDS, BELOW_NEEDS, LARGEST_REMAINDER_NEEDS, WORDS_NEEDS),
)


@dataclass(frozen=True)
class LifeLaw:
    """Laws of lives by kind of device.

    Attributes:
        horizon: Days of the world.
        offsets: uint64, kinds + 1.
        alive: uint64: S(b) in 2**-40 for b = 0, 1, .. of each kind; never rises.
        stays: Alias tables of the same from b = H on.
    """

    horizon: Horizon
    offsets: Array
    alive: Array
    stays: AliasTables

    def of_kind(self, kind: int) -> Array:
        """S(b) of a kind: uint64."""
        start, stop = self.offsets[kind : kind + 2].tolist()
        return self.alive[start:stop]

    def replaced(self, kind: int) -> tuple[int, int]:
        """Share of a kind that is replaced, as a fraction."""
        alive = self.of_kind(kind)
        return int(alive[: self.horizon.days].sum()), int(alive.sum())


def life_law(ctx: Context) -> LifeLaw:
    """The laws of `device_life_6A`."""
    horizon = life_span(ctx.params.scenario_horizon_5A)
    mean = integers(ctx, "device_type", ctx.params.device_life_6A.mean_months) * _MONTH
    size = np.maximum(np.floor(mean * _LONGEST), np.float64(horizon.days)).astype(np.int64) + 1
    age = np.arange(int(size.sum())) - np.repeat(np.cumsum(size) - size, size)
    share = age / np.repeat(np.maximum(mean, 1.0), size)
    alive = np.floor(ctx.kernels.exp_map(x=-_QUARTER_PI * share * share) * _UNITS).astype(np.uint64)
    stays = np.where(age >= horizon.days, alive, np.uint64(0))
    # Nobody outlives a horizon of decades by the law; the world still has somebody of its last day.
    last = np.cumsum(size) - 1
    stays[last] = np.maximum(stays[last], np.uint64(1))
    offsets = np.append(0, np.cumsum(size)).astype(np.uint64)
    return LifeLaw(horizon, offsets, alive, build_alias(ctx, offsets, stays))


def replaced_targets(ctx: Context, law: LifeLaw, devices: Array) -> Array:
    """Devices that are replaced, exact in the world and by country: int64, countries x kinds.

    Args:
        ctx: Context.
        law: Laws of lives.
        devices: int64, countries x kinds: devices of parties.
    """
    found = np.zeros_like(devices)
    here = np.flatnonzero(devices.sum(axis=1))
    for kind in np.flatnonzero(devices.sum(axis=0)).tolist():
        part, whole = law.replaced(kind)
        held = devices[here, kind]
        units = (2 * int(held.sum()) * part + whole) // (2 * whole)
        offsets = np.array([0, len(here)], dtype=np.uint64)
        asked = np.array([units], dtype=np.uint64)
        found[here, kind] = largest_remainder(ctx, held.astype(np.uint64), offsets, asked).astype(np.int64)
    return found


def devices_by_country(ctx: Context, summary: Frame, units: Array) -> Array:
    """Devices of parties by country and kind, from those of cells: int64, countries x kinds."""
    found = np.zeros((len(ctx.vocabulary("country")), units.shape[1]), dtype=np.int64)
    np.add.at(found, summary.country_iso, units.astype(np.int64))
    return found


def chosen(ctx: PartitionContext, kind: Array, country: Array, devices: Array, targets: Array) -> Array:
    """Rows of the devices that are replaced: int64, ascending.

    Each country and kind is sampled systematically in the order of its devices (Madow 1949): all are equally
    likely, neighbours (devices of one party) are not chosen together.

    Args:
        ctx: Context of a partition of whole countries.
        kind: int16, n.
        country: int16, n: never falls.
        devices: int64, countries x kinds: those of parties.
        targets: int64, countries x kinds: those to choose.
    """
    found = []
    for code in np.unique(kind).tolist():
        rows = np.flatnonzero(kind == code)
        place = country[rows]
        here = np.unique(place)
        x = word(
            ctx,
            START,
            device_type=np.full(len(here), code),
            country_name=ctx.name_hashes("country")[here],
        )
        start = np.zeros(len(devices), dtype=np.int64)
        whole = devices[here, code].astype(np.uint64)
        start[here] = below(ctx, x, whole)
        many, of = targets[place, code], devices[place, code]
        at = (np.arange(len(rows)) - np.searchsorted(place, place)) * many + start[place]
        found.append(rows[(at + many) // of > at // of])
    rows = np.concatenate([np.zeros(0, dtype=np.int64), *found])
    rows.sort()
    return rows


@dataclass(frozen=True)
class Lives:
    """Lives of the devices of parties, and their successors' beginnings.

    Attributes:
        first: int32, n: first day.
        last: int32, n: last day, `NEVER` where it goes on.
        rows: int64, m: devices that are replaced, ascending.
        begins: int32, m: first day of their successors.
        keeps: bool, m: whether the successor has the same system whatever others have.
        other: uint64, m: word of its system if not.
    """

    first: Array
    last: Array
    rows: Array
    begins: Array
    keeps: Array
    other: Array


def lives_of(ctx: PartitionContext, law: LifeLaw, devices: Frame, rows: Array) -> Lives:
    """Lives of the devices of a partition.

    Args:
        ctx: Context.
        law: Laws of lives.
        devices: `device_type`, and the fields `device` and `party_cell` of their addresses.
        rows: int64: those that are replaced, ascending.
    """
    prior, day = ctx.params.device_life_6A, np.int64(law.horizon.first_day)
    final = day + law.horizon.days - 1
    first, last = np.empty(len(devices), dtype=np.int32), np.full(len(devices), NEVER)
    goes_on = np.ones(len(devices), dtype=np.bool_)
    goes_on[rows] = False
    stay = np.flatnonzero(goes_on)
    kind = devices.device_type[stay].astype(np.int64)
    x = word(ctx, LIFE, device=devices.device[stay], party_cell=devices.party_cell[stay])
    slot = law.stays.pick(ctx, x, kind) - law.offsets[:-1].astype(np.int64)[kind]
    first[stay] = final - slot
    when, length, coin, days, keeps, other = words(
        ctx, REPLACED, device=devices.device[rows], party_cell=devices.party_cell[rows]
    )
    event, age = _ends(ctx, law, devices.device_type[rows], when, length)
    first[rows] = day + event - age
    traded = coin < permille_word(np.array([int(prior.trade_permille)], dtype=np.int64))[0]
    # On the first day nothing can have been lost before.
    traded |= event == 0
    wait = np.minimum(np.maximum(event, 1), int(prior.gap_days))
    shift = np.where(
        traded,
        below(ctx, days, int(prior.trade_days) + 1),
        -1 - below(ctx, days, wait),
    )
    end = day + event + shift
    last[rows] = np.where(end <= final, end, np.int64(NEVER))
    same = permille_word(np.array([int(prior.same_system_permille)], dtype=np.int64))[0]
    return Lives(first, last, rows, (day + event).astype(np.int32), keeps < same, other)


def _ends(ctx: Context, law: LifeLaw, kind: Array, when: Array, length: Array) -> tuple[Array, Array]:
    """Day of the horizon on which each device is replaced, from 0, and its age then: int64 each.

    By inversion: day r with weight S(r), then a life of x > r days with weight S(x - 1) - S(x).
    """
    event, age = np.zeros(len(kind), dtype=np.int64), np.zeros(len(kind), dtype=np.int64)
    for code in np.unique(kind).tolist():
        rows, alive = np.flatnonzero(kind == code), law.of_kind(code)
        upto = np.cumsum(alive[: law.horizon.days])
        at = ctx.kernels.bounded_integer(x=when[rows], bound=np.full(len(rows), upto[-1]))
        event[rows] = np.searchsorted(upto, at, side="right")
        left = ctx.kernels.bounded_integer(x=length[rows], bound=np.maximum(alive[event[rows]], np.uint64(1)))
        # As many ages as have more alive: S never rises.
        age[rows] = len(alive) - np.searchsorted(alive[::-1], left, side="right")
    return event, age
