"""What a state gets of addresses: those of streams it declares, formed as the contract says,
on its own kernels.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import sim
from sim.backends import get_backend
from sim.ground.errors import ValidationError
from sim.rng import AddressError
from sim.shell.contracts.load import load_contracts
from sim.state.context import Context
from sim.state.declaration import State
from sim.state.declared import UndeclaredAccess

CONTRACTS = load_contracts(Path(sim.__file__).parents[1] / "contracts")


def context(*streams: str, kernels: tuple[str, ...] = ("entity_hash",)) -> Context:
    nothing: Any = None
    given = {
        "seed": 7,
        "scenarios": (),
        "configs": {},
        "contracts": CONTRACTS,
        "inputs": nothing,
        "externals": {},
    }
    return Context(
        State(id="6A.S9", title="x", writes=(), streams=streams, kernels=kernels),
        backend=get_backend("cpu"),
        **given,
    )


def test_a_state_addresses_what_it_declares_and_nothing_else() -> None:
    ctx, merchants = context("6A.merchant_role"), np.array([3, 5], dtype=np.uint64)
    at = ctx.address("6A.merchant_role", merchant_id=merchants, role=2)
    assert (at.stream, at.c0.tolist(), at.c1.tolist()) == ("6A.merchant_role", [512, 512], [3, 5])
    with pytest.raises(UndeclaredAccess, match=r"6A\.S9 does not declare stream '6A\.merchant_ring'"):
        ctx.address("6A.merchant_ring", merchant_id=merchants)
    with pytest.raises(AddressError, match="Found no role"):
        ctx.address("6A.merchant_role", merchant_id=merchants)
    with pytest.raises(AddressError, match="Found site"):
        ctx.address("6A.merchant_role", merchant_id=merchants, role=2, site=merchants)


def test_a_value_wider_than_its_field_is_an_error_of_the_data() -> None:
    with pytest.raises(ValidationError) as error:
        context("6A.merchant_role").address(
            "6A.merchant_role", merchant_id=np.ones(2, np.uint64), role=np.array([1, 256])
        )
    assert (error.value.code, error.value.found, error.value.expected) == (
        "6A.S9.ADDRESS_OVERFLOW",
        "role = 256",
        "0 .. 2**8 - 1",
    )


def test_natural_keys_are_hashed_by_the_state_s_kernels() -> None:
    names, ranks = np.array([11, 12], dtype=np.uint64), np.array([0, 1], dtype=np.int64)
    parts = {"country_name": names, "segment_name": names, "party_rank": ranks}
    ctx = context("6A.synthetic_cluster")
    party = ctx.field("party", **parts)
    one = CONTRACTS.streams["6A.synthetic_cluster"].address(
        {name: int(each[1]) for name, each in parts.items()}
    )
    assert int(party[1]) == one.c1 and party.dtype == np.uint64
    assert ctx.address("6A.synthetic_cluster", **parts).c1.tolist() == party.tolist()
    cells = np.full(2, 5)
    assert (
        ctx.field("party", party_cell=5, party_rank=ranks).tolist()
        == ctx.field("party", party_cell=cells, party_rank=ranks).tolist()
    )
    with pytest.raises(UndeclaredAccess, match="kernel 'entity_hash'"):
        context("6A.synthetic_cluster", kernels=()).address("6A.synthetic_cluster", **parts)
    with pytest.raises(AddressError, match="Found part"):
        ctx.field("part", party_rank=ranks)
    with pytest.raises(ValidationError, match="wider"):
        ctx.field("site", country_letters=1 << 16, site_order=ranks)
