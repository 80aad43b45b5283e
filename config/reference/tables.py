"""Hand-written country tables of the world snapshot: facts no packaged source carries.

Three tables, all keyed by ISO 3166-1 alpha-2 code. `build.py` refuses to build when a country lacks one of
them.

Sources
- `M49`: United Nations Standard Country or Area Codes for Statistical Use (M49), regions, sub-regions and,
  where the UN splits a sub-region (Sub-Saharan Africa, Latin America and the Caribbean), its intermediate
  regions. Assumption: M49 does not list Taiwan separately; it is placed in Eastern Asia.
- `INCOME`: World Bank country classification for fiscal year 2025 (by gross national income a head, 2023),
  written from general knowledge. Assumption for everything the World Bank does not classify; those codes are
  repeated in `INCOME_ASSUMED`, so that a reader can tell them apart.
- `ONLINE_PERMILLE`: people using the internet, per 1,000 inhabitants. Rounded figures of about 2022 to 2024
  as published by the ITU, from general knowledge, for large or unusual countries; `ONLINE_DEFAULT` by income
  group for the rest (assumption).
"""

from __future__ import annotations

from typing import Final

M49: Final[dict[str, dict[str, str]]] = {
    "Africa": {
        "Eastern Africa": "BI DJ ER ET IO KE KM MG MU MW MZ RE RW SC SO SS TF TZ UG YT ZM ZW",
        "Middle Africa": "AO CD CF CG CM GA GQ ST TD",
        "Northern Africa": "DZ EG EH LY MA SD TN",
        "Southern Africa": "BW LS NA SZ ZA",
        "Western Africa": "BF BJ CI CV GH GM GN GW LR ML MR NE NG SH SL SN TG",
    },
    "Americas": {
        "Caribbean": "AG AI AW BB BL BQ BS CU CW DM DO GD GP HT JM KN KY LC MF MQ MS PR SX TC TT VC VG VI",
        "Central America": "BZ CR GT HN MX NI PA SV",
        "Northern America": "BM CA GL PM US",
        "South America": "AR BO BR BV CL CO EC FK GF GS GY PE PY SR UY VE",
    },
    "Asia": {
        "Central Asia": "KG KZ TJ TM UZ",
        "Eastern Asia": "CN HK JP KP KR MN MO TW",
        "South-eastern Asia": "BN ID KH LA MM MY PH SG TH TL VN",
        "Southern Asia": "AF BD BT IN IR LK MV NP PK",
        "Western Asia": "AE AM AZ BH CY GE IL IQ JO KW LB OM PS QA SA SY TR YE",
    },
    "Europe": {
        "Eastern Europe": "BG BY CZ HU MD PL RO RU SK UA",
        "Northern Europe": "AX DK EE FI FO GB GG IE IM IS JE LT LV NO SE SJ",
        "Southern Europe": "AD AL BA ES GI GR HR IT ME MK MT PT RS SI SM VA",
        "Western Europe": "AT BE CH DE FR LI LU MC NL",
    },
    "Oceania": {
        "Australia and New Zealand": "AU CC CX HM NF NZ",
        "Melanesia": "FJ NC PG SB VU",
        "Micronesia": "FM GU KI MH MP NR PW UM",
        "Polynesia": "AS CK NU PF PN TK TO TV WF WS",
    },
}

INCOME: Final[dict[str, str]] = {
    "LOW": "AF BF BI CD CF ER ET GM GW KP LR MG ML MW MZ NE RW SD SL SO SS SY TD TG UG YE",
    "LOWER_MIDDLE": (
        "AO BD BJ BO BT CG CI CM CV DJ EG EH FM GH GN HN HT IN JO KE KG KH KI KM LA LB LK LS MA MM MR NG NI "
        "NP PG PH PK PS "
        "SB SN ST SZ TJ TL TN TZ UZ VN VU WS ZM ZW"
    ),
    "UPPER_MIDDLE": (
        "AL AM AR AZ BA BR BW BY BZ CK CN CO CR CU DM DO DZ EC FJ GA GD GE GQ GT ID IQ IR JM KZ LC LY MD ME "
        "MH MK MN MS MU "
        "MV MX MY NA NU PE PN PY RS SH SR SV TH TK TM TO TR TV UA VC VE WF YT ZA"
    ),
    "HIGH": (
        "AD AE AG AI AS AT AU AW AX BB BE BG BH BL BM BN BQ BS CA CC CH CL CW CX CY CZ DE DK EE ES FI FK FO "
        "FR GB GF GG GI "
        "GL GP GR GS GU GY HK HR HU IE IL IM IO IS IT JE JP KN KR KW KY LI LT LU LV MC MF MO MP MQ MT NC NF "
        "NL NO NR NZ OM "
        "PA PF PL PM PR PT PW QA RE RO RU SA SC SE SG SI SJ SK SM SX TC TF TT TW US UY VA VG VI"
    ),
}

