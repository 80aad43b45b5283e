"""Merchants and sites in memory, and states run over them without a run directory:
the shell's loop without its files.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from sim.backends import get_backend
from sim.ground.contract_types import Contracts
from sim.shell.contracts.load import load_contracts
from sim.shell.contracts.strict_yaml import load
from sim.shell.runs.memory_store import MemoryStore
from sim.shell.tables.frame_checks import check_foreign_key, check_frame
from sim.shell.tables.reference import Reference
from sim.state.context import Context, PartitionContext
from sim.state.declaration import Check, State
from sim.state.frames import Frame, concat
from sim.state.params import Params
from sim.state.program import Program
from sim.state.totals import Totals
from tests.totals import altered, figures, totals_of

ROOT = Path(__file__).resolve().parents[2]


@cache
def contracts() -> Contracts:
    return load_contracts(ROOT / "contracts")


@cache
def vocabularies() -> dict[str, tuple[str, ...]]:
    reference = Reference(ROOT / "config" / "reference")
    drawn = {name: reference.vocabulary(*at) for name, at in contracts().reference_vocabularies.items()}
    return {**contracts().vocabularies, **drawn}


@cache
def config(path: str) -> dict[str, Any]:
    return load(ROOT / "config" / path, path).value


def memory_store(seed: int = 7) -> MemoryStore:
    """A store that holds the places of the whole Earth and nothing else."""
    store = MemoryStore(vocabularies(), Reference(ROOT / "config" / "reference"), contracts(), seed)
    store.parts = {name: [frame] for name, frame in whole_earth().items()}
    return store


@cache
def whole_earth() -> dict[str, Frame]:
    """`world_markets_1A`, `world_footprint_1A`: all countries, and all cities as metros."""
    reference = Reference(ROOT / "config" / "reference")
    countries, cities = (reference.frame(name, vocabularies()) for name in ("countries", "cities"))
    size = countries.population.astype(np.uint64) * np.uint64(100)
    markets = {"country_iso": countries.country_iso, "market_size": size, "merchant_weight": size}
    weight = cities.population.astype(np.uint64)
    places = {name: cities[name] for name in ("country_iso", "city_id", "metro_id")}
    places |= {"place_kind": np.zeros(len(cities), dtype=np.int16)}
    places |= {"site_weight": weight, "home_weight": weight}
    places |= dict.fromkeys(("site_radius_udeg", "home_radius_udeg"), cities.jitter_radius_udeg)
    markets |= {"metros_wanted": np.ones(len(size), dtype=np.uint64)}
    markets |= {"largest_volume": np.full(len(size), 1e15), "volume_factor": np.ones(len(size))}
    return {
        "world_markets_1A": Frame(markets),
        "world_footprint_1A": Frame(places),
    }


class ScenarioStore(MemoryStore):
    """As `MemoryStore`, scenario by scenario: `parts` is by (dataset, scenario)."""

    parts: dict[tuple[str, str | None], list[Frame]]

    def __init__(self) -> None:
        super().__init__(vocabularies(), Reference(ROOT / "config" / "reference"), contracts(), 7)

    def held(self, dataset: str, scenario: str | None) -> list[Frame]:
        return self.parts[(dataset, scenario)]


class MemoryWorld:
    """States run one after another, each seeing what those before it made."""

    def __init__(self, configs: Mapping[str, Mapping[str, Any]], seed: int = 7) -> None:
        self.store = memory_store(seed)
        self.configs = {name: Params(values) for name, values in configs.items()}
        self.seed = seed
        self.checks: dict[str, Check] = {}
        self.totals: dict[str, Totals] = {}

    def context(self, state: State, kernels: Sequence[str] = ()) -> Context:
        """What a state sees; `kernels` are allowed on top of its own."""
        return Context(
            replace(state, kernels=(*state.kernels, *kernels)),
            seed=self.seed,
            scenarios=(),
            configs=self.configs,
            contracts=contracts(),
            inputs=self.store,
            backend=get_backend("cpu"),
            externals={},
        )

    def run(self, program: Program) -> dict[str, Frame]:
        """Run a state, keep its rows, and return them whole; its checks and sums are in `checks` and
        `totals`.
        """
        state, ctx = program.state, self.context(program.state)
        made, totals = computed(program, ctx)
        if program.finish is not None:
            made |= {dataset: [frame] for dataset, frame in program.finish(ctx, totals).items()}
        assert set(made) == set(state.writes)
        self.store.parts |= made
        self.totals[state.id] = totals
        self.checks = {check.name: check for check in program.checks(ctx, totals)}
        whole = {dataset: concat(frames) for dataset, frames in made.items()}
        for dataset, frame in whole.items():
            self._contract(dataset, frame)
        return whole

    def check_with(self, module: Any, name: str, change: Mapping[str, Any]) -> Check:
        """A state's check called `name`, over its sums with some of them changed by the given amounts."""
        totals = self.totals[module.STATE.id]
        wrong = altered(totals, {key: figures(totals)[key] + value for key, value in change.items()})
        return next(check for check in module.checks(self.context(module.STATE), wrong) if check.name == name)

    def failed(self) -> list[Check]:
        return [check for check in self.checks.values() if not check.passed]

    def _contract(self, dataset: str, frame: Frame) -> None:
        """Every contract check the shell would make, foreign keys too."""
        entry = contracts().dataset(dataset)
        results = check_frame(frame, entry, vocabularies())
        results += [
            check_foreign_key(frame, key, self.store.load(key.dataset, columns=key.to))
            for key in entry.foreign_keys
        ]
        assert all(result.passed for result in results), [result for result in results if not result.passed]


