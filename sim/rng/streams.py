"""The stream registry: what every stream draws for, and how a row's counters are formed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from sim.rng.address import Address, HashOf, Value, entity_hash, words_of
from sim.rng.grammar import BLOCK, AddressError, Field, Node, Packed, named, parse, parts_of
from sim.rng.keys import stream_key

Scope = Literal["world", "scenario"]
Unit = Literal["entity", "cell", "partition"]

_BLOCK_MEANING = "block of the entity's draws: draw d is lane d % 2 of block d // 2"


class StreamError(ValueError):
    """A stream is used against its declaration."""


@dataclass(frozen=True, slots=True)
class Stream:
    """One declared stream.

    Attributes:
        id: Name framed into the key; never reused for another meaning.
        entity: What one address belongs to, in words.
        c0: The low counter word of an entity, as an expression (see `grammar.py`).
        c1: The high counter word.
        draws: Draws of one entity: a number, or words where it depends on the row.
        scope: `world`: scenarios share the draws; `scenario`: the key frames the scenario id too.
        description: What each draw decides; may be left out.
        state: The state that draws from it; empty where no event of it is ever published.
        events: What one event counts, in runs that publish events: an entity, all entities of one high
            counter word (a cell), or all of a partition.
        event_table: Table of its events, where they carry keys as well; empty for the one `events` has.
        event_row: What a row of that table stands for; empty for what `events` says.
        blocks: Blocks an entity's address has room for.
        words: Both expressions, parsed.
    """

    id: str
    entity: str
    c0: str
    c1: str
    draws: int | str
    scope: Scope
    description: str = ""
    state: str = ""
    events: Unit = "entity"
    event_table: str = ""
    event_row: str = ""
    blocks: int = 1
    words: tuple[Node, Node] = field(default=(Packed(()), Packed(())), repr=False)

    @classmethod
    def parse(cls, entry: Mapping[str, Any], fields: Mapping[str, Field]) -> Stream:
        """The stream of an entry of contracts/rng/streams.yaml.

        Args:
            entry: `{id, entity, c0, c1, draws, scope}`, and perhaps state, description, events, event_table,
                event_row and blocks; of the
                form the meta-schema states.
            fields: Declared fields.

        Raises:
            AddressError: an expression is not of the grammar, its parts do not fit, or the entity's blocks
                have no room of their own.
        """
        name, draws = str(entry["id"]), entry["draws"]
        counted = isinstance(draws, int)
        if counted == ("blocks" in entry):
            found = f"draws: {draws}{', and blocks' if counted else ', and no blocks'}"
            expected = "no blocks where draws is a number" if counted else "blocks: the most an entity takes"
            raise AddressError(
                f"{name}: how many blocks an entity has is said once.", found, expected, key="draws"
            )
        blocks = max(1, (draws + 1) // 2) if counted else int(entry["blocks"])
        known = {**fields, BLOCK: Field(BLOCK, (blocks - 1).bit_length(), _BLOCK_MEANING)}
        words = (_word(entry, "c0", known), _word(entry, "c1", fields))
        _blocks_have_room(name, words[0], blocks)
        return cls(**{**entry, "blocks": blocks}, words=words)

    @property
    def most_draws(self) -> int:
        """Words an entity's address has room for."""
        return self.draws if isinstance(self.draws, int) else 2 * self.blocks

    @property
    def run(self) -> int:
        """How many entities may follow one another at consecutive counters.

        It is the range of the lowest field of c0 if an entity has one block, else 1.
        """
        lowest = [
            value for value, shift in parts_of(self.words[0]) if shift == 0 and isinstance(value, Field)
        ]
        return 1 << lowest[0].bits if self.blocks == 1 and lowest else 1

    def key(self, seed: int, scenario: str | None = None) -> int:
        """Key of this stream.

        `scenario` is ignored by a stream of scope `world`, so pairs of scenarios share its draws.

        Raises:
            StreamError: the stream's scope is `scenario` and none is given.
        """
        if self.scope == "world":
            return stream_key(seed, self.id)
        if scenario is None:
            raise StreamError(f"stream {self.id} has scope scenario: its key needs a scenario id")
        return stream_key(seed, self.id, scenario)

    @property
    def fields(self) -> tuple[Field, ...]:
        """Fields its words name, without `block`."""
        return _once(self, inner=False)

    @property
    def all_fields(self) -> tuple[Field, ...]:
        """The same, each followed by the fields it is made of."""
        return _once(self, inner=True)

    def address(self, values: Mapping[str, Value], hash_of: HashOf = entity_hash) -> Address:
        """Where the draws of entities begin, from the values of their fields.

        Args:
            values: Values by field: whole numbers, or arrays of one length. A field that is made of others
                may be given itself or by those.
            hash_of: Computes `hash(a, b)`; by default on the CPU.

        Raises:
            AddressError: a field is missing, unknown, or no whole number.
            AddressOverflow: a value is not in [0, 2**bits) of its field.
        """
        return words_of(self.id, self.words, values, hash_of)

    def document(self) -> dict[str, Any]:
        """The stream as plain values, its fields described."""
        plain = {
            name: getattr(self, name)
            for name in (
                "id",
                "state",
                "entity",
                "c0",
                "c1",
                "draws",
                "blocks",
                "scope",
                "description",
                "events",
            )
        }
        return {
            **plain,
            "fields": {
                each.name: {"bits": each.bits, "of": each.text, "is": each.meaning}
                for each in self.all_fields
            },
        }


