"""5A.S6: the clock of each merchant in each country, and when its sites are open.

    phase   = own deviate + habits of the country x how far the trade follows them
    opens   = opening time of the trade + phase + deviate, rounded to half hours
    closes  = closing time of the trade + phase + deviate, likewise

A clock belongs to a merchant and country, because habits and laws are the country's. Opening hours that a
user gave decide instead. Sites open and close on whole hours in two cases: where the zone's clock is not a
whole number of hours from UTC, since an hour of UTC then holds halves of two local hours; and where edges
share the key's demand, since they sell on while sites are closed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sim.recipes.audits import ledger_check
from sim.recipes.groups import run_of_row, run_offsets
from sim.recipes.join import look_up
from sim.recipes.opening import SLOT_MINUTES
from sim.recipes.places import country_letters
from sim.recipes.supplied import replaced
from sim.recipes.words import WORDS_NEEDS, words
from sim.segments.intensity_5a.keys import KEYS_NEEDS, weekend_rule_of_country
from sim.segments.intensity_5a.recurring import BATCH_HOURS_NEEDS, batch_hours
from sim.segments.intensity_5a.trade_hours import PERMILLE, RETAIL, TRADE_HOURS_NEEDS, TradeHours, trade_hours
from sim.state.context import Context, PartitionContext
from sim.state.counters import Counters, Scalar, Vector
from sim.state.declaration import ROW_LEVEL, Check, Frames, Measurement, Partition, State
from sim.state.frames import Array, Frame
from sim.state.totals import Totals

PLACES = ("europe", "elsewhere")


class Counts(Counters):
    """Clocks, and generated card-present merchants by whether their sites rest on some weekday."""

    clocks = Scalar()
    never_open = Scalar()
    card_present = Vector(len(PLACES))
    resting = Vector(len(PLACES))


STATE = State(
    id="5A.S6",
    title="Opening hours",
    reads={
        "merchant_catalogue_1A": ROW_LEVEL,
        "merchant_supplied_1A": ROW_LEVEL,
        "merchant_zone_profile_5A": ROW_LEVEL,
        "tz_timetable_cache": ROW_LEVEL,
    },
    config=("merchant_hours_5A", "realism_gates_5A"),
    reference=("countries",),
    writes=("s6_merchant_clocks_5A", "s6_opening_hours_5A"),
    streams=("5A.merchant_clock",),
    kernels=("open_uniform", "normal_quantile_map", "lognormal_factor"),
    counts=(Counts,),
    uses=(BATCH_HOURS_NEEDS, KEYS_NEEDS, TRADE_HOURS_NEEDS, WORDS_NEEDS),
)

_DRAWS = 10
_DAY = 1440
_SHORTEST, _LONGEST = 180, 1200  # minutes a site is open on a day
_WEEK = np.arange(1, 8)


@dataclass(frozen=True)
class Pairs:
    """Merchants in countries, in order; all arrays are one a pair.

    Attributes:
        merchant_id: uint64.
        country: int16.
        trade: int64: row of the trade's hours.
        own_from: int64: opening minute the user gave, -1 where none.
        own_to: int64: closing minute the user gave.
        generated: bool: not the user's.
        card_present: bool.
        has_sites: bool.
        step: int64: minutes that opening times are multiples of.
    """

    merchant_id: Array
    country: Array
    trade: Array
    own_from: Array
    own_to: Array
    generated: Array
    card_present: Array
    has_sites: Array
    step: Array


def preflight(ctx: Context) -> None:
    """A sector without opening hours is refused before anything is built."""
    trade_hours(ctx)


def compute(ctx: PartitionContext, part: Partition) -> Frames:
    """Clocks and opening hours of all merchants."""
    law = trade_hours(ctx)
    pairs = _pairs(ctx, law)
    x = words(
        ctx,
        "5A.merchant_clock",
        country_letters=country_letters(ctx)[pairs.country],
        merchant_id=pairs.merchant_id,
    )
    normal = [ctx.kernels.normal_quantile_map(u=ctx.kernels.open_uniform(x=word)) for word in (x[0], *x[2:4])]
    phase = _phase(ctx, law, pairs, normal[0])
    sigma = np.full(len(phase), ctx.params.merchant_hours_5A.clock.peak_ratio_sigma, dtype=np.float64)
    ratio = ctx.kernels.lognormal_factor(x=x[1], mu=np.zeros(len(phase)), sigma=sigma)
    chance = [ctx.kernels.open_uniform(x=word) for word in x[4:]]
    always = chance[0] < law.figures["always_open"][pairs.trade] * PERMILLE
    always = np.where(pairs.own_from >= 0, pairs.own_from == pairs.own_to, always) | ~pairs.has_sites
    closed = _closed(ctx, law, pairs, chance[1:5]) & ~always[:, None]
    opens, closes = _span(law, pairs, phase, normal[1], normal[2])
    begin, end = _stretches(ctx, law, pairs, opens, closes)
    kept = (end > begin) & ~closed[:, :, None] & ~always[:, None, None]
    bits = (closed * (1 << np.arange(7))).sum(axis=1)
    _count(ctx, pairs, always, closed, kept)
    row, weekday, number = np.nonzero(kept)
    return {
        "s6_merchant_clocks_5A": Frame(
            {
                "merchant_id": pairs.merchant_id,
                "legal_country_iso": pairs.country,
                "phase_minutes": phase.astype(np.int16),
                "peak_ratio": ratio,
                "always_open": always,
                "closed_weekdays": bits.astype(np.uint8),
                "batch_hour": batch_hours(ctx, chance[5]),
            }
        ),
        "s6_opening_hours_5A": Frame(
            {
                "merchant_id": pairs.merchant_id[row],
                "legal_country_iso": pairs.country[row],
                "weekday": (weekday + 1).astype(np.uint8),
                "opens_minute": begin[row, weekday, number].astype(np.uint16),
                "closes_minute": end[row, weekday, number].astype(np.uint16),
            }
        ),
    }


def checks(ctx: Context, totals: Totals) -> list[Check]:
    """Draws; nobody is closed all week; how many rest on a weekday."""
    seen, gates = Counts(totals), ctx.params.realism_gates_5A
    found, expected, passed = {}, {}, True
    for place, name in enumerate(PLACES):
        merchants, resting = int(seen.card_present[place]), int(seen.resting[place])
        share = resting / max(1, merchants)
        error = gates.false_alarm_sigma * (0.25 / max(1, merchants)) ** 0.5
        band = gates.resting_share[name]
        found[name], expected[name] = share, [band.low - error, band.high + error]
        passed &= merchants == 0 or expected[name][0] <= share <= expected[name][1]
    return [
        ledger_check(totals, "5A.merchant_clock", seen.clocks, _DRAWS),
        Check("every site opens", seen.never_open == 0, seen.never_open, 0, f"of {seen.clocks} clocks"),
        Check(
            "merchants with a closed weekday",
            passed,
            found,
            expected,
            "share of generated card-present merchants, within the band and the sampling error",
        ),
    ]


def measure(ctx: Context, totals: Totals) -> list[Measurement]:
    """How many merchants rest on some weekday, over all places."""
    seen = Counts(totals)
    share = int(seen.resting.sum()) / max(1, int(seen.card_present.sum()))
    return [Measurement("closed weekday", share, "share", "of generated card-present merchants")]


def _pairs(ctx: Context, law: TradeHours) -> Pairs:
    keys = ctx.load(
        "merchant_zone_profile_5A",
        columns=("merchant_id", "legal_country_iso", "tzid", "channel_group", "virtual_share"),
    )
    merchants = ctx.load("merchant_catalogue_1A", columns=("merchant_id", "mcc"))
    given = ctx.load(
        "merchant_supplied_1A", columns=("merchant_id", "law_mcc", "open_from_minute", "open_to_minute")
    )
    offsets = run_offsets(keys.merchant_id, keys.legal_country_iso)
    heads, pair = offsets[:-1].astype(np.int64), run_of_row(offsets)
    merchant_id = keys.merchant_id[heads]
    owner = look_up(merchants.merchant_id, merchant_id)
    none = np.full(len(merchants), -1, dtype=np.int64)
    begins, stops = (
        replaced(merchants.merchant_id, none, given, name) for name in ("open_from_minute", "open_to_minute")
    )
    both = (begins >= 0) & (stops >= 0)
    timetable = ctx.load("tz_timetable_cache")
    broken = np.zeros(len(ctx.vocabulary("tzid")), dtype=np.bool_)
    broken[timetable.tzid[timetable.offset_minutes % 60 != 0]] = True
    whole = broken[keys.tzid] | ((keys.virtual_share > 0.0) & (keys.virtual_share < 1.0))
    mcc = replaced(merchants.merchant_id, merchants.mcc, given, "law_mcc")
    return Pairs(
        merchant_id=merchant_id,
        country=keys.legal_country_iso[heads],
        trade=law.row_of(mcc)[owner],
        own_from=np.where(both, begins // SLOT_MINUTES * SLOT_MINUTES, -1)[owner],
        own_to=np.where(both, -(-stops // SLOT_MINUTES) * SLOT_MINUTES, -1)[owner],
        generated=~np.isin(merchant_id, given.merchant_id),
        card_present=keys.channel_group[heads] == ctx.code("channel", "card_present"),
        has_sites=np.bincount(pair[keys.virtual_share < 1.0], minlength=len(heads)) > 0,
        step=np.where(np.bincount(pair[whole], minlength=len(heads)) > 0, 60, 30),
    )


def _phase(ctx: Context, law: TradeHours, pairs: Pairs, deviate: Array) -> Array:
    """Minutes by which the pair's days run late: int64."""
    hours = ctx.params.merchant_hours_5A
    shift = np.zeros(len(ctx.vocabulary("country")), dtype=np.float64)
    for iso, minutes in hours.country_shift_minutes.items():
        shift[ctx.code("country", iso)] = minutes
    limit = np.float64(hours.clock.phase_limit_minutes)
    own = np.clip(deviate * np.float64(hours.clock.phase_sigma_minutes), -limit, limit)
    follows = law.figures["shift"][pairs.trade] * PERMILLE
    phase: Array = np.floor(own + shift[pairs.country] * follows + 0.5).astype(np.int64)
    return phase


