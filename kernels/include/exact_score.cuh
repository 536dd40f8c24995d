// exact_score.cuh: the dot product and the score as defined, bit for bit (kernels/cosine_topk/__init__.py).
//
// Sixteen partial sums by column mod 16, each a chain of fused multiply-adds in float64, added by halves
// (16 → 8 → 4 → 2 → 1). Every operation is an intrinsic, so that no compiler fuses or splits it. Columns behind
// the last may count as zero times zero: they change no sum.
#pragma once
#include <common.cuh>

constexpr int LANES = 16;  // partial sums; also the lanes of a half-warp, one sum each

__device__ __forceinline__ double widened(double x) { return x; }

__device__ __forceinline__ double length_of(double squared) { return __dsqrt_rn(squared); }

// The cosine from a dot product and two lengths that are not zero.
__device__ __forceinline__ double score_of(double dot, double length, double other) {
    return __ddiv_rn(dot, __dmul_rn(length, other));
}

// One thread: coordinates of x and of y are `pitch` numbers apart.
template <class X, class Y>
__device__ double defined_dot(const X* x, const Y* y, int dim, int pitch) {
    double sums[LANES] = {};
    for (int start = 0; start < dim; start += LANES) {
#pragma unroll
        for (int lane = 0; lane < LANES; ++lane) {
            if (start + lane < dim) {
                size_t place = static_cast<size_t>(start + lane) * pitch;
                sums[lane] = __fma_rn(widened(__ldg(x + place)), widened(__ldg(y + place)), sums[lane]);
            }
        }
    }
#pragma unroll
    for (int half = LANES / 2; half > 0; half /= 2) {
#pragma unroll
        for (int lane = 0; lane < half; ++lane) sums[lane] = __dadd_rn(sums[lane], sums[lane + half]);
    }
    return sums[0];
}

// A half-warp with sum r in lane r: every lane gets the total. Called by both halves of the warp.
__device__ __forceinline__ double add_by_halves(double sum) {
#pragma unroll
    for (int half = LANES / 2; half > 0; half /= 2)
        sum = __dadd_rn(sum, __shfl_xor_sync(EVERY_LANE, sum, half));
    return sum;
}

// The same for COUNT products at once, each lane adding only what it keeps: lane r ends with the totals of the
// COUNT / 16 products from r * COUNT / 16 on, in the first places of its sums.
template <int COUNT> __device__ __forceinline__ void add_by_halves(double (&sums)[COUNT]) {
    int kept = COUNT;
#pragma unroll
    for (int half = LANES / 2; half > 0; half /= 2) {
        kept /= 2;
        bool upper = threadIdx.x & half;
#pragma unroll
        for (int i = 0; i < COUNT / 2; ++i) {
            if (i < kept) {
                double given = upper ? sums[i] : sums[kept + i];
                double own = upper ? sums[kept + i] : sums[i];
                sums[i] = __dadd_rn(own, __shfl_xor_sync(EVERY_LANE, given, half));
            }
        }
    }
}

// A half-warp's dot product: every lane gets it. Called by both halves of the warp, with the same dim.
template <class X, class Y> __device__ double half_warp_dot(const X* x, const Y* y, int dim) {
    double sum = 0;
    for (int column = threadIdx.x % LANES; column < dim; column += LANES)
        sum = __fma_rn(widened(__ldg(x + column)), widened(__ldg(y + column)), sum);
    return add_by_halves(sum);
}
