"""Merchants files as banks have them, made by code so that every byte is in sight: what is in each,
and what is told of it.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

HEADER = ("merchant_id", "mcc", "channel", "country", "outlet_country", "lat", "lon")
ROWS: tuple[tuple[str, ...], ...] = (
    ("1001", "5411", "card_present", "DE", "", "52.5200", "13.4050"),
    ("1001", "5411", "card_present", "DE", "FR", "48.8566", "2.3522"),
    ("0000001001", "5812", "mixed", "NO", "", "", ""),
    ("M-7", "5816", "card_not_present", "US", "", "", ""),
)
"""Three merchants, two of them with keys that look alike, and two outlets."""


def text(
    header: Sequence[str] = HEADER,
    rows: Sequence[Sequence[str]] = ROWS,
    delimiter: str = ",",
    end: str = "\n",
) -> str:
    """Rows as separated values, quoted where they must be."""

    def cell(value: str) -> str:
        return (
            '"' + value.replace('"', '""') + '"'
            if any(char in value for char in (delimiter, '"', "\n"))
            else value
        )

    return "".join(delimiter.join(cell(value) for value in row) + end for row in (header, *rows))


def parquet(columns: Mapping[str, Any], **options: Any) -> bytes:
    """Columns as Parquet bytes."""
    sink = io.BytesIO()
    pq.write_table(pa.table(dict(columns)), sink, **options)
    return sink.getvalue()


def comma(rows: Sequence[Sequence[str]]) -> list[list[str]]:
    """Rows with a decimal comma in their coordinates."""
    return [[*row[:5], *(value.replace(".", ",") for value in row[5:])] for row in rows]


WIDE = (*HEADER, "Branch Manager", "weekly_volume")
SAME: dict[str, tuple[str, bytes, dict[str, Any], dict[str, Any]]] = {
    "plain": (
        "m.csv",
        text().encode(),
        {},
        {"encoding": "UTF-8", "delimiter": "comma", "skipped": 0, "ignored": []},
    ),
    "semicolon, decimal comma, Windows": (
        "m.csv",
        text(rows=comma(ROWS), delimiter=";", end="\r\n").encode("cp1252"),
        {"decimal_comma": True},
        {"encoding": "UTF-8", "delimiter": "semicolon"},
    ),
    "comma between values and in numbers": (
        "m.csv",
        text(rows=comma(ROWS)).encode(),
        {"decimal_comma": True},
        {"delimiter": "comma"},
    ),
    "tab": ("m.tsv", text(delimiter="\t").encode(), {}, {"delimiter": "tab"}),
    "bar, capital suffix": ("M.CSV", text(delimiter="|").encode(), {}, {"delimiter": "bar"}),
    "byte order mark": (
        "m.csv",
        text().encode("utf-8-sig"),
        {},
        {"encoding": "UTF-8 with a byte order mark"},
    ),
    "UTF-16 from Excel": (
        "m.csv",
        text(delimiter="\t", end="\r\n").encode("utf-16"),
        {},
        {"encoding": "UTF-16", "delimiter": "tab"},
    ),
    "UTF-16 big-endian": ("m.csv", b"\xfe\xff" + text().encode("utf-16-be"), {}, {"encoding": "UTF-16"}),
    "separator line": ("m.csv", b"sep=;\r\n" + text(delimiter=";").encode(), {}, {"delimiter": "semicolon"}),
    "headers as people write them": (
        "m.csv",
        text(header=(" Merchant ID ", "MCC", "Channel", "COUNTRY", "Outlet-Country", "Lat", "LON ")).encode(),
        {},
        {"ignored": []},
    ),
    "empty rows": (
        "m.csv",
        text(rows=[ROWS[0], ("",) * 7, *ROWS[1:], (" ",) * 7]).encode() + b"\n\n",
        {},
        {"skipped": 4},
    ),
    "blanks around values": (
        "m.csv",
        text(rows=[[f" {value} " for value in row] for row in ROWS]).encode(),
        {},
        {},
    ),
    "further columns": (
        "m.csv",
        text(header=(*HEADER, "Branch Manager", ""), rows=[(*row, "Zoë", "") for row in ROWS]).encode(
            "cp1252"
        ),
        {},
        {"encoding": "Windows-1252", "ignored": ["branch_manager"]},
    ),
    "delimiter at the end of rows": ("m.csv", text().replace("\n", ",\n").encode(), {}, {"ignored": []}),
    "numbers as a spreadsheet has them": (
        "m.csv",
        text(
            rows=[("1.001E+03", "5.411E+03", *ROWS[0][2:5], "5.25200E+01", "1.34050E+1"), *ROWS[1:]]
        ).encode(),
        {},
        {},
    ),
    "numbers as pandas has them": (
        "m.csv",
        text(rows=[("1001.0", "5411.0", *ROWS[0][2:]), *ROWS[1:]]).encode(),
        {},
        {},
    ),
    "Parquet, all text": (
        "m.parquet",
        parquet({name: [row[at] or None for row in ROWS] for at, name in enumerate(HEADER)}),
        {},
        {"format": "parquet"},
    ),
    "Parquet, numbers, another order of columns": (
        "m.PARQUET",
        parquet(
            {
                "lon": [13.405, 2.3522, None, None],
                "Lat": [52.52, 48.8566, float("nan"), None],
                "outlet_country": pa.array([None, "FR", None, ""]).dictionary_encode(),
                "country": ["DE", "DE", "NO", "US"],
                "channel": ["card_present", "card_present", "mixed", "card_not_present"],
                "mcc": pa.array([5411, 5411, 5812, 5816], pa.int16()),
                "merchant_id": ["1001", "1001", "0000001001", "M-7"],
                "opened": pa.array([[1], [2], None, []]),
            }
        ),
        {},
        {"ignored": ["opened"]},
    ),
}
"""Name -> file name, bytes, options, some of what is told: all of them hold `ROWS`."""

REFUSED: dict[str, tuple[str, bytes, dict[str, Any], str]] = {
    "UTF-16 without a mark": ("m.csv", text().encode("utf-16-le"), {}, "NUL bytes"),
    "no text": ("m.csv", bytes(range(1, 256)) * 9, {}, "neither UTF-8 nor Windows-1252"),
    "a mark that lies": (
        "m.csv",
        b"\xef\xbb\xbf" + "merchant_id,ü".encode("cp1252"),
        {},
        "UTF-8 with a byte order mark",
    ),
    "a column twice": (
        "m.csv",
        text(header=(*HEADER, "Lat "), rows=[(*row, "1") for row in ROWS]).encode(),
        {},
        "lat twice",
    ),
    "a required column misspelt": (
        "m.csv",
        text(header=("merchantid", *HEADER[1:])).encode(),
        {},
        "Did you mean 'merchantid'?",
    ),
    "a row that is cut off": ("m.csv", text().encode() + b"9,5411\n", {}, "2 of 7 fields"),
    "a row with too much": (
        "m.csv",
        text().encode() + b"9,5411,mixed,DE,,,,x\n",
        {},
        "8 fields for 7 columns",
    ),
    "decimal commas not asked for": (
        "m.csv",
        text(rows=comma(ROWS), delimiter=";").encode(),
        {},
        "needs --decimal-comma",
    ),
    "decimal points under --decimal-comma": (
        "m.csv",
        text().encode(),
        {"decimal_comma": True},
        "a point is no decimal sign",
    ),
    "digits a spreadsheet cut off": (
        "m.csv",
        text(rows=[("1.00123E+15", *ROWS[0][1:])]).encode(),
        {},
        "has cut its end off",
    ),
    "no whole number": (
        "m.csv",
        text(rows=[("1.5E+00", *ROWS[0][1:])]).encode(),
        {},
        "a whole number or a text",
    ),
    "a key with a line in it": ("m.csv", text(rows=[("a\nb", *ROWS[0][1:])]).encode(), {}, "printable"),
    "open at one end": (
        "m.csv",
        text(header=(*HEADER, "open_from", "open_to"), rows=[(*ROWS[0], "08:00", "")]).encode(),
        {},
        "both or neither, and different",
    ),
    "no time": (
        "m.csv",
        text(header=(*HEADER, "open_from", "open_to"), rows=[(*ROWS[0], "24:00", "08:60")]).encode(),
        {},
        "a time of day",
    ),
    "no volume": (
        "m.csv",
        text(header=(*HEADER, "weekly_volume"), rows=[(*ROWS[0], "0")]).encode(),
        {},
        "a number above 0",
    ),
    "two volumes": (
        "m.csv",
        text(header=(*HEADER, "weekly_volume"), rows=[(*ROWS[0], "10"), (*ROWS[1], "20")]).encode(),
        {},
        "10.0, as an earlier row says",
    ),
    "a nested column": (
        "m.parquet",
        parquet({name: [[1]] if name == "mcc" else ["x"] for name in HEADER[:4]}),
        {},
        "column mcc of type",
    ),
}
"""Name -> file name, bytes, options, part of the refusal."""
