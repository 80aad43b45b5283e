// contract: match_keys - one thread a row; bounds checked. twin: cpu_fallback/kernels/match_keys.py
#include "kernel.cuh"

// Codes in comparable order; i16 codes are not negative.
DEVICE u64 pack(i16 country, i16 zone, i16 channel) {
    return ((u64)(u16)country << 32) | ((u64)(u16)zone << 16) | (u64)(u16)channel;
}

KERNEL void match_keys(IN(u64, offset), IN(i16, key_country), IN(i16, key_zone), IN(i16, key_channel), IN(u32, merchant), IN(i16, country),
                       IN(i16, zone), IN(i16, channel), OUT(u32, key_row), ERROR) {
    const u64 merchants = LENGTH(offset) - 1;
    const u64 keys = LENGTH(key_country);
    for (u64 i = first_row(); i < LENGTH(key_row); i += row_stride()) {
        key_row[i] = 0;
        const u64 m = merchant[i];
        if (m >= merchants || offset[m + 1] > keys) {
            report(error, i, OUT_OF_RANGE);
            continue;
        }
        const u64 wanted = pack(country[i], zone[i], channel[i]);
        u64 low = offset[m];
        u64 high = offset[m + 1];
        const u64 stop = high;
        while (low < high) {
            const u64 middle = low + ((high - low) >> 1);
            if (pack(key_country[middle], key_zone[middle], key_channel[middle]) < wanted) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        if (low < stop && pack(key_country[low], key_zone[low], key_channel[low]) == wanted) {
            key_row[i] = (u32)low;
        } else {
            report(error, i, KEY_NOT_FOUND);
        }
    }
}
