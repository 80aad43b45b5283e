"""exp, log, normal quantile and distribution function: the same bits from every twin on ten million bit
patterns, NaN payloads included, and from the reference.
"""

import numpy as np
import pytest

from tests.kernels.binder import call, check
from tests.kernels.numbers_of_cases import Numbers

# The exponents at which a function is neither constant nor trivial.
MAPS = {"exp_map": ("x", (-60, 9)), "log_map": ("x", (-1074, 1023)), "normal_quantile_map": ("u", (-80, -1))}
MAPS["normal_cdf_map"] = ("z", (-60, 6))
CHUNK, CHUNKS = 1_000_000, 10
CANONICAL_NAN = 0x7FF8000000000000


def patterns(numbers, n, exponents):
    """Half any bit pattern at all, half a random mantissa and sign with one of the exponents."""
    low, high = exponents
    word = numbers.plain(n // 2)
    exponent = np.maximum(
        numbers.below(high - low + 1, n // 2).astype(np.int64) + np.int64(low + 1023), 0
    ).astype(np.uint64)
    shaped = (word & np.uint64(0x800FFFFFFFFFFFFF)) | (exponent << np.uint64(52))
    return np.concatenate([numbers.plain(n - n // 2), shaped]).view(np.float64)


@pytest.mark.parametrize("stem", MAPS)
def test_ten_million_bit_patterns(stem):
    name, exponents = MAPS[stem]
    numbers = Numbers(f"ten million {stem}")
    nans = 0
    for _ in range(CHUNKS):
        given = patterns(numbers, CHUNK, exponents)
        (found,), refused = call(stem, {name: given})
        assert refused is None
        payloads = found.view(np.uint64)[np.isnan(found)]
        assert (payloads == CANONICAL_NAN).all()
        assert np.isnan(found[np.isnan(given)]).all()
        nans += int(np.isnan(given).sum())
    assert nans > 1000


@pytest.mark.parametrize("stem", MAPS)
def test_the_reference_on_many_points(stem):
    name, exponents = MAPS[stem]
    numbers = Numbers(f"reference {stem}")
    scale, shift = {
        "exp_map": (1460.0, -748.0),
        "log_map": (2.0, 0.0),
        "normal_cdf_map": (80.0, -40.0),
        "normal_quantile_map": (1.0, 0.0),
    }[stem]
    check(
        stem,
        {name: np.concatenate([patterns(numbers, 40_000, exponents), numbers.unit(20_000) * scale + shift])},
    )


@pytest.mark.parametrize("stem", MAPS)
def test_edges(stem):
    tiny, huge = 5e-324, 1.7976931348623157e308
    edges = [
        0.0,
        -0.0,
        tiny,
        -tiny,
        2.0**-1022,
        huge,
        -huge,
        np.inf,
        -np.inf,
        0.5,
        1.0,
        2.0,
        -1.0,
        0.075,
        0.925,
    ]
    edges += [709.782712893384, 709.7827128933841, -745.1332191019411, -745.1332191019412]
    edges = np.array(edges)
    nan = np.array(
        [0x7FF0000000000123, 0xFFF8000000000000, 0xFFFFFFFFFFFFFFFF, 0x7FF8000000000001], np.uint64
    ).view(np.float64)
    with np.errstate(over="ignore"):
        beside = [np.nextafter(edges, -np.inf), np.nextafter(edges, np.inf)]
    check(stem, {MAPS[stem][0]: np.concatenate([edges, *beside, nan])})


def test_quantile_is_odd_and_rises():
    u = (np.arange(1, 2**16 + 1, dtype=np.float64) - 0.5) / 2**16
    z = call("normal_quantile_map", {"u": u})[0][0]
    assert (np.diff(z) > 0).all()
    assert (z == -z[::-1]).all()
