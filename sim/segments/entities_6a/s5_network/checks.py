"""Checks of addresses and links over all published rows: mixes, coverage, caps, sharing, places, roles."""

from __future__ import annotations

import numpy as np

from sim.recipes.audits import ledger_check
from sim.recipes.sampling import multinomial_check
from sim.segments.entities_6a.households import Households
from sim.segments.entities_6a.link_rules import IP_IDS, LINK_RULES_NEEDS, ip_demands, wrong_ids
from sim.segments.entities_6a.network_tables import PERMILLE, integers, matrix
from sim.segments.entities_6a.s4_devices.checks import percentiles
from sim.segments.entities_6a.s5_network.links import Users
from sim.segments.entities_6a.s5_network.pools import Dealt
from sim.segments.entities_6a.s5_network.rows import IP_ROWS_NEEDS, asn_mixes
from sim.state.context import Context, PartitionContext
from sim.state.counters import Counters, Each, Maximum, Scalar, Vector
from sim.state.declaration import Check, Needs
from sim.state.frames import Array, Frame
from sim.state.totals import Totals

_MOST_IPS = 160
_PPM = 1_000_000
# Every number up to 64, then 32 bins an octave up to 2**15.
_BIN_STARTS = np.array(
    [*range(64), *((32 + part) << octave for octave in range(1, 10) for part in range(32))], dtype=np.int64
)
_TABLES = ("ips", "site_ips", "device_links", "party_links", "merchant_links", "site_links")

IP_CHECKS_NEEDS = Needs(
    config=("ip_prior_6A", "realism_gates_network_6A"), uses=(IP_ROWS_NEEDS, LINK_RULES_NEEDS)
)


class NetworkCounts(Counters):
    """Addresses and their links as published."""

    tables = Each(_TABLES, Vector("region", "ip_type"))
    degrees = Vector("ip_type", len(_BIN_STARTS))
    most = Maximum("ip_type")
    above_device_cap = Scalar()
    above_party_cap = Scalar()
    devices = Scalar()
    covered = Scalar()
    ips_a_device = Vector(_MOST_IPS + 1)
    twins = Scalar()
    wrong_ids = Scalar()
    wrong_owners = Scalar()
    strangers = Scalar()
    abroad = Scalar()
    classes = Vector("ip_type", "asn_class")
    places = Scalar()
    party_devices = Scalar()
    merchants = Scalar()


def count_network(
    ctx: PartitionContext,
    base: Frame,
    links: Frame,
    users: Users,
    degree: dict[str, Array],
    devices: Frame,
    owner: Array,
    homes: Households,
) -> None:
    """Integer sums, and maxima, over the rows as published."""
    prior = ctx.params.ip_prior_6A
    kinds, regions = len(ctx.vocabulary("ip_type")), len(ctx.vocabulary("region"))
    cell = base.region_id * np.int64(kinds) + base.ip_type
    site = base.present("owner_merchant_id")
    figures = {
        "ips": np.ones(len(base), dtype=np.int64),
        "site_ips": site.astype(np.int64),
        "device_links": degree["devices"],
        "party_links": degree["parties"],
        "merchant_links": degree["merchants"],
        "site_links": np.where(site, degree["devices"], 0),
    }
    for name, values in figures.items():
        table = np.zeros(regions * kinds, dtype=np.int64)
        np.add.at(table, cell, values)
        ctx.count(NetworkCounts.tables[name], table)
    cap = integers(ctx, "ip_type", prior.devices_per_ip)
    width = len(_BIN_STARTS)
    binned = (
        base.ip_type * np.int64(width) + np.searchsorted(_BIN_STARTS, degree["devices"], side="right") - 1
    )
    ctx.count(NetworkCounts.degrees, np.bincount(binned[~site], minlength=kinds * width))
    most = np.zeros(kinds, dtype=np.int64)
    np.maximum.at(most, base.ip_type[~site], degree["devices"][~site])
    ctx.count(NetworkCounts.most, most)
    ctx.count(NetworkCounts.above_device_cap, int((degree["devices"] > cap[base.ip_type]).sum()))
    home = base.present("owner_household_id")
    ctx.count(NetworkCounts.above_party_cap, int((degree["parties"][home] > prior.parties_per_home).sum()))
    present = links.present("device_id")
    first = devices.device_id[0] if len(devices) else np.uint64(1)
    device = (links.device_id[present] - first).astype(np.int64)
    each = np.bincount(device, minlength=len(devices))
    ctx.count(NetworkCounts.devices, len(devices))
    ctx.count(NetworkCounts.covered, int((each > 0).sum()))
    ctx.count(
        NetworkCounts.ips_a_device,
        np.bincount(np.minimum(each[owner >= 0], _MOST_IPS), minlength=_MOST_IPS + 1),
    )
    ctx.count(NetworkCounts.twins, sum(_twins(dealt, users) for dealt in users.dealt))
    ownerless = present.copy()
    ownerless[present] = (owner < 0)[device]
    named = np.flatnonzero(present & links.present("party_id"))
    theirs = devices.primary_party_id[(links.device_id[named] - first).astype(np.int64)]
    ctx.count(NetworkCounts.wrong_ids, wrong_ids(ip_demands(ctx), links, IP_IDS, links.link_role, ownerless))
    ctx.count(NetworkCounts.wrong_owners, int((links.party_id[named] != theirs).sum()))
    ctx.count(NetworkCounts.strangers, _strangers(base, users, owner, homes))
    abroad = int((base.country_iso[users.own] != devices.home_country_iso).sum())
    for dealt in users.dealt:
        abroad += int(
            (
                np.repeat(base.country_iso[dealt.ip], dealt.degree) != devices.home_country_iso[dealt.device]
            ).sum()
        )
    ctx.count(
        NetworkCounts.abroad,
        abroad + int((base.country_iso[users.party_ip] != homes.country[homes.of_party]).sum()),
    )
    classes = len(ctx.vocabulary("asn_class"))
    ctx.count(
        NetworkCounts.classes,
        np.bincount(base.ip_type * np.int64(classes) + base.asn_class, minlength=kinds * classes),
    )
    places = np.unique(base.country_iso * np.int64(kinds) + base.ip_type)
    ctx.count(NetworkCounts.places, len(places))
    ctx.count(NetworkCounts.party_devices, int((owner >= 0).sum()))
    ctx.count(NetworkCounts.merchants, len(users.merchant) - int(site.sum()))


