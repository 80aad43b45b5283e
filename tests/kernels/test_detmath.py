"""Accuracy of exp, log, log1p, expm1, the normal quantile and its distribution function against mpmath,
at edges and over the whole range of doubles.
"""

import math

import numpy as np
import pytest

pytest.importorskip(
    "numba", reason="these tests call the numba functions one by one, and numba is not installed"
)
mpmath = pytest.importorskip("mpmath", reason="these tests measure against mpmath, and it is not installed")

from cpu_fallback.detmath import (  # noqa: E402
    det_exp,
    det_expm1,
    det_log,
    det_log1p,
    det_normal_cdf,
    det_normal_quantile,
)
from tests.kernels.binder import call  # noqa: E402

mpmath.mp.prec = 120
TINY = 5e-324
HUGE = math.nextafter(math.inf, 0.0)
NORMAL = 2.0**-1022
BOUNDS = {"exp": 1.0, "log": 1.0, "log1p": 2.0, "expm1": 4.0}
TWINS = {"log1p": det_log1p, "expm1": det_expm1}


def ulps(got, exact):
    """Distance in units of the last place of the exact value, subnormals included."""
    exponent = max(mpmath.frexp(exact)[1] - 53, -1074)
    return float(abs(mpmath.mpf(got) - exact) / mpmath.ldexp(1, exponent))


def doubles(rng, n):
    """Doubles with uniform bits: every exponent alike."""
    found = rng.integers(0, 2**64, 2 * n, dtype=np.uint64).view(np.float64)
    return found[np.isfinite(found)][:n]


