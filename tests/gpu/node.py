"""Everything a bare GPU node can prove and measure in a few minutes,
in one command that needs no registry and no installation.

    make gpu-node-kit       # before, anywhere: .whl/ and cubins, to take along
    python3 tests/gpu/node.py --budget 400 --out OUT                    # there
    # anywhere: every stage, shrunk, on the emulated device
    python3 tests/gpu/node.py --budget 60 --out OUT --dry-run

The node needs CuPy, numpy, pyarrow, PyYAML, pytest, hypothesis, rich and typer; what else a run takes lies in
.whl/. Each stage is a process of its own, so that a fault of the device, a crash or a hang ends that stage
alone. A line of JSON a stage goes to OUT/stages.jsonl as soon as it has ended, what it printed to
OUT/log.txt, timings to OUT in the form of bench/results, and, where the CPU backend runs there too,
OUT/calibration.json and the private cache get the record that `--backend auto` goes by. A stage begins only
if the time left is enough for it; none outlives the budget.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
WHEELS = ROOT / ".whl"
KEEP = 5.0  # seconds of the budget for the table
# Left out where the node's own may be of another version: the first must not get in the way of kernels, the
# others no run imports.
HIDDEN = ("numba",)
HIDDEN_IN_DRY_RUNS = (*HIDDEN, "duckdb", "polars", "dask", "distributed", "s3fs", "cupy", "rmm", "pylibcudf")
PARITY = (
    "tests/kernels/test_every_kernel.py",
    "tests/kernels/test_bits.py",
    "tests/gpu/test_known_vectors.py",
)
PYTEST = ("-m", "pytest", "-o", "filterwarnings=default", "-p", "no:cacheprovider", "-q", "--maxfail=5")


@dataclass(frozen=True)
class Stage:
    """A stage: its name, seconds it needs at least, and what it does in a process of its own;
    it gives figures for its line.
    """

    name: str
    least: float
    work: Callable[[argparse.Namespace], dict[str, Any]]


def device(given: argparse.Namespace, **options: Any) -> Any:
    """The GPU, or the emulator in a dry run."""
    from gpu_kernels.device import CudaDevice, EmulatedDevice
    from sim.backends.cache import private_cache_dir

    return (
        EmulatedDevice(private_cache_dir("emulated"), **options)
        if given.dry_run
        else CudaDevice(private_cache_dir("cubins"), **options)
    )


def machine(given: argparse.Namespace) -> dict[str, Any]:
    """What is there; every kernel compiled, or found compiled."""
    from importlib import metadata

    from gpu_kernels.compile import nvrtc_version
    from sim.backends.kernel_contracts import load_kernel_contracts

    names = (
        "cupy-cuda13x",
        "numpy",
        "pyarrow",
        "pytest",
        "cuda-bindings",
        "nvidia-cuda-nvrtc",
        "pylibcudf-cu13",
        "rmm-cu13",
        "numba",
    )
    there = {
        found.metadata["Name"]: found.version
        for found in metadata.distributions()
        if found.metadata["Name"] in names
    }
    smi = shutil.which("nvidia-smi")
    told = (
        subprocess.run([smi, "-L"], capture_output=True, text=True, check=False).stdout.strip()
        if smi
        else "no nvidia-smi"
    )
    found, contracts = device(given), list(load_kernel_contracts().values())
    started = time.perf_counter()
    if not given.dry_run:
        found.prepare(contracts)
    compiled = time.perf_counter() - started
    return {
        "python": sys.version.split()[0],
        "processors": len(os.sched_getaffinity(0)),
        "packages": there,
        "nvidia-smi": told,
        "nvrtc": ".".join(map(str, nvrtc_version())) if not given.dry_run else "not asked",
        "kernels": len(contracts),
        "compiled_s": round(compiled, 2),
        **found.describe(),
    }


def parity(given: argparse.Namespace) -> dict[str, Any]:
    """Every kernel against the committed digests, in three geometries; ten million bit patterns; the
    published Philox vectors.
    """
    if given.dry_run:
        return pytest(given, PARITY[:1], "-k", "test_twins_give_the_committed_digest and open_uniform")
    return pytest(given, PARITY, "--require-gpu")


def pytest(given: argparse.Namespace, files: tuple[str, ...], *options: str) -> dict[str, Any]:
    """Run tests in a process of their own; their last line is the figure.

    Raises:
        RuntimeError: A test failed.
    """
    # no emulator beside the GPU: that is CI's work
    environment = {**os.environ, **({} if given.dry_run else {"CXX": "/bin/false"})}
    command = [sys.executable, *PYTEST, *options, *files]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    lines = [line for line in done.stdout.splitlines() if line.strip()]
    sys.stderr.write(done.stdout[-6000:] + done.stderr[-2000:])
    if done.returncode != 0:
        raise RuntimeError(
            next(
                (line for line in lines if line.startswith(("FAILED", "ERROR"))), (lines or ["no output"])[-1]
            )
        )
    return {"tests": sum(line.count(".") for line in lines if set(line.split("[")[0].strip()) <= set(".sx"))}


def operations(given: argparse.Namespace) -> dict[str, Any]:
    """Copies, sorting, repetition on random data against numpy;
    on a GPU streams and the end of its memory too.
    """
    import numpy as np

    from sim.backends.device_backend import device_backend

    found = device(given)
    ops, rows = device_backend(found).ops, 20_000 if given.dry_run else 5_000_000
    random = np.random.default_rng(given.seed)
    offset = np.append(0, np.sort(random.integers(0, rows, rows // 14))).astype(np.uint64)
    offset = np.append(offset, np.uint64(rows))
    values = random.integers(0, 2**64, rows, dtype=np.uint64)
    segment = np.repeat(np.arange(len(offset) - 1), np.diff(offset.astype(np.int64)))
    expected = values[np.lexsort((values, segment))]

    def sorted_there() -> Any:
        there = ops.to_device(values)
        ops.sort_segments(there, ops.to_device(offset))
        return ops.to_host(there)

    def repeated_there() -> Any:
        (column,) = ops.repeat([ops.to_device(values[: len(offset) - 1])], ops.to_device(np.diff(offset)))
        return ops.to_host(column)

    require("sort_segments", ops.turn(sorted_there), expected)
    require("repeat", ops.turn(repeated_there), values[segment])
    require("copy", ops.turn(lambda: ops.to_host(ops.to_device(values))), values)
    tests = (
        {}
        if given.dry_run
        else pytest(given, ("tests/gpu/test_cuda_device.py",), "--require-gpu", "-m", "gpu")
    )
    return {"rows": rows, **tests}


def require(name: str, found: Any, expected: Any) -> None:
    """Raise RuntimeError unless two arrays are the same, saying where they are not."""
    if found.dtype != expected.dtype or found.shape != expected.shape or (found != expected).any():
        first = int((found != expected).argmax()) if found.shape == expected.shape else -1
        raise RuntimeError(f"{name} differs from numpy at row {first}")


def worlds(given: argparse.Namespace) -> dict[str, Any]:
    """Whole worlds, held to the committed content digests; rows of the arrival path and of 6A.S2 stay on the
    device.
    """
    names = ("tiny",) if given.dry_run else ("tiny", "tiny-stress-900", "demo")
    return {name: held_to_digests(given, name) for name in names}


def held_to_digests(given: argparse.Namespace, name: str) -> dict[str, Any]:
    """Build a named world; RuntimeError names the datasets whose digests are not the committed ones."""
    from sim.backends.device_backend import device_backend
    from tests.runs.worlds import content_digests

    lines = (ROOT / "tests/golden/digests.tsv").read_text().splitlines()[1:]
    golden = {
        dataset: digest for world, dataset, digest in (line.split("\t") for line in lines) if world == name
    }
    with tempfile.TemporaryDirectory() as out:
        seconds, result = built(given, name, device_backend(device(given)), Path(out))
        found = content_digests(result.run_dir)
    wrong = sorted(dataset for dataset in found if golden.get(dataset) != found[dataset])
    if wrong or not found or (not given.until and found.keys() != golden.keys()):
        raise RuntimeError(
            f"{name}: {len(wrong)} of {len(found)} datasets differ from the committed digests: "
            f"{', '.join(wrong[:5])}"
        )
    return {"datasets": len(found), "seconds": round(seconds, 2)}


def built(given: argparse.Namespace, name: str, backend: Any, out: Path) -> tuple[float, Any]:
    """Wall seconds of a named world, or of a preset, and what was done."""
    from sim.model import MODEL
    from sim.shell.events.progress import Silent
    from sim.shell.loop.run import Options, run_world
    from sim.shell.request.request import Request, prepare
    from tests.runs.worlds import WORLDS

    spec = WORLDS.get(name, {"preset": name, "set": {}, "scenarios": []})
    scenarios = {"scenarios": tuple(spec["scenarios"])} if spec["scenarios"] else {}
    request = Request(
        preset=spec.get("preset", "demo"),
        seed=int(spec.get("seed", "42")),
        overrides=spec["set"],
        **scenarios,
    )
    options = Options(out=out, workers=len(os.sched_getaffinity(0)), verify_fraction=0.0, until=given.until)
    started = time.perf_counter()
    result = run_world(prepare(request, MODEL), backend, options, Silent())
    return time.perf_counter() - started, result


def columns(given: argparse.Namespace) -> dict[str, Any]:
    """What states do with columns between kernels: sorts, groups, sums, look-ups, gathers,
    on random columns against numpy.
    """
    return pytest(
        given,
        ("tests/gpu/test_columns.py",),
        *(("-k", "emulated") if given.dry_run else ("--require-gpu", "-m", "gpu")),
    )


def throughput(given: argparse.Namespace) -> dict[str, Any]:
    """Every kernel beside the device's copy bandwidth, the arrival chain, and two ways to sort segments,
    as a result of bench/.
    """
    from bench.case import Case, Options
    from bench.cases.gpu import kernel_rows
    from bench.main import measure

    found = device(given)

    def rows(options: Options) -> list[Any]:
        with found.session():
            return kernel_rows(found, options)

    size, names = (500, ("open_uniform", "expand_rows")) if given.dry_run else (1 << 22, ())
    options = Options(
        Path(tempfile.gettempdir()), runs=1 if given.dry_run else 3, rows=size, names=names, say=say
    )
    name = f"{len(os.sched_getaffinity(0))}-core-{found.describe()['device'].lower().replace(' ', '-')}"
    result = measure(Case("gpu", "", "", rows, False), options, name)
    (given.out / f"gpu-{name}.json").write_text(json.dumps(result, indent=1) + "\n")
    speed = {
        row["name"]: row["figures"]["rows"]["median"] for row in result["rows"] if "rows" in row["figures"]
    }
    return {"million_rows_a_second": speed}


def parquet(given: argparse.Namespace) -> dict[str, Any]:
    """With pylibcudf: Parquet decoded on the device equals pyarrow's,
    and a world read that way keeps its digests.
    """
    if given.dry_run:
        return {"left out": "a dry run has no pylibcudf"}
    import importlib.util

    if importlib.util.find_spec("pylibcudf") is None:
        return {"left out": "pylibcudf is not installed"}
    return {
        **pytest(given, ("tests/gpu/test_frames.py",), "--require-gpu", "-m", "gpu"),
        "tiny": held_to_digests(given, "tiny"),
    }


def measured(given: argparse.Namespace) -> dict[str, Any]:
    """The same worlds on the GPU and on the CPU, which keeps a calibration;
    the CPU's numba may be another than ours, or none.
    """
    from gpu_kernels.driver import Driver, Gpu, probe
    from sim.backends.calibration import Calibration, place_of, record
    from sim.backends.device_backend import device_backend

    told: dict[str, Any] = {}
    for name in ("tiny",) if given.dry_run else ("demo", "reference"):
        with tempfile.TemporaryDirectory() as out:
            gpu, result = built(given, name, device_backend(device(given)), Path(out))
        arrivals = sum(
            item.rows
            for bundle in result.bundles.values()
            for item in bundle.datasets
            if item.dataset == "arrival_events_5B"
        )
        told[name] = {"gpu_s": round(gpu, 2), "arrivals": arrivals}
        command = [sys.executable, __file__, "--cpu", name, *given.words]
        environment = {key: value for key, value in os.environ.items() if key != "GPU_NODE_HIDES"}
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            told[name]["cpu"] = f"cannot run here: {(done.stderr.strip() or 'no reason').splitlines()[-1]}"
            continue
        cpu = told[name]["cpu_s"] = json.loads(done.stdout.splitlines()[-1])["seconds"]
        place = place_of(Driver((13, 0), (Gpu("emulated", (9, 0), 0),)) if given.dry_run else probe())
        calibration = Calibration(place, name, arrivals, cpu, gpu)
        (given.out / "calibration.json").write_bytes(calibration.encode())
        if not given.dry_run:  # what an emulator takes says nothing of a GPU
            record(calibration)
    return told


def sanitized(given: argparse.Namespace) -> dict[str, Any]:
    """compute-sanitizer's memory checker over the kernels at 257 rows, where the machine lets it work."""
    tool = shutil.which("compute-sanitizer")
    if given.dry_run or tool is None:
        return {"left out": "a dry run has no GPU" if given.dry_run else "compute-sanitizer is not installed"}
    command = [
        tool,
        "--tool",
        "memcheck",
        "--error-exitcode",
        "99",
        sys.executable,
        *PYTEST,
        "--require-gpu",
        "-k",
        "257",
        PARITY[0],
    ]
    done = subprocess.run(
        command,
        cwd=ROOT,
        env={**os.environ, "CXX": "/bin/false"},
        capture_output=True,
        text=True,
        check=False,
    )
    sys.stderr.write(done.stdout[-4000:])
    if done.returncode == 0:
        return {"errors": 0}
    if done.returncode == 99:
        raise RuntimeError(
            next((line for line in done.stdout.splitlines() if "ERROR SUMMARY" in line), "memory errors")
        )
    return {"left out": f"it does not work here (exit {done.returncode})"}


