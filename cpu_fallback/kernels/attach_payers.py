# contract: attach_payers - one iteration an arrival, in tiles; ts_us << 8 < 2**64 until the year 4253;
# weights < 2**30, so three and a 32-bit choice fit. Each pass over a tile is a loop, so that its gathers
# run beside each other.
# twin: gpu_kernels/kernels/attach_payers.cu
from cpu_fallback.device import i64, kernel, length, report, stack_words, subroutine, u8, u32, u64
from cpu_fallback.entries import pick_person
from cpu_fallback.errors import errors_of
from cpu_fallback.payers import (
    BILLED,
    HOURS,
    ONCE,
    REGULAR,
    VISITOR,
    can_pay,
    chooser,
    is_away,
    member,
    outing_of,
    own_hour,
    part_of,
    period_of,
    suits,
)
from cpu_fallback.philox import BATCH, philox2x64, philox_batch

ERRORS = errors_of("attach_payers")
NONE = 0xFFFFFFFFFFFFFFFF
TILE = 2 * int(BATCH)
rows_of_tile = stack_words(TILE)
candidates_of_tile = stack_words(3 * TILE)


@subroutine
def weigh(
    person, relation, ride, present, local, today, civil_day, ts, day_key, season_key, away_us, inside_us,
    stride, people, trips_first, trip_from, trip_to, profile, tokens,
):  # fmt: skip
    """Weight of one candidate, 0 where he cannot be the payer; 2**64 - 1 where he does not exist."""
    at = person * stride
    if person + u64(1) >= length(trips_first) or at + stride > length(people):
        return u64(NONE)
    packed = people[at + u64(1)]
    if (((packed >> u64(16)) & u64(0xFF)) + u64(1)) * u64(HOURS) > length(profile):
        return u64(NONE)
    if not can_pay(packed, civil_day):
        return u64(0)
    if relation == u64(VISITOR):
        if ts < trip_from[ride] + i64(inside_us) or ts > trip_to[ride] - i64(inside_us):
            return u64(0)
    elif present and is_away(person, at, today, ts, away_us, people, trips_first, trip_from, trip_to):
        return u64(0)
    word = people[at]
    hour = own_hour(local, packed)
    period, inside = period_of(hour // u64(24), word)
    d0, d1 = philox2x64(hour // u64(24), word, day_key)
    s0, s1 = philox2x64(period, word, season_key)
    return suits(hour, packed, inside, d0, d1, s0, s1, profile, tokens)


@kernel
def attach_payers(
    row_key, outing_key, day_key, season_key, first_day, days, stride, strata, strangers_below, away_us,
    inside_us, triples, traced, ts_us, minutes, place, unit, mode, rank, slot_first, slots, strata_slots,
    curve, visitor_below, once_below, metro, zone, subzone, parts, cells_first, cells_size, zone_word,
    zone_first, zone_size, outings, curves, slot_party, slot_second, slot_day, cell_table, people_first,
    people_table, people, trips_first, trip_party, trip_no, trip_from, trip_to, roster_first, roster,
    profile, tokens, party, relation, trip, tries, candidate, weight, error,
):  # fmt: skip
    total, wide, horizon = length(ts_us), u64(stride), u64(days)
    asked = traced != u32(0) and length(candidate) >= u64(3) * total
    sound = wide > u64(2) and horizon + u64(2) <= (wide - u64(2)) * u64(64) and length(tokens) >= u64(304)
    x0, x1, live, today, local, units = (
        rows_of_tile(), rows_of_tile(), rows_of_tile(), rows_of_tile(), rows_of_tile(), rows_of_tile(),
    )  # fmt: skip
    who, ride, o0, o1, target, d0, d1, s0, s1, hour = (
        candidates_of_tile(), candidates_of_tile(), candidates_of_tile(), candidates_of_tile(),
        candidates_of_tile(), candidates_of_tile(), candidates_of_tile(), candidates_of_tile(),
        candidates_of_tile(), candidates_of_tile(),
    )  # fmt: skip
    for start in range(u64(0), total, u64(TILE)):
        size = min(u64(TILE), total - start)
        for j in range(size):
            x0[j], x1[j] = u64(ts_us[start + j]) << u64(8), place[start + j]
        philox_batch(x0, x1, size, row_key)
        # What each row is, and candidates that need no further draw.
        rows, outs = u64(0), u64(0)
        for j in range(size):
            i = start + j
            w = u64(unit[i])
            if asked:
                for c in range(u64(3)):
                    candidate[u64(3) * i + c], weight[u64(3) * i + c] = u32(0), u32(0)
            party[i], relation[i], trip[i], tries[i] = u32(0), u8(BILLED), u8(0), u8(0)
            moment = u64(ts_us[i])
            day = moment // u64(86_400_000_000) - u64(first_day)
            if not sound or day >= horizon or w >= length(slots):
                report(error, i, ERRORS.OUT_OF_RANGE)
                continue
            z, k = u64(zone[w]), u64(strata_slots[w])
            every = u64(slots[w]) + u64(strata) * k
            if (
                z >= length(zone_word)
                or (z + u64(1)) * u64(HOURS) > length(outings)
                or (u64(curve[w]) + u64(1)) * u64(4097) > length(curves)
                or slots[w] == u32(0)
                or every > length(slot_party)
                or slot_first[w] > length(slot_party) - every
                or (u64(metro[w]) + u64(1)) * horizon >= length(roster_first)
                or parts[w] == u8(0)
            ):
                report(error, i, ERRORS.OUT_OF_RANGE)
                continue
            a, b = x0[j], x1[j]
            coin = a >> u64(40)
            kind = u64(mode[i])
            if kind == u64(2) and coin >= u64(strangers_below):
                relation[i] = u8(ONCE)
                if u64(rank[i]) < k:
                    stratum = (day + u64(first_day)) % u64(strata)
                    slot = slot_first[w] + u64(slots[w]) + stratum * k + u64(rank[i])
                    person = u64(slot_party[slot]) if day < u64(slot_day[slot]) else u64(slot_second[slot])
                    if person + u64(1) >= length(trips_first) or (person + u64(1)) * wide > length(people):
                        report(error, i, ERRORS.PARTY_OUT_OF_RANGE)
                        continue
                    if can_pay(people[person * wide + u64(1)], day + u64(first_day)):
                        party[i], relation[i] = u32(person), u8(BILLED)
                        continue
            else:
                relation[i] = u8(ONCE) if coin < u64(once_below[w]) else u8(REGULAR)
                if kind == u64(1) and coin < u64(visitor_below[w]):
                    at = u64(metro[w]) * horizon + day
                    seats = roster_first[at + u64(1)] - roster_first[at]
                    if roster_first[at + u64(1)] > length(roster) or seats > length(roster):
                        report(error, i, ERRORS.OUT_OF_RANGE)
                        continue
                    if seats > u64(0):
                        relation[i] = u8(VISITOR)
            live[rows], today[rows], units[rows] = i, day, w
            x0[rows], x1[rows] = a, b
            local[rows] = moment // u64(60_000_000) + u64(i64(minutes[i]))
            first = u64(3) * rows
            rows += u64(1)
            for c in range(u64(3)):
                u, q = part_of(a, b, c), first + c
                if relation[i] == u8(REGULAR):
                    who[q] = member(
                        u, w, day, slot_first, slots, curve, curves, slot_party, slot_second, slot_day
                    )
                elif relation[i] == u8(VISITOR):
                    at = u64(metro[w]) * horizon + day
                    seat = roster_first[at]
                    seat += ((roster_first[at + u64(1)] - seat) * u) >> u64(24)
                    ride[q] = u64(roster[seat])
                    if ride[q] >= length(trip_party):
                        report(error, i, ERRORS.OUT_OF_RANGE)
                        ride[q], who[q] = u64(NONE), u64(NONE)
                    else:
                        who[q] = u64(trip_party[ride[q]])
                else:
                    o0[outs] = outing_of(u, local[rows - u64(1)], w, zone, subzone, parts, zone_word, outings)
                    o1[outs], target[outs] = zone_word[z], q
                    outs += u64(1)
        # People who are out.
        philox_batch(o0, o1, outs, outing_key)
        for e in range(outs):
            z = u64(zone[units[target[e] // u64(3)]])
            who[target[e]] = pick_person(
                o0[e], o1[e], zone_first[z], u64(zone_size[z]), cell_table, people_first, people_table
            )
            if who[target[e]] == u64(NONE):
                report(error, live[target[e] // u64(3)], ERRORS.OUT_OF_RANGE)
        # Their own days and weeks.
        for q in range(u64(3) * rows):
            person = who[q]
            if person + u64(1) >= length(trips_first) or (person + u64(1)) * wide > length(people):
                if person != u64(NONE):
                    report(error, live[q // u64(3)], ERRORS.PARTY_OUT_OF_RANGE)
                who[q], d0[q], d1[q], s0[q], s1[q] = u64(NONE), u64(0), u64(0), u64(0), u64(0)
                continue
            word, packed = people[person * wide], people[person * wide + u64(1)]
            hour[q] = own_hour(local[q // u64(3)], packed)
            d0[q] = hour[q] // u64(24)
            s0[q], o0[q] = period_of(d0[q], word)
            d1[q], s1[q] = word, word
        philox_batch(d0, d1, u64(3) * rows, day_key)
        philox_batch(s0, s1, u64(3) * rows, season_key)
        # Weights, kept where the words were.
        for q in range(u64(3) * rows):
            j = q // u64(3)
            i, person = live[j], who[q]
            if person == u64(NONE):
                d0[q] = u64(0)
                continue
            at = person * wide
            packed = people[at + u64(1)]
            if (((packed >> u64(16)) & u64(0xFF)) + u64(1)) * u64(HOURS) > length(profile):
                report(error, i, ERRORS.PARTY_OUT_OF_RANGE)
                d0[q] = u64(0)
                continue
            there = can_pay(packed, today[j] + u64(first_day))
            if relation[i] == u8(VISITOR):
                there = (
                    there
                    and ts_us[i] >= trip_from[ride[q]] + i64(inside_us)
                    and ts_us[i] <= trip_to[ride[q]] - i64(inside_us)
                )
            elif there and mode[i] == u8(1):
                there = not is_away(
                    person, at, today[j], ts_us[i], away_us, people, trips_first, trip_from, trip_to
                )
            found = suits(hour[q], packed, o0[q], d0[q], d1[q], s0[q], s1[q], profile, tokens)
            d0[q] = found if there else u64(0)
        # Who of the three; the few rows without one look further.
        for j in range(rows):
            i, first = live[j], u64(3) * j
            a, b = d0[first], d0[first] + d0[first + u64(1)]
            everything = b + d0[first + u64(2)]
            if asked:
                for c in range(u64(3)):
                    candidate[u64(3) * i + c] = u32(who[first + c])
                    weight[u64(3) * i + c] = u32(d0[first + c])
            if everything > u64(0):
                y = (chooser(x0[j], x1[j]) * everything) >> u64(32)
                c = u64(y >= a) + u64(y >= b)
                party[i], tries[i] = u32(who[first + c]), u8((u64(1) << u64(2)) + c)
                if relation[i] == u8(VISITOR):
                    trip[i] = trip_no[ride[first + c]]
                continue
            party[i], tries[i] = u32(who[first]), u8(252)
            ridden = ride[first]
            w, z, day = units[j], u64(zone[units[j]]), today[j]
            for t in range(u64(1), u64(triples)):
                block = (u64(ts_us[i]) << u64(8)) | ((t << u64(2)) - u64(3))
                a, b = philox2x64(block, place[i], row_key)
                # In the second half nobody but passers-by is looked for.
                now = u64(relation[i]) if t * u64(2) < u64(triples) else u64(ONCE)
                everything, bad = u64(0), False
                for c in range(u64(3)):
                    q, u = first + c, part_of(a, b, c)
                    if now == u64(REGULAR):
                        who[q] = member(
                            u, w, day, slot_first, slots, curve, curves, slot_party, slot_second, slot_day
                        )
                    elif now == u64(VISITOR):
                        at = u64(metro[w]) * horizon + day
                        seat = roster_first[at]
                        seat += ((roster_first[at + u64(1)] - seat) * u) >> u64(24)
                        ride[q] = u64(roster[seat])
                        bad = bad or ride[q] >= length(trip_party)
                        who[q] = u64(0) if bad else u64(trip_party[ride[q]])
                    else:
                        y0, y1 = philox2x64(block + u64(1) + c, place[i], row_key)
                        who[q] = pick_person(
                            y0, y1, cells_first[w], u64(cells_size[w]), cell_table, people_first, people_table
                        )
                        bad = bad or who[q] == u64(NONE)
                    if bad:
                        report(error, i, ERRORS.OUT_OF_RANGE)
                        break
                    d0[q] = weigh(
                        who[q], now, ride[q], mode[i] == u8(1), local[j], day, day + u64(first_day),
                        ts_us[i], day_key, season_key, away_us, inside_us, wide, people, trips_first,
                        trip_from, trip_to, profile, tokens,
                    )  # fmt: skip
                    if d0[q] == u64(NONE):
                        report(error, i, ERRORS.PARTY_OUT_OF_RANGE)
                        bad = True
                        break
                    everything += d0[q]
                    if asked:
                        candidate[u64(3) * i + c], weight[u64(3) * i + c] = u32(who[q]), u32(d0[q])
                if bad:
                    break
                if everything > u64(0):
                    y = (chooser(a, b) * everything) >> u64(32)
                    c = u64(y >= d0[first]) + u64(y >= d0[first] + d0[first + u64(1)])
                    party[i], tries[i] = u32(who[first + c]), u8(((t + u64(1)) << u64(2)) + c)
                    relation[i] = u8(now)
                    ridden = ride[first + c]
                    break
            if relation[i] == u8(VISITOR) and ridden < length(trip_no):
                trip[i] = trip_no[ridden]
