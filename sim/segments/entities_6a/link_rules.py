"""The one table of ids that a link's role fills: links are made by it and published rows checked with it."""

from __future__ import annotations

import numpy as np

from sim.state.context import Context
from sim.state.declaration import Needs
from sim.state.frames import Array, Frame
from sim.state.params import Params
from sim.state.refuse import Fault, refuse_any

DEVICE_IDS = ("party_id", "account_id", "instrument_id", "merchant_id")
"""Nullable columns of s4_device_links_6A."""
IP_IDS = ("device_id", "party_id", "merchant_id")
"""Nullable columns of s4_ip_links_6A."""

# Ids that the states know for a link of each role; the last one is the role's subject.
_DEVICE_KNOWN = {
    "PRIMARY_OWNER": ("party_id",),
    "SECONDARY_USER": ("party_id",),
    "ACCOUNT_ACCESS": ("party_id", "account_id"),
    "INSTRUMENT_WALLET": ("party_id", "instrument_id"),
    "MERCHANT_TERMINAL": ("merchant_id",),
}
_IP_KNOWN = {
    "TYPICAL_DEVICE_IP": ("party_id", "device_id"),
    "PARTY_HOME_IP": ("party_id",),
    "SHARED_PUBLIC_IP": ("party_id", "device_id"),
    "MERCHANT_IP": ("merchant_id",),
}

LINK_RULES_NEEDS = Needs(config=("graph_linkage_6A",))


def device_demands(ctx: Context) -> Array:
    """Whether a role (row, by code) fills an id (column, as in `DEVICE_IDS`): bool."""
    return _demands(ctx, "device_link_role", ctx.params.graph_linkage_6A.device_roles, DEVICE_IDS)


def ip_demands(ctx: Context) -> Array:
    """Whether a role (row, by code) fills an id (column, as in `IP_IDS`): bool."""
    return _demands(ctx, "ip_link_role", ctx.params.graph_linkage_6A.ip_roles, IP_IDS)


def _demands(ctx: Context, vocabulary: str, roles: Params, ids: tuple[str, ...]) -> Array:
    return np.array(
        [[name in roles[role] for name in ids] for role in ctx.vocabulary(vocabulary)], dtype=np.bool_
    )


def wrong_ids(
    demands: Array, links: Frame, ids: tuple[str, ...], role: Array, ownerless: Array | None = None
) -> int:
    """Published rows in which the filled ids are not exactly those their role demands.

    Args:
        demands: What each role fills, from `device_demands` or `ip_demands`.
        links: Rows.
        ids: Columns.
        role: Role of each row.
        ownerless: bool, one a row: links of things that no party owns, which therefore have no party_id to
            fill; None for no such links.
    """
    wrong = np.zeros(len(role), dtype=np.bool_)
    for number, name in enumerate(ids):
        wanted = demands[:, number][role]
        if name == "party_id" and ownerless is not None:
            wanted &= ~ownerless
        wrong |= wanted != links.present(name)
    return int(wrong.sum())


def require_consistent(ctx: Context, table: str) -> None:
    """Refuse roles that their table cannot hold or no state can fill.

    Args:
        ctx: Context with `graph_linkage_6A`.
        table: `device_roles` or `ip_roles`.

    Raises:
        ContractError: `6A.S4.ROLE_CONTRADICTORY` or `6A.S5.ROLE_CONTRADICTORY`.
    """
    device = table == "device_roles"
    known, ids = (_DEVICE_KNOWN, DEVICE_IDS) if device else (_IP_KNOWN, IP_IDS)
    dataset = "s4_device_links_6A" if device else "s4_ip_links_6A"
    faults = []
    for role, demanded in ctx.params.graph_linkage_6A[table].items():
        at = f"graph_linkage_6A.{table}.{role}"
        for place, name in enumerate(demanded):
            if name not in ids:
                faults.append(
                    Fault(
                        f"{at}.{place}", f"{table}.{role} demands {name}, which {dataset} has no column for"
                    )
                )
            elif name not in known[role]:
                faults.append(
                    Fault(
                        f"{at}.{place}",
                        f"{table}.{role} demands {name}, which a link of that role does not know",
                    )
                )
        if known[role][-1] not in demanded:
            faults.append(Fault(at, f"{table}.{role} does not demand {known[role][-1]}, which it is about"))
    expected = "; ".join(f"{role}: {', '.join(names)}" for role, names in known.items())
    what, do = "a role of graph_linkage_6A contradicts its table", "demand only ids the role can fill"
    refuse_any(ctx, "ROLE_CONTRADICTORY", what, faults, expected=expected, do=do)
