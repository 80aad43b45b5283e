"""Documents are code: every path exists, every command runs, every example works."""

from __future__ import annotations

import ast
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from sim.cli.main import app
from sim.shell.contracts.load import load_contracts
from tests.conftest import Mini
from tests.runs.worlds import closedworld

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = [
    ROOT / f"{name}.md"
    for name in ("README", "ARCHITECTURE", "CONTRIBUTING", "CHANGELOG", "SECURITY", "bench/README")
]
DOCUMENTS += [ROOT / "config/reference/README.md", *sorted((ROOT / "contracts/decisions").glob("*.md"))]
ROOMS = ("sim/", "cpu_fallback/", "gpu_kernels/", "contracts/", "config/", "tests/", "bench/", ".ci/")


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_path_exists(document: Path) -> None:
    text = document.read_text()
    named = {
        match
        for match in re.findall(r"[`(]([\w./-]+)[`)]", text)
        if match.startswith(ROOMS) or match.endswith(".md")
    }
    missing = [name for name in named if not (ROOT / name).exists() and not (document.parent / name).exists()]
    assert not [name for name in missing if "<" not in name]


def _names(path: Path) -> set[str]:
    """Classes, functions and methods of a file: `Run`, `Run.build`, `run_world`."""
    found = set()
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef):
            found.add(node.name)
        if isinstance(node, ast.ClassDef):
            found |= {f"{node.name}.{item.name}" for item in node.body if isinstance(item, ast.FunctionDef)}
    return found


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_name_exists(document: Path) -> None:
    """`path::name` is a class, function or method of that file; tests may be named so too."""
    named = re.findall(r"`([\w./-]+\.py)::([\w.]+)`", document.read_text())
    assert not [f"{path}::{name}" for path, name in named if name not in _names(ROOT / path)]
    assert document.name != "ARCHITECTURE.md" or len(named) > 25


def test_every_address_is_the_contract_s() -> None:
    """ "`stream` at `c0; c1`" says what the stream's contract says."""
    streams = load_contracts(ROOT / "contracts").streams
    text = re.sub(r"\s+", " ", (ROOT / "ARCHITECTURE.md").read_text())
    stated = re.findall(r"`(\d[AB]\.\w+)` at `([^`;]+); ([^`]+)`", text)
    assert len(stated) >= 10
    for stream, c0, c1 in stated:
        assert (c0, c1) == (streams[stream].c0, streams[stream].c1), stream


def test_every_make_target_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.M))
    for document in DOCUMENTS:
        for line in re.findall(r"^\s*make ([a-z -]+?)(?:\s+#.*)?$", document.read_text(), re.M):
            assert set(line.split()) <= targets, (document, line)


def _blocks(language: str, *documents: str) -> list[str]:
    texts = [(ROOT / f"{name}.md").read_text() for name in documents or ("README",)]
    return [block for text in texts for block in re.findall(rf"```{language}\n(.*?)```", text, re.S)]


def _commands() -> list[str]:
    blocks = _blocks("sh", "README", "ARCHITECTURE", "CONTRIBUTING")
    lines = [line.split("  #")[0].strip() for block in blocks for line in block.splitlines()]
    return [line for line in lines if line.startswith("closedworld")]


def test_readme_commands_run(demo_run: Path, mini_copy: Mini, tmp_path: Path) -> None:
    """Each `closedworld` line of the documents, as written, with RUN and friends filled in;
    builds use a tiny world.
    """
    import sim.world as cw

    merchant = (
        cw.open(str(demo_run))["arrival_events_5B"]
        .to_arrow(columns=["merchant_id"])["merchant_id"][0]
        .as_py()
    )
    flow = cw.open(str(demo_run))["flows_6B"].to_arrow(columns=["flow_id"])["flow_id"][0].as_py()
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / demo_run.name).symlink_to(demo_run)
    (tmp_path / "merchants.csv").write_text(_blocks("csv")[0])
    (tmp_path / "query.sql").write_text("select count(*) from arrival_events_5B;\n")
    commands = _commands()
    assert len(commands) >= 9
    for command in commands:
        words = shlex.split(command)[1:]
        filled = {
            "RUN": demo_run.name[:12],
            "RUN_A": demo_run.name,
            "RUN_B": demo_run.name,
            "MERCHANT_ID": str(merchant),
            "FLOW_ID": str(flow),
        }
        filled["OLD_RUN"] = str(mini_copy.run)
        words = [filled.get(word, word) for word in words]
        if words[0] == "run":
            words += [
                "--set",
                "scenario_horizon_5A.start=2026-03-28",
                "--set",
                "scenario_horizon_5A.end=2026-03-30",
            ]
            if not any("merchants=" in word or word == "--merchants" for word in words):
                words += ["--set", "merchant_universe_1A.merchants=120"]
        if words[:1] == ["explain"] and "arrival_events_5B" in words:
            words += ["--scenario", "baseline_v1"]  # the shared run has two
        stdin = tmp_path / words[words.index("<") + 1] if "<" in words else None
        words = words[: words.index("<")] if stdin else words
        done = closedworld(*words, cwd=tmp_path, check=False, stdin=stdin)
        assert done.returncode == 0, (command, done.stdout[-800:], done.stderr[-2000:])


def test_readme_python_runs(demo_run: Path, tmp_path: Path) -> None:
    for block in _blocks("python"):
        code = block.replace('"RUN"', repr(str(demo_run)))
        env = {"PYTHONPATH": str(ROOT)}
        done = subprocess.run(
            [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False, env=env
        )
        assert done.returncode == 0, done.stderr


def _all_commands(command: Any, *path: str) -> list[str]:
    """`run`, `contracts lint`, ...: what can be called."""
    if not hasattr(command, "commands"):
        return [" ".join(path)]
    return [name for key, inner in command.commands.items() for name in _all_commands(inner, *path, key)]


def test_readme_names_every_command_and_exit_code() -> None:
    text = (ROOT / "README.md").read_text()
    there = _all_commands(get_command(app))
    (listed,) = re.findall(r"`closedworld (run \|[a-z |]+)`", text)
    assert set(listed.split(" | ")) <= set(there)
    named = set(listed.split(" | ")) | set(re.findall(r"`closedworld ([a-z]+ ?[a-z]*)`", text))
    assert not [name for name in there if name not in named]
    for code in (0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 129, 130, 143):
        assert re.search(rf"\b{code}\b", text)
