// fixed_sums.cuh: floating-point sums of a warp or a block, each in one fixed tree: the same bits in every run.
#pragma once
#include <common.cuh>

// Called by all lanes of a warp; every lane gets the same bits.
__device__ __forceinline__ float warp_sum(float sum) {
#pragma unroll
    for (int apart = WARP / 2; apart > 0; apart /= 2) sum = __fadd_rn(sum, __shfl_xor_sync(EVERY_LANE, sum, apart));
    return sum;
}

// Adds each of COUNT numbers over a warp, whose lanes all call; a lane gets one of the sums, and its place in
// `place`, or COUNT where it gets none.
template <int COUNT> __device__ __forceinline__ float scattered_sum(float (&sums)[COUNT], int& place) {
    int kept = COUNT, own = COUNT;
    place = 0;
#pragma unroll
    for (int apart = WARP / 2; apart > 0; apart /= 2) {
        int half = (kept + 1) / 2;
        bool upper = threadIdx.x & apart;
#pragma unroll
        for (int i = 0; i < (COUNT + 1) / 2; ++i) {
            if (i < half) {
                float high = half + i < kept ? sums[half + i] : 0;
                float given = upper ? sums[i] : high, mine = upper ? high : sums[i];
                sums[i] = __fadd_rn(mine, __shfl_xor_sync(EVERY_LANE, given, apart));
            }
        }
        place += upper ? half : 0;
        own = upper ? own - half : min(own, half);
        kept = half;
    }
    if (own < 1) place = COUNT;
    return sums[0];
}

// The block's sum, in one order; thread 0 gets it.
__device__ double block_sum(double sum) {
    __shared__ double sums_w[WARP];
#pragma unroll
    for (int apart = WARP / 2; apart > 0; apart /= 2) sum = __dadd_rn(sum, __shfl_xor_sync(EVERY_LANE, sum, apart));
    if (threadIdx.x % WARP == 0) sums_w[threadIdx.x / WARP] = sum;
    __syncthreads();
    double total = 0;
    for (int warp = 0; warp < static_cast<int>(blockDim.x) / WARP; ++warp) total = __dadd_rn(total, sums_w[warp]);
    return total;
}
