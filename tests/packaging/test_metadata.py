"""What the package says of itself is true, and the same everywhere it is said."""

from __future__ import annotations

import re
import sys
import tomllib

import pytest
import yaml

from sim import __version__
from tests.runs.worlds import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def test_classifiers_are_known_and_agree() -> None:
    from trove_classifiers import classifiers

    given = PROJECT["classifiers"]
    assert set(given) <= classifiers and given == sorted(given)
    oldest = PROJECT["requires-python"].removeprefix(">=")
    assert f"Programming Language :: Python :: {oldest}" in given
    assert not [name for name in given if name.startswith("License ::")], (
        "the licence is an SPDX expression, which excludes classifiers"
    )


def test_citation_agrees() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert citation["cff-version"] == "1.2.0" and {"message", "title", "authors"} <= set(citation)
    assert citation["version"] == __version__ and citation["license"] == PROJECT["license"]
    assert citation["title"] == PROJECT["name"] and citation["authors"] == PROJECT["authors"]
    assert set(citation["keywords"]) <= set(PROJECT["keywords"])


@pytest.mark.parametrize("extra", sorted(PROJECT["optional-dependencies"]))
def test_extras_name_extras_that_exist(extra: str) -> None:
    named = re.findall(r"closedworld\[([\w,-]+)\]", " ".join(PROJECT["optional-dependencies"][extra]))
    assert {name for names in named for name in names.split(",")} <= set(PROJECT["optional-dependencies"])


def test_this_python_is_one_that_is_promised() -> None:
    assert sys.version_info[:2] >= tuple(
        int(part) for part in PROJECT["requires-python"].removeprefix(">=").split(".")
    )
