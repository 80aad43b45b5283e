"""Commands on the real model: a tiny demo world of all segments."""

from __future__ import annotations

import json
import os
import shutil
from math import log
from pathlib import Path
from statistics import NormalDist

import pytest
from tiny_world import TINY, TINY_SCENARIOS

import sim.world as cw
from sim.rng import block, stream_key
from sim.segments import SEGMENTS

ARRIVAL_TABLES = ("s3_bucket_counts_5B", "s2_realised_intensity_5B", "merchant_catalogue_1A")


def ask(cli, *arguments) -> dict:
    answer = cli(*arguments, "--json")
    assert answer.code == 0, answer
    return json.loads(answer.out)


def test_running_the_same_request_again_changes_nothing(cli, demo_run, tmp_path):
    # A run holds the lock of its directory, and others look at the shared one meanwhile.
    again = tmp_path / demo_run.name
    shutil.copytree(demo_run, again, copy_function=os.link, ignore=shutil.ignore_patterns(".lock", "reports"))
    before = {
        path: path.stat().st_mtime_ns
        for path in again.rglob("*")
        if path.is_file() and "reports" not in path.parts and path.name != ".lock"
    }
    arguments = [item for key, value in TINY.items() for item in ("--set", f"{key}={value!r}")]
    arguments += [item for scenario in TINY_SCENARIOS for item in ("--scenario", scenario)]
    document = ask(cli, "run", "--preset", "demo", "--seed", "42", *arguments, "--out", tmp_path, "--quiet")
    assert document["schema"] == "closedworld.run/1"
    assert document["run_id"] == demo_run.name
    assert {state["status"] for state in document["states"]} == {"PROVEN"}
    assert {path: path.stat().st_mtime_ns for path in before} == before
    planned = ask(cli, "plan", "--preset", "demo", *arguments, "--out", tmp_path)
    assert {state["status"] for state in planned["states"]} == {"published"}
    assert planned["published_bytes"] > 0


def test_the_demo_verifies_to_the_last_byte(cli, demo_run):
    document = ask(cli, "verify", demo_run, "--deep")
    assert [segment["segment"] for segment in document["segments"]] == [segment.code for segment in SEGMENTS]
    assert document["not_built"] == []


def test_a_plan_knows_the_partitions_of_what_can_run_next(cli, demo_run, tmp_path):
    half = tmp_path / demo_run.name
    shutil.copytree(demo_run, half)
    # 6A is built on 5B, though it reads none of its rows; 6B on both
    for segment, layer in (("6B", 3), ("6A", 3), ("5B", 2)):
        shutil.rmtree(half / "gates" / segment)
        shutil.rmtree(half / f"data/layer{layer}" / segment)
    arguments = [item for key, value in TINY.items() for item in ("--set", f"{key}={value!r}")]
    arguments += [item for scenario in TINY_SCENARIOS for item in ("--scenario", scenario)]
    states = {state["state"]: state for state in ask(cli, "plan", *arguments, "--out", tmp_path)["states"]}
    assert {state["status"] for name, state in states.items() if not name.startswith(("5B", "6A", "6B"))} == {
        "published"
    }
    assert states["5B.S1"]["status"] == "to run"
    assert states["5B.S1"]["partitions"] >= len(TINY_SCENARIOS)
    assert states["5B.S4"]["partitions"] is None
    assert ask(cli, "status", half)["run"]["state"] == "partial"


def test_status_calls_it_complete(cli, demo_run):
    document = ask(cli, "status", demo_run)
    assert document["run"]["state"] == "complete"
    assert document["states"][0]["state"] == "1A.S0"
    assert document["states"][-1]["state"] == f"{SEGMENTS[-1].code}.BUNDLE"


def test_estimates_are_of_the_right_size(cli, demo_run):
    arguments = [item for key, value in TINY.items() for item in ("--set", f"{key}={value!r}")]
    estimate = ask(cli, "plan", *arguments, "--scenario", TINY_SCENARIOS[0])["estimate"]
    world = cw.open(demo_run)
    arrivals = world.table("arrival_events_5B", TINY_SCENARIOS[0]).rows
    assert estimate["merchants"] == world["merchant_catalogue_1A"].rows
    assert arrivals / 4 < estimate["arrivals"] < arrivals * 4


