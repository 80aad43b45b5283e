"""Typed events of a run at work; listeners render them (`progress.py`, `run_log.py`).

Events are outside every digest. Listeners receive each event once and one at a time, from whatever thread,
the same under every executor. Where workers compute partitions, the event `sent` replaces the stages that
only the worker sees.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias


@dataclass(frozen=True)
class RunBegan:
    """A run begins; `states` counts those of the request up to `until`, published ones included."""

    run_id: str
    run_dir: str
    preset: str
    seed: int
    scenarios: tuple[str, ...]
    backend: str
    why: str
    executor: str
    workers: int
    states: int
    until: str | None


@dataclass(frozen=True)
class InputRead:
    """A file of the user's was read, before the run began; `lines` say what was found in it."""

    input: str
    lines: tuple[str, ...]


@dataclass(frozen=True)
class KernelsCompiling:
    """Progress of compiling the kernels that this machine has not compiled yet, before any state begins."""

    backend: str
    done: int
    kernels: int
    seconds: float


@dataclass(frozen=True)
class SegmentSealed:
    """A segment's gates are open and its inputs sealed.

    `gates` are upstream flags: segment, bundle_sha256, flag_sha256. `inputs` are sealed rows: key, path,
    role, status, read_scope, sha256, and the method by which a reader compares what it reads with that
    SHA-256.
    """

    segment: str
    title: str
    gates: tuple[Mapping[str, str], ...]
    inputs: tuple[Mapping[str, str], ...]


@dataclass(frozen=True)
class StateBegan:
    """A state begins; `objective` says what it is for."""

    state: str
    title: str
    objective: str
    number: int
    of: int
    partitions: int


@dataclass(frozen=True)
class Stage:
    """A partition (empty: the state as a whole) enters a stage, with so many rows computed by now."""

    state: str
    partition: str
    stage: str
    rows: int = 0


@dataclass(frozen=True)
class PartitionEnded:
    """A partition is staged, or was by an interrupted run."""

    state: str
    partition: str
    rows: int
    resumed: bool


@dataclass(frozen=True)
class Checked:
    """The checks of a state, with their figures.

    Each has a name, passed and, where they apply, dataset, rows, found and expected.
    """

    state: str
    checks: tuple[Mapping[str, Any], ...]


@dataclass(frozen=True)
class StateEnded:
    """A state is published (PASS), was already (PROVEN), or failed (FAIL) with so many rows by then."""

    state: str
    title: str
    status: str
    rows: int
    seconds: float
    partitions_resumed: int
    error_code: str
    note: str


@dataclass(frozen=True)
class SegmentPassed:
    """A segment's flag lies there, written now or, `taken_over`, by an earlier command."""

    segment: str
    bundle_sha256: str
    checks: int
    datasets: int
    rows: int
    bytes: int
    taken_over: bool


@dataclass(frozen=True)
class RunEnded:
    """How a run ended: `outcome` is complete, partial (`--until` ended it), refused, stopped or bug.

    `code` and `what` are those of a refusal.
    """

    outcome: str
    exit_code: int
    code: str
    what: str
    seconds: float


Event: TypeAlias = (
    RunBegan
    | InputRead
    | KernelsCompiling
    | SegmentSealed
    | StateBegan
    | Stage
    | PartitionEnded
    | Checked
    | StateEnded
    | SegmentPassed
    | RunEnded
)


class Reporter(Protocol):
    """Receives events."""

    def tell(self, event: Event) -> None:
        """Take note; may be called from any thread."""

    def close(self) -> None:
        """Nothing follows."""


class Silent:
    """Ignores every event (tests, `--quiet`)."""

    def tell(self, event: Event) -> None:
        """Ignore."""

    def close(self) -> None:
        """Ignore."""
