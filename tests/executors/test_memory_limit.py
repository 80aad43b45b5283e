"""`closedworld run --memory-limit`: what it takes, what it refuses, and what a run says that ran out."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from text_executor import TextExecutor

from sim.cli.memory import parse_size
from sim.executors import resident
from sim.ground.errors import StorageError, UsageError
from sim.shell.tables import parquet as tables
from tests.trust import mini

BYTES = {
    "": 1,
    "B": 1,
    "kB": 10**3,
    "MB": 10**6,
    "GB": 10**9,
    "TB": 10**12,
    "KiB": 2**10,
    "MiB": 2**20,
    "GiB": 2**30,
    "TiB": 2**40,
}


@given(
    st.integers(1, 10**6),
    st.sampled_from(sorted(BYTES)),
    st.booleans(),
    st.sampled_from([str, str.lower, str.upper]),
)
def test_sizes(number: int, unit: str, space: bool, case: Callable[[str], str]) -> None:
    assert parse_size(f"{number}{' ' * space}{case(unit)}" if unit else str(number)) == number * BYTES[unit]


@given(
    st.integers(0, 10**6),
    st.integers(0, 10**9 - 1),
    st.sampled_from([unit for unit in sorted(BYTES) if BYTES[unit] >= 10**9]),
)
def test_sizes_with_a_fraction_are_exact(whole: int, billionths: int, unit: str) -> None:
    expected = (whole * 10**9 + billionths) * BYTES[unit] // 10**9
    if expected:
        assert parse_size(f"{whole}.{billionths:09d}{unit}") == expected


@given(st.text(max_size=12) | st.from_regex(r"-?[0-9.,e]{0,6} ?[kKmMgGi]{0,2}[bB]?", fullmatch=True))
def test_other_texts_are_refused_by_name(text: str) -> None:
    try:
        size = parse_size(text)
    except UsageError as refused:
        assert (refused.code, refused.exit_code) == ("SHELL.SIZE_INVALID", 2) and "1.5GiB" in refused.expected
    else:
        assert 1 <= size < 2**63 and text.strip()[0].isdigit()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "0",
        "0GiB",
        "-1GiB",
        "1G",
        "1,5GiB",
        "1e9",
        "1.5",
        "0.1B",
        "GiB",
        "1 GiB GiB",
        "٣GiB",
        "9e99TB",
        "9" * 19,
        "inf",
    ],
)
def test_texts_that_are_no_sizes(text: str) -> None:
    with pytest.raises(UsageError):
        parse_size(text)


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["--memory-limit", "a lot"], "SHELL.SIZE_INVALID", ["a lot", "800MiB"]),
        (
            ["--memory-limit", "1MiB"],
            "SHELL.MEMORY_LIMIT_TOO_SMALL",
            ["1,048,576 bytes", "are taken already"],
        ),
        (
            ["--memory-limit", "1GiB", "--executor", "dask"],
            "SHELL.USAGE",
            ["--executor dask", "dask worker --memory-limit"],
        ),
    ],
)
def test_refusals(
    cli: Callable[..., Any], tmp_path: Path, arguments: list[str], code: str, said: list[str]
) -> None:
    answer = cli("run", "--out", tmp_path / "runs", *arguments)
    assert answer.code == 2 and answer.err.split()[0] == code
    assert all(words in answer.err for words in said), answer.err
    assert not (tmp_path / "runs").exists()


def test_a_system_that_does_not_measure(
    cli: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resident, "_CLEAR", tmp_path / "proc" / "clear_refs")
    answer = cli("run", "--out", tmp_path / "runs", "--memory-limit", "64GiB")
    assert answer.code == 2 and answer.err.split()[0] == "SHELL.MEMORY_LIMIT_UNAVAILABLE"
    assert "/proc/self/clear_refs" in answer.err and "--workers" in answer.err


HUNGRY = """
import sys
from pathlib import Path
import numpy as np
from sim.executors.allocator import keep_freed_memory
keep_freed_memory()
from tests.trust import mini

where, mebibytes = sys.argv[1].split(":")

def eat(wanted):
    if where == wanted:
        held = np.ones(int(mebibytes) << 20, np.uint8)
        assert held[-1] == 1

def compute(ctx, part):
    if part.index == 1:
        eat("compute")
    return mini.miniworld.compute_items(ctx, part)

def plan(ctx):
    eat("plan")
    return mini.miniworld.plan_items(ctx)

