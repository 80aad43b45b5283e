"""Sums over every row of `arrival_entities`, from which `payers.py` makes figures.

Rows are read party range by party range, so memory does not grow with the world; sums of ranges add up.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.realism.world import Value, World

Column = NDArray[Any]
KM_A_DEGREE = 111.195
HOUR_US = 3_600_000_000
DAY_US = 24 * HOUR_US


@dataclass
class Sums:
    """What adds up over party ranges: name -> sum."""

    of: dict[str, float] = field(default_factory=dict)
    many: dict[str, list[Column]] = field(default_factory=dict)

    def add(self, name: str, value: Any) -> None:
        self.of[name] = self.of.get(name, 0.0) + float(value)

    def keep(self, name: str, values: Column) -> None:
        self.many.setdefault(name, []).append(values)

    def __getitem__(self, name: str) -> float:
        return self.of.get(name, 0.0)

    def all(self, name: str) -> Column:
        return np.concatenate(self.many.get(name, [np.zeros(0)]))

    def ratio(self, top: str, bottom: str) -> Value:
        return self[top] / self[bottom] if self[bottom] else None


def habits(world: World) -> Sums:
    """Sums of a world's rows; made once."""
    if not hasattr(world, "habits"):
        world.habits = _sums(world)  # type: ignore[attr-defined]
    found: Sums = world.habits  # type: ignore[attr-defined]
    return found


def _sums(world: World) -> Sums:
    sums, db = Sums(), world.db
    db.execute("set threads = 2")
    people = """select b.party_id, b.activity_q, b.clock_shift_minutes, p.home_lat_deg, p.home_lon_deg,
          f.metro_id home
        from party_behaviour b join s1_party_base p using (party_id)
        join world_footprint f on f.city_id = p.home_city_id and f.country_iso = p.country_iso"""
    db.execute(f"create temp table people as {people}")
    db.execute("""create temp table places as
        select s.site_id place_id, s.lat_deg, s.lon_deg, f.metro_id, s.legal_country_iso country
        from site_locations s join world_footprint f
          on f.city_id = s.city_id and f.country_iso = s.legal_country_iso""")
    _people_figures(world, sums)
    ranges = db.execute("select distinct party_range from arrival_entities order by 1").fetchall()
    rng = np.random.Generator(np.random.PCG64(7))
    for (number,) in ranges:
        rows = db.execute(f"""select a.party_id, a.merchant_id, epoch_us(a.ts_utc) ts, a.utc_offset_minutes,
              a.relation, a.arrival_kind, a.trip_no is not null as away, a.site_id is not null as physical,
              c.mcc, p.activity_q, p.clock_shift_minutes, p.home, l.metro_id, l.lat_deg, l.lon_deg,
              p.home_lat_deg, p.home_lon_deg
            from arrival_entities a join people p using (party_id)
            join merchant_catalogue c using (merchant_id) left join places l on l.place_id = a.site_id
            where a.party_range = {number}
            order by a.party_id, a.ts_utc, a.merchant_id, a.arrival_seq""").fetchnumpy()
        _range(sums, {name: np.ma.getdata(values) for name, values in rows.items()}, world.days, rng)
    return sums


def _people_figures(world: World, sums: Sums) -> None:
    weight = np.sort(
        world.db.execute("select activity_q from people where activity_q > 0")
        .fetchnumpy()["activity_q"]
        .astype(float)
    )
    n = len(weight)
    sums.add("active", n)
    sums.add("parties", world.one("select count(*) from people")[0])
    sums.add(
        "gini", 2 * (weight * np.arange(1, n + 1)).sum() / (n * weight.sum()) - (n + 1) / n if n else 0.0
    )


