"""Published values made again from the words that `explain` shows: one function a stream,
over all rows of a partition.

Each returns what was found and what was expected, two arrays. A stream without one is only a part of what its
rows hold (a weight among the weights of its cell): that its words are the state's own is shown by the ledger
alone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from sim.backends import get_backend
from sim.recipes.drawn import position
from sim.recipes.entities import id_of
from sim.recipes.groups import run_lengths, run_offsets
from sim.recipes.land import on_land
from sim.recipes.months import month_of_day
from sim.recipes.places import country_letters, world_places
from sim.recipes.tables import build_alias
from sim.rng import block
from sim.segments.arrivals_5b import s3_bucket_counts
from sim.segments.arrivals_5b.clock import clock_of
from sim.segments.arrivals_5b.days import Sigmas, path, sigmas_of
from sim.segments.arrivals_5b.draws import _means
from sim.segments.arrivals_5b.fields import group_paths
from sim.segments.arrivals_5b.intensity import horizon_of_run
from sim.segments.arrivals_5b.keys import key_of_row
from sim.segments.arrivals_5b.open_parts import open_parts
from sim.segments.arrivals_5b.routes import routes_of
from sim.segments.entities_6a.cells import cell_words
from sim.segments.entities_6a.network_tables import mix_tables, pick
from sim.segments.entities_6a.s1_parties.life import party_life
from sim.segments.entities_6a.s1_parties.matching import match_keys
from sim.segments.entities_6a.s1_parties.population import population
from sim.segments.entities_6a.s1_parties.profile import ages, profiles
from sim.segments.entities_6a.s1_parties.state import race_keys
from sim.segments.entities_6a.s2_accounts.cells import required
from sim.segments.entities_6a.s2_accounts.life import Owners, account_life, status, status_limits
from sim.segments.entities_6a.s3_instruments import cards
from sim.segments.entities_6a.s3_instruments import rows as instrument_rows
from sim.segments.entities_6a.s4_devices import wallet_cards, wallets
from sim.segments.entities_6a.s4_devices.systems import systems_of
from sim.segments.entities_6a.s5_network.rows import asn_mixes
from sim.segments.entities_6a.tenure import NEVER
from sim.segments.entities_6a.terminals import os_tables
from sim.segments.intensity_5a.trade_hours import trade_hours
from sim.segments.merchants_1a.chains import most_outlets
from sim.segments.merchants_1a.countries import eligible_markets, sized_by
from sim.segments.merchants_1a.footprint import town_candidates
from sim.segments.merchants_1a.market import affinity
from sim.segments.merchants_1a.taxonomy import channel_permille, taxonomy
from sim.segments.routing_2b.terminal_law import till_sites
from sim.segments.virtual_3b.countries import country_law
from sim.state.context import Context
from sim.state.declaration import Partition
from sim.state.frames import Array, Frame
from tests.reference._counts import invert_count
from tests.reference.open_uniform import open52

KERNELS: Any = get_backend("cpu").kernels


@dataclass(frozen=True)
class Case:
    """Draws of one stream behind the rows of one dataset.

    Attributes:
        ctx: A context that may look everything of the state up.
        part: The partition.
        rows: Its rows.
        fields: What the rule found: one row an address.
        words: Words by number of the draw, uint64, one a row of `fields`.
    """

    ctx: Context
    part: Partition
    rows: Frame
    fields: Frame
    words: dict[int, Array]

    @property
    def word(self) -> Array:
        return next(iter(self.words.values()))


def below(words: Array, bound: int | Array) -> Array:
    return KERNELS.bounded_integer(
        x=words, bound=np.broadcast_to(np.asarray(bound, dtype=np.uint64), words.shape).copy()
    )


def lognormal(words: Array, sigma: Array | float, mean_one: bool) -> Array:
    spread = np.full(len(words), sigma, dtype=np.float64)
    return KERNELS.lognormal_factor(
        x=words, mu=spread * spread * -0.5 if mean_one else spread * 0.0, sigma=spread
    )


def chosen(words: Array, weight: Array) -> Array:
    upper = np.cumsum(weight)
    return np.searchsorted(upper, below(words, upper[-1]), side="right")


def _merchant_id(case: Case) -> tuple[Array, Array]:
    return id_of(case.word), case.fields.merchant_id


def _country(case: Case) -> tuple[Array, Array]:
    weight = sized_by(case.ctx, case.ctx.load("world_markets_1A"), "merchant_weight")
    return chosen(case.word, weight), case.fields.home_country_iso


def madow(start: int, size: list[int], many: int) -> list[int]:
    """Rows of a systematic sample, in plain integers: certainties first, then points one interval apart."""
    pool = [row for row, of in enumerate(size) if of]
    if many >= len(pool):
        return pool
    taken: list[int] = []
    while certain := [row for row in pool if size[row] * (many - len(taken)) >= sum(size[r] for r in pool)]:
        taken, pool = taken + certain, [row for row in pool if row not in certain]
        if len(taken) == many:
            return sorted(taken)
    left, total = many - len(taken), sum(size[row] for row in pool)
    for number in range(left):
        point, passed = (start * total >> 64) + number * total, 0
        for row in pool:
            passed += size[row] * left
            if passed > point:
                taken.append(row)
                break
    return sorted(taken)


def _footprint_countries(case: Case) -> tuple[Array, Array]:
    table, size = case.ctx.reference("countries"), eligible_markets(case.ctx)
    order = sorted(
        range(len(size)), key=lambda row: (str(table.region[row]), str(table.subregion[row]), size[row], row)
    )
    many = case.ctx.params.footprint_policy_1A.countries
    drawn = madow(int(case.word[0]), [int(size[row]) for row in order], many)
    return np.array(sorted(order[row] for row in drawn)), case.rows.country_iso.astype(np.int64)


def _footprint_metros(case: Case) -> tuple[Array, Array]:
    cities, markets = case.ctx.reference("cities"), case.ctx.load("world_markets_1A")
    least = case.ctx.params.footprint_policy_1A.metro_least_population
    start = dict(zip(case.fields.country_iso.tolist(), case.word.tolist(), strict=True))
    found = []
    for country, wanted in zip(markets.country_iso.tolist(), markets.metros_wanted.tolist(), strict=True):
        own = np.flatnonzero((cities.country_iso == country) & (cities.metro_id == cities.city_id))
        own = own[np.lexsort((cities.city_id[own], cities.lat_udeg[own], cities.lon_udeg[own]))]
        people = cities.population[own].tolist()
        size = [of if of >= min(least, max(people)) else 0 for of in people]
        found += [int(cities.city_id[own[row]]) for row in madow(start[country], size, wanted)]
    return np.array(sorted(found)), np.sort(case.fields.city_id).astype(np.int64)


def _footprint_towns(case: Case) -> tuple[Array, Array]:
    """A town is among the first of its metro's towns in their race."""
    cities, most = case.ctx.reference("cities").sort("country_iso", "city_id"), case.ctx.params
    metro = case.rows.place_kind == case.ctx.code("place_kind", "METRO")
    chosen = np.flatnonzero(np.isin(cities.city_id, case.rows.city_id[metro]))
    every = town_candidates(cities, chosen)
    ids = cities.city_id[every].astype(np.uint64)
    words = block(case.ctx.stream("1A.footprint_town"), np.zeros_like(ids), ids)[0]
    key = KERNELS.race_key(x=words, weight=cities.population[every].astype(np.float64))
    mine = KERNELS.race_key(
        x=case.word,
        weight=cities.population[np.argsort(cities.city_id)][
            np.searchsorted(np.sort(cities.city_id), case.fields.city_id)
        ].astype(np.float64),
    )
    before = [
        int(((cities.metro_id[every] == of) & (key < at)).sum())
        for of, at in zip(case.fields.metro_id.tolist(), mine.tolist(), strict=True)
    ]
    return np.array(before) < most.footprint_policy_1A.towns_a_metro, np.ones(len(before), dtype=np.bool_)


