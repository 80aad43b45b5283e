"""Faults of place: no count row 1, ids against flag 2, membership 4, zones 8."""

from tests.reference._errors import RowError

NONE = 2**32 - 1


def verify_routes(
    row, virtual, site_id, site_present, edge_id, edge_present, primary, settlement, key_row, key_zone,
    key_settlement, may_virtual, may_physical, site_first, site_count, edge_first, edge_count, member_id,
):  # fmt: skip
    faults, members = [], []
    for i, r in enumerate(row):
        if r == NONE:
            faults.append(1)
            members.append(NONE)
            continue
        if r >= len(key_row) or key_row[r] >= len(key_zone):
            raise RowError(i, "OUT_OF_RANGE")
        k, online = key_row[r], bool(virtual[i])
        first, count = (edge_first[k], edge_count[k]) if online else (site_first[k], site_count[k])
        if first + count > len(member_id):
            raise RowError(i, "OUT_OF_RANGE")
        own = member_id[first : first + count]
        wanted = edge_id[i] if online else site_id[i]
        allowed = may_virtual[k] if online else may_physical[k]
        fault = 0
        if (bool(site_present[i]), bool(edge_present[i])) != (not online, online) or not allowed:
            fault += 2
        if wanted not in own:
            fault += 4
        if primary[i] != key_zone[k] or settlement[i] != (key_settlement[k] if online else key_zone[k]):
            fault += 8
        faults.append(fault)
        members.append(first + own.index(wanted) if wanted in own else NONE)
    return faults, members
