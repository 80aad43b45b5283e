"""Recompute tests/golden/digests.tsv from the worlds named in tests/runs/worlds.py.

A changed digest means changed content for equal config: raise MODEL_VERSION (not where columns or tables were
only added) and say why in CHANGELOG.md.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.runs.worlds import WORLDS, build, content_digests

TARGET = Path(__file__).with_name("digests.tsv")


def rows(world: str) -> list[str]:
    with tempfile.TemporaryDirectory() as folder:
        return [
            f"{world}\t{name}\t{digest}"
            for name, digest in sorted(content_digests(build(world, Path(folder))).items())
        ]


if __name__ == "__main__":
    TARGET.write_text(
        "world\tdataset\tcontent_blake3\n" + "".join(f"{row}\n" for world in WORLDS for row in rows(world))
    )
    print(f"{TARGET}: {len(TARGET.read_text().splitlines()) - 1} digests")
