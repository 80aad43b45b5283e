"""Laws of circles that contradict themselves."""

from __future__ import annotations

from collections.abc import Iterator

from sim.state.context import Context
from sim.state.refuse import Fault, refuse_any


def refuse_impossible(ctx: Context) -> None:
    """Raise one error that lists every contradiction.

    Raises:
        ContractError: `6A.S9.CIRCLES_IMPOSSIBLE`.
    """
    what, do = (
        "laws of circles contradict themselves",
        "let the smallest size be at most the largest, and mixes sum to 1000",
    )
    refuse_any(ctx, "CIRCLES_IMPOSSIBLE", what, list(_faults(ctx)), do=do)


def _faults(ctx: Context) -> Iterator[Fault]:
    law = ctx.params.circles_6A
    for kind, values in law.kinds.items():
        if values.size.smallest > values.size.largest:
            at = f"circles_6A.kinds.{kind}.size"
            yield Fault(at, f"{at}: smallest {values.size.smallest} > largest {values.size.largest}")
    for who, mix in law.honest_kinds.items():
        total = sum(int(part) for _, part in mix.items())
        if total != 1000:
            at = f"circles_6A.honest_kinds.{who}"
            yield Fault(at, f"{at} sums to {total}, not 1000")
