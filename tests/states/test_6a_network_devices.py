"""6A.S4 over a world in memory: exact totals, caps, sharing inside households only,
links that know what their role demands.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import Any

import numpy as np
import pytest
from memory_world import MemoryWorld, vocabularies
from network_world import CONFIGS, COUNT, DEVICES, build, built, code, refused_at_once, world

from sim.ground.errors import ValidationError
from sim.segments.entities_6a.s4_devices import wallet_cards, wallets
from sim.state.frames import Frame
from tests.totals import figures

PRIOR = CONFIGS["device_prior_6A"]
Built = tuple[MemoryWorld, dict[str, Frame]]


@pytest.fixture(scope="module")
def entities() -> Built:
    return built()


def _rows(frame: Frame, *names: str) -> zip[Any]:
    columns = []
    for name in names:
        mask = frame.valid.get(name, np.ones(len(frame), dtype=np.bool_))
        columns.append(
            [
                value if there else None
                for value, there in zip(frame[name].tolist(), mask.tolist(), strict=True)
            ]
        )
    return zip(*columns, strict=True)


def test_totals_and_mixes_are_exact(entities: Built) -> None:
    made, rows = entities
    parties, base = made.store.load("s1_party_base_6A"), rows["s4_device_base_6A"]
    types, kinds = vocabularies()["party_type"], vocabularies()["device_type"]
    made_first = base.valid["primary_party_id"] & ~base.valid["predecessor_device_id"]
    owner_type = parties.party_type[(base.primary_party_id[made_first] - np.uint64(1)).astype(np.int64)]
    kind = base.device_type[made_first]
    for number, name in enumerate(types):
        many = int((parties.party_type == number).sum())
        devices = int((owner_type == number).sum())
        assert devices == int(many * PRIOR["devices_per_party"][name] + 0.5)
        for column, label in enumerate(kinds):
            asked = devices * PRIOR["type_permille"][name].get(label, 0) / 1000
            assert abs(int(((owner_type == number) & (kind == column)).sum()) - asked) < 1


def test_caps_hold_for_every_party(entities: Built) -> None:
    made, rows = entities
    parties, base = made.store.load("s1_party_base_6A"), rows["s4_device_base_6A"]
    base = base.take(~base.valid["predecessor_device_id"])
    types, kinds = vocabularies()["party_type"], vocabularies()["device_type"]
    owned = Counter(pair for pair in _rows(base, "primary_party_id", "device_type") if pair[0] is not None)
    for (party, kind), count in owned.items():
        assert count <= PRIOR["type_cap"][types[parties.party_type[party - 1]]][kinds[kind]]
    total = Counter(party for party, _ in owned.elements())
    assert max(total.values()) <= PRIOR["max_per_party"]
    assert max(total.values()) >= 6, "weights are unequal"


def test_every_link_knows_what_its_role_demands(entities: Built) -> None:
    made, rows = entities
    roles, table = vocabularies()["device_link_role"], CONFIGS["graph_linkage_6A"]["device_roles"]
    names = ("party_id", "account_id", "instrument_id", "merchant_id")
    parties = made.store.load("s1_party_base_6A")
    household = dict(zip(parties.party_id.tolist(), parties.household_id.tolist(), strict=True))
    holders = {
        "account_id": dict(_rows(made.store.load("s2_account_base_6A"), "account_id", "owner_party_id")),
        "instrument_id": dict(
            _rows(made.store.load("s3_instrument_base_6A"), "instrument_id", "owner_party_id")
        ),
    }
    base = rows["s4_device_base_6A"]
    owners = dict(_rows(base, "device_id", "primary_party_id"))
    shops = dict(_rows(base, "device_id", "primary_merchant_id"))
    shared = dict(_rows(base, "device_id", "shared_household_id"))
    members = made.store.load("s9_circle_members_6A")
    circle = dict(zip(members.party_id.tolist(), members.circle_id.tolist(), strict=True))
    lent: dict[int, int] = defaultdict(int)
    seen: dict[int, list[str]] = defaultdict(list)
    once = set()
    for device, role, *ids in _rows(rows["s4_device_links_6A"], "device_id", "link_role", *names):
        filled = {name: value for name, value in zip(names, ids, strict=True) if value is not None}
        assert set(filled) == set(table[roles[role]])
        assert (device, role, *ids) not in once
        once.add((device, role, *ids))
        seen[device].append(roles[role])
        if roles[role] == "PRIMARY_OWNER":
            assert filled["party_id"] == owners[device]
        elif roles[role] == "SECONDARY_USER":
            assert filled["party_id"] != owners[device]
            at_home = household[filled["party_id"]] == household[owners[device]]
            assert not at_home or household[owners[device]] == shared[device]
            assert at_home or circle[filled["party_id"]] == circle[owners[device]]
            lent[device] += not at_home
        elif roles[role] == "MERCHANT_TERMINAL":
            assert filled["merchant_id"] == shops[device]
        else:
            what = table[roles[role]][-1]
            assert holders[what][filled[what]] == owners[device] == filled["party_id"]
    for device, found in seen.items():
        assert found[0] == ("PRIMARY_OWNER" if owners[device] is not None else "MERCHANT_TERMINAL")
        assert found.count(found[0]) == 1
        assert (found.count("SECONDARY_USER") > lent[device]) == (shared[device] is not None)
    assert set(seen) == set(owners)
    assert {role for found in seen.values() for role in found} == set(roles)
    _circles_share(made, lent)


def _circles_share(made: MemoryWorld, lent: dict[int, int]) -> None:
    """Most circles share a device, and no device has more users than the law allows."""
    circles = made.store.load("s9_circles_6A")
    most = CONFIGS["circles_6A"]["users_per_device"]
    assert max(lent.values()) <= most - 1
    assert len(circles) * 0.6 < sum(count > 0 for count in lent.values()) < len(circles) * 2


def test_every_terminal_is_a_device(entities: Built) -> None:
    """One each, with what 2B says of it; and devices of parties are none."""
    made, rows = entities
    kinds = vocabularies()["terminal_type"]
    names = ("terminal_id", "merchant_id", "site_id", "legal_country_iso", "terminal_type")
    expected = {
        row[0]: (*row[1:4], kinds[row[4]]) for row in _rows(made.store.load("s4_site_terminals_2B"), *names)
    }
    names = ("terminal_id", "primary_merchant_id", "primary_site_id", "home_country_iso", "device_type")
    owner = "primary_party_id"
    every = _rows(rows["s4_device_base_6A"], *names, owner)
    standing = [row for row in every if row[0] is not None]
    assert len(standing) == len(expected) > 100
    found = {row[0]: (*row[1:4], vocabularies()["device_type"][row[4]]) for row in standing}
    assert found == expected
    assert all((row[0] is None) == (row[5] is not None) for row in every)


def test_files_of_parties_do_not_matter(entities: Built) -> None:
    _, rows = entities
    again = build(world(COUNT, files=4))
    for name, frame in rows.items():
        assert all((frame[column] == again[name][column]).all() for column in frame), name
        assert all((mask == again[name].valid[column]).all() for column, mask in frame.valid.items()), name


def test_another_country_moves_no_device(entities: Built) -> None:
    """Draws are addressed by country, segment and rank: a prior of one kind leaves the owners of the others
    alone.
    """
    _, rows = entities
    other = world(COUNT, {"device_prior_6A.owner.TABLET.sigma": 0.3})
    base, again = rows["s4_device_base_6A"], other.run(DEVICES)["s4_device_base_6A"]
    for kind in ("MOBILE", "LAPTOP", "WEARABLE"):
        one, two = (
            frame.primary_party_id[frame.device_type == code("device_type", kind)] for frame in (base, again)
        )
        assert (one == two).all()
    one, two = (
        frame.primary_party_id[frame.device_type == code("device_type", "TABLET")] for frame in (base, again)
    )
    assert len(one) == len(two) and (one != two).any()


REFUSED = [
    (
        {"graph_linkage_6A.device_roles.MERCHANT_TERMINAL": ["merchant_id", "device_id"]},
        "6A.S4.ROLE_CONTRADICTORY",
        "no column",
    ),
    (
        {"graph_linkage_6A.device_roles.SECONDARY_USER": ["party_id", "account_id"]},
        "6A.S4.ROLE_CONTRADICTORY",
        "does not know",
    ),
    ({"graph_linkage_6A.device_roles.ACCOUNT_ACCESS": ["party_id"]}, "6A.S4.ROLE_CONTRADICTORY", "is about"),
    ({"device_taxonomy_6A.types.TABLET": None}, "6A.S4.TAXONOMY_EMPTY", "TABLET"),
    ({"device_taxonomy_6A.types": {}}, "6A.S4.TAXONOMY_EMPTY", "MOBILE"),
    ({"device_taxonomy_6A.types.SERVER.owner": "merchant"}, "6A.S4.TAXONOMY_EMPTY", "SERVER"),
    ({"device_prior_6A.type_permille.RETAIL.MOBILE": 601}, "6A.S4.POLICY_IMPOSSIBLE", "1001"),
    (
        {"device_linkage_6A.sharing.TABLET.extra_users_permille": [500, 500]},
        "6A.S4.POLICY_IMPOSSIBLE",
        "another user",
    ),
    ({"device_prior_6A.type_cap.RETAIL.MOBILE": 1}, "6A.S4.CAPS_INFEASIBLE", "MOBILE"),
    ({"device_prior_6A.max_per_party": 10}, "6A.S4.CAPS_INFEASIBLE", "max_per_party"),
]


@pytest.mark.parametrize(
    ("overrides", "refusal", "names"), REFUSED, ids=[f"{number}" for number in range(len(REFUSED))]
)
def test_contradictions_are_refused_before_anything_runs(
    overrides: dict[str, Any], refusal: str, names: str
) -> None:
    refused_at_once(DEVICES, overrides, refusal, names)


def test_a_cell_without_room_is_refused() -> None:
    """The mean fits under the cap, a segment's tilted share of it does not."""
    tight = {
        "device_prior_6A.type_cap.RETAIL.WEARABLE": 1,
        "device_prior_6A.devices_per_party.RETAIL": 2.8,
        "device_prior_6A.type_permille.RETAIL": {"MOBILE": 640, "WEARABLE": 355, "LAPTOP": 5},
        "device_prior_6A.type_slope.WEARABLE": 1.9,
    }
    made = world({"FR": 3000}, tight, shops=3, files=1)
    with pytest.raises(ValidationError) as refused:
        made.run(DEVICES)
    assert (
        refused.value.code == "6A.S4.CAPS_INFEASIBLE"
        and refused.value.exit_code == 4
        and "WEARABLE" in refused.value.render()
    )


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("caps by type", {"above_type_cap": 1}),
        ("caps by party", {"above_party_cap": 1}),
        ("ids as the role demands", {"wrong_ids": 1}),
        ("shared inside the household", {"strangers": 1}),
        ("accounts and instruments of the owner", {"foreign": 1}),
        ("every device has one owner", {"devices": 1}),
        ("ledger 6A.device", {"rng.6A.device.draws": 1}),
    ],
)
def test_checks_turn_red(name: str, change: dict[str, int]) -> None:
    from sim.segments.entities_6a.s4_devices import state as s4_devices

    made = built()[0]
    assert not made.check_with(s4_devices, name, change).passed


