"""Paths by local day: drawn, and published with their moments and draws counted."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sim.recipes.horizon import Horizon
from sim.recipes.words import WORDS_NEEDS, words_at
from sim.segments.arrivals_5b.days import Sigmas, civil, local_days, path
from sim.segments.arrivals_5b.fields import PathCounts, Paths, count_moments
from sim.state.addressed import Address
from sim.state.context import PartitionContext
from sim.state.declaration import Needs
from sim.state.frames import Array, Frame

DAY_PATHS_NEEDS = Needs(
    streams=(
        "5B.world_day",
        "5B.country_day",
        "5B.country_class_day",
        "5B.metro_day",
        "5B.merchant_day",
        "5B.zone_day",
    ),
    kernels=("entity_hash", "exp_map", "normal_quantile_map", "open_uniform"),
    uses=(WORDS_NEEDS,),
)


@dataclass(frozen=True)
class Span:
    """Days of a scenario.

    Attributes:
        days: int32: local days, since 1970.
        sigmas: Standard deviations of the scenario's band.
        scenario: The scenario, for the ledger.
    """

    days: Array
    sigmas: Sigmas
    scenario: str

    def each(self, entities: Array) -> Array:
        """Every entity once a day."""
        return np.repeat(entities, len(self.days))

    def civil(self, entities: Array) -> Array:
        """Field `civil_day` of every entity's days."""
        return np.tile(civil(self.days), len(entities))

    def owners(self, owners: Frame) -> dict[str, Array]:
        """Key columns of rows of entities' days."""
        columns = {name: self.each(owners[name]) for name in owners}
        return columns | {"local_day": np.tile(self.days, len(owners))}


def span_of_days(horizon: Horizon, sigmas: Sigmas, scenario: str) -> Span:
    """Days of a scenario: every local day that its horizon touches somewhere."""
    return Span(local_days(horizon), sigmas, scenario)


def publish_countries(ctx: PartitionContext, span: Span, pairs: Frame) -> Frame:
    """Rows of s2_country_day_5B.

    Args:
        ctx: Context.
        span: Days of the scenario.
        pairs: legal_country_iso, demand_class, each once, in order.
    """
    countries, of_pair = np.unique(pairs.legal_country_iso, return_inverse=True)
    world, country, own = _country_levels(ctx, span, pairs, enter=True)
    _count(ctx, "world", world, np.full(1, span.sigmas.world), 0.0)
    _count(ctx, "country", country, np.full(len(countries), span.sigmas.country), 0.0)
    _count(ctx, "class", own, np.full(len(pairs), span.sigmas.country_class), 0.0)
    return Frame(
        {
            **span.owners(pairs.select("legal_country_iso", "demand_class")),
            "world_z": np.tile(world[0], len(pairs)),
            "country_z": country[of_pair].ravel(),
            "class_z": own.ravel(),
        }
    )


def countries_of(ctx: PartitionContext, span: Span, pairs: Frame) -> Array:
    """World, country and class of each pair together: float64 (pairs, days)."""
    _, of_pair = np.unique(pairs.legal_country_iso, return_inverse=True)
    world, country, own = _country_levels(ctx, span, pairs, enter=False)
    total: Array = np.tile(world, (len(pairs), 1)) + country[of_pair] + own
    return total


def _country_levels(
    ctx: PartitionContext, span: Span, pairs: Frame, enter: bool
) -> tuple[Array, Array, Array]:
    countries = ctx.name_hashes("country")[np.unique(pairs.legal_country_iso)]
    hashes = {
        "country_name": ctx.name_hashes("country")[pairs.legal_country_iso],
        "class_name": ctx.name_hashes("demand_class")[pairs.demand_class],
    }
    pair = ctx.field("country_class", **hashes)
    world = ctx.address("5B.world_day", civil_day=civil(span.days))
    country = ctx.address(
        "5B.country_day", country_name=span.each(countries), civil_day=span.civil(countries)
    )
    own = ctx.address("5B.country_class_day", country_class=span.each(pair), civil_day=span.civil(pair))
    if enter:
        ctx.ledger(world, scenario=span.scenario)
        ctx.ledger(country, scenario=span.scenario)
        names = pairs.select("legal_country_iso", "demand_class")
        ctx.ledger(own, scenario=span.scenario, names={name: span.each(names[name]) for name in names})
    return (
        _normals(ctx, span, world)[0] * span.sigmas.world,
        _normals(ctx, span, country)[0] * span.sigmas.country,
        _normals(ctx, span, own)[0] * span.sigmas.country_class,
    )


