"""The form into which every kind of merchants file is read: known columns by row, and what was noticed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sim.ground.contract_types import nearest
from sim.ground.errors import ContractError

CODE = "1A.S1.MERCHANTS_FILE_INVALID"
MAX_ROWS = 4_000_000


@dataclass
class RawTable:
    """A merchants file, not yet understood.

    Attributes:
        names: Known columns it has, in the order of the cells of `rows`.
        told: What the reader detected about the file, for people.
        ignored: Columns that nothing reads, as the file spells them after folding.
        rows: (Line or row number, cells); or (number, what is wrong with the whole row).
        skipped: Empty rows left out so far.
        seen: Rows that are not empty so far.
    """

    names: tuple[str, ...]
    told: Mapping[str, str]
    ignored: Sequence[str]
    rows: Iterator[tuple[int, Sequence[Any] | str]] = field(default_factory=lambda: iter(()))
    skipped: int = 0
    seen: int = 0

    def count(self, path: Path) -> None:
        """Count a row, and refuse more of them than a merchants file may hold."""
        self.seen += 1
        if self.seen > MAX_ROWS:
            raise too_many(path, f"more than {MAX_ROWS:,} rows")


def folded(name: object) -> str:
    """A header as it is compared: trimmed, case-folded, blanks and hyphens as underscores."""
    return str(name).strip().casefold().replace(" ", "_").replace("-", "_")


def chosen_columns(
    where: str, names: Sequence[str], required: Sequence[str], optional: Sequence[str]
) -> tuple[dict[str, int], list[str]]:
    """Positions of the known columns, and the names of all others.

    Raises:
        ContractError: If a required column is missing, or a known one is there twice.
    """
    known = [*required, *optional]
    missing = [name for name in required if name not in names]
    twice = sorted({name for name in names if name in known and names.count(name) > 1})
    if missing or twice:
        found = f"missing {', '.join(missing)}" if missing else f"{', '.join(twice)} twice"
        shown = ", ".join(name[:40] for name in names[:12])
        near = [name for name in names if name and name not in known]
        hint = nearest(missing[0], near) if missing and near else ""
        raise invalid(
            where,
            f"columns {shown or 'none'}: {found}",
            f"{', '.join(required)} and optionally {', '.join(optional)}",
            hint.capitalize(),
        )
    at = {name: names.index(name) for name in known if name in names}
    return at, [name for name in names if name and name not in known]


def invalid(where: Path | str, found: str, expected: str, hint: str = "") -> ContractError:
    """The refusal of a file as a whole."""
    do = hint or (
        "see README: your own merchants; `closedworld contracts show merchants_input_1A` prints the columns"
    )
    return ContractError(
        CODE, "the merchants file cannot be used", found=found, expected=expected, where=str(where), do=do
    )


def too_many(path: Path, found: str) -> ContractError:
    """The refusal of a file with more than is ever read into memory."""
    return invalid(path, found, f"at most {MAX_ROWS:,} rows", "split the merchants over several worlds")