INCOME_ASSUMED: Final = (
    "AI AX BL BQ CC CK CX EH FK GF GG GP GS IO JE MQ MS NF NU PM PN RE SH SJ TF TK VA VE WF YT"
)

ONLINE_DEFAULT: Final[dict[str, int]] = {"LOW": 250, "LOWER_MIDDLE": 540, "UPPER_MIDDLE": 790, "HIGH": 910}

# fmt: off
ONLINE_PERMILLE: Final[dict[str, int]] = {
    # Low income
    "AF": 180, "BI": 110, "CD": 270, "CF": 110, "ER": 200, "ET": 190, "KP": 10, "LR": 300, "MG": 200,
    "ML": 340, "MW": 180, "MZ": 200, "NE": 170, "RW": 340, "SD": 290, "SO": 280, "SS": 120, "SY": 360,
    "TD": 130, "UG": 150,
    # Lower middle income
    "AO": 390, "BD": 450, "CI": 450, "CM": 420, "EG": 820, "GH": 700, "HN": 580, "IN": 560, "JO": 920,
    "KE": 350, "KG": 880, "KH": 600, "LK": 510, "MA": 910, "MM": 580, "NG": 390, "NP": 500, "PG": 270,
    "PH": 840, "PK": 330, "PS": 870, "SN": 600, "TN": 790, "TZ": 320, "UZ": 890, "VN": 780, "ZM": 330,
    "ZW": 380,
    # Upper middle income
    "AR": 890, "AZ": 880, "BR": 840, "BY": 910, "CN": 780, "CO": 770, "CU": 710, "DZ": 770, "EC": 730,
    "GT": 560, "ID": 690, "IQ": 820, "IR": 800, "KZ": 930, "MX": 810, "MY": 980, "PE": 800, "RS": 850,
    "TH": 890, "TM": 300, "TR": 870, "UA": 820, "VE": 620, "ZA": 760,
    # High income
    "AE": 1000, "AU": 970, "BE": 950, "BG": 800, "CA": 940, "CH": 970, "CL": 950, "CZ": 860, "DE": 925,
    "DK": 990, "ES": 955, "FI": 940, "FR": 870, "GB": 960, "GR": 850, "HK": 960, "HR": 830, "HU": 915,
    "IE": 970, "IL": 870, "IS": 1000, "IT": 870, "JP": 870, "KR": 975, "KW": 1000, "LU": 990, "NL": 970,
    "NO": 990, "NZ": 960, "OM": 950, "PL": 865, "PT": 860, "QA": 1000, "RO": 890, "RU": 920, "SA": 1000,
    "SE": 960, "SG": 960, "SK": 880, "TW": 930, "US": 930, "UY": 900,
}
# fmt: on

CURRENCY_OVERRIDE: Final[dict[str, str]] = {
    # Bulgaria took the euro on 2026-01-01; neither GeoNames nor CLDR 47 (babel 2.18.0) knows yet.
    "BG": "EUR",
}

# ISO 4217 exponents where CLDR's display digits differ: a payment message carries the ISO exponent, whatever
# is printed.
ISO_ZERO_DIGITS: Final = "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX VND VUV XAF XOF XPF"
ISO_THREE_DIGITS: Final = "BHD IQD JOD KWD LYD OMR TND"


def _invert(groups: dict[str, str]) -> dict[str, str]:
    """Turn {group: "AA BB"} into {"AA": group, "BB": group}; a code named twice is an error."""
    out: dict[str, str] = {}
    for group, codes in groups.items():
        for code in codes.split():
            if code in out:
                raise ValueError(f"{code} is in both {out[code]} and {group}")
            out[code] = group
    return out


SUBREGION: Final = _invert({sub: codes for region in M49.values() for sub, codes in region.items()})
REGION_OF_SUBREGION: Final = {sub: region for region, subs in M49.items() for sub in subs}
INCOME_GROUP: Final = _invert(INCOME)


def online_permille(country: str) -> int:
    """People online per 1,000 inhabitants of an ISO alpha-2 country: its figure, else its income group's."""
    return ONLINE_PERMILLE.get(country, ONLINE_DEFAULT[INCOME_GROUP[country]])
