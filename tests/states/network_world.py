"""Parties, accounts and instruments in memory, and 6A's devices and addresses over them."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from circle_world import circles
from memory_world import MemoryWorld, config, memory_store, merchants, sites, vocabularies
from terminal_world import site_terminals

from sim.ground.errors import ContractError
from sim.recipes.horizon import life_span
from sim.segments.entities_6a.s4_devices import state as s4_devices
from sim.segments.entities_6a.s5_network import state as s5_network
from sim.segments.entities_6a.s8_abroad import state as s8_abroad
from sim.state.frames import Frame, concat
from sim.state.program import Program

PATHS = {
    "party_taxonomy_6A": "taxonomy/party.yaml",
    "instrument_taxonomy_6A": "taxonomy/instrument.yaml",
    "national_payments_6A": "priors/national_payments.yaml",
    "device_taxonomy_6A": "taxonomy/devices.yaml",
    "device_models_6A": "taxonomy/device_models.yaml",
    "ip_taxonomy_6A": "taxonomy/ips.yaml",
    "device_prior_6A": "priors/device_counts.yaml",
    "device_life_6A": "priors/device_life.yaml",
    "ip_prior_6A": "priors/ip_counts.yaml",
    "ip_abroad_prior_6A": "priors/ip_abroad.yaml",
    "ip_place_prior_6A": "priors/ip_places.yaml",
    "operator_names_6A": "taxonomy/operator_names.yaml",
    "device_linkage_6A": "policy/device_linkage.yaml",
    "graph_linkage_6A": "policy/graph_linkage.yaml",
    "circles_6A": "priors/circles.yaml",
    "realism_gates_network_6A": "policy/realism_gates_network.yaml",
    "realism_gates_people_6A": "policy/realism_gates_people.yaml",
}
CONFIGS = {name: config(f"layer3/6A/{path}") for name, path in PATHS.items()}
CONFIGS["scenario_horizon_5A"] = config("layer2/5A/scenario_horizon.yaml")
DEVICES, ABROAD, NETWORK = Program.of(s4_devices), Program.of(s8_abroad), Program.of(s5_network)
METROS = 3  # largest cities of a country in which everybody lives


def code(vocabulary: str, value: str) -> int:
    return vocabularies()[vocabulary].index(value)


def changed(overrides: Mapping[str, Any]) -> dict[str, Any]:
    """The configs with some values replaced, by dotted path."""
    configs = deepcopy(CONFIGS)
    for path, value in overrides.items():
        *parents, leaf = path.split(".")
        inside: Any = configs
        for key in parents:
            inside = inside[key]
        if value is None:
            del inside[leaf]
        else:
            inside[leaf] = deepcopy(value)
    return configs


def _bears(rng: np.random.Generator, many: int) -> dict[str, np.ndarray[Any, Any]]:
    """What instruments are: cards of every network and bank accounts, issued over three years."""
    networks = [code("scheme", name) for name in ("VISA", "MASTERCARD", "AMEX", "CB", "GIROCARD", "VERVE")]
    kinds = [code("instrument_type", f"RETAIL_{name}_CARD_PHYSICAL") for name in ("DEBIT", "CREDIT")]
    kinds.append(code("instrument_type", "PARTY_BANK_ACCOUNT_DOMESTIC"))
    return {
        "instrument_type": rng.choice(kinds, many).astype(np.int16),
        "scheme": rng.choice(networks, many).astype(np.int16),
        "co_badge_scheme": rng.choice(networks, many).astype(np.int16),
        "valid_from": (20_000 + rng.integers(0, 400, many)).astype(np.int32),
        "valid_to": np.full(many, 20_538, dtype=np.int32),
    }


def people(count: Mapping[str, int], files: int = 2, seed: int = 3) -> dict[str, list[Frame]]:
    """Parties of the given countries in `files` files, with households,
    accounts and instruments of their own.
    """
    rng = np.random.default_rng(seed)
    segments, types = vocabularies()["segment"], vocabularies()["party_type"]
    share = np.array([{"R": 0.96 / 8, "B": 0.03 / 7, "O": 0.01 / 2}[name[0]] for name in segments])
    type_of = np.array(
        [types.index({"R": "RETAIL", "B": "BUSINESS", "O": "OTHER"}[name[0]]) for name in segments],
        dtype=np.int16,
    )
    pieces: list[dict[str, Frame]] = []
    cells: list[tuple[int, int, int, int, int]] = []
    ids = {"party": 1, "household": 1, "account": 1, "instrument": 1}
    for country in sorted(code("country", name) for name in count):
        many = count[vocabularies()["country"][country]]
        segment = np.sort(rng.choice(len(segments), many, p=share / share.sum())).astype(np.int16)
        private = np.flatnonzero(type_of[segment] == types.index("RETAIL"))
        household = np.zeros(many, dtype=np.uint64)
        size = rng.choice([1, 2, 3, 4, 6, 12], many, p=[0.35, 0.3, 0.15, 0.12, 0.06, 0.02])
        of = np.repeat(np.arange(many), size)[: len(private)]
        household[rng.permutation(private)] = ids["household"] + of
        homes = int(of[-1]) + 1 if len(of) else 0
        others = np.flatnonzero(type_of[segment] != types.index("RETAIL"))
        household[others] = ids["household"] + homes + np.arange(len(others))
        party = ids["party"] + np.arange(many, dtype=np.uint64)
        for value, first, number in zip(
            *np.unique(segment, return_index=True, return_counts=True), strict=True
        ):
            cells.append((country, value, type_of[value], number, int(party[first])))
        owner = np.repeat(np.arange(many), rng.poisson(2.6, many))
        owner = owner[np.argsort(rng.integers(0, 5, len(owner)), kind="stable")]
        account = ids["account"] + np.arange(len(owner), dtype=np.uint64)
        of_account = np.repeat(np.arange(len(owner)), rng.poisson(1.3, len(owner)))
        instrument = ids["instrument"] + np.arange(len(of_account), dtype=np.uint64)
        place = np.full(many, country, dtype=np.int16)
        columns = {
            "party_id": party,
            "country_iso": place,
            "party_type": type_of[segment],
            "segment_id": segment,
            "household_id": household,
            **homes_of(country, household),
        }
        pieces.append(
            {
                "s1_party_base_6A": Frame(columns),
                "s2_account_base_6A": Frame({"account_id": account, "owner_party_id": party[owner]}),
                "s3_instrument_base_6A": Frame(
                    {
                        "instrument_id": instrument,
                        "account_id": account[of_account],
                        "owner_party_id": party[owner[of_account]],
                        **_bears(rng, len(of_account)),
                    },
                    {
                        "co_badge_scheme": instrument % np.uint64(3) == 0,
                        "valid_to": instrument % np.uint64(50) == 0,
                    },
                ),
            }
        )
        ids = {
            "party": ids["party"] + many,
            "household": ids["household"] + homes + len(others),
            "account": ids["account"] + len(owner),
            "instrument": ids["instrument"] + len(of_account),
        }
    names = ("country_iso", "segment_id", "party_type", "parties", "first_party_no")
    dtypes = (np.int16, np.int16, np.int16, np.uint64, np.uint64)
    summary = Frame(
        {
            name: np.array(column, dtype=kind)
            for name, column, kind in zip(names, zip(*cells, strict=True), dtypes, strict=True)
        }
    )
    cuts = np.linspace(0, len(pieces), min(files, len(pieces)) + 1).astype(int)
    parts = {
        name: [concat([piece[name] for piece in pieces[a:b]]) for a, b in pairwise(cuts)]
        for name in pieces[0]
    }
    return {**parts, "s1_party_summary_6A": [summary]}


@cache
def cities() -> Frame:
    """Cities of the snapshot, the largest of each country first."""
    table = memory_store().reference.frame("cities", vocabularies())
    return table.take(np.lexsort((-table.population, table.country_iso)))


def homes_of(country: int, household: np.ndarray) -> dict[str, np.ndarray]:
    """City and latitude of each household: one of the country's largest cities."""
    here = cities().take(np.flatnonzero(cities().country_iso == country)[:METROS])
    row = (household * np.uint64(2654435761) % np.uint64(len(here))).astype(np.int64)
    return {"home_city_id": here.city_id[row], "home_lat_deg": here.lat_udeg[row] / 1e6}


