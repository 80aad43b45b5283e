"""What somebody who wrote an unknown code meant, where that is known for sure - and silence where it is not.

Codes that look alike mean different things: the letters of `UK` are nearest to `UA`, whose country is another. So a hint for a code
comes from a table of known confusions, or from spelling alone (case, blanks); letter distance is for names (`contract_types.nearest`).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sim.shell.tables.reference import Reference


def code_hint(value: str, known: Collection[str], confusions: Mapping[str, str]) -> str:
    """A sentence naming the code that was meant, or nothing.

    Args:
        value: What was written.
        known: The codes there are.
        confusions: What people write, in lower case -> the code they mean.
    """
    written = value.strip().casefold()
    spelt = [code for code in known if code.casefold() == written]
    meant = spelt[0] if len(spelt) == 1 else confusions.get(written, "")
    return f"did you mean {meant!r}?" if meant in known and meant != value else ""


def country_words(reference: Reference) -> Mapping[str, str]:
    """Alpha-3 codes and English names of the reference snapshot, in lower case -> alpha-2 code."""
    codes = reference.texts("countries", "country_iso")
    words = [
        (text.casefold(), code)
        for column in ("name", "iso3")
        for text, code in zip(reference.texts("countries", column), codes, strict=True)
    ]
    return {word: code for word, code in words if word}
