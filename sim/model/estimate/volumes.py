"""Expected volume of a world without drawing any: outlets, keys and weekly arrivals of its merchants.

The mean law of 1A, 1B, 2B, 3B and 5A.S1 over their priors: class medians x channel x sites x online share.
Merchants of the user count one by one - trade, channel, country, outlets and weekly volume as given -,
generated ones by their mix. It sizes disks and patience, nothing else: whatever a run publishes is drawn by
the states themselves, and a world of a few hundred merchants may be a tenth off.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from statistics import NormalDist
from typing import Any

import numpy as np

from sim.model.estimate.days import demand_days
from sim.model.estimate.places import expected_homes, most_parties
from sim.model.inputs.merchants import MERCHANTS_INPUT
from sim.state.frames import Array, Frame
from sim.state.model import Facts

# Measured on worlds built with the packaged priors (demo and small, seeds 42 and 7), where no prior says it
# directly.
KEYS_OF_SHOPS = 1.04  # countries and zones a merchant sells from in shops
KEYS_OF_ONLINE = 1.25  # and one with customers online, times the world's countries to the power below
KEYS_POWER = 0.37
_FIGURES = ("outlets", "keys", "weekly", "arrivals")
_STEPS = 64


@dataclass(frozen=True)
class Volumes:
    """Expected figures of a world's merchants.

    Attributes:
        merchants: Merchants.
        outlets: Their outlets.
        keys: Rows of `merchant_zone_profile_5A`.
        weekly: Arrivals of an ordinary week, all keys together.
        arrivals: Arrivals of one scenario over its horizon, the mean of the run's.
        people: Most customers that the countries of the world have people for.
    """

    merchants: int
    outlets: float
    keys: float
    weekly: float
    arrivals: float
    people: int


def expected_volumes(facts: Facts) -> Volumes:
    """Expected figures of the merchants a request has, generated and supplied."""
    law = _Law(facts)
    supplied = facts.externals.get(MERCHANTS_INPUT)
    universe = facts.params["merchant_universe_1A"]
    generated = 0 if supplied is not None and universe.when_supplied == "replace" else int(universe.merchants)
    figures, there = np.zeros(len(_FIGURES)), np.zeros(len(facts.vocabularies["country"]), dtype=np.bool_)
    if generated:
        homes = expected_homes(facts)
        one = law.generated(homes)
        figures += np.array([generated * one[name] for name in _FIGURES])
        there |= homes > 0.0
    given = 0
    if supplied is not None:
        rows = law.supplied(supplied)
        given = len(rows["weekly"])
        figures += np.array([float(rows[name].sum()) for name in _FIGURES])
        there[supplied.country] = True
        there[supplied.outlet_country[supplied.present("outlet_country")]] = True
    means = dict(zip(_FIGURES, figures.tolist(), strict=True))
    return Volumes(generated + given, people=most_parties(facts, np.flatnonzero(there)), **means)


class _Law:
    """Means by trade (in the order of the taxonomy's MCCs), channel and country."""

    def __init__(self, facts: Facts) -> None:
        self.facts = facts
        self.params, self.words = facts.params, facts.vocabularies
        tables = {name: facts.reference.frame(name, self.words) for name in ("cities", "countries")}
        self.cities, self.countries = tables["cities"], tables["countries"]
        self.trades = sorted(self.params["mcc_taxonomy_1A"].mccs, key=lambda entry: int(entry.mcc))
        self.mcc = np.array([entry.mcc for entry in self.trades], dtype=np.int64)
        self.demand = self.params["demand_policy_5A"]

    def generated(self, homes: Array) -> dict[str, float]:
        """Means of one generated merchant, at home in countries with these chances."""
        weight = np.array([entry.share_weight for entry in self.trades], dtype=np.float64)
        mix = np.array(
            [[entry.channel_mix[name] for name in self.words["channel"]] for entry in self.trades],
            dtype=np.float64,
        )
        chance = (weight / weight.sum())[:, None] * mix / mix.sum(axis=1, keepdims=True)
        countries = np.flatnonzero(homes).astype(np.int16)
        shops = self.in_shops * float((homes * self.site_scale).sum())
        chain, sold = self.chains, self.outlets_sold
        kinds = np.stack(
            [1.0 - chain, sold - 1.0 + chain]
        )  # of singles and of chains, in units of one outlet
        coins = np.stack([1.0 - chain, chain])
        trade, channel = np.indices(self.own_class.shape)
        both = self.own_class, np.broadcast_to(self.online_class[:, None], trade.shape)
        arrivals = 0.0
        for scenario in self.facts.scenarios:
            days = demand_days(self.facts, scenario, countries)
            for place, country in enumerate(countries.tolist()):
                at = np.full(trade.size, place)
                near, far = (
                    np.stack(
                        [
                            days.weeks(label.ravel(), channel.ravel(), trade.ravel(), at, life[None])
                            for life in (days.mortal, days.lasting)
                        ]
                    ).reshape(2, *trade.shape)
                    for label in both
                )
                in_shops = self.in_shops * self.site_scale[country] * (kinds * near).sum(axis=0)
                online = self.online * (coins * far).sum(axis=0)
                arrivals += homes[country] * float((chance * (in_shops + online)).sum())
        scale = float(self.demand.volume_scale)
        return {
            "outlets": float((chance * self.outlets).sum()),
            "keys": float((chance * self.keys).sum()),
            "weekly": float((chance * (shops * sold + self.online)).sum()) * scale,
            "arrivals": arrivals / len(self.facts.scenarios) * scale,
        }

    def supplied(self, rows: Frame) -> dict[str, Array]:
        """Means of each of the user's merchants."""
        starts = np.flatnonzero(np.concatenate([[True], rows.merchant_id[1:] != rows.merchant_id[:-1]]))
        first = rows.take(starts)
        count = np.diff(np.append(starts, len(rows)))
        place = rows.present("outlet_country") | rows.present("lat_udeg")
        given = np.logical_or.reduceat(place, starts) | (count > 1)
        country = np.where(rows.present("outlet_country"), rows.outlet_country, rows.country)
        sites = np.add.reduceat(self.site_scale[country], starts)
        trade = np.searchsorted(self.mcc, np.where(first.present("law_mcc"), first.law_mcc, first.mcc))
        outlets = np.where(given, count, self.outlets[trade, first.channel])
        sold = self.outlets_sold[trade, first.channel] * self.site_scale[first.country]
        scale = np.where(given, sites * count ** float(self.demand.chain_premium), sold)
        own = np.where(
            first.present("demand_class"), first.demand_class, self.own_class[trade, first.channel]
        )
        in_shops = self.shop_share[trade, first.channel] * self.channel[first.channel] * self.median[own]
        shops, online = in_shops * scale, self.online[trade, first.channel]
        days = shops * self._weeks(own, first, trade) + online * self._weeks(
            self.online_class[trade], first, trade
        )
        drawn = (shops + online) * float(self.demand.volume_scale)
        asked = first.weekly_volume * float(self.demand.given_volume_scale)
        weekly = np.where(first.present("weekly_volume"), asked, drawn)
        return {
            "outlets": outlets.astype(np.float64),
            "keys": np.where(
                given, np.minimum(outlets, self.keys[trade, first.channel]), self.keys[trade, first.channel]
            ),
            "weekly": weekly,
            "arrivals": weekly * days / (shops + online),
        }

    def _weeks(self, label: Array, merchants: Frame, trade: Array) -> Array:
        """Weeks of demand of merchants that live throughout, the mean over the run's scenarios: float64."""
        countries = np.unique(merchants.country)
        country = np.searchsorted(countries, merchants.country)
        code = np.zeros(len(trade), dtype=np.int64)
        for column in (label, merchants.channel, trade, country):
            code = (code << 15) | column
        _, one, back = np.unique(code, return_index=True, return_inverse=True)
        total = np.zeros(len(one))
        for scenario in self.facts.scenarios:
            days = demand_days(self.facts, scenario, countries)
            total += days.weeks(
                label[one],
                merchants.channel[one],
                trade[one],
                country[one],
                np.ones((1, len(days.days))),
            )
        weeks: Array = total[back] / len(self.facts.scenarios)
        return weeks

    @cached_property
    def channel(self) -> Array:
        """Factor of each channel."""
        return np.array(
            [self.demand.channel_multiplier[name] for name in self.words["channel"]], dtype=np.float64
        )

    @cached_property
    def classes(self) -> Any:
        """Demand classes by name."""
        return self.params["demand_classes_5A"].classes

    @cached_property
    def median(self) -> Array:
        """Weekly volume of a site by demand class."""
        return np.array(
            [self.classes[name].weekly_volume_per_site_median for name in self.words["demand_class"]],
            dtype=np.float64,
        )

    @cached_property
    def own_class(self) -> Array:
        """Demand class in shops: int64, trades x channels."""
        place = self.words["demand_class"].index
        return np.array(
            [[place(entry.demand_class[name]) for name in self.words["channel"]] for entry in self.trades]
        )

    @cached_property
    def online_class(self) -> Array:
        """Demand class online: int64, trades."""
        at: Array = self.own_class[:, self.words["channel"].index("card_not_present")]
        return at

    @cached_property
    def odds(self) -> tuple[Array, Array]:
        """Chance of HYBRID and of VIRTUAL_ONLY: two float64, trades x channels."""
        shape = (len(self.trades), len(self.words["channel"]))
        hybrid, only = np.zeros(shape), np.zeros(shape)
        for row, entry in enumerate(self.trades):
            for name, law in entry.virtual.items():
                at = row, self.words["channel"].index(name)
                hybrid[at], only[at] = law.hybrid / 1000, law.virtual_only / 1000
        return hybrid, only

    @cached_property
    def hybrid_share(self) -> Array:
        """Mean online share of a HYBRID merchant by channel."""
        share = np.zeros(len(self.words["channel"]))
        for name, bounds in self.params["virtual_policy_3B"].hybrid_share.items():
            share[self.words["channel"].index(name)] = (bounds.low + bounds.high) / 2
        return share

    @cached_property
    def shop_share(self) -> Array:
        """Mean share of its sites' demand that a merchant sells in shops: trades x channels."""
        hybrid, only = self.odds
        share: Array = 1.0 - only - hybrid * self.hybrid_share
        return share

    @cached_property
    def in_shops(self) -> Array:
        """Mean weekly volume in shops per unit of site scale, before `volume_scale`: trades x channels."""
        return self.shop_share * self.channel * self.median[self.own_class]

    @cached_property
    def online(self) -> Array:
        """Mean weekly volume online, before `volume_scale`: trades x channels."""
        at = self.online_class
        sigma = float(self.demand.virtual_sigma)
        (hybrid, only), times = self.odds, self.demand.virtual_multiplier
        shares = hybrid * self.hybrid_share * times["HYBRID"] + only * times["VIRTUAL_ONLY"]
        volume: Array = shares * self.channel * (self.median[at] * np.exp(sigma**2 / 2))[:, None]
        return volume

    @cached_property
    def keys(self) -> Array:
        """Mean number of keys: trades x channels."""
        online = self.odds[0] + self.odds[1]
        mean_keys: Array = (
            1.0 - online
        ) * KEYS_OF_SHOPS + online * KEYS_OF_ONLINE * self.countries_of_world**KEYS_POWER
        return mean_keys

    @cached_property
    def countries_of_world(self) -> int:
        """Countries of the world: those of the user's file, or as many as policy says."""
        rows = self.facts.externals.get(MERCHANTS_INPUT)
        if rows is not None and self.params["merchant_universe_1A"].when_supplied == "replace":
            own = [rows.country, rows.outlet_country[rows.present("outlet_country")]]
            return len(np.unique(np.concatenate(own)))
        return min(int(self.params["footprint_policy_1A"].countries), len(self.countries))

    @cached_property
    def outlets(self) -> Array:
        """Mean number of outlets where they are drawn: trades x channels."""
        return self._chains(0.0)

    @cached_property
    def outlets_sold(self) -> Array:
        """What the outlets sell on average in units of a single outlet's volume: trades x channels."""
        return self._chains(float(self.demand.chain_premium))

    @cached_property
    def chains(self) -> Array:
        """Chance of being a chain: trades x channels."""
        scale = self.params["outlet_policy_1A"].multi_site.scale_permille
        chance = np.array([entry.multi_site_permille for entry in self.trades]) * scale / 1e6
        open_to = np.array([name != "card_not_present" for name in self.words["channel"]])
        chains: Array = np.minimum(chance, 1.0)[:, None] * open_to
        return chains

    def _chains(self, premium: float) -> Array:
        """Mean of outlets ** (1 + premium): trades x channels."""
        policy = self.params["outlet_policy_1A"]
        sigma, kappa = policy.outlets.tail_sigma, policy.outlets.dispersion
        steps = np.array([NormalDist().inv_cdf((step + 0.5) / _STEPS) for step in range(_STEPS)])
        tail = np.exp(sigma * steps - sigma * sigma / 2)
        site_mean = np.array([entry.site_mean for entry in self.trades]) * policy.outlets.mean_permille / 1000
        mean = np.minimum(site_mean[:, None] * tail, policy.outlets.largest_mean)
        cut = 1.0 - (1.0 + mean / kappa) ** -kappa
        further = mean / cut
        spread = np.sqrt(np.log(np.maximum((mean + mean**2 / kappa + mean**2) / cut / further**2, 1.0)))
        sizes = 1.0 + further[:, :, None] * np.exp(spread[:, :, None] * (steps - spread[:, :, None] / 2))
        whole = (sizes ** (1.0 + premium)).mean(axis=(1, 2))
        mean_sold: Array = 1.0 + self.chains * (whole - 1.0)[:, None]
        return mean_sold

    @cached_property
    def site_scale(self) -> Array:
        """Mean scale of a site by country code.

        Metros of some size are sampled in proportion to their people and weigh what they have; part of their
        sites is in their towns, by people too.
        """
        policy, footprint = self.params["site_weight_policy_2B"], self.params["footprint_policy_1A"]
        people = np.maximum(self.cities.population, 1).astype(np.float64)
        sold = np.maximum(people, policy.city_population_floor) / policy.city_population_reference
        sold = sold**policy.city_exponent
        seat = self.cities.metro_id == self.cities.city_id
        metro = seat & (people >= footprint.metro_least_population)
        scale = self._by_country(sold, np.where(metro, people ** (1.0 + footprint.site_exponent), 0.0))
        # A country without a metro of that size has its largest one.
        other = self._by_country(sold, np.where(seat, people, 0.0))
        scale = np.where(np.isnan(scale), np.where(np.isnan(other), 1.0, other), scale)
        if footprint.towns_a_metro:
            towns = self._by_country(sold, np.where(seat, 0.0, people))
            part = np.where(np.isnan(towns), 0.0, footprint.town_sites_permille / 1000.0)
            scale = (1.0 - part) * scale + part * np.where(np.isnan(towns), 0.0, towns)
        return scale

    def _by_country(self, value: Array, weight: Array) -> Array:
        """Weighted mean of a value of cities by country code, NaN where nothing weighs."""
        count = len(self.words["country"])
        total = np.bincount(self.cities.country_iso, weights=weight, minlength=count)
        sums = np.bincount(self.cities.country_iso, weights=weight * value, minlength=count)
        mean: Array = np.where(total > 0.0, sums / np.where(total > 0.0, total, 1.0), np.nan)
        return mean
