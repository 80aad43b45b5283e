"""Object stores as this program sees them: put an object if it is absent, ask what is there, read it back.

Nothing is overwritten.

Every object is created with the store's own put-if-absent, so a name once taken keeps its content whoever
else uploads. A store that only claims to have it is found out before anything is uploaded
(`require_conditional_put`).
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sim.ground.errors import GateError, SimError, StorageError
from sim.ground.identity import sha256_bytes
from sim.objects.location import Location, without_secrets
from sim.shell.publish.documents import DOCUMENT_BYTES

CHUNK = 1 << 22
# Whatever these raise is the store's or the network's doing; anything else is a bug and stays a traceback.
_STORE_PACKAGES = (
    "botocore",
    "aiobotocore",
    "aiohttp",
    "s3fs",
    "gcsfs",
    "google",
    "fsspec",
    "asyncio",
    "requests",
    "urllib3",
)

# botocore and gcsfs: what came does not fit the checksum it came with
_DENIED = ("FlexibleChecksumError", "ChecksumError")


@dataclass(frozen=True)
class Stored:
    """One object.

    Attributes:
        size: Bytes.
        sha256: The store's own SHA-256 over the whole object, or None where it keeps none.
    """

    size: int
    sha256: str | None


@contextlib.contextmanager
def store_errors(where: object, doing: str) -> Iterator[None]:
    """Turn what a store or the network raises into a StorageError that names the URL, without credentials."""
    try:
        yield
    except SimError:
        raise
    except Exception as error:
        if not isinstance(error, OSError) and type(error).__module__.split(".")[0] not in _STORE_PACKAGES:
            raise
        text = without_secrets(" ".join(str(error).split()))[:300]
        raise StorageError(
            "SHELL.STORE_FAILED",
            f"{doing} failed",
            found=f"{type(error).__name__}: {text}",
            where=str(where),
            do=(
                "see to network, endpoint, bucket and credentials, then run the same command again: what "
                "was finished is kept"
            ),
        ) from None


class ObjectStore(ABC):
    """The objects below one location. Keys are relative to it. Safe to use from several threads.

    Args:
        location: The prefix.
        fs: The fsspec filesystem.
    """

    def __init__(self, location: Location, fs: Any) -> None:
        self.location, self.fs = location, fs

    def url(self, key: str) -> str:
        """An object's URL."""
        return f"{self.location}/{key}"

    def path(self, key: str) -> str:
        """An object's name as the fsspec filesystem wants it."""
        return f"{self.location.root}/{key}"

    @abstractmethod
    def put_new(self, key: str, source: bytes | Path, sha256: str) -> bool:
        """Create an object if its name is free; False if it is taken (nothing is touched then)."""

    @abstractmethod
    def _stat(self, key: str) -> Stored:
        """What is there; raises FileNotFoundError if nothing is."""

    def recover(self, notes: Path) -> None:  # noqa: B027 - most stores leave nothing behind
        """Clean up what an earlier, killed uploader of this work directory left half done."""

    def probe(self) -> bool:
        """Whether the store refuses a body that is not of the SHA-256 sent with it.

        Only then are its SHA-256s worth anything.
        """
        return False

    def stat(self, key: str) -> Stored | None:
        """What is there, or None."""
        with store_errors(self.url(key), "looking at an object"):
            try:
                return self._stat(key)
            except FileNotFoundError:
                return None

    def read(self, key: str, limit: int = DOCUMENT_BYTES) -> bytes:
        """A small object's bytes.

        Raises:
            GateError: If it is missing or larger than `limit`.
        """
        found = self.stat(key)
        if found is None or found.size > limit:
            raise GateError(
                "SHELL.PUBLISHED_FILE_MISSING" if found is None else "SHELL.PUBLISHED_FILE_INVALID",
                "a published object cannot be used",
                found="no such object" if found is None else f"{found.size} bytes",
                where=self.url(key),
                do="run again to rebuild it, or restore the run from a copy",
            )
        with store_errors(self.url(key), "reading an object"):
            data: bytes = self.fs.cat_file(self.path(key))
            return data

    def fetch(self, key: str, target: Path) -> str:
        """Copy an object into a new local file and give the SHA-256 of what arrived, as `sha256` does."""
        with target.open("xb") as sink:
            found = self._digest(key, sink.write)
            sink.flush()
            os.fsync(sink.fileno())
        return found

    def sha256(self, key: str) -> str:
        """SHA-256 over every byte of an object, read from the store now.

        Words instead where the store's own checksum denies them.
        """
        return self._digest(key, len)

    def _digest(self, key: str, take: Callable[[bytes], object]) -> str:
        digest = hashlib.sha256()
        with store_errors(self.url(key), "reading an object back"):
            try:
                for piece in self._pieces(key):
                    digest.update(piece)
                    take(piece)
            except Exception as error:
                if type(error).__name__ not in _DENIED:
                    raise
                return "of bytes that the store's own checksum denies"
        return digest.hexdigest()

    def list(self, prefix: str = "") -> dict[str, int]:
        """Key -> bytes of every object below a prefix (a whole path part, or nothing for all), as of now."""
        base = self.path(prefix).rstrip("/")
        with store_errors(self.url(prefix), "listing objects"):
            self.fs.invalidate_cache()
            try:
                found = self.fs.find(base, detail=True)
            except FileNotFoundError:
                return {}
        start = len(self.location.root) + 1
        return {
            path.removeprefix("/" if not self.location.root.startswith("/") else "")[start:]: int(
                entry["size"]
            )
            for path, entry in found.items()
            if entry["type"] != "directory"
        }

    def _pieces(self, key: str) -> Iterator[bytes]:
        with self.fs.open(self.path(key), "rb", block_size=CHUNK, cache_type="readahead") as stream:
            while piece := stream.read(CHUNK):
                yield piece


def require_conditional_put(store: ObjectStore, key: str) -> None:
    """Refuse a store that overwrites on put-if-absent: put an object that exists again, with its own bytes.

    Raises:
        StorageError: `SHELL.STORE_WITHOUT_CONDITIONAL_PUT`.
    """
    data = store.read(key)
    if store.put_new(key, data, sha256_bytes(data)):
        raise StorageError(
            "SHELL.STORE_WITHOUT_CONDITIONAL_PUT",
            "this store overwrites an object although it was told to create it only if absent",
            found="a second put-if-absent under one name was accepted (with equal bytes: nothing was lost)",
            expected="412 Precondition Failed",
            where=store.url(key),
            do="use a store that honours If-None-Match: *, as AWS S3 does, or --out DIR",
        )
