"""Every kernel on its case, at sizes around a block and at a million rows: all twins, the reference,
and the committed digests.

The digests in tests/golden/kernels.tsv are the numba twins': a machine without numba, one with a GPU and CuPy
alone, is held to them.
"""

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.kernels.binder import bind, call, check, contracts, run, runners
from tests.kernels.cases import CASES, SIZES, case
from tests.kernels.digests import GOLDEN, committed, digest_of_inputs, digest_of_outputs
from tests.kernels.refusals import BAD, UNSEEN, broken

ERRORS = sorted(
    (stem, error["name"]) for stem, contract in contracts().items() for error in contract["errors"]
)


def test_every_contract_has_a_case_every_error_a_way_to_it_and_every_case_a_digest():
    assert sorted(CASES) == sorted(contracts())
    assert sorted(BAD) == ERRORS
    assert sorted(committed()) == sorted((stem, n) for stem in contracts() for n in SIZES)


@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("stem", sorted(contracts()))
def test_twins_give_the_committed_digest(stem, n):
    given, dims = case(stem, n)
    # The reference is plain Python: a thousand rows are enough for it.
    found, refused = call(stem, given, dims)
    assert refused is None
    if n <= 1000:
        check(stem, given, dims)
    inputs, outputs = committed()[stem, n]
    same_inputs = digest_of_outputs(found) == outputs or digest_of_inputs(stem, given) == inputs
    assert same_inputs, (
        f"the inputs of {stem} at {n} rows are not those the digests in {GOLDEN.name} were made from"
    )
    assert digest_of_outputs(found) == outputs


@pytest.mark.parametrize(("stem", "name"), ERRORS)
def test_twins_refuse_the_same_row_by_the_same_name(stem, name):
    given, dims = broken(stem, name)
    _, refused = call(stem, given, dims)
    assert refused is not None and refused[1] == name
    if (stem, name) in UNSEEN:
        assert refused[0] == 0
    else:
        check(stem, given, dims)


WRAPPING = [
    ("cell_intensity", {"stride": 2**61}), ("cell_intensity", {"field_row": 2**64 - 1}),
    ("cell_intensity", {"first": 2**64 - 1}), ("cell_intensity", {"slow_row": 2**64 - 1}),
    ("cell_intensity", {"factor_start": 2**64 - 1}), ("cell_intensity", {"base_start": 2**64 - 1}),
    ("count_cells", {"stride": 2**61}), ("count_cells", {"first": 2**64 - 1}),
    ("demand_mass", {"grid_start": 2**64 - 1}), ("demand_mass", {"factor_start": 2**64 - 1}),
    ("verify_routes", {"site_first": 2**64 - 1, "edge_first": 2**64 - 1}),
    ("hour_mass", {"label_start": 2**64 - 1}), ("local_surface", {"grid_start": 2**64 - 1}),
    ("utc_surface", {"map_start": 2**64 - 1}), ("alias_pick", {"start": 2**64 - 1}),
    ("route_arrivals", {"site_first": 2**64 - 1, "edge_first": 2**64 - 1}),
    ("route_arrivals", {"till_first": 2**64 - 1}), ("verify_routes", {"till_first": 2**64 - 1}),
]  # fmt: skip


@pytest.mark.parametrize(("stem", "columns"), WRAPPING)
def test_no_bounds_check_wraps(stem, columns):
    """Places so far out that adding a length to them comes back to the beginning."""
    given, dims = case(stem, 1000)
    for name, value in columns.items():
        given[name] = np.full(len(given[name]), value, np.uint64)
    assert call(stem, given, dims)[1] is not None
    check(stem, given, dims)


@settings(deadline=None)
@given(offset=st.lists(st.integers(0, 12) | st.just(2**64 - 1), max_size=8), last=st.integers(0, 12))
@example(offset=[5, 3], last=4)
@example(offset=[2, 1, 9], last=4)
def test_offsets_that_fall_are_refused_at_the_same_row(offset, last):
    """A row that ends beyond the last one is bad itself, not only the one that falls back behind it."""
    check("expand_rows", {"offset": np.array([0, *offset, last], np.uint64)}, {"m": last})


def test_poison_shows_rows_that_are_not_written():
    """A runner that leaves the last row alone, and one that writes one row too many, are both found out."""

    class Lazy:
        name = "lazy"

        def launch(self, stem, arguments):
            arguments[-1][:-1] = arguments[0][:-1] >> np.uint64(1)

    class Greedy(Lazy):
        def launch(self, stem, arguments):
            arguments[-1].base[-1] = 0

    bound, lengths = bind("open_uniform", *case("open_uniform", 9))
    (column,), _ = run(Lazy(), "open_uniform", bound, lengths)
    assert column.view(np.uint64)[-1] == 0xA5A5A5A5A5A5A5A5
    with pytest.raises(AssertionError, match="writes outside"):
        run(Greedy(), "open_uniform", bound, lengths)
    assert len(runners()) >= 1
