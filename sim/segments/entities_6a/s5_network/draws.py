"""How addresses and their links find their draws.

Which pool of which metro dealt a link is nothing that a row says, so the partition's network is made again.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from sim.recipes.drawn import CHOICE, UNIFORM, WEIGHT, Drawn, Explained, MadeOf, Told, Word, at
from sim.recipes.join import match
from sim.segments.entities_6a.country_partitions import span
from sim.segments.entities_6a.draw_keys import devices_of, ordinals, rows_by_id
from sim.segments.entities_6a.draw_shares import draw_words, gated_weights, share_told
from sim.segments.entities_6a.network_tables import integers, matrix, numbers, permille_word
from sim.segments.entities_6a.s5_network.asking import wish
from sim.segments.entities_6a.s5_network.guests import guests_of
from sim.segments.entities_6a.s5_network.inward import network_targets
from sim.segments.entities_6a.s5_network.network import network_of
from sim.state.context import Context
from sim.state.declaration import Partition
from sim.state.frames import Array, Frame, concat

_HALF = np.uint64(32)


def _addresses(ctx: Context, part: Partition, rows: Frame) -> Frame:
    """The address of each row (of the base or of its links): its type, country and `ip_rank` among both's."""
    columns = ("ip_id", "ip_type", "country_iso", "owner_household_id")
    every = ctx.load("s4_ip_base_6A", part=part.index, columns=columns)
    ranked = every.with_columns(
        ip_rank=ordinals(every.country_iso, every.ip_type), home=every.present("owner_household_id")
    )
    return rows_by_id(ranked, "ip_id", rows.ip_id).select("ip_type", "country_iso", "ip_rank", "home")


def _all(ctx: Context, part: Partition, rows: Frame) -> Frame:
    return _at(rows, np.arange(len(rows)), _addresses(ctx, part, rows))


def _owned(ctx: Context, part: Partition, rows: Frame) -> Frame:
    """Links of devices and parties to their own line, and of merchants."""
    own = ~np.isin(np.arange(len(rows)), _dealt(ctx, part, rows).row)
    return _at(rows, np.flatnonzero(own), _addresses(ctx, part, rows).take(own))


def _homes(ctx: Context, part: Partition, rows: Frame) -> Frame:
    found = _addresses(ctx, part, rows)
    return _at(rows, np.flatnonzero(found.home), found.take(found.home))


def _anywhere(ctx: Context, part: Partition, rows: Frame) -> Frame:
    """Addresses whose city is drawn."""
    law, kinds = ctx.params.ip_place_prior_6A.same_metro_permille, ctx.vocabulary("ip_type")
    drawn = np.array([name not in law and name != "RESIDENTIAL" for name in kinds])
    found = _addresses(ctx, part, rows)
    some = drawn[found.ip_type]
    return _at(rows, np.flatnonzero(some), found.take(some))


def _at(rows: Frame, index: Array, address: Frame) -> Frame:
    return at(rows, index, **{name: address[name] for name in ("ip_type", "country_iso", "ip_rank")})


@lru_cache(maxsize=1)
def _every_dealt(ctx: Context, index: int, span: tuple[int, int]) -> Frame:
    """All links of a partition to pools: `ip` (position), `device_id`, and how they were dealt."""
    part = Partition(index, spec={"countries": list(span)})
    made = network_of(ctx.for_partition(part), part)
    device, metros = np.concatenate((made.devices.device_id, made.guests.device)), made.metros
    own = len(made.devices)
    frames = []
    for dealt in made.users.dealt:
        frames.append(
            dealt.asked.with_columns(
                ip=np.repeat(dealt.ip, dealt.degree),
                device_id=device[dealt.device],
                guest=dealt.device >= own,
                metro_id=metros.id[dealt.asked.spot],
                kind=np.full(len(dealt.device), made.addresses.kind[dealt.ip[0]]),
            )
        )
    if not frames:
        return Frame({"ip": np.zeros(0, dtype=np.int64)})
    return concat(frames)


