"""Parties, accounts, devices and addresses in memory as 6A.S1 to S5 would make them,
for the tests of fraud roles.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from memory_world import ROOT, config, vocabularies

from sim.shell.tables.reference import Reference
from sim.state.frames import Array, Frame

TAXONOMY = config("layer3/6A/taxonomy/party.yaml")["segments"]
ACCOUNTS = config("layer3/6A/taxonomy/account.yaml")["party_accounts"]
MEAN = {"RETAIL": 0.90, "BUSINESS": 0.033, "OTHER": 0.02}


def code(vocabulary: str, value: str) -> int:
    return vocabularies()[vocabulary].index(value)


def rank_in_runs(*columns: Array) -> Array:
    """Position of each row in its run of equal keys."""
    change = np.zeros(len(columns[0]), dtype=bool)
    change[:1] = True
    for column in columns:
        change[1:] |= column[1:] != column[:-1]
    start = np.flatnonzero(change)
    return np.arange(len(change)) - np.repeat(start, np.diff(np.append(start, len(change))))


def people(rng: np.random.Generator, count: int) -> tuple[Frame, Frame]:
    """Party base and summary: some 40 countries, all segments, households of 1 to 6."""
    countries = rng.choice(
        len(vocabularies()["country"]), min(40, len(vocabularies()["country"])), replace=False
    )
    share = (np.arange(len(countries)) + 1.0) ** -1.1
    country = rng.choice(countries, count, p=share / share.sum())
    segments, taxonomy = vocabularies()["segment"], TAXONOMY
    weight = np.array([MEAN[taxonomy[name]["party_type"]] for name in segments]) * rng.uniform(
        0.5, 1.5, len(segments)
    )
    segment = rng.choice(len(segments), count, p=weight / weight.sum())
    order = np.lexsort((segment, country))
    country, segment = country[order], segment[order]
    kind = np.array([code("party_type", taxonomy[name]["party_type"]) for name in segments])[segment]
    region = regions()[country]
    size = np.minimum(1 + rng.poisson(1.4, count), 6)
    draw = np.lexsort((rng.random(count), kind == code("party_type", "RETAIL"), country))
    first = (rank_in_runs(np.repeat(np.arange(count), size)[:count]) == 0) | (
        rank_in_runs(country[draw]) == 0
    )
    home = np.cumsum(first | (kind[draw] != code("party_type", "RETAIL")))
    household = np.empty(count, dtype=np.uint64)
    household[draw] = home
    base = {
        "party_id": np.arange(1, count + 1, dtype=np.uint64),
        "country_iso": country.astype(np.int16),
        "region_id": region.astype(np.int16),
        "party_type": kind.astype(np.int16),
        "segment_id": segment.astype(np.int16),
        "household_id": household,
        "home_city_id": _cities(rng, country),
    }
    start = np.flatnonzero(rank_in_runs(country, segment) == 0)
    summary = {name: base[name][start] for name in ("country_iso", "segment_id", "region_id", "party_type")}
    parties = np.diff(np.append(start, count)).astype(np.uint64)
    return Frame(base), Frame(summary | {"parties": parties, "first_party_no": (start + 1).astype(np.uint64)})


def _cities(rng: np.random.Generator, country: Array) -> Array:
    """One of the first three cities of the country in the snapshot."""
    table = Reference(ROOT / "config" / "reference").frame("cities", vocabularies())
    order = np.lexsort((table.city_id, table.country_iso))
    first, stop = (
        np.searchsorted(table.country_iso[order], country, side=side) for side in ("left", "right")
    )
    return table.city_id[order[first + rng.integers(0, 3, len(country)) % np.maximum(stop - first, 1)]]


@cache
def regions() -> Array:
    """Region code of each country."""
    table = Reference(ROOT / "config" / "reference").frame("countries", vocabularies())
    return np.array([code("region", str(name)) for name in table.region])


def accounts(rng: np.random.Generator, base: Frame) -> tuple[Frame, Frame]:
    """A current account for everybody and some of each other type; 8 % dormant, 2 % closed."""
    owner, kind = [], []
    for name, law in ACCOUNTS.items():
        mine = np.flatnonzero(base.party_type == code("party_type", law["party_type"]))
        held = (
            np.ones(len(mine), dtype=int) if law["required"] else np.minimum(rng.poisson(0.3, len(mine)), 3)
        )
        owner.append(np.repeat(mine, held))
        kind.append(np.full(held.sum(), code("account_type", name)))
    owner, kind = np.concatenate(owner), np.concatenate(kind)
    order = np.lexsort((owner, kind, base.country_iso[owner]))
    owner, kind = owner[order], kind[order]
    frame = {
        "account_id": np.arange(1, len(owner) + 1, dtype=np.uint64),
        "owner_party_id": base.party_id[owner],
        "account_type": kind.astype(np.int16),
        "country_iso": base.country_iso[owner],
        "open_date": (20_400 - rng.exponential(2000, len(owner))).astype(np.int32),
        "status": rng.choice(4, len(owner), p=[0.90, 0.075, 0.005, 0.02]).astype(np.int16),
    }
    start = np.flatnonzero(rank_in_runs(frame["country_iso"], kind) == 0)
    total = np.diff(np.append(start, len(owner))).astype(np.uint64)
    return Frame(frame), Frame(
        {**{name: frame[name][start] for name in ("country_iso", "account_type")}, "accounts": total}
    )


def instruments(rng: np.random.Generator, held: Frame) -> tuple[Frame, Frame]:
    """None to two instruments an account, and the links to them."""
    account = np.repeat(np.arange(len(held)), rng.integers(0, 3, len(held)))
    number = np.arange(1, len(account) + 1, dtype=np.uint64)
    frame = {
        "instrument_id": number,
        "account_id": held.account_id[account],
        "owner_party_id": held.owner_party_id[account],
    }
    kinds = {"instrument_type": number % np.uint64(3), "scheme": number % np.uint64(5)}
    kinds = {name: values.astype(np.int16) for name, values in kinds.items()}
    return Frame({**frame, **kinds}), Frame(
        {"account_id": held.account_id[account], "instrument_id": number, **kinds}
    )


def devices(rng: np.random.Generator, base: Frame, shops: Frame) -> tuple[Frame, Frame, Frame]:
    """Devices, their summary and links; tablets and desktops are lent within the household,
    some shops have two terminals.
    """
    held = np.minimum(rng.poisson(1.7, len(base)), 10)
    owner = np.repeat(np.arange(len(base)), held)
    mix = {
        "MOBILE": 0.53,
        "LAPTOP": 0.12,
        "DESKTOP": 0.1,
        "TABLET": 0.12,
        "IOT": 0.05,
        "SERVER": 0.02,
        "WEARABLE": 0.03,
    }
    mix["SMART_TV"] = 0.03
    kind = rng.choice([code("device_type", name) for name in mix], len(owner), p=list(mix.values()))
    shop = np.repeat(np.arange(len(shops)), 2)
    country = np.concatenate((base.country_iso[owner], shops.home_country_iso[shop]))
    terminal = np.arange(len(country)) >= len(owner)
    whose = np.concatenate((owner, shop))
    till = rng.choice(
        [code("device_type", name) for name in ("POS_TERMINAL", "ATM", "KIOSK")], len(shop), p=[0.8, 0.1, 0.1]
    )
    kind = np.concatenate((kind, till))
    order = np.lexsort((kind, whose, terminal, country))
    country, terminal, whose, kind = country[order], terminal[order], whose[order], kind[order]
    party = np.where(terminal, 0, whose)
    frame = Frame(
        {
            "device_id": np.arange(1, len(order) + 1, dtype=np.uint64),
            "device_type": kind.astype(np.int16),
            "home_country_iso": country.astype(np.int16),
            "primary_party_id": np.where(terminal, 0, base.party_id[party]).astype(np.uint64),
            "primary_merchant_id": np.where(
                terminal, shops.merchant_id[np.where(terminal, whose, 0)], np.uint64(0)
            ),
            "primary_site_id": np.where(
                terminal, shops.merchant_id[np.where(terminal, whose, 0)] ^ np.uint64(99), np.uint64(0)
            ),
        },
        {"primary_party_id": ~terminal, "primary_merchant_id": terminal, "primary_site_id": terminal},
    )
    key, counts = np.unique(country.astype(np.int64) * 100 + kind, return_counts=True)
    summary = {"country_iso": key // 100, "device_type": key % 100}
    summary = {name: value.astype(np.int16) for name, value in summary.items()} | {
        "devices": counts.astype(np.uint64)
    }
    common = np.isin(kind, [code("device_type", "DESKTOP"), code("device_type", "TABLET")])
    lent = np.flatnonzero(~terminal & common & (rng.random(len(order)) < 0.4))
    by_home = np.argsort(base.household_id, kind="stable")
    place = np.empty(len(base), dtype=np.int64)
    place[by_home] = np.arange(len(base))
    mate = by_home[np.minimum(place[party[lent]] + 1, len(base) - 1)]
    same = base.household_id[mate] == base.household_id[party[lent]]
    lent, mate = lent[same & (mate != party[lent])], mate[same & (mate != party[lent])]
    shared = np.zeros(len(order), dtype=bool)
    shared[lent] = True
    homes = np.where(shared, base.household_id[party], np.uint64(0))
    frame = frame.with_columns({"shared_household_id": shared}, shared_household_id=homes)
    device = np.concatenate((np.arange(len(order)), lent))
    first, guest, till = (
        code("device_link_role", name) for name in ("PRIMARY_OWNER", "SECONDARY_USER", "MERCHANT_TERMINAL")
    )
    role = np.concatenate((np.where(terminal, till, first), np.full(len(lent), guest)))
    user = np.concatenate((party, mate))
    has = np.concatenate((~terminal, np.ones(len(lent), dtype=bool)))
    at = np.argsort(device, kind="stable")
    links = Frame(
        {
            "device_id": (device[at] + 1).astype(np.uint64),
            "link_no": (rank_in_runs(device[at]) + 1).astype(np.uint16),
            "link_role": role[at].astype(np.int16),
            "party_id": np.where(has[at], user[at] + 1, 0).astype(np.uint64),
            **{name: np.zeros(len(at), dtype=np.uint64) for name in ("account_id", "instrument_id")},
        },
        {
            "party_id": has[at],
            **{name: np.zeros(len(at), dtype=bool) for name in ("account_id", "instrument_id")},
        },
    )
    return frame, Frame(summary), links


def addresses(rng: np.random.Generator, base: Frame, owned: Frame) -> tuple[Frame, Frame]:
    """A home line each household, pools by country; a device is on its owner's home line and some pools."""
    homes, first = np.unique(base.household_id, return_index=True)
    country_of_home = base.country_iso[first].astype(np.int64)
    users = np.bincount(base.country_iso, minlength=len(vocabularies()["country"]))
    country, kind = [country_of_home], [np.full(len(homes), code("ip_type", "RESIDENTIAL"))]
    pools = {"MOBILE": 60, "CORPORATE": 300, "PUBLIC_WIFI": 300, "HOTEL_TRAVEL": 900, "EDUCATION": 700}
    pools |= {"DATACENTRE": 2000, "VPN_PROXY": 1500}
    for name, a_party in pools.items():
        size = np.where(users > 0, users // a_party + 1, 0)
        country.append(np.repeat(np.arange(len(size)), size))
        kind.append(np.full(size.sum(), code("ip_type", name)))
    country, kind = np.concatenate(country), np.concatenate(kind)
    order = np.lexsort((np.arange(len(country)), kind, country))
    number = np.empty(len(order), dtype=np.int64)
    number[order] = np.arange(len(order))
    country, kind = country[order], kind[order]
    frame = Frame(
        {
            "ip_id": np.arange(1, len(order) + 1, dtype=np.uint64),
            "ip_type": kind.astype(np.int16),
            "asn_class": (kind % 6).astype(np.int16),
            "country_iso": country.astype(np.int16),
            "owner_household_id": np.where(
                order < len(homes), homes[np.minimum(order, len(homes) - 1)], np.uint64(0)
            ),
            "owner_party_id": np.zeros(len(order), dtype=np.uint64),
        },
        {"owner_household_id": order < len(homes), "owner_party_id": np.zeros(len(order), dtype=bool)},
    )
    mine = np.flatnonzero(owned.valid["primary_party_id"])
    owner = (owned.primary_party_id[mine] - np.uint64(1)).astype(np.int64)
    home = number[np.searchsorted(homes, base.household_id[owner])]
    ip, device = [home], [mine]
    odds_of = {
        "MOBILE": 0.5,
        "PUBLIC_WIFI": 0.12,
        "VPN_PROXY": 0.03,
        "DATACENTRE": 0.01,
        "CORPORATE": 0.05,
        "EDUCATION": 0.02,
    }
    odds_of["HOTEL_TRAVEL"] = 0.02
    for name, odds in odds_of.items():
        using = rng.random(len(mine)) < odds
        there = kind == code("ip_type", name)
        low = np.searchsorted(country[there], owned.home_country_iso[mine[using]])
        high = np.searchsorted(country[there], owned.home_country_iso[mine[using]], side="right")
        ip.append(np.flatnonzero(there)[low + np.floor(rng.random(len(low)) * (high - low)).astype(np.int64)])
        device.append(mine[using])
    ip, device = np.concatenate(ip), np.concatenate(device)
    party = number[np.searchsorted(homes, base.household_id)]
    used = np.unique(np.concatenate((ip, party)))
    frame = frame.take(used).with_columns(ip_id=np.arange(1, len(used) + 1, dtype=np.uint64))
    everything = np.searchsorted(used, np.concatenate((ip, party)))
    frame = frame.with_columns(links=np.bincount(everything, minlength=len(frame)).astype(np.uint32))
    at = np.lexsort((np.arange(len(everything)) >= len(ip), everything))
    by_device = at < len(ip)
    who = np.concatenate((device, np.arange(len(base))))[at] + 1
    # A device's usual addresses name its owner; shared public ones name the device alone.
    usual = np.isin(
        frame.ip_type[everything[at]],
        [code("ip_type", name) for name in ("RESIDENTIAL", "MOBILE", "CORPORATE")],
    )
    owners = np.concatenate((owned.primary_party_id[device], base.party_id))[at]
    roles = [
        code("ip_link_role", name) for name in ("PARTY_HOME_IP", "TYPICAL_DEVICE_IP", "SHARED_PUBLIC_IP")
    ]
    links = Frame(
        {
            "ip_id": (everything[at] + 1).astype(np.uint64),
            "link_role": np.select([~by_device, usual], roles[:2], roles[2]).astype(np.int16),
            "device_id": np.where(by_device, who, 0).astype(np.uint64),
            "party_id": np.where(by_device & ~usual, np.uint64(0), owners),
        },
        {"device_id": by_device, "party_id": ~by_device | usual},
    )
    return frame, links