def _mcc(case: Case) -> tuple[Array, Array]:
    kinds = taxonomy(case.ctx)
    return kinds.mcc[chosen(case.word, kinds.share_weight)], case.fields.mcc


def _channel(case: Case) -> tuple[Array, Array]:
    kind = np.searchsorted(taxonomy(case.ctx).mcc, case.fields.mcc)
    upper = np.cumsum(channel_permille(case.ctx), axis=1)[kind]
    return (below(case.word, 1000)[:, None] >= upper).sum(axis=1), case.fields.channel


def _brand(case: Case) -> tuple[Array, Array]:
    return lognormal(
        case.word, case.ctx.params.merchant_universe_1A.brand_sigma, True
    ), case.fields.brand_factor


def _multi_site(case: Case) -> tuple[Array, Array]:
    merchants = case.ctx.load("merchant_catalogue_1A")
    law = taxonomy(case.ctx)
    kind = np.searchsorted(
        law.mcc, merchants.mcc[np.searchsorted(merchants.merchant_id, case.fields.merchant_id)]
    )
    chance = law.multi_site_permille * np.uint64(case.ctx.params.outlet_policy_1A.multi_site.scale_permille)
    return below(case.word, 1_000_000) < chance[kind], _size(
        case.rows.merchant_id, case.fields.merchant_id
    ) > 1


def _chain(case: Case) -> tuple[Array, Array]:
    """Outlets beyond one: the inversion of a zero-truncated NB2,
    whose mean a lognormal of another stream moves.
    """
    policy, mean = case.ctx.params.outlet_policy_1A.outlets, _chain_mean(case)
    size = _size(case.rows.merchant_id, case.fields.merchant_id)
    drawn = zip(case.word.tolist(), mean.tolist(), strict=True)
    merchants = case.ctx.load("merchant_catalogue_1A")
    mine = merchants.take(np.searchsorted(merchants.merchant_id, case.fields.merchant_id))
    most = most_outlets(case.ctx, mine).astype(np.int64) - 1
    counts = [invert_count(open52(word), mu, float(policy.dispersion), 1) for word, mu in drawn]
    return np.minimum(np.array(counts), most), size - 1


def _chain_mean(case: Case) -> Array:
    ctx, policy = case.ctx, case.ctx.params.outlet_policy_1A.outlets
    merchants, law = ctx.load("merchant_catalogue_1A"), taxonomy(ctx)
    kind = np.searchsorted(
        law.mcc, merchants.mcc[np.searchsorted(merchants.merchant_id, case.fields.merchant_id)]
    )
    words, _ = block(
        ctx.stream("1A.outlet_scale"), np.zeros_like(case.fields.merchant_id), case.fields.merchant_id
    )
    return np.minimum(
        law.site_mean[kind] * (policy.mean_permille / 1000.0) * lognormal(words, policy.tail_sigma, True),
        float(policy.largest_mean),
    )


def _foreign(case: Case) -> Array:
    """Countries abroad of each row's merchant."""
    merchants = case.ctx.load("merchant_catalogue_1A")
    rows = case.rows
    home = merchants.home_country_iso[np.searchsorted(merchants.merchant_id, rows.merchant_id)]
    pairs = np.unique(
        np.stack([rows.merchant_id, rows.legal_country_iso.astype(np.uint64)])[
            :, rows.legal_country_iso != home
        ],
        axis=1,
    )
    return _size(pairs[0], case.fields.merchant_id)


def _foreign_reach(case: Case) -> tuple[Array, Array]:
    policy = case.ctx.params.outlet_policy_1A.reach
    further = _size(case.rows.merchant_id, case.fields.merchant_id) - 1
    mu = KERNELS.exp_map(x=policy.size_exponent * KERNELS.log_map(x=further.astype(np.float64))) * float(
        policy.rate
    )
    many = np.array(
        [
            invert_count(open52(word), mean, 0.0, 0)
            for word, mean in zip(case.word.tolist(), mu.tolist(), strict=True)
        ]
    )
    return np.minimum(np.minimum(many, further), policy.most_countries), _foreign(case)


