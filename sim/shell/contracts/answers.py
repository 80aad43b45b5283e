"""`contracts/answers/`: the JSON Schema of every answer that a command gives with `--json`, one file a kind.

An answer names its file: `"schema": "closedworld.run/1"` is `run.yaml`. These schemas are for programs that
read answers. Nothing here is compiled into the contracts or moves a run id
(`contracts/decisions/0009-answers.md`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sim.ground.errors import ContractError
from sim.ground.read_once import Folder
from sim.shell.contracts.schema_check import combine, document_problems
from sim.shell.contracts.schema_rules import schema_problems
from sim.shell.contracts.strict_yaml import Located, load_from

FOLDER = "answers"
COMMON = "common"


@dataclass(frozen=True)
class Answers:
    """Schemas of answers.

    Attributes:
        located: Name of the answer -> its parsed file; `common` holds what several share.
    """

    located: Mapping[str, Located]

    @property
    def names(self) -> tuple[str, ...]:
        """Answers described, sorted."""
        return tuple(sorted(name for name in self.located if name != COMMON))

    def require(self) -> None:
        """Raise one `ContractError` that lists everything wrong with the schemas; nothing if all is well."""
        problems: list[ContractError] = []
        documents = self._documents()
        for name, file in self.located.items():
            value = file.value
            if not isinstance(value, dict) or value.get("$id") != _id(name):
                problems.append(
                    _invalid(
                        "An answer's file must begin with its own $id.",
                        "another",
                        f"$id: {_id(name)}",
                        file.where(),
                    )
                )
                continue
            if not value.get("description"):
                problems.append(
                    _invalid("An answer must say what it tells.", "nothing", "description", file.where())
                )
            problems += schema_problems(documents, file, ())
            if name == COMMON:
                continue
            if value.get("additionalProperties") is not False:
                problems.append(
                    _invalid(
                        "An answer lists all its keys.", "no", "additionalProperties: false", file.where()
                    )
                )
            named = value.get("properties", {}).get("schema", {})
            if named != {"const": f"closedworld.{name}/1"}:
                problems.append(
                    _invalid(
                        "An answer names its schema.",
                        repr(named),
                        f"const: closedworld.{name}/1",
                        file.where(),
                    )
                )
        combine(problems, "The schemas of answers are not well formed")

    def problems(self, text: str) -> list[str]:
        """What is wrong with one answer as printed; nothing if it is a JSON object its schema allows."""
        document = json.loads(text)
        name = str(document.get("schema", "")).removeprefix("closedworld.").removesuffix("/1")
        if name not in self.names:
            return [f"there is no schema of answers called {name!r}"]
        found = document_problems(self._documents(), _id(name), Located(document, "answer", {}))
        return [f"{problem.what} found {problem.found}; expected {problem.expected}" for problem in found]

    def _documents(self) -> dict[str, Any]:
        return {_id(name): file.value for name, file in self.located.items()}


def load_answers(root: Path) -> Answers:
    """The schemas below a contracts folder; none where it has none.

    Raises:
        ContractError: A file cannot be read.
    """
    folder = Folder(root, "SHELL.CONTRACTS_UNREADABLE", "The contracts cannot be read.")
    names = folder.below(f"{FOLDER}/", ".yaml")
    return Answers({Path(name).stem: load_from(folder, name, f"{root.name}/{name}") for name in names})


def _id(name: str) -> str:
    return f"closedworld:{FOLDER}/{name}"


def _invalid(what: str, found: str, expected: str, where: str) -> ContractError:
    return ContractError("SHELL.CONTRACT_INVALID", what, found, expected, where)
