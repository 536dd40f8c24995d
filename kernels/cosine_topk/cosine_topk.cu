// cosine_topk.cu: lengths, rows in float16 with what rounding took from them, and lists in the defined order.
//
//   rows_vd      (V, d)       float32 or float64, whoever asks (Q, d) or is asked (V, d)
//   length_v     (V)          float64  sqrt(kappa); 0: the row has no cosine
//   number_n     (n)          int32    the rows with a length, in a random order: position -> row
//   half_np      (n, padded)  float16  unit rows in that order, zeros beyond d
//   residual_n   (n)          float64  length of (unit row - its half)
//   waiting_nw   (n, room)    int32    positions whose score may be among the k best; count_n says how many
//   ids_qk, scores_qk (Q, k)  the lists: score descending, then row ascending
//   need_n       (n)          float32  what a float16 score must reach: (k-th score) - error_n, -inf without one
//   place_t      (t)          int32    GATHERED: whose turn it is, position; asked_qd then holds its rows in that order
//   slot_v       (V)          int32    GATHERED: where rows_vd, of which only some rows are here, holds a row
//
// Plan      measure, halve; then in turns the filter (cosine_topk_filter.cu) lets pairs wait and `settle` scores them:
//           a warp a list, half a warp a score, so that 16 lanes hold the 16 partial sums of the definition.
// Proof     |float16 score - defined score| <= error_n (bounds: halves.py). At any time a candidate of a list is
//           1 not met yet, or 2 waiting, or 3 scored, and then in the list or behind k others, or
//           4 dropped with (float16 score) < need, so its defined score was below the k-th one, which only grows, or
//           5 lost, because its row's room was full: then the row is marked, and `settle<T, EVERY>` scores all.
//           At the end 1 and 2 are empty. A list is the first k in a total order, so neither the order in which
//           candidates wait nor one that is offered twice changes it.
// Gathered  Rows of a host's table are not all here: a launch settles the lists of a tile, and the host has brought
//           what these need (settling.py). Row numbers stay those of the table, so the lists come out the same.
// Bound by  reading the rows that are scored, d*sizeof(T) each. Not measured yet (kernels/README.md).
// Contract  kernels/cosine_topk/__init__.py, exactly.
// Rejected  Sorting what waits by its float16 score first would spare some exact scores, for 4 bytes more a candidate
//           and a sort. A list in registers would bound k.
#include "exact_score.cuh"

constexpr int WAITING = 0, LIKELY = 1, EVERY = 2;  // where candidates come from

__device__ float infinity() { return __int_as_float(0x7f800000); }

template <class T> __global__ void measure(const T* rows_vd, double* length_v, uint64_t words, int d) {
    size_t row = (static_cast<size_t>(blockIdx.x) * blockDim.x + threadIdx.x) / LANES;
    const T* mine = rows_vd + (row < words ? row : 0) * d;
    double squared = half_warp_dot(mine, mine, d);
    if (row < words && threadIdx.x % LANES == 0) length_v[row] = sqrt(squared);
}

template <class T>
__global__ void halve(const T* rows_vd, const double* length_v, const int32_t* number_n, uint16_t* half_np,
                      double* residual_n, uint64_t count, int d, int padded) {
    size_t place = (static_cast<size_t>(blockIdx.x) * blockDim.x + threadIdx.x) / WARP;
    if (place >= count) return;
    size_t row = number_n[place];
    double inverse = 1.0 / length_v[row], squared = 0.0;
    for (int c = threadIdx.x % WARP; c < padded; c += WARP) {
        double unit = c < d ? widened(__ldg(rows_vd + row * d + c)) * inverse : 0.0;
        uint16_t bits = half_bits(narrowed(unit));
        double lost = unit - widened(half_value(bits));
        squared += lost * lost;
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
    __device__ void offer(double score, int32_t number) {
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
        make_room(place, min(found, k - 1));
        if (lane == 0) {
            scores[place] = score;
            ids[place] = number;
        }
        __syncwarp();
        found = min(found + 1, k);
        if (found == k) last = scores[k - 1];
    }

    // Moves the entries of places from ... to - 1 one place on, the last first; all lanes have met at least once.
    __device__ void make_room(int from, int to) {
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

// Offers the candidates of every row that asks: what waits, what is likely, or (to rows marked as lost) every row,
// GATHERED: every row of a block, whose first one is row `first`.
template <class T, int SOURCE, bool GATHERED>
__global__ void __launch_bounds__(128, 8)
    settle(const T* asked_qd, const T* rows_vd, const double* asked_length_q, const double* length_v,
           const int32_t* asked_number_n, const int32_t* number_m, const int32_t* itself_q, const double* error_n,
           const int32_t* candidate, int32_t* count_n, int32_t* ids_qk, double* scores_qk, int32_t* found_n,
           int32_t* scored_n, int32_t* lost_n, float* need_n, const int32_t* place_t, const int32_t* slot_v,
           uint64_t turns, int d, int k, int width, int first) {
    size_t turn = (static_cast<size_t>(blockIdx.x) * blockDim.x + threadIdx.x) / WARP;
    if (turn >= turns) return;
    size_t place = GATHERED ? place_t[turn] : turn;
    int lane = threadIdx.x % WARP;
    if (SOURCE == EVERY && !lost_n[place]) return;
    int offered = SOURCE == WAITING ? count_n[place] : width;  // width: room, likely rows, or all rows
    if (offered == 0) return;
    bool lost = lost_n[place] || offered > width;
    size_t query = asked_number_n[place];
    const T* asking = asked_qd + (GATHERED ? turn : query) * d;
    double length = asked_length_q[query];
    int32_t itself = itself_q[query];
    List list(ids_qk + query * k, scores_qk + query * k, k, found_n[place]);
    int total = min(offered, width);
    for (int start = 0; start < total; start += WARP) {
        int32_t mine = -1;  // this lane's candidate
        if (start + lane < total) {
            if (SOURCE == WAITING) mine = number_m[candidate[place * width + start + lane]];
            if (SOURCE == LIKELY) mine = candidate[query * width + start + lane];
            if (SOURCE == EVERY) mine = first + start + lane;
            if (mine == itself) mine = -1;
        }
        for (int pair = 0; pair < min(WARP, total - start); pair += 2) {  // each half of the warp scores one of two
            int32_t number = __shfl_sync(EVERY_LANE, mine, pair + lane / LANES);
            size_t row = max(number, 0), slot = row;
            if (GATHERED) slot = SOURCE == EVERY ? max(number - first, 0) : slot_v[row];
            double dot = half_warp_dot(asking, rows_vd + slot * d, d);
            double score = dot / (length * length_v[row]);  // NaN, which reaches nothing, for a row without length
            uint32_t wanted = __ballot_sync(EVERY_LANE, number >= 0 && score >= list.last);
            for (int half = 0; half < WARP; half += LANES) {
                if (!(wanted >> half & 1)) continue;
                double its = __shfl_sync(EVERY_LANE, score, half);
                list.offer(its, __shfl_sync(EVERY_LANE, number, half));
            }
        }
    }
    __syncwarp();
    if (lane > 0) return;
    found_n[place] = list.found;
    need_n[place] = lost ? infinity() : narrowed(list.last - error_n[place]);
    if (SOURCE == WAITING) {
        scored_n[place] += total;
        count_n[place] = 0;
        lost_n[place] = lost;
    }
}
