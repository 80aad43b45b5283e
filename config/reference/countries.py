"""Countries and public holidays of the world snapshot: GeoNames, CLDR (babel), `holidays`, own tables."""

from __future__ import annotations

import unicodedata
from pathlib import Path
from typing import Any, Final

import babel.core
import babel.localedata
import holidays
import pyarrow as pa
import seal
import tables

HOLIDAY_YEARS: Final = range(2024, 2032)

Row = dict[str, Any]


def currency_of(country: str, geonames_code: str) -> str:
    """The ISO 4217 code of a country: a stated override, else GeoNames' code, which CLDR must list too."""
    if country in tables.CURRENCY_OVERRIDE:
        return tables.CURRENCY_OVERRIDE[country]
    tender = [
        code
        for code, _, end, legal in babel.core.get_global("territory_currencies")[country]
        if legal and end is None
    ]
    if geonames_code not in tender:
        raise ValueError(f"{country}: GeoNames says {geonames_code}, CLDR says {tender}")
    return geonames_code


def minor_units(currency: str) -> int:
    """Decimal digits of a currency: CLDR's (babel), corrected to ISO 4217 where CLDR gives display habits."""
    fractions = babel.core.get_global("currency_fractions")
    digits = int(fractions.get(currency, fractions["DEFAULT"])[0])
    if currency in tables.ISO_THREE_DIGITS.split():
        return 3
    if currency in tables.ISO_ZERO_DIGITS.split():
        return 0
    return 2 if digits == 0 else digits


def weekends(inputs: seal.Inputs) -> dict[str, str]:
    """Weekend of every territory in CLDR, as ISO weekday numbers (Monday 1): "6,7", "5,6", "5" ..."""
    out: dict[str, str] = {}
    folder = Path(babel.localedata.__file__).parent / "locale-data"
    for identifier in sorted(babel.localedata.locale_identifiers()):
        inputs.read("babel", folder / f"{identifier}.dat")
        locale = babel.core.Locale.parse(identifier)
        if locale.territory is None:
            continue
        days = ",".join(str(day + 1) for day in range(locale.weekend_start, locale.weekend_end + 1))
        if out.setdefault(locale.territory, days) != days:
            raise ValueError(f"{locale.territory}: locales disagree about the weekend")
    return out


def main_language(country: str) -> str:
    """CLDR's language code spoken by most people of a country, official languages before others.

    Ties by code.
    """
    spoken = babel.core.get_global("territory_languages")[country]
    official = {"official", "de_facto_official"}
    order = sorted(
        spoken,
        key=lambda c: (spoken[c]["official_status"] not in official, -spoken[c]["population_percent"], c),
    )
    return str(order[0])


def country_table(facts: dict[str, Row], listed: list[str], inputs: seal.Inputs) -> pa.Table:
    """countries: one row a country, sorted by country_iso; its order is the sealed country list."""
    inputs.read("babel", Path(babel.core.__file__).parent / "global.dat")
    weekend = weekends(inputs)
    schema = seal.schema(
        country_iso=pa.string(),
        name=pa.string(),
        iso3=pa.string(),
        region=pa.string(),
        subregion=pa.string(),
        population=pa.int64(),
        income_group=pa.string(),
        online_share_permille=pa.int32(),
        currency=pa.string(),
        minor_units=pa.int8(),
        weekend_days=pa.string(),
        neighbours=pa.string(),
        main_language=pa.string(),
    )
    rows = []
    for code in listed:
        fact = facts[code]
        currency = currency_of(code, fact["currencycode"])
        sub = tables.SUBREGION[code]
        rows.append(
            {
                "country_iso": code,
                "name": fact["name"],
                "iso3": fact["iso3"],
                "region": tables.REGION_OF_SUBREGION[sub],
                "subregion": sub,
                "population": fact["population"],
                "income_group": tables.INCOME_GROUP[code],
                "online_share_permille": tables.online_permille(code),
                "currency": currency,
                "minor_units": minor_units(currency),
                "weekend_days": weekend.get(code, "6,7"),
                "neighbours": ",".join(sorted(set(fact["neighbours"].split(",")) & set(listed))),
                "main_language": main_language(code),
            }
        )
    return pa.Table.from_pylist(rows, schema=schema)


def ascii_name(name: str) -> str:
    """A holiday's name in plain ASCII, at most 48 characters: accents and other letters are dropped."""
    text = (
        unicodedata.normalize("NFKD", name.replace("\u2019", "'").replace("\u2013", "-"))
        .encode("ascii", "ignore")
        .decode()
    )
    return (text if len(text) <= 48 else text[:45] + "...") or "Public holiday"


def holiday_table(listed: list[str], inputs: seal.Inputs) -> tuple[pa.Table, dict[str, Any]]:
    """holidays: national public holidays of HOLIDAY_YEARS, sorted (country_iso, date), English if possible.

    Returns the table and what it cannot say: countries with no rows, and countries whose last year is short
    of the range.
    """
    inputs.read_tree("holidays", Path(holidays.__file__).parent, (".py", ".mo"))
    rows: list[Row] = []
    empty: list[str] = []
    short: dict[str, int] = {}
    for code in listed:
        plain = holidays.country_holidays(code, years=HOLIDAY_YEARS, expand=False, categories=holidays.PUBLIC)
        english = sorted(lang for lang in plain.supported_languages if lang.startswith("en"))
        language = "en_US" if "en_US" in english else next(iter(english), None)
        found = holidays.country_holidays(
            code, years=HOLIDAY_YEARS, expand=False, categories=holidays.PUBLIC, language=language
        )
        days = sorted(found)
        rows += [{"country_iso": code, "date": day, "name": ascii_name(found[day])} for day in days]
        if not days:
            empty.append(code)
        elif days[-1].year != HOLIDAY_YEARS[-1]:
            short[code] = days[-1].year
    table = pa.Table.from_pylist(
        rows, schema=seal.schema(country_iso=pa.string(), date=pa.date32(), name=pa.string())
    )
    return table, {
        "years": [HOLIDAY_YEARS[0], HOLIDAY_YEARS[-1]],
        "countries_without_rows": empty,
        "last_year_where_short": short,
    }
