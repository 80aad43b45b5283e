"""A small world for the 5A states: made-up merchants, zones and edges in memory,
and states run over them by scenario.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from sim.backends import get_backend
from sim.recipes.supplied import nothing_supplied
from sim.segments.intensity_5a import SEGMENT
from sim.shell.tables.frame_checks import check_foreign_key, check_frame
from sim.shell.tables.reference import Reference
from sim.state.context import Context
from sim.state.declaration import Check, Partition
from sim.state.frames import Frame, concat
from sim.state.params import Params
from sim.state.program import Program
from sim.state.totals import Totals
from tests.states.memory_world import ROOT, ScenarioStore, config, contracts, vocabularies, whole_earth
from tests.totals import totals_of

BASELINE, STRESS = "baseline_v1", "stress_peak_online_v1"
PACKS = {
    "mcc_taxonomy_1A": "layer1/1A/mcc_taxonomy.yaml",
    "footprint_policy_1A": "layer1/1A/footprint_policy.yaml",
    "demand_classes_5A": "layer2/5A/demand_classes.yaml",
    "demand_policy_5A": "layer2/5A/demand_policy.yaml",
    "feasts_5A": "layer2/5A/feasts.yaml",
    "merchant_hours_5A": "layer2/5A/merchant_hours.yaml",
    "merchant_life_5A": "layer2/5A/merchant_life.yaml",
    "overlay_policy_5A": "layer2/5A/overlay_policy.yaml",
    "realism_gates_5A": "layer2/5A/realism_gates.yaml",
    "recurring_payments_5A": "layer2/5A/recurring_payments.yaml",
    "trade_seasons_5A": "layer2/5A/trade_seasons.yaml",
    "scenario_horizon_5A": "layer2/5A/scenario_horizon.yaml",
    "scenarios_5A": "layer2/5A/scenarios.yaml",
}
ETERNAL = {
    "merchant_life_5A__openings_a_quarter": 0.0,
    "merchant_life_5A__closings_a_quarter": 0.0,
    "merchant_life_5A__growth_sigma": 0.0,
    "trade_seasons_5A__seasons": {},
}
"""Merchants that neither open, close nor grow, and trades without seasons: their life is 1 exactly."""
PROGRAMS = {program.state.id: program for program in SEGMENT.programs}


def code(vocabulary: str, value: str) -> int:
    return vocabularies()[vocabulary].index(value)


def packs(**overrides: Any) -> dict[str, Any]:
    """Config packs, with `pack__key__key=value` replaced."""
    documents = {name: copy.deepcopy(config(path)) for name, path in PACKS.items()}
    for name, value in overrides.items():
        pack, *path, last = name.split("__")
        target = documents[pack]
        for key in path:
            target = target[key]
        target[last] = value
    return documents


class DemandWorld:
    """5A's states over given upstream frames; every contract check of the shell is made
    on what they return.
    """

    def __init__(
        self,
        upstream: Mapping[str, Frame],
        documents: Mapping[str, Any] | None = None,
        seed: int = 7,
        scenarios: Sequence[str] = (BASELINE,),
    ) -> None:
        self.store = ScenarioStore()
        self.store.parts |= {(name, None): [frame] for name, frame in upstream.items()}
        self.configs = {name: Params(values) for name, values in (documents or packs()).items()}
        self.seed, self.scenarios = seed, tuple(scenarios)
        self.checks: dict[str, Check] = {}
        self.totals: Totals

    def context(self, program: Program) -> Context:
        return Context(
            program.state,
            seed=self.seed,
            scenarios=self.scenarios,
            configs=self.configs,
            contracts=contracts(),
            inputs=self.store,
            backend=get_backend("cpu"),
            externals={},
        )

    def run(self, state: str) -> dict[tuple[str, str | None], Frame]:
        """Run one state; its rows whole, by (dataset, scenario)."""
        program = PROGRAMS[state]
        ctx = self.context(program)
        default = (
            [Partition(0, scenario) for scenario in self.scenarios]
            if program.state.per_scenario
            else [Partition(0)]
        )
        counted = []
        made: dict[tuple[str, str | None], list[Frame]] = {}
        for part in program.plan(ctx) if program.plan is not None else default:
            inner = ctx.for_partition(part)
            for dataset, frame in program.compute(inner, part).items():
                made.setdefault((dataset, part.scenario), []).append(frame)
            counted.append(inner)
        assert set(made) == ctx.to_publish()
        self.store.parts |= made
        self.totals = totals = totals_of(ctx, counted)
        self.checks = (
            {check.name: check for check in program.checks(ctx, totals)} if program.checks is not None else {}
        )
        whole = {name: concat(frames) for name, frames in made.items()}
        for (dataset, scenario), frame in whole.items():
            self._contract(dataset, scenario, frame)
        return whole

    def run_all(self) -> dict[tuple[str, str | None], Frame]:
        """Every state in order; asserts that all checks pass."""
        made: dict[tuple[str, str | None], Frame] = {}
        for state in PROGRAMS:
            made |= self.run(state)
            failed = [check for check in self.checks.values() if not check.passed]
            assert not failed, failed
        return made

    def _contract(self, dataset: str, scenario: str | None, frame: Frame) -> None:
        entry = contracts().dataset(dataset)
        results = check_frame(frame, entry, vocabularies())
        for key in entry.foreign_keys:
            owner = scenario if (key.dataset, scenario) in self.store.parts else None
            results.append(check_foreign_key(frame, key, self.store.load(key.dataset, owner, columns=key.to)))
        assert all(result.passed for result in results), [result for result in results if not result.passed]


def timetable() -> Frame:
    """`tz_timetable_cache`: the whole snapshot, which holds more than any horizon needs."""
    rows = (
        Reference(ROOT / "config" / "reference")
        .frame("tz_transitions", vocabularies())
        .sort("tzid", "transition_utc_s")
    )
    return Frame(
        {
            "tzid": rows.tzid,
            "transition_utc": rows.transition_utc_s * 1_000_000,
            "offset_minutes": rows.offset_minutes,
        }
    )


def demand() -> Frame:
    """The columns of a profile by which overlays count: every class in ten places of all regions."""
    places = [
        ("US", "America/New_York"),
        ("US", "America/Denver"),
        ("GB", "Europe/London"),
        ("DE", "Europe/Berlin"),
    ]
    places += [
        ("AU", "Australia/Sydney"),
        ("AU", "Australia/Adelaide"),
        ("JP", "Asia/Tokyo"),
        ("IN", "Asia/Kolkata"),
    ]
    places += [("NG", "Africa/Lagos"), ("CN", "Asia/Shanghai")]
    classes = len(vocabularies()["demand_class"])
    columns = {
        "legal_country_iso": np.repeat([code("country", country) for country, _ in places], classes),
        "tzid": np.repeat([code("tzid", zone) for _, zone in places], classes),
        "demand_class": np.tile(np.arange(classes), len(places)),
    }
    return Frame({name: values.astype(np.int16) for name, values in columns.items()})


def upstream(
    merchants: int, seed: int = 3, zones_a_merchant: int = 3, edges_a_merchant: int = 12
) -> dict[str, Frame]:
    """Merchants of all channels and modes with site and edge groups in random places;
    weights sum to 2**40.
    """
    rng = np.random.default_rng(seed)
    cities = Reference(ROOT / "config" / "reference").frame("cities", vocabularies())
    places = np.unique(np.stack([cities.country_iso, cities.tzid], axis=1), axis=0)
    merchant_id = np.unique(rng.integers(1, 2**63, merchants * 2, dtype=np.uint64))[::2][:merchants]
    count = len(merchant_id)
    channel = rng.integers(0, 3, count).astype(np.int16)
    mode = np.where(channel == code("channel", "card_present"), 0, rng.integers(0, 3, count)).astype(np.int16)
    share = np.select([mode == 0, mode == 2], [0.0, 1.0], 0.2 + 0.6 * rng.random(count))
    mccs = [entry["mcc"] for entry in config("layer1/1A/mcc_taxonomy.yaml")["mccs"]]

    def groups(owners: np.ndarray, most: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        owner = np.repeat(owners, rng.integers(1, most + 1, len(owners)))
        place = rng.integers(0, len(places), len(owner))
        rows = np.unique(np.stack([owner, place], axis=1), axis=0)
        size = np.bincount(rows[:, 0], minlength=count)[rows[:, 0]]
        last = np.r_[rows[1:, 0] != rows[:-1, 0], True]
        weight = np.where(last, 2**40 - (2**40 // size) * (size - 1), 2**40 // size).astype(np.uint64)
        return rows[:, 0], places[rows[:, 1]].astype(np.int16), weight

    owner, at, weight = groups(np.arange(count), zones_a_merchant)
    edge_owner, edge_at, edge_weight = groups(np.flatnonzero(mode > 0), edges_a_merchant)
    markets = whole_earth()["world_markets_1A"]
    # Demand lies anywhere here, whatever the markets are: no merchant counts for the gate on markets.
    markets = markets.with_columns(merchant_weight=np.zeros(len(markets), dtype=np.uint64))
    return {
        "world_markets_1A": markets,
        "merchant_catalogue_1A": Frame(
            {
                "merchant_id": merchant_id,
                "mcc": rng.choice(mccs, count).astype(np.uint16),
                "channel": channel,
                "home_country_iso": np.zeros(count, dtype=np.int16),
                "brand_factor": rng.lognormal(-0.18, 0.6, count),
            }
        ),
        "merchant_supplied_1A": nothing_supplied(),
        "outlet_catalogue": Frame({"merchant_id": np.repeat(merchant_id, 1 + np.arange(count) % 5 // 4)}),
        "virtual_classification_3B": Frame(
            {"merchant_id": merchant_id, "virtual_mode": mode, "virtual_share": share}
        ),
        "s4_group_weights_2B": Frame(
            {
                "merchant_id": merchant_id[owner],
                "legal_country_iso": at[:, 0],
                "tzid": at[:, 1],
                "sites": rng.integers(1, 4, len(owner)).astype(np.uint32),
                "weight_q": weight,
                "site_scale_q": rng.integers(1, 3 << 20, len(owner)).astype(np.uint64),
            }
        ),
        "edge_group_weights_3B": Frame(
            {
                "merchant_id": merchant_id[edge_owner],
                "country_iso": edge_at[:, 0],
                "tzid": edge_at[:, 1],
                "weight_q": edge_weight,
            }
        ),
        "tz_timetable_cache": timetable(),
    }
