"""Tables of what parties hold: lists by party, places that name each other, and ranges of some parties."""

from __future__ import annotations

from typing import Any

import numpy as np

from sim.segments.flows_6b.s5_flows.holdings import (
    CardKinds,
    Holdings,
    card_tables,
    device_tables,
    of_parties,
    taken,
    together,
    token_table,
)
from sim.segments.flows_6b.s5_flows.rows import NEVER, NOBODY
from sim.state.frames import Frame

IDS = np.uint64
PARTIES = (11, 4)
# Two debit cards of different parties, a credit card, one that no party was ever sent, and a bank account.
OWNER = {101: 12, 102: 11, 103: 12, 104: 14, 105: 11}
ACCOUNT = {101: 52, 102: 51, 103: 54, 104: 53, 105: 51}
TYPE = {101: 0, 102: 0, 103: 2, 104: 0, 105: 7}
KINDS = CardKinds(*(np.array(codes, np.int16) for codes in ((0, 1, 2, 3), (0, 2), (2, 3))))


def column(values: Any, dtype: Any) -> np.ndarray[Any, Any]:
    return np.array(list(values), dtype)


def dates(*values: int | None) -> tuple[Any, Any]:
    return column((v or 0 for v in values), np.int32), column((v is not None for v in values), np.bool_)


def frame(nullable: dict[str, tuple[Any, Any]], **columns: Any) -> Frame:
    found = columns | {name: values for name, (values, _) in nullable.items()}
    return Frame(found, {name: mask for name, (_, mask) in nullable.items()})


def held() -> Holdings:
    accounts = frame(
        {"close_date": dates(None, 200, None, None), "frozen_date": dates(None, None, 150, None)},
        account_id=column((51, 52, 53, 54), IDS),
        owner_party_id=column((11, 12, 14, 12), IDS),
        account_type=np.zeros(4, np.int16),
        currency=np.zeros(4, np.int16),
        open_date=column((1, 2, 3, 4), np.int32),
    )
    instruments = frame(
        {},
        instrument_id=column(OWNER, IDS),
        account_id=column(ACCOUNT.values(), IDS),
        owner_party_id=column(OWNER.values(), IDS),
        instrument_type=column(TYPE.values(), np.int16),
        scheme=np.zeros(5, np.int16),
        issuer_id=column((7, 7, 8, 7, 9), IDS),
        domestic_only=column((True, False, False, False, False), np.bool_),
    )
    cards = frame(
        {"activation_date": dates(10, 12, 90, None, 30), "closed_date": dates(None, 95, None, None, None)},
        instrument_id=column((101, 102, 102, 103, 104), IDS),
        card_no=column((1, 1, 2, 1, 1), np.uint8),
        number_no=column((1, 1, 2, 1, 1), np.uint8),
        # February 1971 ends on day 423.
        expiry_month=column((396, 396, 396, 396, 396), np.int32),
    )
    account, instrument, card = card_tables(PARTIES, KINDS, accounts, instruments, cards)
    devices = frame(
        {
            "primary_party_id": (column((14, 11, 0, 11), IDS), column((1, 1, 0, 1), np.bool_)),
            "last_seen": dates(None, 77, None, None),
        },
        device_id=column((1, 2, 3, 4), IDS),
        device_type=column((0, 0, 8, 5), np.int16),
        first_seen=column((1, 2, 3, 4), np.int32),
    )
    links = frame(
        {"valid_to": dates(None, None, 60, None)},
        device_id=column((2, 1, 1, 3), IDS),
        ip_id=column((900, 900, 901, 901), IDS),
        valid_from=column((5, 8, 6, 7), np.int32),
    )
    ips = frame(
        {},
        ip_id=column((900, 901), IDS),
        ip_type=column((0, 1), np.int16),
        country_iso=column((4, 5), np.int16),
        metro_id=column((40, 50), np.uint32),
    )
    # Party 13 owns no device and uses that of 14, with whom it lives.
    lent = (column((13,), IDS), column((0,), np.int64))
    device, address = device_tables(PARTIES, column((0, 1), np.int16), lent, devices, links, ips)
    tokens = frame(
        {"removed_date": dates(None, 99)},
        device_id=column((1, 2), IDS),
        token_no=column((1, 1), np.uint16),
        instrument_id=column((104, 102), IDS),
        owner_party_id=column((14, 11), IDS),
        provisioned_date=column((35, 15), np.int32),
    )
    return Holdings(
        account, instrument, card, token_table(PARTIES, instrument, device, tokens), device, address
    )


