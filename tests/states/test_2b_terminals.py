"""2B.S4: terminals by trade and size of their sites, and how the work is shared among them."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from memory_world import MemoryWorld, merchants, sites, vocabularies
from terminal_world import CONFIGS, TERMINALS, till_world

from sim.ground.errors import ContractError
from sim.recipes.supplied import SUPPLIED_DTYPES
from sim.recipes.weights import WEIGHT_TOTAL
from sim.rng import block, stream_key
from sim.segments.routing_2b import s4_site_terminals
from sim.segments.routing_2b.terminal_law import shares_of_work
from sim.state.frames import Frame

POLICY = CONFIGS["site_terminals_policy_2B"]
TAXONOMY = {entry["mcc"]: entry for entry in CONFIGS["mcc_taxonomy_1A"]["mccs"]}
CASH = CONFIGS["arrival_routing_policy_5B"]["cash_mccs"]


def kind_of(name: str) -> int:
    return vocabularies()["terminal_type"].index(name)


def trade(mcc: int) -> dict[str, float]:
    trades = POLICY["trades"]
    found: dict[str, float] = trades["mccs"].get(str(mcc), trades["sectors"][TAXONOMY[mcc]["sector"]])
    return found


@pytest.fixture(scope="module")
def tills() -> tuple[MemoryWorld, Frame]:
    of = merchants(1500)
    made = till_world(of, *sites(of))
    rows = made.run(TERMINALS)["s4_site_terminals_2B"]
    assert made.failed() == []
    return made, rows


def _by_site(rows: Frame) -> dict[int, list[int]]:
    found: dict[int, list[int]] = {}
    for row, site in enumerate(rows.site_id.tolist()):
        found.setdefault(site, []).append(row)
    return found


def test_every_row_again_from_its_words(tills: tuple[MemoryWorld, Frame]) -> None:
    """Each site's number and each terminal's kind, from words made again and plain arithmetic."""
    made, rows = tills
    shops = {row[0]: row[1:] for row in _rows(made.store.load("merchant_catalogue_1A"))}
    weights, mine = made.store.load("s1_site_weights_2B"), _by_site(rows)
    number, kind = (stream_key(made.seed, stream) for stream in ("2B.site_terminals", "2B.terminal_kind"))
    for row in range(len(weights)):
        merchant, site = int(weights.merchant_id[row]), int(weights.site_id[row])
        mcc, channel, brand = shops[merchant]
        if vocabularies()["channel"][channel] == "card_not_present":
            assert site not in mine
            continue
        letters = int.from_bytes(vocabularies()["country"][weights.legal_country_iso[row]].encode(), "big")
        place = letters << 32 | int(weights.site_order[row])
        law = trade(mcc)
        wanted = law["terminals"] * math.sqrt(brand * weights.site_scale[row])
        wanted = min(max(wanted, 1.0), POLICY["max_per_site"])
        u = ((int(block(number, place << 8, merchant)[0]) >> 12) + 0.5) / 2**52
        assert abs(wanted + u - round(wanted + u)) > 1e-9  # so that rounding decides nothing
        assert rows.terminal_no[mine[site]].tolist() == list(range(1, math.floor(wanted + u) + 1))
        for at, terminal in enumerate(mine[site]):
            word = int(block(kind, place << 16 | at << 8, merchant)[0])
            expected = "KIOSK" if word * 1000 >> 64 < law["kiosk_permille"] else "POS_TERMINAL"
            assert rows.terminal_type[terminal] == kind_of("ATM" if mcc in CASH else expected)
    assert {kind_of("ATM"), kind_of("KIOSK"), kind_of("POS_TERMINAL")} == set(rows.terminal_type.tolist())
    assert len(set(rows.terminal_id.tolist())) == len(rows) > len(mine) > 1000
    assert rows.terminal_id.max() < 2**63 and rows.terminal_id.min() > 0


def _rows(of: Frame) -> list[tuple[int, int, int, float]]:
    names = ("merchant_id", "mcc", "channel", "brand_factor")
    return list(zip(*(of[name].tolist() for name in names), strict=True))


def _loads(n: int) -> list[float]:
    """Loads of n terminals: Erlang's loss formula as the sum that it is, in exact fractions."""
    spare = POLICY["spare"]
    load = Fraction(((math.sqrt(spare * spare + 4 * n) - spare) / 2) ** 2)

    def lost(terminals: int) -> Fraction:
        terms = [load**k / math.factorial(k) for k in range(terminals + 1)]
        return terms[-1] / sum(terms)

    return [float(load * (lost(j - 1) - lost(j))) for j in range(1, n + 1)]


