"""What a run tells: one stream of events for terminals, lines, JSON lines, the log and text;
none of it decides anything.
"""

from __future__ import annotations

import json
import os
import pty
import re
import resource
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any, get_args

import pyarrow.parquet as pq
import pytest

from sim.ground.paths import contracts_root
from sim.shell.contracts.answers import load_answers
from sim.shell.events import events
from sim.shell.events.hub import Hub, Progress
from sim.shell.events.run_log import Told, json_line, text_line
from sim.shell.runs.status import list_runs
from tests.runs.worlds import ROOT
from tests.shell import miniworld
from tests.trust import mini as minis
from tests.work import PATIENCE_S

ANSWERS = load_answers(contracts_root())
NAMES = [
    "run_began",
    "segment_sealed",
    "state_began",
    "checked",
    "state_ended",
    "segment_passed",
    "run_ended",
]


@pytest.fixture
def mini_root(tmp_path: Path) -> Path:
    miniworld.write_world(tmp_path / "world")
    return tmp_path / "world"


@pytest.fixture
def run(cli: Any, mini_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """`closedworld run` of the mini world."""

    def call(*extra: str, segments: Any = None, out: Path = tmp_path / "out") -> Any:
        monkeypatch.setattr("sim.model.MODEL", miniworld.model(segments))
        places = [
            "--contracts",
            str(mini_root / "contracts"),
            "--config",
            str(mini_root / "config"),
            "--out",
            str(out),
        ]
        return cli("run", "--preset", "mini", *places, "--workers", "2", *extra)

    return call


def read(path: Path) -> list[dict[str, Any]]:
    """A log's lines, each held against its schema."""
    lines = path.read_text().splitlines()
    wrong = [(line, problems) for line in lines if (problems := ANSWERS.problems(line))]
    assert not wrong, wrong[:3]
    return [json.loads(line) for line in lines]


def test_the_log_says_everything(run, tmp_path):
    assert run("--log", str(tmp_path / "log"), "--scenario", "calm", "--scenario", "storm").code == 0
    lines = read(tmp_path / "log")
    assert [line["event"] for line in lines if line["event"] != "progress"] == [
        NAMES[0],
        *NAMES[1:6],
        *NAMES[1:6],
        NAMES[6],
    ]
    sealed = [line for line in lines if line["event"] == "segment_sealed"]
    assert {row["key"]: row["method"] for row in sealed[1]["inputs"]}["items"].startswith(
        "SHA-256 of each file"
    )
    assert sealed[1]["counts"]["role"]["UPSTREAM_EGRESS"] == 1 and sum(
        sealed[1]["counts"]["status"].values()
    ) == len(sealed[1]["inputs"])
    assert [gate["segment"] for gate in sealed[1]["gates"]] == ["1A"] and sealed[0]["gates"] == []
    began = [line for line in lines if line["event"] == "state_began"]
    assert [(line["state"], line["number"], line["of"], line["partitions"]) for line in began] == [
        ("1A.S1", 1, 2, 4),
        ("1B.S1", 2, 2, 2),
    ]
    checked = next(line for line in lines if line["event"] == "checked")
    assert {"name": "ledger_equals_rows", "passed": True, "found": 100, "expected": 100}.items() <= checked[
        "checks"
    ][-1].items()
    passed = [line for line in lines if line["event"] == "segment_passed"]
    assert [(line["segment"], line["rows"], line["taken_over"]) for line in passed] == [
        ("1A", 100, False),
        ("1B", 200, False),
    ]
    assert (lines[-1]["outcome"], lines[-1]["exit_code"]) == ("complete", 0)
    again = run("--log", str(tmp_path / "log"), "--scenario", "calm", "--scenario", "storm")
    assert again.code == 0 and "complete: sizes checked" in json.dumps(
        read(tmp_path / "log")[len(lines) :]
    ), "a log is appended to"


def test_json_events_are_the_same_and_text_says_so_too(run, tmp_path):
    events_ = run("--json-events", "--log", str(tmp_path / "log"))
    (tmp_path / "stderr").write_text(events_.err)

    def bare(path: Path) -> list[dict[str, Any]]:
        return [{**line, "utc": "", "elapsed": 0} for line in read(path) if line["event"] != "progress"]

    assert bare(tmp_path / "stderr") == bare(tmp_path / "log")
    said = run("--verbose", out=tmp_path / "other").err
    for text in (
        "run begins",
        "1A.S1  items begins (state 1 of 2, 4 partitions)",
        "ok  ledger_equals_rows  found 100, expected 100",
    ):
        assert text.replace("run begins", "begins: preset mini") in said, text
    assert (
        "1B  doubles: sealed; role " in said
        and "gate 1A PASS" in said
        and "run ended: complete, exit 0" in said
    )
    assert run("--json", "--json-events", out=tmp_path / "third").err.count("\n") >= len(
        bare(tmp_path / "log")
    ), "beside --json too"


def test_every_event_has_its_schema_and_its_text():
    schema = ANSWERS.located["event"].value["$defs"]
    kinds = {kind.__name__: {field.name for field in fields(kind)} for kind in get_args(events.Event)}
    for name in ("Stage", "PartitionEnded"):
        kinds.pop(name)  # told as progress
    for name, names in kinds.items():
        wire = "".join(f"_{char.lower()}" if char.isupper() else char for char in name).lstrip("_")
        listed = (
            set(schema[wire]["properties"]) - {"event"} - ({"counts"} if name == "SegmentSealed" else set())
        )
        assert listed == names == set(schema[wire]["required"]) - {"counts"}, name
    for fields_ in ({"backend": "cpu", "done": 1, "kernels": 3, "seconds": 2.5},):
        assert ANSWERS.problems(json_line("kernels_compiling", fields_, 1.0)) == []
        assert text_line("kernels_compiling", fields_, 1.0).endswith(
            "kernels 1/3 compiled for cpu in 2.5 s\n"
        )


def test_progress_moves_inside_a_partition_and_tells_what_is_left():
    told: list[str] = []
    hub = Hub(Told(told.append, json_line, 0.0), Told(told.append, text_line, 0.0))
    hub.tell(events.StateBegan("5B.S4", "arrivals", "why", 23, 36, 4))
    for event in (
        events.Stage("5B.S4", "00000", "computing"),
        events.Stage("5B.S4", "00001", "sent"),
        events.Stage("5B.S4", "00000", "checking", 500),
        events.Stage("5B.S4", "00000", "writing"),
    ):
        hub.tell(event)
    last = json.loads(told[-2])
    assert (last["done"], last["stages"], last["rows"]) == (0, {"sent": 1, "writing": 1}, 500)
    assert (
        last["eta_seconds"] is not None
        and "state 23 of 36  0/4 partitions (1 sent, 1 writing)  500 rows" in told[-1]
    )
    hub.tell(events.PartitionEnded("5B.S4", "00000", 500, False))
    hub.tell(events.PartitionEnded("5B.S4", "00002", 70, True))
    last = json.loads(told[-2])
    assert (last["done"], last["rows"], last["number"], last["of"]) == (2, 570, 23, 36)
    wrong = [line for line in told[::2] if ANSWERS.problems(line)]
    assert not wrong
    position = Progress()
    position.heed(events.StateBegan("5B.S4", "arrivals", "why", 1, 1, 2))
    position.heed(events.PartitionEnded("5B.S4", "00000", 1, True))
    assert position.eta is None, "what was taken over says nothing of how long the rest takes"


def test_threads_and_dask_are_told_alike(mini_root, tmp_path, monkeypatch):
    """The same states, partitions, rows and checks, whoever computes;
    only stages differ by where they happen.
    """
    monkeypatch.syspath_prepend(str(ROOT / "tests/executors"))
    monkeypatch.setenv("CLOSEDWORLD_TEST_ORDERS", str(tmp_path))
    import hostile_world
    from text_executor import TextExecutor

    found = []
    for number, executor in enumerate((None, TextExecutor())):
        heard: list[Any] = []
        options = miniworld.Options(out=tmp_path / str(number), workers=2, executor=executor)
        request = miniworld.prepared(mini_root, hostile_world.SEGMENTS, "hostile_world")
        miniworld.run_world(request, miniworld.get_backend("cpu"), options, Hub(Collects(heard)))
        same = (
            events.PartitionEnded
            | events.Checked
            | events.StateBegan
            | events.SegmentPassed
            | events.SegmentSealed
        )
        found.append(Counter(repr(event) for event in heard if isinstance(event, same)))
        stages = {event.stage for event in heard if isinstance(event, events.Stage)}
        assert stages == ({"sent"} if executor else {"computing", "checking", "writing"}) | {
            "concluding",
            "publishing",
        }
    assert found[0] == found[1]


class Collects:
    """A listener that keeps all."""

    def __init__(self, heard: list[Any]) -> None:
        self.heard = heard

    def hear(self, event: Any, progress: Progress) -> None:
        self.heard.append(event)

    def close(self) -> None:
        """Nothing to put away."""


class Breaks(Collects):
    """A listener with a bug."""

    def hear(self, event: Any, progress: Progress) -> None:
        raise KeyError("a bug")


def test_a_listener_that_fails_is_left_out_and_the_others_hear_on(capsys):
    heard: list[Any] = []
    hub = Hub(Breaks([]), Collects(heard))
    for _ in range(3):
        hub.tell(events.Stage("1A.S1", "", "computing"))
    hub.close()
    assert len(heard) == 3
    assert capsys.readouterr().err == "warning: Breaks tells no more (KeyError: 'a bug'); the run goes on\n"


@pytest.mark.parametrize(
    ("name", "code", "error"),
    [
        ("missing/folder/log", 7, "SHELL.LOG_NOT_WRITABLE"),
        ("folder", 7, "SHELL.LOG_NOT_WRITABLE"),
        ("fifo", 7, "SHELL.LOG_NOT_WRITABLE"),
        ("ring", 7, "SHELL.LOG_NOT_WRITABLE"),
        ("/dev/full", 7, "SHELL.LOG_NOT_WRITABLE"),
        ("old/RUN/data/log", 2, "SHELL.LOG_INSIDE_RUN"),
        ("old/RUN/log", 2, "SHELL.LOG_INSIDE_RUN"),
        ("link/data/log", 2, "SHELL.LOG_INSIDE_RUN"),
        ("out/RUN/data/log", 2, "SHELL.LOG_INSIDE_RUN"),
    ],
)
def test_a_log_that_cannot_be_had_is_refused_before_anything_is_built(run, tmp_path, name, code, error):
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "ring").symlink_to("ring")
    assert run(out=tmp_path / "old").code == 0
    run_id = next((tmp_path / "old").iterdir()).name
    (tmp_path / "link").symlink_to(tmp_path / "old" / run_id)
    before = minis.tree(tmp_path / "old" / run_id)
    answer = run("--log", str(tmp_path / name.replace("RUN", run_id)))
    assert (answer.code, answer.err.split("  ")[0]) == (code, error)
    assert not (tmp_path / "out").exists() and minis.tree(tmp_path / "old" / run_id) == before


