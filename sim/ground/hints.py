"""Suggestions for unknown codes, given only where the intended code is certain.

Codes that look alike mean different things: `UK` is one letter from `UA`, which is another country. So a
hint for a code comes from a table of known confusions, or from case and blanks alone. Letter distance is for
names (`contract_types.nearest`).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping


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
