"""The script for a bare GPU node, run dry: every stage on the emulated device, without numba,
duckdb and what else a node may lack.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import jsonschema
import numpy as np
import pytest

from gpu_kernels.sources import kernel_names
from sim.backends.calibration import Calibration
from tests.gpu import node
from tests.gpu.kit import HERE
from tests.work import PATIENCE_S

ROOT = Path(__file__).resolve().parents[2]


def run(
    out: Path, *words: str, env: dict[str, str] | None = None
) -> tuple[int, list[dict[str, object]], str]:
    """Exit code, the lines of stages.jsonl, and what was printed."""
    command = [sys.executable, "tests/gpu/node.py", "--dry-run", "--out", str(out), *words]
    done = subprocess.run(
        command, cwd=ROOT, env=env, capture_output=True, text=True, check=False, timeout=PATIENCE_S
    )
    return (
        done.returncode,
        [json.loads(line) for line in (out / "stages.jsonl").read_text().splitlines()],
        done.stdout + done.stderr,
    )


def test_every_stage(tmp_path: Path) -> None:
    code, lines, said = run(tmp_path, "--budget", "500", "--until", "1A")
    log = (tmp_path / "log.txt").read_text()[-3000:]
    assert (code, [line["outcome"] for line in lines]) == (0, ["passed"] * len(node.STAGES)), said + log
    assert [line["stage"] for line in lines] == [stage.name for stage in node.STAGES]
    found = {line["stage"]: line["found"] for line in lines}
    assert found["machine"]["kernels"] == len(kernel_names()) and found["parity"]["tests"] == 7
    assert found["columns"]["tests"] > 15
    assert found["worlds"]["tiny"]["datasets"] > 1 and found["measured"]["tiny"]["cpu_s"] > 0
    assert re.search(r"^worlds +passed +[\d.]+ s  ", said, re.MULTILINE)
    (result,) = tmp_path.glob("gpu-*.json")
    document = json.loads(result.read_text())
    jsonschema.validate(document, json.loads((ROOT / "bench/result.schema.json").read_text()))
    assert result.stem == f"gpu-{document['machine']}" and {row["name"] for row in document["rows"]} >= {
        "open_uniform",
        "sort_segments",
    }
    kept = Calibration.decode((tmp_path / "calibration.json").read_bytes())
    assert (kept.place.device, kept.world) == ("emulated", "tiny")


def test_no_stage_begins_without_time_and_none_outlives_the_budget(tmp_path: Path) -> None:
    code, lines, _ = run(tmp_path / "none", "--budget", str(node.KEEP))
    assert code == 0 and {line["outcome"] for line in lines} == {"left out"}
    code, lines, _ = run(tmp_path / "little", "--budget", str(node.KEEP + 0.3), "--only", "parity")
    assert (code, [line["outcome"] for line in lines]) == (1, ["timed out"])


def test_a_stage_that_fails_is_told_and_the_others_go_on(tmp_path: Path) -> None:
    broken = {**os.environ, "CXX": "there-is-no-such-compiler"}
    code, lines, said = run(
        tmp_path, "--budget", "100", "--only", "operations", "--only", "parquet", env=broken
    )
    assert (code, [line["outcome"] for line in lines]) == (1, ["failed", "passed"])
    assert "there-is-no-such-compiler" in str(lines[0]["found"]) and "operations   failed" in said


def test_digests_that_differ_are_named() -> None:
    node.require("sort", np.arange(3), np.arange(3))
    with pytest.raises(RuntimeError, match="sort differs from numpy at row 1"):
        node.require("sort", np.array([0, 2, 2]), np.arange(3))
    with pytest.raises(RuntimeError, match="row -1"):
        node.require("sort", np.arange(4), np.arange(3))


def test_what_the_kit_downloads_is_pinned() -> None:
    for name in ("node-wheels.txt", "node-nvrtc.txt"):
        lines = [line for line in (HERE / name).read_text().splitlines() if not line.startswith("#")]
        assert lines and all(
            re.fullmatch(r"[a-z0-9-]+==[0-9.]+ --hash=sha256:[0-9a-f]{64}", line) for line in lines
        )
