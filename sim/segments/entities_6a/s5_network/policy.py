"""What makes the policies of addresses impossible, found before any state has run."""

from __future__ import annotations

from collections.abc import Iterable

from sim.segments.entities_6a.network_tables import integers, matrix, sum_faults, values_of
from sim.segments.entities_6a.snapshot_cities import MOST_EXPONENT
from sim.state.context import Context
from sim.state.declaration import Needs
from sim.state.refuse import Fault, refuse_any

POLICY_NEEDS = Needs(config=("ip_place_prior_6A", "ip_prior_6A", "ip_taxonomy_6A"))
_HOME, _OFFICE = "RESIDENTIAL", "CORPORATE"
_DEVICE_ROLES = ("TYPICAL_DEVICE_IP", "SHARED_PUBLIC_IP")
# Ordinals of a device's links of one kind have four bits of their address.
_MOST_LINKS = 15


def require_possible(ctx: Context) -> None:
    """Refuse taxonomies without members, mixes of a wrong sum, shares without candidates, and too small caps.

    Raises:
        ContractError: `6A.S5.TAXONOMY_EMPTY`, `6A.S5.POLICY_IMPOSSIBLE`, `6A.S5.ZERO_WEIGHTS` or
            `6A.S5.CAPS_INFEASIBLE`.
    """
    do = "correct the file or the override"
    refuse_any(
        ctx, "TAXONOMY_EMPTY", "the taxonomy of addresses does not say what they are", _taxonomy(ctx), do=do
    )
    refuse_any(ctx, "POLICY_IMPOSSIBLE", "the priors of addresses contradict themselves", _mixes(ctx), do=do)
    places = "the law of places and days contradicts itself"
    refuse_any(ctx, "POLICY_IMPOSSIBLE", places, _places(ctx), do=do)
    refuse_any(
        ctx, "ZERO_WEIGHTS", "a kind of address has links that no device asks for", _weights(ctx), do=do
    )
    refuse_any(ctx, "CAPS_INFEASIBLE", "the caps of addresses cannot be kept", _caps(ctx), do=do)


def _taxonomy(ctx: Context) -> Iterable[Fault]:
    types = ctx.params.ip_taxonomy_6A.types
    for name in ctx.vocabulary("ip_type"):
        if name not in types:
            yield Fault("ip_taxonomy_6A.types", f"ip_taxonomy_6A.types has no {name}")
    for name, kind in types.items():
        place = {_HOME: "home", _OFFICE: "office"}.get(name, "pool")
        if kind.place != place:
            at = f"ip_taxonomy_6A.types.{name}.place"
            yield Fault(at, f"{at} is {kind.place}; addresses of that name are made as {place}")
        if kind.device_role not in _DEVICE_ROLES:
            at, right = f"ip_taxonomy_6A.types.{name}.device_role", " or ".join(_DEVICE_ROLES)
            yield Fault(at, f"{at} is {kind.device_role}, which is no role of a device; {right} is")


def _mixes(ctx: Context) -> Iterable[Fault]:
    prior = ctx.params.ip_prior_6A
    for name, kind in ctx.params.ip_taxonomy_6A.types.items():
        yield from sum_faults([(f"ip_taxonomy_6A.types.{name}.asn_permille", values_of(kind.asn_permille))])
    yield from sum_faults(
        (f"ip_prior_6A.edge_permille.{name}", values_of(mix)) for name, mix in prior.edge_permille.items()
    )
    yield from sum_faults([("ip_prior_6A.node_permille", values_of(prior.node_permille))])
    for region, mix in prior.edge_permille.items():
        if mix[_HOME] == 0:
            at = f"ip_prior_6A.edge_permille.{region}.{_HOME}"
            yield Fault(at, f"{at} is 0: links of homes are what the others are sized from")
    if prior.node_permille[_HOME] == 0:
        at = f"ip_prior_6A.node_permille.{_HOME}"
        yield Fault(at, f"{at} is 0: homes are what the others are sized from")
    for name, most in prior.ips_per_device.items():
        if most > _MOST_LINKS:
            at = f"ip_prior_6A.ips_per_device.{name}"
            yield Fault(at, f"{at} is {most}, above {_MOST_LINKS}")
        linked = any(mix[name] > 0 for _, mix in prior.edge_permille.items())
        if linked != (prior.node_permille[name] > 0):
            what = f"ip_prior_6A gives {name} a share of links or of addresses, but not of both"
            yield Fault(f"ip_prior_6A.node_permille.{name}", what)


def _places(ctx: Context) -> Iterable[Fault]:
    law, kinds = ctx.params.ip_place_prior_6A, ctx.params.ip_taxonomy_6A.types
    pack = "ip_place_prior_6A"
    for name in law.same_metro_permille:
        if name not in kinds or name == _HOME:
            at = f"{pack}.same_metro_permille.{name}"
            yield Fault(at, f"{at}: {name} is no kind of address that people meet in a metro")
    for name, km in law.commute_km.items():
        at = f"{pack}.commute_km.{name}"
        if name not in law.same_metro_permille:
            yield Fault(at, f"{at}: {name} has no same_metro_permille")
        if km <= 0:
            yield Fault(at, f"{at} is {km}: a distance is above 0")
    if law.hosting_exponent > MOST_EXPONENT:
        at = f"{pack}.hosting_exponent"
        yield Fault(at, f"{at} is {law.hosting_exponent}, above {MOST_EXPONENT}: weights overflow")
    if law.lease.shortest > law.lease.longest:
        yield Fault(f"{pack}.lease.shortest", f"{pack}.lease.shortest is above lease.longest")
    for name, hold in law.holds.items():
        if hold.days[0] > hold.days[1]:
            yield Fault(f"{pack}.holds.{name}.days", f"{pack}.holds.{name}.days fall")


def _weights(ctx: Context) -> Iterable[Fault]:
    prior = ctx.params.ip_prior_6A
    affinity = matrix(ctx, "device_type", "ip_type", prior.affinity).max(axis=0)
    for code, name in enumerate(ctx.vocabulary("ip_type")):
        if (
            name != _HOME
            and affinity[code] == 0
            and any(mix[name] > 0 for _, mix in prior.edge_permille.items())
        ):
            yield Fault(
                "ip_prior_6A.affinity",
                f"ip_prior_6A.affinity.*.{name} are all 0, yet edge_permille.*.{name} is not",
            )


def _caps(ctx: Context) -> Iterable[Fault]:
    prior = ctx.params.ip_prior_6A
    cap, node = integers(ctx, "ip_type", prior.devices_per_ip), integers(ctx, "ip_type", prior.node_permille)
    home = ctx.code("ip_type", _HOME)
    for code, name in enumerate(ctx.vocabulary("ip_type")):
        if cap[code] < 1:
            yield Fault(f"ip_prior_6A.devices_per_ip.{name}", f"ip_prior_6A.devices_per_ip.{name} is 0")
        if name == _HOME:
            continue
        for region, mix in prior.edge_permille.items():
            if mix[name] > 0 and prior.ips_per_device[name] == 0:
                at = f"ip_prior_6A.ips_per_device.{name}"
                yield Fault(at, f"{at} is 0, yet edge_permille.{region}.{name} is {mix[name]}")
            # A home has at least one link, so the mean address of the kind has at least this many.
            if mix[name] * int(node[home]) > int(cap[code]) * mix[_HOME] * int(node[code]):
                at = f"ip_prior_6A.devices_per_ip.{name}"
                yield Fault(at, f"{at} is {int(cap[code])}, below the mean the mixes of {region} ask for")
