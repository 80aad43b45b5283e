"""Mini worlds built by executors of every kind."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from sim.executors import Executor
    from sim.shell.loop.outcome import RunResult

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1] / "shell")]


@pytest.fixture(scope="session")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Contracts and config of the mini world, for this process alone."""
    import miniworld

    folder = tmp_path_factory.mktemp("executors")
    miniworld.write_world(folder)
    return folder


@pytest.fixture(scope="session")
def orders_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Where orders for the hostile world lie; workers inherit the variable that names it."""
    folder = tmp_path_factory.mktemp("orders")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CLOSEDWORLD_TEST_ORDERS", str(folder))
        yield folder


@pytest.fixture
def orders(orders_folder: Path) -> Callable[[str], None]:
    """Gives the hostile world an order, as `<partition>.<verb>`; none are left from other tests."""
    for path in orders_folder.iterdir():
        path.unlink()
    return lambda order: (orders_folder / order).touch()


@pytest.fixture
def build(root: Path, tmp_path: Path, orders: object) -> Callable[..., RunResult]:
    """Builds the hostile mini world with an executor."""

    def call(executor: Executor | None = None, out: str = "runs") -> RunResult:
        import hostile_world
        import miniworld

        request = {"scenarios": ("calm", "storm")}
        return miniworld.build(
            root, tmp_path / out, hostile_world.SEGMENTS, request, "hostile_world", executor=executor
        )

    return call