def test_lists_follow_parties_and_leave_out_what_pays_nothing():
    found = held()
    assert found.instruments.instrument_no.tolist() == [102, 101, 103, 104]
    assert found.instruments.first.tolist() == [0, 1, 3, 3, 4]
    assert found.instruments.flags.tolist() == [1, 5, 3, 1]
    assert found.instruments.bank.tolist() == [7, 7, 8, 7]
    assert found.accounts.account_no[found.instruments.account].tolist() == [51, 52, 54, 53]
    assert found.accounts.frozen_day[found.instruments.account].tolist() == [NEVER, NEVER, NEVER, 150]


def test_cards_end_with_their_month_their_closing_or_their_account():
    """A card never activated pays nothing; its instrument stays, with an empty list."""
    found = held()
    assert found.cards.first.tolist() == [0, 2, 3, 3, 4]
    assert found.cards.first_day.tolist() == [12, 90, 10, 30]
    assert found.cards.last_day.tolist() == [94, 423, 199, 423]


def test_devices_keep_their_addresses_and_tokens_name_places():
    found = held()
    assert found.devices.first.tolist() == [0, 1, 1, 2, 3]
    assert found.devices.device_no.tolist() == [2, 1, 1]
    assert found.devices.last_day.tolist() == [77, NEVER, NEVER]
    assert found.addresses.first.tolist() == [0, 1, 3, 5]
    assert found.addresses.metro.tolist() == [40, 40, 50, 40, 50]
    assert found.addresses.last_day.tolist() == [NEVER, NEVER, 60, NEVER, 60]
    # A token is on its owner's list of devices, not on that of who borrows the device.
    assert found.tokens.device.tolist() == [0, 2]
    assert found.instruments.instrument_no[found.tokens.instrument].tolist() == [102, 104]
    assert found.tokens.last_day.tolist() == [99, NEVER]


def test_a_range_takes_whole_lists_of_its_parties_in_its_order():
    some = of_parties(held(), np.array([3, 2, 0]))
    assert some.instruments.instrument_no.tolist() == [104, 102]
    assert some.instruments.first.tolist() == [0, 1, 1, 2]
    assert some.accounts.account_no[some.instruments.account].tolist() == [53, 51]
    assert some.cards.first.tolist() == [0, 1, 3]
    assert some.instruments.instrument_no[some.tokens.instrument].tolist() == [104, 102]
    assert some.devices.device_no[some.tokens.device].tolist() == [1, 2]
    assert some.devices.device_no.tolist() == [1, 1, 2]
    assert some.addresses.first.tolist() == [0, 2, 4, 5]
    assert not (some.instruments.account == NOBODY).any()


def test_runs_of_parties_make_one_table():
    """Lists, and places that name each other, count through."""
    one, two = of_parties(held(), np.array([3, 2])), of_parties(held(), np.array([0, 1]))
    whole, both = of_parties(held(), np.array([3, 2, 0, 1])), together([one, two])
    for part in Holdings.__slots__:
        for name in type(getattr(whole, part)).__slots__:
            expected, found = getattr(getattr(whole, part), name), getattr(getattr(both, part), name)
            assert found.tolist() == expected.tolist(), (part, name)
            assert found.dtype == expected.dtype


def test_lists_of_nobody_are_empty():
    first, rows = taken(np.array([0, 2, 5], np.uint64), np.zeros(0, np.int64))
    assert first.tolist() == [0] and rows.tolist() == []
