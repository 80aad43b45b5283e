"""What the passes of 6B.S5 read and write: rows of a range of parties, merchants, and the people's tables.

A range is a run of published party ids. Rows are ordered by published party, instant, merchant row and
arrival, so a party's rows are adjacent and in time: `row_first` says where they begin, and a kernel's thread
walks them. Everything that belongs to a party hangs on it by such a list of first places (CSR): trips,
accounts, instruments and devices on the party, cards on the instrument, wallet tokens on the party, addresses
on the device.
Places are 0-based, count inside the range's tables and are no address; `NOBODY` stands where there is none.
Days are days since 1970-01-01; spans include both ends; `NEVER` ends what goes on.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sim.state.frames import Array

NOBODY = np.uint32(0xFFFF_FFFF)
"""Place that stands for none, in every column of places."""

NEVER = np.int32(0x7FFF_FFFF)
"""Last day of what goes on when the horizon ends."""


@dataclass(frozen=True, slots=True)
class Rows:
    """Arrivals of a range: n rows in the walk's order, of p parties.

    `c0` and `place_id` address a row's draws: c0 = ts_us << 8, whose low 8 bits are the block, and c1 =
    place_id. Two arrivals of one place in one microsecond share their draws.
    """

    row_first: Array
    """uint64, p + 1: a party's rows are [row_first[k], row_first[k + 1])."""
    party: Array
    """uint32, n: place in `People`; ascending."""
    ts_us: Array
    """int64, n: us since the epoch, UTC; ascending within a party."""
    c0: Array
    """uint64, n: address of the row's draws, block 0."""
    place_id: Array
    """uint64, n: site_id or edge_id, whichever is there."""
    offset_minutes: Array
    """int16, n: local clock of the place of sale against UTC."""
    merchant: Array
    """uint32, n: row in `Merchants`."""
    arrival_seq: Array
    """uint32, n: number among the merchant's arrivals."""
    site_id: Array
    """uint64, n: 0 where online."""
    edge_id: Array
    """uint64, n: 0 where at a site."""
    terminal_id: Array
    """uint64, n: 0 where there is none."""
    site: Array
    """uint32, n: row in `Sites`; NOBODY where online."""
    country: Array
    """int16, n: country of the sale, code of vocabulary country; online that of the merchant."""
    kind: Array
    """int16, n: code of vocabulary arrival_kind."""
    relation: Array
    """int16, n: code of vocabulary relation."""
    trip_no: Array
    """uint8, n: the party's trip it is on; 0 where at home."""
    flow_id: Array
    """uint64, n: what the payment is called; says nothing."""


@dataclass(frozen=True, slots=True)
class Merchants:
    """All merchants of the world, in the order of merchant_catalogue_1A: m rows."""

    merchant_id: Array
    """uint64, m: ascending."""
    mcc: Array
    """uint16, m."""
    country: Array
    """int16, m: home, code of vocabulary country."""
    currency: Array
    """int16, m: currency of the home country, code of vocabulary currency."""


@dataclass(frozen=True, slots=True)
class Sites:
    """All sites of the world by id: s rows."""

    site_id: Array
    """uint64, s: ascending."""
    country: Array
    """int16, s: code of vocabulary country."""
    x: Array
    """float64, s: the site as a vector from the Earth's centre, in radii."""
    y: Array
    """float64, s."""
    z: Array
    """float64, s."""


@dataclass(frozen=True, slots=True)
class People:
    """Parties of a range in published order: p of them, with all that is theirs."""

    party_no: Array
    """uint64, p: natural number (what frames hold; the boundary publishes ids)."""
    word: Array
    """uint64, p: stands for the party in addresses (`people.party_words`)."""
    country: Array
    """int16, p: of the home, code of vocabulary country."""
    metro: Array
    """uint32, p: of the home."""
    segment: Array
    """int16, p: code of vocabulary segment."""
    income: Array
    """int16, p: code of vocabulary income_band; -1 for who is no person."""
    spend_level: Array
    """float64, p: level of prices; 1 the median of middle incomes."""
    trips: Trips
    accounts: Accounts
    instruments: Instruments
    cards: Cards
    tokens: Tokens
    devices: Devices
    addresses: Addresses


@dataclass(frozen=True, slots=True)
class Trips:
    """Trips of a range's parties: v rows, by party and in time."""

    first: Array
    """uint64, p + 1."""
    from_us: Array
    """int64, v: first instant of it, us since the epoch."""
    to_us: Array
    """int64, v: last instant of it."""
    metro: Array
    """uint32, v: where it goes."""


