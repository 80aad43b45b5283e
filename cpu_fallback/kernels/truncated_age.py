# contract: truncated_age - one iteration a row; one word chooses the part of the law and the place in it.
# twin: gpu_kernels/kernels/truncated_age.cu
from cpu_fallback.detmath import det_exp, det_expm1, det_log, det_log1p, det_normal_cdf, det_normal_quantile
from cpu_fallback.device import kernel, length, report, rows, u64
from cpu_fallback.errors import errors_of
from cpu_fallback.uniform import open52

ERRORS = errors_of("truncated_age")

HUGE = 1.7976931348623157e308


@kernel
def truncated_age(x, most, law, rate, thinning, at_once, mu, sigma, age, error):
    laws = length(rate)
    for i in rows(age):
        age[i] = 0.0
        end = most[i]
        if not (end > 0.0 and end <= HUGE):
            report(error, i, ERRORS.MOST_OUT_OF_RANGE)
            continue
        row = u64(law[i])
        if row >= laws:
            report(error, i, ERRORS.ROW_OUT_OF_RANGE)
            continue
        begin = rate[row]
        thin = thinning[row]
        bound = at_once[row]
        middle = mu[row]
        spread = sigma[row]
        if not (begin >= 0.0 and thin > 0.0 and thin <= HUGE and begin <= thin):
            report(error, i, ERRORS.LAW_OUT_OF_RANGE)
            continue
        if not (bound >= 0.0 and bound < 1.0 and middle >= -HUGE and middle <= HUGE):
            report(error, i, ERRORS.LAW_OUT_OF_RANGE)
            continue
        if not (spread > 0.0 and spread <= HUGE):
            report(error, i, ERRORS.LAW_OUT_OF_RANGE)
            continue
        share = begin / thin
        recent = share * -det_expm1(-(thin * end))
        u = open52(x[i])
        if u < recent:
            age[i] = min(-det_log1p(-(u / share)) / thin, end)
            continue
        v = (u - recent) / (1.0 - recent)
        age[i] = end
        if v < bound:
            continue
        below = det_normal_cdf((det_log(end) - middle) / spread)
        place = (v - bound) / (1.0 - bound) * below
        # Where no double holds the mass below `end`, it all lies next to it.
        if place > 0.0:
            age[i] = min(det_exp(middle + spread * det_normal_quantile(place)), end)
