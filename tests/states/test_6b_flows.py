"""6B.S5 over every row of the tiny world: each arrival once, with what was valid then, told by queries."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import sim.world as cw
from sim.recipes.terms import entry
from sim.segments import SEGMENTS
from sim.segments.flows_6b.s5_flows.arrivals import flow_ids, walk_order
from sim.state.context import Context
from sim.state.declared import name_hashes
from sim.world.regenerate import context_of

STATE = next(p.state for segment in SEGMENTS for p in segment.programs if p.state.id == "6B.S5")
KEYS = ("flow_id", "party_id", "merchant_id", "arrival_seq")


@pytest.fixture(scope="module")
def world(demo_run: Path) -> cw.World:
    return cw.open(demo_run)


@pytest.fixture(scope="module")
def ctx(world: cw.World) -> Context:
    return context_of(world, STATE)


def count(world: cw.World, query: str) -> int:
    """The one number that a query answers."""
    ((found,),) = rows_of(world, query)
    return int(found or 0)


def rows_of(world: cw.World, query: str) -> list[tuple[Any, ...]]:
    """The rows that a query answers."""
    table = world.sql(query)
    return list(zip(*(column.to_pylist() for column in table.columns), strict=True))


def test_every_arrival_is_one_payment_of_its_payer(world: cw.World) -> None:
    arrivals = count(world, "select count(*) from arrival_events_5B")
    assert count(world, "select count(*) from flows_6B") == arrivals > 0
    assert count(world, "select count(distinct (scenario_id, flow_id)) from flows_6B") == arrivals
    same = """
        select count(*) from flows_6B f
        join flow_origin_6B o
          on (o.scenario_id, o.flow_id, o.party_id) = (f.scenario_id, f.flow_id, f.party_id)
        join arrival_entities_6B a
          on (a.scenario_id, a.merchant_id, a.arrival_seq) = (o.scenario_id, o.merchant_id, o.arrival_seq)
        where f.merchant_id = a.merchant_id and f.party_id = a.party_id and f.ts_utc = a.ts_utc
          and f.site_id is not distinct from a.site_id
          and f.terminal_id is not distinct from a.terminal_id and f.arrival_kind = a.arrival_kind
          and f.utc_offset_minutes = a.utc_offset_minutes
    """
    assert count(world, same) == arrivals


APPROVED = "f.response = 'APPROVED'"
DAY = "cast(f.ts_utc as date)"
VALID = {
    "card": f"""
        select count(*) from flows_6B f
        join s3_card_base_6A c on c.instrument_id = coalesce(f.last_instrument_id, f.instrument_id)
        where {APPROVED} and c.activation_date <= {DAY} and {DAY} <= last_day(c.expiry_month)
          and (c.closed_date is null or {DAY} < c.closed_date)
    """,
    "account": f"""
        select count(*) from flows_6B f
        join s3_instrument_base_6A i on i.instrument_id = coalesce(f.last_instrument_id, f.instrument_id)
        join s2_account_base_6A a on a.account_id = i.account_id
        where {APPROVED} and a.open_date <= {DAY} and a.owner_party_id = f.party_id
          and (a.close_date is null or {DAY} < a.close_date)
          and (a.frozen_date is null or {DAY} < a.frozen_date)
    """,
}


@pytest.mark.parametrize("what", VALID)
def test_what_pays_is_valid_on_the_day(world: cw.World, what: str) -> None:
    """A card has one row on any day, so as many rows as approved payments join."""
    approved = count(world, f"select count(*) from flows_6B f where {APPROVED}")
    found = count(
        world, VALID[what].replace("select count(*)", "select count(distinct (f.scenario_id, f.flow_id))")
    )
    assert found == approved > 0


def test_devices_are_the_payers_or_those_of_its_household_and_in_use(world: cw.World) -> None:
    some = count(world, "select count(*) from flows_6B where device_id is not null")
    held = f"""
        select count(*) from flows_6B f join s4_device_base_6A d using (device_id)
        join s1_party_base_6A p on p.party_id = f.party_id
        join s1_party_base_6A o on o.party_id = d.primary_party_id
        where (o.party_id = p.party_id or o.household_id = p.household_id)
          and d.first_seen <= {DAY} and (d.last_seen is null or {DAY} <= d.last_seen)
    """
    assert count(world, held) == some > 0
    borrowed = """
        select count(*) from flows_6B join s4_device_base_6A using (device_id)
        where primary_party_id <> party_id
    """
    own = """
        select count(*) from flows_6B f join s4_device_base_6A d using (device_id)
        where primary_party_id <> f.party_id and exists (
          select 1 from s4_device_base_6A e where e.primary_party_id = f.party_id
          and e.device_type in ('MOBILE', 'TABLET', 'LAPTOP', 'DESKTOP'))
    """
    assert count(world, borrowed) > 0 == count(world, own)


def test_addresses_are_linked_to_the_device_on_the_day(world: cw.World) -> None:
    some = count(world, "select count(*) from flows_6B where ip_id is not null")
    linked = f"""
        select count(*) from flows_6B f
        join s4_ip_links_6A l on l.ip_id = f.ip_id and l.device_id = f.device_id
        where l.valid_from <= {DAY} and (l.valid_to is null or {DAY} <= l.valid_to)
    """
    assert count(world, linked) == some > 0
    wallets = """
        select count(*) from flows_6B
        where entry_mode = 'WALLET' and ip_id is null and device_id is not null
    """
    assert (
        count(world, wallets) == count(world, "select count(*) from flows_6B where entry_mode = 'WALLET'") > 0
    )


def test_wallets_hold_the_card_on_the_day(world: cw.World) -> None:
    held = f"""
        select count(distinct (f.scenario_id, f.flow_id)) from flows_6B f
        join s4_wallet_tokens_6A t on t.device_id = f.device_id and t.instrument_id = f.instrument_id
        where f.entry_mode = 'WALLET' and t.provisioned_date <= {DAY}
          and (t.removed_date is null or {DAY} <= t.removed_date)
    """
    assert count(world, held) == count(world, "select count(*) from flows_6B where entry_mode = 'WALLET'")


def test_sessions_are_the_payments_online_of_a_device_without_long_rests(world: cw.World) -> None:
    told = """
        select count(*) from sessions_6B s join (
          select scenario_id, session_id, party_id, min(ts_utc) a, max(ts_utc) b, count(*) n,
                 count(distinct device_id) d, min(device_id) device
          from flows_6B where session_id is not null group by all
        ) f using (scenario_id, session_id, party_id)
        where s.started_utc = a and s.ended_utc = b and s.payments = n and d = 1 and s.device_id = device
    """
    sessions = count(world, "select count(*) from sessions_6B")
    assert count(world, told) == sessions > 0
    rests = """
        select count(*) from (
          select session_id = lag(session_id) over w as goes_on,
                 ts_utc - lag(ts_utc) over w <= interval 30 minute as near
          from flows_6B where channel = 'ECOMMERCE' and device_id is not null
          window w as (partition by scenario_id, party_id, device_id order by ts_utc, flow_id)
        ) where goes_on is distinct from near
    """
    assert count(world, rests) == 0


def test_a_life_is_in_order_and_gives_back_no_more_than_it_took(world: cw.World) -> None:
    wrong = """
        select count(*) from flows_6B where answered_utc <= ts_utc or cleared_utc <= answered_utc
          or reversed_utc <= answered_utc or refunded_utc <= cleared_utc or refunded_minor > cleared_minor
          or (response <> 'APPROVED' and (cleared_utc is not null or reversed_utc is not null))
          or (cleared_utc is not null and reversed_utc is not null)
          or (attempts = 1 and first_response <> response) or (attempts > 1 and first_response = 'APPROVED')
          or (last_instrument_id is not null and attempts = 1)
    """
    assert count(world, wrong) == 0
    assert count(world, "select count(*) from flows_6B where last_instrument_id is not null") > 0


def test_billing_is_the_amount_at_the_days_rate(world: cw.World, ctx: Context) -> None:
    """In plain whole numbers: amount x rate of the account / rate of the sale, half to even, then the fee."""
    rows = rows_of(
        world,
        """
        select amount_minor, billing_minor, a.per_usd_e9, a.minor_units, s.per_usd_e9, s.minor_units,
               b.account_type, f.currency = billing_currency
        from flows_6B f join s2_account_base_6A b using (account_id)
        join exchange_rates_6B a on a.currency = billing_currency and a.date = cast(f.ts_utc as date)
        join exchange_rates_6B s on s.currency = f.currency and s.date = cast(f.ts_utc as date)
    """,
    )
    law = ctx.params.price_law_6B.foreign_fee
    foreign = 0
    for amount, billed, to, decimals, own, places, kind, same in rows:
        if same:
            assert billed == amount
            continue
        foreign += 1
        fee = int(entry(law.accounts, kind, law.default))
        there, here = to * 10**decimals, own * 10**places
        value = half_even(amount * there, here)
        assert billed == max(value + half_even(value * fee, 1_000_000), 1)
    assert foreign > 100


def half_even(top: int, bottom: int) -> int:
    whole, rest = divmod(top, bottom)
    return whole + (2 * rest > bottom or (2 * rest == bottom and whole % 2 == 1))


def test_ids_say_nothing_and_can_be_undone(ctx: Context) -> None:
    rng = np.random.default_rng(1)
    merchant = rng.integers(0, 5000, 4000).astype(np.uint32)
    number = np.arange(1, 4001, dtype=np.uint32)
    found = flow_ids(ctx, "calm", merchant, number)
    assert len(np.unique(found)) == 4000 and found.min() >= 1 and found.max() <= 1 << 62
    assert abs(np.corrcoef(found.astype(np.float64), number)[0, 1]) < 0.06
    back = ctx.kernels.permuted_rank(
        key=ctx.permutation("flows.published"),
        inverse=1,
        tweak=np.full(4000, name_hashes(("calm",))[0], dtype=np.uint64),
        size=np.full(4000, 1 << 62, dtype=np.uint64),
        rank=found - np.uint64(1),
    )
    np.testing.assert_array_equal(back, (merchant.astype(np.uint64) << np.uint64(32)) | number)
    assert (flow_ids(ctx, "storm", merchant, number) != found).all()


def test_rows_of_one_instant_come_by_their_ids() -> None:
    place = np.array([1, 0, 1, 0, 1])
    ts = np.array([10, 7, 10, 9, 3], dtype=np.int64) + 1_700_000_000_000_000
    flow = np.array([5, 1, 2, 9, 8], dtype=np.uint64)
    assert walk_order(place, ts, flow).tolist() == [1, 3, 4, 2, 0]
    assert walk_order(place[:0], ts[:0], flow[:0]).tolist() == []
    # Too many bits for one word: three columns are sorted, with the same outcome.
    wide = place.astype(np.int64) << 40
    assert walk_order(wide, ts * np.array([1, 1, 1, 1, 3]), flow).tolist()[:2] == [1, 3]
