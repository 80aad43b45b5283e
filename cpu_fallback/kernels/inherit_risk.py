# contract: inherit_risk - one iteration an entity, over its links; products below 2**64.
# twin: gpu_kernels/kernels/inherit_risk.cu
from cpu_fallback.device import kernel, length, report, rows, u32, u64
from cpu_fallback.errors import errors_of

ERRORS = errors_of("inherit_risk")


@kernel
def inherit_risk(offset, link, factor, own, weight, source, risky, error):
    links = length(link)
    owners = length(factor)
    entities = length(own)
    for i in rows(own):
        weight[i] = u64(0)
        source[i] = u32(0xFFFFFFFF)
        risky[i] = u32(0)
        first = offset[i]
        stop = offset[i + u64(1)]
        if (
            first > stop
            or stop > links
            or (i == u64(0) and first != u64(0))
            or (i + u64(1) == entities and stop != links)
        ):
            report(error, i, ERRORS.BAD_OFFSET)
            continue
        if own[i] >= (u64(1) << u64(32)):
            report(error, i, ERRORS.WEIGHT_TOO_LARGE)
            continue
        largest = u64(0)
        who = u32(0xFFFFFFFF)
        count = u64(0)
        for j in range(first, stop):
            owner = link[j]
            if u64(owner) >= owners:
                report(error, i, ERRORS.LINK_OUT_OF_RANGE)
                break
            permille = u64(factor[owner])
            if permille > largest:
                largest = permille
                who = owner
            if permille > u64(1000):
                count = count + u64(1)
        weight[i] = own[i] * largest // u64(1000) if stop > first else own[i]
        source[i] = who if largest > u64(1000) else u32(0xFFFFFFFF)
        risky[i] = u32(count)
