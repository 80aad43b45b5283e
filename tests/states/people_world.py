"""A small world of countries, outlets and demand, and 6A.S1 to 6A.S3 run over it in memory."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Mapping, Sequence
from functools import cache
from types import ModuleType
from typing import Any

import numpy as np
from memory_world import ROOT, MemoryWorld, config, contracts, vocabularies

from sim.ground.contract_types import Dataset
from sim.recipes.supplied import nothing_supplied
from sim.segments.entities_6a.s1_parties import state as s1_parties
from sim.segments.entities_6a.s2_accounts import state as s2_accounts
from sim.segments.entities_6a.s3_instruments import state as s3_instruments
from sim.shell.tables.digest import table_digest
from sim.shell.tables.reference import Reference
from sim.state.frames import Frame, concat
from sim.state.program import Program

STATES: tuple[ModuleType, ...] = (s1_parties, s2_accounts, s3_instruments)
COUNTRIES = ("AU", "BR", "DE", "FR", "GB", "IN", "JP", "NG", "NZ", "TV", "US", "ZA")
DEFAULT_PARTITION = s1_parties.PARTITION_PARTIES


@cache
def base_configs() -> dict[str, dict[str, Any]]:
    """Every config pack the three states read, as shipped."""
    names = sorted({name for module in STATES for name in module.STATE.config})
    return {name: config(contracts().artefacts[name].path) for name in names}


def changed(changes: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Shipped packs with some values replaced: keys are `<pack>.<key>.<key>`."""
    packs = copy.deepcopy(base_configs())
    for key, value in changes.items():
        *path, last = key.split(".")
        node: Any = packs
        for part in path:
            node = node[part]
        if value is None:
            del node[last]
        else:
            node[last] = value
    return packs


def demand(parties: int) -> dict[str, Frame]:
    """Outlets, merchants and profile of a world of about so many parties: every country has demand,
    two have no outlet.
    """
    country = np.array(sorted(vocabularies()["country"].index(name) for name in COUNTRIES), dtype=np.int16)
    merchants = np.arange(1, 41, dtype=np.uint64) * np.uint64(2**57)
    home = np.sort(country[np.arange(40) % 10])
    share = 1.0 + (np.arange(len(country)) * 7 % 11)
    volume = parties * 6.5333 * 0.65 * share / share.sum()
    outlets = Frame({"merchant_id": np.repeat(merchants, 3), "legal_country_iso": np.repeat(home, 3)})
    profile = Frame(
        {
            "merchant_id": merchants[: len(country)],
            "legal_country_iso": country,
            "weekly_volume_expected": volume,
        }
    )
    catalogue = Frame(
        {
            "merchant_id": merchants,
            "mcc": np.where(np.arange(40) % 5 == 0, 5411, 5812).astype(np.uint16),
            "channel": (np.arange(40) % 3).astype(np.int16),
            "home_country_iso": home,
        }
    )
    lives = Frame(
        {"merchant_id": merchants, "opened_date": (20_460 + 5 - np.arange(40) ** 2).astype(np.int32)},
        {"opened_date": np.arange(40) % 7 != 3},
    )
    cities = Reference(ROOT / "config" / "reference").frame("cities", vocabularies())
    order = np.lexsort((-cities.population.astype(np.int64), cities.country_iso))
    largest = order[np.searchsorted(cities.country_iso[order], np.repeat(home, 3))]
    sites = Frame(
        {
            "merchant_id": outlets.merchant_id,
            "lat_deg": (cities.lat_udeg[largest] + np.arange(120) % 7 * 20_000) / 1e6,
            "lon_deg": (cities.lon_udeg[largest] - np.arange(120) % 5 * 30_000) / 1e6,
        }
    )
    modes = Frame({"merchant_id": merchants, "virtual_mode": np.zeros(40, dtype=np.int16)})
    return {
        "site_locations": sites,
        "virtual_classification_3B": modes,
        "merchant_supplied_1A": nothing_supplied(),
        "outlet_catalogue": outlets,
        "merchant_zone_profile_5A": profile,
        "merchant_catalogue_1A": catalogue,
        "s7_merchant_life_5A": lives,
    }


class EntityWorld(MemoryWorld):
    """Parties, accounts and instruments of a small world.

    Args:
        parties: About how many.
        configs: Config packs; the shipped ones when None.
        seed: Seed.
    """

    def __init__(
        self, parties: int, configs: Mapping[str, Mapping[str, Any]] | None = None, seed: int = 7
    ) -> None:
        super().__init__(configs or base_configs(), seed)
        self.store.parts |= {name: [frame] for name, frame in demand(parties).items()}
        self.frames: dict[str, Frame] = {}
        self.passed: dict[str, list[str]] = {}

    def preflight(self, module: ModuleType) -> None:
        """What the run loop asks before any state runs."""
        module.preflight(self.context(module.STATE))

    def build(self) -> EntityWorld:
        """Run the three states with all their checks; names of failed checks are in `passed`."""
        for module in STATES:
            self.preflight(module)
            self.frames |= self.run(Program.of(module))
            self.passed[module.STATE.id] = [check.name for check in self.checks.values() if not check.passed]
        return self

    def rows_of(self, module: ModuleType) -> dict[str, Frame]:
        """Rows of one state without its checks."""
        ctx = self.context(module.STATE)
        module.preflight(ctx)
        made: dict[str, list[Frame]] = {}
        for part in module.plan(ctx):
            for dataset, frame in module.compute(ctx.for_partition(part), part).items():
                made.setdefault(dataset, []).append(frame)
        self.store.parts |= made
        return {dataset: concat(frames) for dataset, frames in made.items()}


def digest(frames: Mapping[str, Frame]) -> str:
    """One digest of the content of several datasets."""
    whole = hashlib.sha256()
    for name in sorted(frames):
        dataset: Dataset = contracts().dataset(name)
        whole.update(f"{name} {table_digest(frames[name], dataset, vocabularies())}\n".encode())
    return whole.hexdigest()


def words(frame: Frame, column: str, vocabulary: str) -> np.ndarray[Any, Any]:
    """A category column as text."""
    return np.array(vocabularies()[vocabulary])[frame[column]]


def state_module(name: str) -> Sequence[ModuleType]:
    """States that read a config pack, in order."""
    return [module for module in STATES if name in module.STATE.config]
