"""Each arrival's payer: three candidates and a choice by weight, or who is billed."""

from tests.reference._entries import pick_person
from tests.reference._errors import RowError
from tests.reference.philox_block import philox

REGULAR, ONCE, VISITOR, BILLED = range(4)
MINUTE, DAY = 60_000_000, 86_400_000_000


def attach_payers(
    row_key, outing_key, day_key, season_key, first_day, days, stride, strata, strangers_below, away_us,
    inside_us, triples, traced, ts_us, minutes, place, unit, mode, rank, slot_first, slots, strata_slots,
    curve, visitor_below, once_below, metro, zone, subzone, parts, cells_first, cells_size, zone_word,
    zone_first, zone_size, outings, curves, slot_party, slot_second, slot_day, cell_table, people_first,
    people_table, people, trips_first, trip_party, trip_no, trip_from, trip_to, roster_first, roster,
    profile, tokens,
):  # fmt: skip
    tables = (cell_table, people_first, people_table)
    out = []
    candidate, weight = [], []

    def fail(i, name="OUT_OF_RANGE"):
        raise RowError(i, name)

    def record(i, person):
        if person + 1 >= len(trips_first) or (person + 1) * stride > len(people):
            fail(i, "PARTY_OUT_OF_RANGE")
        return people[person * stride : (person + 1) * stride]

    def holder(slot, today):
        return slot_party[slot] if today < slot_day[slot] else slot_second[slot]

    def pays(packed, civil_day):
        return packed >> 24 & 0xFFFFF <= civil_day <= packed >> 44

    def weigh(i, person, relation, ride, local, today):
        word, packed, *days_away = record(i, person)
        segment, ts = packed >> 16 & 0xFF, ts_us[i]
        if (segment + 1) * 168 > len(profile):
            fail(i, "PARTY_OUT_OF_RANGE")
        if not pays(packed, today + first_day):
            return 0
        if relation == VISITOR:
            if not trip_from[ride] + inside_us <= ts <= trip_to[ride] - inside_us:
                return 0
        elif mode[i] == 1 and days_away[(today + 1) // 64] >> (today + 1) % 64 & 1:
            for trip in range(trips_first[person], trips_first[person + 1]):
                if trip_from[trip] - away_us <= ts <= trip_to[trip] + away_us:
                    return 0
        hour = (local + 32768 - packed % 2**16) // 60
        day, clock = divmod(hour, 24)
        period, inside = divmod(day + (word >> 59), 112)
        d0, d1 = philox(day_key, (day, word))
        s0, s1 = philox(season_key, (period, word))
        month, week = tokens[s1 >> 4 * (inside // 28) & 15], tokens[16 + (s0 >> 4 * (inside // 7) & 15)]
        own = tokens[288 + ((d0 >> 8 + 4 * clock if clock < 14 else d1 >> 4 * (clock - 14)) & 15)]
        slow = min(month * week >> 8, 4095)
        product = profile[segment * 168 + (hour + 72) % 168] * slow * tokens[32 + d0 % 256] * own
        return max(product >> 14, 1)

    for i, ts in enumerate(ts_us):
        w, today = unit[i], ts // DAY - first_day
        if not 0 <= today < days or w >= len(slots) or days + 2 > 64 * (stride - 2) or len(tokens) < 304:
            fail(i)
        z, k = zone[w], strata_slots[w]
        if z >= len(zone_word) or (z + 1) * 168 > len(outings) or (curve[w] + 1) * 4097 > len(curves):
            fail(i)
        if slots[w] == 0 or slot_first[w] + slots[w] + strata * k > len(slot_party) or parts[w] == 0:
            fail(i)
        if (metro[w] + 1) * days >= len(roster_first):
            fail(i)
        x, y = philox(row_key, (ts << 8, place[i]))
        coin, relation = x >> 40, ONCE
        seat, stop = roster_first[metro[w] * days + today : metro[w] * days + today + 2]
        if mode[i] == 2 and coin >= strangers_below:
            if rank[i] < k:
                stratum = (today + first_day) % strata
                person = holder(slot_first[w] + slots[w] + stratum * k + rank[i], today)
                if pays(record(i, person)[1], today + first_day):
                    out.append((person, BILLED, 0, 0))
                    candidate += [0, 0, 0]
                    weight += [0, 0, 0]
                    continue
        else:
            relation = ONCE if coin < once_below[w] else REGULAR
            if mode[i] == 1 and coin < visitor_below[w]:
                if not 0 <= stop - seat <= len(roster) or stop > len(roster):
                    fail(i)
                relation = VISITOR if stop > seat else relation
        local = ts // MINUTE + minutes[i]
        fallback = None
        for t in range(max(triples, 1)):
            block = ts << 8 | (4 * t - 3 if t else 0)
            x, y = philox(row_key, (block, place[i]))
            now = relation if t == 0 or 2 * t < triples else ONCE
            who, rides, found = [], [], []
            for c, u in enumerate((x >> 16 & 0xFFFFFF, y >> 40, y >> 16 & 0xFFFFFF)):
                ride = 0
                if now == REGULAR:
                    at = curve[w] * 4097 + (u >> 12)
                    share = curves[at] + ((curves[at + 1] - curves[at]) * (u & 0xFFF) >> 12)
                    person = holder(slot_first[w] + (slots[w] * share >> 32), today)
                elif now == VISITOR:
                    ride = roster[seat + ((stop - seat) * u >> 24)]
                    if ride >= len(trip_party):
                        fail(i)
                    person = trip_party[ride]
                elif t:
                    words = philox(row_key, (block + 1 + c, place[i]))
                    person = pick_person(*words, cells_first[w], cells_size[w], *tables)
                else:
                    hour, minute = divmod(local + zone_word[z] * 17 % 2**64 % 60, 60)
                    part = (subzone[w] + parts[w] - minute * parts[w] // 60) % parts[w]
                    outing = parts[w] * (outings[z * 168 + (hour + 72) % 168] * u >> 24) + part
                    words = philox(outing_key, (hour << 32 | outing % 2**32, zone_word[z]))
                    person = pick_person(*words, zone_first[z], zone_size[z], *tables)
                if person is None:
                    fail(i)
                who.append(person)
                rides.append(ride)
                found.append(weigh(i, person, now, ride, local, today))
            if t == 0:
                fallback = (who[0], relation, trip_no[rides[0]] if now == VISITOR else 0, 252)
            if sum(found):
                y = ((x & 0xFFFF) << 16 | y & 0xFFFF) * sum(found) >> 32
                c = (y >= found[0]) + (y >= found[0] + found[1])
                out.append((who[c], now, trip_no[rides[c]] if now == VISITOR else 0, 4 * t + 4 + c))
                break
        else:
            out.append(fallback)
        candidate += who
        weight += found
    return (
        *([item[part] for item in out] for part in range(4)),
        candidate if traced else [],
        weight if traced else [],
    )
