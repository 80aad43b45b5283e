"""Calling kernels by contract: check arguments, allocate outputs, run the twin, decode its error word."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from sim.backends.kernel_contracts import Arg, KernelContract

NO_ERROR = np.uint64(2**64 - 1)


class KernelFailure(ValueError):
    """A kernel met a row it refuses.

    Attributes:
        kernel: Stem of the kernel.
        name: Name of the error in the kernel's contract.
        row: First offending row.
    """

    def __init__(self, kernel: str, name: str, message: str, row: int) -> None:
        super().__init__(f"kernel {kernel}: {name} at row {row}: {message}")
        self.kernel = kernel
        self.name = name
        self.row = row


class KernelCallError(TypeError):
    """A state called a kernel with arguments its contract does not allow (a bug, not a user error)."""


class BoundKernel:
    """A kernel ready to be called with keyword arguments.

    Args of a call are the contract's input names; `dims` gives lengths only outputs have; `out` may pass
    preallocated outputs to be reused. Scalars are converted, columns must already have the contract's dtype.
    """

    def __init__(self, contract: KernelContract, function: Callable[..., None]) -> None:
        self.contract = contract
        self._function = function

    def __call__(
        self, *, dims: Mapping[str, int] | None = None, out: Mapping[str, Any] | None = None, **given: Any
    ) -> Any:
        """Run the kernel.

        Returns:
            The single output array, or a tuple of output arrays in contract order.

        Raises:
            KernelCallError: Unknown or missing argument, wrong dtype, lengths that disagree.
            KernelFailure: The kernel refused a row.
        """
        contract = self.contract
        expected = {arg.name for arg in contract.inputs}
        if set(given) != expected:
            raise KernelCallError(
                f"{contract.name}: arguments {sorted(given)}, contract says {sorted(expected)}"
            )
        lengths: dict[str, int] = dict(dims or {})
        bound: dict[str, Any] = {
            arg.name: self._input(arg, given[arg.name], lengths) for arg in contract.inputs
        }
        for arg in contract.outputs:
            bound[arg.name] = self._output(arg, (out or {}).get(arg.name), lengths)
        call = [bound[arg.name] for arg in contract.args]
        if contract.errors:
            word = self._error_word()
            self._function(*call, word)
            found = self._read_error(word)
            if found != int(NO_ERROR):
                name, message = contract.errors[found & 0xFF]
                raise KernelFailure(contract.name, name, message, found >> 8)
        else:
            self._function(*call)
        results = tuple(bound[arg.name] for arg in contract.outputs)
        return results[0] if len(results) == 1 else results

    def warm(self) -> None:
        """Compile by running over no rows."""
        values: list[Any] = []
        for arg in self.contract.args:
            if arg.kind == "scalar":
                values.append(np.dtype(arg.dtype).type(0))
            else:
                values.append(
                    self._empty(arg, arg.plus)
                    if arg.out
                    else self._column(np.zeros(arg.plus, dtype=arg.dtype))
                )
        self._function(*values, *([self._error_word()] if self.contract.errors else []))

    def _input(self, arg: Arg, value: Any, lengths: dict[str, int]) -> Any:
        if arg.kind == "scalar":
            return np.dtype(arg.dtype).type(value)
        if not self._is_array(value) or value.dtype != np.dtype(arg.dtype) or value.ndim != 1:
            shape = f"{getattr(value, 'dtype', type(value).__name__)}"
            raise KernelCallError(
                f"{self.contract.name}.{arg.name}: got {shape}, contract says 1-d {arg.dtype}"
            )
        length = len(value) - arg.plus
        if lengths.setdefault(arg.dim, length) != length:
            raise KernelCallError(
                f"{self.contract.name}.{arg.name}: length {len(value)}, dim {arg.dim} is {lengths[arg.dim]}"
            )
        return self._column(value)

    def _output(self, arg: Arg, buffer: Any, lengths: dict[str, int]) -> Any:
        if arg.dim not in lengths:
            raise KernelCallError(
                f"{self.contract.name}.{arg.name}: length of dim {arg.dim} is unknown; pass dims="
            )
        length = lengths[arg.dim] + arg.plus
        return self._empty(arg, length) if buffer is None else self._fitting(arg, buffer, length)

    def _fitting(self, arg: Arg, buffer: Any, length: int) -> Any:
        if buffer.dtype != np.dtype(arg.dtype) or len(buffer) < length:
            raise KernelCallError(
                f"{self.contract.name}.{arg.name}: reused buffer does not fit {length} x {arg.dtype}"
            )
        return buffer[:length]

    # What another memory does otherwise (`device_backend.DeviceKernel`).

    def _is_array(self, value: Any) -> bool:
        return isinstance(value, np.ndarray)

    def _column(self, array: Any) -> Any:
        view = np.ascontiguousarray(array).view()
        # one compiled signature, whether or not the caller's array may be written
        view.flags.writeable = False
        return view

    def _empty(self, arg: Arg, length: int) -> Any:
        return np.empty(length, dtype=arg.dtype)

    def _error_word(self) -> Any:
        return np.full(1, NO_ERROR, dtype=np.uint64)

    def _read_error(self, word: Any) -> int:
        return int(word[0])


class Kernels:
    """Attribute access to every kernel that has a contract: `kernels.draw_counts(...)`.

    Args:
        contracts: Kernel contracts by stem.
        bind: Makes a contract's kernel callable; called once a stem.
    """

    def __init__(
        self, contracts: Mapping[str, KernelContract], bind: Callable[[KernelContract], BoundKernel]
    ) -> None:
        self._contracts = dict(contracts)
        self._bind = bind
        self._bound: dict[str, BoundKernel] = {}

    def __getattr__(self, stem: str) -> BoundKernel:
        if stem.startswith("_") or stem not in self._contracts:
            raise AttributeError(f"no kernel contract named {stem!r}")
        if stem not in self._bound:
            self._bound[stem] = self._bind(self._contracts[stem])
        return self._bound[stem]

    @property
    def names(self) -> tuple[str, ...]:
        """Stems of all kernels."""
        return tuple(sorted(self._contracts))

    def compile_all(self) -> None:
        """Load and compile every kernel for its contract's types; a fresh install does this once."""
        for stem in self.names:
            kernel: BoundKernel = getattr(self, stem)
            kernel.warm()
