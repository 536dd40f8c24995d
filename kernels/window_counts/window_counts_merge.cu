// window_counts_merge.cu: merge of equal entries of the COO buffer; cells to rows, with their mirror images.
//
//   keys_n    (n)      uint64  a cell, row * V + column; sorted but for `unfold` and `row_sizes`
//   sums_n    (n)      uint64  a part of its sum
//   begun_b   (B)      uint64  number of first entries of a cell in a block's share
//   word_r    (V)      int32   the word of each rank: cells are counted in ranks, rows are those of words
//   sizes_v   (V)      uint64  cells of each row
//
// Plan      heads, add_equal: a thread whose entry is the first of its cell adds those behind it. row_sizes,
//           unfold: each cell is written to its row, and where `mirrored` its image to its column's, a diagonal cell
//           counting double; those of some rows at a time are appended in any order, then sorted by their new numbers.
// Bound by  memory: 16 bytes in and out an entry. Not measured yet (kernels/README.md).
// Contract  Integers: a sum has the same bits in any order of its parts. kernels/window_counts/__init__.py.
// Rejected  Adding by atomics: the sums would have to be cleared first, and an entry would pass memory twice. A cell
//           of many blocks, as of the two most frequent words, is slow to add for one thread, but it has an entry a
//           block of 2^17 pairs, so no more than one in 2^17 pairs.
#include "common.cuh"
#include "collectives.cuh"

__device__ __forceinline__ bool begins(const uint64_t* keys_n, uint64_t i) {
    return i == 0 || keys_n[i - 1] != keys_n[i];
}

// Grid: B blocks, each a share.
__global__ void __launch_bounds__(256) heads(const uint64_t* keys_n, uint64_t* begun_b, uint64_t n, uint64_t share) {
    uint64_t first = blockIdx.x * share, last = min(first + share, n), found = 0, total;
    for (uint64_t i = first + threadIdx.x; i < last; i += blockDim.x) found += begins(keys_n, i);
    exclusive_sum(found, total);
    if (threadIdx.x == 0) begun_b[blockIdx.x] = total;
}

// `filled` becomes the number of cells.
__global__ void __launch_bounds__(256)
    add_equal(const uint64_t* keys_n, const uint64_t* sums_n, uint64_t* keys_m, uint64_t* sums_m,
              const uint64_t* begun_b, uint64_t* filled, uint64_t n, uint64_t share) {
    uint64_t first = blockIdx.x * share, last = min(first + share, n), begun = 0, next, total;
    for (unsigned block = threadIdx.x; block < blockIdx.x; block += blockDim.x) begun += begun_b[block];
    exclusive_sum(begun, next);
    for (uint64_t start = first; start < last; start += blockDim.x) {
        uint64_t i = start + threadIdx.x;
        bool head = i < last && begins(keys_n, i);
        uint64_t place = next + exclusive_sum(head, total);
        next += total;
        if (!head) continue;
        uint64_t sum = sums_n[i];
        for (uint64_t j = i + 1; j < n && keys_n[j] == keys_n[i]; ++j) sum += sums_n[j];
        keys_m[place] = keys_n[i];
        sums_m[place] = sum;
    }
    if (blockIdx.x == gridDim.x - 1 && threadIdx.x == 0) *filled = next;
}

__global__ void row_sizes(const uint64_t* keys_n, const int32_t* word_r, uint64_t* sizes_v, uint64_t n, uint64_t words,
                          int mirrored) {
    uint64_t i = static_cast<uint64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
    if (i >= n) return;
    uint64_t row = keys_n[i] / words, column = keys_n[i] % words;
    atomicAdd(sizes_v + word_r[row], 1ull);
    if (mirrored && row != column) atomicAdd(sizes_v + word_r[column], 1ull);
}

// Appends the cells of rows `first` to `last` - 1, numbered from the first of them on.
__global__ void unfold(const uint64_t* keys_n, const uint64_t* sums_n, const int32_t* word_r, uint64_t* keys_m,
                       uint64_t* sums_m, uint64_t* filled, uint64_t n, uint64_t words, uint64_t first, uint64_t last,
                       int mirrored) {
    uint64_t i = static_cast<uint64_t>(blockIdx.x) * blockDim.x + threadIdx.x, row = last, column = last, sum = 0;
    bool inside = i < n, twice = false;
    if (inside) {
        row = word_r[keys_n[i] / words];
        column = word_r[keys_n[i] % words];
        twice = mirrored && row == column;
        sum = sums_n[i] << twice;
    }
    AppendBuffer out = {keys_m, sums_m, filled};
    out.append(inside && row >= first && row < last, (row - first) * words + column, sum);
    bool image = inside && mirrored && !twice && column >= first && column < last;
    out.append(image, (column - first) * words + row, sum);
}
