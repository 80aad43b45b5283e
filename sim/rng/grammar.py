"""The grammar of addresses: how the two counter words of a stream are packed from named whole numbers.

`contracts/rng/streams.yaml` writes each counter word as an expression of this grammar, and everything that
draws, records or explains a draw evaluates that one expression:

    word  = "0" | part { "|" part }            parts side by side, each in bits of its own
    part  = value [ "<<" number ]              a value, moved up
    value = field [ "^" number ]               a field; a tag that keeps one use of a hash apart from another
          | "hash" "(" word "," word ")"       entity hash of two words: lane 0 of Philox under `ENTITY_KEY`

A field is declared with its width in bits, or with an expression of its own over fields declared before it.
`block` is the field every stream has: draw d is lane d % 2 of block d // 2, and blocks are counted in the
lowest bits of c0.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, NoReturn

WORD_BITS = 64
BLOCK = "block"
RESERVED = ("ctx", "stream", "draws", "scenario", "names", "entities", "hash")
"""Names that calls use beside fields."""

_TOKEN = re.compile(r"\s*(<<|[|^(),]|0x[0-9a-f]{1,16}\b|[0-9]{1,20}\b|[a-z][a-z0-9_]*|\S)")
_NAME = re.compile(r"[a-z][a-z0-9_]*")
_OPERATORS = "|, <<, ^ and hash(a, b)"


class AddressError(ValueError):
    """An expression is not of the grammar, or is evaluated without the fields it names.

    Attributes:
        what, found, expected, do: Parts of the message, as in `sim.ground.errors`.
        key: Key of the stream's or field's entry that is wrong.
    """

    def __init__(self, what: str, found: str, expected: str, do: str = "", key: str = "") -> None:
        super().__init__(f"{what} Found {found}; expected {expected}.")
        self.what = what
        self.found = found
        self.expected = expected
        self.do = do
        self.key = key


class AddressOverflow(AddressError):
    """A value is wider than its field: it would run into the next one."""


@dataclass(frozen=True, slots=True)
class Field:
    """A named whole number that takes part in addresses.

    Attributes:
        name: Name in expressions and in calls.
        bits: Width: values are in [0, 2**bits).
        meaning: What it is.
        of: How it is made of other fields; None for a field that is given.
        text: The same as written.
    """

    name: str
    bits: int
    meaning: str
    of: Node | None = None
    text: str = ""

    @classmethod
    def parse(cls, name: str, entry: Mapping[str, Any], known: Mapping[str, Field]) -> Field:
        """The field of an entry `{is, bits}` or `{is, of}`; `known` are the fields declared before it.

        Raises:
            AddressError: the name is taken, the width is out of range, or the expression is not of the
                grammar.
        """
        if name in RESERVED or name == BLOCK:
            raise AddressError(
                "A field has a name that calls use themselves.",
                name,
                f"none of {', '.join((BLOCK, *RESERVED))}",
            )
        if ("bits" in entry) == ("of" in entry):
            raise AddressError(
                f"Field {name} is either given or made of others.",
                ", ".join(entry),
                "`bits` or `of`, one of them",
            )
        if "of" in entry:
            node = _at("of", lambda: parse(str(entry["of"]), known))
            return cls(name, width(node), str(entry["is"]), node, str(entry["of"]))
        bits = int(entry["bits"])
        if not 1 <= bits <= WORD_BITS:
            raise AddressError(
                f"Field {name} has a width no word has.", f"{bits} bits", f"1 .. {WORD_BITS}", key="bits"
            )
        return cls(name, bits, str(entry["is"]))


@dataclass(frozen=True, slots=True)
class Packed:
    """Values side by side, each with the bit it begins at; without any, the word 0."""

    parts: tuple[tuple[Node, int], ...]


@dataclass(frozen=True, slots=True)
class Tagged:
    """A field with some bits flipped."""

    field: Field
    tag: int


@dataclass(frozen=True, slots=True)
class Hashed:
    """The entity hash of two words."""

    left: Node
    right: Node


Node = Field | Packed | Tagged | Hashed


def width(node: Node) -> int:
    """Bits that hold every value of an expression."""
    match node:
        case Field():
            return node.bits
        case Packed():
            return max((shift + width(value) for value, shift in node.parts), default=0)
        case Tagged():
            return max(node.field.bits, node.tag.bit_length())
        case Hashed():
            return WORD_BITS


def parse(text: str, fields: Mapping[str, Field]) -> Node:
    """An expression over known fields.

    Raises:
        AddressError: an operator or field is unknown, a part reaches beyond 64 bits, or two parts share a
            bit.
    """
    return _Parser(text, fields).whole()


class _Parser:
    """Recursive descent over the tokens of one expression."""

    def __init__(self, text: str, fields: Mapping[str, Field]) -> None:
        self.text, self.fields = text, fields
        self.tokens = [*_TOKEN.findall(text), ""]
        self.at = 0

    def whole(self) -> Node:
        if self.tokens == ["0", ""]:
            return Packed(())
        node = self.word()
        if self.peek:
            self.refuse(
                "An address has an operator that is not one of the grammar.", repr(self.peek), _OPERATORS
            )
        return node

    @property
    def peek(self) -> str:
        token: str = self.tokens[self.at]
        return token

    def take(self, token: str) -> bool:
        if self.peek != token:
            return False
        self.at += 1
        return True

    def need(self, token: str) -> None:
        if not self.take(token):
            self.refuse(
                "An address is not of the grammar.", repr(self.peek) if self.peek else "its end", repr(token)
            )

    def word(self) -> Node:
        parts = [self.part()]
        while self.take("|"):
            parts.append(self.part())
        self.fit(parts)
        return parts[0][0] if len(parts) == 1 and parts[0][1] == 0 else Packed(tuple(parts))

    def part(self) -> tuple[Node, int]:
        value = self.value()
        return value, self.number() if self.take("<<") else 0

    def value(self) -> Node:
        name = self.peek
        if not _NAME.fullmatch(name):
            self.refuse(
                "An address is not of the grammar.",
                repr(name) if name else "its end",
                "a field or hash(a, b)",
            )
        self.at += 1
        if name == "hash":
            self.need("(")
            left = self.word()
            self.need(",")
            right = self.word()
            self.need(")")
            return Hashed(left, right)
        if name not in self.fields:
            near = [other for other in self.fields if other.startswith(name[:4])]
            self.refuse(
                "An address names an unknown field.",
                name,
                "a field of `fields`",
                f"did you mean {near[0]!r}?" if near else "",
            )
        field = self.fields[name]
        return Tagged(field, self.number()) if self.take("^") else field

    def number(self) -> int:
        token = self.peek
        if not token[:1].isdigit():
            self.refuse("An address is not of the grammar.", repr(token) if token else "its end", "a number")
        self.at += 1
        number = int(token, 0 if token.startswith("0x") else 10)
        if number.bit_length() > WORD_BITS:
            self.refuse("An address has a number no word holds.", token, "below 2**64")
        return number

    def fit(self, parts: list[tuple[Node, int]]) -> None:
        """Every part ends within the word, and none begins before the one below it ends."""
        taken = sorted((shift, shift + width(value), _called(value)) for value, shift in parts)
        for first, end, name in taken:
            if end > WORD_BITS:
                found = f"{name} << {first}, {end - first} bits wide" if first else f"{name}, {end} bits wide"
                self.refuse("A part of an address is too wide.", found, f"an end at bit {WORD_BITS} or below")
        for (_, end, below), (first, _, name) in pairwise(taken):
            if first < end:
                expected = f"{name} << {end} or higher"
                self.refuse(
                    "Two parts of an address overlap.",
                    f"{below} ends at bit {end}, {name} begins at bit {first}",
                    expected,
                )

    def refuse(self, what: str, found: str, expected: str, do: str = "") -> NoReturn:
        raise AddressError(what, f"{found} in {self.text!r}", expected, do)


def _called(node: Node) -> str:
    match node:
        case Field():
            return node.name
        case Tagged():
            return node.field.name
        case Hashed():
            return "hash(...)"
        case Packed():
            return "(...)"


def named(node: Node, inner: bool = False) -> Iterator[Field]:
    """Fields an expression names, in order; with `inner`, each is followed by the fields it is made of."""
    match node:
        case Field():
            yield node
            if inner and node.of is not None:
                yield from named(node.of, inner)
        case Tagged():
            yield from named(node.field, inner)
        case Packed():
            for value, _ in node.parts:
                yield from named(value, inner)
        case Hashed():
            yield from named(node.left, inner)
            yield from named(node.right, inner)


def parts_of(node: Node) -> tuple[tuple[Node, int], ...]:
    """(Value, first bit) of what lies side by side in a word."""
    return node.parts if isinstance(node, Packed) else ((node, 0),)


def _at(key: str, make: Callable[[], Node]) -> Node:
    """`make`, a refusal of which is put to `key`."""
    try:
        return make()
    except AddressError as error:
        error.key = key
        raise
