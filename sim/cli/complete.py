"""What the shell completes: runs, presets, scenarios, datasets, `--set` keys.

Completion reads the packaged files directly, since a key press has no time for the model. The command reports
what is wrong with a file when it runs.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

# Entries of a dictionary; what is indented deeper lies in one of them.
_DATASET = re.compile(r"^ {0,2}-\s*\{?\s*id:\s*([A-Za-z0-9_]+)", re.MULTILINE)


def complete_run(incomplete: str) -> list[str]:
    """Runs: ids under ./runs, or those in the folder that is being typed."""
    from sim.ground.errors import SimError
    from sim.shell.runs.find_run import RUNS, runs_in

    folder, slash, prefix = incomplete.rpartition("/")
    try:
        return [
            folder + slash + path.name for path in runs_in(Path(folder or slash) if slash else RUNS, prefix)
        ]
    except SimError:
        return []


def complete_preset(incomplete: str) -> list[str]:
    """Presets of the packaged configuration."""
    from sim.ground.paths import config_root

    return sorted(
        path.stem for path in (config_root() / "presets").glob("*.yaml") if path.stem.startswith(incomplete)
    )


def complete_scenario(incomplete: str) -> list[str]:
    """Scenarios of the packaged configuration."""
    return sorted(name for name in _pack("scenarios_5A").get("scenarios", {}) if name.startswith(incomplete))


def complete_dataset(incomplete: str) -> list[str]:
    """Datasets that contracts declare."""
    from sim.ground.paths import contracts_root
    from sim.shell.contracts.event_tables import event_dataset, listed_streams

    names = {event_dataset(stream) for stream, _ in listed_streams(contracts_root())}
    names |= {
        name
        for path in contracts_root().rglob("dictionary*.yaml")
        for name in _DATASET.findall(path.read_text("utf-8"))
    }
    return sorted(name for name in names if name.startswith(incomplete))


def complete_override(incomplete: str) -> list[str]:
    """Keys of `--set`: config packs first; after a pack is named, its keys down to the values.

    `key=` leaves the value to the user.
    """
    if "=" in incomplete:
        return []
    pack, dot, _ = incomplete.partition(".")
    if not dot:
        return sorted(f"{name}." for name, _ in _packs() if name.startswith(incomplete))
    return sorted(f"{pack}.{key}=" for key in _keys(_pack(pack)) if f"{pack}.{key}".startswith(incomplete))


def _packs() -> Iterator[tuple[str, Path]]:
    """(id, file) of every registered config pack."""
    from sim.ground.paths import config_root, contracts_root
    from sim.shell.contracts.defaults import pack_path

    for registry in sorted(contracts_root().rglob("registry*.yaml")):
        head = _plain(registry)
        for entry in head.get("artefacts", ()):
            yield (
                entry["id"],
                config_root() / entry.get("path", pack_path(entry["id"], head["segment"], head["layer"])),
            )


def _pack(id: str) -> dict[str, Any]:
    return next((_plain(path) for name, path in _packs() if name == id), {})


def _keys(node: Any, above: str = "") -> Iterator[str]:
    for key, value in node.items():
        if isinstance(value, dict) and value:
            yield from _keys(value, f"{above}{key}.")
        else:
            yield above + key


def _plain(path: Path) -> dict[str, Any]:
    """A packaged file with every scalar as text."""
    import yaml

    loader: Any = getattr(yaml, "CBaseLoader", yaml.BaseLoader)
    return dict(yaml.load(path.read_text("utf-8"), Loader=loader))
