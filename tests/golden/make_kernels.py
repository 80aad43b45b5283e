"""Recompute tests/golden/kernels.tsv from the numba twins: what every other twin of a kernel must give,
to the bit.

A changed digest of outputs for unchanged inputs means changed content for equal config: raise MODEL_VERSION
and say why in CHANGELOG.md. Inputs (tests/kernels/cases.py) may change freely.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.kernels.binder import bind, contracts, run
from tests.kernels.cases import SIZES, case
from tests.kernels.digests import GOLDEN, digest_of_inputs, digest_of_outputs
from tests.kernels.runners import Numba


def row(stem: str, n: int) -> str:
    given, dims = case(stem, n)
    found, refused = run(Numba(), stem, *bind(stem, given, dims))
    if refused:
        raise SystemExit(f"{stem} at {n} rows: refused {refused}")
    return f"{stem}\t{n}\t{digest_of_inputs(stem, given)}\t{digest_of_outputs(found)}\n"


if __name__ == "__main__":
    rows = [row(stem, n) for stem in sorted(contracts()) for n in SIZES]
    GOLDEN.write_text("kernel\trows\tinputs_sha256\toutputs_sha256\n" + "".join(rows))
    print(f"{GOLDEN}: {len(rows)} digests")
