"""3B over a world in memory: modes by their odds, customers where the law says, exact weights,
nothing shared between merchants.
"""

from __future__ import annotations

import math
from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
from memory_world import MemoryWorld, merchants, vocabularies
from virtual_world import CONFIGS, POLICY, build, built, code

from sim.ground.errors import ContractError
from sim.recipes.groups import run_offsets
from sim.recipes.supplied import nothing_supplied
from sim.recipes.weights import WEIGHT_TOTAL
from sim.segments.virtual_3b import SEGMENT, s3_edges
from sim.segments.virtual_3b.countries import country_law, country_relations
from sim.state.frames import Frame


@pytest.fixture(scope="module")
def virtual() -> tuple[MemoryWorld, dict[str, Frame]]:
    return built()


def test_modes_follow_channel_and_policy(virtual: tuple[MemoryWorld, dict[str, Frame]]) -> None:
    of, rows = virtual[0].store.load("merchant_catalogue_1A"), virtual[1]["virtual_classification_3B"]
    assert (rows.merchant_id == of.merchant_id).all()
    law = {entry["mcc"]: entry["virtual"] for entry in CONFIGS["mcc_taxonomy_1A"]["mccs"]}
    channels, modes = vocabularies()["channel"], vocabularies()["virtual_mode"]
    bounds = CONFIGS["virtual_policy_3B"]["hybrid_share"]
    for mcc, channel, mode, share, permille in zip(
        of.mcc.tolist(),
        of.channel.tolist(),
        rows.virtual_mode.tolist(),
        rows.virtual_share.tolist(),
        rows.decision_permille.tolist(),
        strict=True,
    ):
        odds = law[mcc].get(channels[channel], {"hybrid": 0, "virtual_only": 0})
        assert permille == odds["hybrid"] + odds["virtual_only"]
        if modes[mode] == "NON_VIRTUAL":
            assert share == 0.0 and permille < 1000
        elif modes[mode] == "VIRTUAL_ONLY":
            assert share == 1.0 and odds["virtual_only"] > 0
        else:
            assert odds["hybrid"] > 0
            assert bounds[channels[channel]]["low"] < share < bounds[channels[channel]]["high"]


def test_unknown_mcc_is_refused() -> None:
    of = merchants(50)
    made = MemoryWorld(CONFIGS)
    made.store.parts |= {
        "merchant_catalogue_1A": [of.with_columns(mcc=np.full(50, 9999, dtype=np.uint16))],
        "merchant_supplied_1A": [nothing_supplied()],
    }
    with pytest.raises(ContractError) as refused:
        made.run(SEGMENT.programs[0])
    assert refused.value.code == "3B.S1.MCC_UNKNOWN" and "MCC 9999" in refused.value.render()


def test_settlement_is_at_home(virtual: tuple[MemoryWorld, dict[str, Frame]]) -> None:
    made, rows = virtual
    of, settled = made.store.load("merchant_catalogue_1A"), rows["virtual_settlement_3B"]
    online = rows["virtual_classification_3B"].virtual_mode != code("virtual_mode", "NON_VIRTUAL")
    assert (settled.merchant_id == of.merchant_id[online]).all()
    assert (settled.settlement_country_iso == of.home_country_iso[online]).all()
    cities = made.store.reference.frame("cities", vocabularies())
    place = {city: (country, zone, lat, lon) for city, country, zone, lat, lon in _city_rows(cities)}
    names = ("city_id", "settlement_country_iso", "tzid_settlement", "lat_deg", "lon_deg")
    for city, country, zone, lat, lon in zip(*(settled[name].tolist() for name in names), strict=True):
        assert place[city] == (country, zone, round(lat * 1e6), round(lon * 1e6))
        assert place[city][2] / 1e6 == lat


def _city_rows(cities: Frame) -> zip[tuple[int, ...]]:
    return zip(
        *(cities[name].tolist() for name in ("city_id", "country_iso", "tzid", "lat_udeg", "lon_udeg")),
        strict=True,
    )


def test_country_law_against_plain_floats(virtual: tuple[MemoryWorld, dict[str, Frame]]) -> None:
    """Some cells recomputed from the formula with libm; equal to 1e-9 of all demand."""
    ctx = virtual[0].context(s3_edges.STATE)
    law, relations = country_law(ctx), country_relations(ctx)
    countries = virtual[0].store.reference.frame("countries", vocabularies())
    markets = virtual[0].store.load("world_markets_1A")
    for reach, rules in POLICY["reach"].items():
        for home_name in ("US", "DE", "SG", "MT", "PN", "TF"):
            home = code("country", home_name)
            weights = []
            for other in range(law.countries):
                affinity = math.prod(
                    factor for name, factor in POLICY["affinity"].items() if relations[name][home, other]
                )
                size = int(markets.market_size[other]) * float(countries.online_share_permille[other]) / 1000
                inside = other == home or any(relations[name][home, other] for name in rules["scope"])
                weights.append(size * affinity ** rules["affinity_exponent"] if inside else 0.0)
            found = law.share_q[code("virtual_reach", reach) * law.countries + home]
            for other, weight in enumerate(weights):
                share = (1 - rules["home_floor"]) * weight / math.fsum(weights) + (
                    rules["home_floor"] if other == home else 0.0
                )
                assert abs(int(found[other]) / WEIGHT_TOTAL - share) < 1e-9
            assert abs(int(found.sum()) - WEIGHT_TOTAL) <= law.countries