@pytest.mark.parametrize("virtual", [False, True])
def test_an_arrival_is_explained_down_to_its_words(cli, demo_run, virtual):
    world = cw.open(demo_run)
    query = f"""select merchant_id, arrival_seq, count_n, a.bucket_index
        from arrival_events_5B a join s3_bucket_counts_5B c
        on a.merchant_id = c.merchant_id and a.bucket_index = c.bucket_index
        and a.legal_country_iso = c.legal_country_iso and a.zone_representation = c.tzid
        and a.channel_group = c.channel_group and a.scenario_id = c.scenario_id
        where a.scenario_id = 'baseline_v1' and is_virtual = {virtual} and count_n >= 3
        order by a.merchant_id, arrival_seq limit 40"""
    rows = world.sql(query.replace("select merchant_id", "select a.merchant_id")).to_pylist()[::10]
    assert rows
    for row in rows:
        document = ask(
            cli,
            "explain",
            demo_run,
            "arrival_events_5B",
            str(row["merchant_id"]),
            str(row["arrival_seq"]),
            "--scenario",
            "baseline_v1",
        )
        assert document["schema"] == "closedworld.explain/1"
        assert document["regenerated"]["equal"] is True
        assert {ancestor["dataset"] for ancestor in document["ancestors"] if ancestor["row"]} >= set(
            ARRIVAL_TABLES
        )
        place = [draw for draw in document["draws"] if draw["stream"] == "5B.arrival_place"]
        route = [draw for draw in document["draws"] if draw["stream"] == "5B.arrival_route"]
        assert (len(place), len(route)) == (2, 2)
        assert {draw["c0"] >> 32 for draw in place + route} == {row["bucket_index"]}
        assert {draw["c0"] & 0xFFFFFFFF for draw in place + route} <= set(range(row["count_n"]))
        for draw in place + route:
            word = block(stream_key(42, draw["stream"]), draw["c0"], draw["c1"])[draw["lane"]]
            assert draw["word"] == f"{word:016x}"
            assert draw["uniform"] == ((word >> 12) + 0.5) * 2.0**-52


