// contract: label_arrivals - one thread an arrival; bounds checked. twin: cpu_fallback/kernels/label_arrivals.py
#include "kernel.cuh"

// `virtual` is a word of C++: it has an underscore here.
KERNEL void label_arrivals(IN(u32, arrival_key), IN(u8, virtual_), IN(i16, key_country), IN(i16, key_zone), IN(i16, key_channel),
                           IN(i16, key_settlement), OUT(i16, country), OUT(i16, zone), OUT(i16, channel), OUT(i16, settlement), ERROR) {
    for (u64 i = first_row(); i < LENGTH(arrival_key); i += row_stride()) {
        const u64 k = arrival_key[i];
        if (k >= LENGTH(key_zone)) {
            report(error, i, KEY_OUT_OF_RANGE);
            continue;
        }
        country[i] = key_country[k];
        zone[i] = key_zone[k];
        channel[i] = key_channel[k];
        settlement[i] = virtual_[i] ? key_settlement[k] : key_zone[k];
    }
}
