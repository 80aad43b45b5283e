"""Targets of all kinds of entities, whole and by piece."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from sim.segments.entities_6a.country_pieces import Piece
from sim.segments.entities_6a.s6_fraud_roles.merchants import ROLE_MERCHANTS_NEEDS, class_counts, merchants_of
from sim.segments.entities_6a.s6_fraud_roles.targets import (
    ACCOUNT_ORDER,
    DEVICE_ORDER,
    IP_ORDER,
    MERCHANT_ORDER,
    ROLE_TARGETS_NEEDS,
    party_targets,
    typed_targets,
)
from sim.state.context import Context
from sim.state.declaration import ROW_LEVEL, Needs
from sim.state.frames import Array

ROLE_PLAN_NEEDS = Needs(
    reads={"s2_account_summary_6A": ROW_LEVEL, "s4_device_summary_6A": ROW_LEVEL, "s4_ip_base_6A": ROW_LEVEL},
    uses=(ROLE_MERCHANTS_NEEDS, ROLE_TARGETS_NEEDS),
)


@dataclass(frozen=True)
class Targets:
    """How many of each role.

    Attributes:
        country: int16: country of each row of `parties`.
        parties: uint64, (country, segment) rows of s1_party_summary_6A x roles.
        accounts: uint64, roles x countries x account types.
        devices: uint64, roles x countries x device types.
        ips: uint64, roles x countries x kinds of address.
        merchants: uint64, roles x 1 x risk classes.
        rings: uint64, one a country: rings, one an organiser.
    """

    country: Array
    parties: Array
    accounts: Array
    devices: Array
    ips: Array
    merchants: Array
    rings: Array

    @classmethod
    def restored(cls, ctx: Context, spec: Mapping[str, Any]) -> Targets:
        """What `slice_of` gave a piece, at full width again; `country` is left out."""
        first, stop = spec["countries"]
        full = {}
        for name in ("accounts", "devices", "ips"):
            part = np.array(spec[name], dtype=np.uint64)
            full[name] = np.zeros(
                (part.shape[0], len(ctx.vocabulary("country")), part.shape[2]), dtype=np.uint64
            )
            full[name][:, first:stop] = part
        rows = np.array(spec["parties"], dtype=np.uint64).reshape(-1, len(ctx.vocabulary("party_role")))
        merchants, rings = (np.array(spec[name], dtype=np.uint64) for name in ("merchants", "rings"))
        return cls(
            np.empty(0, dtype=np.int16),
            rows,
            full["accounts"],
            full["devices"],
            full["ips"],
            merchants,
            rings,
        )


def targets_of(ctx: Context) -> Targets:
    """Targets of the world.

    Raises:
        ContractError: `6A.S6.CAP_INFEASIBLE`: shares break a world cap.
    """
    summary, parties = party_targets(ctx)
    countries = len(ctx.vocabulary("country"))
    rings = np.zeros(countries, dtype=np.uint64)
    np.add.at(rings, summary.country_iso, parties[:, ctx.code("party_role", "ORGANISER")])
    classes = class_counts(ctx, merchants_of(ctx))
    accounts = _counts(ctx, "s2_account_summary_6A", "account_type", "accounts")
    devices = _counts(ctx, "s4_device_summary_6A", "device_type", "devices")
    return Targets(
        summary.country_iso,
        parties,
        typed_targets(ctx, "account", ("account_type", "account_role"), ACCOUNT_ORDER, accounts),
        typed_targets(ctx, "device", ("device_type", "device_role"), DEVICE_ORDER, devices),
        typed_targets(ctx, "ip", ("ip_type", "ip_role"), IP_ORDER, _ip_counts(ctx)),
        typed_targets(ctx, "merchant", ("mcc_risk", "merchant_role"), MERCHANT_ORDER, classes),
        rings,
    )


def slice_of(targets: Targets, piece: Piece) -> dict[str, Any]:
    """Targets of a piece as plain lists; merchants whole, since terminals everywhere are theirs."""
    first, stop = piece.countries
    inside = (targets.country >= first) & (targets.country < stop)
    cut = {name: getattr(targets, name)[:, first:stop].tolist() for name in ("accounts", "devices", "ips")}
    whole = {"merchants": targets.merchants.tolist(), "rings": targets.rings.tolist()}
    return {"countries": [first, stop], "parties": targets.parties[inside].tolist(), **cut, **whole}


def _counts(ctx: Context, dataset: str, kind: str, figure: str) -> Array:
    """Entities by country and type from a summary: uint64, countries x types."""
    rows = ctx.load(dataset, columns=("country_iso", kind, figure))
    counts = np.zeros((len(ctx.vocabulary("country")), len(ctx.vocabulary(kind))), dtype=np.uint64)
    np.add.at(counts, (rows.country_iso, rows[kind]), rows[figure])
    return counts


def _ip_counts(ctx: Context) -> Array:
    """Addresses by country and kind: uint64, countries x kinds."""
    countries, kinds = len(ctx.vocabulary("country")), len(ctx.vocabulary("ip_type"))
    counts = np.zeros(countries * kinds, dtype=np.uint64)
    for part in range(len(ctx.files("s4_ip_base_6A"))):
        rows = ctx.load("s4_ip_base_6A", part=part, columns=("country_iso", "ip_type"))
        counts += np.bincount(
            rows.country_iso.astype(np.int64) * kinds + rows.ip_type, minlength=len(counts)
        ).astype(np.uint64)
    return counts.reshape(countries, kinds)
