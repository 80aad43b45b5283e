"""Checks of fraud roles as they are made: exact targets, caps, fitting causes, rings and clusters."""

from __future__ import annotations

import numpy as np

from sim.recipes.audits import ledger_check
from sim.segments.entities_6a.s6_fraud_roles.counts import KINDS, RoleCounts
from sim.segments.entities_6a.s6_fraud_roles.plan import Targets
from sim.segments.entities_6a.s6_fraud_roles.prevalence import PREVALENCE_NEEDS, prevalence
from sim.segments.entities_6a.s6_fraud_roles.targets import (
    ACCOUNT_ORDER,
    DEVICE_ORDER,
    IP_ORDER,
    MERCHANT_ORDER,
    RACED,
)
from sim.state.context import Context
from sim.state.declaration import ROW_LEVEL, Check, Needs
from sim.state.frames import Array
from sim.state.totals import Totals

ROLE_CHECKS_NEEDS = Needs(
    reads={"s1_party_summary_6A": ROW_LEVEL},
    config=(
        "fraud_role_taxonomy_6A",
        "fraud_roles_entity_6A",
        "realism_gates_posture_6A",
    ),
    uses=(PREVALENCE_NEEDS,),
)


def role_checks(ctx: Context, totals: Totals, targets: Targets) -> list[Check]:
    """Checks of 6A.S6 over sums of all pieces."""
    return [
        *_exact(ctx, totals, targets),
        *_caps(ctx, totals),
        *(_causes(ctx, kind, found) for kind, found in _causes_found(totals).items()),
        *_mules(ctx, totals),
        *_tiers(ctx, totals),
        *_clean(ctx, totals),
        *_togetherness(ctx, totals),
        *_ledgers(ctx, totals, targets),
    ]


def _roles(totals: Totals) -> dict[str, Array]:
    """Roles by kind: int64, cells x roles."""
    seen = RoleCounts(totals)
    found = (seen.party_roles, seen.account_roles, seen.device_roles, seen.ip_roles, seen.merchant_roles)
    return {kind: table.reshape(-1, table.shape[-1]) for kind, table in zip(KINDS, found, strict=True)}


def _causes_found(totals: Totals) -> dict[str, Array]:
    """Causes by kind: int64, roles x causes x (without ring, with one)."""
    seen = RoleCounts(totals)
    found = (seen.party_causes, seen.account_causes, seen.device_causes, seen.ip_causes, seen.merchant_causes)
    return dict(zip(KINDS, found, strict=True))


def _exact(ctx: Context, totals: Totals, targets: Targets) -> list[Check]:
    """Roles by cell equal their targets, in every cell."""
    summary = ctx.load("s1_party_summary_6A", columns=("country_iso",))
    roles = _roles(totals)
    # Parties are raced for in whole countries.
    roles["party"] = RoleCounts(totals).party_roles.sum(axis=1)
    wanted = {"party": _by_country(ctx, summary.country_iso, targets.parties.astype(np.int64))}
    for kind, array in (
        ("account", targets.accounts),
        ("device", targets.devices),
        ("ip", targets.ips),
        ("merchant", targets.merchants),
    ):
        wanted[kind] = array.astype(np.int64).transpose(1, 2, 0).reshape(-1, array.shape[0])
    result = []
    # Mule accounts follow from their owners: see `_mules`.
    wanted["account"][:, ctx.code("account_role", "MULE_ACCOUNT")] = roles["account"][
        :, ctx.code("account_role", "MULE_ACCOUNT")
    ]
    for kind, aim in wanted.items():
        found = roles[kind]
        wrong = int((found[:, 1:] != aim[:, 1:]).sum())
        mix = dict(zip(ctx.vocabulary(f"{kind}_role"), found.sum(axis=0).tolist(), strict=True))
        note = f"{wrong} cells are off target; rows by role"
        result.append(
            Check(f"{kind} roles are on target in every cell", wrong == 0, mix, {"cells off target": 0}, note)
        )
    return result


