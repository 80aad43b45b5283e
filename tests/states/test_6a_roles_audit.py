"""6A.S7: an untouched world passes; each tampered table turns the check that is about it red."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from memory_world import MemoryWorld
from posture_world import audited, built, code

from sim.segments.entities_6a.s7_audit import state as s7_audit
from sim.segments.entities_6a.s7_audit.counts import FAULTS
from sim.state.frames import Array, Frame
from sim.state.totals import Totals
from tests.totals import altered


def copied() -> MemoryWorld:
    made, _ = built()
    again = MemoryWorld({name: values.plain() for name, values in made.configs.items()})
    again.store.parts = dict(made.store.parts)
    return again


def test_untouched_world_passes() -> None:
    checks = audited(copied())
    assert [check.name for check in checks.values() if not check.passed] == []
    assert set(FAULTS) < set(checks)


def swap(name: str, row: int, value: int) -> Callable[[Frame], Frame]:
    def change(frame: Frame) -> Frame:
        column: Array = frame[name].copy()
        column[row] = value
        return frame.with_columns(**{name: column})

    return change


def hide(name: str, row: int) -> Callable[[Frame], Frame]:
    def change(frame: Frame) -> Frame:
        mask = frame.valid[name].copy()
        mask[row] = False
        column = frame[name].copy()
        column[row] = 0
        return frame.with_columns({name: mask}, **{name: column})

    return change


def second_user(frame: Frame) -> int:
    return int(np.flatnonzero(frame.link_role == code("device_link_role", "SECONDARY_USER"))[0])


def test_each_fault_is_found() -> None:
    made, rows = built()
    load = made.store.load
    devices, links, ips = load("s4_device_base_6A"), load("s4_device_links_6A"), load("s4_ip_base_6A")
    stranger = second_user(links)
    shared = int(np.flatnonzero(devices.valid["shared_household_id"])[0])
    home = int(np.flatnonzero(ips.valid["owner_household_id"])[0])
    on_home = int(np.flatnonzero(load("s4_ip_links_6A").ip_id == ips.ip_id[home])[0])
    reached = load("s4_ip_links_6A")
    usual = int(np.flatnonzero(reached.valid["party_id"] & reached.valid["device_id"])[0])
    roles = rows["s5_party_fraud_roles_6A"]
    clean = np.flatnonzero(roles.fraud_role == 0)
    tie = int(np.flatnonzero(roles.cause == code("role_cause", "HOUSEHOLD_TIE"))[0])
    ring = int(np.flatnonzero(roles.cause == code("role_cause", "RING"))[0])
    trade = rows["s5_merchant_fraud_roles_6A"]
    named = int(np.flatnonzero(trade.valid["ring_id"])[0])

    def give(row: int, like: int) -> Callable[[Frame], Frame]:
        def change(frame: Frame) -> Frame:
            columns = {name: frame[name].copy() for name in ("fraud_role", "cause", "ring_id")}
            for column in columns.values():
                column[row] = column[like]
            mask = frame.valid["ring_id"].copy()
            mask[row] = True
            return frame.with_columns({"ring_id": mask}, **columns)

        return change

    cases: dict[str, tuple[str, Callable[[Frame], Frame]]] = {
        "instrument links unlike the base": ("s3_account_instrument_links_6A", swap("instrument_id", 5, 7)),
        "device links of another party than the owner": ("s4_ip_links_6A", swap("party_id", usual, 9)),
        "instruments of another owner than their account's": (
            "s3_instrument_base_6A",
            swap("owner_party_id", 9, 1),
        ),
        "strangers on devices": ("s4_device_links_6A", swap("party_id", stranger, 60_000)),
        "shared_household_id other than the users'": (
            "s4_device_base_6A",
            hide("shared_household_id", shared),
        ),
        "strangers on home lines": (
            "s4_ip_base_6A",
            swap("owner_household_id", home, int(ips.owner_household_id[home]) + 3),
        ),
        "addresses with other links than they say": ("s4_ip_base_6A", swap("links", home, 77)),
        "home lines of nobody": ("s4_ip_base_6A", hide("owner_household_id", home)),
        "neighbourhoods other than a recount": ("s4_entity_neighbourhoods_6A", swap("accounts", 3, 77)),
        "entities without their role": ("s5_device_fraud_roles_6A", swap("device_id", 3, 77)),
        "parties of rings in no circle of theirs": ("s5_party_fraud_roles_6A", give(int(clean[1]), ring)),
        "ties without a tie": ("s5_party_fraud_roles_6A", give(int(clean[2]), tie)),
        "collusive merchants work for rings that exist": (
            "s5_merchant_fraud_roles_6A",
            swap("ring_id", named, 5),
        ),
        "orphan rows": ("s4_ip_links_6A", hide("device_id", on_home)),
        "all rows looked at": ("s2_account_base_6A", lambda frame: frame),
    }
    for column in ("instrument_type", "scheme"):
        again = copied()
        again.store.parts["s3_account_instrument_links_6A"] = [
            swap(column, 5, 30)(again.store.load("s3_account_instrument_links_6A"))
        ]
        assert not audited(again)["instrument links unlike the base"].passed, column
    for name, (dataset, change) in cases.items():
        again = copied()
        if name == "all rows looked at":
            totals = altered(made_totals(), {"rows.accounts": 3})
            assert not next(
                c for c in s7_audit.checks(again.context(s7_audit.STATE), totals) if c.name == name
            ).passed
            continue
        if name == "orphan rows":
            account = again.store.load("s2_account_base_6A")
            lonely = int(
                np.bincount(
                    (account.owner_party_id - np.uint64(1)).astype(np.int64), minlength=60_000
                ).argmin()
            )
            moved = np.where(
                account.owner_party_id == lonely + 1,
                account.owner_party_id + np.uint64(1),
                account.owner_party_id,
            )
            again.store.parts["s2_account_base_6A"] = [account.with_columns(owner_party_id=moved)]
        else:
            again.store.parts[dataset] = [change(again.store.load(dataset))]
        assert not audited(again)[name].passed, name


def made_totals() -> Totals:
    again = copied()
    audited(again)
    return again.totals["6A.S7"]


@pytest.mark.parametrize("kind", ["account", "instrument", "device", "home_ip"])
def test_independent_roles_are_refused(kind: str) -> None:
    """Two-by-two tables without association: odds ratio 1."""
    again = copied()
    totals = altered(made_totals(), {f"spread.{kind}": np.array([[9000, 1000], [900, 100]])})
    label = "home line" if kind == "home_ip" else kind
    check = next(
        c
        for c in s7_audit.checks(again.context(s7_audit.STATE), totals)
        if c.name.startswith(f"odds ratio of a risky {label}")
    )
    assert not check.passed
