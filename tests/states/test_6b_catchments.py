"""6B.S2: demand, members, catchments, zones and outings made again in plain Python; checks and refusals."""

from __future__ import annotations

import copy
import math
from typing import Any

import clientele_world as cw
import numpy as np
import pytest
from clientele_world import DAYS, FIRST_DAY, HOURS, METROS, PACK, PROGRAM, TAXONOMY, built, upstream, world
from config_leaves import fingerprint, leaves, unused
from memory_world import vocabularies

from sim.ground.errors import ContractError
from sim.segments.flows_6b.clientele import trades
from sim.segments.flows_6b.s2_catchments import state as s2_catchments
from sim.state.frames import Array, Frame
from tests.reference.balance_catchments import balance_catchments

UNIT = 1 << 20
CLASSES = vocabularies()["clientele_class"]


def weeks_open() -> dict[int, float]:
    life = upstream()["s7_merchant_life_5A"]
    found = {}
    for row, merchant in enumerate(life.merchant_id.tolist()):
        first = int(life.opened_date[row]) if life.valid["opened_date"][row] else FIRST_DAY
        last = int(life.closed_date[row]) if life.valid["closed_date"][row] else FIRST_DAY + DAYS
        found[merchant] = (min(last, FIRST_DAY + DAYS) - max(first, FIRST_DAY)) / 7.0
    return found


def key_weeks() -> dict[tuple[int, int, int], tuple[Array, Array, int]]:
    """By (merchant, country, zone): hours at sites, hours online, and the week's recurring, in 2**-20."""
    keys, base = upstream()["merchant_zone_profile_5A"], upstream()["merchant_zone_baseline_local_5A"]
    found = {}
    for row in range(len(keys)):
        some = base.slice(row * HOURS, (row + 1) * HOURS)
        rate, virtual, again = some.lambda_local_base * UNIT, some.virtual_share, some.recurring_share
        parts = [np.floor(rate * share) for share in (1.0 - virtual, virtual - again, again)]
        name = (int(keys.merchant_id[row]), int(keys.legal_country_iso[row]), int(keys.tzid[row]))
        found[name] = (parts[0], parts[1], int(parts[2].sum()))
    return found


def place_rows(which: str) -> list[dict[str, Any]]:
    """Sites or edges with their share of their key's demand."""
    rows = upstream()["s1_site_weights_2B" if which == "site" else "edge_catalogue_3B"]
    country = rows["legal_country_iso" if which == "site" else "country_iso"]
    names = list(zip(rows.merchant_id.tolist(), country.tolist(), rows.tzid.tolist(), strict=True))
    whole: dict[tuple[int, int, int], int] = {}
    for name, weight in zip(names, rows.weight_q.tolist(), strict=True):
        whole[name] = whole.get(name, 0) + weight
    where = upstream()["site_locations"] if which == "site" else rows
    return [
        {
            "key": name,
            "id": int(rows[f"{which}_id"][at]),
            "city": int(where.city_id[at]),
            "share": float(rows.weight_q[at]) / whole[name],
        }
        for at, name in enumerate(names)
    ]


def test_expected_arrivals_are_those_of_the_key_by_share():
    """Every unit: week of its key x share of the key x weeks open, in 2**-20; keys of one merchant in one
    country and two time zones do not share demand.
    """
    _, made = built()
    units, of_edge = made["units_6B"], made["unit_edges_6B"]
    lasts, week = weeks_open(), key_weeks()
    wanted = np.zeros((len(units), 2), dtype=np.int64)
    unit_of = dict(zip(of_edge.edge_id.tolist(), of_edge.unit_no.tolist(), strict=True))
    for at, site in enumerate(place_rows("site")):
        assert int(units.site_id[at]) == site["id"] and int(units.metro_id[at]) == site["city"]
        wanted[at, 0] = math.floor(week[site["key"]][0].sum() * (site["share"] * lasts[site["key"][0]]))
    for edge in place_rows("edge"):
        unit = unit_of[edge["id"]]
        assert int(units.merchant_id[unit]) == edge["key"][0] and int(units.metro_id[unit]) == edge["city"]
        factor = edge["share"] * lasts[edge["key"][0]]
        of_key = week[edge["key"]]
        wanted[unit] += math.floor(of_key[1].sum() * factor), math.floor(of_key[2] * factor)
    assert units.expected_arrivals.tolist() == (wanted.sum(axis=1) / UNIT).tolist()
    assert units.recurring_arrivals.tolist() == (wanted[:, 1] / UNIT).tolist()
    zones = {name[2] for name in week if name[0] == int(units.merchant_id[0])}
    assert len(zones) == 3 and (units.expected_arrivals > 0).sum() > 100


