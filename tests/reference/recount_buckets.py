"""Arrivals of each segment matched with that segment's count rows."""

from tests.reference._errors import RowError

NO_ROW = 2**32 - 1


def recount_buckets(
    row_offset,
    arrival_offset,
    row_merchant,
    row_bucket,
    row_country,
    row_zone,
    row_channel,
    merchant,
    bucket,
    country,
    zone,
    channel,
):
    rows = list(zip(row_merchant, row_bucket, row_country, row_zone, row_channel, strict=True))
    arrivals = list(zip(merchant, bucket, country, zone, channel, strict=True))
    ends = ((row_offset, len(rows)), (arrival_offset, len(arrivals)))
    if any(offset[0] != 0 or offset[-1] != total for offset, total in ends):
        raise RowError(0, "BAD_OFFSET")
    for s in range(len(row_offset) - 1):
        if any(not offset[s] <= offset[s + 1] <= total for offset, total in ends):
            raise RowError(s, "BAD_OFFSET")
    tally, found = [0] * len(rows), []
    for s in range(len(row_offset) - 1):
        own = rows[row_offset[s] : row_offset[s + 1]]
        for arrival in arrivals[arrival_offset[s] : arrival_offset[s + 1]]:
            row = row_offset[s] + own.index(arrival) if arrival in own else NO_ROW
            found.append(row)
            if row != NO_ROW:
                tally[row] += 1
    return tally, found
