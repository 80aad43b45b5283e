"""Roles spread from parties to what they own and use: accounts, devices, addresses.

Targets stay exact, owners decide where they fall.
"""

from __future__ import annotations

import numpy as np

from sim.recipes.groups import run_offsets, run_starts
from sim.segments.entities_6a.draw_keys import ordinals
from sim.segments.entities_6a.s6_fraud_roles.links import Links
from sim.segments.entities_6a.s6_fraud_roles.parties import Roles, clean
from sim.segments.entities_6a.s6_fraud_roles.people import People
from sim.segments.entities_6a.s6_fraud_roles.race import ROLE_RACE_NEEDS, places, winners
from sim.segments.entities_6a.s6_fraud_roles.targets import DEVICE_ORDER, IP_ORDER, by_name
from sim.state.context import Context, PartitionContext
from sim.state.declaration import Needs
from sim.state.frames import Array, Frame
from sim.state.params import Params

DEVICE, IP = "6A.device_role", "6A.ip_role"
NOBODY = np.uint32(0xFFFFFFFF)
UNIT = np.uint64(100)  # own weights are permille x 100, so that none is too small to race
_LEAST = np.uint64(64)

INHERITANCE_NEEDS = Needs(uses=(ROLE_RACE_NEEDS,))
ROLE_INHERITED_NEEDS = Needs(
    config=("fraud_roles_entity_6A",),
    streams=(DEVICE, IP),
    kernels=("entity_hash", "inherit_risk"),
    uses=(INHERITANCE_NEEDS,),
)


def device_roles(
    ctx: PartitionContext,
    devices: Frame,
    links: Links,
    people: People,
    parties: Roles,
    merchant: Array,
    fields: tuple[Array, Array],
    targets: Array,
) -> Roles:
    """Roles of the devices of a piece.

    Args:
        ctx: Context of 6A.S6.
        devices: device_type, home_country_iso, primary_party_id, primary_site_id; sorted by country, owner,
            type.
        links: Who uses them.
        people: Parties of the piece.
        parties: Their roles.
        merchant: int16: role of a terminal's merchant; clean for parties' devices.
        fields: From `device_fields`.
        targets: uint64, roles x countries x types.
    """
    law, count = ctx.params.fraud_roles_entity_6A.device, len(devices)
    found = clean(ctx, count)
    order = np.lexsort((devices.device_type, devices.home_country_iso))
    country, kind = devices.home_country_iso[order], devices.device_type[order]
    offsets = run_offsets(country, kind)
    first = offsets[:-1].astype(np.int64)
    holder, device = fields
    offset = np.concatenate(
        (np.zeros(1, dtype=np.uint64), np.cumsum(links.users_of_device).astype(np.uint64))
    )
    ringed = np.bincount(links.user_device[parties.ringed[links.user_party]], minlength=count) > 0
    trade = by_name(ctx, "merchant_role", law.merchant_permille)
    trade[ctx.code("merchant_role", "CLEAN")] = 1000
    for name in DEVICE_ORDER:
        code = ctx.code("device_role", name)
        shared = np.where(links.users_of_device > 1, np.uint64(law.shared_permille[name]), np.uint64(1000))
        inside = np.where(ringed, np.uint64(law.ring_permille[name]), np.uint64(1000))
        own = shared * inside // np.uint64(1000) * trade[merchant] // np.uint64(1000)
        own = np.minimum(own * UNIT, np.uint64(0xFFFFFFFF))
        weight, source, _ = ctx.kernels.inherit_risk(
            offset=offset,
            link=links.user_party.astype(np.uint32),
            factor=factors(ctx, law.owner_permille[name], parties),
            own=own,
        )
        at = ctx.address(DEVICE, owned_device=device, role=code, device_holder=holder)
        place = places(ctx, at, eligible(weight, found))
        won = order[winners(ctx, place[order], offsets, targets[code][country[first], kind[first]])]
        give(ctx, found, code, won, source, parties)
        cold = won[source[won] == NOBODY]
        if name == "REUSED_DEVICE":
            found.cause[cold[links.users_of_device[cold] > 1]] = ctx.code("role_cause", "SHARED_USE")
        found.cause[cold[trade[merchant[cold]] > np.uint64(1000)]] = ctx.code("role_cause", "OWNER_ROLE")
    return found


def device_fields(ctx: Context, devices: Frame, people: People) -> tuple[Array, Array]:
    """Fields `device_holder` and `owned_device` of the devices' addresses: uint64, n each."""
    owned = devices.present("primary_party_id")
    owner = np.zeros(len(devices), dtype=np.int64)
    owner[owned] = (
        (devices.primary_party_id[owned] - people.frame.party_id[:1]).astype(np.int64)
        if len(people.frame)
        else 0
    )
    entity = np.where(
        owned, people.entity[owner] if len(people.frame) else np.uint64(0), devices.primary_site_id
    )
    ordinal = np.where(owned, ordinals(owned, entity, devices.device_type), ordinals(owned, entity))
    return entity, ctx.field(
        "owned_device", terminal=~owned, device_type=devices.device_type, device_number=ordinal
    )


