"""What surrounds a command - streams, encoding, terminal, home,
current directory - never decides whether it does its work.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.conftest import Mini
from tests.trust import mini as minis
from tests.trust import side_channels
from tests.work import PATIENCE_S

DRIVER = Path(side_channels.__file__)
PROMISE = (
    "no command ends in a traceback for its surroundings: progress is dropped, a result that cannot be "
    "written is exit 7"
)


@dataclass(frozen=True)
class Surroundings:
    """What is broken: redirections of the shell, the environment (None removes a name),
    and the exit codes that commands may have.
    """

    redirect: str = ""
    env: dict[str, str | None] = field(default_factory=dict)
    good: int = 0  # of a command that does its work
    refusal: int = 2  # of one that is refused anyway
    help: int = 0


ASCII = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PYTHONIOENCODING": "ascii"}
NOWHERE = "no current directory"
MATRIX = {
    "stdin closed": Surroundings("<&-"),
    "stdout closed": Surroundings(">&-", good=7, help=7),
    "stderr closed": Surroundings("2>&-"),
    "all closed": Surroundings("<&- >&- 2>&-", good=7, help=7),
    "stdout full": Surroundings(">/dev/full", good=7, help=7),
    "stderr full": Surroundings("2>/dev/full"),
    "both full": Surroundings(">/dev/full 2>/dev/full", good=7, help=7),
    "nobody reads stderr": Surroundings("2> >(exec true)"),
    "nobody reads stdout": Surroundings("> >(exec true)"),
    "stdout is only for reading": Surroundings("1</dev/null", good=7, help=7),
    "ASCII": Surroundings(env={**ASCII}),
    "latin-1 and dumb": Surroundings(
        env={"PYTHONIOENCODING": "latin-1", "TERM": "dumb", "COLUMNS": "-1", "LINES": "x"}
    ),
    "no terminal type, no columns": Surroundings(
        env={"TERM": None, "COLUMNS": "0", "LINES": "0", "PATH": None}
    ),
    "a million columns": Surroundings(env={"COLUMNS": "1000000000", "FORCE_COLOR": "1"}),
    "no home": Surroundings(env={"HOME": None, "XDG_CACHE_HOME": None, "USER": None, "LOGNAME": None}),
    NOWHERE: Surroundings(env={"NO_CURRENT_DIRECTORY": "1"}, good=7, refusal=7),
}


QUICK = (
    "stderr closed",
    "all closed",
    "both full",
    "nobody reads stdout",
    "ASCII",
    "no terminal type, no columns",
    "no home",
    NOWHERE,
)


@pytest.mark.parametrize("name", QUICK)
@pytest.mark.promise("P24", PROMISE, faults="cheap commands in every broken surrounding", cases=9)
def test_commands_in_broken_surroundings(mini: Mini, mini_root: Path, tmp_path: Path, name: str) -> None:
    good = [["status", "--out", str(mini.run.parent)], ["contracts", "show", "--json", *mini.options[:2]]]
    matrix(
        MATRIX[name],
        mini_root,
        tmp_path,
        good,
        [["verify", "nonsense", "--json"], ["run", "--nonsense"]],
        kinds=2,
    )


@pytest.mark.slow(300)
@pytest.mark.parametrize("name", MATRIX)
@pytest.mark.promise("P24", PROMISE, faults="every command in every broken surrounding", cases=23)
def test_every_command_in_every_surrounding(
    mini_root: Path, demo_run: Path, tmp_path: Path, name: str
) -> None:
    demo = str(demo_run)
    good = [
        ["status", "--out", str(demo_run.parent)],
        ["status", demo, "--json"],
        ["verify", demo],
        ["sql", demo, "select chr(233) || chr(128512) as x, 1 as y"],
        ["sql", demo, "select chr(233) || chr(128512) as x", "--json"],
        ["sql", demo, "select chr(233) as x, 1 as y", "--csv"],
        ["diff", demo, demo],
        ["explain", demo, "s2_account_base_6A", "1"],
        ["contracts", "lint"],
        ["contracts", "show", "outlet_catalogue"],
        ["bench", "list"],
        ["doctor", "--out", str(tmp_path)],
        ["plan", "--out", str(tmp_path)],
    ]
    refused = [
        ["status", "nonsense"],
        ["verify", "nonsense", "--json"],
        ["run", "--nonsense"],
        ["run", "--until", "9Z"],
    ]
    matrix(MATRIX[name], mini_root, tmp_path, good, refused, kinds=3)


def matrix(
    around: Surroundings,
    root: Path,
    folder: Path,
    good: list[list[str]],
    refused: list[list[str]],
    kinds: int,
) -> None:
    """Runs of the mini world, commands that do their work, commands that are refused, and help: exit codes,
    no traceback, whole runs.
    """
    out = [str(folder / str(number)) for number in range(kinds)]
    runs = [
        [side_channels.MINI, str(root), place, *more]
        for place, more in zip(out, ([], ["--json"], ["--quiet"]), strict=False)
    ]
    helped = [["--help"], ["run", "--help"], ["--version"]][-kinds:]
    commands = [*runs, *good, *refused, *helped]
    codes, said = ran(folder, around, commands)
    assert "Traceback" not in said and "Exception ignored" not in said, said[-3000:]
    nowhere = around.refusal == 7  # no current directory: `run --help` needs one as any command does
    help_codes = [7 if nowhere and command[0] == "run" else around.help for command in helped]
    wanted = [around.good] * (len(runs) + len(good)) + [around.refusal] * len(refused) + help_codes
    wrong = [
        (command, code, right)
        for command, code, right in zip(commands, codes, wanted, strict=True)
        if code != right
    ]
    assert not wrong, (wrong, said[-3000:])
    if not nowhere:
        trees = [minis.tree(minis.run_dir(Path(place))) for place in out]
        assert trees[0] and all(tree == trees[0] for tree in trees), "the run is whole, whoever could be told"


def ran(folder: Path, around: Surroundings, commands: list[list[str]]) -> tuple[list[int], str]:
    """Exit codes of commands in these surroundings, and what was said on stderr where it can be read."""
    env = {name: value for name, value in {**os.environ, **around.env}.items() if value is not None}
    report = folder / "report"
    started = subprocess.run(
        [
            "/bin/bash",
            "-c",
            f'exec "$@" {around.redirect}',
            "bash",
            sys.executable,
            str(DRIVER),
            str(report),
            json.dumps(commands),
        ],
        cwd=folder,
        env=env,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=PATIENCE_S,
        check=False,
    )
    said = started.stderr.decode("utf-8", "replace")
    assert report.exists(), said
    codes = json.loads(report.read_text())
    return codes, said


@pytest.mark.promise("P24", "a result that cannot be written is told in one line", faults="/dev/full")
def test_one_line_tells_that_the_result_is_lost(demo_run: Path, tmp_path: Path) -> None:
    around = Surroundings(">/dev/full")
    for command in (
        ["status", str(demo_run)],
        ["status", str(demo_run), "--json"],
        ["sql", str(demo_run), "select 1", "--csv"],
    ):
        codes, said = ran(tmp_path, around, [command])
        assert codes == [7]
        assert said == (
            "SHELL.RESULT_NOT_WRITTEN  the result could not be written to standard output (ENOSPC: No "
            "space left on device)\n"
        )
    codes, said = ran(tmp_path, around, [["status", "nonsense", "--json"]])
    assert codes == [2] and said.startswith("SHELL.RUN_NOT_FOUND  "), (
        "the refusal decides, and is told where it can be"
    )


def test_names_that_are_no_text_are_refused_by_name(demo_run: Path) -> None:
    for env, query in (({}, b"select '\xff'"), (ASCII, "select 'é'".encode())):
        command = [sys.executable.encode(), b"-m", b"sim", b"sql", str(demo_run).encode(), query]
        done = subprocess.run(
            command,
            cwd=side_channels.ROOT,
            env={**os.environ, **env},
            capture_output=True,
            timeout=PATIENCE_S,
            check=False,
        )
        assert done.returncode == 2 and done.stderr.startswith(b"SHELL.NOT_TEXT  "), done.stderr


HUNG_UP = "SIGHUP stops as SIGTERM does: exit 129, resumable; a run under nohup goes on"


@pytest.mark.promise(
    "P24", HUNG_UP, faults="SIGHUP at the fifth fsync; the same with SIGHUP ignored", cases=2
)
@pytest.mark.parametrize("ignored", [False, True])
def test_a_terminal_hangs_up(
    child: Callable[..., minis.Child],
    run: Callable[..., minis.Done],
    ram: Path,
    plain_tree: dict[str, bytes],
    ignored: bool,
) -> None:
    def before() -> None:
        signal.signal(signal.SIGHUP, signal.SIG_IGN if ignored else signal.SIG_DFL)
        real, left = os.fsync, [5]

        def counted(number: int) -> None:
            left[0] -= 1
            if left[0] == 0:
                os.kill(os.getpid(), signal.SIGHUP)
            real(number)

        os.fsync = counted

    done = child(ram / "out", before=before).ended()
    assert done.code == (0 if ignored else 129), done
    assert ignored or "run the same command again to go on" in done.err
    minis.subset(ram / "out", plain_tree)
    assert run(ram / "out").code == 0
    assert minis.tree(minis.run_dir(ram / "out")) == plain_tree