def _dealt(ctx: Context, part: Partition, rows: Frame) -> Frame:
    """Links of devices to pools, with how they were dealt."""
    every = _every_dealt(ctx, part.index, span(part))
    base = ctx.load("s4_ip_base_6A", part=part.index, columns=("ip_id",))
    some = np.flatnonzero(rows.present("device_id"))
    if len(every) == 0 or len(some) == 0:
        return at(rows, some[:0])
    devices = np.unique(every.device_id)
    keys = (every.ip.astype(np.uint64) << _HALF) | np.searchsorted(devices, every.device_id).astype(np.uint64)
    order = np.argsort(keys, kind="stable")
    known, device = match(devices, rows.device_id[some])
    wanted = ((rows.ip_id[some] - base.ip_id[0]) << _HALF) | known.astype(np.uint64)
    row, found = match(keys[order], wanted)
    found &= device
    here, mine = some[found], every.take(order[row[found]])
    address = _addresses(ctx, part, rows.take(here))
    return at(
        rows,
        here,
        **{name: address[name] for name in ("ip_type", "country_iso", "ip_rank")},
        **{name: mine[name] for name in mine},
    )


def _local(ctx: Context, part: Partition, rows: Frame) -> Frame:
    """Those of the country's own devices, with the device's key and the law of its activity."""
    found = _dealt(ctx, part, rows)
    if len(found) == 0:
        return found
    found = found.take(np.flatnonzero(~found.guest))
    first = devices_of(ctx, part=part.index)
    owner = rows_by_id(first, "device_id", found.device_id)
    sigma = float(ctx.params.ip_prior_6A.activity_sigma)
    return found.with_columns(
        None,
        link_number=found.number.astype(np.uint64),
        gate=1 + found.ip_type.astype(np.int64),
        idle=np.zeros(len(found)),
        sigma=np.full(len(found), sigma),
        **{name: owner[name] for name in ("device_type", "segment_id", "party_rank", "device_number")},
    )


def _far(ctx: Context, part: Partition, rows: Frame) -> Frame:
    found = _local(ctx, part, rows)
    return found.take(np.flatnonzero(found.far)) if len(found) else found


def _guests(ctx: Context, part: Partition, rows: Frame) -> Frame:
    """Those of devices from other countries, with the key of their links abroad."""
    found = _dealt(ctx, part, rows)
    if len(found) == 0:
        return found
    found, fields = found.take(np.flatnonzero(found.guest)), guests_of(ctx, span(part)).fields
    return found.with_columns(None, **{name: values[found.number] for name, values in fields.items()})


def _sized(ctx: Context, part: Partition, rows: Frame) -> Frame:
    """Links to addresses of pools, with the law of the addresses' sizes."""
    found = _dealt(ctx, part, rows)
    if len(found) == 0:
        return found
    spread = numbers(ctx, "ip_type", ctx.params.ip_prior_6A.degree_sigma)
    return found.with_columns(idle=np.zeros(len(found)), sigma=spread[found.ip_type])


def _merchants(ctx: Context, part: Partition, rows: Frame) -> Frame:
    return at(rows, np.flatnonzero(rows.present("merchant_id")))


def _share_of_pool(ctx: Context, part: Partition, rows: Frame) -> list[str]:
    """Size of the address of a link among those of its pool, and the links that they share."""
    found = _sized(ctx, part, rows)
    if len(found) == 0:
        return []
    every = _every_dealt(ctx, part.index, span(part))
    same = (every.kind == found.kind[0]) & (every.spot == found.spot[0]) & (every.pool == found.pool[0])
    pool = every.take(np.flatnonzero(same))
    base = ctx.load("s4_ip_base_6A", part=part.index, columns=("ip_id", "ip_type", "country_iso"))
    others = np.unique(pool.ip)
    rank = ordinals(base.country_iso, base.ip_type)[others]
    country, kind = int(found.country_iso[0]), int(found.ip_type[0])
    holders = {
        "ip_rank": rank,
        "country_name": ctx.name_hashes("country")[np.full(len(rank), country)],
        "ip_type_name": ctx.name_hashes("ip_type")[np.full(len(rank), kind)],
    }
    weight = gated_weights(ctx, "6A.ip", holders, 1, (0.0, float(found.sigma[0])))
    names = f"{ctx.vocabulary('country')[country]}, {ctx.vocabulary('ip_type')[kind]}"
    where = f"metro {int(found.metro_id[0])}, pool {int(found.pool[0])}"
    mine = int(np.searchsorted(others, found.ip[0]))
    quota = len(pool) - len(others)
    return [
        f"pool     {names}, {where}: {len(rank):,} addresses have {len(pool):,} links",
        *share_told(weight, mine, quota, "links beyond one each", "pool"),
    ]


def _share_of_device(ctx: Context, part: Partition, rows: Frame) -> list[str]:
    """What a device asked for among all devices of its country, and the links that they share."""
    found = _local(ctx, part, rows)
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
    quota = int(network_targets(ctx).links[country, kind])
    names = f"{ctx.vocabulary('country')[country]}, {ctx.vocabulary('ip_type')[kind]}"
    mine = int(np.flatnonzero(devices.device_id == found.device_id[0])[0])
    return [
        f"kind     {names}: {int(may.sum()):,} devices have {quota:,} links in their country",
        *share_told(asked, mine, quota, "links", "country"),
    ]


