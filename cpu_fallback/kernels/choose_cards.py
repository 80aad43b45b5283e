# contract: choose_cards - one iteration a party; sums of weights are below 2**32 times its instruments.
# twin: gpu_kernels/kernels/choose_cards.cu
from cpu_fallback.device import device, f64, i16, i64, kernel, length, report, rows, u8, u32, u64
from cpu_fallback.errors import errors_of
from cpu_fallback.philox import mulhi64, philox2x64

ERRORS = errors_of("choose_cards")


@device
def covers(first, k, parties, table):
    """Whether the list of party k begins where the one before ends, and ends inside its table."""
    begin, end = first[k], first[k + u64(1)]
    return (
        begin <= end
        and end <= table
        and (k > u64(0) or begin == u64(0))
        and (k + u64(1) < parties or end == table)
    )


@device
def card_on(day, begin, end, card_from, card_to):
    """Newest card of an instrument that pays on the day, or `end`."""
    at = end
    while at > begin:
        at -= u64(1)
        if i64(card_from[at]) <= day and day <= i64(card_to[at]):
            return at
    return end


@device
def card_before(day, begin, end, card_from):
    """Newest card that paid before the day, or the first one."""
    at = end - u64(1)
    while at > begin and i64(card_from[at]) > day:
        at -= u64(1)
    return at


@device
def token_on(day, one, begin, end, token_instrument, token_from, token_to):
    """First wallet token of the instrument that is there on the day, or `end`."""
    for at in range(begin, end):
        if u64(token_instrument[at]) == one and i64(token_from[at]) <= day and day <= i64(token_to[at]):
            return at
    return end


@device
def reachable(a, b, ts_us, site, x, y, z, radians_per_us):
    """Whether a card that was at row a can be at the later row b: half their chord and a sine's series."""
    p, q = u64(site[a]), u64(site[b])
    dx, dy, dz = x[p] - x[q], y[p] - y[q], z[p] - z[q]
    half = (dx * dx + dy * dy + dz * dz) * 0.25
    angle = radians_per_us * f64(ts_us[b] - ts_us[a])
    if angle >= 1.5707963267948966:
        return True
    t = angle * angle
    s = (((1.0 / 362880.0) * t - 1.0 / 5040.0) * t + 1.0 / 120.0) * t - 1.0 / 6.0
    reach = angle + angle * t * s
    return half <= reach * reach


@device
def may_be(one, r, last_row, ts_us, site, x, y, z, radians_per_us):
    """Whether the instrument can have got to row r from where it was last."""
    before = u64(last_row[one])
    return before == u64(0xFFFFFFFF) or reachable(before, r, ts_us, site, x, y, z, radians_per_us)


@device
def fault_of(
    j, day, how, abroad, flags, frozen_day, card_first, card_from, card_to, t_first, t_end, token_instrument,
    token_from, token_to, weight,
):  # fmt: skip
    """What an issuer would hold against the instrument: 0 nothing, 255 it never had a card."""
    begin, stop = card_first[j], card_first[j + u64(1)]
    if begin == stop:
        return u64(255)
    kind = u64(flags[j])
    wrong = u64(0)
    if day >= i64(frozen_day[j]):
        wrong |= u64(1)
    if abroad and kind & u64(4) != u64(0):
        wrong |= u64(2)
    if weight[how * u64(4) + (kind & u64(3))] == u64(0) or (
        how == u64(0)
        and kind & u64(1) == u64(0)
        and token_on(day, j, t_first, t_end, token_instrument, token_from, token_to) == t_end
    ):
        wrong |= u64(4)
    if card_on(day, begin, stop, card_from, card_to) == stop:
        wrong |= u64(8)
    return wrong


