"""Ids of datasets: their numbers and suffixes are the reference engine's
(contracts/decisions/0011-dataset-ids.md), and no more differ.
"""

from __future__ import annotations

import re

from sim.ground.paths import contracts_root
from sim.model import MODEL
from sim.shell.contracts.load import load_contracts

DATASETS = [
    item
    for item in load_contracts(contracts_root()).datasets.values()
    if item.segment in {segment.code for segment in MODEL.segments}
]
NUMBERED = {item.id: item for item in DATASETS if re.match(r"s[0-9]+_", item.id)}

OTHER_STATE = {
    "s4_group_weights_2B": "2B.S3",
    "s4_ip_base_6A": "6A.S5",
    "s4_ip_links_6A": "6A.S5",
    "s4_entity_neighbourhoods_6A": "6A.S5",
    "s4_network_summary_6A": "6A.S5",
    "s5_party_fraud_roles_6A": "6A.S6",
    "s5_account_fraud_roles_6A": "6A.S6",
    "s5_merchant_fraud_roles_6A": "6A.S6",
    "s5_device_fraud_roles_6A": "6A.S6",
    "s5_ip_fraud_roles_6A": "6A.S6",
}
"""Datasets that another state makes than the number in their id names: those of the reference engine,
and no other, ever.
"""

NO_SUFFIX = {
    "outlet_catalogue",
    "site_locations",
    "site_timezones",
    "tz_timetable_cache",
    "zone_alloc",
    "zone_alloc_universe_hash",
}
"""Datasets whose id does not end in their segment: the same."""


def test_a_numbered_id_names_the_state_that_makes_it() -> None:
    assert len(NUMBERED) >= 34
    others = {
        id: item.produced_by
        for id, item in NUMBERED.items()
        if item.produced_by != f"{item.segment}.S{id[1 : id.index('_')]}"
    }
    assert others == OTHER_STATE


def test_an_id_ends_in_its_segment() -> None:
    assert {item.id for item in DATASETS if not item.id.endswith(f"_{item.segment}")} == NO_SUFFIX
