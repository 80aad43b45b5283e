"""Calls every twin of a kernel straight from its contract, independently of `sim.backends`,
for exact comparison.

`call` runs each twin this machine can run - numba, the CUDA text emulated on the host, the CUDA text on a
GPU - on its own poisoned outputs and returns only if all gave the same bits, or refused the same row for the
same reason. So every kernel test is a test of all twins.
"""

import importlib
from functools import cache
from pathlib import Path

import numpy as np
import yaml

from tests.kernels.numbers_of_cases import EDGES
from tests.kernels.runners import intact, poisoned, runners
from tests.reference._errors import RowError

ROOT = Path(__file__).resolve().parents[2]
NO_ERROR = 2**64 - 1


@cache
def contracts():
    """Parsed contracts by stem."""
    return {
        path.stem: yaml.safe_load(path.read_text())
        for path in sorted((ROOT / "contracts/kernels").glob("*.yaml"))
    }


def inputs(stem):
    return [arg for arg in contracts()[stem]["args"] if arg["kind"] == "scalar" or arg["dir"] == "in"]


def outputs(stem):
    return [arg for arg in contracts()[stem]["args"] if arg["kind"] == "column" and arg["dir"] == "out"]


def reference(stem):
    return getattr(importlib.import_module(f"tests.reference.{stem}"), stem)


@cache
def row_local(stem):
    """Whether the thread of row i writes row i of every output and nothing else, so that outputs are defined
    even where a row is refused.

    Twins that walk segments in one backend and rows in the other, or whose segments may overlap when offsets
    are wrong, promise no more than the refusal then: nobody sees their outputs.
    """
    return not any(arg.get("plus") for arg in contracts()[stem]["args"]) and stem not in (
        "cell_intensity",
        "count_cells",
        "demand_mass",
        "utc_surface",
    )


def frozen(value, dtype):
    """A read-only copy, so that a twin cannot touch its inputs."""
    array = np.array(value, dtype=dtype)
    array.flags.writeable = False
    return array


def bind(stem, given, dims):
    """Inputs of the contract's dtypes and the lengths of all dims."""
    lengths = dict(dims or {})
    bound = {}
    for arg in inputs(stem):
        dtype = np.dtype(arg["dtype"])
        if arg["kind"] == "scalar":
            bound[arg["name"]] = dtype.type(given[arg["name"]])
            continue
        column = frozen(given[arg["name"]], dtype)
        expected = lengths.setdefault(arg.get("dim", "n"), len(column) - arg.get("plus", 0))
        assert len(column) == expected + arg.get("plus", 0)
        bound[arg["name"]] = column
    return bound, lengths


def run(runner, stem, bound, lengths):
    """One twin on poisoned outputs: ([output arrays], None or (row, error name))."""
    contract = contracts()[stem]
    columns = {
        arg["name"]: poisoned(lengths[arg.get("dim", "n")] + arg.get("plus", 0), arg["dtype"])
        for arg in outputs(stem)
    }
    arguments = [(bound | columns)[arg["name"]] for arg in contract["args"]]
    word = np.full(1, NO_ERROR, np.uint64)
    if contract["errors"]:
        arguments.append(word)
    runner.launch(stem, arguments)
    for name, column in columns.items():
        assert intact(column), f"{stem}.{name}: {runner.name} writes outside the column"
    refused = None
    if int(word[0]) != NO_ERROR:
        names = {error["code"]: error["name"] for error in contract["errors"]}
        refused = (int(word[0]) >> 8, names.get(int(word[0]) & 0xFF, f"code {int(word[0]) & 0xFF}"))
    return list(columns.values()), refused


def differences(stem, expected, found):
    """One line for each column whose bits differ: the column, its first such row, both values."""
    lines = []
    for arg, want, got in zip(outputs(stem), expected, found, strict=True):
        if want.shape != got.shape:
            lines.append(f"{stem}.{arg['name']}: {len(want)} against {len(got)} rows")
            continue
        rows = np.flatnonzero(want.view(f"u{want.itemsize}") != got.view(f"u{got.itemsize}"))
        if len(rows):
            lines.append(
                f"{stem}.{arg['name']} row {rows[0]} (of {len(rows)} that differ): {want[rows[0]]!r} "
                f"against {got[rows[0]]!r}"
            )
    return lines


def compare(stem, first, second):
    """What differs between two answers of `run`, as text; nothing where they agree."""
    (expected, refused), (found, other) = first, second
    if refused != other:
        return [f"{stem}: refused {refused} against {other}"]
    return differences(stem, expected, found) if refused is None or row_local(stem) else []


def call(stem, given, dims=None):
    """Run all twins: ([output arrays], None or (row, error name)), once they agree to the bit."""
    bound, lengths = bind(stem, given, dims)
    first, *others = runners()
    answer = run(first, stem, bound, lengths)
    for other in others:
        wrong = compare(stem, answer, run(other, stem, bound, lengths))
        assert not wrong, f"{first.name} against {other.name}: {'; '.join(wrong)}"
    return answer


def check(stem, given, dims=None):
    """Twins and reference give the same bits, or refuse the same row for the same reason;
    returns the outputs.
    """
    found, refused = call(stem, given, dims)
    plain = [given[arg["name"]] for arg in inputs(stem)]
    plain = [value if isinstance(value, int | float) else np.asarray(value).tolist() for value in plain]
    try:
        expected = reference(stem)(*plain)
    except RowError as error:
        assert refused == (error.row, error.name), stem
        return found
    assert refused is None, (stem, refused)
    expected = expected if isinstance(expected, tuple) else (expected,)
    columns = [np.array(want, dtype=arg["dtype"]) for arg, want in zip(outputs(stem), expected, strict=True)]
    wrong = differences(stem, columns, found)
    assert not wrong, f"reference against twins: {'; '.join(wrong)}"
    return found


def words(rng, n):
    """Random uint64 words with the edge values mixed in."""
    found = rng.integers(0, 2**64, n, dtype=np.uint64)
    edges = np.array(EDGES, np.uint64)
    where = rng.random(n) < 0.2
    found[where] = rng.choice(edges, int(where.sum()))
    return found
