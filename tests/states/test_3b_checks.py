"""3B's checks: each turns red when what it guards is wrong; policies that cannot be are refused."""

from __future__ import annotations

import numpy as np
import pytest
from memory_world import MemoryWorld, merchants
from virtual_world import CONFIGS, POLICY, build, built, code

from sim.ground.errors import ContractError
from sim.recipes.supplied import nothing_supplied
from sim.segments.virtual_3b import SEGMENT, s1_classification, s2_settlement, s3_edges, s4_edge_tables
from sim.state.frames import Frame
from tests.totals import figures


@pytest.fixture(scope="module")
def virtual() -> tuple[MemoryWorld, dict[str, Frame]]:
    return built()


@pytest.mark.parametrize(
    ("module", "name", "change"),
    [
        (s1_classification, "VIRTUAL_ONLY merchants", {"found.VIRTUAL_ONLY": 100}),
        (s1_classification, "HYBRID merchants", {"found.HYBRID": 100}),
        (s1_classification, "one row a merchant", {"merchants": 1}),
        (s1_classification, "ledger 3B.virtual_mode", {"rng.3B.virtual_mode.entities": 1}),
        (s1_classification, "ledger 3B.virtual_share", {"rng.3B.virtual_share.blocks": 1}),
        (s2_settlement, "every online merchant settles", {"settlements": -1}),
        (s2_settlement, "settlement city in the home country", {"abroad": 1}),
        (s2_settlement, "ledger 3B.settlement_city", {"rng.3B.settlement_city.draws": 1}),
        (s3_edges, "every online merchant has edges", {"merchants_with_edges": -1}),
        (s3_edges, "edges in all", {"edges": -(10**6)}),
        (s3_edges, "ledger 3B.footprint", {"rng.3B.footprint.blocks": 1}),
        (s3_edges, "ledger 3B.edge", {"rng.3B.edge.draws": 6}),
        (s3_edges, "ledger 3B.edge_again", {"rng.3B.edge_again.blocks": 1}),
        (s3_edges, "edges in the sea", {"at_sea_inland": 1}),
        (s3_edges, "demand from home", {"home_weight": -(4 * 10**11)}),
        (s3_edges, "largest edge", {"top_weight": 10**12}),
        (s3_edges, "edges a merchant vary", {"edges_squared": -(10**12)}),
        (s3_edges, "countries a merchant vary", {"countries_squared": -(10**12)}),
        (s4_edge_tables, "one slot an edge", {"edges": 1}),
        (s4_edge_tables, "weights are conserved", {"weight_units": 1}),
        (s4_edge_tables, "slots are picked by weight", {"wrong_tables": 1}),
    ],
)
def test_checks_turn_red(
    virtual: tuple[MemoryWorld, dict[str, Frame]], module: object, name: str, change: dict[str, int]
) -> None:
    assert virtual[0].check_with(module, name, {}).passed
    assert not virtual[0].check_with(module, name, change).passed


def test_the_country_mix_check_sees_a_shifted_mix(virtual: tuple[MemoryWorld, dict[str, Frame]]) -> None:
    """An eighth of all demand moved from the largest country to Pitcairn turns it red in a world of this
    size; so does a rolled mix.
    """
    made, name = virtual[0], "customers are where the law says"
    observed = figures(made.totals["3B.S3"])["mix_observed"]
    assert made.check_with(s3_edges, name, {}).passed
    move = np.zeros_like(observed)
    move[[int(np.argmax(observed)), code("country", "PN")]] = [
        -int(observed.sum()) // 8,
        int(observed.sum()) // 8,
    ]
    assert not made.check_with(s3_edges, name, {"mix_observed": move}).passed
    assert not made.check_with(s3_edges, name, {"mix_observed": np.roll(observed, 1) - observed}).passed


def test_shared_edge_ids_are_seen(virtual: tuple[MemoryWorld, dict[str, Frame]]) -> None:
    made, rows = virtual
    whole = made.store.parts["edge_catalogue_3B"]
    ids = rows["edge_catalogue_3B"].edge_id.copy()
    ids[-1] = ids[0]
    made.store.parts["edge_catalogue_3B"] = [rows["edge_catalogue_3B"].with_columns(edge_id=ids)]
    try:
        assert not made.check_with(s4_edge_tables, "edge ids are unique", {}).passed
    finally:
        made.store.parts["edge_catalogue_3B"] = whole


@pytest.mark.slow
def test_the_mix_of_a_large_world() -> None:
    """400,000 merchants: the mix is within its allowance, and the allowance is below 2 % of demand."""
    made, _ = build(merchants(400_000))
    check = made.check_with(s3_edges, "customers are where the law says", {})
    assert check.passed and check.expected < 20_000


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (
            {
                "reach_permille": {
                    **POLICY["reach_permille"],
                    "HYBRID": {"REGIONAL": 700, "CONTINENTAL": 220, "GLOBAL": 79},
                }
            },
            "HYBRID sums to 999",
        ),
        ({"edges_min": 97}, "97 > 96"),
    ],
)
def test_impossible_policies_are_refused(change: dict[str, object], text: str) -> None:
    made = MemoryWorld({**CONFIGS, "edge_policy_3B": {**POLICY, **change}})
    made.store.parts |= {
        "merchant_catalogue_1A": [merchants(50)],
        "merchant_supplied_1A": [nothing_supplied()],
    }
    edges = SEGMENT.programs[2]
    assert edges.preflight is not None
    with pytest.raises(ContractError) as refused:
        edges.preflight(made.context(edges.state))
    assert refused.value.code == "3B.S3.POLICY_IMPOSSIBLE" and text in refused.value.render()


def test_breadth_one_draws_by_share_alone() -> None:
    made = MemoryWorld({**CONFIGS, "edge_policy_3B": {**POLICY, "country_breadth": 1}})
    made.store.parts |= {
        "merchant_catalogue_1A": [merchants(500)],
        "merchant_supplied_1A": [nothing_supplied()],
    }
    for program in SEGMENT.programs:
        made.run(program)
        assert made.failed() == []
