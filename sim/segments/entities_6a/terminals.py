"""Terminals: every site of a merchant that takes cards there has at least one."""

from __future__ import annotations

import numpy as np

from sim.recipes.groups import prefix
from sim.recipes.join import look_up
from sim.recipes.places import country_letters
from sim.recipes.tables import AliasTables
from sim.recipes.words import WORDS_NEEDS, words, words_at
from sim.segments.entities_6a.network_tables import NETWORK_TABLES_NEEDS, matrix, mix_tables, numbers, pick
from sim.state.addressed import Address
from sim.state.context import Context, PartitionContext
from sim.state.declaration import ROW_LEVEL, Needs
from sim.state.frames import Array, Frame
from sim.state.params import Params

COUNT, KIND, TRAITS = "6A.terminals", "6A.terminal", "6A.terminal_traits"
_KEY = ("merchant_id", "legal_country_iso", "site_order", "site_id")

TERMINAL_ROWS_NEEDS = Needs(
    config=("device_prior_6A", "device_taxonomy_6A"),
    streams=(KIND, COUNT, TRAITS),
    kernels=("expand_rows", "lognormal_factor"),
    uses=(NETWORK_TABLES_NEEDS, WORDS_NEEDS),
)
TERMINAL_SITES_NEEDS = Needs(
    reads={"merchant_catalogue_1A": ROW_LEVEL, "outlet_catalogue": ROW_LEVEL},
    config=("arrival_routing_policy_5B",),
)


def terminal_sites(ctx: Context) -> Frame:
    """Sites with terminals, sorted by country, merchant and order.

    `cash` (bool) says whether their terminals give cash.
    """
    outlets = ctx.load("outlet_catalogue", columns=_KEY)
    merchants = ctx.load("merchant_catalogue_1A", columns=("merchant_id", "mcc", "channel"))
    row = look_up(merchants.merchant_id, outlets.merchant_id)
    takes = merchants.channel[row] != ctx.code("channel", "card_not_present")
    cash = np.isin(
        merchants.mcc[row], np.array(ctx.params.arrival_routing_policy_5B.cash_mccs, dtype=np.uint16)
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
    (x,) = words_at(ctx, _address(ctx, sites))
    factor = ctx.kernels.lognormal_factor(
        x=x, mu=np.zeros(len(sites)), sigma=np.full(len(sites), float(law.sigma))
    )
    wanted: Array = np.clip(np.floor(factor * np.float64(law.median) + 0.5), 1, law.max_per_site).astype(
        np.uint64
    )
    return wanted


def _address(ctx: Context, sites: Frame) -> Address:
    """Where each site draws its number of terminals."""
    letters = country_letters(ctx)[sites.legal_country_iso]
    return ctx.address(
        COUNT, country_letters=letters, site_order=sites.site_order, merchant_id=sites.merchant_id
    )


def in_countries(sites: Frame, column: str, countries: tuple[int, int]) -> Frame:
    """Rows whose country code is in [first, stop), of rows sorted by it."""
    first, stop = np.searchsorted(sites[column], np.array(countries, dtype=np.int16))
    return sites.slice(int(first), int(stop))


def terminal_rows(ctx: PartitionContext, sites: Frame) -> Frame:
    """Terminals of these sites: `site` (int64, row in `sites`), `device_type`, `os_family` (int16).

    Two draws each, and two words of their traits: `model_word`, `version_word`.
    """
    count = terminals_per_site(ctx, sites)
    ctx.ledger(_address(ctx, sites))
    offsets = prefix(count)
    row, ordinal = ctx.kernels.expand_rows(offset=offsets, dims={"m": int(offsets[-1])})
    site = row.astype(np.int64)
    letters = country_letters(ctx)[sites.legal_country_iso[site]]
    place = ctx.field("site", country_letters=letters, site_order=sites.site_order[site])
    shop = sites.merchant_id[site]
    x0, x1 = words(ctx, KIND, site=place, terminal_number=ordinal, merchant_id=shop)
    model, version = words(ctx, TRAITS, site=place, terminal_number=ordinal, merchant_id=shop)
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
            "model_word": model,
            "version_word": version,
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
