"""Every refusal of the model names a key of the configuration, and the file and line that key has - wherever
the configuration lies.

The list of refusals is read from the sources, so none can be forgotten; the keys each may name are followed
to where they are written.
"""

from __future__ import annotations

import ast
import builtins
import json
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from sim.ground.paths import config_root, contracts_root
from sim.shell.contracts.config import Configuration, config_folder, given_overrides, load_preset, resolve
from sim.shell.contracts.load import load_contracts
from sim.state.params import Params, place_of
from tests.architecture.model_code import ROOT, Module, Scope, model

SHIFT = 7
CONTRACTS = load_contracts(contracts_root())
SHIPPED = resolve(CONTRACTS, config_folder(config_root()), [])


@dataclass(frozen=True)
class Site:
    """A call that refuses: `keys` as written, `*` for what only a run knows."""

    where: str
    keys: tuple[str, ...]
    rows: bool


def _sites() -> Iterator[Site]:
    for scope in model().functions():
        for node in ast.walk(scope[1]):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Name)
                and node.func.id in ("refuse", "Fault")
            ):
                yield _site(scope, node)


def _site(scope: Scope, call: ast.Call) -> Site:
    named = {keyword.arg: keyword.value for keyword in call.keywords}
    key = call.args[0] if isinstance(call.func, ast.Name) and call.func.id == "Fault" else named.get("at")
    rows = "error" in named and ast.unparse(named["error"]) == "ValidationError"
    keys = () if key is None else tuple(sorted({value.text for value in model().values(scope, key)}))
    return Site(f"{scope[0].short}:{call.lineno}", keys, rows)


SITES = tuple(_sites())


@pytest.mark.parametrize("module", model().modules.values(), ids=lambda module: module.short)
def test_the_model_refuses_in_one_form_and_knows_no_file(module: Module) -> None:
    """No error is raised by hand, and no text names a file of the configuration or the contracts."""
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call):
            assert hasattr(builtins, ast.unparse(node.exc.func)), f"{module.short}:{node.lineno}"
        if (
            isinstance(node, ast.Constant)
            and isinstance(node.value, str)
            and not _is_docstring(module.tree, node)
        ):
            assert "config/" not in node.value and "contracts/" not in node.value, (
                f"{module.short}:{node.lineno}"
            )


def _is_docstring(tree: ast.Module, node: ast.Constant) -> bool:
    return any(isinstance(text, ast.Expr) and text.value is node for text in ast.walk(tree))


def test_all_refusals_are_found() -> None:
    """As many as a reader counts, so that a change of their form cannot empty the list."""
    text = "\n".join(module.path.read_text() for module in model().modules.values())
    assert len(SITES) == text.count(" refuse(\n") + text.count(" refuse(ctx") + text.count("Fault(") > 80


@pytest.mark.parametrize("site", SITES, ids=lambda site: site.where)
def test_a_refusal_names_keys_that_exist(site: Site) -> None:
    """One that names none is about rows: what was computed is wrong, and no file can be corrected."""
    assert site.keys or site.rows
    groups: dict[str, bool] = {}
    for key in site.keys:
        group = ".".join(key.split(".")[:2])
        groups[group] = groups.get(group, False) or bool(list(_expanded(key)))
    assert all(groups.values()), groups


@cache
def _expanded(key: str) -> tuple[str, ...]:
    """The keys of the configuration that a key with `*` stands for."""
    pack, *names = key.split(".")
    return (
        tuple(f"{pack}{rest}" for rest in _matches(SHIPPED.params[pack], names))
        if pack in SHIPPED.params
        else ()
    )


def _matches(value: Any, names: list[str]) -> Iterator[str]:
    if not names:
        yield ""
        return
    keys = range(len(value)) if isinstance(value, tuple) else list(value) if isinstance(value, Params) else []
    if not keys and names == ["*"] and isinstance(value, tuple | Params):
        yield ""  # nothing is there to be wrong today
    for key in keys:
        if names[0] in ("*", str(key)):
            yield from (f".{key}{rest}" for rest in _matches(value[key], names[1:]))


def _all_keys() -> list[str]:
    return sorted({found for site in SITES for key in site.keys for found in _expanded(key)})


def _place(configuration: Configuration, key: str) -> str:
    pack, _, below = key.partition(".")
    return place_of(configuration.params[pack], below)


def _require_line(place: str, folder: Path, key: str, lines: Mapping[Path, list[str]]) -> int:
    """The line a place names, which must be that of the key."""
    name, line, column = place.rsplit(":", 2)
    file = Path(name)
    assert file.is_relative_to(folder) and file.is_file()
    text = lines[file][int(line) - 1][int(column) - 1 :]
    last = key.rsplit(".", 1)[-1]
    if not last.isdecimal() and "." in key:
        assert text.startswith((f"{last}:", f'"{last}":', f"'{last}':")), (place, key, text)
    return int(line)


class _Lines(dict[Path, list[str]]):
    def __missing__(self, path: Path) -> list[str]:
        self[path] = path.read_text().splitlines()
        return self[path]


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The configuration in another place, each of its lines further down."""
    copy = tmp_path_factory.mktemp("elsewhere") / "config"
    shutil.copytree(config_root(), copy)
    for path in copy.glob("layer*/**/*.yaml"):
        path.write_text("# ours\n" * SHIFT + path.read_text())
    return copy


def test_every_key_has_its_file_and_line(elsewhere: Path) -> None:
    moved = resolve(CONTRACTS, config_folder(elsewhere), [])
    keys, lines = _all_keys(), _Lines()
    assert len(keys) > 1000
    for key in keys:
        line = _require_line(_place(SHIPPED, key), config_root(), key, lines)
        assert _require_line(_place(moved, key), elsewhere, key, lines) == line + SHIFT


def test_every_key_that_an_override_gave_names_the_override(elsewhere: Path) -> None:
    """`--set` in its own words; a preset by its file and line."""
    keys = [key for key in _all_keys() if "." in key and not any(part.isdecimal() for part in key.split("."))]
    values = {key: _value(key) for key in keys}
    given = resolve(CONTRACTS, config_folder(elsewhere), [given_overrides(values)])
    assert all(f"--set {key}=" in _place(given, key) for key in keys)

    # what the schema of presets lets them set
    settable = [key for key in keys if key.partition(".")[2].islower()]
    preset = elsewhere / "presets/all.yaml"
    texts = [f"  {key}: {json.dumps(values[key])}\n" for key in settable]
    preset.write_text(
        "description: Every key that a preset may set.\nscenarios: [baseline_v1]\nset:\n" + "".join(texts)
    )
    named = load_preset(CONTRACTS, config_folder(elsewhere), "all").overrides
    by_preset = resolve(CONTRACTS, config_folder(elsewhere), [named])
    both = resolve(CONTRACTS, config_folder(elsewhere), [named, given_overrides(values)])
    assert len(settable) > 50
    for key in settable:
        line = _require_line(_place(by_preset, key).split(", ")[0], elsewhere, "", _Lines())
        assert preset.read_text().splitlines()[line - 1].startswith(f"  {key}: ")
        assert str(preset) not in _place(both, key), "what the user says on the command line comes last"


def _value(key: str) -> Any:
    node: Any = SHIPPED.documents[CONTRACTS.artefacts[key.split(".")[0]].path]
    for name in key.split(".")[1:]:
        node = node[name]
    return node


def test_the_sources_are_those_of_this_repository() -> None:
    assert all((ROOT / site.where.split(":")[0]).is_file() for site in SITES)
