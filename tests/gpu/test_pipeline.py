"""Whole runs on a device backend: the same bytes as on the cpu, a device that is wrong or too small is
noticed, slots bound it.
"""

from __future__ import annotations

import itertools
import json
import re
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gpu_kernels.arrays import DeviceArray
from gpu_kernels.device import EmulatedDevice
from gpu_kernels.emulate import Emulator
from gpu_kernels.sources import kernel_source
from sim.backends import Backend, DeviceFault, OutOfDeviceMemory
from sim.backends.binder import KernelFailure
from sim.backends.cache import private_cache_dir
from sim.backends.device_backend import device_backend, emulated_backend
from sim.ground.errors import BackendError, GateError, SimError
from sim.recipes.words import words_at
from sim.shell.events.events import Silent
from sim.shell.loop.run import Options, run_world
from sim.shell.partition.recompute import sampled
from sim.state.counters import Counters, Scalar
from sim.state.declaration import Partition
from sim.state.frames import Frame
from sim.state.program import Program
from tests.golden.test_golden import GOLDEN
from tests.runs.worlds import build, closedworld, content_digests, published
from tests.shell import miniworld
from tests.tiny_world import TINY, TINY_SCENARIOS

SCENARIOS = ("calm", "storm")


@pytest.fixture(scope="module")
def mini_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("mini")
    miniworld.write_world(root)
    return root


def run(root: Path, out: Path, backend: Backend, programs: Any = None, **options: Any) -> Path:
    settings = Options(out=out, **{"workers": 1, "verify_fraction": 0.0, **options})
    return run_world(
        miniworld.prepared(root, programs or resident(), scenarios=SCENARIOS), backend, settings, Silent()
    ).run_dir


def compute_items(ctx, part):
    """The mini world's items, computed where `ctx` keeps its rows."""
    low, high = part.spec["rows"]
    ids = ctx.columns.place(np.arange(low, high, dtype=np.uint64) + np.uint64(2**63))
    at = ctx.address("1A.word", item_id=ids)
    (word,) = words_at(ctx, at)
    ctx.ledger(at, draws=np.ones_like(ids))
    ctx.count(miniworld.Counts.rows, (ids > 0).sum())
    return {"items": Frame({"item_id": ids, "word": word, "weight": (ids % np.uint64(7)).astype(np.float64)})}


def compute_doubles(ctx, part):
    items = ctx.load("items", device=True)
    even = items.item_id % np.uint64(2) == 0
    once = ctx.columns.repeat(items.select("item_id"), np.ones_like(items.item_id))
    assert type(once.item_id) is type(items.item_id)
    columns = {
        "item_id": once.item_id,
        "twice": items.item_id * np.uint64(2),
        "note": np.where(even, 7, 0).astype(np.uint32),
    }
    return {"doubles": Frame(columns, valid={"note": even})}


class Odd(Counters):
    """What a device that counts wrongly counts."""

    odd = Scalar()


def resident(**replaced: Any) -> Any:
    """The mini world with states that keep their rows on the device."""

    def keeps(program: Program) -> Program:
        return replace(
            program, state=replace(program.state, resident=True, counts=(*program.state.counts, Odd))
        )

    made = miniworld.segments(
        **{"compute_items": compute_items, "compute_doubles": compute_doubles, **replaced}
    )
    return tuple(replace(segment, programs=tuple(map(keeps, segment.programs))) for segment in made)


