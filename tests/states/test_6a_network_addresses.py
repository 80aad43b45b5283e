"""6A.S5 over a world in memory: homes for one household, caps, both mixes, roles, places and neighbourhoods,
recounted in plain Python.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import Any

import numpy as np
import pytest
from memory_world import MemoryWorld, vocabularies
from network_world import (
    ABROAD,
    CONFIGS,
    COUNT,
    DEVICES,
    NETWORK,
    build,
    built,
    code,
    refused_at_once,
    world,
)

from sim.ground.errors import ValidationError
from sim.recipes.horizon import life_span
from sim.segments.entities_6a.households import spread_evenly
from sim.segments.entities_6a.s5_network import state as s5_network
from sim.state.frames import Frame
from tests.totals import figures

PRIOR = CONFIGS["ip_prior_6A"]
Built = tuple[MemoryWorld, dict[str, Frame]]


@pytest.fixture(scope="module")
def entities() -> Built:
    return built()


def _column(frame: Frame, name: str) -> list[Any]:
    mask = frame.valid.get(name)
    values = frame[name].tolist()
    return (
        values
        if mask is None
        else [value if there else None for value, there in zip(values, mask.tolist(), strict=True)]
    )


def _links(rows: dict[str, Frame]) -> list[tuple[Any, ...]]:
    frame = rows["s4_ip_links_6A"]
    return list(
        zip(
            *(
                _column(frame, name)
                for name in ("ip_id", "link_role", "device_id", "party_id", "merchant_id")
            ),
            strict=True,
        )
    )


def test_ids_are_what_the_role_demands(entities: Built) -> None:
    roles, table = vocabularies()["ip_link_role"], CONFIGS["graph_linkage_6A"]["ip_roles"]
    allowed, owner = defaultdict(set), _column(entities[1]["s4_device_base_6A"], "primary_party_id")
    terminals = named = 0
    kinds = dict(
        zip(
            entities[1]["s4_ip_base_6A"].ip_id.tolist(),
            entities[1]["s4_ip_base_6A"].ip_type.tolist(),
            strict=True,
        )
    )
    for ip, role, device, party, merchant in _links(entities[1]):
        ids = {"device_id": device, "party_id": party, "merchant_id": merchant}
        wanted = set(table[roles[role]])
        if device is not None and owner[device - 1] is None:
            wanted -= {"party_id"}  # a terminal is a merchant's
            terminals += 1
        assert {name for name, value in ids.items() if value is not None} == wanted
        if device is not None and party is not None:
            assert party == owner[device - 1]
            named += 1
        allowed[roles[role]].add(vocabularies()["ip_type"][kinds[ip]])
    assert terminals > 100 and named > 10_000
    assert allowed["TYPICAL_DEVICE_IP"] == {"RESIDENTIAL", "MOBILE", "CORPORATE"}
    assert allowed["SHARED_PUBLIC_IP"] == {
        "PUBLIC_WIFI",
        "HOTEL_TRAVEL",
        "EDUCATION",
        "DATACENTRE",
        "VPN_PROXY",
    }
    assert allowed["PARTY_HOME_IP"] == {"RESIDENTIAL", "CORPORATE"}
    assert allowed["MERCHANT_IP"] == {"CORPORATE", "DATACENTRE"}


def test_every_device_has_an_address_and_none_twice(entities: Built) -> None:
    pairs = Counter((ip, device) for ip, _, device, _, _ in _links(entities[1]) if device is not None)
    assert set(pairs.values()) == {1}
    assert {device for _, device in pairs} == set(entities[1]["s4_device_base_6A"].device_id.tolist())


def test_homes_serve_one_household_and_premises_one_organisation(entities: Built) -> None:
    made, rows = entities
    parties, devices, base = (
        made.store.load("s1_party_base_6A"),
        rows["s4_device_base_6A"],
        rows["s4_ip_base_6A"],
    )
    household, country = parties.household_id.tolist(), parties.country_iso.tolist()
    retail = (parties.party_type == code("party_type", "RETAIL")).tolist()
    owner, shop = _column(devices, "primary_party_id"), _column(devices, "primary_merchant_id")
    ip_country = base.country_iso.tolist()
    homes, premises, sites = (
        _column(base, f"owner_{name}_id") for name in ("household", "party", "merchant")
    )
    at_home, seen_abroad, kind = defaultdict(set), Counter(), base.ip_type.tolist()
    members = made.store.load("s9_circle_members_6A")
    circle = dict(zip(members.party_id.tolist(), members.circle_id.tolist(), strict=True))
    visited = defaultdict(set)
    for party, id in circle.items():
        visited[household[party - 1]].add(id)
    for ip, _, device, party, merchant in _links(rows):
        who = party if party is not None else owner[device - 1] if device is not None else None
        place = ip_country[ip - 1]
        if who is not None and country[who - 1] != place:
            seen_abroad[(device, place, kind[ip - 1])] += 1
            assert homes[ip - 1] is None and premises[ip - 1] is None and sites[ip - 1] is None
        elif device is not None:
            assert devices.home_country_iso[device - 1] == place
        if homes[ip - 1] is not None:
            assert merchant is None
            if household[who - 1] == homes[ip - 1]:
                at_home[homes[ip - 1]].add(who)
            else:
                assert circle[who] in visited[homes[ip - 1]]
        elif premises[ip - 1] is not None:
            assert who == premises[ip - 1] or (device is not None and retail[who - 1])
        elif sites[ip - 1] is not None:
            assert sites[ip - 1] == (merchant if device is None else shop[device - 1])
    for id, members in at_home.items():
        assert (
            members == {party + 1 for party, home in enumerate(household) if home == id} or len(at_home) > 500
        )
    assert set(at_home) == {home for home, private in zip(household, retail, strict=True) if private}
    asked = rows["s8_links_abroad_6A"]
    keys = (asked[name].tolist() for name in ("device_id", "country_iso", "ip_type"))
    assert seen_abroad == Counter(zip(*keys, strict=True)) and len(seen_abroad) > 1000


def test_caps_are_never_exceeded(entities: Built) -> None:
    made, rows = entities
    circled = set(made.store.load("s9_circle_members_6A").party_id.tolist())
    base = rows["s4_device_base_6A"]
    owner = dict(zip(base.device_id.tolist(), _column(base, "primary_party_id"), strict=True))
    kinds = [vocabularies()["ip_type"][kind] for kind in rows["s4_ip_base_6A"].ip_type.tolist()]
    devices, parties = Counter(), Counter()
    own = Counter()
    for ip, _, device, party, _ in _links(rows):
        if device is not None:
            devices[ip] += 1
            own[(device, kinds[ip - 1])] += 1
        elif party is not None:
            parties[ip] += 1
    assert all(count <= PRIOR["devices_per_ip"][kinds[ip - 1]] for ip, count in devices.items())
    assert all(count <= PRIOR["parties_per_home"] for count in parties.values())
    at_home = {"RESIDENTIAL": 2, "CORPORATE": 1}  # a home may change its address once
    for (device, kind), count in own.items():
        most = PRIOR["ips_per_device"].get(kind, 0) + at_home.get(kind, 0)
        # Members of circles use one or two addresses of their leader as well.
        assert count <= most + 2 * (owner.get(device) in circled)
    base = rows["s4_ip_base_6A"]
    assert base.devices.tolist() == [devices[ip] for ip in base.ip_id.tolist()]
    assert max(parties.values()) > 1 and max(devices.values()) > 100
    big = [
        home
        for home, count in Counter(_column(base, "owner_household_id")).items()
        if home is not None and count > 1
    ]
    assert big, "a household of twelve needs a second address"


def test_node_and_edge_shares_meet_both_priors(entities: Built) -> None:
    """Both over parties' own addresses and links; per region, links are exact where the region has a thousand
    parties.
    """
    made, rows = entities
    base, links = rows["s4_ip_base_6A"], rows["s4_ip_links_6A"]
    kinds, regions = vocabularies()["ip_type"], vocabularies()["region"]
    mine = ~base.valid["owner_merchant_id"] & ~_second(made, rows)
    # What guests of countries without people need comes on top of the mix of addresses.
    lived_in = mine & np.isin(base.country_iso, made.store.load("s1_party_base_6A").country_iso)
    nodes = np.bincount(base.ip_type[lived_in], minlength=len(kinds)) / int(lived_in.sum())
    for kind, share in zip(kinds, nodes.tolist(), strict=True):
        assert abs(share * 1000 - PRIOR["node_permille"][kind]) <= 50
    ip = (links.ip_id - np.uint64(1)).astype(np.int64)
    counted = mine[ip] & ~links.valid["merchant_id"]
    edges = np.zeros((len(regions), len(kinds)))
    np.add.at(edges, (base.region_id[ip[counted]], base.ip_type[ip[counted]]), 1)
    people = np.bincount(
        made.store.load("s1_party_base_6A").country_iso, minlength=len(vocabularies()["country"])
    )
    for region, name in enumerate(regions):
        if edges[region].sum() < 5000:
            continue
        for kind, label in enumerate(kinds):
            share = edges[region, kind] / edges[region].sum() * 1000
            assert abs(share - PRIOR["edge_permille"][name][label]) <= 15, (name, label, share)
    assert people.sum() == sum(COUNT.values())


def _second(made: MemoryWorld, rows: dict[str, Frame]) -> np.ndarray:
    """Which addresses a home has after its first: those whose parties come within the horizon."""
    links = rows["s4_ip_links_6A"]
    party = links.link_role == code("ip_link_role", "PARTY_HOME_IP")
    first = life_span(made.configs["scenario_horizon_5A"]).first_day
    found = np.zeros(len(rows["s4_ip_base_6A"]), dtype=np.bool_)
    found[(links.ip_id[party & (links.valid_from > first)] - 1).astype(np.int64)] = True
    return found


def test_degrees_are_unequal_where_strangers_meet(entities: Built) -> None:
    base = entities[1]["s4_ip_base_6A"]
    mobile = np.sort(base.devices[base.ip_type == code("ip_type", "MOBILE")])
    assert mobile[-1] >= 4 * mobile[len(mobile) // 2] >= 4
    home = base.devices[base.ip_type == code("ip_type", "RESIDENTIAL")]
    assert 2 <= int(np.sort(home)[len(home) // 2]) <= 6


def test_neighbourhoods_are_what_the_links_say(entities: Built) -> None:
    made, rows = entities
    parties, devices, base = (
        made.store.load("s1_party_base_6A"),
        rows["s4_device_base_6A"],
        rows["s4_ip_base_6A"],
    )
    owner, homes = _column(devices, "primary_party_id"), _column(base, "owner_household_id")
    met, mates, home_of, away = defaultdict(set), Counter(), {}, Counter()
    place = base.country_iso.tolist()
    for ip, _, device, party, _ in _links(rows):
        who = party if party is not None else owner[device - 1] if device is not None else None
        if who is not None and place[ip - 1] != parties.country_iso[who - 1]:
            away[who] += 1
        elif who is not None:
            met[who].add(ip)
        if party is not None and device is None:
            mates[ip] += 1
            home_of.setdefault(party, ip)
    links = rows["s4_device_links_6A"]
    second = links.link_role == code("device_link_role", "SECONDARY_USER")
    guest = Counter(links.party_id[second].tolist())
    owned, shared = (
        Counter(owner),
        Counter(
            who for who, home in zip(owner, _column(devices, "shared_household_id"), strict=True) if home
        ),
    )
    size = Counter(parties.household_id.tolist())
    accounts = Counter(made.store.load("s2_account_base_6A").owner_party_id.tolist())
    instruments = Counter(made.store.load("s3_instrument_base_6A").owner_party_id.tolist())
    names = (
        "household_members",
        "accounts",
        "instruments",
        "devices_owned",
        "devices_used",
        "devices_shared",
        "ips",
        "links_abroad",
        "home_parties",
    )
    near = rows["s4_entity_neighbourhoods_6A"]
    for party, household, found in zip(
        parties.party_id.tolist(),
        parties.household_id.tolist(),
        zip(*(near[name].tolist() for name in names), strict=True),
        strict=True,
    ):
        expected = (
            size[household],
            accounts[party],
            instruments[party],
            owned[party],
            owned[party] + guest[party],
            shared[party] + guest[party],
            len(met[party]),
            away[party],
            mates[home_of[party]] - 1,
        )
        assert found == expected, party
    assert len(homes) == len(base)


def test_another_kind_s_prior_leaves_homes_alone(entities: Built) -> None:
    _, rows = entities
    other = world(COUNT, {"ip_prior_6A.degree_sigma.MOBILE": 0.4})
    other.run(DEVICES)
    other.run(ABROAD)
    again = other.run(NETWORK)
    for kind in ("RESIDENTIAL", "PUBLIC_WIFI", "VPN_PROXY"):
        one, two = (
            frame["s4_ip_base_6A"].devices[frame["s4_ip_base_6A"].ip_type == code("ip_type", kind)]
            for frame in (rows, again)
        )
        assert (one == two).all()
    one, two = (
        np.sort(frame["s4_ip_base_6A"].devices[frame["s4_ip_base_6A"].ip_type == code("ip_type", "MOBILE")])
        for frame in (rows, again)
    )
    assert one.sum() == two.sum() and one[-1] > two[-1], (
        "a smaller spread has a smaller largest address and the same links"
    )


@pytest.mark.parametrize(
    "count", [{"LI": 1}, {"LI": 3, "AU": 2}, {"DE": 40, "NG": 25, "JP": 7}], ids=["one", "five", "seventy"]
)
def test_tiny_worlds_stand(count: dict[str, int]) -> None:
    """No gate of a mix or mean is so tight that a handful of parties breaks it;
    exact laws hold all the same.
    """
    made = world(count, files=1, shops=8)
    for program in (DEVICES, ABROAD, NETWORK):
        made.run(program)
        broken = [
            check.name for check in made.failed() if check.name not in ("addresses by kind", "links by kind")
        ]
        assert broken == []


def test_households_spread_over_their_addresses_evenly() -> None:
    household = np.array([2, 0, 2, 1, 2, 0, 2, 2, 1], dtype=np.int64)
    part = spread_evenly(household, np.array([1, 2, 3], dtype=np.int64))
    assert part[household == 0].tolist() == [0, 0]
    assert part[household == 1].tolist() == [0, 1]
    assert np.bincount(part[household == 2], minlength=3).tolist() == [2, 2, 1]


REFUSED = [
    (
        {"graph_linkage_6A.ip_roles.MERCHANT_IP": ["merchant_id", "account_id"]},
        "6A.S5.ROLE_CONTRADICTORY",
        "no column",
    ),
    (
        {"graph_linkage_6A.ip_roles.PARTY_HOME_IP": ["party_id", "device_id"]},
        "6A.S5.ROLE_CONTRADICTORY",
        "does not know",
    ),
    ({"graph_linkage_6A.ip_roles.TYPICAL_DEVICE_IP": ["party_id"]}, "6A.S5.ROLE_CONTRADICTORY", "device_id"),
    ({"ip_taxonomy_6A.types": {}}, "6A.S5.TAXONOMY_EMPTY", "RESIDENTIAL"),
    ({"ip_taxonomy_6A.types.MOBILE.place": "home"}, "6A.S5.TAXONOMY_EMPTY", "pool"),
    (
        {"ip_taxonomy_6A.types.VPN_PROXY.device_role": "MERCHANT_IP"},
        "6A.S5.TAXONOMY_EMPTY",
        "no role of a device",
    ),
    ({"ip_taxonomy_6A.types.CORPORATE.asn_permille": {"ENTERPRISE": 900}}, "6A.S5.POLICY_IMPOSSIBLE", "900"),
    ({"ip_prior_6A.node_permille.MOBILE": 55}, "6A.S5.POLICY_IMPOSSIBLE", "1001"),
    ({"ip_prior_6A.ips_per_device.MOBILE": 16}, "6A.S5.POLICY_IMPOSSIBLE", "above 15"),
    (
        {"ip_prior_6A.node_permille.MOBILE": 0, "ip_prior_6A.node_permille.CORPORATE": 124},
        "6A.S5.POLICY_IMPOSSIBLE",
        "but not of both",
    ),
    (
        {f"ip_prior_6A.affinity.{kind}.VPN_PROXY": 0.0 for kind in PRIOR["affinity"]},
        "6A.S5.ZERO_WEIGHTS",
        "VPN_PROXY",
    ),
    ({"ip_prior_6A.ips_per_device.EDUCATION": 0}, "6A.S5.CAPS_INFEASIBLE", "EDUCATION"),
    ({"ip_prior_6A.devices_per_ip.MOBILE": 10}, "6A.S5.CAPS_INFEASIBLE", "below the mean"),
]


@pytest.mark.parametrize(
    ("overrides", "refusal", "names"), REFUSED, ids=[f"{number}" for number in range(len(REFUSED))]
)
def test_contradictions_are_refused_before_anything_runs(
    overrides: dict[str, Any], refusal: str, names: str
) -> None:
    refused_at_once(NETWORK, overrides, refusal, names)


@pytest.mark.parametrize(
    ("overrides", "names"),
    [
        ({"ip_prior_6A.devices_per_ip.MOBILE": 30}, "MOBILE"),
        ({"ip_prior_6A.ips_per_device.MOBILE": 1}, "room for"),
    ],
    ids=["addresses", "devices"],
)
def test_caps_that_cannot_hold_the_links_are_refused(overrides: dict[str, Any], names: str) -> None:
    made = world({"FR": 3000}, overrides, shops=3, files=1)
    assert NETWORK.preflight is not None
    NETWORK.preflight(made.context(NETWORK.state))
    made.run(DEVICES)
    with pytest.raises(ValidationError) as refused:
        made.run(ABROAD)
    assert refused.value.code == "6A.S8.CAPS_INFEASIBLE" and names in refused.value.render()


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("devices on an address", {"above_device_cap": 1}),
        ("parties on a home", {"above_party_cap": 1}),
        ("one link a device and address", {"twins": 1}),
        ("ids as the role demands", {"wrong_ids": 1}),
        ("links of devices name their owners", {"wrong_owners": 1}),
        ("homes serve one household", {"strangers": 1}),
        ("who is abroad was sent there", {"unknown": 1}),
        ("links abroad are those asked for", {"guests": -1}),
        ("homes with a second address", {"renewed": 1}),
        ("days of links", {"outside_horizon": 1}),
        ("prefixes of countries", {"above_room": 1}),
        ("links of devices abroad", {"guests": 20_000}),
        ("devices with an address", {"covered": -15_000}),
        ("ledger 6A.ip_link", {"rng.6A.ip_link.entities": 1}),
    ],
)
def test_checks_turn_red(name: str, change: dict[str, int]) -> None:
    assert not built()[0].check_with(s5_network, name, change).passed


def test_mixes_and_degrees_turn_red() -> None:
    made = built()[0]
    shape = figures(made.totals["6A.S5"])["tables.party_links"] * 0
    mobile = code("ip_type", "MOBILE")
    shape[:, mobile] = 6000
    assert not made.check_with(s5_network, "links by kind", {"tables.party_links": shape}).passed
    assert not made.check_with(s5_network, "addresses by kind", {"tables.ips": shape}).passed
    most = figures(made.totals["6A.S5"])["most"] * 0
    most[mobile] = 7000
    assert not made.check_with(s5_network, "degrees of MOBILE", {"most": most}).passed
    classes = figures(made.totals["6A.S5"])["classes"] * 0
    classes[mobile, 0] = 100
    assert not made.check_with(s5_network, "networks of MOBILE", {"classes": classes}).passed


def test_another_seed_is_another_world_under_the_same_laws() -> None:
    one, two = (build(world({"FR": 900, "NG": 500}, seed=seed)) for seed in (1, 2))
    assert (one["s4_device_base_6A"].os_family[:200] != two["s4_device_base_6A"].os_family[:200]).any()
