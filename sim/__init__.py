"""closedworld: a deterministic batch simulator of a synthetic payments world.

`sim` holds the model and the shell. It imports neither numba nor cupy: arithmetic over rows lives in
`cpu_fallback` and `gpu_kernels`, and is reached through `sim.backends` only.
"""

__version__ = "0.1.0"

MODEL_VERSION = "1"
"""Changes whenever published content changes for equal config:
it is part of every fingerprint (see CHANGELOG.md).
"""
