"""Compile kernels with both compilers, as the tests do, and say what is wrong.

.venv/bin/python -m tests.gpu.check place_in_bucket ...        (all kernels without names)
"""

import sys
import tempfile
from pathlib import Path

from gpu_kernels import compile as nvrtc
from gpu_kernels import emulate, sources
from sim.backends.kernel_contracts import load_kernel_contracts
from tests.gpu import cubins, ptx

ARCH = 90


def problems(kernel, folder):
    found = []
    wanted = sources.written(f"KERNEL void {kernel.name}({', '.join(sources.parameters(kernel))}) {{")
    if wanted not in sources.written(sources.kernel_source(kernel.name)):
        found.append(f"arguments are not the contract's: {', '.join(sources.parameters(kernel))}")
    try:
        emulate.compile_host(kernel, folder, extra=emulate.STRICT)
    except nvrtc.KernelCompileError as error:
        found.append(str(error))
    try:
        made = nvrtc.compile_kernel(kernel, ARCH, extra=nvrtc.STRICT)
    except nvrtc.KernelCompileError as error:
        return [*found, str(error)]
    found += [f"PTX holds {fault}" for fault in ptx.faults(made.ptx)]
    if cubins.local_bytes(made.cubin):
        found.append(f"{cubins.local_bytes(made.cubin)} bytes of local memory")
    print(
        f"{kernel.name}: {cubins.registers(made.cubin)} registers, {len(ptx.instructions(made.ptx))} PTX "
        "instructions"
    )
    return found


def main(names):
    kernels = load_kernel_contracts()
    bad = 0
    with tempfile.TemporaryDirectory() as folder:
        for name in names or sources.kernel_names():
            for problem in problems(kernels[name], Path(folder)):
                bad += 1
                print(f"{name}: {problem}")
    return 1 if bad else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
