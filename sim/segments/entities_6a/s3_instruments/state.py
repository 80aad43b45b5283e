"""6A.S3: the cards and bank account handles that pay from each account.

Totals of each cell (country, account type, segment, instrument type) are exact (see `instrument_cells`) and
are spread over the cell's accounts as accounts are over parties. Instruments that lean on others only go
where these are.
"""

from __future__ import annotations

import numpy as np

from sim.recipes.groups import prefix, run_starts
from sim.recipes.join import look_up
from sim.recipes.partitions import row_runs, rows_of
from sim.segments.entities_6a.cells import CELL_WORDS_NEEDS, cell_words
from sim.segments.entities_6a.s3_instruments.card_checks import (
    CARD_CHECKS_NEEDS,
    CardCounts,
    card_checks,
    check_cards,
    count_cards,
)
from sim.segments.entities_6a.s3_instruments.cells import (
    INSTRUMENT_CELLS_NEEDS,
    Instruments,
    account_entity,
    check_instruments,
    instrument_entity,
    instruments,
    instruments_of,
)
from sim.segments.entities_6a.s3_instruments.checks import (
    INSTRUMENT_CHECKS_NEEDS,
    InstrumentCounts,
    count_instruments,
    instrument_checks,
    instrument_measurements,
)
from sim.segments.entities_6a.s3_instruments.issuers import ISSUERS_NEEDS, bin_rows, issuer_rows
from sim.segments.entities_6a.s3_instruments.market_checks import MarketCounts
from sim.segments.entities_6a.s3_instruments.rows import (
    CARD,
    INSTRUMENT_ROWS_NEEDS,
    Holders,
    instrument_rows,
)
from sim.segments.entities_6a.s3_instruments.use_check import USE_CHECK_NEEDS, use_checks
from sim.segments.entities_6a.spread import SPREAD_NEEDS, Law, holds_any, spread
from sim.state.context import Context, PartitionContext
from sim.state.declaration import ROW_LEVEL, Check, Frames, Measurement, Partition, State
from sim.state.frames import Array, Frame
from sim.state.totals import Totals

WEIGHT, START = "6A.instrument_weight", "6A.instrument_start"
PICK, PICK_START = "6A.card_holder", "6A.card_holder_start"

STATE = State(
    id="6A.S3",
    title="Instruments",
    reads={"s1_party_summary_6A": ROW_LEVEL, "s2_account_base_6A": ROW_LEVEL},
    config=("instrument_linkage_6A", "instrument_mix_6A", "instrument_per_account_6A"),
    writes=(
        "s3_instrument_base_6A",
        "s3_card_base_6A",
        "s3_issuer_base_6A",
        "s3_bin_base_6A",
        "s3_account_instrument_links_6A",
        "s3_party_instrument_holdings_6A",
        "s3_instrument_summary_6A",
    ),
    streams=(WEIGHT, START, PICK, PICK_START),
    kernels=("expand_rows",),
    counts=(CardCounts, InstrumentCounts, MarketCounts),
    uses=(
        CARD_CHECKS_NEEDS,
        CELL_WORDS_NEEDS,
        ISSUERS_NEEDS,
        INSTRUMENT_CELLS_NEEDS,
        INSTRUMENT_CHECKS_NEEDS,
        INSTRUMENT_ROWS_NEEDS,
        SPREAD_NEEDS,
        USE_CHECK_NEEDS,
    ),
)


def preflight(ctx: Context) -> None:
    """Refuse priors and rules that contradict one another."""
    check_instruments(ctx)
    check_cards(ctx)


def plan(ctx: Context) -> list[Partition]:
    """One partition a file of accounts: whole countries."""
    rows = np.cumsum([0, *(file.rows for file in ctx.files("s2_account_base_6A"))]).tolist()
    return row_runs(rows)


