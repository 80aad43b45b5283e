"""How much each party is connected to: counted from the links, not from what made them."""

from __future__ import annotations

import numpy as np

from sim.segments.entities_6a.households import Households
from sim.segments.entities_6a.s5_network.links import Users
from sim.state.frames import Array, Frame

_HALF = np.uint64(32)


def neighbourhood_frame(
    parties: Frame, homes: Households, holdings: dict[str, Array], devices: dict[str, Array], users: Users
) -> Frame:
    """Rows of s4_entity_neighbourhoods_6A.

    Args:
        parties: Parties of the partition.
        homes: Their households.
        holdings: `accounts` and `instruments`: row of the owner of each, int64.
        devices: `owner` of each device (row of the party, -1 for terminals); `shared` (bool) of each device;
            `guest`: party of each SECONDARY_USER link; `away`: device of each link abroad. Parties are int64
            rows of the partition.
        users: Users of addresses.
    """
    many = len(parties)
    owner = devices["owner"]
    owned = np.bincount(owner[owner >= 0], minlength=many)
    guest = np.bincount(devices["guest"], minlength=many)
    own_shared = np.bincount(owner[devices["shared"]], minlength=many)
    address_parties = np.bincount(users.party_ip) if many else np.zeros(0, dtype=np.int64)
    figures = {
        "household_members": homes.size[homes.of_party],
        "accounts": np.bincount(holdings["accounts"], minlength=many),
        "instruments": np.bincount(holdings["instruments"], minlength=many),
        "devices_owned": owned,
        "devices_used": owned + guest,
        "devices_shared": own_shared + guest,
        "ips": _different(users, owner, many),
        "links_abroad": np.bincount(owner[devices["away"]], minlength=many),
        "home_parties": address_parties[users.party_ip] - 1,
    }
    return Frame(
        {"party_id": parties.party_id, **{name: values.astype(np.uint16) for name, values in figures.items()}}
    )


def _different(users: Users, owner: Array, many: int) -> Array:
    """Different addresses of each party's own devices and itself: int64. Kinds have no address in common."""
    met = np.ones(many, dtype=np.int64)
    for dealt in users.dealt:
        met += dealt.met
    # Parties do not meet an address of their circle elsewhere (`hub_links`).
    met += np.bincount(owner[users.hub_device], minlength=many)
    # Homes and premises of several addresses: devices that are not on their owner's own.
    mine = np.flatnonzero(owner >= 0)
    apart = mine[users.own[mine] != users.party_ip[owner[mine]]]
    pairs = np.unique((owner[apart].astype(np.uint64) << _HALF) | users.own[apart].astype(np.uint64))
    mover, new_home = users.movers()
    member, new_line = users.second(users.party_ip)
    people = np.concatenate((owner[mover], member)).astype(np.uint64)
    later = np.unique((people << _HALF) | np.concatenate((new_home, new_line)).astype(np.uint64))
    # Devices that begin on a second address meet it there with the others.
    both = np.unique(np.concatenate((pairs, later)))
    return met + np.bincount((both >> _HALF).astype(np.int64), minlength=many)
