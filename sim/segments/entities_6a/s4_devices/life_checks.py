"""Checks of lives over all devices: days in order, no spike, ages and replacements as the law says."""

from __future__ import annotations

import numpy as np

from sim.recipes.audits import ledger_check
from sim.recipes.sampling import fixed, from_fixed, sampling_check
from sim.segments.entities_6a.calendar_checks import (
    CALENDAR_CHECKS_NEEDS,
    OLDEST_DAYS,
    by_age,
    spike_check,
)
from sim.segments.entities_6a.network_tables import PERMILLE
from sim.segments.entities_6a.s4_devices.life import (
    DEVICE_LIFE_NEEDS,
    LIFE,
    REPLACED,
    LifeLaw,
    life_law,
    replaced_targets,
)
from sim.segments.entities_6a.s4_devices.systems import SYSTEMS_NEEDS, system_mixes
from sim.segments.entities_6a.s4_devices.terminal_life import LIFE as TERMINAL
from sim.segments.entities_6a.s4_devices.terminal_life import (
    TERMINAL_LIFE_NEEDS,
    merchant_days,
)
from sim.segments.entities_6a.s4_devices.traits import TRAITS_NEEDS, sold_models
from sim.segments.entities_6a.tenure import NEVER, Days
from sim.state.context import Context, PartitionContext
from sim.state.counters import Counters, Scalar, Vector
from sim.state.declaration import Check, Needs
from sim.state.frames import Array, Frame
from sim.state.totals import Totals

DEVICE_LIFE_CHECKS_NEEDS = Needs(
    config=("device_life_6A", "realism_gates_network_6A"),
    uses=(CALENDAR_CHECKS_NEEDS, DEVICE_LIFE_NEEDS, SYSTEMS_NEEDS, TERMINAL_LIFE_NEEDS, TRAITS_NEEDS),
)


class DeviceLifeCounts(Counters):
    """Lives of devices as published."""

    wrong_days = Scalar()
    heirless = Scalar()
    wrong_successors = Scalar()
    older_models = Scalar()
    wrong_terminals = Scalar()
    opened = Vector(OLDEST_DAYS)
    ended = Vector(OLDEST_DAYS)
    started = Vector(OLDEST_DAYS)
    replaced = Vector("country", "device_type")
    originals = Vector("country", "device_type")
    stayed = Vector("device_type")
    age = Vector("device_type")
    kept = Vector("device_type")
    kept_expected = Vector("device_type")
    kept_variance = Vector("device_type")
    standing = Scalar()


def count_lives(ctx: PartitionContext, base: Frame, devices: Frame) -> None:
    """Sums over the devices of a partition.

    Args:
        ctx: Context.
        base: Rows of s4_device_base_6A.
        devices: The same with `group` of their systems.
    """
    days, prior = Days.of_horizon(ctx), ctx.params.device_life_6A
    kinds, countries = len(ctx.vocabulary("device_type")), len(ctx.vocabulary("country"))
    owned, ends = base.present("primary_party_id"), base.present("last_seen")
    follows = base.present("predecessor_device_id")
    last = np.where(ends, base.last_seen, NEVER)
    wrong = (base.first_seen > days.last) | (last < base.first_seen) | (last < days.first)
    wrong |= ends & (last > days.last)
    wrong |= owned & (follows != (base.first_seen >= days.first))
    ctx.count(DeviceLifeCounts.wrong_days, int(wrong.sum()))
    rows = np.flatnonzero(follows)
    before = (base.predecessor_device_id[rows] - base.device_id[:1]).astype(np.int64)
    inside = (before >= 0) & (before < len(base))
    rows, before, strange = rows[inside], before[inside], int((~inside).sum())
    heirs = np.bincount(before, minlength=len(base))
    ctx.count(DeviceLifeCounts.heirless, int((owned & ends & (heirs == 0)).sum()))
    apart = base.first_seen[rows].astype(np.int64) - last[before]
    # What is used beyond the horizon's end has no last day, however soon after it that is.
    open_ = ~ends[before] & (base.first_seen[rows] + int(prior.trade_days) > days.last)
    unlike = (base.primary_party_id[rows] != base.primary_party_id[before]) | follows[before]
    unlike |= ~owned[rows] | (base.device_type[rows] != base.device_type[before])
    unlike |= (heirs[before] != 1) | (apart > int(prior.gap_days))
    unlike |= (apart < -int(prior.trade_days)) & ~open_
    ctx.count(DeviceLifeCounts.wrong_successors, int(unlike.sum()) + strange)
    same = base.os_family[rows] == base.os_family[before]
    step = sold_models(ctx).step
    older = same & (step[base.device_model[rows]] < step[base.device_model[before]])
    ctx.count(DeviceLifeCounts.older_models, int(older.sum()))
    place = base.home_country_iso * np.int64(kinds) + base.device_type
    shape = countries * kinds
    fresh = owned & ~follows
    ctx.count(DeviceLifeCounts.originals, np.bincount(place[fresh], minlength=shape))
    ctx.count(DeviceLifeCounts.replaced, np.bincount(place[rows], minlength=shape))
    ctx.count(DeviceLifeCounts.opened, by_age(ctx, base.first_seen[owned]))
    ctx.count(DeviceLifeCounts.started, by_age(ctx, base.first_seen[rows]))
    ctx.count(DeviceLifeCounts.ended, by_age(ctx, base.last_seen[owned & ends]))
    stays = np.flatnonzero(fresh & (heirs == 0))
    kind = base.device_type[stays].astype(np.int64)
    ctx.count(DeviceLifeCounts.stayed, np.bincount(kind, minlength=kinds))
    ages = np.zeros(kinds, dtype=np.int64)
    np.add.at(ages, kind, (days.last - base.first_seen[stays]).astype(np.int64))
    ctx.count(DeviceLifeCounts.age, ages)
    _count_systems(ctx, base.take(rows), base.os_family[before], devices.group[before], same)
    _count_terminals(ctx, base.take(np.flatnonzero(~owned)))


