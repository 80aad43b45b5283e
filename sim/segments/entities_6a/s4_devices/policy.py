"""What makes the policies of devices impossible, found before any state has run."""

from __future__ import annotations

from collections.abc import Iterable

from sim.segments.entities_6a.network_tables import PERMILLE, matrix, numbers, sum_problems, values_of
from sim.segments.entities_6a.s4_devices.targets import caps
from sim.segments.entities_6a.terms import refuse
from sim.state.context import Context


def require_possible(ctx: Context) -> None:
    """Refuse taxonomies without members, mixes that do not sum up, and caps below the mean.

    Raises:
        ContractError: `6A.S4.TAXONOMY_EMPTY`, `6A.S4.POLICY_IMPOSSIBLE` or `6A.S4.CAPS_INFEASIBLE`.
    """
    refuse(
        ctx,
        "TAXONOMY_EMPTY",
        "the device taxonomy does not say what devices are",
        _taxonomy(ctx),
        "config/layer3/6A/taxonomy/devices.yaml",
        "correct the file or the override",
    )
    refuse(
        ctx,
        "POLICY_IMPOSSIBLE",
        "the device policies contradict themselves",
        _mixes(ctx),
        "config/layer3/6A",
        "correct the file or the override",
    )
    refuse(
        ctx,
        "CAPS_INFEASIBLE",
        "the caps of devices cannot be kept",
        _caps(ctx),
        "config/layer3/6A/priors/device_counts.yaml",
        "correct the file or the override",
    )


def _taxonomy(ctx: Context) -> Iterable[str]:
    types = ctx.params.device_taxonomy_6A.types
    for name in ctx.vocabulary("device_type"):
        if name not in types:
            yield f"device_taxonomy_6A.types has no {name}"
    prior = ctx.params.device_prior_6A
    for name, kind in types.items():
        if (kind.owner == "party") != (name in prior.owner):
            yield (
                f"device_taxonomy_6A.types.{name}.owner is {kind.owner}, which device_prior_6A does not "
                "expect"
            )


def _mixes(ctx: Context) -> Iterable[str]:
    taxonomy, prior, law = (
        ctx.params.device_taxonomy_6A,
        ctx.params.device_prior_6A,
        ctx.params.device_linkage_6A,
    )
    yield from sum_problems(
        "device_taxonomy_6A.types",
        [(f"{name}.os_permille", values_of(kind.os_permille)) for name, kind in taxonomy.types.items()],
    )
    yield from sum_problems(
        "device_prior_6A.type_permille", [(name, values_of(mix)) for name, mix in prior.type_permille.items()]
    )
    both = [
        ("mix_permille", values_of(prior.terminals.mix_permille)),
        ("cash_mix_permille", values_of(prior.terminals.cash_mix_permille)),
    ]
    yield from sum_problems("device_prior_6A.terminals", both)
    yield from sum_problems(
        "device_linkage_6A.account_access_permille",
        [(name, row) for name, row in law.account_access_permille.items()],
    )
    yield from sum_problems(
        "device_linkage_6A.wallet_permille", [(name, row) for name, row in law.wallet_permille.items()]
    )
    yield from sum_problems(
        "device_linkage_6A.sharing",
        [(f"{name}.extra_users_permille", entry.extra_users_permille) for name, entry in law.sharing.items()],
    )
    for name, entry in law.sharing.items():
        if entry.extra_users_permille[0] != 0:
            first = entry.extra_users_permille[0]
            yield (
                f"device_linkage_6A.sharing.{name}.extra_users_permille begins with {first}: a shared "
                "device has another user"
            )


def _caps(ctx: Context) -> Iterable[str]:
    prior = ctx.params.device_prior_6A
    most, kinds = caps(ctx), ctx.vocabulary("device_type")
    mix = matrix(ctx, "party_type", "device_type", prior.type_permille)
    mean = numbers(ctx, "party_type", prior.devices_per_party)
    for row, party_type in enumerate(ctx.vocabulary("party_type")):
        if int(most[row].sum()) > prior.max_per_party:
            yield (
                f"device_prior_6A.type_cap.{party_type} sums to {int(most[row].sum())}, above max_per_party "
                f"{prior.max_per_party}"
            )
        for column, kind in enumerate(kinds):
            asked = float(mean[row] * mix[row, column]) / PERMILLE
            if asked > float(most[row, column]):
                cap = int(most[row, column])
                yield (
                    f"device_prior_6A asks for {asked:.3f} {kind} a {party_type} party on average, type_cap "
                    f"allows {cap}"
                )
