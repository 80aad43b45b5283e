"""The stream registry: what every stream draws for, and how a row's counters are formed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from sim.rng.keys import stream_key

Scope = Literal["world", "scenario"]
Unit = Literal["entity", "cell", "partition"]

_TEXT_FIELDS = ("id", "entity", "c0", "c1")
_FIELDS = {*_TEXT_FIELDS, "draws", "scope"}


class StreamError(ValueError):
    """contracts/rng/streams.yaml is not a stream registry, or a stream is used against its declaration."""


@dataclass(frozen=True, slots=True)
class Stream:
    """One declared stream.

    Attributes:
        id: Name framed into the key; never reused for another meaning.
        entity: What one address belongs to, in words.
        c0: How the low counter word is formed.
        c1: How the high counter word is formed.
        draws: Draws of one entity: a number, or words where it depends on the row.
        scope: `world`: scenarios share the draws; `scenario`: the key frames the scenario id too.
        description: What each draw decides; may be left out.
        events: What one event stands for where events are asked for: an entity, all entities of one high counter word (a cell), or
            all of a partition.
    """

    id: str
    entity: str
    c0: str
    c1: str
    draws: int | str
    scope: Scope
    description: str = ""
    events: Unit = "entity"

    def key(self, seed: int, scenario: str | None = None) -> int:
        """Key of this stream; `scenario` is ignored by a stream of scope `world`, so pairs of scenarios share its draws.

        Raises:
            StreamError: the stream's scope is `scenario` and none is given.
        """
        if self.scope == "world":
            return stream_key(seed, self.id)
        if scenario is None:
            raise StreamError(f"stream {self.id} has scope scenario: its key needs a scenario id")
        return stream_key(seed, self.id, scenario)


@dataclass(frozen=True, slots=True)
class Streams(Mapping[str, Stream]):
    """All declared streams by id, in the order of the file."""

    by_id: Mapping[str, Stream]

    def __getitem__(self, stream_id: str) -> Stream:
        return self.by_id[stream_id]

    def __iter__(self) -> Iterator[str]:
        return iter(self.by_id)

    def __len__(self) -> int:
        return len(self.by_id)

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> Streams:
        """Build the registry from the parsed streams.yaml: `{streams: [{id, entity, c0, c1, draws, scope, description?}, ...]}`.

        Raises:
            StreamError: the shape is wrong, a field is missing, unknown or empty, a scope is unknown, or an id occurs twice.
        """
        entries = document.get("streams")
        if not isinstance(entries, list):
            raise StreamError("the stream registry must have a list `streams`")
        by_id: dict[str, Stream] = {}
        for position, entry in enumerate(entries):
            stream = _parse(entry, position)
            if stream.id in by_id:
                raise StreamError(f"stream id {stream.id} is declared twice")
            by_id[stream.id] = stream
        return cls(by_id)


def _parse(entry: Any, position: int) -> Stream:
    if not isinstance(entry, Mapping):
        raise StreamError(f"stream {position} is not a mapping")
    name = entry.get("id", f"number {position}")
    given = set(entry) - {"description", "events"}
    if given != _FIELDS:
        missing, unknown = sorted(_FIELDS - given), sorted(str(field) for field in given - _FIELDS)
        raise StreamError(f"stream {name}: missing fields {missing}, unknown fields {unknown}")
    for field in _TEXT_FIELDS:
        if not isinstance(entry[field], str) or not entry[field].strip():
            raise StreamError(f"stream {name}: {field} must be a non-empty text")
    if not isinstance(entry.get("description", ""), str):
        raise StreamError(f"stream {name}: description must be a text")
    draws = entry["draws"]
    if isinstance(draws, bool) or not isinstance(draws, int | str) or draws == "" or (isinstance(draws, int) and draws < 0):
        raise StreamError(f"stream {name}: draws must be a number >= 0 or an expression, not {draws!r}")
    if entry["scope"] not in ("world", "scenario"):
        raise StreamError(f"stream {name}: scope must be world or scenario, not {entry['scope']!r}")
    if entry.get("events", "entity") not in ("entity", "cell", "partition"):
        raise StreamError(f"stream {name}: events must be by entity, cell or partition, not {entry['events']!r}")
    return Stream(**entry)
