"""Every cell on its own: the events in force, by type; the most specific of each; bounded product."""

from tests.reference._errors import RowError


def _felt(second, start, stop, ramp_in, ramp_out):
    rising = (second - start) / ramp_in if second - start < ramp_in else 1.0
    falling = (stop - second) / ramp_out if stop - second < ramp_out else 1.0
    return min(rising, falling, 1.0)


def _bounded(value, low, high):
    return min(max(value, low), high)


def _check(cell, link, event, kind, events, types, i):
    if cell[i + 1] < cell[i] or link[i + 1] < link[i] or cell[i + 1] > cell[-1] or link[i + 1] > link[-1]:
        raise RowError(i, "BAD_OFFSET")
    for e in event[link[i] : link[i + 1]]:
        if e >= events or kind[e] >= types:
            raise RowError(i, "BAD_EVENT")


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
):
    if cell[0] != 0 or link[0] != 0 or link[-1] != len(event):
        raise RowError(0, "BAD_OFFSET")
    factor = []
    for i in range(len(first)):
        _check(cell, link, event, kind, len(start), len(low), i)
        seen = event[link[i] : link[i + 1]]
        for position in range(cell[i + 1] - cell[i]):
            second = first[i] + position * step
            active = [e for e in seen if start[e] <= second < stop[e]]
            total = 1.0
            for t in range(len(low)):
                of_type = [e for e in active if kind[e] == t]
                if not of_type:
                    continue
                top = max(rank[e] for e in of_type)
                values = [
                    1.0 + (peak[e] - 1.0) * _felt(second, start[e], stop[e], ramp_in[e], ramp_out[e])
                    for e in of_type
                    if rank[e] == top
                ]
                total = total * _bounded(min(values) if take_least[t] else max(values), low[t], high[t])
            factor.append(_bounded(total, total_low, total_high))
    return factor
