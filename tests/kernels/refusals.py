"""One way to break a case for every error of every contract: what is wrong,
put where output row `at` depends on it.

Each function changes copies of the inputs in place. Those in UNSEEN are refused by comparing lengths a
reference is not told: row 0.
"""

import numpy as np

from tests.kernels.cases import case

BAD = {}
UNSEEN = {
    ("demand_mass", "WRONG_LENGTH"),
    ("expand_rows", "BAD_OFFSET"),
    ("inverse_lorenz", "WRONG_LENGTH"),
    ("ou_field", "WRONG_LENGTH"),
    ("utc_surface", "WRONG_LENGTH"),
}


def breaks(stem, *names):
    def keep(function):
        for name in names:
            BAD[stem, name] = function
        return function

    return keep


def put(stem, name, **columns):
    """The refusal is a value in one row of one column, or of several."""

    def change(given, dims, at):
        for column, value in columns.items():
            given[column][at] = value

    BAD[stem, name] = change


def segment(offset, at):
    """The segment that row `at` is in."""
    return int(np.searchsorted(offset, np.uint64(at), side="right")) - 1


def past_the_end(column):
    """Segment offsets that leave the rows: the end of the segment of row `at`,
    which must not be the last one.
    """

    def change(given, dims, at):
        offset = given[column]
        offset[segment(offset, at) + 1] = offset[-1] + np.uint64(9)

    return change


put("alias_pick", "EMPTY_TABLE", size=0)
put("attach_payers", "OUT_OF_RANGE", unit=2**32 - 1)
put("alias_pick", "TABLE_OUT_OF_RANGE", start=2**64 - 1)
put("authorise_rows", "PLACE_OUT_OF_RANGE", card=2**32 - 1)
put("authorise_rows", "VALUE_OUT_OF_RANGE", tries=4)
put("bounded_integer", "ZERO_BOUND", bound=0)
put("capped_share", "WEIGHT_TOO_LARGE", weight=2**63, cap=1)
put("disk_offset", "DISK_OUT_OF_RANGE", lon_scale=float("nan"))
put("draw_counts", "MEAN_NOT_FINITE", mu=float("inf"))
put("draw_counts", "KAPPA_NOT_FINITE", kappa=float("nan"))
put("draw_counts", "COUNT_OVERFLOW", mu=2.0**32, kappa=0.0)
put("draw_counts", "KAPPA_TOO_SMALL", mu=1.0, kappa=2.0**-25)
put("fill_slots", "OUT_OF_RANGE", row=2**32 - 1)
put("gated_weight", "IDLE_OUT_OF_RANGE", idle=1.0)
put("gated_weight", "SIGMA_OUT_OF_RANGE", sigma=float("nan"))
put("permuted_rank", "RANK_BEYOND_SIZE", size=5, rank=5)
put("hour_mass", "RATE_OUT_OF_RANGE", rate=float("nan"))
put("inherit_risk", "LINK_OUT_OF_RANGE", link=61)
put("inherit_risk", "WEIGHT_TOO_LARGE", own=2**32)
put("label_arrivals", "KEY_OUT_OF_RANGE", arrival_key=97)
put("match_keys", "KEY_NOT_FOUND", channel=6)
put("match_keys", "OUT_OF_RANGE", merchant=2**32 - 1)
put("place_in_bucket", "ROW_OUT_OF_RANGE", row=2**32 - 1)
put("price_rows", "ROW_OUT_OF_RANGE", shop=61)
put("price_rows", "LAW_OUT_OF_RANGE", fee_ppm=1_000_001)
put("remainder_quota", "ZERO_TOTAL", weight_total=0)
put("remainder_quota", "WEIGHT_EXCEEDS_TOTAL", weight=2**64 - 1, weight_total=2**64 - 2)
put("role_race", "SCORE_OUT_OF_RANGE", score=63)
put("role_race", "TIER_OUT_OF_RANGE", tier=4)
put("settle_rows", "ROW_OUT_OF_RANGE", shop=61, approved=1)
put("settle_rows", "LAW_OUT_OF_RANGE", capture=0, approved=1)
put("truncated_age", "MOST_OUT_OF_RANGE", most=0.0)
put("truncated_age", "ROW_OUT_OF_RANGE", law=37)
put("utc_offset", "NO_OFFSET", zone=40)
put("weigh_risk", "AMOUNT_OUT_OF_RANGE", amount=2**50 + 1)
for stem, column in (
    ("alias_build", "offset"), ("capped_share", "offset"), ("hour_mass", "offset"),
    ("local_surface", "offset"), ("overlay_factor", "cell"), ("recount_buckets", "arrival_offset"),
    ("count_favourites", "first"), ("measure_gaps", "first"), ("weigh_risk", "first"),
    ("authorise_rows", "row_first"),
):  # fmt: skip
    BAD[stem, "BAD_OFFSET"] = past_the_end(column)