STAGES = (
    Stage("machine", 10, machine),
    Stage("parity", 60, parity),
    Stage("operations", 15, operations),
    Stage("worlds", 45, worlds),
    Stage("columns", 40, columns),
    Stage("throughput", 45, throughput),
    Stage("parquet", 40, parquet),
    Stage("measured", 60, measured),
    Stage("sanitized", 45, sanitized),
)


def say(text: str) -> None:
    sys.stderr.write(text + "\n")


def unpacked(scratch: Path, hidden: tuple[str, ...]) -> dict[str, str]:
    """The environment of stages: wheels unpacked where imports find them,
    packages that must not be found hidden.
    """
    site = scratch / "site"
    site.mkdir()
    tag = f"cp{sys.version_info.major}{sys.version_info.minor}"
    for wheel in sorted(WHEELS.glob("*.whl")):
        if wheel.name.split("-")[2] not in ("py3", tag):
            continue  # it was packed for another Python than the one that is here
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(site)
    (scratch / "hides").mkdir()
    lines = [
        "import os, sys",
        "for name in os.environ.get('GPU_NODE_HIDES', '').split():",
        "    sys.modules[name] = None",
    ]
    (scratch / "hides/sitecustomize.py").write_text("\n".join(lines) + "\n")
    paths = [str(scratch / "hides"), str(ROOT), str(site), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(paths),
        "GPU_NODE_HIDES": " ".join(hidden),
        "PYTHONUNBUFFERED": "1",
    }


