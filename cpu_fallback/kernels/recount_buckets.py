# contract: recount_buckets - one iteration a merchant and bucket; bounds checked.
# twin: gpu_kernels/kernels/recount_buckets.cu
from cpu_fallback.device import device, kernel, length, report, u32, u64
from cpu_fallback.errors import errors_of

ERRORS = errors_of("recount_buckets")

NO_ROW = 0xFFFFFFFF


@device
def offsets_fit(offset, total):
    """Whether offsets start at 0 and end at `total`; that they never fall is checked segment by segment."""
    return offset[u64(0)] == u64(0) and offset[length(offset) - u64(1)] == total


@kernel
def recount_buckets(
    row_offset, arrival_offset, row_merchant, row_bucket, row_country, row_zone, row_channel,
    merchant, bucket, country, zone, channel, tally, row, error,
):  # fmt: skip
    if not offsets_fit(row_offset, length(tally)) or not offsets_fit(arrival_offset, length(row)):
        report(error, 0, ERRORS.BAD_OFFSET)
        return
    for s in range(length(row_offset) - u64(1)):
        first = row_offset[s]
        stop = row_offset[s + u64(1)]
        begin = arrival_offset[s]
        end = arrival_offset[s + u64(1)]
        if stop < first or stop > length(tally) or end < begin or end > length(row):
            report(error, s, ERRORS.BAD_OFFSET)
            continue
        for r in range(first, stop):
            tally[r] = u32(0)
        for i in range(begin, end):
            row[i] = u32(NO_ROW)
            for r in range(first, stop):
                if (
                    row_zone[r] == zone[i] and row_country[r] == country[i] and row_channel[r] == channel[i]
                    and row_bucket[r] == bucket[i] and row_merchant[r] == merchant[i]
                ):  # fmt: skip
                    row[i] = u32(r)
                    tally[r] = u32(tally[r] + u32(1))
                    break
