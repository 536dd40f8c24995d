// cosine_scores.cu: the cosine of every row with every column, as defined.
//
//   rows_ad     (A, d)      float32 or float64
//   panels_pdw  (P, d, 64)  float32 or float64, P = ceil(B / 64): the columns, zeros behind the last
//   lengths_a   (A), lengths_b (B)  float64
//   out_ab      (A, B)      float64, or float32 where the score is rounded
//
// Plan      A block takes 32 rows and 32 columns. It widens 16 coordinates of them at a time into shared memory, while
//           the next 16 are loaded from global memory. A half-warp takes 8 rows and 8 columns: lane r owns the
//           columns r mod 16, so its 64 partial sums stay in registers and keep their order; 16 lanes' sums are then
//           added by halves, each lane adding what it keeps (60 shuffles of 64 bits for 64 products).
//           Sixteen tiles of rows, one below the other, run at about the same time: they share columns in L2.
// Bound by  float64 multiply-adds, d a pair, without tensor cores (their order of additions is not documented): of
//           H200's published 60 TFLOP/s about half. Beside 64 fma a lane and step: 16 reads of 8 bytes from shared
//           memory (128 bytes a clock at the full rate of fma, what a multiprocessor reads at best; half of them are
//           the same for both halves of a warp), 4 conversions and 4 reads of global memory. A block reads
//           64·d·(4 or 8) bytes for 1024 scores: 1.25 or 2.5 TB/s of L2 for every 10 TFLOP/s. Writes 8 bytes a score.
//           Not measured yet (kernels/README.md).
// Contract  kernels/cosine_scores/__init__.py, exactly.
// Rejected  A thread a pair: its 16 sums are of one pair, and each fma needs two reads, eight times as many.
//           Widening in the inner loop: 16 conversions a clock against 64 fma.
#include "common.cuh"
#include "exact_score.cuh"

constexpr int WIDTH = 64;                     // columns of a panel
constexpr int SIDE = 32, PATCH = 8;           // rows, and columns, of a block and of a half-warp
constexpr int PATCHES = SIDE / PATCH;         // side by side
constexpr int THREADS = PATCHES * PATCHES * LANES;
constexpr int PITCH = LANES + 1;              // of a row in shared memory: columns are written without bank conflicts
constexpr int LOADS = SIDE * LANES / THREADS; // numbers of rows, and of columns, loaded by a thread a step
constexpr uint64_t NEIGHBORS = 16;            // tiles of rows in a group

__device__ __forceinline__ void store_score(double* out, double score) { *out = score; }
__device__ __forceinline__ void store_score(float* out, double score) { *out = narrowed(score); }
__device__ __forceinline__ void store_nan(double* out) { *out = __longlong_as_double(0x7ff8000000000000); }
__device__ __forceinline__ void store_nan(float* out) { *out = __uint_as_float(0x7fc00000u); }

// First row and column of a block's tile.
struct Corner {
    uint64_t row, column;
};

__device__ Corner tile_corner(uint64_t block, uint64_t rows, uint64_t columns) {
    uint64_t down = (rows + SIDE - 1) / SIDE, across = (columns + SIDE - 1) / SIDE;
    uint64_t first = block / (NEIGHBORS * across) * NEIGHBORS, within = block % (NEIGHBORS * across);
    uint64_t height = min(NEIGHBORS, down - first);
    return {(first + within % height) * SIDE, within / height * SIDE};
}

// A thread's loads of a step's 16 coordinates: into registers, then into shared memory.
template <class Row, class Column> struct Loads {
    const Row* rows_ad;
    const Column* panels_pdw;
    uint64_t rows;
    int dim;
    Corner corner;
    double row[LOADS], column[LOADS];

    __device__ void fetch(int step) {
        int coordinate = step * LANES + threadIdx.x % LANES;
        const Column* panel_dw = panels_pdw + corner.column / WIDTH * dim * WIDTH;
        uint64_t place = corner.column % WIDTH + threadIdx.x % SIDE;
#pragma unroll
        for (int i = 0; i < LOADS; ++i) {
            uint64_t number = corner.row + threadIdx.x / LANES + i * (THREADS / LANES);
            bool inside = number < rows && coordinate < dim;
            row[i] = inside ? widened(__ldg(rows_ad + number * dim + coordinate)) : 0.0;
            int across = step * LANES + threadIdx.x / SIDE + i * (THREADS / SIDE);
            column[i] = across < dim ? widened(__ldg(panel_dw + static_cast<size_t>(across) * WIDTH + place)) : 0.0;
        }
    }

    __device__ void store(double* tile_rows, double* tile_columns) const {
#pragma unroll
        for (int i = 0; i < LOADS; ++i) {
            tile_rows[(threadIdx.x / LANES + i * (THREADS / LANES)) * PITCH + threadIdx.x % LANES] = row[i];
            tile_columns[threadIdx.x % SIDE * PITCH + threadIdx.x / SIDE + i * (THREADS / SIDE)] = column[i];
        }
    }
};

