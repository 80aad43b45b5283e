// contract: hour_mass - one thread a key; sums below 2**63 for 2**12 full rows. twin: cpu_fallback/kernels/hour_mass.py
#include "kernel.cuh"

KERNEL void hour_mass(IN(u64, offset), IN(f64, rate), IN(u64, label_start), IN(u16, hour), IN(u8, times), OUT(u64, mass), ERROR) {
    const u64 keys = LENGTH(label_start);
    if (offset[0] != 0 || offset[keys] != LENGTH(rate) || LENGTH(mass) != keys * 168) {
        report(error, 0, BAD_OFFSET);
        return;
    }
    for (u64 i = first_row(); i < keys; i += row_stride()) {
        const u64 first = i * 168;
        for (u64 h = 0; h < 168; ++h) {
            mass[first + h] = 0;
        }
        const u64 begin = offset[i];
        const u64 size = offset[i + 1] - begin;
        const u64 label = label_start[i];
        if (offset[i + 1] < begin || offset[i + 1] > LENGTH(rate)) {
            report(error, i, BAD_OFFSET);
            continue;
        }
        if (size > LENGTH(hour) || label > LENGTH(hour) - size) {
            report(error, i, OUT_OF_RANGE);
            continue;
        }
        for (u64 j = 0; j < size; ++j) {
            const u64 slot = hour[label + j];
            const f64 value = rate[begin + j];
            if (slot >= 168 || !(value >= 0.0 && value < 2147483648.0)) {
                report(error, i, slot >= 168 ? OUT_OF_RANGE : RATE_OUT_OF_RANGE);
                continue;
            }
            mass[first + slot] += (u64)times[label + j] * (u64)(value * 1048576.0);
        }
    }
}
