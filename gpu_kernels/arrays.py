"""Device arrays of the emulator: numpy's memory, CuPy's behaviour, and stricter than CuPy.

They are stricter where a GPU would be wrong without an error.

What CuPy refuses is refused (a host array beside a device one, conversion by accident). What CuPy accepts but
a GPU leaves open is refused too: assigning several values to one place, summing floats, indices out of range,
sums whose dtype is not said. A state that runs on the emulator therefore has no such line when it meets a
GPU. `namespace.py` holds the functions.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin

from gpu_kernels.memory import OutOfDeviceMemory

# Exact on every device: integers, comparisons, + - * / sqrt floor.
_EXACT = """
    add subtract multiply divide true_divide floor_divide remainder divmod negative positive absolute
    minimum maximum sqrt floor bitwise_and bitwise_or bitwise_xor invert left_shift right_shift
    equal not_equal less less_equal greater greater_equal
    logical_and logical_or logical_xor logical_not isnan isfinite isinf sign
"""
UFUNCS = frozenset(_EXACT.split())
SCALARS = bool | int | float | np.generic


class Allocation:
    """Accounts for one buffer as long as any array or view of it lives."""

    __slots__ = ("__weakref__",)


class Memory:
    """The emulated device's memory: counts bytes that live, refuses more than a limit.

    Args:
        limit: Bytes there are; None for as many as the host has.

    Attributes:
        namespace: The functions of its arrays (`gpu_kernels/namespace.py`), who puts itself here.
    """

    def __init__(self, limit: int | None = None) -> None:
        self.limit = limit
        self.namespace: Any = None
        self.used = 0
        self.peak = 0
        self._lock = threading.RLock()  # a finalizer may run inside `_claim` of the same thread

    def adopt(self, array: np.ndarray) -> DeviceArray:
        """A freshly made numpy array as a device array.

        Raises:
            OutOfDeviceMemory: It does not fit.
        """
        if array.dtype.kind not in "biuf":
            raise TypeError(f"Unsupported dtype {array.dtype}")
        return self.made(array, self, self._claim(array.nbytes))

    # What a test's device makes otherwise (tests/gpu/fake_cupy.py).

    def made(self, array: np.ndarray, memory: Memory, token: Allocation) -> DeviceArray:
        """The device array over an accounted buffer."""
        return DeviceArray(array, memory, token)

    def token(self) -> Allocation:
        """What accounts for a new buffer."""
        return Allocation()

    def upload(self, host: np.ndarray) -> DeviceArray:
        """A copy of a host array."""
        return self.adopt(np.array(host, order="C"))

    def _claim(self, nbytes: int) -> Allocation:
        with self._lock:
            if self.limit is not None and self.used + nbytes > self.limit:
                raise OutOfDeviceMemory(nbytes, f"{self.used:,} of {self.limit:,} bytes are in use")
            self.used += nbytes
            self.peak = max(self.peak, self.used)
        token = self.token()
        weakref.finalize(token, self._release, nbytes)
        return token

    def _release(self, nbytes: int) -> None:
        with self._lock:
            self.used -= nbytes

    def call(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Call a numpy function on the memory of device arrays; arrays in its result are device arrays."""
        found = function(
            *(lowered(arg) for arg in args), **{name: lowered(arg) for name, arg in kwargs.items()}
        )
        return self._raised(found)

    def _raised(self, found: Any) -> Any:
        if isinstance(found, tuple | list):
            return type(found)(self._raised(item) for item in found)
        return self.adopt(np.asarray(found)) if isinstance(found, np.ndarray | np.generic) else found


def lowered(value: Any) -> Any:
    """What is inside a device array, or a list of such; scalars and plain values pass, host arrays do not.

    Raises:
        TypeError: As CuPy does for a host array.
    """
    if isinstance(value, DeviceArray):
        return value.held
    if isinstance(value, np.ndarray):
        raise TypeError(f"Unsupported type {type(value)}: a host array beside a device array")
    if isinstance(value, tuple | list):
        return type(value)(lowered(item) for item in value)
    return value


