"""The law of payers: who is there, and how well the hour suits them."""

from cpu_fallback.device import device, i64, u64

REGULAR, ONCE, VISITOR, BILLED = 0, 1, 2, 3
LOW32 = 0xFFFFFFFF
HOURS = 168


@device
def part_of(x0, x1, i):
    """Uniform 24 bits of candidate i = 0, 1, 2 from a block; the block's coin is its upper 24 bits."""
    if i == u64(0):
        return (x0 >> u64(16)) & u64(0xFFFFFF)
    return x1 >> u64(40) if i == u64(1) else (x1 >> u64(16)) & u64(0xFFFFFF)


@device
def chooser(x0, x1):
    """Uniform 32 bits that choose among three: the lower 16 of both words."""
    return ((x0 & u64(0xFFFF)) << u64(16)) | (x1 & u64(0xFFFF))


@device
def member(u, unit, today, slot_first, slots, curve, curves, slot_party, slot_second, slot_day):
    """Regular of a unit whom 24 bits pick by the class's curve; slots and curve exist."""
    at = u64(curve[unit]) * u64(4097) + (u >> u64(12))
    low = u64(curves[at])
    high = u64(curves[at + u64(1)])
    share = low + (((high - low) * (u & u64(0xFFF))) >> u64(12))
    slot = slot_first[unit] + ((u64(slots[unit]) * share) >> u64(32))
    return u64(slot_party[slot]) if today < u64(slot_day[slot]) else u64(slot_second[slot])


@device
def outing_of(u, local, unit, zone, subzone, parts, zone_word, outings):
    """Address of the outing that 24 bits pick: hour << 32 | outing."""
    z = u64(zone[unit])
    shifted = local + (zone_word[z] * u64(17)) % u64(60)
    hour = shifted // u64(60)
    several = u64(parts[unit])
    quarter = ((shifted - hour * u64(60)) * several) // u64(60)
    many = u64(outings[z * u64(HOURS) + (hour + u64(72)) % u64(HOURS)])
    residue = (u64(subzone[unit]) + several - quarter) % several
    return (hour << u64(32)) | ((several * ((many * u) >> u64(24)) + residue) & u64(LOW32))


@device
def can_pay(packed, civil_day):
    """Whether the day lies in the time in which the party can pay."""
    return (packed >> u64(24)) & u64(0xFFFFF) <= civil_day and civil_day <= packed >> u64(44)


@device
def is_away(party, at, today, ts, away_us, people, trips_first, trip_from, trip_to):
    """Whether the party is on a trip, or about to be: the map of days first, then its trips."""
    bit = today + u64(1)
    if (people[at + u64(2) + (bit >> u64(6))] >> (bit & u64(63))) & u64(1) == u64(0):
        return False
    for row in range(u64(trips_first[party]), u64(trips_first[party + u64(1)])):
        if trip_from[row] - i64(away_us) <= ts and ts <= trip_to[row] + i64(away_us):
            return True
    return False


@device
def own_hour(local, packed):
    """Hours since the epoch on the party's own clock."""
    return (local + u64(32768) - (packed & u64(0xFFFF))) // u64(60)


@device
def period_of(day, word):
    """The party's own period of 112 days, and the day in it; its weeks begin on a day of its own."""
    shifted = day + (word >> u64(59))
    period = shifted // u64(112)
    return period, shifted - period * u64(112)


@device
def suits(hour, packed, inside, d0, d1, s0, s1, profile, tokens):
    """Weight of a candidate, 1 .. 2**30: its segment's hour, and its own month, week, day and hour."""
    day = hour // u64(24)
    clock = hour - day * u64(24)
    habit = u64(profile[((packed >> u64(16)) & u64(0xFF)) * u64(HOURS) + (hour + u64(72)) % u64(HOURS)])
    month = u64(tokens[(s1 >> ((inside // u64(28)) << u64(2))) & u64(15)])
    week = u64(tokens[u64(16) + ((s0 >> ((inside // u64(7)) << u64(2))) & u64(15))])
    slow = min((month * week) >> u64(8), u64(4095))
    piece = (d0 >> (u64(8) + (clock << u64(2)))) if clock < u64(14) else d1 >> ((clock - u64(14)) << u64(2))
    own = u64(tokens[u64(32) + (d0 & u64(0xFF))]) * u64(tokens[u64(288) + (piece & u64(15))])
    product = habit * slow * own
    return max(product >> u64(14), u64(1))