def test_relations_are_symmetric_and_hold_what_one_knows(
    virtual: tuple[MemoryWorld, dict[str, Frame]],
) -> None:
    relations = country_relations(virtual[0].context(s3_edges.STATE))
    assert all((matrix == matrix.T).all() for matrix in relations.values())
    de, at, fr, us, jp = (code("country", name) for name in ("DE", "AT", "FR", "US", "JP"))
    assert (
        relations["neighbour"][de, at]
        and relations["same_currency"][de, fr]
        and relations["same_language"][de, at]
    )
    assert (
        not relations["neighbour"][us, jp]
        and not relations["same_region"][us, jp]
        and not relations["home"][us, jp]
    )


def test_edges_are_in_their_cities(virtual: tuple[MemoryWorld, dict[str, Frame]]) -> None:
    made, rows = virtual
    edges, settled = rows["edge_catalogue_3B"], rows["virtual_settlement_3B"]
    cities = made.store.reference.frame("cities", vocabularies())
    row_of = dict(zip(cities.city_id.tolist(), range(len(cities)), strict=True))
    city = cities.take(np.array([row_of[value] for value in edges.city_id.tolist()]))
    assert (city.country_iso == edges.country_iso).all() and (city.tzid == edges.tzid).all()
    north = np.round(edges.lat_deg * 1e6) - city.lat_udeg
    east = (np.round(edges.lon_deg * 1e6) - city.lon_udeg + 540_000_000) % 360_000_000 - 180_000_000
    assert (
        np.hypot(north, east / city.lon_scale) <= city.jitter_radius_udeg * POLICY["jitter_reach"] + 2
    ).all()
    counts = Counter(edges.merchant_id.tolist())
    assert set(counts) == set(settled.merchant_id.tolist())
    assert min(counts.values()) >= POLICY["edges_min"] and max(counts.values()) <= POLICY["edges_max"]
    assert len(set(edges.edge_id.tolist())) == len(edges)
    offsets = run_offsets(edges.merchant_id)
    assert (np.add.reduceat(edges.weight_q, offsets[:-1].astype(np.int64)) == WEIGHT_TOTAL).all()
    assert (edges.p_weight == edges.weight_q / 2.0**40).all()


def test_reach_and_weights_vary(virtual: tuple[MemoryWorld, dict[str, Frame]]) -> None:
    """Some merchants sell in one country, some in many; weights within a merchant are far from equal."""
    edges = virtual[1]["edge_catalogue_3B"]
    first = run_offsets(edges.merchant_id)[:-1].astype(np.int64)
    served = [len(set(part.tolist())) for part in np.split(edges.country_iso, first[1:])]
    assert sum(count == 1 for count in served) > len(served) / 10
    assert sum(count >= 8 for count in served) > len(served) / 20
    tops = [float(part.max() / part.mean()) for part in np.split(edges.weight_q, first[1:])]
    assert sum(top > 2 for top in tops) > len(tops) / 2


def test_edge_tables(virtual: tuple[MemoryWorld, dict[str, Frame]]) -> None:
    rows = virtual[1]
    edges, slots, groups = rows["edge_catalogue_3B"], rows["edge_alias_3B"], rows["edge_group_weights_3B"]
    assert all(
        (edges[name] == slots[name]).all() for name in ("merchant_id", "country_iso", "tzid", "edge_id")
    )
    offsets = run_offsets(slots.merchant_id, slots.country_iso, slots.tzid).astype(int).tolist()
    threshold, alias, weights = slots.threshold.tolist(), slots.alias_slot.tolist(), edges.weight_q.tolist()
    for group, (first, stop) in enumerate(pairwise(offsets)):
        size, total = stop - first, sum(weights[first:stop])
        assert (int(groups.edges[group]), int(groups.weight_q[group])) == (size, total)
        got = [0] * size
        for slot in range(size):
            kept = threshold[first + slot] if threshold[first + slot] < 2**64 - 1 else 2**64
            got[slot] += kept
            got[alias[first + slot]] += 2**64 - kept
        for slot in range(size):
            assert abs((weights[first + slot] * size << 64) - got[slot] * total) <= (size + 1) * total


def test_partitions_and_other_merchants_change_nothing(virtual: tuple[MemoryWorld, dict[str, Frame]]) -> None:
    of, rows = virtual[0].store.load("merchant_catalogue_1A"), virtual[1]
    _, pieces = build(of, target=97)
    assert all((rows[data][name] == pieces[data][name]).all() for data in rows for name in rows[data].names)
    _, half = build(of.take(np.arange(len(of)) % 2 == 0))
    kept = rows["edge_catalogue_3B"].take(np.isin(rows["edge_catalogue_3B"].merchant_id, of.merchant_id[::2]))
    assert len(kept) > 1000
    assert all((kept[name] == half["edge_catalogue_3B"][name]).all() for name in kept.names)


def test_world_without_online_merchants() -> None:
    of = merchants(20)
    _, rows = build(of.with_columns(channel=np.zeros(20, dtype=np.int16)))
    assert (
        len(rows["edge_catalogue_3B"]) == 0
        and len(rows["edge_alias_3B"]) == 0
        and len(rows["virtual_settlement_3B"]) == 0
    )
    assert rows["edge_universe_hash_3B"].rows.tolist() == [0]
