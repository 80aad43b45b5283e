"""What makes the policies of devices impossible, found before any state has run."""

from __future__ import annotations

from collections.abc import Iterable

from sim.segments.entities_6a.network_tables import PERMILLE, matrix, numbers, sum_faults, values_of
from sim.segments.entities_6a.s4_devices.targets import caps
from sim.segments.entities_6a.s4_devices.traits import trait_faults
from sim.state.context import Context
from sim.state.refuse import Fault, refuse_any


def require_possible(ctx: Context) -> None:
    """Refuse taxonomies without members, mixes that do not sum up, and caps below the mean.

    Raises:
        ContractError: `6A.S4.TAXONOMY_EMPTY`, `6A.S4.POLICY_IMPOSSIBLE` or `6A.S4.CAPS_INFEASIBLE`.
    """
    do = "correct the file or the override"
    refuse_any(
        ctx, "TAXONOMY_EMPTY", "the device taxonomy does not say what devices are", _taxonomy(ctx), do=do
    )
    refuse_any(ctx, "POLICY_IMPOSSIBLE", "the device policies contradict themselves", _mixes(ctx), do=do)
    refuse_any(ctx, "POLICY_IMPOSSIBLE", "what devices say of themselves", trait_faults(ctx), do=do)
    refuse_any(ctx, "CAPS_INFEASIBLE", "the caps of devices cannot be kept", _caps(ctx), do=do)


def _taxonomy(ctx: Context) -> Iterable[Fault]:
    types = ctx.params.device_taxonomy_6A.types
    for name in ctx.vocabulary("device_type"):
        if name not in types:
            yield Fault("device_taxonomy_6A.types", f"device_taxonomy_6A.types has no {name}")
    prior = ctx.params.device_prior_6A
    for name, kind in types.items():
        if (kind.owner == "party") != (name in prior.owner):
            at = f"device_taxonomy_6A.types.{name}.owner"
            yield Fault(at, f"{at} is {kind.owner}, which device_prior_6A does not expect")


def _mixes(ctx: Context) -> Iterable[Fault]:
    taxonomy, prior, law = (
        ctx.params.device_taxonomy_6A,
        ctx.params.device_prior_6A,
        ctx.params.device_linkage_6A,
    )
    os, mix, law_of = "device_taxonomy_6A.types", "device_prior_6A.type_permille", "device_linkage_6A"
    yield from sum_faults(
        (f"{os}.{name}.os_permille", values_of(kind.os_permille)) for name, kind in taxonomy.types.items()
    )
    yield from sum_faults((f"{mix}.{name}", values_of(mixed)) for name, mixed in prior.type_permille.items())
    yield from sum_faults(
        (f"{law_of}.account_access_permille.{name}", row) for name, row in law.account_access_permille.items()
    )
    yield from sum_faults(
        (f"{law_of}.wallet_permille.{name}", row) for name, row in law.wallet_permille.items()
    )
    yield from sum_faults(
        (f"{law_of}.sharing.{name}.extra_users_permille", entry.extra_users_permille)
        for name, entry in law.sharing.items()
    )
    for name, entry in law.sharing.items():
        if entry.extra_users_permille[0] != 0:
            first = entry.extra_users_permille[0]
            at = f"device_linkage_6A.sharing.{name}.extra_users_permille"
            yield Fault(at, f"{at} begins with {first}: a shared device has another user")


def _caps(ctx: Context) -> Iterable[Fault]:
    prior = ctx.params.device_prior_6A
    most, kinds = caps(ctx), ctx.vocabulary("device_type")
    mix = matrix(ctx, "party_type", "device_type", prior.type_permille)
    mean = numbers(ctx, "party_type", prior.devices_per_party)
    for row, party_type in enumerate(ctx.vocabulary("party_type")):
        if int(most[row].sum()) > prior.max_per_party:
            at = f"device_prior_6A.type_cap.{party_type}"
            yield Fault(at, f"{at} sums to {int(most[row].sum())}, above max_per_party {prior.max_per_party}")
        for column, kind in enumerate(kinds):
            asked = float(mean[row] * mix[row, column]) / PERMILLE
            if asked > float(most[row, column]):
                cap = int(most[row, column])
                what = (
                    f"device_prior_6A asks for {asked:.3f} {kind} a {party_type} party on average, type_cap "
                    f"allows {cap}"
                )
                yield Fault(f"device_prior_6A.type_cap.{party_type}.{kind}", what)
