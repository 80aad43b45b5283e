"""The user's own merchants: CSV or Parquet in, a checked frame out, every bad row named by file and line.

The table contract `merchants_input_1A` says what a row is. A file may hold one row a merchant, or one row an outlet (equal
merchant_id, its own place); places are optional.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from sim.shell.config import Configuration
from sim.shell.contract_types import Contracts, nearest
from sim.shell.errors import ContractError
from sim.shell.frames import Frame

MERCHANTS_INPUT = "merchants_input_1A"
REQUIRED = ("merchant_id", "mcc", "channel", "country")
OPTIONAL = ("outlet_country", "lat", "lon")
_DTYPES = {
    "merchant_id": "u8",
    "mcc": "u2",
    "channel": "i2",
    "country": "i2",
    "outlet_country": "i2",
    "lat_udeg": "i4",
    "lon_udeg": "i4",
}
_MAX_BYTES = 1 << 30
_INTEGER = re.compile(r"[0-9]{1,20}")
_DECIMAL = re.compile(r"[-+]?[0-9]{1,3}(\.[0-9]{1,15})?")


class _Problems:
    def __init__(self, path: Path) -> None:
        self.path, self.found, self.total = path, list[str](), 0

    def add(self, line: int, column: str, found: object, expected: str) -> None:
        self.total += 1
        if len(self.found) < 20:
            shown = str(found)[:60].encode("unicode_escape").decode()
            self.found.append(f"{self.path}:{line}  column {column}  found {shown!r}  expected {expected}")


def read_merchants(path: Path, contracts: Contracts, vocabularies: Mapping[str, tuple[str, ...]], configuration: Configuration) -> Frame:
    """Read and validate a merchants file.

    Args:
        path: A `.csv` (UTF-8, header line) or `.parquet` file with columns merchant_id, mcc, channel, country and
            optionally outlet_country, lat, lon.
        contracts: Compiled contracts (they hold the table's contract).
        vocabularies: Sealed lists; channels and countries must be in them.
        configuration: Resolved config; every MCC must be in the taxonomy.

    Returns:
        Frame sorted by merchant_id (file order within a merchant): merchant_id u64, mcc u16, channel i16, country i16,
        outlet_country i16 (nullable), lat_udeg i32 and lon_udeg i32 (nullable).

    Raises:
        ContractError: If the file cannot be read or any row is wrong; every row is looked at before it is raised.
    """
    problems = _Problems(path)
    known = {
        "channel": {name: code for code, name in enumerate(vocabularies["channel"])},
        "country": {name: code for code, name in enumerate(vocabularies["country"])},
        "mcc": {int(entry.mcc) for entry in configuration.params["mcc_taxonomy_1A"].mccs},
    }
    rows = []
    first_line: dict[int, tuple[int, tuple[Any, ...]]] = {}
    for line, raw in _rows(path):
        row = _parse(raw, line, known, problems)
        if row is None:
            continue
        before = first_line.setdefault(row["merchant_id"], (line, (row["mcc"], row["channel"], row["country"])))
        if before[1] != (row["mcc"], row["channel"], row["country"]):
            problems.add(line, "mcc/channel/country", row["merchant_id"], f"the same values as line {before[0]} for this merchant")
        rows.append(row)
    if problems.total:
        raise ContractError(
            "1A.S1.MERCHANTS_FILE_INVALID",
            f"{problems.total} value(s) of the merchants file cannot be used",
            examples=problems.found,
            total=problems.total,
            where=str(path),
            do="correct the lines above; `closedworld contracts show merchants_input_1A` prints what each column may hold",
        )
    if not rows:
        raise _invalid(path, "no rows", "at least one merchant")
    return _frame(rows)


def _rows(path: Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
    if not path.is_file() or path.stat().st_size > _MAX_BYTES:
        raise _invalid(path, "no such file" if not path.exists() else "not a regular file below 1 GiB", "a .csv or .parquet file")
    if path.suffix == ".csv":
        yield from _csv_rows(path)
    elif path.suffix == ".parquet":
        yield from _parquet_rows(path)
    else:
        raise _invalid(path, f"a file ending in {path.suffix!r}", "a .csv or .parquet file")


def _csv_rows(path: Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            reader = csv.DictReader(stream, strict=True)
            _columns(path, list(reader.fieldnames or []))
            for raw in reader:
                if None in raw or None in raw.values():
                    raise _invalid(f"{path}:{reader.line_num}", f"{len(raw)} fields", f"{len(reader.fieldnames or [])} fields")
                yield reader.line_num, raw
    except (UnicodeDecodeError, csv.Error) as error:
        raise _invalid(path, str(error), "UTF-8 comma-separated values with a header line") from error


def _parquet_rows(path: Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
    try:
        file = pq.ParquetFile(path, page_checksum_verification=True)
        _columns(path, file.schema_arrow.names)
        line = 1
        for batch in file.iter_batches(batch_size=1 << 16):
            for raw in batch.to_pylist():
                yield line, raw
                line += 1
    except MemoryError:  # Arrow's is an ArrowException too
        raise
    except (pa.ArrowException, OSError, ValueError, OverflowError) as error:  # text that is not UTF-8, dates beyond Python's
        raise _invalid(path, str(error)[:200], "a readable Parquet file") from error


def _columns(path: Path, names: list[str]) -> None:
    missing = [name for name in REQUIRED if name not in names]
    unknown = [name for name in names if name not in REQUIRED + OPTIONAL]
    if missing or unknown or len(set(names)) != len(names):
        found = f"missing {missing}" if missing else f"unknown {unknown}" if unknown else "a column twice"
        hint = nearest(unknown[0], REQUIRED + OPTIONAL) if unknown else ""
        raise _invalid(f"{path}:1", f"columns {names[:12]}: {found}", f"{', '.join(REQUIRED)} and optionally {', '.join(OPTIONAL)}", hint)


def _parse(raw: Mapping[str, Any], line: int, known: Mapping[str, Any], problems: _Problems) -> dict[str, Any] | None:
    before = problems.total
    row: dict[str, Any] = {
        "merchant_id": _integer(raw["merchant_id"], 1, 2**64 - 1, line, "merchant_id", problems),
        "mcc": _integer(raw["mcc"], 0, 9999, line, "mcc", problems),
        "channel": _coded(raw["channel"], known["channel"], line, "channel", problems),
        "country": _coded(raw["country"], known["country"], line, "country", problems),
        "outlet_country": None,
        "lat_udeg": None,
        "lon_udeg": None,
    }
    if row["mcc"] is not None and row["mcc"] not in known["mcc"]:
        problems.add(line, "mcc", raw["mcc"], "an MCC of config/layer1/1A/mcc_taxonomy.yaml")
    outlet, lat, lon = (raw.get(name) for name in OPTIONAL)
    if outlet not in (None, ""):
        row["outlet_country"] = _coded(outlet, known["country"], line, "outlet_country", problems)
    if (lat in (None, "")) != (lon in (None, "")):
        problems.add(line, "lat/lon", f"{lat}/{lon}", "both or neither")
    elif lat not in (None, ""):
        row["lat_udeg"] = _degrees(lat, 90, line, "lat", problems)
        row["lon_udeg"] = _degrees(lon, 180, line, "lon", problems)
    return row if problems.total == before else None


def _integer(value: Any, low: int, high: int, line: int, column: str, problems: _Problems) -> int | None:
    text = str(value).strip()
    if isinstance(value, bool) or not _INTEGER.fullmatch(text) or not low <= int(text) <= high:
        problems.add(line, column, value, f"an integer {low} .. {high}")
        return None
    return int(text)


def _coded(value: Any, codes: Mapping[str, int], line: int, column: str, problems: _Problems) -> int | None:
    code = codes.get(str(value).strip())
    if code is None:
        problems.add(line, column, value, nearest(str(value), codes) + " (exact spelling)")
    return code


def _degrees(value: Any, limit: int, line: int, column: str, problems: _Problems) -> int | None:
    text = f"{value:.9f}" if isinstance(value, float) else str(value).strip()
    if not _DECIMAL.fullmatch(text) or abs(float(text)) > limit:
        problems.add(line, column, value, f"decimal degrees -{limit} .. {limit}")
        return None
    whole, _, fraction = text.lstrip("+-").partition(".")
    micro = int(whole) * 1_000_000 + (int((fraction + "0000000")[:7]) + 5) // 10
    return -micro if text.startswith("-") else micro


def _frame(rows: list[dict[str, Any]]) -> Frame:
    order = sorted(range(len(rows)), key=lambda number: rows[number]["merchant_id"])

    def column(name: str, dtype: str) -> np.ndarray[Any, Any]:
        return np.array([rows[number][name] if rows[number][name] is not None else 0 for number in order], dtype=dtype)

    def present(name: str) -> np.ndarray[Any, Any]:
        return np.array([rows[number][name] is not None for number in order], dtype=np.bool_)

    return Frame(
        {name: column(name, dtype) for name, dtype in _DTYPES.items()},
        {name: present(name) for name in ("outlet_country", "lat_udeg", "lon_udeg")},
    )


def _invalid(where: Path | str, found: str, expected: str, hint: str = "") -> ContractError:
    return ContractError(
        "1A.S1.MERCHANTS_FILE_INVALID",
        "the merchants file cannot be used",
        found=found,
        expected=expected,
        where=str(where),
        do=hint or "see README: your own merchants",
    )
