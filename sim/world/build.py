"""From a request to a world: what `closedworld run` and `sim.world.run` do alike.

The model comes with the request.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sim.backends import Backend, BackendUnavailable, get_backend
from sim.executors import Executor, MemoryBudget
from sim.ground.errors import BackendError, UsageError
from sim.objects.location import is_url, parse_url
from sim.shell.events.events import Reporter
from sim.shell.loop.kernels_ready import compile_missing
from sim.shell.loop.outcome import RunResult
from sim.shell.loop.publication import Publication
from sim.shell.loop.run import Options, run_world
from sim.shell.partition.rng_events import require_events
from sim.shell.request.request import Prepared
from sim.state.program import Segment


@dataclass(frozen=True)
class How:
    """How to build, and where; nothing here can change a byte of what is published.

    Attributes:
        out: Directory that holds run directories, or a URL.
        until: Last segment, or state, to build; None for all.
        work_dir: With a URL: where the run is built before it is uploaded; None for the user's cache.
        keep_local: With a URL: keep local copies of uploaded files.
        rng_events: States, or segments, whose random events are published as well.
        order_seed, executor, verify_fraction, device_slots, memory: As `Options`.
    """

    out: str = "runs"
    until: str | None = None
    work_dir: Path | None = None
    keep_local: bool = False
    rng_events: tuple[str, ...] = ()
    order_seed: int | None = None
    executor: Executor | None = None
    verify_fraction: float = 0.001
    device_slots: int | None = None
    memory: MemoryBudget | None = None


@dataclass(frozen=True)
class Built:
    """A finished build.

    Attributes:
        result: What was done.
        url: Where the run was published, if that is a URL.
    """

    result: RunResult
    url: str | None

    @property
    def world(self) -> str:
        """What opens it: its URL or its directory."""
        return self.url or str(self.result.run_dir)


def usable_backend(name: str) -> Backend:
    """The backend called `name`.

    Raises:
        BackendError: `SHELL.BACKEND_UNAVAILABLE`: it cannot run here, and nothing else runs in its place.
    """
    try:
        return get_backend(name)
    except BackendUnavailable as error:
        raise BackendError(
            "SHELL.BACKEND_UNAVAILABLE", f"backend {name} cannot run here: {error}", do=error.do
        ) from error


def require_segment(until: str | None, segments: Sequence[Segment]) -> None:
    """Refuse an end that there is not - a segment or a state - before anything is computed."""
    states = {segment.code: [program.state.id for program in segment.programs] for segment in segments}
    if until is None or until in states or any(until in ids for ids in states.values()):
        return
    of = until.partition(".")[0]
    if of in states:
        raise UsageError(
            "SHELL.UNKNOWN_STATE", f"{of} has no state called {until!r}", expected=", ".join(states[of])
        )
    raise UsageError(
        "SHELL.UNKNOWN_SEGMENT",
        f"there is no segment or state called {until!r}",
        expected=f"{', '.join(states)}; or a state of one: 5B.S3",
    )


def build(prepared: Prepared, backend: Backend, how: How, reporter: Reporter) -> Built:
    """Build a world and publish it, or what is missing of it.

    Args:
        prepared: The request, hashed; `sim.shell.contracts.lint.prove_agreement` has shown that its parts
            agree.
        backend: Where kernels run.
        how: How, and where.
        reporter: Receives progress.

    Raises:
        SimError: Whatever refused; published states stay, everything else is resumable.
    """
    segments = prepared.model.segments
    rng_events = require_events(how.rng_events, how.until, segments)
    place, publication, url = _place(prepared, how, reporter)
    compile_missing(backend, place / prepared.run_id, segments, how.until, how.executor, reporter)
    options = Options(
        out=place,
        publication=publication,
        until=how.until,
        rng_events=rng_events,
        order_seed=how.order_seed,
        executor=how.executor,
        verify_fraction=how.verify_fraction,
        device_slots=how.device_slots,
        memory=how.memory,
    )
    return Built(run_world(prepared, backend, options, reporter), url)


def place_of_run(prepared: Prepared, how: How) -> Path:
    """The directory the run is built in: the run's own, or where it is before it is uploaded."""
    if not is_url(how.out):
        return Path(how.out) / prepared.run_id
    from sim.objects.upload import default_work_dir

    return (how.work_dir or default_work_dir(parse_url(how.out))) / prepared.run_id


def _place(prepared: Prepared, how: How, reporter: Reporter) -> tuple[Path, Publication, str | None]:
    """(Directory to build in, where passed segments go from there, URL of the run if it has one)."""
    if not is_url(how.out):
        if how.work_dir is not None or how.keep_local:
            raise UsageError(
                "SHELL.USAGE",
                "--work-dir and --keep-local go with a URL as --out",
                do="closedworld run --help",
            )
        return Path(how.out), Publication(), None
    from sim.objects.upload import Upload, default_work_dir

    root = parse_url(how.out)
    upload = Upload(root, prepared, reporter, how.keep_local)
    return how.work_dir or default_work_dir(root), upload, str(upload.location)
