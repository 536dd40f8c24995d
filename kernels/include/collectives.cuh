// collectives.cuh: what the threads of a block, or the lanes of a warp, work out together.
#pragma once
#include <common.cuh>

constexpr int SCAN_WARPS = 8;  // of a block that adds before each thread: 256 threads

__device__ __forceinline__ uint32_t lanes_before() { return (1u << threadIdx.x % WARP) - 1; }

// What the threads before this one bring, added; `total` is what all bring. All 256 threads of the block come here.
__device__ __forceinline__ uint64_t sum_before(uint64_t brought, uint64_t& total) {
    __shared__ uint64_t of_warps[SCAN_WARPS];
    int lane = threadIdx.x % WARP, warp = threadIdx.x / WARP;
    uint64_t through = brought;
    for (int apart = 1; apart < WARP; apart *= 2) {
        uint64_t other = __shfl_up_sync(EVERY_LANE, through, apart);
        if (lane >= apart) through += other;
    }
    __syncthreads();  // the sums of the call before have been read
    if (lane == WARP - 1) of_warps[warp] = through;
    __syncthreads();
    uint64_t before = through - brought;
    total = 0;
    for (int other = 0; other < SCAN_WARPS; ++other) {
        if (other < warp) before += of_warps[other];
        total += of_warps[other];
    }
    return before;
}

// A list in memory that warps append to, in any order: a number and a sum an entry.
struct Appended {
    uint64_t *keys_n, *sums_n, *filled;

    // All lanes of a warp come here; those that have an entry append it.
    __device__ __forceinline__ void append(bool has, uint64_t key, uint64_t sum) const {
        uint32_t having = __ballot_sync(EVERY_LANE, has);
        if (having == 0) return;
        uint64_t place = 0;
        if (threadIdx.x % WARP == 0) place = atomicAdd(filled, static_cast<uint64_t>(__popc(having)));
        place = __shfl_sync(EVERY_LANE, place, 0) + __popc(having & lanes_before());
        if (!has) return;
        keys_n[place] = key;
        sums_n[place] = sum;
    }
};
