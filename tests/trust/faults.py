"""Faults put under a run in this process: the n-th call of one kind fails,
from then on always or only once.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

CALLS = ("write", "fsync", "mkdir", "open", "close", "replace", "unlink", "ftruncate", "pwrite")


class Fault:
    """Lets `call` fail with `code` the n-th time (and every later time if `lasting`), for files below `root`.

    Attributes:
        hits: How often it failed.
        seen: How many calls there were.
        after: Files fsynced after the first failure.
        failed: Paths of failed calls.
    """

    def __init__(self, root: str, call: str, code: int, number: int, lasting: bool = False) -> None:
        self.root, self.call, self.code, self.number, self.lasting = root, call, code, number, lasting
        self.seen = self.hits = 0
        self.failed: list[str] = []
        self.after: list[str] = []

    def install(self, patch: pytest.MonkeyPatch) -> None:
        """Put it under `os`."""
        real = getattr(os, self.call)
        patch.setattr(os, self.call, self._wrapped(real))
        if self.call != "fsync":
            return
        inner = os.fsync

        def noted(fd: int) -> None:
            if self.hits and stat.S_ISREG(os.fstat(fd).st_mode):
                self.after.append(_path(fd))
            inner(fd)

        patch.setattr(os, "fsync", noted)

    def _wrapped(self, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            path = _path(args[0])
            if not path.startswith(self.root):
                return real(*args, **kwargs)
            self.seen += 1
            if self.seen == self.number or (self.lasting and self.seen > self.number):
                self.hits += 1
                self.failed.append(path)
                if self.call == "close":
                    real(*args, **kwargs)
                raise OSError(self.code, os.strerror(self.code), path)
            return real(*args, **kwargs)

        return call


def _path(target: Any) -> str:
    return path_of(target) if isinstance(target, int) else os.fsdecode(target)


def path_of(fd: int) -> str:
    """What an open file descriptor stands for; empty if it is none."""
    try:
        return str(Path(f"/proc/self/fd/{fd}").readlink())
    except OSError:
        return ""


SPACE_CODES = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
