"""Banks that issue, and the ranges of card numbers they issue from.

Every country has a few issuers, the k-th with weight 1/k. A party has a main bank, and each of its accounts
is there or at another one. A bank identification number (BIN, 8 digits) stands for one issuer, funding, tier
and marks. Numbers begin with 9, which ISO/IEC 7812 leaves to national bodies; the range known to be in use
there, 9792, is left out. So no BIN is anybody's, and as integers they have no leading zero to lose.
"""

from __future__ import annotations

import numpy as np

from sim.recipes.tables import ALIAS_BUILD_NEEDS, ALIAS_PICK_NEEDS, AliasTables, build_alias
from sim.recipes.words import WORDS_NEEDS, word, words
from sim.segments.entities_6a.payments import FUNDINGS, PAYMENTS_NEEDS, marks_of
from sim.state.context import Context, PartitionContext
from sim.state.declaration import Needs
from sim.state.frames import Array, Frame

MAIN, OTHER = "6A.main_issuer", "6A.account_issuer"
MOST = 16
"""Room for issuers of a country in their ids."""
_PRIME = 9_989_957  # below 10**7 less the range left out: numbers k < _PRIME stay distinct
_FACTOR, _SHIFT = 7_368_787, 1_234_567
_BEGIN, _USED_FROM, _USED = 90_000_000, 7_920_000, 10_000

ISSUERS_NEEDS = Needs(
    config=("issuers_6A",),
    reference=("countries",),
    streams=(MAIN, OTHER),
    kernels=("bounded_integer",),
    uses=(ALIAS_BUILD_NEEDS, ALIAS_PICK_NEEDS, PAYMENTS_NEEDS, WORDS_NEEDS),
)


