"""Places, weeks and cells of four metros, and 6B.S2 run over them in memory."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from functools import cache
from typing import Any

import numpy as np
from memory_world import MemoryWorld, config, vocabularies

from sim.recipes.supplied import SUPPLIED_DTYPES, nothing_supplied
from sim.segments.flows_6b.s2_catchments import state as s2_catchments
from sim.state.frames import Array, Frame
from sim.state.program import Program

PROGRAM = Program.of(s2_catchments)
PACK = config("layer3/6B/clientele.yaml")
TAXONOMY = config("layer1/1A/mcc_taxonomy.yaml")
BERLIN, NEW_YORK, LOS_ANGELES, SAN_DIEGO = 2950159, 5128581, 5368361, 5391811
METROS = (BERLIN, NEW_YORK, LOS_ANGELES, SAN_DIEGO)
"""In the order of countries and ids. Nobody lives in the last."""
CELLS_IN = (7, 12, 6, 0)
DAYS = 90
FIRST_DAY = 20_458
"""2026-01-05."""
MCCS = sorted(entry["mcc"] for entry in TAXONOMY["mccs"])
UNKNOWN = 9998
"""A trade that the taxonomy does not have: a user's own."""
MERCHANTS, HOURS = len(MCCS) + 4, 168


def place(metro: Array) -> tuple[Array, Array]:
    """Country and time zone of metros."""
    country = np.array([vocabularies()["country"].index(name) for name in ("DE", "US", "US", "US")])
    zones = ("Europe/Berlin", "America/New_York", "America/Los_Angeles", "America/Los_Angeles")
    zone = np.array([vocabularies()["tzid"].index(name) for name in zones])
    return country[metro].astype(np.int16), zone[metro].astype(np.int16)


@cache
def upstream() -> Mapping[str, Frame]:
    """Rows that 6B.S2 reads: the first merchant has sites in all metros of the USA, and edges in all."""
    rng = np.random.default_rng(11)
    reference = MemoryWorld({}).store.reference
    cities = reference.frame("cities", vocabularies())
    at = np.array([int(np.flatnonzero(cities.city_id == city)[0]) for city in METROS])
    lat, lon = cities.lat_udeg[at] / 1e6, cities.lon_udeg[at] / 1e6
    country, _ = place(np.arange(4))
    made = {
        "world_footprint_1A": Frame(
            {
                "country_iso": country,
                "city_id": np.array(METROS, dtype=np.uint32),
                "metro_id": np.array(METROS, dtype=np.uint32),
            }
        )
    }
    home = np.repeat(np.arange(4), CELLS_IN)
    cells = len(home)
    made["cells_6B"] = Frame(
        {
            "cell_id": np.arange(cells, dtype=np.uint32),
            "country_iso": country[home],
            "metro_id": np.array(METROS, dtype=np.uint32)[home],
            "lat_deg": lat[home] + rng.normal(0, 0.08, cells),
            "lon_deg": lon[home] + rng.normal(0, 0.08, cells),
            "parties": np.where(home == 1, 4000, 1000).astype(np.uint32),
            "activity_q": rng.integers(20_000_000, 90_000_000, cells, dtype=np.uint64),
            "online_q": rng.integers(20_000_000, 90_000_000, cells, dtype=np.uint64),
        }
    )
    merchant = np.sort(rng.choice(2**62, MERCHANTS, replace=False).astype(np.uint64))
    mcc = np.array([5411, 5815, UNKNOWN, UNKNOWN, *MCCS], dtype=np.uint16)
    made["merchant_catalogue_1A"] = Frame({"merchant_id": merchant, "mcc": mcc})
    made["merchant_supplied_1A"] = nothing_supplied()
    opened = np.full(MERCHANTS, FIRST_DAY - 400, dtype=np.int32)
    closed = np.zeros(MERCHANTS, dtype=np.int32)
    opened[5], closed[6], opened[7], closed[7] = (
        FIRST_DAY + 76,
        FIRST_DAY + 30,
        FIRST_DAY + 20,
        FIRST_DAY + 41,
    )
    made["s7_merchant_life_5A"] = Frame(
        {"merchant_id": merchant, "opened_date": opened, "closed_date": closed},
        {"opened_date": np.arange(MERCHANTS) != 3, "closed_date": closed > 0},
    )
    # All but the second merchant have sites, and each third has edges: of every sector some.
    more = np.concatenate((np.arange(2, MERCHANTS), rng.integers(2, MERCHANTS, 80)))
    more = np.concatenate((more, np.repeat(np.flatnonzero(np.isin(mcc, [5541, 5814])), 8)))
    site_of = np.concatenate((np.zeros(9, dtype=int), more))
    site_in = np.concatenate((np.repeat([1, 2, 3], 3), rng.integers(0, 4, len(more))))
    more = np.concatenate((np.arange(2, MERCHANTS, 3), rng.integers(2, 12, 30)))
    edge_of = np.concatenate((np.zeros(6, dtype=int), np.ones(9, dtype=int), more))
    edge_in = np.concatenate((np.arange(6) % 4, np.arange(9) % 4, rng.integers(0, 4, len(more))))
    for of, where, name in ((site_of, site_in, "site"), (edge_of, edge_in, "edge")):
        order = np.lexsort((where, of))
        of, where = of[order], where[order]
        country_of, zone_of = place(where)
        weight = rng.integers(1, 2**30, len(of)).astype(np.float64)
        whole = np.bincount(of, weights=weight, minlength=MERCHANTS)[of]
        rows = {
            "merchant_id": merchant[of],
            "legal_country_iso" if name == "site" else "country_iso": country_of,
            f"{name}_id": rng.choice(2**62, len(of), replace=False).astype(np.uint64),
            "tzid": zone_of,
            "weight_q": np.floor(weight / whole * 2**40).astype(np.uint64) + np.uint64(1),
        }
        located = {
            "city_id": np.array(METROS, dtype=np.uint32)[where],
            "lat_deg": lat[where] + rng.normal(0, 0.08, len(of)),
            "lon_deg": lon[where] + rng.normal(0, 0.08, len(of)),
        }
        if name == "site":
            made["s1_site_weights_2B"] = Frame(rows)
            made["site_locations"] = Frame({"site_id": rows["site_id"], **located})
        else:
            made["edge_catalogue_3B"] = Frame({**rows, **located})
    return made | _demand(made, rng)


