"""The scenario horizon: whole UTC days cut into equal buckets, from config `scenario_horizon_5A`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from sim.shell.errors import ContractError
from sim.shell.params import Params

DAY_S = 86_400
MICRO = 1_000_000
_EPOCH = date(1970, 1, 1)


@dataclass(frozen=True)
class Horizon:
    """A span of whole UTC days.

    Attributes:
        first_day: Days since 1970-01-01 of the first day.
        days: Number of days.
        bucket_seconds: 900, 1800 or 3600.
    """

    first_day: int
    days: int
    bucket_seconds: int

    @property
    def start_s(self) -> int:
        """First second, since 1970 (UTC)."""
        return self.first_day * DAY_S

    @property
    def start_us(self) -> int:
        """First microsecond, since 1970 (UTC)."""
        return self.start_s * MICRO

    @property
    def end_us(self) -> int:
        """First microsecond after the horizon."""
        return (self.first_day + self.days) * DAY_S * MICRO

    @property
    def buckets(self) -> int:
        """Number of buckets."""
        return self.days * DAY_S // self.bucket_seconds


def horizon_of(params: Params) -> Horizon:
    """The horizon a resolved `scenario_horizon_5A` describes.

    Raises:
        ContractError: `5A.S4.HORIZON_INVALID`: a date that does not exist, or an end that is not after the start.
    """
    try:
        first, stop = ((date.fromisoformat(text) - _EPOCH).days for text in (params.start, params.end))
    except ValueError as error:
        raise _invalid(params, str(error)) from None
    if stop <= first:
        raise _invalid(params, f"{params.start} .. {params.end}")
    return Horizon(first, stop - first, int(params.bucket_seconds))


def _invalid(params: Params, found: str) -> ContractError:
    return ContractError(
        "5A.S4.HORIZON_INVALID",
        "The scenario horizon is not a span of days.",
        found=found,
        expected="start and end as YYYY-MM-DD, end after start (end is the first day outside)",
        where="config/layer2/5A/scenario_horizon.yaml",
        do="--set scenario_horizon_5A.start=2026-01-05 --set scenario_horizon_5A.end=2026-01-19",
    )
