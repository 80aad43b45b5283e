// contract: utc_offset - one thread an instant; bounds checked. twin: cpu_fallback/kernels/utc_offset.py
#include "civil.cuh"
#include "kernel.cuh"

KERNEL void utc_offset(IN(i64, ts_us), IN(i16, zone), IN(u64, zone_offset), IN(i64, transition_us), IN(i16, transition_minutes),
                       OUT(i16, minutes), ERROR) {
    const u64 zones = LENGTH(zone_offset) - 1;
    for (u64 i = first_row(); i < LENGTH(minutes); i += row_stride()) {
        minutes[i] = 0;
        const u64 z = (u16)zone[i];
        if (z >= zones || zone_offset[z + 1] > LENGTH(transition_us)) {
            report(error, i, NO_OFFSET);
            continue;
        }
        const u64 stop = zone_offset[z + 1];
        const u64 at = last_at_or_before(ts_us[i], zone_offset[z], stop, transition_us);
        if (at == stop) {
            report(error, i, NO_OFFSET);
            continue;
        }
        minutes[i] = transition_minutes[at];
    }
}
