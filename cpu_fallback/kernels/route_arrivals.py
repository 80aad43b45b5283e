# contract: route_arrivals - one iteration an arrival; 2 draws; mulhi(x, slots) < slots. twin: gpu_kernels/kernels/route_arrivals.cu
from cpu_fallback.alias import pick_slot
from cpu_fallback.device import i64, kernel, length, report, rows, u8, u32, u64
from cpu_fallback.philox import philox2x64


@kernel
def route_arrivals(
    key, packed, row, rank, entity, bucket, key_row, virtual_below, site_first, site_slots, edge_first, edge_slots,
    threshold, alias, place_id, bucket_start, ts_us, arrival_key, virtual, site_id, edge_id, error,
):  # fmt: skip
    always = u64(0xFFFFFFFFFFFFFFFF)
    places = length(place_id)
    for i in rows(packed):
        ts_us[i], arrival_key[i], virtual[i], site_id[i], edge_id[i] = i64(0), u32(0), u8(0), u64(0), u64(0)
        position = packed[i] & u64(0xFFFFFFFF)
        r = u64(row[position]) if position < length(row) else length(entity)
        if r >= length(entity) or u64(key_row[r]) >= length(site_first) or u64(bucket[r]) >= length(bucket_start):
            report(error, i, 1)
            continue
        k = u64(key_row[r])
        x0, x1 = philox2x64((u64(bucket[r]) << u64(32)) | u64(rank[position]), entity[r], key)
        below = virtual_below[k]
        online = x1 < below or below == always
        first = edge_first[k] if online else site_first[k]
        slots = u64(edge_slots[k]) if online else u64(site_slots[k])
        if slots == u64(0) or slots > places or first > places - slots:
            report(error, i, 2)
            continue
        place = place_id[first + pick_slot(x0, first, slots, threshold, alias)]
        ts_us[i] = bucket_start[bucket[r]] + i64(packed[i] >> u64(32))
        arrival_key[i] = u32(k)
        virtual[i] = u8(online)
        site_id[i] = u64(0) if online else place
        edge_id[i] = place if online else u64(0)
