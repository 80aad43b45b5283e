"""2B and 3A over a world in memory: exact weights, alias tables that do what the weights say,
zones counted from sites.
"""

from __future__ import annotations

import math
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from memory_world import MemoryWorld, config, merchants, sites, vocabularies
from terminal_world import CONFIGS as TERMINALS
from terminal_world import KEY

from sim.recipes.groups import run_offsets
from sim.recipes.supplied import nothing_supplied
from sim.recipes.tables import AliasTables, build_alias
from sim.recipes.weights import WEIGHT_TOTAL, alias_deviation
from sim.rng import block, stream_key
from sim.segments.routing_2b import SEGMENT as ROUTING
from sim.segments.routing_2b import s1_site_weights, s2_alias
from sim.segments.zones_3a import SEGMENT as ZONES
from sim.segments.zones_3a import s1_zone_alloc
from sim.state.frames import Frame

CONFIGS = {**TERMINALS, "realism_gates_3A": config("layer1/3A/realism_gates.yaml")}


def world(of: Frame, located: Frame, zoned: Frame) -> MemoryWorld:
    made = MemoryWorld(CONFIGS)
    made.store.parts = {
        "merchant_catalogue_1A": [of],
        "merchant_supplied_1A": [nothing_supplied()],
        "outlet_catalogue": [located.select(*KEY)],
        "site_locations": [located],
        "site_timezones": [zoned],
    }
    return made


@pytest.fixture(scope="module")
def routed() -> tuple[MemoryWorld, dict[str, Frame]]:
    of = merchants(1500)
    made = world(of, *sites(of))
    rows: dict[str, Frame] = {}
    for program in (*ROUTING.programs, *ZONES.programs):
        rows |= made.run(program)
        assert made.failed() == []
    return made, rows


def test_weights_are_exact_and_in_proportion(routed: tuple[MemoryWorld, dict[str, Frame]]) -> None:
    rows = routed[1]["s1_site_weights_2B"]
    offsets = run_offsets(rows.merchant_id).astype(int).tolist()
    assert (rows.p_weight == rows.weight_q.astype(float) / WEIGHT_TOTAL).all()
    for first, stop in pairwise(offsets):
        weights = [int(value) for value in rows.weight_q[first:stop]]
        scales = [int(value * 2**32) for value in rows.site_scale[first:stop].tolist()]
        assert sum(weights) == WEIGHT_TOTAL
        for weight, scale in zip(weights, scales, strict=True):
            assert abs(Fraction(scale * WEIGHT_TOTAL, sum(scales)) - weight) <= len(weights) + 1


def test_scale_is_city_size_times_a_lognormal(routed: tuple[MemoryWorld, dict[str, Frame]]) -> None:
    made, rows = routed
    policy, located = CONFIGS["site_weight_policy_2B"], made.store.load("site_locations")
    cities = made.store.reference.frame("cities", vocabularies())
    people = dict(zip(cities.city_id.tolist(), cities.population.tolist(), strict=True))
    weights = rows["s1_site_weights_2B"]
    key = stream_key(made.seed, "2B.site_scale")
    for row in range(0, len(weights), 37):
        letters = int.from_bytes(vocabularies()["country"][weights.legal_country_iso[row]].encode(), "big")
        word = block(
            key, (letters << 40) | (int(weights.site_order[row]) << 8), int(weights.merchant_id[row])
        )[0]
        population = max(people[int(located.city_id[row])], policy["city_population_floor"])
        city = (population / policy["city_population_reference"]) ** policy["city_exponent"]
        # Phi(z) = u, checked by the error function instead of another quantile.
        z = (math.log(weights.site_scale[row] / city) + policy["site_sigma"] ** 2 / 2) / policy["site_sigma"]
        assert abs(0.5 * math.erfc(-z / math.sqrt(2)) - ((word >> 12) + 0.5) / 2**52) < 1e-11


