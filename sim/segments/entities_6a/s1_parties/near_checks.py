"""Shops near homes: how many merchants people have within a drive, and whether a grocer is one of them.

Homes are counted by squares of a fiftieth of a degree, some two kilometres, and stand in the middle of their
square. Squares are looked at by tiles of ten by ten. Only generated merchants with a till count, and only
people of countries where generated merchants are at home: a user's file says nothing about either.

Who is a grocer is drawn merchant by merchant, wherever they are. So with k merchants near and g of all
merchants grocers, somebody has none near with probability (1 - g)**k, and a world of few outlets in a large
metro has grocers for fewer people than one of many. That is what the gate asks of it, less the sampling
error: tiles count as independent, and all people of a tile as one draw.
"""

from __future__ import annotations

import numpy as np

from sim.recipes.groups import run_offsets, run_starts
from sim.recipes.join import look_up
from sim.recipes.nearest import squared_distance, turned
from sim.state.context import Context, PartitionContext
from sim.state.counters import Counters, Scalar, Vector
from sim.state.declaration import ROW_LEVEL, Check, Needs
from sim.state.frames import Array, Frame
from sim.state.totals import Totals

NEAR_CHECKS_NEEDS = Needs(
    reads={
        "merchant_catalogue_1A": ROW_LEVEL,
        "merchant_supplied_1A": ROW_LEVEL,
        "site_locations": ROW_LEVEL,
        "virtual_classification_3B": ROW_LEVEL,
        "world_markets_1A": ROW_LEVEL,
    },
    config=("footprint_policy_1A", "realism_gates_people_6A"),
    reference=("cities",),
)

_NAMES = ("merchants near people", "people with a grocer")
MOST = 512
"""More merchants near than this count as so many."""
_SQUARE, _TILE = 20_000, 10  # microdegrees; squares of a tile's edge
_UDEG_A_KM = 1_000_000 / 111.195
_ROOM = 1.5  # squares hang over the edge of the disk that is searched
_BITS = 20


class NearCounts(Counters):
    """People by merchants within a drive; people by merchants within a walk to the grocer, and with a grocer.

    Of the tiles, the sum of people squared x chance x (1 - chance) of a grocer, 2**-20.
    """

    near = Vector(MOST + 1)
    walk = Vector(MOST + 1)
    with_grocer = Scalar()
    tile_variance = Scalar()


def count_near(ctx: PartitionContext, parties: Frame) -> None:
    """Integer sums over the published people of one partition."""
    markets = ctx.load("world_markets_1A", columns=("country_iso", "merchant_weight"))
    served = markets.country_iso[markets.merchant_weight > 0]
    person = (parties.party_type == ctx.code("party_type", "RETAIL")) & np.isin(parties.country_iso, served)
    homes = _squares(ctx, parties.take(person))
    shops, (_, tills, grocers) = _shops(ctx)
    gates = ctx.params.realism_gates_people_6A.near
    wide, close = (float(km) * _UDEG_A_KM for km in (gates.merchants_km, gates.grocer_km))
    none = _chances_of_none(tills, grocers)
    near, walk = np.zeros(MOST + 1, dtype=np.int64), np.zeros(MOST + 1, dtype=np.int64)
    with_grocer, variance = 0, 0
    starts = np.append(run_starts(homes.tile), len(homes))
    for first, stop in zip(starts[:-1].tolist(), starts[1:].tolist(), strict=True):
        tile = homes.slice(first, stop)
        around, within, grocer = _near(tile, shops, wide, close)
        np.add.at(near, np.minimum(around, MOST), tile.people)
        np.add.at(walk, np.minimum(within, MOST), tile.people)
        with_grocer += int(tile.people[grocer].sum())
        people = int(tile.people.sum())
        missed = (none[np.minimum(within, MOST)] * np.float64(1 << _BITS)).astype(np.int64)
        chance = int((missed * tile.people).sum()) // people
        variance += people * people * chance // (1 << _BITS) * ((1 << _BITS) - chance)
    ctx.count(NearCounts.near, near)
    ctx.count(NearCounts.walk, walk)
    ctx.count(NearCounts.with_grocer, with_grocer)
    ctx.count(NearCounts.tile_variance, variance)


