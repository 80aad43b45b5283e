"""Writes tests/PROMISES.md: each promise of the engine, the tests that prove it, cases run, faults injected,
and the last result.

    python tests/promises.py [junit.xml ...]

Tests carry `@pytest.mark.promise("P7", "words", faults="what was injected", cases=100)`. The table's rows
come from collecting the tests; results come from `pytest --junitxml=FILE`. A row whose test is in no such
file keeps the result it had.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
TABLE = ROOT / "tests/PROMISES.md"

PROMISES = {
    "P1": "Killed at any point: a state is absent or complete; earlier states are untouched",
    "P2": "Power loss: as P1, and what was reported done is still there",
    "P3": "Running again after any kill gives the same digests as an undisturbed run",
    "P4": (
        "One flipped bit in any published byte: the next reader refuses (exit 5) and names file, found and "
        "expected"
    ),
    "P5": "Missing, extra, truncated, appended, swapped, renamed, linked files are refused and named",
    "P6": "A segment rewritten together with its own flag is caught",
    "P7": "Two runs on one run directory: one works, the other exits 6 naming who; no stale lock ever",
    "P8": "A reader during publication sees nothing or something complete, never a mix",
    "P9": (
        "Disk full or quota: exit 7 with path, needed and free bytes; nothing published; running again "
        "finishes"
    ),
    "P10": "A failed write, fsync or close is not tried again: staging is given up, exit 7",
    "P11": "A write that lies is not published",
    "P12": "Short writes, other devices, no descriptors, no rights, read-only: correct, or one clear line",
    "P13": "Out of memory: exit 7 naming the partition and what would help; nothing published",
    "P14": "A worker dies: the run completes with equal digests; a partition that kills workers is named",
    "P15": "A zombie or a duplicated task has no effect",
    "P16": "The driver dies: only unfinished partitions are computed again",
    "P17": "Same digests for any number of workers and order of partitions",
    "P18": "Same digests for any time zone, locale, hash seed, umask, directory, home, clock, listing order",
    "P19": "Same content digests for other versions of numba and pyarrow",
    "P20": "No hidden input: network, clock, home and the system's time zones are never read",
    "P21": "Published files never change; running again is no work; other inputs are another directory",
    "P22": (
        "A broken contract publishes nothing and says check, table, count, sample; passed cannot mean "
        "unchecked"
    ),
    "P23": "Hostile config and files are refused quickly, by name, never with a traceback",
    "P24": "SIGINT and SIGTERM stop a run with exit 130 and 143, resumable; a second one at once",
    "P25": "Old run directories are read, or refused by name",
    "P26": "A silently wrong GPU is noticed",
    "P27": "Verifying somebody else's run directory is safe",
    "P28": "The package is what the source says",
}
NOT_YET: dict[str, str] = {}


@dataclass(frozen=True)
class Row:
    """One promise proven by one test function."""

    promise: str
    words: str
    test: str
    cases: str
    faults: str
    tier: str
    result: str = "not run yet"

    @property
    def proof(self) -> tuple[str, ...]:
        """What the markers say; the rest is what running it said."""
        return self.promise, self.words, self.test, self.tier

    def line(self) -> str:
        """The row of the table."""
        return (
            f"| {self.promise} | {self.words} | `{self.test}` | {self.tier} | {self.cases} | {self.faults} "
            f"| {self.result} |"
        )


class Collector:
    """A pytest plug-in that takes the markers of everything collected."""

    def __init__(self) -> None:
        self.rows: dict[tuple[str, str, str, str], Row] = {}
        self.counts: dict[tuple[str, str, str, str], int] = {}

    def pytest_collection_modifyitems(self, items: Iterable[Any]) -> None:
        """Called by pytest with all tests."""
        for item in items:
            test = f"{item.nodeid.split('::')[0].removeprefix('tests/')}::{item.originalname or item.name}"
            tier = "slow" if item.get_closest_marker("slow") else "quick"
            for marker in item.iter_markers("promise"):
                promise, words = marker.args
                key = promise, words, test, tier
                self.counts[key] = self.counts.get(key, 0) + marker.kwargs.get("cases", 1)
                self.rows[key] = Row(
                    promise, words, test, str(self.counts[key]), marker.kwargs.get("faults", "") or "-", tier
                )


def collected() -> list[Row]:
    """Rows from the markers, found in a process of their own so that running tests are not disturbed."""
    code = "import sys, pytest; sys.path.insert(0, 'tests'); import promises; c = promises.Collector()\n"
    code += (
        "status = pytest.main(['--collect-only', '-qq', '-p', 'no:cacheprovider', 'tests'], plugins=[c])\n"
    )
    code += "print('\\x1e' + repr([tuple(vars(row).values()) for row in c.rows.values()])); sys.exit(status)"
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=env, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(done.stdout[-3000:] + done.stderr[-3000:])
    import ast

    rows = [Row(*values) for values in ast.literal_eval(done.stdout.split("\x1e")[1])]
    return sorted(rows, key=lambda row: (int(row.promise[1:]), row.test, row.tier, row.words))


def results(files: Iterable[Path]) -> dict[tuple[str, str], tuple[str, str, str]]:
    """(test, tier-free name) -> result, cases, faults, from JUnit files; one failure fails the row."""
    found: dict[tuple[str, str], tuple[str, str, str]] = {}
    for file in files:
        for case in ElementTree.parse(file).getroot().iter("testcase"):
            module = case.get("classname", "").removeprefix("tests.").replace(".", "/") + ".py"
            name, _, parameters = case.get("name", "").partition("[")
            said = {entry.get("name"): entry.get("value", "") for entry in case.iter("property")}
            bad = case.find("failure") is not None or case.find("error") is not None
            skipped = case.find("skipped")
            result = (
                "FAILED"
                if bad
                else f"skipped: {skipped.get('message', '')}"
                if skipped is not None
                else "passed"
            )
            key = f"{module}::{name}", parameters
            found[key] = result, said.get("cases", ""), said.get("faults", "")
    return found


def _with_results(
    row: Row, found: dict[tuple[str, str], tuple[str, str, str]], before: dict[tuple[str, ...], Row]
) -> Row:
    mine = [value for (test, _), value in found.items() if test == row.test]
    if not mine:
        old = before.get(row.proof)
        return (
            row
            if old is None
            else replace(row, cases=old.cases if old.result == "passed" else row.cases, result=old.result)
        )
    told = [value[0] for value in mine]
    result = "FAILED" if "FAILED" in told else "passed" if "passed" in told else told[0].replace("|", "/")
    counts = [int(value[1]) for value in mine if value[1].isdigit()]
    faults = next((value[2] for value in mine if value[2]), row.faults)
    return replace(row, cases=str(sum(counts)) if counts else row.cases, faults=faults, result=result)


def parse(text: str) -> list[Row]:
    """The rows of a table written before."""
    rows = []
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split(" | ")]
        if len(cells) == 7 and re.fullmatch(r"P\d+", cells[0]):
            promise, words, test, tier, cases, faults, result = cells
            rows.append(Row(promise, words, test.strip("`"), cases, faults, tier, result))
    return rows


def render(rows: list[Row]) -> str:
    """The document."""
    passed = sum(row.result == "passed" for row in rows)
    lines = ["# Promises and their proofs", ""]
    lines += [
        (
            "Written by `python tests/promises.py junit.xml ...` from the `promise` markers of the tests; "
            "not by hand. The quick tier runs in"
        )
    ]
    lines += [
        (
            "`make test`, the slow one in `make test-all`. Cases are what one whole run of the row's test "
            "goes through."
        ),
        "",
    ]
    lines += [
        (
            f"{len(rows)} proofs of {len({row.promise for row in rows})} promises; {passed} passed when "
            "last run."
        ),
        "",
    ]
    for promise, words in PROMISES.items():
        mine = [row for row in rows if row.promise == promise]
        lines += [f"## {promise}: {words}", ""]
        if promise in NOT_YET:
            lines += [f"Does not apply yet: {NOT_YET[promise]}.", ""]
        if mine:
            lines += [
                "| promise | what is shown | test | tier | cases | faults injected | result |",
                "|---|---|---|---|---|---|---|",
            ]
            lines += [*(row.line() for row in mine), ""]
    return "\n".join(lines)


def main(files: list[Path]) -> None:
    """Write the table."""
    before = {row.proof: row for row in parse(TABLE.read_text("utf-8"))} if TABLE.is_file() else {}
    found = results(files)
    rows = [_with_results(row, found, before) for row in collected()]
    TABLE.write_text(render(rows), "utf-8")
    missing = [
        promise
        for promise in PROMISES
        if promise not in NOT_YET and promise not in {row.promise for row in rows}
    ]
    print(
        f"{len(rows)} rows; {sum(row.result == 'passed' for row in rows)} passed; promises without a test: "
        f"{', '.join(missing) or 'none'}"
    )


if __name__ == "__main__":
    main([Path(argument) for argument in sys.argv[1:]])
