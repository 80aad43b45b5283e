"""One case a kernel contract: inputs of about n rows that the kernel accepts,
with the extremes the contract allows mixed in.

`n` is the number of rows (of output, or of what is shared out or counted); the lengths of other columns
follow from it. `case(stem, n)` is a function of its arguments alone. No kernel is so slow that its largest
case had to be smaller. Kernels of many columns: cases_joined.py, cases_arrivals.py, cases_cards.py,
cases_parties.py, cases_money.py, cases_payers.py.
"""

import numpy as np

from tests.kernels import cases_arrivals, cases_cards, cases_joined, cases_money, cases_parties, cases_payers
from tests.kernels.numbers_of_cases import HUGE, TINY, Numbers, sizes, width

SIZES = (0, 1, 255, 256, 257, 1000, 1_000_000)
INF, NAN = float("inf"), float("nan")
LAST_BELOW_ONE = 1.0 - 2.0**-53


def hashed(numbers, n):
    return {"key": numbers.word(), "a": numbers.words(n), "b": numbers.words(n)}, {}


def counters(numbers, n):
    return {"key": numbers.word(), "c0": numbers.words(n), "c1": numbers.words(n)}, {}


def alias_build(numbers, n):
    offset = numbers.partition(n)
    size = sizes(offset)
    # Below 2**42 a row: 2**20 rows stay below 2**63. Only a segment of one row can weigh up to that.
    weight = numbers.mix(numbers.plain(n) >> np.uint64(22), [0, 1, 2**42 - 1])
    first = offset[:-1][size > np.uint64(0)].astype(np.int64)
    weight[first] |= np.uint64(1)
    alone = offset[:-1][size == np.uint64(1)].astype(np.int64)
    weight[alone] = numbers.mix(weight[alone], [2**63 - 1])
    return {"offset": offset, "weight": weight}, {}


def alias_pick(numbers, n):
    slots = 4099
    size = numbers.mix(numbers.below(40, n) + np.uint64(1), [1, slots])
    table = {"threshold": numbers.words(slots), "alias": numbers.below(40, slots)}
    start = numbers.below(np.uint64(slots + 1) - size, n)
    # The fraction of a table of one slot is x itself: it can be put exactly on the threshold.
    x = np.where(size == np.uint64(1), table["threshold"][start.astype(np.int64)], numbers.words(n))
    return table | {"x": x, "start": start, "size": size}, {}


def bounded_integer(numbers, n):
    return {"x": numbers.words(n), "bound": np.maximum(numbers.words(n), np.uint64(1))}, {}


def permuted_rank(numbers, n):
    """There for even n, back for odd ones; sets of every small size and about every power of two."""
    edges = [1, 2, 3, 4, 5, 2**31, 2**32 - 1, 2**32, 2**32 + 1, 2**33 + 1, 2**63, 2**64 - 1]
    size = numbers.mix(numbers.below(2**20, n) + np.uint64(1), edges)
    rank = numbers.plain(n) % size
    return {
        "key": numbers.word(),
        "inverse": n % 2,
        "tweak": numbers.words(n),
        "size": size,
        "rank": np.where(numbers.below(8, n) == np.uint64(0), size - np.uint64(1), rank),
    }, {}


def capped_share(numbers, n):
    offset = numbers.partition(n)
    weight = numbers.mix(numbers.plain(n) >> np.uint64(22), [0, 1, 2**42 - 1])
    cap = numbers.mix(numbers.below(9, n), [0, 2**32 - 1])
    room = np.where(weight > np.uint64(0), np.minimum(cap, np.uint64(2**32 - 2)), np.uint64(0))
    most = np.concatenate([np.zeros(1, np.uint64), np.cumsum(room, dtype=np.uint64)])[offset.astype(np.int64)]
    most = sizes(most)
    groups = len(most)
    units = np.where(
        numbers.below(4, groups) == np.uint64(0), most, numbers.plain(groups) % (most + np.uint64(1))
    )
    return {
        "offset": offset,
        "weight": weight,
        "cap": cap,
        "units": units,
        "start": numbers.words(groups),
    }, {}


def disk_offset(numbers, n):
    values = {f"x{i}": numbers.words(n) for i in range(3)}
    radius = numbers.mix(numbers.unit(n) * 5e6, [0.0, -0.0, TINY, 1e12])
    return values | {
        "radius_udeg": radius,
        "lon_scale": numbers.mix(1.0 + numbers.unit(n), [0.0, TINY, 1e6]),
    }, {}


