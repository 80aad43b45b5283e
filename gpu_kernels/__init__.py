"""CUDA twins of `cpu_fallback`: one `.cu` a kernel contract, compiled by NVRTC, or by C++ for the emulator.

The only package that imports cupy, cudf, rmm or cuda.bindings, and only inside functions: importing it needs
none of them.
"""
