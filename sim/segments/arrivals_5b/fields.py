"""Latent paths: who has one, how strong and how long-lived it is, and the factor it makes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sim.segments.arrivals_5b.sums import add, add_real
from sim.state.context import Context, PartitionContext
from sim.state.counters import Counters, Each, Scalar
from sim.state.declaration import Needs
from sim.state.frames import Array, Frame

UNIT = 4096
"""Standardised field values are summed as whole 1/4096s: 8 standard deviations squared still leave room for
2**32 of them.
"""


FAMILIES = ("field", "world", "country", "class", "metro", "merchant", "outlet", "zone")
"""Paths by bucket, and paths by day of each level."""

FIELDS_NEEDS = Needs(config=("arrival_lgcp_config_5B",), kernels=("entity_hash", "exp_map"))
DRAWN_NEEDS = Needs(kernels=("ou_field",))


class PathCounts(Counters):
    """Paths of each family as published: how many, and their moments; `count_moments` says in which units."""

    paths = Each(FAMILIES, Scalar())
    blocks = Each(FAMILIES, Scalar())
    values = Each(FAMILIES, Scalar())
    total = Each(FAMILIES, Scalar())
    squares = Each(FAMILIES, Scalar())
    early = Each(FAMILIES, Scalar())
    lagged = Each(FAMILIES, Scalar())
    decayed = Each(FAMILIES, Scalar())
    fresh = Each(FAMILIES, Scalar())
    mean_variance = Each(FAMILIES, Scalar())
    square_variance = Each(FAMILIES, Scalar())


@dataclass(frozen=True)
class Paths:
    """Ornstein-Uhlenbeck paths to be drawn, one a group.

    Attributes:
        entity: uint64, g: second counter word of the path's draws.
        sigma: float64, g: standard deviation.
        phi: float64, g: autocorrelation from one bucket to the next.
    """

    entity: Array
    sigma: Array
    phi: Array

    def slice(self, first: int, stop: int) -> Paths:
        """Paths `first` to `stop`."""
        return Paths(self.entity[first:stop], self.sigma[first:stop], self.phi[first:stop])

    def draw(self, ctx: Context, stream: str, buckets: int) -> Array:
        """float64, g * buckets: path after path."""
        z: Array = ctx.kernels.ou_field(
            key=ctx.stream(stream),
            entity=self.entity,
            sigma=self.sigma,
            phi=self.phi,
            step_scale=np.sqrt(1.0 - self.phi * self.phi),
            buckets=buckets,
            dims={"gz": len(self.entity) * buckets},
        )
        return z

    def factor(self, ctx: Context, z: Array, buckets: int) -> Array:
        """exp(z - sigma^2 / 2), mean 1."""
        y: Array = ctx.kernels.exp_map(x=z - np.repeat(0.5 * self.sigma * self.sigma, buckets))
        return y


def group_paths(ctx: Context, groups: Frame, hours: float) -> Paths:
    """Paths of groups.

    Args:
        ctx: Context.
        groups: One row of s1_grouping_5B a group.
        hours: Length of a bucket.
    """
    entity = ctx.field(
        "demand_group",
        class_name=ctx.name_hashes("demand_class")[groups.demand_class],
        channel_name=ctx.name_hashes("channel")[groups.channel_group],
        virtual_band_name=ctx.name_hashes("virtual_band")[groups.virtual_band],
        zone_group=groups.zone_group,
        merchant_bucket=groups.merchant_bucket,
    )
    sigma, length = _strength(ctx, groups)
    return Paths(entity, sigma, decay(ctx, length, hours))


def _strength(ctx: Context, rows: Frame) -> tuple[Array, Array]:
    """Standard deviation and correlation length (hours) of each group's path."""
    policy = ctx.params.arrival_lgcp_config_5B
    classes, bands = ctx.vocabulary("demand_class"), ctx.vocabulary("scenario_band")
    sigma = (
        by_code(policy.sigma_base, bands)[rows.scenario_band]
        * _class_figure(policy.classes, classes, "sigma")[rows.demand_class]
        * by_code(policy.sigma_channel, ctx.vocabulary("channel"))[rows.channel_group]
        * by_code(policy.sigma_virtual_band, ctx.vocabulary("virtual_band"))[rows.virtual_band]
    )
    length = (
        by_code(policy.length_base_hours, bands)[rows.scenario_band]
        * _class_figure(policy.classes, classes, "length")[rows.demand_class]
    )
    sigma = np.minimum(np.maximum(sigma, policy.sigma_range[0]), policy.sigma_range[1])
    return sigma, np.minimum(np.maximum(length, policy.length_range_hours[0]), policy.length_range_hours[1])


def by_code(table: object, names: Sequence[str]) -> Array:
    """Figures of a config object in the order of a sealed list: float64."""
    return np.array([table[name] for name in names], dtype=np.float64)  # type: ignore[index]


def _class_figure(classes: object, names: Sequence[str], figure: str) -> Array:
    return np.array([classes[name][figure] for name in names], dtype=np.float64)  # type: ignore[index]


def decay(ctx: Context, length: Array, hours: float) -> Array:
    """Autocorrelation over `hours` of paths of a correlation length in hours (or both in days)."""
    y: Array = ctx.kernels.exp_map(x=-np.float64(hours) / length)
    return y


def count_moments(ctx: PartitionContext, name: str, paths: Paths, z: Array, buckets: int) -> None:
    """Add what `moment_checks` needs of the paths a partition publishes.

    Sums run over standardised values s = z / sigma in whole 1/4096s. Of each path: the sums of s, s^2, s_t
    s_t+1, and s_t^2 over all t but the last; the latter weighted with phi and with 1 - phi^2; and the
    sampling variances of the sums of s and s^2.
    """
    s = (
        np.floor(z / np.repeat(paths.sigma, buckets) * np.float64(UNIT) + 0.5)
        .astype(np.int64)
        .reshape(-1, buckets)
    )
    early = (s[:, :-1] * s[:, :-1]).sum(axis=1)
    ctx.count(PathCounts.values[name], s.size)
    ctx.count(PathCounts.total[name], int(s.sum()))
    ctx.count(PathCounts.lagged[name], int((s[:, :-1] * s[:, 1:]).sum()))
    add(ctx, PathCounts.squares[name], (s * s).sum(axis=1))
    add(ctx, PathCounts.early[name], early)
    decay = np.floor(paths.phi * np.float64(UNIT) + 0.5).astype(np.int64)
    fresh = np.floor((1.0 - paths.phi * paths.phi) * np.float64(UNIT) + 0.5).astype(np.int64)
    add(ctx, PathCounts.decayed[name], early // UNIT * decay)
    add(ctx, PathCounts.fresh[name], early // UNIT * fresh)
    square = paths.phi * paths.phi
    add_real(ctx, PathCounts.mean_variance[name], np.float64(buckets) * (1.0 + paths.phi) / (1.0 - paths.phi))
    add_real(ctx, PathCounts.square_variance[name], np.float64(2 * buckets) * (1.0 + square) / (1.0 - square))
