"""Where people are out together: parts of a metro, how many are out in each hour, and where they live."""

from __future__ import annotations

import numpy as np

from sim.recipes.groups import run_offsets, run_starts, sum_by_run
from sim.recipes.weights import EXACT_WEIGHTS_NEEDS, exact_weights
from sim.segments.flows_6b.clientele import CLIENTELE_NEEDS, LAW, clientele
from sim.segments.flows_6b.metros import Metros
from sim.segments.flows_6b.s2_catchments.balance import Balance
from sim.segments.flows_6b.s2_catchments.demand import HOURS, UNIT, Weeks
from sim.segments.flows_6b.s2_catchments.units import Places
from sim.state.context import Context
from sim.state.declaration import Needs
from sim.state.frames import Array, Frame, concat

_MICRO = np.float64(1e6)
_BLOCK = 4096

ZONES_NEEDS = Needs(config=(LAW,), uses=(CLIENTELE_NEEDS, EXACT_WEIGHTS_NEEDS))


def zones_of(ctx: Context, places: Places, every: Metros) -> tuple[Array, Array]:
    """Zone (int64) and part of it (int64) of each unit; the last zone of a metro is its online one."""
    law = ctx.params.clientele_law_6B.outings
    zones, parts = int(law.zones), int(law.subzones)
    sites = len(places.site_id)
    zone = places.metro * (zones + 1) + zones
    part = np.zeros(len(zone), dtype=np.int64)
    volume = (places.units.expected_arrivals[:sites] * 1024.0).astype(np.int64) + 1
    north = np.floor(places.lat_deg * _MICRO).astype(np.int64)
    east = np.floor(places.lon_deg * _MICRO).astype(np.int64)
    metro = places.metro[:sites]
    order = np.argsort(metro, kind="stable")
    edges = np.searchsorted(metro[order], np.arange(len(every) + 1))
    for at in np.flatnonzero(np.diff(edges)).tolist():
        rows = order[edges[at] : edges[at + 1]]
        piece = np.zeros(len(rows), dtype=np.int64)
        _halve(
            np.arange(len(rows)),
            (north[rows], east[rows], volume[rows]),
            float(every.lon_scale[at]),
            0,
            zones * parts,
            piece,
        )
        zone[rows] = at * (zones + 1) + piece // parts
        part[rows] = piece % parts
    return zone, part


def _halve(
    rows: Array, places: tuple[Array, Array, Array], lon_scale: float, first: int, pieces: int, piece: Array
) -> None:
    """Cut sites into pieces of equal volume, across their longer side: fills `piece`."""
    if pieces == 1 or len(rows) == 0:
        piece[rows] = first
        return
    north, east, volume = places
    up, across = north[rows], east[rows]
    tall = float(up.max() - up.min()) >= float(across.max() - across.min()) / lon_scale
    ordered = rows[np.argsort(up if tall else across, kind="stable")]
    half = pieces // 2
    running = np.cumsum(volume[ordered])
    middle = int(np.searchsorted(running * pieces, int(running[-1]) * half, side="left")) + 1
    middle = min(middle, len(ordered))
    _halve(np.sort(ordered[:middle]), places, lon_scale, first, half, piece)
    _halve(np.sort(ordered[middle:]), places, lon_scale, first + half, pieces - half, piece)


def outings(ctx: Context, places: Places, week: Weeks, zone: Array) -> Frame:
    """Rows of `outings_6B`: expected once-only purchases of the hour over those of an outing."""
    law, classes = ctx.params.clientele_law_6B.outings, clientele(ctx)
    code = places.units.clientele_class[places.unit]
    once = classes.occasional[code] * (1.0 - classes.visitors[code])
    once = once * places.frame.share * places.frame.open_share
    sites = len(places.site_id)
    of_place = zone[places.unit]
    names = np.unique(of_place)
    table = np.zeros((len(names), HOURS), dtype=np.int64)
    for side, rows in ((week.sites, np.arange(sites)), (week.online, np.arange(sites, len(of_place)))):
        rows = rows[places.frame.key[rows] >= 0]
        rows = rows[np.argsort(of_place[rows], kind="stable")]
        for start in range(0, len(rows), _BLOCK):
            some = rows[start : start + _BLOCK]
            mass = np.floor(side[places.frame.key[some]].astype(np.float64) * once[some][:, None])
            begin = run_starts(of_place[some])
            sums = np.add.reduceat(mass.astype(np.int64), begin, axis=0)
            table[np.searchsorted(names, of_place[some][begin])] += sums
    online = names % (int(law.zones) + 1) == int(law.zones)
    each = np.where(online, 1.0, float(law.subzones)) * float(law.rows)
    many = np.floor(table.astype(np.float64) / UNIT / each[:, None] + 0.5)
    return Frame(
        {
            "zone_no": np.repeat(names.astype(np.uint32), HOURS),
            "hour_of_week": np.tile(np.arange(HOURS, dtype=np.uint16), len(names)),
            "outings": np.maximum(many, float(law.least)).astype(np.uint32).ravel(),
        }
    )


def zone_cells(
    ctx: Context,
    places: Places,
    found: Balance,
    zone: Array,
    cells: Frame,
    spans: tuple[Array, Array, Array],
) -> Frame:
    """Rows of `zone_cells_6B`: the mean of a zone's catchments by volume; online, by taste for it.

    Args:
        ctx: Context.
        places: Units.
        found: Catchments of sites.
        zone: Zone of each unit.
        cells: Rows of cells_6B.
        spans: First cell and number of cells of each metro, and the metro that serves it.
    """
    first, size, served = spans
    unit = found.frame.unit_no.astype(np.int64)
    volume = (places.units.expected_arrivals * 256.0).astype(np.uint64) + np.uint64(1)
    mass = volume[unit] * (found.frame.weight_q >> np.uint64(20))
    key = (zone[unit].astype(np.uint64) << np.uint64(32)) | found.frame.cell_id.astype(np.uint64)
    order = np.argsort(key, kind="stable")
    runs = run_offsets(key[order])
    names = key[order][runs[:-1].astype(np.int64)]
    pieces = [
        Frame(
            {
                "zone_no": (names >> np.uint64(32)).astype(np.uint32),
                "cell_id": (names & np.uint64(0xFFFFFFFF)).astype(np.uint32),
                "raw": sum_by_run(mass[order], runs),
            }
        )
    ]
    online = np.unique(np.stack((zone, places.metro))[:, len(places.site_id) :], axis=1)
    metro = served[online[1]]
    wide = size[metro]
    at = np.repeat(np.arange(len(metro)), wide)
    cell = first[metro][at] + np.arange(int(wide.sum())) - np.repeat(np.cumsum(wide) - wide, wide)
    pieces.append(
        Frame(
            {
                "zone_no": online[0][at].astype(np.uint32),
                "cell_id": cell.astype(np.uint32),
                "raw": cells.online_q[cell] + np.uint64(1),
            }
        )
    )
    both = concat(pieces).sort("zone_no", "cell_id")
    weight = exact_weights(ctx, both.raw, run_offsets(both.zone_no))
    return Frame({"zone_no": both.zone_no, "cell_id": both.cell_id, "weight_q": weight})
