"""Every key of the network's configuration has a consumer: some change of it moves a published row or a
check's bound, or is refused.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest
from memory_world import MemoryWorld
from network_world import ABROAD, CONFIGS, DEVICES, NETWORK, changed, world

from sim.backends.binder import KernelFailure
from sim.ground.errors import SimError
from sim.state.frames import Frame

OTHERS = {
    "circles_6A",
    "party_taxonomy_6A",
    "instrument_taxonomy_6A",
    "national_payments_6A",
    "realism_gates_people_6A",
    "scenario_horizon_5A",
    "arrival_routing_policy_5B",
}
OWN = [name for name in CONFIGS if name not in OTHERS]
PEOPLE = {"FR": 260, "NG": 120, "JP": 110, "AU": 90, "US": 140}


# Where organisations alone have servers, what servers do at other people's premises and homes is not to be
# seen.
WITH_SERVERS = {
    "device_prior_6A.type_permille.RETAIL": {
        **CONFIGS["device_prior_6A"]["type_permille"]["RETAIL"],
        "MOBILE": 400,
        "SERVER": 200,
    },
    "device_prior_6A.type_cap.RETAIL": {
        **CONFIGS["device_prior_6A"]["type_cap"]["RETAIL"],
        "MOBILE": 3,
        "SERVER": 2,
    },
}


def _leaves(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for key, inside in value.items():
            yield from _leaves(inside, f"{path}.{key}")
    else:
        yield path, value


LEAVES = [leaf for name in OWN for leaf in _leaves(CONFIGS[name], name) if not leaf[0].endswith(".version")]


def _mutations(value: Any) -> list[Any]:
    """Other values worth trying, the most telling first."""
    if isinstance(value, str):
        return [
            other
            for other in ("party", "merchant", "home", "office", "pool", "MERCHANT_IP")
            if other != value
        ]
    if isinstance(value, list):
        if value and isinstance(value[0], str):
            return [[*value, "instrument_id"], value[1:]]
        if value and value[0] > 1000:
            return [[*value, 5411, 5812, 5814, 5999, 7230]]
        return (
            [[1, *value], value[1:], []] if len(value) == 2 else [[*value[:-1], value[-1] + 1], [1, *value]]
        )
    return [value + 1, 1, 0, value / 2, 2.9, 19, 500]


class _World:
    """The same inputs under different configs, as digests of rows and of checks."""

    def __init__(self, people: dict[str, int] = PEOPLE) -> None:
        self.inputs = world(people, shops=25, files=1).store.parts

    @cache  # noqa: B019 - one world a test
    def before(self, servers: bool) -> str:
        return self.digest(changed(WITH_SERVERS if servers else {}))

    def digest(self, configs: dict[str, Any]) -> str:
        made = MemoryWorld(configs)
        made._contract = lambda dataset, frame: None  # type: ignore[method-assign]
        made.store.parts = dict(self.inputs)
        seen = hashlib.sha256()
        for program in (DEVICES, ABROAD, NETWORK):
            assert program.preflight is not None
            program.preflight(made.context(program.state))
            for name, frame in sorted(made.run(program).items()):
                seen.update(name.encode() + _bytes(frame))
            # The bounds as well: a gate that is not reached is still a gate.
            for check in made.checks.values():
                seen.update(repr((check.name, check.passed, check.expected, check.note)).encode())
        return seen.hexdigest()


def _bytes(frame: Frame) -> bytes:
    columns = (
        "\0".join(column.tolist()).encode() if column.dtype.kind == "O" else column.tobytes()
        for _, column in frame.items()
    )
    return b"".join(columns) + b"".join(mask.tobytes() for mask in frame.valid.values())


def _tell_apart(of: _World, path: str, value: Any) -> bool:
    base = WITH_SERVERS if ".SERVER" in path else {}
    before = of.before(bool(base))
    for other in _mutations(value):
        try:
            if of.digest(changed({**base, path: other})) != before:
                return True
        except (SimError, KernelFailure, KeyError, ValueError):
            # The last two: a word that is none of its vocabulary, which the schema refuses in a run.
            return True
    return False


@pytest.mark.slow(60)
@pytest.mark.parametrize("name", OWN)
def test_every_key_has_a_consumer(name: str) -> None:
    of = _World()
    idle = [
        path for path, value in LEAVES if path.startswith(f"{name}.") and not _tell_apart(of, path, value)
    ]
    if idle:  # what few devices do twice shows among many
        many = _World({"FR": 2600, "US": 1400})
        values = dict(LEAVES)
        idle = [path for path in idle if not _tell_apart(many, path, values[path])]
    assert not idle, idle


def test_every_leaf_is_looked_at() -> None:
    assert len(LEAVES) > 300 and {path.partition(".")[0] for path, _ in LEAVES} == set(OWN)
