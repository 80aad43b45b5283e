"""The draws behind a row: found by its segment's `draws.py`, addressed by contracts/rng/streams.yaml.

A row's key also leads to addresses that were never drawn from (the race for a role that nobody of the cell
may have). `explain` computes the partition again anyway, and the ledger of that says what was drawn. Other
addresses are left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from sim.backends import get_backend
from sim.recipes.drawn import CHOICE, COUNT, ID, INTEGER, NORMAL, RACE, WEIGHT, Drawn, Word
from sim.recipes.entities import id_of
from sim.recipes.places import country_letters
from sim.rng import Address, Field, Stream, block
from sim.rng.grammar import named
from sim.state.context import Context
from sim.state.declaration import ROW_LEVEL, Partition, State
from sim.state.event_log import EventLog
from sim.state.frames import Array, Frame
from sim.world.handle import World
from sim.world.regenerate import context_of

_COUNTRY = ("country_iso", "legal_country_iso")
_NAMES: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "country_name": ("country", _COUNTRY),
    "tzid_name": ("tzid", ("tzid",)),
    "class_name": ("demand_class", ("demand_class",)),
    "channel_name": ("channel", ("channel_group",)),
    "virtual_band_name": ("virtual_band", ("virtual_band",)),
    "segment_name": ("segment", ("segment_id",)),
    "account_type_name": ("account_type", ("account_type",)),
    "instrument_type_name": ("instrument_type", ("instrument_type",)),
    "ip_type_name": ("ip_type", ("ip_type",)),
    "asn_class_name": ("asn_class", ("asn_class",)),
}
"""Fields that are a name's hash -> the vocabulary of the name, and the columns that may hold its code."""
_LETTERS = "country_letters"
_FINDING = ("entity_hash", "match_keys")
"""Kernels that finding takes besides those of the state."""


@dataclass(frozen=True)
class Draw:
    """One random word of a row.

    Attributes:
        stream: Stream id.
        key: Philox key, 16 hex digits.
        c0, c1: Counter of the block.
        draw: Which draw of its entity it is, from 0.
        lane: 0 or 1: which word of the block.
        word: The word, 16 hex digits.
        uniform: The word as a number inside (0, 1): ((word >> 12) + 0.5) * 2**-52.
        made: What the state made of it, of `sim.recipes.drawn.MADE`.
        value: That, as far as word and row say it.
        decides: What it decides in the row.
    """

    stream: str
    key: str
    c0: int
    c1: int
    draw: int
    lane: int
    word: str
    uniform: float
    made: str
    value: float | int | str | None
    decides: str


def finding_context(world: World, state: State) -> Context:
    """A context in which rows of a state can be looked up: it may read what the state wrote, too."""
    reads = dict.fromkeys((*state.reads, *state.writes), ROW_LEVEL)
    return context_of(world, replace(state, reads=reads, kernels=tuple(sorted({*state.kernels, *_FINDING}))))


def addresses(ctx: Context, stream: Stream, fields: Frame) -> Address:
    """Addresses of entities (block 0 of each).

    Args:
        ctx: From `finding_context`.
        stream: Contract of the stream.
        fields: One row an address: what `Find` gives.

    Raises:
        AddressError: If the rows lack a field of the address.
    """
    return ctx.address(stream.id, **_values(ctx, stream.fields, fields))


def _values(ctx: Context, wanted: tuple[Field, ...], fields: Frame) -> dict[str, Array]:
    """The fields of an address, or what they are made of, by name; hashes and letters are made of codes."""
    found: dict[str, Array] = {}
    for field in wanted:
        if field.name in fields:
            found[field.name] = fields[field.name]
        elif field.of is not None:
            found |= _values(ctx, tuple(named(field.of)), fields)
        elif field.name == _LETTERS:
            found[_LETTERS] = country_letters(ctx)[_codes(fields, _COUNTRY)]
        elif field.name in _NAMES:
            vocabulary, columns = _NAMES[field.name]
            found[field.name] = ctx.name_hashes(vocabulary)[_codes(fields, columns)]
    return found


def _codes(fields: Frame, columns: tuple[str, ...]) -> Array:
    """The first of these columns that the rows have."""
    return fields[next((column for column in columns if column in fields), columns[0])]


