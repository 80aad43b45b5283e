"""6A.S6 over worlds in memory: exact targets, rings that share, roles that spread,
nothing that depends on how the work was cut.
"""

from __future__ import annotations

import copy
from collections import Counter, defaultdict
from typing import Any

import numpy as np
import pytest
from memory_world import MemoryWorld, vocabularies
from posture_world import CONFIGS, audited, built, code, entity_world, posture

from sim.ground.errors import ContractError
from sim.segments.entities_6a import country_pieces as country_ranges
from sim.segments.entities_6a.country_pieces import piece_of
from sim.segments.entities_6a.s6_fraud_roles import state as s6_fraud_roles
from sim.segments.entities_6a.s6_fraud_roles.inherited import shared_use
from sim.segments.entities_6a.s6_fraud_roles.links import Links, links_of
from sim.segments.entities_6a.s6_fraud_roles.separability import BINS, area
from sim.state.frames import Frame
from sim.state.params import Params
from tests.totals import figures

PARTY = CONFIGS["fraud_roles_party_6A"]
DENSE = CONFIGS["fraud_prevalence_6A"]["dense"]


@pytest.fixture(scope="module")
def world() -> tuple[MemoryWorld, dict[str, Frame]]:
    return built()


def changed(**packs: dict[str, Any]) -> dict[str, Params]:
    """Configs with values replaced: pack=dict of dotted path -> value."""
    made = {name: copy.deepcopy(values) for name, values in CONFIGS.items()}
    for pack, values in packs.items():
        for path, value in values.items():
            node = made[pack]
            *parents, last = path.split(".")
            for parent in parents:
                node = node[parent]
            node[last] = value
    return {name: Params(values) for name, values in made.items()}


def test_checks_pass(world: tuple[MemoryWorld, dict[str, Frame]]) -> None:
    made, _ = world
    totals = made.totals["6A.S6"]
    assert all(check.passed for check in s6_fraud_roles.checks(made.context(s6_fraud_roles.STATE), totals))


def test_world_totals_by_hand(world: tuple[MemoryWorld, dict[str, Frame]]) -> None:
    """Shares of the prior times the parties of a type, rounded; none where the share is 0."""
    made, rows = world
    base, roles = made.store.load("s1_party_base_6A"), rows["s5_party_fraud_roles_6A"]
    for name, shares in DENSE["party"]["share_ppm"].items():
        wanted = sum(
            (share * int((base.party_type == code("party_type", kind)).sum()) + 500_000) // 1_000_000
            for kind, share in shares.items()
        )
        assert int((roles.fraud_role == code("party_role", name)).sum()) == wanted, name
        barred = [code("party_type", kind) for kind, share in shares.items() if not share]
        assert not (roles.fraud_role[np.isin(base.party_type, barred)] == code("party_role", name)).any()
    accounts, found = made.store.load("s2_account_base_6A"), rows["s5_account_fraud_roles_6A"]
    for name, shares in DENSE["account"]["share_ppm"].items():
        for kind, share in shares.items():
            held = accounts.account_type == code("account_type", kind)
            wanted = (share * int(held.sum()) + 500_000) // 1_000_000
            assert int((found.fraud_role[held] == code("account_role", name)).sum()) == wanted, (name, kind)


def test_segments_and_regions_differ(world: tuple[MemoryWorld, dict[str, Frame]]) -> None:
    """Mules are more often students than affluent: the segment's profile counts."""
    made, rows = world
    base, mule = (
        made.store.load("s1_party_base_6A"),
        rows["s5_party_fraud_roles_6A"].fraud_role == code("party_role", "MULE"),
    )
    share = {
        name: float(mule[base.segment_id == code("segment", name)].mean())
        for name in ("R_STUDENT", "R_AFFLUENT")
    }
    assert share["R_STUDENT"] > 2 * share["R_AFFLUENT"] > 0


