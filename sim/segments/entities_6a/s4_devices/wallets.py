"""Wallet tokens: cards of a device's owner, put on that one device.

A device is a wallet with the probability of its country and kind. Its system decides which wallets it may run
(`device_linkage_6A.wallets`), the country how many phones of the system run each. A wallet takes cards of
some networks alone. So no token exists without a device that can hold it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sim.recipes.entities import ENTITY_NEEDS, id_of, pair_entity
from sim.recipes.tables import AliasTables
from sim.recipes.terms import entry
from sim.recipes.words import WORDS_NEEDS, words_at
from sim.segments.entities_6a.network_tables import (
    NETWORK_TABLES_NEEDS,
    PERMILLE,
    integers,
    mix_tables,
    odds,
    pick,
)
from sim.segments.entities_6a.payments import (
    PAYMENTS_NEEDS,
    WALLET_SYSTEMS,
    by_country,
    permille_of,
)
from sim.segments.entities_6a.s4_devices.wallet_cards import WALLET_CARDS_NEEDS, Cards, last_day
from sim.state.context import Context, PartitionContext
from sim.state.counters import Counters, Scalar, Vector
from sim.state.declaration import Needs
from sim.state.frames import Array, Frame

USE, TOKEN = "6A.wallet", "6A.device_token"
_TAG = np.uint64(0x746F6B656E)  # ASCII "token"

WALLETS_NEEDS = Needs(
    config=(
        "device_life_6A",
        "device_linkage_6A",
    ),
    streams=(TOKEN,),
    kernels=("bounded_integer", "entity_hash"),
    uses=(ENTITY_NEEDS, NETWORK_TABLES_NEEDS, PAYMENTS_NEEDS, WALLET_CARDS_NEEDS, WORDS_NEEDS),
)


class WalletCounts(Counters):
    """Wallet tokens as published, and phones that could be wallets."""

    tokens = Scalar()
    impossible = Scalar()
    strange_cards = Scalar()
    unlinked = Scalar()
    outside_life = Scalar()
    phones = Vector("country")
    used_phones = Vector("country")


@dataclass(frozen=True)
class Tokens:
    """Wallet tokens in the order device, number.

    Attributes:
        count: int64, n: tokens of each device.
        device: int64, t: row of the device.
        number: int64, t: from 0.
        wallet: int16, t: code of `scheme`.
        card: int64, t: row in `Cards`.
    """

    count: Array
    device: Array
    number: Array
    wallet: Array
    card: Array


def possible_places(ctx: Context) -> Array:
    """Whether a wallet runs on a kind of device with a system: bool, schemes x kinds x systems."""
    names = [ctx.vocabulary(name) for name in ("scheme", "device_type", "os_family")]
    table = np.zeros([len(terms) for terms in names], dtype=np.bool_)
    for wallet, kinds in ctx.params.device_linkage_6A.wallets.items():
        for kind, systems in kinds.items():
            for system in systems:
                table[names[0].index(wallet), names[1].index(kind), names[2].index(system)] = True
    return table


def tokens_of(
    ctx: PartitionContext,
    devices: Frame,
    system: Array,
    country: Array,
    word: tuple[Array, ...],
    cards: Cards,
    made: Array,
) -> Tokens:
    """Tokens of each device of a party: cards of its wallet that are valid in its days.

    Args:
        ctx: Context.
        devices: `owner`, `device_type`, and days `first` and `last`.
        system: int16, n.
        country: int16, n, one a party.
        word: uint64, n each: whether it is used as a wallet, which, how many cards, and the first of them; of
            a successor those of its predecessor.
        cards: Cards of the partition.
        made: int64: rows of devices that are no successors.
    """
    law, kind, parties = ctx.params.device_linkage_6A, devices.device_type, len(country)
    country = country[devices.owner]
    coin, choice, *word_ = word
    permille = permille_of(ctx, "phones_permille", "wallet")[country]
    permille = permille * integers(ctx, "device_type", law.wallet_use_permille)[kind]
    below = ctx.kernels.bounded_integer(x=coin, bound=np.full(len(kind), PERMILLE**2, dtype=np.uint64))
    used = below.astype(np.int64) < permille
    wallet = pick(ctx, wallet_tables(ctx), choice, wallet_group(ctx, country, system))
    able = possible_places(ctx)[wallet, kind, system]
    wanted = pick(ctx, mix_tables(ctx, odds(ctx, "device_type", law.wallet_permille)), word_[0], kind)
    count, phone = np.zeros(len(kind), dtype=np.int64), ctx.code("device_type", "MOBILE")
    new = np.zeros(len(kind), dtype=np.bool_)
    new[made] = True
    found: list[tuple[Array, Array]] = []
    for code in np.unique(wallet[able]).tolist():
        mine = np.flatnonzero(cards.takes(code))
        held = np.bincount(cards.owner[mine], minlength=parties)
        start = np.cumsum(held) - held
        own = np.flatnonzero(able & (wallet == code))
        own = own[held[devices.owner[own]] > 0]
        phones = own[(kind[own] == phone) & new[own]]
        _count_phones(ctx, country, phones, phones[used[phones]])
        own = own[used[own]]
        most = held[devices.owner[own]]
        count[own] = np.minimum(wanted[own], most)
        begin = ctx.kernels.bounded_integer(x=word_[1][own], bound=most.astype(np.uint64)).astype(np.int64)
        device = np.repeat(np.arange(len(own)), count[own])
        number = np.arange(len(device)) - np.repeat(np.cumsum(count[own]) - count[own], count[own])
        found.append(
            (own[device], mine[start[devices.owner[own]][device] + (begin[device] + number) % most[device]])
        )
    device = np.concatenate([np.zeros(0, dtype=np.int64), *(rows for rows, _ in found)])
    card = np.concatenate([np.zeros(0, dtype=np.int64), *(rows for _, rows in found)])
    order = np.argsort(device, kind="stable")
    device, card = device[order], card[order]
    since, until = token_days(devices, cards, device, card)
    there = since <= until
    device, card = device[there], card[there]
    count = np.bincount(device, minlength=len(kind))
    number = np.arange(len(device)) - np.repeat(np.cumsum(count) - count, count)
    return Tokens(count, device, number, wallet[device].astype(np.int16), card)


def token_days(devices: Frame, cards: Cards, device: Array, card: Array) -> tuple[Array, Array]:
    """First and last day on which a card may be on a device: int64 each.

    Args:
        devices: Days `first` and `last`.
        cards: Cards.
        device: int64: rows of devices.
        card: int64: rows of cards.
    """
    since = np.maximum(cards.since[card], devices.first[device].astype(np.int64))
    return since, np.minimum(cards.until[card], devices.last[device].astype(np.int64))


def _count_phones(ctx: PartitionContext, country: Array, phones: Array, used: Array) -> None:
    places = len(ctx.vocabulary("country"))
    ctx.count(WalletCounts.phones, np.bincount(country[phones], minlength=places))
    ctx.count(WalletCounts.used_phones, np.bincount(country[used], minlength=places))


def wallet_tables(ctx: Context) -> AliasTables:
    """Alias tables of wallets by country and family of systems."""
    names = ctx.vocabulary("scheme")
    rows = [
        [entry(row[system], name, 0) for name in names]
        for row in by_country(ctx, "wallets")
        for system in WALLET_SYSTEMS
    ]
    return mix_tables(ctx, np.array(rows, dtype=np.int64))


def wallet_group(ctx: Context, country: Array, system: Array) -> Array:
    """Row of `wallet_tables`; systems that run no wallet get the last family's, and no wallet later."""
    apple = np.isin(system, [ctx.code("os_family", name) for name in ("IOS", "MACOS")])
    group: Array = country.astype(np.int64) * len(WALLET_SYSTEMS) + np.where(apple, 0, 1)
    return group


