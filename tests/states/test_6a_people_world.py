"""6A.S1 to 6A.S3 over a small world: laws that hold exactly, whatever the partitions."""

from __future__ import annotations

from datetime import date

import numpy as np
import pytest
from memory_world import vocabularies
from people_world import EntityWorld, base_configs, changed, digest, words

from sim.recipes.months import first_day_of_month, last_valid_day, month_of_day
from sim.segments.entities_6a.s1_parties import state as s1_parties

PARTIES = 30_000


@pytest.fixture(scope="module")
def world() -> EntityWorld:
    return EntityWorld(PARTIES).build()


def test_every_check_passes(world: EntityWorld) -> None:
    assert world.passed == {"6A.S1": [], "6A.S2": [], "6A.S3": []}
    assert len(world.frames["s1_party_base_6A"]) == PARTIES


def test_partitions_do_not_matter(world: EntityWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(s1_parties, "PARTITION_PARTIES", 5_000)
    split = EntityWorld(PARTIES).build()
    assert len(split.store.parts["s1_party_base_6A"]) > 3
    assert digest(split.frames) == digest(world.frames)


def test_another_seed_is_another_world_of_the_same_counts(world: EntityWorld) -> None:
    other = EntityWorld(PARTIES, seed=8).build()
    same = {"s1_party_summary_6A", "s2_account_summary_6A", "s3_instrument_summary_6A"}
    same |= {"s3_issuer_base_6A", "s3_bin_base_6A"}
    for name, frame in world.frames.items():
        assert (digest({name: frame}) == digest({name: other.frames[name]})) == (name in same), name


def test_parties_are_numbered_by_country_and_segment(world: EntityWorld) -> None:
    parties = world.frames["s1_party_base_6A"]
    assert np.array_equal(parties.party_id, np.arange(1, PARTIES + 1, dtype=np.uint64))
    key = parties.country_iso.astype(np.int64) * 100 + parties.segment_id
    assert (np.diff(key) >= 0).all()
    summary = world.frames["s1_party_summary_6A"]
    assert int(summary.parties.sum()) == PARTIES
    assert np.array_equal(parties.segment_id[summary.first_party_no.astype(np.int64) - 1], summary.segment_id)


def test_nobody_lives_in_a_country_above_its_cap(world: EntityWorld) -> None:
    parties = world.frames["s1_party_base_6A"]
    # Tuvalu has some 11 thousand inhabitants and a large part of this world's demand.
    tuvalu = int((words(parties, "country_iso", "country") == "TV").sum())
    people = world.context(s1_parties.STATE).reference("countries")
    inhabitants = int(people.population[people.country_iso == vocabularies()["country"].index("TV")][0])
    assert tuvalu <= inhabitants // 2


def test_households_share_a_home_and_follow_the_size_law(world: EntityWorld) -> None:
    parties = world.frames["s1_party_base_6A"]
    homes, first, size = np.unique(parties.household_id, return_index=True, return_counts=True)
    assert np.array_equal(homes, np.arange(1, len(homes) + 1, dtype=np.uint64))
    for column in ("country_iso", "home_city_id", "home_lat_deg", "home_lon_deg", "home_tzid"):
        assert np.array_equal(
            parties[column], parties[column][first][parties.household_id.astype(np.int64) - 1]
        )
    retail = words(parties, "party_type", "party_type") == "RETAIL"
    assert (size[parties.household_id[~retail].astype(np.int64) - 1] == 1).all()
    europe = (words(parties, "region_id", "region") == "Europe")[first] & retail[first]
    shares = np.bincount(size[europe], minlength=7)[1:] / europe.sum()
    wanted = np.array(base_configs()["household_prior_6A"]["size_mix"]["Europe"]) / 10_000
    assert np.abs(shares - wanted).max() < 0.005


def test_families_live_in_larger_households_than_the_retired(world: EntityWorld) -> None:
    parties = world.frames["s1_party_base_6A"]
    size = np.bincount(parties.household_id.astype(np.int64))[parties.household_id.astype(np.int64)]
    segment = words(parties, "segment_id", "segment")
    assert size[segment == "R_FAMILY"].mean() > size[segment == "R_RETIRED"].mean() + 0.5


def test_types_and_segments_follow_their_mixes(world: EntityWorld) -> None:
    parties = world.frames["s1_party_base_6A"]
    region, segment = words(parties, "region_id", "region"), words(parties, "segment_id", "segment")
    mix = base_configs()["segmentation_prior_6A"]
    for name in vocabularies()["region"]:
        inside = region == name
        for word, part in mix["segment_mix"]["RETAIL"][name].items():
            wanted = inside.sum() * mix["party_type_mix"][name]["RETAIL"] / 10_000 * part / 10_000
            # Each of the world's twelve countries may round type and segment by less than one.
            assert abs((inside & (segment == word)).sum() - wanted) <= 24


def test_totals_are_the_prior_rounded(world: EntityWorld) -> None:
    holders = {
        name: int((words(world.frames["s1_party_base_6A"], "party_type", "party_type") == name).sum())
        for name in ("RETAIL", "BUSINESS")
    }
    kind = words(world.frames["s2_account_base_6A"], "account_type", "account_type")
    mix = base_configs()["product_mix_6A"]["accounts"]
    for name in ("RETAIL_CURRENT_BASIC", "RETAIL_SAVINGS_FIXED", "BUSINESS_TERM_LOAN"):
        total = int((kind == name).sum())
        assert total == int(np.floor(mix[name]["mean"] * holders[name.split("_")[0]] + 0.5))


def test_accounts_and_links_carry_what_their_owners_and_instruments_are(world: EntityWorld) -> None:
    parties, accounts = world.frames["s1_party_base_6A"], world.frames["s2_account_base_6A"]
    owner = accounts.owner_party_id.astype(np.int64) - 1
    for name in ("country_iso", "region_id", "party_type", "segment_id"):
        assert np.array_equal(accounts[name], parties[name][owner]) and len(np.unique(accounts[name])) > 1, (
            name
        )
    rows, links = world.frames["s3_instrument_base_6A"], world.frames["s3_account_instrument_links_6A"]
    at = links.instrument_id.astype(np.int64) - 1
    for name in ("account_id", "instrument_type", "scheme"):
        assert np.array_equal(links[name], rows[name][at]), name


def test_caps_required_accounts_and_links_hold_for_every_party(world: EntityWorld) -> None:
    held = np.zeros((PARTIES, len(vocabularies()["account_type"])), dtype=np.int64)
    accounts = world.frames["s2_account_base_6A"]
    np.add.at(held, (accounts.owner_party_id.astype(np.int64) - 1, accounts.account_type), 1)
    kind = words(world.frames["s1_party_base_6A"], "party_type", "party_type")
    segment = words(world.frames["s1_party_base_6A"], "segment_id", "segment")
    code = vocabularies()["account_type"].index
    for name, rule in base_configs()["account_per_party_6A"]["accounts"].items():
        assert held[:, code(name)].max() <= rule["cap"], name
    assert held[kind == "RETAIL"].sum(axis=1).max() <= 12
    assert (held[kind == "BUSINESS", code("BUSINESS_CURRENT")] >= 1).all()
    assert not held[segment == "R_STUDENT", code("RETAIL_CREDIT_CARD_PREMIUM")].any()
    fixed = held[:, code("RETAIL_SAVINGS_FIXED")] > 0
    assert held[fixed][:, [code("RETAIL_CURRENT_PREMIUM"), code("RETAIL_SAVINGS_INSTANT")]].any(axis=1).all()
    holdings = world.frames["s2_party_product_holdings_6A"]
    recount = np.zeros_like(held)
    recount[holdings.party_id.astype(np.int64) - 1, holdings.account_type] = holdings.accounts
    assert np.array_equal(recount, held)


def test_leanings_and_gates_show(world: EntityWorld) -> None:
    """A leaning moves a segment, an idle gate leaves about that many without the product."""
    parties, accounts = world.frames["s1_party_base_6A"], world.frames["s2_account_base_6A"]
    kind, segment = words(accounts, "account_type", "account_type"), words(parties, "segment_id", "segment")
    cards = np.bincount(
        accounts.owner_party_id.astype(np.int64) - 1,
        weights=kind == "RETAIL_CREDIT_CARD_STANDARD",
        minlength=PARTIES,
    )
    mean = {name: cards[segment == name].mean() for name in ("R_AFFLUENT", "R_VALUE")}
    # exp(.7 * .5 + .35 * .25 - .25 * -.55): 1.6 times, less where nearly everybody holds one.
    assert 1.4 < mean["R_AFFLUENT"] / mean["R_VALUE"] < 2.4
    loans = np.bincount(
        accounts.owner_party_id.astype(np.int64) - 1,
        weights=kind == "RETAIL_PERSONAL_LOAN_UNSECURED",
        minlength=PARTIES,
    )
    mature = segment == "R_MATURE"
    assert 0.80 <= (loans[mature] == 0).mean() <= 0.95


def test_as_many_hold_credit_cards_as_the_market_says(world: EntityWorld) -> None:
    parties, accounts = world.frames["s1_party_base_6A"], world.frames["s2_account_base_6A"]
    kind, country = words(accounts, "account_type", "account_type"), words(parties, "country_iso", "country")
    carded = np.zeros(PARTIES, dtype=bool)
    carded[accounts.owner_party_id[np.char.find(kind, "CREDIT_CARD") >= 0].astype(np.int64) - 1] = True
    market = base_configs()["national_payments_6A"]["markets"]
    for name in ("BR", "DE", "IN", "JP", "NG", "US"):
        for party_type in ("RETAIL", "BUSINESS"):
            here = (country == name) & (words(parties, "party_type", "party_type") == party_type)
            permille = market[name]["holding_permille"]["credit"]
            assert int(carded[here].sum()) == (int(here.sum()) * permille + 500) // 1000
    premium = np.char.find(kind, "CREDIT_CARD_PREMIUM") >= 0
    standard = kind == "RETAIL_CREDIT_CARD_STANDARD"
    best = set(accounts.owner_party_id[premium].tolist())
    assert 0.3 < len(best - set(accounts.owner_party_id[standard].tolist())) / len(best) < 0.95


def test_merchants_settle_in_the_currency_of_their_home(world: EntityWorld) -> None:
    rows = world.frames["s2_merchant_account_base_6A"]
    kind = words(rows, "account_type", "account_type")
    assert sorted(rows.merchant_id[kind == "MERCHANT_SETTLEMENT_ACCOUNT"]) == sorted(
        world.store.load("merchant_catalogue_1A").merchant_id
    )
    german = words(rows, "country_iso", "country") == "DE"
    assert set(words(rows, "currency", "currency")[german]) == {"EUR"}
    assert int(rows.account_id[0]) == len(world.frames["s2_account_base_6A"]) + 1
    lives = world.store.load("s7_merchant_life_5A")
    mine = np.searchsorted(lives.merchant_id, rows.merchant_id)
    known = lives.present("opened_date")[mine]
    start = (date(2026, 1, 5) - date(1970, 1, 1)).days
    assert (rows.open_date < np.maximum(lives.opened_date[mine], start))[known].all()
    assert (rows.open_date >= lives.opened_date[mine] - 30)[known].all()
    assert (rows.open_date < (date(2026, 1, 5) - date(1970, 1, 1)).days + 60).all()


def test_instruments_belong_to_their_account_and_follow_its_dates(world: EntityWorld) -> None:
    accounts, rows = world.frames["s2_account_base_6A"], world.frames["s3_instrument_base_6A"]
    account = rows.account_id.astype(np.int64) - 1
    assert np.array_equal(rows.owner_party_id, accounts.owner_party_id[account])
    assert (rows.valid_from >= accounts.open_date[account]).all()
    is_card = np.char.find(words(rows, "instrument_type", "instrument_type"), "CARD") >= 0
    assert np.array_equal(rows.valid["bin"], is_card)


def test_cards_of_an_instrument_follow_one_another(world: EntityWorld) -> None:
    """One live card at a time; a reissue comes weeks before the expiry, a replacement after the loss."""
    rows, cards = world.frames["s3_instrument_base_6A"], world.frames["s3_card_base_6A"]
    kind = words(rows, "instrument_type", "instrument_type")
    assert set(cards.instrument_id) == set(rows.instrument_id[np.char.find(kind, "CARD") >= 0])
    status = words(cards, "status", "card_status")
    closed, active = cards.valid["closed_date"], cards.valid["activation_date"]
    assert np.array_equal(closed, ~np.isin(status, ["ACTIVE", "ISSUED"]))
    later = np.flatnonzero(cards.card_no > 1)
    before = later - 1
    assert (cards.instrument_id[before] == cards.instrument_id[later]).all() and len(later) > 300
    done = later[active[later]]
    assert (cards.closed_date[done - 1] <= cards.activation_date[done]).all() and closed[done - 1].all()
    lost = cards.number_no[later] > cards.number_no[before]
    assert (status[before][lost] == "LOST").all() and lost.sum() > 3
    expires = last_valid_day(cards.expiry_month[before])
    ahead = expires[~lost] - cards.issue_date[later][~lost]
    assert ahead.min() >= 28 and ahead.max() <= 42 + 7  # moved off a weekend
    assert abs(ahead.mean() - 35) < 2
    same = cards.last4[later] == cards.last4[before]
    assert same[~lost].all() and same[lost].mean() < 0.2


def test_a_bin_is_an_issuer_and_a_product(world: EntityWorld) -> None:
    rows, bins, issuers = (world.frames[f"s3_{name}_base_6A"] for name in ("instrument", "bin", "issuer"))
    accounts = world.frames["s2_account_base_6A"]
    assert len(np.unique(bins.bin)) == len(bins) and (bins.bin // 10_000 != 9792).all()
    cards = rows.take(rows.valid["bin"])
    at = np.searchsorted(bins.bin, cards.bin)
    for name in ("bin", "issuer_id", "scheme", "brand_tier", "domestic_only"):
        assert np.array_equal(bins[name][at], cards[name]), name
    country = accounts.country_iso[cards.account_id.astype(np.int64) - 1]
    assert np.array_equal(bins.country_iso[at], country)
    per_country = np.unique(issuers.country_iso, return_counts=True)[1]
    assert per_country.min() >= 3 and per_country.max() <= 12
    names = [f"{code} {name}" for code, name in zip(issuers.country_iso, issuers["name"], strict=True)]
    assert len(set(names)) == len(names)
    law = base_configs()["issuers_6A"]
    stems, kinds = zip(*(name.split(" ", 1) for name in issuers["name"]), strict=True)
    assert set(stems) == set(law["stems"]) and set(kinds) == set(law["kinds"])
    # All instruments of an account are at one bank, and most accounts of a party.
    first = np.searchsorted(rows.account_id, rows.account_id)
    assert np.array_equal(rows.issuer_id, rows.issuer_id[first])


def test_schemes_are_those_of_the_place(world: EntityWorld) -> None:
    rows, accounts = world.frames["s3_instrument_base_6A"], world.frames["s2_account_base_6A"]
    country = words(accounts, "country_iso", "country")[rows.account_id.astype(np.int64) - 1]
    scheme, kind = words(rows, "scheme", "scheme"), words(rows, "instrument_type", "instrument_type")
    domestic = kind == "PARTY_BANK_ACCOUNT_DOMESTIC"
    rails = {"DE": "SEPA_CREDIT", "GB": "FPS", "US": "ACH", "IN": "UPI", "TV": "LOCAL_TRANSFER"}
    for place, rail in rails.items():
        assert set(scheme[domestic & (country == place)]) == {rail}
    assert set(scheme[kind == "PARTY_BANK_ACCOUNT_INTERNATIONAL"]) == {"SWIFT"}
    cards = np.char.find(kind, "CARD") >= 0
    debit, market = np.char.find(kind, "DEBIT") >= 0, base_configs()["national_payments_6A"]["markets"]
    other = np.char.add("+", words(rows, "co_badge_scheme", "scheme"))
    marks = np.char.add(scheme, np.where(rows.valid["co_badge_scheme"], other, ""))
    for place in ("FR", "IN", "JP", "US"):
        for mix, own in (("debit", debit), ("credit", cards & ~debit)):
            here = own & (country == place)
            assert set(marks[here]) <= set(market[place][mix])
            for mark, parts in market[place][mix].items():
                share, off = parts / 10_000, (marks[here] == mark).mean() - parts / 10_000
                assert abs(off) < 6 * (share * (1 - share) / here.sum()) ** 0.5 + 1 / here.sum()
    # Tuvalu has no row: it pays as Oceania does.
    assert set(scheme[cards & (country == "TV")]) <= {"VISA", "MASTERCARD", "AMEX"}
    assert set(scheme[rows.domestic_only]) <= set(base_configs()["national_payments_6A"]["domestic_networks"])
    assert not rows.domestic_only[rows.valid["co_badge_scheme"]].any()
    # Schemes are not blocks of rows: neighbours differ about as often as chance says.
    german = scheme[cards & (country == "DE")]
    shares = np.unique(german, return_counts=True)[1] / len(german)
    assert abs((german[1:] != german[:-1]).mean() - (1 - (shares**2).sum())) < 0.05


def test_a_country_that_appears_moves_no_draw_of_another(world: EntityWorld) -> None:
    """Draws are addressed by country, segment and rank: the first Germans keep their homes' words when caps
    of Tuvalu change.
    """
    other = EntityWorld(
        PARTIES, changed({"population_prior_6A.parties_per_inhabitant_max_permille": 400})
    ).build()
    kept = []
    for built in (world, other):
        parties = built.frames["s1_party_base_6A"]
        own = (words(parties, "country_iso", "country") == "DE") & (
            words(parties, "party_type", "party_type") == "BUSINESS"
        )
        corporate = own & (words(parties, "segment_id", "segment") == "B_SOLE_TRADER")
        kept.append(
            [
                parties[name][corporate][:20].tolist()
                for name in ("home_city_id", "home_lat_deg", "home_lon_deg")
            ]
        )
    assert kept[0] == kept[1]


def test_months_are_those_of_the_calendar() -> None:
    days = np.arange(-800_000, 800_000, 37, dtype=np.int32)
    days = days[(days > -719_000)]
    found = month_of_day(days)
    epoch = date(1970, 1, 1).toordinal()
    wanted = [
        (day.year - 1970) * 12 + day.month - 1
        for day in (date.fromordinal(epoch + int(number)) for number in days)
    ]
    assert found.tolist() == wanted
    month = np.arange(-23_000, 23_000, dtype=np.int32)
    first = first_day_of_month(month)
    assert first.dtype == np.int32 and first.tolist() == [
        date(1970 + number // 12, number % 12 + 1, 1).toordinal() - epoch for number in month.tolist()
    ]


def test_parties_may_follow_outlets_instead_of_arrivals() -> None:
    world = EntityWorld(
        PARTIES, changed({"population_prior_6A.size": {"law": "outlets", "parties_per_outlet": 30.0}})
    ).build()
    assert len(world.frames["s1_party_base_6A"]) == 120 * 30


def test_a_world_of_one_country_is_a_world() -> None:
    world = EntityWorld(PARTIES)
    for name in ("outlet_catalogue", "merchant_zone_profile_5A"):
        frame = world.store.parts[name][0]
        world.store.parts[name] = [frame.take(words(frame, "legal_country_iso", "country") == "DE")]
    world.build()
    assert world.passed == {"6A.S1": [], "6A.S2": [], "6A.S3": []}
    assert set(words(world.frames["s1_party_base_6A"], "country_iso", "country")) == {"DE"}


def test_businesses_hold_more_than_people(world: EntityWorld) -> None:
    parties, accounts = world.frames["s1_party_base_6A"], world.frames["s2_account_base_6A"]
    held = np.bincount(accounts.owner_party_id.astype(np.int64) - 1, minlength=PARTIES)
    kind = words(parties, "party_type", "party_type")
    assert held[kind == "BUSINESS"].mean() > held[kind == "RETAIL"].mean()
