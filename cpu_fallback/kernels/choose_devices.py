# contract: choose_devices - one iteration a party; sums of weights are below 2**32 times its addresses.
# twin: gpu_kernels/kernels/choose_devices.cu
from cpu_fallback.device import device as inlined
from cpu_fallback.device import i64, kernel, length, report, rows, u8, u32, u64
from cpu_fallback.errors import errors_of
from cpu_fallback.philox import mulhi64, philox2x64

ERRORS = errors_of("choose_devices")


@inlined
def covers(first, k, owners, table):
    """Whether the list of owner k begins where the one before ends, and ends inside its table."""
    begin, end = first[k], first[k + u64(1)]
    return (
        begin <= end
        and end <= table
        and (k > u64(0) or begin == u64(0))
        and (k + u64(1) < owners or end == table)
    )


@inlined
def weight_of(
    at, day, where, metro, link_kind, link_metro, link_from, link_to, at_home, at_work, away, roaming
):
    """Weight of an address of a device on a day, in a situation."""
    if i64(link_from[at]) > day or day > i64(link_to[at]):
        return u64(0)
    kind = u64(link_kind[at])
    if where == u64(0):
        return u64(at_home[kind])
    if where == u64(1):
        return u64(at_work[kind])
    return u64(away[kind]) if u64(link_metro[at]) == metro else u64(roaming[kind])


@kernel
def choose_devices(
    key, usual_key, gap_us, usual_below, keep_below, work_from, work_to, row_first, word, home, c0, place_id,
    ts_us, offset_minutes, online, token, token_device, trip_first, trip_from, trip_to, trip_metro,
    device_first, device_weight, device_from, device_to, link_first, link_kind, link_metro, link_from,
    link_to, at_home, at_work, away, roaming, device, link, session, situation, last_row, error,
):  # fmt: skip
    none = u64(0xFFFFFFFF)
    always = u64(0xFFFFFFFFFFFFFFFF)
    a_day = i64(86_400_000_000)
    parties, kinds = length(word), length(at_home)
    for k in rows(word):
        if (
            not covers(row_first, k, parties, length(ts_us))
            or not covers(trip_first, k, parties, length(trip_from))
            or not covers(device_first, k, parties, length(device_from))
        ):
            report(error, k, ERRORS.OUT_OF_RANGE)
            continue
        first, end = device_first[k], device_first[k + u64(1)]
        all_weight, fits, known = u64(0), True, True
        for j in range(first, end):
            last_row[j] = u32(none)
            all_weight += u64(device_weight[j])
            if link_first[j] > link_first[j + u64(1)] or link_first[j + u64(1)] > length(link_kind):
                fits = False
                break
            for at in range(link_first[j], link_first[j + u64(1)]):
                known = known and u64(link_kind[at]) < kinds
        if not fits:
            report(error, k, ERRORS.OUT_OF_RANGE)
            continue
        if not known:
            report(error, k, ERRORS.KIND_OUT_OF_RANGE)
            continue
        usual_x, _ = philox2x64(u64(0), word[k], usual_key)
        usual_left, usual = mulhi64(usual_x, all_weight), none
        for j in range(first, end):
            if usual_left < u64(device_weight[j]):
                usual = j
                break
            usual_left -= u64(device_weight[j])
        before = none
        for r in range(row_first[k], row_first[k + u64(1)]):
            clock = i64(offset_minutes[r])
            paid = u64(token[r])
            if (
                ts_us[r] < a_day
                or clock < i64(-1440)
                or clock > i64(1440)
                or (paid != none and paid >= length(token_device))
            ):
                report(error, k, ERRORS.ROW_OUT_OF_RANGE)
                break
            device[r], link[r], session[r], situation[r] = u32(none), u32(none), u32(none), u8(0)
            if paid != none:
                held = u64(token_device[paid])
                if held < first or held >= end:
                    report(error, k, ERRORS.ROW_OUT_OF_RANGE)
                    break
                device[r] = u32(held)
            if online[r] == u8(0):
                continue
            day = ts_us[r] // a_day
            where, metro = u64(0), u64(home[k])
            for v in range(trip_first[k], trip_first[k + u64(1)]):
                if trip_from[v] <= ts_us[r] and ts_us[r] <= trip_to[v]:
                    where, metro = u64(2), u64(trip_metro[v])
                    break
            if where == u64(0):
                local = ts_us[r] + clock * i64(60_000_000)
                weekday = (local // a_day + i64(3)) % i64(7)
                instant = local % a_day
                if weekday < i64(5) and work_from <= instant and instant < work_to:
                    where = u64(1)
            situation[r] = u8(where)
            coin, other_x = philox2x64(c0[r], place_id[r], key)
            link_x, _ = philox2x64(c0[r] + u64(1), place_id[r], key)
            # Devices that are there today and have an address that can be seen from where the party is.
            good_weight, usual_is_good, kept = u64(0), False, none
            near = before != none and ts_us[r] - ts_us[before] <= gap_us
            for turn in range(u64(0), u64(2)):
                left = mulhi64(other_x, good_weight)
                other = none
                if turn == u64(1) and good_weight == u64(0):
                    break
                for j in range(first, end):
                    w = u64(device_weight[j])
                    if w == u64(0) or i64(device_from[j]) > day or day > i64(device_to[j]):
                        continue
                    seen = u64(0)
                    for at in range(link_first[j], link_first[j + u64(1)]):
                        seen += weight_of(
                            at, day, where, metro, link_kind, link_metro, link_from, link_to, at_home,
                            at_work, away, roaming,
                        )  # fmt: skip
                    if seen == u64(0):
                        continue
                    if turn == u64(0):
                        good_weight += w
                        usual_is_good = usual_is_good or j == usual
                        if near and u64(device[before]) == j:
                            kept = j
                    elif left < w:
                        other = j
                        break
                    else:
                        left -= w
                if turn == u64(0):
                    continue
                one = other
                if usual_is_good and (coin < usual_below or usual_below == always):
                    one = usual
                # Another coin of the same word: its low half, as fine as a coin need be.
                if kept != none and ((coin << u64(32)) < keep_below or keep_below == always):
                    one = kept
                chosen = none
                again = u64(last_row[one])
                goes_on = again != none and ts_us[r] - ts_us[again] <= gap_us
                if goes_on and u64(situation[again]) == where:
                    at = u64(link[again])
                    if weight_of(
                        at, day, where, metro, link_kind, link_metro, link_from, link_to, at_home, at_work,
                        away, roaming,
                    ) > u64(0):  # fmt: skip
                        chosen = at
                if chosen == none:
                    seen = u64(0)
                    for at in range(link_first[one], link_first[one + u64(1)]):
                        seen += weight_of(
                            at, day, where, metro, link_kind, link_metro, link_from, link_to, at_home,
                            at_work, away, roaming,
                        )  # fmt: skip
                    left = mulhi64(link_x, seen)
                    for at in range(link_first[one], link_first[one + u64(1)]):
                        w = weight_of(
                            at, day, where, metro, link_kind, link_metro, link_from, link_to, at_home,
                            at_work, away, roaming,
                        )  # fmt: skip
                        if left < w:
                            chosen = at
                            break
                        left -= w
                device[r], link[r] = u32(one), u32(chosen)
                session[r] = session[again] if goes_on else u32(r)
                last_row[one] = u32(r)
                before = r
