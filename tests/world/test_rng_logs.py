"""Audit and trace of random numbers: always there, from what the flags seal."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

import sim.world as cw
from sim.ground.errors import GateError
from sim.rng import stream_key
from sim.shell.contracts.load import load_contracts
from sim.world.rng_logs import AUDIT, TRACE, audit_log, trace_log

_TYPES = {"uint32": pa.uint32(), "uint64": pa.uint64(), "string": pa.string()}


def test_the_logs_are_as_their_contracts_say() -> None:
    contracts = load_contracts(Path(cw.__file__).parents[2] / "contracts")
    for name, schema in (("rng_audit_log", AUDIT), ("rng_trace_log", TRACE)):
        columns = contracts.dataset(name).table.columns
        assert [(column.name, _TYPES[column.type]) for column in columns] == [
            (field.name, field.type) for field in schema
        ]


def test_every_key_follows_from_seed_stream_and_scenario(demo_run: Path) -> None:
    world = cw.open(demo_run)
    streams = load_contracts(Path(cw.__file__).parents[2] / "contracts").streams
    rows = audit_log(world.receipt, world.segments).to_pylist()
    assert world.sql("select * from rng_audit_log").equals(audit_log(world.receipt, world.segments))
    assert len(rows) == world.ledger().num_rows > 50 and [row["step"] for row in rows] == list(
        range(len(rows))
    )
    for row in rows:
        scenario = row["scenario_id"] if streams[row["stream"]].scope == "scenario" else None
        assert int(row["key"], 16) == stream_key(row["seed"], row["stream"], scenario)
        assert (row["algorithm"], row["run_id"]) == ("philox2x64-10", world.run_id)
        assert row["state"].startswith(row["segment"] + ".")


def test_totals_add_up_over_the_run(demo_run: Path) -> None:
    world = cw.open(demo_run)
    assert world.run_table("rng_trace_log").equals(trace_log(world.segments))
    rows, ledger = trace_log(world.segments).to_pylist(), world.ledger().to_pylist()
    so_far = dict.fromkeys(("events", "draws", "blocks"), 0)
    for row, sealed in zip(rows, ledger, strict=True):
        assert (row["state"], row["stream"], row["scenario_id"]) == (
            sealed["state"],
            sealed["stream"],
            sealed["scenario"],
        )
        for name, figure in (("events", "entities"), ("draws", "draws"), ("blocks", "blocks")):
            so_far[name] += sealed[figure]
            assert (row[f"{name}_total"], row[f"run_{name}_total"]) == (sealed[figure], so_far[name])


def test_a_ledger_beyond_64_bits_is_refused(mini: Any) -> None:
    bundle = cw.open(mini.run).segments["1A"]
    row = {**bundle.document["ledger"][0], "draws": 2**64 - 1}
    forged = replace(bundle, document={**bundle.document, "ledger": [row, row]})
    assert trace_log({"1A": replace(bundle, document={**bundle.document, "ledger": [row]})})[
        "draws_total"
    ].to_pylist() == [2**64 - 1]
    with pytest.raises(GateError) as error:
        trace_log({"1A": forged})
    assert error.value.where == "gates/1A/index.json"
