"""Look-ups and joins by key.

Both search sorted, unique keys and compare each key found with the key searched for. All columns of a call
lie in one memory, host or device, and the result lies there too (see `sim/state/frames.py`). Keys of several
columns are packed into one integer first.
"""

from __future__ import annotations

import numpy as np

from sim.state.frames import Array, Frame


def match(keys: Array, wanted: Array) -> tuple[Array, Array]:
    """Where each wanted key is, and whether it is there.

    Args:
        keys: Integers, k, strictly ascending.
        wanted: n, of the dtype of `keys`.

    Returns:
        Row of `keys` (int64, n; any row where the key is absent, 0 where there are no keys) and bool, n.

    Raises:
        ValueError: The keys do not ascend.
        TypeError: The dtypes differ: one of the two would be rounded or wrap.
    """
    if keys.dtype != wanted.dtype or keys.dtype.kind not in "iu":
        raise TypeError(f"keys of {keys.dtype} are not compared with {wanted.dtype}: convert one of them")
    if not (keys[1:] > keys[:-1]).all():
        raise ValueError("keys of a look-up must ascend, each once")
    if len(keys) == 0:
        return np.zeros_like(wanted, dtype=np.int64), np.zeros_like(wanted, dtype=np.bool_)
    rows = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    return rows, keys[rows] == wanted


def look_up(keys: Array, wanted: Array) -> Array:
    """Row of `keys` of each wanted key: int64, n; see `match`.

    Raises:
        ValueError: A wanted key is not there (a bug in a state: what came from outside was checked by its
            contract).
    """
    rows, found = match(keys, wanted)
    if not found.all():
        missing = np.flatnonzero(~found)
        raise ValueError(
            f"{len(missing)} of {len(wanted)} keys are not there, the first is {int(wanted[missing][0])}"
        )
    return rows


def joined(frame: Frame, other: Frame, on: str) -> Frame:
    """A frame with the other columns of the row of `other` that has its key beside it; masks go along.

    Args:
        frame: n rows; every value of column `on` is a key of `other`.
        other: Rows strictly ascending by column `on`; no other column is called as one of `frame`.
        on: The key column of both.

    Raises:
        ValueError: See `match` and `look_up`; or a column is in both.
    """
    names = [name for name in other.names if name != on]
    if both := sorted(set(names) & set(frame.names)):
        raise ValueError(f"both frames have {', '.join(both)}")
    found = other.select(*names).take(look_up(other[on], frame[on]))
    return frame.with_columns(found.valid, **dict(found.items()))
