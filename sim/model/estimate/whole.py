"""Expected rows and bytes of a whole request, all scenarios together.

`plan` shows these figures, and `run` requires that much disk space.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sim.model.estimate.places import expected_places
from sim.recipes.horizon import horizon_of
from sim.state.model import Facts, Rehearse

if TYPE_CHECKING:
    from sim.model.estimate.volumes import Volumes

# Measured on worlds built with the packaged priors; they size disks and patience, nothing else.
BYTES_PER_ARRIVAL = 6
BYTES_PER_KEY_BUCKET = 42
BYTES_PER_PARTY = 228  # all of 6A


def estimate(facts: Facts, rehearse: Rehearse | None = None) -> dict[str, int]:
    """Rough volumes: countries, metros, merchants, days, buckets, keys, arrivals, parties, bytes on disk.

    `parties_asked` is how many parties the demand asks for, and `parties` how many the countries have people
    for. Merchants, keys and parties are those of the run where the world is small enough to be drawn.

    Args:
        facts: The request.
        rehearse: Computes states in memory; None estimates every world by expectation.

    Raises:
        ContractError: `5A.S4.HORIZON_INVALID`.
        SimError: Whatever a rehearsed state would refuse in a run.
    """
    # Imported here: they load states of 5A, and a command that reads no world needs none.
    from sim.model.estimate.drawn import drawn_volumes, may_be_drawn
    from sim.model.estimate.volumes import expected_volumes

    horizons = [horizon_of(facts.params["scenario_horizon_5A"], scenario) for scenario in facts.scenarios]
    buckets = sum(horizon.buckets for horizon in horizons)
    longest = max(horizons, key=lambda horizon: horizon.days)
    if rehearse is not None and may_be_drawn(facts):
        volumes = drawn_volumes(facts, rehearse)
    else:
        volumes = expected_volumes(facts)
    keys = round(volumes.keys)
    arrivals = round(volumes.arrivals * len(horizons))
    asked = _parties(facts.params["population_prior_6A"], volumes)
    parties = min(asked, volumes.people)
    return {
        **expected_places(facts),
        "merchants": volumes.merchants,
        "days": longest.days,
        "buckets": longest.buckets,
        "keys": keys,
        "arrivals": arrivals,
        "parties": parties,
        "parties_asked": asked,
        "bytes": arrivals * BYTES_PER_ARRIVAL
        + keys * buckets * BYTES_PER_KEY_BUCKET
        + parties * BYTES_PER_PARTY,
    }


def _parties(prior: Any, volumes: Volumes) -> int:
    """Parties that the demand asks for; `entities_6a.s1_parties.population` has the law itself."""
    size = prior.size
    if size.law == "arrivals":
        wanted = volumes.weekly / (size.arrivals_per_active_party_week * size.active_share)
    else:
        wanted = volumes.outlets * size.parties_per_outlet
    return int(min(max(wanted + 0.5, prior.min_parties), prior.max_parties))
