"""The one YAML reader: YAML 1.2 core scalars, no surprises, every value with its line.

Configuration is input, so it is read as input: `NO` is Norway and not false, `010` and `12:30:00` are
strings, a key given twice is refused instead of silently lost, and whatever a small config file never needs
(anchors, aliases, tags, merge keys, several documents, not-a-number, deep nesting, megabytes) is refused by
name and place.

PyYAML turns text into events (by libyaml where it was built with it, which is ten times faster); this module
builds plain values from the events with its own stack. So nothing recurses, and a document nested 200,000
deep stops at level 65. PyYAML's composer, which recurses - and crashes there in libyaml's case -, is never
reached.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, NoReturn

import yaml
from yaml.parser import Parser
from yaml.reader import Reader
from yaml.scanner import Scanner

from sim.ground.errors import ContractError
from sim.ground.read_once import MAX_BYTES, Folder, read_once
from sim.shell.contracts.scalars import CONTROL, refuse, scalar_value

MAX_DEPTH = 64

JsonPath = tuple[str | int, ...]
Mark = tuple[int, int]


@dataclass(frozen=True)
class Located:
    """A parsed document and the place of each of its values.

    Attributes:
        value: Plain dict, list, str, int, float, bool or None; the caller's own copy.
        name: How the file is called in messages.
        marks: JSON path -> (line, column), both from 1.
    """

    value: Any
    name: str
    marks: dict[JsonPath, Mark] = field(repr=False)

    def mark_of(self, path: JsonPath = ()) -> Mark:
        """Line and column of the value at `path`, or of the nearest enclosing value that exists."""
        while path and path not in self.marks:
            path = path[:-1]
        return self.marks.get(path, (1, 1))

    def line_of(self, path: JsonPath = ()) -> int:
        """Line of the value at `path`; a mapping entry sits where its key does."""
        return self.mark_of(path)[0]

    def where(self, path: JsonPath = ()) -> str:
        """`file:line:col` of the value at `path`."""
        line, column = self.mark_of(path)
        return f"{self.name}:{line}:{column}"


def load(path: Path, name: str | None = None) -> Located:
    """The document in a file.

    Args:
        path: A plain file of at most `MAX_BYTES` bytes, UTF-8.
        name: How messages call the file; `str(path)` by default.

    Raises:
        ContractError: `SHELL.YAML_INVALID`.
    """
    name = str(path) if name is None else name
    try:
        data = read_once(path, MAX_BYTES).data
    except ContractError as error:
        _unreadable(error, name)
    return load_bytes(data, name)


def load_from(folder: Folder, relative: str, name: str) -> Located:
    """The document in a file of a folder; the folder reads the file at most once.

    See `load`.

    Raises:
        ContractError: `SHELL.YAML_INVALID`, or the folder's own refusal.
    """
    try:
        data = folder.read(relative, MAX_BYTES).data
    except ContractError as error:
        if error.code == folder.code:
            raise
        _unreadable(error, name)
    return load_bytes(data, name)


def _unreadable(error: ContractError, name: str) -> NoReturn:
    what = "The file is too large." if error.found.endswith("bytes") else "The file cannot be read."
    what = "No such file." if error.found.startswith("no such file") else what
    refuse(what, f"{name}:1:1", error.found, error.expected)


def load_bytes(data: bytes, name: str) -> Located:
    """The document in the bytes of a file; see `load`."""
    _check_size(len(data), name)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        found = f"byte 0x{data[error.start]:02x} at offset {error.start}"
        refuse("The file is not UTF-8.", f"{name}:{line}:1", found, "UTF-8 text", "save it as UTF-8")
    return load_text(text, name)


def load_text(text: str, name: str) -> Located:
    """The document in `text`; see `load`."""
    # Characters bound bytes from below, so a huge text is refused before it is encoded.
    _check_size(len(text), name)
    value, marks = _parse(text, name)
    return Located(_copy(value), name, marks)


def _check_size(size: int, name: str) -> None:
    if size > MAX_BYTES:
        refuse("The file is too large.", f"{name}:1:1", "more than 1 MB", f"at most {MAX_BYTES:,} bytes")


def _copy(value: Any) -> Any:
    """Copy plain containers, at most `MAX_DEPTH` deep, so that no caller can change what the cache holds."""
    if isinstance(value, dict):
        return {key: _copy(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_copy(item) for item in value]
    return value


class _Events(Reader, Scanner, Parser):
    """PyYAML's event parser alone: no composer, no constructor, no resolver."""

    def __init__(self, text: str) -> None:
        Reader.__init__(self, text)
        Scanner.__init__(self)
        Parser.__init__(self)

    def forward(self, length: int = 1) -> None:
        """Skip `length` characters.

        `_parse` leaves no line end but newline, so this need not look at each of them.
        """
        skipped = self.buffer[self.pointer : self.pointer + length]
        self.pointer += length
        self.index += length
        lines = skipped.count("\n")
        self.line += lines
        self.column = length - skipped.rindex("\n") - 1 if lines else self.column + length


