// cosine_search.cu: the k rows nearest to a few queries, from scores as defined.
//
//   rows_vd       (V, d)  float32 or float64
//   queries_qd    (Q, d)  the same
//   itself_q      (Q)     int64: the query's own row, -1: none
//   wide_sd       (S, d)  float64: the queries, S = Q rounded up to groups of 8, zeros behind the last
//   lengths_s     (S)     float64
//   scores_qv     (Q, V)  float64; -infinity: no candidate
//   best_*_qm     (Q, m)  lists of segments, one behind the other, each of k places in order
//
// Plan      score_rows: a half-warp takes 4 rows and 8 queries; lane r owns the columns r mod 16: 32 partial sums and
//           4 squared lengths. A coordinate of a row is read and widened once for 8 queries, one of a query once
//           for 4 rows. best: a block sorts a segment of 2048 scores (bitonic, in shared memory) and keeps its first
//           k; launched again on the kept ones until one segment is left. Each round keeps k of 2048.
// Bound by  reading the table once for every 8 queries, V·d·(4 or 8) bytes: for 8 queries or less that is the floor.
//           Beside it: 9 fma a number, 2.25 a byte of float32 (at 4.3 TB/s 19 TFLOP/s, of the about 30 that H200's
//           published 60 leave without tensor cores); 8 bytes a score written and read back, 8/(4 d) of the table a
//           query; sorting a segment takes 66 steps of 1024 comparisons, so short rows and many queries are bound by
//           it. Not measured yet (kernels/README.md).
// Limits    best: k <= 1024, else a round would not shrink; the launcher sorts all scores for more.
// Contract  kernels/cosine_search/__init__.py, exactly: scores by definition, no bound needed.
// Rejected  A float32 filter first, as on the CPU: its table has as many bytes, and bytes are the bound.
//           Lists in registers or a heap: k has no small limit, and ascending scores displace an entry a row.
#include "common.cuh"
#include "exact_score.cuh"

constexpr int QUERIES = 8, ROWS = 4;  // of a half-warp
constexpr int SEGMENT = 2048;
constexpr int32_t NO_ROW = 0x7fffffff;  // greater than every row

__device__ __forceinline__ double minus_infinity() { return __longlong_as_double(0xfff0000000000000); }

// Number of this half-warp in the launch.
__device__ __forceinline__ uint64_t half_warp() {
    return (static_cast<uint64_t>(blockIdx.x) * blockDim.x + threadIdx.x) / LANES;
}

// A half-warp a query of the groups; the last group may have less than 8.
template <class T>
__global__ void __launch_bounds__(256)
    widen_queries(const T* queries_qd, double* wide_sd, double* lengths_s, int queries, int slots, int dim) {
    int slot = static_cast<int>(half_warp());
    double sum = 0;
    for (int column = threadIdx.x % LANES; column < dim && slot < slots; column += LANES) {
        double x = slot < queries ? widened(__ldg(queries_qd + static_cast<size_t>(slot) * dim + column)) : 0.0;
        wide_sd[static_cast<size_t>(slot) * dim + column] = x;
        sum = __fma_rn(x, x, sum);
    }
    double squared = add_by_halves(sum);
    if (slot < slots && threadIdx.x % LANES == 0) lengths_s[slot] = length_of(squared);
}

// A half-warp's sums: ROWS x QUERIES products, and the rows' squares.
template <class T>
__device__ __forceinline__ void multiply(const T* const (&row_d)[ROWS], const double* group_d, int dim,
                                         double (&sums)[ROWS * QUERIES], double (&squares)[ROWS]) {
#pragma unroll 2
    for (int column = threadIdx.x % LANES; column < dim; column += LANES) {
        double x[ROWS];
#pragma unroll
        for (int i = 0; i < ROWS; ++i) {
            x[i] = widened(__ldg(row_d[i] + column));
            squares[i] = __fma_rn(x[i], x[i], squares[i]);
        }
#pragma unroll
        for (int q = 0; q < QUERIES; ++q) {
            double y = __ldg(group_d + static_cast<size_t>(q) * dim + column);
#pragma unroll
            for (int i = 0; i < ROWS; ++i) sums[i * QUERIES + q] = __fma_rn(x[i], y, sums[i * QUERIES + q]);
        }
    }
}

