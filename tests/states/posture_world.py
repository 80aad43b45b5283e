"""6A.S6 and S7 over parties, accounts, devices and addresses in memory."""

from __future__ import annotations

from functools import cache

import numpy as np
from memory_world import MemoryWorld, config, merchants
from posture_people import accounts, addresses, code, devices, instruments, people

from sim.segments.entities_6a.s6_fraud_roles import state as s6_fraud_roles
from sim.segments.entities_6a.s7_audit import state as s7_audit
from sim.segments.entities_6a.s9_circles import state as s9_circles
from sim.state.declaration import Check
from sim.state.frames import Array, Frame
from sim.state.program import Program

__all__ = ["CONFIGS", "audited", "built", "code", "entity_world", "posture"]

CONFIGS = {
    # Dense: worlds of some ten thousand parties have rings.
    "fraud_prevalence_6A": config("layer3/6A/policy/fraud_prevalence.yaml") | {"profile": "dense"},
    "circles_6A": config("layer3/6A/priors/circles.yaml"),
    "risk_tiers_6A": config("layer3/6A/policy/risk_tiers.yaml"),
    "fraud_role_taxonomy_6A": config("layer3/6A/taxonomy/fraud_roles.yaml"),
    "fraud_roles_party_6A": config("layer3/6A/priors/fraud_roles_party.yaml"),
    "fraud_roles_entity_6A": config("layer3/6A/priors/fraud_roles_entity.yaml"),
    "fraud_roles_merchant_6A": config("layer3/6A/priors/fraud_roles_merchant.yaml"),
    "realism_gates_posture_6A": config("layer3/6A/policy/realism_gates_posture.yaml"),
    "party_taxonomy_6A": config("layer3/6A/taxonomy/party.yaml"),
    "account_taxonomy_6A": config("layer3/6A/taxonomy/account.yaml"),
    "scenario_horizon_5A": config("layer2/5A/scenario_horizon.yaml"),
}


def _each(party_id: Array, count: int) -> Array:
    return np.bincount((party_id - np.uint64(1)).astype(np.int64), minlength=count).astype(np.uint16)


def _abroad(parties: Frame) -> Frame:
    """Every 40th party uses an address abroad: of a proxy, a hotel or hosting."""
    some = np.arange(0, len(parties), 40)
    kinds = [code("ip_type", name) for name in ("VPN_PROXY", "HOTEL_TRAVEL", "DATACENTRE")]
    return Frame({"party_id": parties.party_id[some], "ip_type": np.resize(np.int16(kinds), len(some))})


def entity_world(count: int, shops: int = 400, seed: int = 3) -> MemoryWorld:
    """A world as S6 finds it."""
    rng = np.random.default_rng(seed)
    made = MemoryWorld(CONFIGS)
    catalogue = merchants(shops)
    chain = np.repeat(np.arange(shops), np.where(np.arange(shops) % 5 == 0, rng.integers(2, 40, shops), 1))
    away = np.where(rng.random(len(chain)) < 0.1, np.int16(7), catalogue.home_country_iso[chain])
    outlets = Frame({"merchant_id": catalogue.merchant_id[chain], "legal_country_iso": away})
    base, summary = people(rng, count)
    held, held_summary = accounts(rng, base)
    owned, owned_summary, used = devices(rng, base, catalogue)
    lines, reached = addresses(rng, base, owned)
    cards, card_links = instruments(rng, held)
    counts = {
        "accounts": _each(held.owner_party_id, count),
        "instruments": _each(cards.owner_party_id, count),
        "devices_owned": _each(owned.primary_party_id[owned.valid["primary_party_id"]], count),
    }
    made.store.parts = {
        "merchant_catalogue_1A": [catalogue],
        "outlet_catalogue": [outlets],
        "s1_party_base_6A": [base],
        "s1_party_summary_6A": [summary],
        "s3_instrument_base_6A": [cards],
        "s3_account_instrument_links_6A": [card_links],
        "s4_entity_neighbourhoods_6A": [Frame({"party_id": base.party_id, **counts})],
        "s2_account_base_6A": [held],
        "s2_account_summary_6A": [held_summary],
        "s4_device_base_6A": [owned],
        "s4_device_summary_6A": [owned_summary],
        "s4_device_links_6A": [used],
        "s4_ip_base_6A": [lines],
        "s4_ip_links_6A": [reached],
        "s8_links_abroad_6A": [_abroad(base)],
    }
    return made


def posture(made: MemoryWorld) -> dict[str, Frame]:
    """S9 and S6 over a world; its devices know of no circle."""
    circles = made.run(Program.of(s9_circles))
    assert made.failed() == []
    return circles | made.run(Program.of(s6_fraud_roles))


def audited(made: MemoryWorld) -> dict[str, Check]:
    """S7 over a world after S6: its checks by name."""
    made.run(Program.of(s7_audit))
    return made.checks


@cache
def built() -> tuple[MemoryWorld, dict[str, Frame]]:
    """One world of 60,000 parties for all tests that only look."""
    made = entity_world(60_000)
    return made, posture(made)