def test_rings_are_circles(world: tuple[MemoryWorld, dict[str, Frame]]) -> None:
    """By plain sets: parties of rings sit in circles of that ring, led by the organiser."""
    _, rows = world
    roles, base, members = (
        rows[name] for name in ("s5_party_fraud_roles_6A", "s9_circles_6A", "s9_circle_members_6A")
    )
    kinds = dict(zip(base.circle_id.tolist(), base.circle_kind.tolist(), strict=True))
    rings = dict(zip(base.circle_id.tolist(), base.ring_id.tolist(), strict=True))
    kind_of = {
        "MULE_RING": {"LEADER": "ORGANISER", "HELPER": "ASSOCIATE", "MEMBER": "MULE"},
        "SYNTHETIC_CLUSTER": {"LEADER": "SYNTHETIC_ID", "MEMBER": "SYNTHETIC_ID"},
    }
    wanted = {}
    for party, circle, seat in zip(
        members.party_id.tolist(), members.circle_id.tolist(), members.circle_role.tolist(), strict=True
    ):
        given = kind_of.get(vocabularies()["circle_kind"][kinds[circle]])
        if given is not None:
            name = given[vocabularies()["circle_role"][seat]]
            wanted[party] = (code("party_role", name), rings[circle])
    causes = [code("role_cause", name) for name in ("RING", "SYNTHETIC_CLUSTER")]
    inside = np.flatnonzero(np.isin(roles.cause, causes))
    found = {
        int(roles.party_id[row]): (int(roles.fraud_role[row]), int(roles.ring_id[row]))
        for row in inside.tolist()
    }
    assert found == wanted and len(found) > 300
    leaders = Counter(ring for role, ring in found.values() if role == code("party_role", "ORGANISER"))
    assert len(leaders) > 30 and set(leaders.values()) == {1}
    organisers = roles.fraud_role == code("party_role", "ORGANISER")
    assert len(leaders) == int(organisers.sum())


def test_roles_spread_and_own_risk_remains(world: tuple[MemoryWorld, dict[str, Frame]]) -> None:
    made, rows = world
    party, account = rows["s5_party_fraud_roles_6A"], rows["s5_account_fraud_roles_6A"]
    owner = (made.store.load("s2_account_base_6A").owner_party_id - np.uint64(1)).astype(np.int64)
    inherited = account.cause == code("role_cause", "OWNER_ROLE")
    assert (party.fraud_role[owner[inherited]] != 0).all()
    named = inherited & account.valid["ring_id"]
    assert named.any() and (account.ring_id[named] == party.ring_id[owner[named]]).all()
    status = made.store.load("s2_account_base_6A").status
    asleep = account.fraud_role == code("account_role", "DORMANT_RISKY")
    assert float((status[asleep] == code("account_status", "DORMANT")).mean()) > 0.9


def test_mules_and_their_accounts_imply_each_other(world: tuple[MemoryWorld, dict[str, Frame]]) -> None:
    """By plain sets: every mule and organiser owns a mule account, on a deposit; nobody else but synthetic
    identities does. Accounts that were taken over are of the clean.
    """
    made, rows = world
    party, account = rows["s5_party_fraud_roles_6A"], rows["s5_account_fraud_roles_6A"]
    base = made.store.load("s2_account_base_6A")
    role = dict(zip(party.party_id.tolist(), party.fraud_role.tolist(), strict=True))
    mine = account.fraud_role == code("account_role", "MULE_ACCOUNT")
    owners = set(base.owner_party_id[mine].tolist())
    always = {code("party_role", name) for name in ("MULE", "ORGANISER")}
    assert {party for party, found in role.items() if found in always} <= owners
    synthetic = code("party_role", "SYNTHETIC_ID")
    assert {role[owner] for owner in owners} == always | {synthetic}
    kinds = CONFIGS["fraud_role_taxonomy_6A"]["account_roles"]["MULE_ACCOUNT"]["types"]
    assert set(base.account_type[mine].tolist()) <= {code("account_type", name) for name in kinds}
    own = CONFIGS["fraud_roles_entity_6A"]["account"]["mule_account"]["more_permille"]["SYNTHETIC_ID"] / 1000
    theirs = np.array([role[owner] == synthetic for owner in base.owner_party_id.tolist()])
    theirs &= np.isin(base.account_type, [code("account_type", name) for name in kinds])
    drawn, count = int((mine & theirs).sum()), int(theirs.sum())
    assert abs(drawn - own * count) < 5 * (own * (1 - own) * count) ** 0.5
    taken = account.fraud_role == code("account_role", "ACCOUNT_TAKEN_OVER")
    assert taken.any() and {role[owner] for owner in base.owner_party_id[taken].tolist()} == {0}


def test_profiles_differ_in_numbers_alone() -> None:
    """The realistic profile: shares by hand; every check passes."""
    made = entity_world(20_000)
    made.configs = changed(fraud_prevalence_6A={"profile": "realistic"})
    rows = posture(made)["s5_party_fraud_roles_6A"]
    shares = CONFIGS["fraud_prevalence_6A"]["realistic"]["party"]["share_ppm"]
    kind = made.store.load("s1_party_base_6A").party_type
    for name, by_type in shares.items():
        wanted = sum(
            (share * int((kind == code("party_type", key)).sum()) + 500_000) // 1_000_000
            for key, share in by_type.items()
        )
        assert int((rows.fraud_role == code("party_role", name)).sum()) == wanted, name
    assert made.failed() == []
    assert [check.name for check in audited(made).values() if not check.passed] == []


