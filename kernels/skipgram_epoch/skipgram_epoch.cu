// skipgram_epoch.cu: one round of skip-gram with negative sampling: the batches of every bucket, one after another.
//
//   inputs, outputs  (N)            int32    pairs, bucket by bucket
//   bounds_rb        (B, B, 2)      int64    pairs of bucket b of round r
//   words_v, aliases_v  (V)         int32    noise of each output block, as alias tables:
//   starts_b         (B + 1)        int64    where a block begins in them
//   limits_v         (V)            uint64   a place is taken if the lower half of a number is below, else its alias
//   weights_b        (B)            float32  of a step against a negative
//   vectors_svw      (2, V, width)  float32  input and output vectors, in place. width: 16, 32, 48, …
//   losses_rb        (B, B)         float64  out: loss of each bucket
//
// Plan      A thread block takes a bucket; a thread keeps its columns, two of them where width <= 320, of a batch's P
//           inputs, P outputs and up to 12 negatives in registers. Products: warps add those of some inputs at once, so
//           that 24 sums end in 24 lanes; shared memory adds the warps' and holds the steps. Moves: each thread adds
//           all moves of a word in its own columns, in the order of the pairs, and writes the word once. Only its own
//           thread ever touches a coordinate: batches are ordered by the barriers that order their words.
// Bound by  moving rows, 4·width·(2·P + negatives) bytes a batch each way, where the device is full: all buckets of a
//           round are more than L2 holds. Else by latency: four barriers a batch. Not measured yet (kernels/README.md).
// Limits    Negatives: the products of all warps fit shared memory (cuda.py refuses more). More than 12 negatives, or
//           320 columns, are read again for the moves.
// Contract  kernels/skipgram_epoch/__init__.py. The same bits whatever the grid: every sum has one order, and buckets
//           of a round share no word.
// Repeated  An input of several pairs has a row in registers for each: its equal products are multiplied again.
// Rejected  Rows in shared memory: those of a batch leave room for seven blocks at most, and every product would
//           read both factors there. Atomic additions of the moves: no two runs alike.
#include "common.cuh"
#include "counter_numbers.cuh"
#include "fixed_sums.cuh"

constexpr int HELD = 2;  // columns of a thread

// Sizes that are compiled: PAIRS that share negatives, and negatives AT_ONCE in registers.
template <int PAIRS, int AT_ONCE> struct Sizes {
    static constexpr int BATCH = PAIRS, TILE = AT_ONCE, RUN = 4, INPUTS = BATCH / RUN;
    static constexpr int SIDE = TILE + 1;                   // products of an input: with negatives, its own output
    static constexpr int PRODUCTS = BATCH * SIDE;           // of a tile
    static constexpr int PART = BATCH < 24 / SIDE ? BATCH : 24 / SIDE;  // inputs whose products are added at once
    static constexpr int OUTPUTS = BATCH, NEGATIVES = 2 * BATCH;  // first slots: inputs, outputs, negatives
    static_assert(BATCH % PART == 0 && BATCH <= WARP && TILE <= WARP, "a warp's lanes, and bits of a group");
};

// Alias tables of a bucket's output block.
struct BlockNoise {
    const int32_t *words, *aliases;
    const uint64_t* limits;
    uint64_t size;

    __device__ __forceinline__ int32_t word_of(uint64_t number) const {
        uint64_t spread = upper_half(number) * size, place = upper_half(spread);
        return lower_half(spread) < __ldg(limits + place) ? __ldg(words + place) : __ldg(aliases + place);
    }
};

// Sizes of a launch, and arrays of a block in shared memory.
template <class S> struct Batch {
    int32_t* words_n;    // (2·BATCH + TILE·tiles): the word of each slot; -1: none
    uint32_t* merged_n;  // for the first slot of a word in its group: slots of that word; 0 for the others
    float* products_wr;  // (warps, PRODUCTS·tiles); then, in the first row, steps along the other vector
    int negatives, tiles;

    __device__ __forceinline__ int slots() const { return S::NEGATIVES + tiles * S::TILE; }
    __device__ __forceinline__ int products() const { return tiles * S::PRODUCTS; }
    __device__ __forceinline__ int32_t* tile_words(int tile) const { return words_n + S::NEGATIVES + tile * S::TILE; }
    __device__ __forceinline__ uint32_t* tile_merged(int tile) const { return merged_n + S::NEGATIVES + tile * S::TILE; }
    __device__ __forceinline__ float step(int tile, int pair, int k) const {
        return products_wr[tile * S::PRODUCTS + pair * S::SIDE + k];
    }
};