def test_means_and_mixes_turn_red() -> None:
    from sim.segments.entities_6a.s4_devices import state as s4_devices

    made = built()[0]
    retail = code("party_type", "RETAIL")
    mix = figures(made.totals["6A.S4"])["mix"] * 0
    mix[retail, 0] = 1500
    assert not made.check_with(s4_devices, "devices a RETAIL party", {"mix": mix}).passed
    mix[retail, 1] = -1500
    assert made.check_with(s4_devices, "devices a RETAIL party", {"mix": mix}).passed
    assert not made.check_with(s4_devices, "mix of devices of RETAIL", {"mix": mix}).passed
    shared = figures(made.totals["6A.S4"])["shared"] * 0 + 900
    assert not made.check_with(s4_devices, "devices shared", {"shared": shared}).passed


def test_phones_run_ios_as_their_country_does(entities: Built) -> None:
    _, rows = entities
    base = rows["s4_device_base_6A"]
    markets = CONFIGS["national_payments_6A"]["markets"]
    ios = base.os_family == code("os_family", "IOS")
    for name in ("DE", "US", "NG", "JP", "FR"):
        phones = (base.device_type == code("device_type", "MOBILE")) & (
            base.home_country_iso == code("country", name)
        )
        share, many = markets[name]["phones_permille"]["ios"] / 1000, int(phones.sum())
        assert abs(ios[phones].mean() - share) < 4.75 * (share * (1 - share) / many) ** 0.5 + 1 / many


