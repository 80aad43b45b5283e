"""`World.transactions`: payments beside what they name, without what was known later, in either order."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pytest

import sim.world as cw
from sim.ground.contract_types import AFTER
from sim.ground.errors import UsageError
from sim.world import transactions
from sim.world.transactions import ROWS, SIDES

JOINED = """
    select f.flow_id, f.amount_minor, m.channel as merchant_channel, l.city_name, i.issuer_id, i.bin, c.last4,
           c.expiry_month as card_expiry_month, d.device_type, a.ip_type, a.country_iso as ip_country_iso,
           p.segment_id, f.scenario_id
    from flows_6B f join merchant_catalogue_1A m on m.merchant_id = f.merchant_id
    join s3_instrument_base_6A i on i.instrument_id = f.instrument_id
    join s3_card_base_6A c on c.instrument_id = f.instrument_id and c.card_no = f.card_no
    join s1_party_base_6A p on p.party_id = f.party_id
    left join site_locations l on l.site_id = f.site_id
    left join s4_device_base_6A d on d.device_id = f.device_id
    left join s4_ip_base_6A a on a.ip_id = f.ip_id
    order by f.scenario_id, f.flow_id
"""
BY_ID = [("scenario_id", "ascending"), ("flow_id", "ascending")]


@pytest.fixture(scope="module")
def world(demo_run: Path) -> cw.World:
    return cw.open(demo_run)


def test_attributes_are_those_of_what_a_payment_names(world: cw.World) -> None:
    """Every row, against a join of the tables by DuckDB."""
    expected = world.sql(JOINED)
    found = world.transactions(columns=expected.column_names).to_arrow().sort_by(BY_ID)
    assert len(found) == len(expected) == world["flows_6B"].rows
    for name in expected.column_names:
        mine, theirs = found[name], expected[name]
        if pa.types.is_dictionary(mine.type):
            mine = pc.cast(mine, pa.string())
        assert mine.cast(theirs.type).equals(
            theirs.cast(mine.type) if mine.type != theirs.type else theirs
        ), name


def test_what_is_known_later_comes_on_demand(world: cw.World) -> None:
    later = [one.name for one in world["flows_6B"].contract.table.columns if one.role == AFTER]
    assert "response" in later and "cleared_utc" in later
    assert not set(later) & set(world.transactions().columns)
    assert set(world.transactions(after=True).columns) == {*world.transactions().columns, *later}
    with pytest.raises(UsageError, match="after=True"):
        world.transactions(columns=["response"])


def test_no_attribute_tells_of_later(world: cw.World) -> None:
    """None is a column whose value follows from what happened after some payment of the row."""
    ends = {
        "closed_date", "status", "last_seen", "valid_to", "close_date", "frozen_date", "left_date", "devices",
        "links", "activation_date", "predecessor_device_id", "number_no",
    }  # fmt: skip
    assert not ends & {name for side in SIDES for name in side.columns}
    for side in SIDES:
        columns = {column.name: column.role for column in world[side.dataset].contract.table.columns}
        assert all(columns[name] != AFTER for name in side.columns)


@pytest.mark.parametrize("rows", [1500, 10**9])
def test_time_order_holds_the_same_rows(world: cw.World, monkeypatch: pytest.MonkeyPatch, rows: int) -> None:
    """Whether in many slices or in one."""
    monkeypatch.setattr(transactions, "_SLICE_ROWS", rows)
    columns = ("scenario_id", "flow_id", "amount_minor", "scheme")
    found = world.transactions(order="time", columns=("ts_utc", *columns)).to_arrow()
    assert (
        found.select(columns)
        .sort_by(BY_ID)
        .equals(
            world.transactions(columns=columns).to_arrow().sort_by(BY_ID).cast(found.select(columns).schema)
        )
    )
    for scenario in world.scenarios:
        instants = found.filter(pc.field("scenario_id") == scenario)["ts_utc"].cast(pa.int64()).to_numpy()
        assert len(instants) and (instants[1:] >= instants[:-1]).all()
    # An order by a column that is not asked for.
    without = world.transactions(order="time", columns=columns).to_arrow()
    assert without.equals(found.select(columns))


def test_batches_are_small_and_of_one_schema(world: cw.World) -> None:
    asked = world.transactions(after=True)
    many = 0
    for batch in asked.batches():
        assert batch.schema == asked.schema and 0 < batch.num_rows <= ROWS
        many += batch.num_rows
    assert many == len(asked) == asked.rows


def test_every_library_gets_the_same_rows(world: cw.World) -> None:
    asked = world.transactions(columns=["flow_id", "amount_minor", "ip_type"], scenario=world.scenarios[0])
    table = asked.to_arrow()
    total = pc.sum(table["amount_minor"]).as_py()
    assert asked.to_polars()["amount_minor"].sum() == total
    if find_spec("pandas") is None:
        with pytest.raises(UsageError, match="pip install 'pandas'"):
            asked.to_pandas()
    else:
        assert asked.to_pandas()["amount_minor"].sum() == total
    ((found, rows),) = asked.duckdb().aggregate("sum(amount_minor), count(*)").fetchall()
    assert (int(found), rows) == (total, len(table)) and 0 < rows < world["flows_6B"].rows


def test_what_is_not_there_is_refused_by_name(world: cw.World) -> None:
    with pytest.raises(UsageError, match=r"SHELL\.UNKNOWN_COLUMN"):
        world.transactions(columns=["colour"])
    with pytest.raises(UsageError, match=r"SHELL\.UNKNOWN_SCENARIO"):
        world.transactions(scenario="calm")
    with pytest.raises(UsageError, match=r"SHELL\.UNKNOWN_ORDER"):
        world.transactions(order="size")  # type: ignore[arg-type]
