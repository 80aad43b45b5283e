# contract: weigh_risk - one iteration a party; `times` an amount could pass 2**64: compared by quotient.
# twin: gpu_kernels/kernels/weigh_risk.cu
from cpu_fallback.device import i64, kernel, length, report, rows, u8, u32, u64
from cpu_fallback.errors import errors_of

ERRORS = errors_of("weigh_risk")

MOST = 1 << 50
SCATTER = 0x9E3779B1


@kernel
def weigh_risk(
    first, home, habit, ts_us, merchant, country, amount, sight, burst, burst_us, jump_us, times, signs,
    error,
):  # fmt: skip
    total = length(signs)
    for p in rows(home):
        begin, end = first[p], first[p + u64(1)]
        if (
            end < begin
            or end > total
            or (p == u64(0) and begin != u64(0))
            or (p + u64(1) == length(home) and end != total)
        ):
            report(error, p, ERRORS.BAD_OFFSET)
            continue
        usual = habit[p]
        if usual < i64(0) or usual > i64(MOST):
            report(error, p, ERRORS.AMOUNT_OUT_OF_RANGE)
            usual = i64(0)
        met0, met1, met2, met3 = u64(0), u64(0), u64(0), u64(0)
        seen_us, seen_at = i64(-1), country[begin] if begin < end else home[p]
        for r in range(begin, end):
            signs[r] = u8(0)
            ts, paid = ts_us[r], amount[r]
            if r > begin and ts < ts_us[r - u64(1)]:
                report(error, p, ERRORS.TIME_FALLS)
                continue
            if paid < i64(0) or paid > i64(MOST):
                report(error, p, ERRORS.AMOUNT_OUT_OF_RANGE)
                continue
            found = u32(0)
            back = u64(burst)
            if r - begin >= back and u64(ts - ts_us[r - back]) < burst_us:
                found |= u32(1)
            if sight[r] & u8(1):
                if seen_us >= i64(0) and country[r] != seen_at and u64(ts - seen_us) < jump_us:
                    found |= u32(2)
                seen_us, seen_at = ts, country[r]
            if country[r] != home[p]:
                found |= u32(4)
            place = ((u64(merchant[r]) * u64(SCATTER)) & u64(0xFFFFFFFF)) >> u64(24)
            bit = u64(1) << (place & u64(63))
            part = place >> u64(6)
            met = met0 if part == u64(0) else met1 if part == u64(1) else met2 if part == u64(2) else met3
            if (met & bit) == u64(0) and (sight[r] & u8(2)) == u8(0):
                found |= u32(8)
            if part == u64(0):
                met0 |= bit
            elif part == u64(1):
                met1 |= bit
            elif part == u64(2):
                met2 |= bit
            else:
                met3 |= bit
            if sight[r] & u8(4):
                found |= u32(16)
            if times > u32(0) and u64(paid) // u64(times) >= u64(usual) and paid > usual:
                found |= u32(32)
            usual += (paid >> i64(4)) - (usual >> i64(4))
            signs[r] = u8(found)
