"""How addresses and their links find their draws."""

from __future__ import annotations

import numpy as np

from sim.recipes.drawn import CHOICE, UNIFORM, WEIGHT, Drawn, Explained, Find, MadeOf, Told, Word, at
from sim.segments.entities_6a.draw_keys import devices_of, ordinals, rows_by_id
from sim.segments.entities_6a.draw_shares import draw_words, gated_weights, share_told
from sim.segments.entities_6a.network_tables import integers, matrix, numbers, permille_word
from sim.segments.entities_6a.s5_network.pools import wish
from sim.segments.entities_6a.s5_network.targets import ip_targets
from sim.state.context import Context
from sim.state.declaration import Partition
from sim.state.frames import Array, Frame


def _addresses(ctx: Context, part: Partition, rows: Frame) -> Frame:
    """The address of each row (of the base or of its links): its type, country and `ip_rank` among both's."""
    every = ctx.load("s4_ip_base_6A", part=part.index, columns=("ip_id", "ip_type", "country_iso"))
    ranked = every.with_columns(ip_rank=ordinals(every.country_iso, every.ip_type))
    return rows_by_id(ranked, "ip_id", rows.ip_id).select("ip_type", "country_iso", "ip_rank")


def _all(ctx: Context, part: Partition, rows: Frame) -> Frame:
    return _at(rows, np.arange(len(rows)), _addresses(ctx, part, rows))


def _open(ctx: Context, part: Partition, rows: Frame) -> Frame:
    """Addresses of pools, with the law of their sizes."""
    found, targets = _all(ctx, part, rows), ip_targets(ctx)
    cell = found.country_iso, found.ip_type
    open_ = (found.ip_rank < (targets.offices + targets.shared)[cell].astype(np.uint64)) & (
        targets.links[cell] > 0
    )
    spread = numbers(ctx, "ip_type", ctx.params.ip_prior_6A.degree_sigma)
    pool = found.ip_rank % np.maximum(targets.pools[cell], 1).astype(np.uint64)
    return found.with_columns(pool=pool, idle=np.zeros(len(found)), sigma=spread[found.ip_type]).take(
        np.flatnonzero(open_)
    )


def _dealt(ctx: Context, part: Partition, rows: Frame) -> Frame:
    """Links of parties' devices besides their own home or premises, with the device's `link_number` by kind.

    The links of a country go to its pools in turn, device after device. So the pool of an address tells which
    of its device's links it got.
    """
    every = ctx.load("s4_ip_links_6A", part=part.index, columns=("ip_id", "link_no", "device_id"))
    devices, targets = devices_of(ctx, part=part.index), ip_targets(ctx)
    first, kinds = devices.device_id[0] if len(devices) else np.uint64(1), len(ctx.vocabulary("ip_type"))
    asked = _of_pools(ctx, part, every, devices)
    device = (every.device_id[asked] - first).astype(np.int64)
    kind = _addresses(ctx, part, every.take(asked)).ip_type.astype(np.int64)
    # Links of each device and kind, and how many its country dealt before it.
    count = np.bincount(device * kinds + kind, minlength=len(devices) * kinds).reshape(-1, kinds)
    country = devices.home_country_iso
    before = np.cumsum(count, axis=0) - count
    before -= before[np.searchsorted(country, country)] if len(country) else before
    here = _of_pools(ctx, part, rows, devices)
    links, mine = rows.take(here), _addresses(ctx, part, rows.take(here))
    row = (links.device_id - first).astype(np.int64)
    pools = targets.pools[mine.country_iso, mine.ip_type]
    pool = mine.ip_rank.astype(np.int64) % np.maximum(pools, 1)
    number = (pool - before[row, mine.ip_type]) % np.maximum(pools, 1)
    owner = devices.take(row)
    return at(
        rows,
        here,
        **{name: mine[name] for name in mine},
        pool=pool.astype(np.uint64),
        link_number=number.astype(np.uint64),
        gate=1 + mine.ip_type.astype(np.int64),
        **{name: owner[name] for name in ("device_type", "segment_id", "party_rank", "device_number")},
    )


