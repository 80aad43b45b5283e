"""Every generic twin equals its plain-Python reference bit for bit: fixed sizes with edge values mixed in,
and hypothesis rows.
"""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.kernels.binder import EDGES, call, check, contracts, inputs, words

WORD = st.one_of(st.sampled_from(EDGES), st.integers(0, 2**64 - 1))
SMALL = st.one_of(st.sampled_from([0, 1, 2, 2**32 - 1]), st.integers(0, 2**32 - 1))
DOUBLE = st.floats(allow_nan=True, allow_infinity=True)
MODERATE = st.floats(-8.0, 8.0)
UNIT = st.floats(0.0, 1.0)
MEAN_EDGES = [0.0, 5e-324, 1e-300, 64.0, np.nextafter(64.0, 65.0), -1.0, np.inf, np.nan, 1e12]
MEAN = st.one_of(st.floats(0.0, 150.0), st.sampled_from(MEAN_EDGES))
SHAPE = st.one_of(
    st.floats(-1.0, 0.0), st.floats(0.05, 1e6), st.sampled_from([5e-324, 1e300, np.inf, np.nan])
)

# One strategy per column of the kernels that work row by row; a name not listed takes any value of its dtype.
ROWS = {
    "philox_block": {},
    "open_uniform": {},
    "bounded_integer": {},
    "exp_map": {"x": st.one_of(DOUBLE, st.floats(-746.0, 710.0))},
    "log_map": {"x": st.one_of(DOUBLE, st.floats(0.0, 2.0))},
    "normal_quantile_map": {"u": st.one_of(DOUBLE, UNIT)},
    "normal_cdf_map": {"z": st.one_of(DOUBLE, st.floats(-40.0, 40.0))},
    "lognormal_factor": {"mu": st.one_of(MODERATE, DOUBLE), "sigma": st.one_of(MODERATE, DOUBLE)},
    "race_key": {},
    "entity_hash": {},
    "remainder_quota": {},
    "draw_counts": {"mu": MEAN, "kappa": SHAPE},
    "disk_offset": {
        "radius_udeg": st.one_of(st.floats(0.0, 1e12), DOUBLE),
        "lon_scale": st.one_of(st.floats(0.0, 1e6), DOUBLE),
    },
}
SCALARS = {
    "key": WORD,
    "part_mean": st.sampled_from([64.0, 64.0, 10.0, 512.0, 0.5, 0.0, np.nan]),
    "zero_truncated": st.integers(0, 1),
}
DEFAULT = {"uint64": WORD, "uint32": SMALL, "float64": DOUBLE}


def case(stem):
    columns = [arg for arg in inputs(stem) if arg["kind"] == "column"]
    row = st.tuples(*[ROWS[stem].get(arg["name"], DEFAULT[arg["dtype"]]) for arg in columns])
    scalars = {arg["name"]: SCALARS[arg["name"]] for arg in inputs(stem) if arg["kind"] == "scalar"}

    def assemble(rows, values):
        transposed = list(zip(*rows, strict=True)) or [()] * len(columns)
        return values | {
            arg["name"]: np.array(column, arg["dtype"])
            for arg, column in zip(columns, transposed, strict=True)
        }

    return st.builds(assemble, st.lists(row, max_size=12), st.fixed_dictionaries(scalars))


@pytest.mark.parametrize("stem", sorted(ROWS))
def test_row_local_twin_equals_reference(stem):
    @settings(max_examples=40, deadline=None, derandomize=True, database=None)
    @given(case(stem))
    def equal(values):
        check(stem, values)

    equal()


def sample(stem, n):
    """Inputs of `n` rows that the kernel accepts, from a fixed seed."""
    rng = np.random.default_rng([n, len(stem)])
    values = {}
    for arg in inputs(stem):
        is_float = arg["dtype"] == "float64"
        values[arg["name"]] = rng.normal(0.0, 2.0, n) if is_float else words(rng, n)
    if stem == "bounded_integer":
        values["bound"] = np.maximum(values["bound"], np.uint64(1))
    if stem == "normal_quantile_map":
        values["u"] = rng.random(n) ** 8
    if stem == "remainder_quota":
        values["weight_total"] = np.maximum(values["weight_total"], np.uint64(1))
        values["weight"] = np.minimum(values["weight"], values["weight_total"])
    if stem == "disk_offset":
        values |= {"radius_udeg": rng.random(n) * 5e6, "lon_scale": 1.0 + rng.random(n)}
    if stem == "draw_counts":
        values |= {
            "mu": rng.random(n) ** 4 * 200.0,
            "kappa": rng.normal(3.0, 2.0, n),
            "part_mean": 64.0,
            "zero_truncated": 0,
        }
    if "key" in values:
        values["key"] = int(rng.integers(0, 2**64, dtype=np.uint64))
    return values


@pytest.mark.parametrize("n", [0, 1, 17, 1000])
@pytest.mark.parametrize("stem", sorted(ROWS))
def test_sizes(stem, n):
    _, refused = call(stem, sample(stem, n))
    assert refused is None
    check(stem, sample(stem, n))


