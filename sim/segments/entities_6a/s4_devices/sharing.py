"""Devices that members of a circle share: some of each circle, in groups that use one device."""

from __future__ import annotations

import numpy as np

from sim.recipes.groups import run_starts
from sim.segments.entities_6a.circle_members import CIRCLE_ROWS_NEEDS, CircleRows
from sim.segments.entities_6a.network_tables import integers
from sim.state.context import Context
from sim.state.declaration import Needs
from sim.state.frames import Array
from sim.state.params import Params

HANDED_ROUND = ("MOBILE", "TABLET", "LAPTOP", "DESKTOP")

SHARING_NEEDS = Needs(config=("circles_6A",), uses=(CIRCLE_ROWS_NEEDS,))


def shared_in_circles(
    ctx: Context, circles: CircleRows, owner: Array, kind: Array, home: Array
) -> tuple[Array, Array]:
    """Devices that others of a circle use: rows of devices and of their users, int64, ascending by device.

    The members who share are neighbours in their circle. They are dealt into groups; a group uses the
    first device that can be handed round of the first of them who has one, unless they live together.

    Args:
        ctx: Context of 6A.S4.
        circles: Circles of the partition.
        owner: int64, d: row of each device's owner, -1 for terminals.
        kind: int16, d: type of each device; devices of an owner stand by type.
        home: int64, n: household of each party.
    """
    law = ctx.params.circles_6A
    share = integers(
        ctx, "circle_kind", Params({name: values.device_share_permille for name, values in law.kinds.items()})
    )
    sharers = np.maximum((circles.size * share[circles.kind] + 500) // 1000, 2)
    most = int(law.users_per_device)
    # Who of a circle they are follows from its id: the leader is as likely as any other.
    size = circles.size[circles.circle]
    begin = (circles.id % np.maximum(circles.size, 1).astype(np.uint64)).astype(np.int64)
    turn = (circles.place + begin[circles.circle]) % size
    inside = np.flatnonzero(turn < sharers[circles.circle])
    inside = inside[np.lexsort((turn[inside], circles.circle[inside]))]
    party, circle = circles.party[inside], circles.circle[inside]
    group = circle * np.int64(1 << 16) + turn[inside] // most
    device = np.full(len(home), -1, dtype=np.int64)
    kinds = [ctx.code("device_type", name) for name in HANDED_ROUND]
    able = np.flatnonzero(np.isin(kind, kinds) & (owner >= 0))
    able = able[run_starts(owner[able])]
    device[owner[able]] = able
    has = np.flatnonzero(device[party] >= 0)
    first = has[run_starts(group[has])]
    lender = np.full(len(party), -1, dtype=np.int64)
    if len(first):
        run = np.minimum(np.searchsorted(group[first], group), len(first) - 1)
        known = group[first][run] == group
        lender[known] = first[run[known]]
    rows = np.flatnonzero((lender >= 0) & (lender != np.arange(len(party))))
    rows = rows[home[party[rows]] != home[party[lender[rows]]]]
    used, user = device[party[lender[rows]]], party[rows]
    order = np.lexsort((user, used))
    return used[order], user[order]


def also_on_successors(guests: tuple[Array, Array], before: Array) -> tuple[Array, Array]:
    """The same with who uses a device using its successor too.

    Args:
        guests: Rows of devices and of their users, from `shared_in_circles`.
        before: int64, d: row of each device's predecessor, -1 for none.
    """
    used, user = guests
    after = np.full(len(before), -1, dtype=np.int64)
    rows = np.flatnonzero(before >= 0)
    after[before[rows]] = rows
    more = np.flatnonzero(after[used] >= 0)
    used, user = np.concatenate([used, after[used[more]]]), np.concatenate([user, user[more]])
    order = np.lexsort((user, used))
    return used[order], user[order]
