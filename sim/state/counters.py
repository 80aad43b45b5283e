"""What a state counts: whole numbers that partitions add up, declared once and read by name.

    class Counts(Counters):
        merchants = Scalar()
        by_mcc = Vector(mccs)               # one number for each MCC
        systems = Vector("device_type", "os_family")
        keys = PerScenario(Scalar())

    STATE = State(id="1A.S1", counts=(Counts,), ...)

    ctx.count(Counts.merchants, len(rows))  # compute; an undeclared name, or another shape, is refused here
    seen = Counts(totals)                   # finish, checks, measure
    seen.merchants, seen.by_mcc             # an int, an int64 array; zeros if no partition counted

On the class a counter is its declaration, on an instance its total. A helper that counts has a class of its
own; a state lists it beside its own. Totals do not depend on the order of partitions: they are sums, or
maxima, of whole numbers.
"""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from math import prod
from typing import Any, ClassVar, Generic, NoReturn, Self, TypeVar, overload

import numpy as np

from sim.state.frames import Array
from sim.state.totals import Sizes, Totals

Value = TypeVar("Value")
Axis = str | int | Callable[[Any], int]
"""Length of a vector's axis: a sealed vocabulary's, a number, or what a function of the context says."""
Labels = str | tuple[str, ...] | Callable[[Any], tuple[str, ...]]
"""Names of a family's members: a sealed vocabulary's, these, or what a function of the context says."""


class UndeclaredCounter(RuntimeError):
    """A state counts or reads what its declaration does not list (a bug in the state)."""


class Counter(ABC, Generic[Value]):
    """One declared counter.

    Attributes:
        key: Its name among the counters of a state; `<family>.<label>` for a member of a family.
        owner: The class that declares it.
        among: Labels of the family it is a member of.
        label: Which member of it.
    """

    key = ""
    owner: type[Counters] | None = None
    among: Labels | None = None
    label: str | None = None

    def __set_name__(self, owner: type[Counters], name: str) -> None:
        self.key, self.owner = name, owner

    @overload
    def __get__(self, instance: None, owner: type[Counters]) -> Self: ...
    @overload
    def __get__(self, instance: Counters, owner: type[Counters]) -> Value: ...
    def __get__(self, instance: Counters | None, owner: type[Counters]) -> Self | Value:
        return self if instance is None else self.read(instance.totals)

    def __set__(self, instance: Counters, value: NoReturn) -> NoReturn:
        raise AttributeError(f"{self.key} is a total: it is read, not set")

    def plus(self, before: Value | None, value: Any, ctx: Sizes) -> Value:
        """What a partition counted before, with what `ctx.count` was given.

        Raises:
            UndeclaredCounter: The state does not declare the counter, or the family has no such member.
            TypeError: The value is neither a whole number nor an array of whole numbers.
            ValueError: It has another shape.
            OverflowError: It does not fit int64.
        """
        if self.owner not in ctx.state.counts:
            raise UndeclaredCounter(
                f"{ctx.state.id} does not list the class of counter {self.key!r} in counts"
            )
        if self.among is not None and self.label not in (labels := labels_of(self.among, ctx)):
            raise UndeclaredCounter(
                f"counter {self.key!r}: its family is of {', '.join(labels)}, not of {self.label!r}"
            )
        addend = self.addend(value, ctx)
        return addend if before is None else self.merged(before, addend)

    @abstractmethod
    def addend(self, value: Any, ctx: Sizes) -> Value:
        """A value of this kind, checked."""

    @abstractmethod
    def merged(self, before: Any, value: Any) -> Value:
        """Two addends as one: the same in any order."""

    @abstractmethod
    def decoded(self, stored: Any) -> Any:
        """An addend from its JSON form."""

    @abstractmethod
    def read(self, totals: Totals) -> Value:
        """The total; zeros if nobody counted."""


class Scalar(Counter[int]):
    """A whole number of any size: it cannot overflow."""

    def addend(self, value: Any, ctx: Sizes) -> int:
        """A whole number."""
        if isinstance(value, int):
            return int(value)
        figure = _whole(self.key, value)
        if figure.ndim:
            raise ValueError(f"counter {self.key!r} is one number, not an array of shape {figure.shape}")
        return int(figure)

    def merged(self, before: int, value: int) -> int:
        """Their sum."""
        return before + value

    def decoded(self, stored: Any) -> int:
        """The number itself."""
        if not isinstance(stored, int):
            raise TypeError(f"counter {self.key!r} is one number, not {type(stored).__name__}")
        return stored

    def read(self, totals: Totals) -> int:
        """The sum; 0 if nobody counted."""
        return int(totals.values.get(self.key, 0))


class Vector(Counter[Array]):
    """An int64 array with an axis for each argument. It may be counted flat, in row order, as by bincount."""

    def __init__(self, *axes: Axis) -> None:
        self.axes = axes

    def shape(self, ctx: Sizes) -> tuple[int, ...]:
        """Length of each axis."""
        return tuple(length_of(axis, ctx) for axis in self.axes)

    def addend(self, value: Any, ctx: Sizes) -> Array:
        """An array of the declared shape, or a flat one of as many figures."""
        figure, shape = _whole(self.key, value), self.shape(ctx)
        if figure.shape not in (shape, (prod(shape),)):
            raise ValueError(f"counter {self.key!r} has shape {shape}, not {figure.shape}")
        if figure.dtype == np.uint64 and bool((figure > np.uint64(np.iinfo(np.int64).max)).any()):
            raise OverflowError(f"counter {self.key!r}: a figure does not fit int64")
        return figure.astype(np.int64).reshape(shape)

    def merged(self, before: Array, value: Array) -> Array:
        """Both in one; ValueError if their shapes differ."""
        if before.shape != value.shape:
            raise ValueError(f"counter {self.key!r} has shapes {before.shape} and {value.shape}")
        return self.folded(before, value)

    def folded(self, before: Array, value: Array) -> Array:
        """The sum of two arrays of one shape."""
        total: Array = before + value
        if bool((((before ^ total) & (value ^ total)) < 0).any()):  # the sum's sign is neither's
            raise OverflowError(f"counter {self.key!r}: a sum does not fit int64")
        return total

    def decoded(self, stored: Any) -> Array:
        """An array from nested lists."""
        return np.asarray(stored, dtype=np.int64)

    def read(self, totals: Totals) -> Array:
        """The sums; zeros of its shape if nobody counted."""
        shape = self.shape(totals.ctx)
        total = totals.values.get(self.key)
        return np.zeros(shape, dtype=np.int64) if total is None else np.asarray(total).reshape(shape)


