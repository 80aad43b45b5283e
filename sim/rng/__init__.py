"""Addressed randomness: a value is `philox(stream key, counter)`, and nothing else decides it.

`stream_key` derives a stream's key from the seed, `block` gives the two words at a counter, `Streams` is the
registry of what each stream draws for, `Stream.address` forms the counters of its entities. The package
imports `sim.ground`; only a call of `block` imports `sim.backends`, for the generator.
"""

from sim.ground.identity import frame
from sim.rng.address import ENTITY_KEY, Address, entity_hash, evaluate
from sim.rng.grammar import AddressError, AddressOverflow, Field
from sim.rng.keys import SCHEME, block, stream_key
from sim.rng.streams import Stream, StreamError, Streams

__all__ = [
    "ENTITY_KEY", "SCHEME", "Address", "AddressError", "AddressOverflow", "Field", "Stream", "StreamError",
    "Streams", "block", "entity_hash", "evaluate", "frame", "stream_key",
]  # fmt: skip
