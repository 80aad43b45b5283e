"""Space is asked for before a run starts: what is there already counts,
and is looked at only where it decides.
"""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from sim.ground.errors import StorageError
from sim.shell.loop import planner


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """A run of which 600 bytes are there, in a world of 1000."""
    for name, size in (("data/layer1/a", 500), ("staging/b", 100)):
        path = tmp_path / "run" / name
        path.parent.mkdir(parents=True)
        path.write_bytes(bytes(size))
    return tmp_path


def ask(monkeypatch: pytest.MonkeyPatch, out: Path, free: int) -> None:
    model = SimpleNamespace(estimate=lambda facts, rehearse: {"bytes": 1000})
    prepared: Any = SimpleNamespace(run_id="run", model=model, facts=None)
    monkeypatch.setattr(planner.shutil, "disk_usage", lambda path: SimpleNamespace(free=free))
    planner.require_space(prepared, out)


def test_what_is_there_already_is_not_needed_again(out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ask(monkeypatch, out, 200)
    with pytest.raises(StorageError, match="DISK_TOO_SMALL") as refused:
        ask(monkeypatch, out, 199)
    assert (refused.value.found, refused.value.expected) == ("199 bytes free", "about 400 bytes needed")


def test_a_large_run_is_not_listed_where_there_is_space_for_all_of_it(
    out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_: Any) -> Any:
        raise AssertionError("the run directory was listed")

    monkeypatch.setattr(Path, "rglob", never)
    ask(monkeypatch, out, 500)
    with pytest.raises(AssertionError, match="listed"):
        ask(monkeypatch, out, 499)
