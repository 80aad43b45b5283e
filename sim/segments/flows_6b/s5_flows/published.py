"""What the passes found as rows of `flows_6B`, `sessions_6B` and `flow_origin_6B`."""

from __future__ import annotations

import numpy as np

from sim.segments.flows_6b.s5_flows.arrivals import by_word
from sim.segments.flows_6b.s5_flows.issuer import Answers
from sim.segments.flows_6b.s5_flows.prices import Prices, PriceTables
from sim.segments.flows_6b.s5_flows.rows import (
    NOBODY,
    CardChoice,
    DeviceChoice,
    Merchants,
    People,
    Rows,
)
from sim.segments.flows_6b.s5_flows.settlement import Settlement
from sim.state.frames import Array, Frame


def flow_frame(
    rows: Rows,
    merchants: Merchants,
    people: People,
    cards: CardChoice,
    devices: DeviceChoice,
    shops: PriceTables,
    prices: Prices,
    answers: Answers,
    settled: Settlement,
) -> Frame:
    """Rows of `flows_6B` in the order of the walk."""
    account = people.instruments.account[cards.instrument]
    other = answers.instrument != cards.instrument
    device, has_device = _held(people.devices.device_no, devices.device)
    ip, has_ip = _held(people.addresses.ip_no, devices.address)
    session, in_session = _held(rows.flow_id, devices.session)
    columns: dict[str, Array] = {
        "flow_id": rows.flow_id,
        "party_id": people.party_no[rows.party],
        "ts_utc": rows.ts_us,
        "utc_offset_minutes": rows.offset_minutes,
        "merchant_id": merchants.merchant_id[rows.merchant],
        "site_id": rows.site_id,
        "terminal_id": rows.terminal_id,
        "country_iso": rows.country,
        "mcc": merchants.mcc[rows.merchant],
        "arrival_kind": rows.kind,
        "channel": cards.channel,
        "entry_mode": cards.entry_mode,
        "instrument_id": people.instruments.instrument_no[cards.instrument],
        "card_no": people.cards.card_no[cards.card],
        "account_id": people.accounts.account_no[account],
        "device_id": device,
        "ip_id": ip,
        "session_id": session,
        "amount_minor": prices.amount,
        "currency": shops.columns["currency"][prices.shop].astype(np.int16),
        "billing_minor": prices.billing,
        "billing_currency": people.accounts.currency[account],
        "step_up": answers.step_up,
        "answered_utc": answers.answered_us,
        "attempts": answers.attempts,
        "first_response": answers.first_response,
        "response": answers.response,
        "last_instrument_id": np.where(
            other, people.instruments.instrument_no[answers.instrument], np.uint64(0)
        ),
        "cleared_utc": settled.cleared_us,
        "cleared_minor": settled.cleared,
        "reversed_utc": settled.reversed_us,
        "refunded_utc": settled.refunded_us,
        "refunded_minor": settled.refunded,
    }
    return Frame(
        columns,
        {
            "site_id": rows.site != NOBODY,
            "terminal_id": rows.terminal_id != 0,
            "device_id": has_device,
            "ip_id": has_ip,
            "session_id": in_session,
            "last_instrument_id": other,
            "cleared_utc": settled.cleared_us != 0,
            "cleared_minor": settled.cleared_us != 0,
            "reversed_utc": settled.reversed_us != 0,
            "refunded_utc": settled.refunded_us != 0,
            "refunded_minor": settled.refunded_us != 0,
        },
    )


def _held(values: Array, places: Array) -> tuple[Array, Array]:
    """Values at places, 0 where there is none (uint64), and where there is one (bool)."""
    some = places != NOBODY
    found = np.zeros(len(places), dtype=np.uint64)
    found[some] = values[places[some]]
    return found, some


def session_frame(rows: Rows, people: People, devices: DeviceChoice) -> Frame:
    """Rows of `sessions_6B`: a session is called after its first payment, and they come in that order."""
    inside = np.flatnonzero(devices.session != NOBODY)
    session = devices.session[inside].astype(np.int64)
    payments = np.bincount(session, minlength=len(rows.ts_us))
    first = np.flatnonzero(payments)
    # Rows of a session keep their order, so each run ends with the last payment.
    order = np.argsort(session, kind="stable")
    last = inside[order][np.cumsum(payments[first]) - 1]
    return Frame(
        {
            "session_id": rows.flow_id[first],
            "party_id": people.party_no[rows.party[first]],
            "device_id": people.devices.device_no[devices.device[first]],
            "started_utc": rows.ts_us[first],
            "ended_utc": rows.ts_us[last],
            "payments": payments[first].astype(np.uint32),
        }
    )


def origin_frame(rows: Rows, merchants: Merchants, people: People) -> Frame:
    """Rows of `flow_origin_6B`, by party and flow: their order tells nothing of time."""
    order = by_flow(rows)
    return Frame(
        {
            "flow_id": rows.flow_id[order],
            "party_id": people.party_no[rows.party[order]],
            "merchant_id": merchants.merchant_id[rows.merchant[order]],
            "arrival_seq": rows.arrival_seq[order],
        }
    )


def by_flow(rows: Rows) -> Array:
    """Order of rows by party and flow: int64."""
    bits = np.uint64(max(int(rows.party.max(initial=0)).bit_length(), 1))
    high = rows.party.astype(np.uint64) << (np.uint64(64) - bits)
    return by_word(high | (rows.flow_id >> (bits - np.uint64(1))), rows.flow_id, rows.party)
