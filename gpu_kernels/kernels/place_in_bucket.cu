// contract: place_in_bucket - one thread an arrival; 2 draws; mulhi(x, bound) < bound. twin: cpu_fallback/kernels/place_in_bucket.py
#include "alias.cuh"
#include "kernel.cuh"
#include "philox.cuh"

KERNEL void place_in_bucket(u64 key, IN(u32, row), IN(u32, rank), IN(u64, entity), IN(u32, bucket), IN(u32, table), IN(u8, open_from),
                            IN(u8, open_to), u32 slots, u64 slot_us, IN(u64, threshold), IN(u32, alias), OUT(u64, packed), ERROR) {
    const u64 sources = LENGTH(entity);
    const u64 wide = slots;
    for (u64 i = first_row(); i < LENGTH(packed); i += row_stride()) {
        packed[i] = 0;
        const u64 r = row[i];
        if (r >= sources) {
            report(error, i, ROW_OUT_OF_RANGE);
            continue;
        }
        const u64 first = table[r];
        if (wide == 0 || first + wide > LENGTH(threshold)) {
            report(error, i, TABLE_OUT_OF_RANGE);
            continue;
        }
        const u64 low = open_from[r];
        const u64 high = open_to[r];
        if (low >= high || high > wide) {
            report(error, i, OPEN_OUT_OF_RANGE);
            continue;
        }
        const Words words = philox2x64(((u64)bucket[r] << 32) | rank[i], entity[r], key);
        const u64 slot = high - low == wide ? pick_slot(words.x0, first, wide, threshold, alias) : low + mulhi64(words.x0, high - low);
        packed[i] = ((slot * slot_us + mulhi64(words.x1, slot_us)) << 32) | i;
    }
}
