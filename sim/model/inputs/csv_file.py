"""Merchants as separated values: the reader detects encoding and delimiter, and reports them.

Found out means decided by what can be proven: a byte order mark, bytes that are UTF-8, a header line whose
columns come apart. Nothing is guessed from frequencies of letters.
"""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Iterator, Sequence
from pathlib import Path

from sim.model.inputs.raw import RawTable, chosen_columns, folded, invalid

DELIMITERS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar"}
_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32", "UTF-32"),  # before UTF-16, whose mark it begins with
    (codecs.BOM_UTF32_BE, "utf-32", "UTF-32"),
    (codecs.BOM_UTF8, "utf-8-sig", "UTF-8 with a byte order mark"),
    (codecs.BOM_UTF16_LE, "utf-16", "UTF-16"),
    (codecs.BOM_UTF16_BE, "utf-16", "UTF-16"),
)
_CHUNK = 1 << 20
_HEAD = 1 << 16


def csv_table(path: Path, data: bytes, required: Sequence[str], optional: Sequence[str]) -> RawTable:
    """A CSV file's known columns.

    Args:
        path: Where it lay, for messages.
        data: Its bytes.
        required: Columns it must have.
        optional: Columns it may have; others are ignored and reported.

    Raises:
        ContractError: `1A.S1.MERCHANTS_FILE_INVALID` if it is no text in an encoding the reader knows, or has
            no header line with the required columns.
    """
    codec, encoding = _encoding(path, data)
    head = io.TextIOWrapper(io.BytesIO(data), encoding=codec, newline="").read(_HEAD)
    given = _separator_line(head)
    delimiter = given or _delimiter(head, required)
    reader = csv.reader(
        io.TextIOWrapper(io.BytesIO(data), encoding=codec, newline=""), delimiter=delimiter, strict=True
    )
    try:
        header = next(
            (
                row
                for row in reader
                if any(map(str.strip, row)) and not (given and _is_separator_line(row, given))
            ),
            [],
        )
    except csv.Error as error:
        raise invalid(
            f"{path}:{reader.line_num}", str(error), "separated values with a header line"
        ) from error
    names = [folded(name) for name in header]
    at, ignored = chosen_columns(f"{path}:{reader.line_num}", names, required, optional)
    told = {"format": "csv", "encoding": encoding, "delimiter": DELIMITERS.get(delimiter, delimiter)}
    table = RawTable(tuple(at), told, ignored)
    table.rows = _rows(path, reader, len(names), list(at.values()), table)
    return table


def _encoding(path: Path, data: bytes) -> tuple[str, str]:
    """(Python codec, name for people)."""
    for mark, codec, name in _MARKS:
        if data.startswith(mark):
            if _decodes(data, codec):
                return codec, name
            raise invalid(path, f"a byte order mark of {name}, and bytes that are not", f"text in {name}")
    if b"\0" in data:
        raise invalid(
            path,
            "NUL bytes and no byte order mark",
            "text: UTF-8, Windows-1252, or UTF-16 with a byte order mark",
        )
    if _decodes(data, "utf-8"):
        return "utf-8", "UTF-8"
    if _decodes(data, "cp1252"):
        return "cp1252", "Windows-1252"
    raise invalid(
        path,
        "bytes that are neither UTF-8 nor Windows-1252",
        "text: UTF-8, Windows-1252, or UTF-16 with a byte order mark",
    )


def _decodes(data: bytes, codec: str) -> bool:
    decoder = codecs.getincrementaldecoder(codec)("strict")
    try:
        for start in range(0, len(data), _CHUNK):
            decoder.decode(data[start : start + _CHUNK])
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True


def _separator_line(head: str) -> str | None:
    """The delimiter of a first line `sep=;`, which Excel writes and reads."""
    line = head.lstrip("\r\n").splitlines()[:1]
    text = line[0].strip(' "').casefold() if line else ""
    return text[4] if len(text) == 5 and text.startswith("sep=") and text[4] in DELIMITERS else None


def _is_separator_line(row: Sequence[str], delimiter: str) -> bool:
    return [cell.strip().casefold() for cell in row] in (["sep=", ""], [f"sep={delimiter}"])


def _delimiter(head: str, required: Sequence[str]) -> str:
    """The delimiter that splits the header line into the required columns, else into the most columns."""
    found = []
    for delimiter in DELIMITERS:
        try:
            rows = csv.reader(io.StringIO(head, newline=""), delimiter=delimiter)
            names = [folded(name) for name in next((row for row in rows if any(map(str.strip, row))), [])]
        except csv.Error:
            names = []
        found.append((sum(name in names for name in required), len(names), delimiter))
    best = max(found, key=lambda one: one[:2])  # the first of equals: a comma
    return best[2]


def _rows(
    path: Path, reader: Iterator[list[str]], width: int, at: Sequence[int], table: RawTable
) -> Iterator[tuple[int, list[str] | str]]:
    """(Line, wanted cells), or (line, what is wrong with the row); lines are where rows begin."""
    last = max(at)
    while True:
        line = reader.line_num + 1  # type: ignore[attr-defined]
        try:
            row = next(reader, None)
        except csv.Error as error:
            raise invalid(f"{path}:{line}", str(error), "separated values, quotes closed") from error
        if row is None:
            return
        if not any(map(str.strip, row)):
            table.skipped += 1
            continue
        table.count(path)
        if len(row) < width and len(row) <= last:
            yield line, f"{len(row)} of {width} fields"
        elif len(row) > width and any(map(str.strip, row[width:])):
            yield line, f"{len(row)} fields for {width} columns"
        else:
            yield line, [row[number].strip() if number < len(row) else "" for number in at]
