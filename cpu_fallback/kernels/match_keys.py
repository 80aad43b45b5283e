# contract: match_keys - one iteration a row; bounds checked. twin: gpu_kernels/kernels/match_keys.cu
from cpu_fallback.device import device, kernel, length, report, rows, u16, u32, u64
from cpu_fallback.errors import errors_of

ERRORS = errors_of("match_keys")


@device
def pack(country, zone, channel):
    """Codes in comparable order; int16 codes are not negative."""
    return (u64(u16(country)) << u64(32)) | (u64(u16(zone)) << u64(16)) | u64(u16(channel))


@kernel
def match_keys(offset, key_country, key_zone, key_channel, merchant, country, zone, channel, key_row, error):
    merchants = length(offset) - u64(1)
    keys = length(key_country)
    for i in rows(key_row):
        key_row[i] = u32(0)
        m = u64(merchant[i])
        if m >= merchants or offset[m + u64(1)] > keys:
            report(error, i, ERRORS.OUT_OF_RANGE)
            continue
        wanted = pack(country[i], zone[i], channel[i])
        low = offset[m]
        high = offset[m + u64(1)]
        stop = high
        while low < high:
            middle = low + ((high - low) >> u64(1))
            if pack(key_country[middle], key_zone[middle], key_channel[middle]) < wanted:
                low = middle + u64(1)
            else:
                high = middle
        if low < stop and pack(key_country[low], key_zone[low], key_channel[low]) == wanted:
            key_row[i] = u32(low)
        else:
            report(error, i, ERRORS.KEY_NOT_FOUND)
