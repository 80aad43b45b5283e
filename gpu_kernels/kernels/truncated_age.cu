// contract: truncated_age - one thread a row; one word chooses the part of the law and the place in it.
// twin: cpu_fallback/kernels/truncated_age.py
#include "detmath.cuh"
#include "kernel.cuh"
#include "uniform.cuh"

constexpr f64 HUGE_NUMBER = 1.7976931348623157e308;

KERNEL void truncated_age(IN(u64, x), IN(f64, most), IN(u32, law), IN(f64, rate), IN(f64, thinning), IN(f64, at_once), IN(f64, mu),
                          IN(f64, sigma), OUT(f64, age), ERROR) {
    const u64 laws = LENGTH(rate);
    for (u64 i = first_row(); i < LENGTH(age); i += row_stride()) {
        age[i] = 0.0;
        const f64 end = most[i];
        if (!(end > 0.0 && end <= HUGE_NUMBER)) {
            report(error, i, MOST_OUT_OF_RANGE);
            continue;
        }
        const u64 row = law[i];
        if (row >= laws) {
            report(error, i, ROW_OUT_OF_RANGE);
            continue;
        }
        const f64 begin = rate[row];
        const f64 thin = thinning[row];
        const f64 bound = at_once[row];
        const f64 middle = mu[row];
        const f64 spread = sigma[row];
        if (!(begin >= 0.0 && thin > 0.0 && thin <= HUGE_NUMBER && begin <= thin)) {
            report(error, i, LAW_OUT_OF_RANGE);
            continue;
        }
        if (!(bound >= 0.0 && bound < 1.0 && middle >= -HUGE_NUMBER && middle <= HUGE_NUMBER)) {
            report(error, i, LAW_OUT_OF_RANGE);
            continue;
        }
        if (!(spread > 0.0 && spread <= HUGE_NUMBER)) {
            report(error, i, LAW_OUT_OF_RANGE);
            continue;
        }
        const f64 share = begin / thin;
        const f64 recent = share * -det_expm1(-(thin * end));
        const f64 u = open52(x[i]);
        if (u < recent) {
            age[i] = minimum(-det_log1p(-(u / share)) / thin, end);
            continue;
        }
        const f64 v = (u - recent) / (1.0 - recent);
        age[i] = end;
        if (v < bound) {
            continue;
        }
        const f64 below = det_normal_cdf((det_log(end) - middle) / spread);
        const f64 place = (v - bound) / (1.0 - bound) * below;
        // Where no double holds the mass below `end`, it all lies next to it.
        if (place > 0.0) {
            age[i] = minimum(det_exp(middle + spread * det_normal_quantile(place)), end);
        }
    }
}
