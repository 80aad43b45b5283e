"""How people pay: the gates of attachment.md 5, over all rows.

Two figures take a sample by their nature: a shuffled null and the uniqueness of four points.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from bench.realism.habits import habits
from bench.realism.world import Value, World

MONTH_DAYS = 30.4375
POINTS_OF = 2000
"""Parties of whom four points are taken."""


def slope(w: World) -> Value:
    """Slope of log mean rows on log mean activity, over bins with 100 parties."""
    h = habits(w)
    n, rows, weight = (np.sum(h.many[f"slope_{name}"], axis=0) for name in ("n", "rows", "weight"))
    some = n >= 100
    if some.sum() < 3:
        return None
    x, y = np.log(weight[some] / n[some]), np.log(rows[some] / n[some])
    return float(np.polyfit(x, y, 1, w=np.sqrt(n[some]))[0])


def distance(w: World, q: float) -> Value:
    """Quantile of the distance of home and shop in the home metro, km."""
    each = np.sum(habits(w).many["km"], axis=0)
    return float(np.searchsorted(np.cumsum(each), q * each.sum()) / 10)


def trip_days(w: World) -> Value:
    """Purchases in person a day that a visitor is there."""
    seats = w.one("select count(*) from visitors")[0]
    return habits(w)["visitor"] / seats if seats else None


def empty_trips(w: World) -> Value:
    """Trips inside the horizon without any purchase."""
    return w.figure("""with used as (select distinct party_id, trip_no from arrival_entities
          where trip_no is not null)
        select 1 - count(u.party_id) / count(*) from trips t left join used u using (party_id, trip_no)
        where t.first_utc >= (select min(horizon_start_utc) from scenario_manifest)
          and t.last_utc < (select max(horizon_end_utc) from scenario_manifest)""")


def unique(w: World) -> Value:
    """Parties whom four of their (merchant, day) points tell from all others, of those with 20 points."""
    return w.figure(f"""with points as (select distinct party_id, merchant_id, ts_utc::date d
          from arrival_entities where relation <> 'RECURRING'),
        few as (select party_id from points group by 1 having count(*) >= 20
          order by hash(party_id) limit {POINTS_OF}),
        four as (select party_id, merchant_id, d from (select *, row_number() over
            (partition by party_id order by hash(merchant_id, d)) k
            from points semi join few using (party_id)) where k <= 4),
        met as (select f.party_id one, p.party_id other, count(*) n
          from points p join four f using (merchant_id, d) where p.party_id <> f.party_id group by all)
        select 1 - (select count(distinct one) from met where n = 4) / (select count(*) from few)""")


def top_payer(w: World, q: float) -> Value:
    """Quantile of the largest share that one party has of a site's rows, over sites with 50 rows."""
    return w.figure(f"""with n as (select site_id, party_id, count(*) k from arrival_entities
          where site_id is not null group by all),
        s as (select max(k) / sum(k) share from n group by site_id having sum(k) >= 50)
        select quantile_cont(share, {q}) from s""")


def monthly(w: World) -> Value:
    """Purchases of an active party a month."""
    h = habits(w)
    return h["rows"] / h["active"] / (w.days / MONTH_DAYS) if h["active"] else None


def _ratio(top: str, bottom: str) -> Callable[[World], Value]:
    return lambda w: habits(w).ratio(top, bottom)


def _above_null(name: str) -> Callable[[World], Value]:
    def law(w: World) -> Value:
        h = habits(w)
        n = h[f"cv_{name}_n"]
        return (h[f"lag_{name}"] - h[f"null_{name}"]) / n if n else None

    return law


def _most_day(w: World) -> Value:
    return float(np.max(habits(w).all("most_day")))


_LAWS: list[tuple[str, str, Callable[[World], Value]]] = [
    ("B purchases of an active party a month", "24-32", monthly),
    ("B Gini of activity among the active", ".5-.6", lambda w: habits(w)["gini"]),
    ("B active share of parties", ".65", _ratio("active", "parties")),
    ("B within-party variance over mean of months", ">= 2.5", _ratio("vmr", "vmr_n")),
    ("B distinct merchants after 28 purchases", "9-16", _ratio("s28", "s28_n")),
    ("B distinct merchants after 80 purchases", "20-38", _ratio("s80", "s80_n")),
    ("B top merchant's share", ".20-.40", _ratio("top1", "top_n")),
    ("B top three merchants' share", ".42-.65", _ratio("top3", "top_n")),
    ("B top five merchants' share", ".52-.78", _ratio("top5", "top_n")),
    ("B slope of rows on activity", ".9-1.1", slope),
    ("B CV of gaps, all rows", "> 1.3", _ratio("cv_all", "cv_all_n")),
    ("B CV of gaps, rows at home", "> 1.2", _ratio("cv_home", "cv_home_n")),
    ("B lag-1 of log gaps at home over the shuffled null", ">= .08", _above_null("home")),
    ("B lag-1 of log gaps, all rows, over the shuffled null", "> 0", _above_null("all")),
    ("B gaps below an hour", "", _ratio("short_all", "gap_all_n")),
    ("B rows in person elsewhere than in the home metro", "", _ratio("elsewhere", "cp")),
    ("B rows in person elsewhere without a trip", "0", _ratio("elsewhere_untripped", "cp")),
    ("B visitors' share of rows in person", ".115", _ratio("visitor", "cp")),
    ("B purchases in person a trip-day", "2-8", trip_days),
    ("B trips without a purchase", "<= .10", empty_trips),
    ("B home to shop, p50 km", "", lambda w: distance(w, 0.5)),
    ("B home to shop, p90 km", "", lambda w: distance(w, 0.9)),
    ("B pairs over 900 km/h and 50 km, of rows in person", "<= .0002", _ratio("fast_far", "cp")),
    ("B pairs over 900 km/h, of rows in person", "<= .007", _ratio("fast", "cp")),
    ("B night share in person, own clock", "<= .04", _ratio("night_cp", "night_cp_n")),
    ("B night share online, own clock, not recurring", "<= .09", _ratio("night_cnp", "night_cnp_n")),
    ("B late evening share of early types", "", _ratio("evening_early", "evening_early_n")),
    ("B late evening share of late types", "> early", _ratio("evening_late", "evening_late_n")),
    ("B repeat share", "", _ratio("repeat", "rows")),
    ("B parties told by four points", ".80-.97", unique),
    ("B top payer's share of a site, p99", "", lambda w: top_payer(w, 0.99)),
    ("B top payer's share of a site, max", "", lambda w: top_payer(w, 1.0)),
    ("B most rows of a party and day", "", _most_day),
]


def _of_payers(law: Callable[[World], Value]) -> Callable[[World], Value]:
    """A figure of worlds that have payers."""
    return lambda w: law(w) if w.has("arrival_entities") else None


TARGETS = [(name, aim, _of_payers(law)) for name, aim, law in _LAWS]
