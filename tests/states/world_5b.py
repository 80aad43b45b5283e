"""A small world up to 5A in memory, and 5B's states run over it with every contract check,
scenarios and partitions included.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from sim.backends import get_backend
from sim.recipes.opening import opening_of
from sim.recipes.supplied import nothing_supplied
from sim.segments.arrivals_5b import SEGMENT
from sim.shell.tables.frame_checks import check_foreign_key, check_frame, check_key_ranges, key_range
from sim.shell.tables.reference import Reference
from sim.state.context import Context
from sim.state.frames import Frame
from sim.state.params import Params
from sim.state.totals import Totals
from tests.states.memory_world import ROOT, ScenarioStore, config, contracts, merchants, sites, vocabularies
from tests.states.terminal_world import site_terminals
from tests.totals import totals_of

KEY = ("merchant_id", "legal_country_iso", "tzid", "channel_group")
START = 1_767_571_200  # 2026-01-05, a Monday
PROGRAMS = {program.state.id: program for program in SEGMENT.programs}
CONFIGS = {
    "time_grid_policy_5B": "layer2/5B/time_grid_policy.yaml",
    "grouping_policy_5B": "layer2/5B/grouping_policy.yaml",
    "arrival_lgcp_config_5B": "layer2/5B/arrival_lgcp.yaml",
    "arrival_count_config_5B": "layer2/5B/arrival_count.yaml",
    "arrival_placement_policy_5B": "layer2/5B/arrival_placement.yaml",
    "arrival_routing_policy_5B": "layer2/5B/arrival_routing.yaml",
    "realism_gates_5B": "layer2/5B/realism_gates.yaml",
    "demand_classes_5A": "layer2/5A/demand_classes.yaml",
    "merchant_life_5A": "layer2/5A/merchant_life.yaml",
    "scenario_horizon_5A": "layer2/5A/scenario_horizon.yaml",
    "overlay_policy_5A": "layer2/5A/overlay_policy.yaml",
}


class World5B:
    """States of 5B run one after another; `order` shuffles partitions."""

    def __init__(
        self, seed: int = 11, scenarios=("baseline",), overrides: dict[str, dict[str, Any]] | None = None
    ) -> None:
        self.store = ScenarioStore()
        self.seed, self.scenarios = seed, tuple(scenarios)
        packs = {name: config(path) for name, path in CONFIGS.items()}
        self.configs = {
            name: Params({**pack, **(overrides or {}).get(name, {})}) for name, pack in packs.items()
        }
        self.checks: dict[str, Any] = {}
        self.totals: Totals

    def context(self, state):
        return Context(
            state,
            seed=self.seed,
            scenarios=self.scenarios,
            configs=self.configs,
            contracts=contracts(),
            inputs=self.store,
            backend=get_backend("cpu"),
            externals={},
        )

    def run(self, id: str, order: int | None = None, contract: bool = True) -> None:
        program = PROGRAMS[id]
        ctx = self.context(program.state)
        plan = (
            program.plan(ctx)
            if program.plan
            else [type("P", (), {"index": 0, "scenario": s, "spec": {}})() for s in self.scenarios]
        )
        made: dict[tuple[str, str | None], dict[int, Frame]] = {}
        counted = []
        shuffled = (
            list(plan)
            if order is None
            else [plan[i] for i in np.random.default_rng(order).permutation(len(plan))]
        )
        for part in shuffled:
            inner = ctx.for_partition(part)
            for dataset, frame in program.compute(inner, part).items():
                assert dataset in program.state.writes
                made.setdefault((dataset, part.scenario), {})[part.index] = frame
            counted.append(inner)
        totals = totals_of(ctx, counted)
        assert set(made) == ctx.to_publish()
        for name, frames in made.items():
            self.store.parts[name] = [frames[index] for index in sorted(frames)]
            if contract:
                self._contract(*name)
        self.totals = totals
        self.checks = {check.name: check for check in program.checks(ctx, totals)} if program.checks else {}

    def run_to(self, last: str, order: int | None = None) -> World5B:
        for id in PROGRAMS:
            self.run(id, order)
            if id == last:
                return self
        raise KeyError(last)

    def failed(self) -> set[str]:
        return {name for name, check in self.checks.items() if not check.passed}

    def only(self, keep: np.ndarray) -> World5B:
        """The same world with some merchants, before 5B ran."""
        other = World5B(self.seed, self.scenarios)
        other.configs = self.configs
        for name, frames in self.store.parts.items():
            mine = [
                frame.take(np.isin(frame.merchant_id, keep)) if "merchant_id" in frame else frame
                for frame in frames
            ]
            other.store.parts[name] = [frame for frame in mine if len(frame)] or mine[:1]
        return other

    def frame(self, dataset: str, scenario: str | None = "baseline") -> Frame:
        return self.store.load(dataset, scenario)

    def _contract(self, dataset: str, scenario: str | None) -> None:
        entry = contracts().dataset(dataset)
        frames = self.store.parts[(dataset, scenario)]
        results = check_key_ranges([key_range(frame, entry) for frame in frames], entry)
        for frame in frames:
            results += check_frame(frame, entry, vocabularies())
            for key in entry.foreign_keys:
                own = scenario if (key.dataset, scenario) in self.store.parts else None
                results.append(
                    check_foreign_key(frame, key, self.store.load(key.dataset, own, columns=key.to))
                )
        assert all(result.passed for result in results), [result for result in results if not result.passed]


def alias(offsets, weight):
    threshold, other = get_backend("cpu").kernels.alias_build(offset=offsets, weight=weight)[:2]
    return threshold, other


def _tables(frame, country, ids, weight):
    """Alias tables of rows sorted by (merchant, country, tzid)."""
    change = np.r_[
        True,
        (np.diff(frame["merchant_id"]) != 0) | (np.diff(frame[country]) != 0) | (np.diff(frame["tzid"]) != 0),
    ]
    offsets = np.append(np.flatnonzero(change), len(frame)).astype(np.uint64)
    threshold, other = alias(offsets, weight)
    slot = np.arange(len(frame)) - np.repeat(offsets[:-1], np.diff(offsets).astype(np.int64)).astype(np.int64)
    return frame.select("merchant_id", country, "tzid").with_columns(
        slot=slot.astype(np.uint32), threshold=threshold, alias_slot=other, **{ids: frame[ids]}
    )


def timetable():
    """tz_timetable_cache from the reference: of each zone the transitions from 2025 to 2027."""
    table = Reference(ROOT / "config" / "reference").frame("tz_transitions", vocabularies())
    when = table.transition_utc_s.astype(np.int64)
    return Frame(
        {
            "tzid": table.tzid,
            "transition_utc": when * 1_000_000,
            "offset_minutes": table.offset_minutes.astype(np.int16),
        }
    ).sort("tzid", "transition_utc")


def build(
    count: int = 60,
    days: int = 7,
    bucket_seconds: int = 3600,
    volume: float = 3.0,
    seed: int = 5,
    start: int = START,
    **world: Any,
) -> World5B:
    """A world with everything 5B reads, for each scenario of `World5B`."""
    made = World5B(**world)
    rng = np.random.default_rng(seed)
    catalogue = merchants(count, seed)
    where, zones = sites(catalogue, seed + 1)
    mode = rng.choice(3, count, p=[0.6, 0.25, 0.15]).astype(np.int16)
    mode[catalogue.channel == 0] = 0
    weight = rng.integers(1, 1 << 30, len(zones)).astype(np.uint64)
    weights = zones.with_columns(weight_q=weight)
    grouped = weights.sort("merchant_id", "legal_country_iso", "tzid", "site_id")
    edges = _edges(rng, catalogue, mode, zones)
    settlement = _settlement(rng, catalogue, mode)
    profile = _profile(rng, catalogue, mode, zones, edges)
    single = {
        "merchant_catalogue_1A": catalogue,
        "site_locations": where,
        "site_timezones": zones,
        "s1_site_weights_2B": weights,
        "s2_alias_2B": _tables(grouped, "legal_country_iso", "site_id", grouped.weight_q),
        "edge_catalogue_3B": edges,
        "edge_alias_3B": _tables(edges, "country_iso", "edge_id", edges.weight_q),
        "virtual_settlement_3B": settlement,
        "s4_site_terminals_2B": site_terminals(catalogue, where, zones, seed + 2),
        "tz_timetable_cache": timetable(),
        "merchant_zone_profile_5A": profile,
        "merchant_supplied_1A": nothing_supplied(),
        **_hours(np.random.default_rng(seed), catalogue, profile, volume),
        "s7_merchant_life_5A": _eternal(catalogue),
        "s8_trade_seasons_5A": Frame(
            {
                "mcc": np.zeros(0, np.uint16),
                "legal_country_iso": np.zeros(0, np.int16),
                "date": np.zeros(0, np.int32),
                "factor": np.zeros(0),
            }
        ),
    }
    for name, frame in single.items():
        made.store.parts[(name, None)] = [frame]
    for number, scenario in enumerate(made.scenarios):
        buckets = days * 86400 // bucket_seconds
        manifest = {
            "horizon_start_utc": np.array([start * 1_000_000]),
            "horizon_end_utc": np.array([(start + days * 86400) * 1_000_000]),
            "bucket_seconds": np.array([bucket_seconds], np.uint32),
            "buckets": np.array([buckets], np.uint32),
            "band": np.array([min(number, 1)], np.int16),
        }
        made.store.parts[("scenario_manifest_5A", scenario)] = [Frame(manifest)]
        factors = _factors(np.random.default_rng([seed, 1]), profile, made.store, scenario)
        made.store.parts[("scenario_overlay_factors_5A", scenario)] = [factors]
        made.store.parts[("merchant_zone_scenario_utc_5A", scenario)] = [
            surface_of(made.store, profile, scenario)
        ]
    return made


def _edges(rng, catalogue, mode, zones):
    """Edges in forty zones, a third of them in a zone where the merchant has a site."""
    owner = np.repeat(np.flatnonzero(mode > 0), rng.integers(2, 30, int((mode > 0).sum())))
    zone = rng.choice(40, len(owner)).astype(np.int16)
    country = (zone // 2).astype(np.int16)
    near = np.searchsorted(zones.merchant_id, catalogue.merchant_id[owner])
    own = rng.random(len(owner)) < 1 / 3
    zone[own], country[own] = zones.tzid[near[own]], zones.legal_country_iso[near[own]]
    frame = Frame(
        {
            "merchant_id": catalogue.merchant_id[owner],
            "country_iso": country,
            "tzid": zone,
            "edge_id": rng.permutation(
                np.arange(1, len(owner) + 1, dtype=np.uint64) * np.uint64(0xD2B74407B1CE6E93)
                & np.uint64(2**63 - 1)
            ),
            "weight_q": rng.integers(1, 1 << 30, len(owner)).astype(np.uint64),
        }
    )
    cities = np.sort(Reference(ROOT / "config" / "reference").frame("cities", vocabularies()).city_id)
    frame = frame.with_columns(city_id=cities[(frame.edge_id % np.uint64(len(cities))).astype(np.int64)])
    return frame.sort("merchant_id", "country_iso", "tzid", "edge_id")


def _settlement(rng, catalogue, mode):
    online = catalogue.take(mode > 0)
    return Frame(
        {"merchant_id": online.merchant_id, "tzid_settlement": rng.choice(300, len(online)).astype(np.int16)}
    )


def _profile(rng, catalogue, mode, zones, edges):
    """Keys of sites (not of VIRTUAL_ONLY merchants) and of edges; one with both has a share between."""
    at = np.searchsorted(catalogue.merchant_id, zones.merchant_id)
    physical = {
        (int(m), int(c), int(t))
        for m, c, t, o in zip(zones.merchant_id, zones.legal_country_iso, zones.tzid, mode[at], strict=True)
        if o < 2
    }
    virtual = {
        (int(m), int(c), int(t))
        for m, c, t in zip(edges.merchant_id, edges.country_iso, edges.tzid, strict=True)
    }
    keys = sorted(physical | virtual)
    merchant = np.array([key[0] for key in keys], np.uint64)
    at = np.searchsorted(catalogue.merchant_id, merchant)
    share = np.array([0.0 if key not in virtual else 1.0 if key not in physical else 0.3 for key in keys])
    volume = rng.lognormal(0.0, 1.0, len(keys))
    return Frame(
        {
            "merchant_id": merchant,
            "legal_country_iso": np.array([key[1] for key in keys], np.int16),
            "tzid": np.array([key[2] for key in keys], np.int16),
            "channel_group": catalogue.channel[at],
            "demand_class": (catalogue.mcc[at] % 10).astype(np.int16),
            "virtual_mode": mode[at],
            "weekly_volume_expected": volume,
            "virtual_share": share,
        }
    )


def _eternal(catalogue):
    """Lives of merchants that neither open, close nor grow."""
    count, nothing = len(catalogue), np.zeros(len(catalogue), dtype=np.bool_)
    return Frame(
        {
            "merchant_id": catalogue.merchant_id,
            "opened_date": np.zeros(count, np.int32),
            "closed_date": np.zeros(count, np.int32),
            "growth": np.zeros(count),
        },
        {"opened_date": nothing, "closed_date": nothing},
    )


def _hours(rng, catalogue, profile, volume):
    """Every third merchant never closes; the others are open from 9.30 or 9 to 17.35 h but on Sundays.

    Edges sell on where sites are closed. Hours are whole where a clock is no whole number of hours from UTC.
    """
    table = timetable()
    askew = np.isin(profile.tzid, table.tzid[table.offset_minutes % 60 != 0])
    heads = np.r_[
        True, (np.diff(profile.merchant_id) != 0) | (np.diff(profile.legal_country_iso) != 0)
    ].nonzero()[0]
    whole = np.add.reduceat(askew, heads) > 0
    pairs = profile.take(heads).select("merchant_id", "legal_country_iso")
    always = np.searchsorted(catalogue.merchant_id, pairs.merchant_id) % 3 == 0
    clocks = pairs.with_columns(
        phase_minutes=np.zeros(len(pairs), np.int16),
        peak_ratio=np.ones(len(pairs)),
        always_open=always,
        closed_weekdays=np.where(always, 0, 64).astype(np.uint8),
    )
    closing = np.repeat(np.flatnonzero(~always), 6)
    hours = pairs.take(closing).with_columns(
        weekday=np.tile(np.arange(1, 7, dtype=np.uint8), len(closing) // 6),
        opens_minute=np.where((closing % 3 > 0) & ~whole[closing], 570, 540).astype(np.uint16),
        closes_minute=np.where(whole[closing], 1020, 1055).astype(np.uint16),
    )
    opening = opening_of(clocks, hours)
    slots = opening.hours(opening.row_of(profile.merchant_id, profile.legal_country_iso))
    # An ordinary week of each key, two ups and downs a day; some hours without demand.
    shape = 1.0 + np.cos(np.arange(168) / 168 * 28 * np.pi)
    rate = profile.weekly_volume_expected[:, None] * shape * volume
    rate[(slots == 0) & (profile.virtual_share == 0.0)[:, None]] = 0.0
    rate[rng.random(rate.shape) < 0.05] = 0.0
    # Every second merchant charges a part of its online customers from 0 to 6 h.
    charges = np.searchsorted(catalogue.merchant_id, profile.merchant_id) % 2 == 1
    recurring = (profile.virtual_share * charges)[:, None] * np.where(np.arange(168) % 24 < 6, 0.8, 0.0)
    baseline = Frame(
        {
            **{name: np.repeat(profile[name], 168) for name in KEY},
            "hour_of_week": np.tile(np.arange(168, dtype=np.uint16), len(profile)),
            "lambda_local_base": rate.ravel(),
            "virtual_share": np.where(
                (slots == 0) & (profile.virtual_share > 0.0)[:, None], 1.0, profile.virtual_share[:, None]
            ).ravel(),
            "recurring_share": recurring.ravel(),
        }
    )
    return {
        "s6_merchant_clocks_5A": clocks,
        "s6_opening_hours_5A": hours,
        "merchant_zone_baseline_local_5A": baseline,
    }


def _factors(rng, profile, store, scenario):
    """Runs of factors of three types on most combinations."""
    names = ("legal_country_iso", "tzid", "demand_class")
    places = sorted(set(zip(*(profile[name].tolist() for name in names), strict=True)))
    buckets = int(store.load("scenario_manifest_5A", scenario).buckets[0])
    rows = []
    for place in places:
        for kind in np.flatnonzero(rng.random(3) < 0.6).tolist():
            first = int(rng.integers(0, buckets // 2))
            size = int(rng.integers(1, buckets // 2))
            factor = float(rng.choice([0.5, 0.9, 1.25, 1.5]))
            rows += [(*place, kind, first, size, factor), (*place, kind, first + size, 1, 0.75)]
    columns = [*names, "event_type", "local_bucket_index", "local_buckets", "factor"]
    kinds = ["i2", "i2", "i2", "i2", "i4", "u4", "f8"]
    table = list(zip(*rows, strict=True)) if rows else [()] * len(columns)
    return Frame(
        {name: np.array(values, kind) for name, values, kind in zip(columns, table, kinds, strict=True)}
    )


def surface_of(store, profile, scenario):
    """5A's UTC surface from its definition, one cell after the other: week x open part of the hour x hours
    x factors of the local bucket that holds the middle of the UTC bucket.
    """
    opening = opening_of(store.load("s6_merchant_clocks_5A", None), store.load("s6_opening_hours_5A", None))
    pair = opening.row_of(profile.merchant_id, profile.legal_country_iso)
    manifest = store.load("scenario_manifest_5A", scenario)
    start, step = int(manifest.horizon_start_utc[0]) // 10**6, int(manifest.bucket_seconds[0])
    buckets, bounds = int(manifest.buckets[0]), config("layer2/5A/overlay_policy.yaml")["total"]
    clock, week = store.load("tz_timetable_cache", None), store.load("merchant_zone_baseline_local_5A", None)
    table = store.load("scenario_overlay_factors_5A", scenario)
    within = opening.within_hours(pair, step)
    within[profile.virtual_share >= 1.0] = 1.0
    told = {}
    for zone, country, name, kind, first, size, factor in zip(
        *(
            table[name].tolist()
            for name in ("tzid", "legal_country_iso", "demand_class", "event_type", "local_bucket_index")
        ),
        table.local_buckets.tolist(),
        table.factor.tolist(),
        strict=True,
    ):
        for cell in range(first, first + size):
            told.setdefault((zone, country, name, cell), []).append((kind, factor))
    middle = start + np.arange(buckets) * step + step // 2
    rate = np.empty((len(profile), buckets))
    for row in range(len(profile)):
        mine = clock.take(clock.tzid == profile.tzid[row])
        at = np.searchsorted(mine.transition_utc // 10**6, middle, side="right") - 1
        local = middle + mine.offset_minutes[at].astype(np.int64) * 60
        cells = local // step
        place = (int(profile.tzid[row]), int(profile.legal_country_iso[row]), int(profile.demand_class[row]))
        for t in range(buckets):
            total = 1.0
            for _, factor in sorted(told.get((*place, int(cells[t] - cells.min())), [])):
                total *= factor
            total = min(max(total, bounds["low"]), bounds["high"])
            hour = int(local[t] // 3600 + 72) % 168
            part = within[row, int(cells[t] + 72 * (3600 // step)) % within.shape[1]]
            rate[row, t] = week.lambda_local_base[row * 168 + hour] * part * (step / 3600) * total
    columns = {name: np.repeat(profile[name], buckets) for name in KEY}
    index = np.tile(np.arange(buckets, dtype=np.uint32), len(profile))
    return Frame({**columns, "bucket_index": index, "lambda_utc_scenario": rate.reshape(-1)})
