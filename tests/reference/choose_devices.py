"""From which device and address each purchase came, and in which session."""

from tests.reference._errors import RowError
from tests.reference.philox_block import philox

NONE, ALWAYS, DAY = 2**32 - 1, 2**64 - 1, 86_400_000_000
OWN_TIME, WORK, TRIP = range(3)


def choose_devices(
    key, usual_key, gap_us, usual_below, keep_below, work_from, work_to, row_first, word, home, c0, place_id,
    ts_us, offset_minutes, online, token, token_device, trip_first, trip_from, trip_to, trip_metro,
    device_first, device_weight, device_from, device_to, link_first, link_kind, link_metro, link_from,
    link_to, at_home, at_work, away, roaming,
):  # fmt: skip
    device, link, session = ([NONE] * len(ts_us) for _ in range(3))
    situation, last_row = [0] * len(ts_us), [NONE] * len(device_from)

    def covers(first, k, table):
        begin, end = first[k], first[k + 1]
        return begin <= end <= table and (k > 0 or begin == 0) and (k + 1 < len(word) or end == table)

    def pick(x, items):
        left = x * sum(w for _, w in items) >> 64
        for item, w in items:
            if left < w:
                return item
            left -= w
        return NONE

    def below(coin, bound):
        return coin < bound or bound == ALWAYS

    def whereabouts(k, r):
        for v in range(trip_first[k], trip_first[k + 1]):
            if trip_from[v] <= ts_us[r] <= trip_to[v]:
                return TRIP, trip_metro[v]
        day, instant = divmod(ts_us[r] + offset_minutes[r] * 60_000_000, DAY)
        return (WORK if (day + 3) % 7 < 5 and work_from <= instant < work_to else OWN_TIME), home[k]

    def weight(at, day, where, metro):
        if not link_from[at] <= day <= link_to[at]:
            return 0
        there = away if link_metro[at] == metro else roaming
        return {OWN_TIME: at_home, WORK: at_work, TRIP: there}[where][link_kind[at]]

    def row(k, r, mine, usual, before):
        day, (where, metro) = ts_us[r] // DAY, whereabouts(k, r)
        situation[r] = where
        (coin, other), (address, _) = (philox(key, ((c0[r] + b) % 2**64, place_id[r])) for b in (0, 1))
        links = {
            j: [(at, weight(at, day, where, metro)) for at in range(link_first[j], link_first[j + 1])]
            for j in mine
        }
        good = [
            (j, device_weight[j])
            for j in mine
            if device_weight[j] and device_from[j] <= day <= device_to[j] and any(w for _, w in links[j])
        ]
        if not good:
            return before
        there = {j for j, _ in good}
        one = usual if usual in there and below(coin, usual_below) else pick(other, good)
        near = before != NONE and ts_us[r] - ts_us[before] <= gap_us
        if near and device[before] in there and below(coin * 2**32 % 2**64, keep_below):
            one = device[before]
        again = last_row[one]
        goes_on = again != NONE and ts_us[r] - ts_us[again] <= gap_us
        same = goes_on and situation[again] == where and weight(link[again], day, where, metro) > 0
        device[r], last_row[one] = one, r
        link[r] = link[again] if same else pick(address, links[one])
        session[r] = session[again] if goes_on else r
        return r

    for k in range(len(word)):
        lists = (row_first, len(ts_us)), (trip_first, len(trip_from)), (device_first, len(device_from))
        if not all(covers(a, k, b) for a, b in lists):
            raise RowError(k, "OUT_OF_RANGE")
        mine = range(device_first[k], device_first[k + 1])
        if not all(link_first[j] <= link_first[j + 1] <= len(link_kind) for j in mine):
            raise RowError(k, "OUT_OF_RANGE")
        if any(link_kind[at] >= len(at_home) for j in mine for at in range(link_first[j], link_first[j + 1])):
            raise RowError(k, "KIND_OUT_OF_RANGE")
        usual = pick(philox(usual_key, (0, word[k]))[0], [(j, device_weight[j]) for j in mine])
        before = NONE
        for r in range(row_first[k], row_first[k + 1]):
            paid = token[r]
            if ts_us[r] < DAY or not -1440 <= offset_minutes[r] <= 1440:
                raise RowError(k, "ROW_OUT_OF_RANGE")
            if paid != NONE and not (paid < len(token_device) and token_device[paid] in mine):
                raise RowError(k, "ROW_OUT_OF_RANGE")
            device[r] = NONE if paid == NONE else token_device[paid]
            if online[r]:
                before = row(k, r, mine, usual, before)
    return device, link, session, situation, last_row