MOBILE = (
    "exists (select 1 from s4_ip_base_6A b join s4_device_base_6A d on b.ip_id = t.ip_id and"
    " d.device_id = t.device_id join s1_party_base_6A p on p.party_id = d.primary_party_id"
    " join s4_ip_base_6A h on h.owner_household_id = p.household_id where b.ip_type = 'MOBILE'"
    " and b.country_iso = d.home_country_iso and h.metro_id {} b.metro_id)"
)
"""Links to addresses of a phone network in the country of the device, where its owner lives or elsewhere."""
OWNED = (
    "fraud_role <> 'CLEAN' and '{}' = (select p.fraud_role from s2_account_base_6A b"
    " join s5_party_fraud_roles_6A p on p.party_id = b.owner_party_id where b.account_id = t.account_id)"
)
"""Accounts with a role, by the role of their owner."""
SHOWN: tuple[tuple[str, str, str], ...] = (
    (
        "merchant_catalogue_1A",
        "true",
        "1A.merchant_id 1A.merchant_country 1A.merchant_mcc 1A.merchant_channel 1A.merchant_brand",
    ),
    (
        "outlet_catalogue",
        (
            "legal_country_iso <> (select home_country_iso from merchant_catalogue_1A m where m.merchant_id "
            "= t.merchant_id)"
        ),
        "1A.multi_site 1A.outlet_scale 1A.outlet_count 1A.foreign_reach 1A.foreign_choice",
    ),
    ("site_locations", "true", "1B.site_city 1B.site_place"),
    ("s1_site_weights_2B", "true", "2B.site_scale"),
    ("s2_alias_2B", "true", ""),
    ("s4_site_terminals_2B", "terminal_type = 'KIOSK'", "2B.site_terminals 2B.terminal_kind"),
    ("virtual_classification_3B", "virtual_mode = 'HYBRID'", "3B.virtual_mode 3B.virtual_share"),
    ("virtual_classification_3B", "decision_permille = 0", ""),
    ("virtual_settlement_3B", "true", "3B.settlement_city"),
    ("edge_catalogue_3B", "true", "3B.footprint 3B.edge"),
    ("merchant_zone_profile_5A", "virtual_mode = 'VIRTUAL_ONLY'", "5A.virtual_scale"),
    ("scenario_calendar_5A", "event_type = 'OUTAGE'", "5A.outage"),
    ("scenario_calendar_5A", "event_type = 'HOLIDAY'", ""),
    ("s2_latent_field_5B", "bucket_index = 7", "5B.latent_field"),
    ("s2_country_day_5B", "true", "5B.world_day 5B.country_day 5B.country_class_day"),
    ("s2_metro_day_5B", "true", "5B.metro_day"),
    ("s2_merchant_day_5B", "true", "5B.merchant_day"),
    ("s2_zone_day_5B", "true", "5B.zone_day"),
    ("s2_realised_intensity_5B", "true", "5B.latent_field"),
    ("s3_bucket_counts_5B", "count_n > 0", "5B.bucket_count"),
    ("s3_count_summary_5B", "true", "5B.bucket_count"),
    ("arrival_events_5B", "is_virtual", "5B.arrival_place 5B.arrival_route"),
    (
        "arrival_events_5B",
        "terminal_id is not null",
        "5B.arrival_place 5B.arrival_route 5B.arrival_terminal",
    ),
    ("arrival_events_5B", "arrival_kind = 'MOTO'", "5B.arrival_place 5B.arrival_route"),
    (
        "s1_party_base_6A",
        "party_type = 'RETAIL'",
        "6A.household 6A.household_match 6A.home 6A.dwelling 6A.party_life 6A.party_profile",
    ),
    (
        "s1_party_base_6A",
        "party_type = 'BUSINESS'",
        "6A.home 6A.dwelling 6A.party_life 6A.party_profile",
    ),
    (
        "s2_account_base_6A",
        "account_type = 'RETAIL_SAVINGS_INSTANT'",
        "6A.account_weight 6A.account_start 6A.account_life",
    ),
    ("s2_merchant_account_base_6A", "true", "6A.merchant_reserve 6A.merchant_account_life"),
    (
        "s3_instrument_base_6A",
        "instrument_type = 'RETAIL_CREDIT_CARD_VIRTUAL'",
        "6A.instrument_weight 6A.instrument_start 6A.card 6A.account_issuer 6A.main_issuer",
    ),
    (
        "s3_party_instrument_holdings_6A",
        "instrument_type = 'RETAIL_CREDIT_CARD_VIRTUAL'",
        "6A.instrument_weight 6A.instrument_start",
    ),
    (
        "s4_device_base_6A",
        "primary_party_id is not null and last_seen is null and first_seen < date '2026-01-01'",
        "6A.device_demand 6A.device_start 6A.device 6A.device_traits 6A.wallet 6A.replaced_start"
        " 6A.device_life",
    ),
    (
        "s4_device_base_6A",
        "predecessor_device_id is not null",
        "6A.device_demand 6A.device_start 6A.device 6A.device_traits 6A.wallet 6A.replaced_start"
        " 6A.device_replaced",
    ),
    (
        "s4_device_base_6A",
        "primary_party_id is null",
        "6A.terminal_system 6A.terminal_traits 6A.terminal_life",
    ),
    ("s4_device_links_6A", "link_role = 'SECONDARY_USER'", "6A.device_demand 6A.device_start 6A.device"),
    ("s4_device_links_6A", "link_role = 'PRIMARY_OWNER'", "6A.device_demand 6A.device_start"),
    ("s4_wallet_tokens_6A", "true", "6A.wallet 6A.device_token"),
    ("s4_ip_base_6A", "ip_type = 'MOBILE'", "6A.ip"),
    ("s4_ip_base_6A", "ip_type = 'RESIDENTIAL'", "6A.ip 6A.ip_lease"),
    ("s8_links_abroad_6A", "ip_type = 'HOTEL_TRAVEL'", "6A.journey 6A.abroad_start"),
    ("s8_links_abroad_6A", "ip_type = 'VPN_PROXY'", "6A.exit 6A.abroad_start 6A.abroad_wish"),
    ("s4_ip_links_6A", MOBILE.format("="), "6A.ip 6A.ip_pool 6A.ip_demand 6A.ip_ask 6A.ip_link 6A.ip_days"),
    (
        "s4_ip_links_6A",
        MOBILE.format("<>"),
        "6A.ip 6A.ip_pool 6A.ip_demand 6A.ip_ask 6A.ip_link 6A.ip_far 6A.ip_days",
    ),
    ("s4_entity_neighbourhoods_6A", "true", ""),
    ("s5_party_fraud_roles_6A", "cause = 'RING'", "6A.party_role 6A.party_tier"),
    ("s5_account_fraud_roles_6A", OWNED.format("CLEAN"), "6A.account_role 6A.account_tier"),
    (
        "s5_account_fraud_roles_6A",
        OWNED.format("MULE") + " and fraud_role = 'MULE_ACCOUNT'",
        "6A.account_role 6A.mule_account 6A.account_tier",
    ),
    ("s5_merchant_fraud_roles_6A", "true", "6A.merchant_role 6A.merchant_tier"),
    ("s5_device_fraud_roles_6A", "true", "6A.device_role 6A.device_tier"),
    ("s5_ip_fraud_roles_6A", "true", "6A.ip_role 6A.ip_tier"),
)
"""Dataset, rows that are meant, streams of the draws that any of them shows."""