def _range(sums: Sums, r: dict[str, Column], days: float, rng: np.random.Generator) -> None:
    n = len(r["ts"])
    if n == 0:
        return
    party, ts = r["party_id"], r["ts"]
    starts = np.flatnonzero(np.append(True, party[1:] != party[:-1]))
    size = np.diff(np.append(starts, n))
    of = np.repeat(np.arange(len(starts)), size)
    sums.add("rows", n)
    sums.add("payers", len(starts))
    _favourites(sums, r, of, starts, size)
    _totals(sums, r, of, starts, size, days)
    recurring = r["relation"] == "RECURRING"
    home = ~r["away"]
    for name, rows in (("all", ~recurring), ("home", ~recurring & home)):
        _gaps(sums, name, of[rows], ts[rows], rng)
    _places(sums, r, of)
    _clocks(sums, r, recurring)


def _runs(*keys: Column) -> tuple[Column, Column]:
    """First row of each run of equal keys, and run of each row."""
    change = np.zeros(len(keys[0]), dtype=bool)
    change[:1] = True
    for key in keys:
        change[1:] |= key[1:] != key[:-1]
    return np.flatnonzero(change), np.cumsum(change) - 1


def _favourites(sums: Sums, r: dict[str, Column], of: Column, starts: Column, size: Column) -> None:
    """Distinct merchants after n purchases, and shares of the most frequent."""
    order = np.lexsort((np.arange(len(of)), r["merchant_id"], of))
    first, run = _runs(of[order], r["merchant_id"][order])
    new = np.zeros(len(of), dtype=bool)
    new[order[first]] = True
    place = np.arange(len(of)) - starts[of]
    for many in (28, 80):
        able = size >= many
        sums.add(f"s{many}", new[(place < many) & able[of]].sum())
        sums.add(f"s{many}_n", able.sum())
    count = np.bincount(run)
    owner = of[order[first]]
    best = np.lexsort((-count, owner))
    begin, _ = _runs(owner[best])
    rank = np.arange(len(best)) - np.repeat(begin, np.diff(np.append(begin, len(best))))
    much = size >= 60
    sums.add("top_n", much.sum())
    for k in (1, 3, 5):
        mine = best[(rank < k) & much[owner[best]]]
        sums.add(f"top{k}", (count[mine] / size[owner[mine]]).sum())
    again = ~new
    sums.add("repeat", again.sum())
    for mcc_class, rows in (("online", ~r["physical"]), ("physical", r["physical"])):
        sums.add(f"repeat_{mcc_class}", (again & rows).sum())
        sums.add(f"rows_{mcc_class}", rows.sum())


