"""How fraud roles find their draws."""

from __future__ import annotations

import numpy as np

from sim.recipes.drawn import INTEGER, RACE, UNIFORM, Drawn, Explained, MadeOf, Word, at
from sim.recipes.join import look_up
from sim.segments.entities_6a.cells import cell_words
from sim.segments.entities_6a.country_pieces import piece_of, row_of
from sim.segments.entities_6a.draw_keys import accounts_of, devices_of, party_cells, rows_by_id
from sim.segments.entities_6a.s6_fraud_roles.accounts import may_be_mule
from sim.segments.entities_6a.s6_fraud_roles.inherited import ip_entities
from sim.state.context import Context
from sim.state.declaration import Partition
from sim.state.frames import Array, Frame

_DEVICE = (
    "device_id",
    "device_type",
    "home_country_iso",
    "primary_party_id",
    "primary_merchant_id",
    "primary_site_id",
)
_IP = ("ip_id", "ip_type", "asn_class", "country_iso", "links")
_ACCOUNT_KEY = ("country_iso", "segment_id", "party_rank", "account_type", "account_number")
_DEVICE_KEY = ("device_holder", "terminal", "device_type", "device_number")
_PARTY_KEY = ("country_iso", "segment_id", "party_rank")


def _each_role(ctx: Context, vocabulary: str, rows: Frame, **fields: Array) -> Frame:
    """Every row once a role, with the role's code and name.

    The races that were not run are not in the ledger.
    """
    names = np.array(ctx.vocabulary(vocabulary), dtype=object)
    roles = np.flatnonzero(names != "CLEAN")
    index = np.repeat(np.arange(len(rows)), len(roles))
    role = np.tile(roles, len(rows))
    more = {name: values[index] for name, values in fields.items()}
    return at(rows, index, role=role, role_name=names[role], **more)


def _parties(ctx: Context, part: Partition, rows: Frame) -> Frame:
    found = _party_keys(ctx, part, rows)
    return _each_role(ctx, "party_role", rows, **{name: found[name] for name in _PARTY_KEY})


def _party_keys(ctx: Context, part: Partition, rows: Frame) -> Frame:
    cells = party_cells(ctx, rows.party_id)
    return at(rows, np.arange(len(rows)), **{name: cells[name] for name in _PARTY_KEY})


def _accounts(ctx: Context, part: Partition, rows: Frame) -> Frame:
    """Accounts once a role; as mule accounts only those that may be one."""
    found = _account_keys(ctx, part, rows)
    key = {name: found[name] for name in _ACCOUNT_KEY}
    every = _each_role(ctx, "account_role", rows, mule=found.mule, **key)
    return every.take(every.mule | (every.role != ctx.code("account_role", "MULE_ACCOUNT")))


def _mule_accounts(ctx: Context, part: Partition, rows: Frame) -> Frame:
    found = _account_keys(ctx, part, rows)
    return found.take(found.mule)


def _account_keys(ctx: Context, part: Partition, rows: Frame) -> Frame:
    """Every account with its address, and whether it may be a mule account."""
    every = accounts_of(ctx, rows=piece_of(part).tables["s2_account_base_6A"])
    mine = rows_by_id(every, "account_id", rows.account_id)
    parties = piece_of(part).parties
    roles = ctx.load("s5_party_fraud_roles_6A", rows=parties, columns=("fraud_role",)).fraud_role
    mule = may_be_mule(ctx, mine.account_type, roles[row_of(mine.owner_party_id, parties)])
    return at(rows, np.arange(len(rows)), mule=mule, **{name: mine[name] for name in _ACCOUNT_KEY})


def _devices(ctx: Context, part: Partition, rows: Frame) -> Frame:
    found = _device_keys(ctx, part, rows)
    return _each_role(ctx, "device_role", rows, **{name: found[name] for name in _DEVICE_KEY})


