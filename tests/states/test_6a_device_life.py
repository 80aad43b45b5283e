"""Lives of devices: the law, who is replaced and by what, and that what is on a device is inside its life."""

from __future__ import annotations

from collections import Counter
from math import exp, pi
from typing import Any

import numpy as np
import pytest
from memory_world import MemoryWorld, vocabularies
from network_world import CONFIGS, DEVICES, build, built, code, refused_at_once, world

from sim.recipes.horizon import life_span
from sim.recipes.words import words_at
from sim.segments.entities_6a.s4_devices import life
from sim.segments.entities_6a.s4_devices import state as s4_devices
from sim.segments.entities_6a.s5_network import state as s5_network
from sim.segments.entities_6a.s8_abroad import state as s8_abroad
from sim.state.frames import Array, Frame
from tests.totals import figures

LAW = CONFIGS["device_life_6A"]
QUARTER = {"scenario_horizon_5A.start": "2026-01-05", "scenario_horizon_5A.end": "2026-04-05"}
Built = tuple[MemoryWorld, dict[str, Frame]]


@pytest.fixture(scope="module")
def fortnight() -> Built:
    return built()


@pytest.fixture(scope="module")
def quarter() -> Built:
    made = world({"DE": 6000, "US": 4000, "LI": 5}, QUARTER, shops=24)
    return made, build(made)


def _span(made: MemoryWorld) -> tuple[int, int]:
    span = life_span(made.configs["scenario_horizon_5A"])
    return span.first_day, span.first_day + span.days - 1


def _last(base: Frame, never: int = 1 << 30) -> Array:
    found: Array = np.where(base.valid["last_seen"], base.last_seen, never).astype(np.int64)
    return found


def _row(ids: Array) -> Array:
    return (ids - np.uint64(1)).astype(np.int64)


def _alive(kind: str, days: int) -> list[float]:
    """S(b) by the closed form, as Python floats."""
    mean = LAW["mean_months"][kind] * 365.25 / 12
    return [exp(-pi / 4 * (b / mean) ** 2) for b in range(days)]


@pytest.mark.parametrize("which", ["fortnight", "quarter"])
def test_as_many_are_replaced_as_the_law_says(which: str, request: pytest.FixtureRequest) -> None:
    """Exact in the world, to a unit in every country; about 90 of 1000 phones in 90 days."""
    made, rows = request.getfixturevalue(which)
    base = rows["s4_device_base_6A"]
    first, last = _span(made)
    follows = base.valid["predecessor_device_id"]
    for number, kind in enumerate(vocabularies()["device_type"]):
        mine = base.valid["primary_party_id"] & (base.device_type == number)
        if not mine.any():
            continue
        alive = _alive(kind, 40_000)
        share = sum(alive[: last - first + 1]) / sum(alive)
        assert abs((mine & follows).sum() - share * (mine & ~follows).sum()) < 0.51
        for country in np.unique(base.home_country_iso):
            here = mine & (base.home_country_iso == country)
            assert abs((here & follows).sum() - share * (here & ~follows).sum()) < 1.01
        if kind == "MOBILE" and which == "quarter":
            assert 0.085 < share < 0.092


