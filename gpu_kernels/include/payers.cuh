// The law of payers: who is there, and how well the hour suits them. Twin of cpu_fallback/payers.py.
#pragma once
#include "kernel.cuh"

constexpr u64 REGULAR = 0;
constexpr u64 ONCE = 1;
constexpr u64 VISITOR = 2;
constexpr u64 BILLED = 3;
constexpr u64 LOW32 = 0xFFFFFFFF;
constexpr u64 HOURS = 168;

struct Period {
    u64 number, inside;
};

DEVICE u64 part_of(u64 x0, u64 x1, u64 i) {
    if (i == 0) {
        return (x0 >> 16) & 0xFFFFFF;
    }
    return i == 1 ? x1 >> 40 : (x1 >> 16) & 0xFFFFFF;
}

DEVICE u64 chooser(u64 x0, u64 x1) { return ((x0 & 0xFFFF) << 16) | (x1 & 0xFFFF); }

DEVICE u64 member(u64 u, u64 unit, u64 today, const u64 *slot_first, const u32 *slots, const u32 *curve, const u32 *curves,
                  const u32 *slot_party, const u32 *slot_second, const u16 *slot_day) {
    const u64 at = (u64)curve[unit] * 4097 + (u >> 12);
    const u64 low = curves[at];
    const u64 high = curves[at + 1];
    const u64 share = low + (((high - low) * (u & 0xFFF)) >> 12);
    const u64 slot = slot_first[unit] + (((u64)slots[unit] * share) >> 32);
    return today < slot_day[slot] ? slot_party[slot] : slot_second[slot];
}

DEVICE u64 outing_of(u64 u, u64 local, u64 unit, const u32 *zone, const u8 *subzone, const u8 *parts, const u64 *zone_word,
                     const u32 *outings) {
    const u64 z = zone[unit];
    const u64 shifted = local + (zone_word[z] * 17) % 60;
    const u64 hour = shifted / 60;
    const u64 several = parts[unit];
    const u64 quarter = ((shifted - hour * 60) * several) / 60;
    const u64 many = outings[z * HOURS + (hour + 72) % HOURS];
    const u64 residue = ((u64)subzone[unit] + several - quarter) % several;
    return (hour << 32) | ((several * ((many * u) >> 24) + residue) & LOW32);
}

DEVICE bool can_pay(u64 packed, u64 civil_day) { return ((packed >> 24) & 0xFFFFF) <= civil_day && civil_day <= packed >> 44; }

DEVICE bool is_away(u64 party, u64 at, u64 today, i64 ts, u64 away_us, const u64 *people, const u32 *trips_first, const i64 *trip_from,
                    const i64 *trip_to) {
    const u64 bit = today + 1;
    if (((people[at + 2 + (bit >> 6)] >> (bit & 63)) & 1) == 0) {
        return false;
    }
    for (u64 row = trips_first[party]; row < trips_first[party + 1]; ++row) {
        if (trip_from[row] - (i64)away_us <= ts && ts <= trip_to[row] + (i64)away_us) {
            return true;
        }
    }
    return false;
}

DEVICE u64 own_hour(u64 local, u64 packed) { return (local + 32768 - (packed & 0xFFFF)) / 60; }

DEVICE Period period_of(u64 day, u64 word) {
    const u64 shifted = day + (word >> 59);
    const u64 number = shifted / 112;
    return {number, shifted - number * 112};
}

DEVICE u64 suits(u64 hour, u64 packed, u64 inside, u64 d0, u64 d1, u64 s0, u64 s1, const u8 *profile, const u16 *tokens) {
    const u64 day = hour / 24;
    const u64 clock = hour - day * 24;
    const u64 habit = profile[((packed >> 16) & 0xFF) * HOURS + (hour + 72) % HOURS];
    const u64 month = tokens[(s1 >> ((inside / 28) << 2)) & 15];
    const u64 week = tokens[16 + ((s0 >> ((inside / 7) << 2)) & 15)];
    const u64 slow = minimum<u64>((month * week) >> 8, 4095);
    const u64 piece = clock < 14 ? d0 >> (8 + (clock << 2)) : d1 >> ((clock - 14) << 2);
    const u64 product = habit * slow * tokens[32 + (d0 & 0xFF)] * tokens[288 + (piece & 15)];
    return maximum<u64>(product >> 14, 1);
}
