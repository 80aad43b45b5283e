"""Checks of devices: exact totals and mixes, caps, roles, sharing inside households only, systems."""

from __future__ import annotations

import numpy as np

from sim.recipes.audits import ledger_check
from sim.recipes.groups import run_starts
from sim.recipes.sampling import sampling_check
from sim.recipes.terms import COUNTRY_TERMS_NEEDS, region_of_country
from sim.segments.entities_6a.households import HOUSEHOLDS_NEEDS, Households, addresses_needed
from sim.segments.entities_6a.link_rules import DEVICE_IDS, LINK_RULES_NEEDS, device_demands, wrong_ids
from sim.segments.entities_6a.network_tables import PERMILLE, integers, matrix
from sim.segments.entities_6a.s4_devices.links import LinkCounts, Reach
from sim.segments.entities_6a.s4_devices.rows import DEVICE_CELLS_NEEDS, mean_devices
from sim.segments.entities_6a.s4_devices.systems import SYSTEMS_NEEDS, groups_in_all, system_checks
from sim.segments.entities_6a.s4_devices.targets import DEVICE_CAPS_NEEDS, caps
from sim.segments.entities_6a.s4_devices.traits import TraitCounts
from sim.segments.entities_6a.s4_devices.wallet_checks import WALLET_CHECKS_NEEDS, wallet_checks
from sim.segments.entities_6a.terminals import TERMINAL_ROWS_NEEDS, TERMINAL_SITES_NEEDS, terminal_checks
from sim.state.context import Context, PartitionContext
from sim.state.counters import Counters, Each, Scalar, Vector
from sim.state.declaration import Check, Frames, Needs
from sim.state.frames import Array, Frame
from sim.state.params import Params
from sim.state.totals import Totals

_PLACES = (
    "parties",
    "households",
    "home_ips",
    "home_links",
    "office_ips",
    "office_links",
    "terminal_sites",
    "terminals",
    "online_merchants",
)

DEVICE_CHECKS_NEEDS = Needs(
    config=("device_linkage_6A", "device_prior_6A", "realism_gates_network_6A"),
    uses=(
        COUNTRY_TERMS_NEEDS,
        DEVICE_CAPS_NEEDS,
        DEVICE_CELLS_NEEDS,
        HOUSEHOLDS_NEEDS,
        LINK_RULES_NEEDS,
        SYSTEMS_NEEDS,
        TERMINAL_ROWS_NEEDS,
        TERMINAL_SITES_NEEDS,
        WALLET_CHECKS_NEEDS,
    ),
)


class DeviceCounts(Counters):
    """Devices and their links as published; places are the sums of country summaries."""

    above_type_cap = Scalar()
    above_party_cap = Scalar()
    wrong_ids = Scalar()
    foreign = Scalar()
    devices = Scalar()
    successors = Scalar()
    histogram = Vector("party_type", lambda ctx: ctx.params.device_prior_6A.max_per_party + 2)
    mix = Vector("party_type", "device_type")
    by_country = Each(("devices", "private", "shared", "links"), Vector("country", "device_type"))
    systems = Vector(groups_in_all, "os_family")
    shareable = Vector("device_type")
    shared = Vector("device_type")
    roles = Vector("device_link_role")
    places = Each(_PLACES, Vector("country"))