def draws_of(
    stream: Stream,
    ctx: Context,
    part: Partition,
    rows: Frame,
    shown: Mapping[str, Any],
    rule: Drawn,
    log: EventLog | None,
) -> list[Draw]:
    """Words of one stream behind one row.

    Args:
        stream: Its contract.
        ctx: From `finding_context`.
        part: The partition that made the row.
        rows: The row, as states see it.
        shown: The row, as people see it.
        rule: Which draws.
        log: What the partition drew when it was computed again; None if it could not be.
    """
    fields = rule.find(ctx, part, rows)
    if not len(fields):
        return []
    key = ctx.stream(rule.stream, part.scenario)
    at = addresses(ctx, stream, fields)
    found = []
    for word in rule.words:
        number = (
            fields[word.draw].astype(np.int64)
            if isinstance(word.draw, str)
            else np.full(len(fields), word.draw)
        )
        c0 = at.c0 + (number // 2).astype(np.uint64)
        drew = (
            np.ones(len(fields), dtype=np.bool_) if log is None else drawn_from(log, rule.stream, c0, at.c1)
        )
        for i in np.flatnonzero(drew).tolist():
            found.append(
                _draw(
                    rule.stream,
                    key,
                    int(c0[i]),
                    int(at.c1[i]),
                    int(number[i]),
                    word,
                    fields.slice(i, i + 1),
                    shown,
                )
            )
    return sorted(found, key=lambda draw: (draw.c1, draw.c0, draw.lane))


def drawn_from(log: EventLog, stream: str, c0: Array, c1: Array) -> Array:
    """Whether each block (uint64 c0, c1) is one that a partition drew from: bool."""
    drawn = log.rows.get(stream, [])
    if not drawn or len(c0) == 0:
        return np.zeros(len(c0), dtype=np.bool_)
    low, high, blocks = (
        np.concatenate([row[name] for row in drawn])
        for name in ("counter_before_lo", "counter_before_hi", "blocks")
    )
    _, place = np.unique(np.concatenate([high, c1]), return_inverse=True)
    _, within = np.unique(np.concatenate([low, c0]), return_inverse=True)
    code = place * (within.max() + 1) + within
    order = np.argsort(code[: len(low)], kind="stable")
    before = np.searchsorted(code[: len(low)][order], code[len(low) :], side="right") - 1
    row = order[np.maximum(before, 0)]
    inside: Array = (before >= 0) & (high[row] == c1) & (c0 - low[row] < blocks[row])
    return inside


def _draw(
    stream: str, key: int, c0: int, c1: int, number: int, word: Word, fields: Frame, shown: Mapping[str, Any]
) -> Draw:
    bits = block(key, c0, c1)[number % 2]
    uniform = ((bits >> 12) + 0.5) * 2.0**-52
    text = f"{word.decides} {fields[word.of][0]}" if word.of else word.decides
    value = _made(word, bits, uniform, fields, shown)
    return Draw(
        stream, f"{key:016x}", c0, c1, number, number % 2, f"{bits:016x}", uniform, word.made, value, text
    )


def _made(
    word: Word, bits: int, uniform: float, fields: Frame, shown: Mapping[str, Any]
) -> float | int | str | None:
    kernels = get_backend("cpu").kernels
    if word.made == ID:
        return int(id_of(np.array([bits], dtype=np.uint64))[0])
    if word.made == INTEGER:
        return bits * int(fields[word.below][0] if isinstance(word.below, str) else word.below) >> 64
    if word.made == NORMAL:
        return float(kernels.normal_quantile_map(u=np.array([uniform]))[0])
    if word.made == RACE:
        return -float(kernels.log_map(x=np.array([uniform]))[0])
    if word.made == WEIGHT:
        idle, sigma = (fields[name].astype(np.float64) for name in ("idle", "sigma"))
        return (
            int(kernels.gated_weight(x=np.array([bits], dtype=np.uint64), idle=idle, sigma=sigma)[0])
            / 2.0**20
        )
    if word.made in (CHOICE, COUNT):
        return shown[word.column] if word.column else None
    return uniform
