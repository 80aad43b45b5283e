"""`closedworld plan`: what a run would build, without building it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated

import typer

from sim.cli.common import (
    ConfigOption,
    ContractsOption,
    DecimalCommaOption,
    JsonOption,
    MerchantsOption,
    OutOption,
    PresetOption,
    ScenarioOption,
    SeedOption,
    SetOption,
    UnknownMccOption,
    emit,
    few_people,
    local_out,
    merchants_read,
    prepared_request,
    table,
)

_COUNTRIES_SHOWN = 10


def plan(
    preset: PresetOption = "demo",
    seed: SeedOption = "42",
    scenario: ScenarioOption = None,
    set_: SetOption = None,
    merchants: MerchantsOption = None,
    decimal_comma: DecimalCommaOption = False,
    unknown_mcc: UnknownMccOption = None,
    contracts: ContractsOption = None,
    config: ConfigOption = None,
    out: OutOption = "runs",
    until: Annotated[
        str | None, typer.Option(help="Plan up to this segment, e.g. 3B, or this state, e.g. 5B.S3.")
    ] = None,
    json_: JsonOption = False,
) -> None:
    """Show what a request would build: its id, what is published already, partitions, estimated size.

    Writes nothing.
    """
    from sim.backends import get_backend
    from sim.shell.loop.outcome import SIZES_CHECKED
    from sim.shell.loop.planner import plan_run
    from sim.shell.loop.telling import states_until
    from sim.world.build import require_segment

    prepared = prepared_request(
        preset, seed, scenario, set_, merchants, contracts, config, decimal_comma, unknown_mcc
    )
    require_segment(until, prepared.model.segments)
    planned = plan_run(prepared, get_backend("cpu"), local_out(out, "plan"))
    asked = set(states_until(prepared.model.segments, until))
    planned = replace(planned, states=tuple(state for state in planned.states if state.state in asked))
    rows = []
    for state in planned.states:
        count = (
            "" if state.status == "published" else "?" if state.partitions is None else str(state.partitions)
        )
        note = (
            f"{state.rows:,} rows"
            if state.rows is not None
            else f"{state.staged} staged"
            if state.staged
            else ""
        )
        rows.append((state.state, state.title, state.status, count, note))
    about = planned.estimate
    few = few_people(about["parties"], about["parties_asked"])
    echoes = [line for one in prepared.supplied.values() for line in one.echo()]
    text = [
        *(
            f"{label:<12} {line}"
            for label, line in zip(("merchants", *[""] * len(echoes)), echoes, strict=False)
        ),
        *([""] if echoes else []),
        table(("state", "does", "status", "partitions", ""), rows, right=frozenset({3, 4})),
        "",
        f"run          {planned.run_id}",
        f"directory    {planned.run_dir}",
        f"fingerprint  {planned.fingerprint}",
        f"seed         {planned.seed}   scenarios {', '.join(planned.scenarios)}",
        f"world        {_many(about['countries'], 'country', 'countries')} ({_where(about['where'])}), "
        f"{_many(about['metros'], 'metro', 'metros')}",
        f"merchants    {about['merchants']:,} with {about['outlets']:,} outlets, "
        f"{about['keys']:,} keys of merchant, country and zone",
        f"people       {about['parties']:,} people and firms",
        *([f"customers    {few}"] if few else []),
        f"estimate     about {about['arrivals']:,} arrivals in {about['days']:,} days, "
        f"{about['buckets']:,} buckets of each key",
        f"disk         about {about['bytes'] / 1e6:,.0f} MB needed (estimate), "
        f"{planned.published_bytes / 1e6:,.1f} MB published,"
        f" {planned.free_bytes / 1e9:,.1f} GB free",
    ]
    if planned.published_bytes:
        text.append(f"published    {SIZES_CHECKED} (closedworld verify --deep reads them)")
    emit("plan", {**planned.as_json(), "looked_at": SIZES_CHECKED, **merchants_read(prepared)}, text)


def _where(codes: Sequence[str]) -> str:
    shown = ", ".join(codes[:_COUNTRIES_SHOWN])
    return shown if len(codes) <= _COUNTRIES_SHOWN else f"{shown} ..."


def _many(count: int, one: str, more: str) -> str:
    return f"{count:,} {one if count == 1 else more}"
