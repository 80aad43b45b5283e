"""How instruments find their draws."""

from __future__ import annotations

import numpy as np

from sim.recipes.drawn import CHOICE, UNIFORM, WEIGHT, Drawn, Explained, MadeOf, Told, Word, at
from sim.recipes.terms import entry
from sim.segments.entities_6a.draw_keys import accounts_of, ordinals, party_cells, rows_by_id
from sim.segments.entities_6a.draw_shares import cell_told, gated_weights, share_told
from sim.segments.entities_6a.s3_instruments.cells import CARDS, instruments, is_class
from sim.state.context import Context
from sim.state.declaration import Partition
from sim.state.frames import Array, Frame

_CELL = ("country_iso", "account_type", "segment_id")
_ACCOUNT = ("country_iso", "segment_id", "account_type", "party_rank", "account_number")


def _instruments(ctx: Context, part: Partition, rows: Frame, kinds: Array) -> Frame:
    """Instruments of some kinds (bool by code) with their account's key and their `instrument_number`."""
    here = np.flatnonzero(kinds[rows.instrument_type])
    every = ctx.load(
        "s3_instrument_base_6A",
        part=part.index,
        columns=("instrument_id", "account_id", "instrument_type"),
    )
    numbered = every.with_columns(instrument_number=ordinals(every.account_id, every.instrument_type))
    card = rows_by_id(numbered, "instrument_id", rows.instrument_id[here])
    accounts = rows_by_id(accounts_of(ctx, part=part.index), "account_id", card.account_id)
    return at(
        rows, here, instrument_number=card.instrument_number, **{name: accounts[name] for name in _ACCOUNT}
    )


def _cards(ctx: Context, part: Partition, rows: Frame) -> Frame:
    return _instruments(ctx, part, rows, is_class(ctx, *CARDS))


def _issued(ctx: Context, part: Partition, rows: Frame) -> Frame:
    """Cards as issued, with the key of their instrument and their number on it."""
    base = ctx.load("s3_instrument_base_6A", part=part.index, columns=("instrument_id", "instrument_type"))
    kind = rows_by_id(base, "instrument_id", rows.instrument_id).instrument_type
    found = _instruments(ctx, part, rows.with_columns(instrument_type=kind), is_class(ctx, *CARDS))
    return found.with_columns(card_number=found.card_no.astype(np.int64) - 1)


def _parties(ctx: Context, part: Partition, rows: Frame) -> Frame:
    """Owners of instruments, whose main bank is drawn."""
    cells = party_cells(ctx, rows.owner_party_id)
    keys = {name: cells[name] for name in ("country_iso", "segment_id", "party_rank")}
    return at(rows, np.arange(len(rows)), **keys)


def _asking(ctx: Context, part: Partition, rows: Frame) -> Frame:
    """What the account of each instrument asked for of its type."""
    accounts = rows_by_id(accounts_of(ctx, part=part.index), "account_id", rows.account_id)
    return _with_law(ctx, at(rows, np.arange(len(rows)), **{name: accounts[name] for name in _ACCOUNT}))


def _picked(ctx: Context, part: Partition, rows: Frame) -> Frame:
    """Accounts of instruments of a type that the market gives to some accounts alone."""
    found = _asking(ctx, part, rows)
    mine = [
        (ctx.code("account_type", account), ctx.code("instrument_type", name))
        for account, rules in ctx.params.instrument_mix_6A.accounts.items()
        for name, prior in rules.items()
        if entry(prior, "by_market", False)
    ]
    here = np.zeros(len(found), dtype=np.bool_)
    for account, kind in mine:
        here |= (found.account_type == account) & (found.instrument_type == kind)
    some = found.take(np.flatnonzero(here))
    spread = float(ctx.params.instrument_mix_6A.first_sigma)
    return some.with_columns(idle=np.zeros(len(some)), sigma=np.full(len(some), spread))


