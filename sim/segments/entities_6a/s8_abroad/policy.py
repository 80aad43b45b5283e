"""What makes the law of devices abroad impossible, found before any state has run."""

from __future__ import annotations

from collections.abc import Iterable

from sim.segments.entities_6a.network_tables import sum_faults, values_of
from sim.segments.entities_6a.snapshot_cities import MOST_EXPONENT
from sim.state.context import Context
from sim.state.declaration import Needs
from sim.state.refuse import Fault, refuse_any

ABROAD_POLICY_NEEDS = Needs(config=("ip_abroad_prior_6A", "ip_taxonomy_6A"))


def require_possible(ctx: Context) -> None:
    """Refuse exits that do not sum up or lie nowhere, and kinds that belong to one household or premises.

    Raises:
        ContractError: `6A.S8.POLICY_IMPOSSIBLE`.
    """
    what, do = "the law of devices abroad contradicts itself", "correct the file or the override"
    refuse_any(ctx, "POLICY_IMPOSSIBLE", what, _faults(ctx), do=do)


def _faults(ctx: Context) -> Iterable[Fault]:
    law, kinds = ctx.params.ip_abroad_prior_6A, ctx.vocabulary("ip_type")
    yield from sum_faults([("ip_abroad_prior_6A.exits_permille", values_of(law.exits_permille))])
    if law.city_exponent > MOST_EXPONENT:
        at = "ip_abroad_prior_6A.city_exponent"
        yield Fault(at, f"{at} is {law.city_exponent}, above {MOST_EXPONENT}: weights overflow")
    for name in law.exits_permille:
        if name not in ctx.vocabulary("country"):
            at = f"ip_abroad_prior_6A.exits_permille.{name}"
            yield Fault(at, f"{at}: {name} is no country of the snapshot")
    for name in law.abroad_permille:
        if name not in law.links_per_device:
            at = f"ip_abroad_prior_6A.abroad_permille.{name}"
            yield Fault(at, f"{at} has no links_per_device")
        if ctx.params.ip_taxonomy_6A.types[name].place != "pool":
            at = f"ip_abroad_prior_6A.abroad_permille.{name}"
            yield Fault(at, f"{at}: addresses of {name} belong to somebody, only those of pools have guests")
    for place, name in enumerate(law.travel_kinds):
        if name not in kinds:
            at = f"ip_abroad_prior_6A.travel_kinds.{place}"
            yield Fault(at, f"{at}: {name} is no kind of address")