def test_alias_tables_realise_their_weights(routed: tuple[MemoryWorld, dict[str, Frame]]) -> None:
    """Every table, in exact integers: what a slot keeps plus what it is given is weight * size / sum,
    to (size + 1) * 2**-64.
    """
    slots, rows = routed[1]["s2_alias_2B"], routed[1]["s1_site_weights_2B"]
    weight_of = dict(zip(rows.site_id.tolist(), rows.weight_q.tolist(), strict=True))
    assert sorted(weight_of) == sorted(slots.site_id.tolist())
    zone_of = dict(
        zip(
            rows.site_id.tolist(),
            zip(rows.merchant_id.tolist(), rows.tzid.tolist(), strict=True),
            strict=True,
        )
    )
    offsets = run_offsets(slots.merchant_id, slots.legal_country_iso, slots.tzid).astype(int).tolist()
    threshold, alias, ids = slots.threshold.tolist(), slots.alias_slot.tolist(), slots.site_id.tolist()
    for first, stop in pairwise(offsets):
        size = stop - first
        got = [0] * size
        for slot in range(size):
            kept = threshold[first + slot] if threshold[first + slot] < 2**64 - 1 else 2**64
            got[slot] += kept
            got[alias[first + slot]] += 2**64 - kept
        weights = [weight_of[ids[first + slot]] for slot in range(size)]
        for slot in range(size):
            assert zone_of[ids[first + slot]] == (int(slots.merchant_id[first]), int(slots.tzid[first]))
            assert abs(Fraction(weights[slot] * size << 64, sum(weights)) - got[slot]) <= size + 1


def test_picks_within_one_merchant_follow_the_weights(routed: tuple[MemoryWorld, dict[str, Frame]]) -> None:
    """Chi-square of 100,000 picks over the sites of the largest table; 5 sigma of its law (mean k,
    variance 2k).
    """
    made, rows = routed
    slots = rows["s2_alias_2B"]
    offsets = run_offsets(slots.merchant_id, slots.legal_country_iso, slots.tzid)
    largest = int(np.argmax(np.diff(offsets)))
    ctx = made.context(s2_alias.STATE, kernels=("alias_pick",))
    words, _ = block(1234, np.arange(100_000, dtype=np.uint64), 0)
    tables = AliasTables(offsets, slots.threshold, slots.alias_slot)
    picked = tables.pick(ctx, words, np.full(len(words), largest))
    weight_of = dict(
        zip(
            rows["s1_site_weights_2B"].site_id.tolist(),
            rows["s1_site_weights_2B"].weight_q.tolist(),
            strict=True,
        )
    )
    first, stop = int(offsets[largest]), int(offsets[largest + 1])
    weights = np.array([weight_of[site] for site in slots.site_id[first:stop].tolist()], dtype=float)
    expected = weights / weights.sum() * len(words)
    found = np.bincount(picked - first, minlength=stop - first)
    freedom = stop - first - 1
    assert freedom >= 10
    assert ((found - expected) ** 2 / expected).sum() < freedom + 5 * math.sqrt(2 * freedom)


def test_a_wrong_table_is_seen(routed: tuple[MemoryWorld, dict[str, Frame]]) -> None:
    ctx = routed[0].context(s2_alias.STATE)
    weight = np.array([5, 1, 9, 3], dtype=np.uint64)
    offsets = np.array([0, 4], dtype=np.uint64)
    right = build_alias(ctx, offsets, weight)
    assert alias_deviation(ctx, right, weight) <= 0
    moved = right.threshold.copy()
    moved[1] += np.uint64(1 << 40)
    assert alias_deviation(ctx, AliasTables(offsets, moved, right.alias), weight) > 0
    assert alias_deviation(ctx, right, weight[::-1].copy()) > 0


