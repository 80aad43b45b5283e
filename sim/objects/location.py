"""Where a run lies that is no local path: a URL of an object store, its parts, and how it may be printed.

A URL names a place and nothing else. Credentials come from where the store's own tools look for them
(environment, profile, instance role), so they can neither reach a receipt nor a log; a URL that carries any
is refused, and what is printed never shows them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from sim.ground.errors import UsageError

# Protocols with a put-if-absent we know: S3's If-None-Match, GCS's ifGenerationMatch=0, a local link(2).
PROTOCOLS = {"s3": "s3", "s3a": "s3", "gs": "gs", "gcs": "gs", "file": "file"}
_URL = re.compile(r"^([A-Za-z][A-Za-z0-9+.-]*)://(.*)$", re.DOTALL)
_SECRET = re.compile(r"(?<=://)[^/\s@]*@|\?[^\s'\"]*")


@dataclass(frozen=True)
class Location:
    """A prefix in an object store.

    Attributes:
        protocol: `s3`, `gs` or `file`.
        root: Bucket and prefix, or an absolute path; no slash at the end.
    """

    protocol: str
    root: str

    def __str__(self) -> str:
        return f"{self.protocol}://{self.root}"

    def __truediv__(self, name: str) -> Location:
        return Location(self.protocol, f"{self.root}/{name}")

    @property
    def name(self) -> str:
        """Last part: the run id of a run."""
        return self.root.rsplit("/", 1)[-1]


def is_url(text: object) -> bool:
    """Whether this is written as a URL and not as a path."""
    return _URL.match(str(text)) is not None


def parse_url(text: str) -> Location:
    """A URL as a location.

    Raises:
        UsageError: If the protocol has no put-if-absent we know, or the URL holds more than a place.
    """
    found = _URL.match(text)
    protocol, rest = (found[1].lower(), found[2]) if found else ("", text)
    if protocol not in PROTOCOLS:
        raise _refused(
            text,
            f"protocol {protocol!r}",
            "s3://, gs:// or file://: stores that can create an object only if it is absent",
        )
    if "@" in rest.split("/", 1)[0]:
        raise _refused(
            text,
            "credentials in the URL",
            "a bucket and a prefix; credentials come from the environment or a profile",
        )
    if re.search(r"[?#\s\\]|::|://", rest) or not rest.isprintable():
        raise _refused(text, "a query, a fragment, a chain of protocols or blanks", "a bucket and a prefix")
    kind = PROTOCOLS[protocol]
    if kind == "file" and not rest.startswith("/"):
        raise _refused(text, "a path that is not absolute", "file:///absolute/path")
    parts = rest.strip("/").split("/")
    if any(part in ("", ".", "..") for part in parts):
        raise _refused(text, "an empty part, '.' or '..'", "a bucket and a prefix")
    return Location(kind, ("/" if kind == "file" else "") + "/".join(parts))


def without_secrets(text: str) -> str:
    """A text with the user part and the query of every URL in it taken out."""
    return _SECRET.sub("", text)


def _refused(text: str, found: str, expected: str) -> UsageError:
    where = without_secrets("".join(char if char.isprintable() else "?" for char in text))
    return UsageError(
        "SHELL.URL_INVALID", "this URL cannot name a run", found=found, expected=expected, where=where
    )