def _by_country(ctx: Context, country: Array, values: Array) -> Array:
    """Exact sums over the rows of each country: int64, countries x columns."""
    sums = np.zeros((len(ctx.vocabulary("country")), values.shape[1]), dtype=np.int64)
    np.add.at(sums, country, values)
    return sums


def _caps(ctx: Context, totals: Totals) -> list[Check]:
    """No role takes more of the world than its cap; rounding may add one a type."""
    caps = {kind: prevalence(ctx, kind) for kind in KINDS}
    result, roles = [], _roles(totals)
    for kind in KINDS:
        found = roles[kind].sum(axis=0)
        total, law = int(found.sum()), caps[kind].world_cap_ppm
        share = {
            name: int(found[ctx.code(f"{kind}_role", name)]) * 1_000_000 // max(1, total) for name in law
        }
        slack = {name: len(dict(caps[kind].share_ppm[name].items())) for name in law}
        kept = all(
            (int(found[ctx.code(f"{kind}_role", name)]) - slack[name]) * 1_000_000 <= law[name] * total
            for name in law
        )
        result.append(
            Check(f"{kind} roles keep their world caps", kept, share, dict(law.items()), "parts in a million")
        )
    return result


def _causes(ctx: Context, kind: str, found: Array) -> Check:
    """Every row's cause is one its role may have, and names a ring exactly if the cause needs one."""
    taxonomy = ctx.params.fraud_role_taxonomy_6A
    allowed = np.zeros(found.shape, dtype=np.bool_)
    allowed[0, ctx.code("role_cause", "NONE"), 0] = True
    for name, law in taxonomy[f"{kind}_roles"].items():
        for cause in law.causes:
            ring = taxonomy.cause_ring[cause]
            at = ctx.code(f"{kind}_role", name), ctx.code("role_cause", cause)
            allowed[(*at, 0)], allowed[(*at, 1)] = ring != "always", ring != "never"
    wrong = int(found[~allowed].sum())
    mix = dict(zip(ctx.vocabulary("role_cause"), found.sum(axis=(0, 2)).tolist(), strict=True))
    return Check(
        f"{kind} roles have causes that fit",
        wrong == 0,
        mix,
        {"rows that do not fit": 0},
        f"{wrong} rows; rows by cause",
    )


def _mules(ctx: Context, totals: Totals) -> list[Check]:
    """A mule owns a mule account, and so does an organiser; a mule account is of a mule or of its like."""
    seen, gates = RoleCounts(totals), ctx.params.realism_gates_posture_6A.mules
    names = ctx.vocabulary("party_role")
    law = ctx.params.fraud_roles_entity_6A.account.mule_account
    idle = {name: int(seen.owners_without[ctx.code("party_role", name)]) for name in law.always}
    owners = dict(zip(names, seen.mule_owners.tolist(), strict=True))
    alike, accounts = sum(owners[name] for name in law.more_permille), sum(owners.values())
    least = int(gates.like_owner_permille)
    return [
        Check(
            "a mule owns a mule account",
            not any(idle.values()),
            idle,
            0,
            "mules and organisers without one",
        ),
        Check(
            "a mule account is of a mule or its like",
            alike * 1000 >= least * accounts,
            owners,
            {"permille": least},
            "mule accounts by the role of their owner",
        ),
    ]


def _tiers(ctx: Context, totals: Totals) -> list[Check]:
    """No tier HIGH for more than a few, from a number of entities on."""
    seen, gates = RoleCounts(totals), ctx.params.realism_gates_posture_6A.tiers
    names, result = ctx.vocabulary("risk_tier"), []
    for kind in KINDS:
        found = dict(zip(names, seen.tiers[kind].tolist(), strict=True))
        total = sum(found.values())
        fits = found["HIGH"] * 1000 <= int(gates.high_most_permille) * total
        limits = {"HIGH, permille": int(gates.high_most_permille), "from": int(gates.entities_least)}
        result.append(
            Check(f"risk tiers of {kind}", fits or total < int(gates.entities_least), found, limits)
        )
    return result


