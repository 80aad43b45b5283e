# contract: verify_arrivals - one iteration an arrival (it also reads the one before).
# twin: gpu_kernels/kernels/verify_arrivals.cu
from cpu_fallback.civil import last_at_or_before
from cpu_fallback.device import kernel, length, rows, u8, u16, u64


@kernel
def verify_arrivals(
    first_seq, merchant, bucket, seq, ts_us, zone, minutes, bucket_start, bucket_us, slot_us,
    zone_offset, transition_us, transition_minutes, fault, slot,
):  # fmt: skip
    zones = length(zone_offset) - u64(1)
    for i in rows(fault):
        bad = u8(1)
        slot[i] = u8(255)
        b = u64(bucket[i])
        if b < length(bucket_start) and ts_us[i] >= bucket_start[b]:
            inside = u64(ts_us[i] - bucket_start[b])
            if inside < bucket_us:
                bad = u8(0)
                slot[i] = u8(inside // slot_us)
        z = u64(u16(zone[i]))
        # No zone's transitions go on past the end of the table.
        stop = min(zone_offset[z + u64(1)], length(transition_us)) if z < zones else u64(0)
        at = last_at_or_before(ts_us[i], zone_offset[z], stop, transition_us) if z < zones else stop
        if at == stop or transition_minutes[at] != minutes[i]:
            bad |= u8(2)
        wanted = u64(1)
        if i == u64(0):
            wanted = first_seq
        else:
            before = i - u64(1)
            if merchant[i] == merchant[before]:
                wanted = u64(seq[before]) + u64(1)
                if ts_us[i] < ts_us[before]:
                    bad |= u8(4)
            elif merchant[i] < merchant[before]:
                bad |= u8(4)
        if u64(seq[i]) != wanted:
            bad |= u8(8)
        fault[i] = bad