def token_rows(
    ctx: PartitionContext,
    tokens: Tokens,
    cards: Cards,
    owned: Frame,
    follows: Array,
    base: Frame,
    place: Array,
) -> Frame:
    """Rows of s4_wallet_tokens_6A.

    Args:
        ctx: Context.
        tokens: Tokens.
        cards: Cards of the partition.
        owned: Devices of parties with `device`, `party_cell` and days `first` and `last`.
        follows: bool, one a device: whether it is a successor.
        base: Rows of s4_device_base_6A.
        place: int64: row in `base` of each device of a party.
    """
    at = ctx.address(
        TOKEN,
        token_number=tokens.number,
        device=owned.device[tokens.device],
        party_cell=owned.party_cell[tokens.device],
    )
    (x,) = words_at(ctx, at)
    ctx.ledger(at)
    since, last = token_days(owned, cards, tokens.device, tokens.card)
    ended = last < last_day(ctx)
    removed = np.where(ended, last, 0)
    since = np.maximum(since, last - int(ctx.params.device_linkage_6A.token_days_max))
    # On a successor the cards of the old device are put at once.
    soon = since + int(ctx.params.device_life_6A.token_days)
    last = np.where(follows[tokens.device], np.minimum(last, soon), last)
    day = since + ctx.kernels.bounded_integer(x=x, bound=(last - since + 1).astype(np.uint64)).astype(
        np.int64
    )
    return Frame(
        {
            "device_id": base.device_id[place[tokens.device]],
            "token_no": (tokens.number + 1).astype(np.uint16),
            "token_id": id_of(pair_entity(ctx, at.c1, at.c0 ^ _TAG)),
            "wallet": tokens.wallet,
            "instrument_id": cards.id[tokens.card],
            "owner_party_id": base.primary_party_id[place[tokens.device]],
            "provisioned_date": day.astype(np.int32),
            "removed_date": removed.astype(np.int32),
        },
        {"removed_date": ended},
    )


