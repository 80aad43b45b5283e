"""5A.S4: events by name and date, their scopes and ids, outage draws that do not shift, refusals."""

from __future__ import annotations

import itertools
from datetime import date, datetime, timedelta

import numpy as np
import pytest

from sim.ground.errors import ContractError
from sim.recipes.civil import months_between, weekday_of
from tests.states.demand_world import BASELINE, STRESS, DemandWorld, code, demand, packs, timetable
from tests.states.memory_world import config, vocabularies

EPOCH = datetime(1970, 1, 1)
SCENARIOS = config("layer2/5A/scenarios.yaml")


def calendar(start: str, end: str, scenario: str = BASELINE, seed: int = 7, **overrides):
    documents = packs(scenario_horizon_5A__start=start, scenario_horizon_5A__end=end, **overrides)
    world = DemandWorld(
        {"tz_timetable_cache": timetable(), "merchant_zone_profile_5A": demand()},
        documents,
        seed=seed,
        scenarios=(scenario,),
    )
    made = world.run("5A.S4")
    assert all(check.passed for check in world.checks.values()), world.checks
    return made[("scenario_calendar_5A", scenario)]


def events(rows, kind: str, **scope: str) -> list[tuple[str, str, float]]:
    """(local start, local end, factor) of a type's events whose scope is exactly `scope`."""
    mask = rows.event_type == code("event_type", kind)
    for column, vocabulary in (
        ("country_iso", "country"),
        ("tzid", "tzid"),
        ("demand_class", "demand_class"),
    ):
        valid = rows.valid[column]
        mask &= valid & (rows[column] == code(vocabulary, scope[column])) if column in scope else ~valid
    found = rows.take(mask)
    starts, stops = (
        [(EPOCH + timedelta(microseconds=int(value))).isoformat() for value in found[name]]
        for name in ("local_start", "local_end")
    )
    return list(zip(starts, stops, found.factor.tolist(), strict=True))


def test_holidays_are_local_days_of_their_country():
    rows = calendar("2026-01-05", "2026-01-26")
    assert events(rows, "HOLIDAY", country_iso="US", demand_class="office_hours") == [
        ("2026-01-19T00:00:00", "2026-01-20T00:00:00", 0.6)
    ]
    assert events(rows, "HOLIDAY", country_iso="US", demand_class="consumer_daytime") == []
    assert events(rows, "HOLIDAY", country_iso="GB", demand_class="office_hours") == []
    australia = events(rows, "HOLIDAY", country_iso="AU", demand_class="office_hours")
    assert [start for start, _, _ in australia] == [
        "2026-01-26T00:00:00"
    ]  # in Sydney while it is the 25th in UTC


@pytest.mark.parametrize(
    ("country", "day", "kind"),
    [
        ("DE", "2026-12-25", "CLOSED"),
        ("DE", "2026-10-03", "CLOSED"),
        ("US", "2026-12-25", "CLOSED"),
        ("US", "2026-11-26", "REDUCED"),
        ("US", "2026-11-11", "WORKING"),
        ("US", "2026-07-03", "WORKING"),
        ("US", "2026-09-07", "FEAST"),
        ("GB", "2026-12-28", "WORKING"),
        ("GB", "2026-12-26", "FEAST"),
        ("JP", "2026-05-04", "FEAST"),
        ("CN", "2026-10-07", "WORKING"),
        ("IL", "2026-09-21", "CLOSED"),
        ("IL", "2026-04-22", "FEAST"),
        ("BR", "2026-09-07", "REDUCED"),
        ("NG", "2026-12-25", "REDUCED"),
    ],
)
def test_a_holiday_is_what_its_country_makes_of_it(country, day, kind):
    """The factors of every class of a day, which are those of its kind."""
    since = date.fromisoformat(day)
    rows = calendar(str(since - timedelta(days=2)), str(since + timedelta(days=3)))
    factors = config("layer2/5A/overlay_policy.yaml")["holiday"]["kinds"][kind]
    for label in vocabularies()["demand_class"]:
        found = [
            value
            for start, _, value in events(rows, "HOLIDAY", country_iso=country, demand_class=label)
            if start[:10] == day
        ]
        assert found == ([factors[label]] if label in factors else [])


