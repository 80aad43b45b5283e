// What every kernel is written with: exact-width types, the argument macros, row ranges, the error word, bit casts and wide products.
// Twin of cpu_fallback/device.py. No standard headers: NVRTC has none, and the host shim supplies the few built-ins CUDA has.
//
// A Python function that returns a pair returns a small struct here, with the members named after the pair: Product, Words, Quotient.
#pragma once
#ifndef __CUDACC__
#include "host.h"
#endif

using u8 = unsigned char;
using u16 = unsigned short;
using u32 = unsigned int;
using u64 = unsigned long long;
using i8 = signed char;
using i16 = short;
using i32 = int;
using i64 = long long;
using f64 = double;
static_assert(sizeof(u32) == 4 && sizeof(u64) == 8 && sizeof(f64) == 8, "widths are part of the kernels' arithmetic");

#define KERNEL extern "C" __global__
#define DEVICE __device__ __forceinline__
// A column is a pointer and its length; a kernel that has no use for a length is not warned about it.
#define IN(T, name) const T *__restrict__ name, [[maybe_unused]] const u64 name##_length
#define OUT(T, name) T *__restrict__ name, [[maybe_unused]] const u64 name##_length
#define LENGTH(name) name##_length
#define ERROR unsigned long long *error

struct Product {
    u64 high, low;
};

// Grid-stride: whatever the geometry, every row is taken exactly once. 64 bits, because blocks * threads may pass 2**32.
DEVICE u64 first_row() { return (u64)blockIdx.x * (u64)blockDim.x + (u64)threadIdx.x; }
DEVICE u64 row_stride() { return (u64)gridDim.x * (u64)blockDim.x; }

// Keep the smallest `row << 8 | code`: the first bad row, whatever order threads run in.
DEVICE void report(unsigned long long *error, u64 row, u64 code) { atomicMin(error, (row << 8) | code); }

DEVICE u64 float_bits(f64 x) { return (u64)__double_as_longlong(x); }
DEVICE f64 bits_float(u64 x) { return __longlong_as_double((i64)x); }

// Macros, because a constant expression cannot spell them without a header. The NaN is the canonical quiet one of the twins;
// arithmetic on NaN gives other bits on a GPU (0x7fff...) than on a CPU: a kernel that can meet one returns this one itself.
#define INF bits_float(0x7ff0000000000000ULL)
#define NAN bits_float(0x7ff8000000000000ULL)

DEVICE Product mul128(u64 a, u64 b) { return {__umul64hi(a, b), a * b}; }

// numba's min and max (Python's): the second argument only where it compares less (greater), so NaN and -0.0 stay as the order of
// arguments puts them. fmin and fmax would not.
template <typename T> DEVICE T minimum(T a, T b) { return b < a ? b : a; }
template <typename T> DEVICE T maximum(T a, T b) { return b > a ? b : a; }
