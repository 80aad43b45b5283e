"""The model as the engine takes it: segments, scenarios, readers of users' files, an estimate of volumes.

Importing this package loads no segment, so a command can refuse a bad request before the model is loaded.
"""

from sim.model.estimate.whole import estimate
from sim.model.inputs.merchants import MERCHANTS_INPUT, read_merchants
from sim.state.model import Model
from sim.state.program import Segment


def _segments() -> tuple[Segment, ...]:
    from sim.segments import SEGMENTS

    return SEGMENTS


MODEL = Model(
    module="sim.model",
    load=_segments,
    scenario_pack="scenarios_5A",
    inputs={MERCHANTS_INPUT: read_merchants},
    estimate=estimate,
)
"""The synthetic payments world."""

__all__ = ["MODEL"]
