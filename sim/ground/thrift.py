"""Structs in Thrift's compact protocol (Parquet's footers and page headers), read without a schema."""

from __future__ import annotations

from typing import Any, TypeAlias

# Kinds of fields, as the protocol numbers them.
BOOL = 1
BYTE = 3
I16 = 4
I32 = 5
I64 = 6
DOUBLE = 7
BINARY = 8
Spec: TypeAlias = int | list[Any] | dict[int, Any]
"""A kind; a list of the one spec of its items; or a struct, by field number."""
Struct: TypeAlias = dict[int, Any]
_DEPTH = 8
_BOOLS = {1: BOOL, 2: BOOL}  # true, false
_BITS = {I16: 16, I32: 32, I64: 64}
_LIST, _SET, _STRUCT = 9, 10, 12


class Malformed(ValueError):
    """Bytes that are no such struct, or none of Parquet's."""


class Compact:
    """A cursor over structs in Thrift's compact protocol.

    Args:
        data: The bytes around them.
        at: Where they begin.
        stop: Where they end.
        most: List items it reads at most, in all.

    Raises:
        Malformed: By every method, if the bytes are no such structs.
    """

    def __init__(self, data: bytes, at: int, stop: int, most: int) -> None:
        self.data = data
        self.at = at
        self.stop = stop
        self.left = most

    def byte(self) -> int:
        """The next byte."""
        if self.at >= self.stop:
            raise Malformed("a structure that is cut off")
        self.at += 1
        return self.data[self.at - 1]

    def varint(self) -> int:
        """The next unsigned number of at most 64 bits."""
        value = shift = 0
        while True:
            part = self.byte()
            value |= (part & 0x7F) << shift
            if part < 0x80:
                break
            shift += 7
        if value >= 1 << 64:
            raise Malformed("a number of more than 64 bits")
        return value

    def integer(self, bits: int) -> int:
        """The next signed number, one of so many bits."""
        value = self.varint()
        if value >= 1 << bits:
            raise Malformed(f"a number of more than {bits} bits")
        return (value >> 1) ^ -(value & 1)

    def struct(self, spec: Struct | None = None, depth: int = 0) -> dict[int, Any]:
        """The next struct.

        Args:
            spec: Kinds of fields by number; a field of another kind is malformed, one that is not listed is
                read as it is. Readers made from a schema go over a field of another kind, and do not look at
                the kind of a list's items: they would read on elsewhere.
            depth: Structs and lists that are open around it.

        Returns:
            Values by field number: an int, a bool, bytes, a list, a struct; None for a double.
        """
        if depth > _DEPTH:
            raise Malformed("a structure nested too deep")
        fields: dict[int, Any] = {}
        number = 0
        while head := self.byte():
            number = number + (head >> 4) if head >> 4 else self.integer(16)
            if number in fields or number > 0x7FFF:  # a reader made from a schema would merge the two
                raise Malformed(f"field {number} twice, or behind the last")
            fields[number] = self._value(head & 15, (spec or {}).get(number), depth)
        return fields

    def _value(self, kind: int, spec: Spec | None, depth: int) -> Any:
        if spec is not None and _kind(spec) != _BOOLS.get(kind, kind):
            raise Malformed(f"a field of kind {kind}, where {_kind(spec)} belongs")
        if kind in _BOOLS:
            return kind == BOOL
        if kind == BYTE:
            return self.byte()
        if kind in _BITS:
            return self.integer(_BITS[kind])
        if kind == DOUBLE:
            return self.skip(8)
        if kind == BINARY:
            size = self.varint()
            self.skip(size)
            return self.data[self.at - size : self.at]
        if kind in (_LIST, _SET):
            return self._list(spec[0] if isinstance(spec, list) else None, depth + 1)
        if kind == _STRUCT:
            return self.struct(spec if isinstance(spec, dict) else None, depth + 1)
        raise Malformed(f"a field of kind {kind}")

    def _list(self, spec: Spec | None, depth: int) -> list[Any]:
        head = self.byte()
        count = self.varint() if head >> 4 == 15 else head >> 4
        self.left -= count
        if self.left < 0 or depth > _DEPTH:
            raise Malformed("more lists than such a file has")
        # a field's head holds its truth, a list's items are bytes
        kind = BYTE if head & 15 in _BOOLS else head & 15
        return [self._value(kind, spec, depth) for _ in range(count)]

    def skip(self, size: int) -> None:
        """Go over `size` bytes."""
        if size > self.stop - self.at:
            raise Malformed("a structure that is cut off")
        self.at += size


def _kind(spec: Spec) -> int:
    return _LIST if isinstance(spec, list) else _STRUCT if isinstance(spec, dict) else spec
