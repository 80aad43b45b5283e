"""How common each fraud role is: the profile of the world."""

from __future__ import annotations

from sim.state.context import Context
from sim.state.declaration import Needs
from sim.state.params import Params

PREVALENCE_NEEDS = Needs(config=("fraud_prevalence_6A",))


def prevalence(ctx: Context, kind: str) -> Params:
    """`share_ppm` and `world_cap_ppm` of a kind of entity (party, account, device, ip, merchant)."""
    pack = ctx.params.fraud_prevalence_6A
    found: Params = pack[pack.profile][kind]
    return found


def prevalence_key(ctx: Context, kind: str) -> str:
    """Key of what `prevalence` gives, for errors."""
    return f"fraud_prevalence_6A.{ctx.params.fraud_prevalence_6A.profile}.{kind}"
