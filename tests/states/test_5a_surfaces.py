"""5A.S5: surfaces from their definition, the projection on UTC, overlays that stay in their scope,
checks that turn red.
"""

from __future__ import annotations

import dataclasses
import importlib.resources
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from sim.ground.errors import ValidationError
from sim.segments.intensity_5a import demand, s5_surfaces
from sim.segments.intensity_5a.factors import scope_links
from sim.state.frames import Frame
from tests.states.demand_world import (
    BASELINE,
    ETERNAL,
    PROGRAMS,
    STRESS,
    DemandWorld,
    code,
    packs,
    timetable,
    upstream,
)
from tests.states.memory_world import config, vocabularies
from tests.totals import altered, figures

SPRING = {"scenario_horizon_5A__start": "2026-03-27", "scenario_horizon_5A__end": "2026-04-07"}
LOCAL, UTC_TABLE = "merchant_zone_scenario_local_5A", "merchant_zone_scenario_utc_5A"
FACTORS = "scenario_overlay_factors_5A"
BARE = {"band": "baseline", "overlays": [], "windows": []}


def build(merchants: int = 40, scenarios=(BASELINE,), **overrides) -> DemandWorld:
    documents = packs(**{**SPRING, **ETERNAL, **overrides})
    world = DemandWorld(upstream(merchants), documents, scenarios=scenarios)
    world.run_all()
    return world


def zone_info(code: int) -> ZoneInfo:
    name = vocabularies()["tzid"][code]
    with importlib.resources.files("tzdata").joinpath("zoneinfo", *name.split("/")).open("rb") as file:
        return ZoneInfo.from_file(file, key=name)


def test_every_state_passes_in_both_scenarios_and_tables_are_dense():
    world = build(scenarios=(BASELINE, STRESS))
    profile = world.store.load("merchant_zone_profile_5A")
    clocks = world.store.load("scenario_zone_calendar_5A", BASELINE)
    size = clocks.local_buckets[np.searchsorted(clocks.tzid, profile.tzid)]
    for scenario in (BASELINE, STRESS):
        assert len(world.store.load(UTC_TABLE, scenario)) == len(profile) * 11 * 24
        local = world.store.load(LOCAL, scenario)
        assert len(local) == int(size.sum())
        assert set(local.multiplicity.tolist()) == {0, 1, 2}