// Pairs of the batch that begins at `inputs`: up to INPUTS runs, whose inputs ascend, of up to RUN pairs.
template <class S> __device__ int pairs_of_batch(const int32_t* inputs, int64_t left) {
    int32_t input = -1;
    int pair = 0, runs = 0, size = 0;
    for (; pair < left; ++pair) {
        int32_t next = __ldg(inputs + pair);
        if (next == input && size < S::RUN) {
            ++size;
            continue;
        }
        if (runs == S::INPUTS || next <= input) break;
        input = next;
        ++runs;
        size = 1;
    }
    return pair;
}

// Words of a batch: a thread a slot.
template <class S>
__device__ void choose(const Batch<S>& batch, const int32_t* inputs, const int32_t* outputs, int present,
                       const BlockNoise& noise, uint64_t key, uint64_t counter) {
    for (int slot = threadIdx.x; slot < batch.slots(); slot += blockDim.x) {
        int pair = slot % S::BATCH, k = slot - S::NEGATIVES;
        int32_t word = -1;
        if (slot < S::NEGATIVES) {
            if (pair < present) word = __ldg((slot < S::OUTPUTS ? inputs : outputs) + pair);
        } else if (k < batch.negatives) {
            word = noise.word_of(key + (counter + k) * GOLDEN);
        }
        batch.words_n[slot] = word;
    }
}

// Finds equal words of a group; says whether a negative is some pair's output.
template <class S> __device__ bool merge(const Batch<S>& batch) {
    bool clashes = false;
    for (int slot = threadIdx.x; slot < batch.slots(); slot += blockDim.x) {
        int32_t word = batch.words_n[slot];
        bool negative = slot >= S::NEGATIVES;
        int size = negative ? S::TILE : S::BATCH, own = (negative ? slot - S::NEGATIVES : slot) % size;
        const int32_t* group = batch.words_n + (slot - own);
        uint32_t same = 0;
        for (int other = 0; other < size; ++other)
            if (group[other] == word) same |= 1u << other;
        bool first = (same & ((1u << own) - 1)) == 0;
        batch.merged_n[slot] = word >= 0 && first ? same : 0;
        if (!negative || word < 0) continue;
        for (int pair = 0; pair < S::BATCH; ++pair) clashes |= batch.words_n[S::OUTPUTS + pair] == word;
    }
    return clashes;
}

// A table of vectors, and the columns that a thread has in a pass.
struct Columns {
    float* table;
    int width, first;  // this one, and those `blockDim.x` further on

    __device__ __forceinline__ size_t place(int32_t word, int h) const {
        return static_cast<size_t>(word) * width + first + h * blockDim.x;
    }
    __device__ __forceinline__ bool has(int h) const { return first + h * static_cast<int>(blockDim.x) < width; }

    // Columns of absent words, and those behind the last, are zero.
    template <int N> __device__ __forceinline__ void load(float (&held)[N][HELD], const int32_t* words) const {
#pragma unroll
        for (int i = 0; i < N; ++i)
#pragma unroll
            for (int h = 0; h < HELD; ++h)
                held[i][h] = words[i] >= 0 && has(h) ? table[place(words[i], h)] : 0;
    }
    // Writes each word once, with the moves of all its slots.
    template <int N>
    __device__ __forceinline__ void store(const float (&held)[N][HELD], const float (&moves)[N][HELD],
                                          const int32_t* words, const uint32_t* merged) const {
#pragma unroll
        for (int i = 0; i < N; ++i) {
            uint32_t same = merged[i];
            if (same == 0) continue;
#pragma unroll
            for (int h = 0; h < HELD; ++h) {
                float move = moves[i][h];
#pragma unroll
                for (int j = i + 1; j < N; ++j)
                    if (same >> j & 1) move = __fadd_rn(move, moves[j][h]);
                if (has(h)) table[place(words[i], h)] = __fadd_rn(held[i][h], move);
            }
        }
    }
};

