"""The addresses of a partition and everybody who uses them: from it are made tables, checks and `explain`."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sim.recipes.horizon import Horizon
from sim.recipes.join import look_up
from sim.recipes.tables import ALIAS_BUILD_NEEDS, ALIAS_PICK_NEEDS, build_alias
from sim.recipes.words import WORDS_NEEDS, word, words
from sim.segments.entities_6a.circle_members import CIRCLE_ROWS_NEEDS, circle_rows
from sim.segments.entities_6a.country_partitions import span
from sim.segments.entities_6a.households import (
    HOUSEHOLDS_NEEDS,
    Households,
    addresses_needed,
    households_of,
    spread_evenly,
)
from sim.segments.entities_6a.s4_devices.rows import DEVICE_CELLS_NEEDS, cells_of, fields_of
from sim.segments.entities_6a.s5_network.asking import Asking, Ground
from sim.segments.entities_6a.s5_network.days import OPEN, Days, change_day, lines, lives_of
from sim.segments.entities_6a.s5_network.guests import GUESTS_NEEDS, Guests, guests_of, links_away
from sim.segments.entities_6a.s5_network.hubs import HUBS_NEEDS, hub_days, hub_links, in_use, successors
from sim.segments.entities_6a.s5_network.inward import (
    INWARD_NEEDS,
    NetworkTargets,
    horizon_of,
    network_targets,
)
from sim.segments.entities_6a.s5_network.links import Users
from sim.segments.entities_6a.s5_network.places import (
    PLACES_NEEDS,
    Atlas,
    atlas_of,
    cities_of,
    owned_places,
)
from sim.segments.entities_6a.s5_network.pools import IP_POOLS_NEEDS, pool_links
from sim.segments.entities_6a.s5_network.rows import IP_ROWS_NEEDS, Addresses, addresses_of, first_address
from sim.segments.entities_6a.s5_network.spots import Metros, metros_of
from sim.segments.entities_6a.terminals import (
    TERMINAL_SITES_NEEDS,
    in_countries,
    online_merchants,
    terminal_sites,
)
from sim.state.context import Context, PartitionContext
from sim.state.declaration import ROW_LEVEL, Needs, Partition
from sim.state.frames import Array, Frame

HOSTING, LEASE = "6A.hosting", "6A.ip_lease"
_DEVICE = (
    "device_id",
    "device_type",
    "primary_party_id",
    "primary_site_id",
    "home_country_iso",
    "shared_household_id",
    "first_seen",
    "last_seen",
    "predecessor_device_id",
)

NETWORK_NEEDS = Needs(
    reads={
        "s1_party_base_6A": ROW_LEVEL,
        "s1_party_summary_6A": ROW_LEVEL,
        "s4_device_base_6A": ROW_LEVEL,
        "site_locations": ROW_LEVEL,
    },
    streams=(HOSTING, LEASE),
    uses=(
        ALIAS_BUILD_NEEDS,
        ALIAS_PICK_NEEDS,
        CIRCLE_ROWS_NEEDS,
        DEVICE_CELLS_NEEDS,
        GUESTS_NEEDS,
        HOUSEHOLDS_NEEDS,
        HUBS_NEEDS,
        INWARD_NEEDS,
        IP_POOLS_NEEDS,
        IP_ROWS_NEEDS,
        PLACES_NEEDS,
        TERMINAL_SITES_NEEDS,
        WORDS_NEEDS,
    ),
)


@dataclass(frozen=True)
class Network:
    """A partition of whole countries.

    Attributes:
        parties: `party_id`, `country_iso`, `party_type`, `household_id`, `home_city_id`, home coordinates.
        homes: Their households.
        devices: Columns of s4_device_base_6A.
        owner: int64, one a device: row of its party, -1 for terminals.
        targets: Targets of the world.
        addresses: Addresses.
        users: Who uses them.
        guests: Devices from other countries, rows of `users.dealt` after the partition's own.
        away: Links abroad of its own devices, by device and kind.
        owners: Column -> positions of addresses that have such an owner, and its id.
        atlas: Cities of the snapshot.
        city: uint32, one an address.
        metros: Metros where its parties live and its guests go.
    """

    parties: Frame
    homes: Households
    devices: Frame
    owner: Array
    targets: NetworkTargets
    addresses: Addresses
    users: Users
    guests: Guests
    away: Frame
    owners: dict[str, tuple[Array, Array]]
    atlas: Atlas
    city: Array
    metros: Metros


def network_of(ctx: PartitionContext, part: Partition) -> Network:
    """Make the network of a partition."""
    columns = ("party_id", "country_iso", "party_type", "household_id", "home_city_id", "home_lat_deg")
    parties = ctx.load("s1_party_base_6A", part=part.index, columns=columns)
    devices = ctx.load("s4_device_base_6A", part=part.index, columns=_DEVICE)
    targets, homes, horizon = network_targets(ctx), households_of(ctx, parties), horizon_of(ctx)
    addresses, atlas = addresses_of(ctx, targets, span(part)), atlas_of(ctx)
    sites = in_countries(terminal_sites(ctx), "legal_country_iso", span(part))
    mine = np.flatnonzero(devices.present("primary_party_id"))
    owner = np.full(len(devices), -1, dtype=np.int64)
    owner[mine] = (
        (devices.primary_party_id[mine] - parties.party_id[0]).astype(np.int64) if len(mine) else mine
    )
    household = homes.of_party[owner[mine]]
    needed = addresses_needed(ctx, homes, np.bincount(household, minlength=len(homes.size)))
    kinds = (ctx.code("ip_type", "RESIDENTIAL"), ctx.code("ip_type", "CORPORATE"))
    first = first_address(homes, needed, addresses, kinds)
    site_ip = _site_addresses(targets, addresses, sites, kinds[1])
    own = np.empty(len(devices), dtype=np.int64)
    own[mine] = first[household] + spread_evenly(household, needed)
    terminal = np.flatnonzero(owner < 0)
    own[terminal] = site_ip[_site_of(devices, sites, terminal)]
    party_ip = first[homes.of_party] + spread_evenly(homes.of_party, needed)
    head = homes.member[homes.start] if len(homes.member) else homes.member
    home_metro = atlas.metro_of(parties.home_city_id)
    guests, away = guests_of(ctx, span(part)), links_away(ctx, part, devices)
    metros = metros_of(ctx, [(parties.country_iso, home_metro), (guests.country, guests.metro)])
    metro = metros.row(parties.country_iso, home_metro)
    premises = np.flatnonzero(~homes.private)
    ground = Ground(
        targets,
        addresses,
        metros,
        np.repeat(metro[head[premises]], needed[premises]),
        span(part),
        horizon,
        len(devices),
    )
    asking = _asking(ctx, devices, mine, owner[mine], parties, homes, metro, away)
    used = np.bincount(own, minlength=len(addresses.kind))
    dealt = pool_links(ctx, ground, asking, guests, used)
    for links in dealt:
        used[links.ip] += links.degree
    circles = circle_rows(ctx, int(parties.party_id[0]) if len(parties) else 1, len(parties))
    private = parties.party_type == ctx.code("party_type", "RETAIL")
    hub_device, hub_ip, since = hub_links(ctx, circles, owner, private, addresses.kind, own, dealt, used)
    renewed, days = _lines(ctx, targets, addresses, horizon, kinds[0])
    life = lives_of(devices)
    met = hub_days(since, days.take(hub_ip), np.isin(addresses.kind[hub_ip], kinds))
    hub_device = in_use(hub_device, life, met, successors(devices))
    # Who begins when its home has the second address has never been on the first.
    late = np.flatnonzero((renewed[own] >= 0) & (life.first > days.last[own]))
    own[late] = renewed[own[late]]
    hosted, merchant = _hosted(ctx, targets, addresses, part)
    shops = np.concatenate([site_ip, hosted])
    order = np.argsort(shops, kind="stable")
    users = Users(
        own,
        dealt,
        party_ip,
        shops[order],
        np.concatenate([sites.merchant_id, merchant])[order],
        renewed,
        days,
        hub_device,
        hub_ip,
        met,
        life,
    )
    located = ctx.load("site_locations", columns=("site_id", "city_id")).sort("site_id")
    site_city = located.city_id[look_up(located.site_id, sites.site_id)]
    places = owned_places(
        addresses, (first, needed, parties.home_city_id[head]), renewed, (site_ip, site_city)
    )
    owners = _owners(homes, needed, first, parties, renewed, sites, site_ip)
    city = cities_of(ctx, ground, places, dealt)
    return Network(
        parties, homes, devices, owner, targets, addresses, users, guests, away, owners, atlas, city, metros
    )


def _asking(
    ctx: Context,
    devices: Frame,
    mine: Array,
    owner: Array,
    parties: Frame,
    homes: Households,
    metro: Array,
    away: Frame,
) -> Asking:
    """Devices of parties as those who ask for addresses."""
    summary = ctx.load("s1_party_summary_6A")
    cells = cells_of(ctx, summary, np.zeros((len(summary), 0), dtype=np.uint64), parties)
    own = devices.take(mine)
    address, cell = fields_of(ctx, own, owner, cells)
    kinds = len(ctx.vocabulary("ip_type"))
    abroad = np.bincount(away.device * kinds + away.ip_type, minlength=len(devices) * kinds)
    return Asking(
        mine,
        owner,
        len(parties),
        own.device_type,
        own.home_country_iso,
        metro[owner],
        homes.private[homes.of_party[owner]],
        abroad.reshape(-1, kinds)[mine],
        address,
        cell,
        lives_of(own),
    )


def _lines(
    ctx: PartitionContext, targets: NetworkTargets, addresses: Addresses, horizon: Horizon, home: int
) -> tuple[Array, Days]:
    """Second address of each home (position, -1 for none), and days of addresses that somebody owns.

    The homes of a country with the smallest words change.
    """
    rank, country = addresses.rank, addresses.country
    leased = np.flatnonzero(addresses.kind == home)
    passed, turn = (np.zeros(len(rank), dtype=np.uint64) for _ in range(2))
    passed[leased], turn[leased] = words(ctx, LEASE, ip_rank=rank[leased], ip_cell=addresses.entity[leased])
    days = lines(ctx, horizon, (addresses.words[5], passed), addresses.kind == home)
    renewed = np.full(len(rank), -1, dtype=np.int64)
    first = leased[rank[leased] < targets.homes[country[leased], home]]
    order = first[np.lexsort((addresses.size_word[first], country[first]))]
    place = np.arange(len(order)) - np.searchsorted(country[order], country[order])
    changes = np.sort(order[place < targets.renewed[country[order], home]])
    after = np.arange(len(changes)) - np.searchsorted(country[changes], country[changes])
    second = addresses.start[country[changes], home] + targets.homes[country[changes], home] + after
    renewed[changes] = second
    day = change_day(ctx, horizon, turn[changes]).astype(np.int32)
    days.last[changes], days.first[second] = day - 1, day
    days.last[second] = OPEN
    return renewed, days


def _site_addresses(targets: NetworkTargets, addresses: Addresses, sites: Frame, kind: int) -> Array:
    """Position of each site's address: int64.

    Sites have the last addresses of their country and kind, in the order of sites.
    """
    country = sites.legal_country_iso
    before = (targets.offices + targets.shared)[:, kind]
    rank = np.arange(len(sites)) - np.searchsorted(country, country)
    position: Array = addresses.start[country, kind] + before[country] + rank
    return position


def _site_of(devices: Frame, sites: Frame, terminal: Array) -> Array:
    """Row of the site of each terminal: int64."""
    order = np.argsort(sites.site_id, kind="stable")
    return order[look_up(sites.site_id[order], devices.primary_site_id[terminal])]


def _hosted(
    ctx: PartitionContext, targets: NetworkTargets, addresses: Addresses, part: Partition
) -> tuple[Array, Array]:
    """Address and id of each merchant without terminals: any of its country's hosting addresses.

    All hosting addresses of a country are equally likely.
    """
    kind = ctx.code("ip_type", "DATACENTRE")
    online = in_countries(online_merchants(ctx, terminal_sites(ctx)), "home_country_iso", span(part))
    x = word(ctx, HOSTING, merchant_id=online.merchant_id)
    here = np.unique(online.home_country_iso)
    size = targets.shared[here, kind]
    tables = build_alias(
        ctx, np.append(0, np.cumsum(size)).astype(np.uint64), np.ones(int(size.sum()), dtype=np.uint64)
    )
    group = look_up(here, online.home_country_iso)
    row = tables.pick(ctx, x, group) - tables.offsets[:-1].astype(np.int64)[group] if len(online) else group
    return addresses.start[online.home_country_iso, kind] + row, online.merchant_id


def _owners(
    homes: Households,
    needed: Array,
    first: Array,
    parties: Frame,
    renewed: Array,
    sites: Frame,
    site_ip: Array,
) -> dict[str, tuple[Array, Array]]:
    """Who an address belongs to: households, organisations, merchants."""
    household = np.repeat(np.arange(len(needed)), needed)
    position = first[household] + np.arange(len(household)) - np.repeat(np.cumsum(needed) - needed, needed)
    private = homes.private[household]
    head = homes.member[homes.start[household]]
    home, family = position[private], parties.household_id[head[private]]
    again = renewed[home] >= 0
    return {
        "owner_household_id": (
            np.concatenate((home, renewed[home[again]])),
            np.concatenate((family, family[again])),
        ),
        "owner_party_id": (position[~private], parties.party_id[head[~private]]),
        "owner_merchant_id": (site_ip, sites.merchant_id),
    }