def _closed(ctx: Context, law: TradeHours, pairs: Pairs, chance: list[Array]) -> Array:
    """Weekdays on which a pair is closed all day: bool (pairs, 7)."""
    hours, countries = ctx.params.merchant_hours_5A, len(ctx.vocabulary("country"))
    days = np.array([hours.rest_day[name] for name in ctx.vocabulary("weekend_rule")], dtype=np.int64)
    rest = days[weekend_rule_of_country(ctx)]
    for iso, day in hours.rest_day_of_country.items():
        rest[ctx.code("country", iso)] = day
    retail = np.full(countries, hours.rest_day_retail_permille.otherwise, dtype=np.float64)
    for iso, permille in hours.rest_day_retail_permille.countries.items():
        retail[ctx.code("country", iso)] = permille
    own = law.figures["rest_day_open"][pairs.trade]
    open_then = np.where(own == RETAIL, retail[pairs.country], own) * PERMILLE
    resting = rest[pairs.country]
    other = (resting - 2) % 7 + 1
    closed: Array = (resting[:, None] == _WEEK) & (chance[0] >= open_then)[:, None]
    open_then = law.figures["other_day_open"][pairs.trade] * PERMILLE
    closed |= (other[:, None] == _WEEK) & (chance[1] >= open_then)[:, None]
    place = np.where(_in_europe(ctx)[pairs.country], 0, 1)
    takes = chance[2] < law.weekly_closing[pairs.trade, place] * PERMILLE
    upper = np.cumsum(np.array(hours.closing_weekday_weights, dtype=np.float64))
    which = np.minimum(np.searchsorted(upper, chance[3] * upper[-1], side="right"), 6) + 1
    closed |= (which[:, None] == _WEEK) & takes[:, None]
    return closed


