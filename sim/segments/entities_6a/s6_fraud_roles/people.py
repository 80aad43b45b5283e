"""Parties of a piece as races see them: groups, addresses of their draws, features."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sim.recipes.groups import run_of_row
from sim.segments.entities_6a.cells import CELL_WORDS_NEEDS, cell_words
from sim.segments.entities_6a.country_pieces import Piece
from sim.segments.entities_6a.s6_fraud_roles.links import Links
from sim.segments.entities_6a.tenure import DAYS_NEEDS, Days
from sim.state.context import PartitionContext
from sim.state.declaration import ROW_LEVEL, Needs
from sim.state.frames import Array, Frame

FEATURES = ("ANONYMISER", "SHARED_DEVICE", "ACCOUNTS", "CREDIT", "NEW", "HOUSEHOLD")
_FULL = {"ACCOUNTS": 8, "CREDIT": 4, "HOUSEHOLD": 6}
_CREDIT = ("CREDIT_REVOLVING", "CREDIT_INSTALLMENT")

ROLE_PEOPLE_NEEDS = Needs(
    reads={"s1_party_base_6A": ROW_LEVEL},
    config=("account_taxonomy_6A", "fraud_roles_party_6A"),
    kernels=("entity_hash", "risk_score"),
    uses=(CELL_WORDS_NEEDS, DAYS_NEEDS),
)


@dataclass(frozen=True)
class People:
    """Parties of a piece.

    Attributes:
        frame: party_id, country_iso, party_type, household_id.
        offsets: uint64, g + 1: parties of each (country, segment).
        entity: uint64, n: hash of country, segment and rank, the address of everything drawn for a party.
        rank: uint64, n: position in its (country, segment).
        cell: uint64, n: hash of country and segment.
        feature: uint16, len(FEATURES) x n, permille.
    """

    frame: Frame
    offsets: Array
    entity: Array
    rank: Array
    cell: Array
    feature: Array


def people_of(
    ctx: PartitionContext, piece: Piece, groups: Frame, accounts: Frame, owner: Array, links: Links
) -> People:
    """Parties of a piece with their features.

    Args:
        ctx: Context of 6A.S6.
        piece: Countries.
        groups: Rows of s1_party_summary_6A of these countries.
        accounts: Accounts of the piece.
        owner: int64: row of each account's owner.
        links: Who uses what.
    """
    frame = ctx.load(
        "s1_party_base_6A",
        rows=piece.parties,
        columns=("party_id", "country_iso", "party_type", "household_id"),
    )
    offsets = np.concatenate((np.zeros(1, dtype=np.uint64), np.cumsum(groups.parties)))
    group = run_of_row(offsets)
    cell = cell_words(ctx, groups)[group]
    rank = np.arange(len(frame), dtype=np.uint64) - offsets[:-1][group]
    feature = _features(ctx, frame, accounts, owner, links)
    return People(frame, offsets, ctx.field("party", party_cell=cell, party_rank=rank), rank, cell, feature)


def _features(ctx: PartitionContext, frame: Frame, accounts: Frame, owner: Array, links: Links) -> Array:
    count = len(frame)
    feature = np.zeros((len(FEATURES), count), dtype=np.uint16)
    feature[0, links.hidden] = 1000
    feature[1, links.user_party[links.users_of_device[links.user_device] > 1]] = 1000
    ledgers = ctx.params.account_taxonomy_6A.party_accounts
    credit = np.array(
        [name in ledgers and ledgers[name].ledger in _CREDIT for name in ctx.vocabulary("account_type")]
    )
    feature[2] = _filled(np.bincount(owner, minlength=count), "ACCOUNTS")
    feature[3] = _filled(np.bincount(owner[credit[accounts.account_type]], minlength=count), "CREDIT")
    feature[4] = _newness(ctx, accounts, owner, count)
    first, stop = (
        int(frame.household_id.min()) if count else 0,
        int(frame.household_id.max()) + 1 if count else 0,
    )
    household = (frame.household_id - np.uint64(first)).astype(np.int64)
    feature[5] = _filled(np.bincount(household, minlength=stop - first)[household], "HOUSEHOLD")
    return feature


def _filled(count: Array, name: str) -> Array:
    full = _FULL[name]
    return (np.minimum(count, full) * 1000 // full).astype(np.uint16)


def _newness(ctx: PartitionContext, accounts: Frame, owner: Array, count: int) -> Array:
    """1000 for a first account opened on the horizon's last day, down to 0 from `new_days` before its end.

    Parties without an account have 0.
    """
    days = int(ctx.params.fraud_roles_party_6A.new_days)
    age = np.zeros(count, dtype=np.int64)
    np.maximum.at(age, owner, Days.of_horizon(ctx).age(accounts.open_date))
    age = np.clip(age, 0, days)
    return np.where(age > 0, (days - age) * 1000 // days, 0).astype(np.uint16)


def score(ctx: PartitionContext, name: str, people: People) -> Array:
    """Score of each party for a role, in millionths: uint64, n, at least 1000."""
    law = ctx.params.fraud_roles_party_6A.score[name]
    weight = np.array([law.features[feature] for feature in FEATURES], dtype=np.int64)
    count = len(people.frame)
    base = int(law.base_permille) * 1000
    found: Array = ctx.kernels.risk_score(
        base=base, least=1000, weight=weight, feature=people.feature.ravel(), dims={"n": count}
    )
    return found
