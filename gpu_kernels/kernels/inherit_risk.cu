// contract: inherit_risk - one thread an entity, over its links; products below 2**64. twin: cpu_fallback/kernels/inherit_risk.py
#include "kernel.cuh"

KERNEL void inherit_risk(IN(u64, offset), IN(u32, link), IN(u32, factor), IN(u64, own), OUT(u64, weight), OUT(u32, source),
                         OUT(u32, risky), ERROR) {
    constexpr u32 NONE = 0xFFFFFFFF;
    const u64 links = LENGTH(link);
    const u64 entities = LENGTH(own);
    for (u64 i = first_row(); i < entities; i += row_stride()) {
        weight[i] = 0;
        source[i] = NONE;
        risky[i] = 0;
        const u64 first = offset[i];
        const u64 stop = offset[i + 1];
        if (first > stop || stop > links || (i == 0 && first != 0) || (i + 1 == entities && stop != links)) {
            report(error, i, BAD_OFFSET);
            continue;
        }
        if (own[i] >= 1ULL << 32) {
            report(error, i, WEIGHT_TOO_LARGE);
            continue;
        }
        u64 largest = 0;
        u32 who = NONE;
        u64 count = 0;
        for (u64 j = first; j < stop; ++j) {
            const u32 owner = link[j];
            if (owner >= LENGTH(factor)) {
                report(error, i, LINK_OUT_OF_RANGE);
                break;
            }
            const u64 permille = factor[owner];
            if (permille > largest) {
                largest = permille;
                who = owner;
            }
            if (permille > 1000) {
                ++count;
            }
        }
        weight[i] = stop > first ? own[i] * largest / 1000 : own[i];
        source[i] = largest > 1000 ? who : NONE;
        risky[i] = (u32)count;
    }
}