def test_a_log_that_fills_its_disk_is_dropped_with_one_warning(run, tmp_path):
    log, limit = tmp_path / "log", resource.getrlimit(resource.RLIMIT_FSIZE)
    log.touch()
    os.truncate(log, 10_000_000)  # nothing of the run is as large
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000_800, limit[1]))
    try:
        answer = run("--log", str(log), "--json")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
    assert answer.code == 0 and json.loads(answer.out)["ok"]
    assert answer.err == f"warning: the log {log} ends here (File too large); the run goes on\n"
    assert log.stat().st_size == 10_000_800


def fails_at(index: int) -> Any:
    def compute(ctx: Any, part: Any) -> Any:
        made = miniworld.compute_items(ctx, part)
        if part.index == index:
            made["items"].weight[:] = -1.0  # below its minimum
        return made

    return miniworld.segments(compute_items=compute)


def test_a_failed_state_tells_its_rows_so_far_everywhere(run, tmp_path):
    answer = run("--log", str(tmp_path / "log"), "--workers", "1", segments=fails_at(3))
    assert answer.code == 4
    lines = read(tmp_path / "log")
    ended = next(line for line in lines if line["event"] == "state_ended")
    assert (ended["status"], ended["rows"], ended["error_code"]) == ("FAIL", 90, "1A.S1.CHECKS_FAILED")
    checked = next(line for line in lines if line["event"] == "checked")
    assert [check["name"] for check in checked["checks"] if not check["passed"]] == ["range.weight"]
    assert (lines[-1]["outcome"], lines[-1]["exit_code"], lines[-1]["code"]) == (
        "refused",
        4,
        "1A.S1.CHECKS_FAILED",
    )
    report = pq.read_table(
        next((tmp_path / "out").glob("*/reports/layer1/segment_state_runs/*.parquet")), partitioning=None
    ).to_pylist()
    assert [(row["state"], row["status"], row["rows"]) for row in report[1:]] == [("1A.S1", "FAIL", 90)]