def compute(ctx: PartitionContext, part: Partition) -> Frames:
    """Instruments of the accounts of a run of countries."""
    all_cells, (first, stop) = instruments(ctx), rows_of(part)
    begin = all_cells.summary.first_account_no.astype(np.int64) - 1
    mine = np.flatnonzero((begin >= first) & (begin < stop))
    before = int(all_cells.total[begin < first].sum())
    cells = all_cells.of(mine)
    holders = _holders(ctx, cells.summary, part.index)
    counts = np.zeros((stop - first, cells.total.shape[1]), dtype=np.uint8)
    for account_type in ctx.params.instrument_mix_6A.accounts:
        own = np.flatnonzero(cells.summary.account_type == ctx.code("account_type", account_type))
        if len(own):
            _allocate(ctx, cells, own, holders, counts, account_type)
    base, cards = instrument_rows(ctx, holders, counts, before + 1)
    count_instruments(ctx, holders, counts, base)
    count_cards(ctx, holders, base, cards)
    return {
        "s3_instrument_base_6A": base,
        "s3_card_base_6A": cards,
        "s3_account_instrument_links_6A": base.select(
            "account_id", "instrument_id", "instrument_type", "scheme"
        ),
        "s3_party_instrument_holdings_6A": _holdings(holders, counts),
        "s3_instrument_summary_6A": _summary(cells),
    }


def _holders(ctx: Context, summary: Frame, part: int) -> Holders:
    """Accounts of a partition with what addresses are made of."""
    base = ctx.load(
        "s2_account_base_6A", part=part, columns=("account_id", "owner_party_id", "open_date", "close_date")
    )
    offsets = prefix(summary.accounts)
    group, _ = ctx.kernels.expand_rows(offset=offsets, dims={"m": int(offsets[-1])})
    parties = ctx.load(
        "s1_party_summary_6A", columns=("country_iso", "segment_id", "parties", "first_party_no")
    )
    segments = len(ctx.vocabulary("segment"))
    cell = parties.country_iso.astype(np.int64) * segments + parties.segment_id
    at = look_up(cell, summary.country_iso.astype(np.int64) * segments + summary.segment_id)
    rank = base.owner_party_id - parties.first_party_no[at][group]
    starts = run_starts(base.owner_party_id, group)
    number = np.arange(len(base)) - np.repeat(starts, np.diff(np.append(starts, len(base))))
    account = ctx.field("account", party_rank=rank, account_number=number)
    party = parties.take(np.flatnonzero(np.isin(parties.country_iso, summary.country_iso)))
    size = party.parties.astype(np.int64)
    first = int(party.first_party_no[0]) if len(party) else 1
    people = Frame(
        {
            "country_iso": np.repeat(party.country_iso, size),
            "party_rank": np.arange(int(size.sum())) - np.repeat(np.cumsum(size) - size, size),
            "party_cell": np.repeat(cell_words(ctx, party), size),
        }
    )
    owner = base.owner_party_id.astype(np.int64) - first
    closed = np.where(base.present("close_date"), base.close_date, np.int32(2**31 - 2)).astype(np.int64)
    return Holders(summary, group, account_entity(ctx, summary), account, base, owner, people, closed)


def _allocate(
    ctx: PartitionContext, cells: Instruments, own: Array, holders: Holders, counts: Array, account_type: str
) -> None:
    """Give the accounts of one type their instruments: fills their rows of `counts`."""
    limits, links = ctx.params.instrument_per_account_6A, ctx.params.instrument_linkage_6A.requires_any
    rules = ctx.params.instrument_mix_6A.accounts[account_type]
    size = cells.summary.accounts[own]
    account = _ranges(
        (cells.summary.first_account_no[own] - cells.summary.first_account_no[0]).astype(np.int64), size
    )
    block = prefix(size)[:-1].astype(np.int64)
    required = [code for code, name in instruments_of(ctx, account_type) if rules[name].required]
    given = np.zeros((len(account), counts.shape[1]), dtype=np.uint8)
    given[:, required] = 1
    for code, _ in instruments_of(ctx, account_type):
        _give_first(ctx, cells, own, block, holders, account, given, code)
    in_all = given.sum(axis=1, dtype=np.uint32)
    most = np.uint32(limits.max_per_account)
    for code, name in instruments_of(ctx, account_type):
        open_cells = np.flatnonzero(cells.beyond[own, code] > 0)
        if len(open_cells) == 0:
            continue
        rule = limits.accounts[account_type][name]
        offsets = prefix(size[open_cells])
        cell, _ = ctx.kernels.expand_rows(offset=offsets, dims={"m": int(offsets[-1])})
        at = _ranges(block[open_cells], size[open_cells])
        eligible = np.ones(len(at), dtype=np.bool_)
        if name in links:
            parents = [ctx.code("instrument_type", other) for other in links[name]]
            eligible = holds_any(given, parents)[at]
        if cells.first[own, code].any():
            eligible &= given[at, code] > 0
        has = given[at, code].astype(np.uint32)
        capacity = np.minimum(np.uint32(rule.cap) - has, most - np.minimum(in_all[at], most))
        law = Law(
            {"instrument_cell": instrument_entity(ctx, holders.entity[own[open_cells]], code)},
            cells.beyond[own[open_cells], code],
            np.full(len(open_cells), rule.idle_permille / 1000.0),
            np.full(len(open_cells), rule.sigma, dtype=np.float64),
        )
        count = spread(
            ctx,
            law,
            offsets,
            cell,
            {"account": holders.account[account[at]]},
            capacity,
            eligible,
            (WEIGHT, START),
        )
        in_all[at] += count
        given[at, code] += count.astype(np.uint8)
    counts[account] = given