_BASE, _LINKS = "s4_ip_base_6A", "s4_ip_links_6A"

_DRAWS = (
    Drawn(
        _BASE,
        "6A.ip",
        (
            Word(0, CHOICE, "asn_class", "asn_class"),
            Word(3, CHOICE, "asn: one of the country's networks of the class", "asn"),
            Word(4, UNIFORM, "ip_version"),
        ),
        _all,
    ),
    Drawn(_BASE, "6A.ip", (Word(1, UNIFORM, "whether the home has another address later"),), _homes),
    Drawn(_BASE, "6A.ip", (Word(2, CHOICE, "city_id", "city_id"),), _anywhere),
    Drawn(
        _BASE,
        "6A.ip_lease",
        (
            Word(0, UNIFORM, "how much of the lease had passed when the horizon began"),
            Word(1, UNIFORM, "day on which the home gets another address, if it does"),
        ),
        _homes,
    ),
    Drawn(
        _LINKS,
        "6A.ip",
        (Word(5, UNIFORM, "valid_from: days of the lease, or since premises have their line"),),
        _owned,
    ),
    Drawn(_LINKS, "6A.ip", (Word(1, WEIGHT, "size of the address beside the others of its pool"),), _sized),
    Drawn(
        _LINKS,
        "6A.ip_pool",
        (Word(0, UNIFORM, "where systematic sampling of the pool's addresses begins"),),
        _dealt,
    ),
    Drawn(
        _LINKS,
        "6A.ip_demand",
        (
            Word(0, WEIGHT, "how active the device is"),
            Word("gate", UNIFORM, "whether it meets addresses of the kind"),
        ),
        _local,
    ),
    Drawn(
        _LINKS,
        "6A.ip_ask",
        (Word(0, UNIFORM, "where systematic sampling of the country's devices begins"),),
        _local,
    ),
    Drawn(
        _LINKS,
        "6A.ip_link",
        (
            Word(0, UNIFORM, "ip_id: place among the links of the pool"),
            Word(1, UNIFORM, "ip_id: whether it is where the owner lives"),
        ),
        _local,
    ),
    Drawn(_LINKS, "6A.ip_far", (Word(0, CHOICE, "ip_id: which metro of the country"),), _far),
    Drawn(
        _LINKS,
        "6A.ip_days",
        (
            Word(0, UNIFORM, "whether the link holds all the time"),
            Word(1, UNIFORM, "else for how many days, and from when"),
        ),
        _local,
    ),
    Drawn(_LINKS, "6A.ip_guest", (Word(0, UNIFORM, "ip_id: place among the links of the pool"),), _guests),
    Drawn(
        _LINKS,
        "6A.hosting",
        (Word(0, CHOICE, "ip_id: one of the country's hosting addresses", "ip_id"),),
        _merchants,
    ),
)

_PARTY = {"party_id": "party_id"}
_NEAR = "s4_entity_neighbourhoods_6A"

_MADE_OF = (
    MadeOf(_BASE, _LINKS, "the links", {"ip_id": "ip_id"}),
    MadeOf(_LINKS, _BASE, "its address", {"ip_id": "ip_id"}),
    MadeOf(_LINKS, "s8_links_abroad_6A", "links abroad of the device", {"device_id": "device_id"}),
    MadeOf(_NEAR, "s2_account_base_6A", "accounts", {"owner_party_id": "party_id"}),
    MadeOf(_NEAR, "s3_instrument_base_6A", "instruments", {"owner_party_id": "party_id"}),
    MadeOf(_NEAR, "s4_device_base_6A", "devices_owned", {"primary_party_id": "party_id"}),
    MadeOf(_NEAR, "s4_device_links_6A", "links of devices", _PARTY),
    MadeOf(_NEAR, _LINKS, "links of addresses", _PARTY),
    MadeOf(_NEAR, "s8_links_abroad_6A", "links_abroad", _PARTY),
    MadeOf("s4_network_summary_6A", _BASE, "the addresses", {"region_id": "region_id", "ip_type": "ip_type"}),
    MadeOf("s5_operators_6A", _BASE, "the addresses", {"asn": "asn"}),
)

EXPLAINED = Explained(_DRAWS, _MADE_OF, (Told(_LINKS, _share_of_pool), Told(_LINKS, _share_of_device)))
