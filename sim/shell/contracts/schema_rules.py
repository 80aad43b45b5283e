"""What our own JSON Schemas must be: valid, closed, free of loops, and with patterns that cannot run away."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator, Mapping
from typing import Any

from jsonschema import Draft202012Validator
from referencing.exceptions import Unresolvable

from sim.ground.errors import ContractError
from sim.shell.contracts.schema_check import REF_KEYWORDS, closed_registry, unresolved
from sim.shell.contracts.strict_yaml import JsonPath, Located

# Keywords under which keys are names, not keywords.
_NAMED = ("properties", "patternProperties", "$defs", "dependentSchemas", "documents", "tables")
# Keywords whose schemas state one aspect of an object described elsewhere.
_PARTIAL = ("if", "then", "else", "not", "allOf")
_DATA = ("const", "enum", "default", "examples")


def schema_problems(documents: Mapping[str, Any], file: Located, path: JsonPath) -> list[ContractError]:
    """Problems of the schema at `path` of a file, including every schema inside it.

    Args:
        documents: All contract files by `$id`.
        file: The file the schema is in.
        path: Where it begins; `()` is the whole file.
    """
    value = file.value
    for part in path:
        value = value[part]
    problems = [
        _invalid(
            "A schema is not valid.",
            error.message[:200],
            "JSON Schema 2020-12",
            file.where((*path, *error.absolute_path)),
        )
        for error in Draft202012Validator(Draft202012Validator.META_SCHEMA).iter_errors(value)
    ]
    if problems:
        return problems
    base = str(file.value["$id"])
    for at, schema in _subschemas(value, path):
        problems += _rules(documents, base, file, at, schema, value is schema)
    return problems


def _rules(
    documents: Mapping[str, Any], base: str, file: Located, at: JsonPath, schema: Mapping[str, Any], top: bool
) -> Iterator[ContractError]:
    for keyword in REF_KEYWORDS:
        if keyword in schema:
            ref = str(schema[keyword])
            full = base + ref if ref.startswith("#") else ref
            try:
                closed_registry(documents).resolver().lookup(full)
            except Unresolvable:
                yield unresolved(full, file.where((*at, keyword)), documents)
            else:
                yield from _loop(documents, full, file.where((*at, keyword)))
    for keyword in ("$id", "$anchor", "$dynamicAnchor"):
        if keyword in schema and not (top and at == ()):
            yield _invalid(
                "A schema inside a file has no name of its own.",
                keyword,
                "a JSON pointer",
                file.where((*at, keyword)),
            )
    patterns = [((*at, "pattern"), schema["pattern"])] if "pattern" in schema else []
    patterns += [
        ((*at, "patternProperties", pattern), pattern) for pattern in schema.get("patternProperties", {})
    ]
    for where, pattern in patterns:
        problem = pattern_problem(pattern)
        if problem:
            yield _invalid("A pattern is not safe.", pattern, problem, file.where(where))
    whole = "documents" in at[:1] and not set(at) & set(_PARTIAL)
    if (
        whole
        and schema.get("type") == "object"
        and not {"additionalProperties", "unevaluatedProperties"} & set(schema)
    ):
        yield _invalid(
            "A schema lets unknown keys pass.",
            "no additionalProperties",
            "additionalProperties: false",
            file.where(at),
        )


def _loop(documents: Mapping[str, Any], ref: str, where: str) -> Iterator[ContractError]:
    """A schema may not refer to itself, however indirectly: our documents have a known depth."""
    seen: list[str] = []
    pending: list[tuple[str, tuple[str, ...]]] = [(ref, (ref,))]
    while pending:
        current, trail = pending.pop()
        seen.append(current)
        contents = closed_registry(documents).resolver().lookup(current).contents
        base = current.partition("#")[0]
        for _, schema in _subschemas(contents, ()):
            for keyword in REF_KEYWORDS:
                if keyword not in schema:
                    continue
                target = str(schema[keyword])
                target = base + target if target.startswith("#") else target
                if target in trail:
                    yield _invalid(
                        "References form a loop.",
                        " -> ".join((*trail, target)),
                        "references without a loop",
                        where,
                    )
                    return
                if target not in seen:
                    try:
                        closed_registry(documents).resolver().lookup(target)
                    except Unresolvable:
                        continue  # reported at its own place
                    pending.append((target, (*trail, target)))


def _subschemas(value: Any, path: JsonPath) -> Iterator[tuple[JsonPath, Mapping[str, Any]]]:
    """Every schema in `value`, itself first; depth is bounded by the YAML reader."""
    if isinstance(value, list):
        for number, item in enumerate(value):
            yield from _subschemas(item, (*path, number))
    elif isinstance(value, Mapping):
        yield path, value
        for key, item in value.items():
            if key in _DATA:
                continue
            if key in _NAMED and isinstance(item, Mapping):
                for name, inner in item.items():
                    yield from _subschemas(inner, (*path, key, name))
            else:
                yield from _subschemas(item, (*path, key))


def pattern_problem(pattern: str) -> str:
    """What a pattern should have been, or nothing.

    Python's `re` backtracks: a repeated group that itself holds a repetition or a choice can take time
    exponential in the length of the text (`^(a+)+$`). Such groups are refused rather than analysed.
    """
    if not (pattern.startswith("^") and pattern.endswith("$") and not pattern.endswith("\\$")):
        return "a pattern anchored as ^...$"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            re.compile(pattern)
        except (re.error, Warning, OverflowError, RecursionError) as error:
            return f"a valid pattern ({error})"
    if re.search(r"\(\?[^:]", pattern) or re.search(r"\\[1-9]", pattern):
        return "a pattern without look-around, back-references and inline flags"
    return "a repeated group without repetition or choice inside" if _nested(pattern) else ""


def _nested(pattern: str) -> bool:
    """Whether some repeated group holds a repetition or a choice."""
    plain = re.sub(r"\\.", "x", pattern)
    plain = re.sub(r"\[\^?\]?[^\]]*\]", "x", plain)
    open_groups: list[bool] = []
    for index, char in enumerate(plain):
        if char == "(":
            open_groups.append(False)
        elif char in "*+{|" or (char == "?" and plain[index - 1] not in "(*+?}"):
            open_groups[-1:] = [True] if open_groups else []
        elif char == ")":
            busy = open_groups.pop()
            repeated = plain[index + 1 : index + 2] in ("*", "+", "{")
            if busy and repeated:
                return True
            if open_groups:
                open_groups[-1] = open_groups[-1] or busy or repeated
    return False


def _invalid(what: str, found: str, expected: str, where: str) -> ContractError:
    return ContractError("SHELL.SCHEMA_INVALID", what, found, expected, where)
