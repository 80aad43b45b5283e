"""Caps of addresses hold for every world: the arithmetic against plain Python, spots of any shape, and worlds
of a few people to a few thousand, in one place or many.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from memory_world import MemoryWorld
from network_world import CONFIGS, NETWORK, build, code, world

from sim.segments.entities_6a.s5_network.inward import network_targets
from sim.segments.entities_6a.s5_network.room import least_free, least_room
from sim.segments.entities_6a.s5_network.spots import Metros, Supply, spots_of

EXAMPLES = settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
WORLDS = settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def _turns(things: int, pools: int) -> list[int]:
    """Things of each pool, dealt in turn."""
    return [len(range(pool, things, pools)) for pool in range(pools)]


@EXAMPLES
@given(st.integers(0, 400), st.integers(1, 15), st.integers(1, 60))
def test_least_free_is_what_every_pool_needs(links: int, pools: int, cap: int) -> None:
    need = int(least_free(np.array([links]), np.array([pools]), cap)[0])
    asked = [-(-load // cap) for load in _turns(links, pools)]
    assert need == sum(asked) <= links
    # Dealt in turn they reach the pools that need them, and so do more of them; none is without a link.
    for free in range(need, links + 1):
        dealt = _turns(free, pools)
        assert all(have >= want for have, want in zip(dealt, asked, strict=True))
        assert all(have <= load for have, load in zip(dealt, _turns(links, pools), strict=True))


@EXAMPLES
@given(
    st.lists(st.tuples(st.integers(0, 4), st.integers(0, 9)), max_size=40),
    st.lists(st.integers(1, 4), min_size=5, max_size=5),
)
def test_least_room_of_owned_addresses(owned: list[tuple[int, int]], pools: list[int]) -> None:
    owned = sorted(owned, key=lambda one: one[0])
    spot, room = (np.array([one[at] for one in owned], dtype=np.int64) for at in (0, 1))
    found = least_room(spot, room, np.array(pools), 5)
    for number, many in enumerate(pools):
        mine = [size for at, size in owned if at == number]
        assert found[number] == min(sum(mine[pool::many]) for pool in range(many))


@dataclass
class Shape:
    """Links, owned addresses and their room by metro of two countries; what the countries have besides."""

    links: list[list[int]]
    rooms: list[list[list[int]]]
    cap: int
    pools: list[int]
    free: list[int]


@st.composite
def shapes(draw: st.DrawFn) -> Shape:
    cap = draw(st.sampled_from([1, 2, 3, 7, 50]))
    links, rooms, pools, free = [], [], [], []
    for _ in range(2):
        here = draw(st.lists(st.sampled_from([0, 1, 2, 5, 40, 300]), min_size=1, max_size=9))
        total = sum(here)
        rooms.append(
            [draw(st.lists(st.integers(0, cap), max_size=5)) for _ in here] if total else [[] for _ in here]
        )
        links.append(here)
        pools.append(draw(st.integers(1, max(min(total, 8), 1))))
        least = int(least_free(np.array([total]), np.array([pools[-1]]), cap)[0])
        free.append(draw(st.integers(least, total)))
    return Shape(links, rooms, cap, pools, free)


@EXAMPLES
@given(shapes(), st.randoms(use_true_random=False))
def test_spots_have_room_whatever_the_places(shape: Shape, random) -> None:  # type: ignore[no-untyped-def]
    size = [len(links) for links in shape.links]
    country = np.repeat([0, 1], size)
    lat, lon = (np.array([random.randrange(10**7) for _ in country], dtype=np.int64) for _ in range(2))
    metros = Metros(country, np.arange(len(country), dtype=np.uint32), lat, lon, np.ones(len(country)))
    owned = [(metro, room) for metro, rooms in enumerate(shape.rooms[0] + shape.rooms[1]) for room in rooms]
    at, room = (np.array([one[part] for one in owned], dtype=np.int64) for part in (0, 1))
    links = np.array(shape.links[0] + shape.links[1], dtype=np.int64)
    supply = Supply(at, room, np.array(shape.free), np.array(shape.pools), shape.cap)
    made = world({"LI": 5}, shops=3)
    spots = spots_of(made.context(NETWORK.state), metros, links, supply)
    served: Counter[int] = Counter()
    for metro, spot in enumerate(spots.of.tolist()):
        assert country[metro] == country[spot]
        served[spot] += int(links[metro])
    for number in (0, 1):
        assert int(spots.free[country == number].sum()) == shape.free[number]
    for spot, load in served.items():
        pools, free = shape.pools[int(country[spot])], int(spots.free[spot])
        mine = [shape.cap] * free + [size for metro, size in owned if spots.of[metro] == spot]
        for pool, wanted in enumerate(_turns(load, pools)):
            assert sum(mine[pool::pools]) >= wanted >= len(range(pool, free, pools))


def _caps_hold(made: MemoryWorld) -> None:
    """No address above its cap, every address that nobody owns has a link, no device has one twice."""
    links, base = made.store.load("s4_ip_links_6A"), made.store.load("s4_ip_base_6A")
    caps = CONFIGS["ip_prior_6A"]["devices_per_ip"]
    of = {code("ip_type", name): int(cap) for name, cap in caps.items()}
    device = links.present("device_id")
    pairs = Counter(zip(links.ip_id[device].tolist(), links.device_id[device].tolist(), strict=True))
    assert set(pairs.values()) <= {1}
    users = Counter(ip for ip, _ in pairs)
    site = base.present("owner_merchant_id")
    for ip, kind, shop, count in zip(
        base.ip_id.tolist(), base.ip_type.tolist(), site.tolist(), base.links.tolist(), strict=True
    ):
        assert users[ip] <= of[kind]
        assert count > 0 or shop


@WORLDS
@given(
    st.dictionaries(
        st.sampled_from(["MC", "IS", "NZ", "NG", "JP", "US", "LI"]),
        st.integers(1, 700),
        min_size=1,
        max_size=4,
    ),
    st.integers(1, 40),
    st.integers(0, 2**32),
)
@example({"MC": 1}, 1, 7)
@example({"MC": 3000}, 60, 7)
@example({"NZ": 500, "IS": 90}, 80, 42)
@example({"US": 2}, 1, 0)
def test_worlds_of_any_size_have_room(count: dict[str, int], shops: int, seed: int) -> None:
    made = world(count, shops=shops, files=1, seed=seed)
    build(made)
    _caps_hold(made)


def test_addresses_follow_links_where_premises_are_few() -> None:
    made = world({"FR": 2500}, {"ip_prior_6A.devices_per_ip.CORPORATE": 60}, shops=10, files=1)
    build(made)
    _caps_hold(made)
    ctx = made.context(NETWORK.state)
    targets, office, france = network_targets(ctx), code("ip_type", "CORPORATE"), code("country", "FR")
    links, pools = (values[france, office] for values in (targets.received, targets.pools))
    least = int(least_free(np.array([links]), np.array([pools]), 30)[0])
    assert targets.shared[france, office] >= least > 0
    assert int(targets.on_top.sum()) > 0


@pytest.mark.parametrize("metro", range(3))
def test_all_workers_in_one_metro(metro: int) -> None:
    """Links that all turn up in one place, and premises that are all elsewhere."""
    links, size = np.zeros(3, dtype=np.int64), 5000
    links[metro] = size
    others = np.array([one for one in range(3) if one != metro for _ in range(200)])
    places = np.arange(3, dtype=np.int64) * 10**6
    metros = Metros(np.zeros(3, dtype=np.int64), np.arange(3, dtype=np.uint32), places, places, np.ones(3))
    least = int(least_free(np.array([size]), np.array([2]), 500)[0])
    supply = Supply(others, np.full(len(others), 500), np.array([least]), np.array([2]), 500)
    spots = spots_of(world({"LI": 5}, shops=3).context(NETWORK.state), metros, links, supply)
    assert least == 10 and spots.free.sum() == 10
    assert spots.of[metro] == metro and spots.free[metro] == 10
