"""Roles of accounts: mule accounts follow from their owners, the others are raced for.

A mule is a party with a mule account. So a mule and an organiser own one at least, a synthetic identity may
own some, and nobody else does. An account that somebody took from its clean owner is ACCOUNT_TAKEN_OVER.
"""

from __future__ import annotations

import numpy as np

from sim.recipes.groups import run_offsets, run_starts
from sim.recipes.words import WORDS_NEEDS, word
from sim.segments.entities_6a.draw_keys import ordinals
from sim.segments.entities_6a.network_tables import permille_word
from sim.segments.entities_6a.s6_fraud_roles.inherited import (
    INHERITANCE_NEEDS,
    UNIT,
    eligible,
    factors,
    give,
)
from sim.segments.entities_6a.s6_fraud_roles.parties import Roles, clean
from sim.segments.entities_6a.s6_fraud_roles.people import People
from sim.segments.entities_6a.s6_fraud_roles.race import places, winners
from sim.segments.entities_6a.s6_fraud_roles.targets import ACCOUNT_ORDER, by_name
from sim.segments.entities_6a.tenure import DAYS_NEEDS, Days
from sim.state.context import Context, PartitionContext
from sim.state.declaration import Needs
from sim.state.frames import Array, Frame

ACCOUNT, MORE = "6A.account_role", "6A.mule_account"

ROLE_ACCOUNTS_NEEDS = Needs(
    config=("fraud_role_taxonomy_6A", "fraud_roles_entity_6A"),
    streams=(ACCOUNT, MORE),
    kernels=("inherit_risk",),
    uses=(DAYS_NEEDS, INHERITANCE_NEEDS, WORDS_NEEDS),
)


def account_fields(ctx: Context, accounts: Frame) -> Array:
    """Field `owned_account` of accounts in the order country, type, owner: uint64."""
    number = ordinals(accounts.country_iso, accounts.account_type, accounts.owner_party_id)
    return ctx.field("owned_account", account_type=accounts.account_type, account_number=number)


def may_be_mule(ctx: Context, account_type: Array, owner_role: Array) -> Array:
    """Which accounts their type and their owner's role allow to be mule accounts: bool, n."""
    law = ctx.params.fraud_roles_entity_6A.account.mule_account
    types = ctx.params.fraud_role_taxonomy_6A.account_roles.MULE_ACCOUNT.types
    codes = [ctx.code("party_role", name) for name in law.more_permille]
    kinds = [ctx.code("account_type", name) for name in types]
    found: Array = np.isin(owner_role, codes) & np.isin(account_type, kinds)
    return found


def account_roles(
    ctx: PartitionContext,
    accounts: Frame,
    owner: Array,
    people: People,
    parties: Roles,
    account: tuple[Array, Array],
    targets: Array,
) -> Roles:
    """Roles of the accounts of a piece.

    Args:
        ctx: Context of 6A.S6.
        accounts: account_type, country_iso, owner_party_id, open_date, status; sorted by country, type,
            owner.
        owner: int64: row of each account's owner.
        people: Parties of the piece.
        parties: Their roles.
        account: uint64, from `account_fields`; bool: what a member of a ring brings, its first mule account.
        targets: uint64, roles x countries x types.
    """
    law, count = ctx.params.fraud_roles_entity_6A.account, len(accounts)
    found = clean(ctx, count)
    age = Days.of_horizon(ctx).age(accounts.open_date)
    fresh = np.where(age <= int(law.new.days), np.uint64(law.new.permille), np.uint64(1000))
    _mule_accounts(ctx, accounts, owner, people, parties, account, fresh, found)
    offsets = run_offsets(accounts.country_iso, accounts.account_type)
    first = offsets[:-1].astype(np.int64)
    entity, single = people.entity[owner], np.arange(count + 1, dtype=np.uint64)
    for name in ACCOUNT_ORDER:
        code = ctx.code("account_role", name)
        weight, source, _ = ctx.kernels.inherit_risk(
            offset=single,
            link=owner.astype(np.uint32),
            factor=factors(ctx, law.owner_permille[name], parties),
            own=_own(ctx, name, accounts.status, fresh),
        )
        at = ctx.address(ACCOUNT, owned_account=account[0], role=code, party=entity)
        place = places(ctx, at, eligible(weight, found))
        won = winners(
            ctx, place, offsets, targets[code][accounts.country_iso[first], accounts.account_type[first]]
        )
        give(ctx, found, code, won, source, parties)
    return found


def _own(ctx: Context, name: str, status: Array, fresh: Array) -> Array:
    """Weight of accounts without their owners: uint64, n."""
    table = by_name(ctx, "account_status", ctx.params.fraud_roles_entity_6A.account.status_permille[name])
    return table[status] * fresh // np.uint64(1000) * UNIT


def _mule_accounts(
    ctx: PartitionContext,
    accounts: Frame,
    owner: Array,
    people: People,
    parties: Roles,
    account: tuple[Array, Array],
    fresh: Array,
    found: Roles,
) -> None:
    """One account of each mule and organiser by a race among its own, and some of the others by a coin."""
    law = ctx.params.fraud_roles_entity_6A.account.mule_account
    code = ctx.code("account_role", "MULE_ACCOUNT")
    rows = np.flatnonzero(may_be_mule(ctx, accounts.account_type, parties.role[owner]))
    whose, key = owner[rows], {"owned_account": account[0][rows], "party": people.entity[owner[rows]]}
    weight = _own(ctx, "MULE_ACCOUNT", accounts.status[rows], fresh[rows])
    tier = np.where(account[1][rows], 0, 1).astype(np.uint8)
    place = places(ctx, ctx.address(ACCOUNT, role=code, **key), np.maximum(weight, UNIT), tier)
    order = np.lexsort((rows, place, whose))
    best = order[run_starts(whose[order])]
    always = np.isin(parties.role[whose], [ctx.code("party_role", name) for name in law.always])
    won = word(ctx, MORE, **key) < permille_word(
        by_name(ctx, "party_role", law.more_permille)[parties.role[whose]]
    )
    won[best] |= always[best]
    give(ctx, found, code, rows[won], owner.astype(np.uint32), parties)
