"""Demand summed by hour of the week: over local buckets, as often as each occurs, and over UTC buckets."""

from tests.reference._errors import RowError


def demand_mass(
    base, base_start, grid_start, grid_size, map_start, factor_start, hour, times, local, utc_hour,
    factor, hours, parts, buckets,
):  # fmt: skip
    local_mass, utc_mass = [0] * (168 * len(base_start)), [0] * (168 * len(base_start))
    grids, maps = min(len(hour), len(times)), min(len(local), len(utc_hour))
    for i, week in enumerate(base_start):
        if (
            week + 168 * parts > len(base)
            or grid_start[i] + grid_size[i] > grids
            or factor_start[i] + grid_size[i] > len(factor)
            or map_start[i] + buckets > maps
        ):
            raise RowError(i, "OUT_OF_RANGE")

        def units(cell, i=i, week=week):
            if hour[grid_start[i] + cell] >= 168 * parts:
                raise RowError(i, "OUT_OF_RANGE")
            value = base[week + hour[grid_start[i] + cell]] * hours * factor[factor_start[i] + cell]
            if not 0.0 <= value < 2.0**31:
                raise RowError(i, "RATE_OUT_OF_RANGE")
            return int(value * 2.0**20)

        for cell in range(grid_size[i]):
            mass = units(cell) * times[grid_start[i] + cell]
            local_mass[168 * i + hour[grid_start[i] + cell] // parts] += mass
        for row in range(map_start[i], map_start[i] + buckets):
            if local[row] >= grid_size[i] or utc_hour[row] >= 168:
                raise RowError(i, "OUT_OF_RANGE")
            utc_mass[168 * i + utc_hour[row]] += units(local[row])
    return local_mass, utc_mass
