"""Cells of a merchants file as values: numbers as people and spreadsheets write them, and exact codes."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from sim.ground.identity import frame

KEY_FORMAT = "closedworld.merchant_ref.v1"
MAX_TEXT = 200
_PLAIN_ID = re.compile(r"[1-9][0-9]{0,18}")
_WHOLE = re.compile(r"[0-9]{1,20}")
_WHOLE_DECIMAL = re.compile(r"(0|[1-9][0-9]{0,17})\.0+")
_SCIENTIFIC = re.compile(r"([1-9])(?:\.([0-9]{1,20}))?[eE]\+([0-9]{1,2})")
_NUMBER = re.compile(r"[-+]?[0-9]{1,18}(\.[0-9]{1,18})?([eE][-+]?[0-9]{1,2})?")
_CLOCK = re.compile(r"([0-9]{1,2}):([0-9]{2})(?::00(?:\.0+)?)?")
# spreadsheets show whole numbers of 12 and more digits as a power of ten, with their last digits gone
_SHORTENED_FROM = 11


class BadValue(ValueError):
    """A cell that is not what its column holds; the text says what was expected."""


def merchant_id_of(key: str) -> int:
    """The id of a key: a plain positive integer below 2**63 is its own.

    Any other text has a positive 63-bit hash of its exact letters.

    The hash is the first eight bytes, little-endian, of SHA-256 over the framed domain
    `closedworld.merchant_ref.v1` and the framed key, its highest bit cleared. Keys whose ids are equal are
    refused by the reader, so no two keys of a world share one.
    """
    if _PLAIN_ID.fullmatch(key) and int(key) < 1 << 63:
        return int(key)
    word = hashlib.sha256(frame(KEY_FORMAT) + frame(key)).digest()[:8]
    # no merchant has id 0; this is as likely as a collision with 1
    return int.from_bytes(word, "little") & (2**63 - 1) or 1


def pointed(text: str, decimal_comma: bool) -> str:
    """A number's text with a decimal point; under `decimal_comma` a point is no part of a number."""
    return (text.replace(".", "?") if "." in text else text.replace(",", ".", 1)) if decimal_comma else text


def key(value: Any, decimal_comma: bool) -> str:
    """The exact text of a merchant's key.

    Whole numbers in another notation (1.001E+03, 1001.0) are the number they are.
    """
    if isinstance(value, float):
        if value.is_integer() and abs(value) < 2.0**53:
            return str(int(value))
        raise BadValue("a text or a whole number: decimals hold no more than 15 digits")
    if value is None or value == "" or isinstance(value, bool):
        raise BadValue("the merchant's key: a number or a text")
    text = str(value).strip()
    if len(text) > MAX_TEXT or not text.isprintable():
        raise BadValue(f"a key of at most {MAX_TEXT} printable characters")
    number = text if isinstance(value, int) else pointed(text, decimal_comma)
    if _WHOLE_DECIMAL.fullmatch(number):
        return number.partition(".")[0]
    power = _SCIENTIFIC.fullmatch(number)
    if power is None:
        return text
    whole, decimals, exponent = power[1], power[2] or "", int(power[3])
    if exponent < len(decimals):
        raise BadValue("a whole number or a text")
    if exponent >= _SHORTENED_FROM and exponent > len(decimals):
        raise BadValue("all digits of the key: a spreadsheet has cut its end off (format the column as text)")
    return whole + decimals + "0" * (exponent - len(decimals))


def whole(value: Any, low: int, high: int) -> int:
    """A whole number in bounds, leading zeros and other notations allowed."""
    text = "" if isinstance(value, bool) else str(value).strip()
    if not _WHOLE.fullmatch(text):
        number = Decimal(text) if _NUMBER.fullmatch(text) else Decimal("0.5")
        text = str(int(number)) if number == number.to_integral_value() and 0 <= number <= high else ""
    if text and low <= int(text) <= high:
        return int(text)
    raise BadValue(f"a whole number {low} .. {high}")


def number(value: Any, decimal_comma: bool) -> Decimal | None:
    """A number in plain or exponent notation, or None if it is none."""
    if isinstance(value, bool):
        return None
    if isinstance(value, float):
        text = repr(value)
    else:
        text = str(value).strip()
        text = text if isinstance(value, int) else pointed(text, decimal_comma)
    return Decimal(text) if _NUMBER.fullmatch(text) else None


def microdegrees(value: Any, limit: int, decimal_comma: bool) -> int:
    """Decimal degrees as microdegrees, halves away from zero."""
    text = f"{value:.9f}" if isinstance(value, float) else value
    found = number(text, decimal_comma and text is value)
    if found is None or abs(found) > limit:
        comma = "; a decimal comma needs --decimal-comma" if "," in str(value) and not decimal_comma else ""
        comma = (
            "; with --decimal-comma a point is no decimal sign"
            if decimal_comma and "." in str(value)
            else comma
        )
        raise BadValue(f"decimal degrees -{limit} .. {limit}{comma}")
    tenths = int(found.scaleb(7).copy_abs())  # digits behind the seventh are cut
    micro = (tenths + 5) // 10
    return -micro if found < 0 else micro


def amount(value: Any, most: int, decimal_comma: bool) -> float:
    """A number above 0 and at most `most`."""
    found = number(value, decimal_comma)
    if found is None or not 0 < found <= most:
        comma = "; a decimal comma needs --decimal-comma" if "," in str(value) and not decimal_comma else ""
        raise BadValue(f"a number above 0, at most {most:,}{comma}")
    return float(found)


def clock(value: Any, last: int) -> int:
    """A time of day HH:MM as minutes since midnight, at most `last`."""
    found = _CLOCK.fullmatch(str(value).strip())
    minutes = int(found[1]) * 60 + int(found[2]) if found and int(found[2]) < 60 else last + 1
    if minutes > last:
        raise BadValue(f"a time of day 00:00 .. {last // 60:02}:{last % 60:02}")
    return minutes


def coded(value: Any, codes: Mapping[str, int], what: str) -> int:
    """The code of a word, spelt exactly."""
    code = codes.get(value) if isinstance(value, str) else None
    if code is None:
        raise BadValue(what)
    return code


def text(value: Any) -> str:
    """Printable text."""
    found = str(value).strip()
    if len(found) > MAX_TEXT or not found.isprintable():
        raise BadValue(f"at most {MAX_TEXT} printable characters")
    return found
