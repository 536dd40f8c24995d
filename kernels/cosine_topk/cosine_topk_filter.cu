// cosine_topk_filter.cu: pairs of rows that may be among the k best, by their products in float16.
//
//   left_n, right_m  (n, padded), (m, padded)  float16 unit rows, eight numbers at once
//   threshold_n      (n)            float32  least product of a candidate; +inf: none
//   candidates_nw    (n, capacity)  int32    positions; those beyond the capacity are counted and lost
//   count_n          (n)            int32
//
// Plan      `products`: a block multiplies 128 rows with 128 on tensor cores (mma.sync, 8 warps of 64 x 32, float32
//           sums in registers), 32 columns at a time through two stages of shared memory. The sums are compared in
//           registers, a bit each; only passing positions are written. SYMMETRIC: every row is a query, a tile is
//           computed once, for blocks I <= J, and compared with the thresholds of its rows and of its columns.
//           `passing`: the same comparison for a tile that cuBLAS has written.
// Rounds    SYMMETRIC: block I is paired with (s - I) mod n for s = first ... : each s gives every block one partner.
//           Else the blocks first ... of the right table are paired with all of the left. Tiles that run at the same
//           time share their panels: 16 blocks of rows go through the whole round before the next 16.
// Bound by  mma.sync, 2*V*V*d operations, half of them if SYMMETRIC; or by the L2 cache: a tile reads 512*d bytes for
//           32 768*d operations, 64 a byte. Not measured yet (kernels/README.md).
// Limits    d <= 65 536 (the bound on the sums, float16_rows.py).
// Contract  each pair (i, j) whose float32 sum reaches threshold_n[i] is a candidate of i, once; SYMMETRIC: also of j,
//           never a row of itself. The order is of no matter (cosine_topk.cu).
// Rejected  Until a GPU says otherwise: cp.async and ldmatrix (stages go through registers: 16 of 128); tiles of
//           128 x 256 (85 operations a byte, but one block a multiprocessor: nothing hides its comparison); wgmma.
#include "common.cuh"

constexpr int SIDE = 128, DEPTH = 32, THREADS = 256;  // rows of a tile, columns of a stage
constexpr int GROUP = 16;                             // blocks of rows that go through a round at the same time
constexpr int PARTS = DEPTH / 8;                      // of a row in a stage

struct __align__(16) Eight {  // numbers of float16
    uint32_t pairs[4];
};

// A stage of both panels. Part p of row r is at p ^ (r / 2 % 4): eight lanes that store at once, and the 32 lanes of
// a fragment that load at once, use 32 different banks.
struct Panels {
    Eight left[SIDE][PARTS], right[SIDE][PARTS];
};

__device__ int swizzled(int row, int part) { return part ^ (row / 2 % PARTS); }

// A thread's share of a stage: a part of rows r and r + 64 of each panel.
struct Share {
    Eight left[2], right[2];
};

__device__ Eight eight_of(const Eight* table, size_t row, size_t rows, int part, int parts) {
    if (row < rows && part < parts) return table[row * parts + part];
    return {};
}

__device__ Share fetch(const Eight* left_n, const Eight* right_m, size_t first_row, size_t first_column, size_t rows,
                       size_t columns, int stage, int parts) {
    Share share;
    int part = stage * PARTS + threadIdx.x % PARTS;
    for (int i = 0; i < 2; ++i) {
        size_t offset = threadIdx.x / PARTS + i * (SIDE / 2);
        share.left[i] = eight_of(left_n, first_row + offset, rows, part, parts);
        share.right[i] = eight_of(right_m, first_column + offset, columns, part, parts);
    }
    return share;
}

__device__ void store(Panels& panels, const Share& share) {
    for (int i = 0; i < 2; ++i) {
        int row = threadIdx.x / PARTS + i * (SIDE / 2), part = swizzled(row, threadIdx.x % PARTS);
        panels.left[row][part] = share.left[i];
        panels.right[row][part] = share.right[i];
    }
}

// A warp's 64 x 32 sums; lane 4g + t holds rows g + 8i and columns 2t + 8j, 2t + 8j + 1 of it.
struct Sums {
    float at[4][4][4];  // [16 rows][8 columns][the fragment's]
};