def _sized(ctx: Context, part: Partition, rows: Frame) -> Frame:
    """Links to addresses of pools, with the law of the addresses' sizes."""
    found = _dealt(ctx, part, rows)
    spread = numbers(ctx, "ip_type", ctx.params.ip_prior_6A.degree_sigma)
    return found.with_columns(idle=np.zeros(len(found)), sigma=spread[found.ip_type])


def _active(ctx: Context, part: Partition, rows: Frame) -> Frame:
    """Links to addresses of pools, with the law of devices' activity."""
    found = _dealt(ctx, part, rows)
    sigma = float(ctx.params.ip_prior_6A.activity_sigma)
    return found.with_columns(idle=np.zeros(len(found)), sigma=np.full(len(found), sigma))


def _of_pools(ctx: Context, part: Partition, links: Frame, devices: Frame) -> Array:
    """Links of parties' devices that are not to their owner's own home or premises: int64."""
    some = np.flatnonzero(links.present("device_id"))
    owner = rows_by_id(devices, "device_id", links.device_id[some])
    kind = _addresses(ctx, part, links.take(some)).ip_type
    home, office = ctx.code("ip_type", "RESIDENTIAL"), ctx.code("ip_type", "CORPORATE")
    own = np.where(owner.party_type == ctx.code("party_type", "RETAIL"), home, office)
    found: Array = some[owner.owned & (kind != own)]
    return found


def _first_pool(find: Find) -> Find:
    """The same, in pool 0 of its kind: where sampling of the devices begins."""

    def found(ctx: Context, part: Partition, rows: Frame) -> Frame:
        fields = find(ctx, part, rows)
        return fields.with_columns(pool=np.zeros(len(fields), dtype=np.uint64))

    return found


def _merchants(ctx: Context, part: Partition, rows: Frame) -> Frame:
    return at(rows, np.flatnonzero(rows.present("merchant_id")))


def _at(rows: Frame, index: Array, address: Frame) -> Frame:
    return at(rows, index, **{name: address[name] for name in address})


