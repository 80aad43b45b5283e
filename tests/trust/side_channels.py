"""Runs commands in processes forked from one that has started, and met its surroundings, as any other:
as a script.

`python side_channels.py REPORT COMMANDS`: COMMANDS is a JSON list of argument lists. The exit code of each
goes to REPORT, a JSON list. A child ends as the interpreter ends, so what fails at its very end counts.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
MINI = "mini"
"""First word of a run of the mini world: its contracts and config, and where it goes, follow."""


def homeless(_: int) -> Any:
    raise KeyError("nobody")


def main() -> int:
    """Fork a child a command; the parent writes the report and returns 0,
    a child returns what its command did.
    """
    sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "shell")]
    if "HOME" not in os.environ:
        import pwd

        pwd.getpwuid = homeless  # type: ignore[assignment]
    import duckdb  # noqa: F401
    import jsonschema  # noqa: F401
    import miniworld
    import numba  # noqa: F401
    import pyarrow.parquet  # noqa: F401
    import rich.progress  # noqa: F401

    import sim.backends
    import sim.cli.main
    import sim.model
    import sim.world

    report, commands = Path(sys.argv[1]), json.loads(sys.argv[2])
    codes = []
    gone = bool(os.environ.pop("NO_CURRENT_DIRECTORY", ""))
    if gone:
        Path("gone").mkdir()
        os.chdir("gone")
        Path("../gone").rmdir()
    for command in commands:
        child = os.fork()
        if child == 0:
            if command[0] == MINI:
                sim.model.MODEL = miniworld.model()
                root, out, *rest = command[1:]
                places = ["--contracts", f"{root}/contracts", "--config", f"{root}/config", "--out", out]
                command = ["run", "--preset", "mini", *places, "--workers", "1", *rest]
            sys.argv = ["closedworld", *command]
            sim.cli.main.main()
            raise AssertionError("a command ends by SystemExit")
        codes.append(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    report.write_text(json.dumps(codes))
    return 0


if __name__ == "__main__":
    sys.exit(main())
