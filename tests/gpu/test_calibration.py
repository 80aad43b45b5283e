"""`auto` stays on the processors until a measurement of this very place says that its GPU is faster;
it says what it chose and why.
"""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

import sim.backends.choice as choice
from bench.case import Row
from bench.cases.gpu import calibrated
from gpu_kernels.driver import Driver, Gpu
from sim.backends import BackendUnavailable, calibration, get_backend
from sim.backends.calibration import MARGIN, VARIABLE, Calibration, Place, place_of, record, verdict
from sim.backends.device_backend import emulated_backend

DRIVER = Driver((13, 0), (Gpu("NVIDIA H200", (9, 0), 141 << 30),))


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    """A machine with a GPU, as far as the choice looks, and an empty cache. The emulator stands where the GPU
    would.
    """
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.setattr(choice, "_cache", {})
    monkeypatch.setattr(calibration, "private_cache_dir", lambda name: tmp_path)
    for name in ("gpu_kernels.driver.probe", "bench.cases.gpu.probe"):
        monkeypatch.setattr(name, lambda: DRIVER)
    monkeypatch.setattr("sim.backends.device_backend.gpu_backend", emulated_backend)
    return place_of(DRIVER)


def measured(place: Place, cpu: float, gpu: float) -> Calibration:
    return Calibration(place, "reference", 124_800_000, cpu, gpu)


def chosen() -> tuple[str, str]:
    found = get_backend("auto")
    return found.name, found.why


def test_a_gpu_that_was_never_measured_is_left_alone(place: Place) -> None:
    name, why = chosen()
    assert (
        name == "cpu"
        and why.startswith("NVIDIA H200 was never measured against these ")
        and "closedworld bench gpu" in why
    )


def test_a_gpu_that_was_measured_to_be_faster_is_taken(place: Place) -> None:
    path = record(measured(place, 15.0, 5.0))
    assert chosen() == (
        "emulated",
        f"NVIDIA H200 was 3.00 times as fast as these {place.processors} processors on reference",
    )
    assert Calibration.decode(path.read_bytes()) == measured(place, 15.0, 5.0)


@pytest.mark.parametrize("seconds", [(15.0, 30.0), (15.0, 15.0), (10.0, 10.0 / MARGIN * 1.001)])
def test_a_gpu_that_is_not_clearly_faster_is_left_alone(place: Place, seconds: tuple[float, float]) -> None:
    record(measured(place, *seconds))
    name, why = chosen()
    assert name == "cpu" and f"was {seconds[0] / seconds[1]:.2f} times as fast" in why


def test_the_last_measurement_counts(place: Place) -> None:
    record(measured(place, 15.0, 5.0))
    record(measured(place, 15.0, 50.0))
    assert chosen()[0] == "cpu"


@pytest.mark.parametrize("field", [*Place.__dataclass_fields__])
def test_a_measurement_of_another_place_does_not_count(
    place: Place, field: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = replace(place, **{field: 7 if field == "processors" else "another"})
    record(measured(other, 15.0, 5.0))
    assert chosen()[0] == "cpu" and "never measured" in chosen()[1]
    stated = tmp_path / "stated"
    stated.write_bytes(measured(other, 15.0, 5.0).encode())
    monkeypatch.setenv(VARIABLE, str(stated))
    name, why = chosen()
    assert (
        name == "cpu"
        and f"measured elsewhere: {field} {asdict(other)[field]}, not {asdict(place)[field]}" in why
    )


def test_a_stated_file_counts(place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stated = tmp_path / "stated"
    stated.write_bytes(measured(place, 15.0, 5.0).encode())
    monkeypatch.setenv(VARIABLE, str(stated))
    assert chosen()[0] == "emulated"


def document(cpu: Any, gpu: Any) -> str:
    place = asdict(place_of(DRIVER))
    return json.dumps(
        {
            "format": calibration.FORMAT,
            "place": place,
            "world": "demo",
            "arrivals": 1,
            "cpu_seconds": cpu,
            "gpu_seconds": gpu,
        }
    )


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        "\0",
        "[" * 100_000,
        json.dumps({"format": "gpu-calibration-v0"}),
        json.dumps({"format": calibration.FORMAT, "place": {}, "world": "demo"}),
        document("9", 1),
        document(9, 0),
        document(9, True),
        document(float("nan"), float("nan")),
        document(float("inf"), 1),
        document(-1, 1),
    ],
)
def test_what_is_no_measurement_is_said_to_be_none(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    stated = tmp_path / "stated"
    stated.write_text(text)
    monkeypatch.setenv(VARIABLE, str(stated))
    faster, why = verdict(place)
    assert (
        not faster
        and why.startswith(f"{stated}: ")
        and why.endswith("closedworld bench gpu makes one")
        and "\n" not in why
    )


def test_a_stated_file_that_is_not_there_is_said(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "/no/such/file")
    assert chosen() == ("cpu", "/no/such/file: no such file; closedworld bench gpu makes one")


def test_a_faster_gpu_that_cannot_be_had_now_is_told(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuses() -> Any:
        raise BackendUnavailable("CuPy is not installed")

    monkeypatch.setattr("sim.backends.device_backend.gpu_backend", refuses)
    record(measured(place, 15.0, 5.0))
    assert chosen() == ("cpu", "CuPy is not installed")


def test_the_bench_makes_the_record(place: Place) -> None:
    gpu, cpu = (
        Row("demo", {"wall": ("s", walls)}, {"arrivals": 1_250_000})
        for walls in ([4.0, 2.0, 3.0], [9.0, 6.0, 5.0])
    )
    assert calibrated("demo", gpu, cpu) == Calibration(place, "demo", 1_250_000, 6.0, 3.0)
