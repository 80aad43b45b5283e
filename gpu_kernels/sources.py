"""The text that both compilers get: headers, a preamble rendered from the contract, the kernel.

A kernel is compiled alone: preamble, then its `.cu`. The preamble holds one constant an error code and the
kernel's prototype, so a `.cu` whose arguments are not its contract's does not compile, here or on a GPU.
"""

from __future__ import annotations

import hashlib
import re
from functools import cache
from pathlib import Path
from typing import Protocol

FOLDER = Path(__file__).resolve().parent
INCLUDE = FOLDER / "include"
KERNELS = FOLDER / "kernels"
HOST_HEADER = "host.h"

C_TYPES = {
    "uint8": "u8",
    "uint16": "u16",
    "uint32": "u32",
    "uint64": "u64",
    "int8": "i8",
    "int16": "i16",
    "int32": "i32",
    "int64": "i64",
    "float64": "f64",
}
# Words of C++ that a contract may use as a name (`virtual` arrivals): they get an underscore.
_WORDS = """
alignas asm auto bool break case catch char class const constexpr continue default delete do double else enum
explicit export extern false float for friend goto if inline int long mutable namespace new noexcept nullptr
operator private protected public register return short signed sizeof static struct switch template this throw
true try typedef typeid typename union unsigned using virtual void volatile while
"""
RESERVED = frozenset(_WORDS.split())


class Argument(Protocol):
    """One argument of a kernel contract."""

    @property
    def name(self) -> str:
        """Name in the contract."""

    @property
    def kind(self) -> str:
        """`scalar` or `column`."""

    @property
    def dtype(self) -> str:
        """A numpy dtype name of `C_TYPES`."""

    @property
    def out(self) -> bool:
        """Whether the kernel writes it."""


class KernelText(Protocol):
    """What is needed of a kernel contract: `sim.backends.kernel_contracts.KernelContract` has this shape."""

    @property
    def name(self) -> str:
        """Stem of the kernel's files."""

    @property
    def args(self) -> tuple[Argument, ...]:
        """Arguments in call order."""

    @property
    def errors(self) -> dict[int, tuple[str, str]]:
        """Code -> (name, message)."""


def identifier(name: str) -> str:
    """A contract's name as a C++ identifier: reserved words get a trailing underscore."""
    return f"{name}_" if name in RESERVED else name


def parameters(kernel: KernelText) -> list[str]:
    """Parameters of a kernel as its `.cu` must write them, in order; the error word, if any, comes last."""
    found = []
    for arg in kernel.args:
        spelled = identifier(arg.name)
        if arg.kind == "scalar":
            found.append(f"{C_TYPES[arg.dtype]} {spelled}")
        else:
            found.append(f"{'OUT' if arg.out else 'IN'}({C_TYPES[arg.dtype]}, {spelled})")
    return [*found, "ERROR"] if kernel.errors else found


def written(text: str) -> str:
    """Text without white space and line comments: what has to be equal whatever its layout."""
    return re.sub(r"//[^\n]*|\s+", "", text)


def preamble(kernel: KernelText) -> str:
    """Constants of the contract's error codes and the prototype of the kernel."""
    codes = [
        f"[[maybe_unused]] constexpr u64 {name} = {code};"
        for code, (name, _) in sorted(kernel.errors.items())
    ]
    return "\n".join(
        ['#include "kernel.cuh"', *codes, f"KERNEL void {kernel.name}({', '.join(parameters(kernel))});", ""]
    )


def kernel_source(name: str) -> str:
    """Text of `kernels/<name>.cu`."""
    return (KERNELS / f"{name}.cu").read_text(encoding="utf-8")


def kernel_names() -> tuple[str, ...]:
    """Stems of the kernels there are, sorted."""
    return tuple(sorted(path.stem for path in KERNELS.glob("*.cu")))


@cache
def _read(folder: Path) -> dict[str, str]:
    return {
        path.name: path.read_text(encoding="utf-8")
        for path in sorted(folder.iterdir())
        if path.suffix in (".cuh", ".h")
    }


def headers() -> dict[str, str]:
    """Every device header by name, sorted: read once, so that what is compiled is what was digested."""
    return {name: text for name, text in _read(INCLUDE).items() if name != HOST_HEADER}


def host_headers() -> dict[str, str]:
    """The device headers and the emulator's shim, which no GPU compiler sees."""
    return dict(_read(INCLUDE))


def translation_unit(kernel: KernelText, text: str | None = None) -> str:
    """Preamble and kernel as one text; error positions are those of the `.cu` file.

    Args:
        kernel: The contract.
        text: Kernel text instead of the file's (tests plant changes with it).
    """
    body = kernel_source(kernel.name) if text is None else text
    return f'{preamble(kernel)}#line 1 "{kernel.name}.cu"\n{body}'


def digest(*parts: str | bytes) -> str:
    """SHA-256 (hex) of parts, each framed by its length: what compiled code is filed under."""
    state = hashlib.sha256()
    for part in parts:
        data = part.encode("utf-8") if isinstance(part, str) else part
        state.update(len(data).to_bytes(8, "little"))
        state.update(data)
    return state.hexdigest()


def digest_of_headers(texts: dict[str, str]) -> str:
    """Digest of the names and texts of headers."""
    return digest(*(part for item in texts.items() for part in item))
