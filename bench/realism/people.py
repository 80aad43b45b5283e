"""People, their cards and devices: targets of changes 2, 5, 6, 7 and 10."""

from __future__ import annotations

from collections.abc import Callable

from bench.realism.world import KM, Value, World

# --- change 2


def office_cities(w: World) -> Value:
    return w.figure("""with u as (select l.ip_id, p.home_city_id c from s4_ip_links l
          join s4_ip_base i using (ip_id) join s4_device_base d on d.device_id = l.device_id
          join s1_party_base p on p.party_id = d.primary_party_id
          where i.ip_type = 'CORPORATE' and l.link_role = 'TYPICAL_DEVICE_IP'),
        s as (select ip_id, count(distinct c) / count(*) share from u group by ip_id having count(*) >= 10)
        select median(share) from s""")


def users_latitude(w: World) -> Value:
    return w.figure(f"""with u as (select l.ip_id, p.home_lat_deg y from s4_ip_links l
          join s4_ip_base i using (ip_id) join s4_device_base d on d.device_id = l.device_id
          join s1_party_base p on p.party_id = d.primary_party_id
          where i.ip_type in ('CORPORATE', 'PUBLIC_WIFI', 'EDUCATION') and l.device_id is not null),
        s as (select stddev_pop(y) * {KM} km from u group by ip_id having count(*) >= 10)
        select median(km) from s""")


def abroad(w: World) -> Value:
    return w.figure("""select avg((i.country_iso <> d.home_country_iso)::int) from s4_ip_links l
        join s4_ip_base i using (ip_id) join s4_device_base d on d.device_id = l.device_id
        where l.device_id is not null""")


# --- change 5


def opened(w: World) -> str:
    """SQL of an account's opening as a date; model version 1 published days since 1970."""
    kind = w.figure("select typeof(open_date) from s2_account_base limit 1")
    return "open_date" if kind == "DATE" else "(date '1970-01-01' + open_date)"


def largest_day(w: World) -> Value:
    return w.figure(f"""with d as (select {opened(w)} d, count(*) n from s2_account_base group by all),
        o as (select n, row_number() over (order by d) k from d),
        r as (select n, avg(n) over (order by k rows between 7 preceding and 7 following) around from o)
        select max(n / around) from r where around >= 20""")


def young(w: World) -> Value:
    return w.figure(f"""with e as (select max(horizon_end_utc)::date d from scenario_manifest)
        select avg(({opened(w)} > (select d from e) - 90)::int) from s2_account_base""")


def phones_replaced(w: World) -> Value:
    """Phones replaced in a mean month, of those there are."""
    if not w.has("s4_device_base", "predecessor_device_id"):
        return None
    return w.figure(f"""select sum((predecessor_device_id is not null)::int)
        / sum((predecessor_device_id is null)::int) / {w.days} * 365.25 / 12
        from s4_device_base where device_type = 'MOBILE'""")


def outside_life(w: World) -> Value:
    """Links of devices to addresses that begin before their device or end after it."""
    if not w.has("s4_device_base", "first_seen"):
        return None
    return w.figure("""select count(*) from s4_ip_links l join s4_device_base d using (device_id)
        where l.valid_from < first_seen
        or coalesce(l.valid_to, date '9999-12-31') > coalesce(last_seen, date '9999-12-31')""")


# --- change 6


def share(table: str, role: str) -> Callable[[World], Value]:
    return lambda w: w.figure(f"select avg((fraud_role = '{role}')::int) * 1000 from {table}")


def mule_has_account(w: World) -> Value:
    return w.figure("""with m as (select distinct owner_party_id p from s2_account_base
          join s5_account_fraud_roles using (account_id) where fraud_role = 'MULE_ACCOUNT')
        select avg((party_id in (select p from m))::int) from s5_party_fraud_roles
        where fraud_role = 'MULE'""")


def account_has_mule(w: World) -> Value:
    return w.figure("""select avg((p.fraud_role in ('MULE', 'ORGANISER', 'SYNTHETIC_ID'))::int)
        from s5_account_fraud_roles a join s2_account_base b using (account_id)
        join s5_party_fraud_roles p on p.party_id = b.owner_party_id where a.fraud_role = 'MULE_ACCOUNT'""")


def shared_pairs(w: World) -> Value:
    return w.figure("""with m as (select party_id, ring_id from s5_party_fraud_roles
            where ring_id is not null),
        u as (select distinct ring_id, device_id, party_id from s4_device_links join m using (party_id)),
        p as (select ring_id, device_id, count(*) k from u group by all)
        select sum(k * (k - 1) / 2) / (select count(distinct ring_id) from m) from p""")


# --- change 7


WALLETS = """(select d.os_family, t.wallet from s4_wallet_tokens t join s4_device_base d using (device_id))"""
"""Wallet of each token and system of its device; model version 1 linked instruments to devices."""
WALLETS_1 = """(select d.os_family, i.scheme wallet from s4_device_links l
    join s3_instrument_base i using (instrument_id) join s4_device_base d on d.device_id = l.device_id
    where l.link_role = 'INSTRUMENT_WALLET')"""


def impossible(w: World) -> Value:
    held = WALLETS if w.has("s4_wallet_tokens") else WALLETS_1
    return w.figure(f"""select count(*) from {held}
        where (wallet = 'APPLE_PAY' and os_family not in ('IOS', 'MACOS'))
            or (wallet = 'GOOGLE_PAY' and os_family <> 'ANDROID')""")


def tokens_on_device(w: World) -> Value:
    if w.has("s4_wallet_tokens"):
        return w.figure("""select avg((d.device_id is not null)::int) from s4_wallet_tokens t
            left join s4_device_base d
              on d.device_id = t.device_id and d.primary_party_id = t.owner_party_id""")
    return w.figure("""with l as (select distinct instrument_id from s4_device_links
            where link_role = 'INSTRUMENT_WALLET')
        select avg((instrument_id in (select instrument_id from l))::int) from s3_instrument_base
        where instrument_type::varchar like 'WALLET%'""")


def ios(w: World, which: str) -> Value:
    return w.figure(f"""with c as (select home_country_iso c, avg((os_family = 'IOS')::int) s, count(*) n
          from s4_device_base where device_type = 'MOBILE' group by all having count(*) >= 1000)
        select {which}(s) from c""")


# --- change 10


def runs(w: World, table: str, key: str, column: str, within: str) -> Value:
    """Share of neighbours by id that are the same, over what chance gives within a country."""
    return w.figure(f"""with t as (select {within} c, {column} v,
            lag({column}) over (partition by {within} order by {key}) b
            from {table}),
        s as (select c, avg((v = b)::int) same, count(*) n from t where b is not null group by c),
        e as (select c, sum(p * p) expected
            from (select c, v, count(*) / sum(count(*)) over (partition by c) p
            from t group by c, v) group by c)
        select sum(same * n) / sum(expected * n) from s join e using (c)""")