def publish_metros(ctx: PartitionContext, span: Span, metros: Array) -> Frame:
    """Rows of s2_metro_day_5B; metros uint32, each once, in order."""
    z = _weather(ctx, span, metros, enter=True)
    _count(ctx, "metro", z, np.full(len(metros), span.sigmas.metro), span.sigmas.metro_phi)
    return Frame({**span.owners(Frame({"metro_id": metros})), "latent_z": z.ravel()})


def metros_of(ctx: PartitionContext, span: Span, metros: Array) -> Array:
    """Weather of metros: float64 (metros, days)."""
    return _weather(ctx, span, metros, enter=False)


def _weather(ctx: PartitionContext, span: Span, metros: Array, enter: bool) -> Array:
    at = ctx.address(
        "5B.metro_day", metro_id=span.each(metros.astype(np.uint64)), civil_day=span.civil(metros)
    )
    if enter:
        ctx.ledger(at, scenario=span.scenario)
    return path(_normals(ctx, span, at)[0], span.sigmas.metro, span.sigmas.metro_phi)


def publish_merchants(
    ctx: PartitionContext, span: Span, merchants: Array, outlets: Array
) -> tuple[Frame, Array]:
    """Rows of s2_merchant_day_5B, and the sum of both levels: float64 (merchants, days).

    Args:
        ctx: Context.
        span: Days of the scenario.
        merchants: uint64, each once, in order.
        outlets: uint32: outlets of each.
    """
    at = ctx.address("5B.merchant_day", merchant_id=span.each(merchants), civil_day=span.civil(merchants))
    ctx.ledger(at, scenario=span.scenario)
    slow, fresh = _normals(ctx, span, at)
    spread = span.sigmas.of_outlets(outlets)
    merchant = path(slow, span.sigmas.merchant, span.sigmas.merchant_phi)
    own = fresh * spread[:, None]
    sigma = np.full(len(merchants), span.sigmas.merchant)
    _count(ctx, "merchant", merchant, sigma, span.sigmas.merchant_phi)
    _count(ctx, "outlet", own, spread, 0.0)
    owners = span.owners(Frame({"merchant_id": merchants}))
    return Frame({**owners, "merchant_z": merchant.ravel(), "outlet_z": own.ravel()}), merchant + own


def publish_zones(ctx: PartitionContext, span: Span, zones: Frame) -> tuple[Frame, Array]:
    """Rows of s2_zone_day_5B, and their gammas: float64 (zones, days).

    Args:
        ctx: Context.
        span: Days of the scenario.
        zones: merchant_id and tzid, each pair once, in order.
    """
    hashes = ctx.name_hashes("tzid")[zones.tzid]
    entity = ctx.field("merchant_zone", merchant_id=zones.merchant_id, tzid_name=hashes)
    at = ctx.address("5B.zone_day", merchant_zone=span.each(entity), civil_day=span.civil(entity))
    ctx.ledger(at, scenario=span.scenario)
    z, sigma = _normals(ctx, span, at)[0] * span.sigmas.zone, span.sigmas.zone
    _count(ctx, "zone", z, np.full(len(zones), sigma), 0.0)
    gamma: Array = ctx.kernels.exp_map(x=z.ravel() - np.float64(0.5 * sigma * sigma))
    return Frame({**span.owners(zones), "gamma": gamma}), gamma.reshape(z.shape)


def _normals(ctx: PartitionContext, span: Span, at: Address) -> tuple[Array, ...]:
    """Standard normals of the words of entities' days: float64 (entities, days), one a draw."""
    return tuple(
        ctx.kernels.normal_quantile_map(u=ctx.kernels.open_uniform(x=word)).reshape(-1, len(span.days))
        for word in words_at(ctx, at)
    )


def _count(ctx: PartitionContext, name: str, z: Array, sigma: Array, phi: float) -> None:
    ctx.count(PathCounts.paths[name], len(z))
    if len(z):
        paths = Paths(np.zeros(len(z), dtype=np.uint64), sigma, np.full(len(z), phi))
        count_moments(ctx, name, paths, z.ravel(), z.shape[1])
