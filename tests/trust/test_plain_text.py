"""Text of a run, a config or a user's file: none of it drives a terminal, turns its direction,
or passes for a line of ours.
"""

from __future__ import annotations

import contextlib
import copy as copying
import io
import json
import os
import pty
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import sim.world as cw
from sim.ground.errors import SimError
from sim.shell.events import events
from sim.shell.events.hub import Hub
from sim.shell.events.progress import Bars, Lines
from sim.shell.events.run_log import Told, text_line
from tests.trust import forgery, mini
from tests.work import PATIENCE_S

EVIL = "\x1b]0;owned\x07 \x9b2J \x1b[31m \u202egnp.exe \x7f[red]\r\nFORGED"
QUERIES = ("select * from validation_checks", "select * from rng_ledger", "select * from run_reports")


def harmless(text: str) -> bool:
    """Whether a text can be shown, and no line of it is one that was planted."""
    return all(char.isprintable() or char == "\n" for char in text) and not any(
        line.startswith("FORGED") for line in text.splitlines()
    )


def texts(node: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where the texts of a document are; of a list, those of its first item of each form."""
    if isinstance(node, dict):
        for key, value in node.items():
            yield from texts(value, (*at, key))
    elif isinstance(node, list):
        for number, value in enumerate(node[:1]):
            yield from texts(value, (*at, number))
    elif isinstance(node, str) or node is None:
        yield at


def put(document: dict[str, Any], at: tuple[Any, ...]) -> None:
    for step in at[:-1]:
        document = document[step]
    document[at[-1]] = f"{document[at[-1]] or ''}{EVIL}"


def planted(run: Path) -> Iterator[tuple[str, forgery.Edit]]:
    """Every text of the receipt, the states' manifests and the indexes, one at a time;
    and provenance that a run with files has.
    """
    documents = [
        run / "run_receipt.json",
        *sorted(run.glob("gates/*/index.json")),
        *sorted(run.glob("gates/*/states/*.json")),
    ]
    seen = set()
    for path in documents:
        document = json.loads(path.read_bytes())
        for at in texts(document):
            name = (path.name.partition(".")[2] or path.name, *at)
            if name in seen:
                continue
            seen.add(name)
            whole = copying.deepcopy(document)

            def edit(found: dict[str, Any], whole: dict[str, Any] = whole, at: tuple[Any, ...] = at) -> None:
                if found.keys() == whole.keys() and found.get("segment") == whole.get("segment"):
                    # an empty list here, not in the document that was looked at
                    with contextlib.suppress(IndexError):
                        put(found, at)

            yield "/".join(map(str, name)), edit
    file = {"path": EVIL, "sha256": "0" * 64, "rows": 1, "file": EVIL, "input": EVIL}
    for key, value in (
        ("overrides", {EVIL: EVIL}),
        ("overrides", {"a.b": [EVIL]}),
        ("externals", {EVIL: file}),
        ("externals", {"merchants": file}),
    ):
        yield (
            f"provenance/{key}",
            lambda found, key=key, value=value: found.get("provenance", {}).update({key: value}),
        )


@pytest.mark.slow(60)
def test_no_text_of_a_run_drives_a_terminal(cli, plain: Path, copy: Path, mini_root: Path) -> None:  # type: ignore[no-untyped-def]
    shown = 0
    places = ["--contracts", str(mini_root / "contracts"), "--config", str(mini_root / "config")]
    for name, edit in planted(plain):
        shutil.rmtree(copy)
        shutil.copytree(plain, copy)
        for path in copy.rglob("*.json"):
            path.chmod(0o644)
        forgery.forge(copy, mini.CODES, edit)
        commands = [
            ["status", copy],
            ["status", "--out", copy.parent],
            ["verify", copy],
            ["diff", plain, copy, *places],
            ["explain", copy, "items", str(2**63), *places],
            *(["sql", copy, query] for query in QUERIES),
        ]
        for command in commands:
            answer = cli(*command)
            assert harmless(answer.out) and harmless(answer.err), (name, command, answer)
            shown += "owned" in answer.out + answer.err
        try:
            world = cw.open(copy)
            for told in (repr(world), str(world), *(repr(world[one]) for one in world)):
                assert harmless(told), (name, told)
        except SimError as error:
            assert harmless(str(error)) and harmless(error.render()), name
    assert shown > 100, "what was planted is shown, only cleaned"


def test_no_text_of_a_refusal_does() -> None:
    error = SimError(EVIL, EVIL, EVIL, EVIL, EVIL, EVIL, (EVIL,) * 3)
    assert harmless(str(error)) and str(error).count("\n") == 7
    assert error.as_json()["what"] == EVIL, "programs get it as it is"


EVENTS = (
    events.RunBegan(EVIL, EVIL, EVIL, 1, (EVIL,), EVIL, EVIL, EVIL, 1, 1, EVIL),
    events.InputRead(EVIL, (EVIL,)),
    events.KernelsCompiling(EVIL, 0, 1, 0.0),
    events.KernelsCompiling(EVIL, 1, 1, 0.0),
    events.SegmentSealed(EVIL, EVIL, ({"segment": EVIL, "bundle_sha256": EVIL},), ()),
    events.StateBegan(EVIL, EVIL, EVIL, 1, 1, 1),
    events.Stage(EVIL, EVIL, EVIL),
    events.Checked(
        EVIL, ({"name": EVIL, "passed": False, "found": EVIL, "expected": [EVIL], "dataset": EVIL},)
    ),
    events.PartitionEnded(EVIL, EVIL, 1, False),
    events.StateEnded(EVIL, EVIL, "FAIL", 1, 1.0, 0, EVIL, EVIL),
    events.StateEnded("1A.S1", "[red]title", "PASS", 1, 1.0, 0, "", "[bold]note[/]"),
    events.RunEnded("refused", 1, EVIL, EVIL, 1.0),
)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("listener", [Bars, Lines])
def test_no_text_of_a_run_under_way_does(listener: type, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rich writes sequences of its own; nothing of what was planted is among them, and no text is markup."""
    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    monkeypatch.setenv("COLUMNS", "400")
    monkeypatch.setenv("TERM", "xterm-256color")
    told = listener()
    hub = Hub(told)
    for event in EVENTS:
        hub.tell(event)
    hub.close()
    text = terminal.getvalue()
    assert "owned" in text and "tells no more" not in text
    assert "[red]title" in text and "[bold]note[/]" in text, text
    for sequence in ("\x1b]0;", "\x07", "\x9b", "\x1b[31m \u202e", "\u202e", "\x7f", "\nFORGED"):
        assert sequence not in text, (sequence, text)


def test_no_text_of_verbose_lines_does() -> None:
    lines: list[str] = []
    hub = Hub(Told(lines.append, text_line, 0.0))
    for event in EVENTS:
        hub.tell(event)
    assert len(lines) >= 10 and harmless("".join(lines))


@pytest.mark.parametrize(
    "where",
    ["header", "cell", "name of the file", "scenario", "override", "preset", "config pack", "contract"],
)
def test_no_text_of_a_user_does(cli, where: str, mini_root: Path, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    world = shutil.copytree(mini_root, tmp_path / "world", ignore=shutil.ignore_patterns("runs"))
    places = ["--contracts", str(world / "contracts"), "--config", str(world / "config")]
    quoted = json.dumps(EVIL, ensure_ascii=True)
    commands: list[list[Any]] = []
    if where in ("header", "cell", "name of the file"):
        file = tmp_path / ("m.csv" if where != "name of the file" else f"{EVIL.replace('/', '')}.csv")
        rows = [["merchant_id", "mcc", "home_country_iso", "channel"], ["1", "5411", "GB", "card_present"]]
        for column in range(4):
            changed = copying.deepcopy(rows)
            changed[where == "cell"][column] += EVIL
            file.write_text(
                "\n".join(",".join('"' + cell + '"' for cell in row) for row in changed), newline=""
            )
            commands.append(["plan", "--preset", "demo", "--merchants", file])
    elif where == "scenario":
        commands = [
            ["plan", "--preset", "mini", *places, "--scenario", EVIL],
            ["explain", EVIL, EVIL, EVIL],
            ["rm", f"{tmp_path}/{EVIL}", "--yes"],
        ]
    elif where == "override":
        commands = [
            ["plan", "--preset", "mini", *places, "--set", f"{EVIL}={EVIL}"],
            ["plan", "--preset", "mini", *places, "--set", f"items_1A.total={quoted}"],
        ]
    else:
        pattern = {
            "preset": "config/presets/*.yaml",
            "config pack": "config/layer1/1A/*.yaml",
            "contract": "contracts/layer1/1A/dictionary.yaml",
        }
        for path in sorted(world.glob(pattern[where])):
            text = path.read_text()
            for harm in (
                text + f"\n{quoted}: {quoted}\n",
                text.replace("Numbered things.", f"{quoted}"),
                EVIL,
            ):
                path.write_text(harm, newline="")
                commands += [
                    ["plan", "--preset", "mini", *places],
                    ["contracts", "show", "items", *places[:2]],
                    ["contracts", "catalogue", *places[:2]],
                ]
                for command in commands:
                    answer = cli(*command)
                    assert harmless(answer.out) and harmless(answer.err), (path, command, answer)
                path.write_text(text)
    for command in commands:
        answer = cli(*command)
        assert harmless(answer.out) and harmless(answer.err), (command, answer)


def test_rows_shown_by_a_shell_or_on_a_terminal_do_not(
    cli, plain: Path, monkeypatch: pytest.MonkeyPatch
) -> None:  # type: ignore[no-untyped-def]
    literal = EVIL.replace("'", "''")
    for mode in ("table", "json"):
        monkeypatch.setattr("sys.stdin", io.StringIO(f"select '{literal}' as \"{literal}\";\n"))
        answer = cli("duckdb", plain, "--mode", mode)
        assert answer.code == 0 and "owned" in answer.out and harmless(answer.out), answer
    wide = f"select '{literal[1:].replace(chr(27), '?')}' as t"
    assert "\u202e" in cli("sql", plain, wide, "--csv").out, "a program gets rows as they are"
    shown = sql_on_a_terminal(plain, f"select '{literal}' as t")
    assert "owned" in shown and harmless(shown.replace("\r\n", "\n").replace("\nFORGED", "")), shown


def sql_on_a_terminal(run: Path, query: str) -> str:
    """What `closedworld sql --csv` writes to a terminal."""
    master, slave = pty.openpty()
    command = [sys.executable, "-m", "sim", "sql", str(run), query, "--csv"]
    subprocess.run(
        command, cwd=mini.ROOT, stdout=slave, stderr=subprocess.PIPE, timeout=PATIENCE_S, check=True
    )
    os.close(slave)
    shown = os.read(master, 1 << 16).decode()
    os.close(master)
    return shown