@dataclass(frozen=True, slots=True)
class Accounts:
    """Accounts of a range's parties that some card pays from: a rows, by party."""

    first: Array
    """uint64, p + 1."""
    account_no: Array
    """uint64, a: natural number; ascending within a party."""
    account_type: Array
    """int16, a: code of vocabulary account_type."""
    currency: Array
    """int16, a: code of vocabulary currency."""
    open_day: Array
    """int32, a."""
    last_day: Array
    """int32, a: the day before it closed; NEVER where it stays open."""
    frozen_day: Array
    """int32, a: first day on which it is frozen; NEVER where it never is."""


@dataclass(frozen=True, slots=True)
class Instruments:
    """Card instruments, physical and virtual, of a range's parties: i rows, by party."""

    first: Array
    """uint64, p + 1."""
    instrument_no: Array
    """uint64, i: natural number; ascending within a party."""
    account: Array
    """uint32, i: place in `Accounts`."""
    instrument_type: Array
    """int16, i: code of vocabulary instrument_type."""
    flags: Array
    """uint8, i: 1 physical, 2 credit, 4 domestic only."""
    scheme: Array
    """int16, i: code of vocabulary scheme."""
    bank: Array
    """uint64, i: id of its issuer."""


@dataclass(frozen=True, slots=True)
class Cards:
    """Cards as issued of a range's instruments that were ever activated: c rows, by instrument."""

    first: Array
    """uint64, i + 1."""
    card_no: Array
    """uint8, c: number among the instrument's cards, from 1; ascending within an instrument."""
    number_no: Array
    """uint8, c: which card number it bears: a reissue keeps it, a replacement does not."""
    first_day: Array
    """int32, c: day of activation."""
    last_day: Array
    """int32, c: last day of its month of expiry, or that before its or its account's closing."""


@dataclass(frozen=True, slots=True)
class Tokens:
    """Cards in wallets of a range's parties: t rows, by party."""

    first: Array
    """uint64, p + 1."""
    device: Array
    """uint32, t: place in `Devices`."""
    instrument: Array
    """uint32, t: place in `Instruments`."""
    first_day: Array
    """int32, t."""
    last_day: Array
    """int32, t."""


@dataclass(frozen=True, slots=True)
class Devices:
    """Devices that a range's parties buy with: d rows, by party.

    Their own ones that browse; who owns none uses those of the household, so a device may be there twice.
    """

    first: Array
    """uint64, p + 1."""
    device_no: Array
    """uint64, d: natural number; ascending within a party."""
    device_type: Array
    """int16, d: code of vocabulary device_type."""
    first_day: Array
    """int32, d."""
    last_day: Array
    """int32, d."""


@dataclass(frozen=True, slots=True)
class Addresses:
    """IP addresses of a range's devices, at home and abroad: l rows, by device."""

    first: Array
    """uint64, d + 1."""
    ip_no: Array
    """uint64, l: natural number; ascending within a device."""
    kind: Array
    """int16, l: code of vocabulary ip_type."""
    country: Array
    """int16, l: where the address lies, code of vocabulary country."""
    metro: Array
    """uint32, l."""
    first_day: Array
    """int32, l: of the link of device and address."""
    last_day: Array
    """int32, l."""


@dataclass(frozen=True, slots=True)
class CardChoice:
    """What pass 1 (`choose_cards`) says of each row: n rows."""

    instrument: Array
    """uint32, n: place in `Instruments`; never NOBODY."""
    card: Array
    """uint32, n: place in `Cards`; never NOBODY."""
    faults: Array
    """uint8, n: what the issuer will hold against it, 0 for nearly all: 1 account frozen, 2 domestic only but
    abroad, 4 no card for this channel, 8 no card of it is valid on the row's day (UTC). A party tries
    such a card only where it has no other."""
    token: Array
    """uint32, n: place in `Tokens` of rows that a wallet paid; else NOBODY."""
    channel: Array
    """int16, n: code of vocabulary payment_channel."""
    entry_mode: Array
    """int16, n: code of vocabulary entry_mode."""


@dataclass(frozen=True, slots=True)
class DeviceChoice:
    """What pass 2 (`choose_devices`) says of each row: n rows."""

    device: Array
    """uint32, n: place in `Devices`; NOBODY where no device of the party took part."""
    address: Array
    """uint32, n: place in `Addresses`; NOBODY where no address is seen."""
    session: Array
    """uint32, n: place of the session among the range's; NOBODY where there is none."""
