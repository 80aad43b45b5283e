"""Resolved configuration as frozen attribute trees: what a state sees of its config packs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any


class Params:
    """Read-only view of a JSON object: `params.hurdle.base_permille`.

    Lists become tuples, objects become `Params`.

    Unknown names raise AttributeError naming what exists, so a typo in a state cannot read a default.
    """

    __slots__ = ("_values",)

    def __init__(self, values: Mapping[str, Any]) -> None:
        for taken in ("items", "plain"):
            if taken in values:
                raise ValueError(f"a parameter may not be called {taken!r}: that is a method of Params")
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
