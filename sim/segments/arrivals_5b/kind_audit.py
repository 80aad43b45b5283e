"""Kinds of published arrivals against channel, trade and place of each, and the hours of those that recur."""

from __future__ import annotations

import numpy as np

from sim.segments.arrivals_5b.kinds import KINDS, KINDS_NEEDS, kind_at_sites
from sim.segments.arrivals_5b.open_parts import OpenParts
from sim.segments.arrivals_5b.place_audit import count_coin
from sim.state.context import Context, PartitionContext
from sim.state.counters import Counters, Scalar, Vector
from sim.state.declaration import Check, Measurement, Needs
from sim.state.frames import Array, Frame
from sim.state.totals import Totals

KIND_AUDIT_NEEDS = Needs(config=("realism_gates_5B",), uses=(KINDS_NEEDS,))

_HOUR = 60
_DAY = 1440
_MINUTE_US = 60_000_000


class KindCounts(Counters):
    """Arrivals by kind, card-not-present ones, and those whose kind or hour is wrong."""

    kinds = Vector("arrival_kind")
    remote = Scalar()
    wrong_kind = Scalar()
    recurring_by_day = Scalar()


def count_kinds(
    ctx: PartitionContext, events: Frame, own: tuple[Frame, Array, Array], parts: OpenParts
) -> None:
    """Add what the checks of kinds need of one file.

    Args:
        ctx: Context of 5B.S5.
        events: Its arrivals.
        own: Keys, the key of each count row, and the count row of each arrival.
        parts: Which part of the count rows' arrivals recurs.
    """
    keys, key_row, row = own
    kind, virtual = ctx.on_host(events.arrival_kind), ctx.on_host(events.is_virtual)
    channel = ctx.on_host(events.channel_group)
    ctx.count(KindCounts.kinds, np.bincount(kind, minlength=len(ctx.vocabulary(KINDS))))
    ctx.count(KindCounts.remote, int((virtual | (channel == ctx.code("channel", "card_not_present"))).sum()))
    known = np.flatnonzero(row < np.uint32(len(key_row)))  # others have failed already
    at, found, online = row[known], kind[known], virtual[known]
    recurs = found == ctx.code(KINDS, "MIT_RECURRING")
    edge = recurs | (found == ctx.code(KINDS, "CIT"))
    right = np.where(online, edge, found == kind_at_sites(ctx, keys)[key_row[at]])
    right &= ~recurs | (parts.recurring_share[at] > 0.0)
    ctx.count(KindCounts.wrong_kind, int((~right).sum()))
    count_coin(ctx, "recurring", parts.recurring_share, at, recurs)
    _count_hours(ctx, events, kind == ctx.code(KINDS, "MIT_RECURRING"))


def _count_hours(ctx: PartitionContext, events: Frame, recurs: Array) -> None:
    """Recurring arrivals outside their hours, by the clock that each row publishes."""
    offset = ctx.on_host(events.utc_offset_minutes)[recurs].astype(np.int64)
    minute = ctx.on_host(events.ts_utc)[recurs] // _MINUTE_US + offset
    # A bucket has the local hour of its middle: half an hour off where clocks run half an hour apart.
    slack = np.where(offset % _HOUR == 0, 0, _HOUR // 2)
    law = ctx.params.realism_gates_5B.routing.recurring_hours
    since = (minute - law["from"] * _HOUR + slack) % _DAY
    late = since >= (law.to - law["from"]) * _HOUR + 2 * slack
    ctx.count(KindCounts.recurring_by_day, int(late.sum()))


def kind_checks(ctx: Context, totals: Totals) -> list[Check]:
    """No arrival of a kind that its place, channel or trade forbids; what recurs is charged by night."""
    seen, law = KindCounts(totals), ctx.params.realism_gates_5B.routing.recurring_hours
    rows = int(seen.kinds.sum())
    recurring = int(seen.kinds[ctx.code(KINDS, "MIT_RECURRING")])
    return [
        Check("wrong arrival_kind", seen.wrong_kind == 0, seen.wrong_kind, 0, f"arrivals, of {rows}"),
        Check(
            "recurring arrivals by night",
            seen.recurring_by_day == 0,
            seen.recurring_by_day,
            0,
            f"outside {law['from']} to {law.to} h local time, of {recurring}",
        ),
    ]


def kind_measures(ctx: Context, totals: Totals) -> list[Measurement]:
    """Shares of kinds that payments people look for."""
    seen = KindCounts(totals)
    remote, rows = max(1, seen.remote), max(1, int(seen.kinds.sum()))

    def count(name: str) -> int:
        return int(seen.kinds[ctx.code(KINDS, name)])

    return [
        Measurement(
            "recurring share", count("MIT_RECURRING") / remote, "share", "of card-not-present arrivals"
        ),
        Measurement("MOTO share", count("MOTO") / remote, "share", "of card-not-present arrivals"),
        Measurement("ATM share", count("ATM") / rows, "share", "of all arrivals"),
    ]
