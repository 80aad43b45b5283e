"""Handles on the test server and on the mini world in a store, for tests and for the processes they start."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.work import wait_until

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parents[1]), str(HERE.parent / "shell")]

SECRET = "wJalrXUtnFEMIK7MDENGbPxRfiCYSECRETKEY"


@dataclass
class Server:
    """The running server and the folder it is told things through."""

    folder: Path
    process: subprocess.Popen[bytes]
    bucket: str = ""

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{(self.folder / 'port').read_text()}"

    def puts(self) -> list[list[str]]:
        """(method, path, status) of every PUT and POST so far."""
        path = self.folder / "puts"
        return [line.split() for line in path.read_text().splitlines()] if path.exists() else []

    def tell(self, name: str, text: str = "") -> None:
        (self.folder / f"{name}.new").write_text(text)
        (self.folder / f"{name}.new").rename(self.folder / name)

    def hold(self, key: str, when: str) -> None:
        """Hold the next PUT of a path that ends in `key`, before or after it takes effect."""
        self.tell("hold", json.dumps({"key": key, "when": when}))

    def wait_held(self, process: subprocess.Popen[bytes]) -> None:
        """Until a PUT is held; fails if the process that would make it ends first."""
        wait_until((self.folder / "held").exists, lambda: process.poll() is None, 0.01)

    def free(self) -> None:
        """Let held PUTs go and forget everything told."""
        self.tell("release")
        time.sleep(0.05)
        for name in ("hold", "held", "release", "forget-if-none-match", "no-checksums", "corrupt"):
            (self.folder / name).unlink(missing_ok=True)


def environment(server: Server) -> dict[str, str]:
    return {
        "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE",
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": server.endpoint,
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
    }


@dataclass(frozen=True)
class Minis:
    """Builds the mini world of one root, locally or into a store."""

    root: Path

    def run(self, url: str, work: Path, keep_local: bool = False, until: str | None = None) -> Any:
        import miniworld

        from sim.backends import get_backend
        from sim.objects.location import parse_url
        from sim.objects.upload import Upload
        from sim.shell.events.events import Silent
        from sim.shell.loop.run import Options, run_world

        prepared = miniworld.prepared(self.root, scenarios=("calm", "storm"))
        upload = Upload(parse_url(url), prepared, Silent(), keep_local)
        options = Options(out=work, workers=1, until=until, publication=upload)
        return run_world(prepared, get_backend("cpu"), options, Silent())

    def open(self, url: str) -> Any:
        import sim.world as cw

        return cw.open(url, self.root / "contracts", self.root / "config")

    def verify(self, url: str, deep: bool = True) -> list[str]:
        from sim.objects.location import parse_url
        from sim.objects.verify import verify_url

        return list(
            verify_url(
                parse_url(url), ("1A", "1B"), deep, self.root / "contracts", self.root / "config"
            ).problems
        )
