# contract: label_arrivals - one iteration an arrival; bounds checked.
# twin: gpu_kernels/kernels/label_arrivals.cu
from cpu_fallback.device import kernel, length, report, rows, u64
from cpu_fallback.errors import errors_of

ERRORS = errors_of("label_arrivals")


@kernel
def label_arrivals(
    arrival_key,
    virtual,
    key_country,
    key_zone,
    key_channel,
    key_settlement,
    country,
    zone,
    channel,
    settlement,
    error,
):
    for i in rows(arrival_key):
        k = u64(arrival_key[i])
        if k >= length(key_zone):
            report(error, i, ERRORS.KEY_OUT_OF_RANGE)
            continue
        country[i] = key_country[k]
        zone[i] = key_zone[k]
        channel[i] = key_channel[k]
        settlement[i] = key_settlement[k] if virtual[i] else key_zone[k]
