"""6A.S2: which party holds which accounts, since when and in what state.

Totals of each cell are exact (see `cells.py`). Type by type, in the order of the vocabulary, a cell's
accounts are spread over the parties that are eligible and hold what the type requires. The spread follows
weights (idle, else lognormal) up to a cap by type and a cap in all. Every party first gets the required
accounts, so each party has at least one.
"""

from __future__ import annotations

import numpy as np

from sim.recipes.groups import prefix
from sim.recipes.horizon import life_span
from sim.recipes.partitions import row_runs, rows_of
from sim.recipes.terms import COUNTRY_TERMS_NEEDS, currency_of_country
from sim.recipes.words import WORDS_NEEDS, words
from sim.segments.entities_6a.s2_accounts.cells import (
    ACCOUNT_CELLS_NEEDS,
    Accounts,
    accounts,
    cell_entities,
    check_products,
    party_account_types,
    required,
)
from sim.segments.entities_6a.s2_accounts.checks import (
    ACCOUNT_CHECKS_NEEDS,
    AccountCounts,
    account_checks,
    count_accounts,
)
from sim.segments.entities_6a.s2_accounts.checks_life import LifeCounts
from sim.segments.entities_6a.s2_accounts.credit import CREDIT_HOLDERS_NEEDS, give_first
from sim.segments.entities_6a.s2_accounts.life import ACCOUNT_LIFE_NEEDS, Owners, account_life
from sim.segments.entities_6a.s2_accounts.merchant_accounts import LIFE as MERCHANT_LIFE
from sim.segments.entities_6a.s2_accounts.merchant_accounts import (
    MERCHANT_ACCOUNTS_NEEDS,
    RESERVE,
    MerchantCounts,
    merchant_accounts,
)
from sim.segments.entities_6a.spread import SPREAD_NEEDS, Law, holds_any, spread
from sim.segments.entities_6a.tenure import NEVER
from sim.state.context import Context, PartitionContext
from sim.state.declaration import ROW_LEVEL, Check, Frames, Partition, State
from sim.state.frames import Array, Frame, order
from sim.state.totals import Totals

OWNER_CELL = ("country_iso", "region_id", "party_type", "segment_id")
"""What an account carries of its owner."""
WEIGHT, START, LIFE = "6A.account_weight", "6A.account_start", "6A.account_life"

STATE = State(
    id="6A.S2",
    title="Accounts",
    reads={"s1_party_base_6A": ROW_LEVEL},
    config=("account_per_party_6A", "account_taxonomy_6A", "party_taxonomy_6A", "product_linkage_6A"),
    writes=(
        "s2_account_base_6A",
        "s2_party_product_holdings_6A",
        "s2_merchant_account_base_6A",
        "s2_account_summary_6A",
    ),
    streams=(WEIGHT, START, LIFE),
    kernels=("expand_rows",),
    resident=True,
    counts=(AccountCounts, LifeCounts, MerchantCounts),
    uses=(
        ACCOUNT_CELLS_NEEDS,
        ACCOUNT_CHECKS_NEEDS,
        ACCOUNT_LIFE_NEEDS,
        COUNTRY_TERMS_NEEDS,
        CREDIT_HOLDERS_NEEDS,
        MERCHANT_ACCOUNTS_NEEDS,
        SPREAD_NEEDS,
        WORDS_NEEDS,
    ),
)


def preflight(ctx: Context) -> None:
    """Refuse priors and rules that contradict one another."""
    check_products(ctx)
    life_span(ctx.params.scenario_horizon_5A)


def plan(ctx: Context) -> list[Partition]:
    """One partition a file of parties: whole countries."""
    rows = np.cumsum([0, *(file.rows for file in ctx.files("s1_party_base_6A"))]).tolist()
    return row_runs(rows)


def compute(ctx: PartitionContext, part: Partition) -> Frames:
    """Accounts of the parties of a run of countries; the first partition adds the merchants' accounts."""
    all_cells, (first, stop) = accounts(ctx), rows_of(part)
    begin = all_cells.summary.first_party_no.astype(np.int64) - 1
    mine = np.flatnonzero((begin >= first) & (begin < stop))
    cells = all_cells.of(mine)
    held = ctx.columns.xp.zeros((stop - first, len(ctx.vocabulary("account_type"))), dtype=np.uint8)
    entity = cell_entities(ctx, cells.summary)
    start = {name: cells.first[:, code] for code, name in party_account_types(ctx)}
    holders = give_first(ctx, cells.summary, start, first, held)
    for code, name in party_account_types(ctx):
        _allocate(ctx, cells, entity[:, code], first, held, code, name, holders)
    parties = ctx.load("s1_party_base_6A", part=part.index, columns=("joined_date", "left_date"), device=True)
    base, summary = _rows(ctx, cells, entity, first, held, parties)
    party, kind = np.nonzero(held)
    holdings = Frame(
        {
            "party_id": party.astype(np.uint64) + np.uint64(first + 1),
            "account_type": kind.astype(np.int16),
            "accounts": held[party, kind].astype(np.uint16),
        }
    )
    count_accounts(ctx, cells.summary, held, base, parties)
    made = {
        "s2_account_base_6A": base,
        "s2_party_product_holdings_6A": holdings,
        "s2_account_summary_6A": summary,
    }
    if part.index == 0:
        made["s2_merchant_account_base_6A"] = merchant_accounts(ctx, int(all_cells.total.sum()) + 1)
    return made