def _events(text: str) -> Iterator[Any]:
    """The events of a text, from libyaml if PyYAML has it."""
    parser: Any = yaml.cyaml.CParser(text) if yaml.__with_libyaml__ else _Events(text)  # type: ignore[attr-defined]
    while parser.check_event():
        yield parser.get_event()


@dataclass
class _Open:
    """A collection being filled: `key` is the pending key of a mapping."""

    value: Any
    path: JsonPath
    key: str | None = None


@lru_cache(maxsize=512)
def _parse(text: str, name: str) -> tuple[Any, dict[JsonPath, Mark]]:
    control = CONTROL.search(text := text.replace("\r\n", "\n"))
    if control:
        line, column = (
            text.count("\n", 0, control.start()) + 1,
            control.start() - text.rfind("\n", 0, control.start()),
        )
        found = f"U+{ord(control[0]):04X}"
        refuse(
            "The file holds a control character.",
            f"{name}:{line}:{column}",
            found,
            "printable text, tabs and newlines",
        )
    try:
        return _build(_events(text), name)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"{name}:{mark.line + 1}:{mark.column + 1}" if mark else f"{name}:1:1"
        refuse("The file is not valid YAML.", where, error.problem or str(error), error.context or "YAML 1.2")
    except (yaml.YAMLError, ValueError, OverflowError) as error:
        # Escapes such as "\UFFFFFFFF" leave PyYAML as plain ValueErrors, without a mark.
        refuse("The file is not valid YAML.", f"{name}:1:1", str(error), "YAML 1.2")


def _build(events: Iterator[Any], name: str) -> tuple[Any, dict[JsonPath, Mark]]:
    marks: dict[JsonPath, Mark] = {}
    stack: list[_Open] = []
    root: list[Any] = []
    for event in events:
        line, column = event.start_mark.line + 1, event.start_mark.column + 1
        where = f"{name}:{line}:{column}"
        kind = type(event)
        if kind in (yaml.MappingEndEvent, yaml.SequenceEndEvent):
            stack.pop()
            continue
        if kind not in (yaml.ScalarEvent, yaml.MappingStartEvent, yaml.SequenceStartEvent):
            _check_structure(event, where, bool(root))
            continue
        if event.anchor is not None or event.tag is not None:
            found = f"&{event.anchor}" if event.anchor is not None else f"the tag {event.tag}"
            refuse("Anchors and tags are not allowed.", where, found, "a plain value", "write the value out")
        parent = stack[-1] if stack else None
        scalar = scalar_value(event, where) if kind is yaml.ScalarEvent else None
        if parent is not None and isinstance(parent.value, dict) and parent.key is None:
            parent.key = _key(event, scalar, where, parent, marks)
            marks[(*parent.path, parent.key)] = (line, column)
            parent.value[parent.key] = None
            continue
        value = scalar if kind is yaml.ScalarEvent else {} if kind is yaml.MappingStartEvent else []
        path = _place(parent, value, root)
        marks.setdefault(path, (line, column))
        if kind is not yaml.ScalarEvent:
            if len(stack) == MAX_DEPTH:
                refuse(
                    "The document is nested too deeply.",
                    where,
                    f"more than {MAX_DEPTH} levels",
                    f"at most {MAX_DEPTH}",
                )
            stack.append(_Open(value, path))
    return (root[0] if root else None), marks


def _place(parent: _Open | None, value: Any, root: list[Any]) -> JsonPath:
    """Put `value` where it belongs and return its path."""
    if parent is None:
        root.append(value)
        return ()
    if isinstance(parent.value, list):
        parent.value.append(value)
        return (*parent.path, len(parent.value) - 1)
    assert parent.key is not None  # a value follows its key
    path = (*parent.path, parent.key)
    parent.value[parent.key] = value
    parent.key = None
    return path


def _check_structure(event: Any, where: str, started: bool) -> None:
    if isinstance(event, yaml.AliasEvent):
        refuse("Aliases are not allowed.", where, f"*{event.anchor}", "a plain value", "write the value out")
    if isinstance(event, yaml.DocumentStartEvent):
        if started:
            refuse("The file holds several documents.", where, "a second document", "one document")
        if event.version is not None or event.tags:
            refuse("Directives are not allowed.", where, "a % directive", "a document without directives")


def _key(event: Any, scalar: Any, where: str, parent: _Open, marks: dict[JsonPath, Mark]) -> str:
    if not isinstance(event, yaml.ScalarEvent):
        refuse("A key must be a string.", where, "a collection as key", "a string")
    if event.implicit[0] and event.value == "<<":
        refuse("Merge keys are not allowed.", where, "<<", "a plain key", "write the entries out")
    if not isinstance(scalar, str):
        refuse(
            "A key must be a string.",
            where,
            event.value or "nothing",
            "a string",
            f'write "{event.value}" in quotes',
        )
    if scalar in parent.value:
        first = marks[(*parent.path, scalar)][0]
        refuse(
            "A key is given twice.",
            where,
            f"{scalar!r} again, first on line {first}",
            "each key once",
            "remove one of them",
        )
    return scalar