def _asking_of_parties(ctx: Context, part: Partition, rows: Frame) -> Frame:
    """What every account of the party asked for of the type."""
    accounts = accounts_of(ctx, part=part.index)
    order = np.argsort(accounts.owner_party_id, kind="stable")
    owner = accounts.owner_party_id[order]
    first, stop = (np.searchsorted(owner, rows.party_id, side=side) for side in ("left", "right"))
    size = stop - first
    index = np.repeat(np.arange(len(rows)), size)
    mine = accounts.take(order[np.repeat(first - (np.cumsum(size) - size), size) + np.arange(len(index))])
    carried = np.array(
        [
            [
                name in ctx.params.instrument_mix_6A.accounts[kind]
                for name in ctx.vocabulary("instrument_type")
            ]
            if kind in ctx.params.instrument_mix_6A.accounts
            else [False] * len(ctx.vocabulary("instrument_type"))
            for kind in ctx.vocabulary("account_type")
        ]
    )
    may = np.flatnonzero(carried[mine.account_type, rows.instrument_type[index]])
    return _with_law(ctx, at(rows, index[may], **{name: mine[name][may] for name in _ACCOUNT}))


def _banked(ctx: Context, part: Partition, rows: Frame) -> Frame:
    """Accounts of instruments, whose bank is drawn."""
    accounts = rows_by_id(accounts_of(ctx, part=part.index), "account_id", rows.account_id)
    return at(rows, np.arange(len(rows)), **{name: accounts[name] for name in _ACCOUNT})


def _with_law(ctx: Context, fields: Frame) -> Frame:
    accounts, kinds = ctx.vocabulary("account_type"), ctx.vocabulary("instrument_type")
    idle, sigma = np.zeros((len(accounts), len(kinds))), np.zeros((len(accounts), len(kinds)))
    for account, rules in ctx.params.instrument_per_account_6A.accounts.items():
        for name, rule in rules.items():
            at_ = ctx.code("account_type", account), ctx.code("instrument_type", name)
            idle[at_], sigma[at_] = rule.idle_permille / 1000.0, float(rule.sigma)
    cell = fields.account_type, fields.instrument_type
    return fields.with_columns(idle=idle[cell], sigma=sigma[cell])


def _share(ctx: Context, part: Partition, rows: Frame) -> list[str]:
    """Quota, weight, caps and needs of the instruments of a type on the instrument's account."""
    found, made, every = _asking(ctx, part, rows), instruments(ctx), accounts_of(ctx, part=part.index)
    cell = tuple(int(found[name][0]) for name in _CELL)
    row = int(
        np.flatnonzero(
            np.all([made.summary[name] == code for name, code in zip(_CELL, cell, strict=True)], axis=0)
        )[0]
    )
    code, holders = int(rows.instrument_type[0]), int(made.summary.accounts[row])
    here = rows_by_id(
        every, "account_id", made.summary.first_account_no[row] + np.arange(holders, dtype=np.uint64)
    )
    fields = {
        "party_rank": here.party_rank,
        "account_number": here.account_number,
        "country_name": ctx.name_hashes("country")[here.country_iso],
        "segment_name": ctx.name_hashes("segment")[here.segment_id],
        "account_type_name": ctx.name_hashes("account_type")[here.account_type],
        "instrument_type_name": ctx.name_hashes("instrument_type")[np.full(holders, code)],
    }
    account, name = ctx.vocabulary("account_type")[cell[1]], ctx.vocabulary("instrument_type")[code]
    required = ctx.params.instrument_mix_6A.accounts[account][name].required
    text = f"{name} of {account}: {holders:,} accounts carry {int(made.total[row, code]):,} instruments"
    notes = [cell_told(ctx, cell[0], cell[2], text)]
    if required:
        notes.append("required every account of this type has one before anything is shared")
    mine = int(rows.account_id[0] - here.account_id[0])
    law, quota = (float(found.idle[0]), float(found.sigma[0])), int(made.beyond[row, code])
    weight = gated_weights(ctx, "6A.instrument_weight", fields, 0, law)
    notes += share_told(weight, mine, quota, "instruments beyond that" if required else "instruments")
    limits, links = ctx.params.instrument_per_account_6A, ctx.params.instrument_linkage_6A.requires_any
    notes.append(
        f"caps     {limits.accounts[account][name].cap} of this type, {limits.max_per_account} instruments "
        "in all"
    )
    if name in links:
        notes.append(f"needs    one of {', '.join(links[name])}; accounts without one weigh nothing")
    return notes


