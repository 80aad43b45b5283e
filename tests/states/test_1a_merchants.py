"""1A: merchants and outlets - laws, gates that can fail, the user's own merchants,
and draws that stay where they are.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import yaml

from sim.ground.errors import ContractError, ValidationError
from sim.ground.paths import config_root
from sim.recipes.statement import statement_text
from sim.rng import stream_key
from tests.reference.philox_block import philox_block
from tests.states.layer1 import build, check, rows


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    return build(tmp_path_factory.mktemp("world"))


def test_every_merchant_has_outlets_and_most_have_one(world) -> None:
    merchants = {row["merchant_id"]: row for row in rows(world, "merchant_catalogue_1A")}
    outlets = Counter(row["merchant_id"] for row in rows(world, "outlet_catalogue"))
    assert set(outlets) == set(merchants) and len(merchants) == 400
    single = sum(count == 1 for count in outlets.values())
    assert 0.90 * 400 <= single <= 0.97 * 400
    assert check(world, "single-outlet share")["found"] == {"single": single, "merchants": 400}
    assert all(0 < merchant < 2**63 for merchant in merchants) and max(merchants) > 2**62
    for row in rows(world, "outlet_catalogue"):
        owner = merchants[row["merchant_id"]]
        if owner["channel"] == "card_not_present":
            assert outlets[row["merchant_id"]] == 1 and row["legal_country_iso"] == owner["home_country_iso"]


def test_every_chain_is_at_home_too(world) -> None:
    home = {row["merchant_id"]: row["home_country_iso"] for row in rows(world, "merchant_catalogue_1A")}
    there = {(row["merchant_id"], row["legal_country_iso"]) for row in rows(world, "outlet_catalogue")}
    assert all((merchant, country) in there for merchant, country in home.items())
    assert len(there) > len(home)  # and some are abroad


def test_names_are_of_the_trade_and_acquirers_of_the_home_country(world) -> None:
    policy = yaml.safe_load((config_root() / "layer1/1A/merchant_identity.yaml").read_text())
    words = {begin + end for begin in policy["beginnings"] for end in policy["endings"]}
    acquirers = {row["acquirer_id"]: row for row in rows(world, "s4_acquirers_1A")}
    merchants = {row["merchant_id"]: row for row in rows(world, "merchant_catalogue_1A")}
    identity = rows(world, "s5_merchant_identity_1A")
    assert [row["merchant_id"] for row in identity] == list(merchants)
    for row in identity:
        owner = merchants[row["merchant_id"]]
        own, noun = row["merchant_name"].split(" ", 1)
        nouns = [trade["words"] for trade in policy["trades"] if owner["mcc"] in trade["mccs"]]
        assert noun in (nouns[0] if nouns else policy["other_words"])
        assert own in words
        assert row["descriptor"] == row["merchant_name"].upper() and len(row["descriptor"]) <= 22
        assert acquirers[row["acquirer_id"]]["country_iso"] == owner["home_country_iso"]
    for country in {row["country_iso"] for row in acquirers.values()}:
        ranks = sorted(row["acquirer_rank"] for row in acquirers.values() if row["country_iso"] == country)
        assert ranks == list(range(1, len(ranks) + 1))
    assert len({row["merchant_name"] for row in identity}) > 0.9 * len(identity)


@pytest.mark.parametrize(
    ("text", "printed"),
    [
        ("São Paulo", "SAO PAULO"),
        ("Łódź", "LODZ"),
        ("Weißenfels", "WEISSENFELS"),
        ("Ærøskøbing", "AEROSKOBING"),
        ("Hawr al ‘Anz", "HAWR AL 'ANZ"),
        ("Villingen-Schwenningen", "VILLINGEN-SCH"),
        ("Saint  Denis_x", "SAINT DENIS X"),
        ("東京", ""),
        ("", ""),
    ],
)
def test_a_statement_prints_ascii_capitals(text: str, printed: str) -> None:
    texts = np.array([text, "Oslo", text], dtype=object)
    assert statement_text(texts, 13).tolist() == [printed, "OSLO", printed]


def test_ids_are_63_bits_of_the_published_generators_words(world) -> None:
    """Merchant r's id is the first word at (r, 0) of its stream without its
    lowest bit: recomputed from the published law in plain integers.
    """
    words, _ = philox_block(stream_key(42, "1A.merchant_id"), list(range(400)), [0] * 400)
    assert [row["merchant_id"] for row in rows(world, "merchant_catalogue_1A")] == sorted(
        word >> 1 for word in words
    )


def test_doubling_the_universe_leaves_the_first_half_alone(world, tmp_path: Path) -> None:
    double = build(tmp_path, overrides={"merchant_universe_1A.merchants": 800})
    first = {row["merchant_id"] for row in rows(world, "merchant_catalogue_1A")}
    for dataset in ("merchant_catalogue_1A", "outlet_catalogue", "site_locations", "site_timezones"):
        assert [row for row in rows(double, dataset) if row["merchant_id"] in first] == rows(world, dataset)


def test_another_reach_moves_nothing_but_chains(world, tmp_path: Path) -> None:
    """A prior of chains' reach leaves merchants, single outlets and sizes of chains as they were."""
    other = build(tmp_path, overrides={"outlet_policy_1A.reach.most_countries": 0})
    assert rows(other, "merchant_catalogue_1A") == rows(world, "merchant_catalogue_1A")
    assert Counter(row["merchant_id"] for row in rows(other, "outlet_catalogue")) == Counter(
        row["merchant_id"] for row in rows(world, "outlet_catalogue")
    )
    assert check(other, "outlets outside the home country")["found"]["abroad"] == 0