def one(stage: Stage, given: argparse.Namespace, environment: dict[str, str], left: float) -> dict[str, Any]:
    """Run a stage in a process of its own; its line."""
    need = stage.least if not given.dry_run else 0
    if left < need:
        return {
            "stage": stage.name,
            "outcome": "left out",
            "seconds": 0.0,
            "found": {"why": f"{left:.0f} s left, {need:.0f} s needed"},
        }
    started = time.perf_counter()
    command = [sys.executable, __file__, "--stage", stage.name, *given.words]
    log = given.out / "log.txt"
    with log.open("a") as sink, tempfile.TemporaryFile("w+") as answer:
        sink.write(f"== {stage.name}\n")
        sink.flush()
        process = subprocess.Popen(
            command, cwd=ROOT, env=environment, stdout=answer, stderr=sink, start_new_session=True
        )
        try:
            code: int | None = process.wait(timeout=left)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, 9)  # with the processes it started
            process.wait()
            code = None
        answer.seek(0)
        lines = answer.read().splitlines()
    seconds = round(time.perf_counter() - started, 2)
    if code is None:
        return {"stage": stage.name, "outcome": "timed out", "seconds": seconds, "found": {}}
    found = (
        json.loads(lines[-1]) if code == 0 and lines else {"error": log.read_text().strip().splitlines()[-1]}
    )
    return {
        "stage": stage.name,
        "outcome": "passed" if code == 0 else "failed",
        "seconds": seconds,
        "found": found,
    }


