"""Places, names and days of addresses and links, and who is abroad, over a world in memory."""

from __future__ import annotations

import ipaddress
from collections import Counter, defaultdict
from typing import Any

import numpy as np
import pytest
from memory_world import MemoryWorld, vocabularies
from network_world import ABROAD, CONFIGS, NETWORK, built, cities, code, world

from sim.ground.errors import ContractError, ValidationError
from sim.recipes.horizon import life_span
from sim.segments.entities_6a.s8_abroad import state as s8_abroad
from sim.state.frames import Frame

Built = tuple[MemoryWorld, dict[str, Frame]]
NOBODY = [ipaddress.ip_network(text) for text in ("198.18.0.0/15", "240.0.0.0/4", "100.64.0.0/10")]
NOBODY_V6 = [ipaddress.ip_network(text) for text in ("3fff::/20", "2001:db8::/32")]


@pytest.fixture(scope="module")
def entities() -> Built:
    return built()


def test_addresses_are_texts_of_ranges_that_are_nobody_s(entities: Built) -> None:
    base = entities[1]["s4_ip_base_6A"]
    texts = base.ip_address.tolist()
    assert len(set(texts)) == len(texts)
    for text, prefix, version in zip(texts, base.ip_prefix.tolist(), base.ip_version.tolist(), strict=True):
        address, network = ipaddress.ip_address(text), ipaddress.ip_network(prefix)
        assert str(address) == text and str(network) == prefix  # RFC 5952 is what Python writes
        assert address in network and network.prefixlen == (24 if version == 4 else 48)
        assert address.version == version
        assert any(address in range_ for range_ in (NOBODY if version == 4 else NOBODY_V6))
    carriers = base.ip_type == code("ip_type", "MOBILE")
    shared = ipaddress.ip_network("100.64.0.0/10")
    inside = [
        version == 4 and ipaddress.ip_address(text) in shared
        for text, version in zip(texts, base.ip_version.tolist(), strict=True)
    ]
    assert (np.array(inside) == (carriers & (base.ip_version == 4))).all()
    sixth = int((base.ip_version == 6).sum())
    assert abs(sixth - 0.4 * len(texts)) < 5 * np.sqrt(0.24 * len(texts))


def test_a_prefix_is_one_network_and_place(entities: Built) -> None:
    base = entities[1]["s4_ip_base_6A"]
    of = defaultdict(set)
    columns = (base[name].tolist() for name in ("ip_prefix", "asn", "metro_id", "country_iso", "ip_type"))
    for prefix, *rest in zip(*columns, strict=True):
        of[prefix].add(tuple(rest))
    assert {len(found) for found in of.values()} == {1}
    table = cities()
    metro = dict(zip(table.city_id.tolist(), table.metro_id.tolist(), strict=True))
    assert [metro[city] for city in base.city_id.tolist()] == base.metro_id.tolist()


def test_operators_are_those_of_the_addresses(entities: Built) -> None:
    base, operators = entities[1]["s4_ip_base_6A"], entities[1]["s5_operators_6A"]
    assert Counter(base.asn.tolist()) == dict(
        zip(operators.asn.tolist(), operators.ips.tolist(), strict=True)
    )
    by_asn = dict(zip(operators.asn.tolist(), operators.country_iso.tolist(), strict=True))
    assert [by_asn[asn] for asn in base.asn.tolist()] == base.country_iso.tolist()
    names = Counter(zip(operators.country_iso.tolist(), operators.asn_name.tolist(), strict=True))
    assert set(names.values()) == {1}


def test_a_party_makes_one_journey(entities: Built) -> None:
    made, rows = entities
    away, kinds = rows["s8_links_abroad_6A"], vocabularies()["ip_type"]
    travel = CONFIGS["ip_abroad_prior_6A"]["travel_kinds"]
    journeys = defaultdict(set)
    names = ("party_id", "ip_type", "country_iso", "metro_id", "valid_from", "home_country_iso")
    for party, kind, country, metro, first, home in zip(
        *(away[name].tolist() for name in names), strict=True
    ):
        assert country != home
        if kinds[kind] in travel:
            journeys[party].add((country, metro, first))
    assert len(journeys) > 300 and {len(found) for found in journeys.values()} == {1}
    exits = Counter(
        vocabularies()["country"][country]
        for kind, country in zip(away.ip_type.tolist(), away.country_iso.tolist(), strict=True)
        if kinds[kind] == "VPN_PROXY"
    )
    assert {name for name, _ in exits.most_common(4)} <= {"US", "NL", "DE", "GB", "SG", "FR"}
    # Some destinations are no countries of the world, and have addresses of their own.
    people = set(made.store.load("s1_party_base_6A").country_iso.tolist())
    outside = {country for country in away.country_iso.tolist() if country not in people}
    base = rows["s4_ip_base_6A"]
    assert outside and outside <= set(base.country_iso.tolist())