__device__ void multiply(Sums& sums, const Panels& panels, int warp_row, int warp_column, int depth) {
    int g = threadIdx.x % WARP / 4, t = threadIdx.x % 4;
#pragma unroll
    for (int step = 0; step < DEPTH / 16; ++step) {
        if (step * 16 >= depth) break;
        int low = swizzled(g, 2 * step), high = swizzled(g, 2 * step + 1);  // the same for rows g + 8i
        uint32_t a[4][4], b[4][2];
#pragma unroll
        for (int i = 0; i < 4; ++i) {
            int row = warp_row + 16 * i + g;
            a[i][0] = panels.left[row][low].pairs[t];
            a[i][1] = panels.left[row + 8][low].pairs[t];
            a[i][2] = panels.left[row][high].pairs[t];
            a[i][3] = panels.left[row + 8][high].pairs[t];
        }
#pragma unroll
        for (int j = 0; j < 4; ++j) {
            int column = warp_column + 8 * j + g;
            b[j][0] = panels.right[column][low].pairs[t];
            b[j][1] = panels.right[column][high].pairs[t];
        }
#pragma unroll
        for (int i = 0; i < 4; ++i)
#pragma unroll
            for (int j = 0; j < 4; ++j) mma_m16n8k16_f16(sums.at[i][j], a[i], b[j]);
    }
}

// Adds a candidate to a row's buffer.
__device__ void push_candidate(int32_t* candidates_nw, int32_t* count_n, size_t row, size_t candidate, int capacity) {
    int place = atomicAdd(count_n + row, 1);
    if (place < capacity) candidates_nw[row * capacity + place] = static_cast<int32_t>(candidate);
}

__device__ float threshold_of(const float* threshold_n, size_t row, size_t rows) {
    return row < rows ? threshold_n[row] : __int_as_float(0x7f800000);
}

// Row and column of bit `bit` of this lane's comparisons.
__device__ int row_of(int bit) { return 16 * (bit / 16) + 8 * (bit / 2 % 2) + threadIdx.x % WARP / 4; }
__device__ int column_of(int bit) { return 8 * (bit / 4 % 4) + 2 * (threadIdx.x % 4) + bit % 2; }

// Compares a warp's sums with the thresholds of its rows and, if SYMMETRIC, of its columns.
template <bool SYMMETRIC>
__device__ void push_passing(const Sums& sums, const float* threshold_n, int32_t* candidates_nw, int32_t* count_n,
                             size_t first_row, size_t first_column, size_t rows, size_t columns, int capacity) {
    uint64_t by_row = 0, by_column = 0;
    float column_threshold[4][2];
#pragma unroll
    for (int j = 0; j < 8; ++j)
        if (SYMMETRIC)
            column_threshold[j / 2][j % 2] =
                threshold_of(threshold_n, first_column + column_of(4 * (j / 2) + j % 2), columns);
#pragma unroll
    for (int i = 0; i < 4; ++i) {
        float row_threshold[2];
#pragma unroll
        for (int e = 0; e < 2; ++e)
            row_threshold[e] = threshold_of(threshold_n, first_row + row_of(16 * i + 2 * e), rows);
#pragma unroll
        for (int j = 0; j < 4; ++j)
#pragma unroll
            for (int e = 0; e < 4; ++e) {
                uint64_t bit = uint64_t{1} << (16 * i + 4 * j + e);
                if (sums.at[i][j][e] >= row_threshold[e / 2]) by_row |= bit;
                if (SYMMETRIC && sums.at[i][j][e] >= column_threshold[j][e % 2]) by_column |= bit;
            }
    }
    for (; by_row | by_column; by_row &= by_row - 1, by_column &= by_column - 1) {
        for (int side = 0; side < 2; ++side) {
            uint64_t bits = side ? by_column : by_row;
            if (!bits) continue;
            int bit = __ffsll(static_cast<long long>(bits)) - 1;
            size_t row = first_row + row_of(bit), column = first_column + column_of(bit);
            if (column >= columns || (SYMMETRIC && row >= column)) continue;
            if (side) push_candidate(candidates_nw, count_n, column, row, capacity);
            else push_candidate(candidates_nw, count_n, row, column, capacity);
        }
    }
}

