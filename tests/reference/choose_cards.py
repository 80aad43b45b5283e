"""With which card each purchase of a party was paid, and how."""

from tests.reference._errors import RowError
from tests.reference.philox_block import philox

NONE, ALWAYS = 2**32 - 1, 2**64 - 1
CHIP, CONTACTLESS, WALLET, STRIPE = range(4)


def choose_cards(
    key, usual_key, radians_per_us, row_first, word, home, c0, place_id, ts_us, merchant, channel, site,
    sale_country, merchant_word, x, y, z, instrument_first, flags, frozen_day, card_first, card_from, card_to,
    token_first, token_instrument, token_from, token_to, weight, usual_below, wallet_below, stripe_below,
    contactless_below,
):  # fmt: skip
    rows = [[None] * len(ts_us) for _ in range(5)]
    last_row = [NONE] * len(flags)

    def covers(first, k, table):
        begin, end = first[k], first[k + 1]
        whole = (k > 0 or begin == 0) and (k + 1 < len(word) or end == table)
        return begin <= end <= table and whole

    def valid(begin, end, lows, highs, day):
        return [at for at in range(begin, end) if lows[at] <= day <= highs[at]]

    def tokens(k, one, day):
        found = valid(token_first[k], token_first[k + 1], token_from, token_to, day)
        return [at for at in found if token_instrument[at] == one]

    def fault(k, j, day, how, abroad):
        if card_first[j] == card_first[j + 1]:
            return 255
        no_way = weight[how * 4 + (flags[j] & 3)] == 0
        no_phone = how == 0 and not flags[j] & 1 and not tokens(k, j, day)
        expired = not valid(card_first[j], card_first[j + 1], card_from, card_to, day)
        signs = day >= frozen_day[j], abroad and flags[j] & 4 > 0, no_way or no_phone, expired
        return sum(2**bit for bit, sign in enumerate(signs) if sign)

    def pick(u, items):
        left = u * sum(w for _, w in items) >> 64
        for j, w in items:
            if left < w:
                return j
            left -= w
        raise ValueError(items)

    def may_be(j, r):
        if last_row[j] == NONE:
            return True
        a, b = site[last_row[j]], site[r]
        dx, dy, dz = x[a] - x[b], y[a] - y[b], z[a] - z[b]
        half = (dx * dx + dy * dy + dz * dz) * 0.25
        angle = radians_per_us * float(ts_us[r] - ts_us[last_row[j]])
        if angle >= 1.5707963267948966:
            return True
        t = angle * angle
        s = (((1.0 / 362880.0) * t - 1.0 / 5040.0) * t + 1.0 / 120.0) * t - 1.0 / 6.0
        reach = angle + angle * t * s
        return half <= reach * reach

    def row(k, r, mine):
        how, seller = channel[r], sale_country[r]
        if (
            ts_us[r] < 0
            or how > 4
            or merchant[r] >= len(merchant_word)
            or not 0 <= seller < len(wallet_below)
        ):
            raise RowError(k, "ROW_OUT_OF_RANGE")
        if site[r] != NONE and site[r] >= len(x):
            raise RowError(k, "ROW_OUT_OF_RANGE")
        day = ts_us[r] // 86_400_000_000
        here = how in (0, 4) and site[r] != NONE
        wrong = {j: fault(k, j, day, how, seller != home[k]) for j in mine}
        weights = [(j, weight[how * 4 + (flags[j] & 3)]) for j in mine]
        good = [(j, w) for j, w in weights if w and wrong[j] == 0]
        coin, other = philox(key, (c0[r], place_id[r]))
        if good:
            usual = pick(philox(usual_key, (merchant_word[merchant[r]], word[k]))[0], weights)
            stays = coin < usual_below[how] or usual_below[how] == ALWAYS
            one = usual if stays and wrong[usual] == 0 else pick(other, good)
            if here and not may_be(one, r):
                one = next((j for j, _ in good if may_be(j, r)), one)
        else:
            one = min(mine, key=lambda j: (wrong[j], j))
        if here:
            last_row[one] = r
        begin, end = card_first[one], card_first[one + 1]
        paying = valid(begin, end, card_from, card_to, day)
        earlier = [at for at in range(begin, end) if card_from[at] <= day] or [begin]
        mode, token = (how + 3 if 0 < how < 4 else CHIP), NONE
        if how == 0:
            by_wallet, touch = philox(key, ((c0[r] + 1) % 2**64, place_id[r]))
            held = tokens(k, one, day)
            if held and (by_wallet < wallet_below[seller] or not flags[one] & 1):
                mode, token = WALLET, held[0]
            elif touch < stripe_below[seller]:
                mode = STRIPE
            elif touch < contactless_below[seller]:
                mode = CONTACTLESS
        return one, (paying or earlier)[-1], token, mode, wrong[one]

    for k in range(len(word)):
        lists = (row_first, len(ts_us)), (instrument_first, len(flags)), (token_first, len(token_from))
        if len(weight) < 20 or len(usual_below) < 5 or not all(covers(a, k, b) for a, b in lists):
            raise RowError(k, "OUT_OF_RANGE")
        mine = range(instrument_first[k], instrument_first[k + 1])
        if not all(card_first[j] <= card_first[j + 1] <= len(card_from) for j in mine):
            raise RowError(k, "OUT_OF_RANGE")
        walk = range(row_first[k], row_first[k + 1])
        if walk and all(card_first[j] == card_first[j + 1] for j in mine):
            raise RowError(k, "NO_CARD")
        for r in walk:
            for column, value in zip(rows, row(k, r, mine), strict=True):
                column[r] = value
    return (*rows, last_row)
