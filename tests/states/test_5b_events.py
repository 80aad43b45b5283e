"""Days of events, counted again from surface and runs of factors; days that are off turn red."""

from __future__ import annotations

import numpy as np
import pytest

from tests.states.memory_world import vocabularies
from tests.states.world_5b import PROGRAMS, build, surface_of
from tests.totals import altered, figures

DAYS = 4
KINDS = len(vocabularies()["event_type"])


@pytest.fixture(scope="module")
def world():
    return build(count=40, days=DAYS).run_to("5B.S3")


def test_days_of_events_counted_again(world):
    """Arrivals exactly, demand to the rounding of its cells."""
    keys = world.frame("s1_grouping_5B")
    hours = touched_hours(world, keys)
    profile = world.store.load("merchant_zone_profile_5A", None)
    surface = surface_of(world.store, profile, "baseline")
    demand = surface.lambda_utc_scenario.reshape(len(keys), DAYS, -1).sum(axis=2)
    counts = world.frame("s3_bucket_counts_5B")
    names = ("merchant_id", "legal_country_iso", "tzid", "channel_group")
    row_of = {key: row for row, key in enumerate(zip(*(keys[n].tolist() for n in names), strict=True))}
    sold = np.zeros((len(keys), DAYS), dtype=np.int64)
    a_day = int(world.frame("scenario_manifest_5A").buckets[0]) // DAYS
    for *key, bucket, n in zip(
        *(counts[name].tolist() for name in (*names, "bucket_index", "count_n")), strict=True
    ):
        sold[row_of[tuple(key)], bucket // a_day] += n
    held = 2 * hours >= a_day
    seen = figures(world.totals)
    assert (seen["sold_on.baseline"][:, :DAYS] == (held * sold).sum(axis=1)).all()
    wanted = (held * demand).sum(axis=1)
    np.testing.assert_allclose(seen["wanted_on.baseline"][:, :DAYS] / 2.0**20, wanted, rtol=1e-5, atol=0.1)
    merchants = np.unique(keys.merchant_id, return_inverse=True)[1]
    of_merchant = np.zeros((KINDS, merchants.max() + 1, DAYS))
    np.add.at(of_merchant, (slice(None), merchants), held * demand)
    squares = (of_merchant**2).sum(axis=1)
    found = seen["squares_on.baseline"][:, :DAYS]
    assert (found <= squares + 1).all() and (found >= squares - 2 * of_merchant.sum(axis=1) - 1).all()
    assert held.any(axis=(1, 2)).sum() == 3 and 0 < seen["sold_on.baseline"].sum() < 3 * sold.sum()


def touched_hours(world, keys):
    """Buckets of each key's days that a type of event moves: int64, types x keys x days."""
    manifest = world.frame("scenario_manifest_5A")
    start, step = int(manifest.horizon_start_utc[0]) // 10**6, int(manifest.bucket_seconds[0])
    middle = start + np.arange(int(manifest.buckets[0])) * step + step // 2
    clock, table = world.store.load("tz_timetable_cache", None), world.frame("scenario_overlay_factors_5A")
    scope = ("legal_country_iso", "tzid", "demand_class")
    runs: dict[tuple[int, ...], list[tuple[int, int, int]]] = {}
    for *place, kind, first, size in zip(
        *(table[name].tolist() for name in (*scope, "event_type", "local_bucket_index", "local_buckets")),
        strict=True,
    ):
        runs.setdefault(tuple(place), []).append((kind, first, first + size))
    hours = np.zeros((KINDS, len(keys), DAYS), dtype=np.int64)
    for row in range(len(keys)):
        mine = clock.take(clock.tzid == keys.tzid[row])
        at = np.searchsorted(mine.transition_utc // 10**6, middle, side="right") - 1
        cells = (middle + mine.offset_minutes[at].astype(np.int64) * 60) // step
        cells -= cells.min()
        for kind, first, stop in runs.get(tuple(int(keys[name][row]) for name in scope), []):
            hours[kind, row] += ((cells >= first) & (cells < stop)).reshape(DAYS, -1).sum(axis=1)
    return hours


@pytest.mark.parametrize(
    ("ratio", "day", "kind"), [(1.08, True, True), (1.15, True, False), (1.3, False, False)]
)
def test_days_that_are_off_turn_red(world, ratio, day, kind):
    """Days without an error of counting: one may be off by what all share, all together by less."""
    many = np.zeros_like(figures(world.totals)["sold_on.baseline"])
    many[1, :DAYS] = 10**6
    wrong = {
        "sold_on.baseline": (many * ratio).astype(np.int64),
        "wanted_on.baseline": many << 20,
        "law_on.baseline": many * 0,
        "squares_on.baseline": many * 0,
    }
    program = PROGRAMS["5B.S3"]
    checks = program.checks(world.context(program.state), altered(world.totals, wrong))
    found = {check.name: check.passed for check in checks if "of events in" in check.name}
    assert found == {"days of events in baseline": day, "types of events in baseline": kind}
