"""Keys (merchant, country, zone, channel) and what is known of them, row by row."""

from __future__ import annotations

import numpy as np

from sim.recipes.groups import run_lengths, run_offsets
from sim.recipes.join import match
from sim.state.context import Context
from sim.state.declaration import Needs
from sim.state.frames import Array, Frame

KEY = ("merchant_id", "legal_country_iso", "tzid", "channel_group")

KEYS_NEEDS = Needs(kernels=("match_keys",))


def key_of_row(ctx: Context, keys: Frame, rows: Frame) -> Array:
    """Row in `keys` of each row's key: uint32.

    Args:
        ctx: Context.
        keys: Key columns, sorted and unique.
        rows: Key columns, sorted by merchant.

    Raises:
        KernelFailure: `KEY_NOT_FOUND`, or `OUT_OF_RANGE` for an unknown merchant.
    """
    offset = run_offsets(keys.merchant_id)
    known = keys.merchant_id[offset[:-1].astype(np.int64)]
    runs = run_offsets(rows.merchant_id)
    wanted = rows.merchant_id[runs[:-1].astype(np.int64)]
    place, there = match(known, wanted)
    merchant = np.repeat(np.where(there, place, len(known)).astype(np.uint32), run_lengths(runs))
    found: Array = ctx.kernels.match_keys(
        offset=offset,
        key_country=keys.legal_country_iso,
        key_zone=keys.tzid,
        key_channel=keys.channel_group,
        merchant=merchant,
        country=rows.legal_country_iso,
        zone=rows.tzid,
        channel=rows.channel_group,
    )
    return found


def table_of_key(keys: Frame, table: Frame, country: str) -> tuple[Array, Array]:
    """First row and number of rows of each key's table.

    Args:
        keys: Key columns.
        table: Rows sorted by (merchant_id, country, tzid).
        country: Name of the table's country column.

    Returns:
        first (uint64) and rows (uint32; 0 where the key has no table), one a key.
    """
    offset = run_offsets(table.merchant_id, table[country], table.tzid)
    head = offset[:-1].astype(np.int64)
    merchants = np.union1d(keys.merchant_id, table.merchant_id[head])
    have = _code(merchants, table.merchant_id[head], table[country][head], table.tzid[head])
    wanted = _code(merchants, keys.merchant_id, keys.legal_country_iso, keys.tzid)
    if len(have) == 0:
        return np.zeros(len(keys), dtype=np.uint64), np.zeros(len(keys), dtype=np.uint32)
    place, found = match(have, wanted)
    rows = np.where(found, run_lengths(offset)[place], 0)
    return offset[:-1][place], rows.astype(np.uint32)


def _code(merchants: Array, merchant: Array, country: Array, zone: Array) -> Array:
    rank = np.searchsorted(merchants, merchant).astype(np.uint64)
    return (rank << np.uint64(32)) | (country.astype(np.uint64) << np.uint64(16)) | zone.astype(np.uint64)


def settlement_of_key(keys: Frame, settlement: Frame) -> Array:
    """Zone in which each key's virtual arrivals settle (int16 code); -1 without a settlement row."""
    zone = np.full(len(keys), -1, dtype=np.int16)
    if len(settlement) == 0:
        return zone
    place, own = match(settlement.merchant_id, keys.merchant_id)
    zone[own] = settlement.tzid_settlement[place[own]]
    return zone


def show(ctx: Context, keys: Frame, row: int) -> str:
    """`merchant 123, DE, Europe/Berlin` of a key, for error examples."""
    country, zone = (
        ctx.vocabulary("country")[keys.legal_country_iso[row]],
        ctx.vocabulary("tzid")[keys.tzid[row]],
    )
    return f"merchant {keys.merchant_id[row]}, {country}, {zone}"