def points(name, n):
    """Points of one function: half over its useful range, half where it is hardest or over all exponents."""
    rng = np.random.default_rng([n, len(name)])
    half = n // 2
    if name == "exp":
        return np.concatenate(
            [rng.uniform(-745.2, 709.79, half), rng.uniform(-2.0, 2.0, half // 2), doubles(rng, 9 * half)]
        )[: 10 * half]
    if name == "log":
        near = 1.0 + rng.normal(0.0, 1.0, half // 2) * 2.0 ** rng.uniform(-50, -3, half // 2)
        return np.concatenate(
            [near, np.abs(doubles(rng, half)), rng.uniform(0, TINY * 1e6, 100), rng.random(half // 2)]
        )
    if name == "log1p":
        return np.concatenate([2.0 ** rng.uniform(-80, 60, half), rng.uniform(-0.9, 3.0, half)])
    return np.concatenate([-(2.0 ** rng.uniform(-80, 9, half)), rng.uniform(-40.0, 3.0, half)])


def worst(name, n):
    """Largest error in ulps and the point where it is."""
    exact = getattr(mpmath, name)
    x = points(name, n)
    if name in TWINS:
        y = [TWINS[name](value) for value in x.tolist()]
    else:
        y = call(f"{name}_map", {"x": x})[0][0].tolist()
        keep = [i for i, value in enumerate(x.tolist()) if name == "log" or -745.13 < value < 709.78]
        x, y = x[keep[:n]], [y[i] for i in keep[:n]]
    return max((ulps(got, exact(mpmath.mpf(value))), value) for value, got in zip(x.tolist(), y, strict=True))


def worst_quantile(n):
    """Largest relative error of the quantile in the bulk (1e-12 <= p) and in the tails,
    by one Newton step on the exact cdf.

    The step from the computed z is exact to second order: its square is below 1e-24 relative.
    """
    rng = np.random.default_rng(n)
    half = n // 2
    u = np.concatenate(
        [
            rng.random(half),
            2.0 ** rng.uniform(-1074, -1, half // 2),
            1.0 - 2.0 ** rng.uniform(-53, -1, half // 2),
        ]
    )
    u = u[(u > 0.0) & (u < 1.0) & (u != 0.5)]
    z = call("normal_quantile_map", {"u": u})[0][0]
    bulk = tail = 0.0
    for p, value in zip(u.tolist(), z.tolist(), strict=True):
        point = mpmath.mpf(value)
        side = point if p < 0.5 else -point
        target = mpmath.mpf(p) if p < 0.5 else 1 - mpmath.mpf(p)
        lower = mpmath.erfc(-side / mpmath.sqrt(2)) / 2
        step = (lower - target) / (mpmath.exp(-point * point / 2) / mpmath.sqrt(2 * mpmath.pi))
        error = float(abs(step / point))
        if 1e-12 <= p <= 1 - 1e-12:
            bulk = max(bulk, error)
        else:
            tail = max(tail, error)
    return bulk, tail


def worst_cdf(n):
    """Largest relative error of the distribution function where its lower tail is a normal double."""
    rng = np.random.default_rng(n)
    z = np.concatenate([rng.uniform(-37.0, 9.0, n // 2), rng.normal(0.0, 2.5, n // 2), [3.0, -3.0]])
    z = np.concatenate([z, np.nextafter(z[-2:], [9.0, -9.0])])
    p = call("normal_cdf_map", {"z": z})[0][0]
    root = mpmath.sqrt(2)
    exact = [mpmath.erfc(-mpmath.mpf(value) / root) / 2 for value in z.tolist()]
    return max(float(abs(got - true) / true) for got, true in zip(p.tolist(), exact, strict=True))


def test_cdf_accuracy():
    assert worst_cdf(20_000) <= 1e-12


@pytest.mark.slow(60)
def test_cdf_accuracy_of_a_million_points():
    assert worst_cdf(1_000_000) <= 1e-12


@pytest.mark.parametrize("name", sorted(BOUNDS))
def test_accuracy(name):
    error, where = worst(name, 20_000)
    assert error <= BOUNDS[name], where


def test_quantile_accuracy():
    bulk, tail = worst_quantile(10_000)
    assert bulk <= 1e-15
    assert tail <= 1e-15


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(BOUNDS))
def test_accuracy_of_a_million_points(name):
    error, where = worst(name, 1_000_000)
    assert error <= BOUNDS[name], where


@pytest.mark.slow(60)
def test_quantile_accuracy_of_a_million_points():
    bulk, tail = worst_quantile(1_000_000)
    assert bulk <= 1e-15
    assert tail <= 1e-15


CANONICAL_NAN = 0x7FF8000000000000
EXACT = [
    (det_exp, 0.0, 1.0), (det_exp, -0.0, 1.0), (det_exp, TINY, 1.0), (det_exp, math.inf, math.inf),
    (det_exp, -math.inf, 0.0), (det_exp, math.nextafter(709.782712893384, math.inf), math.inf),
    (det_exp, HUGE, math.inf), (det_exp, -HUGE, 0.0), (det_exp, -745.14, 0.0), (det_exp, -745.13, TINY),
    (det_exp, -744.5, TINY), (det_log, 1.0, 0.0), (det_log, 0.0, -math.inf), (det_log, -0.0, -math.inf),
    (det_log, math.inf, math.inf), (det_log1p, 0.0, 0.0), (det_log1p, TINY, TINY), (det_log1p, 1e-20, 1e-20),
    (det_log1p, math.inf, math.inf), (det_expm1, 0.0, 0.0), (det_expm1, -TINY, -TINY),
    (det_expm1, -1e-20, -1e-20), (det_expm1, -800.0, -1.0), (det_expm1, 800.0, math.inf),
    (det_normal_quantile, 0.0, -math.inf), (det_normal_quantile, -1.0, -math.inf),
    (det_normal_quantile, 1.0, math.inf), (det_normal_quantile, 2.0, math.inf),
    (det_normal_quantile, 0.5, 0.0), (det_normal_quantile, math.inf, math.inf),
    (det_normal_cdf, 0.0, 0.5), (det_normal_cdf, -0.0, 0.5), (det_normal_cdf, -math.inf, 0.0),
    (det_normal_cdf, math.inf, 1.0), (det_normal_cdf, HUGE, 1.0), (det_normal_cdf, -HUGE, 0.0),
]  # fmt: skip


@pytest.mark.parametrize(("function", "x", "expected"), EXACT)
def test_edges(function, x, expected):
    got = function(x)
    assert got == expected
    assert math.copysign(1.0, got) == math.copysign(1.0, expected)


@pytest.mark.parametrize(
    "x", [709.782712893384, 709.7827128933839, -745.1332191019411, -708.4, -708.3964185322641, -1e-300, 1e-17]
)
def test_exp_at_its_thresholds(x):
    assert ulps(det_exp(x), mpmath.exp(mpmath.mpf(x))) <= 1.0


@pytest.mark.parametrize(
    "x", [TINY, 2 * TINY, NORMAL, math.nextafter(NORMAL, 0.0), HUGE, 1.0 - 2.0**-53, 1.0 + 2.0**-52]
)
def test_log_at_its_edges(x):
    assert ulps(det_log(x), mpmath.log(mpmath.mpf(x))) <= 1.0


@pytest.mark.parametrize("function", [det_exp, det_log, det_normal_cdf, det_normal_quantile])
def test_nan_is_the_canonical_one(function):
    noisy = np.array([0x7FF0000000000123, 0xFFF8000000000000, 0xFFFFFFFFFFFFFFFF], np.uint64).view(np.float64)
    results = np.array([function(x) for x in noisy])
    assert results.view(np.uint64).tolist() == [CANONICAL_NAN] * 3


@pytest.mark.parametrize("x", [-1.0, -TINY, -HUGE, -math.inf])
def test_log_of_negatives_is_nan(x):
    assert np.float64(det_log(x)).view(np.uint64) == CANONICAL_NAN
