"""What the partitions of a state share: made once a process, for as long as the state runs.

A partition that needs a table of all parties, and takes a minute to make it, would take that minute a hundred
times. The first that asks makes it, others wait. What is made must be a function of inputs and parameters
alone: whoever asks first must not be seen in it.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np

from sim.state.frames import Frame

Made = TypeVar("Made")
_PLAIN = (int, float, complex, str, bytes, bool, type(None), np.generic)


@dataclass
class _Making:
    """A value on its way: `done` is set when `value` or `failure` is there."""

    maker: int
    done: threading.Event = field(default_factory=threading.Event)
    value: Any = None
    failure: BaseException | None = None


class Shared:
    """Values by name, each made once however many threads ask. Safe to use from several threads.

    Args:
        budget: Most bytes that are kept; asked each time, because a run decides it after its store is made.
            The value made last is kept even if it is larger.
    """

    def __init__(self, budget: Callable[[], int]) -> None:
        self._budget = budget
        self._kept: OrderedDict[tuple[str, ...], tuple[Any, int]] = OrderedDict()
        self._making: dict[tuple[str, ...], _Making] = {}
        self._waits: dict[int, int] = {}  # thread -> the thread that it waits for
        self._held = 0
        self._lock = threading.Lock()

    def get(self, name: tuple[str, ...], make: Callable[[], Made]) -> Made:
        """The value of a name, made now if nobody has.

        Args:
            name: What it is called; two names never share a value.
            make: Makes it; arrays and frames in it are frozen.

        Raises:
            RuntimeError: `make` asks, itself or by others that it waits for, for what it is making.
            BaseException: What `make` raised, to all who wait for it. The next who asks tries again.
        """
        me = threading.get_ident()
        with self._lock:
            if name in self._kept:
                self._kept.move_to_end(name)
                value: Made = self._kept[name][0]
                return value
            found = self._making.get(name)
            if found is None:
                found = self._making[name] = _Making(me)
                mine = True
            else:
                mine = False
                self._refuse_circle(me, found.maker, name)
                self._waits[me] = found.maker
        if mine:
            return self._made(name, found, make)
        found.done.wait()
        with self._lock:
            self._waits.pop(me, None)
        if found.failure is not None:
            raise found.failure
        made: Made = found.value
        return made

    def clear(self) -> None:
        """Let go of everything: the state has ended."""
        with self._lock:
            self._kept.clear()
            self._held = 0

    @property
    def held(self) -> int:
        """Bytes of what is kept."""
        return self._held

    def _made(self, name: tuple[str, ...], mine: _Making, make: Callable[[], Made]) -> Made:
        try:
            value = make()
            size = _frozen(value)
        except BaseException as failure:
            with self._lock:
                mine.failure = failure
                del self._making[name]
            mine.done.set()
            raise
        with self._lock:
            mine.value = value
            del self._making[name]
            self._kept[name] = (value, size)
            self._held += size
            while len(self._kept) > 1 and self._held > self._budget():
                self._held -= self._kept.popitem(last=False)[1][1]
        mine.done.set()
        return value

    def _refuse_circle(self, me: int, maker: int, name: tuple[str, ...]) -> None:
        while maker != me:
            if maker not in self._waits:
                return
            maker = self._waits[maker]
        raise RuntimeError(f"making {name[-1]!r} needs {name[-1]!r}")


def _frozen(value: Any) -> int:
    """Freeze the arrays in a value, and count the bytes of those."""
    size, seen, todo = 0, set(), [value]
    while todo:
        one = todo.pop()
        if isinstance(one, _PLAIN) or id(one) in seen:
            continue
        seen.add(id(one))
        if isinstance(one, np.ndarray):
            one.flags.writeable = False
            size += one.nbytes
            if one.dtype == object:
                todo += one.tolist()
        elif hasattr(one, "nbytes") and hasattr(one, "dtype"):  # in device memory, which has no such flag
            size += int(one.nbytes)
        else:
            todo += _parts(one)
    return size


def _parts(value: Any) -> Iterator[Any]:
    """What a value holds."""
    if isinstance(value, Frame):
        yield from (array for _, array in value.items())
        yield from value.valid.values()
    elif isinstance(value, Mapping):
        yield from value.values()
    elif isinstance(value, tuple | list | set | frozenset):
        yield from value
    elif not isinstance(value, type) and not callable(value):
        yield from vars(value).values() if hasattr(value, "__dict__") else ()
        for kind in type(value).__mro__:
            slots = getattr(kind, "__slots__", ())
            for slot in (slots,) if isinstance(slots, str) else slots:
                if hasattr(value, slot):
                    yield getattr(value, slot)
