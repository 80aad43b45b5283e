"""The Earth as a sphere, against mpmath and against what is known of cities."""

from __future__ import annotations

import mpmath
import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from sim.recipes.sphere import RADIUS_KM, beyond, half_chord, sine, unit_vectors

LAT = st.floats(-90, 90)
LON = st.floats(-180, 180)


def at(lat: float, lon: float) -> tuple[np.ndarray, ...]:
    return unit_vectors(np.array([lat]), np.array([lon]))


def test_sine_is_the_sine() -> None:
    x = np.linspace(-np.pi / 2, np.pi / 2, 2001)
    found = sine(x).tolist()
    assert max(abs(mpmath.sin(a) - b) for a, b in zip(x.tolist(), found, strict=True)) < 7e-12


@given(LAT, LON)
def test_a_place_is_one_radius_away_from_the_centre(lat: float, lon: float) -> None:
    x, y, z = at(lat, lon)
    assert abs(float(x[0] ** 2 + y[0] ** 2 + z[0] ** 2) - 1) < 5e-11
    assert abs(float(z[0]) - float(mpmath.sin(mpmath.radians(lat)))) < 2e-11
    assert abs(float(y[0]) - float(mpmath.cos(mpmath.radians(lat)) * mpmath.sin(mpmath.radians(lon)))) < 2e-11


@given(LAT, LON, LAT, LON)
def test_beyond_is_what_the_great_circle_says(lat: float, lon: float, lat2: float, lon2: float) -> None:
    half = half_chord(at(lat, lon), at(lat2, lon2))
    angle = 2 * mpmath.asin(min(float(half[0]), 1.0))
    km = float(angle) * RADIUS_KM
    assert beyond(half, np.array([max(km - 1.0, 0.0)])) or km < 1.0 or km > 19_990
    assert not beyond(half, np.array([km + 1.0]))


def test_paris_and_london() -> None:
    half = half_chord(at(48.8566, 2.3522), at(51.5074, -0.1278))
    assert beyond(half, np.array([343.0])) and not beyond(half, np.array([344.5]))
