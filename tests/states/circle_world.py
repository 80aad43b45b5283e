"""Circles in memory as 6A.S9 would make them, for the tests of devices, addresses and roles."""

from __future__ import annotations

import numpy as np
from memory_world import vocabularies

from sim.state.frames import Frame

EVERY = 60
"""One party in so many leads a circle, of the parties after it in its country."""


def circles(base: Frame) -> dict[str, list[Frame]]:
    """Circles of two to seven parties, of all kinds and sizes in turn; members follow each other in the base.

    Args:
        base: All rows of s1_party_base_6A.
    """
    kinds, roles = vocabularies()["circle_kind"], vocabularies()["circle_role"]
    found, seats = [], []
    number: dict[int, int] = {}
    for lead in range(0, len(base) - 8, EVERY):
        turn = lead // EVERY
        country, size = int(base.country_iso[lead]), 2 + (turn + turn // len(kinds)) % 6
        if int(base.country_iso[lead + size]) != country:
            continue
        number[country] = number.get(country, 0) + 1
        kind = turn % len(kinds)
        found.append((country, number[country], 1000 + lead, kind, size, int(base.party_id[lead]), 20_400))
        for seat in range(size):
            role = roles.index("LEADER" if seat == 0 else "MEMBER")
            party = int(base.party_id[lead + seat])
            seats.append((country, number[country], seat, 1000 + lead, party, role))
    ring = np.array([row[3] < kinds.index("FLAT_SHARE") for row in found], dtype=np.bool_)
    column = {
        name: np.array([row[place] for row in found], dtype=dtype)
        for place, (name, dtype) in enumerate(
            (
                ("country_iso", np.int16),
                ("circle_no", np.uint32),
                ("circle_id", np.uint64),
                ("circle_kind", np.int16),
                ("members", np.uint16),
                ("leader_party_id", np.uint64),
                ("started_on", np.int32),
            )
        )
    }
    base_frame = Frame(
        {**column, "ring_id": np.where(ring, column["circle_id"], np.uint64(0))},
        {"ring_id": ring, "leader_party_id": np.ones(len(ring), dtype=np.bool_)},
    )
    member = {
        name: np.array([row[place] for row in seats], dtype=dtype)
        for place, (name, dtype) in enumerate(
            (
                ("country_iso", np.int16),
                ("circle_no", np.uint32),
                ("seat_no", np.uint16),
                ("circle_id", np.uint64),
                ("party_id", np.uint64),
                ("circle_role", np.int16),
            )
        )
    }
    none = np.zeros(len(seats), dtype=np.bool_)
    members = Frame(
        {**member, "in_metro": ~none, "account_id": np.zeros(len(seats), dtype=np.uint64)},
        {"account_id": none},
    )
    return {"s9_circles_6A": [base_frame], "s9_circle_members_6A": [members]}
