"""What every twin is written with: decorators, typed aliases, row ranges, the error word, intrinsics.

A kernel is a plain function over its columns; its `for i in rows(...)` body is what one CUDA thread does. A
device function is inlined into kernels. Neither allocates, calls libm, or lets LLVM contract `a * b + c`.
"""

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic

# Casts usable inside and outside compiled code. Every literal goes through one: `uint64 + 1` is int64 in
# numba.
u8 = types.uint8
u16 = types.uint16
u32 = types.uint32
u64 = types.uint64
i16 = types.int16
i32 = types.int32
i64 = types.int64
f64 = types.float64

# error_model="numpy": x / 0.0 is an IEEE infinity as in CUDA, not a Python exception.
kernel = njit(nogil=True, cache=True, fastmath=False, error_model="numpy")
device = njit(nogil=True, cache=True, fastmath=False, error_model="numpy", forceinline=True)
# For device functions too big to copy into every caller.
subroutine = njit(nogil=True, cache=True, fastmath=False, error_model="numpy")

NO_ERROR = np.uint64(0xFFFFFFFFFFFFFFFF)

_I64 = ir.IntType(64)
_I128 = ir.IntType(128)


@device
def rows(column):
    """Indices of a column as uint64, so that no index arithmetic falls back to int64."""
    return range(u64(column.shape[0]))


@device
def length(column):
    """Length of a column as uint64."""
    return u64(column.shape[0])


@device
def report(error, row, code):
    """Keep the smallest `row << 8 | code`: the first bad row in any order of threads (CUDA: atomicMin)."""
    word = (u64(row) << u64(8)) | u64(code)
    if word < error[0]:
        error[0] = word


def stack_words(count):
    """An intrinsic: each call returns a pointer to `count` uninitialised uint64 of its own on the stack."""

    @intrinsic
    def words(typingctx):
        def codegen(context, builder, signature, args):
            return cgutils.alloca_once(builder, _I64, size=count)

        return types.CPointer(types.uint64)(), codegen

    return words


@intrinsic
def mul128(typingctx, a, b):
    """Full product of two uint64 as (high, low); CUDA: `__umul64hi(a, b)` and `a * b`.

    One instruction on x86-64 and arm64.
    """
    signature = types.UniTuple(types.uint64, 2)(types.uint64, types.uint64)

    def codegen(context, builder, sig, args):
        product = builder.mul(builder.zext(args[0], _I128), builder.zext(args[1], _I128))
        high = builder.trunc(builder.lshr(product, ir.Constant(_I128, 64)), _I64)
        return context.make_tuple(builder, sig.return_type, (high, builder.trunc(product, _I64)))

    return signature, codegen


@intrinsic
def float_bits(typingctx, x):
    """The 64 bits of a double as uint64; CUDA: `__double_as_longlong`."""
    if x != types.float64:
        raise TypeError(f"float_bits takes float64, not {x}")

    def codegen(context, builder, sig, args):
        return builder.bitcast(args[0], _I64)

    return types.uint64(types.float64), codegen


@intrinsic
def bits_float(typingctx, x):
    """The double with these 64 bits; CUDA: `__longlong_as_double`."""
    if x != types.uint64:
        raise TypeError(f"bits_float takes uint64, not {x}")

    def codegen(context, builder, sig, args):
        return builder.bitcast(args[0], ir.DoubleType())

    return types.float64(types.uint64), codegen
