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

    Args of a call are the contract's input names; `dims` gives lengths only outputs have; `out` may pass preallocated
    outputs to be reused. Scalars are converted, columns must already have the contract's dtype.
    """

    def __init__(self, contract: KernelContract, function: Callable[..., None]) -> None:
        self.contract = contract
        self._function = function

    def __call__(self, *, dims: Mapping[str, int] | None = None, out: Mapping[str, Any] | None = None, **given: Any) -> Any:
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
            raise KernelCallError(f"{contract.name}: arguments {sorted(given)}, contract says {sorted(expected)}")
        lengths: dict[str, int] = dict(dims or {})
        bound: dict[str, Any] = {arg.name: self._input(arg, given[arg.name], lengths) for arg in contract.inputs}
        for arg in contract.outputs:
            bound[arg.name] = self._output(arg, (out or {}).get(arg.name), lengths)
        call = [bound[arg.name] for arg in contract.args]
        if contract.errors:
            error = np.full(1, NO_ERROR, dtype=np.uint64)
            self._function(*call, error)
            if error[0] != NO_ERROR:
                code, row = int(error[0]) & 0xFF, int(error[0]) >> 8
                name, message = contract.errors[code]
                raise KernelFailure(contract.name, name, message, row)
        else:
            self._function(*call)
        results = tuple(bound[arg.name] for arg in contract.outputs)
        return results[0] if len(results) == 1 else results

    def warm(self) -> None:
        """Compile by running over no rows."""
        contract = self.contract
        values: list[Any] = []
        for arg in contract.args:
            values.append(np.dtype(arg.dtype).type(0) if arg.kind == "scalar" else np.zeros(arg.plus, dtype=arg.dtype))
            if arg.kind != "scalar" and not arg.out:
                values[-1].flags.writeable = False
        if contract.errors:
            values.append(np.full(1, NO_ERROR, dtype=np.uint64))
        self._function(*values)

    def _input(self, arg: Arg, value: Any, lengths: dict[str, int]) -> Any:
        if arg.kind == "scalar":
            return np.dtype(arg.dtype).type(value)
        array = value if isinstance(value, np.ndarray) else None
        if array is None or array.dtype != np.dtype(arg.dtype) or array.ndim != 1:
            shape = f"{getattr(value, 'dtype', type(value).__name__)}"
            raise KernelCallError(f"{self.contract.name}.{arg.name}: got {shape}, contract says 1-d {arg.dtype}")
        length = len(array) - arg.plus
        if lengths.setdefault(arg.dim, length) != length:
            raise KernelCallError(f"{self.contract.name}.{arg.name}: length {len(array)}, dim {arg.dim} is {lengths[arg.dim]}")
        view = np.ascontiguousarray(array).view()
        view.flags.writeable = False  # one compiled signature, whether or not the caller's array may be written
        return view

    def _output(self, arg: Arg, buffer: Any, lengths: dict[str, int]) -> Any:
        if arg.dim not in lengths:
            raise KernelCallError(f"{self.contract.name}.{arg.name}: length of dim {arg.dim} is unknown; pass dims=")
        length = lengths[arg.dim] + arg.plus
        if buffer is None:
            return np.empty(length, dtype=arg.dtype)
        if buffer.dtype != np.dtype(arg.dtype) or len(buffer) < length:
            raise KernelCallError(f"{self.contract.name}.{arg.name}: reused buffer does not fit {length} x {arg.dtype}")
        return buffer[:length]


class Kernels:
    """Attribute access to every kernel that has a contract: `kernels.draw_counts(...)`."""

    def __init__(self, contracts: Mapping[str, KernelContract], load: Callable[[str], Callable[..., None]]) -> None:
        self._contracts = dict(contracts)
        self._load = load
        self._bound: dict[str, BoundKernel] = {}

    def __getattr__(self, stem: str) -> BoundKernel:
        if stem.startswith("_") or stem not in self._contracts:
            raise AttributeError(f"no kernel contract named {stem!r}")
        if stem not in self._bound:
            self._bound[stem] = BoundKernel(self._contracts[stem], self._load(stem))
        return self._bound[stem]

    @property
    def names(self) -> tuple[str, ...]:
        """Stems of all kernels."""
        return tuple(sorted(self._contracts))

    def compile_all(self) -> None:
        """Load and compile every kernel for its contract's types (a fresh install does this once, ahead of time)."""
        for stem in self.names:
            kernel: BoundKernel = getattr(self, stem)
            kernel.warm()
