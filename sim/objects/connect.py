"""From a location to its objects: which store it is, which package speaks its protocol."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sim.ground.packages import require_package
from sim.objects.generic import GenericObjects, LocalObjects
from sim.objects.location import Location
from sim.objects.s3 import S3Objects
from sim.objects.store import ObjectStore, store_errors

_EXTRAS = {
    "s3": ("s3fs", "closedworld[s3]"),
    "gs": ("gcsfs", "closedworld[gcs]"),
    "file": ("fsspec", "fsspec"),
}


def open_store(location: Location, options: Mapping[str, Any] | None = None) -> ObjectStore:
    """The objects below a location.

    Args:
        location: Where.
        options: Keyword arguments for the fsspec filesystem (endpoint, profile); kept nowhere.

    Raises:
        UsageError: `SHELL.PACKAGE_MISSING`, with the pip line.
    """
    module, extra = _EXTRAS[location.protocol]
    require_package(module, f"{location.protocol}://", f"pip install '{extra}'")
    import fsspec  # which each of them brings

    settings = {"use_listings_cache": False, "skip_instance_cache": True, **(options or {})}
    if location.protocol == "s3":
        # Arrow asks for the ranges it needs; reading ahead would fetch others
        settings = {"default_cache_type": "none", **settings}
    with store_errors(location, "opening the store"):
        fs = fsspec.filesystem(location.protocol, **settings)
    if location.protocol == "s3":
        return S3Objects(location, fs)
    return (LocalObjects if location.protocol == "file" else GenericObjects)(location, fs)
