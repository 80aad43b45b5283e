"""The tests of publish.py and gate.py bite: every mutant of the two is killed, or stands in survivors.tsv with the reason it may live."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

TABLE = [line.split("\t") for line in (Path(__file__).parent / "survivors.tsv").read_text().splitlines()[1:]]


def test_every_survivor_is_a_mutant_and_explained() -> None:
    assert all(len(row) == 4 and len(row[3]) > 20 for row in TABLE)
    assert len({row[0] for row in TABLE}) == len(TABLE)


@pytest.mark.slow
@pytest.mark.promise("P22", "Mutants of publish.py and gate.py are killed, or explained", faults="one change to the source", cases=230)
def test_every_mutant_is_killed_or_explained() -> None:
    pytest.importorskip("cosmic_ray", reason="cosmic-ray is not installed: make .venv/.nvrtc installs what only tests need")
    import mutants

    made, explained = mutants.mutants(), {row[0] for row in TABLE}
    assert explained <= {mutant.name for mutant in made}, "survivors.tsv explains mutants that are no more"
    fates = dict(mutants.run([mutant for mutant in made if mutant.name not in explained]))
    print(Counter(fates.values()), f"and {len(explained)} explained")
    assert [(mutant.name, mutant.line, mutant.after) for mutant, fate in fates.items() if fate == "survived"] == []
    assert len(fates) > 180
