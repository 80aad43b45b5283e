"""Closed validation: JSON Schema 2020-12 over our own files, which can neither fetch nor loop.

jsonschema follows `http:` and `file:` references by default. Here the registry holds the contract files and
nothing else, and whatever else a `$ref` names is an error before anything is validated. Every problem of a
document is reported at once, each with its line and, for a misspelt key, the key that was probably meant.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NoReturn

import jsonschema
from jsonschema import Draft202012Validator, validators
from referencing import Registry
from referencing.exceptions import NoSuchResource, Unresolvable
from referencing.jsonschema import DRAFT202012

from sim.ground.contract_types import Contracts, nearest
from sim.ground.errors import ContractError
from sim.shell.contracts.strict_yaml import JsonPath, Located

REF_KEYWORDS = ("$ref", "$dynamicRef")
_SHOWN = 80
ClosedRegistry = Registry[Any]


def _integer(_checker: Any, value: Any) -> bool:
    """Whole numbers written as such: `1.0` is not an integer, or one config could have two digests."""
    return isinstance(value, int) and not isinstance(value, bool)


def _pattern(_validator: Any, pattern: str, value: Any, _schema: Any) -> Iterator[jsonschema.ValidationError]:
    """`pattern` with an end anchor that means the end: Python's `$` also matches before a last newline."""
    if isinstance(value, str) and not re.search(
        pattern[:-1] + r"\Z" if pattern.endswith("$") else pattern, value
    ):
        yield jsonschema.ValidationError(f"{value!r} does not match {pattern!r}")


_Validator: Any = validators.extend(  # type: ignore[no-untyped-call]
    Draft202012Validator,
    validators={"pattern": _pattern},
    type_checker=Draft202012Validator.TYPE_CHECKER.redefine("integer", _integer),
)


def _never_fetch(uri: str) -> NoReturn:
    raise NoSuchResource(ref=uri)  # type: ignore[call-arg]


def closed_registry(documents: Mapping[str, Any]) -> ClosedRegistry:
    """A registry of exactly these documents, by their `$id`."""
    empty: ClosedRegistry = Registry(retrieve=_never_fetch)  # type: ignore[call-arg]
    return empty.with_resources((id, DRAFT202012.create_resource(value)) for id, value in documents.items())


def resolve(documents: Mapping[str, Any], ref: str, where: str) -> Any:
    """What `<id>#/<pointer>` names.

    Raises:
        ContractError: `SHELL.SCHEMA_REF_UNRESOLVED`.
    """
    try:
        return closed_registry(documents).resolver().lookup(ref).contents
    except Unresolvable as error:
        raise unresolved(ref, where, documents) from error


def unresolved(ref: str, where: str, documents: Mapping[str, Any]) -> ContractError:
    """The error of a reference that leads nowhere or leads outside."""
    id, _, pointer = ref.partition("#")
    if id not in documents:
        known = "one of this contracts folder's own $ids"
        return ContractError(
            "SHELL.SCHEMA_REF_UNRESOLVED",
            "A reference leads outside.",
            ref,
            known,
            where,
            nearest(id, documents),
        )
    parts = pointer.strip("/").split("/")
    target = documents[id]
    for part in parts[:-1]:
        target = target.get(part, {}) if isinstance(target, Mapping) else {}
    siblings = target if isinstance(target, Mapping) else {}
    do = nearest(parts[-1], siblings)
    return ContractError(
        "SHELL.SCHEMA_REF_UNRESOLVED", "A reference names nothing.", ref, "an existing anchor", where, do
    )


def validate_document(contracts: Contracts, schema_ref: str, located: Located) -> None:
    """Check one document against one schema.

    Args:
        contracts: Compiled contracts; only their files can be referred to.
        schema_ref: `<id>#/<pointer>`.
        located: The parsed document.

    Raises:
        ContractError: `SHELL.DOCUMENT_INVALID` listing every problem, or `SHELL.SCHEMA_REF_UNRESOLVED`.
    """
    combine(
        document_problems(contracts.documents, schema_ref, located),
        f"{located.name} does not follow its schema",
    )


def document_problems(documents: Mapping[str, Any], schema_ref: str, located: Located) -> list[ContractError]:
    """Every problem of a document, in file order."""
    registry = closed_registry(documents)
    try:
        registry.resolver().lookup(schema_ref)  # jsonschema itself would also know the public meta-schemas
    except Unresolvable:
        return [unresolved(schema_ref, located.where(), documents)]
    validator = _Validator({"$ref": schema_ref}, registry=registry)
    problems: list[tuple[tuple[int, int], ContractError]] = []
    try:
        for error in validator.iter_errors(located.value):
            problems += [(located.mark_of(path), problem) for path, problem in _explain(error, located)]
    except Unresolvable as error:
        return [unresolved(getattr(error, "ref", schema_ref), located.where(), documents)]
    return [problem for _, problem in sorted(problems, key=lambda item: item[0])]