def count_devices(
    ctx: PartitionContext,
    parties: Frame,
    devices: Frame,
    base: Frame,
    links: Frame,
    reach: Reach,
    homes: Households,
    sites: Frame,
) -> None:
    """Integer sums of one partition over the rows as published."""
    kinds, countries = len(ctx.vocabulary("device_type")), len(ctx.vocabulary("country"))
    # Successors come on top of what the priors say.
    fresh = (devices.owner >= 0) & (devices.before < 0)
    owner = devices.owner[fresh]
    kind = devices.device_type[fresh].astype(np.int64)
    # Devices of a party are adjacent, and so are those of a type among them.
    first = run_starts(owner, kind)
    each = np.diff(np.append(first, len(owner)))
    total = np.bincount(owner, minlength=len(parties))
    most = ctx.params.device_prior_6A.max_per_party
    ctx.count(
        DeviceCounts.above_type_cap,
        int((each > caps(ctx)[parties.party_type[owner[first]], kind[first]]).sum()),
    )
    ctx.count(DeviceCounts.above_party_cap, int((total > most).sum()))
    types = len(ctx.vocabulary("party_type"))
    held = np.minimum(total, most + 1)
    ctx.count(
        DeviceCounts.histogram,
        np.bincount(parties.party_type * np.int64(most + 2) + held, minlength=types * (most + 2)),
    )
    ctx.count(
        DeviceCounts.mix,
        np.bincount(parties.party_type[owner] * np.int64(kinds) + kind, minlength=types * kinds),
    )
    place = base.home_country_iso * np.int64(kinds) + base.device_type
    per_device = np.diff(np.append(np.flatnonzero(links.link_no == 1), len(links)))
    shared = base.present("shared_household_id")
    ctx.count(DeviceCounts.by_country["devices"], np.bincount(place, minlength=countries * kinds))
    everyone = devices.owner[devices.owner >= 0]
    private = devices.owner >= 0
    private[private] = parties.party_type[everyone] == ctx.code("party_type", "RETAIL")
    ctx.count(DeviceCounts.by_country["private"], np.bincount(place[private], minlength=countries * kinds))
    ctx.count(DeviceCounts.by_country["shared"], np.bincount(place[shared], minlength=countries * kinds))
    ctx.count(DeviceCounts.by_country["links"], _sums(place, per_device, countries * kinds))
    systems = len(ctx.vocabulary("os_family"))
    ctx.count(
        DeviceCounts.systems,
        np.bincount(
            (devices.group * systems + base.os_family)[(devices.owner < 0) | fresh],
            minlength=groups_in_all(ctx) * systems,
        ),
    )
    home = homes.of_party[owner]
    may = homes.private[home] & (homes.size[home] > 1)
    ctx.count(DeviceCounts.shareable, np.bincount(kind[may], minlength=kinds))
    ctx.count(DeviceCounts.shared, np.bincount(base.device_type[shared & fresh], minlength=kinds))
    ctx.count(DeviceCounts.wrong_ids, wrong_ids(device_demands(ctx), links, DEVICE_IDS, links.link_role))
    ctx.count(
        DeviceCounts.roles, np.bincount(links.link_role, minlength=len(ctx.vocabulary("device_link_role")))
    )
    ctx.count(DeviceCounts.devices, len(base))
    ctx.count(DeviceCounts.successors, int((devices.before >= 0).sum()))
    of_home = np.bincount(homes.of_party[everyone], minlength=len(homes.size))
    _count_places(ctx, homes, of_home, sites, base, countries)


def foreign_links(held: Frame, name: str, base: Frame, links: Frame) -> int:
    """Links to accounts (or instruments) that belong to another party than the device does.

    Args:
        held: `name` (contiguous ids) and `owner_party_id` of the partition.
        name: `account_id` or `instrument_id`.
        base: Devices of the partition.
        links: Their links.
    """
    rows = np.flatnonzero(links.present(name))
    if len(rows) == 0:
        return 0
    owner = held.owner_party_id[(links[name][rows] - held[name][0]).astype(np.int64)]
    device = (links.device_id[rows] - base.device_id[0]).astype(np.int64)
    return int((owner != base.primary_party_id[device]).sum())


def _sums(group: Array, values: Array, groups: int) -> Array:
    """Exact integer sums by group, int64."""
    sums = np.zeros(groups, dtype=np.int64)
    np.add.at(sums, group, values)
    return sums


def _count_places(
    ctx: PartitionContext, homes: Households, devices: Array, sites: Frame, base: Frame, countries: int
) -> None:
    needed = addresses_needed(ctx, homes, devices)
    links = devices + homes.size
    terminal = base.present("primary_merchant_id")
    for name, private in (("home", True), ("office", False)):
        mine = homes.private == private
        ctx.count(DeviceCounts.places[f"{name}_ips"], _sums(homes.country[mine], needed[mine], countries))
        ctx.count(DeviceCounts.places[f"{name}_links"], _sums(homes.country[mine], links[mine], countries))
    ctx.count(
        DeviceCounts.places["households"], np.bincount(homes.country[homes.private], minlength=countries)
    )
    ctx.count(DeviceCounts.places["parties"], _sums(homes.country, homes.size, countries))
    ctx.count(
        DeviceCounts.places["terminal_sites"], np.bincount(sites.legal_country_iso, minlength=countries)
    )
    ctx.count(
        DeviceCounts.places["terminals"], np.bincount(base.home_country_iso[terminal], minlength=countries)
    )


def summaries(ctx: Context, totals: Totals) -> Frames:
    """s4_place_summary_6A and s4_device_summary_6A from the sums."""
    region, kinds = region_of_country(ctx), len(ctx.vocabulary("device_type"))
    seen = DeviceCounts(totals)
    figures = seen.places
    here = np.flatnonzero(figures["parties"] + figures["terminal_sites"] + figures["online_merchants"])
    devices = {name: table.ravel() for name, table in seen.by_country.items()}
    rows = np.flatnonzero(devices["devices"])
    country = rows // kinds
    return {
        "s4_place_summary_6A": Frame(
            {
                "country_iso": here.astype(np.int16),
                "region_id": region[here],
                **{name: values[here].astype(np.uint64) for name, values in figures.items()},
            }
        ),
        "s4_device_summary_6A": Frame(
            {
                "country_iso": country.astype(np.int16),
                "device_type": (rows % kinds).astype(np.int16),
                "region_id": region[country],
                **{name: values[rows].astype(np.uint64) for name, values in devices.items()},
            }
        ),
    }