@kernel
def choose_cards(
    key, usual_key, radians_per_us, row_first, word, home, c0, place_id, ts_us, merchant, channel, site,
    sale_country, merchant_word, x, y, z, instrument_first, flags, frozen_day, card_first, card_from, card_to,
    token_first, token_instrument, token_from, token_to, weight, usual_below, wallet_below, stripe_below,
    contactless_below, instrument, card, token, entry_mode, faults, last_row, error,
):  # fmt: skip
    none = u64(0xFFFFFFFF)
    always = u64(0xFFFFFFFFFFFFFFFF)
    cards, countries = length(card_from), length(wallet_below)
    parties = length(word)
    for k in rows(word):
        if (
            length(weight) < u64(20)
            or length(usual_below) < u64(5)
            or not covers(row_first, k, parties, length(ts_us))
            or not covers(instrument_first, k, parties, length(flags))
            or not covers(token_first, k, parties, length(token_from))
        ):
            report(error, k, ERRORS.OUT_OF_RANGE)
            continue
        first, end = instrument_first[k], instrument_first[k + u64(1)]
        t_first, t_end = token_first[k], token_first[k + u64(1)]
        fits, some = True, False
        for j in range(first, end):
            last_row[j] = u32(none)
            fits = fits and card_first[j] <= card_first[j + u64(1)] and card_first[j + u64(1)] <= cards
            some = some or card_first[j] < card_first[j + u64(1)]
        if not fits:
            report(error, k, ERRORS.OUT_OF_RANGE)
            continue
        if row_first[k] < row_first[k + u64(1)] and not some:
            report(error, k, ERRORS.NO_CARD)
            continue
        for r in range(row_first[k], row_first[k + u64(1)]):
            how, seller = u64(channel[r]), i16(sale_country[r])
            present = how == u64(0) or how == u64(4)
            if (
                ts_us[r] < i64(0)
                or how > u64(4)
                or u64(merchant[r]) >= length(merchant_word)
                or seller < i16(0)
                or u64(seller) >= countries
                or (u64(site[r]) != none and u64(site[r]) >= length(x))
            ):
                report(error, k, ERRORS.ROW_OUT_OF_RANGE)
                break
            day = ts_us[r] // i64(86_400_000_000)
            here = present and u64(site[r]) != none
            # What is wrong with each instrument here today; 255 where it never had a card.
            all_weight, good_weight = u64(0), u64(0)
            best, least = first, u64(256)
            usual_x, _ = philox2x64(merchant_word[merchant[r]], word[k], usual_key)
            coin, other_x = philox2x64(c0[r], place_id[r], key)
            for j in range(first, end):
                wrong = fault_of(
                    j, day, how, seller != home[k], flags, frozen_day, card_first, card_from, card_to,
                    t_first, t_end, token_instrument, token_from, token_to, weight,
                )  # fmt: skip
                w = u64(weight[how * u64(4) + (u64(flags[j]) & u64(3))])
                all_weight += w
                if wrong == u64(0):
                    good_weight += w
                if wrong < least:
                    best, least = j, wrong
            one = best
            if good_weight > u64(0):
                usual_left = mulhi64(usual_x, all_weight)
                other_left = mulhi64(other_x, good_weight)
                usual, other = none, none
                usual_is_good = False
                for j in range(first, end):
                    w = u64(weight[how * u64(4) + (u64(flags[j]) & u64(3))])
                    if w == u64(0):
                        continue
                    good = u64(0) == fault_of(
                        j, day, how, seller != home[k], flags, frozen_day, card_first, card_from, card_to,
                        t_first, t_end, token_instrument, token_from, token_to, weight,
                    )  # fmt: skip
                    if usual == none:
                        if usual_left < w:
                            usual, usual_is_good = j, good
                        else:
                            usual_left -= w
                    if good and other == none:
                        if other_left < w:
                            other = j
                        else:
                            other_left -= w
                stays = coin < usual_below[how] or usual_below[how] == always
                one = usual if usual_is_good and stays else other
                least = u64(0)
                if here and not may_be(one, r, last_row, ts_us, site, x, y, z, radians_per_us):
                    for j in range(first, end):
                        if (
                            u64(weight[how * u64(4) + (u64(flags[j]) & u64(3))]) > u64(0)
                            and may_be(j, r, last_row, ts_us, site, x, y, z, radians_per_us)
                            and u64(0) == fault_of(
                                j, day, how, seller != home[k], flags, frozen_day, card_first, card_from,
                                card_to, t_first, t_end, token_instrument, token_from, token_to, weight,
                            )
                        ):  # fmt: skip
                            one = j
                            break
            if here:
                last_row[one] = u32(r)
            begin, stop = card_first[one], card_first[one + u64(1)]
            at = card_on(day, begin, stop, card_from, card_to)
            if at == stop:
                at = card_before(day, begin, stop, card_from)
            mode, held = u64(0), none
            if how == u64(0):
                wallet_x, touch_x = philox2x64(c0[r] + u64(1), place_id[r], key)
                found = token_on(day, one, t_first, t_end, token_instrument, token_from, token_to)
                physical = u64(flags[one]) & u64(1) == u64(1)
                if found < t_end and (wallet_x < wallet_below[seller] or not physical):
                    mode, held = u64(2), found
                elif touch_x < stripe_below[seller]:
                    mode = u64(3)
                elif touch_x < contactless_below[seller]:
                    mode = u64(1)
            elif how < u64(4):
                mode = how + u64(3)
            instrument[r], card[r], token[r] = u32(one), u32(at), u32(held)
            entry_mode[r], faults[r] = u8(mode), u8(least)
