"""What comes from abroad and what changes with the days, on top of the mixes: exact targets of addresses.

Links that go abroad (s8_links_abroad_6A) leave their home country and arrive in another one, and addresses
of their kinds follow the links. A country where nobody of this world lives has addresses for its guests.
Homes whose provider gives another address within the horizon have two, one after the other.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from sim.recipes.horizon import Horizon, life_span
from sim.segments.entities_6a.network_tables import integers
from sim.segments.entities_6a.s5_network.room import least_free
from sim.segments.entities_6a.s5_network.targets import IP_TARGETS_NEEDS, IpTargets, ip_targets
from sim.state.context import Context
from sim.state.declaration import ROW_LEVEL, Needs
from sim.state.frames import Array

_MIDDLE = np.uint64(1 << 63)
_BILLION = 1_000_000_000

INWARD_NEEDS = Needs(
    reads={"s4_place_summary_6A": ROW_LEVEL, "s8_links_abroad_6A": ROW_LEVEL},
    config=("ip_abroad_prior_6A", "ip_place_prior_6A", "ip_prior_6A", "scenario_horizon_5A"),
    kernels=("capped_share",),
    uses=(IP_TARGETS_NEEDS,),
)


@dataclass(frozen=True)
class NetworkTargets(IpTargets):
    """`IpTargets` whose `links` stay in their country, with what comes on top.

    Attributes:
        renewed: Second addresses of homes (column RESIDENTIAL only).
        inward: Links of devices from other countries.
        on_top: By kind only: addresses without an owner beyond those of the mixes, for guests and caps.
    """

    renewed: Array
    inward: Array
    on_top: Array

    @property
    def addresses(self) -> Array:
        """All addresses."""
        return self.homes + self.renewed + self.offices + self.shared + self.sites

    @property
    def received(self) -> Array:
        """Links that a country's addresses serve."""
        return self.links + self.inward


def network_targets(ctx: Context) -> NetworkTargets:
    """The targets of the world."""
    base, law = ip_targets(ctx), ctx.params.ip_place_prior_6A
    countries, kinds = base.links.shape
    rows = ctx.load("s8_links_abroad_6A", columns=("home_country_iso", "country_iso", "ip_type"))
    left, inward = (
        np.bincount(place * np.int64(kinds) + rows.ip_type, minlength=countries * kinds).reshape(-1, kinds)
        for place in (rows.home_country_iso, rows.country_iso)
    )
    links = base.links - left
    received = links + inward
    pools, least = _least(ctx, base, received, inward)
    shared = np.maximum(base.shared, least)
    for kind in np.flatnonzero(inward.sum(axis=0)).tolist():
        home = base.links[:, kind] > 0
        outside = np.where(home, 1, int(law.sparse_factor))
        # What countries without people need comes on top: the mixes know nothing of them.
        spare = max(int(base.shared[:, kind].sum()) - int(least[home, kind].sum()), 0)
        further = received[:, kind] - least[:, kind]
        more = ctx.kernels.capped_share(
            offset=np.array([0, countries], dtype=np.uint64),
            weight=(received[:, kind] * outside).astype(np.uint64),
            cap=further.astype(np.uint32),
            units=np.array([min(spare, int(further.sum()))], dtype=np.uint64),
            start=np.array([_MIDDLE], dtype=np.uint64),
        )
        shared[:, kind] = least[:, kind] + more.astype(np.int64)
    on_top = np.maximum(shared.sum(axis=0) - base.shared.sum(axis=0), 0)
    hosting, places = ctx.code("ip_type", "DATACENTRE"), ctx.load("s4_place_summary_6A")
    online = places.country_iso[places.online_merchants > 0]
    shared[online, hosting] = np.maximum(shared[online, hosting], 1)
    renewed = np.zeros_like(shared)
    lines = ctx.code("ip_type", "RESIDENTIAL")
    renewed[:, lines] = base.homes[:, lines] * renewal_rate(ctx) // _BILLION
    kept = {item.name: getattr(base, item.name) for item in fields(base)}
    return NetworkTargets(
        **(kept | {"links": links, "shared": shared, "pools": pools}),
        renewed=renewed,
        inward=inward,
        on_top=on_top,
    )


def _least(ctx: Context, base: IpTargets, received: Array, inward: Array) -> tuple[Array, Array]:
    """Pools of a spot, and addresses without an owner that a country has at least: int64 each.

    As many pools as a device of its own or a guest may have links, so that nobody meets an address twice;
    more where there are addresses enough. Addresses hold all links with half of their cap, whoever owns
    others: so a country has room for several spots, and always for one (`room.py`).
    """
    prior = ctx.params.ip_prior_6A
    most = integers(ctx, "ip_type", prior.ips_per_device)
    cap = integers(ctx, "ip_type", prior.devices_per_ip)
    guests = integers(ctx, "ip_type", ctx.params.ip_abroad_prior_6A.links_per_device)
    asked = np.maximum(base.pools, np.minimum(base.shared + base.offices, most))
    asked = np.maximum(asked, np.where(inward > 0, guests, 0))
    pools = np.maximum(np.minimum(np.minimum(asked, most), received), 1)
    return pools, np.where(received > 0, least_free(received, pools, np.maximum(cap // 2, 1)), 0)


def renewal_rate(ctx: Context) -> int:
    """Homes whose address changes within the horizon, in 10**-9.

    A lease of L days ends within a horizon of H with probability min(1, H / L). A horizon of one day has no
    room for two addresses.
    """
    lease, horizon = ctx.params.ip_place_prior_6A.lease, horizon_of(ctx)
    if horizon.days < 2:
        return 0
    days = range(int(lease.shortest), int(lease.longest) + 1)
    ends = sum(_BILLION * min(length, horizon.days) // length for length in days) // len(days)
    return ends * int(lease.rotating_permille) // 1000


def horizon_of(ctx: Context) -> Horizon:
    """The days in which addresses are leased."""
    return life_span(ctx.params.scenario_horizon_5A)
