"""Frame: named, equally long columns, as states and kernels see them.

A column is a one-dimensional array: numpy's, or all of them a device backend's. Categories are held as int16
codes into the contract's sealed list; times are int64 microseconds since the epoch (UTC). A nullable column
has a companion boolean mask in `valid`. Arrow, Parquet and digests belong to `tables.py` and `digest.py`;
nothing here knows a schema.

Everything here takes columns of either memory and answers in the same one, with the same values and dtypes.
It does so by calling numpy's functions, which hand arrays of a device to its own namespace (NEP 18, NEP 35);
a host column beside a device column is an error, never a copy. What brings columns from one memory to the
other is `columns.py`.
"""

from __future__ import annotations

from collections.abc import Callable, ItemsView, Iterator, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Rows = TypeVar("Rows")
"""An array in host or device memory, or a frame of such arrays."""


class Frame:
    """Immutable set of columns of one length.

    Args:
        columns: Column name -> 1-d array.
        valid: Column name -> boolean mask (True = present); columns without an entry have no nulls.

    Raises:
        ValueError: If lengths differ or a mask names an unknown column (a bug in a state, hence not a
            `SimError`).
    """

    __slots__ = ("_columns", "valid")

    def __init__(self, columns: Mapping[str, Array], valid: Mapping[str, Array] | None = None) -> None:
        self._columns = dict(columns)
        self.valid = dict(valid or {})
        lengths = {name: len(array) for name, array in self._columns.items()}
        if len(set(lengths.values())) > 1:
            raise ValueError(f"columns differ in length: {lengths}")
        for name, mask in self.valid.items():
            if name not in self._columns or len(mask) != len(self):
                raise ValueError(f"mask {name!r} does not fit a column")

    def __len__(self) -> int:
        """Number of rows."""
        return len(next(iter(self._columns.values()))) if self._columns else 0

    def __iter__(self) -> Iterator[str]:
        return iter(self._columns)

    def __getitem__(self, name: str) -> Array:
        return self._columns[name]

    def __getattr__(self, name: str) -> Array:
        try:
            return self._columns[name]
        except KeyError:
            raise AttributeError(name) from None

    def __contains__(self, name: object) -> bool:
        return name in self._columns

    def items(self) -> ItemsView[str, Array]:
        """Column names and arrays in order."""
        return self._columns.items()

    @property
    def names(self) -> tuple[str, ...]:
        """Column names in order."""
        return tuple(self._columns)

    def present(self, name: str) -> Array:
        """Which rows of a column hold a value: bool, n; all of them when the column has no mask.

        Use this and not `valid`: a file without nulls comes back without masks.
        """
        mask = self.valid.get(name)
        return np.ones_like(self._columns[name], dtype=np.bool_) if mask is None else mask

    def take(self, index: Array) -> Frame:
        """Rows at `index` (integer positions or a boolean mask), in that order."""
        return Frame(
            {name: array[index] for name, array in self._columns.items()},
            {name: mask[index] for name, mask in self.valid.items()},
        )

    def slice(self, start: int, stop: int) -> Frame:
        """Rows `start` to `stop` as views, without copying."""
        return Frame(
            {name: array[start:stop] for name, array in self._columns.items()},
            {name: mask[start:stop] for name, mask in self.valid.items()},
        )

    def select(self, *names: str) -> Frame:
        """The named columns, in the given order."""
        return Frame(
            {name: self._columns[name] for name in names}, {n: m for n, m in self.valid.items() if n in names}
        )

    def with_columns(self, valid: Mapping[str, Array] | None = None, **columns: Array) -> Frame:
        """This frame with columns added or replaced."""
        return Frame({**self._columns, **columns}, {**self.valid, **(valid or {})})

    def sort(self, *names: str) -> Frame:
        """Rows in ascending order of the named columns (stable; first name is most significant)."""
        return self.take(order(*(self._columns[name] for name in names)))


def order(*keys: Array) -> Array:
    """Row numbers in ascending order of the keys, stable; the first key is the most significant.

    Args:
        keys: Columns of n rows, all of one memory, at least one.

    Returns:
        int64, n, in that memory.
    """
    if all(isinstance(key, np.ndarray) for key in keys):
        return np.lexsort(keys[::-1])
    # Device arrays of different dtypes cannot be stacked for a lexsort.
    rows = np.argsort(keys[-1], kind="stable")
    for key in keys[-2::-1]:
        rows = rows[np.argsort(key[rows], kind="stable")]
    return rows


def changed(rows: Rows, change: Callable[[Sequence[Array]], list[Array]]) -> Rows:
    """An array or frame with all its columns (and masks) changed together.

    The same object if none of them is another one.

    Args:
        rows: Array or frame.
        change: New columns for old, in the same order, all of one length.
    """
    if not isinstance(rows, Frame):
        column: Any = change([rows])[0]  # type: ignore[list-item]
        return column  # type: ignore[no-any-return]
    before = [*(array for _, array in rows.items()), *rows.valid.values()]
    after = change(before)
    if all(new is old for new, old in zip(after, before, strict=True)):
        return rows
    names = rows.names
    return Frame(  # type: ignore[return-value]
        dict(zip(names, after, strict=False)), dict(zip(rows.valid, after[len(names) :], strict=True))
    )


def concat(frames: list[Frame]) -> Frame:
    """Frames of equal columns stacked in the given order.

    Raises:
        ValueError: If there is no frame, or their columns differ.
    """
    if not frames:
        raise ValueError("nothing to concatenate")
    names = frames[0].names
    if any(frame.names != names for frame in frames):
        raise ValueError(f"columns differ: {[frame.names for frame in frames]}")
    masked = sorted({name for frame in frames for name in frame.valid})
    return Frame(
        {name: np.concatenate([frame[name] for frame in frames]) for name in names},
        {name: np.concatenate([frame.present(name) for frame in frames]) for name in masked},
    )
