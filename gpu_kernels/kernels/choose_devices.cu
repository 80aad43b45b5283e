// contract: choose_devices - one thread a party; sums of weights are below 2**32 times its addresses.
// twin: cpu_fallback/kernels/choose_devices.py
#include "kernel.cuh"
#include "philox.cuh"

// Whether the list of owner k begins where the one before ends, and ends inside its table.
DEVICE bool covers(const u64 *first, u64 k, u64 owners, u64 table) {
    const u64 begin = first[k];
    const u64 end = first[k + 1];
    return begin <= end && end <= table && (k > 0 || begin == 0) && (k + 1 < owners || end == table);
}

// Weight of an address of a device on a day, in a situation.
DEVICE u64 weight_of(u64 at, i64 day, u64 where, u64 metro, const u8 *link_kind, const u32 *link_metro, const i32 *link_from,
                     const i32 *link_to, const u32 *at_home, const u32 *at_work, const u32 *away, const u32 *roaming) {
    if (link_from[at] > day || day > link_to[at]) {
        return 0;
    }
    const u64 kind = link_kind[at];
    if (where == 0) {
        return at_home[kind];
    }
    if (where == 1) {
        return at_work[kind];
    }
    return link_metro[at] == metro ? away[kind] : roaming[kind];
}

KERNEL void choose_devices(u64 key, u64 usual_key, i64 gap_us, u64 usual_below, u64 keep_below, i64 work_from, i64 work_to,
                           IN(u64, row_first), IN(u64, word), IN(u32, home), IN(u64, c0), IN(u64, place_id), IN(i64, ts_us),
                           IN(i16, offset_minutes), IN(u8, online), IN(u32, token), IN(u32, token_device), IN(u64, trip_first),
                           IN(i64, trip_from), IN(i64, trip_to), IN(u32, trip_metro), IN(u64, device_first), IN(u32, device_weight),
                           IN(i32, device_from), IN(i32, device_to), IN(u64, link_first), IN(u8, link_kind), IN(u32, link_metro),
                           IN(i32, link_from), IN(i32, link_to), IN(u32, at_home), IN(u32, at_work), IN(u32, away), IN(u32, roaming),
                           OUT(u32, device), OUT(u32, link), OUT(u32, session), OUT(u8, situation), OUT(u32, last_row), ERROR) {
    const u64 none = 0xFFFFFFFF;
    const u64 always = 0xFFFFFFFFFFFFFFFFULL;
    const i64 a_day = 86400000000LL;
    const u64 parties = LENGTH(word);
    const u64 kinds = LENGTH(at_home);
    for (u64 k = first_row(); k < parties; k += row_stride()) {
        if (!covers(row_first, k, parties, LENGTH(ts_us)) || !covers(trip_first, k, parties, LENGTH(trip_from)) ||
            !covers(device_first, k, parties, LENGTH(device_from))) {
            report(error, k, OUT_OF_RANGE);
            continue;
        }
        const u64 first = device_first[k];
        const u64 end = device_first[k + 1];
        u64 all_weight = 0;
        bool fits = true;
        bool known = true;
        for (u64 j = first; j < end; ++j) {
            last_row[j] = (u32)none;
            all_weight += device_weight[j];
            if (link_first[j] > link_first[j + 1] || link_first[j + 1] > LENGTH(link_kind)) {
                fits = false;
                break;
            }
            for (u64 at = link_first[j]; at < link_first[j + 1]; ++at) {
                known = known && link_kind[at] < kinds;
            }
        }
        if (!fits) {
            report(error, k, OUT_OF_RANGE);
            continue;
        }
        if (!known) {
            report(error, k, KIND_OUT_OF_RANGE);
            continue;
        }
        u64 usual_left = mulhi64(philox2x64(0, word[k], usual_key).x0, all_weight);
        u64 usual = none;
        for (u64 j = first; j < end; ++j) {
            if (usual_left < device_weight[j]) {
                usual = j;
                break;
            }
            usual_left -= device_weight[j];
        }
        u64 before = none;
        for (u64 r = row_first[k]; r < row_first[k + 1]; ++r) {
            const i64 clock = offset_minutes[r];
            const u64 paid = token[r];
            if (ts_us[r] < a_day || clock < -1440 || clock > 1440 || (paid != none && paid >= LENGTH(token_device))) {
                report(error, k, ROW_OUT_OF_RANGE);
                break;
            }
            device[r] = (u32)none;
            link[r] = (u32)none;
            session[r] = (u32)none;
            situation[r] = 0;
            if (paid != none) {
                const u64 held = token_device[paid];
                if (held < first || held >= end) {
                    report(error, k, ROW_OUT_OF_RANGE);
                    break;
                }
                device[r] = (u32)held;
            }
            if (online[r] == 0) {
                continue;
            }
            const i64 day = ts_us[r] / a_day;
            u64 where = 0;
            u64 metro = home[k];
            for (u64 v = trip_first[k]; v < trip_first[k + 1]; ++v) {
                if (trip_from[v] <= ts_us[r] && ts_us[r] <= trip_to[v]) {
                    where = 2;
                    metro = trip_metro[v];
                    break;
                }
            }
            if (where == 0) {
                // Mod 2**64, as numba has it: signed overflow is no C++.
                const i64 local = (i64)((u64)ts_us[r] + (u64)(clock * 60000000LL));
                const i64 weekday = (local / a_day + 3) % 7;
                const i64 instant = local % a_day;
                if (weekday < 5 && work_from <= instant && instant < work_to) {
                    where = 1;
                }
            }
            situation[r] = (u8)where;
            const Words words = philox2x64(c0[r], place_id[r], key);
            const u64 link_x = philox2x64(c0[r] + 1, place_id[r], key).x0;
            // Devices that are there today and have an address that can be seen from where the party is.
            u64 good_weight = 0;
            bool usual_is_good = false;
            u64 kept = none;
            const bool near = before != none && ts_us[r] - ts_us[before] <= gap_us;
            for (u64 turn = 0; turn < 2; ++turn) {
                u64 left = mulhi64(words.x1, good_weight);
                u64 other = none;
                if (turn == 1 && good_weight == 0) {
                    break;
                }
                for (u64 j = first; j < end; ++j) {
                    const u64 w = device_weight[j];
                    if (w == 0 || device_from[j] > day || day > device_to[j]) {
                        continue;
                    }
                    u64 seen = 0;
                    for (u64 at = link_first[j]; at < link_first[j + 1]; ++at) {
                        seen += weight_of(at, day, where, metro, link_kind, link_metro, link_from, link_to, at_home, at_work, away,
                                          roaming);
                    }
                    if (seen == 0) {
                        continue;
                    }
                    if (turn == 0) {
                        good_weight += w;
                        usual_is_good = usual_is_good || j == usual;
                        if (near && device[before] == j) {
                            kept = j;
                        }
                    } else if (left < w) {
                        other = j;
                        break;
                    } else {
                        left -= w;
                    }
                }
                if (turn == 0) {
                    continue;
                }
                u64 one = other;
                if (usual_is_good && (words.x0 < usual_below || usual_below == always)) {
                    one = usual;
                }
                // Another coin of the same word: its low half, as fine as a coin need be.
                if (kept != none && ((words.x0 << 32) < keep_below || keep_below == always)) {
                    one = kept;
                }
                u64 chosen = none;
                const u64 again = last_row[one];
                const bool goes_on = again != none && ts_us[r] - ts_us[again] <= gap_us;
                if (goes_on && situation[again] == where) {
                    const u64 at = link[again];
                    if (weight_of(at, day, where, metro, link_kind, link_metro, link_from, link_to, at_home, at_work, away, roaming) > 0) {
                        chosen = at;
                    }
                }
                if (chosen == none) {
                    u64 seen = 0;
                    for (u64 at = link_first[one]; at < link_first[one + 1]; ++at) {
                        seen += weight_of(at, day, where, metro, link_kind, link_metro, link_from, link_to, at_home, at_work, away,
                                          roaming);
                    }
                    u64 rest = mulhi64(link_x, seen);
                    for (u64 at = link_first[one]; at < link_first[one + 1]; ++at) {
                        const u64 w =
                            weight_of(at, day, where, metro, link_kind, link_metro, link_from, link_to, at_home, at_work, away, roaming);
                        if (rest < w) {
                            chosen = at;
                            break;
                        }
                        rest -= w;
                    }
                }
                device[r] = (u32)one;
                link[r] = (u32)chosen;
                session[r] = goes_on ? session[again] : (u32)r;
                last_row[one] = (u32)r;
                before = r;
            }
        }
    }
}