def _foreign_choice(case: Case) -> tuple[Array, Array]:
    """A country is among the first of all countries in its chain's race, as many as the chain goes to."""
    ctx, fields = case.ctx, case.fields
    merchants = ctx.load("merchant_catalogue_1A")
    home = merchants.home_country_iso[np.searchsorted(merchants.merchant_id, fields.merchant_id)]
    markets = ctx.load("world_markets_1A")
    market = sized_by(ctx, markets, "market_size")
    pull = affinity(ctx, market, ctx.params.outlet_policy_1A.bonds).astype(np.float64)[home]
    letters, many = country_letters(ctx)[markets.country_iso], _foreign(case)
    pulls = pull[:, markets.country_iso]
    mine = KERNELS.race_key(x=case.word, weight=pull[np.arange(len(home)), fields.legal_country_iso])
    rank = []
    for row in range(len(home)):
        every = block(
            ctx.stream("1A.foreign_choice"), letters, np.full(len(letters), fields.merchant_id[row])
        )[0]
        rank.append(int((KERNELS.race_key(x=every, weight=pulls[row]) < mine[row]).sum()))
    return np.array(rank) < many, np.ones(len(rank), dtype=np.bool_)


def _size(every: Array, wanted: Array) -> Array:
    return np.searchsorted(every, wanted, side="right") - np.searchsorted(every, wanted)


def _site_city(case: Case) -> tuple[Array, Array]:
    cities = world_places(case.ctx, "sites")
    return cities.frame.city_id[
        cities.pick(case.ctx, case.word, case.fields.legal_country_iso)
    ], case.fields.city_id


def _site_place(case: Case) -> tuple[Array, Array]:
    policy = case.ctx.params.placement_policy_1B
    return _points(case, "sites", policy.reach, case.fields.city_id, (0, 1, 2), "lat_deg", "lon_deg")


def _points(
    case: Case, of: str, reach: float, city_id: Array, draws: tuple[int, int, int], lat: str, lon: str
) -> tuple[Array, Array]:
    cities = world_places(case.ctx, of)
    order = np.argsort(cities.frame.city_id)
    city = order[np.searchsorted(cities.frame.city_id[order], city_id)]
    words = tuple(case.words[number] for number in draws)
    found = np.stack(cities.around(case.ctx, city, words, reach))
    published = np.stack([case.fields[lat], case.fields[lon]])
    wet = ~on_land(case.ctx, *found)  # the further tries decide
    assert (found != published).any(axis=0)[wet].all()
    return np.where(wet, published, found), published


def _further_points(
    case: Case, of: str, reach: float, city_id: str, lat: str, lon: str
) -> tuple[Array, Array]:
    """A row's tries: all but the last are in the sea, and the last is the place, or the centre."""
    cities = world_places(case.ctx, of)
    order = np.argsort(cities.frame.city_id)
    city = order[np.searchsorted(cities.frame.city_id[order], case.fields[city_id])]
    centre = np.stack([cities.frame.lat_udeg[city], cities.frame.lon_udeg[city]]) / 1e6
    number = case.fields.x0.astype(np.int64) // 3
    closer = np.array([1, 1, 1, 1 / 2, 1 / 4, 1 / 8, 1 / 16])[number]
    near = np.where(on_land(case.ctx, *centre), reach * closer, reach)
    found = np.stack(cities.around(case.ctx, city, (case.words[0], case.words[1], case.words[2]), near))
    published = np.stack([case.fields[lat], case.fields[lon]])
    wet = ~on_land(case.ctx, *found)
    last = np.append(number[1:] == 0, True)[: len(number)]
    assert np.array_equal(~wet, ~wet & last) and (number[wet & last] == 6).all()
    return np.where(wet, np.where(last, centre, published), found), published


def _site_place_again(case: Case) -> tuple[Array, Array]:
    policy = case.ctx.params.placement_policy_1B
    return _further_points(case, "sites", policy.reach, "city_id", "lat_deg", "lon_deg")


def _edge_again(case: Case) -> tuple[Array, Array]:
    policy = case.ctx.params.edge_policy_3B
    return _further_points(case, "homes", policy.jitter_reach, "city_id", "lat_deg", "lon_deg")


def _home_again(case: Case) -> tuple[Array, Array]:
    """Of houses and premises: flats are at their buildings' points."""
    prior = case.ctx.params.household_prior_6A
    own = np.flatnonzero(case.fields.dwelling_type != case.ctx.code("dwelling_type", "FLAT"))
    words = {draw: word[own] for draw, word in case.words.items()}
    case = Case(case.ctx, case.part, case.rows, case.fields.take(own), words)
    return _further_points(case, "homes", prior.jitter_reach, "home_city_id", "home_lat_deg", "home_lon_deg")


def _site_scale(case: Case) -> tuple[Array, Array]:
    """Two sites in one city differ by their factors alone."""
    locations = case.ctx.load("site_locations", columns=("site_id", "city_id"))
    order = np.argsort(locations.site_id)
    city = locations.city_id[order][np.searchsorted(locations.site_id[order], case.fields.site_id)]
    scale = case.fields.site_scale / lognormal(
        case.word, case.ctx.params.site_weight_policy_2B.site_sigma, True
    )
    _, first, again = np.unique(city, return_index=True, return_inverse=True)
    return np.round(scale / scale[first][again], 12), np.ones(len(scale))


def _virtual_mode(case: Case) -> tuple[Array, Array]:
    none = case.ctx.code("virtual_mode", "NON_VIRTUAL")
    return below(case.word, 1000) < case.fields.decision_permille, case.fields.virtual_mode != none


