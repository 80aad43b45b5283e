"""Addresses of a partition of whole countries, in the order of their ids.

The order is country, kind, then homes or premises, second addresses of homes, shared addresses, sites.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sim.recipes.words import WORDS_NEEDS, words
from sim.segments.entities_6a.households import Households
from sim.segments.entities_6a.network_tables import NETWORK_TABLES_NEEDS, matrix, mix_tables, pick
from sim.segments.entities_6a.s5_network.inward import NetworkTargets
from sim.state.context import Context, PartitionContext
from sim.state.declaration import Needs
from sim.state.frames import Array
from sim.state.params import Params

IP = "6A.ip"

IP_ROWS_NEEDS = Needs(
    config=("ip_taxonomy_6A",),
    streams=(IP,),
    kernels=("entity_hash",),
    uses=(NETWORK_TABLES_NEEDS, WORDS_NEEDS),
)


@dataclass(frozen=True)
class Addresses:
    """One element an address unless said otherwise.

    Attributes:
        start: int64, countries x kinds: position of the first address of a country and kind; only the
            partition's rows mean something.
        country: int16.
        kind: int16.
        rank: int64, within country and kind.
        asn: int16: class of its network.
        words: uint64, one array a draw of stream 6A.ip.
        entity: uint64: entity hash of country and kind, one an address.
    """

    start: Array
    country: Array
    kind: Array
    rank: Array
    asn: Array
    words: tuple[Array, ...]
    entity: Array

    @property
    def size_word(self) -> Array:
        """Word of the size of an address; of a home's, whether it changes."""
        return self.words[1]


def addresses_of(ctx: PartitionContext, targets: NetworkTargets, span: tuple[int, int]) -> Addresses:
    """All addresses of the countries with codes in [first, stop); six draws each."""
    first, stop = span
    count = targets.addresses
    kinds = count.shape[1]
    size = count[first:stop].ravel()
    start = np.zeros_like(count)
    start[first:stop] = (np.cumsum(size) - size).reshape(-1, kinds)
    cell = np.repeat(np.arange(len(size)), size)
    rank = np.arange(len(cell)) - start[first:stop].ravel()[cell]
    country, kind = cell // kinds + first, cell % kinds
    countries = np.repeat(ctx.name_hashes("country"), kinds)
    names = ctx.field(
        "ip_cell",
        country_name=countries,
        ip_type_name=np.tile(ctx.name_hashes("ip_type"), len(ctx.vocabulary("country"))),
    )
    entity = names[country * kinds + kind]
    drawn = words(ctx, IP, ip_rank=rank, ip_cell=entity)
    asn = pick(ctx, mix_tables(ctx, asn_mixes(ctx)), drawn[0], kind)
    return Addresses(
        start, country.astype(np.int16), kind.astype(np.int16), rank, asn.astype(np.int16), drawn, entity
    )


def asn_mixes(ctx: Context) -> Array:
    """Permille of network classes: float64, kinds x classes."""
    kinds = ctx.params.ip_taxonomy_6A.types
    return matrix(
        ctx, "ip_type", "asn_class", Params({name: kind.asn_permille.plain() for name, kind in kinds.items()})
    )


def first_address(homes: Households, needed: Array, addresses: Addresses, kinds: tuple[int, int]) -> Array:
    """Position of each household's first address: int64, h.

    Args:
        homes: Households; countries never fall.
        needed: int64, h: addresses of each.
        addresses: Addresses of the partition.
        kinds: Codes of homes and of premises.
    """
    position = np.zeros(len(needed), dtype=np.int64)
    for kind, private in zip(kinds, (True, False), strict=True):
        mine = np.flatnonzero(homes.private == private)
        country, size = homes.country[mine], needed[mine]
        before = np.cumsum(size) - size
        # What was counted before the country's first household of the kind.
        base = before[np.searchsorted(country, country)] if len(mine) else before
        position[mine] = addresses.start[country, kind] + before - base
    return position