def test_until_a_state_publishes_it_and_no_segment_and_goes_on_later(run, tmp_path):
    out = tmp_path / "out"
    first = run("--until", "1B.S1", "--log", str(tmp_path / "log"))
    assert first.code == 0 and "stopped    after 1B.S1: 1B has not passed" in first.out
    run_dir = next(out.iterdir())
    assert (run_dir / "gates/1B/states/1B.S1.json").is_file() and not (
        run_dir / "gates/1B/_passed.flag"
    ).exists()
    assert (run_dir / "gates/1A/_passed.flag").is_file() and read(tmp_path / "log")[-1][
        "outcome"
    ] == "partial"
    assert [status.state for status in list_runs(out, ["1A", "1B"])] == ["partial"]
    told = json.loads(run("--until", "1B.S1", "--json").out)
    assert told["stopped_after"] == "1B.S1" and list(told["segments"]) == ["1A"]
    assert run().code == 0
    assert run(out=tmp_path / "whole").code == 0
    assert minis.tree(run_dir) == minis.tree(next((tmp_path / "whole").iterdir())), "to the same bytes"
    wrong = run("--until", "1B.S7")
    assert (wrong.code, wrong.err.split("  ")[0]) == (2, "SHELL.UNKNOWN_STATE") and "1B.S1" in wrong.err