def test_shared_use_is_strangers_meeting(world: tuple[MemoryWorld, dict[str, Frame]]) -> None:
    """By plain sets: an address is shared where devices or parties of two households use it."""
    made, rows = world
    ips, links = rows["s5_ip_fraud_roles_6A"], made.store.load("s4_ip_links_6A")
    home = made.store.load("s1_party_base_6A").household_id
    device = made.store.load("s4_device_base_6A").primary_party_id
    homes = defaultdict(set)
    by_device, by_party = links.valid["device_id"], links.valid["party_id"]
    for row in range(len(links)):
        party = int(device[links.device_id[row] - 1]) if by_device[row] else 0
        party = party or (int(links.party_id[row]) if by_party[row] else 0)
        if party:
            homes[int(links.ip_id[row])].add(int(home[party - 1]))
    shared = {ip for ip, found in homes.items() if len(found) > 1}
    assert shared == set(ips.ip_id[ips.shared_use].tolist()) and 0 < len(shared) < len(ips)


def test_guests_are_strangers_who_share(world: tuple[MemoryWorld, dict[str, Frame]]) -> None:
    """Address 0: two locals of a household; 1: one and a guest; 2: a guest twice; 3: two guests; 4: none."""
    none = np.zeros(0, dtype=np.int64)
    links = Links(
        user_device=none,
        user_party=none,
        users_of_device=none,
        users_of_ip=np.array([2, 1, 0, 0, 0]),
        ip_party=np.array([0, 1, 2], dtype=np.int32),
        guest_ip=np.array([1, 2, 2, 3, 3]),
        guest=np.array([7, 8, 8, 9, 7], dtype=np.uint64),
        hidden=none,
    )
    ips = world[0].store.load("s4_ip_base_6A").slice(0, 5)
    household = np.array([5, 5, 6], dtype=np.uint64)
    assert shared_use(ips, links, household).tolist() == [False, True, False, True, False]


def test_who_hides_abroad_hides(world: tuple[MemoryWorld, dict[str, Frame]]) -> None:
    """By plain sets: parties with an address that hides them at home, by device or abroad; guests do not
    count where they are.
    """
    made, _ = world
    ctx = made.context(s6_fraud_roles.STATE)
    part = next(part for part in s6_fraud_roles.plan(ctx) if "merchants" not in part.spec)
    piece = piece_of(part)
    devices, ips = made.store.load("s4_device_base_6A"), made.store.load("s4_ip_base_6A")
    hidden = links_of(ctx.for_partition(part), piece, devices, ips).hidden
    hiding = {code("ip_type", name) for name in CONFIGS["fraud_roles_party_6A"]["anonymiser_ip_types"]}
    reached, away = made.store.load("s4_ip_links_6A"), made.store.load("s8_links_abroad_6A")
    owner, lives = devices.primary_party_id.tolist(), devices.home_country_iso.tolist()
    kind, place = ips.ip_type.tolist(), ips.country_iso.tolist()
    found = {
        party - 1
        for party, of in zip(away.party_id.tolist(), away.ip_type.tolist(), strict=True)
        if of in hiding
    }
    abroad = len(found)
    by_device, by_party = (reached.valid[name].tolist() for name in ("device_id", "party_id"))
    columns = (reached[name].tolist() for name in ("ip_id", "device_id", "party_id"))
    for ip, device, party, there, named in zip(*columns, by_device, by_party, strict=True):
        if kind[ip - 1] not in hiding or (there and lives[device - 1] != place[ip - 1]):
            continue
        who = party if named else owner[device - 1] if there else 0
        if who:
            found.add(who - 1)
    assert set(hidden.tolist()) == found and len(found) > abroad > 100


def test_tiers_say_little_of_roles(world: tuple[MemoryWorld, dict[str, Frame]]) -> None:
    """A tier is noisy: mules are HIGH more often than the clean, and mostly are not."""
    _, rows = world
    party = rows["s5_party_fraud_roles_6A"]
    high = party.risk_tier == code("risk_tier", "HIGH")
    mule = party.fraud_role == code("party_role", "MULE")
    assert 0.5 > float(high[mule].mean()) > float(high[party.fraud_role == 0].mean()) > 0.005
    for dataset, frame in rows.items():
        if dataset.startswith("s5_"):
            assert set(frame.risk_tier.tolist()) == {0, 1, 2}, dataset


