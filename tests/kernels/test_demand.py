"""Demand kernels: twins equal their references, refusals included; overlays obey scope,
aggregation and bounds.
"""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.kernels.binder import call, check

KINDS = 3
SEED = st.integers(0, 2**32 - 1)


def offsets(counts):
    return np.concatenate([[0], np.cumsum(counts)]).astype(np.uint64)


def overlay_case(seed, combinations=4, events=14, broken=False):
    """Random events around a few days of cells; links sorted by kind, then by falling rank."""
    rng = np.random.default_rng(seed)
    start = rng.integers(-5, 30, events) * 1800
    length = rng.integers(1, 20, events) * 1800
    kind = rng.integers(0, KINDS, events).astype(np.uint8)
    rank = rng.integers(0, 8, events).astype(np.uint8)
    ramp = rng.random((2, events))
    links = []
    for _ in range(combinations):
        seen = np.flatnonzero(rng.random(events) < 0.6)
        links.append(seen[np.lexsort((seen, -rank[seen].astype(int), kind[seen]))])
    event = np.concatenate(links).astype(np.uint32)
    if broken and len(event):
        event[rng.integers(0, len(event))] = events
    cells = rng.integers(0, 40, combinations)
    return {
        "cell": offsets(cells),
        "first": rng.integers(-4, 4, combinations) * 900 + 450,
        "step": 900,
        "link": offsets([len(seen) for seen in links]),
        "event": event,
        "start": start,
        "stop": start + length,
        "ramp_in": np.where(ramp[0] < 0.5, 0, length * ramp[0] / 2).astype(np.int64),
        "ramp_out": np.where(ramp[1] < 0.5, 0, length * ramp[1] / 2).astype(np.int64),
        "peak": rng.random(events) * 3.0,
        "kind": kind,
        "rank": rank,
        "take_least": np.array([0, 1, 0], np.uint8),
        "low": np.array([0.5, 0.0, 1.0]),
        "high": np.array([2.0, 0.6, 2.5]),
        "total_low": 0.1,
        "total_high": 3.0,
    }, {"f": int(cells.sum())}


@settings(max_examples=80, deadline=None, derandomize=True, database=None)
@given(SEED, st.booleans())
def test_overlay_factor_equals_reference(seed, broken):
    given_, dims = overlay_case(seed, broken=broken)
    check("overlay_factor", given_, dims)


def events(*rows):
    """Inputs of one combination of six hourly cells that sees all `rows`: (start hour, stop hour,
    ramp hours, peak, kind, rank).
    """
    start, stop, ramp, peak, kind, rank = (np.array(column) for column in zip(*rows, strict=True))
    return {
        "cell": offsets([6]), "first": np.array([1800]), "step": 3600, "link": offsets([len(rows)]),
        "event": np.arange(len(rows), dtype=np.uint32), "start": start * 3600, "stop": stop * 3600,
        "ramp_in": ramp * 3600, "ramp_out": ramp * 3600, "peak": peak.astype(float),
        "kind": kind.astype(np.uint8), "rank": rank.astype(np.uint8),
        "take_least": np.array([0, 1, 0], np.uint8), "low": np.array([0.25, 0.0, 1.0]),
        "high": np.array([2.0, 0.5, 4.0]), "total_low": 0.125, "total_high": 3.0,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([(2, 4, 0, 1.5, 0, 0)], [1, 1, 1.5, 1.5, 1, 1]),  # constant
        ([(0, 4, 2, 2.0, 0, 0)], [1.25, 1.75, 1.75, 1.25, 1, 1]),  # ramps, at the middle of each hour
        # the specific scope wins while it is in force
        ([(0, 2, 0, 0.5, 0, 3), (0, 6, 0, 1.5, 0, 1)], [0.5, 0.5, 1.5, 1.5, 1.5, 1.5]),
        # largest of equals
        ([(0, 6, 0, 1.25, 0, 1), (0, 2, 0, 1.75, 0, 1)], [1.75, 1.75, 1.25, 1.25, 1.25, 1.25]),
        # smallest of equals
        ([(0, 6, 0, 0.5, 1, 1), (0, 2, 0, 0.25, 1, 1)], [0.25, 0.25, 0.5, 0.5, 0.5, 0.5]),
        # product over types
        ([(0, 6, 0, 1.5, 0, 0), (0, 3, 0, 0.5, 1, 0)], [0.75, 0.75, 0.75, 1.5, 1.5, 1.5]),
        ([(0, 6, 0, 9.0, 0, 0)], [2.0] * 6),  # bound of the type
        ([(0, 6, 0, 2.0, 0, 0), (0, 6, 0, 4.0, 2, 0)], [3.0] * 6),  # bound of the product
        ([(0, 6, 0, 0.0, 1, 0)], [0.125] * 6),
    ],
)
def test_overlay_law(rows, expected):
    (factor,) = check("overlay_factor", events(*rows), {"f": 6})
    assert factor.tolist() == expected


