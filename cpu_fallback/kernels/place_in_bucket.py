# contract: place_in_bucket - one iteration an arrival; 2 draws; mulhi(x, bound) < bound.
# twin: gpu_kernels/kernels/place_in_bucket.cu
from cpu_fallback.alias import pick_slot
from cpu_fallback.device import kernel, length, report, rows, u64
from cpu_fallback.errors import errors_of
from cpu_fallback.philox import mulhi64, philox2x64

ERRORS = errors_of("place_in_bucket")


@kernel
def place_in_bucket(
    key, row, rank, entity, bucket, table, open_from, open_to, slots, slot_us, threshold, alias, packed,
    error,
):  # fmt: skip
    sources = length(entity)
    wide = u64(slots)
    for i in rows(packed):
        packed[i] = u64(0)
        r = u64(row[i])
        if r >= sources:
            report(error, i, ERRORS.ROW_OUT_OF_RANGE)
            continue
        first = u64(table[r])
        if wide == u64(0) or first + wide > length(threshold):
            report(error, i, ERRORS.TABLE_OUT_OF_RANGE)
            continue
        low, high = u64(open_from[r]), u64(open_to[r])
        if low >= high or high > wide:
            report(error, i, ERRORS.OPEN_OUT_OF_RANGE)
            continue
        x0, x1 = philox2x64((u64(bucket[r]) << u64(32)) | u64(rank[i]), entity[r], key)
        if high - low == wide:
            slot = pick_slot(x0, first, wide, threshold, alias)
        else:
            slot = low + mulhi64(x0, high - low)
        packed[i] = ((slot * slot_us + mulhi64(x1, slot_us)) << u64(32)) | i
