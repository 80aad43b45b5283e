// contract: attach_payers - one thread an arrival; ts_us << 8 < 2**64 until the year 4253;
// weights < 2**30, so three and a 32-bit choice fit.
// twin: cpu_fallback/kernels/attach_payers.py
#include "entries.cuh"
#include "kernel.cuh"
#include "payers.cuh"
#include "philox.cuh"

#define TABLES cell_table, cell_table_length, people_first, people_first_length, people_table, people_table_length

constexpr u64 NONE = 0xFFFFFFFFFFFFFFFFULL;

// Weight of one candidate, 0 where he cannot be the payer; NONE where he does not exist.
DEVICE u64 weigh(u64 person, u64 relation, u64 ride, bool present, u64 local, u64 today, u64 civil_day, i64 ts, u64 day_key, u64 season_key,
                 u64 away_us, u64 inside_us, u64 stride, IN(u64, people), IN(u32, trips_first), const i64 *trip_from, const i64 *trip_to,
                 IN(u8, profile), const u16 *tokens) {
    const u64 at = person * stride;
    if (person + 1 >= LENGTH(trips_first) || at + stride > LENGTH(people)) {
        return NONE;
    }
    const u64 packed = people[at + 1];
    if ((((packed >> 16) & 0xFF) + 1) * HOURS > LENGTH(profile)) {
        return NONE;
    }
    if (!can_pay(packed, civil_day)) {
        return 0;
    }
    if (relation == VISITOR) {
        if (ts < trip_from[ride] + (i64)inside_us || ts > trip_to[ride] - (i64)inside_us) {
            return 0;
        }
    } else if (present && is_away(person, at, today, ts, away_us, people, trips_first, trip_from, trip_to)) {
        return 0;
    }
    const u64 word = people[at];
    const u64 hour = own_hour(local, packed);
    const Period own = period_of(hour / 24, word);
    const Words d = philox2x64(hour / 24, word, day_key);
    const Words s = philox2x64(own.number, word, season_key);
    return suits(hour, packed, own.inside, d.x0, d.x1, s.x0, s.x1, profile, tokens);
}