// Products of a tile in the columns of this warp, added to its row in shared memory, or set there.
template <class S>
__device__ __forceinline__ void multiply(const float (&v)[S::BATCH][HELD], const float (&c)[S::BATCH][HELD],
                                         const float (&n)[S::TILE][HELD], float* products_r, bool first) {
#pragma unroll
    for (int start = 0; start < S::BATCH; start += S::PART) {
        float sums[S::PART * S::SIDE] = {};
#pragma unroll
        for (int i = 0; i < S::PART; ++i) {
#pragma unroll
            for (int h = 0; h < HELD; ++h) {
#pragma unroll
                for (int k = 0; k < S::TILE; ++k)
                    sums[i * S::SIDE + k] = __fmaf_rn(v[start + i][h], n[k][h], sums[i * S::SIDE + k]);
                sums[i * S::SIDE + S::TILE] = __fmaf_rn(v[start + i][h], c[start + i][h], sums[i * S::SIDE + S::TILE]);
            }
        }
        int place;
        float sum = scattered_sum(sums, place);
        if (place == S::PART * S::SIDE) continue;
        float* product = products_r + start * S::SIDE + place;
        *product = first ? sum : __fadd_rn(*product, sum);
    }
}

// log(1 + e^x), and σ(x), from e^−|x|.
__device__ __forceinline__ float softplus(float x, float power) { return max(x, 0.0f) + log1pf(power); }
__device__ __forceinline__ float sigmoid(float x, float power) { return (x < 0 ? power : 1.0f) / (1.0f + power); }

// Adds the warps' products and replaces them by steps; returns this thread's part of the loss.
template <class S>
__device__ double to_steps(const Batch<S>& batch, int present, float rate, float weight) {
    double loss = 0;
    for (int r = threadIdx.x; r < batch.products(); r += blockDim.x) {
        int tile = r / S::PRODUCTS, pair = r % S::PRODUCTS / S::SIDE, k = r % S::SIDE;
        bool own = k == S::TILE;
        float x = 0;
        for (int warp = 0; warp < static_cast<int>(blockDim.x) / WARP; ++warp)
            x = __fadd_rn(x, batch.products_wr[warp * batch.products() + r]);
        int32_t other = own ? -1 : batch.tile_words(tile)[k];
        bool counts = own ? tile == 0 : other >= 0 && other != batch.words_n[S::OUTPUTS + pair];
        float step = 0;
        if (pair < present && counts) {
            float scale = own ? 1.0f : weight, along = own ? -x : x, power = expf(-fabsf(x));
            loss += widened(scale) * widened(softplus(along, power));
            step = (own ? rate : -rate * weight) * sigmoid(along, power);
        }
        batch.products_wr[r] = step;
    }
    return loss;
}

// Vectors of a batch in a thread's columns.
template <class S> struct Vectors {
    float v[S::BATCH][HELD], c[S::BATCH][HELD], n[S::TILE][HELD];
};

// Moves every word of the batch in the columns of a pass. `held`: the vectors are loaded already.
template <class S>
__device__ __forceinline__ void move(const Batch<S>& batch, Vectors<S>& x, const Columns& of_inputs,
                                     const Columns& of_outputs, bool held, bool clashes) {
    const int32_t* words = batch.words_n;
    float moves[S::BATCH][HELD];
    if (!held) {
        of_inputs.load(x.v, words);
        of_outputs.load(x.c, words + S::OUTPUTS);
    }
#pragma unroll
    for (int i = 0; i < S::BATCH; ++i)
#pragma unroll
        for (int h = 0; h < HELD; ++h) moves[i][h] = __fmul_rn(batch.step(0, i, S::TILE), x.c[i][h]);
    for (int tile = 0; tile < batch.tiles; ++tile) {
        if (!held) of_outputs.load(x.n, batch.tile_words(tile));
#pragma unroll
        for (int i = 0; i < S::BATCH; ++i)
#pragma unroll
            for (int k = 0; k < S::TILE; ++k)
#pragma unroll
                for (int h = 0; h < HELD; ++h)
                    moves[i][h] = __fmaf_rn(batch.step(tile, i, k), x.n[k][h], moves[i][h]);
    }
    of_inputs.store(x.v, moves, words, batch.merged_n);

#pragma unroll
    for (int i = 0; i < S::BATCH; ++i)
#pragma unroll
        for (int h = 0; h < HELD; ++h) moves[i][h] = __fmul_rn(batch.step(0, i, S::TILE), x.v[i][h]);
    of_outputs.store(x.c, moves, words + S::OUTPUTS, batch.merged_n + S::OUTPUTS);

    for (int tile = 0; tile < batch.tiles; ++tile) {
        if (!held || clashes) of_outputs.load(x.n, batch.tile_words(tile));  // with the moves until here
        float against[S::TILE][HELD] = {};
#pragma unroll
        for (int i = 0; i < S::BATCH; ++i)
#pragma unroll
            for (int k = 0; k < S::TILE; ++k)
#pragma unroll
                for (int h = 0; h < HELD; ++h)
                    against[k][h] = __fmaf_rn(batch.step(tile, i, k), x.v[i][h], against[k][h]);
        of_outputs.store(x.n, against, batch.tile_words(tile), batch.tile_merged(tile));
    }
}

