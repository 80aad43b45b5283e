"""5B's states over a small world: laws of the rows, independence of partitions and order, paired scenarios,
refusals.
"""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from sim.ground.errors import ContractError, ValidationError
from sim.segments.arrivals_5b import intensity
from sim.segments.arrivals_5b.days import Days, _shifts
from sim.segments.arrivals_5b.slices import days_with_arrivals
from sim.state.event_log import EventLog
from sim.state.frames import concat
from tests.states.memory_world import config, vocabularies
from tests.states.world_5b import KEY, PROGRAMS, build

SMALL_PARTS = {"arrival_placement_policy_5B": {"arrivals_a_partition": 1500}}
KEYED = ("merchant_id", "bucket_index", "legal_country_iso", "tzid", "channel_group")


@pytest.fixture(scope="module")
def world():
    made = build(count=40, days=4)
    for id in PROGRAMS:
        made.run(id)
        assert made.failed() == set()
    return made


def same(left, right):
    assert left.names == right.names
    for name in left:
        np.testing.assert_array_equal(left[name], right[name], err_msg=name)
    for name in left.valid:
        np.testing.assert_array_equal(left.valid[name], right.valid[name], err_msg=name)


def test_grid_and_groups(world):
    grid, groups = world.frame("s1_time_grid_5B"), world.frame("s1_grouping_5B")
    assert (
        len(grid) == 96
        and grid.utc_day_of_week[[0, 24, 95]].tolist() == [1, 2, 4]
        and not grid.is_weekend_utc.any()
    )
    parts = ("demand_class", "channel_group", "virtual_band", "zone_group", "merchant_bucket")
    natural = list(zip(*(groups[name].tolist() for name in parts), strict=True))
    ids = sorted(set(natural))
    assert groups.group_id.tolist() == [ids.index(key) for key in natural]


def test_weekend_and_short_buckets():
    made = build(count=10, days=7, bucket_seconds=900).run_to("5B.S1")
    grid = made.frame("s1_time_grid_5B")
    assert len(grid) == 672 and grid.is_weekend_utc.sum() == 2 * 96
    assert (grid.bucket_end_utc - grid.bucket_start_utc == 900_000_000).all()


def test_misaligned_horizon_is_refused():
    made = build(count=5, days=2, start=1_767_571_200 + 1800)
    with pytest.raises(ContractError, match="HORIZON_NOT_ALIGNED"):
        made.run("5B.S1")