def test_members_and_strata_follow_from_a_day_of_demand():
    _, made = built()
    units, lasts = made["units_6B"], weeks_open()
    law, people = PACK["classes"], {METROS[0]: 7000, METROS[1]: 48_000, METROS[2]: 6000, METROS[3]: 6000}
    assert {people[int(metro)] > PACK["large_metro"]["parties"] for metro in units.metro_id} == {True, False}
    for at in range(len(units)):
        days = max(lasts[int(units.merchant_id[at])] * 7.0, 1.0)
        row = law[CLASSES[units.clientele_class[at]]]
        again, every = float(units.recurring_arrivals[at]), float(units.expected_arrivals[at])
        large = 1.3 if people[int(units.metro_id[at])] > 30_000 else 1.0
        regular = (1.0 - row["occasional"] / 1000.0) * (1.0 - row["visitors"] / 1000.0)
        wanted = math.ceil((every - again) * UNIT / UNIT / days * 90 * regular / (row["visits"] * large))
        assert int(units.slots[at]) == max(wanted, 12)
        bills = again / days
        assert int(units.strata_slots[at]) == math.ceil(bills + math.sqrt(bills))
        assert (int(units.strata_slots[at]) > 0) == (again > 0)


def test_catchments_are_those_of_the_balance():
    """Every site's shares, from the reference's balance of affinities by `math`."""
    _, made = built()
    units, rows, cells = made["units_6B"], made["catchments_6B"], upstream()["cells_6B"]
    sites = int(units.present("site_id").sum())
    where = upstream()["site_locations"]
    reference = world().store.reference.frame("cities", vocabularies())
    scale = {int(c): float(s) for c, s in zip(reference.city_id, reference.lon_scale, strict=True)}
    served = {METROS[3]: METROS[2]}
    of = [served.get(int(metro), int(metro)) for metro in units.metro_id[:sites]]
    seen = 0
    for metro in METROS[:3]:
        homes = np.flatnonzero(cells.metro_id == metro)
        for kind in range(len(CLASSES)):
            mine = [at for at in range(sites) if of[at] == metro and units.clientele_class[at] == kind]
            if not mine:
                continue
            reach = PACK["classes"][CLASSES[kind]]["reach_km"]
            square = np.array(
                [[_square(where, at, cells, cell, scale[metro]) for cell in homes] for at in mine]
            )
            rank = np.argsort(np.argsort(square, axis=0, kind="stable"), axis=0, kind="stable")
            mass = cells.activity_q[homes].astype(float) + 1.0
            affinity = [
                mass[c]
                * (math.exp(-math.sqrt(square[r][c]) * 111.195e-6 / reach) + 0.03 * math.exp(-rank[r][c] / 2))
                for r in range(len(mine))
                for c in range(len(homes))
            ]
            demand = [max(float(units.expected_arrivals[at]), 1e-3) for at in mine]
            given = [sum(demand) * m / mass.sum() for m in mass]
            offsets = [0, len(mine)], [0, len(homes)], [0, len(affinity)]
            row, column = balance_catchments(*offsets, affinity, demand, given, PACK["rounds"])
            for r, at in enumerate(mine):
                some = rows.take(np.flatnonzero(rows.unit_no == at))
                assert some.cell_id.tolist() == homes.tolist()
                entries = affinity[r * len(homes) : (r + 1) * len(homes)]
                share = [row[r] * a * b / demand[r] for a, b in zip(entries, column, strict=True)]
                # Totals are summed in another way here, and exp is libm's: some 40 bits agree.
                assert np.abs(some.weight_q / 2**40 - share).max() < 1e-6
                assert int(some.weight_q.sum()) == 2**40
                seen += 1
    assert seen == sites


def test_nearer_cells_feed_a_site_more_than_their_share():
    _, made = built()
    units, rows, cells = made["units_6B"], made["catchments_6B"], upstream()["cells_6B"]
    where, better = upstream()["site_locations"], 0
    sites = np.flatnonzero(units.present("site_id") & (units.metro_id == METROS[1]))
    mass = cells.activity_q[cells.metro_id == METROS[1]].astype(float)
    for at in sites.tolist():
        some = rows.take(np.flatnonzero(rows.unit_no == at))
        far = [
            math.hypot(where.lat_deg[at] - cells.lat_deg[c], 0.76 * (where.lon_deg[at] - cells.lon_deg[c]))
            for c in some.cell_id
        ]
        even = (mass / mass.sum() * np.array(far)).sum()
        better += (some.weight_q / 2**40 * np.array(far)).sum() <= even
    assert len(sites) > 25 and better > 0.7 * len(sites)