mini.sim.model.MODEL = mini.miniworld.model(mini.miniworld.segments(compute_items=compute, plan_items=plan))
sys.argv = ["closedworld", *mini.arguments(Path(sys.argv[2]), Path(sys.argv[3])), "--quiet", *sys.argv[4:]]
mini.sim.cli.main.main()
"""


def hungry(where: str, root: Path, out: Path, *extra: str) -> mini.Done:
    """A run of the mini world in a fresh process, one of whose functions takes some memory for a while."""
    command = [sys.executable, "-c", HUNGRY, where, str(root), str(out), *extra]
    done = subprocess.run(
        command, env={**os.environ, "PYTHONPATH": str(mini.ROOT)}, capture_output=True, text=True, check=False
    )
    assert "Traceback" not in done.stderr, done.stderr
    return mini.Done(done.returncode, json.loads(done.stdout), done.stderr)


@pytest.mark.promise(
    "P13",
    "--memory-limit passed: exit 7 naming what passed it and by how much; more goes on to equal bytes",
    cases=2,
)
@pytest.mark.parametrize(
    ("where", "named"), [("compute", "partition 00001 of 1A.S1"), ("plan", "1A.S1, outside its partitions,")]
)
def test_a_limit_that_is_passed(root: Path, tmp_path: Path, where: str, named: str) -> None:
    refused = hungry(f"{where}:400", root, tmp_path / "runs", "--memory-limit", "512MiB")
    assert (refused.code, refused.error["code"]) == (7, "SHELL.MEMORY_LIMIT_PASSED"), refused
    assert str(refused.error["what"]).startswith(named)
    peak = int(str(refused.error["found"]).split()[0].replace(",", ""))
    assert 512 << 20 < peak < 900 << 20 and refused.error["expected"] == "at most 536,870,912 bytes"
    enough = str(refused.error["do"]).removeprefix("run again with ").split(":")[0].split()
    assert enough[0] == "--memory-limit" and "finished partitions are kept" in str(refused.error["do"])
    again = hungry(f"{where}:400", root, tmp_path / "runs", *enough)
    assert again.code == 0, again
    memory = again.answer["memory"]
    assert isinstance(memory, dict) and memory["peak"] <= memory["limit"] == parse_size(enough[1])
    plain = hungry("nowhere:0", root, tmp_path / "plain")
    assert plain.code == 0 and "memory" not in plain.answer
    assert mini.tree(mini.run_dir(tmp_path / "runs")) == mini.tree(mini.run_dir(tmp_path / "plain"))


def test_a_limit_passed_by_several(root: Path, tmp_path: Path) -> None:
    """The first partitions take nothing, so others are beside the one that is large."""
    refused = hungry("compute:400", root, tmp_path / "runs", "--memory-limit", "512MiB", "--workers", "2")
    assert (refused.code, refused.error["code"]) == (7, "SHELL.MEMORY_LIMIT_PASSED"), refused
    assert str(refused.error["found"]).endswith("resident at the highest, 2 partitions in flight")
    assert str(refused.error["do"]).startswith("run again with --workers 1, or with --memory-limit ")


@pytest.mark.parametrize(
    ("threads", "advice"),
    [(4, "--workers 2,"), (3, "--workers 1,"), (1, "the worker more"), (0, "give workers more")],
)
def test_a_worker_that_runs_out_of_memory(
    build: Callable[..., Any], orders: Callable[[str], None], threads: int, advice: str
) -> None:
    orders("00002.starve")
    executor = TextExecutor()
    executor.threads = threads
    with pytest.raises(StorageError) as refused:
        build(executor)
    assert refused.value.code == "SHELL.OUT_OF_MEMORY"
    assert (
        "partition 00002 of 1A.S1" in refused.value.what
        and refused.value.found == "Unable to allocate 8.00 TiB"
    )
    assert advice in refused.value.do and "finished partitions are kept" in refused.value.do


def test_arrow_running_out_of_memory_is_no_damaged_file(
    mini_copy: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Starved:
        def __init__(self, *args: object, **kwargs: object) -> None:
            raise pa.ArrowMemoryError("malloc of size 1048576 failed")

    assert issubclass(pa.ArrowMemoryError, pa.ArrowException)
    path = next(mini_copy.run.rglob("part-00000.parquet"))
    contracts = prepared(mini_copy.root).contracts
    monkeypatch.setattr(pq, "ParquetFile", Starved)
    with pytest.raises(MemoryError):
        tables.read_parquet(path, contracts.dataset("items"), {})
    with pytest.raises(MemoryError):
        tables.require_schema(path, path.read_bytes(), contracts.dataset("items"), {})


def prepared(root: Path) -> Any:
    from sim.model import MODEL
    from sim.shell.request.request import Request, prepare

    return prepare(Request(preset="mini", contracts=root / "contracts", config=root / "config"), MODEL)