// Adds a step to a lane's sums; both pointers are at the patch's first row, or column, and the lane's own place.
__device__ __forceinline__ void multiply(const double* patch_rows, const double* patch_columns,
                                         double (&sums)[PATCH * PATCH]) {
    double y[PATCH];
#pragma unroll
    for (int j = 0; j < PATCH; ++j) y[j] = patch_columns[j * PITCH];
#pragma unroll
    for (int i = 0; i < PATCH; ++i) {
        double x = patch_rows[i * PITCH];
#pragma unroll
        for (int j = 0; j < PATCH; ++j) sums[i * PATCH + j] = __fma_rn(x, y[j], sums[i * PATCH + j]);
    }
}

template <class Row, class Column, class Score>
__global__ void __launch_bounds__(256, 1)
    score_pairs(const Row* rows_ad, const Column* panels_pdw, const double* lengths_a, const double* lengths_b,
                Score* out_ab, uint64_t rows, uint64_t columns, int dim) {
    __shared__ double tile_rows[2][SIDE * PITCH], tile_columns[2][SIDE * PITCH];
    Loads<Row, Column> loads = {rows_ad, panels_pdw, rows, dim, tile_corner(blockIdx.x, rows, columns), {}, {}};
    int lane = threadIdx.x % LANES;
    int down = threadIdx.x / LANES / PATCHES * PATCH, across = threadIdx.x / LANES % PATCHES * PATCH;
    double sums[PATCH * PATCH] = {};

    int steps = (dim + LANES - 1) / LANES;
    loads.fetch(0);
    loads.store(tile_rows[0], tile_columns[0]);
    __syncthreads();
    for (int step = 0; step < steps; ++step) {
        int now = step % 2, next = 1 - now;
        if (step + 1 < steps) loads.fetch(step + 1);
        multiply(tile_rows[now] + down * PITCH + lane, tile_columns[now] + across * PITCH + lane, sums);
        if (step + 1 < steps) loads.store(tile_rows[next], tile_columns[next]);
        __syncthreads();
    }

    add_by_halves(sums);
    constexpr int KEPT = PATCH * PATCH / LANES;  // neighbors in a row
    uint64_t row = loads.corner.row + down + lane * KEPT / PATCH;
    uint64_t first = loads.corner.column + across + lane * KEPT % PATCH;
    if (row >= rows) return;
#pragma unroll
    for (int i = 0; i < KEPT; ++i) {
        if (first + i >= columns) break;
        double length = lengths_a[row], other = lengths_b[first + i];
        Score* out = out_ab + row * columns + first + i;
        if (length > 0 && other > 0) store_score(out, score_of(sums[i], length, other));
        else store_nan(out);
    }
}

// A half-warp a row.
template <class Row>
__global__ void __launch_bounds__(256) row_lengths(const Row* rows_ad, double* lengths_a, uint64_t rows, int dim) {
    uint64_t row = (static_cast<uint64_t>(blockIdx.x) * blockDim.x + threadIdx.x) / LANES;
    const Row* row_d = rows_ad + min(row, rows - 1) * dim;
    double squared = half_warp_dot(row_d, row_d, dim);
    if (row < rows && threadIdx.x % LANES == 0) lengths_a[row] = length_of(squared);
}

// A thread a column.
template <class Column>
__global__ void __launch_bounds__(256)
    column_lengths(const Column* panels_pdw, double* lengths_b, uint64_t columns, int dim) {
    uint64_t column = static_cast<uint64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
    if (column >= columns) return;
    const Column* column_d = panels_pdw + column / WIDTH * dim * WIDTH + column % WIDTH;
    lengths_b[column] = length_of(defined_dot(column_d, column_d, dim, WIDTH));
}