@pytest.mark.parametrize(
    ("dataset", "where", "streams"), SHOWN, ids=[f"{row[0]}: {row[1][:30]}" for row in SHOWN]
)
def test_rows_are_made_again_and_their_draws_shown(cli, demo_run, dataset, where, streams):
    world = cw.open(demo_run)
    table = world[dataset]
    keys = table.contract.primary_key
    scenario = ["--scenario", TINY_SCENARIOS[0]] if table.scenarios else []
    only = f" and scenario_id = '{TINY_SCENARIOS[0]}'" if scenario else ""
    row = world.sql(
        f"select {', '.join(keys)} from {dataset} t where ({where}){only} order by all limit 1"
    ).to_pylist()[0]
    document = ask(cli, "explain", demo_run, dataset, *(f"{name}={row[name]}" for name in keys), *scenario)
    assert document["regenerated"]["equal"] is True
    shown = {draw["stream"] for draw in document["draws"]}
    # Who sits in a ring may also stand in line for a household of synthetic identities: that depends on the
    # household. A link may be drawn from all metros of the country, and the owner's own be picked.
    assert shown - ({"6A.synthetic_cluster", "6A.ip_far"} - set(streams.split())) == set(streams.split())
    for draw in document["draws"]:
        key = int(draw["key"], 16)
        assert draw["key"] in {
            stream["key"] for stream in document["streams"] if stream["id"] == draw["stream"]
        }
        word = block(key, draw["c0"], draw["c1"])[draw["lane"]]
        assert (draw["word"], draw["lane"]) == (f"{word:016x}", draw["draw"] % 2)
        assert draw["uniform"] == ((word >> 12) + 0.5) * 2.0**-52
        if draw["made"] == "uniform":
            assert draw["value"] == draw["uniform"]
        elif draw["made"] == "normal":
            assert abs(draw["value"] - NormalDist().inv_cdf(draw["uniform"])) < 1e-9
        elif draw["made"] == "race":
            assert abs(draw["value"] + log(draw["uniform"])) < 1e-9
        elif draw["made"] == "integer":
            assert draw["value"] >= 0 and draw["decides"]


def test_a_row_points_to_the_rows_it_was_made_of(cli, demo_run):
    """A sum names how many rows it is of; a link names its device and its address,
    where further draws are shown.
    """
    world = cw.open(demo_run)
    summary = world["s4_device_summary_6A"].to_arrow().to_pylist()[0]
    document = ask(
        cli, "explain", demo_run, "s4_device_summary_6A", summary["country_iso"], summary["device_type"]
    )
    told = {ancestor["dataset"]: ancestor for ancestor in document["ancestors"]}
    assert told["s4_device_base_6A"]["rows"] == summary["devices"] > 1
    assert told["s4_device_base_6A"]["row"]["device_type"] == summary["device_type"]
    assert document["draws"] == []
    text = cli(
        "explain", demo_run, "s4_device_summary_6A", summary["country_iso"], summary["device_type"]
    ).out
    assert f"({summary['devices']:,} rows, the first)" in text


def test_many_draws_are_counted_in_text_and_listed_in_json(cli, demo_run):
    """A merchant's day is a sum over its buckets and keys, those that came to nothing included."""
    world = cw.open(demo_run)
    query = f"""select merchant_id, utc_day, count(*) as buckets
        from s2_realised_intensity_5B r join s3_count_summary_5B s using (merchant_id, scenario_id)
        where scenario_id = '{TINY_SCENARIOS[0]}' and lambda_realised > 0 and bucket_index // 24 = utc_day
        group by all order by buckets desc, merchant_id, utc_day limit 1"""
    row = world.sql(query).to_pylist()[0]
    key = [str(row["merchant_id"]), str(row["utc_day"]), "--scenario", TINY_SCENARIOS[0]]
    document = ask(cli, "explain", demo_run, "s3_count_summary_5B", *key)
    assert len({(draw["c0"] >> 16, draw["c1"]) for draw in document["draws"]}) == row["buckets"] > 60
    text = cli("explain", demo_run, "s3_count_summary_5B", *key).out
    assert f"draws ({len(document['draws']):,})" in text
    assert f"... and {len(document['draws']) - 60:,} more: --json has them all" in text