@dataclass(frozen=True, slots=True)
class Streams(Mapping[str, Stream]):
    """All declared streams by id, in the order of the file.

    Attributes:
        by_id: Streams.
        fields: What their addresses are made of.
        permutations: Names of keys that no state draws from: ids are permuted with them.
    """

    by_id: Mapping[str, Stream]
    fields: Mapping[str, Field] = field(default_factory=dict)
    permutations: frozenset[str] = frozenset()

    def __getitem__(self, stream_id: str) -> Stream:
        return self.by_id[stream_id]

    def __iter__(self) -> Iterator[str]:
        return iter(self.by_id)

    def __len__(self) -> int:
        return len(self.by_id)

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> Streams:
        """The registry of a parsed streams.yaml that follows its meta-schema.

        Raises:
            AddressError: see `Field.parse` and `Stream.parse`.
        """
        fields: dict[str, Field] = {}
        for name, entry in document.get("fields", {}).items():
            fields[name] = Field.parse(name, entry, fields)
        streams = {entry["id"]: Stream.parse(entry, fields) for entry in document["streams"]}
        return cls(streams, fields, frozenset(entry["id"] for entry in document.get("permutations", ())))


def _once(stream: Stream, inner: bool) -> tuple[Field, ...]:
    found = {each.name: each for word in stream.words for each in named(word, inner)}
    found.pop(BLOCK, None)
    return tuple(found.values())


def _word(entry: Mapping[str, Any], key: str, fields: Mapping[str, Field]) -> Node:
    try:
        word = parse(str(entry[key]), fields)
        names = [each.name for each in named(word)]
        twice = [name for name in names if names.count(name) > 1]
        if twice:
            raise AddressError(
                "A field is twice in one word.", f"{twice[0]} in {entry[key]!r}", "each field once"
            )
    except AddressError as error:
        error.key = key
        raise
    return word


def _blocks_have_room(name: str, word: Node, blocks: int) -> None:
    """An entity of several blocks counts them in the lowest bits of c0.

    What lies above begins where they end (see `Parser.fit`).
    """
    at = [shift for value, shift in parts_of(word) if isinstance(value, Field) and value.name == BLOCK]
    if blocks == 1 and any(each.name == BLOCK for each in named(word)):
        raise AddressError(
            f"{name}: an entity of one block counts none.", f"{BLOCK} in c0", f"c0 without {BLOCK}", key="c0"
        )
    if blocks > 1 and at != [0]:
        found = f"{blocks} blocks, and {BLOCK} << {at[0]}" if at else f"{blocks} blocks, and no {BLOCK} in c0"
        raise AddressError(
            f"{name}: blocks are counted in the lowest bits of c0.", found, f"| {BLOCK}", key="c0"
        )
