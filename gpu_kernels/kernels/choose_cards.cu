// contract: choose_cards - one thread a party; sums of weights are below 2**32 times its instruments.
// twin: cpu_fallback/kernels/choose_cards.py
#include "kernel.cuh"
#include "philox.cuh"

// Whether the list of party k begins where the one before ends, and ends inside its table.
DEVICE bool covers(const u64 *first, u64 k, u64 parties, u64 table) {
    const u64 begin = first[k];
    const u64 end = first[k + 1];
    return begin <= end && end <= table && (k > 0 || begin == 0) && (k + 1 < parties || end == table);
}

// Newest card of an instrument that pays on the day, or `end`.
DEVICE u64 card_on(i64 day, u64 begin, u64 end, const i32 *card_from, const i32 *card_to) {
    for (u64 at = end; at > begin; --at) {
        if (card_from[at - 1] <= day && day <= card_to[at - 1]) {
            return at - 1;
        }
    }
    return end;
}

// Newest card that paid before the day, or the first one.
DEVICE u64 card_before(i64 day, u64 begin, u64 end, const i32 *card_from) {
    u64 at = end - 1;
    while (at > begin && card_from[at] > day) {
        --at;
    }
    return at;
}

// First wallet token of the instrument that is there on the day, or `end`.
DEVICE u64 token_on(i64 day, u64 one, u64 begin, u64 end, const u32 *token_instrument, const i32 *token_from, const i32 *token_to) {
    for (u64 at = begin; at < end; ++at) {
        if (token_instrument[at] == one && token_from[at] <= day && day <= token_to[at]) {
            return at;
        }
    }
    return end;
}

// Whether a card that was at row a can be at the later row b: half their chord against a sine's series.
DEVICE bool reachable(u64 a, u64 b, const i64 *ts_us, const u32 *site, const f64 *x, const f64 *y, const f64 *z, f64 radians_per_us) {
    const u64 p = site[a];
    const u64 q = site[b];
    const f64 dx = x[p] - x[q];
    const f64 dy = y[p] - y[q];
    const f64 dz = z[p] - z[q];
    const f64 half = (dx * dx + dy * dy + dz * dz) * 0.25;
    const f64 angle = radians_per_us * (f64)(i64)((u64)ts_us[b] - (u64)ts_us[a]);
    if (angle >= 1.5707963267948966) {
        return true;
    }
    const f64 t = angle * angle;
    const f64 s = (((1.0 / 362880.0) * t - 1.0 / 5040.0) * t + 1.0 / 120.0) * t - 1.0 / 6.0;
    const f64 reach = angle + angle * t * s;
    return half <= reach * reach;
}

// Whether the instrument can have got to row r from where it was last.
DEVICE bool may_be(u64 one, u64 r, const u32 *last_row, const i64 *ts_us, const u32 *site, const f64 *x, const f64 *y, const f64 *z,
                   f64 radians_per_us) {
    const u64 before = last_row[one];
    return before == 0xFFFFFFFF || reachable(before, r, ts_us, site, x, y, z, radians_per_us);
}

// What an issuer would hold against the instrument: 0 nothing, 255 it never had a card.
DEVICE u64 fault_of(u64 j, i64 day, u64 how, bool abroad, const u8 *flags, const i32 *frozen_day, const u64 *card_first,
                    const i32 *card_from, const i32 *card_to, u64 t_first, u64 t_end, const u32 *token_instrument, const i32 *token_from,
                    const i32 *token_to, const u32 *weight) {
    const u64 begin = card_first[j];
    const u64 stop = card_first[j + 1];
    if (begin == stop) {
        return 255;
    }
    const u64 kind = flags[j];
    u64 wrong = 0;
    if (day >= frozen_day[j]) {
        wrong |= 1;
    }
    if (abroad && (kind & 4) != 0) {
        wrong |= 2;
    }
    if (weight[how * 4 + (kind & 3)] == 0 ||
        (how == 0 && (kind & 1) == 0 && token_on(day, j, t_first, t_end, token_instrument, token_from, token_to) == t_end)) {
        wrong |= 4;
    }
    if (card_on(day, begin, stop, card_from, card_to) == stop) {
        wrong |= 8;
    }
    return wrong;
}