def _give_first(
    ctx: PartitionContext,
    cells: Instruments,
    own: Array,
    block: Array,
    holders: Holders,
    account: Array,
    given: Array,
    code: int,
) -> None:
    """Pick the accounts that carry a card which not all of their type carry: fills its column of `given`."""
    some = np.flatnonzero(cells.first[own, code] > 0)
    if len(some) == 0:
        return
    size = cells.summary.accounts[own][some]
    offsets = prefix(size)
    cell, _ = ctx.kernels.expand_rows(offset=offsets, dims={"m": int(offsets[-1])})
    at = _ranges(block[some], size)
    law = Law(
        {"instrument_cell": instrument_entity(ctx, holders.entity[own[some]], code)},
        cells.first[own[some], code],
        np.zeros(len(some)),
        np.full(len(some), float(ctx.params.instrument_mix_6A.first_sigma)),
    )
    fields, one = {"account": holders.account[account[at]]}, np.ones(len(at), dtype=np.uint32)
    picked = spread(ctx, law, offsets, cell, fields, one, one > 0, (PICK, PICK_START))
    given[at, code] = picked.astype(np.uint8)


def _ranges(first: Array, size: Array) -> Array:
    """first[i] .. first[i] + size[i] - 1 of every i, one after another: int64."""
    lengths = size.astype(np.int64)
    total = int(lengths.sum())
    return np.repeat(first - (np.cumsum(lengths) - lengths), lengths) + np.arange(total)


def _holdings(holders: Holders, counts: Array) -> Frame:
    """Rows of `s3_party_instrument_holdings_6A`: instruments of each party and type over all its accounts."""
    kinds = counts.shape[1]
    owner = holders.base.owner_party_id
    first = int(owner.min(initial=np.uint64(2**63))) if len(owner) else 1
    parties = int(owner.max()) - first + 1 if len(owner) else 0
    sums = np.zeros((parties, kinds), dtype=np.uint16)
    for code in range(kinds):
        some = np.flatnonzero(counts[:, code])
        # Counts of one account are below 256, so the sum of a party's fits 16 bits; np.add.at adds integers
        # in any order.
        np.add.at(
            sums[:, code],
            (owner[some] - np.uint64(first)).astype(np.int64),
            counts[some, code].astype(np.uint16),
        )
    party, kind = np.nonzero(sums)
    return Frame(
        {
            "party_id": party.astype(np.uint64) + np.uint64(first),
            "instrument_type": kind.astype(np.int16),
            "instruments": sums[party, kind],
        }
    )


def _summary(cells: Instruments) -> Frame:
    """Rows of `s3_instrument_summary_6A`."""
    row, kind = np.nonzero(cells.total)
    keys = cells.summary.take(row)
    return Frame(
        {
            "country_iso": keys.country_iso,
            "account_type": keys.account_type,
            "segment_id": keys.segment_id,
            "instrument_type": kind.astype(np.int16),
            "instruments": cells.total[row, kind],
        }
    )


def finish(ctx: Context, totals: Totals) -> Frames:
    """Issuers and BINs of the countries that have customers."""
    countries = np.unique(ctx.load("s1_party_summary_6A", columns=("country_iso",)).country_iso)
    issuers = issuer_rows(ctx, countries)
    return {"s3_issuer_base_6A": issuers, "s3_bin_base_6A": bin_rows(ctx, issuers)}


def checks(ctx: Context, totals: Totals) -> list[Check]:
    """See `instrument_checks`, `card_checks` and `use_checks`."""
    return [
        *instrument_checks(ctx, totals, (WEIGHT, START, CARD, PICK, PICK_START)),
        *card_checks(ctx, totals),
        *use_checks(ctx, totals),
    ]


def measure(ctx: Context, totals: Totals) -> list[Measurement]:
    """See `instrument_measurements`."""
    return instrument_measurements(ctx, totals)
