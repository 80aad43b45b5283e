# contract: role_race - one iteration an entity; a positive double below 2 has its two top bits free.
# twin: gpu_kernels/kernels/role_race.cu
from cpu_fallback.detmath import det_log
from cpu_fallback.device import f64, float_bits, kernel, report, rows, u64
from cpu_fallback.errors import errors_of
from cpu_fallback.philox import philox2x64
from cpu_fallback.uniform import open52

ERRORS = errors_of("role_race")


@kernel
def role_race(key, c0, c1, score, tier, place, error):
    for i in rows(place):
        weight = score[i]
        place[i] = u64(0xFFFFFFFFFFFFFFFF)
        if u64(tier[i]) > u64(3):
            report(error, i, ERRORS.TIER_OUT_OF_RANGE)
        elif weight > u64(0):
            if weight < u64(64) or weight >= (u64(1) << u64(63)):
                report(error, i, ERRORS.SCORE_OUT_OF_RANGE)
            else:
                x0, _ = philox2x64(c0[i], c1[i], key)
                t = -det_log(open52(x0)) / f64(weight)
                place[i] = (u64(tier[i]) << u64(62)) | float_bits(t)
