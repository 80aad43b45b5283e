"""The arrivals of a range of parties in the order of the walk; merchants and sites they are made at."""

from __future__ import annotations

import numpy as np

from sim.recipes.groups import prefix, run_lengths, run_offsets
from sim.recipes.join import look_up
from sim.recipes.sphere import unit_vectors
from sim.recipes.terms import COUNTRY_TERMS_NEEDS, currency_of_country
from sim.segments.flows_6b.s5_flows.cards import CARD
from sim.segments.flows_6b.s5_flows.rows import NOBODY, Merchants, Rows, Sites
from sim.state.context import Context
from sim.state.declaration import ROW_LEVEL, Needs
from sim.state.declared import name_hashes
from sim.state.frames import Array, Frame

ENTITIES, CATALOGUE, LOCATIONS = "arrival_entities_6B", "merchant_catalogue_1A", "site_locations"
FLOW_IDS = "flows.published"
_WIDE = 64
"""A table of numbers may be so many times as long as the parties of a range."""
_SPACE, _OF_MERCHANT = np.uint64(1 << 62), np.uint64(32)

PLACES_NEEDS = Needs(reads={CATALOGUE: ROW_LEVEL, LOCATIONS: ROW_LEVEL}, uses=(COUNTRY_TERMS_NEEDS,))
ARRIVALS_NEEDS = Needs(reads={ENTITIES: ROW_LEVEL}, kernels=("permuted_rank",), streams=(CARD,))


def merchants_of(ctx: Context) -> Merchants:
    """All merchants of the world."""
    every = ctx.load(CATALOGUE, columns=("merchant_id", "mcc", "home_country_iso"))
    home = every.home_country_iso
    return Merchants(every.merchant_id, every.mcc, home, currency_of_country(ctx)[home])


def sites_of(ctx: Context) -> Sites:
    """All sites of the world."""
    every = ctx.load(LOCATIONS, columns=("site_id", "legal_country_iso", "lat_deg", "lon_deg"))
    every = every.take(np.argsort(every.site_id, kind="stable"))
    x, y, z = unit_vectors(every.lat_deg, every.lon_deg)
    return Sites(every.site_id, every.legal_country_iso, x, y, z)


def arrivals_of(ctx: Context, scenario: str | None, party_range: int) -> Frame:
    """Arrivals of a range of parties with their payers, in no order that means anything."""
    return ctx.load_groups(ENTITIES, scenario, low=party_range, high=party_range + 1)


def flow_ids(ctx: Context, scenario: str | None, merchant: Array, arrival_seq: Array) -> Array:
    """Ids of payments: images of (row of the merchant, number of the arrival) under a keyed permutation.

    An id is a function of the arrival alone, so that it stays while others come and go; it is one of 2**62,
    and whatever is not an arrival has its number from 2**61 on.

    Args:
        ctx: Context.
        scenario: Scenario; each has a permutation of its own.
        merchant: uint32, n: row in `Merchants`, below 2**29.
        arrival_seq: uint32, n.

    Returns:
        uint64, n: 1 .. 2**62.
    """
    rank = (merchant.astype(np.uint64) << _OF_MERCHANT) | arrival_seq.astype(np.uint64)
    found: Array = ctx.kernels.permuted_rank(
        key=ctx.permutation(FLOW_IDS),
        inverse=0,
        tweak=np.full(len(rank), name_hashes((scenario or "",))[0], dtype=np.uint64),
        size=np.full(len(rank), _SPACE, dtype=np.uint64),
        rank=rank,
    )
    return found + np.uint64(1)


