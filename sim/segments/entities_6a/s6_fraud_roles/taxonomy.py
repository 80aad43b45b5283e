"""Contradictions between the taxonomy of fraud roles and the priors, found from the configuration alone."""

from __future__ import annotations

from collections.abc import Iterator

from sim.segments.entities_6a.s6_fraud_roles.prevalence import prevalence, prevalence_key
from sim.state.context import Context
from sim.state.params import Params
from sim.state.refuse import Fault, refuse_any

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
    "account_roles": {
        "MULE_ACCOUNT": ("OWNER_ROLE",),
        "ACCOUNT_TAKEN_OVER": ("INDIVIDUAL",),
        "HIGH_RISK_ACCOUNT": ("OWNER_ROLE", "INDIVIDUAL"),
        "DORMANT_RISKY": ("OWNER_ROLE", "INDIVIDUAL"),
    },
    "merchant_roles": {"COLLUSIVE": ("RING", "MCC_RISK"), "COMPROMISED": ("MCC_RISK",)},
    "device_roles": {
        "REUSED_DEVICE": ("OWNER_ROLE", "SHARED_USE", "INDIVIDUAL"),
        "HIGH_RISK_DEVICE": ("OWNER_ROLE", "INDIVIDUAL"),
    },
    "ip_roles": {
        "PROXY_IP": ("SHARED_USE",),
        "ABUSED_IP": ("OWNER_ROLE", "INDIVIDUAL"),
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
    faults = [*_shares(ctx), *_causes(ctx), *_laws(ctx)]
    what, do = (
        "priors of fraud roles contradict the taxonomy or themselves",
        "give the role another share, or let the taxonomy allow it",
    )
    refuse_any(ctx, "ROLE_CONTRADICTION", what, faults, do=do)


def _shares(ctx: Context) -> Iterator[Fault]:
    """Shares of types that may not bear a role.

    Roles of a type that take more than all of it; caps no type keeps.
    """
    taxonomy = ctx.params.fraud_role_taxonomy_6A
    sections: list[tuple[str, Params | None, str]] = [
        ("party", taxonomy.party_roles, "party_types"),
        ("account", taxonomy.account_roles, "types"),
        ("device", taxonomy.device_roles, "types"),
        ("ip", taxonomy.ip_roles, "types"),
        ("merchant", None, ""),
    ]
    for entity, roles, allowed in sections:
        name, section = prevalence_key(ctx, entity), prevalence(ctx, entity)
        together: dict[str, int] = {}
        for role, shares in section.share_ppm.items():
            for kind, share in shares.items():
                together[kind] = together.get(kind, 0) + share
                if share > 0 and roles is not None and kind not in roles[role][allowed]:
                    at = f"{name}.share_ppm.{role}.{kind}"
                    yield Fault(at, f"{at} is {share}, but fraud_role_taxonomy_6A forbids it")
            if min(dict(shares.items()).values()) > section.world_cap_ppm[role]:
                at = f"{name}.world_cap_ppm.{role}"
                yield Fault(at, f"{at} is below the share of every type")
        for kind, total in together.items():
            if total > 1_000_000:
                at = f"{name}.share_ppm"
                yield Fault(at, f"{at}: the roles of {kind} sum to {total}, more than 1000000")


def _causes(ctx: Context) -> Iterator[Fault]:
    """Causes and rings as the model makes them."""
    taxonomy = ctx.params.fraud_role_taxonomy_6A
    for kind, roles in GIVEN.items():
        for role, causes in roles.items():
            said = taxonomy[kind][role].causes
            for cause in sorted(set(said) ^ set(causes)):
                does = "lacks" if cause in causes else "allows"
                at = f"fraud_role_taxonomy_6A.{kind}.{role}.causes"
                yield Fault(at, f"{at} {does} {cause}; the model gives {', '.join(causes)}")
    for cause, ring in RING_OF_CAUSE.items():
        if taxonomy.cause_ring[cause] != ring:
            at = f"fraud_role_taxonomy_6A.cause_ring.{cause}"
            yield Fault(at, f"{at} is {taxonomy.cause_ring[cause]}, but such a row {_NAMES[ring]} a ring")


_NAMES = {"always": "needs", "sometimes": "may have", "never": "cannot have"}


def _laws(ctx: Context) -> Iterator[Fault]:
    """Trades in two classes."""
    seen: dict[int, str] = {}
    for kind, ranges in ctx.params.fraud_roles_merchant_6A.mcc_ranges.items():
        for row, (first, last) in enumerate(ranges):
            at = f"fraud_roles_merchant_6A.mcc_ranges.{kind}"
            if first > last:
                yield Fault(f"{at}.{row}", f"{at}: {first} > {last}")
            twice = next((code for code in range(first, last + 1) if seen.get(code, kind) != kind), None)
            if twice is not None:
                yield Fault(
                    f"{at}.{row}",
                    f"fraud_roles_merchant_6A.mcc_ranges: {twice} is in {seen[twice]} and {kind}",
                )
            seen.update(dict.fromkeys(range(first, last + 1), kind))
