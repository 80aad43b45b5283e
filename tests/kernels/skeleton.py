"""Write the files of a new kernel that its contract decides: signatures, headers, error names.

.venv/bin/python -m tests.kernels.skeleton place_in_bucket

Arguments are typed once, in `contracts/kernels/<k>.yaml`. What is there is not touched. The bodies are yours:
an empty twin leaves its outputs as poison and fails every comparison.
"""

import sys
from pathlib import Path

from gpu_kernels import sources
from sim.backends.kernel_contracts import KernelContract, load_kernel_contracts

ROOT = Path(__file__).resolve().parents[2]


def numba_parameters(kernel: KernelContract) -> list[str]:
    """Parameters of the numba twin, the error word last."""
    return [arg.name for arg in kernel.args] + (["error"] if kernel.errors else [])


def files(kernel: KernelContract) -> dict[str, str]:
    """Path under the repository -> text, of the three files that a contract asks for."""
    name = kernel.name
    cuda, numba = f"gpu_kernels/kernels/{name}.cu", f"cpu_fallback/kernels/{name}.py"
    over = next(arg.name for arg in kernel.args if arg.out)
    length = f"LENGTH({sources.identifier(over)})"
    given = [arg.name for arg in kernel.args if not arg.out]
    report = ["report"] if kernel.errors else []
    head = f"contract: {name} - one %s; why nothing overflows."
    return {
        numba: "\n".join(
            [
                f"# {head % 'iteration a row'}",
                f"# twin: {cuda}",
                f"from cpu_fallback.device import {', '.join(['kernel', *report, 'rows'])}",
                *(["from cpu_fallback.errors import errors_of"] if kernel.errors else []),
                *(["", f'ERRORS = errors_of("{name}")'] if kernel.errors else []),
                *["", "", "@kernel", f"def {name}({', '.join(numba_parameters(kernel))}):"],
                *[f"    for i in rows({over}):", "        pass", ""],
            ]
        ),
        cuda: "\n".join(
            [
                f"// {head % 'thread a row'} twin: {numba}",
                *['#include "kernel.cuh"', ""],
                f"KERNEL void {name}({', '.join(sources.parameters(kernel))}) {{",
                f"    for (u64 i = first_row(); i < {length}; i += row_stride()) {{",
                *["    }", "}", ""],
            ]
        ),
        f"tests/reference/{name}.py": "\n".join(
            [
                '"""The definition, in plain Python."""',
                *(["", "from tests.reference._errors import RowError"] if kernel.errors else []),
                *["", "", f"def {name}({', '.join(given)}):", "    raise NotImplementedError", ""],
            ]
        ),
    }


def main(names: list[str]) -> int:
    """Write what is missing of these kernels, and say what else they need."""
    kernels = load_kernel_contracts()
    for name in names:
        for path, text in files(kernels[name]).items():
            if (ROOT / path).exists():
                print(f"there already  {path}")
            else:
                (ROOT / path).write_text(text, encoding="utf-8")
                print(f"written        {path}")
        given = [arg.name for arg in kernels[name].args if not arg.out]
        print(f"then           tests/kernels/cases.py: inputs {', '.join(given)}")
        for code, (error, message) in sorted(kernels[name].errors.items()):
            print(f"then           tests/kernels/refusals.py: {name}, {error} ({code}: {message})")
        print("then           make golden")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
