// cosine_topk.cu: lengths, float16 rows with their rounding errors, and lists in the defined order.
//
//   rows_vd       (V, d)         float32 or float64, the table; queries_qd (Q, d) the same type
//   length_v      (V)            float64  sqrt(kappa); 0: the row has no cosine
//   number_n      (n)            int32    the rows of length above 0, in a random order: position -> row
//   half_np       (n, padded)    float16  unit rows in that order, zeros beyond d
//   residual_n    (n)            float64  length of (unit row - its float16 row)
//   candidates_nw (n, capacity)  int32    positions whose score may be among the k best, count_n of them
//   ids_qk, scores_qk (Q, k)     the lists: score descending, then row ascending
//   threshold_n   (n)            float32  least float16 score of a candidate: (k-th score) - error_n, -inf without one
//   place_t       (t)            int32    GATHERED: positions of the lists; queries_qd holds their rows in that order
//   slot_v        (V)            int32    GATHERED: index of a row in rows_vd, which holds only some rows
//
// Plan      measure, to_float16; then rounds: the filter (cosine_topk_filter.cu) buffers candidates, `rescore` scores
//           them: a warp a list, half a warp a score, so that 16 lanes hold the 16 partial sums of the definition.
// Proof     |float16 score - defined score| <= error_n (bounds: float16_rows.py). At any time a row of the table is
//           1 not yet filtered, or 2 in the buffer, or 3 scored, and then in the list or behind k others, or
//           4 dropped with (float16 score) < threshold, so its defined score was below the k-th one, which only grows,
//           5 or lost because the buffer overflowed: then the list is marked, and `rescore<T, ALL_ROWS>` scores all.
//           At the end 1 and 2 are empty. A list is the first k in a total order, so neither the order of the
//           candidates nor a duplicate changes it.
// Gathered  Of a host's table only some rows are on the GPU: a launch rescores the lists of a tile, with their rows and
//           candidates (rescore.py). Row numbers stay those of the table, so the lists are the same.
// Bound by  reading the rows that are scored, d*sizeof(T) each. Not measured yet (kernels/README.md).
// Contract  kernels/cosine_topk/__init__.py, exactly.
// Rejected  Sorting candidates by their float16 score first would spare some exact scores, for 4 bytes more a candidate
//           and a sort. A list in registers would bound k.
#include "exact_score.cuh"

constexpr int BUFFERED = 0, WARM_START = 1, ALL_ROWS = 2;  // where candidates come from

__device__ float infinity() { return __int_as_float(0x7f800000); }

template <class T> __global__ void measure(const T* rows_vd, double* length_v, uint64_t words, int d) {
    size_t row = (static_cast<size_t>(blockIdx.x) * blockDim.x + threadIdx.x) / LANES;
    const T* mine = rows_vd + (row < words ? row : 0) * d;
    double squared = half_warp_dot(mine, mine, d);
    if (row < words && threadIdx.x % LANES == 0) length_v[row] = sqrt(squared);
}

template <class T>
__global__ void to_float16(const T* rows_vd, const double* length_v, const int32_t* number_n, uint16_t* half_np,
                      double* residual_n, uint64_t count, int d, int padded) {
    size_t place = (static_cast<size_t>(blockIdx.x) * blockDim.x + threadIdx.x) / WARP;
    if (place >= count) return;
    size_t row = number_n[place];
    double inverse = 1.0 / length_v[row], squared = 0.0;
    for (int c = threadIdx.x % WARP; c < padded; c += WARP) {
        double unit = c < d ? widened(__ldg(rows_vd + row * d + c)) * inverse : 0.0;
        uint16_t bits = half_bits(narrowed(unit));
        double error = unit - widened(half_value(bits));
        squared += error * error;
        half_np[place * padded + c] = bits;
    }
    for (int lanes = WARP / 2; lanes > 0; lanes /= 2) squared += __shfl_xor_sync(EVERY_LANE, squared, lanes);
    if (threadIdx.x % WARP == 0) residual_n[place] = sqrt(squared);
}

// A list in memory, in order, and the warp that owns it; all lanes call with the same candidate.
struct List {
    int32_t* ids;
    double* scores;
    int k, found;
    double last;  // the k-th score, -inf before there is one

    __device__ List(int32_t* ids, double* scores, int k, int found) : ids(ids), scores(scores), k(k), found(found) {
        last = found == k ? scores[k - 1] : -infinity();
    }