def test_successors_follow_their_predecessors(quarter: Built) -> None:
    made, rows = quarter
    base = rows["s4_device_base_6A"]
    first, final = _span(made)
    new = np.flatnonzero(base.valid["predecessor_device_id"])
    old = _row(base.predecessor_device_id[new])
    assert len(new) > 500 and len(np.unique(old)) == len(old)
    for name in ("primary_party_id", "device_type", "home_country_iso", "language"):
        assert (base[name][new] == base[name][old]).all()
    apart = base.first_seen[new] - _last(base)[old]
    ended = base.valid["last_seen"][old]
    assert set(apart[ended].tolist()) == set(range(-LAW["trade_days"], LAW["gap_days"] + 1))
    assert (base.first_seen[new[~ended]] > final - LAW["trade_days"]).all() and (~ended).any()
    traded = (apart[ended] <= 0).mean()
    share = LAW["trade_permille"] / 1000
    assert abs(traded - share) < 4.75 * (share * (1 - share) / ended.sum()) ** 0.5 + 0.02
    # Whoever has an end has an heir; whoever begins inside the horizon replaces somebody.
    owned = base.valid["primary_party_id"]
    assert set(np.flatnonzero(base.valid["last_seen"] & owned).tolist()) <= set(old.tolist())
    assert np.array_equal(owned & (base.first_seen >= first), base.valid["predecessor_device_id"])
    same = base.os_family[new] == base.os_family[old]
    assert 0.88 < same.mean() < 1
    launched = CONFIGS["device_models_6A"]["launched"]
    year = np.array([launched.get(name, 0) for name in vocabularies()["device_model"]])
    assert (year[base.device_model[new[same]]] >= year[base.device_model[old[same]]]).all()
    began = np.array([1970 + day / 365.2425 for day in base.first_seen.tolist()])
    assert (year[base.device_model] <= began + 0.01).all()
    assert (year[base.device_model[new[same]]] > year[base.device_model[old[same]]]).any()


def test_ages_are_those_of_the_equilibrium(fortnight: Built) -> None:
    """Ages of phones that stay, against S(b): every tenth of the law holds a tenth of them."""
    made, rows = fortnight
    base = rows["s4_device_base_6A"]
    first, final = _span(made)
    phones = base.device_type == code("device_type", "MOBILE")
    phones[_row(base.predecessor_device_id[base.valid["predecessor_device_id"]])] = False
    phones &= ~base.valid["predecessor_device_id"]
    age = np.sort(final - base.first_seen[phones])
    assert age[0] >= final - first + 1
    alive = np.array(_alive("MOBILE", 5024))
    alive[: final - first + 1] = 0
    below = np.cumsum(alive) / alive.sum()
    many = len(age)
    for tenth in range(1, 10):
        bound = int(np.searchsorted(below, tenth / 10))
        share = below[bound]
        found = np.searchsorted(age, bound, side="right") / many
        assert abs(found - share) < 4.75 * (share * (1 - share) / many) ** 0.5
    assert np.bincount(age).max() < 4 * many / 700, "no day gathers others"


def test_lives_are_made_again_from_their_words(quarter: Built) -> None:
    """Days of replacement and ages, by the definition: a scan of S in integers."""
    made, rows = quarter
    base = rows["s4_device_base_6A"]
    ctx = made.context(s4_devices.STATE)
    law, (first, _) = life.life_law(ctx), _span(made)
    new = np.flatnonzero(base.valid["predecessor_device_id"])
    old = _row(base.predecessor_device_id[new])
    by_owner = Counter(zip(base.primary_party_id.tolist(), base.device_type.tolist(), strict=True))
    summary = made.store.load("s1_party_summary_6A")
    checked = 0
    for heir, row in zip(new.tolist(), old.tolist(), strict=True):
        key = int(base.primary_party_id[row]), int(base.device_type[row])
        if by_owner[key] != 2 or checked == 60:
            continue
        party = key[0]
        cell = int(np.searchsorted(summary.first_party_no.astype(np.int64), party, side="right")) - 1
        rank = party - int(summary.first_party_no[cell])
        names = (
            ctx.name_hashes("country")[summary.country_iso[cell : cell + 1]],
            ctx.name_hashes("segment")[summary.segment_id[cell : cell + 1]],
        )
        at = ctx.address(
            life.REPLACED,
            party_rank=np.array([rank]),
            device_type=np.array([key[1]]),
            device_number=np.array([0]),
            country_name=names[0],
            segment_name=names[1],
        )
        when, length, *_ = (int(word[0]) for word in words_at(ctx, at))
        alive = [int(part) for part in law.of_kind(key[1]).tolist()]
        left = when * sum(alive[: law.horizon.days]) >> 64
        day = 0
        while left >= alive[day]:
            left -= alive[day]
            day += 1
        assert int(base.first_seen[heir]) == first + day
        point = length * alive[day] >> 64
        age = day + 1
        while age < len(alive) and alive[age] > point:
            age += 1
        assert int(base.first_seen[row]) == first + day - age
        checked += 1
    assert checked == 60


