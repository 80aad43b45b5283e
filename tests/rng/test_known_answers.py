"""Published Philox2x64-10 vectors (Random123 kat_vectors) through the reference, the twin and the public
call; twin against reference.
"""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as profile
from hypothesis import strategies as st

from cpu_fallback.philox import mulhi64, mulhi64_simd, philox2x64, philox2x64_simd, philox_lane
from sim.rng import block
from tests.kernels.binder import EDGES, call, check, words
from tests.reference.philox_block import draw, philox

ONES = 2**64 - 1
KNOWN = [
    (0, 0, 0, 0xCA00A0459843D731, 0x66C24222C9A845B5),
    (ONES, ONES, ONES, 0x65B021D60CD8310F, 0x4D02F3222F86DF20),
    # digits of pi
    (0xA4093822299F31D0, 0x243F6A8885A308D3, 0x13198A2E03707344, 0x0A5E742C2997341C, 0xB0F883D38000DE5D),
]
WORD = st.one_of(st.sampled_from(EDGES), st.integers(0, ONES))


@pytest.mark.parametrize(("key", "c0", "c1", "x0", "x1"), KNOWN)
def test_published_vectors(key, c0, c1, x0, x1):
    assert philox(key, (c0, c1)) == (x0, x1)
    for twin in (philox2x64, philox2x64_simd):
        assert tuple(int(x) for x in twin(np.uint64(c0), np.uint64(c1), np.uint64(key))) == (x0, x1)
    assert block(key, c0, c1) == (x0, x1)
    # Through a long column: first, last and every row between.
    for n in (1, 17, 4099):
        (a, b), refused = call(
            "philox_block", {"key": key, "c0": np.full(n, c0, np.uint64), "c1": np.full(n, c1, np.uint64)}
        )
        assert refused is None
        assert (a == x0).all() and (b == x1).all()


@profile(max_examples=200, deadline=None, derandomize=True, database=None)
@given(WORD, WORD)
def test_mulhi64(a, b):
    assert int(mulhi64(np.uint64(a), np.uint64(b))) == a * b >> 64
    assert int(mulhi64_simd(np.uint64(a), np.uint64(b))) == a * b >> 64


@profile(max_examples=200, deadline=None, derandomize=True, database=None)
@given(WORD, WORD, WORD, st.integers(0, 9))
def test_lane_of_a_draw(key, c0, c1, number):
    assert int(philox_lane(np.uint64(c0), np.uint64(c1), np.uint64(key), np.uint64(number))) == draw(
        key, c0, c1, number
    )


def test_a_long_column_equals_the_reference():
    rng = np.random.default_rng(1)
    check("philox_block", {"key": 0xDEADBEEFCAFEF00D, "c0": words(rng, 5000), "c1": words(rng, 5000)})


def test_block_of_arrays_broadcasts():
    low = np.arange(6, dtype=np.uint64).reshape(2, 3)
    x0, x1 = block(5, low, 9)
    assert x0.shape == x1.shape == (2, 3)
    assert [(int(a), int(b)) for a, b in zip(x0.flat, x1.flat, strict=True)] == [
        philox(5, (c, 9)) for c in range(6)
    ]
    y0, _ = block(5, 2, np.array([9, 9], np.uint64))
    assert (y0 == x0[0, 2]).all()


def test_block_refuses_what_is_not_a_word():
    for key, low in ((-1, 0), (2**64, 0), (0, -1), (0, 2**64)):
        with pytest.raises(ValueError, match=r"\[0, 2\*\*64\)"):
            block(key, low, 0)
    with pytest.raises(TypeError, match="uint64"):
        block(0, np.arange(3), 0)


def test_avalanche():
    """One flipped counter bit flips half the output bits: 64 * 2,000 trials a lane,
    mean within six standard errors of 32.
    """
    rng = np.random.default_rng(2)
    base = rng.integers(0, 2**64, 2000, dtype=np.uint64)
    other = np.zeros_like(base)
    for bit in range(64):
        (a, _), _ = call("philox_block", {"key": 1, "c0": base, "c1": other})
        (b, _), _ = call("philox_block", {"key": 1, "c0": base ^ np.uint64(1 << bit), "c1": other})
        flipped = np.unpackbits((a ^ b).view(np.uint8)).sum() / 2000
        assert abs(flipped - 32) < 6 * 4 / 2000**0.5
