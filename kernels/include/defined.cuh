// defined.cuh: the dot product of Definitions §3, bit for bit: what a score is made of.
#pragma once
#include "common.cuh"

constexpr int LANES = 16;  // partial sums: column c adds to sum c mod 16

__device__ __forceinline__ double wide(float x) { return exact_double(x); }
__device__ __forceinline__ double wide(double x) { return x; }

// The dot product of two rows of d numbers, by each half of a warp for rows of its own; its sixteen lanes all get it.
// Every lane of the warp calls it with the same d.
template <class T> __device__ __forceinline__ double defined_dot(const T* x, const T* y, int d) {
    double sum = 0.0;
#pragma unroll 4
    for (int c = threadIdx.x % LANES; c < d; c += LANES) sum = __fma_rn(wide(__ldg(x + c)), wide(__ldg(y + c)), sum);
    for (int half = LANES / 2; half > 0; half /= 2) sum = __dadd_rn(sum, __shfl_xor_sync(EVERY_LANE, sum, half));
    return sum;
}