// Grid: half-warps over the rows, groups of queries.
template <class T>
__global__ void __launch_bounds__(256, 2)
    score_rows(const T* rows_vd, const double* wide_sd, const double* lengths_s, const int64_t* itself_q,
               double* scores_qv, uint64_t rows, int queries, int dim) {
    uint64_t first = half_warp() * ROWS;
    int lane = threadIdx.x % LANES, first_query = blockIdx.y * QUERIES;
    const T* row_d[ROWS];
#pragma unroll
    for (int i = 0; i < ROWS; ++i) row_d[i] = rows_vd + min(first + i, rows - 1) * dim;
    double sums[ROWS * QUERIES] = {}, squares[ROWS] = {};
    multiply(row_d, wide_sd + static_cast<size_t>(first_query) * dim, dim, sums, squares);

    add_by_halves(sums);
    constexpr int KEPT = ROWS * QUERIES / LANES;  // neighbors among the queries
    int own = lane * KEPT / QUERIES;
    double squared = 0;
#pragma unroll
    for (int i = 0; i < ROWS; ++i) {
        double total = add_by_halves(squares[i]);
        if (own == i) squared = total;
    }
    uint64_t row = first + own;
    if (row >= rows) return;
    double length = length_of(squared);
#pragma unroll
    for (int i = 0; i < KEPT; ++i) {
        int query = first_query + lane * KEPT % QUERIES + i;
        if (query >= queries) break;
        double other = lengths_s[query];
        bool candidate = length > 0 && other > 0 && static_cast<int64_t>(row) != itself_q[query];
        scores_qv[query * rows + row] = candidate ? score_of(sums[i], other, length) : minus_infinity();
    }
}

// Whether the entry at place a comes after that at b: higher scores first, equal ones by row.
__device__ __forceinline__ bool comes_after(const double* scores, const int32_t* ids, int a, int b) {
    return scores[a] < scores[b] || (scores[a] == scores[b] && ids[a] > ids[b]);
}

// Sorts `size` entries of shared memory, a power of two.
__device__ void sort(double* scores, int32_t* ids, int size) {
    for (int sorted = 2; sorted <= size; sorted *= 2) {
        for (int apart = sorted / 2; apart > 0; apart /= 2) {
            for (int i = threadIdx.x; i < size / 2; i += blockDim.x) {
                int low = 2 * i - i % apart, high = low + apart;
                bool forward = (low & sorted) == 0;
                if (forward ? comes_after(scores, ids, low, high) : comes_after(scores, ids, high, low)) {
                    double score = scores[low];
                    int32_t id = ids[low];
                    scores[low] = scores[high];
                    ids[low] = ids[high];
                    scores[high] = score;
                    ids[high] = id;
                }
            }
            __syncthreads();
        }
    }
}

// Grid: segments of the candidates, queries. Keeps the k best of each segment, padded. Entry n of a query is row n
// where `numbered`, else row ids_qn[n].
__global__ void __launch_bounds__(256)
    best(const double* scores_qn, const int32_t* ids_qn, double* best_scores_qm, int32_t* best_ids_qm,
         uint64_t candidates, int k, int numbered) {
    __shared__ double scores[SEGMENT];
    __shared__ int32_t ids[SEGMENT];
    uint64_t first = static_cast<uint64_t>(blockIdx.x) * SEGMENT, line = blockIdx.y * candidates;
    int count = static_cast<int>(min(candidates - first, static_cast<uint64_t>(SEGMENT))), size = 2;
    while (size < count) size *= 2;
    for (int i = threadIdx.x; i < size; i += blockDim.x) {
        bool inside = i < count;
        scores[i] = inside ? scores_qn[line + first + i] : minus_infinity();
        ids[i] = !inside ? NO_ROW : numbered ? static_cast<int32_t>(first + i) : ids_qn[line + first + i];
    }
    __syncthreads();
    sort(scores, ids, size);
    uint64_t out = (static_cast<uint64_t>(blockIdx.y) * gridDim.x + blockIdx.x) * k;
    for (int i = threadIdx.x; i < k; i += blockDim.x) {
        best_scores_qm[out + i] = i < size ? scores[i] : minus_infinity();
        best_ids_qm[out + i] = i < size ? ids[i] : NO_ROW;
    }
}
