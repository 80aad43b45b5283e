# contract: overlay_factor - one iteration a combination (CUDA: a cell); bounds checked.
# twin: gpu_kernels/kernels/overlay_factor.cu
from cpu_fallback.device import device, f64, i64, kernel, length, report, u8, u64
from cpu_fallback.errors import errors_of

ERRORS = errors_of("overlay_factor")


@device
def weight_at(second, start, stop, ramp_in, ramp_out):
    """How much of an event is felt at a moment inside it: 1 on the plateau, linear on the ramps."""
    weight = 1.0
    if second - start < ramp_in:
        weight = f64(second - start) / f64(ramp_in)
    if stop - second < ramp_out:
        falling = f64(stop - second) / f64(ramp_out)
        weight = min(weight, falling)
    return weight


@device
def links_fit(link, i, event, kind, events, kinds):
    """Whether every link of a combination names an event of a known type."""
    for at in range(link[i], link[i + u64(1)]):
        e = u64(event[at])
        if e >= events or u64(kind[e]) >= kinds:
            return False
    return True


@kernel
def overlay_factor(
    cell,
    first,
    step,
    link,
    event,
    start,
    stop,
    ramp_in,
    ramp_out,
    peak,
    kind,
    rank,
    take_least,
    low,
    high,
    total_low,
    total_high,
    factor,
    error,
):
    combinations = length(first)
    cells = length(factor)
    links = length(event)
    if (
        cell[u64(0)] != u64(0)
        or link[u64(0)] != u64(0)
        or cell[combinations] != cells
        or link[combinations] != links
    ):
        report(error, 0, ERRORS.BAD_OFFSET)
        return
    for i in range(combinations):
        if (
            cell[i + u64(1)] < cell[i]
            or cell[i + u64(1)] > cells
            or link[i + u64(1)] < link[i]
            or link[i + u64(1)] > links
        ):
            report(error, i, ERRORS.BAD_OFFSET)
            continue
        if not links_fit(link, i, event, kind, length(start), length(low)):
            report(error, i, ERRORS.BAD_EVENT)
            continue
        for j in range(cell[i], cell[i + u64(1)]):
            second = first[i] + i64(j - cell[i]) * step
            total = 1.0
            best = 1.0
            best_rank = u8(0)
            best_kind = u64(0)
            found = False
            for at in range(link[i], link[i + u64(1)]):
                e = u64(event[at])
                if second < start[e] or second >= stop[e]:
                    continue
                same = found and u64(kind[e]) == best_kind
                if same and rank[e] < best_rank:
                    continue
                value = 1.0 + (peak[e] - 1.0) * weight_at(second, start[e], stop[e], ramp_in[e], ramp_out[e])
                if same:
                    best = min(best, value) if take_least[best_kind] else max(best, value)
                    continue
                if found:
                    total = total * min(max(best, low[best_kind]), high[best_kind])
                best = value
                best_rank = rank[e]
                best_kind = u64(kind[e])
                found = True
            if found:
                total = total * min(max(best, low[best_kind]), high[best_kind])
            factor[j] = min(max(total, total_low), total_high)
