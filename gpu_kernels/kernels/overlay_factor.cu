// contract: overlay_factor - one thread a combination's check, then a cell; bounds checked. twin: cpu_fallback/kernels/overlay_factor.py
#include "civil.cuh"
#include "kernel.cuh"

// Wall clocks mod 2**64, as numba has them: signed overflow is no C++.
DEVICE i64 seconds_between(i64 from, i64 to) { return (i64)((u64)to - (u64)from); }

// How much of an event is felt at a moment inside it: 1 on the plateau, linear on the ramps.
DEVICE f64 weight_at(i64 second, i64 start, i64 stop, i64 ramp_in, i64 ramp_out) {
    f64 weight = 1.0;
    if (seconds_between(start, second) < ramp_in) {
        weight = (f64)seconds_between(start, second) / (f64)ramp_in;
    }
    if (seconds_between(second, stop) < ramp_out) {
        const f64 falling = (f64)seconds_between(second, stop) / (f64)ramp_out;
        weight = minimum(weight, falling);
    }
    return weight;
}

// Whether a combination's own rows lie within their column of `total`.
DEVICE bool offsets_fit(const u64 *offset, u64 i, u64 total) { return offset[i] <= offset[i + 1] && offset[i + 1] <= total; }

// Whether every link of a combination names an event of a known type.
DEVICE bool links_fit(const u64 *link, u64 i, const u32 *event, const u8 *kind, u64 events, u64 kinds) {
    for (u64 at = link[i]; at < link[i + 1]; ++at) {
        if (event[at] >= events || kind[event[at]] >= kinds) {
            return false;
        }
    }
    return true;
}

KERNEL void overlay_factor(IN(u64, cell), IN(i64, first), i64 step, IN(u64, link), IN(u32, event), IN(i64, start), IN(i64, stop),
                           IN(i64, ramp_in), IN(i64, ramp_out), IN(f64, peak), IN(u8, kind), IN(u8, rank), IN(u8, take_least),
                           IN(f64, low), IN(f64, high), f64 total_low, f64 total_high, OUT(f64, factor), ERROR) {
    const u64 combinations = LENGTH(first);
    const u64 cells = LENGTH(factor);
    const u64 links = LENGTH(event);
    if (cell[0] != 0 || link[0] != 0 || cell[combinations] != cells || link[combinations] != links) {
        report(error, 0, BAD_OFFSET);
        return;
    }
    for (u64 i = first_row(); i < combinations; i += row_stride()) {
        if (!offsets_fit(cell, i, cells) || !offsets_fit(link, i, links)) {
            report(error, i, BAD_OFFSET);
        } else if (!links_fit(link, i, event, kind, LENGTH(start), LENGTH(low))) {
            report(error, i, BAD_EVENT);
        }
    }
    for (u64 j = first_row(); j < cells; j += row_stride()) {
        // There is one, since cell[0] = 0. Offsets that fall are reported above; here they only make it an arbitrary one that holds j.
        const u64 i = last_at_or_before(j, 0, combinations, cell);
        if (!offsets_fit(cell, i, cells) || !offsets_fit(link, i, links) || !links_fit(link, i, event, kind, LENGTH(start), LENGTH(low))) {
            continue;
        }
        const i64 second = (i64)((u64)first[i] + (j - cell[i]) * (u64)step);
        f64 total = 1.0;
        f64 best = 1.0;
        u8 best_rank = 0;
        u8 best_kind = 0;
        bool found = false;
        for (u64 at = link[i]; at < link[i + 1]; ++at) {
            const u64 e = event[at];
            if (second < start[e] || second >= stop[e]) {
                continue;
            }
            const bool same = found && kind[e] == best_kind;
            if (same && rank[e] < best_rank) {
                continue;
            }
            const f64 value = 1.0 + (peak[e] - 1.0) * weight_at(second, start[e], stop[e], ramp_in[e], ramp_out[e]);
            if (same) {
                best = take_least[best_kind] ? minimum(best, value) : maximum(best, value);
                continue;
            }
            if (found) {
                total = total * minimum(maximum(best, low[best_kind]), high[best_kind]);
            }
            best = value;
            best_rank = rank[e];
            best_kind = kind[e];
            found = true;
        }
        if (found) {
            total = total * minimum(maximum(best, low[best_kind]), high[best_kind]);
        }
        factor[j] = minimum(maximum(total, total_low), total_high);
    }
}
