// Uniform doubles strictly inside (0, 1). Twin of cpu_fallback/uniform.py.
#pragma once
#include "kernel.cuh"

// u = ((x >> 12) + 0.5) * 2**-52 of a random word; exact, symmetric, never 0, 0.5 or 1. The cast to i64 is lossless.
DEVICE f64 open52(u64 x) { return ((f64)(i64)(x >> 12) + 0.5) * 2.220446049250313e-16; }