def rows_of(
    ctx: Context, scenario: str | None, merchants: Merchants, sites: Sites, party: Array, events: Frame
) -> tuple[Rows, Array]:
    """Arrivals in the order of the walk.

    Args:
        ctx: Context.
        scenario: Scenario.
        merchants: All merchants.
        sites: All sites.
        party: uint64: natural numbers of the range's parties in published order.
        events: Rows of `arrivals_of`.

    Returns:
        The rows, and the places in `party` of those who pay (int64, p): people of the rows, in their order.
    """
    place = places_of(party, events.party_id)
    # Rows come merchant by merchant out of each file: one look-up a run.
    offsets = run_offsets(events.merchant_id)
    sold_by = look_up(merchants.merchant_id, events.merchant_id[offsets[:-1].astype(np.int64)])
    merchant = np.repeat(sold_by.astype(np.uint32), run_lengths(offsets))
    flow_id = flow_ids(ctx, scenario, merchant, events.arrival_seq)
    at_site = events.present("site_id")
    site = np.full(len(events), NOBODY, dtype=np.uint32)
    site[at_site] = look_up(sites.site_id, events.site_id[at_site]).astype(np.uint32)
    order = walk_order(place, events.ts_utc, flow_id)
    payments = np.bincount(place, minlength=len(party))
    payers = np.flatnonzero(payments)
    at_site, site, merchant = at_site[order], site[order], merchant[order]
    site_id, edge_id = events.site_id[order], events.edge_id[order]
    ts = events.ts_utc[order]
    place_id = np.where(at_site, site_id, edge_id)
    # Every stream of payments has this address.
    where = ctx.address(CARD, event_us=ts.astype(np.uint64), place=place_id)
    rows = Rows(
        row_first=prefix(payments[payers].astype(np.uint64)),
        party=np.repeat(np.arange(len(payers), dtype=np.uint32), payments[payers]),
        ts_us=ts,
        c0=where.c0,
        place_id=place_id,
        offset_minutes=events.utc_offset_minutes[order],
        merchant=merchant,
        arrival_seq=events.arrival_seq[order],
        site_id=np.where(at_site, site_id, np.uint64(0)),
        edge_id=np.where(at_site, np.uint64(0), edge_id),
        terminal_id=np.where(events.present("terminal_id")[order], events.terminal_id[order], np.uint64(0)),
        site=site,
        country=country_of_sale(merchant, site, merchants, sites),
        kind=events.arrival_kind[order],
        relation=events.relation[order],
        trip_no=np.where(events.present("trip_no")[order], events.trip_no[order], 0).astype(np.uint8),
        flow_id=flow_id[order],
    )
    return rows, payers


def places_of(party: Array, wanted: Array) -> Array:
    """Place of each party among those of a range: int64.

    Args:
        party: uint64, p: natural numbers, each once.
        wanted: uint64, n: some of them.

    Raises:
        ValueError: One is not there (a bug in who made the ranges).
    """
    low = party.min(initial=np.uint64(np.iinfo(np.uint64).max))
    if len(party) == 0 or int(party.max() - low) >= _WIDE * len(party):
        by_number = np.argsort(party, kind="stable")
        return by_number[look_up(party[by_number], wanted)]
    # Numbers of a range lie in its countries, so a table of these is small and far faster than a search.
    table = np.full(int(party.max() - low) + 1, -1, dtype=np.int64)
    table[(party - low).astype(np.int64)] = np.arange(len(party))
    inside = (wanted >= low) & (wanted - low < np.uint64(len(table)))
    found: Array = table[np.where(inside, wanted - low, np.uint64(0)).astype(np.int64)]
    if not (inside & (found >= 0)).all():
        raise ValueError("a payer is not of the range that its row lies in")
    return found


def country_of_sale(merchant: Array, site: Array, merchants: Merchants, sites: Sites) -> Array:
    """Country of each sale: int16; online that of the merchant."""
    country = merchants.country[merchant]
    at_site = site != NOBODY
    country[at_site] = sites.country[site[at_site]]
    return country


def walk_order(place: Array, ts_us: Array, flow_id: Array) -> Array:
    """Order of rows by party, instant and flow: int64.

    Args:
        place: Integers, n: place of the party.
        ts_us: int64, n: not before 1970.
        flow_id: uint64, n.
    """
    if len(place) == 0:
        return np.zeros(0, dtype=np.int64)
    since = (ts_us - ts_us.min()).astype(np.uint64)
    bits = np.uint64(int(since.max()).bit_length())
    if int(place.max()).bit_length() + int(bits) <= 64:
        return by_word((place.astype(np.uint64) << bits) | since, flow_id, ts_us, place)
    found: Array = np.lexsort((flow_id, ts_us, place))
    return found


def by_word(word: Array, *columns: Array) -> Array:
    """Order of rows by columns, the last first: int64.

    Args:
        word: uint64, n: in the order of the columns as far as it goes. One word a row sorts far faster than
            several columns; these are needed only where words are equal.
        columns: As for `numpy.lexsort`.
    """
    order = np.argsort(word, kind="stable")
    if (word[order[1:]] != word[order[:-1]]).all():
        return order
    found: Array = np.lexsort(columns)
    return found
