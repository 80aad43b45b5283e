"""Fixtures of the contracts tests."""

from __future__ import annotations

from pathlib import Path

import pytest
from contracts_folder import STATES, Facts, Folder


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


@pytest.fixture
def states() -> tuple[Facts, ...]:
    return STATES