def computed(program: Program, ctx: Context) -> tuple[dict[str, list[Frame]], Totals]:
    """Every partition of a state: frames by dataset, and the totals that its checks are given."""
    counted: list[PartitionContext] = []
    made: dict[str, list[Frame]] = {}
    assert program.compute is not None
    for part in program.partitions(ctx):
        inner = ctx.for_partition(part)
        for dataset, frame in program.compute(inner, part).items():
            made.setdefault(dataset, []).append(frame)
        counted.append(inner)
    return made, totals_of(ctx, counted)


def merchants(count: int, seed: int = 1) -> Frame:
    """`count` merchants over the taxonomy's MCCs and all countries; ids spread over 63 bits."""
    rng = np.random.default_rng(seed)
    mccs = [entry["mcc"] for entry in config("layer1/1A/mcc_taxonomy.yaml")["mccs"]]
    weights = np.array(
        [entry["share_weight"] for entry in config("layer1/1A/mcc_taxonomy.yaml")["mccs"]], dtype=float
    )
    countries = Reference(ROOT / "config" / "reference").frame("countries", vocabularies())
    size = countries.population.astype(float) ** 0.8 + 1.0
    ids = np.unique(rng.integers(1, 2**63, count * 2, dtype=np.uint64))
    return Frame(
        {
            "merchant_id": np.sort(rng.permutation(ids)[:count]),
            "mcc": rng.choice(mccs, count, p=weights / weights.sum()).astype(np.uint16),
            "channel": rng.choice(3, count, p=[0.65, 0.2, 0.15]).astype(np.int16),
            "home_country_iso": rng.choice(len(size), count, p=size / size.sum()).astype(np.int16),
            "brand_factor": rng.lognormal(-0.18, 0.6, count),
        }
    )


def sites(of: Frame, seed: int = 2, big_every: int = 11) -> tuple[Frame, Frame]:
    """`site_locations` and `site_timezones` of merchants: mostly one site, every `big_every`-th has many,
    some abroad.
    """
    rng = np.random.default_rng(seed)
    cities = Reference(ROOT / "config" / "reference").frame("cities", vocabularies())
    first = np.searchsorted(cities.country_iso, np.arange(len(vocabularies()["country"]) + 1))
    size = np.where(np.arange(len(of)) % big_every == 0, rng.integers(2, 40, len(of)), 1)
    owner = np.repeat(np.arange(len(of)), size)
    country = of.home_country_iso[owner].astype(np.int64)
    abroad = (size[owner] > 10) & (rng.random(len(owner)) < 0.1)
    country[abroad] = vocabularies()["country"].index("US")
    order = np.lexsort((country, owner))
    owner, country = owner[order], country[order]
    start = np.flatnonzero(np.r_[True, (owner[1:] != owner[:-1]) | (country[1:] != country[:-1])])
    rank = np.arange(len(owner)) - np.repeat(start, np.diff(np.append(start, len(owner))))
    city = first[country] + np.floor(rng.random(len(owner)) * (first[country + 1] - first[country])).astype(
        int
    )
    key = {
        "merchant_id": of.merchant_id[owner],
        "legal_country_iso": country.astype(np.int16),
        "site_order": (rank + 1).astype(np.uint32),
        "site_id": rng.permutation(
            np.arange(1, len(owner) + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
            & np.uint64(2**63 - 1)
        ),
    }
    located = {
        "city_id": cities.city_id[city],
        "lat_deg": cities.lat_udeg[city] / 1e6,
        "lon_deg": cities.lon_udeg[city] / 1e6,
    }
    return Frame({**key, **located}), Frame({**key, "tzid": cities.tzid[city]})
