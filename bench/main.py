"""Runs cases, keeps their results as JSON, and draws the chart. `sim/cli/bench.py` is the command line before
it.
"""

from __future__ import annotations

import dataclasses
import json
import shutil
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.case import ROOT, Case, Options, table
from bench.cases import CASES
from bench.environment import environment, load_average, machine_name, now

RESULTS = ROOT / "bench" / "results"
FORMAT = "bench-v2"
UNITS = {"k": 10**3, "M": 10**6, "G": 10**9, "B": 10**9}


class Refused(Exception):
    """The command line names something that does not exist."""


def main(
    cases: Sequence[str],
    given: Mapping[str, Any],
    machine: str | None,
    out: Path | None,
    scratch: Path | None,
) -> tuple[dict[str, Any], str]:
    """Run the requested cases.

    Args:
        cases: Case names; none for the standard ones; `list` and `chart` are words of their own.
        given: Fields of `Options` the user set.
        machine: Name of the machine in files; None for one made from its processor.
        out: A file (one case) or folder (several) for results; None for
            `bench/results/<case>-<machine>.json`.
        scratch: Where worlds are built; None for the system's temporary directory.

    Returns:
        JSON-ready answer, and the same as text.

    Raises:
        Refused: Unknown case, or a size that is none.
    """
    machine = machine or machine_name()
    if list(cases) == ["list"]:
        return {"cases": {case.name: case.title for case in CASES.values()}}, _listing()
    if list(cases) == ["chart"]:
        from bench.chart import draw

        target = out or RESULTS / f"chart-{machine}.svg"
        try:
            drawn = draw(RESULTS, machine)
        except FileNotFoundError as error:
            raise Refused(str(error)) from None
        target.write_text(drawn)
        return {"chart": str(target)}, f"chart  {target}"
    unknown = [name for name in cases if name not in CASES]
    if unknown:
        raise Refused(f"there is no case called {unknown[0]!r}; there are: {', '.join(CASES)}; list; chart")
    chosen = [CASES[name] for name in cases] if cases else [case for case in CASES.values() if case.standard]
    written, text = {}, []
    for case in chosen:
        folder = Path(tempfile.mkdtemp(prefix="closedworld-bench-", dir=scratch))
        try:
            result = measure(case, Options(scratch=folder, say=_say, **given), machine)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        target = _target(case.name, machine, out, len(chosen))
        target.write_text(json.dumps(result, indent=1) + "\n")
        written[case.name] = result
        text += [f"{case.name}: {case.title}", table(result["rows"]), f"  -> {target}", ""]
    return {"results": written}, "\n".join(text)


def measure(case: Case, options: Options, machine: str) -> dict[str, Any]:
    """One case's result document."""
    before, started = load_average(), now()
    if before > options.workers:
        options.say(
            f"{case.name}: load average {before:.1f} before anything ran: these timings will mean little"
        )
    rows = case.run(options)
    return {
        "format": FORMAT,
        "case": case.name,
        "machine": machine,
        "started": started,
        "ended": now(),
        "load_average": [round(before, 2), round(load_average(), 2)],
        "environment": environment(),
        "parameters": options.parameters(),
        "rows": [row.as_json() for row in rows],
    }


def count(text: str) -> int:
    """A whole number, `k`, `M`, `G` or `B` allowed: 10M is ten million.

    Raises:
        Refused: If it is none.
    """
    digits, unit = (text[:-1], UNITS[text[-1]]) if text[-1:] in UNITS else (text, 1)
    if not digits.isascii() or not digits.isdigit() or int(digits) < 1:
        raise Refused(f"{text!r} is no number of rows: 20000, 20k, 10M, 1B")
    return int(digits) * unit


def fields() -> frozenset[str]:
    """Names of the options a user may set."""
    return frozenset(field.name for field in dataclasses.fields(Options)) - {"scratch", "say"}


def _target(case: str, machine: str, out: Path | None, cases: int) -> Path:
    if out is not None and cases == 1 and not out.is_dir():
        out.parent.mkdir(parents=True, exist_ok=True)
        return out
    folder = out or RESULTS
    folder.mkdir(parents=True, exist_ok=True)
    return folder / f"{case}-{machine}.json"


def _listing() -> str:
    width = max(len(name) for name in CASES)
    lines = [
        f"{case.name:<{width}}  {case.title}  ({case.takes})" + ("" if case.standard else "  *")
        for case in CASES.values()
    ]
    return "\n".join([*lines, "", "* only when named"])


def _say(text: str) -> None:
    sys.stderr.write(text + "\n")
    sys.stderr.flush()
