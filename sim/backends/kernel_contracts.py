"""Kernel contracts as frozen objects: what a binder needs to call a twin with the right arrays."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from sim.ground.paths import contracts_root

# libyaml where there is one: this is read at every start
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(frozen=True)
class Arg:
    """One kernel argument. `dim` names the length a column shares with others; `plus` is added to it."""

    name: str
    kind: str
    dtype: str
    out: bool
    dim: str
    plus: int


@dataclass(frozen=True)
class KernelContract:
    """A kernel's name, arguments in call order, and error codes."""

    name: str
    args: tuple[Arg, ...]
    errors: dict[int, tuple[str, str]]

    @property
    def codes(self) -> dict[str, int]:
        """Code of each error by its name."""
        return {name: code for code, (name, _) in self.errors.items()}

    @property
    def inputs(self) -> tuple[Arg, ...]:
        """Arguments a caller passes."""
        return tuple(arg for arg in self.args if not arg.out)

    @property
    def outputs(self) -> tuple[Arg, ...]:
        """Columns the binder allocates and returns."""
        return tuple(arg for arg in self.args if arg.out)


def parse_kernel_contract(document: dict[str, Any]) -> KernelContract:
    """Build a `KernelContract` from a parsed contract file (whose shape `contracts lint` has proven)."""
    args = tuple(
        Arg(
            name=arg["name"],
            kind=arg["kind"],
            dtype=arg["dtype"],
            out=arg.get("dir", "in") == "out",
            dim=arg.get("dim", "n"),
            plus=int(arg.get("plus", 0)),
        )
        for arg in document["args"]
    )
    errors = {
        int(error["code"]): (str(error["name"]), str(error["message"]))
        for error in document.get("errors", [])
    }
    return KernelContract(document["name"], args, errors)


@cache
def load_kernel_contracts(root: Path | None = None) -> dict[str, KernelContract]:
    """Every kernel contract under `contracts/kernels`, by stem.

    These are part of the package and reviewed with it, so the plain loader is enough here; user-supplied
    contract directories go through the strict loader of `sim.shell` first.
    """
    folder = (root or contracts_root()) / "kernels"
    found = {}
    for path in sorted(folder.glob("*.yaml")):
        found[path.stem] = parse_kernel_contract(yaml.load(path.read_text(encoding="utf-8"), Loader=_LOADER))
    return found
