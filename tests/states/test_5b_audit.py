"""A mutation of each law turns its check red: published arrivals are changed behind
5B.S4's back and audited.
"""

from typing import Any

import numpy as np
import pytest

from sim.ground.errors import ValidationError
from sim.segments.arrivals_5b import day_checks
from sim.segments.arrivals_5b.place_audit import CoinCounts
from sim.state.frames import Frame
from sim.state.params import Params
from tests.states.memory_world import config, vocabularies
from tests.states.world_5b import PROGRAMS, build
from tests.totals import altered, figures
from tests.totals import totals_of as totals_from

DATASET = ("arrival_events_5B", "baseline")


@pytest.fixture(scope="module")
def audited():
    made = build(
        count=80,
        days=3,
        volume=8.0,
        overrides={"arrival_placement_policy_5B": {"arrivals_a_partition": 30_000}},
    ).run_to("5B.S5")
    assert made.failed() == set()
    assert len(made.store.parts[DATASET]) > 2 and figures(made.totals)["coin_arrivals.virtual"] > 1000
    return made


def audit(world, change):
    """Names of the checks that fail once `change(frame)` replaced columns of the second file."""
    honest = world.store.parts[DATASET]
    frame = honest[1]
    columns, valid = change(
        {name: array.copy() for name, array in frame.items()},
        {name: mask.copy() for name, mask in frame.valid.items()},
    )
    world.store.parts[DATASET] = [honest[0], Frame(columns, valid), *honest[2:]]
    try:
        world.run("5B.S5")
    finally:
        world.store.parts[DATASET] = honest
    return world.failed()


def set_row(name, row, value):
    def change(columns, valid):
        columns[name][row] = value(columns) if callable(value) else value
        return columns, valid

    return change


def swap_flag(columns, valid):
    columns["is_virtual"][100] = ~columns["is_virtual"][100]
    return columns, valid


def null_both(columns, valid):
    valid["site_id"][100] = valid["edge_id"][100] = False
    return columns, valid


def other_place(columns, valid):
    """A site of some other merchant."""
    rows = np.flatnonzero(~columns["is_virtual"])
    other = rows[columns["merchant_id"][rows] != columns["merchant_id"][rows[0]]][0]
    columns["site_id"][rows[0]] = columns["site_id"][other]
    return columns, valid


def kind_of(name, of, **where):
    """The first row of a kind at sites or edges becomes one of another."""

    def change(columns, valid):
        rows = columns["arrival_kind"] == code(of)
        for column, value in where.items():
            rows &= columns[column] == value
        columns["arrival_kind"][np.flatnonzero(rows)[0]] = code(name)
        return columns, valid

    return change


def _row(columns, valid, **wanted):
    """First row of which that is so; `till` says whether it has a terminal."""
    found = valid["terminal_id"] == wanted.pop("till")
    for name, value in wanted.items():
        found = found & (columns[name] == value)
    return np.flatnonzero(found)[0]


def other_till(columns, valid):
    """A terminal of another site."""
    row = _row(columns, valid, till=True)
    there = valid["terminal_id"] & (columns["site_id"] != columns["site_id"][row])
    columns["terminal_id"][row] = columns["terminal_id"][np.flatnonzero(there)[0]]
    return columns, valid


def till_lost(columns, valid):
    """None where the site has some."""
    row = _row(columns, valid, till=True)
    columns["terminal_id"][row], valid["terminal_id"][row] = 0, False
    return columns, valid


def _till_at(columns, valid, **wanted):
    row = _row(columns, valid, till=False, **wanted)
    columns["terminal_id"][row] = columns["terminal_id"][_row(columns, valid, till=True)]
    valid["terminal_id"][row] = True
    return columns, valid


def till_at_edge(columns, valid):
    return _till_at(columns, valid, is_virtual=True)


def till_for_orders(columns, valid):
    """At a site that sells by telephone."""
    return _till_at(columns, valid, is_virtual=False)