def test_realised_intensity_is_the_surface_times_its_factors(world):
    """Every row from the published paths, dates by zoneinfo, and the policy's tables; relative error 1e-12
    for numpy's exp against ours, 1e-5 where whole weights share a merchant's day between its zones.
    """
    surface, policy = world.frame("merchant_zone_scenario_utc_5A"), config("layer2/5B/arrival_lgcp.yaml")
    groups, field, country, metro, merchant, zone = (
        world.frame(f"s{name}_5B")
        for name in (
            "1_grouping",
            "2_latent_field",
            "2_country_day",
            "2_metro_day",
            "2_merchant_day",
            "2_zone_day",
        )
    )
    profile = world.frame("merchant_zone_profile_5A", None)
    back = world.frame("s2_realised_intensity_5B").sort(*KEY, "bucket_index")
    for name in (*KEY, "bucket_index"):
        np.testing.assert_array_equal(back[name], surface[name])
    names, days = vocabularies(), policy["days"]
    own = field.latent_z.reshape(-1, 96)
    first = 1_767_571_200 // 86400 - 1
    shared = {
        (c, k, d): w + x + y
        for c, k, d, w, x, y in zip(*(country[name].tolist() for name in country), strict=True)
    }
    weather = dict(
        zip(zip(metro.metro_id.tolist(), metro.local_day.tolist(), strict=True), metro.latent_z, strict=True)
    )
    slow = {(m, d): a + b for m, d, a, b in zip(*(merchant[name].tolist() for name in merchant), strict=True)}
    gamma = {(m, z, d): g for m, z, d, g in zip(*(zone[name].tolist() for name in zone), strict=True)}
    assert len(gamma) > 100 and set(country.local_day.tolist()) == set(range(first, first + 6))
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    starts = [epoch + timedelta(seconds=1_767_571_200 + 3600 * t + 1800) for t in range(96)]
    for key in range(len(groups)):
        who, where = int(groups.merchant_id[key]), int(groups.tzid[key])
        sigma = 0.02 * policy["classes"][names["demand_class"][groups.demand_class[key]]]["sigma"]
        sigma *= policy["sigma_channel"][names["channel"][groups.channel_group[key]]]
        sigma *= policy["sigma_virtual_band"][names["virtual_band"][groups.virtual_band[key]]]
        sigma = min(max(sigma, 0.005), 0.03)
        spread = sum(days[name] ** 2 for name in ("world", "country", "country_class", "metro", "merchant"))
        spread += days["outlet"] ** 2 / int(groups.outlets[key])
        mine = np.flatnonzero(groups.merchant_id == who)
        factor = np.empty(96)
        for t, start in enumerate(starts):
            shown = start.astimezone(ZoneInfo(names["tzid"][where]))
            day = (shown.date() - epoch.date()).days
            z = shared[int(groups.legal_country_iso[key]), int(groups.demand_class[key]), day]
            z += weather[int(groups.metro_id[key]), day] + slow[who, day] - 0.5 * spread
            factor[t] = np.exp(z + own[groups.group_id[key], t] - 0.5 * sigma**2)
            if (who, where, day) in gamma:
                volume = profile.weekly_volume_expected[mine]
                shares = [gamma[who, int(other), day] for other in groups.tzid[mine]]
                factor[t] *= gamma[who, where, day] / (np.dot(volume, shares) / volume.sum())
        wanted = surface.lambda_utc_scenario[key * 96 : key * 96 + 96] * factor.clip(0.2, 5.0)
        within = 1e-5 if len(set(groups.tzid[mine].tolist())) > 1 else 1e-12
        assert np.abs(back.lambda_realised[key * 96 : key * 96 + 96] - wanted).max() <= within * wanted.max()


def test_the_metro_and_the_outlets_of_a_key(world):
    """Walked through site by site and edge by edge."""
    groups, edges = world.frame("s1_grouping_5B"), world.frame("edge_catalogue_3B", None)
    weights, where = (world.frame(name, None) for name in ("s1_site_weights_2B", "site_locations"))
    cities = world.store.reference.frame("cities", vocabularies())
    metro = dict(zip(cities.city_id.tolist(), cities.metro_id.tolist(), strict=True))
    online = vocabularies()["virtual_band"].index("virtual")
    for key in range(len(groups)):
        who = groups.merchant_id[key]
        rows, city, country = (
            (edges, edges.city_id, edges.country_iso)
            if groups.virtual_band[key] == online
            else (weights, where.city_id, weights.legal_country_iso)
        )
        total = {}
        for row in np.flatnonzero(
            (rows.merchant_id == who)
            & (country == groups.legal_country_iso[key])
            & (rows.tzid == groups.tzid[key])
        ):
            here = metro[int(city[row])]
            total[here] = total.get(here, 0) + int(rows.weight_q[row])
        assert groups.metro_id[key] == min(total, key=lambda one: (-total[one], one))
        assert groups.outlets[key] == (weights.merchant_id == who).sum() + (edges.merchant_id == who).sum()


def test_a_day_moves_demand_between_zones_and_not_the_merchants_volume(world):
    """Weighted with its volumes, the shifts of a merchant's zones have mean 1 on every date."""
    groups, zone = world.frame("s1_grouping_5B"), world.frame("s2_zone_day_5B")
    volume = world.frame("merchant_zone_profile_5A", None).weekly_volume_expected
    made = Days(
        np.zeros(1, np.int64), np.zeros((1, 6)), np.zeros(1), np.zeros((1, 6)), np.zeros(1), np.zeros((1, 6)),
        zone.take(np.arange(0, len(zone), 6)).select("merchant_id", "tzid"), zone.gamma.reshape(-1, 6),
    )  # fmt: skip
    shift, several = _shifts(groups, volume, made), 0
    for who in np.unique(groups.merchant_id):
        mine = np.flatnonzero(groups.merchant_id == who)
        if len(set(groups.tzid[mine].tolist())) == 1:
            assert (shift[mine] == 1.0).all()
            continue
        several += 1
        mean = (shift[mine] * volume[mine, None]).sum(axis=0) / volume[mine].sum()
        assert np.abs(mean - 1.0).max() < 1e-5 and np.abs(shift[mine] - 1.0).max() > 0.01
    assert several > 3


