"""Faults of place: no count row 1, ids against flag 2, membership 4, zones 8, terminals 16."""

from tests.reference._errors import RowError

NONE = 2**32 - 1


def verify_routes(
    row, virtual, site_id, site_present, edge_id, edge_present, terminal_id, terminal_present, primary,
    settlement, key_row, key_zone, key_settlement, may_virtual, may_physical, site_first, site_count,
    edge_first, edge_count, member_id, till_first, till_count, till_id,
):  # fmt: skip
    faults, members, terminals = [], [], []
    for i, r in enumerate(row):
        if r == NONE:
            faults.append(1)
            members.append(NONE)
            terminals.append(NONE)
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
        found, till = first + own.index(wanted) if wanted in own else NONE, NONE
        if found != NONE:
            if till_first[found] + till_count[found] > len(till_id):
                raise RowError(i, "OUT_OF_RANGE")
            there = till_id[till_first[found] : till_first[found] + till_count[found]]
            if bool(terminal_present[i]) != bool(there) or (there and terminal_id[i] not in there):
                fault += 16
            elif there:
                till = till_first[found] + there.index(terminal_id[i])
        faults.append(fault)
        members.append(found)
        terminals.append(till)
    return faults, members, terminals