def ip_entities(ctx: Context, ips: Frame) -> Array:
    """Entity of an IP address's draws: hash of country, type, class and rank in them, uint64, n."""
    order = np.lexsort((ips.asn_class, ips.ip_type, ips.country_iso))
    rank = np.empty(len(ips), dtype=np.uint64)
    rank[order] = ordinals(ips.country_iso[order], ips.ip_type[order], ips.asn_class[order])
    return ctx.field(
        "ip",
        country_name=ctx.name_hashes("country")[ips.country_iso],
        ip_type_name=ctx.name_hashes("ip_type")[ips.ip_type],
        asn_class_name=ctx.name_hashes("asn_class")[ips.asn_class],
        ip_class_rank=rank,
    )


def shared_use(ips: Frame, links: Links, household: Array) -> Array:
    """Whether parties of different households use an address: bool, n. Guests are of another one each.

    Args:
        ips: Addresses of the piece.
        links: Who uses them.
        household: uint64: household of each party.
    """
    used = np.flatnonzero(links.users_of_ip)
    found = np.zeros(len(ips), dtype=np.bool_)
    starts = np.cumsum(links.users_of_ip[used]) - links.users_of_ip[used]
    home = household[links.ip_party]
    if len(used):
        found[used] = np.minimum.reduceat(home, starts) < np.maximum.reduceat(home, starts)
    first = run_starts(links.guest_ip)
    if len(first):
        visited, who = links.guest_ip[first], links.guest
        several = np.minimum.reduceat(who, first) < np.maximum.reduceat(who, first)
        found[visited] |= several | (links.users_of_ip[visited] > 0)
    return found


def ip_roles(
    ctx: PartitionContext, ips: Frame, links: Links, entity: Array, parties: Roles, targets: Array
) -> Roles:
    """Roles of the addresses of a piece.

    Args:
        ctx: Context of 6A.S6.
        ips: ip_type, country_iso; sorted by both.
        links: Who uses them.
        entity: uint64, from `ip_entities`.
        parties: Roles of the parties of the piece.
        targets: uint64, roles x countries x types.
    """
    law, count = ctx.params.fraud_roles_entity_6A.ip, len(ips)
    found = clean(ctx, count)
    offsets = run_offsets(ips.country_iso, ips.ip_type)
    first = offsets[:-1].astype(np.int64)
    users = links.users_of_ip.astype(np.uint64)
    offset = np.concatenate((np.zeros(1, dtype=np.uint64), np.cumsum(users)))
    # Members of rings come before other risky users as the one whose ring the address is put to.
    risk = np.where(parties.role == 0, 1000, np.where(parties.ringed, 1002, 1001)).astype(np.uint32)
    _, source, risky = ctx.kernels.inherit_risk(
        offset=offset, link=links.ip_party.view(np.uint32), factor=risk, own=users
    )
    share = risky.astype(np.uint64) * np.uint64(1000) // np.maximum(users, np.uint64(1))
    for name in IP_ORDER:
        code = ctx.code("ip_role", name)
        weight = (
            (np.uint64(1_000_000) + np.uint64(law.risky_users_permille[name]) * share)
            // np.uint64(1000)
            * UNIT
        )
        place = places(ctx, ctx.address(IP, role=code, ip=entity), eligible(weight, found))
        won = winners(ctx, place, offsets, targets[code][ips.country_iso[first], ips.ip_type[first]])
        give(ctx, found, code, won, source if name == "ABUSED_IP" else np.full(count, NOBODY), parties)
        if name != "ABUSED_IP":
            found.cause[won] = ctx.code("role_cause", "SHARED_USE")
    return found


def factors(ctx: Context, table: Params, parties: Roles) -> Array:
    """What each party does to what it owns, permille: uint32."""
    factor = by_name(ctx, "party_role", table)
    factor[ctx.code("party_role", "CLEAN")] = 1000
    found: Array = factor.astype(np.uint32)[parties.role]
    return found


def eligible(weight: Array, found: Roles) -> Array:
    """Weights of those without a role; 0 for the others."""
    return np.where((found.role == 0) & (weight > 0), np.maximum(weight, _LEAST), np.uint64(0))


def give(ctx: PartitionContext, found: Roles, code: int, won: Array, source: Array, parties: Roles) -> None:
    """Give the winners their role.

    The cause is the risky owner, whose ring they join, or else themselves.
    """
    found.role[won] = code
    found.cause[won] = ctx.code("role_cause", "INDIVIDUAL")
    owned = won[source[won] != NOBODY]
    found.cause[owned] = ctx.code("role_cause", "OWNER_ROLE")
    who = source[owned].astype(np.int64)
    inside = parties.ringed[who]
    found.ring_id[owned[inside]], found.ringed[owned[inside]] = parties.ring_id[who[inside]], True