def device_checks(ctx: Context, totals: Totals) -> list[Check]:
    """Model checks of devices and their links."""
    seen = DeviceCounts(totals)
    gates = ctx.params.realism_gates_network_6A
    zero = {
        "traits fit the device": (
            TraitCounts(totals).misfits,
            "devices with a trait that device_models_6A does not give their kind and system",
        ),
        "models are no newer than the device": (
            TraitCounts(totals).unsold,
            "devices in use before their model was sold, by device_models_6A.launched",
        ),
        "caps by type": (seen.above_type_cap, "parties and types above device_prior_6A.type_cap"),
        "caps by party": (seen.above_party_cap, "parties above device_prior_6A.max_per_party"),
        "ids as the role demands": (
            seen.wrong_ids,
            "links whose filled ids are not those of graph_linkage_6A.device_roles",
        ),
        "shared inside the household": (
            LinkCounts(totals).strangers,
            "users from another household, or the owner again",
        ),
        "accounts and instruments of the owner": (seen.foreign, "links to what somebody else owns"),
    }
    result = [Check(name, found == 0, found, 0, note) for name, (found, note) in zero.items()]
    result += _means(ctx, totals)
    shared = Params(
        {name: entry.shared_permille for name, entry in ctx.params.device_linkage_6A.sharing.items()}
    )
    share = integers(ctx, "device_type", shared).astype(np.float64) / PERMILLE
    shareable = seen.shareable.astype(np.float64)
    slack = float(gates.shared_error_permille) * seen.devices / PERMILLE / PERMILLE + 1.0
    result.append(
        sampling_check(
            "devices shared",
            ctx.vocabulary("device_type"),
            seen.shared,
            shareable * share,
            shareable * share * (1 - share),
            (float(gates.sampling_sigma), slack),
            "devices that others of the household use too, of those that could be",
        )
    )
    result += system_checks(ctx, seen.systems, float(gates.sampling_sigma))
    places = {name: int(table.sum()) for name, table in seen.places.items()}
    made = int(seen.mix.sum())
    party_devices = made + seen.successors
    whole = [seen.devices, party_devices + places["terminals"]]
    result.append(
        Check(
            "every device has one owner",
            whole[0] == whole[1],
            whole[0],
            whole[1],
            "devices; parties' devices and terminals",
        )
    )
    roles = seen.roles.tolist()
    figures = dict(zip(ctx.vocabulary("device_link_role"), roles, strict=True))
    each = figures["PRIMARY_OWNER"] == party_devices and figures["MERCHANT_TERMINAL"] == places["terminals"]
    result.append(
        Check(
            "one owner link a device",
            each,
            figures,
            {"PRIMARY_OWNER": party_devices, "MERCHANT_TERMINAL": places["terminals"]},
        )
    )
    return [
        *result,
        *wallet_checks(ctx, totals, made),
        ledger_check(totals, "6A.device", made, 8),
        ledger_check(totals, "6A.device_traits", party_devices, 4),
        *terminal_checks(ctx, totals),
    ]


def _means(ctx: Context, totals: Totals) -> list[Check]:
    """Devices a party: mean, 99th percentile and most, and the mix of types, by party type."""
    seen = DeviceCounts(totals)
    gates, prior = ctx.params.realism_gates_network_6A, ctx.params.device_prior_6A
    names = ctx.vocabulary("party_type")
    histogram = seen.histogram
    mix = seen.mix
    asked = matrix(ctx, "party_type", "device_type", prior.type_permille).astype(np.int64)
    result = []
    for code, mean in enumerate(mean_devices(ctx).tolist()):
        parties, devices = int(histogram[code].sum()), int(mix[code].sum())
        if parties == 0:
            continue
        off = abs(devices - mean * parties)
        found = {"parties": parties, "mean": round(devices / parties, 6), **percentiles(histogram[code])}
        allowed = mean * parties * gates.mean_error_permille / PERMILLE + 1.0
        bounds = {
            "mean": mean,
            "error_permille": int(gates.mean_error_permille),
            "max": int(prior.max_per_party),
        }
        result.append(Check(f"devices a {names[code]} party", off <= allowed, found, bounds))
        error = int(np.abs(mix[code] * PERMILLE - asked[code] * devices).max()) if devices else 0
        limit = (gates.type_error_permille * devices) + PERMILLE
        worst = round(error / max(devices, 1), 4)
        result.append(
            Check(
                f"mix of devices of {names[code]}",
                error <= limit,
                worst,
                int(gates.type_error_permille),
                "largest error, permille",
            )
        )
    return result


def percentiles(histogram: Array) -> dict[str, int]:
    """Median, 99th percentile and largest value of a histogram by value.

    A percentile is the least value that so many are at or below.
    """
    total, reached = int(histogram.sum()), np.cumsum(histogram)
    if total == 0:
        return {"p50": 0, "p99": 0, "max": 0}
    ranks = {"p50": -(-total // 2), "p99": -(-total * 99 // 100), "max": total}
    return {name: int(np.searchsorted(reached, rank)) for name, rank in ranks.items()}