@breaks("alias_build", "ZERO_TOTAL")
def _(given, dims, at):
    i = segment(given["offset"], at)
    given["weight"][int(given["offset"][i]) : int(given["offset"][i + 1])] = 0


@breaks("alias_build", "WEIGHT_TOO_LARGE")
def _(given, dims, at):
    given["weight"][at] = 2**63


@breaks("cell_intensity", "WRONG_LENGTH")
def _(given, dims, at):
    given["buckets"] = 0


@breaks("cell_intensity", "OUT_OF_RANGE")
def _(given, dims, at):
    given["first"][at // given["buckets"]] = 2**63


@breaks("count_cells", "WRONG_LENGTH")
def _(given, dims, at):
    given["day"] = 0


@breaks("count_cells", "PART_MEAN_OUT_OF_RANGE")
def _(given, dims, at):
    given["part_mean"] = float("nan")


def cell_of(given, at):
    """The key whose output row `at` is in `merchants` of cases_joined.py, and a row of its own."""
    buckets = len(given["c0"])
    rows = given["first"][:, None] + np.arange(buckets, dtype=np.uint64) * given["stride"][:, None]
    return int(np.flatnonzero((rows == np.uint64(at)).any(axis=1))[0])


@breaks("count_cells", "OUT_OF_RANGE")
def _(given, dims, at):
    given["first"][cell_of(given, at)] = 2**63


@breaks("count_cells", "MEAN_NOT_FINITE")
def _(given, dims, at):
    given["mean"][at] = float("nan")


@breaks("count_cells", "KAPPA_OUT_OF_RANGE")
def _(given, dims, at):
    given["mean"][at], given["kappa"][cell_of(given, at)] = 1.0, 2.0**-25


@breaks("count_cells", "COUNT_OVERFLOW")
def _(given, dims, at):
    given["largest"] = 2.0**33
    given["mean"][at], given["kappa"][cell_of(given, at)] = 2.0**32, 0.0


@breaks("demand_mass", "WRONG_LENGTH")
def _(given, dims, at):
    dims["o"] += 1


@breaks("demand_mass", "OUT_OF_RANGE")
def _(given, dims, at):
    given["map_start"][at // 168] = 2**64 - 7


@breaks("demand_mass", "RATE_OUT_OF_RANGE")
def _(given, dims, at):
    hour = int(given["hour"][int(given["grid_start"][at // 168])])
    given["base"][int(given["base_start"][at // 168]) + hour] = float("nan")


@breaks("capped_share", "CAPS_INFEASIBLE")
def _(given, dims, at):
    given["units"][segment(given["offset"], at)] = 2**63


@breaks("draw_counts", "PART_MEAN_OUT_OF_RANGE")
def _(given, dims, at):
    given["part_mean"] = 0.0


@breaks("draw_counts", "TRUNCATED_TOO_LARGE")
def _(given, dims, at):
    given["zero_truncated"] = 1
    given["mu"] = np.minimum(given["mu"], 64.0)
    given["kappa"] = np.maximum(given["kappa"], 1.0)
    given["mu"][at] = 64.5


@breaks("expand_rows", "BAD_OFFSET")
def _(given, dims, at):
    dims["m"] += 1


@breaks("hour_mass", "OUT_OF_RANGE")
def _(given, dims, at):
    given["hour"][int(given["label_start"][segment(given["offset"], at)])] = 168


@breaks("inherit_risk", "BAD_OFFSET")
def _(given, dims, at):
    given["offset"][at + 1] = given["offset"][-1] + np.uint64(1)


@breaks("local_surface", "OUT_OF_RANGE")
def _(given, dims, at):
    given["shape_start"][segment(given["offset"], at)] = 2**64 - 100


@breaks("ou_field", "WRONG_LENGTH")
def _(given, dims, at):
    dims["gz"] += 1


@breaks("overlay_factor", "BAD_EVENT")
def _(given, dims, at):
    i = segment(given["cell"], at)
    while given["link"][i] == given["link"][i + 1]:
        i += 1
    given["event"][int(given["link"][i])] = 60


@breaks("place_in_bucket", "TABLE_OUT_OF_RANGE")
def _(given, dims, at):
    given["table"][int(given["row"][at])] = 49


@breaks("balance_catchments", "BAD_OFFSET")
def _(given, dims, at):
    """A metro that has an entry too few."""
    i = min(at // 8, len(given["row_first"]) - 2)
    given["entry_first"][i + 1] -= np.uint64(1)


@breaks("balance_catchments", "NOT_POSITIVE")
def _(given, dims, at):
    given["row_total"][min(at, len(given["row_total"]) - 1)] = float("nan")


@breaks("inverse_lorenz", "WRONG_LENGTH")
def _(given, dims, at):
    dims["n"] += 1


@breaks("inverse_lorenz", "OUT_OF_RANGE")
def _(given, dims, at):
    given["shape"][at // 17] = 65.0


@breaks("count_favourites", "NOT_ASCENDING")
@breaks("measure_gaps", "TIME_FALLS")
@breaks("weigh_risk", "TIME_FALLS")
def _(given, dims, at):
    """The last row of the first party from there on that has two is before its first one."""
    column = given["packed"] if "packed" in given else given["ts_us"]
    first = given["first"].astype(np.int64)
    many = np.flatnonzero(np.diff(first) > 1)
    i = int(many[many >= segment(given["first"], at)][0])
    column[first[i] + 1] = column[first[i]]
    column[first[i]] = column[first[i + 1] - 1] + column.dtype.type(1)


@breaks("authorise_rows", "DAY_FALLS")
def _(given, dims, at):
    """The first party from there on that has two purchases makes the second on the day before."""
    first = given["row_first"].astype(np.int64)
    i = int(np.flatnonzero((np.diff(first) > 1) & (first[:-1] >= at))[0])
    given["day"][first[i]] = 9
    given["day"][first[i] + 1] = 8


@breaks("place_in_bucket", "OPEN_OUT_OF_RANGE")
def _(given, dims, at):
    given["open_to"][int(given["row"][at])] = 13


@breaks("risk_score", "WRONG_LENGTH")
def _(given, dims, at):
    given["feature"] = given["feature"][:-1]


@breaks("risk_score", "LEAST_NEGATIVE")
def _(given, dims, at):
    given["least"] = -1


@breaks("truncated_age", "LAW_OUT_OF_RANGE")
def _(given, dims, at):
    given["rate"][int(given["law"][at])] = np.nextafter(given["thinning"][int(given["law"][at])], np.inf)


@breaks("route_arrivals", "ROW_OUT_OF_RANGE")
def _(given, dims, at):
    given["row"][int(given["packed"][at] & np.uint64(2**32 - 1))] = 2**32 - 1


@breaks("route_arrivals", "TABLE_MISSING")
def _(given, dims, at):
    key = int(given["key_row"][int(given["row"][int(given["packed"][at] & np.uint64(2**32 - 1))])])
    given["site_slots"][key], given["edge_slots"][key] = 0, len(given["alias"]) + 1


@breaks("route_arrivals", "ALIAS_OUT_OF_RANGE")
def _(given, dims, at):
    key = int(given["key_row"][int(given["row"][int(given["packed"][at] & np.uint64(2**32 - 1))])])
    for side in ("site", "edge"):
        first, slots = int(given[f"{side}_first"][key]), int(given[f"{side}_slots"][key])
        given["alias"][first : first + slots] = slots
        given["threshold"][first : first + slots] = 0


@breaks("route_arrivals", "TILL_OUT_OF_RANGE")
def _(given, dims, at):
    """Every place of the arrival's key has more terminals than there are; alias tables are left alone."""
    key = int(given["key_row"][int(given["row"][int(given["packed"][at] & np.uint64(2**32 - 1))])])
    for side in ("site", "edge"):
        first, slots = int(given[f"{side}_first"][key]), int(given[f"{side}_slots"][key])
        given["till_slots"][first : first + slots] = len(given["till_id"]) + 1


@breaks("choose_cards", "OUT_OF_RANGE")
def _(given, dims, at):
    """The last card of the party of a row is beyond the last one there is."""
    party = int(np.searchsorted(given["row_first"], np.uint64(at), side="right")) - 1
    given["card_first"][int(given["instrument_first"][party + 1])] = 2**63


@breaks("choose_cards", "ROW_OUT_OF_RANGE")
def _(given, dims, at):
    given["merchant"][at] = 11


@breaks("choose_cards", "NO_CARD")
def _(given, dims, at):
    """The party of a row, and all before it, lose their instruments."""
    party = int(np.searchsorted(given["row_first"], np.uint64(at), side="right")) - 1
    given["instrument_first"][: party + 1] = 0
    given["instrument_first"][party + 1] = 0


@breaks("choose_devices", "OUT_OF_RANGE")
def _(given, dims, at):
    party = int(np.searchsorted(given["row_first"], np.uint64(at), side="right")) - 1
    given["trip_first"][party] = 2**63


@breaks("choose_devices", "ROW_OUT_OF_RANGE")
def _(given, dims, at):
    given["token"][at] = len(given["token_device"])


@breaks("choose_devices", "KIND_OUT_OF_RANGE")
def _(given, dims, at):
    given["link_kind"][int(np.uint64(at) * np.uint64(len(given["link_kind"])) // np.uint64(1000))] = 8


@breaks("utc_surface", "WRONG_LENGTH")
def _(given, dims, at):
    dims["n"] += 1


@breaks("price_rows", "AMOUNT_OUT_OF_RANGE")
def _(given, dims, at):
    given["log_median"][int(given["shop"][at])] = float("nan")


@breaks("utc_surface", "OUT_OF_RANGE")
def _(given, dims, at):
    i = at // given["buckets"]
    given["local"][int(given["map_start"][i])] = 31


@breaks("verify_routes", "OUT_OF_RANGE")
def _(given, dims, at):
    given["row"][at] = 90


@breaks("attach_payers", "PARTY_OUT_OF_RANGE")
def _(given, dims, at):
    """A unit of its own, whose regulars do not exist."""
    given["unit"][given["unit"] == 39] = np.where(np.flatnonzero(given["unit"] == 39) > at, 39, 0)
    given["unit"][at], given["mode"][at], given["once_below"][39] = 39, 0, 0
    for column in ("slot_party", "slot_second"):
        given[column][int(given["slot_first"][39]) :] = 2**32 - 1


def broken(stem, name, n=1000):
    """Inputs that break in two places of which the earlier one counts,
    and the lengths that only outputs have.
    """
    given, dims = case(stem, n)
    given = {key: value.copy() if isinstance(value, np.ndarray) else value for key, value in given.items()}
    dims = dict(dims)
    for at in (2 * n // 3, n // 3):
        BAD[stem, name](given, dims, at)
    return given, dims
