"""How long customers and their accounts have been there: laws of ages, days of opening, days of closing.

An age is drawn by inversion of a truncated law (kernel `truncated_age`), so no day gathers what a bound
cuts off: a constant rate of openings that goes on through the horizon and thins out backwards, and for all
others a lognormal. Closings come at a constant rate over the days of the horizon that an account is open in.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sim.recipes.horizon import life_span
from sim.state.context import Context
from sim.state.declaration import Needs
from sim.state.frames import Array

DAYS_NEEDS = Needs(config=("scenario_horizon_5A",))
TENURE_NEEDS = Needs(kernels=("log_map", "race_key", "truncated_age"), uses=(DAYS_NEEDS,))
DAYS_A_YEAR = 365.25
NEVER = np.int32(2**31 - 1)
"""A day that does not come."""


@dataclass(frozen=True)
class AgeLaws:
    """Laws of ages in days, one a row (float64 each); see kernel `truncated_age`."""

    rate: Array
    thinning: Array
    at_once: Array
    mu: Array
    sigma: Array

    @classmethod
    def by_median(
        cls,
        ctx: Context,
        median_years: Array,
        sigma: float,
        *,
        rate: float = 0.0,
        share: float = 1.0,
        at_once: Array | float = 0.0,
    ) -> AgeLaws:
        """Laws of one shape, by their medians.

        Args:
            ctx: Context.
            median_years: float64, k.
            sigma: Standard deviation of the logarithm.
            rate: Openings a member, now, in a time as long as the median.
            share: Share of the members who came at that rate and thin out at rate / share; others are as old
                as the lognormal says.
            at_once: Of the others, the share as old as can be.
        """
        days = median_years * DAYS_A_YEAR
        full = np.ones(len(days), dtype=np.float64)
        return cls(
            rate / days,
            (rate / share if rate > 0.0 else 1.0) / days,
            full * at_once,
            ctx.kernels.log_map(x=days),
            full * sigma,
        )

    def ages(self, ctx: Context, words: Array, most_days: Array, law: Array) -> Array:
        """Whole days of age, 0 .. ceil(most) - 1: int32, n.

        Args:
            ctx: Context.
            words: uint64, n.
            most_days: float64, n: above 0.
            law: n: row of the laws.
        """
        age = ctx.kernels.truncated_age(
            x=words,
            most=most_days,
            law=law.astype(np.uint32),
            rate=self.rate,
            thinning=self.thinning,
            at_once=self.at_once,
            mu=self.mu,
            sigma=self.sigma,
        )
        last = 0.0 - np.floor(0.0 - most_days) - 1.0
        days: Array = np.minimum(np.floor(age), last).astype(np.int32)
        return days


@dataclass(frozen=True)
class Days:
    """Days since 1970 that tell what is inside the span of lives.

    Attributes:
        first: Its first day.
        last: Its last day: states and ages are as of its end.
    """

    first: np.int32
    last: np.int32

    @classmethod
    def of_horizon(cls, ctx: Context) -> Days:
        """Those of `scenario_horizon_5A`."""
        span = life_span(ctx.params.scenario_horizon_5A)
        return cls(np.int32(span.first_day), np.int32(span.first_day + span.days - 1))

    def age(self, opened: Array) -> Array:
        """Whole days since an opening as of the end of the span, 1 for its last day: int64, n."""
        days: Array = np.int64(self.last) + 1 - opened.astype(np.int64)
        return days

    def closing(self, ctx: Context, words: Array, opened: Array, a_year: Array) -> Array:
        """Days of closing, `NEVER` for what is open at the end: int32, n.

        What is open may close on every day of the horizon after that of its opening.

        Args:
            ctx: Context.
            words: uint64, n.
            opened: int32, n.
            a_year: float64, n: closings a year of one that is open; 0 never closes.
        """
        start = self.may_close_from(opened)
        wait = np.minimum(np.floor(ctx.kernels.race_key(x=words, weight=a_year / DAYS_A_YEAR)), 1e6)
        day = start.astype(np.int64) + wait.astype(np.int64)
        closes: Array = np.where(day <= np.int64(self.last), day, np.int64(NEVER)).astype(np.int32)
        return closes

    def may_close_from(self, opened: Array) -> Array:
        """First day on which what was opened on a day (int32, n) may close: int32, n."""
        first: Array = np.maximum(opened + np.int32(1), self.first)
        return first
