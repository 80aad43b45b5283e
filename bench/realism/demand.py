"""Merchants, where and when they sell: targets of changes 1, 3, 4 and 8."""

from __future__ import annotations

from bench.realism.world import KM, Value, World

# World Bank country groups, gross national income a head relative to high income, rounded.
INCOME = """case income_group when 'HIGH' then 1.0 when 'UPPER_MIDDLE' then .225 when 'LOWER_MIDDLE' then .05
    else .015 end"""

# --- change 1


def near(w: World, quantile: float) -> Value:
    neighbours(w)
    return w.figure(f"""with c as (select merchants, sum(people) over (order by merchants) s,
            sum(people) over () n from near_home)
        select min(merchants) from c where s >= {quantile} * n""")


def neighbours(w: World) -> None:
    """Merchants with a till within 20 km, and a grocer within 10 km, of every home (rounded to 1 km)."""
    if "near_home" in w.tables:
        return
    w.db.execute("""create temp table home as select round(home_lat_deg * 100)::int y,
        round(home_lon_deg * 100)::int x,
        count(*) people from s1_party_base where party_type = 'RETAIL' group by all""")
    w.db.execute("""create temp table till as select s.merchant_id, m.mcc, lat_deg, lon_deg
        from site_locations s join merchant_catalogue m using (merchant_id)
        where m.channel <> 'card_not_present'""")
    w.db.execute(f"""create temp table pair as with h as (select y, x, y / 100.0 lat, x / 100.0 lon,
            floor(y / 25.0)::int cy, floor(x / 25.0)::int cx from home),
        k as (select *, floor(lat_deg * 4)::int cy, floor(lon_deg * 4)::int cx from till),
        o as (select i.range dy, j.range dx from range(-1, 2) i, range(-4, 5) j)
        select h.y, h.x, merchant_id, mcc,
            sqrt(pow((lat_deg - lat) * {KM}, 2) + pow((lon_deg - lon) * {KM} * cos(radians(lat)), 2)) km
        from h, o join k on k.cy = h.cy + o.dy and k.cx = h.cx + o.dx
        where abs(lat_deg - lat) < 0.19 and km < 20""")
    w.db.execute("""create temp table near_home as select home.y, home.x, any_value(people) people,
        count(distinct merchant_id) merchants, coalesce(bool_or(mcc = 5411 and km < 10), false) grocer
        from home left join pair using (y, x) group by home.y, home.x""")
    w.tables["near_home"] = []


def grocer(w: World) -> Value:
    neighbours(w)
    return w.figure("select sum(people) filter (grocer) / sum(people) from near_home")


def market(w: World, which: str) -> Value:
    return w.figure(f"""with a as (select legal_country_iso c, sum(arrivals) n from s4_arrival_summary
            group by all),
        m as (select country_iso c, population * {INCOME} w from ref_countries
              where country_iso in (select distinct home_country_iso from merchant_catalogue)),
        r as (select (n / sum(n) over ()) / (w / sum(w) over ()) ratio from a join m using (c))
        select {which}(ratio) from r""")


def chained(w: World) -> Value:
    return w.figure("""with o as (select merchant_id, count(*) n from outlet_catalogue group by all)
        select sum(n) filter (n > 1) / sum(n) from o""")


def top(w: World) -> Value:
    return w.figure("""with m as (select merchant_id, sum(arrivals) n from s3_count_summary group by all),
        r as (select n, row_number() over (order by n desc) k, count(*) over () all_ from m)
        select sum(n) filter (k <= greatest(1, all_ // 100)) / sum(n) from r""")


def card_month(w: World) -> Value:
    alive = (
        " and coalesce(card_status, '') <> 'REPLACED'" if w.has("s3_instrument_base", "card_status") else ""
    )
    cards = w.figure(f"""select count(*) from s3_instrument_base
        where instrument_type::varchar like '%CARD_%'{alive}""")
    arrivals = w.figure("select sum(arrivals) from s3_count_summary")
    return float(arrivals) / float(cards) / (w.days / 30.4)  # type: ignore[arg-type]


def least_country(w: World) -> Value:
    return w.figure(f"""select min(n) from (select sum(arrivals) * 7 / {w.days} n from s4_arrival_summary
        group by legal_country_iso)""")


