"""What is counted of addresses and links, and their mixes against the priors."""

from __future__ import annotations

import numpy as np

from sim.segments.entities_6a.network_tables import PERMILLE, integers, matrix
from sim.segments.entities_6a.s5_network.inward import INWARD_NEEDS, network_targets
from sim.state.context import Context
from sim.state.counters import Counters, Each, Maximum, Scalar, Vector
from sim.state.declaration import Check, Needs
from sim.state.frames import Array
from sim.state.totals import Totals

MOST_IPS = 160
# Every number up to 64, then 32 bins an octave up to 2**15.
BIN_STARTS = np.array(
    [*range(64), *((32 + part) << octave for octave in range(1, 10) for part in range(32))], dtype=np.int64
)
_TABLES = (
    "ips",
    "other_ips",
    "device_links",
    "party_links",
    "merchant_links",
    "other_device_links",
    "other_party_links",
)

MIX_CHECKS_NEEDS = Needs(config=("ip_prior_6A", "realism_gates_network_6A"), uses=(INWARD_NEEDS,))


class NetworkCounts(Counters):
    """Addresses and their links as published."""

    tables = Each(_TABLES, Vector("region", "ip_type"))
    degrees = Vector("ip_type", len(BIN_STARTS))
    most = Maximum("ip_type")
    above_device_cap = Scalar()
    above_party_cap = Scalar()
    devices = Scalar()
    covered = Scalar()
    ips_a_device = Vector(MOST_IPS + 1)
    twins = Scalar()
    wrong_ids = Scalar()
    wrong_owners = Scalar()
    strangers = Scalar()
    unknown = Scalar()
    outside_life = Scalar()
    dealt = Scalar()
    classes = Vector("ip_type", "asn_class")
    places = Scalar()
    party_devices = Scalar()
    merchants = Scalar()


def tables_of(totals: Totals) -> dict[str, Array]:
    """Sums by region and kind: int64 each.

    `nodes` and `edges` leave out merchants' sites and hosting and the second addresses of homes, of which no
    mix speaks.
    """
    tables = dict(NetworkCounts(totals).tables)
    tables["nodes"] = tables["ips"] - tables["other_ips"]
    tables["edges"] = tables["device_links"] - tables["other_device_links"] + tables["party_links"]
    tables["edges"] -= tables["other_party_links"]
    return tables


def mix_checks(ctx: Context, totals: Totals) -> list[Check]:
    """Shares of links by region's prior, weighted by the regions' links, and of addresses."""
    seen = NetworkCounts(totals)
    gates, prior, tables = ctx.params.realism_gates_network_6A, ctx.params.ip_prior_6A, tables_of(totals)
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
    on_top = int(network_targets(ctx).on_top.sum())
    result = []
    for name, (key, asked, tolerance) in expected.items():
        found, whole = tables[key].sum(axis=0), max(int(tables[key].sum()), 1)
        error = np.abs(found * PERMILLE - asked)
        # Countries have whole addresses and links, one each of every kind they have, and of addresses what
        # guests and caps need beyond the mixes.
        allowed = tolerance * whole + PERMILLE * (seen.places + (on_top if key == "nodes" else 0))
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