def test_paydays_move_before_weekends_and_holidays():
    rows = calendar("2026-01-05", "2026-05-02")
    us = [start[:10] for start, _, _ in events(rows, "PAYDAY", country_iso="US", demand_class="online_24h")]
    # 31 January, 15 February, 28 February and 15 March 2026 are weekend days; 13 February is the Friday
    # before Presidents' weekend.
    assert us == [
        "2026-01-15",
        "2026-01-30",
        "2026-02-13",
        "2026-02-27",
        "2026-03-13",
        "2026-03-31",
        "2026-04-15",
        "2026-04-30",
    ]
    for country, first in (
        ("SA", "2026-01-27"),
        ("DE", "2026-01-30"),
        ("SE", "2026-01-23"),
        ("BR", "2026-01-05"),
    ):
        assert events(rows, "PAYDAY", country_iso=country, demand_class="online_24h")[0][0][:10] == first
    egypt = [
        date.fromisoformat(start[:10])
        for start, _, _ in events(rows, "PAYDAY", country_iso="EG", demand_class="online_24h")
    ]
    assert all(day.isoweekday() not in (5, 6) for day in egypt)


@pytest.mark.parametrize(
    ("start", "end", "kind", "label", "scope", "expected"),
    [
        (
            "2026-11-16",
            "2026-12-10",
            "CAMPAIGN",
            "online_24h",
            {"country_iso": "GB"},
            ("2026-11-27T00:00:00", "2026-11-28T00:00:00", 1.80),
        ),
        (
            "2026-11-16",
            "2026-12-10",
            "CAMPAIGN",
            "online_24h",
            {"country_iso": "JP"},
            ("2026-11-27T00:00:00", "2026-11-28T00:00:00", 1.10),
        ),
        (
            "2026-11-02",
            "2026-11-16",
            "CAMPAIGN",
            "online_24h",
            {"country_iso": "CN"},
            ("2026-11-11T00:00:00", "2026-11-11T01:00:00", 4.00),
        ),
        (
            "2026-12-07",
            "2026-12-28",
            "SEASON",
            "consumer_daytime",
            {"country_iso": "DE"},
            ("2026-12-19T00:00:00", "2026-12-20T00:00:00", 1.35),
        ),
        (
            "2026-12-07",
            "2026-12-28",
            "SEASON",
            "consumer_daytime",
            {"country_iso": "US"},
            ("2026-12-12T00:00:00", "2026-12-13T00:00:00", 1.35),
        ),
        (
            "2026-12-07",
            "2026-12-28",
            "OBSERVANCE",
            "consumer_daytime",
            {"country_iso": "PL"},
            ("2026-12-24T14:00:00", "2026-12-25T00:00:00", 0.10),
        ),
        (
            "2026-02-02",
            "2026-02-23",
            "SEASON",
            "consumer_daytime",
            {"country_iso": "CN"},
            ("2026-02-07T00:00:00", "2026-02-17T00:00:00", 1.30),
        ),
        (
            "2026-02-02",
            "2026-02-23",
            "OBSERVANCE",
            "consumer_daytime",
            {"country_iso": "VN"},
            ("2026-02-17T00:00:00", "2026-02-21T00:00:00", 0.55),
        ),
        (
            "2026-11-16",
            "2026-12-10",
            "SEASON",
            "online_24h",
            {"country_iso": "DE"},
            ("2026-12-01T00:00:00", "2026-12-25T00:00:00", 1.35),
        ),
        (
            "2026-12-28",
            "2027-01-11",
            "SEASON",
            "office_hours",
            {"country_iso": "DE"},
            ("2027-01-02T00:00:00", "2027-01-15T00:00:00", 0.92),
        ),
        (
            "2026-02-02",
            "2026-02-16",
            "CAMPAIGN",
            "online_bursty",
            {},
            ("2026-02-12T00:00:00", "2026-02-16T00:00:00", 1.30),
        ),
    ],
)
def test_windows_fall_on_their_dates(start, end, kind, label, scope, expected):
    rows = calendar(start, end)
    assert expected in events(rows, kind, demand_class=label, **scope)
    elsewhere = events(rows, kind, demand_class=label, country_iso="ZA")
    assert expected not in elsewhere


def test_a_month_of_fasting_has_its_own_hours():
    """Every day of Ramadan 2026, where people fast, and nowhere else."""
    rows = calendar("2026-02-02", "2026-03-30")
    found = events(rows, "OBSERVANCE", country_iso="SA", demand_class="evening_weekend")
    days = [str(date(2026, 2, 18) + timedelta(days=number)) for number in range(29)]
    assert [start for start, _, factor in found if factor == 0.15] == [f"{day}T05:00:00" for day in days]
    assert [start for start, _, factor in found if factor == 0.40] == [f"{day}T17:00:00" for day in days]
    assert [(start, stop) for start, stop, factor in found if factor == 1.80][:1] == [
        ("2026-02-18T20:00:00", "2026-02-19T02:00:00")
    ]
    assert events(rows, "OBSERVANCE", country_iso="DE", demand_class="evening_weekend") == []