def _in_europe(ctx: Context) -> Array:
    """Whether each country code is in Europe (UN M49): bool."""
    countries = ctx.reference("countries")
    europe = np.zeros(len(ctx.vocabulary("country")), dtype=np.bool_)
    europe[countries.country_iso] = [region == "Europe" for region in countries.region.tolist()]
    return europe


def _span(law: TradeHours, pairs: Pairs, phase: Array, early: Array, late: Array) -> tuple[Array, Array]:
    """Opening and closing minute of an ordinary day: int64; the latter may lie on the next day."""
    figure = {name: column[pairs.trade] for name, column in law.figures.items()}
    step = pairs.step
    first = -(-figure["earliest"].astype(np.int64) // step) * step
    last = figure["latest"].astype(np.int64) // step * step

    def rounded(minutes: Array) -> Array:
        whole: Array = np.floor(minutes / step + 0.5).astype(np.int64) * step
        return whole

    opens = np.clip(rounded(figure["opens"] + phase + early * figure["sigma"]), first, last - _SHORTEST)
    closes = rounded(figure["closes"] + phase + late * figure["sigma"])
    closes = np.clip(closes, opens + _SHORTEST, np.minimum(last, opens + _LONGEST))
    given = pairs.own_from >= 0
    own_to = np.where(pairs.own_to > pairs.own_from, pairs.own_to, pairs.own_to + _DAY)
    return np.where(given, pairs.own_from, opens), np.where(given, own_to, closes)


def _stretches(
    ctx: Context, law: TradeHours, pairs: Pairs, opens: Array, closes: Array
) -> tuple[Array, Array]:
    """Opening and closing minute of each stretch of each weekday: two int64 arrays (pairs, 7, 2).

    A stretch of no length is none. Hours that a user gave are kept as they are on every weekday.
    """
    hours = ctx.params.merchant_hours_5A
    day_begin = np.repeat(opens, 7).reshape(-1, 7)
    day_end = np.repeat(closes, 7).reshape(-1, 7)
    free = pairs.own_from < 0
    short = _among(ctx, hours.rest_day_hours.countries)[pairs.country]
    short = free & short & (law.figures["rest_day_open"][pairs.trade] == RETAIL)
    days = np.array([hours.rest_day[name] for name in ctx.vocabulary("weekend_rule")], dtype=np.int64)
    then = short[:, None] & (days[weekend_rule_of_country(ctx)][pairs.country][:, None] == _WEEK)
    day_begin = np.where(then, hours.rest_day_hours.opens, day_begin)
    day_end = np.where(then, hours.rest_day_hours.closes, day_end)
    begin, end = (np.repeat(side, 2).reshape(-1, 7, 2) for side in (day_begin, day_end))
    prayer = hours.prayer_break
    praying = (free & _among(ctx, prayer.countries)[pairs.country])[:, None] & (prayer.weekday == _WEEK)
    end[:, :, 0] = np.where(praying, np.minimum(end[:, :, 0], prayer["from"]), end[:, :, 0])
    # The second stretch is what the break leaves of the day, or nothing.
    begin[:, :, 1] = np.where(praying, np.maximum(begin[:, :, 1], prayer.to), end[:, :, 1])
    return begin, end


def _among(ctx: Context, names: tuple[str, ...]) -> Array:
    """Whether each country code is listed: bool."""
    listed = np.zeros(len(ctx.vocabulary("country")), dtype=np.bool_)
    listed[[ctx.code("country", iso) for iso in names]] = True
    return listed


def _count(ctx: PartitionContext, pairs: Pairs, always: Array, closed: Array, kept: Array) -> None:
    ctx.count(Counts.clocks, len(pairs.merchant_id))
    ctx.count(Counts.never_open, int((~always & ~kept.any(axis=(1, 2))).sum()))
    looked_at = pairs.generated & pairs.card_present
    place = np.where(_in_europe(ctx)[pairs.country], 0, 1)
    for counter, rows in (
        (Counts.card_present, looked_at),
        (Counts.resting, looked_at & closed.any(axis=1)),
    ):
        ctx.count(counter, np.bincount(place[rows], minlength=len(PLACES)))