def surface_case(seed):
    """A few keys over two zones and three shapes; local and UTC rows that fit together."""
    rng = np.random.default_rng(seed)
    keys, zones, buckets = int(rng.integers(1, 5)), 2, int(rng.integers(1, 30))
    sizes = rng.integers(1, 30, zones)
    grid = offsets(sizes)
    zone = rng.integers(0, zones, keys)
    rows = sizes[zone]
    local = {
        "offset": offsets(rows),
        "volume": rng.random(keys) * 1e4,
        "shape_start": rng.integers(0, 3, keys).astype(np.uint64) * np.uint64(168),
        "grid_start": grid[zone],
        "factor_start": rng.integers(0, 5, keys).astype(np.uint64),
        "shape": rng.random(3 * 168),
        "hour": rng.integers(0, 168, sizes.sum()).astype(np.uint16),
        "times": rng.integers(0, 3, sizes.sum()).astype(np.uint8),
        "factor": rng.random(sizes.max() + 4),
        "hours": 0.25,
        "week": 168,
    }
    utc = {
        "map_start": zone.astype(np.uint64) * np.uint64(buckets),
        "local": np.concatenate([rng.integers(0, size, buckets) for size in sizes]).astype(np.uint32),
        "buckets": buckets,
    }
    return local, utc, {"n": int(rows.sum())}, {"n": keys * buckets}


@settings(max_examples=60, deadline=None, derandomize=True, database=None)
@given(SEED)
def test_surfaces_equal_reference(seed):
    local, utc, local_dims, utc_dims = surface_case(seed)
    _, _, rate = check("local_surface", local, local_dims)
    check("utc_surface", {"offset": local["offset"], "rate": rate, **utc}, utc_dims)
    labels = {name: local[name] for name in ("hour", "times")}
    mass = {"offset": local["offset"], "rate": rate, "label_start": local["grid_start"], **labels}
    check("hour_mass", mass, {"m": 168 * (len(local["offset"]) - 1)})


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"hour": 168}, "OUT_OF_RANGE"),
        ({"shape_start": 10**6}, "OUT_OF_RANGE"),
        ({"grid_start": 2**64 - 1}, "OUT_OF_RANGE"),
        ({"factor_start": 2**63}, "OUT_OF_RANGE"),
    ],
)
def test_local_surface_refuses(change, name):
    local, _, dims, _ = surface_case(5)
    for column, value in change.items():
        local[column] = np.full_like(local[column], value)
    _, refused = call("local_surface", local, dims)
    assert refused == (0, name)


@pytest.mark.parametrize("rate", [-1.0, float("nan"), float("inf"), 2.0**31])
def test_hour_mass_refuses_what_fixed_point_cannot_hold(rate):
    given_ = {
        "offset": offsets([1]), "rate": np.array([rate]), "label_start": np.zeros(1, np.uint64),
        "hour": np.zeros(1, np.uint16), "times": np.ones(1, np.uint8),
    }  # fmt: skip
    assert call("hour_mass", given_, {"m": 168})[1] == (0, "RATE_OUT_OF_RANGE")


def test_utc_surface_refuses_a_map_that_leaves_the_key():
    given_ = {
        "offset": offsets([2]), "rate": np.ones(2), "map_start": np.zeros(1, np.uint64),
        "local": np.array([2], np.uint32), "buckets": 1,
    }  # fmt: skip
    assert call("utc_surface", given_, {"n": 1})[1] == (0, "OUT_OF_RANGE")
