"""How rows of 1A find their draws: for `closedworld explain`."""

from __future__ import annotations

import numpy as np

from sim.recipes.drawn import (
    CHOICE,
    COUNT,
    ID,
    INTEGER,
    NORMAL,
    RACE,
    Drawn,
    Explained,
    MadeOf,
    Word,
    at,
    own_columns,
    where,
)
from sim.recipes.groups import run_of_row, run_offsets
from sim.recipes.join import look_up, match
from sim.recipes.places import country_letters
from sim.segments.merchants_1a.s1_merchants import generated_ids
from sim.state.context import Context
from sim.state.declaration import Partition
from sim.state.frames import Array, Frame


def _generated(ctx: Context, part: Partition, rows: Frame) -> Frame:
    """Merchants that were not given, with their `merchant_rank` in the generated universe."""
    ids = generated_ids(ctx)
    order = np.argsort(ids, kind="stable")
    place, found = match(ids[order], rows.merchant_id)
    here = np.flatnonzero(found)
    return at(rows, here, merchant_rank=order[place[here]].astype(np.uint64))


def _open_to_chains(ctx: Context, part: Partition, rows: Frame) -> Frame:
    """Outlets of merchants whose outlets were drawn and that are seen somewhere."""
    return where(
        rows, _drawn(ctx, rows) & (_merchant(ctx, rows).channel != ctx.code("channel", "card_not_present"))
    )


def _of_chains(ctx: Context, part: Partition, rows: Frame) -> Frame:
    """Outlets of merchants that drew several."""
    return where(rows, _drawn(ctx, rows) & (_outlets(ctx, rows) > 1))


def _abroad(ctx: Context, part: Partition, rows: Frame) -> Frame:
    """Outlets of chains outside their home country."""
    abroad = rows.legal_country_iso != _merchant(ctx, rows).home_country_iso
    return where(rows, _drawn(ctx, rows) & (_outlets(ctx, rows) > 1) & abroad)


def _merchant(ctx: Context, rows: Frame) -> Frame:
    merchants = ctx.load("merchant_catalogue_1A")
    return merchants.take(look_up(merchants.merchant_id, rows.merchant_id))


def _outlets(ctx: Context, rows: Frame) -> Array:
    """Outlets of each row's merchant: int64."""
    owner = ctx.load("outlet_catalogue", columns=("merchant_id",)).merchant_id
    count: Array = np.searchsorted(owner, rows.merchant_id, side="right") - np.searchsorted(
        owner, rows.merchant_id
    )
    return count


def _drawn(ctx: Context, rows: Frame) -> Array:
    """Whether a row's merchant drew its outlets, as far as published rows show: bool.

    The user gives outlets by several rows, or by a row that names a place. One row that names the country of
    the only outlet reads like a row that names none, if it is the home country.
    """
    supplied = ctx.load("merchant_supplied_1A", columns=("merchant_id", "rows"))
    every = ctx.load("outlet_catalogue", columns=("merchant_id", "legal_country_iso", "given_lat_udeg"))
    offsets = run_offsets(every.merchant_id)
    run = run_of_row(offsets)
    home = _merchant(ctx, every).home_country_iso
    at_home = np.zeros(len(offsets) - 1, dtype=np.bool_)
    at_home[run[every.legal_country_iso == home]] = True
    located = np.zeros(len(offsets) - 1, dtype=np.bool_)
    located[run[every.present("given_lat_udeg")]] = True
    owner = every.merchant_id[offsets[:-1].astype(np.int64)]
    known = np.isin(owner, supplied.merchant_id)
    several = np.isin(owner, supplied.merchant_id[supplied.rows > 1])
    given = known & (several | located | ~at_home)
    return ~given[look_up(owner, rows.merchant_id)]


def _countries(ctx: Context, part: Partition, rows: Frame) -> Frame:
    """Countries that generated merchants are at home in: all come from one sample."""
    drawn = rows.merchant_weight > 0
    return at(
        rows, np.flatnonzero(drawn), sample_number=np.zeros(int(np.count_nonzero(drawn)), dtype=np.uint64)
    )


