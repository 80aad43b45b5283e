"""What partitions share: made once, frozen, bounded, and no trace of who made it."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import pytest

from sim.backends import get_backend
from sim.state.context import Context
from sim.state.counters import Counters, Scalar
from sim.state.declaration import METADATA_ONLY, Partition, State
from sim.state.declared import UndeclaredAccess
from sim.state.frames import Frame
from sim.state.shared import Shared
from tests.states.memory_world import MemoryWorld, contracts, memory_store


class Counts(Counters):
    things = Scalar()


def context(reads: dict[str, str] | None = None) -> Context:
    state = State("9Z.S1", "A state", reads=reads or {}, writes=(), counts=(Counts,))
    return Context(
        state,
        seed=7,
        scenarios=(),
        configs={},
        contracts=contracts(),
        inputs=memory_store(),
        backend=get_backend("cpu"),
        externals={},
    )


def test_many_threads_ask_and_one_makes() -> None:
    made, gate = [], threading.Event()

    def make() -> Frame:
        gate.wait(5)
        made.append(threading.get_ident())
        return Frame({"x": np.arange(3)})

    ctx = context()
    parts = [ctx.for_partition(Partition(index)) for index in range(8)]
    with ThreadPoolExecutor(8) as pool:
        asked = [pool.submit(part.shared, "x", make) for part in parts]
        gate.set()
        found = [one.result() for one in asked]
    assert len(made) == 1
    assert all(frame is found[0] for frame in found)
    assert ctx.shared("x", make) is found[0]
    with pytest.raises(ValueError, match="read-only"):
        found[0].x[0] = 1
    ctx.forget_shared()
    assert ctx.shared("x", make) is not found[0]


def test_a_failed_make_reaches_all_and_is_not_kept() -> None:
    shared, gate, tries = Shared(lambda: 1 << 20), threading.Event(), []

    def fail() -> int:
        tries.append(1)
        gate.wait(5)
        raise OSError("no")

    with ThreadPoolExecutor(4) as pool:
        asked = [pool.submit(shared.get, ("x",), fail) for _ in range(4)]
        while len(shared._waits) < 3:
            pass
        gate.set()
        failures = {id(one.exception()) for one in asked}
    assert len(failures) == len(tries) == 1
    assert shared.get(("x",), lambda: 5) == 5


def test_what_was_asked_for_longest_ago_makes_room() -> None:
    shared, made = Shared(lambda: 250), []

    def ask(name: str, size: int = 100) -> None:
        shared.get((name,), lambda: made.append(name) or np.zeros(size, dtype=np.uint8))

    for name in ("a", "b", "a", "c", "a", "b"):
        ask(name)
    assert made == ["a", "b", "c", "b"]
    ask("large", 1000)
    ask("large", 1000)
    assert made[4:] == ["large"]
    assert shared.held == 1000


@dataclass(frozen=True)
class Tables:
    one: np.ndarray
    rest: dict[str, tuple[np.ndarray, ...]]


def test_arrays_inside_are_frozen_and_counted_once() -> None:
    shared, array = Shared(lambda: 1 << 20), np.arange(8, dtype=np.uint64)
    tables = shared.get(("x",), lambda: Tables(array, {"a": (array, np.zeros(2, dtype=np.uint8))}))
    assert shared.held == 66
    assert not tables.one.flags.writeable
    assert not tables.rest["a"][1].flags.writeable


def test_making_that_needs_itself_is_refused() -> None:
    shared = Shared(lambda: 1 << 20)
    with pytest.raises(RuntimeError, match="needs 'x'"):
        shared.get(("x",), lambda: shared.get(("y",), lambda: shared.get(("x",), lambda: 1)))
    assert shared.get(("x",), lambda: shared.get(("y",), lambda: 3)) == 3


def test_two_threads_that_wait_for_each_other_are_refused() -> None:
    shared, both = Shared(lambda: 1 << 20), threading.Barrier(2)

    def ask(one: str, other: str) -> object:
        def make() -> int:
            both.wait(5)
            return shared.get((other,), lambda: 1)

        return shared.get((one,), make)

    with ThreadPoolExecutor(2) as pool:
        asked = [pool.submit(ask, "x", "y"), pool.submit(ask, "y", "x")]
        assert all(isinstance(one.exception(10), RuntimeError) for one in asked)


def test_a_shared_value_may_not_count() -> None:
    inner = context().for_partition(Partition(0))
    with pytest.raises(RuntimeError, match="may not count"):
        inner.shared("x", lambda: inner.count(Counts.things, 1))
    inner.count(Counts.things, 1)


def people(number: np.ndarray, first: int) -> Frame:
    """Parties alone in their households, the `first` of them in one country and the rest in another."""
    country = np.where(np.arange(len(number)) < first, 3, 9).astype(np.int16)
    return Frame({"party_id": number, "household_id": number, "country_iso": country})


def test_numbers_of_sets_go_out_and_come_back() -> None:
    of, home = "party", contracts().set_homes["party"]
    ctx = context({home: METADATA_ONLY})
    number = np.arange(1, 101, dtype=np.uint64)
    ctx._inputs.parts[home] = [people(number, 40)]  # type: ignore[attr-defined]
    out = ctx.published(of, number)
    assert sorted(out[:40].tolist()) == list(range(1, 41))
    assert out.tolist() != number.tolist()
    assert np.array_equal(ctx.natural(of, out), number)
    assert ctx.published(of, np.array([0, 1, 0], dtype=np.uint64)).tolist() == [0, out[0], 0]
    with pytest.raises(ValueError, match="no number of party"):
        ctx.published(of, np.array([101], dtype=np.uint64))
    for undeclared in (home, "nothing"):
        with pytest.raises(UndeclaredAccess):
            context().published("party" if undeclared == home else undeclared, number)


def test_rows_come_in_the_order_of_their_files() -> None:
    """`order="published"`: the same rows, natural numbers, ascending by what is published."""
    world = MemoryWorld({})
    home = contracts().set_homes["party"]
    number = np.arange(1, 101, dtype=np.uint64)
    world.store.parts[home] = [people(number, 100)]
    found = world.store.load(home, as_filed=True).party_id
    assert sorted(found.tolist()) == number.tolist()
    assert world.store.renumbered("party", found, False).tolist() == number.tolist()
