from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

import miniworld


@pytest.fixture(scope="session")
def mini_sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("mini")
    miniworld.write_world(root)
    return root


@pytest.fixture
def root(mini_sources: Path, tmp_path: Path) -> Path:
    """Contracts and config of the mini world in a fresh directory (hard work shared
    through the parse cache).
    """
    shutil.copytree(mini_sources, tmp_path / "w", copy_function=shutil.copy2)
    return tmp_path / "w"
