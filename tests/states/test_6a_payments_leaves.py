"""Every value of how markets pay is used: another value changes the tables that 6A.S2 to S5 read whole, or is
refused. What the states make of one country's row they make of every country's.
"""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
import pytest
from config_leaves import unused
from memory_world import MemoryWorld
from network_world import CONFIGS as NETWORK
from people_world import base_configs

from sim.segments.entities_6a.payments import (
    WALLET_SYSTEMS,
    by_country,
    check_payments,
    international_rails,
    marks_of,
    online_rails,
    permille_of,
)
from sim.segments.entities_6a.s3_instruments import state as s3_instruments
from sim.segments.entities_6a.s4_devices import state as s4_devices
from sim.segments.entities_6a.s4_devices.wallet_cards import taken_networks
from sim.state.params import Params

PACK = "national_payments_6A"


def tables(document: Any) -> str:
    """Digest of all that is read of the pack, by country."""
    seen = hashlib.blake2b()
    for state, configs in ((s3_instruments.STATE, base_configs()), (s4_devices.STATE, NETWORK)):
        world = MemoryWorld(configs)
        world.configs = world.configs | {PACK: Params(document)}
        ctx = world.context(state)
        if state.id == "6A.S3":
            check_payments(ctx)
            marks = marks_of(ctx)
            # Cards of a country by kind, whatever kinds other countries have.
            funding, country, kind = np.nonzero(marks.parts)
            bears = marks.scheme[kind], marks.co_badge[kind], marks.domestic[country, kind]
            for column in (funding, country, *bears, marks.parts[funding, country, kind]):
                seen.update(column.tobytes())
            for what in ("debit", "credit"):
                seen.update(permille_of(ctx, "holding_permille", what).tobytes())
            seen.update(online_rails(ctx).tobytes() + international_rails(ctx).tobytes())
        else:
            for what in ("ios", "wallet"):
                seen.update(permille_of(ctx, "phones_permille", what).tobytes())
            wallets = [
                {system: row[system].plain() for system in WALLET_SYSTEMS}
                for row in by_country(ctx, "wallets")
            ]
            seen.update(repr(wallets).encode() + taken_networks(ctx).tobytes())
    return seen.hexdigest()


@pytest.mark.slow
def test_every_value_is_used() -> None:
    assert unused(PACK, NETWORK[PACK], tables) == []
