// contract: verify_routes - one thread an arrival; bounds checked. twin: cpu_fallback/kernels/verify_routes.py
#include "civil.cuh"
#include "kernel.cuh"

constexpr u32 NONE = 0xFFFFFFFF;

KERNEL void verify_routes(IN(u32, row), IN(u8, virtual_), IN(u64, site_id), IN(u8, site_present), IN(u64, edge_id), IN(u8, edge_present),
                          IN(u64, terminal_id), IN(u8, terminal_present), IN(i16, primary), IN(i16, settlement), IN(u32, key_row),
                          IN(i16, key_zone), IN(i16, key_settlement), IN(u8, may_virtual), IN(u8, may_physical), IN(u64, site_first),
                          IN(u32, site_count), IN(u64, edge_first), IN(u32, edge_count), IN(u64, member_id), IN(u64, till_first),
                          IN(u32, till_count), IN(u64, till_id), OUT(u8, fault), OUT(u32, member), OUT(u32, terminal), ERROR) {
    for (u64 i = first_row(); i < LENGTH(fault); i += row_stride()) {
        fault[i] = 1;
        member[i] = NONE;
        terminal[i] = NONE;
        const u64 r = row[i];
        if (r == NONE) {
            continue;
        }
        if (r >= LENGTH(key_row) || key_row[r] >= LENGTH(key_zone)) {
            report(error, i, OUT_OF_RANGE);
            continue;
        }
        const u64 k = key_row[r];
        const bool online = virtual_[i] != 0;
        const u64 first = online ? edge_first[k] : site_first[k];
        const u64 count = online ? edge_count[k] : site_count[k];
        const u64 stop = first + count;
        if (count > LENGTH(member_id) || first > LENGTH(member_id) - count) {
            report(error, i, OUT_OF_RANGE);
            continue;
        }
        u32 bad = 0;
        const u8 allowed = online ? may_virtual[k] : may_physical[k];
        if ((edge_present[i] != 0) != online || (site_present[i] != 0) == online || allowed == 0) {
            bad |= 2;
        }
        const u64 at = find_sorted(online ? edge_id[i] : site_id[i], first, stop, member_id);
        if (at == stop) {
            bad |= 4;
        } else {
            member[i] = (u32)at;
            const u64 tills = till_first[at];
            const u64 there = till_count[at];
            if (there > LENGTH(till_id) || tills > LENGTH(till_id) - there) {
                report(error, i, OUT_OF_RANGE);
                continue;
            }
            const bool has = terminal_present[i] != 0;
            if (has != (there != 0)) {
                bad |= 16;
            } else if (has) {
                const u64 till = find_sorted(terminal_id[i], tills, tills + there, till_id);
                if (till == tills + there) {
                    bad |= 16;
                } else {
                    terminal[i] = (u32)till;
                }
            }
        }
        const i16 settles = online ? key_settlement[k] : key_zone[k];
        if (primary[i] != key_zone[k] || settlement[i] != settles) {
            bad |= 8;
        }
        fault[i] = (u8)bad;
    }
}
