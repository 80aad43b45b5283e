// contract: route_arrivals - one thread an arrival; 2 draws, 1 at a till; mulhi(x, n) < n. twin: cpu_fallback/kernels/route_arrivals.py
#include "alias.cuh"
#include "kernel.cuh"
#include "philox.cuh"

KERNEL void route_arrivals(u64 key, IN(u64, packed), IN(u32, row), IN(u32, rank), IN(u64, entity), IN(u32, bucket), IN(u32, key_row),
                           IN(u64, virtual_below), IN(u64, recurring_below), IN(i16, site_kind), u32 edge_kind, u32 recurring_kind,
                           IN(u64, site_first), IN(u32, site_slots), IN(u64, edge_first), IN(u32, edge_slots), IN(u64, threshold),
                           IN(u32, alias), IN(u64, place_id), u64 till_key, IN(u64, till_first), IN(u32, till_slots),
                           IN(u64, till_threshold), IN(u32, till_alias), IN(u64, till_id), IN(i64, bucket_start), OUT(i64, ts_us),
                           OUT(u32, arrival_key), OUT(u8, virtual_), OUT(u64, site_id), OUT(u64, edge_id), OUT(u64, terminal_id),
                           OUT(i16, arrival_kind), ERROR) {
    const u64 always = 0xFFFFFFFFFFFFFFFFULL;
    const u64 places = LENGTH(place_id);
    const u64 terminals = LENGTH(till_id);
    for (u64 i = first_row(); i < LENGTH(packed); i += row_stride()) {
        const u64 position = packed[i] & 0xFFFFFFFF;
        const u64 r = position < LENGTH(row) ? row[position] : LENGTH(entity);
        if (r >= LENGTH(entity) || key_row[r] >= LENGTH(site_first) || bucket[r] >= LENGTH(bucket_start)) {
            report(error, i, ROW_OUT_OF_RANGE);
            continue;
        }
        const u64 k = key_row[r];
        const u64 counter = ((u64)bucket[r] << 32) | rank[position];
        const Words words = philox2x64(counter, entity[r], key);
        const bool online = words.x1 < virtual_below[r] || virtual_below[r] == always;
        const u64 first = online ? edge_first[k] : site_first[k];
        const u64 slots = online ? edge_slots[k] : site_slots[k];
        if (slots == 0 || slots > places || first > places - slots) {
            report(error, i, TABLE_MISSING);
            continue;
        }
        const u64 slot = pick_slot(words.x0, first, slots, threshold, alias);
        if (slot >= slots) {
            report(error, i, ALIAS_OUT_OF_RANGE);
            continue;
        }
        const u64 place = place_id[first + slot];
        // Mod 2**64, as numba has it: signed overflow is no C++.
        ts_us[i] = (i64)((u64)bucket_start[bucket[r]] + (packed[i] >> 32));
        arrival_key[i] = (u32)k;
        virtual_[i] = online;
        site_id[i] = online ? 0 : place;
        edge_id[i] = online ? place : 0;
        const bool recurs = words.x1 < recurring_below[r] || recurring_below[r] == always;
        arrival_kind[i] = online ? (i16)(recurs ? recurring_kind : edge_kind) : site_kind[k];
        terminal_id[i] = 0;
        const u64 there = till_slots[first + slot];
        if (there == 0) {
            continue;
        }
        const u64 from = till_first[first + slot];
        if (there > terminals || from > terminals - there) {
            report(error, i, TILL_OUT_OF_RANGE);
            continue;
        }
        const u64 till = pick_slot(philox2x64(counter, entity[r], till_key).x0, from, there, till_threshold, till_alias);
        if (till >= there) {
            report(error, i, TILL_OUT_OF_RANGE);
            continue;
        }
        terminal_id[i] = till_id[from + till];
    }
}