def _strangers(base: Frame, users: Users, owner: Array, homes: Households) -> int:
    """Links to a home of devices and parties that do not belong to its household."""
    home, first = base.present("owner_household_id"), np.uint64(homes.first_id)
    rows = np.flatnonzero(home[users.own])
    who = owner[rows]
    theirs = homes.of_party[np.maximum(who, 0)].astype(np.uint64) + first
    wrong = (who < 0) | (theirs != base.owner_household_id[users.own[rows]])
    parties = np.flatnonzero(home[users.party_ip])
    other = (
        homes.of_party[parties].astype(np.uint64) + first != base.owner_household_id[users.party_ip[parties]]
    )
    more = sum(int(dealt.degree[home[dealt.ip]].sum()) for dealt in users.dealt)
    return int(wrong.sum()) + int(other.sum()) + more


def _twins(dealt: Dealt, users: Users) -> int:
    """Devices linked twice to an address of a kind, or dealt their own home or premises."""
    before = np.cumsum(dealt.degree) - dealt.degree
    same = np.zeros(len(dealt.device), dtype=np.bool_)
    same[1:] = dealt.device[1:] == dealt.device[:-1]
    same[before[dealt.degree > 0]] = False
    return int(same.sum()) + int((np.repeat(dealt.ip, dealt.degree) == users.own[dealt.device]).sum())


def _tables(totals: Totals) -> dict[str, Array]:
    """Sums by region and kind: int64 each.

    `nodes` and `edges` leave merchants' sites and hosting out, which no mix speaks of.
    """
    tables = dict(NetworkCounts(totals).tables)
    tables["nodes"] = tables["ips"] - tables["site_ips"]
    tables["edges"] = tables["device_links"] - tables["site_links"] + tables["party_links"]
    return tables


def _degree_figures(ctx: Context, totals: Totals) -> list[dict[str, int]]:
    """Median, 99th percentile (to 1 part in 32) and largest number of devices on an address, by kind."""
    seen = NetworkCounts(totals)
    kinds = len(ctx.vocabulary("ip_type"))
    bins = seen.degrees
    most = seen.most
    found = []
    for kind in range(kinds):
        figures = percentiles(bins[kind])
        found.append(
            {
                "p50": int(_BIN_STARTS[figures["p50"]]),
                "p99": int(_BIN_STARTS[figures["p99"]]),
                "max": int(most[kind]),
            }
        )
    return found


