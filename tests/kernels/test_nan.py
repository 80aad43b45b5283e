"""NaN goes into every float of every kernel: it is refused by name, or comes out as NaN,
where a column's check `finite` sees it.
"""

import numpy as np
import pytest

from sim.ground.errors import ContractError
from sim.shell.contracts.strict_yaml import load_text
from tests.kernels.binder import call, contracts, inputs, outputs
from tests.kernels.cases import case

FLOATS = [
    (stem, arg["name"]) for stem in sorted(contracts()) for arg in inputs(stem) if arg["dtype"] == "float64"
]
# A bound that is NaN bounds nothing; their contracts say why none can be.
BOUNDS = {("overlay_factor", name) for name in ("low", "high", "total_low", "total_high")}
BOUNDS |= {("cell_intensity", name) for name in ("lowest", "highest")}
# Places come from published coordinates, which check `finite` has passed, and the speed from a constant.
BOUNDS |= {("choose_cards", name) for name in ("radians_per_us", "x", "y", "z")}
NEVER_WINS = {("race_key", "weight")}


@pytest.mark.promise(
    "P22",
    "a NaN given to a kernel is refused, or comes out as NaN for a check to see",
    faults="NaN",
    cases=27,
)
@pytest.mark.parametrize(("stem", "name"), FLOATS)
def test_no_kernel_makes_a_number_of_nan(stem, name):
    given, dims = case(stem, 256)
    given = {
        **given,
        name: np.full_like(given[name], np.nan) if isinstance(given[name], np.ndarray) else float("nan"),
    }
    found, refused = call(stem, given, dims)
    if refused is not None:
        return
    floats = [column for column, arg in zip(found, outputs(stem), strict=True) if arg["dtype"] == "float64"]
    seen = any(np.isnan(column).any() for column in floats)
    if (stem, name) in NEVER_WINS:
        assert not seen and np.isposinf(floats[0]).all()
    else:
        assert seen == ((stem, name) not in BOUNDS)


@pytest.mark.parametrize("text", [".nan", ".inf", "-.inf", "1e999", "-1e999"])
def test_config_holds_no_number_that_is_not_finite(text):
    """All that keeps NaN out of the bounds above."""
    with pytest.raises(ContractError):
        load_text(f"low: {text}\n", "policy.yaml")