@pytest.mark.parametrize(
    ("override", "state"),
    [
        ({"outlet_policy_1A.multi_site.scale_permille": 0}, "single-outlet share"),
        ({"outlet_policy_1A.multi_site.scale_permille": 4000}, "single-outlet share"),
        (
            {
                f"realism_gates_1A.foreign_outlet_share.{name}": 0
                for name in ("maximum_permille", "slack_outlets")
            },
            "outlets outside",
        ),
        (
            {"realism_gates_1A.mix.sigmas": 0, "realism_gates_1A.mix.slack_merchants": 0},
            "generated merchants by",
        ),
        (
            {"realism_gates_1A.outlet_law.mean_sigmas": 0, "realism_gates_1A.outlet_law.mean_slack": 0},
            "sizes of chains, mean",
        ),
        (
            {"realism_gates_1A.outlet_law.spread_sigmas": 0, "realism_gates_1A.outlet_law.spread_slack": 0},
            "sizes of chains, spread",
        ),
    ],
)
def test_gates_refuse(tmp_path: Path, override, state: str) -> None:
    with pytest.raises(ValidationError) as refused:
        build(tmp_path, overrides=override, until="1A")
    assert any(example.startswith(state) for example in refused.value.examples), refused.value.examples


def _file(folder: Path, *lines: str) -> Path:
    path = folder / "merchants.csv"
    path.write_text("merchant_id,mcc,channel,country,outlet_country,lat,lon\n" + "\n".join(lines) + "\n")
    return path


def test_own_merchants_replace_the_generated(tmp_path: Path) -> None:
    path = _file(
        tmp_path,
        "7,5411,card_present,DE,,52.52,13.405",
        "7,5411,card_present,DE,FR,48.8566,2.3522",
        "7,5411,card_present,DE,,,",
        "9223372036854775807,5812,mixed,US,,,",
        "9,5964,card_not_present,JP,,,",
    )
    world = build(tmp_path / "out", merchants=path)
    assert [row["merchant_id"] for row in rows(world, "merchant_catalogue_1A")] == [7, 9, 2**63 - 1]
    outlets = [row for row in rows(world, "outlet_catalogue") if row["merchant_id"] == 7]
    assert [(row["legal_country_iso"], row["site_order"], row["given_lat_udeg"]) for row in outlets] == [
        ("DE", 1, 52520000), ("DE", 2, None), ("FR", 1, 48856600),
    ]  # fmt: skip
    sites = {
        (row["legal_country_iso"], row["site_order"]): row
        for row in rows(world, "site_locations")
        if row["merchant_id"] == 7
    }
    assert (sites["DE", 1]["lat_deg"], sites["DE", 1]["lon_deg"]) == (52.52, 13.405)
    zones = {
        (row["legal_country_iso"], row["site_order"]): row["tzid"]
        for row in rows(world, "site_timezones")
        if row["merchant_id"] == 7
    }
    assert zones == {("DE", 1): "Europe/Berlin", ("DE", 2): "Europe/Berlin", ("FR", 1): "Europe/Paris"}
    assert check(world, "ledger 1B.site_city")["found"][0] == len(rows(world, "outlet_catalogue")) - 2
    gate = check(world, "single-outlet share")
    assert gate["found"]["merchants"] == 0 and "generated merchants only, by policy" in gate["note"]


def test_own_merchants_may_join_and_count(world, tmp_path: Path) -> None:
    overrides = {"merchant_universe_1A.when_supplied": "add", "realism_gates_1A.applies_to": "all"}
    joined = build(
        tmp_path / "out", merchants=_file(tmp_path, "7,5411,card_present,DE,,,"), overrides=overrides
    )
    assert [row for row in rows(joined, "merchant_catalogue_1A") if row["merchant_id"] != 7] == rows(
        world, "merchant_catalogue_1A"
    )
    assert [row for row in rows(joined, "site_locations") if row["merchant_id"] != 7] == rows(
        world, "site_locations"
    )
    assert check(joined, "single-outlet share")["found"]["merchants"] == 401


def test_own_merchants_may_not_take_a_generated_id(world, tmp_path: Path) -> None:
    taken = rows(world, "merchant_catalogue_1A")[17]["merchant_id"]
    path = _file(tmp_path, f"{taken},5411,card_present,DE,,,")
    with pytest.raises(ContractError, match="MERCHANT_ID_TAKEN") as refused:
        build(tmp_path / "out", merchants=path, overrides={"merchant_universe_1A.when_supplied": "add"})
    assert refused.value.exit_code == 3 and refused.value.examples == [str(taken)]


def test_a_ladder_that_does_not_reach_everyone_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ContractError, match="HOME_SHARE_LADDER"):
        build(
            tmp_path,
            overrides={"outlet_policy_1A.home_share": [{"outlets_up_to": 10, "home_permille": 900}]},
            until="1A",
        )


def test_a_taxonomy_that_contradicts_itself_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ContractError, match="TAXONOMY_INCONSISTENT") as refused:
        build(tmp_path, overrides={"mcc_taxonomy_1A.sectors": ["health"]}, until="1A")
    assert any("grocery_pharmacy" in example for example in refused.value.examples)
