"""Faults of time: bucket 1, offset 2, order 4, number 8."""

from tests.reference.utc_offset import offset_at


def verify_arrivals(
    first_seq,
    merchant,
    bucket,
    seq,
    ts_us,
    zone,
    minutes,
    bucket_start,
    bucket_us,
    slot_us,
    zone_offset,
    transition_us,
    transition_minutes,
):
    faults, slots = [], []
    for i, instant in enumerate(ts_us):
        inside = instant - bucket_start[bucket[i]] if bucket[i] < len(bucket_start) else -1
        fits = 0 <= inside < bucket_us
        fault = 0 if fits else 1
        if offset_at(instant, zone[i], zone_offset, transition_us, transition_minutes) != minutes[i]:
            fault += 2
        same = i > 0 and merchant[i] == merchant[i - 1]
        if i > 0 and (merchant[i], instant) < (merchant[i - 1], ts_us[i - 1] if same else instant):
            fault += 4
        wanted = first_seq if i == 0 else seq[i - 1] + 1 if same else 1
        if seq[i] != wanted:
            fault += 8
        faults.append(fault)
        slots.append(inside // slot_us if fits else 255)
    return faults, slots
