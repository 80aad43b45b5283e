"""The user's own merchants: sealed, used as given, every bad value named."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.runs.worlds import TINY, closedworld

GOOD = """merchant_id,mcc,channel,country,outlet_country,lat,lon
1001,5411,card_present,DE,,52.5200,13.4050
1001,5411,card_present,DE,FR,48.8566,2.3522
9223372036854775807,5812,mixed,NO,,,
7,5816,card_not_present,US,,,
"""


def run(tmp_path: Path, file: Path, check: bool = True) -> dict[str, object]:
    args = [f"--set={key}={value}" for key, value in TINY.items()]
    done = closedworld(
        "run", "--merchants", str(file), "--out", str(tmp_path / "out"), "--json", *args, check=check
    )
    return {"code": done.returncode, **json.loads(done.stdout)}


def test_given_merchants_replace_generated_ones(tmp_path: Path) -> None:
    import sim.world as cw

    file = tmp_path / "mine.csv"
    file.write_text(GOOD)
    result = run(tmp_path, file)
    world = cw.open(str(result["run_dir"]))
    merchants = world["merchant_catalogue_1A"].to_polars()
    assert merchants["merchant_id"].to_list() == [7, 1001, 2**63 - 1]
    assert merchants["home_country_iso"].cast(str).to_list() == ["US", "DE", "NO"]
    places = world["site_locations"].to_polars().filter(merchant_id=1001)
    assert sorted(
        zip(places["legal_country_iso"].cast(str), places["lat_deg"], places["lon_deg"], strict=True)
    ) == [
        ("DE", 52.52, 13.405),
        ("FR", 48.8566, 2.3522),
    ]
    assert set(world["arrival_events_5B"].to_polars()["merchant_id"].unique()) == {7, 1001, 2**63 - 1}
    sealed = json.loads((Path(str(result["run_dir"])) / "gates/1A/sealed_inputs_1A.json").read_text())[
        "inputs"
    ]
    assert any(
        row["manifest_key"] == "external.merchants_input_1A" and len(row["sha256_hex"]) == 64
        for row in sealed
    )
    file.write_text(GOOD.replace("52.5200", "52.5201"))
    assert run(tmp_path, file)["run_id"] != result["run_id"]


def test_parquet_and_csv_give_the_same_rows(tmp_path: Path) -> None:
    from tests.runs.worlds import content_digests

    (tmp_path / "mine.csv").write_text(GOOD)
    columns = {
        "merchant_id": pa.array([1001, 1001, 2**63 - 1, 7], pa.uint64()),
        "mcc": pa.array([5411, 5411, 5812, 5816], pa.int32()),
        "channel": ["card_present", "card_present", "mixed", "card_not_present"],
        "country": ["DE", "DE", "NO", "US"],
        "outlet_country": [None, "FR", None, None],
        "lat": [52.52, 48.8566, None, None],
        "lon": [13.405, 2.3522, None, None],
    }
    pq.write_table(pa.table(columns), tmp_path / "mine.parquet")
    one, other = (run(tmp_path, tmp_path / f"mine.{kind}") for kind in ("csv", "parquet"))
    left, right = (content_digests(Path(str(result["run_dir"]))) for result in (one, other))
    assert left == right


@pytest.mark.parametrize(
    ("line", "column", "found"),
    [
        (",5411,mixed,DE,,,", "merchant_id", ""),
        ("1.5E+00,5411,mixed,DE,,,", "merchant_id", "1.5E+00"),
        ("1.2E+30,5411,mixed,DE,,,", "merchant_id", "1.2E+30"),
        ("5,1,mixed,DE,,,", "mcc", "1"),
        ("5,5411,in_person,DE,,,", "channel", "in_person"),
        ("5,5411,mixed,de,,,", "country", "de"),
        ("5,5411,mixed,False,,,", "country", "False"),
        ("5,5411,mixed,DE,XX,,", "outlet_country", "XX"),
        ("5,5411,mixed,DE,,91.0,0", "lat", "91.0"),
        ("5,5411,mixed,DE,,nan,0", "lat", "nan"),
        ("5,5411,mixed,DE,,12.5,", "lat/lon", "12.5/"),
        ("1001,5812,mixed,DE,,,", "mcc/channel/country", "1001"),
    ],
)
@pytest.mark.promise(
    "P23", "a bad value in the user's merchants is named with file, line and column", faults="bad values"
)
def test_a_bad_value_is_named_with_file_line_and_column(
    tmp_path: Path, line: str, column: str, found: str
) -> None:
    file = tmp_path / "mine.csv"
    file.write_text(GOOD + line + "\n")
    result = run(tmp_path, file, check=False)
    assert result["code"] == 3
    (example,) = result["error"]["examples"]  # type: ignore[index]
    assert f"{file}:6" in example and f"column {column} " in example and f"'{found}'" in example


@pytest.mark.parametrize(
    "text",
    [
        "",
        "merchant_id,mcc,channel\n1,2,3\n",
        GOOD.replace("lat", "latitude"),
        GOOD + "1,2\n",
        GOOD.split("\n")[0] + "\n",
        "a\0b\n",
    ],
    ids=["empty", "missing column", "unknown column", "short row", "no rows", "nul"],
)
def test_a_file_that_is_not_a_merchants_file(tmp_path: Path, text: str) -> None:
    file = tmp_path / "mine.csv"
    file.write_text(text)
    result = run(tmp_path, file, check=False)
    assert result["code"] == 3 and str(file) in json.dumps(result["error"])


def test_what_was_given_reaches_the_world(tmp_path: Path) -> None:
    """Weekly volume drives 5A to the unit; keys, names, tickets and hours are carried; an unlisted MCC
    follows the class it was given.
    """
    import sim.world as cw

    file = tmp_path / "mine.csv"
    file.write_text(
        "merchant_id;mcc;channel;country;name;weekly_volume;ticket_median;open_from;open_to;lat;lon\n"
        "0000001001;5411;card_present;DE;Bäckerei;1234,5;8,20;06:30;24:00;52,52;13,405\n"
        "1001;5411;card_present;DE;;;;;;;\n"
        "M-7;9901;mixed;US;;700;;22:00;4:00;;\n",
        encoding="cp1252",
    )
    args = [f"--set={key}={value}" for key, value in TINY.items()]
    options = ["--decimal-comma", "--unknown-mcc", "bills_utilities", "--until", "5A"]
    done = closedworld(
        "run", "--merchants", str(file), *options, "--out", str(tmp_path / "out"), "--json", *args
    )
    answer = json.loads(done.stdout)
    assert (answer["merchants_file"]["encoding"], answer["merchants_file"]["unknown_mccs"]) == (
        "Windows-1252",
        [9901],
    )
    world = cw.open(answer["run_dir"])
    brought = {row["merchant_ref"]: row for row in world["merchant_supplied_1A"].to_arrow().to_pylist()}
    assert set(brought) == {"0000001001", "1001", "M-7"} and brought["1001"]["merchant_id"] == 1001
    one, other = brought["0000001001"], brought["M-7"]
    assert (one["name"], one["weekly_volume"], one["ticket_median"]) == ("Bäckerei", 1234.5, 8.2)
    assert (
        one["open_from_minute"],
        one["open_to_minute"],
        other["open_from_minute"],
        other["open_to_minute"],
    ) == (390, 1440, 1320, 240)
    assert (one["law_mcc"], other["demand_class"]) == (None, "bills_utilities")
    profile = world["merchant_zone_profile_5A"].to_arrow().to_pylist()
    sold = {
        key: [row for row in profile if row["merchant_id"] == row_of["merchant_id"]]
        for key, row_of in brought.items()
    }
    volumes = {key: sum(row["weekly_volume_expected"] for row in rows) for key, rows in sold.items()}
    assert abs(volumes["0000001001"] - 1234.5) < 1e-6 and abs(volumes["M-7"] - 700.0) < 1e-6
    assert {row["demand_class"] for row in sold["M-7"] if row["virtual_share"] < 0.5} <= {"bills_utilities"}
    catalogue = {row["merchant_id"]: row for row in world["merchant_catalogue_1A"].to_arrow().to_pylist()}
    assert catalogue[other["merchant_id"]]["mcc"] == 9901
    for key, row in brought.items():
        assert catalogue[row["merchant_id"]]["merchant_ref"] == key
