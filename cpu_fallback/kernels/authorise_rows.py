# contract: authorise_rows - one iteration a party; outputs of accounts and cards are the state of the walk.
# twin: gpu_kernels/kernels/authorise_rows.cu
from cpu_fallback.device import i64, kernel, length, report, u8, u32, u64
from cpu_fallback.errors import errors_of

ERRORS = errors_of("authorise_rows")

MOST = 1 << 50
NO_FUNDS, LIMIT, WRONG_PIN, PIN_TRIES, RESTRICTED = 1, 3, 4, 6, 8
SUSPECTED, UNREACHED, PIN_REQUIRED = 10, 12, 13
CASH, TAP, PIN, CONFIRMS = 1, 2, 4, 8


@kernel
def authorise_rows(
    row_first, card_first, account_first, move_first, move_day, move, statement, opening, credit, account,
    day_most, cash_most, taps_most, ts_us, day, amount, card, other, fault, trouble, tries, with_other, way,
    hold_us, block_us, answer, answers, attempts, paid_by, room, closing, moved, last_day, spent, cash,
    held_us, wrong, taps, error,
):  # fmt: skip
    parties = length(row_first) - u64(1)
    most = i64(MOST)
    for p in range(parties):
        begin, end = row_first[p], row_first[p + u64(1)]
        i0, i1 = card_first[p], card_first[p + u64(1)]
        a0, a1 = account_first[p], account_first[p + u64(1)]
        if (
            end < begin or end > length(answer)
            or i1 < i0 or i1 > length(spent)
            or a1 < a0 or a1 > length(closing)
            or (p == u64(0) and (begin != u64(0) or i0 != u64(0) or a0 != u64(0)))
            or (
                p + u64(1) == parties
                and (end != length(answer) or i1 != length(spent) or a1 != length(closing))
            )
        ):  # fmt: skip
            report(error, p, ERRORS.BAD_OFFSET)
            continue
        bad = u64(0)
        for a in range(a0, a1):
            v0, v1 = move_first[a], move_first[a + u64(1)]
            closing[a], moved[a] = opening[a], v0
            if v1 < v0 or v1 > length(move) or (a == u64(0) and v0 != u64(0)):
                bad = ERRORS.BAD_OFFSET
                break
            if a + u64(1) == length(closing) and v1 != length(move):
                bad = ERRORS.BAD_OFFSET
                break
            if opening[a] < -most or opening[a] > most or credit[a] < i64(0) or credit[a] > most:
                bad = ERRORS.VALUE_OUT_OF_RANGE
                break
            for v in range(v0, v1):
                share = statement[v] != u8(0)
                if move[v] < (i64(0) if share else -most) or move[v] > (i64(1000) if share else most):
                    bad = ERRORS.VALUE_OUT_OF_RANGE
                elif v > v0 and move_day[v] < move_day[v - u64(1)]:
                    bad = ERRORS.DAY_FALLS
            if bad != u64(0):
                break
        if bad != u64(0):
            report(error, p, bad)
            continue
        for i in range(i0, i1):
            last_day[i], spent[i], cash[i] = u32(0), i64(0), i64(0)
            held_us[i], wrong[i], taps[i] = i64(0), u8(0), u8(0)
            if u64(account[i]) < a0 or u64(account[i]) >= a1:
                bad = ERRORS.PLACE_OUT_OF_RANGE
        for r in range(begin, end):
            own, spare = u64(card[r]), u64(other[r])
            if own < i0 or own >= i1 or spare < i0 or spare >= i1:
                bad = ERRORS.PLACE_OUT_OF_RANGE
            elif amount[r] < i64(0) or amount[r] > most or tries[r] > u8(3):
                bad = ERRORS.VALUE_OUT_OF_RANGE
            elif r > begin and day[r] < day[r - u64(1)]:
                bad = ERRORS.DAY_FALLS
            if bad != u64(0):
                break
        if bad != u64(0):
            report(error, p, bad)
            continue
        for r in range(begin, end):
            said, k, left = u64(0), u64(0), u64(tries[r])
            pin = (way[r] & u8(PIN)) != u8(0)
            tap = (way[r] & u8(TAP)) != u8(0)
            while True:
                i = u64(other[r]) if ((u64(with_other[r]) >> k) & u64(1)) != u64(0) else u64(card[r])
                a = u64(account[i])
                if last_day[i] != day[r] + u32(1):
                    last_day[i], spent[i], cash[i] = day[r] + u32(1), i64(0), i64(0)
                v = moved[a]
                while v < move_first[a + u64(1)] and move_day[v] <= day[r]:
                    if statement[v] == u8(0):
                        closing[a] += move[v]
                    elif closing[a] < i64(0):
                        debt = u64(-closing[a])
                        closing[a] += i64(debt // u64(1000) * u64(move[v]))
                    v += u64(1)
                moved[a] = v
                funds = closing[a] + credit[a]
                met = (u64(trouble[r]) >> (u64(8) * k)) & u64(255)
                found = u64(0)
                if met == u64(UNREACHED):
                    found = met
                elif held_us[i] > ts_us[r]:
                    found = u64(RESTRICTED)
                elif fault[r] != u8(0) and i == u64(card[r]):
                    found = u64(fault[r])
                elif met == u64(WRONG_PIN):
                    wrong[i] = u8(u64(wrong[i]) + u64(1))
                    found = met
                    if wrong[i] >= u8(3):
                        found, wrong[i] = u64(PIN_TRIES), u8(0)
                        held_us[i] = ts_us[r] + i64(block_us)
                elif met != u64(0):
                    found = met
                    if met == u64(SUSPECTED) and (way[r] & u8(CONFIRMS)) == u8(0):
                        held_us[i] = ts_us[r] + i64(hold_us)
                elif tap and taps[i] >= taps_most[i]:
                    found = u64(PIN_REQUIRED)
                elif amount[r] > day_most[i] - spent[i] or (
                    (way[r] & u8(CASH)) != u8(0) and amount[r] > cash_most[i] - cash[i]
                ):
                    found = u64(LIMIT)
                elif amount[r] > funds:
                    found = u64(NO_FUNDS)
                else:
                    closing[a] -= amount[r]
                    spent[i] += amount[r]
                    if (way[r] & u8(CASH)) != u8(0):
                        cash[i] += amount[r]
                    if tap:
                        taps[i] = u8(u64(taps[i]) + u64(1))
                    elif pin:
                        taps[i], wrong[i] = u8(0), u8(0)
                said |= found << (u64(8) * k)
                k += u64(1)
                if found == u64(PIN_REQUIRED):
                    # The same purchase goes on with chip and PIN, which is no try of the holder's own.
                    tap, pin = False, True
                    left = left + u64(1)
                if found == u64(0) or k > left or k > u64(3):
                    answer[r], answers[r], attempts[r] = u8(found), u32(said), u8(k)
                    paid_by[r], room[r] = u32(i), funds
                    break