def draw_counts(numbers, n):
    """Means up to 150, most of them small; the zero-truncated law where n is odd.

    Dispersions go down to the smallest a mean allows, where counts have very long tails; not for the
    zero-truncated law, which would always be in the tail.
    """
    truncated = n % 2
    u = numbers.unit(n)
    mu = numbers.mix(u * u * u * u * 150.0, [0.0, TINY, 1e-300, 64.0, 64.00000000000001, 128.0, 1.0])
    mu = np.minimum(mu, 64.0) if truncated else mu
    shapes = [0.0, -0.0, -1.0, 1e-3, 1e9, 1e300, -HUGE]
    kappa = numbers.mix(0.05 + numbers.unit(n) * 8.0, shapes if truncated else [*shapes, TINY, 1e-300, 1e-20])
    least = mu / 2.0**24
    kappa = np.where((kappa > 0.0) & (least > kappa), least, kappa)
    values = {"key": numbers.word(), "c0": numbers.words(n), "c1": numbers.words(n), "mu": mu, "kappa": kappa}
    return values | {"part_mean": 64.0, "zero_truncated": truncated}, {}


def exp_map(numbers, n):
    near = [
        0.0,
        -0.0,
        TINY,
        -TINY,
        709.782712893384,
        709.7827128933841,
        -745.1332191019411,
        -745.1332191019412,
        -708.4,
        INF,
        -INF,
        NAN,
    ]
    half = n // 2
    return {
        "x": np.concatenate([numbers.bits(half), numbers.mix(numbers.unit(n - half) * 1460.0 - 748.0, near)])
    }, {}


def log_map(numbers, n):
    near = [
        0.0,
        -0.0,
        TINY,
        2.0**-1022,
        2.225073858507201e-308,
        HUGE,
        INF,
        -INF,
        NAN,
        -1.0,
        1.0,
        LAST_BELOW_ONE,
        1.0000000000000002,
    ]
    half = n // 2
    return {"x": np.concatenate([numbers.bits(half), numbers.mix(numbers.unit(n - half) * 2.0, near)])}, {}


def normal_quantile_map(numbers, n):
    """A third any bits, a third uniform, a third u**16, whose tail reaches below exp(-25)."""
    near = [
        0.0,
        -0.0,
        1.0,
        0.5,
        0.075,
        0.925,
        0.07499999999999996,
        0.9250000000000002,
        LAST_BELOW_ONE,
        TINY,
        NAN,
        INF,
        -1.0,
    ]
    near += [1.3887943864964021e-11, 1.388794386496402e-11]
    part = n // 3
    tail = numbers.unit(part)
    for _ in range(4):
        tail = tail * tail
    return {
        "u": np.concatenate([numbers.bits(part), tail, numbers.mix(numbers.unit(n - 2 * part), near)])
    }, {}


def expand_rows(numbers, n):
    return {"offset": numbers.partition(n)}, {"m": n}


def gated_weight(numbers, n):
    idle = numbers.mix(numbers.unit(n), [0.0, -0.0, LAST_BELOW_ONE, 2.0**-53])
    return {
        "x": numbers.words(n),
        "idle": idle,
        "sigma": numbers.mix(numbers.unit(n) * 3.0, [0.0, 3.0, TINY]),
    }, {}


def inherit_risk(numbers, n):
    """Links of n entities: most have a few, some 300, to 61 owners."""
    count = numbers.below(5, n)
    count[numbers.below(100, n) == np.uint64(0)] = 300
    offset = np.concatenate([np.zeros(1, np.uint64), np.cumsum(count, dtype=np.uint64)])
    factor = numbers.mix(numbers.below(4000, 61), [0, 1000, 1001, 2**32 - 1])
    own = numbers.mix(numbers.below(10_000_000, n), [0, 1, 2**32 - 1])
    return {"offset": offset, "link": numbers.below(61, int(offset[-1])), "factor": factor, "own": own}, {}


def lognormal_factor(numbers, n):
    edges = [0.0, -0.0, INF, -INF, NAN, HUGE, -HUGE, TINY]
    mu, sigma = (numbers.mix(numbers.unit(n) * 16.0 - 8.0, edges) for _ in range(2))
    return {"x": numbers.words(n), "mu": mu, "sigma": sigma}, {}


def normal_cdf_map(numbers, n):
    """A third any bits, two thirds where neither tail is empty, about the bound of the two formulas too."""
    near = [0.0, -0.0, 3.0, -3.0, 3.0000000000000004, -3.0000000000000004, TINY, NAN, INF, -INF, 38.5, -38.5]
    part = n // 3
    return {
        "z": np.concatenate([numbers.bits(part), numbers.mix(numbers.unit(n - part) * 24.0 - 12.0, near)])
    }, {}


