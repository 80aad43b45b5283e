# contract: route_arrivals - one iteration an arrival; 2 draws, 1 at a till; mulhi(x, slots) < slots.
# twin: gpu_kernels/kernels/route_arrivals.cu
from cpu_fallback.alias import pick_slot
from cpu_fallback.device import i16, i64, kernel, length, report, u8, u32, u64
from cpu_fallback.errors import errors_of
from cpu_fallback.philox import BATCH, batch_words, philox_batch

ERRORS = errors_of("route_arrivals")


@kernel
def route_arrivals(
    key, packed, row, rank, entity, bucket, key_row, virtual_below, recurring_below, site_kind, edge_kind,
    recurring_kind, site_first, site_slots, edge_first, edge_slots, threshold, alias, place_id, till_key,
    till_first, till_slots, till_threshold, till_alias, till_id, bucket_start, ts_us, arrival_key, virtual,
    site_id, edge_id, terminal_id, arrival_kind, error,
):  # fmt: skip
    always = u64(0xFFFFFFFFFFFFFFFF)
    places, terminals = length(place_id), length(till_id)
    sources = length(entity)
    single, recurring = i16(edge_kind), i16(recurring_kind)
    x0, x1, source = batch_words(), batch_words(), batch_words()
    t0, t1, at_till, till_place = batch_words(), batch_words(), batch_words(), batch_words()
    for start in range(u64(0), length(packed), BATCH):
        size = min(BATCH, length(packed) - start)
        for j in range(size):
            i = start + j
            position = packed[i] & u64(0xFFFFFFFF)
            r = u64(row[position]) if position < length(row) else sources
            if (
                r >= sources
                or u64(key_row[r]) >= length(site_first)
                or u64(bucket[r]) >= length(bucket_start)
            ):
                report(error, i, ERRORS.ROW_OUT_OF_RANGE)
                source[j], x0[j], x1[j] = sources, u64(0), u64(0)
                continue
            source[j] = r
            x0[j] = (u64(bucket[r]) << u64(32)) | u64(rank[position])
            x1[j] = entity[r]
        philox_batch(x0, x1, size, key)
        tills = u64(0)
        for j in range(size):
            i = start + j
            r = source[j]
            if r == sources:
                continue
            k = u64(key_row[r])
            below = virtual_below[r]
            online = x1[j] < below or below == always
            again = recurring_below[r]
            recurs = x1[j] < again or again == always
            # Both sides are read, then one is taken: a coin is no branch to predict.
            at_edge = edge_first[k]
            at_site = site_first[k]
            edges = u64(edge_slots[k])
            sites = u64(site_slots[k])
            first = at_edge if online else at_site
            slots = edges if online else sites
            if slots == u64(0) or slots > places or first > places - slots:
                report(error, i, ERRORS.TABLE_MISSING)
                continue
            slot = pick_slot(x0[j], first, slots, threshold, alias)
            if slot >= slots:
                report(error, i, ERRORS.ALIAS_OUT_OF_RANGE)
                continue
            row_of_place = first + slot
            place = place_id[row_of_place]
            ts_us[i] = bucket_start[bucket[r]] + i64(packed[i] >> u64(32))
            arrival_key[i] = u32(k)
            virtual[i] = u8(online)
            site_id[i] = u64(0) if online else place
            edge_id[i] = place if online else u64(0)
            at_edge_kind = recurring if recurs else single
            arrival_kind[i] = at_edge_kind if online else site_kind[k]
            terminal_id[i] = u64(0)
            there = u64(till_slots[row_of_place])
            if there == u64(0):
                continue
            if there > terminals or till_first[row_of_place] > terminals - there:
                report(error, i, ERRORS.TILL_OUT_OF_RANGE)
                continue
            t0[tills] = (u64(bucket[r]) << u64(32)) | u64(rank[packed[i] & u64(0xFFFFFFFF)])
            t1[tills] = entity[r]
            at_till[tills], till_place[tills] = i, row_of_place
            tills += u64(1)
        philox_batch(t0, t1, tills, till_key)
        for j in range(tills):
            i, row_of_place = at_till[j], till_place[j]
            first, slots = till_first[row_of_place], u64(till_slots[row_of_place])
            slot = pick_slot(t0[j], first, slots, till_threshold, till_alias)
            if slot >= slots:
                report(error, i, ERRORS.TILL_OUT_OF_RANGE)
                continue
            terminal_id[i] = till_id[first + slot]
