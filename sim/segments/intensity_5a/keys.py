"""The key of all demand rows, and what a key's rows share."""

from __future__ import annotations

import numpy as np

from sim.state.context import Context
from sim.state.declaration import Needs
from sim.state.frames import Array, Frame
from sim.state.refuse import refuse

KEY = ("merchant_id", "legal_country_iso", "tzid", "channel_group")
HOURS = 168
PARTITION_ROWS = 1 << 20

KEYS_NEEDS = Needs(config=("demand_policy_5A",), reference=("countries",))


def repeated(keys: Frame, times: int | Array) -> dict[str, Array]:
    """Key columns, each key `times` times in a row (one number for all, or one a key)."""
    return {name: np.repeat(keys[name], times) for name in KEY}


def weekend_rule_of_country(ctx: Context) -> Array:
    """Code of the weekend rule of each country: int16, by country code.

    The `weekend_days` of reference table `countries` read like `6,7` (Monday =
    1).

    Raises:
        ContractError: `<state>.WEEKEND_UNKNOWN`: no rule has a country's weekend days.
    """
    rules = {
        ",".join(str(day) for day in sorted(days)): name
        for name, days in ctx.params.demand_policy_5A.weekend_rules.items()
    }
    countries = ctx.reference("countries")
    unknown = sorted(set(countries.weekend_days.tolist()) - set(rules))
    if unknown:
        refuse(
            ctx,
            "WEEKEND_UNKNOWN",
            "A country's weekend has no rule.",
            found="; ".join(unknown),
            expected="one of " + "; ".join(rules),
            at="demand_policy_5A.weekend_rules",
            do="add the rule there and to the vocabulary weekend_rule",
        )
    codes = np.zeros(len(ctx.vocabulary("country")), dtype=np.int16)
    codes[countries.country_iso] = [
        ctx.code("weekend_rule", rules[days]) for days in countries.weekend_days.tolist()
    ]
    return codes


def shape_count(ctx: Context) -> int:
    """How many shapes there are."""
    return (
        len(ctx.vocabulary("demand_class"))
        * len(ctx.vocabulary("channel"))
        * len(ctx.vocabulary("weekend_rule"))
    )


def shape_row(ctx: Context, keys: Frame) -> Array:
    """Which shape of `class_zone_shape_5A` each key follows: int64, counted in shapes of 168 rows.

    The table holds every (class, channel, weekend rule) in order of their codes, so a shape is found by
    arithmetic.

    Args:
        ctx: Context.
        keys: Rows of `merchant_zone_profile_5A`.
    """
    rule = weekend_rule_of_country(ctx)[keys.legal_country_iso].astype(np.int64)
    pair = keys.demand_class.astype(np.int64) * len(ctx.vocabulary("channel")) + keys.channel_group
    return pair * len(ctx.vocabulary("weekend_rule")) + rule
