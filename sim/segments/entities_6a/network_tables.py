"""Priors of the network as arrays by category code, and alias tables of their mixes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from sim.recipes.tables import ALIAS_BUILD_NEEDS, ALIAS_PICK_NEEDS, AliasTables, build_alias
from sim.state.context import Context
from sim.state.declaration import Needs
from sim.state.frames import Array
from sim.state.params import Params
from sim.state.refuse import Fault

PERMILLE = 1000

NETWORK_TABLES_NEEDS = Needs(uses=(ALIAS_BUILD_NEEDS, ALIAS_PICK_NEEDS))


def numbers(ctx: Context, vocabulary: str, values: Params) -> Array:
    """Figure of each value of a vocabulary, float64; 0 for those the config does not name."""
    return np.array(
        [float(values[name]) if name in values else 0.0 for name in ctx.vocabulary(vocabulary)],
        dtype=np.float64,
    )


def integers(ctx: Context, vocabulary: str, values: Params) -> Array:
    """Integer of each value of a vocabulary, int64; 0 for those the config does not name."""
    return np.array(
        [int(values[name]) if name in values else 0 for name in ctx.vocabulary(vocabulary)], dtype=np.int64
    )


def matrix(ctx: Context, rows: str, columns: str, values: Params) -> Array:
    """Figures by two vocabularies, float64, rows x columns; 0 where the config names none."""
    named = dict(values.items())
    return np.stack([numbers(ctx, columns, named.get(name, Params({}))) for name in ctx.vocabulary(rows)])


def mix_tables(ctx: Context, mixes: Array) -> AliasTables:
    """One alias table a row of a permille matrix; a row without any picks its first slot.

    Args:
        ctx: Context.
        mixes: float64 or int64, kinds x values.
    """
    weight = mixes.astype(np.uint64)
    weight[weight.sum(axis=1) == 0, 0] = 1
    offsets = np.arange(len(weight) + 1, dtype=np.uint64) * np.uint64(weight.shape[1])
    return build_alias(ctx, offsets, weight.ravel())


def pick(ctx: Context, tables: AliasTables, words: Array, kind: Array) -> Array:
    """Value picked for each word from its kind's table of `mix_tables`: int64, n."""
    width = int(tables.offsets[1])
    rows: Array = tables.pick(ctx, words, kind.astype(np.int64)) % width
    return rows


def odds(ctx: Context, vocabulary: str, lists: Params) -> Array:
    """Permille of 0, 1, 2, ... things by value of a vocabulary: int64, values x longest list.

    All at 0 for those not named.
    """
    names, named = ctx.vocabulary(vocabulary), dict(lists.items())
    width = max(len(entries) for entries in named.values())
    table = np.zeros((len(names), width), dtype=np.int64)
    for code, name in enumerate(names):
        entries = named.get(name, (PERMILLE,))
        table[code, : len(entries)] = entries
    return table


def sum_faults(lists: Iterable[tuple[str, Sequence[int]]]) -> list[Fault]:
    """One fault for each list of permille, by its key `<pack>.<key>`, that does not sum to 1000."""
    wrong = [(at, sum(entries)) for at, entries in lists if sum(entries) != PERMILLE]
    return [Fault(at, f"{at} sums to {total}, not {PERMILLE}") for at, total in wrong]


def values_of(mix: Params) -> list[int]:
    """The figures of a mix."""
    return [int(value) for _, value in mix.items()]


def permille_word(permille: Array) -> Array:
    """Limit of an event of that permille, as uint64: the event happens if word < limit.

    2**64 is cut to 2**64 - 1.
    """
    whole = np.uint64(((1 << 64) - 1) // PERMILLE)
    return permille.astype(np.uint64) * whole