def _count_systems(ctx: PartitionContext, base: Frame, system: Array, group: Array, same: Array) -> None:
    """Successors that keep their system, and how many should."""
    kinds = len(ctx.vocabulary("device_type"))
    mixes = system_mixes(ctx).astype(np.float64)
    keeps = float(ctx.params.device_life_6A.same_system_permille) / PERMILLE
    chance = keeps + (1.0 - keeps) * mixes[group, system] / np.maximum(mixes.sum(axis=1), 1.0)[group]
    ctx.count(DeviceLifeCounts.kept, np.bincount(base.device_type[same], minlength=kinds))
    for counter, figure in (
        (DeviceLifeCounts.kept_expected, chance),
        (DeviceLifeCounts.kept_variance, chance * (1.0 - chance)),
    ):
        sums = np.zeros(kinds, dtype=np.int64)
        np.add.at(sums, base.device_type, fixed(figure))
        ctx.count(counter, sums)


def _count_terminals(ctx: PartitionContext, base: Frame) -> None:
    """Terminals older than their merchant's sales, or there after it closed."""
    sells, closes = merchant_days(ctx, base.primary_merchant_id)
    ends = np.where(base.present("last_seen"), base.last_seen, NEVER).astype(np.int64)
    days = Days.of_horizon(ctx)
    wrong = base.first_seen < sells
    wrong |= np.where(closes <= days.last, ends != closes - 1, ends != NEVER)
    ctx.count(DeviceLifeCounts.wrong_terminals, int(wrong.sum()))
    ctx.count(DeviceLifeCounts.standing, len(base))


def life_checks(ctx: Context, totals: Totals) -> list[Check]:
    """Checks of lives and replacements."""
    seen, law = DeviceLifeCounts(totals), life_law(ctx)
    sigmas = float(ctx.params.realism_gates_network_6A.sampling_sigma)
    zero = {
        "days of devices in order": (
            seen.wrong_days,
            "devices that begin after the horizon or end before it, or begin inside it and replace none",
        ),
        "who ends has a successor": (seen.heirless, "devices of parties that end and that none replaces"),
        "successors follow": (
            seen.wrong_successors,
            "successors of another owner's or kind of device, of one replaced twice, or too many days apart",
        ),
        "models no older than before": (
            seen.older_models,
            "successors of the same system with an older model than their predecessor's",
        ),
        "terminals live with their merchant": (
            seen.wrong_terminals,
            "terminals older than their merchant's sales, or there after it closed",
        ),
    }
    result = [Check(name, found == 0, found, 0, note) for name, (found, note) in zero.items()]
    asked = replaced_targets(ctx, law, seen.originals)
    found = {
        name: int(count)
        for name, count in zip(ctx.vocabulary("device_type"), seen.replaced.sum(axis=0).tolist(), strict=True)
    }
    wanted = {
        name: int(count)
        for name, count in zip(ctx.vocabulary("device_type"), asked.sum(axis=0).tolist(), strict=True)
    }
    exact = bool((asked == seen.replaced).all())
    result.append(Check("devices replaced", exact, found, wanted, "successors, exact in every country"))
    days = law.horizon.days
    result.append(spike_check(ctx, "first days of devices without a spike", seen.opened))
    result.append(spike_check(ctx, "first days of successors without a spike", seen.started[:days]))
    result.append(spike_check(ctx, "last days of devices without a spike", seen.ended[:days]))
    result.append(_ages(ctx, law, seen, sigmas))
    kinds = ctx.vocabulary("device_type")
    expected, variance = from_fixed(seen.kept_expected), from_fixed(seen.kept_variance)
    note = "successors with the system of their predecessor"
    result.append(
        sampling_check(
            "successors keep their system", kinds, seen.kept, expected, variance, (sigmas, 1.0), note
        )
    )
    many = int(asked.sum())
    return [
        *result,
        ledger_check(totals, LIFE, int(seen.originals.sum()) - many, 1),
        ledger_check(totals, REPLACED, many, 6),
        ledger_check(totals, TERMINAL, seen.standing, 1),
    ]


def _ages(ctx: Context, law: LifeLaw, seen: DeviceLifeCounts, sigmas: float) -> Check:
    """Sum of the ages of devices that live through the horizon, by kind, against the equilibrium's."""
    kinds = ctx.vocabulary("device_type")
    mean, variance = np.zeros(len(kinds)), np.zeros(len(kinds))
    for kind in range(len(kinds)):
        alive = law.of_kind(kind).astype(np.int64)
        alive[: law.horizon.days] = 0
        alive[-1] = max(int(alive[-1]), 1)
        age = np.arange(len(alive))
        weight = alive.tolist()  # Python's integers: sums of squares do not fit into 64 bits
        whole = sum(weight)
        first = sum(part * b for part, b in zip(weight, age.tolist(), strict=True))
        second = sum(part * b * b for part, b in zip(weight, age.tolist(), strict=True))
        mean[kind] = first / whole
        variance[kind] = second / whole - mean[kind] * mean[kind]
    stayed = seen.stayed.astype(np.float64)
    note = "days of age on the horizon's last day, summed over devices that are not replaced"
    return sampling_check(
        "ages of devices", kinds, seen.age, stayed * mean, stayed * variance, (sigmas, 1.0), note
    )
