"""Expected rows and bytes of a whole request, all scenarios together.

`plan` shows these figures, and `run` requires that much disk space.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from sim.model.estimate.places import drawn_places, expected_places
from sim.recipes.horizon import Horizon, horizon_of
from sim.state.model import Facts, Rehearse

if TYPE_CHECKING:
    from sim.model.estimate.volumes import Volumes

# Measured on worlds built with the packaged priors; they size disks and patience, nothing else.
BYTES_PER_ARRIVAL = 93  # its event, its payer, and its payment: 67, of which 14 are its origin
BYTES_PER_KEY = 900  # a week of hours, above all
BYTES_PER_KEY_BUCKET = 3  # counts and noise
BYTES_PER_SURFACE_CELL = 5  # a key and bucket of each surface that is published
BYTES_PER_PARTY = 319  # all of 6A, and behaviour and trips in 6B
SURFACES = ("emit_local_intensities", "emit_utc_intensities", "emit_realised_intensities")


def estimate(facts: Facts, rehearse: Rehearse | None = None) -> dict[str, Any]:
    """Places, volumes and bytes on disk of a request.

    `where` has the ISO codes of the countries, the largest market first; `parties_asked` is how many parties
    the demand asks for, and `parties` no more than the countries have people for. Places, merchants, outlets,
    keys and parties are those of the run where the world is small enough to be drawn.

    Args:
        facts: The request.
        rehearse: Computes states in memory; None estimates every world by expectation.

    Raises:
        ContractError: `5A.S4.HORIZON_INVALID`.
        SimError: Whatever a rehearsed state would refuse in a run.
    """
    # Imported here: they load states of 5A, and a command that reads no world needs none.
    from sim.model.estimate.drawn import drawn_rows, drawn_volumes, may_be_drawn
    from sim.model.estimate.volumes import expected_volumes

    horizons = [horizon_of(facts.params["scenario_horizon_5A"], scenario) for scenario in facts.scenarios]
    longest = max(horizons, key=lambda horizon: horizon.days)
    if rehearse is not None and may_be_drawn(facts):
        rows = drawn_rows(rehearse)
        volumes, places = drawn_volumes(facts, rows), drawn_places(facts, rows)
    else:
        volumes, places = expected_volumes(facts), expected_places(facts)
    keys = round(volumes.keys)
    arrivals = round(volumes.arrivals * len(horizons))
    asked = _parties(facts.params["population_prior_6A"], volumes)
    parties = min(asked, volumes.people)
    return {
        **places,
        "merchants": volumes.merchants,
        "outlets": round(volumes.outlets),
        "days": longest.days,
        "buckets": longest.buckets,
        "keys": keys,
        "arrivals": arrivals,
        "parties": parties,
        "parties_asked": asked,
        "bytes": arrivals * BYTES_PER_ARRIVAL
        + keys * (BYTES_PER_KEY + _bytes_of_buckets(facts, horizons))
        + parties * BYTES_PER_PARTY,
    }


def _bytes_of_buckets(facts: Facts, horizons: Sequence[Horizon]) -> int:
    """Bytes that the buckets of a key take in all scenarios."""
    params, total = facts.params["scenario_horizon_5A"], 0
    for scenario, horizon in zip(facts.scenarios, horizons, strict=True):
        own = dict(params.scenarios[scenario].items()) if scenario in params.scenarios else {}
        surfaces = sum(bool(own.get(name, params[name])) for name in SURFACES)
        total += horizon.buckets * (BYTES_PER_KEY_BUCKET + surfaces * BYTES_PER_SURFACE_CELL)
    return total


def _parties(prior: Any, volumes: Volumes) -> int:
    """Parties that the demand asks for; `entities_6a.s1_parties.population` has the law itself."""
    size = prior.size
    if size.law == "arrivals":
        wanted = volumes.weekly / (size.arrivals_per_active_party_week * size.active_share)
    else:
        wanted = volumes.outlets * size.parties_per_outlet
    return int(min(max(wanted + 0.5, prior.min_parties), prior.max_parties))
