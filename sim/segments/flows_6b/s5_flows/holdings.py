"""What parties hold to pay with and from: tables of a run of parties out of 6A's, and those of some of them.

Whole countries lie in one file of 6A, ranges of published parties do not. So a file's tables are made once,
in the order of its parties, and each range takes the lists of its own parties out of them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sim.recipes.groups import prefix, run_lengths, run_of_row, run_offsets
from sim.recipes.join import look_up, match
from sim.recipes.months import last_valid_day
from sim.segments.flows_6b.s5_flows.rows import (
    NEVER,
    NOBODY,
    Accounts,
    Addresses,
    Cards,
    Devices,
    Instruments,
    Tokens,
)
from sim.state.frames import Array, Frame

PHYSICAL, CREDIT, DOMESTIC = np.uint8(1), np.uint8(2), np.uint8(4)
"""Bits of `Instruments.flags`."""


@dataclass(frozen=True, slots=True)
class Holdings:
    """What a run of parties holds; lists of accounts, instruments, tokens and devices are the parties'."""

    accounts: Accounts
    instruments: Instruments
    cards: Cards
    tokens: Tokens
    devices: Devices
    addresses: Addresses


@dataclass(frozen=True, slots=True)
class CardKinds:
    """Codes of vocabulary instrument_type that are cards: int16 each."""

    cards: Array
    physical: Array
    credit: Array


def taken(first: Array, owners: Array) -> tuple[Array, Array]:
    """Lists of some owners, one after the other.

    Args:
        first: uint64, k + 1: an owner's list is [first[o], first[o + 1]).
        owners: Integers, p: places of owners, in any order.

    Returns:
        Their own first places (uint64, p + 1), and the row of each of their items (int64).
    """
    owners = owners.astype(np.int64)
    begin, counts = first[owners], first[owners + 1] - first[owners]
    offsets = prefix(counts)
    rows = np.repeat(begin.astype(np.int64) - offsets[:-1].astype(np.int64), counts.astype(np.int64))
    return offsets, rows + np.arange(len(rows), dtype=np.int64)


def card_tables(
    party: tuple[int, int], kinds: CardKinds, accounts: Frame, instruments: Frame, cards: Frame
) -> tuple[Accounts, Instruments, Cards]:
    """Accounts that cards pay from, card instruments, and cards that were ever activated.

    Args:
        party: Natural number of the first party, and how many there are.
        kinds: Which instruments are cards.
        accounts: s2_account_base_6A of those parties, by account_id.
        instruments: s3_instrument_base_6A of them, by instrument_id.
        cards: s3_card_base_6A of them, by instrument and card_no.
    """
    is_card = np.isin(instruments.instrument_type, kinds.cards)
    held = np.flatnonzero(is_card)
    held = held[np.lexsort((instruments.instrument_id[held], instruments.owner_party_id[held]))]
    paying = np.unique(instruments.account_id[held])
    rows = look_up(accounts.account_id, paying)
    rows = rows[np.lexsort((paying, accounts.owner_party_id[rows]))]
    account = Accounts(
        first=_first(accounts.owner_party_id[rows], *party),
        account_no=accounts.account_id[rows],
        account_type=accounts.account_type[rows],
        currency=accounts.currency[rows],
        open_day=accounts.open_date[rows].astype(np.int32),
        last_day=_until(accounts, "close_date", rows, 1),
        frozen_day=_until(accounts, "frozen_date", rows, 0),
    )
    by_id = np.argsort(account.account_no, kind="stable")
    place = by_id[look_up(account.account_no[by_id], instruments.account_id[held])]
    types = instruments.instrument_type[held]
    flags = np.where(np.isin(types, kinds.physical), PHYSICAL, 0) | np.where(
        np.isin(types, kinds.credit), CREDIT, 0
    )
    flags |= np.where(instruments.domestic_only[held], DOMESTIC, 0)
    # Cards are in the order of instruments' ids; lists follow the parties'.
    active = np.flatnonzero(cards.present("activation_date"))
    at = np.full(len(is_card), -1, dtype=np.int64)
    at[held] = np.arange(len(held))
    of = at[look_up(instruments.instrument_id, cards.instrument_id[active])]
    active, of = active[of >= 0], of[of >= 0]
    order = np.lexsort((cards.card_no[active], of))
    active, of = active[order], of[order]
    last = np.minimum(
        last_valid_day(cards.expiry_month[active]).astype(np.int32), _until(cards, "closed_date", active, 1)
    )
    card = Cards(
        first=prefix(np.bincount(of, minlength=len(held)).astype(np.uint64)),
        card_no=cards.card_no[active],
        number_no=cards.number_no[active],
        first_day=cards.activation_date[active].astype(np.int32),
        last_day=np.minimum(last, account.last_day[place[of]]),
    )
    instrument = Instruments(
        first=_first(instruments.owner_party_id[held], *party),
        instrument_no=instruments.instrument_id[held],
        account=place.astype(np.uint32),
        instrument_type=types,
        flags=flags.astype(np.uint8),
        scheme=instruments.scheme[held],
        bank=instruments.issuer_id[held],
    )
    return account, instrument, card


