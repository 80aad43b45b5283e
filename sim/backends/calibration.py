"""What was measured: whether a GPU builds worlds faster than the processors beside it.

`auto` takes a GPU on no other ground.

A record holds for one device, driver, processor, number of processors and version; `closedworld bench gpu`
and `tests/gpu/node.py` make one. It lies in the private cache, or where CLOSEDWORLD_GPU_CALIBRATION says.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from gpu_kernels.driver import Driver, driver_release
from sim import __version__
from sim.backends.cache import private_cache_dir
from sim.ground.plain_file import NotPlain, read_plain

FORMAT = "gpu-calibration-v2"
VARIABLE = "CLOSEDWORLD_GPU_CALIBRATION"
# Timings that are closer than this say nothing about which of the two is faster.
MARGIN = 1.1
_MOST_BYTES = 1 << 16


@dataclass(frozen=True)
class Place:
    """What a measurement depends on besides the world.

    Attributes:
        device: Name of the GPU.
        driver: Release of its driver.
        processor: The CPU as the kernel names it.
        processors: How many of them this process may use.
        version: Version of closedworld.
    """

    device: str
    driver: str
    processor: str
    processors: int
    version: str


@dataclass(frozen=True)
class Calibration:
    """One world built on both backends of a place.

    Attributes:
        place: Where.
        world: Preset, or another name of what was built.
        arrivals: Rows of its arrivals.
        cpu_seconds: Wall seconds of a whole run on the cpu backend.
        gpu_seconds: The same on the GPU, its start included.
    """

    place: Place
    world: str
    arrivals: int
    cpu_seconds: float
    gpu_seconds: float

    @property
    def times(self) -> float:
        """How many times as fast as the processors the GPU was."""
        return self.cpu_seconds / self.gpu_seconds

    def encode(self) -> bytes:
        """The record as a file."""
        return (json.dumps({"format": FORMAT, **asdict(self)}, indent=1, sort_keys=True) + "\n").encode()

    @classmethod
    def decode(cls, data: bytes) -> Calibration:
        """The record in a file.

        Raises:
            ValueError: It is none.
        """
        try:
            found = json.loads(data)
        except RecursionError:
            raise ValueError("nested without end") from None
        if (
            not isinstance(found, dict)
            or found.pop("format", None) != FORMAT
            or not isinstance(found.get("place"), dict)
        ):
            raise ValueError(f"no record of format {FORMAT}")
        try:
            made = cls(Place(**found.pop("place")), **found)
        except TypeError as error:
            raise ValueError(str(error)) from None
        seconds = (made.cpu_seconds, made.gpu_seconds)
        if any(type(value) not in (int, float) or not 0 < value < float("inf") for value in seconds):
            raise ValueError(f"seconds {seconds} are no measurement")
        return made


def place_of(driver: Driver) -> Place:
    """This machine, its first GPU and this version."""
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").is_file() else []
    processor = next(
        (line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine()
    )
    return Place(driver.gpus[0].name, driver_release(), processor, len(os.sched_getaffinity(0)), __version__)


def record(calibration: Calibration) -> Path:
    """Keep a record in the private cache, where `auto` finds it.

    One that was there for the same place is replaced.
    """
    target = _cached(calibration.place)
    scratch = target.with_suffix(f".{os.getpid()}")
    scratch.write_bytes(calibration.encode())
    scratch.replace(target)
    return target


def verdict(place: Place) -> tuple[bool, str]:
    """Whether a measurement says that the GPU is the faster one here, and the sentence that says why."""
    stated = os.environ.get(VARIABLE)
    path = Path(stated) if stated else _cached(place)
    if not stated and not path.exists():
        return (
            False,
            (
                f"{place.device} was never measured against these {place.processors} processors: "
                "closedworld bench gpu does it"
            ),
        )
    try:
        found = Calibration.decode(read_plain(path, _MOST_BYTES))
    except (NotPlain, ValueError) as error:
        why = (
            error.found
            if isinstance(error, NotPlain)
            else f"no calibration of a GPU ({str(error).splitlines()[0]})"
        )
        return False, f"{path}: {why}; closedworld bench gpu makes one"
    if found.place != place:
        other = [f"{name} {value}, not {wanted}" for name, value, wanted in _differences(found.place, place)]
        return False, f"{path} was measured elsewhere: {'; '.join(other)}"
    measured = (
        f"{place.device} was {found.times:.2f} times as fast as these {place.processors} processors on "
        f"{found.world}"
    )
    return found.times >= MARGIN, measured


def _differences(found: Place, wanted: Place) -> list[tuple[str, Any, Any]]:
    ours = asdict(wanted)
    return [(name, value, ours[name]) for name, value in asdict(found).items() if value != ours[name]]


def _cached(place: Place) -> Path:
    named = hashlib.sha256(json.dumps(asdict(place), sort_keys=True).encode()).hexdigest()[:32]
    return private_cache_dir("calibration") / f"{named}.json"
