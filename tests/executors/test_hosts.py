"""Clusters that were there already: several hosts, other code, certificates, workers that sleep."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tiny_world import TINY
from traces import files

from sim.executors.cluster import ClusterOptions
from sim.executors.dask import DaskExecutor
from sim.shell.loop.outcome import RunResult
from tests.work import PATIENCE_S, wait_until

ROOT = Path(__file__).resolve().parents[2]
RUN = [sys.executable, "-m", "sim", "run", *(f"--set={key}={value}" for key, value in TINY.items())]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT), "NO_COLOR": "1"}

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("dask")]


class Daemons:
    """Schedulers and workers, ended with the test."""

    def __init__(self) -> None:
        self._processes: list[subprocess.Popen[bytes]] = []

    def start(
        self, role: str, *arguments: str | Path, prefix: tuple[str, ...] = (), code: Path = ROOT
    ) -> None:
        command = [
            *prefix,
            sys.executable,
            "-m",
            f"distributed.cli.dask_{role}",
            *map(str, arguments),
            "--no-dashboard",
        ]
        environment = {**ENVIRONMENT, "PYTHONPATH": str(code)}
        self._processes.append(
            subprocess.Popen(
                command, cwd=code, env=environment, stderr=subprocess.DEVNULL, start_new_session=True
            )
        )

    def end(self) -> None:
        for process in self._processes:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


@pytest.fixture
def daemons() -> Iterator[Daemons]:
    made = Daemons()
    yield made
    made.end()


def run(*arguments: str | Path, prefix: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
    command = [*prefix, *RUN, *map(str, arguments)]
    return subprocess.run(
        command, env=ENVIRONMENT, cwd=ROOT, capture_output=True, text=True, check=False, timeout=PATIENCE_S
    )


def wait_for(path: Path) -> None:
    wait_until(path.exists)


@pytest.fixture
def hosts() -> Iterator[list[tuple[str, ...]]]:
    """Three network namespaces on one bridge, 10.77.0.1 to 10.77.0.3:
    as separate as hosts that share a directory.
    """
    if os.geteuid() != 0 or shutil.which("ip") is None:
        pytest.skip("network namespaces need root and iproute2")
    names = [f"cw{os.getpid()}n{k}" for k in range(3)]

    def ip(*arguments: str, inside: str = "") -> None:
        subprocess.run(
            ["ip", *(["-n", inside] if inside else []), *arguments], check=True, capture_output=True
        )

    made = []
    try:
        try:
            for name in names:
                ip("netns", "add", name)
                made.append(name)
                ip("link", "set", "lo", "up", inside=name)
            head = names[0]
            ip("link", "add", "hub", "type", "bridge", inside=head)
            ip("addr", "add", "10.77.0.1/24", "dev", "hub", inside=head)
            ip("link", "set", "hub", "up", inside=head)
            for k, name in enumerate(names[1:], start=2):
                ip(
                    "link",
                    "add",
                    f"port{k}",
                    "type",
                    "veth",
                    "peer",
                    "name",
                    "eth0",
                    "netns",
                    name,
                    inside=head,
                )
                ip("link", "set", f"port{k}", "master", "hub", "up", inside=head)
                ip("addr", "add", f"10.77.0.{k}/24", "dev", "eth0", inside=name)
                ip("link", "set", "eth0", "up", inside=name)
        except subprocess.CalledProcessError as error:
            pytest.skip(f"network namespaces are not permitted here: {error.stderr.decode().strip()}")
        yield [("ip", "netns", "exec", name) for name in names]
    finally:
        for name in made:
            subprocess.run(["ip", "netns", "del", name], check=False, capture_output=True)


@pytest.mark.promise("P17", "three hosts in network namespaces of their own give the bytes of one")
def test_three_hosts_that_share_a_directory(
    daemons: Daemons, hosts: list[tuple[str, ...]], tmp_path: Path
) -> None:
    head, *others = hosts
    address = tmp_path / "scheduler.json"
    daemons.start(
        "scheduler", "--host", "10.77.0.1", "--port", "8786", "--scheduler-file", address, prefix=head
    )
    for k, prefix in enumerate(others, start=2):
        where = ["--host", f"10.77.0.{k}", "--local-directory", tmp_path / f"s{k}"]
        daemons.start("worker", "tcp://10.77.0.1:8786", "--nthreads", "1", *where, prefix=prefix)
    wait_for(address)
    dask = ["--executor", "dask"]
    done = run(
        "--until", "5B", "--out", tmp_path / "far", *dask, "--scheduler", "tcp://10.77.0.1:8786", prefix=head
    )
    assert done.returncode == 0, done.stderr
    assert run("--until", "5B", "--out", tmp_path / "here").returncode == 0
    far, here = (next(path for path in (tmp_path / name).iterdir()) for name in ("far", "here"))
    assert files(far) == files(here)
    assert json.loads((far / "run_receipt.json").read_text())["provenance"]["executor"] == "dask"


def test_a_worker_with_other_code_is_refused(daemons: Daemons, tmp_path: Path) -> None:
    other = tmp_path / "other"
    for room in ("sim", "cpu_fallback", "gpu_kernels", "contracts", "config"):
        shutil.copytree(ROOT / room, other / room, ignore=shutil.ignore_patterns("__pycache__"))
    with (other / "sim/shell/tables/digest.py").open("a") as file:
        file.write("# a change\n")
    address = tmp_path / "scheduler.json"
    daemons.start("scheduler", "--host", "127.0.0.1", "--port", "0", "--scheduler-file", address)
    daemons.start(
        "worker",
        "--scheduler-file",
        address,
        "--nthreads",
        "1",
        "--host",
        "127.0.0.1",
        "--local-directory",
        tmp_path,
        code=other,
    )
    wait_for(address)
    done = run(
        "--until",
        "1A",
        "--out",
        tmp_path / "runs",
        "--executor",
        "dask",
        "--scheduler-file",
        address,
        "--json",
    )
    error = json.loads(done.stdout)["error"]
    assert (done.returncode, error["code"], error["what"]) == (
        8,
        "SHELL.WORKER_DIFFERS",
        "a worker's code digest is not the driver's",
    )
    assert error["found"].split()[0] != error["expected"].split()[0] and str(other) in error["where"]


def test_with_certificates_nothing_goes_in_the_clear(daemons: Daemons, tmp_path: Path) -> None:
    if shutil.which("openssl") is None:
        pytest.skip("making certificates needs openssl")
    key, certificate = tmp_path / "key.pem", tmp_path / "cert.pem"
    make = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-days",
        "2",
        "-subj",
        "/CN=closedworld-test",
    ]
    subprocess.run([*make, "-keyout", str(key), "-out", str(certificate)], check=True, capture_output=True)
    tls = ["--tls-ca-file", certificate, "--tls-cert", certificate, "--tls-key", key]
    done = run("--until", "1A", "--out", tmp_path / "own", "--executor", "dask", *tls)
    assert done.returncode == 0, done.stderr
    address = tmp_path / "scheduler.json"
    common = ["--host", "127.0.0.1", *tls, "--protocol", "tls"]
    daemons.start("scheduler", "--port", "0", "--scheduler-file", address, *common)
    wait_for(address)
    where = json.loads(address.read_text())["address"]
    assert where.startswith("tls://")
    daemons.start("worker", where, "--nthreads", "1", "--local-directory", tmp_path, *common)
    joined = run(
        "--until", "1A", "--out", tmp_path / "joined", "--executor", "dask", "--scheduler", where, *tls
    )
    assert joined.returncode == 0, joined.stderr
    own, other = (next(path for path in (tmp_path / name).iterdir()) for name in ("own", "joined"))
    assert files(own) == files(other)
    for address, code, name in (
        (where, 2, "SHELL.USAGE"),
        (where.replace("tls:", "tcp:"), 8, "SHELL.EXECUTOR_UNAVAILABLE"),
    ):
        stranger = run(
            "--until",
            "1A",
            "--out",
            tmp_path / "none",
            "--executor",
            "dask",
            "--scheduler",
            address,
            "--json",
        )
        assert (stranger.returncode, json.loads(stranger.stdout)["error"]["code"]) == (code, name), (
            stranger.stderr
        )


@pytest.mark.promise(
    "P15", "a worker that sleeps is replaced and wakes to nothing", faults="SIGSTOP, later SIGCONT"
)
def test_a_worker_that_sleeps_is_replaced_and_wakes_to_nothing(
    build: Callable[..., RunResult], orders: Callable[[str], None], orders_folder: Path
) -> None:
    """SIGSTOP in the middle of a partition; the scheduler gives the worker up;
    SIGCONT when all is published.
    """
    import dask

    orders("00001.stop-once")
    with dask.config.set({"distributed.scheduler.worker-ttl": "15 s"}):
        executor = DaskExecutor(ClusterOptions(2))
        try:
            run_dir = build(executor, "dask").run_dir
            before = files(run_dir)
            began = sorted(orders_folder.glob("began.00001.*"), key=lambda path: int(path.name.split(".")[3]))
            assert len(began) >= 2
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(began[0].name.split(".")[2]), signal.SIGCONT)
            time.sleep(3)
            assert files(run_dir) == before == files(build(None, "local").run_dir)
            assert not list((run_dir / "staging").iterdir())
        finally:
            executor.close()
