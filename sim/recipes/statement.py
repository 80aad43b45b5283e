"""Text as card statements have it: ASCII capitals of a fixed width."""

from __future__ import annotations

import re
import unicodedata

import numpy as np

from sim.state.frames import Array

_LETTERS = str.maketrans({
    "ß": "ss", "ẞ": "SS", "Æ": "AE", "æ": "ae", "Ø": "O", "ø": "o", "Œ": "OE", "œ": "oe", "Ð": "D", "ð": "d",
    "Þ": "TH", "þ": "th", "Ł": "L", "ł": "l", "Đ": "D", "đ": "d", "ı": "i", "ʼ": "'", "’": "'", "‘": "'",
})  # fmt: skip
_NOT_PRINTED = re.compile(r"[^A-Z0-9 .&'/-]+")


def statement_text(texts: Array, letters: int) -> Array:
    """Texts in ASCII capitals, cut off after `letters`: object, n.

    Letters lose their marks (NFKD); those of no Latin letter are left out. An empty text stays empty.

    Args:
        texts: str, n.
        letters: Width of the field.
    """
    different, row = np.unique(texts.astype(np.str_), return_inverse=True)
    # one text a different name, not one a row
    made = [_printed(text)[:letters].rstrip() for text in different.tolist()]
    found: Array = np.array([*made, ""], dtype=object)[row]
    return found


def _printed(text: str) -> str:
    plain = unicodedata.normalize("NFKD", text.translate(_LETTERS)).encode("ascii", "ignore").decode()
    return " ".join(_NOT_PRINTED.sub(" ", plain.upper()).split())