    // Inserts a candidate, unless it is there already or k are better.
    __device__ void insert(double score, int32_t number) {
        int lane = threadIdx.x % WARP, place = 0;
        bool present = false;
        for (int start = 0; start < found; start += WARP) {
            bool better = false;
            if (start + lane < found) {
                double other = scores[start + lane];
                int32_t id = ids[start + lane];
                better = other > score || (other == score && id < number);
                present |= id == number;
            }
            place += __popc(__ballot_sync(EVERY_LANE, better));
        }
        if (__any_sync(EVERY_LANE, present) || place == k) return;
        shift(place, min(found, k - 1));
        if (lane == 0) {
            scores[place] = score;
            ids[place] = number;
        }
        __syncwarp();
        found = min(found + 1, k);
        if (found == k) last = scores[k - 1];
    }

    // Moves entries from ... to - 1 by one place, the last first; has at least one __syncwarp.
    __device__ void shift(int from, int to) {
        int end = to;
        do {
            int place = end - 1 - static_cast<int>(threadIdx.x % WARP);
            double score = 0.0;
            int32_t id = 0;
            if (place >= from) {
                score = scores[place];
                id = ids[place];
            }
            __syncwarp();
            if (place >= from) {
                scores[place + 1] = score;
                ids[place + 1] = id;
            }
            end -= WARP;
        } while (end > from);
    }
};

// Scores candidates of every query and merges them into its list: the buffered ones, warm-start rows, or for lists
// marked as overflowed all rows (GATHERED: the rows of a block, from row `first` on).
template <class T, int SOURCE, bool GATHERED>
__global__ void __launch_bounds__(128, 8)
    rescore(const T* queries_qd, const T* rows_vd, const double* query_length_q, const double* length_v,
            const int32_t* query_number_n, const int32_t* number_m, const int32_t* itself_q, const double* error_n,
            const int32_t* candidate, int32_t* count_n, int32_t* ids_qk, double* scores_qk, int32_t* found_n,
            int32_t* scored_n, int32_t* overflowed_n, float* threshold_n, const int32_t* place_t, const int32_t* slot_v,
            uint64_t lists, int d, int k, int width, int first) {
    size_t index = (static_cast<size_t>(blockIdx.x) * blockDim.x + threadIdx.x) / WARP;
    if (index >= lists) return;
    size_t place = GATHERED ? place_t[index] : index;
    int lane = threadIdx.x % WARP;
    if (SOURCE == ALL_ROWS && !overflowed_n[place]) return;
    int count = SOURCE == BUFFERED ? count_n[place] : width;  // of the buffer, of the warm start, or all rows
    if (count == 0) return;
    bool overflowed = overflowed_n[place] || count > width;
    size_t query = query_number_n[place];
    const T* query_row = queries_qd + (GATHERED ? index : query) * d;
    double length = query_length_q[query];
    int32_t itself = itself_q[query];
    List list(ids_qk + query * k, scores_qk + query * k, k, found_n[place]);
    int total = min(count, width);
    for (int start = 0; start < total; start += WARP) {
        int32_t mine = -1;  // this lane's candidate
        if (start + lane < total) {
            if (SOURCE == BUFFERED) mine = number_m[candidate[place * width + start + lane]];
            if (SOURCE == WARM_START) mine = candidate[query * width + start + lane];
            if (SOURCE == ALL_ROWS) mine = first + start + lane;
            if (mine == itself) mine = -1;
        }
        for (int pair = 0; pair < min(WARP, total - start); pair += 2) {  // each half of the warp scores one of two
            int32_t number = __shfl_sync(EVERY_LANE, mine, pair + lane / LANES);
            size_t row = max(number, 0), slot = row;
            if (GATHERED) slot = SOURCE == ALL_ROWS ? max(number - first, 0) : slot_v[row];
            double dot = half_warp_dot(query_row, rows_vd + slot * d, d);
            double score = dot / (length * length_v[row]);  // NaN, so not a candidate, for a row of length 0
            uint32_t wanted = __ballot_sync(EVERY_LANE, number >= 0 && score >= list.last);
            for (int half = 0; half < WARP; half += LANES) {
                if (!(wanted >> half & 1)) continue;
                double its = __shfl_sync(EVERY_LANE, score, half);
                list.insert(its, __shfl_sync(EVERY_LANE, number, half));
            }
        }
    }
    __syncwarp();
    if (lane > 0) return;
    found_n[place] = list.found;
    threshold_n[place] = overflowed ? infinity() : narrowed(list.last - error_n[place]);
    if (SOURCE == BUFFERED) {
        scored_n[place] += total;
        count_n[place] = 0;
        overflowed_n[place] = overflowed;
    }
}