def _totals(sums: Sums, r: dict[str, Column], of: Column, starts: Column, size: Column, days: float) -> None:
    """Counts of parties: within-party variance over 30-day months, activity, most a day."""
    day = (r["ts"] - r["ts"].min()) // DAY_US
    months = int(days // 30)
    if months >= 2:
        inside = day < months * 30
        cell = of[inside] * months + (day[inside] // 30)
        each = np.bincount(cell, minlength=len(starts) * months).reshape(len(starts), months).astype(float)
        mean = each.mean(axis=1)
        able = mean >= 5
        sums.add("vmr", (each.var(axis=1, ddof=1)[able] / mean[able]).sum())
        sums.add("vmr_n", able.sum())
    weight = r["activity_q"][starts].astype(float)
    bucket = np.clip((np.log2(np.maximum(weight, 1)) * 2).astype(int), 0, 63)
    sums.keep("slope_rows", np.bincount(bucket, weights=size, minlength=64))
    sums.keep("slope_weight", np.bincount(bucket, weights=weight, minlength=64))
    sums.keep("slope_n", np.bincount(bucket, minlength=64).astype(float))
    first, _ = _runs(of, day)
    sums.keep("most_day", np.array([np.diff(np.append(first, len(of))).max()], dtype=float))


def _gaps(sums: Sums, name: str, of: Column, ts: Column, rng: np.random.Generator) -> None:
    """CV of gaps, lag-1 correlation of their logarithms and its shuffled null, over parties with 30 rows."""
    if len(of) < 2:
        return
    first, run = _runs(of)
    size = np.diff(np.append(first, len(of)))
    rows = (size >= 30)[run]
    of, ts = run[rows], ts[rows]
    same = of[1:] == of[:-1]
    gap, owner = np.maximum((ts[1:] - ts[:-1])[same] / 1e6, 1.0), of[1:][same]
    first, run = _runs(owner)
    n = np.diff(np.append(first, len(owner))).astype(float)
    if len(n) == 0:
        return
    mean = np.bincount(run, gap) / n
    sd = np.sqrt(np.maximum(np.bincount(run, gap * gap) / n - mean * mean, 0))
    sums.add(f"cv_{name}", (sd / mean).sum())
    sums.add(f"cv_{name}_n", len(n))
    sums.add(f"short_{name}", (gap < 3600).sum())
    sums.add(f"gap_{name}_n", len(gap))
    log = np.log(gap)
    sums.add(f"lag_{name}", _lag(run, n, log).sum())
    sums.add(f"null_{name}", _lag(run, n, log[np.lexsort((rng.random(len(log)), run))]).sum())


def _lag(run: Column, n: Column, x: Column) -> Column:
    """Correlation of neighbours by run."""
    d = x - (np.bincount(run, x) / n)[run]
    both = run[1:] == run[:-1]
    top = np.bincount(run[1:][both], (d[1:] * d[:-1])[both], minlength=len(n))
    var = np.bincount(run, d * d)
    found: Column = np.where(var > 0, top / np.maximum(var, 1e-12), 0.0)
    return found


def _km(lat: Column, lon: Column, lat2: Column, lon2: Column) -> Column:
    a, b = np.radians(lat), np.radians(lat2)
    h = np.sin((b - a) / 2) ** 2 + np.cos(a) * np.cos(b) * np.sin(np.radians(lon2 - lon) / 2) ** 2
    found: Column = 2 * 6371.0 * np.arcsin(np.sqrt(np.minimum(h, 1)))
    return found


def _places(sums: Sums, r: dict[str, Column], of: Column) -> None:
    """Share elsewhere, distance of home and shop, and pairs that nobody could travel."""
    near = r["physical"] & (r["arrival_kind"] != "MOTO")
    sums.add("cp", near.sum())
    sums.add("visitor", (near & (r["relation"] == "VISITOR")).sum())
    elsewhere = near & (r["metro_id"] != r["home"])
    sums.add("elsewhere", elsewhere.sum())
    sums.add("elsewhere_untripped", (elsewhere & ~r["away"]).sum())
    local = near & ~elsewhere
    km = _km(
        *(r[name][local].astype(float) for name in ("lat_deg", "lon_deg", "home_lat_deg", "home_lon_deg"))
    )
    sums.keep("km", np.bincount(np.minimum(km * 10, 4999).astype(int), minlength=5000).astype(float))
    at = np.flatnonzero(near)
    same = of[at[1:]] == of[at[:-1]]
    one, two = at[:-1][same], at[1:][same]
    far = _km(*(r[name][rows].astype(float) for rows in (one, two) for name in ("lat_deg", "lon_deg")))
    hours = (r["ts"][two] - r["ts"][one]) / HOUR_US
    fast = far > 900 * hours
    sums.add("fast", fast.sum())
    sums.add("fast_far", (fast & (far >= 50)).sum())


def _clocks(sums: Sums, r: dict[str, Column], recurring: Column) -> None:
    """Night and late evening by the party's own clock."""
    minute = (r["ts"] // 60_000_000 + r["utc_offset_minutes"]) % 1440
    own = (minute - r["clock_shift_minutes"]) % 1440
    for name, rows in (("cp", r["physical"]), ("cnp", ~r["physical"])):
        rows = rows & ~recurring
        sums.add(f"night_{name}", (rows & (own >= 60) & (own < 300)).sum())
        sums.add(f"night_{name}_n", rows.sum())
    shift = r["clock_shift_minutes"]
    for name, rows in (("early", shift < -30), ("late", shift > 30)):
        sums.add(f"evening_{name}", (rows & ~recurring & (minute >= 1200)).sum())
        sums.add(f"evening_{name}_n", (rows & ~recurring).sum())
