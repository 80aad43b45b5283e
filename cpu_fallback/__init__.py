"""Numba twins of the CUDA kernels: the only package that imports numba. Nothing here imports from `sim`."""
