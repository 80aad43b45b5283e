// contract: expand_rows - one thread an input row (its check), then an output row; all in bounds. twin: cpu_fallback/kernels/expand_rows.py
#include "civil.cuh"
#include "kernel.cuh"

KERNEL void expand_rows(IN(u64, offset), OUT(u32, row), OUT(u32, rank), ERROR) {
    const u64 m = LENGTH(row);
    const u64 sources = LENGTH(offset) - 1;
    if (offset[0] != 0 || offset[sources] != m) {
        report(error, 0, BAD_OFFSET);
        return;
    }
    for (u64 i = first_row(); i < sources; i += row_stride()) {
        if (offset[i + 1] < offset[i] || offset[i + 1] > m) {
            report(error, i, BAD_OFFSET);
        }
    }
    // Offsets that fall are reported above; here they only make the source of a row arbitrary.
    for (u64 j = first_row(); j < m; j += row_stride()) {
        const u64 i = last_at_or_before(j, 0, sources, offset);
        row[j] = (u32)i;
        rank[j] = (u32)(j - offset[i]);
    }
}
