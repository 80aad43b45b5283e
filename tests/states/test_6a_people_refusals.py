"""What cannot be met is refused, naming the rule and the fix; and every check of 6A.S1 to 6A.S3 turns red
when its figure is wrong.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from memory_world import config, contracts, vocabularies
from people_world import STATES, EntityWorld, changed

from sim.backends.binder import KernelFailure
from sim.ground.errors import ContractError, ValidationError
from sim.segments.entities_6a.s1_parties import state as s1_parties
from sim.segments.entities_6a.s2_accounts import state as s2_accounts
from sim.segments.entities_6a.s3_instruments import state as s3_instruments
from sim.shell.tables.reference import Reference
from sim.state.params import Params
from tests.totals import altered, figures

IMPOSSIBLE = {
    "unknown region": (
        s1_parties,
        {"segmentation_prior_6A.party_type_mix.EMEA": {"RETAIL": 10_000}},
        "6A.S1.VOCABULARY_MISMATCH",
        "EMEA",
    ),
    "missing region": (
        s1_parties,
        {"segmentation_prior_6A.party_type_mix.Asia": None},
        "6A.S1.VOCABULARY_MISMATCH",
        "'Asia' is missing",
    ),
    "empty taxonomy": (
        s1_parties,
        {"party_taxonomy_6A.segments": {}},
        "6A.S1.VOCABULARY_MISMATCH",
        "R_VALUE",
    ),
    "mix that does not sum": (
        s1_parties,
        {"segmentation_prior_6A.party_type_mix.Asia.OTHER": 41},
        "6A.S1.MIX_INCOMPLETE",
        "10001",
    ),
    "segment of another type": (
        s1_parties,
        {"segmentation_prior_6A.segment_mix.OTHER.Asia": {"O_NONPROFIT": 9000, "R_VALUE": 1000}},
        "6A.S1.VOCABULARY_MISMATCH",
        "R_VALUE",
    ),
    "household sizes": (
        s1_parties,
        {"household_prior_6A.size_mix.Asia": [9000, 500]},
        "6A.S1.PRIORS_IMPOSSIBLE",
        "size_mix.Asia",
    ),
    "bounds": (
        s1_parties,
        {"population_prior_6A.min_parties": 40_000_000},
        "6A.S1.PRIORS_IMPOSSIBLE",
        "min_parties > max_parties",
    ),
    "no account types": (
        s2_accounts,
        {"account_taxonomy_6A.party_accounts": {}},
        "6A.S2.VOCABULARY_MISMATCH",
        "RETAIL_CURRENT_BASIC",
    ),
    "required below one": (
        s2_accounts,
        {"product_mix_6A.accounts.BUSINESS_CURRENT.mean": 0.9},
        "6A.S2.POLICY_CONTRADICTS",
        "BUSINESS_CURRENT is required",
    ),
    "required and barred": (
        s2_accounts,
        {"product_linkage_6A.not_eligible.RETAIL_CURRENT_BASIC": ["R_VALUE"]},
        "6A.S2.POLICY_CONTRADICTS",
        "keeps some from it",
    ),
    "mean above cap": (
        s2_accounts,
        {
            "account_per_party_6A.accounts.OTHER_SAVINGS.cap": 1,
            "product_mix_6A.accounts.OTHER_SAVINGS.mean": 1.5,
        },
        "6A.S2.POLICY_CONTRADICTS",
        "above the cap",
    ),
    "requires a later type": (
        s2_accounts,
        {"product_linkage_6A.requires_any.RETAIL_SAVINGS_INSTANT": ["RETAIL_SAVINGS_FIXED"]},
        "6A.S2.LINKAGE_IMPOSSIBLE",
        "decided later",
    ),
    "requires another's type": (
        s2_accounts,
        {"product_linkage_6A.requires_any.BUSINESS_TERM_LOAN": ["RETAIL_CURRENT_BASIC"]},
        "6A.S2.POLICY_CONTRADICTS",
        "not held by BUSINESS",
    ),
    "unknown scale": (
        s2_accounts,
        {"product_mix_6A.accounts.OTHER_SAVINGS.segment_tilt": {"thrift": 0.4}},
        "6A.S2.VOCABULARY_MISMATCH",
        "thrift",
    ),
    "credit account of others": (
        s2_accounts,
        {"product_mix_6A.credit.RETAIL.standard": "BUSINESS_SAVINGS"},
        "6A.S2.POLICY_CONTRADICTS",
        "no account of RETAIL parties",
    ),
    "credit account kept from some": (
        s2_accounts,
        {"product_mix_6A.credit.RETAIL.standard": "RETAIL_CREDIT_CARD_PREMIUM"},
        "6A.S2.POLICY_CONTRADICTS",
        "keeps some segments",
    ),
    "premium share of nothing": (
        s2_accounts,
        {"product_mix_6A.credit.BUSINESS.premium_permille": 100},
        "6A.S2.POLICY_CONTRADICTS",
        "go together",
    ),
    "tag without effect": (
        s2_accounts,
        {"account_per_party_6A.tags.CREDIT_AVOIDER": None},
        "6A.S2.POLICY_CONTRADICTS",
        "CREDIT_AVOIDER",
    ),
    "life of cards nobody is told of": (
        s3_instruments,
        {"card_life_6A.activation_mix": [{"days": 3, "parts": 9_999}]},
        "6A.S3.POLICY_CONTRADICTS",
        "9999",
    ),
    "reissue without a span": (
        s3_instruments,
        {"card_life_6A.reissue_days": [42, 28]},
        "6A.S3.POLICY_CONTRADICTS",
        "above the most",
    ),
    "fewest issuers above the most": (
        s3_instruments,
        {"issuers_6A.least": 13},
        "6A.S3.POLICY_CONTRADICTS",
        "above issuers_6A.most",
    ),
    "card of the market that all must have": (
        s3_instruments,
        {"instrument_mix_6A.accounts.RETAIL_CURRENT_BASIC.RETAIL_DEBIT_CARD_PHYSICAL.required": True},
        "6A.S3.POLICY_CONTRADICTS",
        "follows the market",
    ),
    "network nobody knows": (
        s3_instruments,
        {"national_payments_6A.markets.FR.debit": {"VISA+PAYPAL": 10_000}},
        "6A.S3.VOCABULARY_MISMATCH",
        "PAYPAL",
    ),
    "cards that do not sum": (
        s3_instruments,
        {"national_payments_6A.markets.FR.debit": {"VISA+CB": 9_000, "MASTERCARD": 999}},
        "6A.S3.MIX_INCOMPLETE",
        "9999",
    ),
    "market of no country": (
        s3_instruments,
        {"national_payments_6A.markets.XX": {"online_rail": "ACH"}},
        "6A.S3.VOCABULARY_MISMATCH",
        "XX",
    ),
    "region without cards": (
        s3_instruments,
        {"national_payments_6A.fallback.credit.Asia": None},
        "6A.S3.VOCABULARY_MISMATCH",
        "'Asia' is missing",
    ),
    "income group without holding": (
        s3_instruments,
        {"national_payments_6A.fallback.holding_permille.LOW": None},
        "6A.S3.VOCABULARY_MISMATCH",
        "'LOW' is missing",
    ),
    "unknown rail": (
        s3_instruments,
        {"national_payments_6A.markets.FR.online_rail": "HAWALA"},
        "6A.S3.VOCABULARY_MISMATCH",
        "HAWALA",
    ),
    "wallet nobody knows the cards of": (
        s3_instruments,
        {"national_payments_6A.markets.FR.wallets.IOS": {"VISA": 10_000}},
        "6A.S3.VOCABULARY_MISMATCH",
        "VISA",
    ),
}


@pytest.mark.parametrize("name", IMPOSSIBLE)
def test_contradictions_are_refused_before_anything_runs(name: str) -> None:
    module, changes, code, text = IMPOSSIBLE[name]
    with pytest.raises(ContractError) as caught:
        EntityWorld(3000, changed(changes)).preflight(module)
    assert caught.value.code == code
    assert text in " ".join([caught.value.what, *caught.value.examples])
    assert caught.value.do and caught.value.where


def test_a_region_outside_the_vocabulary_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    world = EntityWorld(3000)
    frame = world.store.reference.frame("countries", vocabularies())
    strange = frame.with_columns(None, region=np.where(frame.region == "Asia", "Atlantis", frame.region))
    monkeypatch.setattr(Reference, "frame", lambda self, name, words: strange)
    with pytest.raises(ContractError) as caught:
        world.preflight(s1_parties)
    assert (caught.value.code, list(caught.value.examples)) == ("6A.S1.REGION_UNKNOWN", ["Atlantis"])


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"population_prior_6A.country_share_max_permille": 10}, "6A.S1.COUNTRY_BOUNDS_INFEASIBLE"),
        (
            {
                "product_linkage_6A.not_eligible.BUSINESS_SAVINGS": [
                    name for name in vocabularies()["segment"] if name.startswith("B_")
                ]
            },
            "6A.S2.ZERO_WEIGHT",
        ),
        (
            {
                "account_per_party_6A.accounts.RETAIL_SAVINGS_INSTANT.cap": 1,
                "product_mix_6A.accounts.RETAIL_SAVINGS_INSTANT.mean": 0.99,
                "product_mix_6A.accounts.RETAIL_SAVINGS_INSTANT.segment_tilt": {"stability": 3.0},
            },
            "6A.S2.CAPS_INFEASIBLE",
        ),
        (
            {
                "instrument_mix_6A.accounts.RETAIL_SAVINGS_INSTANT.PARTY_BANK_ACCOUNT_DOMESTIC.mean": 0.99,
                "instrument_mix_6A.tilts.PARTY_BANK_ACCOUNT_DOMESTIC.segment": {"stability": 3.0},
            },
            "6A.S3.CAPS_INFEASIBLE",
        ),
    ],
)
def test_infeasible_totals_are_refused(changes: dict[str, Any], code: str) -> None:
    with pytest.raises(ValidationError) as caught:
        EntityWorld(3000, changed(changes)).build()
    assert caught.value.code == code
    assert caught.value.do and caught.value.found and caught.value.expected


def test_a_cap_in_all_that_cannot_hold_is_a_kernel_refusal() -> None:
    """Means fit the cap in all, but weights by type leave a cell too little room;
    the run loop makes it exit 4.
    """
    changes = {"account_per_party_6A.max_per_party.RETAIL": 4, "product_mix_6A.tilt_limit": 3.0}
    changes |= {
        f"product_mix_6A.accounts.RETAIL_{name}.segment_tilt": {"stability": 3.0}
        for name in ("SAVINGS_INSTANT", "CURRENT_PREMIUM")
    }
    with pytest.raises((KernelFailure, ValidationError), match=r"CAPS_INFEASIBLE|caps"):
        EntityWorld(3000, changed(changes)).build()


def test_a_world_without_demand_is_refused() -> None:
    world = EntityWorld(3000)
    packs = ("merchant_universe_1A", "demand_policy_5A")  # not its own: what the refusal says to change
    world.configs |= {name: Params(config(contracts().artefacts[name].path)) for name in packs}
    for name in ("outlet_catalogue", "merchant_zone_profile_5A"):
        world.store.parts[name] = [world.store.parts[name][0].slice(0, 0)]
    with pytest.raises(ValidationError) as caught:
        world.rows_of(s1_parties)
    assert caught.value.code == "6A.S1.ZERO_WEIGHT"


MUTATIONS = {
    "parties in all": {"parties": 1},
    "parties of each country": {"country": 1},
    "ids and households are whole": {"torn_households": 1},
    "households in all": {"households": 1},
    "mix of party types": {"segment_by_region": 100_000},
    "mix of segments": {"segment_by_region": 100_000},
    "members of a household": {"size_by_region": 100_000},
    "accounts of each cell": {"misplaced": 1},
    "accounts carry what their owners are": {"unlike_owner": 1},
    "caps by type and in all": {"over_cap": 1},
    "everybody has what is required": {"without_required": 1},
    "eligibility and linkage": {"rule_breaks": 1},
    "lives of parties": {"wrong_lives": 1},
    "profiles of parties": {"wrong_profiles": 1},
    "a building is at one point": {"torn_buildings": 1},
    "days of joining without a spike": {"joined": 1_000},
    "parties that join": {"joined": 1_000},
    "parties that leave": {"left": 1_000},
    "joining on weekends": {"joined_on_weekend": 1_000},
    "couples of one segment": {"pairs": 10_000},
    "odd couples": {"odd_pairs": 1_000},
    "shared buildings": {"homes_in_shared_buildings": 10_000},
    "occupations": {"occupations": 1_000},
    "e-mail classes": {"emails": 10_000},
    "phones abroad": {"phones_abroad": 1_000},
    "dates of accounts agree with their owners'": {"wrong_dates": 1},
    "days of opening without a spike": {"opened": 1_000},
    "young accounts": {"opened": 2_000},
    "accounts that open": {"opened": 2_000},
    "accounts that close": {"closed": 2_000},
    "openings on weekends": {"on_weekend": 2_000},
    "freezes inside the horizon": {"frozen_inside": 500},
    "accounts a party against the prior": {"by_type": 100_000},
    "account states": {"status": 100_000},
    "credit card holders of RETAIL parties": {"card_holders": 1},
    "ledger 6A.credit_holder": {"rng.6A.credit_holder.draws": 1},
    "merchants have accounts before they sell": {"opened_late": 1},
    "every merchant settles": {"merchants": -1},
    "instruments of each cell": {"wrong_owner": 1},
    "accounts have what is required": {"without_required": 1},
    "instrument linkage": {"rule_breaks": 1},
    "dates are in order": {"wrong_dates": 1},
    "cards alone have a BIN": {"undated": 1},
    "cards follow one another": {"torn": 1},
    "cards expire with a successor": {"unfollowed": 100_000},
    "cards issued on weekends": {"weekend": 100_000},
    "BINs are those of the table": {"strange_bins": 1},
    "ledger 6A.card_life": {"issued": 1},
    "cards bear what their country has": {"strange_marks": 1},
    "instruments an account against the prior": {"table": 100_000},
    "effective segments": {"segment_by_region": 10_000_000},
    "schemes of DEBIT_CARD": {"marks": 100_000},
    "tiers of cards": {"tiers": 100_000},
    "RETAIL_DEBIT_CARD_PHYSICAL on RETAIL_CURRENT_BASIC": {"by_market": 1},
    "ledger 6A.card_holder": {"rng.6A.card_holder.draws": 1},
    "ledger 6A.card": {"cards": 1},
    "ledger 6A.home": {"rng.6A.home.draws": 1},
    "ledger 6A.home_again": {"again_words": 1},
    "homes in the sea": {"at_sea_inland": 1},
    "ledger 6A.dwelling": {"rng.6A.dwelling.draws": 1},
    "ledger 6A.household_match": {"rng.6A.household_match.draws": 1},
    "ledger 6A.party_life": {"rng.6A.party_life.draws": 1},
    "ledger 6A.party_profile": {"rng.6A.party_profile.draws": 1},
}


@pytest.fixture(scope="module")
def world() -> EntityWorld:
    return EntityWorld(12_000).build()


@pytest.mark.parametrize("name", MUTATIONS)
def test_every_check_can_fail(world: EntityWorld, name: str) -> None:
    for module in STATES:
        totals = world.totals[module.STATE.id]
        checks = {check.name: check for check in module.checks(world.context(module.STATE), totals)}
        if name in checks and set(MUTATIONS[name]) <= set(figures(totals)):
            assert checks[name].passed
            bad = {}
            for key, amount in MUTATIONS[name].items():
                value = np.array(figures(totals)[key])
                value.ravel()[0] += amount
                bad[key] = value if value.shape else int(value)
            wrong = {
                check.name: check
                for check in module.checks(world.context(module.STATE), altered(totals, bad))
            }
            assert not wrong[name].passed
            return
    raise AssertionError(f"no state has a check {name!r}")
