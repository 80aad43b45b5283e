"""Same bytes whatever is around the run: workers, partition order, time zone, locale, hash seed, directory,
interruption.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.runs.worlds import ROOT, WORLDS, arguments, build, closedworld, content_digests, published

WORLD = "tiny-stress-900"


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(WORLD, tmp_path_factory.mktemp("plain"), "--workers", "1")


@pytest.mark.parametrize(
    "extra",
    [
        ("--workers", "2"),
        ("--workers", "1", "--partition-order", "1"),
        ("--workers", "3", "--partition-order", "2"),
    ],
    ids=["two-workers", "shuffled", "three-workers-shuffled"],
)
@pytest.mark.promise("P17", "the whole engine: same bytes for one, two, three workers in any order")
def test_workers_and_order(plain: Path, tmp_path: Path, extra: tuple[str, ...]) -> None:
    assert published(build(WORLD, tmp_path, *extra)) == published(plain)


@pytest.mark.promise(
    "P18",
    "the whole engine: same bytes under another zone, locale, hash seed, home, umask, directory",
    faults="all at once",
)
def test_surroundings(plain: Path, tmp_path: Path) -> None:
    """Other time zone, locale, hash seed, home, umask and working directory; the host's tz database hidden;
    a relative --out.
    """
    home = tmp_path / "a home"
    home.mkdir()
    env = {
        "TZ": "Pacific/Chatham",
        "LANG": "tr_TR.UTF-8",
        "LC_ALL": "C",
        "PYTHONHASHSEED": "4242",
        "PYTHONTZPATH": "",
        "HOME": str(home),
        "NUMBA_NUM_THREADS": "1",
        "SOURCE_DATE_EPOCH": "1",
    }
    before = os.umask(0o077)
    try:
        other = tmp_path / build(WORLD, Path("out here"), cwd=tmp_path, env=env)
    finally:
        os.umask(before)
    assert other.name == plain.name
    assert published(other) == published(plain)


@pytest.mark.promise(
    "P3",
    "the whole engine, killed again and again, ends with the same bytes",
    faults="SIGKILL at random times",
    cases=4,
)
def test_killed_again_and_again_then_resumed(plain: Path, tmp_path: Path) -> None:
    """SIGKILL at random moments until a run gets through; the result is byte for byte the undisturbed one."""
    seed = random.SystemRandom().randrange(2**32)
    print(f"seed {seed}")
    rng = random.Random(seed)
    kills = 0
    while True:
        command = [sys.executable, "-m", "sim", *arguments(WORLD, tmp_path)]
        process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            code = process.wait(timeout=1.0 + rng.random() * 0.6 + kills * 0.3)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.wait()
            kills += 1
            continue
        assert code == 0
        break
    assert kills > 0
    assert published(tmp_path / plain.name) == published(plain)


@pytest.mark.promise(
    "P24",
    "SIGTERM: stopped before the world is complete, 143, no traceback, resumed to the same bytes",
    faults="SIGTERM",
)
def test_interrupt_is_quick_clean_and_resumable(plain: Path, tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "sim", *arguments(WORLD, tmp_path)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    while not (tmp_path / plain.name / "gates" / "1A").exists():
        time.sleep(0.02)
        assert process.poll() is None
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate()
    assert (
        process.returncode == 143
        and not (tmp_path / plain.name / "gates/5B/_passed.flag").exists()
        and "Traceback" not in err
    )
    assert published(build(WORLD, tmp_path)) == published(plain)


@pytest.mark.promise(
    "P7", "a second run is refused with the first one's pid while the first works", faults="two runs"
)
def test_a_second_run_of_the_same_request_is_refused_while_the_first_works(tmp_path: Path) -> None:
    first = subprocess.Popen(
        [sys.executable, "-m", "sim", *arguments(WORLD, tmp_path)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    while not list(tmp_path.glob("*/gates/1A/*")):
        time.sleep(0.02)
        assert first.poll() is None
    second = closedworld(*arguments(WORLD, tmp_path), check=False)
    out, _ = first.communicate()
    assert second.returncode == 6
    error = json.loads(second.stdout)["error"]
    assert error["code"] == "SHELL.RUN_LOCKED" and f'"pid": {first.pid}' in error["found"]
    assert first.returncode == 0 and json.loads(out)["ok"]


def test_scenarios_do_not_disturb_each_other(plain: Path, tmp_path: Path) -> None:
    """A run of one scenario has the same rows as that scenario in a run of two."""
    spec = dict(WORLDS[WORLD], scenarios=["baseline_v1"])
    WORLDS["alone"] = spec
    try:
        alone = content_digests(build("alone", tmp_path))
    finally:
        del WORLDS["alone"]
    both = content_digests(plain)
    assert {name: digest for name, digest in both.items() if name in alone} == alone


def test_doubling_the_merchants_leaves_the_first_half_as_it_was(plain: Path, tmp_path: Path) -> None:
    import sim.world as cw

    spec = dict(WORLDS[WORLD], set={**WORLDS[WORLD]["set"], "merchant_universe_1A.merchants": 240})
    WORLDS["double"] = spec
    try:
        double = cw.open(build("double", tmp_path))
    finally:
        del WORLDS["double"]
    single = cw.open(plain)
    for dataset in (
        "merchant_catalogue_1A",
        "outlet_catalogue",
        "site_locations",
        "site_timezones",
        "edge_catalogue_3B",
    ):
        few, many = single[dataset].to_polars(), double[dataset].to_polars()
        kept = many.filter(many["merchant_id"].is_in(few["merchant_id"].unique().implode()))
        assert kept.equals(few), dataset


def test_an_overlay_moves_only_what_is_in_its_scope(plain: Path, tmp_path: Path) -> None:
    """A payday factor of one class: 1A-3B, the baseline and every arrival of every other class stay as they
    were.
    """
    import sim.world as cw

    spec = dict(
        WORLDS[WORLD], set={**WORLDS[WORLD]["set"], "overlay_policy_5A.payday.factors.consumer_daytime": 1.5}
    )
    WORLDS["overlay"] = spec
    try:
        other = build("overlay", tmp_path)
    finally:
        del WORLDS["overlay"]
    before, after = content_digests(plain), content_digests(other)
    assert other.name != plain.name
    untouched = [name for code in ("1A", "1B", "2A", "2B", "3A", "3B") for name in _datasets(plain, code)]
    untouched += ["merchant_zone_profile_5A", "class_zone_shape_5A", "merchant_zone_baseline_local_5A"]
    assert len(untouched) > 15 and all(before[name] == after[name] for name in untouched)
    old, new = cw.open(plain), cw.open(other)
    keys = old["merchant_zone_profile_5A"].to_polars()
    hit = set(keys.filter(keys["demand_class"].cast(str) == "consumer_daytime")["merchant_id"])
    moved = 0
    for scenario in ("baseline_v1", "stress_peak_online_v1"):
        left, right = (world.table("arrival_events_5B", scenario).to_polars() for world in (old, new))
        mine, theirs = (frame.filter(~frame["merchant_id"].is_in(list(hit))) for frame in (left, right))
        assert len(mine) > 1000 and mine.equals(theirs)
        moved += not left.equals(right)
    assert moved, "the overlay must move something, or this test shows nothing"


def _datasets(run_dir: Path, segment: str) -> list[str]:
    return [
        item["dataset"]
        for item in json.loads((run_dir / "gates" / segment / "index.json").read_text())["datasets"]
    ]