def _virtual_share(case: Case) -> tuple[Array, Array]:
    merchants = case.ctx.load("merchant_catalogue_1A")
    channel = merchants.channel[np.searchsorted(merchants.merchant_id, case.fields.merchant_id)]
    policy = case.ctx.params.virtual_policy_3B.hybrid_share
    names = [case.ctx.vocabulary("channel")[code] for code in channel.tolist()]
    low, high = (np.array([policy[name][side] for name in names]) for side in ("low", "high"))
    return low + (high - low) * KERNELS.open_uniform(x=case.word), case.fields.virtual_share


def _settlement(case: Case) -> tuple[Array, Array]:
    cities = world_places(case.ctx, "seats")
    return cities.frame.city_id[
        cities.pick(case.ctx, case.word, case.fields.settlement_country_iso)
    ], case.fields.city_id


def _footprint(case: Case) -> tuple[Array, Array]:
    reach, _ = _reach(case)
    policy = case.ctx.params.edge_policy_3B
    brands = case.ctx.load("merchant_catalogue_1A", columns=("merchant_id", "brand_factor"))
    brand = brands.brand_factor[np.searchsorted(brands.merchant_id, case.fields.merchant_id)]
    median = np.array(
        [policy.reach[name].edges_median for name in case.ctx.vocabulary("virtual_reach")], dtype=np.float64
    )
    power = KERNELS.exp_map(x=policy.edges_brand_exponent * KERNELS.log_map(x=brand))
    wanted = np.floor(median[reach] * power * lognormal(case.words[1], policy.edges_sigma, False) + 0.5)
    return np.clip(wanted, policy.edges_min, policy.edges_max), _size(
        case.rows.merchant_id, case.fields.merchant_id
    )


def _reach(case: Case) -> tuple[Array, Array]:
    policy, ctx = case.ctx.params.edge_policy_3B, case.ctx
    classes = ctx.load("virtual_classification_3B", columns=("merchant_id", "virtual_mode"))
    mode = classes.virtual_mode[np.searchsorted(classes.merchant_id, case.fields.merchant_id)]
    reaches = ctx.vocabulary("virtual_reach")
    limits = np.zeros((len(ctx.vocabulary("virtual_mode")), len(reaches)), dtype=np.int64)
    for name, shares in policy.reach_permille.items():
        limits[ctx.code("virtual_mode", name)] = np.cumsum([shares[reach] for reach in reaches])
    return (below(case.words[0], 1000).astype(np.int64)[:, None] >= limits[mode]).sum(axis=1), mode


def _edge(case: Case) -> tuple[Array, Array]:
    """City, and the point around it; the country follows from the city."""
    policy = case.ctx.params.edge_policy_3B
    cities = world_places(case.ctx, "homes")
    city = cities.frame.city_id[cities.pick(case.ctx, case.words[1], case.fields.country_iso)]
    found, expected = _points(
        case,
        "homes",
        policy.jitter_reach,
        case.fields.city_id,
        (3, 4, 5),
        "lat_deg",
        "lon_deg",
    )
    law = country_law(case.ctx)
    online = case.ctx.load("virtual_settlement_3B", columns=("merchant_id", "settlement_country_iso"))
    home = online.settlement_country_iso[np.searchsorted(online.merchant_id, case.fields.merchant_id)]
    # One of the reaches leads from the word to the country.
    reaches = len(case.ctx.vocabulary("virtual_reach"))
    drawn = [
        law.tables.pick(case.ctx, case.words[0], np.int64(reach) * law.countries + home) % law.countries
        for reach in range(reaches)
    ]
    right = np.any([country == case.fields.country_iso for country in drawn], axis=0)
    return np.vstack([city, found, right]), np.vstack([case.fields.city_id, expected, np.ones(len(city))])


def _outage(case: Case) -> tuple[Array, Array]:
    policy = case.ctx.params.overlay_policy_5A.outage
    begins = KERNELS.open_uniform(x=case.words[0]) < policy.probability_per_zone_day
    start = case.fields.civil_day * 86_400 + below(case.words[1], 1440).astype(np.int64) * 60
    length = np.array(policy.durations_minutes)[
        below(case.words[2], len(policy.durations_minutes)).astype(np.int64)
    ]
    found = np.stack([begins, start * 1_000_000, (start + length * 60) * 1_000_000])
    return found, np.stack(
        [np.ones(len(start), dtype=np.int64), case.fields.local_start, case.fields.local_end]
    )


def _clock(case: Case) -> tuple[Array, Array]:
    """Peak ratios; sites that never close; the weekday after which a merchant rests, where it does."""
    hours, words = case.ctx.params.merchant_hours_5A, case.words
    sigma = np.full(len(words[1]), hours.clock.peak_ratio_sigma)
    ratio = KERNELS.lognormal_factor(x=words[1], mu=np.zeros(len(sigma)), sigma=sigma)
    chance = KERNELS.open_uniform(x=words[8])
    weights = np.cumsum(hours.closing_weekday_weights)
    day = np.searchsorted(weights, chance * weights[-1], side="right")
    merchants = case.ctx.load("merchant_catalogue_1A", columns=("merchant_id", "mcc"))
    mcc = merchants.mcc[np.searchsorted(merchants.merchant_id, case.fields.merchant_id)]
    law = trade_hours(case.ctx)
    trade = law.row_of(mcc)
    # The smaller of the two shares: whoever is below takes a day off wherever it is.
    takes = KERNELS.open_uniform(x=words[7]) < law.weekly_closing[trade].min(axis=1) * 1e-3
    takes &= ~case.fields.always_open
    rests = (case.fields.closed_weekdays >> day.astype(np.uint8)) & 1
    open_then = KERNELS.open_uniform(x=words[4]) < law.figures["always_open"][trade] * 1e-3
    return np.stack([ratio, takes * rests, open_then]), np.stack(
        [case.fields.peak_ratio, takes, open_then & case.fields.always_open]
    )


