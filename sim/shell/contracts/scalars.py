"""YAML 1.2 core scalars: what a plain word of a config file means.

Stricter than the core schema where a reader could be mistaken: numbers with leading zeros stay strings (`010`
is 8 in one YAML version and 10 in the next), and infinities and not-a-number are refused.
"""

from __future__ import annotations

import re
from typing import Any, NoReturn

from sim.ground.errors import ContractError

MAX_INT_DIGITS = 40
_SHOWN = 60

_NULL = frozenset({"", "~", "null", "Null", "NULL"})
_BOOL = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_INT = re.compile(r"[-+]?(0|[1-9][0-9]*)")
_RADIX = re.compile(r"0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|(0|[1-9][0-9]*)(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_NOT_FINITE = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
# Everything but tab and newline below U+0020, DEL and C1, the separators other readers take for line ends, a
# byte order mark inside the text, surrogates and non-characters.
CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\ufeff\ud800-\udfff\ufffe\uffff]")


def refuse(what: str, where: str, found: str, expected: str, do: str = "") -> NoReturn:
    """Raise the one error of the YAML reader."""
    raise ContractError(
        code="SHELL.YAML_INVALID", what=what, where=where, found=found[:_SHOWN], expected=expected, do=do
    )


def scalar_value(event: Any, where: str) -> Any:
    """The value of a PyYAML scalar event: str, int, float, bool or None."""
    text: str = event.value
    if not event.implicit[0]:  # quoted or block scalar: always a string
        if CONTROL.search(text):
            refuse("A string holds a control character.", where, ascii(text), "printable text")
        return text
    if text in _NULL:
        return None
    if text in _BOOL:
        return _BOOL[text]
    if _INT.fullmatch(text) or _RADIX.fullmatch(text):
        if len(text) > MAX_INT_DIGITS:
            refuse("An integer is too long.", where, f"{len(text)} characters", f"at most {MAX_INT_DIGITS}")
        return int(text, 0) if _RADIX.fullmatch(text) else int(text)
    if _NOT_FINITE.fullmatch(text):
        refuse("A number must be finite.", where, text, "a finite number")
    if _FLOAT.fullmatch(text):
        number = float(text)
        if number in (float("inf"), float("-inf")):
            refuse("A number is too large.", where, text, "a number that binary64 can hold")
        return number
    return text