def _demand(made: Mapping[str, Frame], rng: np.random.Generator) -> dict[str, Frame]:
    """Keys of 5A and their weeks: online hours only where there are edges, at sites where there are sites."""
    sites, edges = made["s1_site_weights_2B"], made["edge_catalogue_3B"]
    at_sites = set(
        zip(*(sites[name].tolist() for name in ("merchant_id", "legal_country_iso", "tzid")), strict=True)
    )
    at_edges = set(
        zip(*(edges[name].tolist() for name in ("merchant_id", "country_iso", "tzid")), strict=True)
    )
    keys = sorted(at_sites | at_edges)
    rate = rng.lognormal(0.0, 1.5, len(keys))[:, None] * rng.lognormal(0.0, 1.0, (len(keys), HOURS))
    rate[-1] = 0.0
    virtual = rng.uniform(0.2, 0.9, rate.shape)
    virtual[[key not in at_edges for key in keys]] = 0.0
    virtual[[key not in at_sites for key in keys]] = 1.0
    recurring = virtual * np.where(np.arange(HOURS) % 24 < 6, rng.uniform(0.0, 1.0, rate.shape), 0.0)
    merchant, country, zone = zip(*keys, strict=True)
    return {
        "merchant_zone_profile_5A": Frame(
            {
                "merchant_id": np.array(merchant, dtype=np.uint64),
                "legal_country_iso": np.array(country, dtype=np.int16),
                "tzid": np.array(zone, dtype=np.int16),
            }
        ),
        "merchant_zone_baseline_local_5A": Frame(
            {
                "lambda_local_base": rate.ravel(),
                "virtual_share": virtual.ravel(),
                "recurring_share": recurring.ravel(),
            }
        ),
    }


def with_supplied(mcc: int) -> dict[str, Frame]:
    """The merchants' rows with trade `mcc`, which the taxonomy does not have, and the trade it counts as."""
    made = dict(upstream())
    own = made["merchant_catalogue_1A"]
    trade = own.mcc.copy()
    trade[8:10] = mcc
    made["merchant_catalogue_1A"] = Frame({"merchant_id": own.merchant_id, "mcc": trade})
    rows = {name: np.zeros(1, dtype=dtype) for name, dtype in SUPPLIED_DTYPES.items()}
    rows["merchant_id"] = own.merchant_id[8:9]
    rows["law_mcc"] = np.array([5814], dtype=rows["law_mcc"].dtype)
    made["merchant_supplied_1A"] = Frame(rows)
    return made


def world(pack: Mapping[str, Any] | None = None, made: Mapping[str, Frame] | None = None) -> MemoryWorld:
    """A world that 6B.S2 can run over; its pack and its rows may differ from the shipped and usual ones."""
    horizon = config("layer2/5A/scenario_horizon.yaml") | {"start": "2026-01-05", "end": "2026-04-05"}
    found = MemoryWorld(
        {
            "clientele_law_6B": copy.deepcopy(dict(pack or PACK)),
            "mcc_taxonomy_1A": TAXONOMY,
            "scenario_horizon_5A": horizon,
        }
    )
    found.store.parts |= {name: [frame] for name, frame in (made or upstream()).items()}
    whole = found.store.parts["merchant_zone_baseline_local_5A"][0]
    half = len(whole) // HOURS // 2 * HOURS
    found.store.parts["merchant_zone_baseline_local_5A"] = [
        whole.slice(0, half),
        whole.slice(half, len(whole)),
    ]
    return found


@cache
def built() -> tuple[MemoryWorld, dict[str, Frame]]:
    """The world of the shipped pack and what 6B.S2 makes of it."""
    found = world()
    return found, found.run(PROGRAM)