def test_what_hangs_on_a_device_is_inside_its_life(quarter: Built) -> None:
    made, rows = quarter
    base = rows["s4_device_base_6A"]
    last, (_, final) = _last(base), _span(made)
    links = rows["s4_ip_links_6A"]
    links = links.take(links.valid["device_id"])
    away = rows["s8_links_abroad_6A"]
    for table in (links, away):
        device = _row(table.device_id)
        until = np.where(table.valid["valid_to"], table.valid_to, 1 << 30)
        assert (table.valid_from >= base.first_seen[device]).all()
        assert (until <= last[device]).all() and (until >= table.valid_from).all()
    assert set(links.device_id.tolist()) | set(away.device_id.tolist()) == set(base.device_id.tolist())
    tokens = rows["s4_wallet_tokens_6A"]
    device, cards = _row(tokens.device_id), made.store.load("s3_instrument_base_6A")
    card = _row(tokens.instrument_id)
    assert (tokens.provisioned_date >= np.maximum(base.first_seen[device], cards.valid_from[card])).all()
    ends = np.minimum(last[device], np.where(cards.valid["valid_to"][card], cards.valid_to[card], 1 << 30))
    assert np.array_equal(tokens.valid["removed_date"], ends < final)
    gone = tokens.valid["removed_date"]
    assert gone.any() and (tokens.removed_date[gone] == ends[gone]).all()
    assert (tokens.provisioned_date[gone] <= tokens.removed_date[gone]).all()


def test_a_successor_goes_on_with_the_cards_and_accounts(quarter: Built) -> None:
    """Same users and accounts; the same cards while the system is the same, put there within days."""
    _, rows = quarter
    base, links, tokens = (rows[f"s4_{name}_6A"] for name in ("device_base", "device_links", "wallet_tokens"))
    new = np.flatnonzero(base.valid["predecessor_device_id"])
    old = _row(base.predecessor_device_id[new])
    held: dict[int, Counter[Any]] = {}
    wallet = code("device_link_role", "INSTRUMENT_WALLET")
    for device, role, party, account in zip(
        links.device_id.tolist(),
        links.link_role.tolist(),
        links.party_id.tolist(),
        links.account_id.tolist(),
        strict=True,
    ):
        if role != wallet:
            held.setdefault(device - 1, Counter())[role, party, account] += 1
    assert all(held[heir] == held[row] for heir, row in zip(new.tolist(), old.tolist(), strict=True))
    cards: dict[int, set[int]] = {}
    for device, card in zip(tokens.device_id.tolist(), tokens.instrument_id.tolist(), strict=True):
        cards.setdefault(device - 1, set()).add(card)
    same = base.os_family[new] == base.os_family[old]
    pairs = list(zip(new[same].tolist(), old[same].tolist(), strict=True))
    carried = [cards.get(heir) == cards.get(row) for heir, row in pairs if row in cards]
    assert len(carried) > 50 and np.mean(carried) > 0.98, "a card may have ended or be newer than the old one"
    device = _row(tokens.device_id)
    later = base.valid["predecessor_device_id"][device]
    since = np.maximum(base.first_seen[device], tokens.provisioned_date - LAW["token_days"])[later]
    assert (tokens.provisioned_date[later] >= base.first_seen[device[later]]).all() and len(since) > 50


def test_terminals_live_with_their_merchants(quarter: Built) -> None:
    made, rows = quarter
    base = rows["s4_device_base_6A"].take(rows["s4_device_base_6A"].valid["primary_merchant_id"])
    first, _ = _span(made)
    lives = made.store.load("s7_merchant_life_5A").sort("merchant_id")
    row = np.searchsorted(lives.merchant_id, base.primary_merchant_id)
    known, closes = lives.valid["opened_date"][row], lives.valid["closed_date"][row]
    assert (base.first_seen[known] >= lives.opened_date[row][known]).all()
    young = known & (lives.opened_date[row] >= first)
    assert young.any() and (base.first_seen[young] == lives.opened_date[row][young]).all()
    assert (base.first_seen[~young] < first).all()
    assert np.array_equal(base.valid["last_seen"], closes) and closes.any()
    assert (base.last_seen[closes] == lives.closed_date[row][closes] - 1).all()


