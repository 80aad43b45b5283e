"""Risk tiers: what a bank would say a priori, from what it can see, with noise; no role enters."""

from __future__ import annotations

import numpy as np

from sim.recipes.words import WORDS_NEEDS, word
from sim.segments.entities_6a.s6_fraud_roles.links import Links
from sim.segments.entities_6a.s6_fraud_roles.people import FEATURES, People
from sim.segments.entities_6a.tenure import DAYS_NEEDS, Days
from sim.state.context import Context, PartitionContext
from sim.state.declaration import Needs
from sim.state.frames import Array, Frame
from sim.state.params import Params

PARTY, ACCOUNT, DEVICE, IP, MERCHANT = (
    "6A.party_tier",
    "6A.account_tier",
    "6A.device_tier",
    "6A.ip_tier",
    "6A.merchant_tier",
)
TIERS = ("LOW", "MEDIUM", "HIGH")

RISK_TIERS_NEEDS = Needs(
    config=("party_taxonomy_6A", "risk_tiers_6A"),
    streams=(ACCOUNT, DEVICE, IP, PARTY),
    kernels=("bounded_integer",),
    uses=(DAYS_NEEDS, WORDS_NEEDS),
)
MERCHANT_TIERS_NEEDS = Needs(
    config=("risk_tiers_6A",), streams=(MERCHANT,), kernels=("bounded_integer",), uses=(WORDS_NEEDS,)
)


def _graded(ctx: PartitionContext, score: Array, x: Array, cuts: Params) -> Array:
    """Tier codes: int16.

    Args:
        ctx: Context of 6A.S6.
        score: int64, permille.
        x: uint64: words of the noise.
        cuts: `MEDIUM` and `HIGH`: scores from which they begin.
    """
    width = np.full(len(x), int(ctx.params.risk_tiers_6A.noise_permille), dtype=np.uint64)
    noisy = score + ctx.kernels.bounded_integer(x=x, bound=width).astype(np.int64)
    codes = np.array([ctx.code("risk_tier", name) for name in TIERS], dtype=np.int16)
    step = (noisy >= int(cuts.MEDIUM)).astype(np.int64) + (noisy >= int(cuts.HIGH))
    found: Array = codes[step]
    return found


def _signed(ctx: Context, vocabulary: str, values: Params) -> Array:
    """A config object by code of a vocabulary: int64, 0 for names it does not have."""
    return np.array(
        [int(values[name]) if name in values else 0 for name in ctx.vocabulary(vocabulary)], dtype=np.int64
    )


def party_tiers(ctx: PartitionContext, people: People, groups: Frame) -> Array:
    """Tier of each party: int16, n; by type, segment and what the bank can count."""
    law = ctx.params.risk_tiers_6A.party
    scores = []
    for segment in ctx.vocabulary("segment"):
        known = ctx.params.party_taxonomy_6A.segments[segment].scores
        profile = law.profile_permille.items()
        weights = [(int(weight), known[name]) for name, weight in profile if name in known]
        scores.append(sum(weight * (round(1000 * score) - 500) // 1000 for weight, score in weights))
    by_segment = np.array(scores, dtype=np.int64)[groups.segment_id]
    score = np.repeat(by_segment, np.diff(people.offsets).astype(np.int64))
    score += _signed(ctx, "party_type", law.type_permille)[people.frame.party_type]
    for row, name in enumerate(FEATURES):
        if law.features[name]:
            score += people.feature[row].astype(np.int64) * int(law.features[name]) // 1000
    x = word(ctx, PARTY, party_rank=people.rank, party_cell=people.cell)
    return _graded(ctx, score, x, law.from_permille)


def account_tiers(
    ctx: PartitionContext, accounts: Frame, entity: Array, owner: Array, account: Array, parties: Array
) -> Array:
    """Tier of each account: int16, n; by status, age and the owner's tier.

    Args:
        ctx: Context of 6A.S6.
        accounts: Rows of s2_account_base_6A.
        entity: uint64: party of each account's draws.
        owner: int64: row of each account's owner.
        account: uint64: field `owned_account` of each.
        parties: int16: tiers of the parties.
    """
    law = ctx.params.risk_tiers_6A.account
    age = Days.of_horizon(ctx).age(accounts.open_date)
    score = _signed(ctx, "account_status", law.status_permille)[accounts.status]
    score += _signed(ctx, "risk_tier", law.owner_permille)[parties[owner]]
    score += np.where(age <= int(law.new.days), int(law.new.permille), 0)
    return _graded(ctx, score, word(ctx, ACCOUNT, owned_account=account, party=entity), law.from_permille)


def device_tiers(
    ctx: PartitionContext, devices: Frame, fields: tuple[Array, Array], links: Links, parties: Array
) -> Array:
    """Tier of each device: int16, n; by type, whether several use it, and the owner's tier.

    Args:
        ctx: Context of 6A.S6.
        devices: Rows of s4_device_base_6A.
        fields: `device_holder` and `owned_device` of each device's address.
        links: Who uses them.
        parties: int16: tiers of the parties.
    """
    law = ctx.params.risk_tiers_6A.device
    score = _signed(ctx, "device_type", law.type_permille)[devices.device_type]
    score += np.where(links.users_of_device > 1, int(law.shared_permille), 0)
    added = _signed(ctx, "risk_tier", law.owner_permille)
    most = np.zeros(len(devices), dtype=np.int64)
    np.maximum.at(most, links.user_device, added[parties[links.user_party]])
    holder, device = fields
    x = word(ctx, DEVICE, owned_device=device, device_holder=holder)
    return _graded(ctx, score + most, x, law.from_permille)


def ip_tiers(ctx: PartitionContext, ips: Frame, entity: Array, shared: Array) -> Array:
    """Tier of each address: int16, n; by its kind and whether strangers share it."""
    law = ctx.params.risk_tiers_6A.ip
    score = _signed(ctx, "ip_type", law.type_permille)[ips.ip_type]
    score += np.where(shared, int(law.shared_permille), 0)
    return _graded(ctx, score, word(ctx, IP, ip=entity), law.from_permille)


def merchant_tiers(ctx: PartitionContext, merchants: Frame, features: Array, names: tuple[str, ...]) -> Array:
    """Tier of each merchant: int16, n; by the risk class of its trade and how it sells.

    Args:
        ctx: Context of 6A.S6.
        merchants: merchant_id, mcc_risk.
        features: uint16, len(names) x n, permille.
        names: Names of the features.
    """
    law = ctx.params.risk_tiers_6A.merchant
    score = _signed(ctx, "mcc_risk", law.mcc_risk_permille)[merchants.mcc_risk]
    for row, name in enumerate(names):
        score += features[row].astype(np.int64) * int(law.features[name]) // 1000
    return _graded(ctx, score, word(ctx, MERCHANT, merchant_id=merchants.merchant_id), law.from_permille)
