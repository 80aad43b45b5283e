"""Where a row's random numbers come from: the streams behind a dataset's columns, with each draw's address
made from the row's own key.

These are the addresses contracts/rng/streams.yaml states, as functions; `explain` shows the words found
there. A row whose draw depends on what only a computation knows (an arrival's rank before its bucket was
sorted) has a finder of its own in `arrival_draws.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sim.rng import block

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Address:
    """One entity's address in one stream.

    Attributes:
        stream: Stream id.
        c0: Low counter word of the row's first block.
        c1: High counter word.
        draws: Words the row uses; None where a computation decides (the first block is shown).
        decides: What the words decide.
        when: Whether the row draws at all.
    """

    stream: str
    c0: Callable[[Row], int]
    c1: Callable[[Row], int]
    draws: int | None
    decides: str
    when: Callable[[Row], bool] = lambda row: True


@dataclass(frozen=True)
class Draw:
    """One random word of a row.

    Attributes:
        key: Philox key, 16 hex digits.
        c0, c1: Counter of the block.
        lane: 0 or 1.
        word: The word, 16 hex digits.
        uniform: The word as a number inside (0, 1): ((word >> 12) + 0.5) * 2**-52.
    """

    stream: str
    key: str
    c0: int
    c1: int
    lane: int
    word: str
    uniform: float
    decides: str


def draws_at(stream: str, key: int, c0: int, c1: int, count: int, decides: str) -> list[Draw]:
    """The first `count` words at an address: lane d % 2 of block d // 2, blocks counted on in c0."""
    found = []
    for number in range(count):
        counter = c0 + number // 2
        word = block(key, counter, c1)[number % 2]
        uniform = ((word >> 12) + 0.5) * 2.0**-52
        found.append(Draw(stream, f"{key:016x}", counter, c1, number % 2, f"{word:016x}", uniform, decides))
    return found


def letters(country: str) -> int:
    """The two ISO letters of a country as a 16-bit number."""
    return int.from_bytes(country.encode("ascii"), "big")


def _zero(row: Row) -> int:
    return 0


def _merchant(row: Row) -> int:
    return int(row["merchant_id"])


def _site(row: Row) -> int:
    return (letters(row["legal_country_iso"]) << 40) | (int(row["site_order"]) << 8)


def _country(row: Row) -> int:
    return letters(row["legal_country_iso"])


ADDRESSES: Mapping[str, tuple[Address, ...]] = {
    "merchant_catalogue_1A": (
        Address("1A.merchant_country", _zero, _merchant, 1, "home_country_iso"),
        Address("1A.merchant_mcc", _zero, _merchant, 1, "mcc"),
        Address("1A.merchant_channel", _zero, _merchant, 1, "channel"),
        Address("1A.merchant_brand", _zero, _merchant, 1, "brand_factor"),
    ),
    "outlet_catalogue": (
        Address("1A.multi_site", _zero, _merchant, 1, "whether the merchant is a chain"),
        Address("1A.outlet_scale", _zero, _merchant, 1, "how long a chain's tail is (chains)"),
        Address("1A.outlet_count", _zero, _merchant, None, "how many outlets a chain has (chains)"),
        Address("1A.foreign_reach", _zero, _merchant, None, "in how many countries abroad (chains)"),
        Address(
            "1A.foreign_choice",
            _country,
            _merchant,
            1,
            "whether this country is one of them (chains that go abroad)",
        ),
    ),
    "site_locations": (
        Address("1B.site_city", _site, _merchant, 1, "city_id (sites without given coordinates)"),
        Address(
            "1B.site_place", _site, _merchant, 3, "lat_deg and lon_deg (sites without given coordinates)"
        ),
    ),
    "s1_site_weights_2B": (Address("2B.site_scale", _site, _merchant, 1, "site_scale"),),
    "virtual_classification_3B": (
        Address("3B.virtual_mode", _zero, _merchant, 1, "virtual_mode (trades that may be virtual)"),
        Address(
            "3B.virtual_share",
            _zero,
            _merchant,
            1,
            "virtual_share",
            when=lambda row: row["virtual_mode"] == "HYBRID",
        ),
    ),
    "virtual_settlement_3B": (Address("3B.settlement_city", _zero, _merchant, 1, "city_id"),),
    "edge_catalogue_3B": (
        Address("3B.footprint", _zero, _merchant, 2, "reach, and how many edges the merchant has"),
    ),
    "merchant_zone_profile_5A": (
        Address(
            "5A.virtual_scale",
            _zero,
            _merchant,
            1,
            "virtual_volume",
            when=lambda row: row["virtual_mode"] != "NON_VIRTUAL",
        ),
    ),
}