def main(words: list[str]) -> int:
    """Run the stages; exit code 0 if none failed or timed out."""
    parser = argparse.ArgumentParser(description="What a bare GPU node can prove and measure.")
    parser.add_argument("--budget", type=float, default=400.0, help="seconds for all of it")
    parser.add_argument("--out", type=Path, required=True, help="folder for results")
    parser.add_argument("--dry-run", action="store_true", help="every stage, shrunk, on the emulated device")
    parser.add_argument(
        "--only",
        action="append",
        choices=[stage.name for stage in STAGES],
        help="only this stage; repeatable",
    )
    parser.add_argument("--until", help="last segment of worlds")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--stage", help=argparse.SUPPRESS)
    parser.add_argument("--cpu", help=argparse.SUPPRESS)
    given = parser.parse_args(words)
    given.words = [word for word in words if word not in ("--stage", "--cpu", given.stage, given.cpu)]
    given.out = given.out.resolve()
    if given.stage:
        sys.path.insert(0, str(ROOT))
        print(json.dumps(next(stage for stage in STAGES if stage.name == given.stage).work(given)))
        return 0
    if given.cpu:
        from sim.backends import get_backend

        backend = get_backend("cpu")
        backend.kernels.compile_all()
        with tempfile.TemporaryDirectory() as out:
            print(json.dumps({"seconds": built(given, given.cpu, backend, Path(out))[0]}))
        return 0
    started, lines = time.perf_counter(), []
    given.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch, (given.out / "stages.jsonl").open("w") as told:
        environment = unpacked(Path(scratch), HIDDEN_IN_DRY_RUNS if given.dry_run else HIDDEN)
        for stage in STAGES:
            if given.only and stage.name not in given.only:
                continue
            left = given.budget - KEEP - (time.perf_counter() - started)
            lines.append(one(stage, given, environment, left))
            told.write(json.dumps(lines[-1]) + "\n")
            told.flush()
            say(f"{lines[-1]['stage']}: {lines[-1]['outcome']}, {lines[-1]['seconds']} s")
    for line in lines:
        print(
            f"{line['stage']:<12} {line['outcome']:<10} {line['seconds']:>8.2f} s  "
            f"{json.dumps(line['found'])[:200]}"
        )
    return 1 if any(line["outcome"] in ("failed", "timed out") for line in lines) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