def test_a_horizon_of_years_replaces_nobody_twice() -> None:
    """By the law of one replacement: sum(S(b), b < H) / sum(S)."""
    span = {"scenario_horizon_5A.start": "2021-01-04", "scenario_horizon_5A.end": "2031-01-06"}
    made = world({"DE": 400}, span, shops=6, files=1)
    base = build(made)["s4_device_base_6A"]
    old = _row(base.predecessor_device_id[base.valid["predecessor_device_id"]])
    assert len(np.unique(old)) == len(old) and not base.valid["predecessor_device_id"][old].any()
    phones = base.device_type == code("device_type", "MOBILE")
    follows = phones & base.valid["predecessor_device_id"]
    assert follows.sum() / (phones & ~follows).sum() > 0.99


def test_a_horizon_of_one_day() -> None:
    span = {"scenario_horizon_5A.start": "2026-01-05", "scenario_horizon_5A.end": "2026-01-06"}
    made = world({"DE": 3000}, span, shops=6, files=1)
    base = build(made)["s4_device_base_6A"]
    new = base.valid["predecessor_device_id"]
    assert 0 < new.sum() < 20 and (base.first_seen[new] == _span(made)[0]).all()


REFUSED = [
    ({"device_models_6A.launched.NO_MODEL": 2020}, "6A.S4.POLICY_IMPOSSIBLE", "NO_MODEL"),
    ({"device_models_6A.launched.ORCHID_P2": 2019}, "6A.S4.POLICY_IMPOSSIBLE", "models.MOBILE.IOS"),
]


@pytest.mark.parametrize(("overrides", "refusal", "names"), REFUSED, ids=["model", "old"])
def test_models_that_contradict_are_refused(overrides: dict[str, Any], refusal: str, names: str) -> None:
    refused_at_once(DEVICES, overrides, refusal, names)


@pytest.mark.parametrize(
    ("state", "name", "change"),
    [
        (s4_devices, "days of devices in order", {"wrong_days": 1}),
        (s4_devices, "who ends has a successor", {"heirless": 1}),
        (s4_devices, "successors follow", {"wrong_successors": 1}),
        (s4_devices, "models no older than before", {"older_models": 1}),
        (s4_devices, "models are no newer than the device", {"unsold": 1}),
        (s4_devices, "terminals live with their merchant", {"wrong_terminals": 1}),
        (s4_devices, "tokens are there while card and device are", {"outside_life": 1}),
        (s5_network, "links inside the life of their device", {"outside_life": 1}),
        (s8_abroad, "links inside the life of their device", {"outside_life": 1}),
    ],
)
def test_checks_turn_red(state: Any, name: str, change: dict[str, int], fortnight: Built) -> None:
    assert not fortnight[0].check_with(state, name, change).passed


def test_figures_of_the_law_turn_red(fortnight: Built) -> None:
    """One replacement more, a day that gathers others, ages a month off, systems that nobody keeps."""
    made = fortnight[0]
    seen = figures(made.totals["6A.S4"])
    replaced = seen["replaced"] * 0
    replaced[code("country", "DE"), code("device_type", "MOBILE")] = 1
    assert not made.check_with(s4_devices, "devices replaced", {"replaced": replaced}).passed
    for name, key in (
        ("first days of devices without a spike", "opened"),
        ("first days of successors without a spike", "started"),
        ("last days of devices without a spike", "ended"),
    ):
        spike = seen[key] * 0
        spike[5] = 3000
        assert not made.check_with(s4_devices, name, {key: spike}).passed
    age = seen["stayed"] * 30
    assert not made.check_with(s4_devices, "ages of devices", {"age": age}).passed
    kept = seen["kept"] * -1
    assert not made.check_with(s4_devices, "successors keep their system", {"kept": kept}).passed
