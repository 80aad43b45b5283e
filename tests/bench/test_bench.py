"""Every bench case runs on tiny input and leaves a result that follows its schema. No timing is asserted:
those are no test's business.
"""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import jsonschema
import numpy as np
import pytest

from bench.apportion import served_by_counting, served_by_sorting
from bench.case import Case, Options, Row
from bench.cases import CASES
from bench.cases.gpu import kernel_rows
from bench.main import RESULTS, Refused, count, fields, main, measure
from bench.writing import writer_options
from gpu_kernels.device import EmulatedDevice
from gpu_kernels.driver import DeviceUnavailable
from sim.backends import get_backend
from sim.backends.cache import private_cache_dir
from sim.ground.paths import contracts_root
from sim.shell.contracts.load import load_contracts
from tests.kernels.runners import gpu_missing
from tests.tiny_world import TINY

ROOT = Path(__file__).resolve().parents[2]
SCHEMA = json.loads((ROOT / "bench/result.schema.json").read_text())
SETTINGS = tuple(f"{key}={value}" for key, value in TINY.items())
STEMS = get_backend("cpu").kernels.names
TINY_CASES = {
    "philox": {},
    "detmath": {},
    "kernels": {"rows": 1000},
    "start-up": {"names": ("open_uniform",), "settings": SETTINGS, "until": "1A"},
    "states": {"settings": SETTINGS, "until": "1B"},
    "partition": {"settings": SETTINGS},
    "write-floor": {"settings": SETTINGS},
    "end-to-end": {"settings": SETTINGS, "until": "1B"},
    "growth": {"sizes": (80_000,)},
    "memory": {"settings": SETTINGS, "until": "1A", "workers": 1},
    "peers": {"settings": SETTINGS, "rows": 2000},
    "executors": {"settings": SETTINGS, "until": "1A", "workers": 1},
    "plan-scale": {"partitions": 50},
}
ROWS = {
    "philox": {"philox_block"},
    "detmath": {"exp_map", "log_map", "normal_quantile_map"},
    "kernels": set(STEMS),
    "start-up": {"closedworld --help", "closedworld sql", "kernels, cold cache", "kernels, warm cache"},
    "states": {"demo 1A.S1", "demo whole"},
    "partition": {"compute", "to Arrow and Parquet", "content digest"},
    "write-floor": {"demo 5B.S4", "demo floor", "demo ratio"},
    "end-to-end": {"demo"},
    "growth": {"80,000"},
    "memory": {"demo, workers 1", "demo, workers 2", "demo, workers 2, limit 2GiB"},
    "peers": {"closedworld 5B.S4", "numpy + pyarrow", "duckdb", "tpchgen-cli"},
    "executors": {"demo, local", "demo, dask", "demo, dask / local"},
    "plan-scale": {"partitions", "manifest: encode", "one cell, counted in 16"},
}


def test_every_case_is_tried() -> None:
    assert set(TINY_CASES) == set(ROWS) == set(CASES) - {"gpu"}


@pytest.mark.parametrize("case", TINY_CASES)
def test_case(case: str, tmp_path: Path) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    target = tmp_path / "result.json"
    answer, text = main([case], {"runs": 1, "workers": 2, **TINY_CASES[case]}, "tiny", target, scratch)
    result = json.loads(target.read_text())
    jsonschema.validate(result, SCHEMA, format_checker=jsonschema.FormatChecker())
    assert answer["results"][case] == result
    assert result["case"] == case
    names = {row["name"] for row in result["rows"]}
    assert names >= ROWS[case]
    assert all(name in text for name in names)
    if case == "write-floor":  # the same columns, encodings, statistics and row groups give the same bytes
        assert [
            row["facts"]["same bytes as published"] for row in result["rows"] if row["name"] == "demo floor"
        ] == [True]
    assert not list(scratch.iterdir())


def test_gpu_case_on_the_emulated_device(tmp_path: Path) -> None:
    """All of it but the device's own clock and whole worlds."""
    device = EmulatedDevice(private_cache_dir("emulated"))
    rows = {
        row.name: row for row in kernel_rows(device, Options(tmp_path, runs=1, rows=500, say=lambda _: None))
    }
    assert rows.keys() == {"emulated", *STEMS, "sort_segments", "arrivals, computed"}
    result = measure(Case("gpu", "gpu", "", lambda _: list(rows.values()), False), Options(tmp_path), "tiny")
    jsonschema.validate(result, SCHEMA, format_checker=jsonschema.FormatChecker())


@pytest.mark.skipif(gpu_missing() is None, reason="there is a GPU")
def test_gpu_case_without_a_gpu(tmp_path: Path) -> None:
    with pytest.raises(DeviceUnavailable, match="no NVIDIA"):
        CASES["gpu"].run(Options(tmp_path))


def test_writer_options_name_every_column() -> None:
    for dataset in load_contracts(contracts_root()).datasets.values():
        options = writer_options(dataset.table.columns)
        encoded = {*(options["use_dictionary"] or ()), *(options["column_encoding"] or ())}
        assert encoded == {
            column.name for column in dataset.table.columns if column.name in encoded or column.type != "bool"
        }


@pytest.mark.parametrize(
    "path", sorted([*RESULTS.glob("*.json"), *RESULTS.glob("in-turn/*.json")]), ids=lambda path: path.stem
)
def test_kept_results_follow_the_schema(path: Path) -> None:
    result = json.loads(path.read_text())
    jsonschema.validate(result, SCHEMA, format_checker=jsonschema.FormatChecker())
    assert path.parent.name == "in-turn" or path.stem == f"{result['case']}-{result['machine']}"