def test_area_is_that_of_all_pairs() -> None:
    """Against every pair of a bearer and another party: 1 where the bearer ranks higher, a half for ties."""
    rng = np.random.default_rng(5)
    for values in (1, 2, 7):
        bearers, others = rng.integers(0, 6, values), rng.integers(0, 9, values)
        bearers[0], others[-1] = bearers[0] + 1, others[-1] + 1
        pairs = [
            (1.0 if mine > theirs else 0.5 if mine == theirs else 0.0)
            for mine in np.repeat(np.arange(values), bearers)
            for theirs in np.repeat(np.arange(values), others)
        ]
        assert area(bearers, others) == sum(pairs) / len(pairs)
    assert area(np.zeros(3, dtype=np.int64), np.ones(3, dtype=np.int64)) == 0.5


def test_a_feature_that_tells_a_role_is_refused(world: tuple[MemoryWorld, dict[str, Frame]]) -> None:
    """Ten thousand mules more, all with the most devices there can be."""
    made, _ = world
    roles = len(vocabularies()["party_role"])
    told = one((roles, BINS), code("party_role", "MULE"), BINS - 1) * 10_000
    change = {"values.devices": told, "values.segment": told}
    assert not made.check_with(s6_fraud_roles, "best single feature of MULE", change).passed


def test_collusion_follows_the_trade() -> None:
    """20,000 merchants: exact by class, and money services collude six times as often as shops."""
    made = entity_world(3000, shops=20_000)
    rows = posture(made)["s5_merchant_fraud_roles_6A"]
    collusive = rows.fraud_role == code("merchant_role", "COLLUSIVE")
    for name, share in DENSE["merchant"]["share_ppm"]["COLLUSIVE"].items():
        mine = rows.mcc_risk == code("mcc_risk", name)
        assert int(collusive[mine].sum()) == (share * int(mine.sum()) + 500_000) // 1_000_000
    with_ring = rows.valid["ring_id"]
    assert (rows.cause[with_ring] == code("role_cause", "RING")).all() and 0 < int(with_ring.sum()) < int(
        collusive.sum()
    ) + 1


