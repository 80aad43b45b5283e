"""6A.S5: IP addresses, where they are, what they are called, and who uses them when.

Every home has its own address, which only its household shares. Every organisation's premises and every site
with terminals have their own address too. Phones use carriers' NAT; devices use public networks, hosting and
proxies, which they share with strangers. Addresses of homes and premises follow from who lives and works
there, the other kinds from the prior's mixes (`targets.py`), under caps that are never exceeded. Addresses
have places before anybody uses them: most devices use those where their owner lives (`spots.py`), and guests
from abroad those where their journey took them (6A.S8).
"""

from __future__ import annotations

import numpy as np

from sim.recipes.terms import COUNTRY_TERMS_NEEDS, region_of_country
from sim.segments.entities_6a.country_partitions import COUNTRY_PARTITIONS_NEEDS, country_ranges
from sim.segments.entities_6a.link_rules import require_consistent
from sim.segments.entities_6a.s5_network.checks import (
    IP_CHECKS_NEEDS,
    count_network,
    network_checks,
    network_summary,
)
from sim.segments.entities_6a.s5_network.inward import INWARD_NEEDS, network_targets
from sim.segments.entities_6a.s5_network.links import IP_LINKS_NEEDS, base_frame, link_frame
from sim.segments.entities_6a.s5_network.mix_checks import NetworkCounts
from sim.segments.entities_6a.s5_network.neighbourhoods import neighbourhood_frame
from sim.segments.entities_6a.s5_network.network import NETWORK_NEEDS, Network, network_of
from sim.segments.entities_6a.s5_network.numbers import (
    NUMBERS_NEEDS,
    numbers_of,
    operator_frame,
    prefix_room,
)
from sim.segments.entities_6a.s5_network.place_checks import (
    PLACE_CHECKS_NEEDS,
    PlaceCounts,
    count_places,
    place_checks,
)
from sim.segments.entities_6a.s5_network.policy import POLICY_NEEDS, require_possible
from sim.state.context import Context, PartitionContext
from sim.state.declaration import ROW_LEVEL, Check, Frames, Partition, State
from sim.state.frames import Array, Frame
from sim.state.totals import Totals

STATE = State(
    id="6A.S5",
    title="Addresses and links",
    reads={
        "s1_party_summary_6A": ROW_LEVEL,
        "s2_account_base_6A": ROW_LEVEL,
        "s3_instrument_base_6A": ROW_LEVEL,
        "s4_device_links_6A": ROW_LEVEL,
    },
    writes=(
        "s4_ip_base_6A",
        "s4_ip_links_6A",
        "s4_entity_neighbourhoods_6A",
        "s4_network_summary_6A",
        "s5_operators_6A",
    ),
    counts=(NetworkCounts, PlaceCounts),
    uses=(
        COUNTRY_PARTITIONS_NEEDS,
        COUNTRY_TERMS_NEEDS,
        INWARD_NEEDS,
        IP_CHECKS_NEEDS,
        IP_LINKS_NEEDS,
        NETWORK_NEEDS,
        NUMBERS_NEEDS,
        PLACE_CHECKS_NEEDS,
        POLICY_NEEDS,
    ),
)


def preflight(ctx: Context) -> None:
    """Refuse policies that contradict themselves."""
    require_possible(ctx)
    require_consistent(ctx, "ip_roles")


def plan(ctx: Context) -> list[Partition]:
    """One partition a file of parties: whole countries; each knows the id of its first address."""
    targets = network_targets(ctx)
    prefix_room(ctx, targets)
    addresses = targets.addresses.sum(axis=1)
    before = np.cumsum(addresses) - addresses
    ranges = country_ranges(ctx, ctx.load("s1_party_summary_6A"))
    return [
        Partition(index, spec={"countries": [first, stop], "first_ip": int(before[first]) + 1}, weight=rows)
        for index, (first, stop, rows) in enumerate(ranges)
    ]


def compute(ctx: PartitionContext, part: Partition) -> Frames:
    """Addresses, links and neighbourhoods of a run of countries."""
    made = network_of(ctx, part)
    near = neighbourhood_frame(
        made.parties,
        made.homes,
        _holdings(ctx, part, made.parties),
        _device_users(ctx, part, made),
        made.users,
    )
    ids = {
        "device_id": np.concatenate((made.devices.device_id, made.guests.device)),
        "owner_party_id": np.concatenate((made.devices.primary_party_id, made.guests.party)),
        "party_id": made.parties.party_id,
    }
    links, degree = link_frame(ctx, made.addresses, made.users, ids, part.spec["first_ip"])
    rows = Frame(
        {"country": made.addresses.country, "kind": made.addresses.kind, "asn_class": made.addresses.asn}
    )
    metro = made.atlas.metro_of(made.city)
    numbers = numbers_of(ctx, made.targets, rows, metro, (made.addresses.words[3], made.addresses.words[4]))
    where = (made.atlas, made.city, numbers)
    base = base_frame(
        made.addresses, made.owners, degree, region_of_country(ctx), where, part.spec["first_ip"]
    )
    count_network(ctx, base, links, made, degree)
    count_places(ctx, base, made, numbers)
    return {"s4_ip_base_6A": base, "s4_ip_links_6A": links, "s4_entity_neighbourhoods_6A": near}


def _holdings(ctx: Context, part: Partition, parties: Frame) -> dict[str, Array]:
    first = parties.party_id[0] if len(parties) else np.uint64(1)
    sources = {"accounts": "s2_account_base_6A", "instruments": "s3_instrument_base_6A"}
    held = {
        name: ctx.load(id, part=part.index, columns=("owner_party_id",)).owner_party_id
        for name, id in sources.items()
    }
    return {name: (owners - first).astype(np.int64) for name, owners in held.items()}


def _device_users(ctx: Context, part: Partition, made: Network) -> dict[str, Array]:
    links = ctx.load("s4_device_links_6A", part=part.index, columns=("link_role", "party_id"))
    rows = np.flatnonzero(links.link_role == ctx.code("device_link_role", "SECONDARY_USER"))
    guest = (links.party_id[rows] - made.parties.party_id[0]).astype(np.int64) if len(rows) else rows
    shared = made.devices.present("shared_household_id")
    return {"owner": made.owner, "shared": shared, "guest": guest, "away": made.away.device}


def finish(ctx: Context, totals: Totals) -> Frames:
    """The summary by region and kind, and the networks."""
    return {
        "s4_network_summary_6A": network_summary(ctx, totals),
        "s5_operators_6A": operator_frame(ctx, PlaceCounts(totals).operators),
    }


def checks(ctx: Context, totals: Totals) -> list[Check]:
    """See `network_checks` and `place_checks`."""
    return [*network_checks(ctx, totals), *place_checks(ctx, totals)]
