"""Resolved configuration as frozen attribute trees: what a state sees of its config packs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

KeyPath = tuple[str | int, ...]


@dataclass(frozen=True)
class Layer:
    """One text that gave a pack values: its file, a preset, or an override of the command line.

    Attributes:
        below: Key of the pack whose value the text gave; () for the whole pack.
        where: Key below that -> place in the text: `file:line:column`, or `--set key=value`.
    """

    below: KeyPath
    where: Callable[[KeyPath], str]


@dataclass(frozen=True)
class Origin:
    """Where the values of a resolved pack were written.

    Attributes:
        layers: The pack's own file, then the overrides in the order in which they were applied.
    """

    layers: tuple[Layer, ...]

    def where(self, key: KeyPath) -> str:
        """Places that decide the value of `key`.

        These are the last text that gave the whole value, and every later text that changed a part of it.
        """
        places: list[str] = []
        for layer in self.layers:
            depth = len(layer.below)
            if layer.below == key[:depth]:
                places = [layer.where(key[depth:])]
            elif key == layer.below[: len(key)]:
                places.append(layer.where(()))
        return ", ".join(places)


class Params:
    """Read-only view of a JSON object: `params.hurdle.base_permille`.

    Lists become tuples, objects become `Params`.

    Unknown names raise AttributeError naming what exists, so a typo in a state cannot read a default.
    """

    __slots__ = ("_origin", "_values")

    def __init__(self, values: Mapping[str, Any], origin: Origin | None = None) -> None:
        for taken in ("items", "plain"):
            if taken in values:
                raise ValueError(f"a parameter may not be called {taken!r}: that is a method of Params")
        object.__setattr__(self, "_origin", origin)
        object.__setattr__(self, "_values", {key: _freeze(value) for key, value in values.items()})

    def __getattr__(self, name: str) -> Any:
        values: dict[str, Any] = object.__getattribute__(self, "_values")
        try:
            return values[name]
        except KeyError:
            raise AttributeError(f"no parameter {name!r}; there are {sorted(values)}") from None

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError("parameters are read-only")

    def __getitem__(self, name: str) -> Any:
        return self._values[name]

    def __contains__(self, name: object) -> bool:
        return name in self._values

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def items(self) -> Iterator[tuple[str, Any]]:
        """Names and values in file order."""
        return iter(self._values.items())

    def plain(self) -> dict[str, Any]:
        """The tree as plain dicts and lists (for JSON)."""
        return {key: _thaw(value) for key, value in self._values.items()}


def place_of(pack: Params, key: str) -> str:
    """Where a value of a resolved pack was written.

    Args:
        pack: The whole pack.
        key: Names from the pack's top to the value, joined by dots; a position in a list is its number
            from 0.

    Returns:
        `file:line:column` of the key, or of the nearest key above it that its file has; `--set key=value` or
        the preset's line where one of these gave the value. Empty for a pack that was made in memory.
    """
    origin: Origin | None = object.__getattribute__(pack, "_origin")
    return "" if origin is None else origin.where(_path(pack, key.split(".") if key else []))


def _path(value: Any, names: Sequence[str]) -> KeyPath:
    """The names as a path: numbers where lists lie."""
    path: list[str | int] = []
    for name in names:
        is_list = isinstance(value, tuple)
        path.append(int(name) if is_list else name)
        held = range(len(value)) if is_list else value if isinstance(value, Params) else ()
        value = value[path[-1]] if path[-1] in held else None
    return tuple(path)


def _freeze(value: Any) -> Any:
    if isinstance(value, Mapping):
        return Params(value)
    if isinstance(value, list | tuple):
        return tuple(_freeze(item) for item in value)
    return value


def _thaw(value: Any) -> Any:
    if isinstance(value, Params):
        return value.plain()
    if isinstance(value, tuple):
        return [_thaw(item) for item in value]
    return value