// The tile of this block: blocks I and J of rows; false where there is none.
template <bool SYMMETRIC>
__device__ bool tile_of(uint32_t blocks, uint32_t first, uint32_t length, uint32_t& row, uint32_t& column) {
    uint32_t per_group = GROUP * length;
    uint32_t slot = blockIdx.x / per_group * GROUP + blockIdx.x % GROUP;
    uint32_t s = first + blockIdx.x % per_group / GROUP;
    row = slot;
    column = s;
    if (!SYMMETRIC) return row < blocks;
    uint32_t low = s / 2;  // I + J = s for I up to s / 2; then I + J = s + blocks, from I = s + 1 on
    if (slot > low) {
        row = slot + s - low;
        s += blocks;
    }
    column = s - row;
    return row <= column && column < blocks;
}

template <bool SYMMETRIC>
__global__ void __launch_bounds__(THREADS, 2)
    products(const Eight* left_n, const Eight* right_m, const float* threshold_n, int32_t* candidates_nw,
             int32_t* count_n, uint64_t rows, uint64_t columns, int parts, int capacity, uint32_t first,
             uint32_t length) {
    __shared__ Panels panels[2];
    uint32_t block_row, block_column;
    uint32_t blocks = static_cast<uint32_t>((rows + SIDE - 1) / SIDE);
    if (!tile_of<SYMMETRIC>(blocks, first, length, block_row, block_column)) return;
    size_t first_row = static_cast<size_t>(block_row) * SIDE, first_column = static_cast<size_t>(block_column) * SIDE;
    int warp = threadIdx.x / WARP, warp_row = warp / 4 * 64, warp_column = warp % 4 * 32;
    bool busy = first_row + warp_row < rows && first_column + warp_column < columns;
    if (SYMMETRIC) busy = busy && first_row + warp_row < first_column + warp_column + 31;  // else no pair i < j

    Sums sums = {};
    int stages = (parts + PARTS - 1) / PARTS;
    store(panels[0], fetch(left_n, right_m, first_row, first_column, rows, columns, 0, parts));
    __syncthreads();
    for (int stage = 0; stage < stages; ++stage) {
        Share next;
        bool more = stage + 1 < stages;
        if (more) next = fetch(left_n, right_m, first_row, first_column, rows, columns, stage + 1, parts);
        if (busy) multiply(sums, panels[stage % 2], warp_row, warp_column, 8 * (parts - stage * PARTS));
        if (more) store(panels[(stage + 1) % 2], next);
        __syncthreads();
    }
    if (busy)
        push_passing<SYMMETRIC>(sums, threshold_n, candidates_nw, count_n, first_row + warp_row,
                                first_column + warp_column, rows, columns, capacity);
}

// A warp a row of a tile (rows, columns) whose first row and column are `first_row`, `first_column` of the tables.
__global__ void passing(const float* tile_rc, const float* threshold_n, int32_t* candidates_nw, int32_t* count_n,
                        uint64_t first_row, uint64_t first_column, uint32_t rows, uint32_t columns, int capacity) {
    uint32_t row = (blockIdx.x * blockDim.x + threadIdx.x) / WARP;
    if (row >= rows) return;
    uint32_t lane = threadIdx.x % WARP;
    size_t place = first_row + row;
    float threshold = threshold_n[place];
    for (uint32_t start = 0; start < columns; start += WARP) {
        uint32_t column = start + lane;
        bool passes = column < columns && __ldg(tile_rc + static_cast<size_t>(row) * columns + column) >= threshold;
        uint32_t votes = __ballot_sync(EVERY_LANE, passes);
        if (!votes) continue;
        int taken = 0;
        if (lane == 0) taken = atomicAdd(count_n + place, __popc(votes));
        taken = __shfl_sync(EVERY_LANE, taken, 0) + __popc(votes & ((1u << lane) - 1));
        if (passes && taken < capacity)
            candidates_nw[place * capacity + taken] = static_cast<int32_t>(first_column + column);
    }
}
