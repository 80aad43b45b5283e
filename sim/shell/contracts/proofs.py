"""Remembered proofs: content that was examined and found good is not examined again by the same code.

A proof is an empty file whose name is a digest of the claim, the examining code and everything examined. It
can only save time: other content, other code or a lost cache means examining again, and no refusal is
remembered.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable

from sim.backends.cache import private_cache_dir
from sim.ground.identity import code_digest, named_digest


def prove_once(claim: str, examined: Iterable[tuple[str, str]], examine: Callable[[], None]) -> None:
    """Run `examine` unless it already passed for equal content.

    Args:
        claim: What is being proven.
        examined: (name, digest) of everything the outcome depends on, the code aside.
        examine: Raises if the content is not good.
    """
    digest = named_digest(f"closedworld.proof.{claim}", [*examined, ("code", code_digest())])
    proof = private_cache_dir("proofs") / digest
    if proof.is_file():
        return
    examine()
    with contextlib.suppress(OSError):
        proof.touch(mode=0o600)
