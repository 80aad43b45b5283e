"""Places on the Earth as a sphere: unit vectors, and whether anybody can have got from one to the other.

Sines are polynomials of + and * alone, so that every machine has the same bits (design: no libm).
"""

from __future__ import annotations

import numpy as np

from sim.state.frames import Array

RADIUS_KM = 6371.0088
"""Mean radius of the Earth (IUGG)."""
_HALF_TURN = 3.141592653589793
_RADIAN = _HALF_TURN / 180.0
# -1/3!, 1/5!, ... of the sine's series; the first term left out is below 7e-12 at a right angle.
_SERIES = (
    -1.0 / 6.0,
    1.0 / 120.0,
    -1.0 / 5040.0,
    1.0 / 362880.0,
    -1.0 / 39916800.0,
    1.0 / 6227020800.0,
    -1.0 / 1307674368000.0,
)


def sine(x: Array) -> Array:
    """Sine of angles from -pi/2 to pi/2, to 7e-12: float64 (Taylor's series to the 15th power).

    Args:
        x: float64, radians.
    """
    square = x * x
    found = np.full_like(x, _SERIES[-1])
    for term in reversed(_SERIES[:-1]):
        found = found * square + term
    result: Array = x + x * square * found
    return result


def unit_vectors(lat_deg: Array, lon_deg: Array) -> tuple[Array, Array, Array]:
    """Places as vectors from the Earth's centre: float64 x, y, z.

    Args:
        lat_deg: float64, -90..90.
        lon_deg: float64, -180..180.
    """
    up = sine(lat_deg * _RADIAN)
    out = sine((90.0 - np.abs(lat_deg)) * _RADIAN)
    turn = np.abs(lon_deg)
    ahead = sine((90.0 - turn) * _RADIAN)
    aside = sine(np.minimum(turn, 180.0 - turn) * _RADIAN)
    return out * ahead, out * np.where(lon_deg < 0, -aside, aside), up


def half_chord(one: tuple[Array, ...], two: tuple[Array, ...]) -> Array:
    """Half of the straight line between places, in radii: sine of half their angle, float64."""
    x, y, z = (a - b for a, b in zip(one, two, strict=True))
    found: Array = np.sqrt(x * x + y * y + z * z) * 0.5
    return found


def beyond(half: Array, km: Array) -> Array:
    """Whether places whose `half_chord` is given are further apart than so many km, over ground: bool.

    Args:
        half: float64.
        km: float64, not negative; half the way round is further than anything.
    """
    angle = np.minimum(km / (2.0 * RADIUS_KM), _HALF_TURN / 2.0)
    further: Array = half > sine(angle)
    return further