def _device_keys(ctx: Context, part: Partition, rows: Frame) -> Frame:
    every = devices_of(ctx, rows=piece_of(part).tables["s4_device_base_6A"])
    mine = rows_by_id(every, "device_id", rows.device_id)
    party = ctx.field("party", party_cell=cell_words(ctx, mine), party_rank=mine.party_rank)
    holder = np.where(mine.owned, party, mine.primary_site_id)
    return at(
        rows,
        np.arange(len(rows)),
        device_holder=holder,
        terminal=(~mine.owned).astype(np.uint64),
        device_type=mine.device_type,
        device_number=mine.device_number,
    )


def _ips(ctx: Context, part: Partition, rows: Frame) -> Frame:
    return _each_role(ctx, "ip_role", rows, ip=_ip_keys(ctx, part, rows).ip)


def _ip_keys(ctx: Context, part: Partition, rows: Frame) -> Frame:
    piece = piece_of(part)
    ips = ctx.load("s4_ip_base_6A", rows=piece.tables["s4_ip_base_6A"], columns=_IP)
    mine = rows_by_id(ips.with_columns(ip=ip_entities(ctx, ips)), "ip_id", rows.ip_id)
    return at(rows, np.arange(len(rows)), ip=mine.ip)


def _merchants(ctx: Context, part: Partition, rows: Frame) -> Frame:
    return _each_role(ctx, "merchant_role", rows)


def _collusive(ctx: Context, part: Partition, rows: Frame) -> Frame:
    """Merchants that work for a ring, with how many `rings` their country has."""
    merchants = ctx.load("merchant_catalogue_1A", columns=("merchant_id", "home_country_iso"))
    here = np.flatnonzero(rows.present("ring_id"))
    country = merchants.home_country_iso[look_up(merchants.merchant_id, rows.merchant_id[here])]
    return at(rows, here, rings=np.array(part.spec["rings"], dtype=np.uint64)[country])


_PARTY, _ACCOUNT, _MERCHANT = (
    "s5_party_fraud_roles_6A",
    "s5_account_fraud_roles_6A",
    "s5_merchant_fraud_roles_6A",
)
_ON_DEVICE, _ON_IP = "s5_device_fraud_roles_6A", "s5_ip_fraud_roles_6A"
_RACE = (Word(0, RACE, "fraud_role: place in the race for", of="role_name"),)
_TIER = (Word(0, UNIFORM, "risk_tier: noise of the score"),)

_DRAWS = (
    Drawn(_PARTY, "6A.party_role", _RACE, _parties),
    Drawn(_ACCOUNT, "6A.account_role", _RACE, _accounts),
    Drawn(
        _ACCOUNT,
        "6A.mule_account",
        (Word(0, UNIFORM, "fraud_role: whether it is a mule account besides its owner's first"),),
        _mule_accounts,
    ),
    Drawn(_PARTY, "6A.party_tier", _TIER, _party_keys),
    Drawn(_ACCOUNT, "6A.account_tier", _TIER, _account_keys),
    Drawn(_ON_DEVICE, "6A.device_tier", _TIER, _device_keys),
    Drawn(_ON_IP, "6A.ip_tier", _TIER, _ip_keys),
    Drawn(_MERCHANT, "6A.merchant_tier", _TIER),
    Drawn(_ON_DEVICE, "6A.device_role", _RACE, _devices),
    Drawn(_ON_IP, "6A.ip_role", _RACE, _ips),
    Drawn(_MERCHANT, "6A.merchant_role", _RACE, _merchants),
    Drawn(
        _MERCHANT,
        "6A.merchant_ring",
        (Word(0, INTEGER, "ring_id: number of the ring in the merchant's country", below="rings"),),
        _collusive,
    ),
)

_RING = {"ring_id": "ring_id"}

_MADE_OF = (
    MadeOf(_PARTY, "s9_circle_members_6A", "its seat in a circle", {"party_id": "party_id"}),
    *(
        MadeOf(dataset, _PARTY, "parties of its ring", _RING)
        for dataset in (_PARTY, _ACCOUNT, _ON_DEVICE, _ON_IP, _MERCHANT)
    ),
)

EXPLAINED = Explained(_DRAWS, _MADE_OF)