// Shared memory: products (warps, PRODUCTS·tiles), words, merged slots.
template <int PAIRS, int AT_ONCE>
__global__ void __launch_bounds__(160, 2)
    visit_round(const int32_t* inputs, const int32_t* outputs, const int64_t* bounds_rb, const int32_t* words_v,
                const int64_t* starts_b, const uint64_t* limits_v, const int32_t* aliases_v, const float* weights_b,
                float* vectors_svw, double* losses_rb, uint64_t words, uint64_t key, int width, int round,
                int negatives, float rate) {
    using S = Sizes<PAIRS, AT_ONCE>;
    int blocks = gridDim.x, block = blockIdx.x, output_block = (block + round) % blocks;
    int tiles = max(1, (negatives + S::TILE - 1) / S::TILE), warps = blockDim.x / WARP, warp = threadIdx.x / WARP;
    float* products_wr = dynamic_shared<float>();
    int32_t* words_n = reinterpret_cast<int32_t*>(products_wr + warps * tiles * S::PRODUCTS);
    Batch<S> batch = {words_n, reinterpret_cast<uint32_t*>(words_n + S::NEGATIVES + tiles * S::TILE), products_wr, negatives,
                   tiles};
    int64_t start_b = starts_b[output_block];
    BlockNoise noise = {words_v + start_b, aliases_v + start_b, limits_v + start_b,
                        static_cast<uint64_t>(starts_b[output_block + 1] - start_b)};
    size_t bucket = static_cast<size_t>(round) * blocks + block;
    uint64_t own_key = number_of(key, bucket), counter = 0;
    int pass = HELD * blockDim.x;
    bool held = width <= pass && tiles == 1;
    double loss = 0;

    for (int64_t first = bounds_rb[2 * bucket], last = bounds_rb[2 * bucket + 1]; first < last;) {
        int present = pairs_of_batch<S>(inputs + first, last - first);
        choose(batch, inputs + first, outputs + first, present, noise, own_key, counter);
        counter += negatives;
        __syncthreads();
        bool clashes = merge(batch);
        Vectors<S> x;
        for (int start = threadIdx.x; start - static_cast<int>(threadIdx.x) < width; start += pass) {
            Columns of_inputs = {vectors_svw, width, start}, of_outputs = {vectors_svw + words * width, width, start};
            of_inputs.load(x.v, batch.words_n);
            of_outputs.load(x.c, batch.words_n + S::OUTPUTS);
            for (int tile = 0; tile < tiles; ++tile) {
                of_outputs.load(x.n, batch.tile_words(tile));
                float* products_r = products_wr + (warp * tiles + tile) * S::PRODUCTS;
                multiply<S>(x.v, x.c, x.n, products_r, start == static_cast<int>(threadIdx.x));
            }
        }
        clashes = __syncthreads_or(clashes);
        loss += to_steps(batch, present, rate, weights_b[output_block]);
        __syncthreads();
        for (int start = threadIdx.x; start < width; start += pass) {
            Columns of_inputs = {vectors_svw, width, start}, of_outputs = {vectors_svw + words * width, width, start};
            move(batch, x, of_inputs, of_outputs, held, clashes);
        }
        first += present;
        __syncthreads();  // before words and products of the next batch
    }
    loss = block_sum(loss);
    if (threadIdx.x == 0) losses_rb[bucket] = loss;
}
