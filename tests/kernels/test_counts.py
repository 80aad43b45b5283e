"""Counts: the distribution function against mpmath, moments of large samples, splitting, truncation,
addresses.
"""

import numpy as np
import pytest

pytest.importorskip(
    "numba", reason="these tests call the numba functions one by one, and numba is not installed"
)
mpmath = pytest.importorskip("mpmath", reason="these tests measure against mpmath, and it is not installed")

from cpu_fallback.counts import invert_count  # noqa: E402
from cpu_fallback.detmath import det_exp  # noqa: E402
from tests.kernels.binder import call, check  # noqa: E402

mpmath.mp.prec = 120
LAWS = [
    (0.01, 0.0), (0.7, 0.0), (30.0, -1.0), (64.0, 0.0), (500.0, 0.0),
    (1e-6, 2.0), (0.3, 0.05), (3.0, 1.0), (30.0, 0.5), (64.0, 40.0), (500.0, 3.0), (20.0, 1e9),
]  # fmt: skip


def cumulative(mu, kappa, k):
    """P(N <= k), exactly: the regularised incomplete gamma (Poisson) or beta (NB2) function."""
    if kappa <= 0.0:
        return mpmath.gammainc(k + 1, mpmath.mpf(mu), mpmath.inf, regularized=True)
    p = mpmath.mpf(kappa) / (mpmath.mpf(kappa) + mpmath.mpf(mu))
    return mpmath.betainc(mpmath.mpf(kappa), k + 1, 0, p, regularized=True)


def draw(n, mu, kappa, part_mean=64.0, zero_truncated=0, key=99):
    values = {
        "key": key,
        "c0": np.arange(n, dtype=np.uint64) << np.uint64(20),
        "c1": np.full(n, 5),
        "mu": np.full(n, mu),
    }
    values |= {"kappa": np.full(n, kappa), "part_mean": part_mean, "zero_truncated": zero_truncated}
    (count, draws), refused = call("draw_counts", values)
    assert refused is None
    return count.astype(np.float64), draws


@pytest.mark.parametrize(("mu", "kappa"), LAWS)
@pytest.mark.parametrize("zero_truncated", [0, 1])
def test_inversion_matches_the_exact_distribution(mu, kappa, zero_truncated):
    """F(k - 1) < u <= F(k), with 1e-12 of room for the rounding of the sum."""
    slack = mpmath.mpf("1e-12")
    for u in [2.0**-53, 1e-9, 0.01, 0.1, 0.25, 0.5, 0.75, 0.9, 0.99, 0.9999, 1 - 1e-7, 1 - 1e-10]:
        k = int(invert_count(u, mu, kappa, np.uint8(zero_truncated)))
        assert k >= zero_truncated
        below, upto = (cumulative(mu, kappa, j) if j >= 0 else mpmath.mpf(0) for j in (k - 1, k))
        if zero_truncated:
            none = cumulative(mu, kappa, 0)
            below, upto = (below - none) / (1 - none), (upto - none) / (1 - none)
        assert upto >= u - slack
        assert k == zero_truncated or below <= u + slack