@pytest.fixture(scope="module")
def expected(mini_root: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """Files of the mini world by its own numpy states on the cpu."""
    return published(
        miniworld.build(mini_root, tmp_path_factory.mktemp("cpu"), request={"scenarios": SCENARIOS}).run_dir
    )


@pytest.mark.parametrize("workers", [1, 4])
@pytest.mark.parametrize("verify", [0.0, 1.0])
def test_states_that_stay_on_the_device_publish_the_same_files(
    mini_root, tmp_path, expected, workers, verify
):
    seen = []

    def spy(ctx, part):
        frames = compute_items(ctx, part)
        seen.append(type(frames["items"].word))
        return frames

    found = run(
        mini_root,
        tmp_path,
        emulated_backend(),
        resident(compute_items=spy),
        workers=workers,
        verify_fraction=verify,
    )
    assert published(found) == expected
    receipt = json.loads((found / "run_receipt.json").read_text())["provenance"]
    assert receipt["backend"] == "emulated" and "compiler" in receipt
    # with verification each partition is computed once more, on numpy
    assert seen.count(DeviceArray) == len(seen) // (2 if verify else 1)


def test_the_same_states_on_the_cpu_backend(mini_root, tmp_path, expected):
    from sim.backends import get_backend

    assert published(run(mini_root, tmp_path, get_backend("cpu"), verify_fraction=1.0)) == expected


@pytest.mark.promise(
    "P13",
    "out of device memory: partitions one after the other, the same bytes",
    faults="device memory limit",
)
def test_a_device_that_is_too_small_for_two_does_one_after_the_other(mini_root, tmp_path, expected):
    alone = emulated_backend()
    run(mini_root, tmp_path / "alone", alone, device_slots=1)
    peak = alone.ops._device.memory.peak
    tight, meet, calls = emulated_backend(memory=peak), threading.Barrier(2), itertools.count()

    def crowded(ctx, part):
        if next(calls) < 2:
            held = ctx.columns.place(np.zeros(peak * 9 // 160, np.uint64))  # two of these leave a tenth
            meet.wait(60)
            return compute_items(ctx, part) if len(held) else {}
        return compute_items(ctx, part)

    found = run(mini_root, tmp_path / "tight", tight, resident(compute_items=crowded), workers=2)
    assert tight.slots.limit == 1 and next(calls) > 2
    assert published(found) == expected


@pytest.mark.promise(
    "P13",
    (
        "a partition that does not fit the device alone is named with the setting; nothing published; a "
        "larger device goes on"
    ),
    faults="device memory limit",
)
def test_a_partition_that_does_not_fit_alone_is_refused_and_resumed(mini_root, tmp_path, expected):
    with pytest.raises(BackendError) as refused:
        run(mini_root, tmp_path, emulated_backend(memory=100), workers=2)
    error = refused.value
    assert (error.code, error.exit_code) == ("SHELL.OUT_OF_DEVICE_MEMORY", 9)
    assert re.match(
        r"partition 0000\d of 1A.S1 does not fit the device, even alone \(--device-slots 1\)", error.what
    )
    assert re.match(r"1A.S1 0000\d: rows \[\d+, \d+\]", error.where)
    assert "--backend cpu" in error.do
    assert published(run(mini_root, tmp_path, emulated_backend())) == expected


def test_slots_bound_how_many_compute_at_once(mini_root, tmp_path, expected):
    lock, meet, inside, most = threading.Lock(), threading.Barrier(2), [0], [0]

    # four partitions: two and two, if two may be inside, and a broken barrier if not
    def in_pairs(ctx, part):
        with lock:
            inside[0] += 1
            most[0] = max(most[0], inside[0])
        meet.wait(60)
        frames = compute_items(ctx, part)
        with lock:
            inside[0] -= 1
        return frames

    found = run(
        mini_root, tmp_path, emulated_backend(), resident(compute_items=in_pairs), workers=4, device_slots=2
    )
    assert most == [2] and published(found) == expected


@pytest.mark.parametrize(
    ("function", "what"),
    [
        ("plan_items", "the whole of"),
        ("check_items", "the whole of"),
        ("compute_items", "partition 00000 of"),
    ],
)
@pytest.mark.parametrize(
    ("raised", "code"),
    [
        (KernelFailure("philox_block", "BAD_ROW", "no such row", 3), "1A.S1.BAD_ROW"),
        (DeviceFault("cudaErrorIllegalAddress", ["philox_block"]), "SHELL.DEVICE_FAULT"),
        (OutOfDeviceMemory(8), "SHELL.OUT_OF_DEVICE_MEMORY"),
    ],
)
def test_what_a_kernel_or_a_device_refuses_is_told_wherever_a_state_asked(
    mini_root, tmp_path, function, what, raised, code
):
    def refused(*_):
        raise raised

    with pytest.raises(SimError) as told:
        run(mini_root, tmp_path, emulated_backend(), miniworld.segments(**{function: refused}))
    assert told.value.code == code and f"{what} 1A.S1" in told.value.what


def test_host_only_states_compute_beside_each_other_whatever_the_slots(mini_root, tmp_path, expected):
    meet, backend, held = threading.Barrier(4), emulated_backend(), []

    def all_at_once(ctx, part):
        held.append(backend.slots.held)
        meet.wait(60)  # all four of the state's partitions are in `compute`, on a device with one slot
        return miniworld.compute_items(ctx, part)

    found = run(
        mini_root, tmp_path, backend, miniworld.segments(compute_items=all_at_once), workers=4, device_slots=1
    )
    assert held == [False] * 4 and published(found) == expected


def test_kernels_of_host_only_states_take_a_slot_each(mini_root, tmp_path, expected):
    """Kernels of four partitions begun together, on two slots: never more than two run,
    and none waits for a partition to end.
    """
    lock, inside, most, calls, meet, pair = (
        threading.Lock(),
        [0],
        [0],
        [0],
        threading.Barrier(4),
        threading.Barrier(2),
    )
    device = EmulatedDevice(private_cache_dir("emulated"))
    launch = device.launch

    def counted(*call):
        with lock:
            calls[0] += 1
            inside[0] += device.slots.held
            most[0] = max(most[0], inside[0])
        pair.wait(60)
        launch(*call)
        with lock:
            inside[0] -= 1

    device.launch = counted  # type: ignore[method-assign]

    def together(ctx, part):
        meet.wait(60)
        frames = miniworld.compute_items(ctx, part)
        meet.wait(60)
        return frames

    found = run(
        mini_root,
        tmp_path,
        device_backend(device),
        miniworld.segments(compute_items=together),
        workers=4,
        device_slots=2,
    )
    assert calls == [4] and most == [2] and inside == [0] and published(found) == expected


def test_planning_and_finishing_hold_no_slot(mini_root, tmp_path, expected):
    backend, held = emulated_backend(), []

    def plan(ctx):
        held.append(backend.slots.held)
        return miniworld.plan_items(ctx)

    def check(ctx, totals):
        held.append(backend.slots.held)
        return miniworld.check_items(ctx, totals)

    assert (
        published(run(mini_root, tmp_path, backend, resident(plan_items=plan, check_items=check))) == expected
    )
    assert held == [False, False]


def test_a_state_that_does_not_say_so_has_its_rows_on_the_host(mini_root, tmp_path, expected):
    """The same functions, that begin their bulk in `ctx.columns`:
    only `resident=True` decides where their rows lie.
    """
    seen = set()

    def items(ctx, part):
        frames = compute_items(ctx, part)
        seen.add(type(frames["items"].word))
        return frames

    def doubles(ctx, part):
        seen.update((type(ctx.load("items", device=True).item_id), type(ctx.columns.xp.zeros(1))))
        return compute_doubles(ctx, part)

    found = run(
        mini_root,
        tmp_path,
        emulated_backend(),
        miniworld.segments(compute_items=items, compute_doubles=doubles),
    )
    assert seen == {np.ndarray} and published(found) == expected


def test_a_host_only_kernel_that_does_not_fit_is_refused_by_partition(mini_root, tmp_path):
    with pytest.raises(BackendError, match=r"partition 0000\d of 1A.S1 does not fit the device") as refused:
        run(mini_root, tmp_path, emulated_backend(memory=100), miniworld.segments())
    assert refused.value.code == "SHELL.OUT_OF_DEVICE_MEMORY"


def wrong(texts: dict[str, str], folder: Path) -> Backend:
    """An emulated device whose kernels are not what they should be."""
    return device_backend(EmulatedDevice(folder, emulator=Emulator(folder, texts=texts)))


@pytest.fixture
def flipped(tmp_path) -> Backend:
    text = kernel_source("philox_block")
    assert text.count("c1[i], key);") == 1
    return wrong({"philox_block": text.replace("c1[i], key);", "c1[i], key + 1);")}, tmp_path / "wrong")


@pytest.mark.promise(
    "P26",
    "a changed kernel is noticed by one recomputed partition a state; nothing is published",
    faults="a changed constant in CUDA text",
)
def test_a_wrong_kernel_is_noticed_by_the_least_sample(mini_root, tmp_path, flipped, expected):
    with pytest.raises(BackendError) as refused:
        run(mini_root, tmp_path, flipped, verify_fraction=1e-12, workers=2)
    error = refused.value
    assert (error.code, error.exit_code) == ("SHELL.BACKEND_DISAGREES", 9)
    assert "1A.S1, partition 000" in error.what and "dataset items" in error.what
    assert len(error.found) == 64 and error.expected[:64] != error.found
    run_dir = next(path for path in tmp_path.iterdir() if (path / "staging").is_dir())
    assert not (run_dir / "data").exists() and not (run_dir / "gates/1A/states").exists()
    # Partitions the wrong device had staged are not resumed.
    assert published(run(mini_root, tmp_path, emulated_backend())) == expected


@pytest.mark.promise(
    "P26",
    "a wrong counter or random-number ledger of a device is noticed",
    faults="wrong counter, wrong ledger",
    cases=2,
)
def test_a_wrong_counter_and_a_wrong_ledger_are_noticed(mini_root, tmp_path):
    def counts(ctx, part):
        frames = compute_items(ctx, part)
        ctx.count(Odd.odd, int(isinstance(frames["items"].word, DeviceArray)))
        return frames

    def draws(ctx, part):
        frames = compute_items(ctx, part)
        none, one = np.zeros(0, dtype=np.uint64), np.zeros(1, dtype=np.uint64)
        ctx.ledger(ctx.address("1A.word", item_id=none), draws=0)
        if isinstance(frames["items"].word, DeviceArray):
            ctx.ledger(ctx.address("1A.word", item_id=one))
        return frames

    for planted, what in ((counts, "counter odd"), (draws, "RNG ledger")):
        with pytest.raises(BackendError, match=what):
            run(
                mini_root,
                tmp_path / what,
                emulated_backend(),
                resident(compute_items=planted),
                verify_fraction=1e-12,
            )


def test_nothing_is_sampled_when_nobody_asks(mini_root, tmp_path, flipped):
    run(mini_root, tmp_path, flipped, verify_fraction=0.0)


def test_the_sample():
    parts = [Partition(index) for index in range(4000)]
    assert (
        sampled(0.0, "run", "1A.S1", parts) == frozenset() and sampled(0.5, "run", "1A.S1", []) == frozenset()
    )
    least = sampled(1e-15, "run", "1A.S1", parts)
    assert len(least) == 1 and least <= sampled(0.01, "run", "1A.S1", parts)
    assert sampled(1.0, "run", "1A.S1", parts) == {part.name for part in parts}
    # Binomial(4000, 0.05): 200 +- 7 sigma of 13.8.
    found = sampled(0.05, "run", "1A.S1", parts)
    assert 103 < len(found) < 297 and found == sampled(0.05, "run", "1A.S1", parts) != sampled(
        0.05, "other", "1A.S1", parts
    )


def test_a_damaged_file_is_refused_on_its_way_to_the_device(mini_root, tmp_path):
    def damages(ctx, part):
        path = next((tmp_path).glob("*/data/layer1/1A/items/**/*.parquet"))
        path.chmod(0o644)
        path.write_bytes(path.read_bytes()[:-1] + b"x")
        return compute_doubles(ctx, part)

    with pytest.raises(GateError, match="SEALED_INPUTS_DIGEST_MISMATCH"):
        run(mini_root, tmp_path, emulated_backend(), resident(compute_doubles=damages))


def test_tiny_world_is_file_for_file_the_cpus(demo_run, tmp_path):
    """Everything from 1A to 6A, two scenarios, through the command line; it verifies itself as by default."""
    options = [word for key, value in TINY.items() for word in ("--set", f"{key}={value}")]
    options += [word for scenario in TINY_SCENARIOS for word in ("--scenario", scenario)]
    done = closedworld("run", "--backend", "emulated", *options, "--out", str(tmp_path), "--json")
    assert json.loads(done.stdout)["backend"] == {"name": "emulated", "why": ""}
    assert published(Path(json.loads(done.stdout)["run_dir"])) == published(demo_run)


@pytest.mark.slow
@pytest.mark.parametrize("world", ["tiny", "tiny-stress-900", "demo"])
def test_worlds_are_golden_and_file_for_file_the_cpus(world, tmp_path):
    folder = {name: build(world, tmp_path / name, "--backend", name) for name in ("emulated", "cpu")}
    assert content_digests(folder["emulated"]) == {
        dataset: digest for name, dataset, digest in GOLDEN if name == world
    }
    assert published(folder["emulated"]) == published(folder["cpu"])


@pytest.mark.gpu
@pytest.mark.parametrize(
    ("world", "options"),
    [
        ("tiny", ()),
        ("tiny", ("--workers", "1", "--device-slots", "1")),
        ("tiny", ("--workers", "8", "--device-slots", "5", "--verify-fraction", "1")),
        ("tiny-stress-900", ()),
        ("demo", ()),
        ("small", ()),
    ],
)
def test_worlds_are_golden_on_a_gpu(world, options, tmp_path):
    found = content_digests(build(world, tmp_path, "--backend", "gpu", *options))
    assert found == {dataset: digest for name, dataset, digest in GOLDEN if name == world}


def test_the_command_says_what_it_chose(tmp_path):
    done = closedworld(
        "run",
        "--set",
        "merchant_universe_1A.merchants=120",
        "--until",
        "1A",
        "--out",
        str(tmp_path),
        "--backend",
        "auto",
    )
    assert done.stderr.splitlines()[0].startswith("backend ") and "(" in done.stderr.splitlines()[0]
    assert done.stderr.splitlines()[0] in done.stdout


def test_options_are_checked(tmp_path):
    for options in (("--verify-fraction", "1.5"), ("--device-slots", "0")):
        assert closedworld("run", *options, "--out", str(tmp_path), check=False).returncode == 2