def network_summary(ctx: Context, totals: Totals) -> Frame:
    """Rows of s4_network_summary_6A."""
    tables, kinds = _tables(totals), len(ctx.vocabulary("ip_type"))
    rows = np.flatnonzero(tables["ips"].ravel())
    figures = _degree_figures(ctx, totals)
    region, kind = rows // kinds, rows % kinds
    shares = {}
    for name, of in (("node_share_ppm", "nodes"), ("edge_share_ppm", "edges")):
        whole = np.maximum(tables[of].sum(axis=1), 1)
        shares[name] = (tables[of].ravel()[rows] * _PPM // whole[region]).astype(np.uint32)
    counts = {
        name: tables[name].ravel()[rows].astype(np.uint64)
        for name in ("ips", "device_links", "party_links", "merchant_links")
    }
    degrees = {
        f"devices_{name}": np.array([figures[code][name] for code in kind.tolist()], dtype=np.uint32)
        for name in ("p50", "p99", "max")
    }
    return Frame(
        {
            "region_id": region.astype(np.int16),
            "ip_type": kind.astype(np.int16),
            **counts,
            **shares,
            **degrees,
        }
    )


def network_checks(ctx: Context, totals: Totals) -> list[Check]:
    """Model checks of addresses and their links."""
    seen = NetworkCounts(totals)
    gates, names = ctx.params.realism_gates_network_6A, ctx.vocabulary("ip_type")
    zero = {
        "devices on an address": (seen.above_device_cap, "addresses above ip_prior_6A.devices_per_ip"),
        "parties on a home": (seen.above_party_cap, "homes above ip_prior_6A.parties_per_home"),
        "one link a device and address": (seen.twins, "devices linked to an address twice"),
        "ids as the role demands": (
            seen.wrong_ids,
            "links whose filled ids are not those of graph_linkage_6A.ip_roles",
        ),
        "links of devices name their owners": (
            seen.wrong_owners,
            "links of devices to another party than their owner",
        ),
        "homes serve one household": (
            seen.strangers,
            "devices and parties on the address of another household's home",
        ),
        "addresses lie where they are used": (seen.abroad, "links to an address of another country"),
    }
    result = [Check(name, found == 0, found, 0, note) for name, (found, note) in zero.items()]
    devices, covered = seen.devices, seen.covered
    enough = covered * PERMILLE >= int(gates.coverage_permille) * devices
    result.append(
        Check("devices with an address", enough, [covered, devices], f"{gates.coverage_permille} permille")
    )
    result += _mixes(ctx, totals)
    most = int(sum(int(value) for _, value in ctx.params.ip_prior_6A.ips_per_device.items())) + 1
    figures = percentiles(seen.ips_a_device)
    result.append(Check("addresses a device", figures["max"] <= most, figures, {"max": most}))
    for code, (name, figures) in enumerate(zip(names, _degree_figures(ctx, totals), strict=True)):
        cap = int(ctx.params.ip_prior_6A.devices_per_ip[name])
        result.append(
            Check(
                f"degrees of {name}",
                figures["max"] <= cap,
                figures,
                {"max": cap},
                "devices on an address; merchants' sites apart",
            )
        )
        count = int(_tables(totals)["nodes"].sum(axis=0)[code])
        if name == "MOBILE":
            heavy = (
                count < PERMILLE
                or figures["p99"] * PERMILLE >= int(gates.tail_ratio_permille) * figures["p50"]
            )
            note = f"p99 / p50 >= {gates.tail_ratio_permille} permille, held from {PERMILLE} addresses on"
            result.append(
                Check(
                    "carriers' NAT is heavy-tailed",
                    heavy,
                    {"addresses": count, **figures},
                    int(gates.tail_ratio_permille),
                    note,
                )
            )
    classes, mixes = seen.classes, asn_mixes(ctx).astype(np.uint64)
    for code, name in enumerate(names):
        count = int(classes[code].sum())
        if count:
            allowance = (
                float(gates.sampling_sigma),
                1.0 + count * float(gates.mix_error_permille) / PERMILLE,
            )
            note = "network classes by the taxonomy"
            result.append(
                multinomial_check(
                    f"networks of {name}",
                    ctx.vocabulary("asn_class"),
                    classes[code],
                    mixes[code],
                    allowance,
                    note,
                )
            )
    ips = int(seen.tables["ips"].sum())
    kinds = len(names)
    result.append(ledger_check(totals, "6A.ip", ips, 2))
    result.append(ledger_check(totals, "6A.ip_demand", seen.party_devices, 1 + kinds))
    device_links = int(seen.tables["device_links"].sum())
    return [
        *result,
        ledger_check(totals, "6A.ip_link", device_links - devices, 1),
        ledger_check(totals, "6A.hosting", seen.merchants, 1),
    ]


def _mixes(ctx: Context, totals: Totals) -> list[Check]:
    """Shares of links by region's prior, weighted by the regions' links, and of addresses."""
    seen = NetworkCounts(totals)
    gates, prior, tables = ctx.params.realism_gates_network_6A, ctx.params.ip_prior_6A, _tables(totals)
    edge = matrix(ctx, "region", "ip_type", prior.edge_permille).astype(np.int64)
    node = integers(ctx, "ip_type", prior.node_permille)
    expected = {
        "links by kind": (
            "edges",
            (tables["edges"].sum(axis=1)[:, None] * edge).sum(axis=0),
            int(gates.edge_error_permille),
        ),
        "addresses by kind": ("nodes", tables["nodes"].sum() * node, int(gates.node_error_permille)),
    }
    result = []
    for name, (key, asked, tolerance) in expected.items():
        found, whole = tables[key].sum(axis=0), max(int(tables[key].sum()), 1)
        error = np.abs(found * PERMILLE - asked)
        # Countries have whole addresses and links: one each of every kind they have.
        allowed = tolerance * whole + PERMILLE * seen.places
        shares = {
            kind: round(int(count) * 100 / whole, 2)
            for kind, count in zip(ctx.vocabulary("ip_type"), found.tolist(), strict=True)
        }
        wish = {
            kind: round(int(part) / 10 / whole, 2)
            for kind, part in zip(ctx.vocabulary("ip_type"), asked.tolist(), strict=True)
        }
        note = (
            f"percent; largest error {round(int(error.max()) / 10 / whole, 3)} points, allowed "
            f"{round(allowed / 10 / whole, 2)}"
        )
        result.append(Check(name, bool((error <= allowed).all()), shares, wish, note))
    return result