def test_counts_and_their_summary(world):
    intensity, counts, days = (
        world.frame(name)
        for name in ("s2_realised_intensity_5B", "s3_bucket_counts_5B", "s3_count_summary_5B")
    )
    dense = np.zeros(len(intensity), np.int64)
    code = {
        key: row for row, key in enumerate(zip(*(intensity[name].tolist() for name in KEYED), strict=True))
    }
    for *key, n in zip(*(counts[name].tolist() for name in KEYED), counts.count_n.tolist(), strict=True):
        dense[code[tuple(key)]] = n
    assert (dense[intensity.lambda_realised == 0] == 0).all()
    order = np.lexsort((intensity.bucket_index // 24, intensity.merchant_id))
    keys = np.stack([intensity.merchant_id, intensity.bucket_index // 24], axis=1)[order]
    starts = np.flatnonzero(np.r_[True, (keys[1:] != keys[:-1]).any(axis=1)])
    assert days.arrivals.tolist() == np.add.reduceat(dense[order], starts).tolist()
    assert days.stored_rows.tolist() == np.add.reduceat((dense > 0)[order].astype(int), starts).tolist()
    assert (days.stored_rows + days.zero_rows).sum() == len(intensity)


def test_arrivals_are_the_counts_in_time_order(world):
    events, counts, summary = (
        world.frame(name) for name in ("arrival_events_5B", "s3_bucket_counts_5B", "s4_arrival_summary_5B")
    )
    found = {}
    names = ("merchant_id", "bucket_index", "legal_country_iso", "zone_representation")
    for key in zip(*(events[name].tolist() for name in names), strict=True):
        found[key] = found.get(key, 0) + 1
    wanted = zip(*(counts[name].tolist() for name in KEYED[:4]), counts.count_n.tolist(), strict=True)
    assert found == {tuple(key): n for *key, n in wanted}
    assert int(summary.arrivals.sum()) == len(events) and int(summary.virtual.sum()) == int(
        events.is_virtual.sum()
    )
    assert (summary.arrivals == summary.physical + summary.virtual).all()
    days = {}
    dated = events.with_columns(bucket_index=events.bucket_index // 24)
    for key in zip(*(dated[name].tolist() for name in (*names, "is_virtual")), strict=True):
        days[key] = days.get(key, 0) + 1
    for merchant, day, country, zone, _, _, physical, virtual in zip(
        *(summary[name].tolist() for name in summary), strict=True
    ):
        found = [days.get((merchant, day, country, zone, online), 0) for online in (False, True)]
        assert found == [physical, virtual]


def test_partitions_and_order_do_not_matter(world, monkeypatch):
    """Other partition sizes, another order of work: the same rows."""
    monkeypatch.setattr(intensity, "PARTITION_CELLS", 700)
    other = build(count=40, days=4, overrides=SMALL_PARTS)
    for number, id in enumerate(PROGRAMS):
        other.run(id, order=number)
        assert other.failed() == set()
    assert len(other.store.parts[("arrival_events_5B", "baseline")]) > 2 * len(
        world.store.parts[("arrival_events_5B", "baseline")]
    )
    for program in PROGRAMS.values():
        for dataset in program.state.writes:
            same(world.frame(dataset), other.frame(dataset))


def off(*names):
    return {"scenario_horizon_5A": {f"emit_{name}_intensities": False for name in names}}


@pytest.mark.parametrize("names", [("realised",), ("utc", "local"), ("utc", "local", "realised")])
def test_counts_do_not_depend_on_what_is_published(world, names):
    """Without 5A's surfaces, and without 5B's: every other row is the same."""
    other = build(count=40, days=4, overrides=off(*names))
    if "utc" in names:
        del other.store.parts[("merchant_zone_scenario_utc_5A", "baseline")]
    for id in PROGRAMS:
        other.run(id)
        assert other.failed() == set()
    gone = {"s2_realised_intensity_5B"} if "realised" in names else set()
    for program in PROGRAMS.values():
        for dataset in program.state.writes:
            if dataset in gone:
                assert (dataset, "baseline") not in other.store.parts
            else:
                same(world.frame(dataset), other.frame(dataset))


@pytest.mark.parametrize(
    ("dataset", "column", "state", "check"),
    [
        ("merchant_zone_scenario_utc_5A", "lambda_utc_scenario", "5B.S2", "demand as 5A published it"),
        ("s2_realised_intensity_5B", "lambda_realised", "5B.S3", "intensity as published"),
    ],
)
def test_a_published_surface_that_is_not_what_is_counted_turns_red(dataset, column, state, check):
    """The last bit of one cell."""
    made = build(count=10, days=2).run_to("5B.S2")
    assert made.failed() == set()
    frames = made.store.parts[(dataset, "baseline")]
    changed = frames[0][column].copy()
    row = int(np.argmax(changed))
    changed[row] = np.nextafter(changed[row], 1e9)
    frames[0] = frames[0].with_columns(**{column: changed})
    made.run(state)
    assert made.failed() == {check} and made.checks[check].found == 1


def test_a_merchants_arrivals_do_not_depend_on_the_others(world):
    keep = world.frame("merchant_catalogue_1A", None).merchant_id[::2]
    half = build(count=40, days=4).only(keep).run_to("5B.S4")
    for dataset in ("s3_bucket_counts_5B", "arrival_events_5B", "s4_arrival_summary_5B"):
        whole = world.frame(dataset)
        same(whole.take(np.isin(whole.merchant_id, keep)), half.frame(dataset))


def test_scenarios_are_paired():
    """Same surface, other band: the same noise, so counts agree far more often than chance would have it."""
    made = build(count=30, days=3, scenarios=("baseline", "stress")).run_to("5B.S4")
    base, stress = (
        made.frame("s2_latent_field_5B", scenario).latent_z for scenario in ("baseline", "stress")
    )
    assert np.corrcoef(base, stress)[0, 1] > 0.9
    rows = [
        {
            key: n
            for *key, n in zip(*(frame[name].tolist() for name in KEYED), frame.count_n.tolist(), strict=True)
            for key in [tuple(key)]
        }
        for frame in (made.frame("s3_bucket_counts_5B", scenario) for scenario in ("baseline", "stress"))
    ]
    shared = set(rows[0]) & set(rows[1])
    assert len(shared) > 0.75 * max(map(len, rows))


def test_civil_offsets_across_a_change_of_clocks():
    """28 to 30 March 2026: Europe changes on the 29th. Every row against zoneinfo."""
    pytest.importorskip("tzdata")
    made = build(
        count=40, days=3, start=int(datetime(2026, 3, 28, tzinfo=UTC).timestamp()), overrides=SMALL_PARTS
    ).run_to("5B.S5")
    assert made.failed() == set()
    events = made.frame("arrival_events_5B")
    zones = [ZoneInfo(name) for name in vocabularies()["tzid"]]
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    changed = set()
    for ts, zone, minutes in zip(
        events.ts_utc.tolist(), events.tzid_primary.tolist(), events.utc_offset_minutes.tolist(), strict=True
    ):
        offset = (epoch + timedelta(microseconds=ts)).astimezone(zones[zone]).utcoffset()
        assert offset == timedelta(minutes=minutes)
        changed.add((zone, minutes))
    assert len(changed) > len({zone for zone, _ in changed})


@pytest.mark.parametrize("seconds", [900, 1800])
def test_short_buckets(seconds):
    made = build(count=12, days=2, bucket_seconds=seconds, volume=1.0)
    for id in PROGRAMS:
        made.run(id)
        assert made.failed() == set()


def drop(world, dataset, rows):
    frame = world.store.parts[(dataset, None)][0]
    world.store.parts[(dataset, None)] = [frame.take(rows(frame))]


@pytest.mark.parametrize(
    ("dataset", "code"),
    [
        ("s2_alias_2B", "SITE_TABLE_MISSING"),
        ("edge_alias_3B", "EDGE_TABLE_MISSING"),
        ("virtual_settlement_3B", "SETTLEMENT_MISSING"),
    ],
)
def test_missing_tables_are_refused(dataset, code):
    made = build(count=30, days=2).run_to("5B.S3")
    drop(made, dataset, lambda frame: frame.merchant_id != frame.merchant_id[len(frame) // 2])
    with pytest.raises(ValidationError, match=code) as caught:
        made.run("5B.S4")
    assert caught.value.exit_code == 4 and caught.value.examples and "merchant" in caught.value.examples[0]


def test_a_baseline_that_lacks_a_row_is_refused():
    made = build(count=10, days=2).run_to("5B.S1")
    parts = made.store.parts[("merchant_zone_baseline_local_5A", None)]
    parts[0] = concat([parts[0].slice(0, 5), parts[0].slice(6, len(parts[0]))])
    with pytest.raises(ValidationError, match=r"5B\.S2\.BASELINE_NOT_DENSE"):
        made.run("5B.S2")


def test_means_beyond_the_address_are_refused():
    made = build(count=5, days=1, overrides={"arrival_count_config_5B": {"largest_mean": 0.001}}).run_to(
        "5B.S2"
    )
    with pytest.raises(ValidationError, match="MEAN_TOO_LARGE"):
        made.run("5B.S3")


def test_unknown_keys_are_refused():
    made = build(count=10, days=1).run_to("5B.S2")
    frames = made.store.parts[("s1_grouping_5B", "baseline")]
    frames[0] = frames[0].with_columns(tzid=(frames[0].tzid + 1).astype(np.int16))
    with pytest.raises(ValidationError, match=r"5B\.S3\.BASELINE_NOT_DENSE"):
        made.run("5B.S3")


def test_draws_listed_one_by_one_are_the_sums(world):
    """The ledger of a run that lists its draws is that of one in which the kernel adds them up."""
    program = PROGRAMS["5B.S3"]
    ctx = world.context(program.state)
    for part in program.plan(ctx):
        plain, listed = ctx.for_partition(part), ctx.for_partition(part)
        listed.events = EventLog()
        program.compute(plain, part)
        program.compute(listed, part)
        assert plain.ledger_rows == listed.ledger_rows and len(plain.ledger_rows) == 1
        with pytest.raises(RuntimeError, match="row by row"):
            listed.ledger_sums("5B.bucket_count", (1, 1, 1), most=1)


def test_poisson_by_policy():
    made = build(count=60, days=4, overrides={"arrival_count_config_5B": {"law": "poisson"}}).run_to("5B.S3")
    assert made.failed() == set()
    found = [check for name, check in made.checks.items() if name.startswith("dispersion")]
    assert found and all(abs(check.found - 1.0) < 5 * check.expected["standard_error"] for check in found)


def test_days_do_not_depend_on_the_files_of_their_summary(world):
    """Files of any size, empty ones and ones that begin inside a merchant among them,
    give the days of one file.
    """
    ctx, name = world.context(PROGRAMS["5B.S4"].state), ("s3_count_summary_5B", "baseline")
    held = world.store.parts[name]
    whole = concat(held)
    try:
        for sizes in ([len(whole)], [1] * len(whole), [0, 3, 0, 0, 7, len(whole) - 10, 0]):
            edges = np.cumsum([0, *sizes])
            world.store.parts[name] = [whole.slice(int(a), int(b)) for a, b in pairwise(edges)]
            days = days_with_arrivals(ctx, "baseline")
            some = whole.arrivals > 0
            merchant = whole.merchant_id[some]
            assert 1 < len(days.merchants) < len(days) == int(some.sum())
            assert [
                int(days.merchants[days.merchant_of(day)]) for day in range(len(days))
            ] == merchant.tolist()
            first = {int(who): day for day, who in reversed(list(enumerate(merchant)))}
            assert days.first_days.tolist() == [first[int(who)] for who in days.merchants]
            assert days.arrivals.tolist() == [0, *np.cumsum(whole.arrivals[some]).tolist()]
            assert days.rows.tolist() == [0, *np.cumsum(whole.stored_rows[some]).tolist()]
            assert days.arrivals.nbytes + days.rows.nbytes == 16 * (len(days) + 1)
    finally:
        world.store.parts[name] = held
