"""Land and sea on a grid of 30 arc seconds (about 1 km): where they change along the rows of the grid."""

from __future__ import annotations

import io
import zipfile
from typing import Final

import numpy as np
import pyarrow as pa
import seal

ROWS: Final = 21_600
COLUMNS: Final = 43_200
_AT_ONCE: Final = 240


def land_edge_table(packed: bytes) -> pa.Table:
    """Where sea changes to land or back, cell by cell from the north-west corner eastward and then southward.

    A cell is on land if an odd number of edges are not after it. Lakes are land: the grid is where the GLOBE
    elevation model has heights.

    Args:
        packed: The package's archive of `mask` (true at sea; 21,600 rows from 90 degrees north, 43,200
            columns from 180 degrees west), `lat` and `lon`.

    Returns:
        `cell`: row * 43,200 + column, ascending, the first where land begins.

    Raises:
        ValueError: The grid is another.
    """
    with zipfile.ZipFile(io.BytesIO(packed)) as archive:
        lat, lon = (np.lib.format.read_array(archive.open(f"{name}.npy")) for name in ("lat", "lon"))
        north_west = lat[0] == 90 and lon[0] == -180
        if not (north_west and np.all(np.diff(lat) < 0) and np.all(np.diff(lon) > 0)):
            raise ValueError("the grid of land begins elsewhere than in the north-west")
        edges, before = [], True
        with archive.open("mask.npy") as rows:
            if np.lib.format.read_magic(rows) != (1, 0):
                raise ValueError("the grid of land is not written as numpy's format 1.0")
            shape, by_column, dtype = np.lib.format.read_array_header_1_0(rows)
            if (shape, by_column, dtype) != ((ROWS, COLUMNS), False, np.dtype(np.bool_)):
                raise ValueError(f"the grid of land is {shape} of {dtype}")
            for first in range(0, ROWS, _AT_ONCE):
                sea = np.frombuffer(rows.read(_AT_ONCE * COLUMNS), dtype=np.bool_)
                changes = np.flatnonzero(sea != np.concatenate([[before], sea[:-1]]))
                edges.append(changes + first * COLUMNS)
                before = bool(sea[-1])
    cell = np.concatenate(edges).astype(np.uint32)
    return pa.table({"cell": cell}, schema=seal.schema(cell=pa.uint32()))
