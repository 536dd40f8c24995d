// window_counts_sort.cu: stable radix sort of numbers with values.
//
//   keys_n    (n)       uint32 or uint64
//   values_n  (n)       the same width
//   table_bd  (B, 256)  uint64  count of a digit in each block's share; after `scan` in the shares before
//   totals_d  (256)     uint64  count of a digit in all
//
// Plan      A pass sorts by eight bits, the lowest first: `tally` counts the digits of each block's share, `scan`
//           computes exclusive sums, `scatter` writes. There a warp takes 256 neighbors, 32 at a time: a match finds
//           the lanes of one digit, so their order stays. A share is many tiles, so the table is small and no block
//           depends on another.
// Bound by  memory, two reads and a write a pass: 20 or 40 bytes an entry. Not measured yet (kernels/README.md).
// Contract  Stable; so positions of a word stay in the order of the text.
// Rejected  Gathering a tile in shared memory first: neighbors of one digit are close in L2 anyway, since all
//           blocks write at 256 places each. One pass for counting all digits: the order changes between passes.
#include "common.cuh"
#include "collectives.cuh"

constexpr int DIGITS = 256, ROUNDS = 8;  // of 32 neighbors, a warp and tile
constexpr int TILE = DIGITS * ROUNDS;
constexpr int WARPS = DIGITS / WARP;  // a thread a digit
constexpr uint32_t NO_DIGIT = DIGITS;

template <class Key> __device__ __forceinline__ uint32_t digit_of(Key key, int shift) {
    return static_cast<uint32_t>(key >> shift) & (DIGITS - 1);
}

// Grid: B blocks, each a share of whole tiles.
template <class Key>
__global__ void __launch_bounds__(256)
    tally(const Key* keys_n, uint64_t* table_bd, uint64_t n, uint64_t share, int shift) {
    __shared__ uint32_t count_d[DIGITS];
    count_d[threadIdx.x] = 0;
    __syncthreads();
    uint64_t first = blockIdx.x * share, last = min(first + share, n);
    for (uint64_t i = first + threadIdx.x; i < last; i += blockDim.x)
        atomicAdd(count_d + digit_of(keys_n[i], shift), 1u);
    __syncthreads();
    table_bd[static_cast<size_t>(blockIdx.x) * DIGITS + threadIdx.x] = count_d[threadIdx.x];
}

// A thread a digit; B is small, and a block a digit would be idle but for its start.
__global__ void scan(uint64_t* table_bd, uint64_t* totals_d, int blocks) {
    int digit = blockIdx.x * blockDim.x + threadIdx.x;
    uint64_t before = 0;
#pragma unroll 8
    for (int block = 0; block < blocks; ++block) {
        uint64_t* cell = table_bd + static_cast<size_t>(block) * DIGITS + digit;
        uint64_t own = *cell;
        *cell = before;
        before += own;
    }
    totals_d[digit] = before;
}

// Rank of a lane's entry among those of its digit in the warp's part of the tile; counts them.
__device__ __forceinline__ uint32_t place_in_warp(uint32_t digit, uint32_t* count_d) {
    uint32_t alike = __match_any_sync(EVERY_LANE, digit), before = alike & lower_lanes();
    uint32_t counted = digit == NO_DIGIT ? 0 : count_d[digit];
    __syncwarp();
    if (before == 0 && digit != NO_DIGIT) count_d[digit] = counted + __popc(alike);
    __syncwarp();
    return counted + __popc(before);
}

// Exclusive sums over the warps, in place; returns the count of the thread's digit in the whole tile.
__device__ __forceinline__ uint32_t add_warps(uint32_t (&count_wd)[WARPS][DIGITS]) {
    uint32_t before = 0;
    for (int warp = 0; warp < WARPS; ++warp) {
        uint32_t own = count_wd[warp][threadIdx.x];
        count_wd[warp][threadIdx.x] = before;
        before += own;
    }
    return before;
}

template <class Key, class Value>
__global__ void __launch_bounds__(256)
    scatter(const Key* keys_n, const Value* values_n, Key* sorted_n, Value* carried_n, const uint64_t* table_bd,
            const uint64_t* totals_d, uint64_t n, uint64_t share, int shift) {
    __shared__ uint64_t next_d[DIGITS];  // place of the tile's first entry of each digit
    __shared__ uint32_t count_wd[WARPS][DIGITS];
    int lane = threadIdx.x % WARP, warp = threadIdx.x / WARP;
    uint64_t total, smaller = exclusive_sum(totals_d[threadIdx.x], total);
    next_d[threadIdx.x] = smaller + table_bd[static_cast<size_t>(blockIdx.x) * DIGITS + threadIdx.x];
    uint64_t first = blockIdx.x * share, last = min(first + share, n);
    for (uint64_t tile = first; tile < last; tile += TILE) {
        for (int digit = lane; digit < DIGITS; digit += WARP) count_wd[warp][digit] = 0;
        __syncwarp();
        Key key[ROUNDS];
        uint32_t place[ROUNDS];
        uint64_t own = tile + warp * (TILE / WARPS);
#pragma unroll
        for (int round = 0; round < ROUNDS; ++round) {
            uint64_t i = own + round * WARP + lane;
            if (i - lane >= last) continue;  // so for all lanes
            key[round] = i < last ? keys_n[i] : 0;
            place[round] = place_in_warp(i < last ? digit_of(key[round], shift) : NO_DIGIT, count_wd[warp]);
        }
        __syncthreads();
        uint32_t found = add_warps(count_wd);
        __syncthreads();
#pragma unroll
        for (int round = 0; round < ROUNDS; ++round) {
            uint64_t i = own + round * WARP + lane;
            if (i >= last) continue;
            uint32_t digit = digit_of(key[round], shift);
            uint64_t to = next_d[digit] + count_wd[warp][digit] + place[round];
            sorted_n[to] = key[round];
            carried_n[to] = values_n[i];
        }
        __syncthreads();
        next_d[threadIdx.x] += found;
    }
}