def _allocate(
    ctx: PartitionContext,
    cells: Accounts,
    entity: Array,
    first: int,
    held: Array,
    code: int,
    name: str,
    holders: dict[str, Array],
) -> None:
    """Give the parties of a partition their accounts of one type: fills column `code` of `held`.

    Those of credit cards, of which `held` has the first, go to `holders` alone.
    """
    columns, rule, limits = (
        ctx.columns,
        ctx.params.account_taxonomy_6A.party_accounts[name],
        ctx.params.account_per_party_6A,
    )
    if rule.required:
        own = cells.summary.party_type == ctx.code("party_type", rule.party_type)
        held[:, code] = columns.repeat(own, cells.summary.parties)
    rows = np.flatnonzero(cells.beyond[:, code] > 0)
    if len(rows) == 0:
        return
    summary = cells.summary.take(rows)
    offsets = prefix(summary.parties)
    cell, rank = ctx.kernels.expand_rows(offset=columns.place(offsets), dims={"m": int(offsets[-1])})
    party = columns.take(summary.first_party_no - np.uint64(first + 1), cell) + rank
    links = ctx.params.product_linkage_6A.requires_any
    eligible = np.ones_like(party, dtype=np.bool_)
    if name in links:
        parents = [ctx.code("account_type", other) for other in links[name]]
        eligible = holds_any(held, parents)[party]
    if name in holders:
        eligible &= holders[name][party]
    most = np.uint32(limits.max_per_party[rule.party_type])
    in_all = held[party].sum(axis=1, dtype=np.uint32)
    own = held[party, code].astype(np.uint32)
    capacity = np.minimum(np.uint32(limits.accounts[name].cap) - own, most - np.minimum(in_all, most))
    idle, sigma = weight_shape(ctx, name, summary.segment_id)
    law = Law({"account_cell": entity[rows]}, cells.beyond[rows, code], idle, sigma)
    count = spread(ctx, law, offsets, cell, {"party_rank": rank}, capacity, eligible, (WEIGHT, START))
    held[party, code] += count.astype(np.uint8)


def weight_shape(ctx: Context, name: str, segment: Array) -> tuple[Array, Array]:
    """Idle probability and sigma (float64 each) of an account type by segment, with its tags' factors."""
    rule, tags = ctx.params.account_per_party_6A.accounts[name], ctx.params.account_per_party_6A.tags
    idle, sigma = [], []
    for word in ctx.vocabulary("segment"):
        carried = [
            tags[tag][name] for tag in ctx.params.party_taxonomy_6A.segments[word].tags if name in tags[tag]
        ]
        gate, width = rule.idle_permille / 1000.0, float(rule.sigma)
        for effect in carried:
            gate, width = gate * effect.idle, width * effect.sigma
        idle.append(min(gate, 0.999))
        sigma.append(min(width, 3.0))
    return np.array(idle, dtype=np.float64)[segment], np.array(sigma, dtype=np.float64)[segment]


def _rows(
    ctx: PartitionContext, cells: Accounts, entity: Array, first: int, held: Array, parties: Frame
) -> tuple[Frame, Frame]:
    """Rows of the account base and of the summary; every account knows its place from its cell's first id."""
    columns, summary, codes = ctx.columns, cells.summary, np.arange(cells.total.shape[1])
    row, kind = np.nonzero(cells.total)
    at = order(summary.country_iso[row], kind, summary.segment_id[row])
    row, kind = row[at], kind[at]
    units = cells.total[row, kind]
    offsets = prefix(units)
    group, _ = ctx.kernels.expand_rows(offset=columns.place(offsets), dims={"m": int(offsets[-1])})
    owner, index = np.empty_like(group, dtype=np.uint64), np.empty_like(group)
    for code in codes[cells.total.any(axis=0)]:
        # Within a type, parties in order of ids are also in order of (country, segment): each cell's block is
        # filled in turn.
        party = np.flatnonzero(held[:, code])
        which, nth = ctx.kernels.expand_rows(
            offset=prefix(held[party, code]), dims={"m": int(held[party, code].sum(dtype=np.int64))}
        )
        at = np.flatnonzero(columns.take(kind == code, group))
        owner[at], index[at] = party[which].astype(np.uint64), nth
    rank = owner + np.uint64(first + 1) - columns.take(summary.first_party_no[row], group)
    address = columns.take(entity[row, kind], group)
    drawn = words(ctx, LIFE, party_rank=rank, account_number=index, account_cell=address)
    keys = summary.take(row)
    must = required(ctx)[kind]
    owners = Owners(
        columns.take(keys.country_iso, group),
        parties.joined_date[owner],
        np.where(parties.present("left_date")[owner], parties.left_date[owner], NEVER),
        columns.take(must, group) & (index == 0),
    )
    life = account_life(ctx, drawn, owners, keys.segment_id, kind, group)
    base = Frame(
        {
            "account_id": columns.xp.arange(len(owner), dtype=np.uint64)
            + (cells.first_id[row, kind].min() if len(row) else np.uint64(1)),
            "owner_party_id": owner + np.uint64(first + 1),
            "account_type": columns.take(kind.astype(np.int16), group),
            **dict(columns.take(keys.select(*OWNER_CELL), group).items()),
            "currency": columns.take(currency_of_country(ctx)[keys.country_iso], group),
            **dict(life.items()),
        },
        life.valid,
    )
    ids = {"accounts": units, "first_account_no": cells.first_id[row, kind]}
    named = {name: keys[name] for name in ("country_iso", "segment_id", "region_id", "party_type")}
    made = {"country_iso": named["country_iso"], "account_type": kind.astype(np.int16), **named, **ids}
    order_names = (
        "country_iso",
        "account_type",
        "segment_id",
        "region_id",
        "party_type",
        "accounts",
        "first_account_no",
    )
    return base, Frame({name: made[name] for name in order_names})


def checks(ctx: Context, totals: Totals) -> list[Check]:
    """See `account_checks`."""
    return account_checks(ctx, totals, (WEIGHT, START, LIFE), (RESERVE, MERCHANT_LIFE))
