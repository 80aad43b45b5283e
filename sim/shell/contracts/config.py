"""Configuration of a run: config packs, presets and `--set`, resolved and validated before they are hashed.

A preset is a file under `config/presets/` that names overrides; `--set key=value` adds more on top. Keys read
`<artefact id>.<key>.<key>`. The parameter hash covers the resolved values, so two command lines that resolve
to the same values give the same run.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from sim.ground.contract_types import Contracts, nearest
from sim.ground.errors import ContractError, UsageError
from sim.ground.names import WORD, is_name
from sim.ground.read_once import Folder
from sim.shell.contracts.load import validate_document
from sim.shell.contracts.strict_yaml import Located, load_from, load_text
from sim.state.params import KeyPath, Layer, Origin, Params

PRESET_SCHEMA = "closedworld:meta/preset"
_SHOWN = 100


@dataclass(frozen=True)
class Overrides:
    """Values that replace those of config packs.

    Attributes:
        values: `<artefact>.<key>` -> value.
        where: (such a key, key below it in its value) -> the place where the value is written.
    """

    values: Mapping[str, Any]
    where: Callable[[str, KeyPath], str]


def given_overrides(values: Mapping[str, Any]) -> Overrides:
    """Overrides of the command line (or of a call from Python, which says the same)."""
    return Overrides(values, lambda key, _: f"--set {key}={_shown(values[key])}")


def _shown(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."


@dataclass(frozen=True)
class Preset:
    """A named set of overrides.

    Attributes:
        name: File stem.
        description: One sentence for `closedworld run --help` and reports.
        scenarios: Scenario ids run when the user names none.
        overrides: `<artefact>.<key>` -> value, and the place where each is written.
    """

    name: str
    description: str
    scenarios: tuple[str, ...]
    overrides: Overrides


@dataclass(frozen=True)
class Configuration:
    """Everything configurable, resolved.

    Attributes:
        documents: Path under `config/` -> resolved content (what is hashed).
        params: Artefact id -> frozen tree (what states see), which knows where its values are written.
    """

    documents: Mapping[str, Any]
    params: Mapping[str, Params]


def config_folder(root: Path) -> Folder:
    """A configuration directory that reads each of its files at most once.

    So the bytes that are hashed are the bytes that were parsed and proven.
    """
    return Folder(root, "SHELL.CONFIG_UNREADABLE", "the configuration cannot be read")


def load_preset(contracts: Contracts, config: Folder, name: str) -> Preset:
    """Read a preset by name.

    Raises:
        UsageError: If there is no such preset.
        ContractError: If the file is malformed.
    """
    known = preset_names(config)
    if name not in known:
        raise UsageError(
            "SHELL.UNKNOWN_PRESET",
            f"there is no preset called {name!r}",
            expected=", ".join(known),
            where=str(config.root / "presets"),
            do=f"{nearest(name, known)} or add config/presets/{name}.yaml",
        )
    relative = f"presets/{name}.yaml"
    located = load_from(config, relative, str(config.root / relative))
    validate_document(contracts, PRESET_SCHEMA, located)
    document = located.value
    overrides = Overrides(
        dict(document.get("set", {})), lambda key, below: located.where(("set", key, *below))
    )
    return Preset(name, document["description"], tuple(document["scenarios"]), overrides)


def preset_names(config: Folder) -> list[str]:
    """Names of all presets, sorted."""
    names = (
        name.split("/")[1].removesuffix(".yaml")
        for name in config.below("presets/", ".yaml")
        if name.count("/") == 1
    )
    return sorted(name for name in names if is_name(WORD, name))


def parse_override(text: str) -> tuple[str, Any]:
    """Split `key=value`.

    The value is read as strict YAML, so `true`, `3`, `0.5`, `NO` and lists mean what they mean in files.

    Raises:
        UsageError: If there is no `=` or no key.
        ContractError: If the value is not strict YAML.
    """
    key, separator, value = text.partition("=")
    if not separator or not key.strip():
        raise UsageError(
            "SHELL.OVERRIDE_INVALID",
            "an override is not key=value",
            found=text,
            expected="<artefact id>.<key>=<value>",
        )
    return key.strip(), load_text(value, f"--set {key.strip()}").value


def plain_override(key: str, value: Any) -> Any:
    """A value given from Python as a file would hold it: lists for tuples, a copy of everything.

    Raises:
        UsageError: If no file could hold it.
    """
    try:
        return json.loads(json.dumps(value, allow_nan=False))
    except (TypeError, ValueError, RecursionError) as error:
        raise UsageError(
            "SHELL.OVERRIDE_INVALID",
            f"the value given for {key} is none that a config file can hold",
            found=f"{type(value).__name__}: {str(value)[:100]}",
            expected=(
                "text, a whole or finite number, True, False, None, or a list or mapping of these; a date "
                "as text: 2026-01-05"
            ),
        ) from error


def resolve(contracts: Contracts, config: Folder, overrides: Sequence[Overrides]) -> Configuration:
    """Load every registered config pack, apply overrides in order, validate the result.

    Args:
        contracts: Compiled contracts.
        config: Directory of the config packs.
        overrides: The preset's, then the user's.

    Raises:
        ContractError: If a file is missing or malformed, or an override names nothing or makes a pack
            invalid.
    """
    documents: dict[str, Any] = {}
    params: dict[str, Params] = {}
    merged: dict[str, tuple[Overrides, Any]] = {}
    for given in overrides:
        merged.update({key: (given, value) for key, value in given.values.items()})
    by_artefact: dict[str, dict[str, tuple[Overrides, Any]]] = {}
    for key, (given, value) in merged.items():
        name, _, path = key.partition(".")
        if name not in contracts.artefacts or not path:
            raise ContractError(
                "SHELL.OVERRIDE_UNKNOWN",
                f"override {key!r} names no config pack",
                expected="<artefact id>.<key>",
                where=given.where(key, ()),
                do=nearest(name, contracts.artefacts),
            )
        by_artefact.setdefault(name, {})[path] = (given, value)
    for artefact in contracts.artefacts.values():
        located = load_from(config, artefact.path, str(config.root / artefact.path))
        content, layers = located.value, [Layer((), located.where)]
        if artefact.id in by_artefact:
            content = copy.deepcopy(content)
            for path, (given, value) in by_artefact[artefact.id].items():
                key = f"{artefact.id}.{path}"
                _assign(content, path.split("."), value, artefact.id, given.where(key, ()))
                layers.append(Layer(tuple(path.split(".")), partial(given.where, key)))
        try:
            validate_document(contracts, artefact.schema, Located(content, located.name, located.marks))
        except ContractError as error:
            given_here = [
                f"overridden: {artefact.id}.{'.'.join(map(str, layer.below))} by {layer.where(())}"
                for layer in layers[1:]
            ]
            error.do = "; ".join([error.do] * bool(error.do) + given_here)
            raise
        documents[artefact.path] = content
        params[artefact.id] = Params(content, Origin(tuple(layers)))
    return Configuration(documents, params)


def _assign(content: Any, path: list[str], value: Any, artefact: str, source: str) -> None:
    node = content
    for depth, key in enumerate(path):
        if not isinstance(node, dict) or key not in node:
            known = sorted(node) if isinstance(node, dict) else []
            raise ContractError(
                "SHELL.OVERRIDE_UNKNOWN",
                f"override {artefact}.{'.'.join(path)!s} names no value",
                found=f"{artefact}.{'.'.join(path[: depth + 1])}",
                expected=f"one of {known[:12]}" if known else "a key of an object",
                where=source,
                do=nearest(key, known) if known else "",
            )
        if depth == len(path) - 1:
            node[key] = value
        else:
            node = node[key]