_BASE, _LINKS, _HOLDINGS = (
    "s3_instrument_base_6A",
    "s3_account_instrument_links_6A",
    "s3_party_instrument_holdings_6A",
)
_CARDS = "s3_card_base_6A"
_WEIGHT = (Word(0, WEIGHT, "how much the account asks for of its cell's instruments of the type"),)
_START = (Word(0, UNIFORM, "where systematic sampling of the cell's instruments begins"),)
_PICK = (Word(0, WEIGHT, "how likely the account is picked to carry one"),)
_CARD = (
    Word(0, CHOICE, "scheme and co_badge_scheme", "scheme"),
    Word(1, CHOICE, "brand_tier", "brand_tier"),
    Word(2, UNIFORM, "valid_from: age as part of what validity and account allow"),
)
_LIFE = (
    Word(0, CHOICE, "validity: expiry_month less the month of issue_date", "expiry_month"),
    Word(1, CHOICE, "activation_date: days after issue_date"),
    Word(2, UNIFORM, "issue_date: whether and how it moves off a weekend"),
    Word(3, UNIFORM, "issue_date of the next card: days before expiry, or after a loss"),
    Word(4, UNIFORM, "whether it is renewed"),
    Word(5, UNIFORM, "day on which it is lost, mostly after the horizon"),
)
_MAIN = (Word(0, CHOICE, "issuer_id: main bank of the owner"),)
_BANK = (
    Word(0, UNIFORM, "issuer_id: whether the account is at the main bank"),
    Word(1, CHOICE, "issuer_id: the bank, if it is another one"),
)

_DRAWS = (
    *(
        Drawn(dataset, stream, words, find)
        for dataset in (_BASE, _LINKS)
        for stream, words, find in (
            ("6A.instrument_weight", _WEIGHT, _asking),
            ("6A.instrument_start", _START, _asking),
            ("6A.card_holder", _PICK, _picked),
            ("6A.card_holder_start", _START, _picked),
            ("6A.card", _CARD if dataset == _BASE else _CARD[:1], _cards),
        )
    ),
    Drawn(_BASE, "6A.main_issuer", _MAIN, _parties),
    Drawn(_BASE, "6A.account_issuer", _BANK, _banked),
    Drawn(_CARDS, "6A.card_life", _LIFE, _issued),
    Drawn(_HOLDINGS, "6A.instrument_weight", _WEIGHT, _asking_of_parties),
    Drawn(_HOLDINGS, "6A.instrument_start", _START, _asking_of_parties),
)

_MADE_OF = (
    MadeOf(_CARDS, _BASE, "its instrument", {"instrument_id": "instrument_id"}),
    MadeOf(_BASE, "s3_issuer_base_6A", "its bank", {"issuer_id": "issuer_id"}),
    MadeOf("s3_bin_base_6A", "s3_issuer_base_6A", "its issuer", {"issuer_id": "issuer_id"}),
    MadeOf(_LINKS, _BASE, "the instrument", {"instrument_id": "instrument_id"}),
    MadeOf(
        _HOLDINGS,
        _BASE,
        "the instruments",
        {"owner_party_id": "party_id", "instrument_type": "instrument_type"},
    ),
    MadeOf(
        "s3_instrument_summary_6A",
        "s2_account_summary_6A",
        "accounts of the cell",
        {name: name for name in _CELL},
    ),
)

EXPLAINED = Explained(_DRAWS, _MADE_OF, (Told(_BASE, _share),))
