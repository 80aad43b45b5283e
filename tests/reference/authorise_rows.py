"""What issuers answer to each purchase of a party, try by try."""

from itertools import pairwise

from tests.reference._errors import RowError

MOST = 2**50
APPROVED, NO_FUNDS, LIMIT, WRONG_PIN, PIN_TRIES, RESTRICTED = 0, 1, 3, 4, 6, 8
SUSPECTED, UNREACHED, PIN_REQUIRED = 10, 12, 13
CASH, TAP, PIN, CONFIRMS = 1, 2, 4, 8


class Account:
    """A balance, how far below nought it may go, and what is still to move it."""

    def __init__(self, opening, credit, moves, begin):
        self.balance, self.credit, self.moves, self.at = opening, credit, moves, begin

    def wake(self, day):
        while self.moves and self.moves[0][0] <= day:
            _, move, statement = self.moves.pop(0)
            self.at += 1
            if not statement:
                self.balance += move
            elif self.balance < 0:
                self.balance += -self.balance // 1000 * move


class Card:
    """What an issuer keeps of a card from purchase to purchase."""

    def __init__(self, account, limits):
        self.account, (self.day_most, self.cash_most, self.taps_most) = account, limits
        self.day, self.spent, self.cash, self.held_us, self.wrong, self.taps = -1, 0, 0, 0, 0, 0

    def asked(self, row, met, fault, tap, pin, hold_us, block_us):
        """The answer to one try; an approved one is booked."""
        if self.day != row["day"]:
            self.day, self.spent, self.cash = row["day"], 0, 0
        amount, way, account = row["amount"], row["way"], self.account
        if met == UNREACHED:
            return met
        if self.held_us > row["ts_us"]:
            return RESTRICTED
        if fault:
            return fault
        if met == WRONG_PIN:
            self.wrong += 1
            if self.wrong < 3:
                return met
            self.wrong, self.held_us = 0, row["ts_us"] + block_us
            return PIN_TRIES
        if met:
            if met == SUSPECTED and not way & CONFIRMS:
                self.held_us = row["ts_us"] + hold_us
            return met
        if tap and self.taps >= self.taps_most:
            return PIN_REQUIRED
        if self.spent + amount > self.day_most or (way & CASH and self.cash + amount > self.cash_most):
            return LIMIT
        if account.balance + account.credit < amount:
            return NO_FUNDS
        account.balance -= amount
        self.spent += amount
        self.cash += amount if way & CASH else 0
        if tap:
            self.taps += 1
        elif pin:
            self.taps = self.wrong = 0
        return APPROVED


def ends(party, first, total):
    """Places of a party in a list of first places."""
    begin, end = first[party], first[party + 1]
    outside = (party == 0 and begin != 0) or (party + 2 == len(first) and end != total)
    if outside or not begin <= end <= total:
        raise RowError(party, "BAD_OFFSET")
    return range(begin, end)


def purchase(row, cards, hold_us, block_us):
    """Answers to all tries, the card of the last, and what its account had."""
    answers, left = [], row["tries"]
    tap, pin = bool(row["way"] & TAP), bool(row["way"] & PIN)
    while True:
        k = len(answers)
        used = row["other"] if row["with_other"] >> k & 1 else row["card"]
        card = cards[used]
        card.account.wake(row["day"])
        funds = card.account.balance + card.account.credit
        met, fault = row["trouble"] >> 8 * k & 255, row["fault"] if used == row["card"] else 0
        found = card.asked(row, met, fault, tap, pin, hold_us, block_us)
        answers.append(found)
        if found == PIN_REQUIRED:
            tap, pin, left = False, True, left + 1
        if found == APPROVED or len(answers) > min(left, 3):
            return answers, used, funds


def authorise_rows(
    row_first, card_first, account_first, move_first, move_day, move, statement, opening, credit, account,
    day_most, cash_most, taps_most, ts_us, day, amount, card, other, fault, trouble, tries, with_other, way,
    hold_us, block_us,
):  # fmt: skip
    columns = {
        "ts_us": ts_us, "day": day, "amount": amount, "card": card, "other": other, "fault": fault,
        "trouble": trouble, "tries": tries, "with_other": with_other, "way": way,
    }  # fmt: skip
    found, accounts, cards = [], {}, {}
    for p in range(len(row_first) - 1):
        own = ends(p, row_first, len(ts_us))
        held = ends(p, card_first, len(account))
        mine = ends(p, account_first, len(opening))
        for a in mine:
            try:
                places = ends(a, move_first, len(move))
            except RowError as error:
                raise RowError(p, "BAD_OFFSET") from error
            moves = [(move_day[v], move[v], statement[v] != 0) for v in places]
            low = [0 if share else -MOST for *_, share in moves]
            high = [1000 if share else MOST for *_, share in moves]
            right = all(x <= m[1] <= y for x, m, y in zip(low, moves, high, strict=True))
            if not (right and -MOST <= opening[a] <= MOST and 0 <= credit[a] <= MOST):
                raise RowError(p, "VALUE_OUT_OF_RANGE")
            if any(later[0] < sooner[0] for sooner, later in pairwise(moves)):
                raise RowError(p, "DAY_FALLS")
            accounts[a] = Account(opening[a], credit[a], moves, places.start)
        if any(account[i] not in mine for i in held):
            raise RowError(p, "PLACE_OUT_OF_RANGE")
        for r in own:
            if card[r] not in held or other[r] not in held:
                raise RowError(p, "PLACE_OUT_OF_RANGE")
            if not (0 <= amount[r] <= MOST and tries[r] <= 3):
                raise RowError(p, "VALUE_OUT_OF_RANGE")
            if r > own.start and day[r] < day[r - 1]:
                raise RowError(p, "DAY_FALLS")
        for i in held:
            cards[i] = Card(accounts[account[i]], (day_most[i], cash_most[i], taps_most[i]))
        for r in own:
            row = {name: column[r] for name, column in columns.items()}
            answers, used, funds = purchase(row, cards, hold_us, block_us)
            said = sum(answer << 8 * k for k, answer in enumerate(answers))
            found.append((answers[-1], said, len(answers), used, funds))
    rows = [list(column) for column in zip(*found, strict=True)] if found else [[]] * 5
    ledger = [accounts[a] for a in range(len(opening))]
    kept = [cards[i] for i in range(len(account))]
    return (
        *rows,
        [x.balance for x in ledger], [x.at for x in ledger], [x.day + 1 for x in kept],
        [x.spent for x in kept], [x.cash for x in kept], [x.held_us for x in kept],
        [x.wrong for x in kept], [x.taps for x in kept],
    )  # fmt: skip