def _square(where: Frame, site: int, cells: Frame, cell: int, scale: float) -> float:
    north = math.floor(where.lat_deg[site] * 1e6) - math.floor(cells.lat_deg[cell] * 1e6)
    east = math.floor(where.lon_deg[site] * 1e6) - math.floor(cells.lon_deg[cell] * 1e6)
    return float(north**2 + (east / scale) ** 2)


def test_zones_are_parts_of_metros_with_about_the_same_demand():
    """Pieces of a metro are cut where half of what remains lies on either side, to within one site."""
    _, made = built()
    units = made["units_6B"]
    order = {metro: at for at, metro in enumerate(METROS)}
    online = ~units.present("site_id")
    metro = np.array([order[int(name)] for name in units.metro_id])
    assert (units.zone_no // 9 == metro).all()
    assert ((units.zone_no % 9 == 8) == online).all() and (units.subzone < 4).all()
    assert (units.subzone[online] == 0).all()
    for at in range(4):
        mine = np.flatnonzero((metro == at) & ~online)
        volume = np.floor(units.expected_arrivals[mine] * 1024).astype(int) + 1
        lower = volume[units.zone_no[mine] % 9 < 4].sum()
        assert volume.sum() <= 2 * lower <= volume.sum() + 2 * volume.max()
        assert len(np.unique(units.zone_no[mine])) > 2


def test_outings_are_expected_once_only_purchases_over_those_of_one():
    """Every zone and hour, place by place in whole numbers."""
    _, made = built()
    units, rows, lasts, week = made["units_6B"], made["outings_6B"], weeks_open(), key_weeks()
    unit_of = dict(
        zip(made["unit_edges_6B"].edge_id.tolist(), made["unit_edges_6B"].unit_no.tolist(), strict=True)
    )
    places = [(at, 0, row) for at, row in enumerate(place_rows("site"))]
    places += [(unit_of[row["id"]], 1, row) for row in place_rows("edge")]
    table = {int(zone): np.zeros(HOURS, dtype=np.int64) for zone in np.unique(units.zone_no)}
    for unit, side, row in places:
        law = PACK["classes"][CLASSES[units.clientele_class[unit]]]
        once = law["occasional"] / 1000.0 * (1.0 - law["visitors"] / 1000.0)
        once = once * row["share"] * (lasts[row["key"][0]] * 7.0 / DAYS)
        table[int(units.zone_no[unit])] += np.floor(week[row["key"]][side] * once).astype(np.int64)
    assert rows.zone_no.tolist() == np.repeat(sorted(table), HOURS).tolist()
    for at, zone in enumerate(sorted(table)):
        each = (1.0 if zone % 9 == 8 else 4.0) * 1.5
        wanted = np.maximum(np.floor(table[zone] / UNIT / each + 0.5), 2).astype(int)
        assert rows.outings[at * HOURS : (at + 1) * HOURS].tolist() == wanted.tolist()
    assert rows.outings.max() > 10


def test_people_out_in_a_zone_are_its_units_customers():
    """The mean of catchments by demand; online, cells by taste; where nobody lives, the next metro's."""
    _, made = built()
    units, rows, zones = made["units_6B"], made["catchments_6B"], made["zone_cells_6B"]
    cells = upstream()["cells_6B"]
    for zone in np.unique(units.zone_no).tolist():
        some = zones.take(np.flatnonzero(zones.zone_no == zone))
        share = some.weight_q / 2**40
        metro = METROS[zone // 9] if zone // 9 < 3 else METROS[2]
        homes = np.flatnonzero(cells.metro_id == metro)
        assert some.cell_id.tolist() == homes.tolist()
        if zone % 9 == 8:
            wanted = cells.online_q[homes] / cells.online_q[homes].sum()
        else:
            wanted = np.zeros(len(homes))
            for unit in np.flatnonzero(units.zone_no == zone):
                volume = math.floor(units.expected_arrivals[unit] * 256) + 1
                wanted += volume * (rows.weight_q[rows.unit_no == unit] / 2**40)
            wanted /= wanted.sum()
        # A catchment counts in 2**-20 here, which is all that it is cut to.
        assert np.abs(share - wanted).max() < 2e-6


def test_every_trade_has_a_class_and_own_trades_count_as_theirs():
    made = world(made=cw.with_supplied(9999))
    ctx = made.context(s2_catchments.STATE)
    rows, own = trades(ctx), made.store.load("merchant_catalogue_1A")
    named = {mcc: name for name, mccs in PACK["site_trades"].items() for mcc in mccs}
    sector = {entry["mcc"]: entry["sector"] for entry in TAXONOMY["mccs"]}
    assert set(named) <= set(sector)
    for at, mcc in enumerate(own.mcc.tolist()):
        mcc = 5814 if at == 8 else mcc
        pair = PACK["sectors"][sector[mcc]] if mcc in sector else PACK["unknown"]
        assert CLASSES[rows.online_class[at]] == pair["online"]
        assert CLASSES[rows.site_class[at]] == named.get(mcc, pair["site"])
    assert own.mcc[9] == 9999


def test_curves_of_visits_rise_from_the_rarest_members_to_all():
    """A class's curve ends with all members, and the share u of visits takes more than u of members."""
    _, made = built()
    rows = made["visit_shares_6B"]
    assert len(rows) == len(CLASSES) * 4097
    for kind in range(len(CLASSES)):
        curve = rows.members_q[rows.clientele_class == kind].astype(np.int64)
        assert curve[0] == 0 and curve[-1] == 2**32 - 1 and (np.diff(curve) >= 0).all()
        assert (curve[1:-1] / 2**32 > np.arange(1, 4096) / 4096).all()
    # All are cut at 40 visits: in a class with more visits that bites more, so its curve is flatter.
    half = rows.members_q[rows.point == 2048] / 2**32
    assert half[CLASSES.index("GROCERY")] < half[CLASSES.index("HOTEL_LEISURE")]
    assert 0.8 < half[CLASSES.index("HOTEL_LEISURE")] < 0.9


def test_counts_of_arrivals_are_not_read():
    """Who the customers are follows from what was expected: one arrival more changes nobody else's."""
    assert not [name for name in s2_catchments.STATE.reads if name.endswith("_5B")]


@pytest.mark.parametrize(
    ("check", "counter", "amount"),
    [
        ("a unit for each site", "sites", 1),
        ("each edge in one unit", "edges", -1),
        ("units expect what 5A does", "expected", 1_000_000),
        ("sites without a catchment", "unfed", 1),
        ("shares of catchments", "broken_shares", 1),
        ("units in the zones of their metros", "stray_zones", 1),
        ("zones without people", "zones_without_cells", 1),
        ("cells give their share of each class", "misplaced", 10_000_000),
    ],
)
def test_checks_fail(check: str, counter: str, amount: int):
    made, _ = built()
    assert made.failed() == []
    assert not made.check_with(s2_catchments, check, {counter: amount}).passed


@pytest.mark.parametrize(
    ("key", "value", "code"),
    [
        (("classes", "GROCERY"), None, "VOCABULARY_MISMATCH"),
        (("sectors", "health"), None, "VOCABULARY_MISMATCH"),
        (("sectors", "health", "site"), "SPACE", "VOCABULARY_MISMATCH"),
        (("unknown", "online"), "SPACE", "VOCABULARY_MISMATCH"),
        (("site_trades", "SPACE"), [5411], "VOCABULARY_MISMATCH"),
        (("site_trades", "FUEL"), [5541, 5814], "TRADE_TWICE"),
        (("classes", "FUEL", "reach_km"), None, "NO_REACH"),
        (("unknown", "site"), "ONLINE_RETAIL", "NO_REACH"),
    ],
)
def test_refuses_a_law_that_names_what_is_not_there(key: tuple[str, ...], value: Any, code: str):
    pack = copy.deepcopy(PACK)
    node = pack
    for name in key[:-1]:
        node = node[name]
    if value is None:
        del node[key[-1]]
    else:
        node[key[-1]] = value
    with pytest.raises(ContractError, match=code):
        PROGRAM.preflight(world(pack).context(s2_catchments.STATE))


@pytest.mark.slow
def test_every_value_is_used() -> None:
    """All but the days over which bills are spread, which 6B.S4 reads."""

    def run(document: Any) -> str:
        made = world(document)
        PROGRAM.preflight(made.context(s2_catchments.STATE))
        frames = made.run(PROGRAM)
        return fingerprint(frames, list(made.checks.values()))

    paths = [path for path in leaves(PACK) if path != ("recurring", "strata")]
    assert unused("clientele_law_6B", PACK, run, paths) == []