def test_groups_conserve_sites_and_weights(routed: tuple[MemoryWorld, dict[str, Frame]]) -> None:
    rows, groups, zones = (
        routed[1][name] for name in ("s1_site_weights_2B", "s4_group_weights_2B", "zone_alloc")
    )
    expected: dict[tuple[int, int, int], list[int]] = {}
    columns = ("merchant_id", "legal_country_iso", "tzid", "weight_q", "site_scale")
    for merchant, country, zone, weight, scale in zip(
        *(rows[name].tolist() for name in columns), strict=True
    ):
        entry = expected.setdefault((merchant, country, zone), [0, 0, 0])
        entry[0] += 1
        entry[1] += weight
        entry[2] += int(scale * 2**20)
    names = ("merchant_id", "legal_country_iso", "tzid", "sites", "weight_q", "site_scale_q")
    found = {
        tuple(row[:3]): list(row[3:]) for row in zip(*(groups[name].tolist() for name in names), strict=True)
    }
    assert found == expected
    assert zones.zone_site_count.tolist() == groups.sites.tolist()
    in_country: dict[tuple[int, int], int] = {}
    for merchant, country, _, *rest in zip(*(groups[name].tolist() for name in names), strict=True):
        in_country[merchant, country] = in_country.get((merchant, country), 0) + rest[0]
    pairs = zip(zones.merchant_id.tolist(), zones.legal_country_iso.tolist(), strict=True)
    assert zones.country_site_count.tolist() == [in_country[pair] for pair in pairs]


def test_other_merchants_change_nothing(routed: tuple[MemoryWorld, dict[str, Frame]]) -> None:
    """Half the merchants, or other partitions: the same rows,
    and a universe hash that is the sum of its halves.
    """
    made, rows = routed
    located, zoned = made.store.load("site_locations"), made.store.load("site_timezones")
    owners = np.unique(located.merchant_id)[::2]
    hashes, whole = [], rows["zone_alloc_universe_hash"].universe_hash[0]
    for keep in (np.isin(located.merchant_id, owners), ~np.isin(located.merchant_id, owners)):
        half = world(made.store.load("merchant_catalogue_1A"), located.take(keep), zoned.take(keep))
        again: dict[str, Frame] = {}
        for program in (*ROUTING.programs, *ZONES.programs):
            again |= half.run(program)
        for name in ("s1_site_weights_2B", "s4_site_terminals_2B"):
            kept = rows[name].take(np.isin(rows[name].merchant_id, located.merchant_id[keep]))
            assert all((kept[column] == again[name][column]).all() for column in kept.names)
        hashes.append(int(again["zone_alloc_universe_hash"].universe_hash[0]))
    assert sum(hashes) % 2**64 == int(whole)


def test_one_merchant_with_one_site() -> None:
    of = merchants(1)
    made = world(of, *sites(of))
    for program in (*ROUTING.programs, *ZONES.programs):
        made.run(program)
        assert made.failed() == []


@pytest.mark.parametrize(
    ("module", "name", "change"),
    [
        (s1_site_weights, "one weight a site", {"sites": -1}),
        (s1_site_weights, "site factor mean", {"factor_q": 1 << 34}),
        (s1_site_weights, "ledger 2B.site_scale", {"rng.2B.site_scale.draws": 1}),
        (s1_site_weights, "largest site stands out", {"big_top_permille": 1 << 40}),
        (s2_alias, "slots are picked by weight", {"wrong_tables": 1}),
        (s2_alias, "one slot a site", {"slots": 1}),
        (s1_zone_alloc, "sites are conserved", {"allocated": 1}),
        (s1_zone_alloc, "no zone of another country", {"foreign_zones": 1}),
        (s1_zone_alloc, "one zone a routing group", {"zones": 1}),
        (s1_zone_alloc, "divided countries show several zones", {"watched_multi": -(10**6)}),
    ],
)
def test_checks_turn_red(
    routed: tuple[MemoryWorld, dict[str, Frame]], module: object, name: str, change: dict[str, int]
) -> None:
    assert routed[0].check_with(module, name, {}).passed
    assert not routed[0].check_with(module, name, change).passed