def test_wearables_follow_their_owners_phone(entities: Built) -> None:
    base = entities[1]["s4_device_base_6A"]
    first: dict[int, int] = {}
    followed: Counter[tuple[int, int]] = Counter()
    for owner, kind, system in _rows(base, "primary_party_id", "device_type", "os_family"):
        if kind == code("device_type", "MOBILE"):
            first.setdefault(owner, system)
        elif kind == code("device_type", "WEARABLE") and owner in first:
            followed[first[owner], system] += 1
    ios, android = code("os_family", "IOS"), code("os_family", "ANDROID")
    assert followed[android, ios] == 0
    both = followed[ios, ios] + followed[ios, android]
    assert both > 200 and abs(followed[ios, ios] / both - 0.85) < 5 * (0.85 * 0.15 / both) ** 0.5


def test_tokens_sit_on_one_device_that_can_hold_them(entities: Built) -> None:
    """Every token: wallet and system agree, the card is the owner's and of a network the wallet takes."""
    made, rows = entities
    tokens, base, links = (rows[f"s4_{name}_6A"] for name in ("wallet_tokens", "device_base", "device_links"))
    names = vocabularies()
    possible = {
        (wallet, kind, system)
        for wallet, kinds in CONFIGS["device_linkage_6A"]["wallets"].items()
        for kind, systems in kinds.items()
        for system in systems
    }
    device = (tokens.device_id - np.uint64(1)).astype(np.int64)
    places = {
        (names["scheme"][wallet], names["device_type"][kind], names["os_family"][system])
        for wallet, kind, system in zip(
            tokens.wallet, base.device_type[device], base.os_family[device], strict=True
        )
    }
    assert places <= possible and {wallet for wallet, *_ in places} == {
        "APPLE_PAY",
        "GOOGLE_PAY",
        "LOCAL_WALLET",
    }
    assert np.array_equal(tokens.owner_party_id, base.primary_party_id[device])
    cards = made.store.load("s3_instrument_base_6A")
    card = (tokens.instrument_id - np.uint64(1)).astype(np.int64)
    assert np.array_equal(cards.owner_party_id[card], tokens.owner_party_id)
    assert (tokens.provisioned_date >= cards.valid_from[card]).all()
    taken = CONFIGS["national_payments_6A"]["wallet_networks"]
    for wallet, at in zip(tokens.wallet.tolist(), card.tolist(), strict=True):
        marks = {names["scheme"][cards.scheme[at]]}
        if cards.valid["co_badge_scheme"][at]:
            marks.add(names["scheme"][cards.co_badge_scheme[at]])
        assert marks & set(taken[names["scheme"][wallet]])
    assert len(np.unique(tokens.token_id)) == len(tokens) > 3000
    held = links.take(links.link_role == code("device_link_role", "INSTRUMENT_WALLET"))
    assert np.array_equal(held.device_id, tokens.device_id)
    assert np.array_equal(held.instrument_id, tokens.instrument_id)


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("wallets run where they can", {"impossible": 1}),
        ("tokens stand for cards of the device's owner", {"strange_cards": 1}),
        ("every token is on one device", {"unlinked": 1}),
        ("ledger 6A.device_token", {"tokens": 1}),
    ],
)
def test_checks_of_wallets_turn_red(name: str, change: dict[str, int]) -> None:
    from sim.segments.entities_6a.s4_devices import state as s4_devices

    assert not built()[0].check_with(s4_devices, name, change).passed