@settings(max_examples=60, deadline=None, derandomize=True, database=None)
@given(
    st.lists(st.one_of(st.integers(0, 40), st.sampled_from([0, 1, 1000])), max_size=20), st.integers(-3, 3)
)
def test_expand_rows(counts, lie):
    offset = np.concatenate([[0], np.cumsum(counts, dtype=np.int64)]).astype(np.uint64)
    rows, ranks = check("expand_rows", {"offset": offset}, {"m": int(offset[-1])})
    assert rows.tolist() == np.repeat(np.arange(len(counts)), counts).tolist()
    assert len(ranks) == sum(counts)
    if lie and int(offset[-1]) + lie >= 0:
        assert call("expand_rows", {"offset": offset}, {"m": int(offset[-1]) + lie})[1] == (0, "BAD_OFFSET")


def test_expand_rows_refuses_falling_offsets():
    check("expand_rows", {"offset": [0, 5, 3, 8]}, {"m": 8})
    check("expand_rows", {"offset": [1, 5, 8]}, {"m": 8})
    assert call("expand_rows", {"offset": [0, 9, 8]}, {"m": 8})[1] == (0, "BAD_OFFSET")


@pytest.mark.parametrize(("groups", "buckets"), [(0, 5), (1, 1), (3, 0), (17, 24), (5, 169)])
def test_ou_field(groups, buckets):
    rng = np.random.default_rng(groups)
    phi = rng.random(groups)
    values = {
        "key": 7,
        "entity": words(rng, groups),
        "sigma": rng.random(groups),
        "phi": phi,
        "step_scale": np.sqrt(1 - phi * phi),
    }
    check("ou_field", values | {"buckets": buckets}, {"gz": groups * buckets})
    assert call("ou_field", values | {"buckets": buckets}, {"gz": groups * buckets + 1})[1] == (
        0,
        "WRONG_LENGTH",
    )


def test_ou_field_autocorrelation():
    """2,000 paths of 200 buckets: the lag-1 correlation's standard error is about 0.001,
    so 0.005 is five of them.
    """
    groups, buckets, phi = 2000, 200, 0.8
    ones = np.ones(groups)
    values = {
        "key": 11,
        "entity": np.arange(groups),
        "sigma": ones * 0.5,
        "phi": ones * phi,
        "step_scale": ones * (1 - phi * phi) ** 0.5,
    }
    z = call("ou_field", values | {"buckets": buckets}, {"gz": groups * buckets})[0][0].reshape(
        groups, buckets
    )
    assert abs(np.mean(z[:, 1:] * z[:, :-1]) / np.mean(z * z) - phi) < 0.005
    assert abs(np.mean(z * z) / 0.25 - 1) < 0.02
    assert abs(z[:, 0].std() / 0.5 - 1) < 0.08


def test_disk_is_uniform():
    """100,000 points: squared radius is uniform, all 8 octants are hit alike; chi-square at 7 and 9 degrees,
    critical values of 1e-6.
    """
    n = 100_000
    rng = np.random.default_rng(3)
    values = {f"x{i}": rng.integers(0, 2**64, n, dtype=np.uint64) for i in range(3)}
    (dlat, dlon), refused = call(
        "disk_offset", values | {"radius_udeg": np.full(n, 1e6), "lon_scale": np.full(n, 2.0)}
    )
    assert refused is None
    y, x = dlat / 1e6, dlon / 2e6
    octant = np.bincount((np.floor((np.arctan2(y, x) + np.pi) / (np.pi / 4)).astype(int)) % 8, minlength=8)
    ring = np.bincount(np.minimum((10 * (x * x + y * y)).astype(int), 9), minlength=10)
    assert ((octant - n / 8) ** 2 / (n / 8)).sum() < 40.5
    assert ((ring - n / 10) ** 2 / (n / 10)).sum() < 46.0
    assert (x * x + y * y).max() <= 1.00001


def test_race_key_samples_by_weight():
    """The smallest of two keys belongs to weight 3 against 1 with probability 3/4: 40,000 races,
    tolerance six standard errors.
    """
    rng = np.random.default_rng(4)
    n = 40_000
    heavy, light = (
        call("race_key", {"x": rng.integers(0, 2**64, n, np.uint64), "weight": np.full(n, w)})[0][0]
        for w in (3.0, 1.0)
    )
    assert abs(np.mean(heavy < light) - 0.75) < 0.013


def test_every_generic_stem_is_exercised():
    assert set(ROWS) | {"expand_rows", "ou_field", "alias_build", "alias_pick"} <= set(contracts())


def test_race_key_of_weights_that_cannot_win():
    weight = [0.0, -0.0, -1.0, np.nan, -np.inf]
    assert check("race_key", {"x": np.arange(5), "weight": np.array(weight)})[0].tolist() == [np.inf] * 5
    assert check("race_key", {"x": np.array([0]), "weight": np.array([np.inf])})[0].tolist() == [0.0]
