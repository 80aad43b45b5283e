"""Which system a device runs: phones by country, what goes with a phone by the phone, the rest leaning on it.

Phones run iOS as often as `national_payments_6A` says of their country. Other kinds lean on that: the odds of
an Apple system in the taxonomy's mix are multiplied by the ratio of the country's odds of iOS to the world's,
or by its square root, or not at all. A wearable follows its owner's first phone.

Groups of mixes are (country, kind) by code, then one for each system of a phone that a wearable may follow.
"""

from __future__ import annotations

import numpy as np

from sim.recipes.groups import run_starts
from sim.recipes.sampling import sampling_check
from sim.recipes.tables import AliasTables
from sim.segments.entities_6a.network_tables import NETWORK_TABLES_NEEDS, PERMILLE, matrix, mix_tables, pick
from sim.segments.entities_6a.payments import PAYMENTS_NEEDS, permille_of
from sim.segments.entities_6a.terminals import os_mixes
from sim.state.context import Context
from sim.state.declaration import Check, Needs
from sim.state.frames import Array, Frame

PHONE, FOLLOWER = "MOBILE", "WEARABLE"
APPLE = ("IOS", "MACOS")
_FINE = np.float64(1 << 20)

SYSTEMS_NEEDS = Needs(config=("device_taxonomy_6A",), uses=(NETWORK_TABLES_NEEDS, PAYMENTS_NEEDS))


def system_mixes(ctx: Context) -> Array:
    """Weights of systems: int64, groups x systems; a group of devices that do not exist weighs nothing."""
    base = os_mixes(ctx).astype(np.float64)
    taxonomy = ctx.params.device_taxonomy_6A
    systems, kinds = ctx.vocabulary("os_family"), ctx.vocabulary("device_type")
    apple = np.isin(np.array(systems), APPLE)
    phone, own = kinds.index(PHONE), np.clip(permille_of(ctx, "phones_permille", "ios"), 1, PERMILLE - 1)
    world = base[phone, apple].sum()
    ratio = (own / (PERMILLE - own)) / (world / (PERMILLE - world))
    mixes = np.repeat(base[None], len(own), axis=0)
    for name, lean in taxonomy.apple_lean.items():
        kind = kinds.index(name)
        factor = {"NONE": np.ones(len(own)), "ROOT": np.sqrt(ratio), "FULL": ratio}[lean]
        mixes[:, kind, apple] *= factor[:, None]
    table = np.floor(mixes.reshape(-1, len(systems)) * _FINE).astype(np.int64)
    follow = matrix(ctx, "os_family", "os_family", taxonomy.follower_permille).astype(np.int64)
    return np.concatenate([table, follow])


def system_tables(ctx: Context) -> AliasTables:
    """Alias tables of `system_mixes`."""
    return mix_tables(ctx, system_mixes(ctx))


def country_groups(ctx: Context, country: Array, kind: Array) -> Array:
    """Group of devices by country and kind: int64."""
    group: Array = country.astype(np.int64) * len(ctx.vocabulary("device_type")) + kind
    return group


def systems_of(ctx: Context, words: Array, devices: Frame, country: Array) -> tuple[Array, Array]:
    """System (int16) and group (int64) of each device of a party.

    Args:
        ctx: Context.
        words: uint64, n.
        devices: `owner` and `device_type`, sorted by both.
        country: int16, n: country of the owner.
    """
    tables = system_tables(ctx)
    kind = devices.device_type
    group = country_groups(ctx, country, kind)
    system = pick(ctx, tables, words, group)
    phones = np.flatnonzero(kind == ctx.code("device_type", PHONE))
    first = phones[run_starts(devices.owner[phones])]
    followed = np.full(int(devices.owner.max(initial=-1)) + 1, -1, dtype=np.int64)
    followed[devices.owner[first]] = system[first]
    rows = np.flatnonzero(kind == ctx.code("device_type", FOLLOWER))
    rows = rows[followed[devices.owner[rows]] >= 0]
    group[rows] = _first_follower(ctx) + followed[devices.owner[rows]]
    system[rows] = pick(ctx, tables, words[rows], group[rows])
    return system.astype(np.int16), group


def _first_follower(ctx: Context) -> int:
    return len(ctx.vocabulary("country")) * len(ctx.vocabulary("device_type"))


def groups_in_all(ctx: Context) -> int:
    """Number of groups."""
    return _first_follower(ctx) + len(ctx.vocabulary("os_family"))


def system_checks(ctx: Context, found: Array, sigmas: float) -> list[Check]:
    """Systems of each kind of device in every country (phones: iOS as the table says).

    Args:
        ctx: Context.
        found: int64, groups x systems: devices.
        sigmas: Standard deviations of sampling allowed.
    """
    kinds, countries = ctx.vocabulary("device_type"), ctx.vocabulary("country")
    names, mixes = ctx.vocabulary("os_family"), system_mixes(ctx).astype(np.float64)
    share = mixes / np.maximum(mixes.sum(axis=1), 1.0)[:, None]
    expected = share * found.sum(axis=1)[:, None]
    variance = expected * (1.0 - share)
    result = []
    own = len(countries) * len(kinds)
    for code, kind in enumerate(kinds):
        rows = np.arange(code, own, len(kinds))
        if kind == FOLLOWER:
            rows = np.concatenate([rows, np.arange(own, len(found))])
        rows = rows[found[rows].sum(axis=1) > 0]
        if len(rows) == 0:
            continue
        groups = [countries[at // len(kinds)] if at < own else f"phone {names[at - own]}" for at in rows]
        labels = [f"{group} {name}" for group in groups for name in names]
        figures = found[rows].ravel(), expected[rows].ravel(), variance[rows].ravel()
        note = "operating systems by country, of wearables by phone"
        result.append(sampling_check(f"systems of {kind}", labels, *figures, (sigmas, 1.0), note))
    return result
