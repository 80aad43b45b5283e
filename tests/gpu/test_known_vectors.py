"""Published Philox2x64-10 vectors (Random123 kat_vectors) through whole launches: every row, in every
geometry, of emulator and GPU.
"""

import numpy as np
import pytest

from gpu_kernels.emulate import BLOCK_SIZES, Geometry
from tests.kernels.binder import bind, call, run
from tests.kernels.runners import Emulated, Gpu, compiler_missing
from tests.reference.philox_block import philox

ONES = 2**64 - 1
PI = (0xA4093822299F31D0, 0x243F6A8885A308D3, 0x13198A2E03707344)
KNOWN = [
    (0, 0, 0, 0xCA00A0459843D731, 0x66C24222C9A845B5),
    (ONES, ONES, ONES, 0x65B021D60CD8310F, 0x4D02F3222F86DF20),
    (*PI, 0x0A5E742C2997341C, 0xB0F883D38000DE5D),
]
# One thread in all; a thread a row; more threads than rows; blocks of every odd size; a grid that strides;
# far more blocks than rows.
GEOMETRIES = [Geometry(1, 1), Geometry(3, 97, 5), Geometry(5000, 2, 9)]
GEOMETRIES += [Geometry(-(-1000 // block), block, block) for block in BLOCK_SIZES]
ROWS = (1, 2, 255, 256, 257, 1000)


def column(c0, c1, n, known):
    """Counters 0 .. n - 1 under c1 = their square, with the published counter in the rows `known`."""
    low = np.arange(n, dtype=np.uint64)
    high = low * low
    low[known], high[known] = c0, c1
    return low, high


@pytest.mark.parametrize(("key", "c0", "c1", "x0", "x1"), KNOWN)
def test_every_row_of_a_full_column(key, c0, c1, x0, x1):
    for n in (*ROWS, 100_003):
        (a, b), refused = call(
            "philox_block", {"key": key, "c0": np.full(n, c0, np.uint64), "c1": np.full(n, c1, np.uint64)}
        )
        assert refused is None
        assert (a == np.uint64(x0)).all() and (b == np.uint64(x1)).all()


@pytest.mark.skipif(compiler_missing() is not None, reason=f"nothing can be emulated: {compiler_missing()}")
@pytest.mark.parametrize("geometry", GEOMETRIES, ids=lambda g: f"{g.blocks}x{g.block}")
@pytest.mark.parametrize(("key", "c0", "c1", "x0", "x1"), KNOWN, ids=["zeros", "ones", "pi"])
def test_first_and_last_row_of_blocks(geometry, key, c0, c1, x0, x1):
    """The published counter at both ends of every block and of the column, other counters between them: none
    is taken for its neighbour.
    """
    runner = Emulated(geometry=geometry)
    for n in ROWS:
        ends = [row for row in range(n) if row % geometry.block in (0, geometry.block - 1) or row == n - 1]
        low, high = column(c0, c1, n, ends)
        (a, b), refused = run(
            runner, "philox_block", *bind("philox_block", {"key": key, "c0": low, "c1": high}, None)
        )
        assert refused is None
        assert (a[ends] == np.uint64(x0)).all() and (b[ends] == np.uint64(x1)).all()
        expected = [philox(key, counter) for counter in zip(low.tolist(), high.tolist(), strict=True)]
        assert list(zip(a.tolist(), b.tolist(), strict=True)) == expected


@pytest.mark.gpu
@pytest.mark.parametrize(("key", "c0", "c1", "x0", "x1"), KNOWN, ids=["zeros", "ones", "pi"])
def test_ten_million_rows_on_the_gpu(key, c0, c1, x0, x1):
    n, runner = 10_000_019, Gpu()
    ends = np.concatenate([np.arange(0, n, 256), np.arange(255, n, 256), [n - 1]])
    low, high = column(c0, c1, n, ends)
    for _ in range(3):
        (a, b), _ = run(
            runner, "philox_block", *bind("philox_block", {"key": key, "c0": low, "c1": high}, None)
        )
        assert (a[ends] == np.uint64(x0)).all() and (b[ends] == np.uint64(x1)).all()
