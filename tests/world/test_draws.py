"""`explain` knows every draw of the model: over all rows, its addresses are those the states drew from,
its words their values.
"""

from __future__ import annotations

import dataclasses
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import sim.world as cw
from sim.recipes.drawn import MADE, WEIGHT, Drawn
from sim.rng import block
from sim.segments import EXPLAINED, SEGMENTS
from sim.segments.entities_6a.s6_fraud_roles.merchants import merchants_of
from sim.state.context import Context
from sim.state.declaration import Partition
from sim.state.event_log import EventLog
from sim.state.frames import Array, Frame
from sim.state.program import Program
from sim.world.draws import addresses, drawn_from, finding_context
from sim.world.explain import explain
from sim.world.gates import drawing_states
from sim.world.regenerate import context_of
from tests.world.draw_values import VALUES, Case
from tests.world.row_kinds import Weighed, told_alone

PROGRAMS = {program.state.id: program for segment in SEGMENTS for program in segment.programs}
DECIDED_NO_ROW = {
    "6B.account_funds": "accounts that no payment of the horizon was asked of",
    "6B.outage": "hours in which no card of the bank pays",
    "6B.trip": "trips that give way to others of the party",
    "6B.trips": "parties who draw no trip",
    "6B.exchange_move": "days before the horizon, whose moves are in its levels",
    "6B.slot": "members of a clientele who made none of its visits",
    "1A.footprint_town": "cities of metros of the world that are no towns of it",
    "1A.foreign_choice": "countries a chain did not go to have no outlet there",
    "5A.outage": "most days of most zones have no outage",
    "6A.account_weight": "parties that asked for an account of a type and got none",
    "6A.main_issuer": "parties without an instrument",
    "6A.account_issuer": "accounts without an instrument",
    "6A.card_holder": "accounts that were not picked to carry a debit card",
    "6A.credit_holder": "parties that were not picked to hold a credit card",
    "6A.instrument_weight": "accounts that asked for an instrument of a type and got none",
    "6A.device_demand": "parties that asked for a device of a type and got none",
    "6A.device_start": "cells without a device of a type",
    "6A.circle_leader": "parties who lead no circle",
    "6A.circle_seat": "seats that stayed empty",
    "6A.ip_demand": "kinds of addresses that a device does not meet",
    "6A.journey": "parties that stay in their country",
    "6A.abroad_wish": "devices that asked for an exit abroad and got none",
}
"""Streams of which some draws decided that there is no row, and why;
of all others every draw is behind some row.
"""
NO_DRAWS = {
    "outings_6B": "what 5A expects",
    "visit_shares_6B": "config",
    "merchant_supplied_1A": "the user's file",
    "tz_timetable_cache": "the IANA time-zone database",
    "zone_alloc_universe_hash": "a digest",
    "edge_universe_hash_3B": "a digest",
    "virtual_routing_policy_3B": "config",
    "class_zone_shape_5A": "config",
    "s4_acquirers_1A": "config and the countries of the merchants",
    "s8_trade_seasons_5A": "config",
    "scenario_manifest_5A": "config",
    "scenario_zone_calendar_5A": "the timetable",
    "s1_time_grid_5B": "config",
    "s1_party_summary_6A": "priors and exact shares",
    "s2_account_summary_6A": "priors and exact shares",
    "s3_instrument_summary_6A": "priors and exact shares",
    "s3_issuer_base_6A": "config",
    "s3_bin_base_6A": "config",
}
"""Datasets that no draw is behind, or only the whole of the world before them."""


def test_every_stream_of_every_state_is_explained() -> None:
    """A state that draws from another stream is not green until its `draws.py` says how rows find
    the draws.
    """
    explained = defaultdict(set)
    for rule in EXPLAINED.draws:
        explained[rule.stream].add(rule.dataset)
    declared = {stream: program.state for program in PROGRAMS.values() for stream in program.state.streams}
    assert set(explained) == set(declared)
    for stream, state in declared.items():
        assert explained[stream] & set(state.writes), f"{stream} is behind no dataset of {state.id}"
    for rule in EXPLAINED.draws:
        assert rule.stream in program_of_dataset(rule.dataset).state.streams, rule
        assert rule.words
        assert {word.made for word in rule.words} <= set(MADE)


def program_of_dataset(dataset: str) -> Program:
    return next(program for program in PROGRAMS.values() if dataset in program.state.writes)


