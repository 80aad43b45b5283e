"""Ways to harm a run directory, each told by name; used one at a time, in sequences,
and through the command line.
"""

from __future__ import annotations

import json
import os
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sim.ground.identity import pretty_json, sha256_bytes
from sim.shell.publish.gate import encode_flag

Harm = Callable[[Path, Path, random.Random], None]


def rewrite(path: Path, data: bytes) -> None:
    """New bytes under an old name."""
    path.write_bytes(data)


def flip(run: Path, path: Path, rng: random.Random) -> None:
    data = bytearray(path.read_bytes())
    data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    rewrite(path, bytes(data))


def truncate(run: Path, path: Path, rng: random.Random) -> None:
    os.truncate(path, rng.randrange(path.stat().st_size))


def append(run: Path, path: Path, rng: random.Random) -> None:
    rewrite(path, path.read_bytes() + bytes([rng.randrange(256)]) * rng.randint(1, 9))


def delete(run: Path, path: Path, rng: random.Random) -> None:
    path.unlink()


def extra(run: Path, path: Path, rng: random.Random) -> None:
    shutil.copy(path, path.with_name(f"extra-{rng.randrange(10**6)}.parquet"))


def swap(run: Path, path: Path, rng: random.Random) -> None:
    other = rng.choice([one for one in files(run) if one != path])
    mine, theirs = path.read_bytes(), other.read_bytes()
    rewrite(path, theirs)
    rewrite(other, mine)


def rename(run: Path, path: Path, rng: random.Random) -> None:
    path.rename(path.with_name(f"renamed-{path.name}"))


def symlink(run: Path, path: Path, rng: random.Random) -> None:
    moved = path.rename(run.parent / f"moved-{rng.randrange(10**9)}")
    path.symlink_to(moved)


def hardlink(run: Path, path: Path, rng: random.Random) -> None:
    other = rng.choice([one for one in files(run) if one != path])
    path.unlink()
    os.link(other, path)


def directory(run: Path, path: Path, rng: random.Random) -> None:
    path.unlink()
    path.mkdir()


def fifo(run: Path, path: Path, rng: random.Random) -> None:
    path.unlink()
    os.mkfifo(path)


def linked_directory(run: Path, path: Path, rng: random.Random) -> None:
    moved = path.parent.rename(run.parent / f"moved-{rng.randrange(10**9)}")
    path.parent.symlink_to(moved)


def coherent(run: Path, path: Path, rng: random.Random) -> None:
    """Rewrite a segment's index and its flag so that they agree with each other."""
    code = (
        path.relative_to(run).parts[1]
        if path.relative_to(run).parts[0] == "gates"
        else path.relative_to(run).parts[2]
    )
    index = run / "gates" / code / "index.json"
    if not (index.is_file() and index.with_name("_passed.flag").is_file()):
        raise FileNotFoundError(index)  # an earlier harm took them away, or put a pipe there
    document: dict[str, Any] = json.loads(index.read_bytes())
    if not isinstance(document.get("checks"), list):
        raise FileNotFoundError(index)  # an earlier harm put another document under its name
    if path.name.startswith("part-"):  # the data change too, and the index says what they are now
        flip(run, path, rng)
        part = next(
            part for item in document["datasets"] for part in item["files"] if path.name == part["name"]
        )
        part["file_sha256"] = sha256_bytes(path.read_bytes())
    document["checks"] = document["checks"][:-1]
    data = pretty_json(document)
    rewrite(index, data)
    rewrite(run / "gates" / code / "_passed.flag", encode_flag(code, data))


HARMS: dict[str, Harm] = {
    harm.__name__: harm
    for harm in (
        flip,
        truncate,
        append,
        delete,
        extra,
        swap,
        rename,
        symlink,
        hardlink,
        directory,
        fifo,
        linked_directory,
        coherent,
    )
}


def files(run: Path) -> list[Path]:
    """Regular files below data/ and gates/, links not followed."""
    return sorted(
        Path(folder) / name
        for part in ("data", "gates")
        for folder, _, names in os.walk(run / part)
        for name in names
        if (Path(folder) / name).is_file() and not (Path(folder) / name).is_symlink()
    )


def state(run: Path) -> dict[str, object]:
    """Everything below data/ and gates/: path -> bytes of a file, or what else it is."""
    found: dict[str, object] = {}
    for part in ("data", "gates"):
        if (run / part).is_symlink():
            found[part] = "link"
        for folder, folders, names in os.walk(run / part):
            for name in (*folders, *names):
                path = Path(folder) / name
                kind = "link" if path.is_symlink() else "directory" if path.is_dir() else "other"
                found[str(path.relative_to(run))] = (
                    path.read_bytes() if kind == "other" and path.is_file() else kind
                )
    return found