def _life(case: Case) -> tuple[Array, Array]:
    """Growth; merchants of a user do not grow."""
    law, rows = case.ctx.params.merchant_life_5A, case.fields
    own = rows.valid["opened_date"] if "opened_date" in rows.valid else np.ones(len(rows), dtype=np.bool_)
    normal = KERNELS.normal_quantile_map(u=KERNELS.open_uniform(x=case.words[2]))
    growth = np.where(own, np.clip(normal, -3.0, 3.0) * law.growth_sigma, 0.0)
    return growth, rows.growth


def _field(case: Case) -> tuple[Array, Array]:
    ctx, rows = case.ctx, case.rows
    hours = horizon_of_run(ctx, case.part.scenario).bucket_seconds / 3600
    grouping = ctx.load("s1_grouping_5B", scenario=case.part.scenario)
    heads = rows.take(np.flatnonzero(rows.bucket_index == 0))
    known, first = np.unique(grouping.group_id, return_index=True)
    paths = group_paths(ctx, grouping.take(first[np.searchsorted(known, heads.group_id)]), hours)
    normal = _normal(case.word).reshape(len(heads), -1)
    scale = np.sqrt(1.0 - paths.phi * paths.phi)
    z = np.empty_like(normal)
    z[:, 0] = paths.sigma * normal[:, 0]
    for bucket in range(1, normal.shape[1]):
        z[:, bucket] = paths.phi * z[:, bucket - 1] + paths.sigma * scale * normal[:, bucket]
    return z.ravel(), rows.latent_z


def _normal(words: Array) -> Array:
    return KERNELS.normal_quantile_map(u=KERNELS.open_uniform(x=words))


def _sigmas(case: Case) -> Sigmas:
    grouping = case.ctx.load("s1_grouping_5B", scenario=case.part.scenario, columns=("scenario_band",))
    return sigmas_of(case.ctx, int(grouping.scenario_band[0]))


def _fresh(column: str, level: str) -> Callable[[Case], tuple[Array, Array]]:
    """A level without memory: every row has its own normal."""

    def made(case: Case) -> tuple[Array, Array]:
        return _normal(case.word) * getattr(_sigmas(case), level), case.fields[column]

    return made


def _weather(case: Case) -> tuple[Array, Array]:
    sigmas = _sigmas(case)
    metros = len(np.unique(case.fields.metro_id))
    normal = _normal(case.word).reshape(metros, -1)
    return path(normal, sigmas.metro, sigmas.metro_phi).ravel(), case.fields.latent_z


def _merchant_days(case: Case) -> tuple[Array, Array]:
    sigmas = _sigmas(case)
    grouping = case.ctx.load("s1_grouping_5B", scenario=case.part.scenario)
    known, first = np.unique(grouping.merchant_id, return_index=True)
    outlets = grouping.outlets[first[np.searchsorted(known, case.fields.merchant_id)]]
    normal = _normal(case.words[0]).reshape(len(np.unique(case.fields.merchant_id)), -1)
    slow = path(normal, sigmas.merchant, sigmas.merchant_phi).ravel()
    own = _normal(case.words[1]) * (sigmas.outlet / np.sqrt(outlets.astype(np.float64)))
    return np.stack([slow, own]), np.stack([case.fields.merchant_z, case.fields.outlet_z])


def _gamma(case: Case) -> tuple[Array, Array]:
    sigma = _sigmas(case).zone
    z = _normal(case.word) * sigma
    return KERNELS.exp_map(x=z - 0.5 * sigma * sigma), case.fields.gamma


def _bucket_count(case: Case) -> tuple[Array, Array]:
    """The count of the whole address; a part of it has the law of a share of the mean."""
    ctx, part, fields = case.ctx, case.part, case.fields
    grouping = ctx.load("s1_grouping_5B", scenario=part.scenario)
    key_row = key_of_row(ctx, grouping, case.rows).astype(np.int64)
    made = _means(ctx, part, case.rows.merchant_id)
    mu = made.mean[made.row_of(ctx, case.rows)]
    kappa = s3_bucket_counts._kappa(ctx, grouping)[key_row]
    size = np.bincount(fields.row, minlength=len(case.rows))
    found = np.zeros(len(case.rows), dtype=np.int64)
    for row, word in zip(fields.row.tolist(), case.word.tolist(), strict=True):
        found[row] += invert_count(open52(word), mu[row] / size[row], kappa[row] / size[row], 0)
    return found, case.rows.count_n


def _arrival_place(case: Case) -> tuple[Array, Array]:
    grid = case.ctx.load("s1_time_grid_5B", scenario=case.part.scenario)
    offset = case.fields.ts_utc - grid.bucket_start_utc[case.fields.bucket_index]
    return below(case.words[1], case.fields.slot).astype(np.int64), offset % case.fields.slot


def _arrival_route(case: Case) -> tuple[Array, Array]:
    ctx, part, fields = case.ctx.for_partition(case.part), case.part, case.fields
    keys = ctx.load("merchant_zone_profile_5A", rows=tuple(part.spec["merchant_zone_profile_5A"]))
    key_row = key_of_row(ctx, keys, fields)
    grid = ctx.load("s1_time_grid_5B", scenario=part.scenario)
    parts = open_parts(ctx, part, fields, keys, key_row, grid, clock_of(ctx))
    given = routes_of(ctx, part, keys, key_row, parts).arguments
    coin = given["virtual_below"]
    online = (case.words[1] < coin) | (coin == np.uint64(2**64 - 1))
    first = np.where(online, given["edge_first"][key_row], given["site_first"][key_row])
    slots = np.where(online, given["edge_slots"][key_row], given["site_slots"][key_row])
    tables = {name: given[name] for name in ("threshold", "alias")}
    slot = KERNELS.alias_pick(
        x=case.words[0], start=first.astype(np.uint64), size=slots.astype(np.uint32), **tables
    )
    place = given["place_id"][(first + slot).astype(np.int64)]
    recurs = online & (case.words[1] < given["recurring_below"])
    kind = np.where(online, given["edge_kind"], given["site_kind"][key_row])
    kind = np.where(recurs, given["recurring_kind"], kind)
    return np.stack([online, place, kind]), np.stack(
        [fields.is_virtual, np.where(fields.is_virtual, fields.edge_id, fields.site_id), fields.arrival_kind]
    )


