"""Object stores other than S3: a mounted file system, and Google Cloud Storage."""

from __future__ import annotations

import errno
import os
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

from sim.objects.store import CHUNK, ObjectStore, Stored, store_errors
from sim.shell.publish.publish import fsync_directory, make_directories


class LocalObjects(ObjectStore):
    """`file://`: a mounted file system used as an object store.

    A file is complete before its name exists: link(2) refuses a taken name.
    """

    def put_new(self, key: str, source: bytes | Path, sha256: str) -> bool:
        """See `ObjectStore.put_new`."""
        target = Path(self.path(key))
        with store_errors(self.url(key), "uploading an object"):
            make_directories(target.parent)
            fd, name = tempfile.mkstemp(prefix=".upload-", dir=self._aside())
            try:
                with os.fdopen(fd, "wb") as sink:
                    for piece in [source] if isinstance(source, bytes) else _read(source):
                        sink.write(piece)
                    os.fchmod(sink.fileno(), 0o444)
                    sink.flush()
                    os.fsync(sink.fileno())
                try:
                    os.link(name, target)
                except FileExistsError:
                    return False
            finally:
                Path(name).unlink()
            fsync_directory(target.parent)
        return True

    def _stat(self, key: str) -> Stored:
        status = Path(self.path(key)).lstat()
        if not stat.S_ISREG(status.st_mode):
            raise OSError(errno.EINVAL, "not a regular file")
        return Stored(status.st_size, None)

    def _aside(self) -> str:
        folder = Path(self.location.root) / "staging"
        make_directories(folder)
        return str(folder)


class GenericObjects(ObjectStore):
    """Google Cloud Storage through gcsfs, whose `mode="create"` sends ifGenerationMatch=0.

    The store gives no SHA-256.
    """

    def put_new(self, key: str, source: bytes | Path, sha256: str) -> bool:
        """See `ObjectStore.put_new`."""
        with store_errors(self.url(key), "uploading an object"):
            try:
                if isinstance(source, bytes):
                    self.fs.pipe_file(self.path(key), source, mode="create")
                else:
                    self.fs.put_file(str(source), self.path(key), mode="create")
            except FileExistsError:
                return False
        return True

    def _stat(self, key: str) -> Stored:
        self.fs.invalidate_cache(self.path(key))
        return Stored(int(self.fs.info(self.path(key))["size"]), None)


def _read(path: Path) -> Iterator[bytes]:
    with path.open("rb") as stream:
        while piece := stream.read(CHUNK):
            yield piece
