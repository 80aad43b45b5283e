"""6A.S4: the devices of parties and the terminals of merchants, and everything a device is linked to.

Totals of every cell are exact (see `targets.py`); who replaces a device inside the horizon comes on top
(`life.py`, `successors.py`). Inside a cell, devices go to parties by zero-gated
lognormal weights, and no party exceeds its cap. Some devices are shared inside the owner's household or
circle (6A.S9). Devices reach accounts and instruments of their owner.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from sim.recipes.terms import COUNTRY_TERMS_NEEDS, region_of_country
from sim.recipes.words import WORDS_NEEDS, words
from sim.segments.entities_6a.circle_members import CIRCLE_ROWS_NEEDS, circle_rows
from sim.segments.entities_6a.country_partitions import COUNTRY_PARTITIONS_NEEDS, country_ranges, span
from sim.segments.entities_6a.households import households_of
from sim.segments.entities_6a.link_rules import require_consistent
from sim.segments.entities_6a.network_tables import NETWORK_TABLES_NEEDS
from sim.segments.entities_6a.payments import check_payments
from sim.segments.entities_6a.s4_devices.assembled import ASSEMBLED_NEEDS, all_devices, owned_devices
from sim.segments.entities_6a.s4_devices.checks import (
    DEVICE_CHECKS_NEEDS,
    DeviceCounts,
    count_devices,
    device_checks,
    foreign_links,
    summaries,
)
from sim.segments.entities_6a.s4_devices.life import (
    DEVICE_LIFE_NEEDS,
    devices_by_country,
    life_law,
    replaced_targets,
)
from sim.segments.entities_6a.s4_devices.life_checks import (
    DEVICE_LIFE_CHECKS_NEEDS,
    DeviceLifeCounts,
    count_lives,
    life_checks,
)
from sim.segments.entities_6a.s4_devices.links import (
    DEVICE_LINKS_NEEDS,
    LinkCounts,
    Reach,
    holdings_of,
    link_rows,
    reach_of,
)
from sim.segments.entities_6a.s4_devices.policy import require_possible
from sim.segments.entities_6a.s4_devices.rows import DEVICE_CELLS_NEEDS, OWNED_NEEDS, cells_of, expand, owned
from sim.segments.entities_6a.s4_devices.sharing import SHARING_NEEDS, also_on_successors, shared_in_circles
from sim.segments.entities_6a.s4_devices.targets import DEVICE_TARGETS_NEEDS, device_targets
from sim.segments.entities_6a.s4_devices.traits import TRAITS_NEEDS, TraitCounts, count_traits
from sim.segments.entities_6a.s4_devices.wallet_cards import cards_of
from sim.segments.entities_6a.s4_devices.wallets import (
    USE,
    WALLETS_NEEDS,
    WalletCounts,
    count_tokens,
    token_rows,
    tokens_of,
)
from sim.segments.entities_6a.tenure import NEVER
from sim.segments.entities_6a.terminals import (
    TERMINAL_ROWS_NEEDS,
    TERMINAL_SITES_NEEDS,
    TerminalCounts,
    count_terminals,
    in_countries,
    online_merchants,
    terminal_rows,
    terminal_sites,
    terminals_of,
)
from sim.state.context import Context, PartitionContext
from sim.state.declaration import ROW_LEVEL, Check, Frames, Partition, State
from sim.state.frames import Array, Frame
from sim.state.totals import Totals

DEVICE = "6A.device"
_PARTY = ("party_id", "country_iso", "party_type", "household_id")
_INSTRUMENT = (
    "instrument_id",
    "owner_party_id",
    "instrument_type",
    "scheme",
    "co_badge_scheme",
    "valid_from",
    "valid_to",
)

STATE = State(
    id="6A.S4",
    title="Devices",
    reads={
        "s1_party_base_6A": ROW_LEVEL,
        "s2_account_base_6A": ROW_LEVEL,
        "s3_instrument_base_6A": ROW_LEVEL,
    },
    writes=(
        "s4_device_base_6A",
        "s4_device_links_6A",
        "s4_wallet_tokens_6A",
        "s4_place_summary_6A",
        "s4_device_summary_6A",
    ),
    streams=(DEVICE, USE),
    counts=(DeviceCounts, DeviceLifeCounts, LinkCounts, TerminalCounts, TraitCounts, WalletCounts),
    uses=(
        ASSEMBLED_NEEDS,
        CIRCLE_ROWS_NEEDS,
        COUNTRY_PARTITIONS_NEEDS,
        COUNTRY_TERMS_NEEDS,
        DEVICE_CELLS_NEEDS,
        DEVICE_CHECKS_NEEDS,
        DEVICE_LIFE_CHECKS_NEEDS,
        DEVICE_LIFE_NEEDS,
        DEVICE_LINKS_NEEDS,
        DEVICE_TARGETS_NEEDS,
        NETWORK_TABLES_NEEDS,
        OWNED_NEEDS,
        SHARING_NEEDS,
        TERMINAL_ROWS_NEEDS,
        TERMINAL_SITES_NEEDS,
        TRAITS_NEEDS,
        WALLETS_NEEDS,
        WORDS_NEEDS,
    ),
)


def preflight(ctx: Context) -> None:
    """Refuse policies that contradict themselves."""
    check_payments(ctx)
    require_possible(ctx)
    require_consistent(ctx, "device_roles")


def plan(ctx: Context) -> list[Partition]:
    """One partition a file of parties: whole countries; each knows the id of its first device."""
    summary, units = device_targets(ctx)
    devices = devices_by_country(ctx, summary, units)
    devices = (devices + replaced_targets(ctx, life_law(ctx), devices)).sum(axis=1)
    devices += np.bincount(terminals_of(ctx).legal_country_iso, minlength=len(devices))
    before = np.cumsum(devices) - devices
    return [
        Partition(
            index, spec={"countries": [first, stop], "first_device": int(before[first]) + 1}, weight=rows
        )
        for index, (first, stop, rows) in enumerate(country_ranges(ctx, summary))
    ]


def compute(ctx: PartitionContext, part: Partition) -> Frames:
    """Devices and links of a run of countries."""
    parties = ctx.load("s1_party_base_6A", part=part.index, columns=_PARTY)
    summary, units = device_targets(ctx)
    cells = cells_of(ctx, summary, units, parties)
    made = expand(ctx, owned(ctx, cells), cells)
    homes = households_of(ctx, parties)
    sites = in_countries(terminal_sites(ctx), "legal_country_iso", span(part))
    standing = terminal_rows(ctx, in_countries(terminals_of(ctx), "legal_country_iso", span(part)))
    x = words(ctx, DEVICE, device=made.device, party_cell=made.party_cell)
    owner_row = np.int64(parties.party_id[0] if len(parties) else 1)
    accounts = ctx.load("s2_account_base_6A", part=part.index, columns=("account_id", "owner_party_id"))
    instruments = ctx.load("s3_instrument_base_6A", part=part.index, columns=_INSTRUMENT)
    law, lived = life_law(ctx), parties.country_iso
    begun = owned_devices(ctx, made, cells, x[0], lived, (law, devices_by_country(ctx, summary, units)))
    mine, source = begun.frame, begun.source
    cards = cards_of(ctx, instruments, instruments.owner_party_id.astype(np.int64) - owner_row)
    use = words(ctx, USE, device=made.device, party_cell=made.party_cell)
    purse = tuple(word[source] for word in (*use, x[6], x[7]))
    tokens = tokens_of(ctx, mine, mine.os_family, lived, purse, cards, begun.made)
    held = holdings_of(
        accounts.owner_party_id.astype(np.int64) - owner_row, accounts.account_id, len(parties)
    )
    reach = reach_of(ctx, mine, tuple(word[source] for word in x[:6]), homes, held, tokens.count)
    del x, use, purse, source  # room is scarce here: what has been used up goes
    where = sites.legal_country_iso[standing.site]
    country = np.concatenate([lived[mine.owner], where])
    order = np.argsort(country, kind="stable")
    devices = all_devices(ctx, begun, lived, standing, (where, law, sites), order)
    reach = _padded(reach, len(standing), order)
    del made, cells, country, order
    base = _base(ctx, part, devices, parties, sites, reach)
    sources = {
        "device_id": base.device_id,
        "party_id": parties.party_id,
        "merchant_id": base.primary_merchant_id,
    }
    circles = circle_rows(ctx, int(owner_row), len(parties))
    guests = shared_in_circles(ctx, circles, devices.owner, devices.device_type, homes.of_party)
    guests = also_on_successors(guests, devices.before)
    links = link_rows(ctx, devices, reach, sources, homes, held, cards.id[tokens.card], guests)
    del held, guests, circles, sources
    place = np.flatnonzero(devices.owner >= 0)
    wallet = token_rows(ctx, tokens, cards, mine, begun.before >= 0, base, place)
    foreign = foreign_links(accounts, "account_id", base, links)
    ctx.count(DeviceCounts.foreign, foreign + foreign_links(instruments, "instrument_id", base, links))
    del accounts, instruments, begun, mine, tokens, place
    count_tokens(ctx, wallet, cards, base, links, int(owner_row))
    count_devices(ctx, parties, devices, base, links, reach, homes, sites)
    count_traits(ctx, base)
    count_terminals(ctx, base)
    count_lives(ctx, base, devices)
    online = in_countries(online_merchants(ctx, terminal_sites(ctx)), "home_country_iso", span(part))
    ctx.count(
        DeviceCounts.places["online_merchants"],
        np.bincount(online.home_country_iso, minlength=len(ctx.vocabulary("country"))),
    )
    return {"s4_device_base_6A": base, "s4_device_links_6A": links, "s4_wallet_tokens_6A": wallet}


def _padded(reach: Reach, terminals: int, order: Array) -> Reach:
    """Reach of all devices in the order of their ids; terminals reach nothing else."""
    none = np.zeros(terminals, dtype=np.int64)
    return replace(
        reach, **{name: np.concatenate([values, none])[order] for name, values in vars(reach).items()}
    )


def _base(ctx: Context, part: Partition, devices: Frame, parties: Frame, sites: Frame, reach: Reach) -> Frame:
    """Rows of s4_device_base_6A."""
    owned_by_party = devices.owner >= 0
    row, site = np.maximum(devices.owner, 0), np.maximum(devices.site, 0)
    shared = reach.users > 0
    none = np.zeros(len(devices), dtype=np.uint64)
    valid = {
        "primary_party_id": owned_by_party,
        "primary_merchant_id": ~owned_by_party,
        "primary_site_id": ~owned_by_party,
        "terminal_id": ~owned_by_party,
        "shared_household_id": shared,
        "last_seen": devices.last != NEVER,
        "predecessor_device_id": devices.before >= 0,
    }
    ids = np.arange(len(devices), dtype=np.uint64) + np.uint64(part.spec["first_device"])
    return Frame(
        {
            "device_id": ids,
            "device_type": devices.device_type,
            "os_family": devices.os_family,
            **{name: devices[name] for name in ("os_version", "device_model", "browser", "language")},
            "primary_party_id": np.where(owned_by_party, parties.party_id[row], none)
            if len(parties)
            else none,
            "primary_merchant_id": np.where(owned_by_party, none, sites.merchant_id[site])
            if len(sites)
            else none,
            "primary_site_id": np.where(owned_by_party, none, sites.site_id[site]) if len(sites) else none,
            "terminal_id": devices.terminal_id,
            "home_country_iso": devices.country,
            "home_region_id": region_of_country(ctx)[devices.country],
            "shared_household_id": np.where(shared, parties.household_id[row], none)
            if len(parties)
            else none,
            "first_seen": devices.first,
            "last_seen": np.where(devices.last != NEVER, devices.last, np.int32(0)),
            "predecessor_device_id": np.where(devices.before >= 0, ids[devices.before], none)
            if len(devices)
            else none,
        },
        valid,
    )


def finish(ctx: Context, totals: Totals) -> Frames:
    """Both summaries."""
    return summaries(ctx, totals)


def checks(ctx: Context, totals: Totals) -> list[Check]:
    """See `device_checks` and `life_checks`."""
    return [*device_checks(ctx, totals), *life_checks(ctx, totals)]