def code(kind):
    return vocabularies()["arrival_kind"].index(kind)


def by_day(columns, valid):
    """An arrival of the afternoon becomes one that recurs."""
    hour = (columns["ts_utc"] // 60_000_000 + columns["utc_offset_minutes"]) // 60 % 24
    columns["arrival_kind"][np.flatnonzero(columns["is_virtual"] & (hour == 15))[0]] = code("MIT_RECURRING")
    return columns, valid


def later(columns):
    return columns["ts_utc"][101] + 1


@pytest.mark.parametrize(
    ("change", "red"),
    [
        (
            set_row("ts_utc", 100, lambda columns: columns["ts_utc"][100] + 3_600_000_000),
            "outside its bucket",
        ),
        (
            set_row("ts_utc", 100, lambda columns: columns["ts_utc"][100] - 86_400_000_000),
            "outside its bucket",
        ),
        (
            set_row("utc_offset_minutes", 100, lambda columns: columns["utc_offset_minutes"][100] + 60),
            "wrong civil offset",
        ),
        (set_row("ts_utc", 100, later), "out of time order"),
        (set_row("arrival_seq", 0, lambda columns: columns["arrival_seq"][0] + 1), "wrong arrival_seq"),
        (set_row("arrival_seq", -1, 1 << 20), "wrong arrival_seq"),
        (set_row("legal_country_iso", 100, 200), "no count row"),
        (set_row("zone_representation", 100, 350), "conservation per key and bucket"),
        (
            set_row("channel_group", 100, lambda columns: (columns["channel_group"][100] + 1) % 3),
            "no count row",
        ),
        (set_row("bucket_index", 100, 60), "conservation per key and bucket"),
        (set_row("merchant_id", 100, 5), "no count row"),
        (swap_flag, "not exactly one id"),
        (null_both, "not exactly one id"),
        (other_place, "not a member"),
        (set_row("tzid_primary", 100, 300), "wrong zone"),
        (set_row("tzid_settlement", 100, 299), "wrong zone"),
        (other_till, "wrong terminal"),
        (till_lost, "wrong terminal"),
        (till_at_edge, "wrong terminal"),
        (till_for_orders, "wrong terminal"),
        (kind_of("MIT_RECURRING", "CIT", is_virtual=False), "wrong arrival_kind"),
        (kind_of("MOTO", "CIT", is_virtual=True), "wrong arrival_kind"),
        (kind_of("CIT", "MOTO"), "wrong arrival_kind"),
        (by_day, "wrong arrival_kind"),
        (by_day, "recurring arrivals by night"),
    ],
)
def test_one_wrong_row_is_found(audited, change, red):
    assert red in audit(audited, change)


def first_of_its_kind(columns):
    """Index of the first arrival of each arrival's (merchant, bucket, zone, kind)."""
    key = np.stack(
        [
            columns[name].astype(np.uint64)
            for name in ("merchant_id", "bucket_index", "zone_representation", "is_virtual")
        ]
    )
    _, first, inverse = np.unique(key, axis=1, return_index=True, return_inverse=True)
    return first[inverse.reshape(-1)]


def one_place_an_hour(columns, valid):
    """The older engine's defect: one pick for all arrivals of a merchant's hour."""
    head = first_of_its_kind(columns)
    return columns | {name: columns[name][head] for name in ("site_id", "edge_id")}, valid


def first_till(columns, valid):
    """Every arrival of a site at one of its terminals: only weights are wrong."""
    _, first, inverse = np.unique(columns["site_id"], return_index=True, return_inverse=True)
    head = first[inverse.reshape(-1)]
    return columns | {"terminal_id": columns["terminal_id"][head]}, valid


def first_of_the_key(columns, valid):
    """Every arrival of a key at one place."""
    key = np.stack(
        [
            columns[name].astype(np.uint64)
            for name in ("merchant_id", "legal_country_iso", "zone_representation", "is_virtual")
        ]
    )
    _, first, inverse = np.unique(key, axis=1, return_index=True, return_inverse=True)
    head = first[inverse.reshape(-1)]
    return columns | {name: columns[name][head] for name in ("site_id", "edge_id")}, valid


def early_in_the_hour(columns, valid):
    """Offsets squeezed into the first two thirds of the bucket: order and bucket stay right."""
    start = columns["ts_utc"] // 3_600_000_000 * 3_600_000_000
    return columns | {"ts_utc": start + (columns["ts_utc"] - start) * 2 // 3}, valid


def test_one_pick_an_hour_is_found(audited):
    red = audit(audited, one_place_an_hour)
    assert "entropy places in a bucket" in red and "chi-square busiest hours" in red


def test_ignored_weights_are_found(audited):
    assert {"chi-square places", "entropy places in a bucket"} <= audit(audited, first_of_the_key)


def test_one_till_a_site_is_found(audited):
    assert audit(audited, first_till) == {"chi-square terminals"}


def test_squeezed_hours_are_found(audited):
    assert audit(audited, early_in_the_hour) == {
        "chi-square slots of the hour",
        "chi-square slots from opening on",
        "sites sell while open",
    }


def test_wrong_coin_is_found():
    made = build(count=80, days=3, volume=8.0).run_to("5B.S4")
    baseline = made.store.parts[("merchant_zone_baseline_local_5A", None)]
    share = baseline[0].virtual_share
    baseline[0] = baseline[0].with_columns(virtual_share=np.where(share == 0.3, 0.4, share))
    made.run("5B.S5")
    assert made.failed() == {"virtual coin"}


def test_bills_that_hardly_recur_are_found():
    """As many recurring arrivals as an hour's share says: three of four are too few."""
    made = build(count=80, days=3, volume=8.0).run_to("5B.S4")
    baseline = made.store.parts[("merchant_zone_baseline_local_5A", None)]
    share = baseline[0].recurring_share
    assert (share > 0.0).any()
    baseline[0] = baseline[0].with_columns(recurring_share=share * 0.75)
    made.run("5B.S5")
    assert made.failed() == {"recurring coin"}


def test_a_lost_row_is_found(audited):
    honest = audited.store.parts[DATASET]
    audited.store.parts[DATASET] = [honest[0].slice(0, len(honest[0]) - 1), *honest[1:]]
    try:
        with pytest.raises(ValidationError, match="COUNTS_NOT_CONSERVED"):
            audited.run("5B.S5")
    finally:
        audited.store.parts[DATASET] = honest


def test_zones_that_2a_and_2b_disagree_on_are_found(audited):
    honest = audited.store.parts[("site_timezones", None)]
    frame = honest[0]
    audited.store.parts[("site_timezones", None)] = [frame.with_columns(tzid=np.roll(frame.tzid, 1))]
    try:
        with pytest.raises(ValidationError, match="SITE_ZONES_DISAGREE"):
            audited.run("5B.S5")
    finally:
        audited.store.parts[("site_timezones", None)] = honest


def totals_of(state, **world):
    made = build(**world).run_to(state)
    assert made.failed() == set()
    program, totals = PROGRAMS[state], made.totals
    ctx = made.context(program.state)
    return figures(totals), lambda wrong: {
        check.name for check in program.checks(ctx, altered(totals, wrong)) if not check.passed
    }


def test_field_checks_turn_red():
    totals, red = totals_of("5B.S2", count=60, days=7)
    assert red({"total.field": totals["total.field"] + totals["values.field"] * 4096}) == {"field mean"}
    assert "field variance" in red({"squares.field": totals["squares.field"] * 2})
    assert red({"lagged.merchant": int(totals["lagged.merchant"] * 0.5)}) == {"merchant autocorrelation"}
    assert red({"squares.zone": totals["squares.zone"] * 2}) >= {"zone variance"}
    assert red({"rng.5B.latent_field.draws": totals["rng.5B.latent_field.draws"] + 1}) == {
        "ledger 5B.latent_field"
    }
    assert red({"rng.5B.metro_day.blocks": 0}) == {"ledger 5B.metro_day"}
    assert red({"apart": 1}) == {"demand as 5A published it"}


def test_day_checks_turn_red():
    """Scatter of a merchant, of countries, and how these move together: too much, too little, too alike."""
    gates = Params(config("layer2/5B/realism_gates.yaml"))
    for size, good in (("large", 0.08), ("small", 0.17)):
        days = 100_000
        for scatter, passes in ((good, True), (good * 2, False), (good / 2, False)):
            check = day_checks._merchant_check(gates, "x", size, days, days * scatter**2, 0.0)
            assert check.passed == passes, check
        few = day_checks._merchant_check(gates, "x", size, 8, 8 * (good / 2) ** 2, 0.0)
        assert few.passed, "eight days say nothing"
    rng = np.random.default_rng(4)
    shared, own = rng.normal(0.0, 0.011, 400), rng.normal(0.0, 0.025, (30, 400))
    cases = {
        (): shared + own,
        ("national noise",): 3.0 * (shared + own),
        ("national noise", "countries together"): (shared + own) * 0.0 + shared * 0.3,
        ("countries together",): own + 2.0 * shared - shared * 0.0 + rng.normal(0.0, 1e-9, 400),
    }
    for red, ratio in cases.items():
        found = day_checks._national_checks(gates, "x", ratio, np.zeros(30))
        assert (
            tuple(one.name.removesuffix(" of x").removesuffix(" in x") for one in found if not one.passed)
            == red
        )


def test_count_checks_turn_red():
    """A dispersion law twice as wide, fewer arrivals, one draw too many."""
    totals, red = totals_of("5B.S3", count=80, days=7, volume=10.0)
    arrivals = {key: figure for key, figure in totals.items() if key.startswith("arrivals.")}
    most = max(arrivals, key=lambda key: arrivals[key])
    squares = most.replace("arrivals", "squares")
    doubled = {squares: totals[squares] * 2}
    assert {name.split()[0] for name in red(doubled)} == {"dispersion"}
    assert {name.split()[0] for name in red({most: int(totals[most] * 0.9)})} == {"mean"}
    assert red({"rng.5B.bucket_count.draws": totals["rng.5B.bucket_count.draws"] + 1}) == {
        "ledger 5B.bucket_count"
    }


def test_arrival_and_group_checks_turn_red():
    totals, red = totals_of("5B.S4", count=30, days=2)
    assert red({"arrivals": totals["arrivals"] - 1}) == {
        "arrivals",
        "ledger 5B.arrival_place",
        "ledger 5B.arrival_route",
    }
    assert red({"rng.5B.arrival_route.draws": 1}) == {"ledger 5B.arrival_route"}
    assert 0 < totals["till_draws"] < totals["arrivals"]
    assert red({"till_draws": totals["till_draws"] + 1}) == {"ledger 5B.arrival_terminal"}
    totals, red = totals_of("5B.S1", count=60, days=2)
    assert red({"groups.baseline": 0}) == {"groups baseline"}
    assert red({"largest.baseline": totals["keys.baseline"]}) == {"largest group baseline"}
    assert red({"shared.baseline": 0}) == {"shared groups baseline"}


def test_sums_of_large_figures_do_not_overflow() -> None:
    """Fourth moments of busy buckets exceed what fits 64 bits in fixed point."""
    from sim.segments.arrivals_5b.sums import add_real, real

    ctx = build(count=5, days=1).context(PROGRAMS["5B.S5"].state)
    part: Any = None
    inner = ctx.for_partition(part)
    add_real(inner, CoinCounts.coin_expected["virtual"], np.array([2.0**60, 3.0, 0.25, 2.0**50 + 1.0]))
    assert real(CoinCounts(totals_from(ctx, [inner])).coin_expected["virtual"]) == 2.0**60 + 2.0**50 + 4.25