def test_every_dataset_leads_to_its_draws(demo_run: Path) -> None:
    """A row shows draws, or rows it was made of, until draws are reached;
    what neither is made from chance is listed.
    """
    contracts = cw.open(demo_run).contracts
    leads = {
        name: {key.dataset for key in contracts.dataset(name).foreign_keys}
        | {made.of for made in EXPLAINED.of(name).made_of}
        for program in PROGRAMS.values()
        for name in program.state.writes
    }
    reached = {rule.dataset for rule in EXPLAINED.draws}
    for _ in leads:
        reached |= {name for name, others in leads.items() if others & reached}
    assert set(leads) - reached == set(NO_DRAWS) - reached
    assert set(NO_DRAWS) <= set(leads)
    for made in EXPLAINED.made_of:
        names, own = contracts.dataset(made.of).table.names, contracts.dataset(made.dataset).table.names
        assert set(made.on) <= set(names)
        assert set(made.on.values()) <= set(own)


def test_states_that_draw_are_those_with_rules() -> None:
    assert {program_of_dataset(rule.dataset).state.id for rule in EXPLAINED.draws} == set(drawing_states())


@pytest.mark.parametrize("state", drawing_states())
def test_every_address_is_one_the_state_drew_from(state: str, demo_run: Path) -> None:
    """All rows of all partitions: addresses against the ledger both ways, columns made again from the words,
    laws of weights those of the state; and rows of every kind lead alone to what they lead to among others.
    """
    world = cw.open(demo_run)
    found: dict[str, list[Array]] = defaultdict(list)
    drawn: dict[str, list[Array]] = defaultdict(list)
    rows_drawn: dict[tuple[str, str], int] = defaultdict(int)
    remade: dict[tuple[str, str], int] = defaultdict(int)
    own = context_of(world, PROGRAMS[state].state)
    for number, (ctx, part, frames, log, weighed) in enumerate(computed(world, PROGRAMS[state], own)):
        among: dict[tuple[str, str], set[tuple[int, ...]]] = defaultdict(set)
        alone = {name: told_alone(world, name, (ctx, part, log), rows) for name, rows in frames.items()}
        for stream, told in log.rows.items():
            drawn[stream] += [
                _blocks(number, row["counter_before_hi"], row["counter_before_lo"], row["blocks"])
                for row in told
            ]
        for rule in EXPLAINED.draws:
            if rule.dataset not in frames:
                continue
            rows = frames[rule.dataset]
            fields = rule.find(ctx, part, rows)
            at = addresses(ctx, world.contracts.streams[rule.stream], fields)
            words, kept = {}, np.zeros(len(fields), dtype=np.bool_)
            for word in rule.words:
                draw = (
                    fields[word.draw].astype(np.int64)
                    if isinstance(word.draw, str)
                    else np.full(len(fields), word.draw)
                )
                c0 = at.c0 + (draw // 2).astype(np.uint64)
                here = drawn_from(log, rule.stream, c0, at.c1)
                kept |= here
                found[rule.stream].append(
                    _blocks(number, at.c1[here], c0[here], np.ones(int(here.sum()), dtype=np.uint64))
                )
                pair = block(ctx.stream(rule.stream, part.scenario), c0, at.c1)
                value = np.where(draw % 2 == 0, *pair)
                words[len(words) if isinstance(word.draw, str) else word.draw] = value
                if word.made == WEIGHT and here.any():
                    weighed.require_law(value[here], fields.idle[here], fields.sigma[here])
                some = np.flatnonzero(here & np.isin(fields["row"], list(alone[rule.dataset])))
                among[rule.dataset, rule.stream] |= set(
                    zip(
                        *(column[some].tolist() for column in (fields["row"], c0, at.c1, draw % 2, value)),
                        strict=True,
                    )
                )
            _only_whole_cells_draw_nothing(rule, at.c1, kept, log)
            rows_drawn[rule.dataset, rule.stream] += int(kept.sum())
            if (rule.dataset, rule.stream) in VALUES and 0 in words:
                drew = np.flatnonzero(kept)
                mine = {number: word[drew] for number, word in words.items()}
                case = Case(ctx, part, rows, fields.take(drew), mine)
                got, expected = VALUES[rule.dataset, rule.stream](case)
                np.testing.assert_array_equal(got, expected, f"{rule.dataset} {rule.stream}")
                remade[rule.dataset, rule.stream] += len(drew)
        for dataset, rows_alone in alone.items():
            for stream in {rule.stream for rule in EXPLAINED.of(dataset).draws}:
                here_alone = {
                    (row, draw.c0, draw.c1, draw.lane, int(draw.word, 16))
                    for row, draws in rows_alone.items()
                    for draw in draws
                    if draw.stream == stream
                }
                assert here_alone == among[dataset, stream], (dataset, stream)
    for stream in PROGRAMS[state].state.streams:
        given, told = _distinct(found[stream]), _distinct(drawn[stream])
        if stream in DECIDED_NO_ROW:
            both = _distinct([given, told])
            assert len(both) == len(told) > len(given) > 0, stream
        else:
            np.testing.assert_array_equal(given, told, stream)
    nobody = {
        ("s5_merchant_fraud_roles_6A", "6A.merchant_ring")
    }  # no merchant of so small a world works for a ring
    assert {key for key, number in rows_drawn.items() if not number} <= nobody
    expected = {key for key in VALUES if key[0] in PROGRAMS[state].state.writes}
    assert {key for key in expected if not remade[key]} <= nobody


def test_merchants_of_rings_find_their_draw(demo_run: Path) -> None:
    """In the tiny world no merchant works for a ring: the state's partition of merchants is planned for one
    where half of them do.
    """
    world = cw.open(demo_run)
    state = PROGRAMS["6A.S6"].state
    own, ctx = context_of(world, state), finding_context(world, state)
    part = PROGRAMS["6A.S6"].partitions(own)[-1]
    targets = np.array(part.spec["merchants"])
    collusive = ctx.code("merchant_role", "COLLUSIVE")
    merchants = own.load("merchant_catalogue_1A")
    classes = np.bincount(merchants_of(own).mcc_risk, minlength=targets.shape[2])
    targets[collusive, 0] = classes // 2
    many = dataclasses.replace(part, spec={**part.spec, "merchants": targets.tolist()})
    mine = own.for_partition(many)
    mine.events = EventLog()
    rows = PROGRAMS["6A.S6"].compute(mine, many)["s5_merchant_fraud_roles_6A"]
    rule = next(rule for rule in EXPLAINED.draws if rule.stream == "6A.merchant_ring")
    fields = rule.find(ctx, many, rows)
    at = addresses(ctx, world.contracts.streams[rule.stream], fields)
    assert 10 < len(fields) < len(merchants)
    assert drawn_from(mine.events, rule.stream, at.c0, at.c1).all()
    told = mine.events.rows[rule.stream]
    assert sorted(at.c1.tolist()) == sorted(
        np.concatenate([row["counter_before_hi"] for row in told]).tolist()
    )
    word, _ = block(ctx.stream(rule.stream), at.c0, at.c1)
    np.testing.assert_array_equal(
        *VALUES[rule.dataset, rule.stream](Case(ctx, many, rows, fields, {0: word}))
    )


def test_an_address_beside_those_drawn_from_is_no_draw() -> None:
    log = EventLog()
    low, high = np.array([8, 2**64 - 1, 0], dtype=np.uint64), np.array([1, 2, 2], dtype=np.uint64)
    log.add("s", low, high, draws=3, entities=np.array([2, 1, 1]), names=None)
    asked = [(8, 1), (11, 1), (12, 1), (7, 1), (8, 2), (2**64 - 1, 2), (0, 2), (1, 2), (2, 2), (0, 3)]
    c0, c1 = (np.array(column, dtype=np.uint64) for column in zip(*asked, strict=True))
    drew = drawn_from(log, "s", c0, c1).tolist()
    assert drew == [True, True, False, False, False, True, True, True, False, False]
    assert drawn_from(log, "t", c0, c1).tolist() == [False] * len(asked)


def _only_whole_cells_draw_nothing(rule: Drawn, c1: Array, kept: Array, log: EventLog) -> None:
    """An address is offered in vain only where nobody of its cell or role drew:
    whoever has a quota to share draws for all.
    """
    if rule.stream in (
        "6A.account_weight",
        "6A.instrument_weight",
        "6A.account_start",
        "6A.instrument_start",
    ):
        told = log.rows.get(rule.stream, [])
        cells = np.concatenate([row["counter_before_hi"] for row in told])
        assert not np.isin(c1[~kept], cells).any(), rule
    elif rule.stream not in ("6A.party_role", "6A.synthetic_cluster", "6A.hosting"):
        assert kept.all(), rule


def computed(
    world: cw.World, program: Program, own: Context
) -> Iterator[tuple[Context, Partition, dict[str, Frame], EventLog, Weighed]]:
    """Every partition of a state, computed again, with what it drew and weighed."""
    ctx = finding_context(world, program.state)
    for part in program.partitions(own):
        weighed = Weighed()
        mine = own.for_partition(part, weighed.backend())
        mine.events = EventLog()
        assert program.compute is not None
        yield ctx, part, program.compute(mine, part), mine.events, weighed


def _blocks(part: int, high: Array, low: Array, blocks: Array) -> Array:
    """Every block of runs of blocks: one row (partition, high word, low word) each."""
    size = blocks.astype(np.int64)
    within = np.arange(int(size.sum())) - np.repeat(np.cumsum(size) - size, size)
    low = np.repeat(low.astype(np.uint64), size) + within.astype(np.uint64)
    return np.stack(
        [np.full(len(low), part, dtype=np.uint64), np.repeat(high.astype(np.uint64), size), low], axis=1
    )


def _distinct(rows: list[Array]) -> Array:
    every = np.concatenate([np.zeros((0, 3), dtype=np.uint64), *rows])
    every = every[np.lexsort(every.T[::-1])]
    keep = np.append(True, (every[1:] != every[:-1]).any(axis=1))[: len(every)]
    return every[keep]


SHARES = (
    (
        "s2_account_base_6A",
        "account_type = 'RETAIL_SAVINGS_INSTANT'",
        "select count(*) from s2_account_base_6A where country_iso = '{country_iso}' and segment_id = "
        "'{segment_id}'"
        " and account_type = '{account_type}'",
    ),
    (
        "s4_device_base_6A",
        "primary_party_id is not null",
        "select count(*) from s4_device_base_6A join s1_party_base_6A p on primary_party_id = party_id where"
        " predecessor_device_id is null and device_type = '{device_type}'"
        " and (p.country_iso, p.segment_id) = (select (country_iso, segment_id)"
        " from s1_party_base_6A where party_id = {primary_party_id})",
    ),
    (
        "s4_ip_links_6A",
        "(select (ip_type, country_iso) from s4_ip_base_6A b where b.ip_id = t.ip_id) ="
        " ('MOBILE', (select home_country_iso from s4_device_base_6A d where d.device_id = t.device_id))",
        "select count(*) from s4_ip_links_6A join s4_ip_base_6A b using (ip_id) join s4_device_base_6A d"
        " using (device_id) where ip_type = 'MOBILE' and country_iso = home_country_iso and country_iso ="
        " (select home_country_iso from s4_device_base_6A where device_id = {device_id})",
    ),
)
"""Dataset, rows that are meant, how many units its cell shares by weight (nobody has one without asking)."""


@pytest.mark.parametrize(("dataset", "where", "units"), SHARES, ids=[row[0] for row in SHARES])
def test_a_weight_is_told_among_those_it_shares_with(
    dataset: str, where: str, units: str, demo_run: Path
) -> None:
    """The quota is what the published rows of the cell add up to,
    and each holder's share of it is expected.
    """
    world = cw.open(demo_run)
    key = world[dataset].contract.primary_key
    for row in world.sql(
        f"select * from {dataset} t where {where} order by hash({key[0]}) limit 3"
    ).to_pylist():
        found = explain(world, dataset, [str(row[name]) for name in key])
        notes = {note.split()[0]: note for note in found.notes}
        quota = int(notes["quota"].split()[1].replace(",", ""))
        assert quota == world.sql(units.format(**row)).to_pylist()[0]["count_star()"] > 0
        own, _, total, *rest = notes["weight"].split()[1:]
        weight, every = (float(figure.replace(",", "")) for figure in (own, total))
        assert 0.0 < weight <= every
        assert float(rest[3]) == pytest.approx(quota * weight / every, rel=1e-2, abs=1e-3)


def test_a_pool_of_addresses_shares_its_links(demo_run: Path) -> None:
    """Pools of a metro are told for every link: together they have the metro's links and addresses."""
    world = cw.open(demo_run)
    rows = world.sql(
        """select any_value(l.ip_id) ip_id, any_value(l.link_no) link_no from s4_ip_links_6A l
        join s4_ip_base_6A b using (ip_id) where ip_type = 'HOTEL_TRAVEL' and (country_iso, metro_id) =
        (select (country_iso, metro_id) from s4_ip_base_6A where ip_type = 'HOTEL_TRAVEL' group by all
        order by count(*) desc, 1 limit 1) group by l.ip_id"""
    ).to_pylist()
    keys = [[str(row["ip_id"]), str(row["link_no"])] for row in rows]
    told = {explain(world, "s4_ip_links_6A", key).notes[0] for key in keys}
    pools = [re.findall(r"([\d,]+) (?:addresses|links)", note) for note in told]
    addresses, links = (sum(int(pool[k].replace(",", "")) for pool in pools) for k in (0, 1))
    ids = ", ".join(str(row["ip_id"]) for row in rows)
    published = world.sql(f"select count(*) n from s4_ip_links_6A where ip_id in ({ids})").to_pylist()[0]["n"]
    assert len(told) > 1 and (addresses, links) == (len(rows), published)