def test_a_merchants_id_is_63_bits_of_the_word_at_its_rank(cli, demo_run):
    merchant = cw.open(demo_run)["merchant_catalogue_1A"].to_arrow(["merchant_id"])["merchant_id"][17].as_py()
    draws = ask(cli, "explain", demo_run, "merchant_catalogue_1A", str(merchant))["draws"]
    assert int(draws[0]["word"], 16) >> 1 == draws[0]["value"] == merchant
    assert draws[0]["c0"] < TINY["merchant_universe_1A.merchants"]


def test_every_dataset_can_be_explained(cli, demo_run):
    world = cw.open(demo_run)
    for name in world.tables:
        table = world.table(name, world[name].scenarios[0] if world[name].scenarios else None)
        if not table.rows:
            continue
        row = table.to_arrow().slice(table.rows - 1, 1).to_pylist()[0]
        key = [f"{column}={row[column]}" for column in table.contract.primary_key]
        scenario = ["--scenario", table.scenarios[0]] if table.scenarios else []
        document = ask(cli, "explain", demo_run, name, *key, *scenario)
        assert document["regenerated"]["equal"] in (True, None), name
        assert document["regenerated"]["equal"] or document["regenerated"]["note"]
        assert cli("explain", demo_run, name, *key, *scenario).code == 0


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["no_such_dataset", "1"], "SHELL.UNKNOWN_DATASET"),
        (["merchant_catalogue_1A", "1"], "SHELL.ROW_NOT_FOUND"),
        (["merchant_catalogue_1A", "one"], "SHELL.KEY_INVALID"),
        (["merchant_catalogue_1A", "-1"], None),
        (["merchant_catalogue_1A", "1", "2"], "SHELL.KEY_INVALID"),
        (["merchant_catalogue_1A", "nope=2"], "SHELL.KEY_INVALID"),
        (["merchant_catalogue_1A", "channel=mixed"], "SHELL.KEY_NOT_UNIQUE"),
        (["merchant_catalogue_1A", "1", "--scenario", "baseline_v1"], "SHELL.UNKNOWN_SCENARIO"),
    ],
)
def test_a_key_that_names_no_row_is_refused(cli, demo_run, arguments, code):
    answer = cli("explain", demo_run, *arguments)
    assert (answer.code, answer.out) == (2, "")
    assert code is None or answer.err.startswith(f"{code}  ")


def test_no_csv_cell_is_lost(cli, demo_run, tmp_path: Path):
    import polars

    query = """select merchant_id, legal_country_iso, site_id, lat_deg, tzid from site_locations
        join site_timezones using (merchant_id, legal_country_iso, site_order, site_id) order by all"""
    answer = cli("sql", demo_run, query, "--csv")
    (tmp_path / "rows.csv").write_text(answer.out)
    back = polars.read_csv(
        tmp_path / "rows.csv", schema_overrides={"merchant_id": polars.Int64, "site_id": polars.Int64}
    )
    assert back.equals(
        polars.from_arrow(cw.open(demo_run).sql(query)).with_columns(
            polars.col(polars.Categorical).cast(polars.String)
        )
    )


def test_why_a_party_holds_what_it_holds(cli, demo_run):
    """Quota, weight and draws of every kind of account of one party,
    the words as the published generator gives them.
    """
    holdings = cw.open(demo_run)["s2_party_product_holdings_6A"].to_arrow(filter={"party_id": 7}).to_pylist()
    assert holdings
    for holding in holdings:
        told = ask(cli, "explain", demo_run, "s2_party_product_holdings_6A", "7", holding["account_type"])
        assert told["regenerated"]["equal"] is True
        assert any(note.startswith("cell ") for note in told["notes"]) and any(
            note.startswith("quota ") for note in told["notes"]
        )
        for draw in told["draws"]:
            assert (
                int(draw["word"], 16)
                == block(stream_key(42, draw["stream"]), draw["c0"], draw["c1"])[draw["lane"]]
            )
        if told["draws"]:
            assert {draw["stream"] for draw in told["draws"]} == {"6A.account_weight", "6A.account_start"}
            assert any(note.startswith("weight ") for note in told["notes"])
