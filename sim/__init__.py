"""closedworld: a deterministic batch simulator of a synthetic payments world.

`sim` holds the model and the engine that runs it. It imports neither numba nor cupy: kernels live
in `cpu_fallback` and `gpu_kernels`, and `sim.backends` alone calls them.
"""

__version__ = "0.1.0"

MODEL_VERSION = "2"
"""Changes whenever published content changes for equal config:
it is part of every fingerprint (see CHANGELOG.md).
"""