def test_chart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Drawn from results alone: well-formed, every bar inside the page,
    of no colour that vanishes on one of the two grounds.
    """
    import bench.main

    def run(values: dict[str, float], **facts: float) -> list[Row]:
        return [
            Row(f"row <{n}>", {name: ("", [value * n]) for name, value in values.items()}, dict(facts))
            for n in (1, 2, 3)
        ]

    rows = {
        "write-floor": [*run({"rows": 8.5}), Row("demo ratio", {"5B.S4 / floor": ("", [1.8])})],
        "peers": [
            *run({"rows": 20.0}, **{"bytes a row": 7.0}),
            Row("tpchgen-cli", {}, {"missing": "pip install tpchgen-cli"}),
        ],
        "growth": [
            Row(str(n), {"5B.S4": ("M/s", [9.0]), "peak": ("MiB", [900.0])}, {"arrivals": n})
            for n in (10**7, 10**8, 10**9)
        ],
        "end-to-end": run({"wall": 10.0, "peak": 900.0}, arrivals=10**6),
    }
    monkeypatch.setattr(bench.main, "RESULTS", tmp_path)
    for name, made in rows.items():
        case = Case(name, name, "", lambda _, made=made: made, False)
        (tmp_path / f"{name}-tiny.json").write_text(json.dumps(measure(case, Options(tmp_path), "tiny")))
    answer, _ = main(["chart"], {"runs": 1}, "tiny", None, None)
    text = Path(answer["chart"]).read_text()
    root = ElementTree.fromstring(text)
    words = " ".join(root.itertext())
    assert all(
        found in words
        for found in ("row <3>", "1.80x", "60.0 M rows/s, 7 B a row", "1,000 M arrivals, 900 MiB", "30.0 s")
    )
    bars = [node for node in root.iter() if node.tag.endswith("rect")]
    assert len(bars) == 9
    assert all(float(node.get("x", "0")) + float(node.get("width", "0")) < 720 for node in bars)
    assert "prefers-color-scheme: dark" in text
    assert not re.search(r'fill="|stroke="', text)


def test_no_results_no_chart(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="no results of nowhere"):
        main(["chart"], {}, "nowhere", tmp_path / "chart.svg", None)
    assert not (tmp_path / "chart.svg").exists()


@pytest.mark.parametrize("seed", range(20))
def test_counting_serves_the_rows_that_sorting_serves(seed: int) -> None:
    """Ties in remainder, in both words, everywhere; pieces of any size, empty ones too; any number left."""
    random = np.random.Generator(np.random.PCG64(seed))
    rows = int(random.integers(1, 400))
    few = [np.uint64(0), np.uint64(1), np.uint64(2**63), np.uint64(2**64 - 1)]
    remainder = (
        random.choice(np.array([*few, np.uint64(2**16)]), rows)
        if seed % 2
        else random.integers(0, 2**63, rows, dtype=np.uint64)
    )
    chance = random.choice(np.array(few), rows)
    cuts = np.sort(random.integers(0, rows + 1, 5))
    pieces = list(zip(np.split(remainder, cuts), np.split(chance, cuts), strict=True))
    for left in {0, 1, rows // 2, rows}:
        expected = served_by_sorting(remainder, chance, left)
        assert int(expected.sum()) == left
        assert (np.concatenate(served_by_counting(pieces, left)) == expected).all()


@pytest.mark.parametrize(
    ("text", "number"),
    [("20000", 20_000), ("20k", 20_000), ("10M", 10_000_000), ("1B", 10**9), ("1G", 10**9)],
)
def test_counts(text: str, number: int) -> None:
    assert count(text) == number


@pytest.mark.parametrize("text", ["", "0", "-1", "1.5M", "M", "ten", "10MM", "²"])
def test_no_counts(text: str) -> None:
    with pytest.raises(Refused):
        count(text)


def test_the_command_offers_every_option() -> None:
    assert fields() == set(Options(scratch=Path()).parameters()) | {"against"}


def test_the_command_line(cli, tmp_path: Path) -> None:
    listed = cli("bench", "list")
    assert listed.code == 0
    assert all(name in listed.out for name in CASES)
    target = tmp_path / "philox.json"
    answer = cli("bench", "philox", "--runs", "2", "--json", "--out", target)
    told = json.loads(answer.out)
    assert (answer.code, told["schema"]) == (0, "closedworld.bench/1")
    assert told["results"]["philox"] == json.loads(target.read_text())
    assert len(told["results"]["philox"]["rows"][0]["figures"]["ns a value"]["values"]) == 2


@pytest.mark.parametrize("arguments", [["nonsense"], ["growth", "--size", "many"], ["philox", "--runs", "0"]])
def test_a_wrong_command_line_exits_2(cli, arguments: list[str]) -> None:
    answer = cli("bench", *arguments)
    assert (answer.code, answer.out) == (2, "")
    assert answer.err.startswith("SHELL.USAGE")


def test_an_installed_package_says_where_timings_are(
    cli, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    import sim

    monkeypatch.setattr(sim, "__file__", str(tmp_path / "sim" / "__init__.py"))
    answer = cli("bench", "philox")
    assert answer.code == 2
    assert answer.err.startswith("SHELL.BENCH_NEEDS_A_CHECKOUT")