def open_uniform(numbers, n):
    return {"x": numbers.words(n)}, {}


def ou_field(numbers, n):
    buckets = width(n)
    groups = n // buckets
    phi = numbers.mix(numbers.unit(groups), [0.0, 1.0])
    values = {
        "key": numbers.word(),
        "entity": numbers.words(groups),
        "sigma": numbers.mix(numbers.unit(groups), [0.0, 1e300, TINY]),
    }
    return values | {"phi": phi, "step_scale": np.sqrt(1.0 - phi * phi), "buckets": buckets}, {"gz": n}


def race_key(numbers, n):
    weight = numbers.mix(numbers.unit(n) * 100.0, [0.0, -0.0, -1.0, TINY, HUGE, INF, -INF, NAN])
    return {"x": numbers.words(n), "weight": weight}, {}


def remainder_quota(numbers, n):
    total = np.maximum(numbers.words(n), np.uint64(1))
    return {
        "weight": np.minimum(numbers.words(n), total),
        "weight_total": total,
        "units": numbers.words(n),
    }, {}


def risk_score(numbers, n):
    features = 7
    weight = numbers.below(2**32 - 1, features).astype(np.int64) - np.int64(2**31 - 1)
    weight[:2] = -1000, 1000
    feature = numbers.mix(numbers.below(1001, features * n), [0, 1000, 2**16 - 1])
    return {"base": 2_000_000, "least": 1000, "weight": weight, "feature": feature}, {"n": n}


def role_race(numbers, n):
    score = numbers.mix(
        (numbers.plain(n) >> np.uint64(34)) + np.uint64(64), [0, 64, 2**53 + 1, 2**62, 2**63 - 1]
    )
    values = {"key": numbers.word(), "c0": numbers.words(n), "c1": numbers.words(n)}
    return values | {"score": score, "tier": numbers.below(4, n)}, {}


def truncated_age(numbers, n):
    """Laws of ages in years; greatest ages of a day, of a moment and of ages beyond reason among them."""
    laws = 37
    thinning = numbers.mix(0.01 + numbers.unit(laws), [TINY, 1e300])
    return {
        "x": numbers.words(n),
        "most": numbers.mix(numbers.unit(n) * 60.0 + 1e-3, [TINY, 1.0 / 365.25, 1e300, HUGE]),
        "law": numbers.below(laws, n),
        "rate": thinning * numbers.mix(numbers.unit(laws), [0.0, -0.0, 1.0]),
        "thinning": thinning,
        "at_once": numbers.mix(numbers.unit(laws) * 0.5, [0.0, -0.0, LAST_BELOW_ONE]),
        "mu": numbers.mix(numbers.unit(laws) * 6.0 - 2.0, [0.0, HUGE, -HUGE]),
        "sigma": numbers.mix(numbers.unit(laws) + 0.01, [TINY, HUGE]),
    }, {}


def utc_offset(numbers, n):
    """Every zone's first transition is the smallest int64, so every instant is covered."""
    clock = cases_arrivals.clock(numbers)
    zone = numbers.below(cases_arrivals.ZONES, n)
    ts = numbers.plain(n).view(np.int64) >> np.int64(13)
    ts = numbers.mix(numbers.mix(ts, clock["transition_us"]), [-(2**63), 2**63 - 1])
    return clock | {"ts_us": ts, "zone": zone}, {}


CASES = {
    "alias_build": alias_build, "alias_pick": alias_pick, "bounded_integer": bounded_integer,
    "capped_share": capped_share, "disk_offset": disk_offset, "draw_counts": draw_counts,
    "entity_hash": hashed, "exp_map": exp_map, "expand_rows": expand_rows, "gated_weight": gated_weight,
    "inherit_risk": inherit_risk, "log_map": log_map, "lognormal_factor": lognormal_factor,
    "normal_cdf_map": normal_cdf_map, "normal_quantile_map": normal_quantile_map,
    "open_uniform": open_uniform, "ou_field": ou_field,
    "permuted_rank": permuted_rank, "philox_block": counters, "race_key": race_key,
    "remainder_quota": remainder_quota, "risk_score": risk_score, "role_race": role_race,
    "truncated_age": truncated_age, "utc_offset": utc_offset,
    **cases_joined.CASES, **cases_arrivals.CASES, **cases_parties.CASES, **cases_money.CASES,
    **cases_payers.CASES, **cases_cards.CASES,
}  # fmt: skip


def case(stem, n):
    """Inputs by name and the lengths that only outputs have."""
    return CASES[stem](Numbers(f"{stem} {n}"), n)