def test_pieces_change_nothing(
    world: tuple[MemoryWorld, dict[str, Frame]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every country a piece of its own, those without parties too: the same rows."""
    made, rows = world
    monkeypatch.setattr(country_ranges, "_PARTIES", 1)
    again = MemoryWorld(CONFIGS)
    again.store.parts = {
        name: frames for name, frames in made.store.parts.items() if not name.startswith(("s5_", "s9_"))
    }
    pieces = posture(again)
    assert len(again.store.parts["s5_party_fraud_roles_6A"]) > 20
    for dataset, frame in rows.items():
        for name in frame.names:
            assert np.array_equal(frame[name], pieces[dataset][name]), (dataset, name)
    assert all(check.passed for check in audited(again).values())


def test_seed_and_later_roles() -> None:
    """Another seed is another draw of equal numbers; a changed prior of a later role leaves earlier roles as
    they were.
    """
    first = entity_world(8000)
    rows = posture(first)
    second = entity_world(8000)
    second.seed = 8
    other = posture(second)
    a, b = rows["s5_party_fraud_roles_6A"].fraud_role, other["s5_party_fraud_roles_6A"].fraud_role
    assert np.array_equal(np.bincount(a), np.bincount(b)) and (a != b).any()
    third = entity_world(8000)
    third.configs = changed(fraud_prevalence_6A={"dense.party.share_ppm.FIRST_PARTY_ABUSER.RETAIL": 15_000})
    later = posture(third)["s5_party_fraud_roles_6A"].fraud_role
    abuser = code("party_role", "FIRST_PARTY_ABUSER")
    assert (a[a != abuser] == np.where(later == abuser, 0, later)[a != abuser]).all() and (
        later == abuser
    ).sum() > (a == abuser).sum()
    assert np.isin(np.flatnonzero(a == abuser), np.flatnonzero(later == abuser)).all()


@pytest.mark.parametrize(
    ("pack", "path", "value", "text"),
    [
        (
            "fraud_prevalence_6A",
            "dense.account.share_ppm.DORMANT_RISKY.RETAIL_CREDIT_CARD_STANDARD",
            5,
            "RETAIL_CREDIT_CARD_STANDARD is 5",
        ),
        ("fraud_prevalence_6A", "dense.ip.share_ppm.PROXY_IP.RESIDENTIAL", 1, "PROXY_IP.RESIDENTIAL is 1"),
        ("fraud_prevalence_6A", "dense.party.share_ppm.MULE.OTHER", 1, "MULE.OTHER is 1"),
        ("fraud_role_taxonomy_6A", "cause_ring.RING", "never", "needs a ring"),
        ("fraud_role_taxonomy_6A", "party_roles.ORGANISER.causes", ["INDIVIDUAL"], "lacks RING"),
        ("fraud_prevalence_6A", "dense.ip.share_ppm.ABUSED_IP.VPN_PROXY", 200_000, "more than 1000000"),
        ("fraud_roles_merchant_6A", "mcc_ranges.TRAVEL", [[7011, 7011]], "is in"),
        ("fraud_prevalence_6A", "dense.party.world_cap_ppm.MULE", 0, ""),
    ],
)
def test_contradictions_are_refused(pack: str, path: str, value: Any, text: str) -> None:
    made = entity_world(3000)
    made.configs = changed(**{pack: {path: value}})
    ctx = made.context(s6_fraud_roles.STATE)
    with pytest.raises(ContractError) as refused:
        s6_fraud_roles.preflight(ctx)
        s6_fraud_roles.plan(ctx)
    assert (
        refused.value.code in ("6A.S6.ROLE_CONTRADICTION", "6A.S6.CAP_INFEASIBLE")
        and text in refused.value.render()
    )


def test_tiny_worlds() -> None:
    """A handful of parties: roles no one can bear are not given, nothing breaks."""
    for count in (1, 2, 7, 40):
        made = entity_world(count, shops=3)
        posture(made)
        assert made.failed() == []
        assert [check.name for check in audited(made).values() if not check.passed] == []


def one(shape: tuple[int, ...], *at: int) -> np.ndarray[Any, Any]:
    change = np.zeros(shape, dtype=np.int64)
    change[at] = 1
    return change


def test_checks_turn_red(world: tuple[MemoryWorld, dict[str, Frame]]) -> None:
    """One entity too many, a ring where none may be, a draw too few:
    each is told by the check that is about it.
    """
    made, _ = world
    totals = figures(made.totals["6A.S6"])
    shapes = {
        name: np.asarray(totals[f"{name}_roles"]).shape
        for name in ("party", "account", "device", "ip", "merchant")
    }
    for kind, shape in shapes.items():
        first = one(shape, *[0] * (len(shape) - 1), shape[-1] - 1)
        changed_roles = {f"{kind}_roles": first}
        assert not made.check_with(
            s6_fraud_roles, f"{kind} roles are on target in every cell", changed_roles
        ).passed
        too_many = {f"{kind}_roles": first * 10**9}
        assert not made.check_with(s6_fraud_roles, f"{kind} roles keep their world caps", too_many).passed
        causes = np.asarray(totals[f"{kind}_causes"]).shape
        for cause, ring in (("NONE", 0), ("INDIVIDUAL", 1), ("RING", 0), ("NONE", 1)):
            change = {f"{kind}_causes": one(causes, 1, code("role_cause", cause), ring)}
            assert not made.check_with(s6_fraud_roles, f"{kind} roles have causes that fit", change).passed, (
                kind,
                cause,
            )
    roles = len(DENSE["party"]["share_ppm"]) + 1
    idle = {"owners_without": one((roles,), code("party_role", "MULE"))}
    assert not made.check_with(s6_fraud_roles, "a mule owns a mule account", idle).passed
    clean = {"mule_owners": one((roles,), 0) * int(np.asarray(totals["mule_owners"]).sum())}
    assert not made.check_with(s6_fraud_roles, "a mule account is of a mule or its like", clean).passed
    for kind in shapes:
        high = {f"tiers.{kind}": one((3,), code("risk_tier", "HIGH")) * 10**9}
        assert not made.check_with(s6_fraud_roles, f"risk tiers of {kind}", high).passed
    risky = np.zeros((3, 2), dtype=np.int64)
    risky[code("party_type", "RETAIL"), 0] = 50_000
    assert not made.check_with(s6_fraud_roles, "clean share of RETAIL", {"clean_by_type": risky}).passed
    assert not made.check_with(s6_fraud_roles, "rings have members", {"rings": 100}).passed
    assert not made.check_with(s6_fraud_roles, "parties a ring", {"rings": 10_000}).passed
    assert not made.check_with(
        s6_fraud_roles, "synthetic identities live together", {"clustered": -int(totals["clustered"])}
    ).passed
    for stream in s6_fraud_roles.STATE.streams:
        assert not made.check_with(s6_fraud_roles, f"ledger {stream}", {f"rng.{stream}.draws": -1}).passed
