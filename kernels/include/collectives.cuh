// collectives.cuh: collective operations of a block or a warp: prefix sums, appending to a buffer.
#pragma once
#include <common.cuh>

constexpr int SCAN_WARPS = 8;  // of a block of 256 threads

__device__ __forceinline__ uint32_t lower_lanes() { return (1u << threadIdx.x % WARP) - 1; }

// Exclusive prefix sum over the 256 threads of a block, which all call; `total` is the sum of all.
__device__ __forceinline__ uint64_t exclusive_sum(uint64_t value, uint64_t& total) {
    __shared__ uint64_t warp_sums[SCAN_WARPS];
    int lane = threadIdx.x % WARP, warp = threadIdx.x / WARP;
    uint64_t inclusive = value;
    for (int apart = 1; apart < WARP; apart *= 2) {
        uint64_t other = __shfl_up_sync(EVERY_LANE, inclusive, apart);
        if (lane >= apart) inclusive += other;
    }
    __syncthreads();  // after the reads of the previous call
    if (lane == WARP - 1) warp_sums[warp] = inclusive;
    __syncthreads();
    uint64_t before = inclusive - value;
    total = 0;
    for (int other = 0; other < SCAN_WARPS; ++other) {
        if (other < warp) before += warp_sums[other];
        total += warp_sums[other];
    }
    return before;
}

// A list in memory with entries appended by warps in any order: a number and a sum an entry.
struct AppendBuffer {
    uint64_t *keys_n, *sums_n, *filled;

    // Called by all lanes of a warp; those with an entry append it.
    __device__ __forceinline__ void append(bool has, uint64_t key, uint64_t sum) const {
        uint32_t having = __ballot_sync(EVERY_LANE, has);
        if (having == 0) return;
        uint64_t place = 0;
        if (threadIdx.x % WARP == 0) place = atomicAdd(filled, static_cast<uint64_t>(__popc(having)));
        place = __shfl_sync(EVERY_LANE, place, 0) + __popc(having & lower_lanes());
        if (!has) return;
        keys_n[place] = key;
        sums_n[place] = sum;
    }
};
