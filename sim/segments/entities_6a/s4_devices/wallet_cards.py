"""Cards that a wallet may hold: whose they are, in which days, and which wallets take their networks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sim.recipes.horizon import life_span
from sim.segments.entities_6a.payments import FUNDINGS
from sim.state.context import Context
from sim.state.declaration import Needs
from sim.state.frames import Array, Frame

WALLET_CARDS_NEEDS = Needs(config=("instrument_taxonomy_6A", "national_payments_6A", "scenario_horizon_5A"))


@dataclass(frozen=True)
class Cards:
    """Cards of a partition, in the order of their owners.

    Attributes:
        owner: int64, m: row of the owner in the partition.
        id: uint64, m.
        since, until: int64, m: first and last day on which a token may be made of the card.
        taken: uint64, m: the wallets that take the card; bit s stands for code s of `scheme`.
    """

    owner: Array
    id: Array
    since: Array
    until: Array
    taken: Array

    def takes(self, wallet: Array | int, card: Array | None = None) -> Array:
        """Whether wallets take cards: bool.

        Args:
            wallet: Code of `scheme`; one for all, or one a card.
            card: int64: rows; all by default.
        """
        bits = self.taken if card is None else self.taken[card]
        found: Array = (bits >> np.asarray(wallet, dtype=np.uint64)) & np.uint64(1) != 0
        return found


def cards_of(ctx: Context, instruments: Frame, owner: Array) -> Cards:
    """The cards among the instruments of a partition.

    Args:
        ctx: Context.
        instruments: `instrument_id`, `instrument_type`, `scheme`, `co_badge_scheme`, `valid_from`,
            `valid_to`.
        owner: int64: row of each instrument's owner in the partition.
    """
    kinds = ctx.params.instrument_taxonomy_6A.instruments
    card = np.array([kinds[name] in FUNDINGS for name in ctx.vocabulary("instrument_type")])
    rows = np.flatnonzero(card[instruments.instrument_type])
    rows = rows[np.argsort(owner[rows], kind="stable")]
    mine = instruments.take(rows)
    wallets = taken_networks(ctx)
    if len(wallets) > 64:
        raise ValueError(f"{len(wallets)} schemes do not fit into the bits of a word")
    bit = np.uint64(1) << np.arange(len(wallets), dtype=np.uint64)
    taken = (wallets * bit[:, np.newaxis]).sum(axis=0, dtype=np.uint64)
    fits = taken[mine.scheme] | np.where(
        mine.present("co_badge_scheme"), taken[mine.co_badge_scheme], np.uint64(0)
    )
    final = np.int32(last_day(ctx))
    until = np.where(mine.present("valid_to"), np.minimum(mine.valid_to, final), final)
    return Cards(
        owner[rows], mine.instrument_id, mine.valid_from.astype(np.int64), until.astype(np.int64), fits
    )


def taken_networks(ctx: Context) -> Array:
    """Whether a wallet takes cards of a network: bool, schemes x schemes."""
    names = ctx.vocabulary("scheme")
    table = np.zeros((len(names), len(names)), dtype=np.bool_)
    for wallet, networks in ctx.params.national_payments_6A.wallet_networks.items():
        table[names.index(wallet)] = np.isin(np.array(names), list(networks))
    return table


def last_day(ctx: Context) -> int:
    """Last day of the horizon, since 1970-01-01."""
    span = life_span(ctx.params.scenario_horizon_5A)
    return span.first_day + span.days - 1
