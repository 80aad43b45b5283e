"""What addresses are called: networks with numbers and names, prefixes of one network and place, texts.

All numbers lie in ranges that are nobody's: networks in 4200000000 .. 4294967294 (RFC 6996), addresses in
100.64.0.0/10 (RFC 6598; carriers' NAT), 198.18.0.0/15 (RFC 2544) and 240.0.0.0/4 (RFC 1112), in 3fff::/20
(RFC 9637) and 2001:db8::/32 (RFC 3849).

Prefixes are numbered by country without knowing another partition: a country has at most as many as
`prefix_room` says, a pure function of the targets.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sim.ground.errors import ValidationError
from sim.recipes.groups import run_starts
from sim.recipes.places import country_letters
from sim.recipes.tables import ALIAS_BUILD_NEEDS, ALIAS_PICK_NEEDS, build_alias
from sim.recipes.weights import POWER_NEEDS, power
from sim.segments.entities_6a.network_tables import integers
from sim.segments.entities_6a.s5_network.inward import NetworkTargets
from sim.segments.entities_6a.s5_network.rows import IP_ROWS_NEEDS, asn_mixes
from sim.state.context import Context
from sim.state.declaration import Needs
from sim.state.frames import Array, Frame
from sim.state.refuse import refuse

FIRST_ASN = 4_200_000_000
_CLASSES, _OPERATORS = 8, 16
_LETTERS = 26
# Prefixes of each range, and the odd steps that scatter neighbours over a range.
_NAT_V4, _BENCHMARK_V4, _CLASS_E = 1 << 14, 1 << 9, 1 << 20
_V4 = _BENCHMARK_V4 + _CLASS_E
_STEP_V4, _STEP_NAT, _STEP_V6 = 648_391, 5_003, 94_906_267
_NAT_V6, _V6 = 1 << 16, 1 << 28

NUMBERS_NEEDS = Needs(
    reference=("cities",),
    config=("ip_place_prior_6A", "operator_names_6A"),
    uses=(ALIAS_BUILD_NEEDS, ALIAS_PICK_NEEDS, IP_ROWS_NEEDS, POWER_NEEDS),
)


@dataclass(frozen=True)
class Numbers:
    """One element an address.

    Attributes:
        asn: uint32.
        version: uint8: 4 or 6.
        prefix, text: str.
        prefixes: int64: prefixes the countries of the partition took, by country code, others and carriers'.
    """

    asn: Array
    version: Array
    prefix: Array
    text: Array
    prefixes: Array


def asn_of(ctx: Context, country: Array, asn_class: Array, operator: Array) -> Array:
    """Number of each network: uint32, n; by the country's letters, so other countries do not shift it."""
    letters = country_letters(ctx)[country].astype(np.int64)
    place = ((letters >> 8) - ord("A")) * _LETTERS + (letters & 0xFF) - ord("A")
    asn: Array = FIRST_ASN + (place * _CLASSES + asn_class) * _OPERATORS + operator
    return asn.astype(np.uint32)


def operators(ctx: Context, words: Array, asn_class: Array) -> Array:
    """Which network of its class and country each address belongs to: int64, by a zipf law."""
    law = ctx.params.ip_place_prior_6A.operators
    counts = integers(ctx, "asn_class", law.count)
    rank = np.arange(1, _OPERATORS + 1, dtype=np.float64)
    weight = np.floor(power(ctx, rank, -law.exponent) * np.float64(1 << 20)).astype(np.uint64)
    table = np.where(np.arange(_OPERATORS)[None, :] < counts[:, None], weight[None, :], np.uint64(0))
    offsets = np.arange(len(counts) + 1, dtype=np.uint64) * np.uint64(_OPERATORS)
    found: Array = build_alias(ctx, offsets, table.ravel()).pick(ctx, words, asn_class.astype(np.int64))
    return found % _OPERATORS


def prefix_room(ctx: Context, targets: NetworkTargets) -> Array:
    """Prefixes a country takes at most: int64, countries x 2, carriers' NAT in the second column.

    A group of addresses (kind, network, metro) of n takes ceil(n / prefix_hosts); a country has no more
    groups than metros x networks, and none without an address.

    Raises:
        ValidationError: `6A.S5.ADDRESS_SPACE`: the world has more addresses than the ranges hold.
    """
    law, count = ctx.params.ip_place_prior_6A, targets.addresses
    cities = ctx.reference("cities")
    pairs = np.unique((cities.country_iso.astype(np.int64) << 32) | cities.metro_id.astype(np.int64))
    metros = np.bincount(pairs >> 32, minlength=len(count))
    each = integers(ctx, "asn_class", law.operators.count)
    networks = np.where(asn_mixes(ctx) > 0, each[None, :], 0).sum(axis=1)
    groups = np.minimum(count, np.maximum(metros, 1)[:, None] * networks[None, :])
    room = count // int(law.prefix_hosts) + groups
    mobile = ctx.code("ip_type", "MOBILE")
    split: Array = np.stack((room.sum(axis=1) - room[:, mobile], room[:, mobile]), axis=1)
    taken = int(split[:, 0].sum()) + max(int(split[:, 1].sum()) - _NAT_V4, 0)
    if taken > _V4:
        refuse(
            ctx,
            "ADDRESS_SPACE",
            "the addresses of the world do not fit the ranges that are nobody's",
            found=f"up to {taken:,} prefixes of version 4",
            expected=f"at most {_V4:,}",
            at="ip_place_prior_6A.prefix_hosts",
            do="raise ip_place_prior_6A.prefix_hosts (254 at most), or build fewer parties",
            error=ValidationError,
        )
    return split