def count_tokens(
    ctx: PartitionContext, rows: Frame, cards: Cards, base: Frame, links: Frame, first: int
) -> None:
    """Sums over the published tokens.

    Args:
        ctx: Context.
        rows: Rows of s4_wallet_tokens_6A.
        cards: Cards of the partition.
        base: Rows of s4_device_base_6A.
        links: Rows of s4_device_links_6A.
        first: Id of the partition's first party.
    """
    device = (
        (rows.device_id - base.device_id[0]).astype(np.int64) if len(rows) else np.zeros(0, dtype=np.int64)
    )
    kind, system = base.device_type[device], base.os_family[device]
    ctx.count(WalletCounts.tokens, len(rows))
    ctx.count(WalletCounts.impossible, int((~possible_places(ctx)[rows.wallet, kind, system]).sum()))
    order = np.argsort(cards.id, kind="stable")
    at = order[np.minimum(np.searchsorted(cards.id[order], rows.instrument_id), max(len(cards.id) - 1, 0))]
    wrong = (cards.id[at] != rows.instrument_id) | ~cards.takes(rows.wallet, at)
    wrong |= cards.owner[at] + first != base.primary_party_id[device].astype(np.int64)
    wrong |= (rows.provisioned_date < cards.since[at]) | (rows.provisioned_date > cards.until[at])
    ctx.count(WalletCounts.strange_cards, int(wrong.sum()))
    final = np.where(base.present("last_seen"), base.last_seen, np.int32(last_day(ctx)))[device]
    final = np.minimum(final, cards.until[at])
    over = np.where(rows.present("removed_date"), rows.removed_date, np.int32(last_day(ctx)))
    outside = (rows.provisioned_date < base.first_seen[device]) | (rows.provisioned_date > over)
    outside |= (over != final) | (rows.present("removed_date") != (final < last_day(ctx)))
    ctx.count(WalletCounts.outside_life, int(outside.sum()))
    linked = links.select("device_id", "instrument_id").take(
        np.flatnonzero(links.link_role == ctx.code("device_link_role", "INSTRUMENT_WALLET"))
    )
    same = len(linked) == len(rows) and bool(
        (linked.device_id == rows.device_id).all() and (linked.instrument_id == rows.instrument_id).all()
    )
    ctx.count(WalletCounts.unlinked, 0 if same else 1)
