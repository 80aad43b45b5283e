"""CUDA twins of `cpu_fallback`, one `.cu` a kernel contract. None is written yet: `--backend gpu` says so and exits 9."""
