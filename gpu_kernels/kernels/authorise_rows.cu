// contract: authorise_rows - one thread a party; outputs of accounts and instruments are the walk's state while it lasts.
// twin: cpu_fallback/kernels/authorise_rows.py
#include "kernel.cuh"

enum Answer : u64 {
    NO_FUNDS = 1, LIMIT = 3, WRONG_PIN = 4, PIN_TRIES = 6, RESTRICTED = 8, SUSPECTED = 10, UNREACHED = 12, PIN_REQUIRED = 13
};
enum Way : u8 { CASH = 1, TAP = 2, PIN = 4, CONFIRMS = 8 };

KERNEL void authorise_rows(IN(u64, row_first), IN(u64, card_first), IN(u64, account_first), IN(u64, move_first), IN(u32, move_day),
                           IN(i64, move), IN(u8, statement), IN(i64, opening), IN(i64, credit), IN(u32, account), IN(i64, day_most),
                           IN(i64, cash_most), IN(u8, taps_most), IN(i64, ts_us), IN(u32, day), IN(i64, amount), IN(u32, card),
                           IN(u32, other), IN(u8, fault), IN(u32, trouble), IN(u8, tries), IN(u8, with_other), IN(u8, way), u64 hold_us,
                           u64 block_us, OUT(u8, answer), OUT(u32, answers), OUT(u8, attempts), OUT(u32, paid_by), OUT(i64, room),
                           OUT(i64, closing), OUT(u64, moved), OUT(u32, last_day), OUT(i64, spent), OUT(i64, cash), OUT(i64, held_us),
                           OUT(u8, wrong), OUT(u8, taps), ERROR) {
    const u64 parties = LENGTH(row_first) - 1;
    const i64 most = (i64)1 << 50;
    for (u64 p = first_row(); p < parties; p += row_stride()) {
        const u64 begin = row_first[p], end = row_first[p + 1];
        const u64 i0 = card_first[p], i1 = card_first[p + 1];
        const u64 a0 = account_first[p], a1 = account_first[p + 1];
        const bool last = p + 1 == parties;
        if (end < begin || end > LENGTH(answer) || i1 < i0 || i1 > LENGTH(spent) || a1 < a0 || a1 > LENGTH(closing) ||
            (p == 0 && (begin != 0 || i0 != 0 || a0 != 0)) ||
            (last && (end != LENGTH(answer) || i1 != LENGTH(spent) || a1 != LENGTH(closing)))) {
            report(error, p, BAD_OFFSET);
            continue;
        }
        u64 bad = 0;
        for (u64 a = a0; a < a1 && bad == 0; ++a) {
            const u64 v0 = move_first[a], v1 = move_first[a + 1];
            closing[a] = opening[a];
            moved[a] = v0;
            if (v1 < v0 || v1 > LENGTH(move) || (a == 0 && v0 != 0) || (a + 1 == LENGTH(closing) && v1 != LENGTH(move))) {
                bad = BAD_OFFSET;
                break;
            }
            if (opening[a] < -most || opening[a] > most || credit[a] < 0 || credit[a] > most) {
                bad = VALUE_OUT_OF_RANGE;
                break;
            }
            for (u64 v = v0; v < v1; ++v) {
                const bool share = statement[v] != 0;
                if (move[v] < (share ? 0 : -most) || move[v] > (share ? 1000 : most)) {
                    bad = VALUE_OUT_OF_RANGE;
                } else if (v > v0 && move_day[v] < move_day[v - 1]) {
                    bad = DAY_FALLS;
                }
            }
        }
        if (bad != 0) {
            report(error, p, bad);
            continue;
        }
        for (u64 i = i0; i < i1; ++i) {
            last_day[i] = 0;
            spent[i] = cash[i] = held_us[i] = 0;
            wrong[i] = taps[i] = 0;
            if (account[i] < a0 || account[i] >= a1) {
                bad = PLACE_OUT_OF_RANGE;
            }
        }
        for (u64 r = begin; r < end && bad == 0; ++r) {
            if (card[r] < i0 || card[r] >= i1 || other[r] < i0 || other[r] >= i1) {
                bad = PLACE_OUT_OF_RANGE;
            } else if (amount[r] < 0 || amount[r] > most || tries[r] > 3) {
                bad = VALUE_OUT_OF_RANGE;
            } else if (r > begin && day[r] < day[r - 1]) {
                bad = DAY_FALLS;
            }
        }
        if (bad != 0) {
            report(error, p, bad);
            continue;
        }
        for (u64 r = begin; r < end; ++r) {
            u64 said = 0, k = 0, left = tries[r];
            bool pin = (way[r] & PIN) != 0;
            bool tap = (way[r] & TAP) != 0;
            while (true) {
                const u64 i = ((u64)with_other[r] >> k) & 1 ? other[r] : card[r];
                const u64 a = account[i];
                if (last_day[i] != day[r] + 1) {
                    last_day[i] = day[r] + 1;
                    spent[i] = cash[i] = 0;
                }
                u64 v = moved[a];
                for (; v < move_first[a + 1] && move_day[v] <= day[r]; ++v) {
                    if (statement[v] == 0) {
                        closing[a] += move[v];
                    } else if (closing[a] < 0) {
                        const u64 debt = (u64)(-closing[a]);
                        closing[a] += (i64)(debt / 1000 * (u64)move[v]);
                    }
                }
                moved[a] = v;
                const i64 funds = closing[a] + credit[a];
                const u64 met = ((u64)trouble[r] >> (8 * k)) & 255;
                u64 found = 0;
                if (met == UNREACHED) {
                    found = met;
                } else if (held_us[i] > ts_us[r]) {
                    found = RESTRICTED;
                } else if (fault[r] != 0 && i == card[r]) {
                    found = fault[r];
                } else if (met == WRONG_PIN) {
                    wrong[i] = (u8)(wrong[i] + 1);
                    found = met;
                    if (wrong[i] >= 3) {
                        found = PIN_TRIES;
                        wrong[i] = 0;
                        held_us[i] = ts_us[r] + (i64)block_us;
                    }
                } else if (met != 0) {
                    found = met;
                    if (met == SUSPECTED && (way[r] & CONFIRMS) == 0) {
                        held_us[i] = ts_us[r] + (i64)hold_us;
                    }
                } else if (tap && taps[i] >= taps_most[i]) {
                    found = PIN_REQUIRED;
                } else if (amount[r] > day_most[i] - spent[i] || ((way[r] & CASH) != 0 && amount[r] > cash_most[i] - cash[i])) {
                    found = LIMIT;
                } else if (amount[r] > funds) {
                    found = NO_FUNDS;
                } else {
                    closing[a] -= amount[r];
                    spent[i] += amount[r];
                    if ((way[r] & CASH) != 0) {
                        cash[i] += amount[r];
                    }
                    if (tap) {
                        taps[i] = (u8)(taps[i] + 1);
                    } else if (pin) {
                        taps[i] = wrong[i] = 0;
                    }
                }
                said |= found << (8 * k);
                k += 1;
                if (found == PIN_REQUIRED) {
                    // The same purchase goes on with chip and PIN, which is no try of the holder's own.
                    tap = false;
                    pin = true;
                    left += 1;
                }
                if (found == 0 || k > left || k > 3) {
                    answer[r] = (u8)found;
                    answers[r] = (u32)said;
                    attempts[r] = (u8)k;
                    paid_by[r] = (u32)i;
                    room[r] = funds;
                    break;
                }
            }
        }
    }
}