def test_work_is_shared_as_ordered_hunting_has_it(tills: tuple[MemoryWorld, Frame]) -> None:
    table = shares_of_work(POLICY["max_per_site"], POLICY["spare"])
    for n in (1, 2, 3, 7, 20, POLICY["max_per_site"]):
        assert np.abs(table[n, :n] - _loads(n)).max() < 1e-12
        assert (np.diff(table[n, :n]) < 0).all()
        assert not table[n, n:].any()
    rows = tills[1]
    for found in _by_site(rows).values():
        loads = _loads(len(found))
        weights = rows.weight_q[found].tolist()
        assert sum(weights) == WEIGHT_TOTAL
        for weight, load in zip(weights, loads, strict=True):
            # Loads are cut to 2**-32 of a terminal before they are shared exactly.
            assert abs(weight / WEIGHT_TOTAL - load / sum(loads)) < (len(found) + 2) * 2.0**-31


def test_a_site_twice_as_large_has_no_fewer(tills: tuple[MemoryWorld, Frame]) -> None:
    """Draws stay where they are, so every site has as many terminals or more."""
    made, rows = tills
    of, located, zoned = (
        made.store.load(name) for name in ("merchant_catalogue_1A", "site_locations", "site_timezones")
    )
    larger = till_world(of.with_columns(brand_factor=of.brand_factor * 2.0), located, zoned)
    again, before = _by_site(larger.run(TERMINALS)["s4_site_terminals_2B"]), _by_site(rows)
    assert again.keys() == before.keys()
    more = [len(again[site]) - len(found) for site, found in before.items()]
    assert min(more) == 0 < sum(more)


def test_a_users_trade_has_the_law_of_the_one_named(tills: tuple[MemoryWorld, Frame]) -> None:
    """A category outside the taxonomy: terminals by `law_mcc`."""
    of = merchants(40).with_columns(channel=np.zeros(40, dtype=np.int16), brand_factor=np.full(40, 1.0))
    own = of.with_columns(mcc=np.full(40, 9, dtype=np.uint16))
    columns = {name: np.zeros(40, dtype=dtype) for name, dtype in SUPPLIED_DTYPES.items()}
    columns |= {"merchant_id": of.merchant_id, "law_mcc": np.full(40, 5311, dtype=np.uint16)}
    given = Frame(
        columns,
        {name: np.full(40, name == "law_mcc") for name in columns if name not in ("merchant_id", "rows")},
    )
    by_law = of.with_columns(mcc=np.full(40, 5311, dtype=np.uint16))
    found = till_world(own, *sites(of), supplied=given).run(TERMINALS)["s4_site_terminals_2B"]
    expected = till_world(by_law, *sites(of)).run(TERMINALS)["s4_site_terminals_2B"]
    assert all((found[name] == expected[name]).all() for name in expected.names)
    assert len(found) > 3 * len(np.unique(found.site_id))


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({"sectors": {"grocery_pharmacy": {"terminals": 1.0, "kiosk_permille": 0}}}, "sectors"),
        (
            {"sectors": POLICY["trades"]["sectors"] | {"none": {"terminals": 1.0, "kiosk_permille": 0}}},
            "sectors.none",
        ),
        ({"mccs": {"9999": {"terminals": 1.0, "kiosk_permille": 0}}}, "mccs.9999"),
    ],
)
def test_trades_that_the_taxonomy_does_not_have_are_refused(change: dict[str, object], where: str) -> None:
    of = merchants(5)
    made = till_world(of, *sites(of), policy={"trades": POLICY["trades"] | change})
    with pytest.raises(ContractError, match=rf"(?s)TRADES_DIFFER.*trades\.{where}"):
        s4_site_terminals.preflight(made.context(s4_site_terminals.STATE))


@pytest.mark.parametrize(
    ("check", "change"),
    [
        ("sites with terminals", {"till_sites": 1}),
        ("ATMs stand where cash is given", {"misplaced": 1}),
        ("terminals by sector", {"terminals": 400}),
        ("kiosks by sector", {"kiosks": 400}),
    ],
)
def test_checks_bite(tills: tuple[MemoryWorld, Frame], check: str, change: dict[str, int]) -> None:
    made = tills[0]
    assert made.check_with(s4_site_terminals, check, dict.fromkeys(change, 0)).passed
    assert not made.check_with(s4_site_terminals, check, change).passed


@pytest.mark.parametrize("field", ["size_exponent", "max_per_site", "spare"])
def test_every_figure_of_the_policy_counts(tills: tuple[MemoryWorld, Frame], field: str) -> None:
    made, rows = tills
    of, located, zoned = (
        made.store.load(name) for name in ("merchant_catalogue_1A", "site_locations", "site_timezones")
    )
    other = {"size_exponent": 0.4, "max_per_site": 3, "spare": 0.5}[field]
    again = till_world(of, located, zoned, policy={field: other}).run(TERMINALS)["s4_site_terminals_2B"]
    assert len(again) != len(rows) or (again.weight_q != rows.weight_q).any()
