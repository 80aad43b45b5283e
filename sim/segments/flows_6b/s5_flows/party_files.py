"""The people of a range of published parties, out of tables that are made once for each file of 6A.

A range takes parties from all over a country, and a country lies in one file. So the tables of a file are
shared by all ranges that meet it.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from sim.recipes.groups import prefix
from sim.recipes.join import look_up
from sim.segments.flows_6b.metros import METROS_NEEDS, metros
from sim.segments.flows_6b.people import PARTY_WORDS_NEEDS, party_words
from sim.segments.flows_6b.s5_flows.cards import card_kinds
from sim.segments.flows_6b.s5_flows.devices import BUYING_NEEDS, buying_types
from sim.segments.flows_6b.s5_flows.holdings import (
    Holdings,
    buying,
    card_tables,
    device_tables,
    of_parties,
    taken,
    together,
    token_table,
)
from sim.segments.flows_6b.s5_flows.rows import People, Trips
from sim.state.context import Context
from sim.state.declaration import ROW_LEVEL, Needs
from sim.state.frames import Array, Frame, concat

PARTIES, ACCOUNTS, INSTRUMENTS = "s1_party_base_6A", "s2_account_base_6A", "s3_instrument_base_6A"
CARDS, DEVICES, TOKENS = "s3_card_base_6A", "s4_device_base_6A", "s4_wallet_tokens_6A"
LINKS, IPS = "s4_ip_links_6A", "s4_ip_base_6A"
BEHAVIOUR, TRIPS = "party_behaviour_6B", "trips_6B"

PARTY_FILES_NEEDS = Needs(
    reads={
        PARTIES: ROW_LEVEL,
        ACCOUNTS: ROW_LEVEL,
        INSTRUMENTS: ROW_LEVEL,
        CARDS: ROW_LEVEL,
        DEVICES: ROW_LEVEL,
        TOKENS: ROW_LEVEL,
        LINKS: ROW_LEVEL,
        IPS: ROW_LEVEL,
        BEHAVIOUR: ROW_LEVEL,
        TRIPS: ROW_LEVEL,
    },
    uses=(BUYING_NEEDS, METROS_NEEDS, PARTY_WORDS_NEEDS),
)


@dataclass(frozen=True, slots=True)
class PartyFile:
    """The parties of a file of 6A, in the order of their natural numbers.

    Attributes:
        party: `party_id`, `word`, `country`, `metro`, `segment`, `income`, `spend_level`; see `People`.
        trips: Their trips.
        held: What they hold.
    """

    party: Frame
    trips: Trips
    held: Holdings


def people_of(ctx: Context, numbers: Array) -> People:
    """Some parties and all that is theirs.

    Args:
        ctx: Context.
        numbers: uint64, p: natural numbers, each once, those of a file of 6A together.
    """
    rows = np.array([file.rows for file in ctx.files(PARTIES)], dtype=np.int64)
    ends = np.cumsum(rows).astype(np.uint64)
    file = np.searchsorted(ends, numbers, side="left")
    found = []
    for index in dict.fromkeys(file.tolist()):
        whole = party_file(ctx, index)
        places = look_up(whole.party.party_id, numbers[file == index])
        found.append(
            (whole.party.take(places), _trips_of(whole.trips, places), of_parties(whole.held, places))
        )
    if not found:
        whole = party_file(ctx, 0)
        none = np.zeros(0, dtype=np.int64)
        found = [(whole.party.take(none), _trips_of(whole.trips, none), of_parties(whole.held, none))]
    party = concat([one for one, _, _ in found])
    trips, held = _united([one for _, one, _ in found]), together([one for _, _, one in found])
    return People(
        party_no=party.party_id,
        word=party.word,
        country=party.country,
        metro=party.metro,
        segment=party.segment,
        income=party.income,
        spend_level=party.spend_level,
        trips=trips,
        accounts=held.accounts,
        instruments=held.instruments,
        cards=held.cards,
        tokens=held.tokens,
        devices=held.devices,
        addresses=held.addresses,
    )


def party_file(ctx: Context, index: int) -> PartyFile:
    """Tables of a file of 6A, shared by the ranges that meet it."""
    return ctx.shared(f"parties {index}", lambda: _party_file(ctx, index))


def _party_file(ctx: Context, index: int) -> PartyFile:
    base = ctx.load(
        PARTIES,
        part=index,
        columns=(
            "party_id", "country_iso", "segment_id", "household_id", "home_city_id", "income_band",
        ),
    )  # fmt: skip
    behaviour = ctx.load(BEHAVIOUR, part=index, columns=("party_id", "spend_level"))
    every = metros(ctx)
    party = Frame(
        {
            "party_id": base.party_id,
            "word": party_words(ctx, base.party_id),
            "country": base.country_iso,
            "metro": every.metro_id[every.of(base.home_city_id)].astype(np.uint32),
            "segment": base.segment_id,
            "income": np.where(base.present("income_band"), base.income_band, -1).astype(np.int16),
            "spend_level": behaviour.spend_level,
        }
    )
    span = (int(base.party_id[0]), len(base))
    return PartyFile(party, _trips(ctx, index, span), _holdings(ctx, index, span, base))


def _trips(ctx: Context, index: int, span: tuple[int, int]) -> Trips:
    rows = ctx.load(TRIPS, part=index, columns=("party_id", "destination_metro_id", "first_utc", "last_utc"))
    of = (rows.party_id - np.uint64(span[0])).astype(np.int64)
    first = prefix(np.bincount(of, minlength=span[1]).astype(np.uint64))
    return Trips(first, rows.first_utc, rows.last_utc, rows.destination_metro_id)


def _holdings(ctx: Context, index: int, span: tuple[int, int], base: Frame) -> Holdings:
    accounts, instruments, cards = card_tables(
        span,
        card_kinds(ctx),
        ctx.load(
            ACCOUNTS,
            part=index,
            columns=(
                "account_id", "owner_party_id", "account_type", "currency", "open_date", "close_date",
                "frozen_date",
            ),
        ),
        ctx.load(
            INSTRUMENTS,
            part=index,
            columns=(
                "instrument_id", "account_id", "owner_party_id", "instrument_type", "scheme",
                "domestic_only", "issuer_id",
            ),
        ),
        ctx.load(
            CARDS,
            part=index,
            columns=(
                "instrument_id", "card_no", "number_no", "activation_date", "expiry_month", "closed_date",
            ),
        ),
    )  # fmt: skip
    gadgets = ctx.load(
        DEVICES,
        part=index,
        columns=("device_id", "device_type", "primary_party_id", "first_seen", "last_seen"),
    )
    types = buying_types(ctx)
    devices, addresses = device_tables(
        span, types, _lent(base, gadgets, types), gadgets, *_addresses(ctx, index)
    )
    tokens = ctx.load(
        TOKENS,
        part=index,
        columns=(
            "device_id", "token_no", "instrument_id", "owner_party_id", "provisioned_date", "removed_date",
        ),
    )  # fmt: skip
    return Holdings(
        accounts, instruments, cards, token_table(span, instruments, devices, tokens), devices, addresses
    )


def _lent(base: Frame, gadgets: Frame, types: Array) -> tuple[Array, Array]:
    """Devices of the household, of those who own none: parties (uint64), rows of `gadgets` (int64)."""
    own = buying(gadgets, types)
    owner = (gadgets.primary_party_id[own] - base.party_id[0]).astype(np.int64)
    has = np.zeros(len(base), dtype=np.bool_)
    has[owner] = True
    home = base.household_id[owner]
    order = np.argsort(home, kind="stable")
    home, own = home[order], own[order]
    # Who is no person lives in no household but its own.
    without = np.flatnonzero(~has & base.present("income_band"))
    low = np.searchsorted(home, base.household_id[without], side="left")
    high = np.searchsorted(home, base.household_id[without], side="right")
    many = high - low
    offsets = prefix(many.astype(np.uint64)).astype(np.int64)
    at = np.repeat(low - offsets[:-1], many) + np.arange(int(offsets[-1]))
    return np.repeat(base.party_id[without], many), own[at]


def _addresses(ctx: Context, index: int) -> tuple[Frame, Frame]:
    """Links of the devices of a file, by address, and the addresses of these."""
    own = _device_links(ctx, index)
    ips = ctx.load(IPS, part=index, columns=("ip_id", "ip_type", "country_iso", "metro_id"))
    links, far = ctx.shared("links across files", lambda: _across(ctx))[index]
    if len(links) == 0:
        return own, ips
    both = concat([own, links])
    return both.take(np.argsort(both.ip_id, kind="stable")), _by_id(concat([ips, far]))


def _by_id(ips: Frame) -> Frame:
    _, first = np.unique(ips.ip_id, return_index=True)
    return ips.take(first)


def _device_links(ctx: Context, index: int) -> Frame:
    links = ctx.load(LINKS, part=index, columns=("ip_id", "device_id", "valid_from", "valid_to"))
    return links.take(np.flatnonzero(links.present("device_id")))


def _across(ctx: Context) -> list[tuple[Frame, Frame]]:
    """Of each file, the links of its devices to addresses in other files, and these addresses.

    An address abroad lies in the file of its country, and so do its links.
    """
    ends = np.cumsum([file.rows for file in ctx.files(DEVICES)]).astype(np.uint64)
    found: list[list[tuple[Frame, Frame]]] = [[] for _ in ends]
    for index in range(len(ends)):
        links = _device_links(ctx, index)
        home = np.searchsorted(ends, links.device_id, side="left")
        far = np.flatnonzero(home != index)
        ips = ctx.load(IPS, part=index, columns=("ip_id", "ip_type", "country_iso", "metro_id"))
        for other in range(len(ends)):
            some = links.take(far[home[far] == other])
            if other == index:  # so that every file has a frame
                some = links.slice(0, 0)
            found[other].append((some, ips.take(look_up(ips.ip_id, some.ip_id))))
    return [
        (concat([links for links, _ in each]), _by_id(concat([ips for _, ips in each]))) for each in found
    ]


def _trips_of(trips: Trips, places: Array) -> Trips:
    first, rows = taken(trips.first, places)
    return Trips(first, trips.from_us[rows], trips.to_us[rows], trips.metro[rows])


def _united(pieces: list[Trips]) -> Trips:
    columns = {
        one.name: np.concatenate([getattr(each, one.name) for each in pieces])
        for one in fields(Trips)
        if one.name != "first"
    }
    return Trips(first=prefix(np.concatenate([np.diff(each.first) for each in pieces])), **columns)
