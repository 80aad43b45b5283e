"""Links of devices to owners, other household members, the owner's accounts and instruments, merchants."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sim.recipes.words import BELOW_NEEDS, below
from sim.segments.entities_6a.households import Households
from sim.segments.entities_6a.link_rules import DEVICE_IDS, LINK_RULES_NEEDS, device_demands
from sim.segments.entities_6a.network_tables import (
    NETWORK_TABLES_NEEDS,
    integers,
    mix_tables,
    odds,
    permille_word,
    pick,
)
from sim.state.context import Context, PartitionContext
from sim.state.counters import Counters, Scalar
from sim.state.declaration import Needs
from sim.state.frames import Array, Frame
from sim.state.params import Params

DEVICE_LINKS_NEEDS = Needs(
    config=("device_linkage_6A",), uses=(BELOW_NEEDS, LINK_RULES_NEEDS, NETWORK_TABLES_NEEDS)
)


class LinkCounts(Counters):
    """Users that are not of the household, or are the owner again."""

    strangers = Scalar()


@dataclass(frozen=True)
class Holdings:
    """What each party owns, in the order party: rows `start[p]` .. `start[p] + count[p]` of `id`.

    Attributes:
        start: int64, n.
        count: int64, n.
        id: uint64, m.
    """

    start: Array
    count: Array
    id: Array


def holdings_of(owner: Array, ids: Array, parties: int) -> Holdings:
    """Group ids by their owner.

    Args:
        owner: int64, m: row of the owner in the partition.
        ids: uint64, m.
        parties: Parties of the partition.
    """
    count = np.bincount(owner, minlength=parties)
    return Holdings(np.cumsum(count) - count, count, ids[np.argsort(owner, kind="stable")])


@dataclass(frozen=True)
class Reach:
    """How many users and accounts each device has beside its owner, and how many tokens its wallet.

    The fields `*_from` say where its draws begin in its owner's lists.
    """

    users: Array
    user_from: Array
    accounts: Array
    account_from: Array
    tokens: Array


def reach_of(
    ctx: Context,
    devices: Frame,
    words: tuple[Array, ...],
    homes: Households,
    accounts: Holdings,
    tokens: Array,
) -> Reach:
    """What each device of a party reaches; words as in stream 6A.device (draws 1 .. 5), `tokens` as given."""
    law = ctx.params.device_linkage_6A
    kind, owner = devices.device_type, devices.owner
    home = homes.of_party[owner]
    others = np.where(homes.private[home], homes.size[home] - 1, 0)
    shared = Params({name: entry.shared_permille for name, entry in law.sharing.items()})
    extra = Params({name: entry.extra_users_permille for name, entry in law.sharing.items()})
    coin = words[1] < permille_word(integers(ctx, "device_type", shared))[kind]
    users = np.zeros(len(kind), dtype=np.int64)
    may = np.flatnonzero(coin & (others > 0))
    wanted = pick(ctx, mix_tables(ctx, odds(ctx, "device_type", extra)), words[2][may], kind[may])
    users[may] = np.minimum(wanted, others[may])
    account = _some(ctx, law.account_access_permille, kind, words[4], accounts.count[owner])
    return Reach(
        users,
        _below(ctx, words[3], others),
        account,
        _below(ctx, words[5], accounts.count[owner]),
        tokens,
    )


def _some(ctx: Context, lists: Params, kind: Array, words: Array, available: Array) -> Array:
    return np.minimum(pick(ctx, mix_tables(ctx, odds(ctx, "device_type", lists)), words, kind), available)


def _below(ctx: Context, words: Array, bound: Array) -> Array:
    """Uniform integer below a bound (0 where the bound is 0): int64, n."""
    return below(ctx, words, np.maximum(bound, 1))


def link_rows(
    ctx: PartitionContext,
    devices: Frame,
    reach: Reach,
    sources: dict[str, Array],
    homes: Households,
    held: Holdings,
    cards: Array,
    guests: tuple[Array, Array],
) -> Frame:
    """All links of a partition's devices, in the order device, role.

    Args:
        ctx: Context with `graph_linkage_6A`.
        devices: Rows in the order of their ids; `owner` is -1 for terminals.
        reach: Further rows of each device (0 for terminals).
        sources: `device_id`, and `party_id` of the partition's parties, `merchant_id` of each device
            (terminals only).
        homes: Households.
        held: Accounts by owner.
        cards: uint64: card behind each wallet token, in the order of devices and their tokens.
        guests: From `shared_in_circles`: devices that others of a circle use, and who.
    """
    demands = {
        role: dict(zip(DEVICE_IDS, row, strict=True))
        for role, row in zip(_roles(ctx), device_demands(ctx), strict=True)
    }
    code = {role: ctx.code("device_link_role", role) for role in demands}
    party = devices.owner >= 0
    visits = np.bincount(guests[0], minlength=len(devices))
    size = 1 + reach.users + visits + reach.accounts + reach.tokens
    first = np.cumsum(size) - size
    total = int(size.sum())
    owner_id = np.zeros(len(devices), dtype=np.uint64)
    owner_id[party] = sources["party_id"][devices.owner[party]]
    roles = np.full(total, code["PRIMARY_OWNER"], dtype=np.int16)
    columns = {name: np.zeros(total, dtype=np.uint64) for name in DEVICE_IDS}
    columns["party_id"] = np.repeat(owner_id, size)
    terminal = first[~party]
    roles[terminal] = code["MERCHANT_TERMINAL"]
    columns["merchant_id"][terminal] = sources["merchant_id"][~party]
    at = first + 1
    rows, source, rank = _further(reach.users, at)
    owner = devices.owner[source]
    home = homes.of_party[owner]
    turn = homes.place[owner] + 1 + (reach.user_from[source] + rank) % np.maximum(homes.size[home] - 1, 1)
    user = homes.member[homes.start[home] + turn % homes.size[home]]
    roles[rows] = code["SECONDARY_USER"]
    columns["party_id"][rows] = sources["party_id"][user]
    ctx.count(LinkCounts.strangers, int((homes.of_party[user] != home).sum()) + int((user == owner).sum()))
    at = at + reach.users
    rows, _, _ = _further(visits, at)
    roles[rows] = code["SECONDARY_USER"]
    columns["party_id"][rows] = sources["party_id"][guests[1]] if len(rows) else 0
    at = at + visits
    rows, source, rank = _further(reach.accounts, at)
    owner = devices.owner[source]
    most, place = held.count[owner], reach.account_from[source] + rank
    place -= np.where(place >= most, most, 0)
    columns["account_id"][rows] = held.id[held.start[owner] + place]
    wallet, _, _ = _further(reach.tokens, at + reach.accounts)
    columns["instrument_id"][wallet] = cards
    for role, mine in (("ACCOUNT_ACCESS", rows), ("INSTRUMENT_WALLET", wallet)):
        roles[mine] = code[role]
        if not demands[role]["party_id"]:
            columns["party_id"][mine] = 0
    del at, rows, source, rank, owner, home, turn, user, most, place, wallet  # the rows need their room
    return Frame(
        {
            "device_id": np.repeat(sources["device_id"], size),
            "link_no": _numbers(size, first),
            "link_role": roles,
            **columns,
        },
        {name: device_demands(ctx)[:, position][roles] for position, name in enumerate(DEVICE_IDS)},
    )


def _numbers(size: Array, first: Array) -> Array:
    """Numbers of the links of each device, from 1: uint16. Positions wrap, differences do not."""
    found = np.arange(1, int(size.sum()) + 1, dtype=np.uint32)
    found -= np.repeat(first.astype(np.uint32), size)
    return found.astype(np.uint16)


def _roles(ctx: Context) -> tuple[str, ...]:
    return ctx.vocabulary("device_link_role")


def _further(count: Array, at: Array) -> tuple[Array, Array, Array]:
    """Row, device and rank (int64 each) of every further link: `count` rows of a device from row `at`."""
    before = np.cumsum(count) - count
    device = np.repeat(np.arange(len(count)), count)
    position = np.arange(len(device))
    rank = position - np.repeat(before, count)
    return rank + np.repeat(at, count), device, rank
