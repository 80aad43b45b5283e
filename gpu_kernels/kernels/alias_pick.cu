// contract: alias_pick - one thread a pick; cannot overflow: mulhi(x, size) < size. twin: cpu_fallback/kernels/alias_pick.py
#include "kernel.cuh"

KERNEL void alias_pick(IN(u64, x), IN(u64, start), IN(u32, size), IN(u64, threshold), IN(u32, alias), OUT(u32, slot), ERROR) {
    const u64 total = LENGTH(threshold);
    for (u64 i = first_row(); i < LENGTH(slot); i += row_stride()) {
        const u64 wide = size[i];
        if (wide == 0 || wide > total || start[i] > total - wide) {
            report(error, i, wide == 0 ? EMPTY_TABLE : TABLE_OUT_OF_RANGE);
            slot[i] = 0;
            continue;
        }
        const Product product = mul128(x[i], wide);
        const u64 row = start[i] + product.high;
        slot[i] = product.low < threshold[row] ? (u32)product.high : alias[row];
    }
}