@pytest.mark.parametrize(
    ("mu", "kappa"), [(0.4, 0.0), (12.0, 0.0), (0.4, 0.8), (12.0, 2.5), (150.0, 0.0), (150.0, 6.0)]
)
def test_mean_and_dispersion(mu, kappa):
    """200,000 counts: mean and variance within six standard errors, so a relative error of the variance of 3
    to 6 % is always seen.
    """
    n = 200_000
    count, draws = draw(n, mu, kappa)
    variance = mu + (mu * mu / kappa if kappa > 0 else 0.0)
    assert abs(count.mean() - mu) < 6 * (variance / n) ** 0.5
    fourth = ((count - count.mean()) ** 4).mean()
    assert abs(count.var() - variance) < 6 * ((fourth - variance**2) / n) ** 0.5
    assert (draws == -(-mu // 64)).all()


def test_counts_fit_their_law_cell_by_cell():
    """Chi-square of 200,000 NB2 counts over 0..14 and above: 15 degrees of freedom,
    critical value of 1e-7.
    """
    n, mu, kappa = 200_000, 3.0, 1.5
    count, _ = draw(n, mu, kappa)
    upto = [float(cumulative(mu, kappa, k)) for k in range(15)]
    expected = np.diff([0.0, *upto, 1.0]) * n
    seen = np.bincount(np.minimum(count, 15).astype(int), minlength=16)
    assert ((seen - expected) ** 2 / expected).sum() < 62.0


def test_split_and_whole_draws_have_one_law():
    """NB2(60, 4) whole, in 2 and in 9 parts: means and variances agree within six standard errors of their
    difference.
    """
    n = 100_000
    variance = 60 + 3600 / 4
    for part_mean, parts in ((512.0, 1), (32.0, 2), (7.0, 9)):
        count, draws = draw(n, 60.0, 4.0, part_mean)
        assert (draws == parts).all()
        assert abs(count.mean() - 60) < 6 * (variance / n) ** 0.5
        fourth = ((count - count.mean()) ** 4).mean()
        assert abs(count.var() - variance) < 6 * ((fourth - variance**2) / n) ** 0.5


@pytest.mark.parametrize(("mu", "kappa"), [(1e-12, 0.0), (0.2, 0.0), (0.2, 0.5), (5.0, 1.0)])
def test_zero_truncated_mean(mu, kappa):
    """The truncated mean is mu / (1 - p0); 200,000 draws, six standard errors. A tiny mean gives 1 and
    nothing else.
    """
    n = 200_000
    count, draws = draw(n, mu, kappa, zero_truncated=1)
    some = float(1 - cumulative(mu, kappa, 0))
    assert count.min() == 1
    assert (draws == 1).all()
    assert abs(count.mean() - mu / some) <= 6 * (count.var() / n) ** 0.5 + 1e-11


@pytest.mark.parametrize(
    ("change", "refused"),
    [
        ({"mu": -1.0}, "MEAN_NOT_FINITE"), ({"mu": np.nan}, "MEAN_NOT_FINITE"),
        ({"mu": np.inf}, "MEAN_NOT_FINITE"), ({"kappa": np.nan}, "KAPPA_NOT_FINITE"),
        ({"kappa": np.inf}, "KAPPA_NOT_FINITE"), ({"part_mean": 0.0}, "PART_MEAN_OUT_OF_RANGE"),
        ({"part_mean": np.nan}, "PART_MEAN_OUT_OF_RANGE"), ({"part_mean": 513.0}, "PART_MEAN_OUT_OF_RANGE"),
        ({"zero_truncated": 1, "mu": 65.0}, "TRUNCATED_TOO_LARGE"),
        ({"mu": 2.0**32, "kappa": 0.0}, "COUNT_OVERFLOW"), ({"mu": 1e6, "part_mean": 1e-5}, "COUNT_OVERFLOW"),
        ({"kappa": 2.0**-23 * 0.999}, "KAPPA_TOO_SMALL"),
    ],
)  # fmt: skip
def test_refusals(change, refused):
    values = {
        "key": 1,
        "c0": [0, 4],
        "c1": [0, 0],
        "mu": [2.0, change.get("mu", 2.0)],
        "kappa": [1.0, change.get("kappa", 1.0)],
    }
    values |= {"part_mean": change.get("part_mean", 64.0), "zero_truncated": change.get("zero_truncated", 0)}
    row = 0 if refused == "PART_MEAN_OUT_OF_RANGE" else 1
    if change.get("part_mean") == 1e-5:
        values["mu"][0] = 0.0
    assert call("draw_counts", values)[1] == (row, refused)


def test_boundaries():
    """u = F(0) is count 0; a mean of exactly k parts needs k draws, and the next double one more."""
    zero = det_exp(-1.0)
    assert invert_count(zero, 1.0, 0.0, np.uint8(0)) == 0
    assert invert_count(np.nextafter(zero, 1.0), 1.0, 0.0, np.uint8(0)) == 1
    mu = np.array([5e-324, 64.0, np.nextafter(64.0, 65.0), 128.0, 640.0])
    zeros = np.zeros(5, np.uint64)
    values = {
        "key": 1,
        "c0": zeros,
        "c1": zeros,
        "mu": mu,
        "kappa": mu,
        "part_mean": 64.0,
        "zero_truncated": 0,
    }
    assert check("draw_counts", values)[1].tolist() == [1, 1, 2, 2, 10]


def test_a_vanishing_dispersion_gives_zero_and_ends():
    """NB2 with kappa below the smallest normal double: P(N = 0) = 1 to the last bit."""
    for kappa in (5e-324, 1e-310, 1e-20):
        assert invert_count(1 - 2.0**-53, 64.0, kappa, np.uint8(0)) == 0
