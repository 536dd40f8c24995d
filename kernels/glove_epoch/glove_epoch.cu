// glove_epoch.cu: one round of GloVe's AdaGrad: every block of the round, its nonzeros one after another.
//
//   rows_n, columns_n  (N)            int32    words of each nonzero
//   logs_n, weights_n  (N)            float32  log X and f(X)
//   bounds_rb          (R, B, 2)      int64    nonzeros of block b of round r
//   vectors_svw        (2, V, width)  float32  words, contexts; in place, like the three below. width: 16, 32, 48, …
//   biases_sv          (2, V)         float32
//   squares_svw, bias_squares_sv      float32  AdaGrad's sums of squares
//   losses_rb          (R, B)         float64  out: loss of each block
//
// Plan      A warp takes a block; a lane keeps 4 adjacent columns of every 128, of both vectors and of their sums, in
//           registers from the dot product to the step. Only its own lane ever touches a coordinate, and lane 0 the
//           biases, so steps are ordered without a barrier. The 32 nonzeros to come are read by 32 lanes at once.
// Bound by  moving rows, 32·width bytes a nonzero: the rows of all blocks of a round are more than L2 holds. Few
//           blocks: by latency, a load of rows and five shuffles a nonzero. Not measured yet (kernels/README.md).
// Limits    V and width by memory alone. Vectors of more than 512 columns are read twice a nonzero.
// Contract  kernels/glove_epoch/__init__.py. The same bits whatever the grid: a block's steps are in the order of its
//           nonzeros, sums of a warp in one fixed tree; the blocks of a round share no row.
// Rejected  Atomic additions to shared rows (HogWild): no two runs alike. A thread block a block of nonzeros: two
//           barriers a nonzero for fewer columns a lane.
#include "common.cuh"
#include "fixed_sums.cuh"

constexpr int TEAMS = 4;      // warps of a thread block, each on its own
constexpr int COLUMNS = 4;    // adjacent ones, of a lane
constexpr int GROUP = WARP * COLUMNS;

// The state of training, in which a row is `width` numbers.
struct State {
    float *vectors_svw, *biases_sv, *squares_svw, *bias_squares_sv;
    size_t words;
    int width;
};

struct Nonzero {
    size_t row, column;  // of the vectors' and biases' 2·V: a context is V further
    float log, weight;
};

// A lane's columns of a word, its context and their sums, HELD groups of 128 at a time.
template <int HELD> struct Columns {
    float4 word[HELD], context[HELD], word_sums[HELD], context_sums[HELD];

    __device__ __forceinline__ void load(const State& state, const Nonzero& nonzero, int first) {
#pragma unroll
        for (int g = 0; g < HELD; ++g) {
            int column = first + g * GROUP;
            if (column >= state.width) continue;
            size_t at_word = nonzero.row * state.width + column, at_context = nonzero.column * state.width + column;
            word[g] = *reinterpret_cast<const float4*>(state.vectors_svw + at_word);
            context[g] = *reinterpret_cast<const float4*>(state.vectors_svw + at_context);
            word_sums[g] = *reinterpret_cast<const float4*>(state.squares_svw + at_word);
            context_sums[g] = *reinterpret_cast<const float4*>(state.squares_svw + at_context);
        }
    }
    __device__ __forceinline__ void store(const State& state, const Nonzero& nonzero, int first) const {
#pragma unroll
        for (int g = 0; g < HELD; ++g) {
            int column = first + g * GROUP;
            if (column >= state.width) continue;
            size_t at_word = nonzero.row * state.width + column, at_context = nonzero.column * state.width + column;
            *reinterpret_cast<float4*>(state.vectors_svw + at_word) = word[g];
            *reinterpret_cast<float4*>(state.vectors_svw + at_context) = context[g];
            *reinterpret_cast<float4*>(state.squares_svw + at_word) = word_sums[g];
            *reinterpret_cast<float4*>(state.squares_svw + at_context) = context_sums[g];
        }
    }
    __device__ __forceinline__ float dot(const State& state, int first, float sum) const {
#pragma unroll
        for (int g = 0; g < HELD; ++g) {
            if (first + g * GROUP >= state.width) continue;
            sum = __fmaf_rn(word[g].x, context[g].x, sum);
            sum = __fmaf_rn(word[g].y, context[g].y, sum);
            sum = __fmaf_rn(word[g].z, context[g].z, sum);
            sum = __fmaf_rn(word[g].w, context[g].w, sum);
        }
        return sum;
    }
    __device__ __forceinline__ void step(const State& state, int first, float size);
};

