"""Published content is a function of request and model version:
these digests move only with MODEL_VERSION.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.runs.worlds import WORLDS, build, content_digests

GOLDEN = [line.split("\t") for line in Path(__file__).with_name("digests.tsv").read_text().splitlines()[1:]]


SLOW = {"small"}


@pytest.mark.parametrize(
    "world", [pytest.param(name, marks=pytest.mark.slow) if name in SLOW else name for name in WORLDS]
)
def test_digests(world: str, tmp_path: Path) -> None:
    expected = {dataset: digest for name, dataset, digest in GOLDEN if name == world}
    found = content_digests(build(world, tmp_path))
    assert expected and found.keys() == expected.keys()
    assert {name: digest for name, digest in found.items() if expected[name] != digest} == {}