def test_links_meet_the_horizon_and_homes_change_once(entities: Built) -> None:
    made, rows = entities
    horizon, links = life_span(made.configs["scenario_horizon_5A"]), rows["s4_ip_links_6A"]
    last = np.where(links.valid["valid_to"], links.valid_to, horizon.first_day + horizon.days)
    assert (links.valid_from < horizon.first_day + horizon.days).all()
    assert (last >= np.maximum(links.valid_from, horizon.first_day)).all()
    base = rows["s4_ip_base_6A"]
    home = np.flatnonzero(links.link_role == code("ip_link_role", "PARTY_HOME_IP"))
    private = base.valid["owner_household_id"][(links.ip_id[home] - 1).astype(np.int64)]
    spans = defaultdict(list)
    for row in home[private].tolist():
        spans[int(links.party_id[row])].append((int(links.valid_from[row]), int(last[row])))
    moved = [sorted(found) for found in spans.values() if len(found) > 1]
    assert all(len(found) == 2 and found[0][1] + 1 == found[1][0] for found in moved)
    # A lease of L days ends within a horizon of H with probability min(1, H / L); a third of lines rotate.
    leases = [min(1.0, horizon.days / length) for length in range(30, 301)]
    expected = 0.35 * sum(leases) / len(leases)
    assert abs(len(moved) / len(spans) - expected) < 5 * np.sqrt(expected / len(spans)) + 0.005


REFUSED: list[tuple[Any, dict[str, Any], str, str]] = [
    (ABROAD, {"ip_abroad_prior_6A.exits_permille.US": 301}, "6A.S8.POLICY_IMPOSSIBLE", "1001"),
    (ABROAD, {"ip_abroad_prior_6A.abroad_permille.CORPORATE": 10}, "6A.S8.POLICY_IMPOSSIBLE", "CORPORATE"),
    (ABROAD, {"ip_abroad_prior_6A.travel_kinds": ["SHIP"]}, "6A.S8.POLICY_IMPOSSIBLE", "SHIP"),
    (NETWORK, {"ip_place_prior_6A.lease.shortest": 400}, "6A.S5.POLICY_IMPOSSIBLE", "lease"),
    (NETWORK, {"ip_place_prior_6A.holds.MOBILE.days": [9, 1]}, "6A.S5.POLICY_IMPOSSIBLE", "MOBILE"),
    (NETWORK, {"ip_place_prior_6A.commute_km.VPN_PROXY": 9}, "6A.S5.POLICY_IMPOSSIBLE", "VPN_PROXY"),
]


@pytest.mark.parametrize(
    ("program", "overrides", "refusal", "names"), REFUSED, ids=[row[3] for row in REFUSED]
)
def test_contradictions_are_refused(
    program: Any, overrides: dict[str, Any], refusal: str, names: str
) -> None:
    made = world({"LI": 5}, overrides, shops=3)
    with pytest.raises((ContractError, ValidationError)) as refused:
        program.preflight(made.context(program.state))
    assert refused.value.code == refusal and names in refused.value.render()


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("nobody is abroad at home", {"at_home": 1}),
        ("one journey a party", {"two_journeys": 1}),
        ("days of links abroad", {"outside_horizon": 1}),
        ("links abroad of a device", {"above_cap": 1}),
        ("ledger 6A.exit", {"exits": 1}),
        ("ledger 6A.journey", {"parties": 1}),
    ],
)
def test_checks_turn_red(name: str, change: dict[str, int]) -> None:
    assert not built()[0].check_with(s8_abroad, name, change).passed
