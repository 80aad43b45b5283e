"""The array namespace of the emulator: functions with the names and arguments that CuPy gives them.

A test compares every signature here with the installed CuPy's. numpy functions given a device array come here
as well (`DeviceArray.__array_function__`), as they go to CuPy for CuPy's arrays.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from gpu_kernels.arrays import UFUNCS, DeviceArray, Memory, lowered

_DTYPES = frozenset(
    {"bool_", "uint8", "uint16", "uint32", "uint64", "int8", "int16", "int32", "int64", "float64"}
)


def _whole(values: Any, what: str) -> None:
    if isinstance(values, DeviceArray) and values.dtype.kind == "f":
        raise TypeError(f"{what} of floats: the order of a GPU's additions is its own; sum integers")


def _same_dtype(a: DeviceArray, b: Any) -> None:
    if not isinstance(b, DeviceArray) or a.dtype != b.dtype:
        raise TypeError(
            f"searchsorted among {a.dtype} for {getattr(b, 'dtype', type(b))}: CuPy compares in C; convert "
            "one of them"
        )


def _like(a: DeviceArray, dtype: Any, order: Any, subok: Any, shape: Any) -> tuple[Any, Any]:
    if order != "K" or subok:
        raise TypeError("the emulator's arrays are in C order and of one class")
    return a.shape if shape is None else shape, a.dtype if dtype is None else dtype


class Namespace:
    """What states call `ctx.columns.xp` on the emulator.

    Args:
        memory: Where its arrays live.
    """

    def __init__(self, memory: Memory) -> None:
        self._memory = memory
        memory.namespace = self  # numpy functions given one of its arrays come here

    def __getattr__(self, name: str) -> Any:
        if name in _DTYPES:
            return getattr(np, name)
        if name in UFUNCS:
            return self._ufunc(getattr(np, name))
        raise AttributeError(f"the emulator's namespace has no {name!r}")

    @staticmethod
    def _ufunc(ufunc: np.ufunc) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            if not any(isinstance(arg, DeviceArray) for arg in args):
                raise TypeError(f"Unsupported type {type(args[0])}")
            return ufunc(*args, **kwargs)

        return call

    # Making and moving.

    def asarray(self, a: Any, dtype: Any = None) -> Any:
        """Upload; a device array is returned as it is unless its dtype changes."""
        if isinstance(a, DeviceArray):
            return a if dtype is None else a.astype(dtype, copy=False)
        return self._memory.upload(np.asarray(a, dtype=dtype))

    def asnumpy(self, a: Any) -> np.ndarray:
        """Download."""
        return a.get() if isinstance(a, DeviceArray) else np.asarray(a)

    def empty(self, shape: Any, dtype: Any = float) -> Any:
        """Unset elements: filled with garbage, so that nothing depends on fresh memory being zero."""
        made = np.empty(shape, dtype)
        made.view(np.uint8).fill(0xA5) if made.ndim else made.fill(0)
        return self._memory.adopt(made if made.dtype.kind != "b" else np.ones(shape, dtype))

    def zeros(self, shape: Any, dtype: Any = float) -> Any:
        """Zeros."""
        return self._memory.call(np.zeros, shape, dtype)

    def ones(self, shape: Any, dtype: Any = float) -> Any:
        """Ones."""
        return self._memory.call(np.ones, shape, dtype)

    def full(self, shape: Any, fill_value: Any, dtype: Any = None) -> Any:
        """One value everywhere."""
        return self._memory.call(np.full, shape, fill_value, dtype)

    def arange(self, start: Any, stop: Any = None, step: Any = 1, dtype: Any = None) -> Any:
        """Evenly spaced numbers."""
        return self._memory.call(np.arange, *((start,) if stop is None else (start, stop, step)), dtype=dtype)

    def empty_like(
        self, prototype: Any, dtype: Any = None, order: Any = "K", subok: Any = None, shape: Any = None
    ) -> Any:
        """As `empty`, with the dtype and shape of another array unless they are given."""
        return self.empty(*_like(prototype, dtype, order, subok, shape))

    def zeros_like(
        self, a: Any, dtype: Any = None, order: Any = "K", subok: Any = None, shape: Any = None
    ) -> Any:
        """As `zeros`, with the dtype and shape of another array unless they are given."""
        return self.zeros(*_like(a, dtype, order, subok, shape))

    def ones_like(
        self, a: Any, dtype: Any = None, order: Any = "K", subok: Any = None, shape: Any = None
    ) -> Any:
        """As `ones`, with the dtype and shape of another array unless they are given."""
        return self.ones(*_like(a, dtype, order, subok, shape))

    def full_like(
        self,
        a: Any,
        fill_value: Any,
        dtype: Any = None,
        order: Any = "K",
        subok: Any = None,
        shape: Any = None,
    ) -> Any:
        """As `full`, with the dtype and shape of another array unless they are given."""
        shape, dtype = _like(a, dtype, order, subok, shape)
        return self.full(shape, fill_value, dtype)

    # Joining, choosing, ordering.

    def concatenate(self, tup: Any, axis: Any = 0) -> Any:
        """Device arrays end to end."""
        if not all(isinstance(array, DeviceArray) for array in tup):
            raise TypeError("concatenate takes device arrays only")
        return self._memory.call(np.concatenate, list(tup), axis=axis)

    def stack(self, tup: Any, axis: Any = 0) -> Any:
        """Device arrays as rows; of one dtype, lest uint64 beside int64 become a float."""
        if len({array.dtype for array in tup}) != 1:
            raise TypeError("stack takes arrays of one dtype")
        return self._memory.call(np.stack, list(tup), axis=axis)

    def append(self, arr: Any, values: Any) -> Any:
        """A device array and a scalar or another device array."""
        return self._memory.call(np.append, arr, values)

    def where(self, condition: Any, x: Any = None, y: Any = None) -> Any:
        """Elements of x where the condition holds, else of y."""
        return self._memory.call(np.where, condition, x, y)

    def take(self, a: Any, indices: Any, axis: Any = None) -> Any:
        """Gather."""
        return self._memory.call(np.take, a, indices, axis=axis)

    def repeat(self, a: Any, repeats: Any, axis: Any = None) -> Any:
        """Each element equally often; counts an element are `ctx.columns.repeat`'s affair, on a GPU too."""
        if not isinstance(repeats, int):
            raise TypeError("cupy.repeat takes no device array of counts: use ctx.columns.repeat")
        return self._memory.call(np.repeat, a, repeats, axis=axis)

    def clip(self, a: Any, a_min: Any, a_max: Any) -> Any:
        """Limited to a range."""
        return self._memory.call(np.clip, a, a_min, a_max)

    def diff(self, a: Any, n: int = 1) -> Any:
        """Differences of neighbours."""
        return self._memory.call(np.diff, a, n)

    def flatnonzero(self, a: Any) -> Any:
        """Positions of what is not zero."""
        return self._memory.call(np.flatnonzero, a)

    def nonzero(self, a: Any) -> Any:
        """Positions of what is not zero, one array a dimension."""
        return self._memory.call(np.nonzero, a)

    def sort(self, a: Any, axis: int = -1, kind: Any = None) -> Any:
        """Sorted."""
        return self._memory.call(np.sort, a, axis=axis)

    def argsort(self, a: Any, axis: int = -1, kind: Any = None) -> Any:
        """Order that sorts; stable, as CuPy's always is."""
        return self._memory.call(np.argsort, a, axis=axis, kind="stable")

    def lexsort(self, keys: Any) -> Any:
        """Order that sorts by the last row of a 2-d array, then by the one before it."""
        if not isinstance(keys, DeviceArray):
            raise TypeError("cupy.lexsort takes one array of rows: stack them")
        return self._memory.call(np.lexsort, keys)

    def unique(
        self, ar: Any, return_index: bool = False, return_inverse: bool = False, return_counts: bool = False
    ) -> Any:
        """Sorted distinct values."""
        return self._memory.call(np.unique, ar, return_index, return_inverse, return_counts)

    def searchsorted(self, a: Any, v: Any, side: str = "left") -> Any:
        """Where values belong among sorted ones."""
        _same_dtype(a, v)
        return self._memory.call(np.searchsorted, a, v, side)

    def bincount(self, x: Any, weights: None = None, minlength: Any = None) -> Any:
        """How often each number occurs; no weights, since CuPy adds those as floats."""
        if weights is not None:
            raise TypeError("weights are summed as floats: use another way")
        return self._memory.call(np.bincount, x, minlength=minlength or 0)

    # Sums and other reductions, as 0-d device arrays.

    def cumsum(self, a: Any, axis: Any = None, dtype: Any = None) -> Any:
        """Running sums of 64-bit integers."""
        _whole(a, "cumsum")
        if np.dtype(a.dtype if dtype is None else dtype).itemsize != 8:
            raise TypeError("name a 64-bit dtype for cumsum: what CuPy takes by default is its own")
        return self._memory.call(np.cumsum, a, axis=axis, dtype=dtype)

    def sum(self, a: Any, axis: Any = None, dtype: Any = None) -> Any:
        """Sum of integers."""
        _whole(a, "sum")
        return self._memory.call(np.sum, a, axis=axis, dtype=dtype)

    def any(self, a: Any, axis: Any = None) -> Any:
        """Whether any is not zero."""
        return self._memory.call(np.any, a, axis=axis)

    def all(self, a: Any, axis: Any = None) -> Any:
        """Whether all are not zero."""
        return self._memory.call(np.all, a, axis=axis)

    def min(self, a: Any, axis: Any = None) -> Any:
        """Smallest."""
        return self._memory.call(np.min, a, axis=axis)

    def max(self, a: Any, axis: Any = None) -> Any:
        """Largest."""
        return self._memory.call(np.max, a, axis=axis)

    amin, amax = min, max

    def argmin(self, a: Any, axis: Any = None) -> Any:
        """Position of the first smallest."""
        return self._memory.call(np.argmin, a, axis=axis)

    def argmax(self, a: Any, axis: Any = None) -> Any:
        """Position of the first largest."""
        return self._memory.call(np.argmax, a, axis=axis)

    def count_nonzero(self, a: Any, axis: Any = None) -> Any:
        """How many are not zero."""
        return self._memory.call(np.count_nonzero, a, axis=axis)

    def array_equal(self, a1: Any, a2: Any) -> Any:
        """Whether shape and elements are equal, a 0-d device array."""
        return self._memory.adopt(np.asarray(np.array_equal(lowered(a1), lowered(a2))))

    # Shapes.

    def ravel(self, a: Any) -> Any:
        """One dimension."""
        return a.ravel()

    def reshape(self, a: Any, newshape: Any) -> Any:
        """Another shape."""
        return a.reshape(newshape)

    def ascontiguousarray(self, a: Any, dtype: Any = None) -> Any:
        """In one piece; the same array if it is."""
        same = a.flags.c_contiguous and (dtype is None or a.dtype == np.dtype(dtype))
        return a if same else self._memory.call(np.ascontiguousarray, a, dtype)
