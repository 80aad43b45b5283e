"""What an issuer sees against each purchase of a party, purchase by purchase."""

from itertools import pairwise

from tests.reference._errors import RowError

BURST, JUMP, ABROAD, NEW_MERCHANT, NEW_DEVICE, UNUSUAL = 1, 2, 4, 8, 16, 32
PRESENT, KNOWN, FRESH_DEVICE = 1, 2, 4


def weigh_risk(
    first, home, habit, ts_us, merchant, country, amount, sight, burst, burst_us, jump_us, times
):  # fmt: skip
    signs = []
    for p, (begin, end) in enumerate(pairwise(first)):
        outside = (p == 0 and begin != 0) or (p + 1 == len(home) and end != len(ts_us))
        if outside or not begin <= end <= len(ts_us):
            raise RowError(p, "BAD_OFFSET")
        own = range(begin, end)
        if any(ts_us[r] < ts_us[r - 1] for r in own[1:]):
            raise RowError(p, "TIME_FALLS")
        if not all(0 <= paid <= 2**50 for paid in [habit[p], *(amount[r] for r in own)]):
            raise RowError(p, "AMOUNT_OUT_OF_RANGE")
        usual, met, seen = habit[p], set(), None
        for r in own:
            found = 0
            if r - burst >= begin and ts_us[r] - ts_us[r - burst] < burst_us:
                found |= BURST
            if sight[r] & PRESENT:
                if seen and seen[1] != country[r] and ts_us[r] - seen[0] < jump_us:
                    found |= JUMP
                seen = (ts_us[r], country[r])
            if country[r] != home[p]:
                found |= ABROAD
            place = merchant[r] * 0x9E3779B1 % 2**32 >> 24
            if place not in met and not sight[r] & KNOWN:
                found |= NEW_MERCHANT
            met.add(place)
            if sight[r] & FRESH_DEVICE:
                found |= NEW_DEVICE
            if times and amount[r] >= times * usual and amount[r] > usual:
                found |= UNUSUAL
            usual += amount[r] // 16 - usual // 16
            signs.append(found)
    return (signs,)