def test_an_impossible_pair_is_counted() -> None:
    """Over all rows: tokens made where Android ran Apple's wallet, held against the shipped rules."""
    from sim.segments.entities_6a.s4_devices import state as s4_devices

    loose = {"device_linkage_6A.wallets.APPLE_PAY.MOBILE": ["ANDROID", "IOS"]}
    loose["national_payments_6A.markets.FR.wallets.ANDROID"] = {"APPLE_PAY": 10_000}
    made = world({"FR": 900}, loose, shops=3, files=1)
    rows = made.run(DEVICES)
    assert made.failed() == []
    strict = world({"FR": 900}, shops=3, files=1)
    ctx = strict.context(s4_devices.STATE)
    mine = ctx.for_partition(DEVICES.partitions(ctx)[0])
    instruments, first = strict.store.load("s3_instrument_base_6A"), 1
    cards = wallet_cards.cards_of(mine, instruments, instruments.owner_party_id.astype(np.int64) - first)
    found = (rows[f"s4_{name}_6A"] for name in ("wallet_tokens", "device_base", "device_links"))
    tokens, base, links = found
    wallets.count_tokens(mine, tokens, cards, base, links, first)
    android = base.os_family[(tokens.device_id - base.device_id[0]).astype(np.int64)] == code(
        "os_family", "ANDROID"
    )
    phones = int((android & (tokens.wallet == code("scheme", "APPLE_PAY"))).sum())
    assert mine.counters["impossible"] == phones > 50