def _share_of_pool(ctx: Context, part: Partition, rows: Frame) -> list[str]:
    """Size of an address among those of its pool, and the links that they share."""
    found, targets = _open(ctx, part, rows), ip_targets(ctx)
    if len(found) == 0:
        return []
    country, kind, pool = int(found.country_iso[0]), int(found.ip_type[0]), int(found.pool[0])
    offices, pools = int(targets.offices[country, kind]), int(targets.pools[country, kind])
    open_, links = offices + int(targets.shared[country, kind]), int(targets.links[country, kind])
    rank = np.arange(pool, open_, pools, dtype=np.uint64)
    # Premises have their owner's link; any other address gets one first, the rest goes by size.
    quota = len(range(pool, links, pools)) - int((rank >= offices).sum())
    holders = {
        "ip_rank": rank,
        "country_name": ctx.name_hashes("country")[np.full(len(rank), country)],
        "ip_type_name": ctx.name_hashes("ip_type")[np.full(len(rank), kind)],
    }
    weight = gated_weights(ctx, "6A.ip", holders, 1, (0.0, float(found.sigma[0])))
    names = f"{ctx.vocabulary('country')[country]}, {ctx.vocabulary('ip_type')[kind]}"
    return [
        f"pool     {names}, {pool}: {len(rank):,} addresses have {len(range(pool, links, pools)):,} links",
        *share_told(weight, (int(found.ip_rank[0]) - pool) // pools, quota, "links beyond one each", "pool"),
    ]


def _share_of_device(ctx: Context, part: Partition, rows: Frame) -> list[str]:
    """What a device asked for among all devices of its country, and the links that they share."""
    found = _dealt(ctx, part, rows)
    if len(found) == 0:
        return []
    prior, country, kind = ctx.params.ip_prior_6A, int(found.country_iso[0]), int(found.ip_type[0])
    every = devices_of(ctx, part=part.index)
    devices = every.take(np.flatnonzero(every.owned & (every.country_iso == country)))
    holders = {
        **{name: devices[name] for name in ("party_rank", "device_type", "device_number")},
        "country_name": ctx.name_hashes("country")[devices.country_iso],
        "segment_name": ctx.name_hashes("segment")[devices.segment_id],
    }
    activity = gated_weights(ctx, "6A.ip_demand", holders, 0, (0.0, float(prior.activity_sigma)))
    gate = draw_words(ctx, "6A.ip_demand", holders, 1 + kind)
    taste = matrix(ctx, "device_type", "ip_type", prior.affinity)[devices.device_type, kind]
    may = taste > 0
    if kind == ctx.code("ip_type", "CORPORATE"):
        may &= devices.party_type == ctx.code("party_type", "RETAIL")
    idle = permille_word(integers(ctx, "ip_type", prior.idle_permille))[kind]
    asked = np.where(may, wish(activity.astype(np.float64), taste, gate, idle), np.uint64(0))
    quota = int(ip_targets(ctx).links[country, kind])
    names = f"{ctx.vocabulary('country')[country]}, {ctx.vocabulary('ip_type')[kind]}"
    mine = int(np.flatnonzero(devices.device_id == found.device_id[0])[0])
    return [
        f"kind     {names}: {int(may.sum()):,} devices have {quota:,} links",
        *share_told(asked, mine, quota, "links", "country"),
    ]


_BASE, _LINKS = "s4_ip_base_6A", "s4_ip_links_6A"
_SIZE = (Word(1, WEIGHT, "size of the address beside the others of its pool"),)
_POOL = (Word(1, UNIFORM, "where systematic sampling of the pool's addresses begins"),)

_DRAWS = (
    Drawn(_BASE, "6A.ip", (Word(0, CHOICE, "asn_class", "asn_class"),), _all),
    *(Drawn(dataset, "6A.ip", _SIZE, _open if dataset == _BASE else _sized) for dataset in (_BASE, _LINKS)),
    *(
        Drawn(dataset, "6A.ip_start", _POOL, _open if dataset == _BASE else _dealt)
        for dataset in (_BASE, _LINKS)
    ),
    Drawn(
        _LINKS,
        "6A.ip_demand",
        (
            Word(0, WEIGHT, "how active the device is"),
            Word("gate", UNIFORM, "whether it meets addresses of the kind"),
        ),
        _active,
    ),
    Drawn(
        _LINKS,
        "6A.ip_start",
        (Word(0, UNIFORM, "where systematic sampling of the country's devices begins"),),
        _first_pool(_dealt),
    ),
    Drawn(_LINKS, "6A.ip_link", (Word(0, UNIFORM, "ip_id: place among the links of the pool"),), _dealt),
    Drawn(
        _LINKS,
        "6A.hosting",
        (Word(0, CHOICE, "ip_id: one of the country's hosting addresses", "ip_id"),),
        _merchants,
    ),
)

_PARTY = {"party_id": "party_id"}

_MADE_OF = (
    MadeOf(_BASE, _LINKS, "the links", {"ip_id": "ip_id"}),
    MadeOf(_LINKS, _BASE, "its address", {"ip_id": "ip_id"}),
    MadeOf("s4_entity_neighbourhoods_6A", "s2_account_base_6A", "accounts", {"owner_party_id": "party_id"}),
    MadeOf(
        "s4_entity_neighbourhoods_6A", "s3_instrument_base_6A", "instruments", {"owner_party_id": "party_id"}
    ),
    MadeOf(
        "s4_entity_neighbourhoods_6A", "s4_device_base_6A", "devices_owned", {"primary_party_id": "party_id"}
    ),
    MadeOf("s4_entity_neighbourhoods_6A", "s4_device_links_6A", "links of devices", _PARTY),
    MadeOf("s4_entity_neighbourhoods_6A", _LINKS, "links of addresses", _PARTY),
    MadeOf("s4_network_summary_6A", _BASE, "the addresses", {"region_id": "region_id", "ip_type": "ip_type"}),
)

EXPLAINED = Explained(_DRAWS, _MADE_OF, (Told(_BASE, _share_of_pool), Told(_LINKS, _share_of_device)))
