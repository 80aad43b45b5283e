"""An S3-compatible server on loopback, one a test worker, and the mini world published into it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

from stores import Minis, Server, environment  # noqa: E402

from tests.work import wait_until  # noqa: E402


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("s3")
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, str(HERE / "s3_server.py"), str(folder)], stdout=log, stderr=log
        )
    wait_until((folder / "port").exists, lambda: process.poll() is None)
    yield Server(folder, process)
    process.kill()
    process.wait()


@pytest.fixture
def s3(server: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Server]:
    """The server, empty of orders, with credentials and endpoint in the environment and an own bucket
    `SERVER.bucket`.
    """
    for name, value in environment(server).items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    server.bucket = "b" + str(abs(hash(str(tmp_path))))
    import s3fs

    s3fs.S3FileSystem(skip_instance_cache=True).call_s3("create_bucket", Bucket=server.bucket)
    yield server
    server.free()


@pytest.fixture
def minis(mini: Any) -> Minis:
    return Minis(mini.root)


@pytest.fixture
def objects() -> Callable[[str], Any]:
    """The objects below a URL."""

    def opened(url: str) -> Any:
        from sim.objects.connect import open_store
        from sim.objects.location import parse_url

        return open_store(parse_url(url))

    return opened
