"""The tests of publish.py and gate.py bite: every mutant of the two is killed, or stands in survivors.tsv
with the reason it may live.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.trust import mutant_runs

TABLE = [line.split("\t") for line in (Path(__file__).parent / "survivors.tsv").read_text().splitlines()[1:]]


def test_every_survivor_is_a_mutant_and_explained() -> None:
    assert all(len(row) == 4 and len(row[3]) > 20 for row in TABLE)
    assert len({row[0] for row in TABLE}) == len(TABLE)


@pytest.mark.slow(130)
@pytest.mark.promise(
    "P22",
    "Mutants of publish.py and gate.py are killed, or explained",
    faults="one change to the source",
    cases=280,
)
def test_every_mutant_is_killed_or_explained(record_property: Callable[..., None]) -> None:
    """An explained one that is killed fails too: its explanation is not true."""
    pytest.importorskip(
        "cosmic_ray", reason="cosmic-ray is not installed: make .venv/.tests installs what only tests need"
    )
    workers = 1 if "PYTEST_XDIST_WORKER" in os.environ else 2
    command = [sys.executable, mutant_runs.__file__, str(workers)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    fates = [line.split("\t") for line in done.stdout.splitlines()]
    counts = Counter(row[0] for row in fates)
    print(dict(counts))
    lives = {row[1]: row[2:6] for row in fates if row[0] == "survived"}
    explained = {row[0] for row in TABLE}
    assert {name: change for name, change in lives.items() if name not in explained} == {}, (
        "neither killed nor explained"
    )
    assert explained <= set(lives), "survivors.tsv explains mutants that are no more, or are killed"
    assert counts["killed"] > 260 and counts["killed: time"] < 5 and len(fates) == counts.total()
    record_property("cases", len(fates))
