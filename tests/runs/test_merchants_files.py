"""Merchants files as banks have them: what is read, what is told,
and that equal rows are one world whatever the bytes.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from sim.ground.errors import ContractError, UsageError
from sim.model import MODEL
from sim.model.inputs.merchants import MERCHANTS_INPUT, SuppliedMerchants, merchants_input, read_merchants
from sim.model.inputs.values import merchant_id_of
from sim.shell.request.request import Prepared, Request, prepare
from sim.state.model import Facts, UserFile
from tests.runs.merchants_files import HEADER, REFUSED, ROWS, SAME, parquet, text


def prepared(folder: Path, name: str, data: bytes, **options: Any) -> Prepared:
    file = folder / name
    file.write_bytes(data)
    return prepare(Request(inputs=merchants_input(file, **options)), MODEL)


@cache
def surroundings() -> Facts:
    return prepare(Request(), MODEL).facts


def read(folder: Path, name: str, data: bytes, **options: Any) -> SuppliedMerchants:
    file = folder / name
    file.write_bytes(data)
    return read_merchants(UserFile(file, options), surroundings())


def refused(folder: Path, name: str, data: bytes, **options: Any) -> ContractError:
    with pytest.raises(ContractError) as error:
        read(folder, name, data, **options)
    assert error.value.code == "1A.S1.MERCHANTS_FILE_INVALID" and error.value.exit_code == 3
    return error.value


@pytest.mark.parametrize("case", SAME)
def test_equal_rows_are_one_world_and_what_was_found_out_is_told(case: str, tmp_path: Path) -> None:
    plain = prepared(tmp_path, "plain.csv", text().encode())
    name, data, options, told = SAME[case]
    other = prepared(tmp_path, name, data, **options)
    supplied = other.supplied[MERCHANTS_INPUT]
    assert (other.run_id, other.fingerprint) == (plain.run_id, plain.fingerprint)
    assert {key: supplied.told[key] for key in told} == told
    counted = {
        key: supplied.told[key]
        for key in ("rows", "merchants", "outlets", "countries", "repeated", "hashed_ids")
    }
    assert counted == {
        "rows": 4,
        "merchants": 3,
        "outlets": 2,
        "countries": 4,
        "repeated": 0,
        "hashed_ids": 2,
    }
    echo = "\n".join(supplied.echo())
    assert "4 rows, 3 merchants, 2 outlets given, 4 countries" in echo
    assert all(str(told.get(key, "")) in echo for key in ("encoding", "delimiter"))
    assert all(column in echo for column in told.get("ignored", ()))


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_read_is_refused_with_its_reason(case: str, tmp_path: Path) -> None:
    name, data, options, reason = REFUSED[case]
    error = refused(tmp_path, name, data, **options)
    assert reason in error.render() and name in error.render()


CELLS = {
    "merchant_id": st.sampled_from(
        [
            "1",
            "001",
            "42",
            "9223372036854775807",
            "9223372036854775808",
            "M-7",
            "Ünal & Söhne",
            "-3",
            "0",
            "ф",
        ]
    ),
    "mcc": st.sampled_from(["5411", "0742", "5812"]),
    "channel": st.sampled_from(["card_present", "card_not_present", "mixed"]),
    "country": st.sampled_from(["DE", "NO", "NA"]),
    "name": st.sampled_from(["", "Café", 'a "b"', "x;y,z|w"]),
    "weekly_volume": st.sampled_from(["", "12.5", "1000"]),
}


@st.composite
def tables(draw: st.DrawFn) -> list[dict[str, str]]:
    """Outlets of a few merchants; what is said of a merchant is the same in all its rows."""
    keys = draw(st.lists(CELLS["merchant_id"], min_size=1, max_size=4, unique=True))
    about = {
        key: {name: draw(cells) for name, cells in CELLS.items() if name != "merchant_id"} for key in keys
    }
    rows = []
    for _ in range(draw(st.integers(1, 7))):
        key = draw(st.sampled_from(keys))
        place = draw(
            st.sampled_from(
                [("", "", ""), ("FR", "48.8566", "2.3522"), ("", "-33.5", "0.25"), ("FR", "", "")]
            )
        )
        rows.append(
            {
                "merchant_id": key,
                **about[key],
                **dict(zip(("outlet_country", "lat", "lon"), place, strict=True)),
            }
        )
    return rows


@given(rows=tables(), data=st.data())
@settings(
    max_examples=40,
    phases=(Phase.explicit, Phase.reuse, Phase.generate),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_bytes_do_not_matter(rows: list[dict[str, str]], data: st.DataObject, tmp_path: Path) -> None:
    """Delimiter, encoding, order of columns and rows, empty rows, quoting, CSV or Parquet: one digest,
    so one run id.
    """
    columns = list(rows[0])
    seen = set()
    for number in range(3):
        order = data.draw(st.permutations(columns))
        shuffled = data.draw(st.permutations(rows))
        if data.draw(st.booleans()):
            body = text(
                order,
                [[row[name] for name in order] for row in shuffled],
                data.draw(st.sampled_from(",;\t|")),
            )
            lines = body.splitlines(keepends=True)
            for _ in range(data.draw(st.integers(0, 2))):
                lines.insert(data.draw(st.integers(0, len(lines))), "\n")
            encoding = data.draw(st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "cp1252"]))
            try:
                encoded = "".join(lines).encode(encoding)
            except UnicodeEncodeError:
                encoded = "".join(lines).encode("utf-8")
            seen.add(read(tmp_path, f"{number}.csv", encoded).digest)
        else:
            table = {name: [row[name] for row in shuffled] for name in order}
            seen.add(read(tmp_path, f"{number}.parquet", parquet(table, compression="snappy")).digest)
    assert len(seen) == 1


@pytest.mark.parametrize(
    ("header", "row"),
    [
        (HEADER, ("1001", "5411", "card_present", "DE", "", "52.5200", "13.4051")),
        (HEADER, ("1001", "5411", "card_present", "DE", "DE", "52.5200", "13.4050")),
        (HEADER, ("01001", "5411", "card_present", "DE", "", "52.5200", "13.4050")),
        ((*HEADER, "name"), ("1001", "5411", "card_present", "DE", "", "52.5200", "13.4050", "x")),
        ((*HEADER, "weekly_volume"), ("1001", "5411", "card_present", "DE", "", "52.5200", "13.4050", "1")),
        (
            (*HEADER, "open_from", "open_to"),
            ("1001", "5411", "card_present", "DE", "", "52.5200", "13.4050", "08:00", "18:00"),
        ),
    ],
)
def test_other_content_is_another_world(
    header: tuple[str, ...], row: tuple[str, ...], tmp_path: Path
) -> None:
    one = prepared(tmp_path, "one.csv", text(rows=ROWS[:1]).encode())
    other = prepared(tmp_path, "other.csv", text(header, [row]).encode())
    assert one.run_id != other.run_id


def test_keys_keep_their_letters_and_get_one_id_each(tmp_path: Path) -> None:
    """1001 and 0000001001 are two; a plain number below 2**63 is its own id, anything else has a hash,
    and the key is kept.
    """
    supplied = read(tmp_path, "m.csv", text().encode())
    ids = dict(zip(supplied.frame.merchant_ref.tolist(), supplied.frame.merchant_id.tolist(), strict=True))
    assert ids == {"1001": 1001, "0000001001": merchant_id_of("0000001001"), "M-7": merchant_id_of("M-7")}
    assert len(set(ids.values())) == 3
    assert merchant_id_of("9223372036854775807") == 2**63 - 1
    assert merchant_id_of("9223372036854775808") == 807454462332626611
    assert all(0 < merchant_id_of(key) < 2**63 for key in ("0", "-3", "18446744073709551615", "x" * 200, " "))


def test_two_keys_with_one_id_are_refused_by_name(tmp_path: Path) -> None:
    rows = [("M-7", *ROWS[0][1:]), (str(merchant_id_of("M-7")), *ROWS[0][1:])]
    shown = refused(tmp_path, "m.csv", text(rows=rows).encode()).render()
    assert "'M-7'" in shown and str(merchant_id_of("M-7")) in shown and "line 2" in shown


def test_the_same_row_twice_is_told_and_is_one_more_outlet(tmp_path: Path) -> None:
    supplied = read(tmp_path, "m.csv", text(rows=[*ROWS, ROWS[1]]).encode())
    assert supplied.told["repeated"] == 1 and supplied.told["rows"] == 5
    assert any("1 row(s) repeat another one" in line for line in supplied.echo())


def test_all_bad_values_are_for_programs_and_five_for_people(tmp_path: Path) -> None:
    rows = [(str(number), "5411", "online", "UK", "", "", "") for number in range(1, 5001)]
    error = refused(tmp_path, "m.csv", text(rows=rows).encode())
    assert error.as_json()["total"] == len(error.as_json()["examples"]) == 10_000  # type: ignore[arg-type]
    assert error.render().count("of 10000") == 5
    assert "did you mean 'card_not_present'?" in error.render() and "did you mean 'GB'?" in error.render()


@pytest.mark.parametrize(
    ("column", "value", "meant"),
    [
        ("country", "UK", "GB"),
        ("country", "EL", "GR"),
        ("country", "de", "DE"),
        ("country", "DEU", "DE"),
        ("country", "Germany", "DE"),
        ("country", "deutschland", "DE"),
        ("country", "UQ", ""),
        ("country", "DX", ""),
        ("country", "DEX", ""),
        ("outlet_country", "gbr", "GB"),
        ("channel", "POS", "card_present"),
        ("channel", "e-commerce", "card_not_present"),
        ("channel", "CARD_PRESENT", "card_present"),
        ("channel", "card_presnt", ""),
    ],
)
def test_hints_come_from_known_confusions_or_not_at_all(
    column: str, value: str, meant: str, tmp_path: Path
) -> None:
    row = [value if name == column else cell for name, cell in zip(HEADER, ROWS[1], strict=True)]
    shown = refused(tmp_path, "m.csv", text(rows=[row]).encode()).render()
    assert (f"did you mean {meant!r}?" in shown) if meant else ("did you mean" not in shown)


def test_an_unlisted_mcc_takes_the_class_it_is_given(tmp_path: Path) -> None:
    data = text(rows=[("5", "9901", "mixed", "DE", "", "", ""), *ROWS]).encode()
    shown = refused(tmp_path, "m.csv", data).render()
    assert "closedworld contracts mccs" in shown and "--unknown-mcc" in shown
    one, other = (
        prepared(tmp_path, "m.csv", data, unknown_mcc=name) for name in ("office_hours", "online_24h")
    )
    assert one.supplied[MERCHANTS_INPUT].told["unknown_mccs"] == [9901] and one.run_id != other.run_id
    assert any("9901; they take class office_hours" in line for line in one.supplied[MERCHANTS_INPUT].echo())
    with pytest.raises(UsageError) as error:
        read(tmp_path, "m.csv", data, unknown_mcc="office")
    assert error.value.exit_code == 2 and "did you mean 'office_hours'?" in error.value.render()
    listed = text().encode()  # where the taxonomy lists all, the option changes nothing
    assert (
        prepared(tmp_path, "l.csv", listed, unknown_mcc="office_hours").run_id
        == prepared(tmp_path, "l.csv", listed).run_id
    )


def test_how_to_read_a_file_needs_a_file() -> None:
    with pytest.raises(UsageError):
        merchants_input(None, decimal_comma=True)


def test_the_bytes_are_provenance_and_no_identity(tmp_path: Path) -> None:
    import hashlib

    from sim.backends import get_backend

    one, other = (
        prepared(tmp_path, "a.csv", text().encode()),
        prepared(tmp_path, "b.csv", text(delimiter=";").encode()),
    )
    receipts = [made.receipt(get_backend("cpu"), "local") for made in (one, other)]
    files = [receipt["provenance"]["externals"][MERCHANTS_INPUT] for receipt in receipts]
    assert [file["sha256"] for file in files] == [
        hashlib.sha256((tmp_path / name).read_bytes()).hexdigest() for name in ("a.csv", "b.csv")
    ]
    assert (
        receipts[0]["externals"]
        == receipts[1]["externals"]
        == {MERCHANTS_INPUT: one.external_digests[MERCHANTS_INPUT]}
    )
    json.dumps(receipts)


@cache
def bomb(kind: str) -> bytes:
    """Parquet files that stand for far more than they weigh."""
    rows = 200_000
    right: dict[str, Any] = {"mcc": [5411] * rows, "channel": ["mixed"] * rows, "country": ["DE"] * rows}
    if kind == "one text of a dictionary":
        return parquet(
            {"merchant_id": ["x" * 50_000_000] * 2 + ["y"] * (rows - 2), **right}, compression="zstd"
        )
    if kind == "a page that becomes huge":
        return parquet(
            {"merchant_id": ["x" * 300_000_000], **{k: v[:1] for k, v in right.items()}},
            compression="zstd",
            use_dictionary=False,
            write_statistics=False,
        )
    if kind == "texts that grow":
        ids = ["x" * 1000] * rows
        encodings = {"merchant_id": "DELTA_BYTE_ARRAY"}
        return parquet(
            {"merchant_id": ids, **right}, use_dictionary=False, column_encoding=encodings, compression="zstd"
        )
    many = 5_000_000
    return parquet(
        {name: [value[0]] * many for name, value in (("merchant_id", [1]), *right.items())},
        compression="zstd",
    )


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("one text of a dictionary", "a text of 50,000,000 bytes"),
        ("a page that becomes huge", "becomes 300,"),
        ("texts that grow", "DELTA_BYTE_ARRAY"),
        ("rows", "5,000,000 rows"),
    ],
)
def test_a_parquet_bomb_is_refused_before_it_is_decoded(kind: str, reason: str, tmp_path: Path) -> None:
    data = bomb(kind)
    assert len(data) < 3_000_000
    assert reason in refused(tmp_path, "m.parquet", data).render()
