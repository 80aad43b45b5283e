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
from sim.recipes.words import block_at, word, words, words_at
from sim.rng import AddressError, block
from sim.shell.contracts.load import load_contracts
from sim.state.context import Context, PartitionContext
from sim.state.declaration import Partition, State
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
    ctx = context("6A.mule_account")
    party = ctx.field("party", **parts)
    parts = {**parts, "owned_account": np.array([3, 4], dtype=np.uint64)}
    one = CONTRACTS.streams["6A.mule_account"].address({name: int(each[1]) for name, each in parts.items()})
    assert int(party[1]) == one.c1 and party.dtype == np.uint64
    assert ctx.address("6A.mule_account", **parts).c1.tolist() == party.tolist()
    cells = np.full(2, 5)
    assert (
        ctx.field("party", party_cell=5, party_rank=ranks).tolist()
        == ctx.field("party", party_cell=cells, party_rank=ranks).tolist()
    )
    with pytest.raises(UndeclaredAccess, match="kernel 'entity_hash'"):
        context("6A.mule_account", kernels=()).address("6A.mule_account", **parts)
    with pytest.raises(AddressError, match="Found part"):
        ctx.field("part", party_rank=ranks)
    with pytest.raises(ValidationError, match="wider"):
        ctx.field("site", country_letters=1 << 16, site_order=ranks)


DRAWING = ("6A.merchant_ring", "6A.home", "5B.bucket_count", "5B.arrival_place")


def partition() -> PartitionContext:
    ctx = context(*DRAWING, kernels=("philox_block",))
    return ctx.for_partition(Partition(0))


def test_words_are_those_at_the_address_and_in_the_ledger() -> None:
    ctx, ranks, cells = partition(), np.array([0, 9], dtype=np.uint32), np.array([5, 6], dtype=np.uint64)
    key = ctx.stream("6A.home")
    found = words(ctx, "6A.home", party_rank=ranks, party_cell=cells)
    assert [each.tolist() for each in found] == [
        [
            block(key, (int(rank) << 8) + draw // 2, int(cell))[draw % 2]
            for rank, cell in zip(ranks, cells, strict=True)
        ]
        for draw in range(4)
    ]
    row, rings = ctx.ledger_rows["6A.home", None], ctx.stream("6A.merchant_ring")
    assert (row.entities, row.draws, row.blocks) == (2, 8, 4)
    assert word(ctx, "6A.merchant_ring", merchant_id=cells).tolist() == [
        block(rings, 0, c)[0] for c in (5, 6)
    ]
    at = ctx.address("6A.home", party_rank=ranks, party_cell=cells)
    assert [each.tolist() for each in (*block_at(ctx, at), *block_at(ctx, at, 1))] == [
        each.tolist() for each in words_at(ctx, at)
    ]
    assert ctx.ledger_rows["6A.home", None] == row, "nothing is told where nothing is entered"
    with pytest.raises(ValueError, match="too many values"):
        word(ctx, "6A.home", party_rank=ranks, party_cell=cells)


def test_how_many_words_is_the_contract_s() -> None:
    ctx = partition()
    assert ctx.draws_of("6A.home") == 4
    with pytest.raises(UndeclaredAccess, match="is not fixed"):
        ctx.draws_of("5B.bucket_count")
    with pytest.raises(UndeclaredAccess, match="does not declare stream"):
        ctx.draws_of("6A.card")
    with pytest.raises(UndeclaredAccess, match="does not declare stream"):
        words(ctx, "6A.card")


def test_the_ledger_refuses_what_has_no_room_at_its_address() -> None:
    ctx, two = partition(), np.array([1, 2], dtype=np.uint64)
    home = ctx.address("6A.home", party_rank=two, party_cell=two)
    for draws in (5, np.array([1, 5])):
        with pytest.raises(
            ValidationError, match="an entity draws more than its address has room for"
        ) as error:
            ctx.ledger(home, draws=draws)
        assert (error.value.code, error.value.found, error.value.expected) == (
            "6A.S9.ADDRESS_OVERFLOW",
            "5",
            "at most 4",
        )
    with pytest.raises(ValidationError, match="a run of entities has more"):
        ctx.ledger(home, entities=np.array([1, 2]))
    count = ctx.address("5B.bucket_count", bucket_index=two, demand_key=two)
    ctx.ledger(count, draws=np.array([131_072, 0]))
    with pytest.raises(ValidationError, match="room"):
        ctx.ledger(count, draws=131_073)
    place = ctx.address("5B.arrival_place", bucket_index=two, arrival_rank=0, demand_key=two)
    ctx.ledger(place, entities=np.array([1, 2**32]))
    with pytest.raises(ValidationError, match="room"):
        ctx.ledger(place, entities=np.array([1, 2**32 + 1]))
    assert {stream: (row.entities, row.draws) for (stream, _), row in ctx.ledger_rows.items()} == {
        "5B.bucket_count": (2, 131_072),
        "5B.arrival_place": (2**32 + 1, 2 * (2**32 + 1)),
    }
