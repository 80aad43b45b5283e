"""The user's own merchants: CSV or Parquet in, a checked frame out, every bad value named by file and line.

The table contract `merchants_input_1A` says what a row is. A file may hold one row a merchant, or one row an
outlet (equal merchant_id, its own place); places are optional. What is sealed is the content, row by row and
in an order of its own, so equal rows are equal inputs in whatever bytes; the bytes' SHA-256 goes into the
receipt as provenance.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from sim.ground.errors import UsageError
from sim.ground.identity import canonical_json
from sim.ground.identity import frame as framed
from sim.ground.read_once import FileBytes, read_once
from sim.model.inputs.csv_file import csv_table
from sim.model.inputs.parquet_file import parquet_table
from sim.model.inputs.raw import CODE, RawTable, invalid
from sim.model.inputs.rows import ABOUT, OPTIONAL, REQUIRED, Known, Merchants, MerchantsForm, Problems, Row
from sim.state.frames import Array, Frame
from sim.state.model import Facts, UserFile

MERCHANTS_INPUT = "merchants_input_1A"
CONTENT_FORMAT = "closedworld.merchants.v1"
_MAX_BYTES = 1 << 30
_COUNTED = {"rows": "rows", "merchants": "merchants", "outlets": "outlets given", "countries": "countries"}
_PLACE_DTYPES = {"outlet_country": "i2", "lat_udeg": "i4", "lon_udeg": "i4"}
_ABOUT_DTYPES: Mapping[str, tuple[str, Any]] = {
    "merchant_ref": ("merchant_ref", object),
    "name": ("name", object),
    "law_mcc": ("law_mcc", "u2"),
    "demand_class": ("demand_class", "i2"),
    "weekly_volume": ("weekly_volume", "f8"),
    "ticket_median": ("ticket_median", "f8"),
    "open_from_minute": ("open_from", "u2"),
    "open_to_minute": ("open_to", "u2"),
}


@dataclass(frozen=True)
class SuppliedMerchants:
    """A merchants file, read.

    Attributes:
        frame: Rows by merchant_id, then outlet country, place: merchant_id u64, mcc u16, channel i16, country
            i16, outlet_country i16, lat_udeg i32, lon_udeg i32 (these three nullable), merchant_ref str, and
            the same in all rows of a merchant, nullable: name str, law_mcc u16, demand_class i16,
            weekly_volume f64, ticket_median f64, open_from_minute u16, open_to_minute u16.
        digest: SHA-256 of the content, which is sealed.
        source: The file.
        told: What the reader used and what it left out, for people and the receipt.
    """

    frame: Frame
    digest: str
    source: FileBytes
    told: Mapping[str, Any]
    name: str = "merchants"

    def echo(self) -> list[str]:
        """What was read, in a few lines."""
        told = self.told
        form = f"{told['encoding']}, {told['delimiter']} between values" if "encoding" in told else "Parquet"
        counts = ", ".join(f"{told[name]:,} {words}" for name, words in _COUNTED.items())
        lines = [f"{self.source.path}: {form}; {counts}"]
        if told["skipped"]:
            lines.append(f"{told['skipped']:,} empty row(s) skipped")
        if told["repeated"]:
            lines.append(
                f"{told['repeated']:,} row(s) repeat another one; each counts as one more outlet of its "
                "merchant"
            )
        if told["hashed_ids"]:
            lines.append(
                f"{told['hashed_ids']:,} key(s) are no plain numbers below 2^63 and got an id; "
                "merchant_supplied_1A keeps them"
            )
        if told["ignored"]:
            shown = ", ".join(name[:40] for name in told["ignored"][:8])
            lines.append(f"column(s) nothing reads: {shown}{' ...' if len(told['ignored']) > 8 else ''}")
        if told["unknown_mccs"]:
            codes = ", ".join(str(code) for code in told["unknown_mccs"][:8]) + (
                " ..." if len(told["unknown_mccs"]) > 8 else ""
            )
            lines.append(f"MCC(s) the taxonomy does not list: {codes}; they take class {told['class']}")
        return lines


def merchants_input(
    path: Path | None, decimal_comma: bool = False, unknown_mcc: str | None = None
) -> dict[str, UserFile]:
    """The user's merchants as an input of a request; nothing where there is no file.

    Args:
        path: The file, or None.
        decimal_comma: See `MerchantsForm`.
        unknown_mcc: See `MerchantsForm`.

    Raises:
        UsageError: `SHELL.USAGE`: a form without a file.
    """
    form = MerchantsForm(decimal_comma, unknown_mcc)
    if path is not None:
        return {MERCHANTS_INPUT: UserFile(path, asdict(form))}
    if form != MerchantsForm():
        what = "--decimal-comma and --unknown-mcc say how to read --merchants FILE"
        raise UsageError("SHELL.USAGE", what, do="give --merchants FILE")
    return {}


def read_merchants(file: UserFile, facts: Facts) -> SuppliedMerchants:
    """Read and validate a merchants file, once.

    Args:
        file: A `.csv` or `.parquet` file with columns merchant_id, mcc, channel, country and those of
            `OPTIONAL` it likes; its form is that of `MerchantsForm`.
        facts: Contracts (known confusions), vocabularies (channels and countries must be in them), config
            (every MCC must be in the taxonomy, unless the form takes others), names of countries for hints.

    Raises:
        ContractError: If the file cannot be read or any row is wrong; every row is looked at before it is
            raised.
        UsageError: If the form names an unknown demand class.
    """
    path, form, known = file.path, MerchantsForm(**file.form), Known(facts)
    _require_class(form.unknown_mcc, known)
    source = read_once(
        path,
        _MAX_BYTES,
        CODE,
        "the merchants file cannot be used",
        "give --merchants a .csv or .parquet file",
    )
    table = _table(source)
    problems = Problems(path)
    merchants = Merchants(known, form, problems)
    for line, row in table.rows:
        if isinstance(row, str):
            problems.add(line, "all", row, "one field a column")
        else:
            merchants.add(line, dict(zip(table.names, row, strict=True)))
    if problems.total:
        raise problems.error(known)
    if not merchants.rows:
        raise invalid(path, "no rows", "at least one merchant")
    return _supplied(merchants, source, table)


def _require_class(name: str | None, known: Known) -> None:
    if name is not None and name not in known.vocabularies["demand_class"]:
        raise UsageError(
            "SHELL.UNKNOWN_DEMAND_CLASS",
            f"there is no demand class called {name!r}",
            expected=", ".join(known.vocabularies["demand_class"]),
            do=known.hint("demand_class", name) or "closedworld contracts show demand_class",
        )


def _table(source: FileBytes) -> RawTable:
    suffix = source.path.suffix.casefold()
    if suffix in (".csv", ".tsv", ".txt"):
        return csv_table(source.path, source.data, REQUIRED, OPTIONAL)
    if suffix in (".parquet", ".pq"):
        return parquet_table(source.path, source.data, REQUIRED, OPTIONAL)
    raise invalid(source.path, f"a file ending in {source.path.suffix!r}", "a .csv or .parquet file")


def _supplied(merchants: Merchants, source: FileBytes, table: RawTable) -> SuppliedMerchants:
    """Everything as columns in an order of its own, with the digest of the content."""
    known, owners = merchants.known, merchants.merchants
    law_mcc = cache(known.law_mcc)  # it looks through the whole taxonomy, and has an answer a channel
    rows = sorted(
        merchants.rows, key=lambda row: (row[0], *((value is None, value or 0) for value in row[1:]))
    )
    for one in owners.values():
        one |= {"law_mcc": None, "demand_class": None}
        if one["mcc"] not in known.mccs:
            chosen = str(merchants.form.unknown_mcc)
            one["law_mcc"] = law_mcc(known.vocabularies["channel"][one["channel"]], chosen)
            one["demand_class"] = known.codes["demand_class"][chosen]
    numbers = [row[0] for row in rows]
    placed = {row[0] for row in rows if row[1] is not None or row[2] is not None}
    several = {number for number, following in pairwise(numbers) if number == following}
    unknown = sorted({one["mcc"] for one in owners.values()} - set(known.mccs))
    told = {
        "sha256": source.sha256,
        **table.told,
        "rows": len(rows),
        "merchants": len(owners),
        "outlets": sum(number in placed or number in several for number in numbers),
        "countries": len({owners[row[0]]["country"] if row[1] is None else row[1] for row in rows}),
        "skipped": table.skipped,
        "repeated": len(rows) - len(set(rows)),
        "hashed_ids": sum(str(number) != one["merchant_ref"] for number, one in owners.items()),
        "ignored": list(table.ignored),
        "unknown_mccs": unknown,
        "class": merchants.form.unknown_mcc if unknown else None,
    }
    return SuppliedMerchants(_frame(rows, owners), _digest(rows, owners, known.vocabularies), source, told)


def _frame(rows: Sequence[Row], merchants: Mapping[int, Mapping[str, Any]]) -> Frame:
    owners = [merchants[row[0]] for row in rows]
    values: dict[str, tuple[list[Any], Any]] = {"merchant_id": ([row[0] for row in rows], "u8")}
    values |= {
        name: ([one[name] for one in owners], dtype)
        for name, dtype in (("mcc", "u2"), ("channel", "i2"), ("country", "i2"))
    }
    values |= {
        name: ([row[at] for row in rows], dtype)
        for at, (name, dtype) in enumerate(_PLACE_DTYPES.items(), start=1)
    }
    values |= {
        name: ([one[source] for one in owners], dtype) for name, (source, dtype) in _ABOUT_DTYPES.items()
    }
    nullable = [*_PLACE_DTYPES, *(name for name in _ABOUT_DTYPES if name != "merchant_ref")]
    columns = {name: _column(cells, dtype) for name, (cells, dtype) in values.items()}
    return Frame(
        columns,
        {name: np.array([cell is not None for cell in values[name][0]], dtype=np.bool_) for name in nullable},
    )


def _column(cells: Sequence[Any], dtype: Any) -> Array:
    empty = "" if dtype is object else 0
    column = np.empty(len(cells), dtype=dtype)
    column[:] = [empty if cell is None else cell for cell in cells]
    return column


def _digest(
    rows: Sequence[Row], merchants: Mapping[int, Mapping[str, Any]], words: Mapping[str, tuple[str, ...]]
) -> str:
    """SHA-256 over the canonical rows: merchants by id with their values, then their outlets."""
    digest = hashlib.sha256(framed(CONTENT_FORMAT))

    def word(vocabulary: str, code: int | None) -> str | None:
        return None if code is None else words[vocabulary][code]

    for _, one in sorted(merchants.items()):
        about = [
            one["merchant_ref"],
            one["mcc"],
            word("channel", one["channel"]),
            word("country", one["country"]),
        ]
        about += [one["law_mcc"], word("demand_class", one["demand_class"])]
        about += [
            value.hex() if isinstance(value, float) else value for value in (one[name] for name in ABOUT)
        ]
        digest.update(framed(canonical_json(about)))
    for number, country, lat, lon in rows:
        digest.update(framed(canonical_json([number, word("country", country), lat, lon])))
    return digest.hexdigest()
