"""S3 and stores of its protocol: conditional puts, whole-object SHA-256, multipart uploads cleaned up.

An object of up to 64 MiB goes up in one PUT with its SHA-256. S3 checks the SHA-256 before it accepts the
body, and keeps it. A larger object goes up in parts; S3 keeps no SHA-256 over the whole of it, so the
uploader reads it back once. The next run aborts the parts that a killed uploader left.
"""

from __future__ import annotations

import base64
import contextlib
import json
import shutil
import tempfile
import time
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sim.ground.identity import sha256_bytes
from sim.ground.plain_file import read_plain
from sim.objects.location import Location
from sim.objects.store import ObjectStore, Stored, store_errors
from sim.shell.publish.publish import make_directories

PART_BYTES = 64 << 20
_TAKEN = 412
_BUSY = 409
_BAD_DIGEST = 400
_MISSING = 404
_TRIES = 6


class S3Objects(ObjectStore):
    """Objects below one S3 prefix, through s3fs and its client.

    Args:
        location: Bucket and prefix.
        fs: An `s3fs.S3FileSystem`.
        part_bytes: Largest single PUT, and size of a part beyond it.
    """

    def __init__(self, location: Location, fs: Any, part_bytes: int = PART_BYTES) -> None:
        super().__init__(location, fs)
        self._bucket, _, self._prefix = location.root.partition("/")
        self._part_bytes = part_bytes
        self._notes: Path | None = None
        self._checks = False

    def put_new(self, key: str, source: bytes | Path, sha256: str) -> bool:
        """See `ObjectStore.put_new`."""
        size = len(source) if isinstance(source, bytes) else source.stat().st_size
        with store_errors(self.url(key), "uploading an object"):
            if size > self._part_bytes and isinstance(source, Path):
                return self._multipart(key, source)
            data = source if isinstance(source, bytes) else source.read_bytes()
            checksum = (
                {"ChecksumAlgorithm": "SHA256", "ChecksumSHA256": _base64(sha256)} if self._checks else {}
            )
            return _unless_taken(
                lambda: self._call("put_object", key, Body=data, IfNoneMatch="*", **checksum)
            )

    def recover(self, notes: Path) -> None:
        """Abort the unfinished multipart uploads that this work directory noted.

        This process holds the directory's lock, so their uploader is dead.
        """
        with store_errors(notes, "looking for interrupted uploads"):
            make_directories(notes)
            self._notes = notes
            for note in sorted(notes.iterdir()):
                upload = json.loads(read_plain(note, 1 << 16, follow=False))
                if upload["store"] == str(self.location):
                    self._abort(upload["key"], upload["upload"])
                    note.unlink()

    def probe(self) -> bool:
        """Whether the store compares a body with the SHA-256 sent with it, and refuses another body.

        The probe sends a wrong SHA-256. A store that accepts it neither gets SHA-256s later nor is believed
        about any.
        """
        wrong = {"ChecksumAlgorithm": "SHA256", "ChecksumSHA256": _base64(sha256_bytes(b""))}
        # The refusal is the answer hoped for; the client's own patience would try it again for some ten
        # seconds.
        options = dict(self.fs.storage_options)
        once = {**(options.pop("config_kwargs", None) or {}), "retries": {"total_max_attempts": 1}}
        hasty = type(self.fs)(*self.fs.storage_args, config_kwargs=once, **options)
        with store_errors(self.location, "asking the store whether it checks what it is sent"):
            try:
                body = b"closedworld asks whether a wrong SHA-256 is noticed"
                hasty.call_s3("put_object", Bucket=self._bucket, Key=self._key(".probe"), Body=body, **wrong)
            except OSError as error:
                if _status(error) != _BAD_DIGEST:
                    raise
                self._checks = True
            else:
                self._call("delete_object", ".probe")
        return self._checks

    def _stat(self, key: str) -> Stored:
        try:
            head = self._call("head_object", key, ChecksumMode="ENABLED")
        except OSError as error:
            if _status(error) == _MISSING:
                raise FileNotFoundError(key) from None
            raise
        stated = head.get("ChecksumSHA256", "")
        whole = (
            base64.b64decode(stated).hex()
            if len(stated) == 44 and head.get("ChecksumType") != "COMPOSITE"
            else None
        )
        return Stored(int(head["ContentLength"]), whole)

    def _multipart(self, key: str, source: Path) -> bool:
        upload = str(self._call("create_multipart_upload", key)["UploadId"])
        note = self._note(key, upload)
        try:
            parts: list[dict[str, object]] = []
            with source.open("rb") as stream:
                while data := stream.read(self._part_bytes):
                    number = len(parts) + 1
                    made = self._call("upload_part", key, UploadId=upload, PartNumber=number, Body=data)
                    parts.append({"PartNumber": number, "ETag": made["ETag"]})
            done = {"UploadId": upload, "MultipartUpload": {"Parts": parts}}
            created = _unless_taken(
                lambda: self._call("complete_multipart_upload", key, IfNoneMatch="*", **done)
            )
        except BaseException:
            # the first error is the one to report; the note makes the next run abort the upload
            with contextlib.suppress(Exception):
                self._abort(key, upload)
                note.unlink()
            raise
        if not created:
            self._abort(key, upload)
        note.unlink()
        return created

    def _note(self, key: str, upload: str) -> Path:
        if self._notes is None:
            self._notes = Path(tempfile.mkdtemp(prefix="closedworld-uploads-"))
            weakref.finalize(self, shutil.rmtree, self._notes, ignore_errors=True)
        note = self._notes / f"{sha256_bytes(upload.encode())[:32]}.json"
        note.touch(mode=0o600)
        note.write_text(json.dumps({"store": str(self.location), "key": key, "upload": upload}))
        return note

    def _abort(self, key: str, upload: str) -> None:
        try:
            self._call("abort_multipart_upload", key, UploadId=upload)
        except OSError as error:
            if _status(error) != _MISSING:
                raise

    def _call(self, method: str, key: str, **arguments: Any) -> dict[str, Any]:
        answer: dict[str, Any] = self.fs.call_s3(method, Bucket=self._bucket, Key=self._key(key), **arguments)
        return answer

    def _key(self, key: str) -> str:
        return "/".join(filter(None, (self._prefix, key)))


def _unless_taken(put: Callable[[], object]) -> bool:
    """Whether a conditional put created its object.

    While another one for the same name is under way S3 answers 409: try again.
    """
    for attempt in range(_TRIES):
        try:
            put()
        except OSError as error:
            status = _status(error)
            if status == _TAKEN:
                return False
            if status != _BUSY or attempt + 1 == _TRIES:
                raise
            time.sleep(0.1 * 2**attempt)
        else:
            return True
    raise AssertionError("unreachable")


def _status(error: BaseException) -> int:
    """HTTP status behind an exception of s3fs; 0 if there was no answer."""
    response = getattr(error.__cause__ or error, "response", None)
    return int(response["ResponseMetadata"]["HTTPStatusCode"]) if response else 0


def _base64(hexadecimal: str) -> str:
    return base64.b64encode(bytes.fromhex(hexadecimal)).decode()
