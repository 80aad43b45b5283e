# contract: utc_offset - one iteration an instant; bounds checked. twin: gpu_kernels/kernels/utc_offset.cu
from cpu_fallback.civil import last_at_or_before
from cpu_fallback.device import i16, kernel, length, report, rows, u16, u64
from cpu_fallback.errors import errors_of

ERRORS = errors_of("utc_offset")


@kernel
def utc_offset(ts_us, zone, zone_offset, transition_us, transition_minutes, minutes, error):
    zones = length(zone_offset) - u64(1)
    for i in rows(minutes):
        minutes[i] = i16(0)
        z = u64(u16(zone[i]))
        if z >= zones or zone_offset[z + u64(1)] > length(transition_us):
            report(error, i, ERRORS.NO_OFFSET)
            continue
        stop = zone_offset[z + u64(1)]
        at = last_at_or_before(ts_us[i], zone_offset[z], stop, transition_us)
        if at == stop:
            report(error, i, ERRORS.NO_OFFSET)
            continue
        minutes[i] = transition_minutes[at]
