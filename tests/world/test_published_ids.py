"""Published ids carry nothing: rows turned back are those that states make, and ids are 1 .. N by country."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import yaml

import sim.world as cw
from sim.ground.paths import contracts_root
from sim.segments import SEGMENTS
from sim.segments.flows_6b.s5_flows.arrivals import FLOW_IDS
from sim.shell.partition.partition import part_file
from sim.shell.tables.permuted import STREAM
from sim.world.regenerate import context_of

PROGRAMS = [program for segment in SEGMENTS for program in segment.programs if program.state.id[:2] == "6A"]
MADE = [program for program in PROGRAMS if program.state.writes]


@pytest.mark.parametrize("program", MADE, ids=lambda program: program.state.id)
def test_rows_turned_back_are_those_the_state_makes(demo_run: Path, program) -> None:
    """All rows of all tables, and turned round again those that were published."""
    world = cw.open(demo_run)
    store, ctx = world.open_rows(), context_of(world, program.state)
    assert program.compute is not None
    for part in program.partitions(ctx):
        frames = program.compute(ctx.for_partition(part), part)
        own = store.numberings.of_frames(frames)
        for name, frame in frames.items():
            item = store.published(name, part.scenario)
            number = [file.name for file in item.files].index(part_file(part))
            dataset = world.contracts.dataset(name)
            turned = store.numberings.published(frame, dataset, own)
            for made, read in (
                (frame, store.load(name, part.scenario, part=number)),
                (turned, store.load_published(name, part.scenario, part=number)),
            ):
                assert made.names == read.names or set(made.names) == set(read.names)
                for column in read.names:
                    mask = read.present(column)
                    assert np.array_equal(made.present(column), mask)
                    assert np.array_equal(made[column][mask], read[column][mask]), (name, column)


def test_ids_count_without_gaps_in_countries_that_follow_one_another(demo_run: Path) -> None:
    world = cw.open(demo_run)
    rows = world.open_rows()
    for dataset in (each for each in world.contracts.datasets.values() if each.numbers):
        for rule in dataset.numbers:
            frame = rows.load_published(dataset.id)
            ids, blocks = frame[rule.column], rows.numberings.blocks(rule.set)
            first = 1 if rule.set != "merchant_account" else int(ids.min())
            assert np.array_equal(np.unique(ids), np.arange(first, blocks.end, dtype=np.uint64))
            assert [block.first for block in blocks.blocks] == [
                int(first + blocks.count[:i].sum()) for i in range(len(blocks.blocks))
            ]
            if rule.by is not None and dataset.table.column(rule.by).vocabulary == "country":
                names = np.array(world.vocabularies["country"])[frame[rule.by]]
                labels = np.array([block.label for block in blocks.blocks])
                assert np.array_equal(labels[blocks.of_numbers(ids)], names)


def test_columns_and_row_ranges_come_in_natural_order(demo_run: Path) -> None:
    world = cw.open(demo_run)
    rows = world.open_rows()
    for name in ("s1_party_base_6A", "s3_account_instrument_links_6A", "s4_ip_links_6A"):
        whole = rows.load(name)
        column = next(column.name for column in world.contracts.dataset(name).table.columns if not column.set)
        some = world.open_rows().load(name, rows=(17, 140), columns=(column,))
        assert np.array_equal(some[column], whole[column][17:140])


def test_the_key_of_the_permutations_is_declared(demo_run: Path) -> None:
    document = yaml.safe_load((contracts_root() / "rng/streams.yaml").read_text())
    assert [entry["id"] for entry in document["permutations"]] == [STREAM, FLOW_IDS]
    assert STREAM not in {entry["id"] for entry in document["streams"]}