@pytest.mark.parametrize("bucket_seconds", [900, 1800, 3600])
def test_without_overlays_each_utc_bucket_is_the_hour_its_zone_shows(bucket_seconds):
    world = build(
        scenarios_5A__scenarios__baseline_v1=BARE, scenario_horizon_5A__bucket_seconds=bucket_seconds
    )
    profile = world.store.load("merchant_zone_profile_5A")
    baseline = world.store.load("merchant_zone_baseline_local_5A").lambda_local_base.reshape(
        len(profile), 168
    )
    utc = world.store.load(UTC_TABLE, BASELINE).lambda_utc_scenario.reshape(len(profile), -1)
    first = datetime(2026, 3, 27, tzinfo=UTC) + timedelta(seconds=bucket_seconds / 2)
    moments = [first + timedelta(seconds=bucket_seconds * number) for number in range(utc.shape[1])]
    uneven = 0
    for row in range(len(profile)):
        zone = zone_info(int(profile.tzid[row]))
        shown = [moment.astimezone(zone) for moment in moments]
        hours = [moment.weekday() * 24 + moment.hour for moment in shown]
        slots = [
            (hour * 12 + moment.minute // 5)
            for hour, moment in zip(hours, _starts(shown, bucket_seconds), strict=True)
        ]
        within = open_share(world, profile, row, np.array(slots), bucket_seconds // 300)
        assert np.array_equal(utc[row], baseline[row, hours] * (bucket_seconds / 3600) * within)
        uneven += int((within != 1.0).sum())
    assert (uneven > 0) == (bucket_seconds < 3600)


def _starts(middles: list[datetime], seconds: int) -> list[datetime]:
    """Beginnings of the local buckets that hold some moments."""
    return [middle - timedelta(seconds=(middle.minute * 60 + middle.second) % seconds) for middle in middles]


def open_share(world: DemandWorld, profile: Frame, row: int, first: np.ndarray, slots: int) -> np.ndarray:
    """Open slots of buckets over those of their hours, per bucket of an hour; 1 where nothing is open."""
    clocks, hours = (world.store.load(name) for name in ("s6_merchant_clocks_5A", "s6_opening_hours_5A"))
    own = (profile.merchant_id[row], profile.legal_country_iso[row])
    mine = hours.take((hours.merchant_id == own[0]) & (hours.legal_country_iso == own[1]))
    clock = clocks.take((clocks.merchant_id == own[0]) & (clocks.legal_country_iso == own[1]))
    week = np.zeros(2016, dtype=bool)
    for day, opens, closes in zip(mine.weekday, mine.opens_minute, mine.closes_minute, strict=True):
        week[(np.arange(int(opens) // 5, int(closes) // 5) + 288 * (int(day) - 1)) % 2016] = True
    if clock.always_open[0] or profile.virtual_share[row] == 1.0 or slots == 12:
        return np.ones(len(first))
    found = week[(first[:, None] + np.arange(slots)) % 2016].sum(axis=1)
    hour = week.reshape(168, 12).sum(axis=1)[first // 12]
    return np.where(hour == 0, 1.0, found * (12 / slots) / np.where(hour == 0, 1, hour))


def test_factors_are_what_the_calendar_says():
    """Every cell of every key: local demand over baseline equals the factor found by looking through all
    events.
    """
    world = build(12)
    profile, calendar = (
        world.store.load("merchant_zone_profile_5A"),
        world.store.load("scenario_calendar_5A", BASELINE),
    )
    local, clocks = world.store.load(LOCAL, BASELINE), world.store.load("scenario_zone_calendar_5A", BASELINE)
    baseline = world.store.load("merchant_zone_baseline_local_5A").lambda_local_base.reshape(
        len(profile), 168
    )
    bounds = config("layer2/5A/overlay_policy.yaml")
    kinds = vocabularies()["event_type"]
    start, moved = 0, 0
    for row in range(len(profile)):
        seen = np.ones(len(calendar), dtype=bool)
        for column, name in (
            ("country_iso", "legal_country_iso"),
            ("tzid", "tzid"),
            ("demand_class", "demand_class"),
        ):
            seen &= ~calendar.valid[column] | (calendar[column] == profile[name][row])
        mine = np.flatnonzero(seen)
        clock = int(np.searchsorted(clocks.tzid, profile.tzid[row]))
        for cell in range(int(clocks.local_buckets[clock])):
            begin = int(clocks.local_origin[clock]) // 10**6 + 3600 * cell
            factor = 1.0
            for kind, name in enumerate(kinds):
                active = [
                    e
                    for e in mine.tolist()
                    if calendar.event_type[e] == kind and felt(calendar, e, begin + 1800) is not None
                ]
                if active:
                    top = max(int(calendar.scope_rank[e]) for e in active)
                    values = [
                        felt(calendar, e, begin + 1800) for e in active if calendar.scope_rank[e] == top
                    ]
                    law = bounds["types"][name]
                    value = min(values) if law["aggregate"] == "least" else max(values)
                    factor *= min(max(value, law["low"]), law["high"])
            hour = (begin // 3600 + 72) % 168
            assert local.lambda_local_scenario[start + cell] == baseline[row, hour] * factor
            moved += factor != 1.0
        start += int(clocks.local_buckets[clock])
    assert moved > 500


def covering(table: Frame, combination: tuple[int, int, int], cell: int) -> dict[int, tuple[int, float]]:
    """Event type -> (event, factor) of the told factors of a combination in a local bucket, row by row;
    one row a type.
    """
    found: dict[int, tuple[int, float]] = {}
    for row in range(len(table)):
        own = tuple(int(table[name][row]) for name in ("legal_country_iso", "tzid", "demand_class"))
        first, size = int(table.local_bucket_index[row]), int(table.local_buckets[row])
        if own == combination and first <= cell < first + size:
            assert int(table.event_type[row]) not in found, "two runs of a type overlap"
            found[int(table.event_type[row])] = (int(table.event_id[row]), float(table.factor[row]))
    return found


def test_told_factors_are_those_of_the_events_that_count():
    """Each bucket, looked up row by row in the table, against a walk through all events;
    nothing is told where nothing is moved.
    """
    world = build(
        12,
        scenarios=(STRESS,),
        scenario_horizon_5A__start="2026-04-08",
        scenario_horizon_5A__end="2026-04-16",
    )
    profile, calendar = (
        world.store.load("merchant_zone_profile_5A"),
        world.store.load("scenario_calendar_5A", STRESS),
    )
    table, clocks = world.store.load(FACTORS, STRESS), world.store.load("scenario_zone_calendar_5A", STRESS)
    bounds, kinds = config("layer2/5A/overlay_policy.yaml"), vocabularies()["event_type"]
    names = ("legal_country_iso", "tzid", "demand_class")
    combinations = sorted({tuple(int(profile[name][row]) for name in names) for row in range(len(profile))})
    assert {tuple(int(table[name][row]) for name in names) for row in range(len(table))} <= set(combinations)
    told = 0
    for combination in combinations[::5]:
        seen = np.ones(len(calendar), dtype=bool)
        for column, value in zip(("country_iso", "tzid", "demand_class"), combination, strict=True):
            seen &= ~calendar.valid[column] | (calendar[column] == value)
        clock = int(np.searchsorted(clocks.tzid, combination[1]))
        mine = table.take(
            np.all([table[name] == value for name, value in zip(names, combination, strict=True)], axis=0)
        )
        for cell in range(int(clocks.local_buckets[clock])):
            middle = int(clocks.local_origin[clock]) // 10**6 + 3600 * cell + 1800
            found = covering(mine, combination, cell)
            for kind, name in enumerate(kinds):
                active = {
                    e: felt(calendar, e, middle)
                    for e in np.flatnonzero(seen & (calendar.event_type == kind)).tolist()
                }
                active = {e: value for e, value in active.items() if value is not None}
                law, expected = bounds["types"][name], None
                if active:
                    top = max(int(calendar.scope_rank[e]) for e in active)
                    best = {e: value for e, value in active.items() if calendar.scope_rank[e] == top}
                    chosen = (min if law["aggregate"] == "least" else max)(best, key=lambda e: (best[e], 0))
                    factor = min(max(best[chosen], law["low"]), law["high"])
                    expected = (int(calendar.event_id[chosen]), factor) if factor != 1.0 else None
                assert found.get(kind) == expected, (combination, cell, name)
                told += expected is not None
    assert told > 500 and len(set(table.event_type.tolist())) >= 4
    start = (
        table.local_start // 10**6 - clocks.local_origin[np.searchsorted(clocks.tzid, table.tzid)] // 10**6
    )
    assert np.array_equal(start, table.local_bucket_index.astype(np.int64) * 3600)


def test_factors_that_are_not_those_applied_turn_red():
    world = build(30)
    told = world.store.load(FACTORS, BASELINE)
    assert world.checks[f"overlay factors of {BASELINE}"].found == [0, 0]
    row = int(np.argmax(told.local_buckets))

    def changed(name: str, value: float) -> Frame:
        column = told[name].copy()
        column[row] = value
        return told.with_columns(**{name: column})

    short = int(told.local_buckets[row])
    cases = {
        "another factor": changed("factor", float(np.nextafter(told.factor[row], 2.0))),
        "a bucket short": changed("local_buckets", short - 1),
        "one moved": changed("local_bucket_index", int(told.local_bucket_index[row]) + 1),
        "a row lost": told.take(np.arange(len(told)) != row),
        "an event nobody knows": changed("event_id", 5),
    }
    for name, table in cases.items():
        world.store.parts[(FACTORS, BASELINE)] = [table]
        world.run("5A.S5")
        assert not world.checks[f"overlay factors of {BASELINE}"].passed, name


def felt(calendar: Frame, event: int, second: int) -> float | None:
    """An event's factor at a local moment, None where it is not in force."""
    start, stop = int(calendar.local_start[event]) // 10**6, int(calendar.local_end[event]) // 10**6
    if not start <= second < stop:
        return None
    weight = 1.0
    for passed, ramp in (
        (second - start, int(calendar.ramp_in_seconds[event])),
        (stop - second, int(calendar.ramp_out_seconds[event])),
    ):
        if passed < ramp:
            weight = min(weight, passed / ramp)
    return 1.0 + (float(calendar.factor[event]) - 1.0) * weight


def test_scope_links_are_all_and_only_the_matching_events():
    rng = np.random.default_rng(4)
    size = 300
    valid = {name: rng.random(size) < 0.5 for name in ("country_iso", "tzid", "demand_class")}
    rank = 4 * valid["tzid"] + 2 * valid["country_iso"] + valid["demand_class"]
    calendar = Frame(
        {
            **{
                name: np.where(mask, rng.integers(0, 4, size), 0).astype(np.int16)
                for name, mask in valid.items()
            },
            "event_type": rng.integers(0, 6, size).astype(np.int16),
            "scope_rank": rank.astype(np.uint8),
        },
        valid,
    )
    grid = np.indices((5, 5, 5)).reshape(3, -1).astype(np.int16)
    combinations = Frame(dict(zip(("tzid", "legal_country_iso", "demand_class"), grid, strict=True)))
    link, event = scope_links(combinations, calendar)
    for row in range(len(combinations)):
        seen = event[int(link[row]) : int(link[row + 1])].tolist()
        expected = [
            e
            for e in range(size)
            if (not valid["tzid"][e] or calendar.tzid[e] == combinations.tzid[row])
            and (
                not valid["country_iso"][e] or calendar.country_iso[e] == combinations.legal_country_iso[row]
            )
            and (not valid["demand_class"][e] or calendar.demand_class[e] == combinations.demand_class[row])
        ]
        assert seen == sorted(expected, key=lambda e: (calendar.event_type[e], -int(rank[e]), e))


@pytest.mark.parametrize(
    ("overrides", "inside"),
    [
        (
            {"overlay_policy_5A__holiday__kinds__CLOSED__office_hours": 0.5},
            lambda keys: keys.demand_class == code("demand_class", "office_hours"),
        ),
        (
            {"overlay_policy_5A__payday__groups": [{"countries": ["US", "RU"], "days": [2]}]},
            lambda keys: np.isin(keys.legal_country_iso, [code("country", "US"), code("country", "RU")]),
        ),
    ],
)
def test_an_overlay_moves_its_scope_and_nothing_else(overrides, inside):
    base = {"overlay_policy_5A__payday__groups": []}
    before, after = build(80, **base), build(80, **{**base, **overrides})
    for (name, scenario), frames in before.store.parts.items():
        if scenario is None:
            for old, new in zip(frames, after.store.parts[(name, None)], strict=True):
                assert all(np.array_equal(old[column], new[column]) for column in old), name
    keys = before.store.load("merchant_zone_profile_5A")
    old, new = (
        world.store.load(UTC_TABLE, BASELINE).lambda_utc_scenario.reshape(len(keys), -1)
        for world in (before, after)
    )
    moved = (old != new).any(axis=1)
    assert moved.any() and not (moved & ~inside(keys)).any()


def test_half_the_merchants_have_the_same_surfaces_alone():
    up = upstream(60)
    kept = up["merchant_catalogue_1A"].merchant_id[::2]
    half = {
        name: rows.take(np.isin(rows.merchant_id, kept)) if "merchant_id" in rows else rows
        for name, rows in up.items()
    }
    whole, alone = (DemandWorld(rows, packs(**SPRING)) for rows in (up, half))
    whole.run_all()
    alone.run_all()
    for table in (LOCAL, UTC_TABLE):
        rows = whole.store.load(table, BASELINE)
        rows = rows.take(np.isin(rows.merchant_id, kept))
        assert all(np.array_equal(rows[name], alone.store.load(table, BASELINE)[name]) for name in rows)


def test_partitions_do_not_change_rows(monkeypatch):
    whole = build(30)
    monkeypatch.setattr(s5_surfaces, "PARTITION_ROWS", 3000)
    pieces = build(30)
    assert (
        len(whole.store.parts[(UTC_TABLE, BASELINE)]) == 1
        and len(pieces.store.parts[(UTC_TABLE, BASELINE)]) > 5
    )
    for table in (LOCAL, UTC_TABLE):
        rows, again = whole.store.load(table, BASELINE), pieces.store.load(table, BASELINE)
        assert all(np.array_equal(rows[name], again[name]) for name in rows)


def shifted(*args, **kwargs):
    """A local calendar whose map is one bucket late."""
    from sim.recipes.local_calendar import local_calendar

    clock = local_calendar(*args, **kwargs)
    local = clock.local.reshape(len(clock.tzid), -1)
    return dataclasses.replace(clock, local=np.concatenate([local[:, :1], local[:, :-1]], axis=1).ravel())


def test_a_wrong_projection_turns_the_mass_check_red(monkeypatch):
    world = build(30)
    monkeypatch.setattr(demand, "local_calendar", shifted)
    world.run("5A.S5")
    assert not world.checks[f"local and UTC mass of {BASELINE}"].passed


@pytest.mark.parametrize(
    ("total", "check"),
    [
        ("keys", "coverage"),
        ("pairs", "coverage"),
        ("mass_apart", "local and UTC mass"),
        ("outside_bounds", "overlay bounds"),
    ],
)
def test_checks_turn_red(total, check):
    world = build(20)
    program = PROGRAMS["5A.S5"]
    name = f"{total}.{BASELINE}"
    results = program.checks(
        world.context(program), altered(world.totals, {name: figures(world.totals)[name] + 1})
    )
    assert [result.name for result in results if not result.passed] == [f"{check} of {BASELINE}"]


def test_hours_that_overlays_cannot_explain_turn_the_gate_red():
    world = build(40, scenarios=(BASELINE, STRESS))
    program = PROGRAMS["5A.S5"]
    masses = {f"mass.{name}": figures(world.totals)[f"mass.{name}"] for name in (BASELINE, STRESS)}
    late = altered(world.totals, {name: np.roll(mass, 4, axis=-1) for name, mass in masses.items()})
    failed = [result.name for result in program.checks(world.context(program), late) if not result.passed]
    assert failed == [f"hours of each class in {BASELINE}"], "a stress scenario may move what it likes"


def test_a_clock_that_is_not_the_published_one_is_refused():
    world = build(10)
    clocks = world.store.load("scenario_zone_calendar_5A", BASELINE)
    world.store.parts[("scenario_zone_calendar_5A", BASELINE)] = [
        clocks.with_columns(local_origin=clocks.local_origin + 3_600_000_000)
    ]
    with pytest.raises(ValidationError, match=r"5A\.S5\.CLOCK_DIFFERS"):
        world.run("5A.S5")


def test_a_world_without_demand_has_empty_tables():
    nobody = {name: rows.slice(0, 0) if "merchant_id" in rows else rows for name, rows in upstream(5).items()}
    world = DemandWorld({**nobody, "tz_timetable_cache": timetable()}, packs(**SPRING))
    made = world.run_all()
    assert len(made[(UTC_TABLE, BASELINE)]) == 0 and len(made[(LOCAL, BASELINE)]) == 0


def test_the_audit_is_the_same_without_any_surface():
    """Nothing is published, and every figure of every check is the one of the world with both surfaces."""
    off = {f"scenario_horizon_5A__emit_{name}_intensities": False for name in ("local", "utc")}
    both, none = build(20, scenarios=(BASELINE, STRESS)), build(20, scenarios=(BASELINE, STRESS), **off)
    assert {name for name, _ in both.store.parts} - {name for name, _ in none.store.parts} == {
        LOCAL,
        UTC_TABLE,
    }
    assert none.checks == both.checks and len(none.checks) == 10


@pytest.mark.parametrize("table", [LOCAL, UTC_TABLE])
def test_a_published_surface_that_is_not_the_demand_turns_red(table, monkeypatch):
    """One row of the other rate: the kernel that spells the rows lies, the audit does not believe it."""
    stem = "local_surface" if table == LOCAL else "utc_surface"
    plain = demand.Context.for_partition

    def lying(self, part, backend=None):
        ctx = plain(self, part, backend)
        honest = getattr(ctx.kernels, stem)

        def lie(**given):
            found = honest(**given)
            found[-1][7] += 1.0
            return found

        object.__setattr__(ctx.kernels, stem, lie)
        return ctx

    other = "utc" if table == LOCAL else "local"
    world = build(20, **{f"scenario_horizon_5A__emit_{other}_intensities": False})
    monkeypatch.setattr(demand.Context, "for_partition", lying)
    world.run("5A.S5")
    assert [name for name, check in world.checks.items() if not check.passed] == [
        f"local and UTC mass of {BASELINE}"
    ]


def test_a_baseline_that_lacks_an_hour_is_refused():
    world = build(10)
    name = ("merchant_zone_baseline_local_5A", None)
    (rows,) = world.store.parts[name]
    world.store.parts[name] = [rows.take(np.arange(len(rows)) != 200)]
    with pytest.raises(ValidationError, match=r"5A\.S5\.BASELINE_NOT_DENSE"):
        world.run("5A.S5")


@pytest.mark.parametrize("gone", [LOCAL, UTC_TABLE])
def test_one_surface_is_the_same_without_the_other(gone):
    both = build(20, scenarios=(BASELINE,))
    key = "emit_local_intensities" if gone == LOCAL else "emit_utc_intensities"
    one = build(20, scenarios=(BASELINE,), **{f"scenario_horizon_5A__{key}": False})
    assert (gone, BASELINE) not in one.store.parts
    kept = UTC_TABLE if gone == LOCAL else LOCAL
    rows, again = both.store.load(kept, BASELINE), one.store.load(kept, BASELINE)
    assert all(np.array_equal(rows[name], again[name]) for name in rows)
