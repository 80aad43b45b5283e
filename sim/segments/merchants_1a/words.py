"""One random word a merchant."""

from __future__ import annotations

import numpy as np

from sim.state.context import PartitionContext
from sim.state.frames import Array


def merchant_words(ctx: PartitionContext, stream: str, merchant_id: Array) -> Array:
    """Word 0 of a stream addressed by merchant (c0 = 0, c1 = merchant_id),
    entered in the ledger: uint64, n.
    """
    zeros = np.zeros_like(merchant_id)
    words, _ = ctx.kernels.philox_block(key=ctx.stream(stream), c0=zeros, c1=merchant_id)
    ctx.ledger(stream, zeros, merchant_id, draws=1)
    return np.asarray(words)