def device_tables(
    party: tuple[int, int], types: Array, lent: tuple[Array, Array], devices: Frame, links: Frame, ips: Frame
) -> tuple[Devices, Addresses]:
    """Devices that parties buy with, and their addresses.

    Args:
        party: Natural number of the first party, and how many there are.
        types: int16: codes of device_type that count.
        lent: Who uses others' devices: natural numbers of parties (uint64), and rows of `devices` (int64).
        devices: s4_device_base_6A, by device_id.
        links: Rows of s4_ip_links_6A that name a device, by ip_id: device_id, ip_id, valid_from, valid_to.
            Links of others' devices are left out.
        ips: s4_ip_base_6A of all their addresses, by ip_id: ip_id, ip_type, country_iso, metro_id.
    """
    own = buying(devices, types)
    who = np.concatenate((devices.primary_party_id[own], lent[0]))
    row = np.concatenate((own, lent[1]))
    order = np.lexsort((row, who))
    who, row = who[order], row[order]
    device = Devices(
        first=_first(who, *party),
        device_no=devices.device_id[row],
        device_type=devices.device_type[row],
        first_day=devices.first_seen[row].astype(np.int32),
        last_day=_until(devices, "last_seen", row, 0),
    )
    used = np.zeros(len(devices.device_id), dtype=np.bool_)
    used[row] = True
    of, known = match(devices.device_id, links.device_id)
    mine = np.flatnonzero(known & used[of]) if len(of) else of
    # Links come by address, so those of a device stay in the order of its addresses.
    mine = mine[np.argsort(of[mine], kind="stable")]
    first = prefix(np.bincount(of[mine], minlength=len(used)).astype(np.uint64))
    offsets, places = taken(first, row)
    mine = mine[places]
    at = look_up(ips.ip_id, links.ip_id[mine])
    address = Addresses(
        first=offsets,
        ip_no=links.ip_id[mine],
        kind=ips.ip_type[at],
        country=ips.country_iso[at],
        metro=ips.metro_id[at],
        first_day=links.valid_from[mine].astype(np.int32),
        last_day=_until(links, "valid_to", mine, 0),
    )
    return device, address


def buying(devices: Frame, types: Array) -> Array:
    """Rows of parties' devices of some types: int64."""
    return np.flatnonzero(devices.present("primary_party_id") & np.isin(devices.device_type, types))


def token_table(party: tuple[int, int], instruments: Instruments, devices: Devices, tokens: Frame) -> Tokens:
    """Cards in wallets, by party, device and number.

    Args:
        party: Natural number of the first party, and how many there are.
        instruments: Their instruments.
        devices: Their devices; a token of another kind of device is left out.
        tokens: s4_wallet_tokens_6A of those parties.
    """
    holder = np.uint64(party[0]) + run_of_row(devices.first).astype(np.uint64)
    by_device = np.lexsort((holder, devices.device_no))
    by_card = np.argsort(instruments.instrument_no, kind="stable")
    rows = np.flatnonzero(np.isin(tokens.device_id, devices.device_no))
    # A device that a household shares is on several lists; its tokens are its owner's.
    low = np.searchsorted(devices.device_no[by_device], tokens.device_id[rows])
    device = by_device[low]
    for step in range(1, int(_longest_run(devices.device_no[by_device]))):
        later = by_device[np.minimum(low + step, len(by_device) - 1)]
        theirs = (devices.device_no[later] == tokens.device_id[rows]) & (
            holder[later] == tokens.owner_party_id[rows]
        )
        device = np.where(theirs, later, device)
    card = by_card[look_up(instruments.instrument_no[by_card], tokens.instrument_id[rows])]
    order = np.lexsort((tokens.token_no[rows], device))
    rows = rows[order]
    return Tokens(
        first=_first(tokens.owner_party_id[rows], *party),
        device=device[order].astype(np.uint32),
        instrument=card[order].astype(np.uint32),
        first_day=tokens.provisioned_date[rows].astype(np.int32),
        last_day=_until(tokens, "removed_date", rows, 0),
    )


