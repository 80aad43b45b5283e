"""What the request alone decides is refused by `plan` and by `run` before anything is built,
with one code and the same words.
"""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

from sim.ground.paths import config_root

HEADER = "merchant_id,mcc,channel,country,outlet_country,lat,lon\n"


def dates(start: str, end: str) -> list[str]:
    return [f"scenario_horizon_5A.start={start}", f"scenario_horizon_5A.end={end}"]


REQUESTS = {
    "no holidays": (dates("2032-01-05", "2032-01-19"), "5A.S4.HOLIDAYS_NOT_COVERED", 3),
    "no clocks": ([*dates("2110-01-05", "2110-01-19")], "HORIZON_NOT_COVERED", 3),
    "a day that is none": (dates("2026-02-30", "2026-03-10"), "5A.S4.HORIZON_INVALID", 3),
    "an end before the start": (dates("2026-03-30", "2026-03-10"), "5A.S4.HORIZON_INVALID", 3),
    "too many buckets": (["time_grid_policy_5B.largest_bucket_count=10"], "5B.S1.HORIZON_NOT_ALIGNED", 3),
    "outages out of bounds": (["overlay_policy_5A.outage.factor=0.9"], "5A.S4.FACTOR_OUT_OF_BOUNDS", 3),
    "holidays out of bounds": (
        ["overlay_policy_5A.holiday.kinds.CLOSED.office_hours=1.9"],
        "5A.S4.FACTOR_OUT_OF_BOUNDS",
        3,
    ),
    "a weekend without a rule": (
        ["demand_policy_5A.weekend_rules.FRI_SAT=[4, 6]"],
        "5A.S3.WEEKEND_UNKNOWN",
        3,
    ),
    "shares that cross": (["virtual_policy_3B.hybrid_share.mixed.low=0.9"], "3B.S1.POLICY_IMPOSSIBLE", 3),
    "edges that cross": (["edge_policy_3B.edges_min=97"], "3B.S3.POLICY_IMPOSSIBLE", 3),
    "a ladder too short": (
        ["outlet_policy_1A.home_share=[{outlets_up_to: 10, home_permille: 900}]"],
        "1A.S2.HOME_SHARE_LADDER",
        3,
    ),
    "a world for another disk": (
        ["demand_policy_5A.volume_scale=1000", "merchant_universe_1A.merchants=90000000"],
        "SHELL.DISK_TOO_SMALL",
        7,
    ),
}


@pytest.mark.parametrize("command", ["plan", "run"])
@pytest.mark.parametrize("request_", REQUESTS)
def test_impossible_requests(cli, tmp_path: Path, request_: str, command: str) -> None:
    overrides, code, exit_code = REQUESTS[request_]
    answer = cli(command, *(f"--set={text}" for text in overrides), "--out", str(tmp_path / "out"), "--json")
    error = json.loads(answer.out)["error"]
    assert answer.code == exit_code and error["code"].endswith(code) and error["do"], answer
    assert error["code"].startswith("SHELL.") or "--set " + overrides[0].split("=")[0] in error["where"], (
        answer
    )
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("command", ["plan", "run"])
def test_places_in_no_city_of_their_country(cli, tmp_path: Path, command: str) -> None:
    file = tmp_path / "mine.csv"
    file.write_text(
        HEADER
        + "1,5411,card_present,DE,,52.52,13.405\n"
        + "2,5411,card_present,DE,,-33.9,151.2\n"
        + "3,5411,mixed,NO,JP,59.9,10.7\n"
    )
    answer = cli(command, "--merchants", str(file), "--out", str(tmp_path / "out"), "--json")
    error = json.loads(answer.out)["error"]
    assert (answer.code, error["code"], error["total"]) == (3, "1B.S1.SITE_FAR_FROM_COUNTRY", 2)
    assert "merchant 2, DE" in error["examples"][0] and "merchant 3, JP" in error["examples"][1]
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("command", ["plan", "run"])
def test_an_id_the_seed_generates_too(cli, demo_run: Path, tmp_path: Path, command: str) -> None:
    import sim.world as cw

    taken = next(
        id
        for id in cw.open(demo_run)["merchant_catalogue_1A"]
        .to_arrow(["merchant_id"])["merchant_id"]
        .to_pylist()
        if id < 2**63
    )
    receipt = cw.open(demo_run).receipt
    file = tmp_path / "mine.csv"
    file.write_text(HEADER + f"{taken},5411,card_present,DE,,,\n")
    add = ["--set", "merchant_universe_1A.when_supplied=add", "--seed", str(receipt["seed"])]
    answer = cli(command, "--merchants", str(file), *add, "--out", str(tmp_path / "out"), "--json")
    error = json.loads(answer.out)["error"]
    assert (answer.code, error["code"], error["examples"]) == (3, "1A.S1.MERCHANT_ID_TAKEN", [str(taken)])
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("command", ["plan", "run"])
def test_a_refusal_names_the_line_of_the_users_own_file(cli, tmp_path: Path, command: str) -> None:
    """Under `--config DIR` and in a preset of the user's: the file there and the line there."""
    config = tmp_path / "config"
    shutil.copytree(config_root(), config)
    edges = config / "layer1/3B/edge_policy.yaml"
    edges.write_text(
        "# ours\n# since March\n" + re.sub(r"(?m)^edges_min: .*", "edges_min: 97", edges.read_text())
    )
    answer = cli(command, "--config", str(config), "--out", str(tmp_path / "out"), "--json")
    line = next(
        number
        for number, text in enumerate(edges.read_text().splitlines(), start=1)
        if text == "edges_min: 97"
    )
    error = json.loads(answer.out)["error"]
    place = f"{edges}:{line}:1 (edge_policy_3B.edges_min)"
    assert (answer.code, error["code"], error["where"]) == (3, "3B.S3.POLICY_IMPOSSIBLE", place)
    assert error["examples"] == [f"edges_min > edges_max: 97 > 96 [{place}]"]

    preset = config / "presets/mine.yaml"
    demo = (config / "presets/demo.yaml").read_text().rstrip("\n")
    preset.write_text(
        demo + ("" if "\nset:" in demo else "\nset:") + "\n  virtual_policy_3B.hybrid_share.mixed.low: 0.9\n"
    )
    edges.unlink()
    shutil.copy(config_root() / "layer1/3B/edge_policy.yaml", edges)
    answer = cli(
        command, "--config", str(config), "--preset", "mine", "--out", str(tmp_path / "out"), "--json"
    )
    error = json.loads(answer.out)["error"]
    line = len(preset.read_text().splitlines())
    assert (answer.code, error["code"]) == (3, "3B.S1.POLICY_IMPOSSIBLE")
    assert (
        error["where"].startswith(str(config / "layer1/3B/virtual_policy.yaml"))
        and f"{preset}:{line}:3" in error["where"]
    )
    assert not (tmp_path / "out").exists()
