"""What must hold of a run directory after a power cut, and the loop over all points at which it may come."""

from __future__ import annotations

import ast
import json
import os
import random
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "shell"))

import miniworld
from power_loss import Disk, Op, Tree, recorded

from sim.backends import get_backend
from sim.shell.events.events import Event, Silent, StateEnded
from sim.shell.loop.run import Options, run_world

PUBLISHED = ("data", "gates", "reports", "run_receipt.json")


class Acknowledges(Silent):
    """Notes in the trace when the run says that a state is done."""

    def __init__(self, ops: list[Op]) -> None:
        self.ops = ops

    def tell(self, event: Event) -> None:
        if isinstance(event, StateEnded):
            self.ops.append(("told", event.state))


def run(root: Path, out: Path, ops: list[Op], stop: Callable[[Op], None] = lambda op: None) -> Path:
    """Run the mini world into `out`, recording; returns the run directory."""
    prepared = miniworld.prepared(root)
    with recorded(out, ops, stop):
        result = run_world(prepared, get_backend("cpu"), Options(out=out, workers=1), Acknowledges(ops))
        ops.append(("told", "run"))
    return result.run_dir


def in_child(
    work: Callable[[list[Op], Callable[[Op], None]], Any], kill_at: int | None, note: Path
) -> list[Op]:
    """Do `work` in a forked process which vanishes when it has made `kill_at` calls and begins another;
    what it recorded by then.

    Calls that fail change nothing and do not count, so the n-th here is the n-th of a trace.
    """
    child = os.fork()
    if child == 0:
        ops: list[Op] = []

        def leave() -> None:
            note.write_text(repr(ops))
            os._exit(0)

        def stop(op: Op) -> None:
            if kill_at is not None and sum(made[0] != "told" for made in ops) >= kill_at:
                leave()

        try:
            work(ops, stop)
        except BaseException as error:
            ops.append(("failed", f"{type(error).__name__}: {error}"))
        finally:
            leave()
    os.waitpid(child, 0)
    found: list[Op] = ast.literal_eval(note.read_text())
    return found


@dataclass
class Tally:
    """What was replayed."""

    states: int = 0
    distinct: set[int] = field(default_factory=set)
    points: int = 0
    broken: list[str] = field(default_factory=list)
    kept: list[tuple[Tree, set[str]]] = field(default_factory=list)


class Law:
    """Holds crash states against the finished run: nothing is there in part,
    nothing before what it rests on, nothing told is lost.
    """

    def __init__(self, final: Tree, run: str) -> None:
        self.run = run
        self.final = {
            path.removeprefix(f"{run}/"): data for path, data in final.items() if path.startswith(f"{run}/")
        }
        self.final = {path: data for path, data in self.final.items() if path.split("/")[0] in PUBLISHED}
        self.folders: dict[str, set[str]] = {}
        self.needs: dict[str, set[str]] = {}
        self.state_files: dict[str, set[str]] = {"run": set(self.final)}
        for path in self.final:
            if path.startswith("data/"):
                self.folders.setdefault(path.rpartition("/")[0], set()).add(path)
            if path != "run_receipt.json":
                self.needs[path] = {"run_receipt.json"}
            parts = path.split("/")
            if parts[0] == "gates" and parts[-2] == "states":
                data = json.loads(self.final[path])
                files = {
                    f"{item['path']}/{part['name']}" for item in data["datasets"] for part in item["files"]
                }
                self.needs[path] |= files
                self.state_files[parts[-1].removesuffix(".json")] = {path, *files}
            if parts[-1] == "index.json":
                self.needs[path] |= {
                    f"gates/{parts[1]}/{name}" for name in json.loads(self.final[path])["documents"]
                }
            if parts[-1] == "_passed.flag":
                self.needs[path].add(f"gates/{parts[1]}/index.json")
                # A segment that had passed before is told under the name of its gate.
                self.state_files[f"{parts[1]}.BUNDLE"] = {
                    name for name in self.final if name.startswith(f"gates/{parts[1]}/")
                }

    def tells(self, state: str, target: str) -> bool:
        """Whether telling a state says that what lies at `target` is there for good."""
        return any(path == target or path.startswith(f"{target}/") for path in self.state_files[state])

    def broken(self, files: Tree, folders: set[str], told: Sequence[str]) -> list[str]:
        """Everything wrong with what a power cut left."""
        cut = len(self.run) + 1
        seen = {path[cut:]: data for path, data in files.items() if path[cut:].split("/")[0] in PUBLISHED}
        problems = [
            f"{path}: not what was published" for path, data in seen.items() if self.final.get(path) != data
        ]
        problems += [
            f"{path}: there before {sorted(self.needs[path] - set(seen))[0]}"
            for path in seen
            if self.needs.get(path, set()) - set(seen)
        ]
        for folder, wanted in self.folders.items():
            if f"{self.run}/{folder}" in folders and wanted - set(seen):
                problems.append(f"{folder}: in part")
        for state in told:
            problems += [
                f"{path}: lost after {state} was told" for path in self.state_files[state] - set(seen)
            ]
        return problems


def replay(ops: Sequence[Op], law: Law, seed: int, start: int = 0, keep: int = 0) -> Tally:
    """Every crash state of a trace from its `start`-th call on, each held against the law;
    `keep` distinct states are returned.
    """
    rng, disk, tally = random.Random(seed), Disk(), Tally()
    told: list[str] = []
    moved: dict[str, tuple[bool, str]] = {}  # staged name -> whether this process moved it, and where to
    settled: set[str] = set()
    for number, op in enumerate([("begin", ""), *ops]):
        if op[0] == "told":
            told.append(op[1])
            settled |= {source for source, (own, target) in moved.items() if own or law.tells(op[1], target)}
        elif op[0] == "rename" and op[2].removeprefix(f"{law.run}/").split("/")[0] in PUBLISHED:
            moved[op[1]] = number > start, op[2].removeprefix(f"{law.run}/")
        elif op[0] in ("create", "mkdir"):
            moved.pop(op[1], None)
            settled.discard(op[1])
        disk.apply(op)
        if number < start:
            continue
        tally.points += 1
        for files, folders in disk.crashes(rng, f"{law.run}/staging"):
            tally.states += 1
            tally.broken += [f"call {number} {op[:2]}: {text}" for text in law.broken(files, folders, told)]
            tally.broken += [
                f"call {number}: {path} is back after it was told"
                for path in settled
                if path in folders or path in files
            ]
            name = hash((frozenset(files.items()), frozenset(folders)))
            if name not in tally.distinct:
                tally.distinct.add(name)
                if keep and rng.random() < keep / 1000:
                    tally.kept.append((files, folders))
        if len(tally.broken) > 50:
            break
    return tally