def _squares(ctx: PartitionContext, people: Frame) -> Frame:
    """Squares with people, by tile: tile, lat, lon (int64 microdegrees), lon_scale, people."""
    cities = ctx.reference("cities").sort("city_id")
    lat, lon = (
        np.rint(people[name] * 1e6).astype(np.int64) // _SQUARE for name in ("home_lat_deg", "home_lon_deg")
    )
    tile = (lat // _TILE << np.int64(32)) + lon // _TILE
    order = np.lexsort((lon, lat, tile))
    lat, lon, tile = lat[order], lon[order], tile[order]
    offsets = run_offsets(tile, lat, lon)
    at = offsets[:-1].astype(np.int64)
    city = people.home_city_id[order[at]]
    return Frame(
        {
            "tile": tile[at],
            "lat": lat[at] * _SQUARE + _SQUARE // 2,
            "lon": lon[at] * _SQUARE + _SQUARE // 2,
            "lon_scale": cities.lon_scale[look_up(cities.city_id, city)],
            "people": np.diff(offsets).astype(np.int64),
        }
    )


def _shops(ctx: Context) -> tuple[Frame, tuple[int, int, int]]:
    """Sites of generated merchants with a till, from south to north; merchants, those with a till, grocers.

    Columns: lat, lon (int64 microdegrees), merchant_id, grocer.
    """
    merchants = ctx.load("merchant_catalogue_1A", columns=("merchant_id", "mcc", "channel"))
    modes = ctx.load("virtual_classification_3B", columns=("merchant_id", "virtual_mode"))
    given = ctx.load("merchant_supplied_1A", columns=("merchant_id",)).merchant_id
    online = modes.merchant_id[modes.virtual_mode == ctx.code("virtual_mode", "VIRTUAL_ONLY")]
    till = merchants.channel != ctx.code("channel", "card_not_present")
    till &= ~np.isin(merchants.merchant_id, online) & ~np.isin(merchants.merchant_id, given)
    codes = np.array(ctx.params.realism_gates_people_6A.near.grocers, dtype=np.uint16)
    grocer = np.isin(merchants.mcc, codes)
    sites = ctx.load("site_locations", columns=("merchant_id", "lat_deg", "lon_deg"))
    owner = look_up(merchants.merchant_id, sites.merchant_id)
    sites, owner = sites.take(till[owner]), owner[till[owner]]
    rows = Frame(
        {
            "lat": np.rint(sites.lat_deg * 1e6).astype(np.int64),
            "lon": np.rint(sites.lon_deg * 1e6).astype(np.int64),
            "merchant_id": sites.merchant_id,
            "grocer": grocer[owner],
        }
    ).sort("lat", "merchant_id")
    counts = (len(merchants) - len(given), int(np.count_nonzero(till)), int(np.count_nonzero(till & grocer)))
    return rows, counts


def _chances_of_none(tills: int, grocers: int) -> Array:
    """Chance that none of k merchants with a till is a grocer: float64, k up to MOST."""
    other = 1.0 - np.float64(grocers) / np.float64(max(1, tills))
    return np.cumprod(np.append(1.0, np.full(MOST, other)))


def _near(tile: Frame, shops: Frame, wide: float, close: float) -> tuple[Array, Array, Array]:
    """Merchants within each distance (int64) and whether a grocer is close (bool): of each square."""
    room = int(wide + _ROOM * _SQUARE)
    south, north = np.searchsorted(shops.lat, (int(tile.lat.min()) - room, int(tile.lat.max()) + room))
    some = shops.slice(int(south), int(north))
    middle, reach = int(tile.lon[0]), (room + _SQUARE * _TILE) * float(tile.lon_scale.max())
    some = some.take(turned(some.lon - middle) <= reach)
    if len(some) == 0:
        nobody = np.zeros(len(tile), dtype=np.int64)
        return nobody, nobody, nobody > 0
    some = some.sort("merchant_id", "lat", "lon")
    square = squared_distance(
        tile.lat[:, None] - some.lat[None, :],
        tile.lon[:, None] - some.lon[None, :],
        tile.lon_scale[:, None],
    )
    of_merchant = run_starts(some.merchant_id)
    within = square <= close * close
    counts = [
        np.logical_or.reduceat(found, of_merchant, axis=1).sum(axis=1)
        for found in (square <= wide * wide, within)
    ]
    grocer: Array = np.logical_or.reduce(within[:, some.grocer], axis=1)
    return counts[0], counts[1], grocer


def near_checks(ctx: Context, totals: Totals) -> list[Check]:
    """Merchants near people, and grocers; for worlds with generated merchants.

    In a world of fewer merchants than the footprint is made for, as much fewer merchants are enough, less
    what chance takes of so few.
    """
    seen, gates = NearCounts(totals), ctx.params.realism_gates_people_6A
    people, (merchants, tills, grocers) = int(seen.near.sum()), _shops(ctx)[1]
    if people == 0:
        return [Check(name, True, None, None, "nobody lives where generated merchants do") for name in _NAMES]
    made = min(1.0, merchants / float(ctx.params.footprint_policy_1A.made_for_merchants))
    found, wanted, full = {}, {}, {}
    below = np.cumsum(seen.near)
    for name, permille, least in (
        ("p10", 100, float(gates.near.merchants_p10)),
        ("median", 500, float(gates.near.merchants_median)),
    ):
        found[name] = int(np.searchsorted(below * 1000, people * permille))
        full[name], few = least, least * made
        wanted[name] = few if made >= 1.0 else max(0.0, few - gates.draw_sigmas * float(np.sqrt(few)))
    none = _chances_of_none(tills, grocers)
    missed = (none * np.float64(1 << _BITS)).astype(np.int64)
    expected = 1.0 - int((missed * seen.walk).sum()) / (people << _BITS)
    error = float(gates.draw_sigmas) * float(np.sqrt(np.float64(seen.tile_variance) * 2.0**-_BITS)) / people
    target = float(gates.near.grocer_permille) / 1000.0
    least = min(target, expected - error)
    share = seen.with_grocer / people
    near_note = f"merchants with a till within {gates.near.merchants_km} km of people"
    grocer_note = (
        f"people with a grocer within {gates.near.grocer_km} km; so many outlets promise {expected:.3f}"
    )
    return [
        Check(
            _NAMES[0],
            all(found[name] >= wanted[name] for name in found),
            found,
            {**wanted, "in_full": full},
            near_note,
        ),
        Check(
            _NAMES[1],
            share >= least,
            share,
            {"from": least, "in_full": target, "sampling_error": error},
            grocer_note,
        ),
    ]
