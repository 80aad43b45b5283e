"""A state's random streams: their keys and the addresses of its draws, as contracts/rng/streams.yaml says."""

from __future__ import annotations

from typing import Any

import numpy as np

from sim.ground.errors import ValidationError
from sim.rng import (
    ENTITY_KEY,
    Address,
    AddressError,
    AddressOverflow,
    Stream,
    StreamError,
    Streams,
    evaluate,
    stream_key,
)
from sim.state.declaration import State
from sim.state.declared import DeclaredKernels, UndeclaredAccess
from sim.state.frames import Array

__all__ = ["Address", "Addressed"]


class Addressed:
    """Streams of one state.

    Attributes:
        state: The state's declaration.
        kernels: `ctx.kernels.<stem>(...)`, only for declared kernels.
    """

    def __init__(self, state: State, seed: int, streams: Streams, kernels: DeclaredKernels) -> None:
        self.state, self.kernels = state, kernels
        self._seed, self._streams = seed, streams

    def stream(self, stream: str, scenario: str | None = None) -> int:
        """Philox key of a declared stream; scenario-scoped streams need the scenario."""
        try:
            return self._stream(stream).key(self._seed, scenario)
        except StreamError as error:
            raise UndeclaredAccess(str(error)) from None

    def address(self, stream: str, /, **fields: Any) -> Address:
        """Where entities' draws from a declared stream begin, as contracts/rng/streams.yaml says.

        Args:
            stream: Declared stream id.
            **fields: Values of the fields its address is made of: whole numbers, or integer arrays of one
                length, wherever they are. A field that is made of others may be given itself or by those.

        Returns:
            Two uint64 counter words of that length. A word that is one uint64 field as given is that array,
            not a copy.

        Raises:
            UndeclaredAccess: the state does not declare the stream.
            AddressError: a field is missing, or the stream has no such field.
            ValidationError: `<state>.ADDRESS_OVERFLOW`: a value is wider than its field.
        """
        declared = self._stream(stream)
        try:
            return declared.address(fields, self._entity_hash)
        except AddressOverflow as error:
            raise self._overflow(error) from None

    def field(self, name: str, /, **parts: Any) -> Array:
        """Value of a compound field, such as the entity hash of a natural key: uint64, as long as the parts.

        Args:
            name: Name of the field in contracts/rng/streams.yaml; a hash needs kernel `entity_hash`.
            **parts: Values of what it is made of, as for `address`.

        Raises:
            AddressError: there is no such field, a part is missing, or the field has no such part.
            ValidationError: `<state>.ADDRESS_OVERFLOW`: a value is wider than its field.
        """
        declared = self._streams.fields.get(name)
        if declared is None:
            raise AddressError(
                f"{self.state.id} needs a field that is not declared.",
                name,
                "a field of contracts/rng/streams.yaml",
            )
        try:
            (value,) = evaluate((declared,), parts, self._entity_hash, name)
        except AddressOverflow as error:
            raise self._overflow(error) from None
        whole: Array = value
        return whole

    def permutation(self, name: str) -> int:
        """Key of a permutation that a state makes ids with, which carries nothing but the world's seed.

        Args:
            name: One of `permutations` of contracts/rng/streams.yaml.

        Raises:
            AddressError: there is no such permutation.
        """
        if name not in self._streams.permutations:
            raise AddressError(
                f"{self.state.id} needs a permutation that is not declared.",
                name,
                "one of `permutations` of contracts/rng/streams.yaml",
            )
        return stream_key(self._seed, name)

    def _entity_hash(self, left: Any, right: Any) -> Any:
        # A word of scalars alone is the same for all.
        if isinstance(left, int):
            left = np.full_like(right, left)
        elif isinstance(right, int):
            right = np.full_like(left, right)
        return self.kernels.entity_hash(a=left, b=right, key=ENTITY_KEY)

    def _overflow(self, error: AddressOverflow) -> ValidationError:
        do = "lower the counts or caps that make it so large; the address has no more room"
        return ValidationError(
            f"{self.state.id}.ADDRESS_OVERFLOW", error.what, error.found, error.expected, do=do
        )

    def _stream(self, stream: str) -> Stream:
        if stream not in self.state.streams:
            raise UndeclaredAccess(f"{self.state.id} does not declare stream {stream!r}")
        return self._streams[stream]

    def draws_of(self, stream: str) -> int:
        """Words of one entity of a declared stream whose contract says a number."""
        draws = self._stream(stream).draws
        if not isinstance(draws, int):
            raise UndeclaredAccess(f"{stream} draws {draws!r}: how many words an entity has is not fixed")
        return draws

    def require_room(self, stream: str, draws: int | Array, entities: Array | None) -> None:
        """Refuse entities that draw more words than their addresses hold, and runs that overflow their field.

        Raises:
            ValidationError: `<state>.ADDRESS_OVERFLOW`.
        """
        declared = self._stream(stream)
        most = draws if isinstance(draws, int) else int(draws.max()) if len(draws) else 0
        run = int(entities.max()) if entities is not None and len(entities) else 1
        for what, found, room in (
            ("an entity draws", most, declared.most_draws),
            ("a run of entities has", run, declared.run),
        ):
            if found > room:
                says = f"{stream}: {what} more than its address has room for."
                raise self._overflow(AddressOverflow(says, str(found), f"at most {room}"))

    def event_unit(self, stream: str) -> str:
        """What one event of a stream counts: `entity`, `cell` or `partition`."""
        return self._streams[stream].events