class Maximum(Vector):
    """A vector of which the total is not the sum but, place by place, the largest of all partitions."""

    def addend(self, value: Any, ctx: Sizes) -> Array:
        """The same of figures none of which is below 0."""
        figure = super().addend(value, ctx)
        if bool((figure < 0).any()):
            raise ValueError(
                f"counter {self.key!r} is the largest figure and at least 0: {int(figure.min())} is below"
            )
        return figure

    def folded(self, before: Array, value: Array) -> Array:
        """The larger figure, place by place."""
        return np.asarray(np.maximum(before, value))


class Each(Counter[Mapping[str, Value]]):
    """A family: one counter for each label. `Counts.keys[label]` is counted, `seen.keys[label]` read."""

    def __init__(self, labels: Labels, kind: Counter[Value]) -> None:
        self.labels, self.kind = labels, kind

    def __getitem__(self, label: str | None) -> Counter[Value]:
        member = copy.copy(self.kind)
        member.key, member.owner, member.among, member.label = (
            f"{self.key}.{label}",
            self.owner,
            self.labels,
            label,
        )
        return member

    def addend(self, value: Any, ctx: Sizes) -> Mapping[str, Value]:
        """Refused: members are counted."""
        raise TypeError(f"{self.key!r} is a family of counters: count one of its members")

    def merged(self, before: Any, value: Any) -> Mapping[str, Value]:
        """Refused: members are added up."""
        raise TypeError(self.key)

    def decoded(self, stored: Any) -> Any:
        """Refused: members are reported."""
        raise TypeError(self.key)

    def read(self, totals: Totals) -> Mapping[str, Value]:
        """Totals by label."""
        return {label: self[label].read(totals) for label in labels_of(self.labels, totals.ctx)}


class PerScenario(Each[Value]):
    """A family with a counter for each scenario of the run."""

    def __init__(self, kind: Counter[Value]) -> None:
        super().__init__(_scenarios, kind)


class Counters:
    """Base of a state's, or a helper's, counters; an instance reads their totals.

    Args:
        totals: What the state's function is given.

    Raises:
        UndeclaredCounter: The state does not list this class in `counts`.
    """

    declared: ClassVar[Mapping[str, Counter[Any]]] = {}

    def __init_subclass__(cls) -> None:
        cls.declared = {name: item for name, item in vars(cls).items() if isinstance(item, Counter)}

    def __init__(self, totals: Totals) -> None:
        if type(self) not in totals.ctx.state.counts:
            raise UndeclaredCounter(
                f"{totals.ctx.state.id} does not list {type(self).__module__}.{type(self).__name__} in counts"
            )
        self.totals = totals


def united(classes: Iterable[type[Counters]]) -> dict[str, Counter[Any]]:
    """All counters of a state by name.

    Raises:
        ValueError: Two of its classes declare the same name.
    """
    result: dict[str, Counter[Any]] = {}
    for declaring in classes:
        for name, counter in declaring.declared.items():
            if name in result:
                raise ValueError(f"counter {name!r} is declared by {result[name].owner} and by {declaring}")
            result[name] = counter
    return result


def counter_of(counters: Mapping[str, Counter[Any]], key: str) -> Counter[Any]:
    """The counter that partitions report under a key.

    Raises:
        UndeclaredCounter: The state has none of this name.
    """
    name, _, label = key.partition(".")
    counter = counters.get(name)
    if counter is None or isinstance(counter, Each) != bool(label):
        raise UndeclaredCounter(f"a partition reports counter {key!r}, which its state does not declare")
    return counter[label] if isinstance(counter, Each) else counter


def as_json(counters: Mapping[str, Any]) -> dict[str, Any]:
    """Counted figures as receipts hold them: key -> int, or nested lists of ints."""
    return {key: value if isinstance(value, int) else value.tolist() for key, value in counters.items()}


def length_of(axis: Axis, ctx: Sizes) -> int:
    """Length of a vector's axis."""
    if isinstance(axis, int):
        return axis
    return len(ctx.vocabulary(axis)) if isinstance(axis, str) else axis(ctx)


def labels_of(labels: Labels, ctx: Sizes) -> tuple[str, ...]:
    """Names of a family's members."""
    if isinstance(labels, tuple):
        return labels
    return ctx.vocabulary(labels) if isinstance(labels, str) else labels(ctx)


def _scenarios(ctx: Sizes) -> tuple[str, ...]:
    return ctx.scenarios


def _whole(key: str, value: Any) -> Array:
    figure = np.asarray(value)
    if figure.dtype.kind not in "iub":
        raise TypeError(f"counter {key!r} is {figure.dtype}: cross-row sums are whole numbers only")
    return figure