// θ −= a/√G, then G += a².
__device__ __forceinline__ void descend(float& value, float& squares, float move) {
    value = __fmaf_rn(-move, rsqrtf(squares), value);
    squares = __fmaf_rn(move, move, squares);
}

__device__ __forceinline__ void descend(float& word, float& context, float& word_sum, float& context_sum, float size) {
    float of_word = __fmul_rn(size, context), of_context = __fmul_rn(size, word);
    descend(word, word_sum, of_word);
    descend(context, context_sum, of_context);
}

template <int HELD>
__device__ __forceinline__ void Columns<HELD>::step(const State& state, int first, float size) {
#pragma unroll
    for (int g = 0; g < HELD; ++g) {
        if (first + g * GROUP >= state.width) continue;
        descend(word[g].x, context[g].x, word_sums[g].x, context_sums[g].x, size);
        descend(word[g].y, context[g].y, word_sums[g].y, context_sums[g].y, size);
        descend(word[g].z, context[g].z, word_sums[g].z, context_sums[g].z, size);
        descend(word[g].w, context[g].w, word_sums[g].w, context_sums[g].w, size);
    }
}

// Steps along one nonzero; returns its loss.
template <int HELD> __device__ __forceinline__ double visit(const State& state, const Nonzero& nonzero, float rate) {
    int lane = threadIdx.x % WARP, own = lane * COLUMNS;
    Columns<HELD> columns;
    float sum = 0;
    if (lane == 0) sum = state.biases_sv[nonzero.row] + state.biases_sv[nonzero.column] - nonzero.log;
    for (int start = 0; start < state.width; start += HELD * GROUP) {
        columns.load(state, nonzero, start + own);
        sum = columns.dot(state, start + own, sum);
    }
    float error = warp_sum(sum), weighted = __fmul_rn(nonzero.weight, error), size = __fmul_rn(rate, weighted);
    for (int start = 0; start < state.width; start += HELD * GROUP) {
        if (state.width > HELD * GROUP) columns.load(state, nonzero, start + own);
        columns.step(state, start + own, size);
        columns.store(state, nonzero, start + own);
    }
    if (lane == 0) {
        descend(state.biases_sv[nonzero.row], state.bias_squares_sv[nonzero.row], size);
        descend(state.biases_sv[nonzero.column], state.bias_squares_sv[nonzero.column], size);
    }
    return widened(weighted) * widened(error);
}

template <int HELD>
__global__ void __launch_bounds__(TEAMS * WARP)
    visit_round(const int32_t* rows_n, const int32_t* columns_n, const float* logs_n, const float* weights_n,
                const int64_t* bounds_rb, float* vectors_svw, float* biases_sv, float* squares_svw,
                float* bias_squares_sv, double* losses_rb, uint64_t words, int width, int blocks, int round,
                float rate) {
    int block = blockIdx.x * TEAMS + threadIdx.x / WARP, lane = threadIdx.x % WARP;
    if (block >= blocks) return;
    State state = {vectors_svw, biases_sv, squares_svw, bias_squares_sv, words, width};
    size_t place = static_cast<size_t>(round) * blocks + block;
    int64_t last = bounds_rb[2 * place + 1];
    double loss = 0;
    for (int64_t start = bounds_rb[2 * place]; start < last; start += WARP) {
        int count = min(last - start, static_cast<int64_t>(WARP));
        int64_t own = start + min(lane, count - 1);
        int32_t row = __ldg(rows_n + own), column = __ldg(columns_n + own);
        float log = __ldg(logs_n + own), weight = __ldg(weights_n + own);
        for (int i = 0; i < count; ++i) {
            Nonzero nonzero = {static_cast<size_t>(__shfl_sync(EVERY_LANE, row, i)),
                               state.words + __shfl_sync(EVERY_LANE, column, i), __shfl_sync(EVERY_LANE, log, i),
                               __shfl_sync(EVERY_LANE, weight, i)};
            loss += visit<HELD>(state, nonzero, rate);
        }
    }
    if (lane == 0) losses_rb[place] = loss;
}
