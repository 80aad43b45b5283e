"""Addresses: the counter words that an expression of the contract gives for the values of its fields.

One function evaluates them, for one entity or for arrays of them, in host or device memory: states, the
ledger and `explain` all call it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from sim.rng.grammar import BLOCK, AddressError, AddressOverflow, Field, Hashed, Node, Packed, Tagged, named
from sim.rng.keys import block

ENTITY_KEY = 0x636C6F736564776F  # ASCII "closedwo": a constant, so that entities are equal in every world

Value = Any
"""A whole number, or an array of such (any integer dtype, in host or device memory)."""
HashOf = Callable[[Value, Value], Value]


@dataclass(frozen=True, slots=True, eq=False)
class Address:
    """Where draws begin: the counter of block 0 of each entity.

    Attributes:
        stream: Stream id.
        c0, c1: Low and high counter word: uint64 arrays of one length, or two whole numbers where every field
            was one.
    """

    stream: str
    c0: Value
    c1: Value

    def __len__(self) -> int:
        """How many entities; a TypeError for the address of a single one."""
        return len(self.c0)

    def take(self, rows: Value) -> Address:
        """The addresses of some of the entities, chosen as numpy indexes."""
        return Address(self.stream, self.c0[rows], self.c1[rows])


def entity_hash(left: Value, right: Value) -> Value:
    """The entity hash of two words (ints, or uint64 arrays): depends on nothing but them."""
    return block(ENTITY_KEY, left, right)[0]


def evaluate(
    nodes: tuple[Node, ...], given: Mapping[str, Value], hash_of: HashOf = entity_hash, who: str = ""
) -> tuple[Value, ...]:
    """Values of expressions.

    A field that is made of others may be given itself, or those others instead.

    Args:
        nodes: Expressions.
        given: Values by field; scalars and arrays may be mixed. `block` is 0 unless given.
        hash_of: Computes `hash(a, b)`.
        who: What is evaluated, for messages.

    Returns:
        For each a uint64 array, or an int where it holds nothing but scalars. An array that is the whole word
        is handed back as it is.

    Raises:
        AddressError: a field is missing, unknown, or no whole number.
        AddressOverflow: a value is not in [0, 2**bits) of its field.
    """
    values = _Values(given, hash_of, who)
    result = tuple(_wide(values.of(node)) for node in nodes)
    strange = [name for name in given if name not in values.known]
    if strange:
        used = ", ".join(dict.fromkeys(field.name for node in nodes for field in named(node))) or "no field"
        raise AddressError(f"{who} is given a field it has no use for.", strange[0], used)
    return result


class _Values:
    """Values of fields, each made or checked once."""

    def __init__(self, given: Mapping[str, Value], hash_of: HashOf, who: str) -> None:
        self.given, self.hash_of, self.who = given, hash_of, who
        self.known: dict[str, Value] = {}

    def of(self, node: Node) -> Value:
        match node:
            case Field():
                if node.name not in self.known:
                    self.known[node.name] = self.field(node)
                return self.known[node.name]
            case Tagged():
                value = _wide(self.of(node.field))
                return value ^ (node.tag if isinstance(value, int) else np.uint64(node.tag))
            case Hashed():
                return self.hash_of(_wide(self.of(node.left)), _wide(self.of(node.right)))
            case Packed():
                return _pack([(self.of(value), shift) for value, shift in node.parts])

    def field(self, field: Field) -> Value:
        if field.name in self.given:
            return fitting(field, self.given[field.name], self.who)
        if field.of is not None:
            return self.of(field.of)
        if field.name == BLOCK:
            return 0
        raise AddressError(
            f"{self.who} needs a field that is not given.",
            f"no {field.name}",
            f"{field.name}: {field.meaning}",
        )


def _pack(parts: list[tuple[Value, int]]) -> Value:
    """Values moved up and put together: one new array at most for each, none for a whole word of uint64."""
    scalar, result, own = 0, None, False
    for value, shift in parts:
        if isinstance(value, int):
            scalar |= value << shift
            continue
        moved = _wide(value)
        fresh = moved is not value
        if shift and fresh:
            moved <<= np.uint64(shift)
        elif shift:
            moved, fresh = value << np.uint64(shift), True
        if result is None:
            result, own = moved, fresh
        elif own and result.shape == moved.shape:
            result |= moved
        else:
            result, own = result | moved, True
    if result is None:
        return scalar
    if scalar and own:
        result |= np.uint64(scalar)
        return result
    return result | np.uint64(scalar) if scalar else result


def fitting(field: Field, value: Value, who: str) -> Value:
    """A field's value as an int or an array of its own dtype, if it is in [0, 2**bits).

    Arrays whose dtype cannot exceed the field are taken as they are; of the others the largest value is
    looked at.
    """
    if not getattr(value, "ndim", 0):
        if isinstance(value, bool) or (
            not isinstance(value, int | np.integer | np.bool_) and not _whole(value)
        ):
            raise AddressError(
                f"{who}: a field is a whole number.",
                f"{field.name} of type {type(value).__name__}",
                "a whole number",
            )
        number = int(value)
        if not 0 <= number < 1 << field.bits:
            raise _overflow(field, number, who)
        return number
    if not _whole(value):
        raise AddressError(
            f"{who}: a field is a whole number.", f"{field.name} of dtype {value.dtype}", "an integer dtype"
        )
    held = 1 if value.dtype.kind == "b" else 8 * value.dtype.itemsize - (value.dtype.kind == "i")
    if (held > field.bits or value.dtype.kind == "i") and value.size:
        # Seen as unsigned, a negative number is larger than any positive one of its dtype.
        seen = value if value.dtype.kind == "u" else value.view(f"u{value.dtype.itemsize}")
        most = int(seen.max())
        if most >= 1 << min(field.bits, held):
            raise _overflow(
                field,
                most if value.dtype.kind == "u" else int(value.min() if value.min() < 0 else value.max()),
                who,
            )
    return value


def _wide(value: Value) -> Value:
    """An array as uint64: itself, or a copy; an int as it is."""
    return value if isinstance(value, int) or value.dtype == np.uint64 else value.astype(np.uint64)


def _whole(value: Value) -> bool:
    return getattr(getattr(value, "dtype", None), "kind", "") in ("u", "i", "b")


def _overflow(field: Field, number: int, who: str) -> AddressOverflow:
    return AddressOverflow(
        f"{who}: a value is wider than its field.", f"{field.name} = {number}", f"0 .. 2**{field.bits} - 1"
    )


def words_of(
    stream: str, nodes: tuple[Node, Node], given: Mapping[str, Value], hash_of: HashOf = entity_hash
) -> Address:
    """The address two expressions give; a word of scalars alone is repeated to the length of the other.

    See `evaluate`.
    """
    low, high = evaluate(nodes, given, hash_of, stream)
    if isinstance(low, int) and isinstance(high, int):
        return Address(stream, low, high)
    if isinstance(low, int):
        low = np.full_like(high, low)
    elif isinstance(high, int):
        high = np.full_like(low, high)
    elif low.shape != high.shape:
        raise AddressError(
            f"{stream}: its words are of different lengths.",
            f"{low.shape} and {high.shape}",
            "one value an entity",
        )
    return Address(stream, low, high)