def combine(problems: list[ContractError], what: str) -> None:
    """Raise nothing, the one problem, or one error that lists them all."""
    if not problems:
        return
    if len(problems) == 1:
        raise problems[0]
    codes = {problem.code for problem in problems}
    rows = tuple(row_text(problem) for problem in problems)
    code = codes.pop() if len(codes) == 1 else "SHELL.CONTRACT_INVALID"
    raise ContractError(
        code,
        f"{what}: {len(rows)} problems.",
        f"{len(rows)} problems",
        "none",
        problems[0].where,
        examples=rows,
    )


def row_text(problem: ContractError) -> str:
    """A problem on one line."""
    parts = [f"{problem.where}: {problem.what}", f"found {problem.found}" if problem.found else ""]
    parts += [f"expected {problem.expected}" if problem.expected else "", problem.do]
    return "; ".join(part for part in parts if part)


def json_path(path: JsonPath) -> str:
    """`$.a[3].b`."""
    return "$" + "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)


def _explain(error: jsonschema.ValidationError, located: Located) -> list[tuple[JsonPath, ContractError]]:
    """One jsonschema error as rows: an unknown key is a row of its own, at its own line."""
    path: JsonPath = tuple(error.absolute_path)
    schema: Any = error.schema
    instance: Any = error.instance
    if error.validator in ("oneOf", "anyOf") and error.context:
        # The branch that came closest says more than "matches none".
        closest: Any = jsonschema.exceptions.best_match(error.context)
        return _explain(closest, located)
    if error.validator == "additionalProperties" and error.validator_value is False:
        known = tuple(schema.get("properties", ()))
        patterns = [re.compile(pattern) for pattern in schema.get("patternProperties", ())]
        unknown = [
            key
            for key in instance
            if key not in known and not any(pattern.search(key) for pattern in patterns)
        ]
        return [
            (
                (*path, key),
                _problem(located, (*path, key), "Unknown key.", key, "a known key", nearest(key, known)),
            )
            for key in unknown
        ]
    if error.validator == "required":
        # jsonschema reports one missing key an error and names it in the message only.
        missing = error.message.removesuffix(" is a required property").strip("'\"")
        return [
            (
                path,
                _problem(
                    located,
                    path,
                    "A key is missing.",
                    ", ".join(instance) or "no keys",
                    f"the key {missing!r}",
                    "",
                ),
            )
        ]
    found = _shown(instance)
    if schema is False or error.validator_value is False:
        return [(path, _problem(located, path, "This key does not belong here.", found, "no such key", ""))]
    return [(path, _problem(located, path, "A value does not fit.", found, _expected(error), _hint(error)))]


def _problem(
    located: Located, path: JsonPath, what: str, found: str, expected: str, do: str
) -> ContractError:
    text = f"{what[:-1]} at {json_path(path)}."
    return ContractError("SHELL.DOCUMENT_INVALID", text, found, expected, located.where(path), do)


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= _SHOWN else text[: _SHOWN - 3] + "..."


def _expected(error: jsonschema.ValidationError) -> str:
    value: Any = error.validator_value
    words: dict[str, Callable[[], str]] = {
        "type": lambda: " or ".join(value) if isinstance(value, list) else str(value),
        "enum": lambda: "one of " + ", ".join(str(item) for item in value),
        "const": lambda: _shown(value),
        "pattern": lambda: f"text matching {value}",
        "minimum": lambda: f"at least {value}",
        "maximum": lambda: f"at most {value}",
        "exclusiveMinimum": lambda: f"more than {value}",
        "exclusiveMaximum": lambda: f"less than {value}",
        "minItems": lambda: f"at least {value} items",
        "maxItems": lambda: f"at most {value} items",
        "minLength": lambda: f"at least {value} characters",
        "maxLength": lambda: f"at most {value} characters",
        "minProperties": lambda: f"at least {value} keys",
        "maxProperties": lambda: f"at most {value} keys",
        "uniqueItems": lambda: "no item twice",
    }
    describe = words.get(str(error.validator))
    return describe() if describe else error.message[:200]


def _hint(error: jsonschema.ValidationError) -> str:
    value: Any = error.validator_value
    if error.validator == "enum" and isinstance(error.instance, str):
        return nearest(error.instance, [item for item in value if isinstance(item, str)])
    if error.validator == "type" and error.instance in (
        "yes",
        "no",
        "on",
        "off",
        "Yes",
        "No",
        "YES",
        "NO",
        "ON",
        "OFF",
    ):
        return "YAML 1.2 booleans are true and false"
    return ""