KERNEL void attach_payers(u64 row_key, u64 outing_key, u64 day_key, u64 season_key, u32 first_day, u32 days, u32 stride, u32 strata,
                          u32 strangers_below, u64 away_us, u64 inside_us, u32 triples, u32 traced, IN(i64, ts_us), IN(i16, minutes),
                           IN(u64, place),
                          IN(u32, unit), IN(u8, mode), IN(u32, rank), IN(u64, slot_first), IN(u32, slots), IN(u32, strata_slots),
                          IN(u32, curve), IN(u32, visitor_below), IN(u32, once_below), IN(u32, metro), IN(u32, zone), IN(u8, subzone),
                          IN(u8, parts), IN(u64, cells_first), IN(u32, cells_size), IN(u64, zone_word), IN(u64, zone_first),
                          IN(u32, zone_size), IN(u32, outings), IN(u32, curves), IN(u32, slot_party), IN(u32, slot_second),
                          IN(u16, slot_day), IN(u64, cell_table), IN(u64, people_first), IN(u64, people_table), IN(u64, people),
                          IN(u32, trips_first), IN(u32, trip_party), IN(u8, trip_no), IN(i64, trip_from), IN(i64, trip_to),
                          IN(u64, roster_first), IN(u32, roster), IN(u8, profile), IN(u16, tokens), OUT(u32, party), OUT(u8, relation),
                          OUT(u8, trip), OUT(u8, tries), OUT(u32, candidate), OUT(u32, weight), ERROR) {
    const u64 total = LENGTH(ts_us);
    const u64 wide = stride;
    const u64 horizon = days;
    const bool asked = traced != 0 && LENGTH(candidate) >= 3 * total;
    const bool sound = wide > 2 && horizon + 2 <= (wide - 2) * 64 && LENGTH(tokens) >= 304;
    for (u64 i = first_row(); i < total; i += row_stride()) {
        const u64 w = unit[i];
        if (asked) {
            for (u64 c = 0; c < 3; ++c) {
                candidate[3 * i + c] = 0;
                weight[3 * i + c] = 0;
            }
        }
        party[i] = 0;
        relation[i] = (u8)BILLED;
        trip[i] = 0;
        tries[i] = 0;
        const u64 moment = (u64)ts_us[i];
        const u64 day = moment / 86400000000ULL - first_day;
        if (!sound || day >= horizon || w >= LENGTH(slots)) {
            report(error, i, OUT_OF_RANGE);
            continue;
        }
        const u64 z = zone[w];
        const u64 k = strata_slots[w];
        const u64 every = slots[w] + (u64)strata * k;
        if (z >= LENGTH(zone_word) || (z + 1) * HOURS > LENGTH(outings) || ((u64)curve[w] + 1) * 4097 > LENGTH(curves) || slots[w] == 0 ||
            every > LENGTH(slot_party) || slot_first[w] > LENGTH(slot_party) - every ||
            ((u64)metro[w] + 1) * horizon >= LENGTH(roster_first) || parts[w] == 0) {
            report(error, i, OUT_OF_RANGE);
            continue;
        }
        const Words x = philox2x64(moment << 8, place[i], row_key);
        const u64 coin = x.x0 >> 40;
        const u64 kind = mode[i];
        const u64 at = (u64)metro[w] * horizon + day;
        u64 what = ONCE;
        if (kind == 2 && coin >= strangers_below) {
            if (rank[i] < k) {
                const u64 stratum = (day + first_day) % strata;
                const u64 slot = slot_first[w] + slots[w] + stratum * k + rank[i];
                const u64 person = day < slot_day[slot] ? slot_party[slot] : slot_second[slot];
                if (person + 1 >= LENGTH(trips_first) || (person + 1) * wide > LENGTH(people)) {
                    report(error, i, PARTY_OUT_OF_RANGE);
                    continue;
                }
                if (can_pay(people[person * wide + 1], day + first_day)) {
                    party[i] = (u32)person;
                    continue;
                }
            }
        } else {
            what = coin < once_below[w] ? ONCE : REGULAR;
            if (kind == 1 && coin < visitor_below[w]) {
                const u64 seats = roster_first[at + 1] - roster_first[at];
                if (roster_first[at + 1] > LENGTH(roster) || seats > LENGTH(roster)) {
                    report(error, i, OUT_OF_RANGE);
                    continue;
                }
                if (seats > 0) {
                    what = VISITOR;
                }
            }
        }
        relation[i] = (u8)what;
        const u64 local = moment / 60000000ULL + (u64)(i64)minutes[i];
        // Three of each by name: an array that a loop indexes would lie in local memory.
        u64 who0 = 0, who1 = 0, who2 = 0, ride0 = 0, ride1 = 0, ride2 = 0, found0 = 0, found1 = 0, ridden = 0;
        for (u64 t = 0; t < maximum<u64>(triples, 1); ++t) {
            const u64 block = (moment << 8) | (t == 0 ? 0 : (t << 2) - 3);
            const Words y = t == 0 ? x : philox2x64(block, place[i], row_key);
            const u64 now = t == 0 || t * 2 < triples ? what : ONCE;
            u64 everything = 0, bad = 0;
            for (u64 c = 0; c < 3; ++c) {
                const u64 u = part_of(y.x0, y.x1, c);
                u64 who = 0, ride = 0;
                if (now == REGULAR) {
                    who = member(u, w, day, slot_first, slots, curve, curves, slot_party, slot_second, slot_day);
                } else if (now == VISITOR) {
                    const u64 seat = roster_first[at] + (((roster_first[at + 1] - roster_first[at]) * u) >> 24);
                    ride = roster[seat];
                    if (ride >= LENGTH(trip_party)) {
                        bad = OUT_OF_RANGE;
                        break;
                    }
                    who = trip_party[ride];
                } else {
                    if (t == 0) {
                        const u64 outing = outing_of(u, local, w, zone, subzone, parts, zone_word, outings);
                        const Words v = philox2x64(outing, zone_word[z], outing_key);
                        who = pick_person(v.x0, v.x1, zone_first[z], zone_size[z], TABLES);
                    } else {
                        const Words v = philox2x64(block + 1 + c, place[i], row_key);
                        who = pick_person(v.x0, v.x1, cells_first[w], cells_size[w], TABLES);
                    }
                    if (who == NONE) {
                        bad = OUT_OF_RANGE;
                        break;
                    }
                }
                const u64 found = weigh(who, now, ride, kind == 1, local, day, day + first_day, ts_us[i], day_key, season_key, away_us,
                                 inside_us, wide, people, people_length, trips_first, trips_first_length, trip_from, trip_to, profile,
                                 profile_length, tokens);
                if (found == NONE) {
                    bad = PARTY_OUT_OF_RANGE;
                    break;
                }
                who0 = c == 0 ? who : who0;
                who1 = c == 1 ? who : who1;
                who2 = c == 2 ? who : who2;
                ride0 = c == 0 ? ride : ride0;
                ride1 = c == 1 ? ride : ride1;
                ride2 = c == 2 ? ride : ride2;
                found0 = c == 0 ? found : found0;
                found1 = c == 1 ? found : found1;
                everything += found;
                if (asked) {
                    candidate[3 * i + c] = (u32)who;
                    weight[3 * i + c] = (u32)found;
                }
            }
            if (bad != 0) {
                report(error, i, bad);
                break;
            }
            if (t == 0) {
                party[i] = (u32)who0;
                tries[i] = 252;
                ridden = ride0;
            }
            if (everything > 0) {
                const u64 pick = (chooser(y.x0, y.x1) * everything) >> 32;
                const u64 c = (u64)(pick >= found0) + (u64)(pick >= found0 + found1);
                party[i] = (u32)(c == 0 ? who0 : c == 1 ? who1 : who2);
                tries[i] = (u8)(((t + 1) << 2) + c);
                relation[i] = (u8)now;
                ridden = c == 0 ? ride0 : c == 1 ? ride1 : ride2;
                break;
            }
        }
        if (relation[i] == VISITOR && ridden < LENGTH(trip_no)) {
            trip[i] = trip_no[ridden];
        }
    }
}
