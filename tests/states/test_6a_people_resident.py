"""6A.S2 on a device: a state written once, whose rows are made, counted and left there, with nothing but
small tables going to and fro.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest
from people_world import EntityWorld

from gpu_kernels.arrays import DeviceArray, Memory
from sim.backends import Backend, get_backend
from sim.backends.device_backend import emulated_backend
from sim.segments.entities_6a.calendar_checks import OLDEST_DAYS
from sim.segments.entities_6a.s1_parties import state as s1_parties
from sim.segments.entities_6a.s2_accounts import state as s2_accounts
from sim.state.context import PartitionContext
from sim.state.declaration import Frames
from sim.state.frames import Frame
from sim.state.program import Program

SUMMARY = "s2_account_summary_6A"
"""A row a cell: small, and numpy's everywhere."""


@cache
def world() -> EntityWorld:
    made = EntityWorld(20_000)
    made.preflight(s1_parties)
    made.run(Program.of(s1_parties))
    return made


@cache
def device() -> Backend:
    return emulated_backend()


def computed(backend: Backend, resident: bool = True) -> tuple[PartitionContext, Frames]:
    """The only partition of 6A.S2."""
    ctx = world().context(replace(s2_accounts.STATE, resident=resident))
    (part,) = s2_accounts.plan(ctx)
    inner = ctx.for_partition(part, backend)
    return inner, backend.ops.turn(lambda: s2_accounts.compute(inner, part))


@contextmanager
def traffic(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[tuple[str, int]]]:
    """Direction and rows of every array that passes between the memories."""
    seen: list[tuple[str, int]] = []

    def told(direction: str, function: Any, rows: Any) -> Any:
        def call(self: Any, *args: Any) -> Any:
            seen.append((direction, rows(self, *args)))
            return function(self, *args)

        return call

    with monkeypatch.context() as patched:
        patched.setattr(
            Memory, "upload", told("up", Memory.upload, lambda _, host: host.shape[0] if host.ndim else 1)
        )
        for name in ("get", "tolist"):
            patched.setattr(
                DeviceArray,
                name,
                told("down", getattr(DeviceArray, name), lambda array: array.shape[0] if array.ndim else 1),
            )
        yield seen


def test_rows_are_the_cpus_and_never_leave_the_device(monkeypatch: pytest.MonkeyPatch) -> None:
    expected_ctx, expected = computed(get_backend("cpu"))
    with traffic(monkeypatch) as seen:
        ctx, found = computed(device())
        during = list(seen)
        for frame in found.values():
            ctx.on_host(frame)
        after = seen[len(during) :]
    assert found.keys() == expected.keys()
    small = len(world().store.load("s1_party_summary_6A")) * len(ctx.vocabulary("account_type"))
    big = [len(expected["s2_account_base_6A"]), len(expected["s2_party_product_holdings_6A"])]
    assert 10 * small < min(big)
    for dataset, frame in found.items():
        assert {type(array) for _, array in frame.items()} == {
            np.ndarray if dataset == SUMMARY else DeviceArray
        }
        same(ctx.on_host(frame), expected[dataset])
    # What goes to and fro has a row a cell (its types beside it), a merchant or a word; or is a figure, a
    # histogram, a kernel's error word. Dates of joining and leaving, with the mask of these, come up once.
    assert {direction for direction, _ in during} == {"up", "down"}
    large = sorted((direction, rows) for direction, rows in during if rows > small)
    dates = ("up", len(world().store.load("s1_party_base_6A")))
    weekdays = ("up", len(ctx.vocabulary("country")) * 7 * 5)
    assert [row for row in large if row != weekdays] == [("down", OLDEST_DAYS), dates, dates, dates]
    assert {rows for _, rows in after} >= set(big)  # the same eyes see rows that do leave
    assert ctx.counters.keys() == expected_ctx.counters.keys() and ctx.ledger_rows == expected_ctx.ledger_rows
    for name, value in expected_ctx.counters.items():
        assert type(ctx.counters[name]) is type(value) and np.array_equal(ctx.counters[name], value), name


def test_the_same_state_without_the_word_has_numpys_columns() -> None:
    _, expected = computed(get_backend("cpu"))
    for backend in (get_backend("cpu"), device()):
        _, found = computed(backend, resident=False)
        for dataset, frame in found.items():
            same(frame, expected[dataset])


def same(found: Frame, expected: Frame) -> None:
    assert found.names == expected.names and found.valid.keys() == expected.valid.keys()
    masks = {f"{name} is there": mask for name, mask in found.valid.items()}
    found = found.with_columns(None, **masks)
    for name, array in [*expected.items(), *((f"{k} is there", mask) for k, mask in expected.valid.items())]:
        assert (
            type(found[name]) is np.ndarray
            and found[name].dtype == array.dtype
            and (found[name] == array).all()
        ), name