def _metros(ctx: Context, part: Partition, rows: Frame) -> Frame:
    """Metros: those of a country come from one sample."""
    metro = rows.place_kind == ctx.code("place_kind", "METRO")
    return at(rows, np.flatnonzero(metro), country_letters=country_letters(ctx)[rows.country_iso[metro]])


def _towns(ctx: Context, part: Partition, rows: Frame) -> Frame:
    """Towns with the id of their city."""
    town = rows.place_kind == ctx.code("place_kind", "TOWN")
    return at(rows, np.flatnonzero(town), city_number=rows.city_id[town].astype(np.uint64))


_MERCHANTS, _OUTLETS = "merchant_catalogue_1A", "outlet_catalogue"
_MARKETS, _PLACES = "world_markets_1A", "world_footprint_1A"

_DRAWS = (
    Drawn(
        "s5_merchant_identity_1A",
        "1A.merchant_name",
        (
            Word(0, CHOICE, "merchant_name: beginning", "merchant_name"),
            Word(1, CHOICE, "merchant_name: ending", "merchant_name"),
            Word(2, CHOICE, "merchant_name: noun of the trade", "merchant_name"),
        ),
    ),
    Drawn(
        "s5_merchant_identity_1A",
        "1A.merchant_acquirer",
        (Word(0, CHOICE, "acquirer_id, by the rank in the home country", "acquirer_id"),),
    ),
    Drawn(
        _MARKETS,
        "1A.footprint_country",
        (Word(0, CHOICE, "country_iso: start of the systematic sample of countries", "country_iso"),),
        _countries,
    ),
    Drawn(
        _PLACES,
        "1A.footprint_metro",
        (Word(0, CHOICE, "city_id: start of the systematic sample of the country's metros", "city_id"),),
        _metros,
    ),
    Drawn(
        _PLACES,
        "1A.footprint_town",
        (Word(0, RACE, "place among the cities of its metro that may be towns of the world"),),
        _towns,
    ),
    Drawn(_MERCHANTS, "1A.merchant_id", (Word(0, ID, "merchant_id"),), _generated),
    Drawn(
        _MERCHANTS,
        "1A.merchant_country",
        (Word(0, CHOICE, "home_country_iso", "home_country_iso"),),
        _generated,
    ),
    Drawn(_MERCHANTS, "1A.merchant_mcc", (Word(0, CHOICE, "mcc", "mcc"),), _generated),
    Drawn(
        _MERCHANTS,
        "1A.merchant_channel",
        (Word(0, INTEGER, "channel, by the channel mix of the mcc", below=1000),),
        _generated,
    ),
    Drawn(
        _MERCHANTS,
        "1A.merchant_brand",
        (Word(0, NORMAL, "brand_factor = exp(sigma n - sigma^2 / 2)"),),
        own_columns,
    ),
    Drawn(
        _OUTLETS,
        "1A.multi_site",
        (Word(0, INTEGER, "whether the merchant is a chain: below its chance", below=1_000_000),),
        _open_to_chains,
    ),
    Drawn(_OUTLETS, "1A.outlet_scale", (Word(0, NORMAL, "factor of the chain's expected size"),), _of_chains),
    Drawn(
        _OUTLETS,
        "1A.outlet_count",
        (Word(0, COUNT, "how many outlets the chain has beyond one"),),
        _of_chains,
    ),
    Drawn(_OUTLETS, "1A.foreign_reach", (Word(0, COUNT, "in how many countries abroad"),), _of_chains),
    Drawn(
        _OUTLETS,
        "1A.foreign_choice",
        (Word(0, RACE, "place of this country among those the chain may go to"),),
        _abroad,
    ),
)

_MADE_OF = (MadeOf(_OUTLETS, _OUTLETS, "all outlets of its merchant", {"merchant_id": "merchant_id"}),)

EXPLAINED = Explained(_DRAWS, _MADE_OF)
"""How rows of 1A are explained."""