KERNEL void choose_cards(u64 key, u64 usual_key, f64 radians_per_us, IN(u64, row_first), IN(u64, word), IN(i16, home), IN(u64, c0),
                         IN(u64, place_id), IN(i64, ts_us), IN(u32, merchant), IN(u8, channel), IN(u32, site), IN(i16, sale_country),
                         IN(u64, merchant_word), IN(f64, x), IN(f64, y), IN(f64, z), IN(u64, instrument_first), IN(u8, flags),
                         IN(i32, frozen_day), IN(u64, card_first), IN(i32, card_from), IN(i32, card_to), IN(u64, token_first),
                         IN(u32, token_instrument), IN(i32, token_from), IN(i32, token_to), IN(u32, weight), IN(u64, usual_below),
                         IN(u64, wallet_below), IN(u64, stripe_below), IN(u64, contactless_below), OUT(u32, instrument), OUT(u32, card),
                         OUT(u32, token), OUT(u8, entry_mode), OUT(u8, faults), OUT(u32, last_row), ERROR) {
    const u64 none = 0xFFFFFFFF;
    const u64 always = 0xFFFFFFFFFFFFFFFFULL;
    const u64 parties = LENGTH(word);
    for (u64 k = first_row(); k < parties; k += row_stride()) {
        if (LENGTH(weight) < 20 || LENGTH(usual_below) < 5 || !covers(row_first, k, parties, LENGTH(ts_us)) ||
            !covers(instrument_first, k, parties, LENGTH(flags)) || !covers(token_first, k, parties, LENGTH(token_from))) {
            report(error, k, OUT_OF_RANGE);
            continue;
        }
        const u64 first = instrument_first[k];
        const u64 end = instrument_first[k + 1];
        const u64 t_first = token_first[k];
        const u64 t_end = token_first[k + 1];
        bool fits = true;
        bool some = false;
        for (u64 j = first; j < end; ++j) {
            last_row[j] = (u32)none;
            fits = fits && card_first[j] <= card_first[j + 1] && card_first[j + 1] <= LENGTH(card_from);
            some = some || card_first[j] < card_first[j + 1];
        }
        if (!fits) {
            report(error, k, OUT_OF_RANGE);
            continue;
        }
        if (row_first[k] < row_first[k + 1] && !some) {
            report(error, k, NO_CARD);
            continue;
        }
        for (u64 r = row_first[k]; r < row_first[k + 1]; ++r) {
            const u64 how = channel[r];
            const i16 seller = sale_country[r];
            const bool present = how == 0 || how == 4;
            if (ts_us[r] < 0 || how > 4 || merchant[r] >= LENGTH(merchant_word) || seller < 0 || (u64)seller >= LENGTH(wallet_below) ||
                (site[r] != none && site[r] >= LENGTH(x))) {
                report(error, k, ROW_OUT_OF_RANGE);
                break;
            }
            const i64 day = ts_us[r] / 86400000000LL;
            const bool here = present && site[r] != none;
            const bool abroad = seller != home[k];
            u64 all_weight = 0;
            u64 good_weight = 0;
            u64 best = first;
            u64 least = 256;
            const u64 usual_x = philox2x64(merchant_word[merchant[r]], word[k], usual_key).x0;
            const Words words = philox2x64(c0[r], place_id[r], key);
            for (u64 j = first; j < end; ++j) {
                const u64 wrong = fault_of(j, day, how, abroad, flags, frozen_day, card_first, card_from, card_to, t_first, t_end,
                                           token_instrument, token_from, token_to, weight);
                const u64 w = weight[how * 4 + (flags[j] & 3)];
                all_weight += w;
                if (wrong == 0) {
                    good_weight += w;
                }
                if (wrong < least) {
                    best = j;
                    least = wrong;
                }
            }
            u64 one = best;
            if (good_weight > 0) {
                u64 usual_left = mulhi64(usual_x, all_weight);
                u64 other_left = mulhi64(words.x1, good_weight);
                u64 usual = none;
                u64 other = none;
                bool usual_is_good = false;
                for (u64 j = first; j < end; ++j) {
                    const u64 w = weight[how * 4 + (flags[j] & 3)];
                    if (w == 0) {
                        continue;
                    }
                    const bool good = fault_of(j, day, how, abroad, flags, frozen_day, card_first, card_from, card_to, t_first, t_end,
                                               token_instrument, token_from, token_to, weight) == 0;
                    if (usual == none) {
                        if (usual_left < w) {
                            usual = j;
                            usual_is_good = good;
                        } else {
                            usual_left -= w;
                        }
                    }
                    if (good && other == none) {
                        if (other_left < w) {
                            other = j;
                        } else {
                            other_left -= w;
                        }
                    }
                }
                const bool stays = words.x0 < usual_below[how] || usual_below[how] == always;
                one = usual_is_good && stays ? usual : other;
                least = 0;
                if (here && !may_be(one, r, last_row, ts_us, site, x, y, z, radians_per_us)) {
                    for (u64 j = first; j < end; ++j) {
                        if (weight[how * 4 + (flags[j] & 3)] > 0 && may_be(j, r, last_row, ts_us, site, x, y, z, radians_per_us) &&
                            fault_of(j, day, how, abroad, flags, frozen_day, card_first, card_from, card_to, t_first, t_end,
                                     token_instrument, token_from, token_to, weight) == 0) {
                            one = j;
                            break;
                        }
                    }
                }
            }
            if (here) {
                last_row[one] = (u32)r;
            }
            const u64 stop = card_first[one + 1];
            u64 at = card_on(day, card_first[one], stop, card_from, card_to);
            if (at == stop) {
                at = card_before(day, card_first[one], stop, card_from);
            }
            u64 mode = 0;
            u64 held = none;
            if (how == 0) {
                const Words coins = philox2x64(c0[r] + 1, place_id[r], key);
                const u64 found = token_on(day, one, t_first, t_end, token_instrument, token_from, token_to);
                if (found < t_end && (coins.x0 < wallet_below[seller] || (flags[one] & 1) == 0)) {
                    mode = 2;
                    held = found;
                } else if (coins.x1 < stripe_below[seller]) {
                    mode = 3;
                } else if (coins.x1 < contactless_below[seller]) {
                    mode = 1;
                }
            } else if (how < 4) {
                mode = how + 3;
            }
            instrument[r] = (u32)one;
            card[r] = (u32)at;
            token[r] = (u32)held;
            entry_mode[r] = (u8)mode;
            faults[r] = (u8)least;
        }
    }
}
