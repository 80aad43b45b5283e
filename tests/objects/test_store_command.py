"""The command itself against the S3 server: killed while it uploads, run again; no server, no package,
no run.
"""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from tiny_world import TINY, TINY_SCENARIOS

HERE = Path(__file__).parent


def request_of(root, work):
    options = [option for name, value in TINY.items() for option in ("--set", f"{name}={value}")]
    options += [option for scenario in TINY_SCENARIOS for option in ("--scenario", scenario)]
    return ["run", *options, "--out", root, "--work-dir", str(work), "--until", "1B", "--quiet"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("key", "when"),
    [
        ("1A/index.json", "before"),
        ("1A/_passed.flag", "before"),
        ("1A/_passed.flag", "after"),
        ("part-00000.parquet", "after"),
    ],
)
def test_the_command_killed_while_it_uploads_is_completed_by_the_same_command(
    s3, demo_run, objects, cli, tmp_path, key, when
):
    work = tmp_path / "work"
    shutil.copytree(demo_run, work / demo_run.name)
    root = f"s3://{s3.bucket}/w"
    command = request_of(root, work)
    s3.hold(key, when)
    process = subprocess.Popen([sys.executable, "-m", "sim", *command], cwd=HERE.parents[1])
    s3.wait_held(process)
    process.send_signal(signal.SIGKILL)
    process.wait()
    s3.free()
    run = f"{root}/{demo_run.name}"
    there = objects(run).list()
    if key != "1A/_passed.flag":
        assert "gates/1A/_passed.flag" not in there
    # A flag that was on its way may still be taken; what it stands for was there before it, so it may pass
    # and nothing less may.
    code = cli("verify", run).code
    assert code == 0 or "gates/1A/_passed.flag" not in there
    assert code == 5 or "gates/1A/_passed.flag" in objects(run).list()
    answer = cli(*command)
    assert answer.code == 0, answer.err
    answer = cli("verify", run, "--deep")
    assert answer.code == 0, answer.err
    store = objects(run)
    for name in store.list():
        if name.startswith(("gates/", "data/")):
            assert store.read(name) == (demo_run / name).read_bytes()


def test_no_server_is_exit_7_with_the_url(s3, monkeypatch, cli, tmp_path):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    for command in (
        ["verify", "s3://bucket/w/run"],
        request_of("s3://bucket/w", tmp_path),
        ["sql", "s3://bucket/w/run", "select 1"],
    ):
        answer = cli(*command)
        assert (answer.code, answer.out) == (7, "")
        assert answer.err.startswith("SHELL.STORE_FAILED") and "s3://bucket/w/" in answer.err
        assert "AKID" not in answer.err


def test_no_run_there_is_exit_2(s3, cli):
    answer = cli("verify", f"s3://{s3.bucket}/nothing")
    assert answer.code == 2 and answer.err.startswith("SHELL.RUN_NOT_FOUND")