class DeviceArray(NDArrayOperatorsMixin):
    """An array in emulated device memory.

    Args:
        held: Its numpy array.
        memory: Where it is accounted.
        token: The accounted buffer it lies in.
    """

    __slots__ = ("__weakref__", "_memory", "_token", "held")
    __array_priority__ = 100
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, held: np.ndarray, memory: Memory, token: Allocation) -> None:
        self.held, self._memory, self._token = held, memory, token

    dtype = property(lambda self: self.held.dtype)
    shape = property(lambda self: self.held.shape)
    ndim = property(lambda self: self.held.ndim)
    size = property(lambda self: self.held.size)
    nbytes = property(lambda self: self.held.nbytes)
    itemsize = property(lambda self: self.held.itemsize)
    flags = property(lambda self: self.held.flags)

    def __len__(self) -> int:
        return len(self.held)

    def __repr__(self) -> str:
        return f"DeviceArray({self.held!r})"

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        raise TypeError(
            "Implicit conversion to a NumPy array is not allowed. Please use `.get()` to construct a NumPy "
            "array explicitly."
        )

    def __iter__(self) -> Any:
        raise TypeError("one row at a time is one copy at a time: use .get() or .tolist()")

    def __array_ufunc__(
        self, ufunc: np.ufunc, method: str, *inputs: Any, out: Any = None, **kwargs: Any
    ) -> Any:
        if method != "__call__" or ufunc.__name__ not in UFUNCS or set(kwargs) - {"dtype"}:
            raise TypeError(f"{ufunc.__name__}.{method} is not for device arrays")
        given = [value for value in inputs if not isinstance(value, DeviceArray | SCALARS)]
        if given:
            raise TypeError(f"Unsupported type {type(given[0])}")
        plain = [lowered(value) for value in inputs]
        with np.errstate(all="ignore"):  # a GPU warns of nothing
            if out is None:
                return self._memory.call(ufunc, *inputs, **kwargs)
            ufunc(*plain, out=tuple(lowered(target) for target in out), **kwargs)
        return out[0]

    def __array_function__(self, function: Callable[..., Any], types: Any, args: Any, kwargs: Any) -> Any:
        counterpart = getattr(self._memory.namespace, function.__name__, None)
        if counterpart is None:
            raise TypeError(f"numpy.{function.__name__} is not for device arrays")
        return counterpart(*args, **kwargs)

    def _key(self, key: Any) -> tuple[tuple[Any, ...], bool]:
        """The key for numpy, and whether it gathers (a copy) rather than slices (a view)."""
        parts = key if isinstance(key, tuple) else (key,)
        for part in parts:
            if isinstance(part, DeviceArray):
                if part.dtype.kind not in "biu":
                    raise IndexError(
                        f"arrays used as indices must be of integer or boolean type, not {part.dtype}"
                    )
            elif not (part is None or part is Ellipsis or isinstance(part, int | np.integer | slice)):
                raise IndexError(f"Unsupported index {type(part)}")
        return tuple(lowered(part) for part in parts), any(isinstance(part, DeviceArray) for part in parts)

    def __getitem__(self, key: Any) -> DeviceArray:
        plain, gathers = self._key(key)
        if gathers:
            return self._memory.adopt(np.asarray(self.held[plain]))
        # the ellipsis makes one element a 0-d view, as on a GPU
        whole = plain if Ellipsis in plain else (*plain, Ellipsis)
        return self._memory.made(self.held[whole], self._memory, self._token)

    def __setitem__(self, key: Any, value: Any) -> None:
        plain, gathers = self._key(key)
        given = lowered(value) if isinstance(value, DeviceArray | SCALARS) else None
        if given is None:
            raise TypeError(f"Unsupported type {type(value)}")
        if (
            gathers
            and np.ndim(given)
            and plain[0].dtype.kind != "b"
            and len(np.unique(plain[0] % len(self.held))) != plain[0].size
        ):
            raise ValueError("several values for one place: on a GPU any of them may win")
        self.held[plain] = given

    def _same(self, held: np.ndarray) -> DeviceArray:
        """The same buffer seen otherwise; numpy may have had to copy, which is then accounted."""
        if held.base is self.held or held.base is self.held.base or held is self.held:
            return self._memory.made(held, self._memory, self._token)
        return self._memory.adopt(held)

    def view(self, dtype: Any) -> DeviceArray:
        """The same bytes as another dtype."""
        return self._same(self.held.view(dtype))

    def reshape(self, *shape: Any) -> DeviceArray:
        """The same elements in another shape."""
        return self._same(self.held.reshape(*shape))

    def ravel(self) -> DeviceArray:
        """One dimension."""
        return self._same(self.held.ravel())

    def astype(self, dtype: Any, copy: bool = True) -> DeviceArray:
        """Converted; the same array where `copy` is false and nothing changes."""
        if not copy and self.dtype == np.dtype(dtype):
            return self
        with np.errstate(all="ignore"):
            return self._memory.adopt(self.held.astype(dtype))

    def copy(self) -> DeviceArray:
        """A copy in device memory."""
        return self._memory.adopt(self.held.copy())

    def get(self) -> np.ndarray:
        """A copy in host memory."""
        return self.held.copy()

    def tolist(self) -> Any:
        """Elements as Python numbers."""
        return self.held.tolist()

    def __bool__(self) -> bool:
        return bool(self.held)

    def __int__(self) -> int:
        return int(self.held)

    def __float__(self) -> float:
        return float(self.held)

    def __index__(self) -> int:
        return self.held.__index__()


def _delegate(name: str) -> Callable[..., Any]:
    def method(self: DeviceArray, *args: Any, **kwargs: Any) -> Any:
        return getattr(self._memory.namespace, name)(self, *args, **kwargs)

    method.__doc__ = f"The namespace's `{name}` of this array."
    return method


METHODS = (
    "sum",
    "cumsum",
    "any",
    "all",
    "min",
    "max",
    "argmin",
    "argmax",
    "take",
    "clip",
    "nonzero",
    "repeat",
    "searchsorted",
    "argsort",
)
for _name in METHODS:
    setattr(DeviceArray, _name, _delegate(_name))