def _clean(ctx: Context, totals: Totals) -> list[Check]:
    """Clean share of each party type."""
    seen = RoleCounts(totals)
    gates, result = ctx.params.realism_gates_posture_6A, []
    for code, name in enumerate(ctx.vocabulary("party_type")):
        risky, clean = (int(value) for value in seen.clean_by_type[code])
        low, high = gates.clean_permille[name]
        share = clean * 1000 / max(1, risky + clean)
        fits = low <= share <= high or risky + clean < gates.clean_least_parties
        limits = {"permille": [low, high], "from parties": gates.clean_least_parties}
        result.append(Check(f"clean share of {name}", fits, share, limits, "permille of its parties"))
    return result


def _togetherness(ctx: Context, totals: Totals) -> list[Check]:
    """Rings have members, synthetic identities live together; small worlds are reported without a limit."""
    seen = RoleCounts(totals)
    gates = ctx.params.realism_gates_posture_6A
    rings, peopled, members = seen.rings, seen.rings_peopled, seen.ring_members
    mean = (rings + members) * 1000 // max(1, rings)
    small = rings < gates.rings.rings_least
    share = peopled * 1000 // max(1, rings)
    synthetic = int(seen.party_roles[..., ctx.code("party_role", "SYNTHETIC_ID")].sum())
    clustered = seen.clustered * 1000 // max(1, synthetic)
    few = synthetic < gates.clusters.identities_least
    floor = gates.clusters.clustered_permille
    figures = {"rings": rings, "peopled_permille": share}
    identities = {"identities": synthetic, "clusters": seen.clusters, "clustered_permille": clustered}
    least, fewest = gates.rings.peopled_permille, gates.rings.mean_members_permille
    held = {"from rings": gates.rings.rings_least}
    limits = {"permille": floor, "from identities": gates.clusters.identities_least}
    return [
        Check(
            "rings have members",
            small or share >= least,
            figures,
            {"permille": least, **held},
            "permille with more than the organiser",
        ),
        Check("parties a ring", small or mean >= fewest, mean, {"permille": fewest, **held}, "mean"),
        Check(
            "synthetic identities live together",
            few or clustered >= floor,
            identities,
            limits,
            "permille in clusters",
        ),
    ]


def _ledgers(ctx: Context, totals: Totals, targets: Targets) -> list[Check]:
    """Draws as the rows say."""
    seen = RoleCounts(totals)
    summary = ctx.load("s1_party_summary_6A", columns=("country_iso", "parties"))
    people = _by_country(ctx, summary.country_iso, summary.parties.astype(np.int64)[:, None])[:, 0]
    wanted = _by_country(ctx, summary.country_iso, targets.parties.astype(np.int64))
    racing = sum(int(people[wanted[:, ctx.code("party_role", name)] > 0].sum()) for name in RACED)
    orders = {"account": ACCOUNT_ORDER, "device": DEVICE_ORDER, "ip": IP_ORDER, "merchant": MERCHANT_ORDER}
    rows = {kind: int(found.sum()) for kind, found in _roles(totals).items()}
    ringed = int(seen.merchant_causes[:, ctx.code("role_cause", "RING")].sum())
    more = dict.fromkeys(orders, 0) | {"account": int(seen.may_be_mule)}
    return [
        ledger_check(totals, "6A.party_role", racing, 1),
        *(
            ledger_check(totals, f"6A.{kind}_role", rows[kind] * len(order) + more[kind], 1)
            for kind, order in orders.items()
        ),
        *(ledger_check(totals, f"6A.{kind}_tier", rows[kind], 1) for kind in KINDS),
        ledger_check(totals, "6A.mule_account", int(seen.may_be_mule), 1),
        ledger_check(totals, "6A.merchant_ring", ringed, 1),
    ]
