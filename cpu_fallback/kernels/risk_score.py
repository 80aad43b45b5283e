# contract: risk_score - one iteration an entity; sums are exact. twin: gpu_kernels/kernels/risk_score.cu
from cpu_fallback.device import i64, kernel, length, report, rows, u64
from cpu_fallback.errors import errors_of

ERRORS = errors_of("risk_score")


@kernel
def risk_score(base, least, weight, feature, score, error):
    features = length(weight)
    entities = length(score)
    for i in rows(score):
        if least < i64(0) or length(feature) != features * entities:
            report(error, i, ERRORS.LEAST_NEGATIVE if least < i64(0) else ERRORS.WRONG_LENGTH)
            score[i] = u64(0)
            continue
        total = base
        for j in range(features):
            total = total + weight[j] * i64(feature[j * entities + i])
        score[i] = u64(total) if total > least else u64(least)