def _arrival_terminal(case: Case) -> tuple[Array, Array]:
    """Terminal of an arrival: of those of its site, in their order, by their shares."""
    terminals = case.ctx.load("s4_site_terminals_2B")
    offsets = run_offsets(terminals.site_id)
    tables = build_alias(case.ctx, offsets, terminals.weight_q)
    site = position(terminals.site_id[offsets[:-1].astype(np.int64)], case.fields.site_id)
    slot = KERNELS.alias_pick(
        x=case.word,
        start=offsets[site],
        size=run_lengths(offsets)[site].astype(np.uint32),
        threshold=tables.threshold,
        alias=tables.alias,
    )
    row = (offsets[site] + slot.astype(np.uint64)).astype(np.int64)
    return terminals.terminal_id[row], case.fields.terminal_id


def _household(case: Case) -> tuple[Array, Array]:
    """In the order of the race, people fill the households of their country from the largest on."""
    key = race_keys(case.ctx, case.word, case.fields.segment_id)
    household = case.fields.household_id[np.lexsort((case.fields.row, key, case.fields.country_iso))]
    block, _ = _blocks_of_homes(case)
    return household[np.lexsort((household, block))], np.sort(household)


def _blocks_of_homes(case: Case) -> tuple[Array, Array]:
    """Block (country and size, the largest first) and size of each place in the partition's households."""
    targets = population(case.ctx)
    mine = targets.members[np.isin(targets.countries.country_iso, np.unique(case.fields.country_iso))]
    size = np.tile(np.arange(mine.shape[1], 0, -1), len(mine))
    block = np.repeat(np.arange(len(size)), mine[:, ::-1].ravel().astype(np.int64))
    return block, size[block]


def _ages(case: Case) -> Array:
    address = case.ctx.address(
        "6A.party_profile",
        party_rank=case.fields.party_rank,
        party_cell=cell_words(case.ctx, case.fields),
    )
    word, _ = block(case.ctx.stream("6A.party_profile"), address.c0, address.c1)
    person = case.fields.party_type == case.ctx.code("party_type", "RETAIL")
    return ages(case.ctx, word, case.fields, person)


def _match(case: Case) -> tuple[Array, Array]:
    """In the order of the line, people of one block fill its households one after the other."""
    at = np.argsort(case.fields.household_id, kind="stable")
    group, size = _blocks_of_homes(case)
    people = case.fields.take(at).with_columns(None, age=_ages(case)[at])
    key = match_keys(case.ctx, tuple(case.words[draw][at] for draw in range(3)), people, group, size)
    many = np.flatnonzero(size > 1)
    household = people.household_id[many][np.argsort(key[many], kind="stable")]
    return household, np.sort(household)


def _dwelling(case: Case) -> tuple[Array, Array]:
    odds = case.ctx.params.dwelling_prior_6A.flats_permille
    permille = np.array([odds[name] for name in case.ctx.vocabulary("region")], dtype=np.uint64)
    person = case.fields.party_type == case.ctx.code("party_type", "RETAIL")
    flat = person & (below(case.words[0], 1000) < permille[case.fields.region_id])
    return flat, case.fields.dwelling_type == case.ctx.code("dwelling_type", "FLAT")


def _profile(case: Case) -> tuple[Array, Array]:
    """Who every party is."""
    drawn = tuple(case.words[draw] for draw in range(7))
    made = profiles(case.ctx, drawn, case.fields, _ages(case), case.fields.joined_date)
    return _held(made), _held(case.fields.select(*made.names))


def _party_life(case: Case) -> tuple[Array, Array]:
    """When every party joined and left."""
    made = party_life(case.ctx, tuple(case.words[draw] for draw in range(4)), case.fields, _ages(case))
    return _held(made), _held(case.fields.select(*made.names))


def _held(frame: Frame) -> Array:
    """Columns of numbers below each other, -1 where there is none."""
    return np.stack(
        [np.where(frame.present(name), column.astype(np.int64), -1) for name, column in frame.items()]
    )


def _home(case: Case) -> tuple[Array, Array]:
    prior = case.ctx.params.household_prior_6A
    cities = world_places(case.ctx, "homes")
    city = cities.frame.city_id[cities.pick(case.ctx, case.words[0], case.fields.country_iso)]
    args = (
        "homes",
        prior.jitter_reach,
        case.fields.home_city_id,
        (1, 2, 3),
        "home_lat_deg",
        "home_lon_deg",
    )
    found, expected = _points(case, *args)
    flat = case.fields.dwelling_type == case.ctx.code("dwelling_type", "FLAT")
    found = np.where(flat, expected, found)  # at their buildings' points
    return np.vstack([city, found]), np.vstack([case.fields.home_city_id, expected])


