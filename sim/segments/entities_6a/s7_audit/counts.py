"""What the audit counts: faults by the names of their checks, rows seen and left over, degrees, rings."""

from __future__ import annotations

from sim.state.context import Context
from sim.state.counters import Counters, Each, Scalar, Vector

WIDEST = 4096  # degrees above are counted here: no cap of 6A but those of hosting addresses is above
LARGEST_RING = 99  # rings above are counted here
FAULTS = (
    "entities without their role",
    "instrument links unlike the base",
    "instruments of another owner than their account's",
    "accounts of somebody else on a device",
    "instruments of somebody else on a device",
    "strangers on devices",
    "shared_household_id other than the users'",
    "device links of another party than the owner",
    "strangers on home lines",
    "home lines abroad",
    "home lines of nobody",
    "other organisations on premises",
    "addresses with other links than they say",
    "neighbourhoods other than a recount",
    "parties of rings in no circle of theirs",
    "ties without a tie",
)
TABLES = {
    "parties": "s1_party_base_6A",
    "accounts": "s2_account_base_6A",
    "instruments": "s3_instrument_base_6A",
    "devices": "s4_device_base_6A",
    "addresses": "s4_ip_base_6A",
    "device links": "s4_device_links_6A",
    "address links": "s4_ip_links_6A",
}
ORPHANS = (
    "parties without account",
    "parties without address",
    "accounts of nobody",
    "instruments of no account",
    "devices of parties without address",
    "devices without link",
    "addresses without link",
)
SPREAD = ("account", "instrument", "device", "home_ip")
_DEGREES = (
    "accounts a party",
    "instruments a party",
    "devices a party",
    "instruments an account",
    "addresses a device",
)


def degrees(ctx: Context) -> tuple[str, ...]:
    """Names of the degrees that are measured."""
    return (*_DEGREES, *(f"devices on {kind}" for kind in ctx.vocabulary("ip_type")))


class AuditCounts(Counters):
    """Sums over all pieces."""

    faults = Each(FAULTS, Scalar())
    rows = Each(tuple(TABLES), Scalar())
    orphans = Each(ORPHANS, Scalar())
    degree = Each(degrees, Vector(WIDEST + 1))
    links = Each(degrees, Scalar())
    spread = Each(SPREAD, Vector(2, 2))  # owner, by what is owned: clean, risky
    rings = Scalar()
    ring_sizes = Vector(LARGEST_RING + 1)
    ring_pairs = Scalar()
    ring_members = Scalar()
    ring_on_device = Scalar()
    ring_sharing = Scalar()
    circle_sharing = Vector("circle_kind")
    circle_members = Vector("circle_kind")
    flagged = Scalar()
    flagged_ring = Scalar()
    merchants_in_rings = Scalar()
    merchants_rings_found = Scalar()