def issuer_counts(ctx: Context) -> Array:
    """Issuers of each country: int64 by code; one more for every doubling of its millions, within bounds."""
    law, table = ctx.params.issuers_6A, ctx.reference("countries")
    counts = np.full(len(ctx.vocabulary("country")), law.least, dtype=np.int64)
    doublings = np.array([int(people // 1_000_000).bit_length() for people in table.population.tolist()])
    counts[table.country_iso] = np.clip(law.least + doublings, law.least, law.most)
    return counts


def issuer_weights(ctx: Context) -> Array:
    """Weights of issuers: uint64, countries x MOST."""
    rank = np.arange(MOST)
    weight = np.uint64(1 << 20) // (rank + 1).astype(np.uint64)
    weights: Array = np.where(rank < issuer_counts(ctx)[:, None], weight, np.uint64(0))
    return weights


def _tables(ctx: Context) -> AliasTables:
    weight = issuer_weights(ctx)
    offsets = np.arange(len(weight) + 1, dtype=np.uint64) * np.uint64(MOST)
    return build_alias(ctx, offsets, weight.ravel())


def issuer_ids(country: Array, rank: Array) -> Array:
    """Ids of issuers: uint64."""
    ids: Array = (country.astype(np.int64) * MOST + rank + 1).astype(np.uint64)
    return ids


def issuers_of_accounts(ctx: PartitionContext, owner: Array, parties: Frame, cells: Frame) -> Array:
    """Issuer of each account: uint64.

    Args:
        ctx: Context.
        owner: int64, n: row of the owner in `parties`.
        parties: `country_iso`, `party_rank`, `party_cell`.
        cells: Address fields `account` and `account_cell`, n.
    """
    tables = _tables(ctx)
    x = word(ctx, MAIN, party_rank=parties.party_rank, party_cell=parties.party_cell)
    main = tables.pick(ctx, x, parties.country_iso.astype(np.int64))
    coin, choice = words(ctx, OTHER, account=cells.account, account_cell=cells.account_cell)
    other = tables.pick(ctx, choice, parties.country_iso[owner].astype(np.int64))
    stays = ctx.kernels.bounded_integer(x=coin, bound=np.full(len(coin), 1000, dtype=np.uint64))
    at = np.where(stays < np.uint64(ctx.params.issuers_6A.main_permille), main[owner], other)
    ids: Array = (at + 1).astype(np.uint64)
    return ids


def bin_of(ctx: Context, issuer: Array, funding: Array, tier: Array, mark: Array) -> Array:
    """BIN of cards: uint32 of eight digits.

    Args:
        ctx: Context.
        issuer: uint64, n: ids.
        funding: int64, n: place in `FUNDINGS`.
        tier: int64, n: code of `brand_tier`.
        mark: int64, n: place in `marks_of`.
    """
    marks, tiers = len(marks_of(ctx).scheme), len(ctx.vocabulary("brand_tier"))
    product = (funding * tiers + tier) * marks + mark
    key = (issuer.astype(np.int64) - 1) * (len(FUNDINGS) * tiers * marks) + product
    if len(ctx.vocabulary("country")) * MOST * len(FUNDINGS) * tiers * marks >= _PRIME:
        raise ValueError("more kinds of cards than BINs: they would not stay distinct")
    number = (key * _FACTOR + _SHIFT) % _PRIME
    number += np.where(number >= _USED_FROM, _USED, 0)
    digits: Array = (number + _BEGIN).astype(np.uint32)
    return digits


def issuer_rows(ctx: Context, countries: Array) -> Frame:
    """Rows of s3_issuer_base_6A: the issuers of these countries (int16, ascending)."""
    law, counts = ctx.params.issuers_6A, issuer_counts(ctx)[countries]
    country = np.repeat(countries, counts)
    rank = np.arange(len(country)) - np.repeat(np.cumsum(counts) - counts, counts)
    weight = issuer_weights(ctx).astype(np.int64)
    share = weight[country, rank] * 10_000 // weight[country].sum(axis=1)
    stems, kinds = list(law.stems), list(law.kinds)
    turn = (ctx.name_hashes("country")[country] >> np.uint64(8)).astype(np.int64) & 0xFFFF
    names = [
        f"{stems[(first * 7 + place * 11) % len(stems)]} {kinds[(first + place) % len(kinds)]}"
        for first, place in zip(turn.tolist(), rank.tolist(), strict=True)
    ]
    return Frame(
        {
            "issuer_id": issuer_ids(country, rank),
            "country_iso": country.astype(np.int16),
            "issuer_rank": (rank + 1).astype(np.uint8),
            "name": np.array(names, dtype=object),
            "share_parts": share.astype(np.uint16),
        }
    )


def bin_rows(ctx: Context, issuers: Frame) -> Frame:
    """Rows of s3_bin_base_6A: every BIN of these issuers, in the order of numbers."""
    marks, tiers = marks_of(ctx), len(ctx.vocabulary("brand_tier"))
    none = ctx.code("brand_tier", "NONE")
    # Issuers x fundings x tiers x marks, of which the country's own are kept.
    shape = (len(issuers), len(FUNDINGS), tiers, len(marks.scheme))
    place, funding, tier, mark = (axis.ravel() for axis in np.indices(shape))
    country = issuers.country_iso[place]
    keep = np.flatnonzero((marks.parts[funding, country, mark] > 0) & (tier != none))
    place, funding, tier, mark, country = (axis[keep] for axis in (place, funding, tier, mark, country))
    co_badge = marks.co_badge[mark]
    fundings = np.array([ctx.code("funding", name) for name in FUNDINGS], dtype=np.int16)
    rows = Frame(
        {
            "bin": bin_of(ctx, issuers.issuer_id[place], funding, tier, mark),
            "issuer_id": issuers.issuer_id[place],
            "country_iso": country,
            "funding": fundings[funding],
            "scheme": marks.scheme[mark],
            "co_badge_scheme": np.maximum(co_badge, 0).astype(np.int16),
            "domestic_only": marks.domestic[country, mark],
            "brand_tier": tier.astype(np.int16),
        },
        {"co_badge_scheme": co_badge >= 0},
    )
    return rows.sort("bin")
