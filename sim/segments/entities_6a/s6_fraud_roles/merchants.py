"""Merchants' roles: collusive by the risk of the trade and for rings, compromised by how they sell."""

from __future__ import annotations

import numpy as np

from sim.recipes.groups import run_lengths, run_offsets
from sim.recipes.join import look_up
from sim.recipes.words import WORDS_NEEDS, word
from sim.segments.entities_6a.s6_fraud_roles.parties import Roles, clean
from sim.segments.entities_6a.s6_fraud_roles.race import ROLE_RACE_NEEDS, places, winners
from sim.segments.entities_6a.s6_fraud_roles.rings import ROLE_RINGS_NEEDS, ring_ids
from sim.segments.entities_6a.s6_fraud_roles.targets import MERCHANT_ORDER
from sim.state.context import Context, PartitionContext
from sim.state.declaration import ROW_LEVEL, Needs
from sim.state.frames import Array, Frame

ROLE, RING = "6A.merchant_role", "6A.merchant_ring"
FEATURES = ("SIZE", "ABROAD", "ONLINE")
_FULL_SIZE = 50
_MCCS = 10_000

ROLE_MERCHANTS_NEEDS = Needs(
    reads={"merchant_catalogue_1A": ROW_LEVEL, "outlet_catalogue": ROW_LEVEL},
    config=("fraud_roles_merchant_6A",),
    streams=(RING, ROLE),
    kernels=("bounded_integer", "risk_score"),
    uses=(ROLE_RACE_NEEDS, ROLE_RINGS_NEEDS, WORDS_NEEDS),
)


def merchants_of(ctx: Context) -> Frame:
    """Every merchant with the risk class of its trade: merchant_id, mcc_risk, channel, home_country_iso."""
    frame = ctx.load("merchant_catalogue_1A", columns=("merchant_id", "mcc", "channel", "home_country_iso"))
    return frame.with_columns(mcc_risk=_classes(ctx)[frame.mcc]).select(
        "merchant_id", "mcc_risk", "channel", "home_country_iso"
    )


def _classes(ctx: Context) -> Array:
    """Risk class of each code: int16, 10,000."""
    table = np.full(_MCCS, ctx.code("mcc_risk", "GENERAL"), dtype=np.int16)
    for name, ranges in ctx.params.fraud_roles_merchant_6A.mcc_ranges.items():
        for first, last in ranges:
            table[first : last + 1] = ctx.code("mcc_risk", name)
    return table


def class_counts(ctx: Context, merchants: Frame) -> Array:
    """Merchants of each risk class: uint64, 1 x classes."""
    return np.bincount(merchants.mcc_risk, minlength=len(ctx.vocabulary("mcc_risk"))).astype(np.uint64)[
        None, :
    ]


def merchant_roles(
    ctx: PartitionContext, merchants: Frame, feature: Array, targets: Array, rings: Array
) -> Roles:
    """Roles of all merchants.

    Args:
        ctx: Context of 6A.S6.
        merchants: From `merchants_of`.
        feature: From `merchant_features`.
        targets: uint64, roles x 1 x classes.
        rings: uint64, one a country: how many rings it has.
    """
    found = clean(ctx, len(merchants))
    order = np.argsort(merchants.mcc_risk, kind="stable")
    classes = len(ctx.vocabulary("mcc_risk"))
    offsets = np.searchsorted(merchants.mcc_risk[order], np.arange(classes + 1)).astype(np.uint64)
    at_home = rings[merchants.home_country_iso]
    for name in MERCHANT_ORDER:
        law, code = ctx.params.fraud_roles_merchant_6A.score[name], ctx.code("merchant_role", name)
        weight = np.array([law.features[feature_name] for feature_name in FEATURES], dtype=np.int64)
        base = int(law.base_permille) * 1000
        score = ctx.kernels.risk_score(
            base=base, least=1000, weight=weight, feature=feature.ravel(), dims={"n": len(merchants)}
        )
        score = np.where(found.role == 0, score, np.uint64(0))
        tier = np.where((at_home > 0) | (name != "COLLUSIVE"), 0, 1).astype(np.uint8)
        place = places(ctx, ctx.address(ROLE, role=code, merchant_id=merchants.merchant_id), score, tier)
        won = order[winners(ctx, place[order], offsets, targets[code, 0])]
        found.role[won], found.cause[won] = code, ctx.code("role_cause", "MCC_RISK")
        if name == "COLLUSIVE":
            _join(ctx, merchants, found, won[at_home[won] > 0], rings)
    return found


def _join(ctx: PartitionContext, merchants: Frame, found: Roles, rows: Array, rings: Array) -> None:
    """Collusive merchants work for a ring of their country where there is one."""
    country = merchants.home_country_iso[rows]
    x = word(ctx, RING, merchant_id=merchants.merchant_id[rows])
    ordinal = ctx.kernels.bounded_integer(x=x, bound=rings[country])
    found.cause[rows] = ctx.code("role_cause", "RING")
    found.ring_id[rows], found.ringed[rows] = ring_ids(ctx, country, ordinal), True


def merchant_features(ctx: Context, merchants: Frame) -> Array:
    """How each merchant sells: uint16, len(FEATURES) x n, permille."""
    outlets = ctx.load("outlet_catalogue", columns=("merchant_id", "legal_country_iso"))
    offsets = run_offsets(outlets.merchant_id)
    owner = look_up(merchants.merchant_id, outlets.merchant_id[offsets[:-1].astype(np.int64)])
    size = np.zeros(len(merchants), dtype=np.int64)
    size[owner] = run_lengths(offsets)
    of_outlet = np.repeat(owner, run_lengths(offsets))
    away = np.bincount(
        of_outlet[outlets.legal_country_iso != merchants.home_country_iso[of_outlet]],
        minlength=len(merchants),
    )
    online = np.zeros(len(ctx.vocabulary("channel")), dtype=np.uint16)
    online[ctx.code("channel", "card_not_present")], online[ctx.code("channel", "mixed")] = 1000, 500
    feature = np.zeros((len(FEATURES), len(merchants)), dtype=np.uint16)
    feature[0] = np.minimum(size, _FULL_SIZE) * 1000 // _FULL_SIZE
    feature[1] = away * 1000 // np.maximum(size, 1)
    feature[2] = online[merchants.channel]
    return feature