def _longest_run(values: Array) -> int:
    """Length of the longest run of equal values."""
    return int(run_lengths(run_offsets(values)).max(initial=0))


def together(pieces: list[Holdings]) -> Holdings:
    """Holdings of several runs of parties, one after the other."""
    if len(pieces) == 1:
        return pieces[0]
    accounts = [len(one.accounts.account_no) for one in pieces]
    instruments = [len(one.instruments.instrument_no) for one in pieces]
    devices = [len(one.devices.device_no) for one in pieces]

    def moved(values: list[Array], sizes: list[int]) -> Array:
        """Places that count through."""
        before = np.cumsum([0, *sizes[:-1]])
        return np.concatenate(
            [each + np.uint32(shift) for each, shift in zip(values, before.tolist(), strict=True)]
        )

    def joined(part: str, *places: tuple[str, list[int]]) -> dict[str, Array]:
        tables = [getattr(one, part) for one in pieces]
        names = [name for name in type(tables[0]).__slots__ if name != "first"]
        found = {name: np.concatenate([getattr(one, name) for one in tables]) for name in names}
        for name, sizes in places:
            found[name] = moved([getattr(one, name) for one in tables], sizes)
        return {"first": prefix(np.concatenate([np.diff(one.first) for one in tables])), **found}

    return Holdings(
        Accounts(**joined("accounts")),
        Instruments(**joined("instruments", ("account", accounts))),
        Cards(**joined("cards")),
        Tokens(**joined("tokens", ("device", devices), ("instrument", instruments))),
        Devices(**joined("devices")),
        Addresses(**joined("addresses")),
    )


def of_parties(held: Holdings, places: Array) -> Holdings:
    """What some of the parties hold, in their order.

    Args:
        held: Tables of a file.
        places: Integers, p: places of parties in the file; each at most once.
    """
    accounts, account_rows = taken(held.accounts.first, places)
    instruments, instrument_rows = taken(held.instruments.first, places)
    cards, card_rows = taken(held.cards.first, instrument_rows)
    tokens, token_rows = taken(held.tokens.first, places)
    devices, device_rows = taken(held.devices.first, places)
    addresses, address_rows = taken(held.addresses.first, device_rows)
    account_at = _inverse(account_rows, len(held.accounts.account_no))
    instrument_at = _inverse(instrument_rows, len(held.instruments.instrument_no))
    device_at = _inverse(device_rows, len(held.devices.device_no))
    a, i, c, t = held.accounts, held.instruments, held.cards, held.tokens
    d, n = held.devices, held.addresses
    return Holdings(
        Accounts(
            accounts,
            *(
                column[account_rows]
                for column in (a.account_no, a.account_type, a.currency, a.open_day, a.last_day, a.frozen_day)
            ),
        ),
        Instruments(
            instruments,
            i.instrument_no[instrument_rows],
            account_at[i.account[instrument_rows]],
            *(column[instrument_rows] for column in (i.instrument_type, i.flags, i.scheme, i.bank)),
        ),
        Cards(cards, *(x[card_rows] for x in (c.card_no, c.number_no, c.first_day, c.last_day))),
        Tokens(
            tokens,
            device_at[t.device[token_rows]],
            instrument_at[t.instrument[token_rows]],
            t.first_day[token_rows],
            t.last_day[token_rows],
        ),
        Devices(devices, *(x[device_rows] for x in (d.device_no, d.device_type, d.first_day, d.last_day))),
        Addresses(
            addresses,
            *(x[address_rows] for x in (n.ip_no, n.kind, n.country, n.metro, n.first_day, n.last_day)),
        ),
    )


def _first(owner: Array, first: int, parties: int) -> Array:
    """First places of the lists of parties whose items are in their order: uint64, parties + 1."""
    counts = np.bincount((owner - np.uint64(first)).astype(np.int64), minlength=parties)
    offsets: Array = prefix(counts.astype(np.uint64))
    return offsets


def _until(frame: Frame, name: str, rows: Array, before: int) -> Array:
    """Days of a nullable column less `before`, NEVER where absent: int32."""
    days = frame[name][rows].astype(np.int32) - np.int32(before)
    found: Array = np.where(frame.present(name)[rows], days, NEVER)
    return found


def _inverse(rows: Array, size: int) -> Array:
    """Place of each row among `rows`, NOBODY where it is not: uint32, size."""
    at = np.full(size, NOBODY, dtype=np.uint32)
    at[rows] = np.arange(len(rows), dtype=np.uint32)
    return at
