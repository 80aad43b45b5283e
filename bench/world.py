"""A built world, opened the way a run opens it, and with 5B.S4 taken out again so that it can be built once
more.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.case import Options
from bench.process import build
from sim.segments import SEGMENTS
from sim.shell.publish.gate import open_bundle
from sim.shell.publish.manifest import StateManifest
from sim.shell.publish.publish import read_published
from sim.shell.request.request import Prepared
from sim.shell.runs.store import Store

SEGMENT, BEFORE, STATE, DATASET = "5B", "5B.S3", "5B.S4", "arrival_events_5B"


def states_from(state: str) -> list[str]:
    """A state and those after it in its segment."""
    programs = next(segment for segment in SEGMENTS if segment.code == state.split(".")[0]).programs
    names = [program.state.id for program in programs]
    return names[names.index(state) :]


@dataclass(frozen=True)
class World:
    """A world built to 5B.

    Attributes:
        run_dir: Its run directory.
        prepared: Its request.
    """

    run_dir: Path
    prepared: Prepared

    @classmethod
    def built(cls, options: Options, preset: str) -> World:
        """Build 1A..5B of a preset in a fresh process."""
        _, answer = build(options, preset, options.scratch / "world", ["--until", SEGMENT])
        return cls.at(Path(answer["run_dir"]), preset, options.settings)

    @classmethod
    def at(cls, run_dir: Path, preset: str, settings: Sequence[str]) -> World:
        """The world of a preset that lies in `run_dir`."""
        from sim.cli.common import prepared_request

        return cls(run_dir, prepared_request(preset, "42", None, settings, None, None, None))

    def store(self) -> Store:
        """A store over everything published; nothing is verified or cached yet."""
        prepared = self.prepared
        store = Store(
            self.run_dir,
            prepared.contracts,
            prepared.reference,
            prepared.vocabularies,
            prepared.request.seed,
        )
        for segment in SEGMENTS:
            if (self.run_dir / "gates" / segment.code / "_passed.flag").is_file():
                store.register(open_bundle(self.run_dir, segment.code).datasets)
        return store

    def without_arrivals(self) -> None:
        """Take 5B.S4, what follows it and the state before it away.

        The one before is there to be built first, as in a whole run: what a process does once, loading
        compiled code above all, is no part of 5B.S4.
        """
        gates = self.run_dir / "gates" / SEGMENT
        for state in states_from(BEFORE):
            path = gates / "states" / f"{state}.json"
            for item in StateManifest.decode(read_published(path), str(path)).datasets:
                shutil.rmtree(self.run_dir / item.path)
            path.unlink()
        for name in ("index.json", "_passed.flag"):
            (gates / name).unlink()

    def arrivals_again(self, options: Options, preset: str) -> dict[str, Any]:
        """Build what is missing in a fresh process; the row 5B.S4 left in its answer."""
        _, answer = build(options, preset, options.scratch / "world", ["--until", SEGMENT])
        row: dict[str, Any] = next(row for row in answer["states"] if row["state"] == STATE)
        if row["status"] != "PASS":
            raise RuntimeError(f"{STATE} was not built again: {row['status']}")
        return row
