"""Contradictions between the taxonomy of fraud roles and the priors, found from the configuration alone."""

from __future__ import annotations

from collections.abc import Iterator

from sim.ground.errors import ContractError
from sim.state.context import Context
from sim.state.params import Params

# What the model can give a role; a taxonomy that forbids one of them contradicts the model, one that allows
# more says what cannot be.
GIVEN: dict[str, dict[str, tuple[str, ...]]] = {
    "party_roles": {
        "SYNTHETIC_ID": ("SYNTHETIC_CLUSTER", "INDIVIDUAL"),
        "MULE": ("RING", "INDIVIDUAL"),
        "ORGANISER": ("RING",),
        "ASSOCIATE": ("RING", "HOUSEHOLD_TIE", "INDIVIDUAL"),
        "FIRST_PARTY_ABUSER": ("INDIVIDUAL",),
    },
    "account_roles": dict.fromkeys(
        ("MULE_ACCOUNT", "HIGH_RISK_ACCOUNT", "DORMANT_RISKY"), ("OWNER_ROLE", "INDIVIDUAL")
    ),
    "merchant_roles": {"COLLUSIVE": ("RING", "MCC_RISK"), "COMPROMISED": ("MCC_RISK",)},
    "device_roles": {
        "REUSED_DEVICE": ("OWNER_ROLE", "SHARED_USE", "INDIVIDUAL"),
        "HIGH_RISK_DEVICE": ("OWNER_ROLE", "INDIVIDUAL"),
    },
    "ip_roles": {
        "SHARED_IP": ("SHARED_USE",),
        "PROXY_IP": ("SHARED_USE",),
        "HIGH_RISK_IP": ("OWNER_ROLE", "INDIVIDUAL"),
    },
}
RING_OF_CAUSE = {
    "RING": "always",
    "SYNTHETIC_CLUSTER": "always",
    "HOUSEHOLD_TIE": "always",
    "OWNER_ROLE": "sometimes",
    "SHARED_USE": "never",
    "MCC_RISK": "never",
    "INDIVIDUAL": "never",
}


def refuse_contradictions(ctx: Context) -> None:
    """Raise one error that lists every contradiction.

    Raises:
        ContractError: `6A.S6.ROLE_CONTRADICTION`.
    """
    found = [*_shares(ctx), *_causes(ctx), *_laws(ctx)]
    if found:
        raise ContractError(
            "6A.S6.ROLE_CONTRADICTION",
            "priors of fraud roles contradict the taxonomy or themselves",
            found=f"{len(found)} contradictions",
            examples=found,
            total=len(found),
            where="config/layer3/6A/taxonomy/fraud_roles.yaml, config/layer3/6A/priors/fraud_roles_*.yaml",
            do="give the role another share, or let the taxonomy allow it",
        )


def _shares(ctx: Context) -> Iterator[str]:
    """Shares of types that may not bear a role.

    Roles of a type that take more than all of it; caps no type keeps.
    """
    taxonomy = ctx.params.fraud_role_taxonomy_6A
    party, entity, trade = (
        ctx.params.fraud_roles_party_6A,
        ctx.params.fraud_roles_entity_6A,
        ctx.params.fraud_roles_merchant_6A,
    )
    sections: list[tuple[str, Params, Params | None, str]] = [
        ("fraud_roles_party_6A", party, taxonomy.party_roles, "party_types"),
        ("fraud_roles_entity_6A.account", entity.account, taxonomy.account_roles, "types"),
        ("fraud_roles_entity_6A.device", entity.device, taxonomy.device_roles, "types"),
        ("fraud_roles_entity_6A.ip", entity.ip, taxonomy.ip_roles, "types"),
        ("fraud_roles_merchant_6A", trade, None, ""),
    ]
    for name, section, roles, allowed in sections:
        together: dict[str, int] = {}
        for role, shares in section.share_ppm.items():
            for kind, share in shares.items():
                together[kind] = together.get(kind, 0) + share
                if share > 0 and roles is not None and kind not in roles[role][allowed]:
                    yield f"{name}.share_ppm.{role}.{kind} is {share}, but fraud_role_taxonomy_6A forbids it"
            if min(dict(shares.items()).values()) > section.world_cap_ppm[role]:
                yield f"{name}.world_cap_ppm.{role} is below the share of every type"
        for kind, total in together.items():
            if total > 1_000_000:
                yield f"{name}.share_ppm: the roles of {kind} sum to {total}, more than 1000000"


def _causes(ctx: Context) -> Iterator[str]:
    """Causes and rings as the model makes them."""
    taxonomy = ctx.params.fraud_role_taxonomy_6A
    for kind, roles in GIVEN.items():
        for role, causes in roles.items():
            said = taxonomy[kind][role].causes
            for cause in sorted(set(said) ^ set(causes)):
                does = "lacks" if cause in causes else "allows"
                yield (
                    f"fraud_role_taxonomy_6A.{kind}.{role}.causes {does} {cause}; the model gives "
                    f"{', '.join(causes)}"
                )
    for cause, ring in RING_OF_CAUSE.items():
        if taxonomy.cause_ring[cause] != ring:
            yield (
                f"fraud_role_taxonomy_6A.cause_ring.{cause} is {taxonomy.cause_ring[cause]}, but such a row "
                f"{_NAMES[ring]} a ring"
            )


_NAMES = {"always": "needs", "sometimes": "may have", "never": "cannot have"}


def _laws(ctx: Context) -> Iterator[str]:
    """Bounds that leave nothing, and trades in two classes."""
    party = ctx.params.fraud_roles_party_6A
    for name, law in (("rings.members", party.rings.members), ("clusters", party.clusters)):
        if law.smallest > law.largest:
            yield f"fraud_roles_party_6A.{name}: smallest {law.smallest} > largest {law.largest}"
    seen: dict[int, str] = {}
    for kind, ranges in ctx.params.fraud_roles_merchant_6A.mcc_ranges.items():
        for first, last in ranges:
            if first > last:
                yield f"fraud_roles_merchant_6A.mcc_ranges.{kind}: {first} > {last}"
            twice = next((code for code in range(first, last + 1) if seen.get(code, kind) != kind), None)
            if twice is not None:
                yield f"fraud_roles_merchant_6A.mcc_ranges: {twice} is in {seen[twice]} and {kind}"
            seen.update(dict.fromkeys(range(first, last + 1), kind))