# --- changes 3 and 4


def hours(w: World) -> None:
    if "hours" in w.tables:
        return
    w.db.execute("""create temp table hours as select merchant_id, is_virtual, legal_country_iso c,
        hour(ts_utc + to_minutes(utc_offset_minutes::int)) h,
        isodow(ts_utc + to_minutes(utc_offset_minutes::int)) d, count(*) n
        from arrival_events group by all""")
    w.tables["hours"] = []


def clock_spread(w: World) -> Value:
    hours(w)
    return w.figure("""with k as (select merchant_id, mode(demand_class) class from merchant_zone_profile
            where channel_group <> 'card_not_present' group by merchant_id),
        m as (select merchant_id, class, sum(n * (h + .5)) / sum(n) mean, sum(n) n
            from hours join k using (merchant_id)
            where not is_virtual group by all having sum(n) >= 200),
        s as (select class, stddev_samp(mean) sd, count(*) k from m group by class having count(*) >= 20)
        select sum(sd * k) / sum(k) from s""")


def night(w: World) -> Value:
    hours(w)
    return w.figure("""select coalesce(sum(n) filter (h >= 22 or h < 6), 0) / sum(n) from hours
        join merchant_catalogue using (merchant_id) where mcc in (7230, 8011, 8021) and not is_virtual""")


def closed_weekday(w: World, countries: str = "true") -> Value:
    hours(w)
    return w.figure(f"""with m as (select merchant_id, count(distinct d) open_days, sum(n) n from hours
          where not is_virtual and c in (select country_iso from ref_countries where {countries})
          group by all)
        select avg((open_days < 7)::int) from m where n >= 50 * {w.days} / 7""")


def sunday(w: World) -> Value:
    hours(w)
    return w.figure("""select sum(n) filter (d = 7) / sum(n)
        from hours join merchant_catalogue using (merchant_id)
        where c = 'DE' and not is_virtual and mcc between 5200 and 5999
            and mcc not in (5541, 5542, 5811, 5812, 5813, 5814, 5912)""")


# --- change 8


def daily(w: World) -> None:
    """Log of a country's day over the mean of its weekday; feasts stay in."""
    if "daily" in w.tables:
        return
    w.db.execute("""create temp table by_day as select legal_country_iso c, utc_day d, sum(arrivals)::double n
        from s4_arrival_summary group by all""")
    w.db.execute("""create temp table daily as select *, ln(n / avg(n) over (partition by c, d % 7)) r
        from by_day where c in (select c from by_day group by c having avg(n) > 5000)""")
    w.tables["daily"] = []


def national(w: World) -> Value:
    daily(w)
    return w.figure("select median(sd) from (select 1.4826 * mad(r) sd from daily group by c)")


def between(w: World) -> Value:
    daily(w)
    return w.figure("""select avg(k) from (select corr(a.r, b.r) k
        from daily a join daily b on a.d = b.d and a.c < b.c
        group by a.c, b.c)""")


def merchant_cv(w: World, low: int, high: int) -> Value:
    return w.figure(f"""with m as (select merchant_id, utc_day d, sum(arrivals)::double n
            from s3_count_summary group by all),
        k as (select merchant_id, avg(n) over (partition by merchant_id) mean,
            n / avg(n) over (partition by merchant_id, d % 7) r from m),
        s as (select merchant_id, stddev_samp(r) cv from k where mean between {low} and {high} group by all)
        select median(cv) from s""")


def named_terminals(w: World) -> Value:
    """Share of arrivals at sites, orders by mail or telephone apart, whose terminal stands there."""
    return w.figure("""select count(t.terminal_id) / count(*) from arrival_events a
        left join s4_site_terminals t on t.terminal_id = a.terminal_id and t.site_id = a.site_id
        where a.site_id is not null and a.arrival_kind <> 'MOTO'""")


def first_of_two(w: World) -> Value:
    """Part of the arrivals at sites with two terminals that the first of them has."""
    return w.figure("""with n as (select site_id from s4_site_terminals group by all having count(*) = 2)
        select avg((t.terminal_no = 1)::int) from arrival_events
        join s4_site_terminals t using (terminal_id) where t.site_id in (select site_id from n)""")
