"""One run's tables in a DuckDB of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import duckdb

from bench.case import ROOT

REFERENCE = ROOT / "config" / "reference"
KM = "111.195"  # a degree of latitude

Value = float | str | None


class World:
    """Views of one run's tables in a DuckDB of its own."""

    def __init__(self, run: Path) -> None:
        self.run = run
        self.db = duckdb.connect()
        self.db.execute(
            "set TimeZone = 'UTC'; set memory_limit = '8GB'; set preserve_insertion_order = false"
        )
        self.tables: dict[str, list[str]] = {}
        for folder in sorted((run / "data").glob("layer*/*/*")):
            if not any(folder.rglob("*.parquet")):
                continue
            self._view(folder.name, f"{folder}/**/*.parquet")
        for name in ("cities", "countries"):
            self._view(f"ref_{name}", str(REFERENCE / f"{name}.parquet"))
        missing = [name for name in ("s3_count_summary", "s5_party_fraud_roles") if name not in self.tables]
        if missing:
            raise SystemExit(f"{run}: not a whole world: no rows of {', '.join(missing)}; build it to 6A")
        first, last = self.one("select min(utc_day), max(utc_day) from s3_count_summary")
        self.days = float(last - first + 1)

    def _view(self, name: str, files: str) -> None:
        text = files.replace("'", "''")
        self.db.execute(
            f"create view {name} as select * from read_parquet('{text}', hive_partitioning = false)"
        )
        self.tables[name] = [row[0] for row in self.db.execute(f"describe {name}").fetchall()]

    def has(self, table: str, *columns: str) -> bool:
        """Whether the run has this table with these columns."""
        return table in self.tables and all(column in self.tables[table] for column in columns)

    def one(self, query: str) -> tuple[Any, ...]:
        """The only row of a query."""
        found = self.db.execute(query).fetchone()
        assert found is not None, query
        return found

    def figure(self, query: str) -> Value:
        """The only cell of a query."""
        value = self.one(query)[0]
        return None if value is None else value if isinstance(value, str) else float(value)

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """All rows of a query."""
        found: list[tuple[Any, ...]] = self.db.execute(query).fetchall()
        return found
