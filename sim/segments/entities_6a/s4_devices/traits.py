"""What a device says of itself: model, version of its system, engine of its browser, language.

A trait is drawn among those that the device can have: no model of another system, no engine that its system
has not got.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from sim.recipes.months import first_day_of_month
from sim.recipes.tables import AliasTables
from sim.segments.entities_6a.network_tables import (
    NETWORK_TABLES_NEEDS,
    matrix,
    mix_tables,
    numbers,
    permille_word,
    pick,
    sum_faults,
    values_of,
)
from sim.state.context import Context, PartitionContext
from sim.state.counters import Counters, Scalar
from sim.state.declaration import Needs
from sim.state.frames import Array, Frame
from sim.state.refuse import Fault

TRAITS_NEEDS = Needs(reference=("countries",), config=("device_models_6A",), uses=(NETWORK_TABLES_NEEDS,))


class TraitCounts(Counters):
    """Devices whose traits do not fit their kind and system, or have a model before it came."""

    misfits = Scalar()
    unsold = Scalar()


def traits_of(
    ctx: Context,
    words: tuple[Array, ...],
    kind: Array,
    system: Array,
    country: Array,
    first: Array,
    after: tuple[Array, Array] | None = None,
) -> dict[str, Array]:
    """Traits of devices: int16 codes, n each.

    Args:
        ctx: Context.
        words: Of the model and the version; of browser and language too, for devices of parties.
        kind: int16, n: type of device.
        system: int16, n: its system.
        country: int16, n: where it is at home.
        first: int32, n: first day of its use.
        after: int64 rows of successors, and of their predecessors.
    """
    systems = len(ctx.vocabulary("os_family"))
    cell = kind * np.int64(systems) + system
    sold, tables = model_tables(ctx)
    group = (cell * sold.steps + sold.by(first)) * sold.steps
    model = pick(ctx, tables, words[0], group).astype(np.int16)
    if after is not None:
        rows, before = after
        same = cell[rows] == cell[before]
        group = group[rows] + np.where(same, sold.step[model[before]], 0)
        model[rows] = pick(ctx, tables, words[0][rows], group)
    none = np.zeros(len(kind), dtype=np.int16)
    tongue = languages(ctx)[country]
    traits = {
        "os_version": pick(ctx, mix_tables(ctx, version_mixes(ctx)), words[1], system).astype(np.int16),
        "device_model": model,
        "browser": none,
        "language": tongue,
    }
    if len(words) > 2:
        browser = pick(ctx, mix_tables(ctx, browser_mixes(ctx)), words[2], system).astype(np.int16)
        english = np.array([int(ctx.params.device_models_6A.english_permille)], dtype=np.int64)
        abroad = words[3] < permille_word(english)[0]
        traits["browser"] = np.where(browsing(ctx)[kind], browser, none)
        traits["language"] = np.where(abroad, np.int16(ctx.code("language", "en")), tongue)
    return traits


@dataclass(frozen=True)
class Sold:
    """When models came, in steps: 0 are those that always were, others of each year after it.

    Attributes:
        days: int64: first day of each step after 0.
        step: int64, one a model.
    """

    days: Array
    step: Array

    @property
    def steps(self) -> int:
        """Number of steps."""
        return len(self.days) + 1

    def by(self, first: Array) -> Array:
        """Last step that a device of that first day (int32, n) may have: int64, n."""
        found: Array = np.searchsorted(self.days, first, side="right")
        return found


def sold_models(ctx: Context) -> Sold:
    """When each model of `device_models_6A` came."""
    launched = ctx.params.device_models_6A.launched
    year = np.array(
        [int(launched[name]) if name in launched else 0 for name in ctx.vocabulary("device_model")]
    )
    years = np.unique(year[year > 0])
    months = ((years - 1970) * 12).astype(np.int32)
    return Sold(first_day_of_month(months).astype(np.int64), np.searchsorted(years, year, side="right"))


def model_tables(ctx: Context) -> tuple[Sold, AliasTables]:
    """Alias tables of models by (kind, system), last step and first step that a device may have."""
    sold, mixes = sold_models(ctx), model_mixes(ctx)
    steps = np.arange(sold.steps)
    may = sold.step[None, None, :] <= steps[:, None, None]
    may = may & (sold.step[None, None, :] >= steps[None, :, None])
    table = mixes[:, None, None, :] * may[None]
    return sold, mix_tables(ctx, table.reshape(-1, mixes.shape[1]))


def model_mixes(ctx: Context) -> Array:
    """Permille of models: float64, (kind, system) x models."""
    named = dict(ctx.params.device_models_6A.models.items())
    rows = []
    for kind in ctx.vocabulary("device_type"):
        mixes = dict(named[kind].items()) if kind in named else {}
        for system in ctx.vocabulary("os_family"):
            mix = mixes.get(system)
            rows.append(
                numbers(ctx, "device_model", mix)
                if mix is not None
                else np.zeros(len(ctx.vocabulary("device_model")))
            )
    return np.stack(rows)


def version_mixes(ctx: Context) -> Array:
    """Permille of versions: float64, systems x versions."""
    return matrix(ctx, "os_family", "os_version", ctx.params.device_models_6A.os_versions)


def browser_mixes(ctx: Context) -> Array:
    """Permille of engines: float64, systems x engines."""
    return matrix(ctx, "os_family", "browser", ctx.params.device_models_6A.browsers)


def browsing(ctx: Context) -> Array:
    """Which kinds of devices browse: bool."""
    names = ctx.params.device_models_6A.browsing
    return np.array([name in names for name in ctx.vocabulary("device_type")], dtype=np.bool_)


def languages(ctx: Context) -> Array:
    """Main language of each country code: int16."""
    place = {name: code for code, name in enumerate(ctx.vocabulary("language"))}
    table = ctx.reference("countries")
    codes = np.zeros(len(ctx.vocabulary("country")), dtype=np.int16)
    codes[table.country_iso] = np.array(
        [place[name] for name in table.main_language.tolist()], dtype=np.int16
    )
    return codes


def count_traits(ctx: PartitionContext, base: Frame) -> None:
    """Rows of s4_device_base_6A with a trait that the taxonomy does not give their kind and system."""
    systems = len(ctx.vocabulary("os_family"))
    cell = base.device_type * np.int64(systems) + base.os_family
    wrong = model_mixes(ctx)[cell, base.device_model] == 0
    wrong |= version_mixes(ctx)[base.os_family, base.os_version] == 0
    browses = browsing(ctx)[base.device_type]
    has = base.browser != ctx.code("browser", "NONE")
    wrong |= has & (browser_mixes(ctx)[base.os_family, base.browser] == 0)
    wrong |= base.present("primary_party_id") & (browses != has)
    spoken = (base.language == languages(ctx)[base.home_country_iso]) | (
        base.language == ctx.code("language", "en")
    )
    ctx.count(TraitCounts.misfits, int((wrong | ~spoken).sum()))
    sold = sold_models(ctx)
    ctx.count(TraitCounts.unsold, int((sold.step[base.device_model] > sold.by(base.first_seen)).sum()))


def trait_faults(ctx: Context) -> Iterable[Fault]:
    """Mixes that do not sum up, or that a device of the taxonomy lacks."""
    law, kinds = ctx.params.device_models_6A, ctx.params.device_taxonomy_6A.types
    pack = "device_models_6A"
    for table in ("os_versions", "browsers"):
        yield from sum_faults((f"{pack}.{table}.{name}", values_of(mix)) for name, mix in law[table].items())
    names = ctx.vocabulary("device_model")
    for name in law.launched:
        if name not in names:
            yield Fault(f"{pack}.launched.{name}", f"{pack}.launched.{name} is no model")
    for kind, mixes in law.models.items():
        for system, mix in mixes.items():
            if not any(share and name not in law.launched for name, share in mix.items()):
                at = f"{pack}.models.{kind}.{system}"
                yield Fault(at, f"{at} has no model that old devices can be: all have a year in launched")
        yield from sum_faults((f"{pack}.models.{kind}.{name}", values_of(mix)) for name, mix in mixes.items())
    for kind, entry in kinds.items():
        for system, share in entry.os_permille.items():
            if share and (kind not in law.models or system not in law.models[kind]):
                yield Fault(f"{pack}.models", f"{pack}.models has no {kind} of {system}")
            if share and kind in law.browsing and system not in law.browsers:
                yield Fault(f"{pack}.browsers", f"{pack}.browsers has no {system}, which {kind} may run")