@cache
def _terminals(shops: int) -> Frame:
    of = merchants(shops)
    return site_terminals(of, *sites(of))


def trading(made: MemoryWorld, shops: Frame) -> Frame:
    """Lives of merchants: old ones, some that open or close inside the horizon, some that say nothing."""
    span = life_span(made.configs["scenario_horizon_5A"])
    turn = np.arange(len(shops))
    old, young = span.first_day - 37 * (turn + 1), span.first_day + turn % span.days
    inside = turn % 4 == 1
    opened = np.where(inside, young, old)
    closed = np.maximum(opened, span.first_day) + 1 + turn % 20
    return Frame(
        {
            "merchant_id": shops.merchant_id,
            "opened_date": opened.astype(np.int32),
            "closed_date": closed.astype(np.int32),
        },
        {
            "opened_date": turn % 4 != 2,
            "closed_date": (turn % 4 == 3) & (closed < span.first_day + span.days),
        },
    )


def world(
    count: Mapping[str, int],
    overrides: Mapping[str, Any] | None = None,
    shops: int = 60,
    files: int = 2,
    seed: int = 7,
) -> MemoryWorld:
    """A world up to 6A.S3, with `shops` merchants."""
    made = MemoryWorld(changed(overrides or {}), seed=seed)
    of = merchants(shops)
    outlets = sites(of)[0].select("merchant_id", "legal_country_iso", "site_order", "site_id")
    lived = people(count, files)
    known = circles(concat(lived["s1_party_base_6A"]))
    table = cities()
    first = table.take(np.searchsorted(table.country_iso, outlets.legal_country_iso))
    located = Frame({"site_id": outlets.site_id, "city_id": first.city_id})
    made.store.parts = {
        **lived,
        **known,
        "merchant_catalogue_1A": [of],
        "outlet_catalogue": [outlets],
        "site_locations": [located],
        "s4_site_terminals_2B": [_terminals(shops)],
        "s7_merchant_life_5A": [trading(made, of)],
    }
    return made


def build(made: MemoryWorld) -> dict[str, Frame]:
    """6A.S4, S8 and S5, with every check; figures of all states' checks are in `checks`."""
    rows: dict[str, Frame] = {}
    checks = {}
    for program in (DEVICES, ABROAD, NETWORK):
        assert program.preflight is not None
        program.preflight(made.context(program.state))
        rows |= made.run(program)
        assert made.failed() == []
        checks |= made.checks
    made.checks = checks
    return rows


COUNT = {"DE": 9000, "US": 6000, "NG": 2500, "JP": 2500, "AU": 600, "LI": 6, "FR": 4000}


@cache
def built() -> tuple[MemoryWorld, dict[str, Frame]]:
    """One world for all tests that only look."""
    made = world(COUNT)
    return made, build(made)


def refused_at_once(program: Program, overrides: dict[str, Any], refusal: str, names: str) -> None:
    """The preflight of a state refuses the settings as a fault of contracts, and names what decides it."""
    made = world({"LI": 5}, overrides, shops=3)
    assert program.preflight is not None
    with pytest.raises(ContractError) as refused:
        program.preflight(made.context(program.state))
    assert refused.value.code == refusal and refused.value.exit_code == 3
    assert names in refused.value.render()
