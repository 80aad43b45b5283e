# contract: verify_routes - one iteration an arrival; bounds checked.
# twin: gpu_kernels/kernels/verify_routes.cu
from cpu_fallback.civil import find_sorted
from cpu_fallback.device import kernel, length, report, rows, u8, u32, u64
from cpu_fallback.errors import errors_of

ERRORS = errors_of("verify_routes")

NONE = 0xFFFFFFFF


@kernel
def verify_routes(
    row, virtual, site_id, site_present, edge_id, edge_present, terminal_id, terminal_present, primary,
    settlement, key_row, key_zone, key_settlement, may_virtual, may_physical, site_first, site_count,
    edge_first, edge_count, member_id, till_first, till_count, till_id, fault, member, terminal, error,
):  # fmt: skip
    for i in rows(fault):
        fault[i], member[i], terminal[i] = u8(1), u32(NONE), u32(NONE)
        r = u64(row[i])
        if r == u64(NONE):
            continue
        if r >= length(key_row) or u64(key_row[r]) >= length(key_zone):
            report(error, i, ERRORS.OUT_OF_RANGE)
            continue
        k = u64(key_row[r])
        online = virtual[i] != u8(0)
        first = edge_first[k] if online else site_first[k]
        count = u64(edge_count[k]) if online else u64(site_count[k])
        if count > length(member_id) or first > length(member_id) - count:
            report(error, i, ERRORS.OUT_OF_RANGE)
            continue
        stop = first + count
        bad = u8(0)
        allowed = may_virtual[k] if online else may_physical[k]
        if (edge_present[i] != u8(0)) != online or (site_present[i] != u8(0)) == online or allowed == u8(0):
            bad |= u8(2)
        at = find_sorted(edge_id[i] if online else site_id[i], first, stop, member_id)
        if at == stop:
            bad |= u8(4)
        else:
            member[i] = u32(at)
            tills, there = till_first[at], u64(till_count[at])
            if there > length(till_id) or tills > length(till_id) - there:
                report(error, i, ERRORS.OUT_OF_RANGE)
                continue
            has = terminal_present[i] != u8(0)
            if has != (there != u64(0)):
                bad |= u8(16)
            elif has:
                till = find_sorted(terminal_id[i], tills, tills + there, till_id)
                if till == tills + there:
                    bad |= u8(16)
                else:
                    terminal[i] = u32(till)
        settles = key_settlement[k] if online else key_zone[k]
        if primary[i] != key_zone[k] or settlement[i] != settles:
            bad |= u8(8)
        fault[i] = bad
