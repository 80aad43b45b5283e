"""Terminals: those that 2B.S4 gives to sites, as devices of their merchants."""

from __future__ import annotations

import numpy as np

from sim.recipes.audits import ledger_check
from sim.recipes.groups import run_of_row, run_offsets
from sim.recipes.join import match
from sim.recipes.places import country_letters
from sim.recipes.tables import AliasTables
from sim.recipes.words import WORDS_NEEDS, words
from sim.segments.entities_6a.network_tables import NETWORK_TABLES_NEEDS, matrix, mix_tables, pick
from sim.state.context import Context, PartitionContext
from sim.state.counters import Counters, Scalar
from sim.state.declaration import ROW_LEVEL, Check, Needs
from sim.state.frames import Array, Frame
from sim.state.params import Params
from sim.state.totals import Totals

SYSTEM, TRAITS = "6A.terminal_system", "6A.terminal_traits"
_TABLE = "s4_site_terminals_2B"
_KEY = ("merchant_id", "legal_country_iso", "site_order", "site_id")

TERMINAL_ROWS_NEEDS = Needs(
    config=("device_taxonomy_6A",),
    streams=(SYSTEM, TRAITS),
    uses=(NETWORK_TABLES_NEEDS, WORDS_NEEDS),
)
TERMINAL_SITES_NEEDS = Needs(reads={"merchant_catalogue_1A": ROW_LEVEL, _TABLE: ROW_LEVEL})


class TerminalCounts(Counters):
    """Devices that are terminals, the different terminals they are, and those of another site or type."""

    terminal_devices = Scalar()
    different_terminals = Scalar()
    terminal_misfits = Scalar()


def terminals_of(ctx: Context) -> Frame:
    """All terminals, sorted by country, merchant, site and number: keys of their site and their own."""
    terminals = ctx.load(_TABLE, columns=(*_KEY, "terminal_no", "terminal_id", "terminal_type"))
    return terminals.sort("legal_country_iso", "merchant_id", "site_order", "terminal_no")


def terminal_sites(ctx: Context) -> Frame:
    """Sites with terminals, sorted by country, merchant and order."""
    terminals = ctx.load(_TABLE, columns=(*_KEY, "terminal_no"))
    sites = terminals.take(terminals.terminal_no == 1).select(*_KEY)
    return sites.sort("legal_country_iso", "merchant_id", "site_order")


def online_merchants(ctx: Context, sites: Frame) -> Frame:
    """Merchants without terminals: `merchant_id`, `home_country_iso`, sorted by country, then id."""
    merchants = ctx.load("merchant_catalogue_1A", columns=("merchant_id", "home_country_iso"))
    without = ~np.isin(merchants.merchant_id, sites.merchant_id)
    return merchants.take(without).sort("home_country_iso", "merchant_id")


def in_countries(sites: Frame, column: str, countries: tuple[int, int]) -> Frame:
    """Rows whose country code is in [first, stop), of rows sorted by it."""
    first, stop = np.searchsorted(sites[column], np.array(countries, dtype=np.int16))
    return sites.slice(int(first), int(stop))


def terminal_rows(ctx: PartitionContext, terminals: Frame) -> Frame:
    """These terminals as devices, one a row of `terminals_of`.

    Returns:
        `site` (int64: place of its site among theirs), `terminal_id`, `device_type`, `os_family` (int16), and
        two words of their traits: `model_word`, `version_word`.
    """
    site = run_of_row(run_offsets(terminals.legal_country_iso, terminals.merchant_id, terminals.site_order))
    letters = country_letters(ctx)[terminals.legal_country_iso]
    place = ctx.field("site", country_letters=letters, site_order=terminals.site_order)
    number = terminals.terminal_no.astype(np.uint64) - np.uint64(1)
    (x,) = words(ctx, SYSTEM, site=place, terminal_number=number, merchant_id=terminals.merchant_id)
    model, version = words(ctx, TRAITS, site=place, terminal_number=number, merchant_id=terminals.merchant_id)
    kind = device_type_of(ctx)[terminals.terminal_type]
    return Frame(
        {
            "site": site,
            "terminal_id": terminals.terminal_id,
            "device_type": kind,
            "os_family": pick(ctx, os_tables(ctx), x, kind.astype(np.int64)).astype(np.int16),
            "model_word": model,
            "version_word": version,
        }
    )


def device_type_of(ctx: Context) -> Array:
    """Type of device of each type of terminal: int16."""
    return np.array(
        [ctx.code("device_type", name) for name in ctx.vocabulary("terminal_type")], dtype=np.int16
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


def count_terminals(ctx: PartitionContext, base: Frame) -> None:
    """Hold the terminals among published devices against 2B's, over all rows.

    Args:
        ctx: Context of 6A.S4.
        base: Rows of `s4_device_base_6A`, whole countries.
    """
    mine = base.take(base.present("terminal_id"))
    every = terminals_of(ctx).sort("terminal_id")
    row, known = match(every.terminal_id, mine.terminal_id)
    at = np.minimum(row, max(0, len(every) - 1))
    same = known.copy()
    for found, expected in (
        (mine.primary_merchant_id, every.merchant_id),
        (mine.primary_site_id, every.site_id),
        (mine.home_country_iso, every.legal_country_iso),
        (mine.device_type, device_type_of(ctx)[every.terminal_type]),
    ):
        same[known] &= found[known] == expected[at[known]]
    ctx.count(TerminalCounts.terminal_devices, len(mine))
    ctx.count(TerminalCounts.different_terminals, len(np.unique(mine.terminal_id)))
    ctx.count(TerminalCounts.terminal_misfits, int((~same).sum()))


def terminal_checks(ctx: Context, totals: Totals) -> list[Check]:
    """Each terminal is one device, where 2B put it, and drew what it says of itself."""
    seen = TerminalCounts(totals)
    terminals = sum(file.rows for file in ctx.files(_TABLE))
    devices, different, misfits = seen.terminal_devices, seen.different_terminals, seen.terminal_misfits
    return [
        Check(
            "every terminal is one device",
            devices == different == terminals and misfits == 0,
            {"devices": devices, "different": different, "misfits": misfits},
            {"devices": terminals, "different": terminals, "misfits": 0},
            f"by terminal_id, with merchant, site, country and type of {_TABLE}",
        ),
        ledger_check(totals, SYSTEM, devices, 1),
        ledger_check(totals, TRAITS, devices, 2),
    ]
