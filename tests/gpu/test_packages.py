"""Which packages a machine has: asked by exact names, so that one left over beside another does not answer
for it.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import sys

import pytest

from gpu_kernels.packages import DISTRIBUTIONS, version_of
from tests.kernels.runners import numba_fits


def installed(monkeypatch: pytest.MonkeyPatch, **found: str) -> None:
    def version(name: str) -> str:
        if name.replace("-", "_") not in found:
            raise importlib.metadata.PackageNotFoundError(name)
        return found[name.replace("-", "_")]

    monkeypatch.setattr(importlib.metadata, "version", version)


def test_one_left_over_beside_the_wanted_one_does_not_answer_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    installed(
        monkeypatch,
        cupy_cuda12x="13.6.0",
        cupy_cuda13x="14.2.0",
        cupy_xarray="0.1",
        rmm_cu12="25.2",
        pylibcudf_cu13="26.10.2",
    )
    assert {name: version_of(name) for name in DISTRIBUTIONS} == {
        "cupy": "14.2.0",
        "rmm": "25.2",
        "pylibcudf": "26.10.2",
    }


def test_a_package_whose_name_merely_begins_so_is_another(monkeypatch: pytest.MonkeyPatch) -> None:
    installed(monkeypatch, cupy_xarray="0.1", rmm_tools="1", pylibcudf_extras="1")
    assert {version_of(name) for name in DISTRIBUTIONS} == {None}


@pytest.mark.parametrize(
    ("version", "fits"),
    [("0.64.0", True), ("0.64.9", True), ("0.63.1", False), ("0.65.0", False), ("1.0", False)],
)
def test_a_numba_of_another_range_is_no_twin(
    monkeypatch: pytest.MonkeyPatch, version: str, fits: bool
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: object())
    installed(monkeypatch, numba=version)
    assert numba_fits() is fits


def test_a_hidden_numba_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "numba", None)
    assert not numba_fits()
