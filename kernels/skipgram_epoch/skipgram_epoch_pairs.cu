// skipgram_epoch_pairs.cu: pairs of a piece of the text, in its order, each with the number of its bucket.
//
//   ids_t              (T)      int32   the text
//   starts_d           (D + 1)  int64   first token of each document
//   keep_v             (V)      uint64  a token is kept if the upper half of its number is below
//   blocks_v           (2, V)   int32   block of each word as input and as output
//   lefts_n, rights_n  (n)      int32   pairs of each token of the piece with inputs on its left, on its right
//   ends_n             (n)      int64   pairs up to each token
//   inputs, outputs    (N)      int32   out: the pairs
//   buckets            (N)      int32   out: input block * B + output block
//
// Plan      A thread takes a token as output. It walks to the left, then to the right, until it has met as many kept
//           tokens as its window holds: once to count them, once to write them where the counts before them end. The
//           launcher sorts the pairs by bucket; the sort is stable, so a bucket keeps the order of the text.
// Bound by  numbers of the tokens on the way, some twenty instructions each, and gathering their words' limits.
//           Not measured yet (kernels/README.md).
// Limits    N by memory alone.
// Contract  kernels/skipgram_epoch/__init__.py, exactly: integers.
// Rejected  Compacting the kept tokens first: a window may reach any distance beyond the piece, and a second order of
//           positions would have to be kept. Counters a bucket and part of the text: B² for each part.
#include "common.cuh"
#include "counter_numbers.cuh"

struct Text {
    const int32_t* ids_t;
    const int64_t* starts_d;
    const uint64_t* keep_v;
    uint64_t documents, key;
    uint32_t window;

    __device__ __forceinline__ bool keeps(int64_t place, uint64_t number) const {
        return upper_half(number) < __ldg(keep_v + __ldg(ids_t + place));
    }
    // Tokens of the window to either side, measured in kept ones; 0 for a token that is dropped.
    __device__ __forceinline__ int32_t reach(int64_t place) const {
        uint64_t number = number_of(key, place);
        return keeps(place, number) ? 1 + static_cast<int32_t>(lower_half(number) * window >> 32) : 0;
    }
    // The document of a token is the last that does not begin behind it: empty ones begin where the next does.
    __device__ __forceinline__ uint64_t document_of(int64_t place) const {
        uint64_t low = 0, high = documents;
        while (high - low > 1) {
            uint64_t middle = (low + high) / 2;
            (__ldg(starts_d + middle) <= place ? low : high) = middle;
        }
        return low;
    }
    // Calls `met(i, word)` for the kept tokens from `place` on, `most` of them or until `end`, in steps of `step`.
    template <class Met>
    __device__ __forceinline__ int32_t walk(int64_t place, int64_t end, int step, int32_t most, Met met) const {
        int32_t found = 0;
        for (int64_t other = place + step; other != end && found < most; other += step)
            if (keeps(other, number_of(key, other))) met(found++, __ldg(ids_t + other));
        return found;
    }
};

__global__ void count_pairs(const int32_t* ids_t, const int64_t* starts_d, const uint64_t* keep_v, int32_t* lefts_n,
                            int32_t* rights_n, int64_t first, int64_t tokens, uint64_t documents, uint64_t key,
                            uint32_t window) {
    int64_t token = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
    if (token >= tokens) return;
    Text text = {ids_t, starts_d, keep_v, documents, key, window};
    int64_t place = first + token;
    int32_t reach = text.reach(place), left = 0, right = 0;
    if (reach > 0) {
        uint64_t document = text.document_of(place);
        auto nothing = [](int32_t, int32_t) {};
        left = text.walk(place, __ldg(starts_d + document) - 1, -1, reach, nothing);
        right = text.walk(place, __ldg(starts_d + document + 1), 1, reach, nothing);
    }
    lefts_n[token] = left;
    rights_n[token] = right;
}

__global__ void fill_pairs(const int32_t* ids_t, const int64_t* starts_d, const uint64_t* keep_v,
                           const int32_t* blocks_v, const int32_t* lefts_n, const int32_t* rights_n,
                           const int64_t* ends_n, int32_t* inputs, int32_t* outputs, int32_t* buckets, int64_t first,
                           int64_t tokens, uint64_t documents, uint64_t words, uint64_t key, uint32_t window,
                           int block_count) {
    int64_t token = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
    if (token >= tokens) return;
    int32_t left = lefts_n[token], right = rights_n[token];
    if (left + right == 0) return;
    Text text = {ids_t, starts_d, keep_v, documents, key, window};
    int64_t place = first + token, middle = ends_n[token] - right;
    int32_t output = __ldg(ids_t + place), column = __ldg(blocks_v + words + output);
    auto write = [&](int64_t at, int32_t input) {
        inputs[at] = input;
        outputs[at] = output;
        buckets[at] = __ldg(blocks_v + input) * block_count + column;
    };
    text.walk(place, -1, -1, left, [&](int32_t i, int32_t word) { write(middle - 1 - i, word); });
    text.walk(place, -1, 1, right, [&](int32_t i, int32_t word) { write(middle + i, word); });
}