def _account_life(case: Case) -> tuple[Array, Array]:
    """When every account opened, froze and closed, and its state."""
    parties = case.ctx.load("s1_party_base_6A", part=case.part.index)
    owner = (case.fields.owner_party_id - parties.party_id[0]).astype(np.int64)
    left = np.where(parties.present("left_date"), parties.left_date, NEVER)[owner]
    kind = case.fields.account_type.astype(np.int64)
    first = required(case.ctx)[kind] & (case.fields.account_number == 0)
    owners = Owners(case.fields.country_iso, parties.joined_date[owner], left, first)
    segments = len(case.ctx.vocabulary("segment"))
    cell, group = np.unique(kind * segments + case.fields.segment_id, return_inverse=True)
    drawn = tuple(case.words[draw] for draw in range(7))
    made = account_life(case.ctx, drawn, owners, cell % segments, cell // segments, group)
    return _held(made), _held(case.fields.select(*made.names))


def _status(case: Case) -> tuple[Array, Array]:
    limits = status_limits(case.ctx)[case.fields.account_type]
    return status(case.ctx, case.words[1], limits), case.fields.status


def _reserve(case: Case) -> tuple[Array, Array]:
    merchants = case.ctx.load("merchant_catalogue_1A", columns=("merchant_id", "channel"))
    channel = merchants.channel[np.searchsorted(merchants.merchant_id, case.fields.merchant_id)]
    permille = case.ctx.params.account_taxonomy_6A.merchant_accounts.reserve_permille
    odds = np.array([permille[name] for name in case.ctx.vocabulary("channel")], dtype=np.uint64)
    return below(case.word, 1000) < odds[channel], _size(case.rows.merchant_id, case.fields.merchant_id) > 1


def _scheme(case: Case) -> tuple[Array, Array]:
    accounts = case.ctx.load("s2_account_base_6A", part=case.part.index)
    country = accounts.country_iso[(case.fields.account_id - accounts.account_id[0]).astype(np.int64)]
    marks, tables = instrument_rows.mark_tables(case.ctx)
    group = instrument_rows.mark_group(case.ctx, case.fields.instrument_type, country)
    mark = tables.pick(case.ctx, case.words[0], group) % len(marks.scheme)
    return marks.scheme[mark], case.fields.scheme


def _card(case: Case) -> tuple[Array, Array]:
    """Scheme and tier of every card."""
    scheme, expected = _scheme(case)
    tables, group = instrument_rows._tier_tables(case.ctx)
    tier = tables.pick(case.ctx, case.words[1], group[case.fields.account_type]) % len(
        case.ctx.vocabulary("brand_tier")
    )
    return np.stack([scheme, tier]), np.stack([expected, case.fields.brand_tier])


def _card_life(case: Case) -> tuple[Array, Array]:
    """Months of validity, and the day of activation of those that are activated."""
    law, fields = case.ctx.params.card_life_6A, case.fields
    months = cards._months(case.ctx, case.words[cards.VALIDITY])
    lag = np.array([row.days for row in law.activation_mix])[
        cards._picked(case.ctx, case.words[cards.LAG], [row.parts for row in law.activation_mix])
    ]
    instant = np.isin(
        fields.instrument_type, [case.ctx.code("instrument_type", name) for name in law.instant]
    )
    active = fields.present("activation_date")
    found = np.where(active, fields.issue_date + np.where(instant, 0, lag), 0)
    valid = month_of_day(fields.expiry_month) - month_of_day(fields.issue_date)
    return np.stack([months, found]), np.stack([valid, np.where(active, fields.activation_date, 0)])


def _system(case: Case) -> tuple[Array, Array]:
    """Systems of parties' devices; wearables follow a phone, so owners' rows come together here."""
    fields = case.fields
    owner = (fields.primary_party_id - fields.primary_party_id.min()).astype(np.int64)
    devices = fields.with_columns(owner=owner)
    return systems_of(case.ctx, case.words[0], devices, fields.home_country_iso)[0], fields.os_family


def _wallet(case: Case) -> tuple[Array, Array]:
    """Which wallet a token is in: its device's."""
    base = case.ctx.load("s4_device_base_6A", part=case.part.index)
    device = base.take((case.fields.device_id - base.device_id[0]).astype(np.int64))
    group = wallets.wallet_group(case.ctx, device.home_country_iso, device.os_family)
    return pick(case.ctx, wallets.wallet_tables(case.ctx), case.words[1], group), case.fields.wallet


def _provisioned(case: Case) -> tuple[Array, Array]:
    """Day a token was put on its device."""
    instruments = case.ctx.load("s3_instrument_base_6A", part=case.part.index)
    card = (case.fields.instrument_id - instruments.instrument_id[0]).astype(np.int64)
    last = wallet_cards.last_day(case.ctx)
    most = case.ctx.params.device_linkage_6A.token_days_max
    ended = instruments.present("valid_to")[card]
    base = case.ctx.load("s4_device_base_6A", part=case.part.index)
    device = base.take((case.fields.device_id - base.device_id[0]).astype(np.int64))
    used = np.where(device.present("last_seen"), device.last_seen, last).astype(np.int64)
    last = np.minimum(np.where(ended, instruments.valid_to[card], last).astype(np.int64), used)
    since = np.maximum(instruments.valid_from[card], device.first_seen).astype(np.int64)
    since = np.maximum(since, last - most)
    soon = since + int(case.ctx.params.device_life_6A.token_days)
    last = np.where(device.present("predecessor_device_id"), np.minimum(last, soon), last)
    day = since + below(case.word, (last - since + 1).astype(np.uint64)).astype(np.int64)
    return day, case.fields.provisioned_date


def _terminals(case: Case) -> tuple[Array, Array]:
    """Terminals of each site: what trade and size ask for, rounded by chance."""
    ctx, fields = case.ctx, case.fields
    sites = till_sites(ctx, ctx.load("s1_site_weights_2B", part=case.part.index))
    wanted = sites.wanted[position(sites.site_id, fields.site_id)]
    _, place = np.unique(fields.site_id, return_inverse=True)
    return np.floor(wanted + KERNELS.open_uniform(x=case.word)), np.bincount(place)[place]


def _terminal_kind(case: Case) -> tuple[Array, Array]:
    ctx, fields = case.ctx, case.fields
    sites = till_sites(ctx, ctx.load("s1_site_weights_2B", part=case.part.index))
    permille = sites.kiosk_permille[position(sites.site_id, fields.site_id)]
    kiosk = below(case.word, 1000).astype(np.int64) < permille
    return kiosk, fields.terminal_type == ctx.code("terminal_type", "KIOSK")


def _terminal_system(case: Case) -> tuple[Array, Array]:
    return pick(case.ctx, os_tables(case.ctx), case.word, case.fields.device_type), case.fields.os_family


def _asn(case: Case) -> tuple[Array, Array]:
    tables = mix_tables(case.ctx, asn_mixes(case.ctx))
    return pick(case.ctx, tables, case.words[0], case.fields.ip_type), case.fields.asn_class


def _hosting(case: Case) -> tuple[Array, Array]:
    """All hosting addresses of a country are alike: the slot is the address."""
    ctx, fields = case.ctx, case.fields
    every = ctx.load("s4_ip_base_6A", part=case.part.index, columns=("ip_id", "ip_type", "country_iso"))
    here = every.take(np.flatnonzero(every.ip_type == ctx.code("ip_type", "DATACENTRE")))
    country = every.country_iso[(fields.ip_id - every.ip_id[0]).astype(np.int64)]
    first, many = np.searchsorted(here.country_iso, country), _size(here.country_iso, country)
    return here.ip_id[first + below(case.word, many).astype(np.int64)], fields.ip_id


def _merchant_ring(case: Case) -> tuple[Array, Array]:
    from sim.segments.entities_6a.s6_fraud_roles.rings import ring_ids

    merchants = case.ctx.load("merchant_catalogue_1A", columns=("merchant_id", "home_country_iso"))
    country = merchants.home_country_iso[np.searchsorted(merchants.merchant_id, case.fields.merchant_id)]
    return ring_ids(case.ctx, country, below(case.word, case.fields.rings)), case.fields.ring_id


VALUES: dict[tuple[str, str], Callable[[Case], tuple[Array, Array]]] = {
    ("world_markets_1A", "1A.footprint_country"): _footprint_countries,
    ("world_footprint_1A", "1A.footprint_metro"): _footprint_metros,
    ("world_footprint_1A", "1A.footprint_town"): _footprint_towns,
    ("merchant_catalogue_1A", "1A.merchant_id"): _merchant_id,
    ("merchant_catalogue_1A", "1A.merchant_country"): _country,
    ("merchant_catalogue_1A", "1A.merchant_mcc"): _mcc,
    ("merchant_catalogue_1A", "1A.merchant_channel"): _channel,
    ("merchant_catalogue_1A", "1A.merchant_brand"): _brand,
    ("outlet_catalogue", "1A.multi_site"): _multi_site,
    ("outlet_catalogue", "1A.outlet_count"): _chain,
    ("outlet_catalogue", "1A.foreign_reach"): _foreign_reach,
    ("outlet_catalogue", "1A.foreign_choice"): _foreign_choice,
    ("site_locations", "1B.site_city"): _site_city,
    ("site_locations", "1B.site_place"): _site_place,
    ("site_locations", "1B.site_place_again"): _site_place_again,
    ("s1_site_weights_2B", "2B.site_scale"): _site_scale,
    ("s4_site_terminals_2B", "2B.site_terminals"): _terminals,
    ("s4_site_terminals_2B", "2B.terminal_kind"): _terminal_kind,
    ("virtual_classification_3B", "3B.virtual_mode"): _virtual_mode,
    ("virtual_classification_3B", "3B.virtual_share"): _virtual_share,
    ("virtual_settlement_3B", "3B.settlement_city"): _settlement,
    ("edge_catalogue_3B", "3B.footprint"): _footprint,
    ("edge_catalogue_3B", "3B.edge"): _edge,
    ("edge_catalogue_3B", "3B.edge_again"): _edge_again,
    ("s6_merchant_clocks_5A", "5A.merchant_clock"): _clock,
    ("s7_merchant_life_5A", "5A.merchant_life"): _life,
    ("scenario_calendar_5A", "5A.outage"): _outage,
    ("s2_latent_field_5B", "5B.latent_field"): _field,
    ("s2_country_day_5B", "5B.world_day"): _fresh("world_z", "world"),
    ("s2_country_day_5B", "5B.country_day"): _fresh("country_z", "country"),
    ("s2_country_day_5B", "5B.country_class_day"): _fresh("class_z", "country_class"),
    ("s2_metro_day_5B", "5B.metro_day"): _weather,
    ("s2_merchant_day_5B", "5B.merchant_day"): _merchant_days,
    ("s2_zone_day_5B", "5B.zone_day"): _gamma,
    ("s3_bucket_counts_5B", "5B.bucket_count"): _bucket_count,
    ("arrival_events_5B", "5B.arrival_place"): _arrival_place,
    ("arrival_events_5B", "5B.arrival_route"): _arrival_route,
    ("arrival_events_5B", "5B.arrival_terminal"): _arrival_terminal,
    ("s1_party_base_6A", "6A.household"): _household,
    ("s1_party_base_6A", "6A.home"): _home,
    ("s1_party_base_6A", "6A.home_again"): _home_again,
    ("s1_party_base_6A", "6A.household_match"): _match,
    ("s1_party_base_6A", "6A.dwelling"): _dwelling,
    ("s1_party_base_6A", "6A.party_profile"): _profile,
    ("s1_party_base_6A", "6A.party_life"): _party_life,
    ("s2_account_base_6A", "6A.account_life"): _account_life,
    ("s2_merchant_account_base_6A", "6A.merchant_reserve"): _reserve,
    ("s2_merchant_account_base_6A", "6A.merchant_account_life"): _status,
    ("s3_instrument_base_6A", "6A.card"): _card,
    ("s3_card_base_6A", "6A.card_life"): _card_life,
    ("s4_device_base_6A", "6A.device"): _system,
    ("s4_wallet_tokens_6A", "6A.wallet"): _wallet,
    ("s4_wallet_tokens_6A", "6A.device_token"): _provisioned,
    ("s4_device_base_6A", "6A.terminal_system"): _terminal_system,
    ("s4_ip_base_6A", "6A.ip"): _asn,
    ("s4_ip_links_6A", "6A.hosting"): _hosting,
    ("s5_merchant_fraud_roles_6A", "6A.merchant_ring"): _merchant_ring,
}
"""(Dataset, stream) -> its column made again."""
