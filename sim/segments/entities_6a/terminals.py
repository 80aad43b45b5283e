"""Terminals: every site of a merchant that takes cards there has at least one."""

from __future__ import annotations

import numpy as np

from sim.recipes.groups import prefix
from sim.recipes.join import look_up
from sim.recipes.places import country_letters
from sim.recipes.tables import AliasTables
from sim.segments.entities_6a.network_tables import matrix, mix_tables, numbers, pick
from sim.state.context import Context, PartitionContext
from sim.state.frames import Array, Frame
from sim.state.params import Params

COUNT, KIND = "6A.terminals", "6A.terminal"
_KEY = ("merchant_id", "legal_country_iso", "site_order", "site_id")


def terminal_sites(ctx: Context) -> Frame:
    """Sites with terminals, sorted by country, merchant and order; with `cash` (bool):
    whether their terminals give cash.
    """
    outlets = ctx.load("outlet_catalogue", columns=_KEY)
    merchants = ctx.load("merchant_catalogue_1A", columns=("merchant_id", "mcc", "channel"))
    row = look_up(merchants.merchant_id, outlets.merchant_id)
    takes = merchants.channel[row] != ctx.code("channel", "card_not_present")
    cash = np.isin(
        merchants.mcc[row], np.array(ctx.params.device_prior_6A.terminals.cash_mccs, dtype=np.uint16)
    )
    sites = outlets.with_columns(cash=cash).take(takes)
    return sites.sort("legal_country_iso", "merchant_id", "site_order")


def online_merchants(ctx: Context, sites: Frame) -> Frame:
    """Merchants without terminals: `merchant_id`, `home_country_iso`, sorted by country, then id."""
    merchants = ctx.load("merchant_catalogue_1A", columns=("merchant_id", "home_country_iso"))
    without = ~np.isin(merchants.merchant_id, sites.merchant_id)
    return merchants.take(without).sort("home_country_iso", "merchant_id")


def terminals_per_site(ctx: Context, sites: Frame) -> Array:
    """Terminals of each site: uint64; one draw a site."""
    law = ctx.params.device_prior_6A.terminals
    word, _ = ctx.kernels.philox_block(key=ctx.stream(COUNT), c0=_site_word(ctx, sites), c1=sites.merchant_id)
    factor = ctx.kernels.lognormal_factor(
        x=word, mu=np.zeros(len(sites)), sigma=np.full(len(sites), float(law.sigma))
    )
    wanted: Array = np.clip(np.floor(factor * np.float64(law.median) + 0.5), 1, law.max_per_site).astype(
        np.uint64
    )
    return wanted


def _site_word(ctx: Context, sites: Frame) -> Array:
    """Low counter word of each site: uint64."""
    word: Array = (country_letters(ctx)[sites.legal_country_iso] << np.uint64(40)) | (
        sites.site_order.astype(np.uint64) << np.uint64(8)
    )
    return word


def in_countries(sites: Frame, column: str, countries: tuple[int, int]) -> Frame:
    """Rows whose country code is in [first, stop), of rows sorted by it."""
    first, stop = np.searchsorted(sites[column], np.array(countries, dtype=np.int16))
    return sites.slice(int(first), int(stop))


def terminal_rows(ctx: PartitionContext, sites: Frame) -> Frame:
    """Terminals of these sites: `site` (int64, row in `sites`), `device_type`, `os_family` (int16).

    Two draws each.
    """
    count = terminals_per_site(ctx, sites)
    ctx.ledger(COUNT, _site_word(ctx, sites), sites.merchant_id, draws=1)
    offsets = prefix(count)
    row, ordinal = ctx.kernels.expand_rows(offset=offsets, dims={"m": int(offsets[-1])})
    site = row.astype(np.int64)
    letters = country_letters(ctx)[sites.legal_country_iso[site]]
    c0 = (
        (letters << np.uint64(48))
        | (sites.site_order[site].astype(np.uint64) << np.uint64(16))
        | (ordinal.astype(np.uint64) << np.uint64(8))
    )
    merchant_id = sites.merchant_id[site]
    x0, x1 = ctx.kernels.philox_block(key=ctx.stream(KIND), c0=c0, c1=merchant_id)
    ctx.ledger(KIND, c0, merchant_id, draws=2)
    law = ctx.params.device_prior_6A.terminals
    mixes = mix_tables(
        ctx,
        np.stack(
            [
                numbers(ctx, "device_type", law.mix_permille),
                numbers(ctx, "device_type", law.cash_mix_permille),
            ]
        ),
    )
    kind = pick(ctx, mixes, x0, sites.cash[site])
    return Frame(
        {
            "site": site,
            "device_type": kind.astype(np.int16),
            "os_family": pick(ctx, os_tables(ctx), x1, kind).astype(np.int16),
        }
    )


def os_tables(ctx: Context) -> AliasTables:
    """Alias tables of operating systems by kind of device."""
    return mix_tables(ctx, os_mixes(ctx))


def os_mixes(ctx: Context) -> Array:
    """Permille of operating systems: float64, device types x systems."""
    kinds = ctx.params.device_taxonomy_6A.types
    return matrix(
        ctx,
        "device_type",
        "os_family",
        Params({name: kind.os_permille.plain() for name, kind in kinds.items()}),
    )
