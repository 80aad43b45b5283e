// The emulator's shim: what CUDA's built-ins are on a host C++ compiler. The kernel text is not changed by a letter.
// A simulated thread is one call of the kernel; its indices are thread-local, so that launches may run side by side.
#pragma once
#ifdef __FAST_MATH__
#error "kernels are bit-exact: never compile them with fast-math"
#endif

#define __device__ static
#define __global__ __attribute__((always_inline)) inline
#define __forceinline__ inline

struct Dim3 {
    unsigned int x, y, z;
};
static thread_local Dim3 gridDim{1, 1, 1};
static thread_local Dim3 blockDim{1, 1, 1};
static thread_local Dim3 blockIdx{0, 0, 0};
static thread_local Dim3 threadIdx{0, 0, 0};

// Correctly rounded by IEEE 754 on both sides.
extern "C" double sqrt(double) noexcept;
extern "C" double floor(double) noexcept;

__device__ inline unsigned long long __umul64hi(unsigned long long a, unsigned long long b) {
    return (unsigned long long)((__extension__(unsigned __int128) a * b) >> 64);
}

// CUDA defines __clzll(0) as 64; the builtin does not define it at all.
__device__ inline int __clzll(long long x) { return x == 0 ? 64 : __builtin_clzll((unsigned long long)x); }

__device__ inline long long __double_as_longlong(double x) {
    long long bits;
    __builtin_memcpy(&bits, &x, sizeof bits);
    return bits;
}

__device__ inline double __longlong_as_double(long long bits) {
    double x;
    __builtin_memcpy(&x, &bits, sizeof x);
    return x;
}

// The simulated threads of one launch run one after the other, and each launch has its own error word: no other thread sees it.
__device__ inline unsigned long long atomicMin(unsigned long long *address, unsigned long long value) {
    const unsigned long long old = *address;
    *address = value < old ? value : old;
    return old;
}