def numbers_of(
    ctx: Context, targets: NetworkTargets, addresses: Frame, metro: Array, words: tuple[Array, Array]
) -> Numbers:
    """Network, prefix and text of each address of a partition.

    Args:
        ctx: Context.
        targets: Targets of the world.
        addresses: `country`, `kind`, `asn_class` (int16); countries never fall, kinds never within one.
        metro: uint32: where each is.
        words: Of the operator; of the version.
    """
    law = ctx.params.ip_place_prior_6A
    operator, version = words
    asn = asn_of(ctx, addresses.country, addresses.asn_class, operators(ctx, operator, addresses.asn_class))
    sixth = version < np.uint64(int(law.ipv6_permille) * (((1 << 64) - 1) // 1000))
    order = np.lexsort((metro, asn, addresses.kind, addresses.country))
    country, kind = addresses.country[order].astype(np.int64), addresses.kind[order]
    start = run_starts(country, kind, asn[order], metro[order])
    size = np.diff(np.append(start, len(order)))
    hosts = int(law.prefix_hosts)
    within = np.arange(len(order)) - np.repeat(start, size)
    taken = -(-size // hosts)
    carrier = (kind == ctx.code("ip_type", "MOBILE")).astype(np.int64)
    room = prefix_room(ctx, targets)
    before = np.cumsum(room, axis=0) - room
    # Groups of a country and range take prefixes one after the other.
    cell = country[start] * 2 + carrier[start]
    used = np.zeros(room.size, dtype=np.int64)
    np.add.at(used, cell, taken)
    place = np.argsort(cell, kind="stable")
    running = np.cumsum(taken[place]) - taken[place]
    first = run_starts(cell[place])
    running -= np.repeat(running[first], np.diff(np.append(first, len(place))))
    base = np.empty(len(start), dtype=np.int64)
    base[place] = running + before.ravel()[cell[place]]
    number = np.repeat(base, size) + within // hosts
    index = np.empty((3, len(order)), dtype=np.int64)
    index[:, order] = np.stack((number, carrier, 1 + within % hosts))
    prefix, text = _texts(index, sixth, int(room[:, 0].sum()))
    return Numbers(asn, np.where(sixth, 6, 4).astype(np.uint8), prefix, text, used.reshape(room.shape))


def _texts(index: Array, sixth: Array, others: int) -> tuple[Array, Array]:
    """Prefix and text of each address: str objects; every prefix is written once.

    Args:
        index: int64, 3 x n: number of the prefix, whether it is a carrier's, number of the host from 1.
        sixth: bool: of version 6.
        others: Prefixes that are not carriers', in all countries.
    """
    number, carrier, host = index
    key = (number << 2) | (carrier << 1) | sixth
    keys, at = np.unique(key, return_inverse=True)
    parts = [_prefix(one >> 2, bool(one & 2), bool(one & 1), others) for one in keys.tolist()]
    heads = np.array([head for head, _ in parts], dtype=object)
    prefixes = np.array([text for _, text in parts], dtype=object)
    tails = np.array([str(one) for one in range(256)] + [f"{one:x}::1" for one in range(256)], dtype=object)
    return prefixes[at], heads[at] + tails[host + np.where(sixth, 256, 0)]


def _prefix(number: int, carrier: bool, sixth: bool, others: int) -> tuple[str, str]:
    """What the texts of a prefix's addresses begin with, and its own text."""
    if sixth:
        if carrier and number < _NAT_V6:
            groups = [0x2001, 0xDB8, number]
        else:
            scattered = ((_V6 - 1 - number if carrier else number) * _STEP_V6) % _V6
            groups = [0x3FFF, scattered >> 16, scattered & 0xFFFF]
        head = "".join(f"{group:x}:" for group in groups)
        while groups[-1] == 0:
            groups.pop()
        return head, ":".join(f"{group:x}" for group in groups) + "::/48"
    if carrier and number < _NAT_V4:
        scattered = (number * _STEP_NAT) % _NAT_V4
        octets = (100, 64 + (scattered >> 8), scattered & 0xFF)
    else:
        scattered = ((others + number - _NAT_V4 if carrier else number) * _STEP_V4) % _V4
        if scattered < _BENCHMARK_V4:
            octets = (198, 18 + (scattered >> 8), scattered & 0xFF)
        else:
            scattered -= _BENCHMARK_V4
            octets = (240 + (scattered >> 16), scattered >> 8 & 0xFF, scattered & 0xFF)
    head = f"{octets[0]}.{octets[1]}.{octets[2]}."
    return head, head + "0/24"


def operator_frame(ctx: Context, ips: Array) -> Frame:
    """Rows of s5_operators_6A.

    Args:
        ctx: Context.
        ips: int64, countries x classes x operators: addresses of each.
    """
    country, asn_class, operator = (axis.astype(np.int64) for axis in np.nonzero(ips))
    asn = asn_of(ctx, country, asn_class, operator)
    order = np.argsort(asn, kind="stable")
    country, asn_class, operator, asn = (column[order] for column in (country, asn_class, operator, asn))
    names, law = ctx.vocabulary("country"), ctx.params.operator_names_6A
    last = [law.last[name] for name in ctx.vocabulary("asn_class")]
    texts = [
        f"{law.first[(number + rank) % len(law.first)]} {last[of][rank % len(last[of])]} {names[code]}"
        for number, of, rank, code in zip(
            ((asn.astype(np.int64) - FIRST_ASN) // _OPERATORS * 5).tolist(),
            asn_class.tolist(),
            operator.tolist(),
            country.tolist(),
            strict=True,
        )
    ]
    return Frame(
        {
            "asn": asn,
            "asn_name": np.array(texts, dtype=object),
            "asn_class": asn_class.astype(np.int16),
            "country_iso": country.astype(np.int16),
            "ips": ips[country, asn_class, operator].astype(np.uint64),
        }
    )
