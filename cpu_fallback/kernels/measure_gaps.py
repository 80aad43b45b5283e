# contract: measure_gaps - one iteration a party; gaps of a party add up to its span of time, below 2**63.
# twin: gpu_kernels/kernels/measure_gaps.cu
import math

import numpy as np

from cpu_fallback.detmath import det_log
from cpu_fallback.device import f64, i32, i64, kernel, length, report, rows, u8, u32, u64
from cpu_fallback.errors import errors_of

ERRORS = errors_of("measure_gaps")


@kernel
def measure_gaps(first, ts_us, counted, brief_us, gaps, brief, cv_ppm, lag_ppm, error):
    total = length(ts_us)
    for i in rows(gaps):
        begin = first[i]
        end = first[i + u64(1)]
        gaps[i], brief[i], cv_ppm[i], lag_ppm[i] = u32(0), u32(0), u32(0), i32(0)
        if (
            end < begin
            or end > total
            or (i == u64(0) and begin != u64(0))
            or (i + u64(1) == length(gaps) and end != total)
        ):
            report(error, i, ERRORS.BAD_OFFSET)
            continue
        falls = False
        for r in range(begin + u64(1), end):
            falls = falls or ts_us[r] < ts_us[r - u64(1)]
        if falls:
            report(error, i, ERRORS.TIME_FALLS)
            continue
        many, short, span = u64(0), u64(0), u64(0)
        least, most = u64(0), u64(0)
        logs = 0.0
        seen = False
        last = i64(0)
        for r in range(begin, end):
            if counted[r] == u8(0):
                continue
            if seen:
                real = u64(ts_us[r] - last)
                gap = max(real, u64(1))
                least = gap if many == u64(0) else min(least, gap)
                most = max(most, gap)
                many += u64(1)
                span += gap
                if real < brief_us:
                    short += u64(1)
                logs += det_log(f64(i64(gap)))
            seen = True
            last = ts_us[r]
        gaps[i], brief[i] = u32(many), u32(short)
        if many < u64(2) or least == most:
            continue
        mean = f64(i64(span)) / f64(i64(many))
        centre = logs / f64(i64(many))
        spread, square, product, before = 0.0, 0.0, 0.0, 0.0
        seen = False
        for r in range(begin, end):
            if counted[r] == u8(0):
                continue
            if seen:
                gap = max(u64(ts_us[r] - last), u64(1))
                apart = f64(i64(gap)) - mean
                spread += apart * apart
                now = det_log(f64(i64(gap))) - centre
                square += now * now
                product += now * before
                before = now
            seen = True
            last = ts_us[r]
        ratio = np.floor(math.sqrt(spread / f64(i64(many))) / mean * 1000000.0)
        cv_ppm[i] = u32(i64(min(ratio, 4294967295.0)))
        lag_ppm[i] = i32(i64(np.floor(product / square * 1000000.0)))