def test_a_plan_goes_as_far_as_asked(cli, tmp_path):
    planned = [
        json.loads(cli("plan", "--out", tmp_path, "--until", end, "--json").out)["states"]
        for end in ("5B.S3", "5B", "6A")
    ]
    assert [states[-1]["state"] for states in planned] == ["5B.S3", "5B.S5", "6A.S7"]
    assert cli("plan", "--until", "5B.S9").code == 2


def test_quiet_says_nothing_and_verbose_fits_neither_it_nor_json_events(run):
    assert run("--quiet").err == ""
    for other in ("--quiet", "--json-events"):
        assert run("--verbose", other).code == 2


def test_the_end_is_short_and_verbose_has_every_state_and_dataset(run, tmp_path):
    short = run("--quiet").out.splitlines()
    assert [line.split()[0] for line in short] == ["world", "holds", "checks", "built"]
    long = run("--verbose", out=tmp_path / "other").out
    assert re.search(r"^1A.S1 +PASS +100 ", long, re.M) and re.search(r"^doubles +calm +100 ", long, re.M)
    assert [line.split()[0] for line in long.splitlines()[-4:]] == ["world", "holds", "checks", "built"]


def test_a_terminal_sees_which_state_of_how_many(mini_root, tmp_path):
    leader, follower = pty.openpty()
    script = f"import sys; sys.path.insert(0, {str(ROOT / 'tests/trust')!r}); import mini; mini.main()"
    command = [
        sys.executable,
        "-c",
        script.replace("mini.main()", "mini.sim.model.MODEL = mini.miniworld.model()"),
    ]
    command[-1] += (
        f"; sys.argv = ['closedworld', *{minis.arguments(mini_root, tmp_path / 'out')!r}]; "
        "sys.argv.remove('--json')"
    )
    command[-1] += "; mini.sim.cli.main.main()"
    env = {**os.environ, "PYTHONPATH": str(ROOT), "TERM": "xterm", "COLUMNS": "80"}
    done = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=follower, env=env)
    os.close(follower)
    said = b""
    while True:
        try:
            more = os.read(leader, 65536)
        except OSError:  # the other end is closed
            break
        if not more:
            break
        said += more
    os.close(leader)
    assert done.wait(60) == 0
    text = said.decode()
    assert re.search(r"state [12] of 2  1[AB].S1 ", text) and re.search("ok.*1A.S1 items.* 100 rows", text), (
        text[-2000:]
    )


def test_make_knows_every_state_and_one_is_built(tmp_path):
    from sim.segments import SEGMENTS

    targets = {f"segment{segment.code.lower()}": segment.code for segment in SEGMENTS}
    targets |= {
        f"segment{program.state.id.lower().replace('.', '-')}": program.state.id
        for segment in SEGMENTS
        for program in segment.programs
    }
    assert targets["segment5b-s3"] == "5B.S3"
    # a checkout that is tested need not be set up again
    make = ["make", f"VENV={sys.prefix}", "-o", f"{sys.prefix}/.installed"]
    shown = subprocess.run(
        [*make, "-n", *targets, "ARGS=--seed 7"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=True,
    )
    ran = [line.strip() for line in shown.stdout.splitlines() if "closedworld run" in line]
    assert ran == [f"{sys.prefix}/bin/closedworld run --until {end} --seed 7" for end in targets.values()]
    arguments = f"ARGS=--set merchant_universe_1A.merchants=40 --out {tmp_path}"
    done = subprocess.run(
        [*make, "segment1a-s1", arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=True,
    )
    assert "stopped    after 1A.S1: 1A has not passed" in done.stdout
