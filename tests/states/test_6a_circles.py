"""6A.S9 over a world in memory: rings by the organisers, ten honest circles a ring, who is with whom."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import Any

import numpy as np
import pytest
from memory_world import MemoryWorld, vocabularies
from posture_world import CONFIGS, built, code, entity_world

from sim.ground.errors import ContractError
from sim.segments.entities_6a.s9_circles import state as s9_circles
from sim.state.frames import Frame
from sim.state.params import Params

LAW = CONFIGS["circles_6A"]
World = tuple[MemoryWorld, dict[str, Frame]]


@pytest.fixture(scope="module")
def world() -> World:
    return built()


def test_checks_pass_and_turn_red(world: World) -> None:
    """Each check falls by what it is about: a ring less, an honest circle more, a party twice, the far."""
    made, rows = world
    ctx = made.context(s9_circles.STATE)
    assert all(check.passed for check in s9_circles.checks(ctx, made.totals["6A.S9"]))
    countries, kinds = len(vocabularies()["country"]), len(vocabularies()["circle_kind"])
    one = np.zeros(countries, dtype=np.int64)
    one[int(rows["s9_circles_6A"].country_iso[0])] = 1
    ring = np.zeros(kinds, dtype=np.int64)
    ring[code("circle_kind", "MULE_RING")] = 10_000
    for name, change in {
        "rings of each country": {"rings": one},
        "honest circles for each ring": {"honest": 1},
        "a party is in one circle": {"twice": 1},
        "rings fit the mules of each country": {"mules": one * 10**6},
        "members of circles": {"circles": ring},
        "members in the leader's metro": {"followers": ring},
        "members who joined within the window": {"followers": ring * 10},
    }.items():
        assert not made.check_with(s9_circles, name, change).passed, name
    for stream in s9_circles.STATE.streams:
        assert not made.check_with(s9_circles, f"ledger {stream}", {f"rng.{stream}.draws": -1}).passed


def test_sizes_and_members_follow_the_law(world: World) -> None:
    """By plain dictionaries: sizes within bounds, one circle a party, members of the law's segments."""
    made, rows = world
    base, members = rows["s9_circles_6A"], rows["s9_circle_members_6A"]
    names = vocabularies()["circle_kind"]
    kind = {int(id): names[int(code_)] for id, code_ in zip(base.circle_id, base.circle_kind, strict=True)}
    led = dict(zip(base.circle_id.tolist(), base.valid["leader_party_id"].tolist(), strict=True))
    inside = defaultdict(list)
    for circle, party in zip(members.circle_id.tolist(), members.party_id.tolist(), strict=True):
        inside[circle].append(party)
    assert len(members) == len(set(members.party_id.tolist()))
    assert [len(inside[circle]) for circle in base.circle_id.tolist()] == base.members.tolist()
    segment = made.store.load("s1_party_base_6A").segment_id
    for circle, parties in inside.items():
        law = LAW["kinds"][kind[circle]]["size"]
        assert len(parties) <= law["largest"]
        known = LAW["segment_weights"].get(kind[circle])
        if known is not None:
            for party in parties[1:]:
                assert vocabularies()["segment"][int(segment[party - 1])] in known
    rings = sum(1 for id, name in kind.items() if name == "MULE_RING" and led[id])
    honest = sum(1 for name in kind.values() if name in LAW["segment_weights"])
    assert rings > 30 and honest == LAW["lookalikes_per_ring"] * rings
    abroad = [id for id, there in led.items() if not there]
    assert abroad and all(kind[id] == "MULE_RING" for id in abroad)


def test_seats_abroad_belong_to_a_ring_of_another_country(world: World) -> None:
    _, rows = world
    base = rows["s9_circles_6A"]
    home = {
        int(ring): int(country)
        for ring, country, led in zip(
            base.ring_id, base.country_iso, base.valid["leader_party_id"], strict=True
        )
        if led
    }
    away = ~base.valid["leader_party_id"]
    for ring, country in zip(base.ring_id[away].tolist(), base.country_iso[away].tolist(), strict=True):
        assert home[ring] != country


def test_ring_members_live_near_and_joined_together(world: World) -> None:
    """Shares of the law, five standard errors below at most; the account a member brings is its own."""
    made, rows = world
    base, members = rows["s9_circles_6A"], rows["s9_circle_members_6A"]
    ring = base.circle_id[
        (base.circle_kind == code("circle_kind", "MULE_RING")) & base.valid["leader_party_id"]
    ]
    mine = np.isin(members.circle_id, ring) & (members.circle_role != code("circle_role", "LEADER"))
    share = float(members.in_metro[mine].mean())
    near = LAW["kinds"]["MULE_RING"]["local_permille"] / 1000
    assert share > near - 5 * (near * (1 - near) / int(mine.sum())) ** 0.5
    accounts = made.store.load("s2_account_base_6A")
    brings = members.valid["account_id"]
    owner = accounts.owner_party_id[(members.account_id[brings] - np.uint64(1)).astype(np.int64)]
    assert (owner == members.party_id[brings]).all()
    roles = Counter(members.circle_role[mine].tolist())
    assert roles[code("circle_role", "MEMBER")] > 2 * roles[code("circle_role", "HELPER")] > 0


@pytest.mark.parametrize(
    ("path", "value", "text"),
    [
        (("kinds", "CLUB", "size", "smallest"), 61, "smallest 61 > largest 60"),
        (("honest_kinds", "other", "CLUB"), 1, "sums to"),
    ],
)
def test_contradictions_are_refused(path: tuple[str, ...], value: Any, text: str) -> None:
    def put(node: dict[str, Any], keys: tuple[str, ...]) -> dict[str, Any]:
        return node | {keys[0]: value if len(keys) == 1 else put(node[keys[0]], keys[1:])}

    made = entity_world(50, shops=3)
    made.configs = made.configs | {"circles_6A": Params(put(LAW, path))}
    with pytest.raises(ContractError) as refused:
        s9_circles.preflight(made.context(s9_circles.STATE))
    assert refused.value.code == "6A.S9.CIRCLES_IMPOSSIBLE" and text in refused.value.render()