def test_stress_only_in_the_stress_scenario():
    stress = calendar("2026-01-05", "2026-01-19", STRESS)
    assert events(stress, "STRESS", demand_class="online_24h") == [
        ("2026-01-09T18:00:00", "2026-01-14T00:00:00", 1.85)
    ]
    kinds = calendar("2026-01-05", "2026-01-19").event_type
    assert not (kinds == code("event_type", "STRESS")).any()


def test_ids_are_the_events_own():
    short, long = calendar("2026-01-05", "2026-01-19"), calendar("2026-01-05", "2026-03-19")
    assert len(np.unique(long.event_id)) == len(long)
    assert set(short.event_id.tolist()) <= set(long.event_id.tolist())
    rank = 4 * short.valid["tzid"] + 2 * short.valid["country_iso"] + 1 * short.valid["demand_class"]
    assert np.array_equal(short.scope_rank, rank)


def outages(rows) -> set[tuple[int, int, int]]:
    of = rows.take(rows.event_type == code("event_type", "OUTAGE"))
    return set(zip(of.tzid.tolist(), of.local_start.tolist(), of.local_end.tolist(), strict=True))


def test_outages_are_drawn_a_zone_and_day():
    often = {"overlay_policy_5A__outage__probability_per_zone_day": 0.05}
    short, long = calendar("2026-01-05", "2026-01-19", **often), calendar("2026-01-05", "2026-02-05", **often)
    assert outages(short) <= outages(long), "a longer horizon only adds days"
    zone_days = len(vocabularies()["tzid"]) * 33
    # Binomial(11,814, 0.05): five standard deviations are 118.
    assert abs(len(outages(long)) - 0.05 * zone_days) < 118
    lengths = {(end - start) // 60_000_000 for _, start, end in outages(long)}
    assert lengths == set(config("layer2/5A/overlay_policy.yaml")["outage"]["durations_minutes"])
    assert len({start // 60_000_000 % 1440 for _, start, _ in outages(long)}) > 400
    assert outages(short) != outages(calendar("2026-01-05", "2026-01-19", seed=8, **often))
    assert outages(short) != outages(calendar("2026-01-05", "2026-01-19", STRESS, **often)), (
        "scenarios have outages of their own"
    )


def test_never_and_always():
    assert not outages(
        calendar("2026-01-05", "2026-01-12", overlay_policy_5A__outage__probability_per_zone_day=0.0)
    )
    always = calendar("2026-01-05", "2026-01-12", overlay_policy_5A__outage__probability_per_zone_day=1.0)
    assert len(outages(always)) == len(vocabularies()["tzid"]) * 9


@pytest.mark.parametrize(
    ("overrides", "error"),
    [
        ({"scenarios_5A__scenarios__baseline_v1__windows": ["easter"]}, "5A.S4.WINDOW_UNKNOWN"),
        ({"feasts_5A__dates": {"ramadan": ["2026-02-18"]}}, "5A.S4.FEAST_UNKNOWN"),
        (
            {"overlay_policy_5A__payday__groups": [{"countries": ["XX"], "days": [1]}]},
            "5A.S4.COUNTRY_UNKNOWN",
        ),
        (
            {
                "overlay_policy_5A__outage__factor": 0.9,
                "overlay_policy_5A__outage__probability_per_zone_day": 1.0,
            },
            "5A.S4.FACTOR_OUT_OF_BOUNDS",
        ),
    ],
)
def test_refusals(overrides, error):
    with pytest.raises(ContractError, match=error.replace(".", r"\.")):
        calendar("2026-01-05", "2026-01-12", **overrides)


@pytest.mark.parametrize(
    ("override", "check"),
    [
        ({"overlay_policy_5A__holiday__kinds__CLOSED__consumer_daytime": 0.5}, "Christmas"),
        ({"scenarios_5A__windows__black_friday_asia__factors": {"online_24h": 3.9}}, "Singles Day"),
    ],
)
def test_feasts_that_nobody_would_believe_turn_red(override, check):
    documents = packs(
        scenario_horizon_5A__start="2026-11-02", scenario_horizon_5A__end="2027-01-04", **override
    )
    world = DemandWorld({"tz_timetable_cache": timetable(), "merchant_zone_profile_5A": demand()}, documents)
    world.run("5A.S4")
    assert [name for name, one in world.checks.items() if not one.passed] == [f"{check} of {BASELINE}"]


@pytest.mark.parametrize(
    ("start", "end", "error"),
    [
        ("2026-02-30", "2026-03-02", "5A.S4.HORIZON_INVALID"),
        ("2026-03-02", "2026-03-02", "5A.S4.HORIZON_INVALID"),
        ("2031-12-20", "2032-01-03", "5A.S4.HOLIDAYS_NOT_COVERED"),
    ],
)
def test_horizons_that_cannot_be(start, end, error):
    with pytest.raises(ContractError, match=error.replace(".", r"\.")):
        calendar(start, end)


def test_scenarios_without_overlays_have_an_empty_calendar():
    bare = {"band": "baseline", "overlays": [], "windows": []}
    documents = packs(scenarios_5A__scenarios__baseline_v1=bare)
    world = DemandWorld({"tz_timetable_cache": timetable(), "merchant_zone_profile_5A": demand()}, documents)
    made = world.run("5A.S4")
    assert all(check.passed for check in world.checks.values())
    assert len(made[("scenario_calendar_5A", BASELINE)]) == 0
    assert made[("scenario_manifest_5A", BASELINE)].events.tolist() == [0]


def test_civil_days_equal_datetime():
    first, last = ((date(*day) - date(1970, 1, 1)).days for day in ((2019, 11, 15), (2032, 3, 2)))
    seen = []
    for month in months_between(first, last):
        start = date(1970, 1, 1) + timedelta(days=month.first)
        seen.append(month.first)
        assert (start.month, start.day) == (month.number, 1)
        assert (
            month.day(1) == month.first and month.day(31) == month.day(-1) == month.first + month.length - 1
        )
        assert month.day(-2) == month.day(-1) - 1
        for weekday in range(1, 8):
            days = [
                month.first + at
                for at in range(month.length)
                if (start + timedelta(days=at)).isoweekday() == weekday
            ]
            assert [month.nth_weekday(weekday, nth) for nth in range(1, 5)] == days[:4]
            assert all(weekday_of(day) == weekday for day in days)
    assert (
        seen[0] <= first
        and seen[-1] <= last
        and all(28 <= after - before <= 31 for before, after in itertools.pairwise(seen))
    )


LATER = {STRESS: {"start": "2026-01-12", "end": "2026-01-23"}}


def test_a_scenario_may_have_a_horizon_of_its_own():
    up = {"tz_timetable_cache": timetable(), "merchant_zone_profile_5A": demand()}
    world = DemandWorld(up, packs(scenario_horizon_5A__scenarios=LATER), scenarios=(BASELINE, STRESS))
    made = world.run("5A.S4")
    # draws of outages by each scenario's days
    assert all(check.passed for check in world.checks.values()), world.checks
    day = 86_400_000_000
    for scenario, (first, last) in {
        BASELINE: ("2026-01-05", "2026-01-19"),
        STRESS: ("2026-01-12", "2026-01-23"),
    }.items():
        manifest = made[("scenario_manifest_5A", scenario)]
        span = [(date.fromisoformat(text) - date(1970, 1, 1)).days * day for text in (first, last)]
        assert [int(manifest.horizon_start_utc[0]), int(manifest.horizon_end_utc[0])] == span
    alone = DemandWorld(
        up,
        packs(scenario_horizon_5A__start="2026-01-12", scenario_horizon_5A__end="2026-01-23"),
        scenarios=(STRESS,),
    )
    again = alone.run("5A.S4")
    for (name, scenario), frame in again.items():  # as if all scenarios had these dates
        assert all(np.array_equal(frame[column], made[(name, scenario)][column]) for column in frame), name


@pytest.mark.parametrize(
    ("own", "refusal", "words"),
    [
        ({STRESS: {"end": "2026-01-05"}}, "5A.S4.HORIZON_INVALID", "The horizon of stress_peak_online_v1"),
        ({STRESS: {"start": "2026-02-30"}}, "5A.S4.HORIZON_INVALID", "2026|day"),
        ({"stress": {"start": "2026-01-06"}}, "5A.S4.SCENARIO_UNKNOWN", "baseline_v1, stress_peak_online_v1"),
    ],
)
def test_horizons_of_scenarios_that_cannot_be(own, refusal, words):
    from sim.segments.intensity_5a import s4_calendar
    from tests.states.demand_world import PROGRAMS

    world = DemandWorld({}, packs(scenario_horizon_5A__scenarios=own))
    with pytest.raises(ContractError) as error:
        s4_calendar.preflight(world.context(PROGRAMS["5A.S4"]))
    assert error.value.code == refusal
    assert any(word in error.value.render() for word in words.split("|"))
