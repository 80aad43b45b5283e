"""How real a built world is: the targets of issues "World" and "Flows", measured over all rows of runs.

    python -m bench.realism RUN [RUN ...] [--json FILE]

prints one table, a row a target and a column a run. Gates inside runs hold most of these figures to bands;
this table shows what they are, for runs of model version 1 too. It reads Parquet files and nothing of the
engine, so that a defect of it cannot hide itself.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Mapping
from pathlib import Path

import duckdb

from bench.realism import demand, payers, payments, people
from bench.realism.world import Value, World

# --- size


def _count(table: str) -> Callable[[World], Value]:
    return lambda w: w.figure(f"select count(*) from {table}")


def _arrivals(w: World) -> Value:
    return w.figure("select sum(arrivals) from s3_count_summary")


TARGETS: list[tuple[str, str, Callable[[World], Value]]] = [
    ("merchants", "reference >= 24,000", _count("merchant_catalogue")),
    ("outlets", "", _count("outlet_catalogue")),
    (
        "countries with merchants",
        "",
        lambda w: w.figure("select count(distinct home_country_iso) from merchant_catalogue"),
    ),
    ("cities with outlets", "", lambda w: w.figure("select count(distinct city_id) from site_locations")),
    ("parties", "", _count("s1_party_base")),
    ("accounts", "", _count("s2_account_base")),
    ("instruments", "", _count("s3_instrument_base")),
    ("devices", "", _count("s4_device_base")),
    ("IP addresses", "", _count("s4_ip_base")),
    ("arrivals", "reference >= 116M", _arrivals),
    ("1 merchants within 20 km of a person, p10", ">= 15", lambda w: demand.near(w, 0.1)),
    ("1 merchants within 20 km of a person, median", ">= 60", lambda w: demand.near(w, 0.5)),
    ("1 people with a grocer within 10 km", ">= .95", demand.grocer),
    ("1 arrivals over market share, least country", ">= .5", lambda w: demand.market(w, "min")),
    ("1 arrivals over market share, greatest country", "<= 2", lambda w: demand.market(w, "max")),
    ("1 outlets in chains", ".25-.35", demand.chained),
    ("1 arrivals at the top 1 % of merchants", ".45-.60", demand.top),
    ("1 arrivals a card-month", "7-10", demand.card_month),
    ("1 arrivals a week of the least country", ">= 500", demand.least_country),
    ("2 distinct home cities of an office IP's users, median share", "<= .15", people.office_cities),
    ("2 sd of latitude of users of Wi-Fi, office, campus, median km", "<= 20", people.users_latitude),
    ("2 device-IP links abroad", ".02-.04", people.abroad),
    ("3 sd of merchants' mean local hour in a class", ".7-1.2", demand.clock_spread),
    ("3 hairdressers and doctors, arrivals 22-6 h", "0", demand.night),
    ("3 merchants with a till and a closed weekday", ".40", demand.closed_weekday),
    (
        "3 the same in the European Union",
        ".60",
        lambda w: demand.closed_weekday(
            w,
            "country_iso in ('AT','BE','BG','CY','CZ','DE','DK','EE','ES','FI','FR','GR','HR','HU','IE','IT',"
            "'LT','LU','LV','MT','NL','PL','PT','RO','SE','SI','SK')",
        ),
    ),
    ("3 Sunday share of German retail at tills", ".01-.03", demand.sunday),
    ("5 largest opening day over its fortnight", "<= 3", people.largest_day),
    ("5 accounts younger than 90 days", ".02-.03", people.young),
    ("5 phones replaced a month", "1/33", people.phones_replaced),
    ("5 links outside the life of their device", "0", people.outside_life),
    ("6 mule parties, per mille", "3.0", people.share("s5_party_fraud_roles", "MULE")),
    ("6 first-party abusers, per mille", "4.0", people.share("s5_party_fraud_roles", "FIRST_PARTY_ABUSER")),
    ("6 synthetic identities, per mille", "1.2", people.share("s5_party_fraud_roles", "SYNTHETIC_ID")),
    ("6 P(mule account | mule)", "1", people.mule_has_account),
    ("6 P(mule-like owner | mule account)", ">= .9", people.account_has_mule),
    ("6 shared-device pairs a ring", ">= 2", people.shared_pairs),
    ("7 wallet tokens on a device that cannot hold them", "0", people.impossible),
    ("7 wallet tokens on a device", "1", people.tokens_on_device),
    ("7 iOS share of phones, least country", "IN .05", lambda w: people.ios(w, "min")),
    ("7 iOS share of phones, greatest country", "JP .64", lambda w: people.ios(w, "max")),
    ("8 national weekday-adjusted daily log sd (from the MAD), median", ".020-.035", demand.national),
    ("8 correlation between countries", ".1-.25", demand.between),
    ("8 daily CV of merchants > 5,000 a day", ".06-.10", lambda w: demand.merchant_cv(w, 5000, 10**12)),
    ("8 daily CV of merchants 60-200 a day", ".15-.20", lambda w: demand.merchant_cv(w, 60, 200)),
    (
        "9 terminals a site",
        "",
        lambda w: w.figure("select count(*) / count(distinct site_id) from s4_site_terminals"),
    ),
    ("9 arrivals in person that name a terminal of their site", "1", demand.named_terminals),
    ("9 share of the first of two terminals", ".625", demand.first_of_two),
    (
        "10 neighbours by party id of one segment, over chance",
        "1",
        lambda w: people.runs(w, "s1_party_base", "party_id", "segment_id", "country_iso"),
    ),
    (
        "10 neighbours by ip id of one type, over chance",
        "1",
        lambda w: people.runs(w, "s4_ip_base", "ip_id", "ip_type", "country_iso"),
    ),
    *payers.TARGETS,
    *payments.TARGETS,
]


def measure(run: Path, only: str = "") -> dict[str, Value]:
    """Figures of one run by the name of their target."""
    world, found = World(run), {}
    for name, target, law in TARGETS:
        if only in name:
            try:
                found[f"{name} | {target}"] = law(world)
            except duckdb.Error as error:
                found[f"{name} | {target}"] = f"({str(error).splitlines()[0][:60]})"
    return found


def _shown(value: Value) -> str:
    if value is None or value != value:  # NaN: deviation of one value
        return "-"
    if isinstance(value, str):
        return value
    if value == int(value) and abs(value) >= 10:
        return f"{int(value):,}"
    return f"{value:.3g}"


def table(figures: Mapping[Path, Mapping[str, Value]]) -> str:
    """Markdown: a row a target, a column a run, named by the folder it lies in."""
    lines = [
        "| target | aim | " + " | ".join(run.parent.name for run in figures) + " |",
        "|---|---|" + "---|" * len(figures),
    ]
    lines += [
        f"| {name} | " + " | ".join(_shown(found[name]) for found in figures.values()) + " |"
        for name in next(iter(figures.values()))
    ]
    return "\n".join(lines)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m bench.realism", description=__doc__)
    parser.add_argument("runs", nargs="+", type=Path)
    parser.add_argument("--json", type=Path, help="write the figures here too")
    parser.add_argument("--only", default="", help="targets whose name holds this text")
    options = parser.parse_args()
    figures = {run: measure(run, options.only) for run in options.runs}
    if options.json:
        written = {str(run): found for run, found in figures.items()}
        options.json.write_text(json.dumps(written, indent=1) + "\n")
    print(table(figures))


if __name__ == "__main__":
    main()
