"""Gates C of flows.md, and those of B about devices and sessions: over all payments, by queries alone."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from bench.realism.world import Value, World

_PRESENT = "channel = 'CARD_PRESENT'"
_REMOTE = "channel in ('ECOMMERCE', 'RECURRING', 'MAIL_TELEPHONE')"
_DECLINED = "response <> 'APPROVED'"


def _share(of: str, among: str) -> Callable[[World], Value]:
    return lambda w: w.figure(
        f"select count(*) filter (where {of}) / nullif(count(*), 0) from flows where {among}"
    )


def _ratio_of_declines(w: World) -> Value:
    return w.figure(f"""with n as (
          select count(*) filter (where {_DECLINED} and {_REMOTE}) / count(*) filter (where {_REMOTE}) remote,
                 count(*) filter (where {_DECLINED} and {_PRESENT}) / count(*) filter (where {_PRESENT}) till
          from flows)
        select remote / nullif(till, 0) from n""")


def _latency(q: float) -> Callable[[World], Value]:
    """Seconds to the answer of payments tried once."""
    return lambda w: w.figure(f"""select approx_quantile(epoch_us(answered_utc) - epoch_us(ts_utc), {q}) / 1e6
        from flows where attempts = 1""")


def _refunds(where: str) -> str:
    given_back = f"count(*) filter (where refunded_utc is not null and {where})"
    return f"({given_back} / nullif(count(*) filter (where {where}), 0))"


def _refunded(w: World) -> Value:
    return w.figure(f"select {_refunds('true')} from flows where not ({_DECLINED})")


def _refund_ratio(w: World) -> Value:
    return w.figure(
        f"select {_refunds(_REMOTE)} / nullif({_refunds(_PRESENT)}, 0) from flows where not ({_DECLINED})"
    )


def _benford(w: World) -> Value:
    """Mean absolute deviation of first digits from Benford's law."""
    rows = w.rows(
        "select cast(substr(cast(amount_minor as varchar), 1, 1) as int) d, count(*) n from flows group by 1"
    )
    counts = np.zeros(10)
    for digit, many in rows:
        counts[int(digit)] = many
    law = np.array([0.0, *(math.log10(1 + 1 / digit) for digit in range(1, 10))])
    return float(np.abs(counts / counts.sum() - law)[1:].mean())


def _endings(price_class: str, ending: str) -> Callable[[World], Value]:
    """Share of prices in US dollars that end so, of a class of prices."""
    return lambda w: (
        w.figure(f"""select count(*) filter (where amount_minor % 100 = {ending}) / nullif(count(*), 0)
        from flows f join shop_prices p using (merchant_id, country_iso)
        where f.currency = 'USD' and price_class = '{price_class}' and hold_minor = 0""")
    )


def _ks(w: World) -> Value:
    """Distance of amounts of declined and of approved payments in US dollars of the day of the levels."""
    rows = w.rows(f"""select
          cast(floor(20 * ln(amount_minor / per_usd_e9 / power(10, minor_units))) as int) bin,
          count(*) filter (where {_DECLINED}) no, count(*) filter (where not ({_DECLINED})) yes
        from flows f join exchange_rates r on r.currency = f.currency and r.date = cast(f.ts_utc as date)
        group by 1 order by 1""")
    table = np.array([[float(no), float(yes)] for _, no, yes in rows])
    if not len(table) or not table.sum(axis=0).all():
        return None
    steps = np.cumsum(table / table.sum(axis=0), axis=0)
    return float(np.abs(steps[:, 0] - steps[:, 1]).max())


def _foreign_address(w: World) -> Value:
    """Payments online from an address in another country than the home, off trips, that is no tunnel."""
    return w.figure("""select count(*) filter (where a.country_iso <> p.country_iso
            and a.ip_type not in ('VPN_PROXY', 'DATACENTRE') and not exists (
              select 1 from trips t
              where t.party_id = f.party_id and f.ts_utc between t.first_utc and t.last_utc))
          / nullif(count(*), 0)
        from flows f join s4_ip_base a using (ip_id) join s1_party_base p on p.party_id = f.party_id""")


def _most_card_day(w: World) -> Value:
    return w.figure("""select max(n) from (select count(*) n from flows
        group by instrument_id, cast(ts_utc as date))""")


def _singletons(w: World) -> Value:
    return w.figure("select count(*) filter (where payments = 1) / count(*) from sessions")


def _at_home(where: str) -> Callable[[World], Value]:
    """Share of payments sold in the country of the payer's home."""
    return lambda w: w.figure(f"""select count(*) filter (where f.country_iso = p.country_iso)
        / nullif(count(*), 0) from flows f join s1_party_base p using (party_id) where {where}""")


_ONLINE = "channel = 'ECOMMERCE'"
_LAWS: list[tuple[str, str, Callable[[World], Value]]] = [
    ("C declined in person", ".015-.035", _share(_DECLINED, _PRESENT)),
    ("C declined not in person", ".06-.12", _share(_DECLINED, _REMOTE)),
    ("C the second over the first", "2.5-4", _ratio_of_declines),
    (
        "C insufficient funds among declines",
        ".40-.50",
        _share("response = 'INSUFFICIENT_FUNDS'", _DECLINED),
    ),
    ("C suspected fraud among declines", ".05-.12", _share("response = 'SUSPECTED_FRAUD'", _DECLINED)),
    ("C time to an answer, p50 s", ".4-1.5", _latency(0.5)),
    ("C time to an answer, p99 s", "< 8", _latency(0.99)),
    ("C refunded", ".02-.04", _refunded),
    ("C refunded, not in person over in person", "1.5-2.5", _refund_ratio),
    ("C Benford, mean absolute deviation", "< .012", _benford),
    ("C dollar shelf prices ending .99", "", _endings("SHELF", "99")),
    ("C dollar menu prices ending .50", "", _endings("MENU", "50")),
    ("C dollar round prices ending .00", "", _endings("ROUND", "0")),
    ("C KS of declined and approved amounts", "< .15", _ks),
    (
        "B payments online with device and address",
        "1",
        _share("device_id is not null and ip_id is not null", _ONLINE),
    ),
    ("B addresses elsewhere, neither trip nor tunnel", "<= .03", _foreign_address),
    ("B sessions of one payment", ".60-.85", _singletons),
    ("B most payments of a card and day", "<= 40", _most_card_day),
    ("B online at merchants of the home country", ".80-.97", _at_home(_ONLINE)),
    ("B in person in the home country", ">= .95", _at_home(_PRESENT)),
]


def _of_payments(law: Callable[[World], Value]) -> Callable[[World], Value]:
    """A figure of worlds that have payments."""
    return lambda w: law(w) if w.has("flows") else None


TARGETS = [(name, aim, _of_payments(law)) for name, aim, law in _LAWS]
