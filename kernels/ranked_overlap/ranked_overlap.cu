// ranked_overlap.cu: agreement of two runs on a word's neighbors and their order.
//
//   ids_svk       (S, V, k)     int32    -1 padded anywhere, no word twice in a list
//   weights_3d    (3, k + 1)    float64  1/d, p^d/d, H_d
//   measures_3pv  (3, P, V)     float64  rank-biased, average overlap, rank similarity; pairs as itertools.combinations
//   distinct_v    (V)           int32    words in any run's list
//
// Plan      A block takes `tile` adjacent words. A thread copies a run's list to shared memory without its padding and
//           enters the ranks into a hash table of the list's own, at most half full. A thread then takes a pair of
//           runs of a word: down both lists at once, the rank of each id is looked up in the other list's table; all
//           three measures come from this pass, and are written for adjacent words by adjacent threads. Runs that do
//           not fit the shared memory at once are compared group by group.
// Bound by  instructions of the lookups, 2·P·k a word of about a dozen each, where lists are short; the floor is
//           writing P·24 bytes and reading S·k·4 a word. Long lists leave few threads a block (one a pair and
//           word that fit): then by the latency of shared memory. Not measured yet (kernels/README.md).
// Limits    k <= 256 and S <= 100: two runs' lists with their tables fit the shared memory planned by cuda.py.
// Contract  kernels/ranked_overlap/__init__.py; beyond it the sums have the order of cpu.py, so the bits are the same.
// Rejected  Numbering a word's ids for all runs (neighbor_overlap.cu): ranks of all numbers in all runs are
//           S·k·S cells, which fit for short lists only. Taking ids in parts: a pass needs all of them in order.
#include "common.cuh"

constexpr uint16_t NO_RANK = 0;

// Sizes planned by the launcher.
struct Shape {
    int runs, k, places, tile, group;  // places: of a list's table, a power of two; tile: words; group: runs at once
    size_t words;

    __device__ int sides() const { return group < runs ? 2 : 1; }
    __device__ int lists() const { return sides() * group * tile; }
    __device__ int seen_cells() const { return (k + 31) / 32; }  // 32-bit words of a list's bit set
    __device__ size_t pairs() const { return static_cast<size_t>(runs) * (runs - 1) / 2; }
    __device__ size_t pair(int a, int b) const {
        return static_cast<size_t>(a) * (2 * runs - a - 1) / 2 + b - a - 1;
    }
};

// A word's list of one run, in shared memory.
struct List {
    const int32_t* ids;
    const uint16_t* ranks;
    int length;
};

// The block's shared memory: ids, lengths, ids already seen, distinct ids, tables.
struct Store {
    Shape shape;
    int32_t* ids;        // (lists, k)
    int32_t* lengths;    // (lists)
    uint32_t* seen;      // (runs, tile, seen_cells)
    int32_t* distinct;   // (tile)
    uint16_t* ranks;     // (lists, places)

    __device__ explicit Store(const Shape& shape) : shape(shape) {
        ids = dynamic_shared<int32_t>();
        lengths = ids + shape.lists() * shape.k;
        seen = reinterpret_cast<uint32_t*>(lengths + shape.lists());
        distinct = reinterpret_cast<int32_t*>(seen + shape.runs * shape.tile * shape.seen_cells());
        ranks = reinterpret_cast<uint16_t*>(distinct + shape.tile);
    }
    // Adjacent words of a run are adjacent lists.
    __device__ int number(int side, int run, int word) const {
        return (side * shape.group + run) * shape.tile + word;
    }
    __device__ List list(int number) const {
        return {ids + number * shape.k, ranks + number * shape.places, lengths[number]};
    }
};

__device__ __forceinline__ int place_of(int32_t id, int places) {
    return static_cast<uint64_t>(static_cast<uint32_t>(id) * 2654435761u) * places >> 32;
}

// Copies one list without its padding and fills its table.
__device__ void enter(const Store& store, const int32_t* ids_k, int number) {
    int32_t* ids = store.ids + number * store.shape.k;
    uint16_t* ranks = store.ranks + number * store.shape.places;
    int length = 0;
    for (int i = 0; i < store.shape.k; ++i) {
        int32_t id = __ldg(ids_k + i);
        if (id < 0) continue;
        int place = place_of(id, store.shape.places);
        while (ranks[place] != NO_RANK) place = (place + 1) & (store.shape.places - 1);
        ids[length++] = id;
        ranks[place] = length;
    }
    store.lengths[number] = length;
}

// Reads the lists of a group of runs; called by all threads of the block.
__device__ void read(const Store& store, const int32_t* ids_svk, size_t first_word, int first_run, int side) {
    const Shape& shape = store.shape;
    uint16_t* tables = store.ranks + store.number(side, 0, 0) * shape.places;
    for (int i = threadIdx.x; i < shape.group * shape.tile * shape.places; i += blockDim.x) tables[i] = NO_RANK;
    __syncthreads();
    for (int i = threadIdx.x; i < shape.group * shape.tile; i += blockDim.x) {
        int run = first_run + i / shape.tile;
        size_t word = first_word + i % shape.tile;
        if (run < shape.runs && word < shape.words)
            enter(store, ids_svk + (run * shape.words + word) * shape.k, store.number(side, 0, 0) + i);
    }
    __syncthreads();
}

// The rank of an id, from 1; 0 where the list lacks it.
__device__ __forceinline__ int rank_of(const List& list, int32_t id, int places) {
    int place = place_of(id, places);
    for (int rank; (rank = list.ranks[place]) != NO_RANK; place = (place + 1) & (places - 1))
        if (list.ids[rank - 1] == id) return rank;
    return NO_RANK;
}

// 2 / ((1 + |r - q|) (r + q)), rank similarity's weight.
__device__ __forceinline__ double nearness(int r, int q) {
    return __ddiv_rn(2.0, static_cast<double>((1 + abs(r - q)) * (r + q)));
}

struct Measures {
    double biased, average, near;
};

// Goes down two lists at once; `seen` collects the ids of the second that are in the first.
__device__ Measures compare(const Shape& shape, const List& a, const List& b, const double* weights_3d, double rest,
                            uint32_t* seen) {
    const double *each = weights_3d, *biased_d = each + shape.k + 1, *harmonic = biased_d + shape.k + 1;
    double none = __longlong_as_double(0x7ff8000000000000);
    if (a.length == 0 || b.length == 0) return {none, none, none};
    int depth = max(a.length, b.length), shared = 0;
    Measures sums = {};
    for (int d = 1; d <= depth; ++d) {
        int ahead = d <= a.length ? rank_of(b, a.ids[d - 1], shape.places) : NO_RANK;
        int behind = d <= b.length ? rank_of(a, b.ids[d - 1], shape.places) : NO_RANK;
        if (behind != NO_RANK) atomicOr(seen + (d - 1) / 32, 1u << (d - 1) % 32);
        bool first = ahead != NO_RANK && ahead <= d, second = behind != NO_RANK && behind < d;
        shared += first + second;
        if (first || second) {
            double hit = __dadd_rn(first ? nearness(d, ahead) : 0.0, second ? nearness(d, behind) : 0.0);
            sums.near = __dadd_rn(sums.near, hit);
        }
        sums.biased = __dadd_rn(sums.biased, __dmul_rn(shared, __ldg(biased_d + d)));
        sums.average = __dadd_rn(sums.average, __dmul_rn(shared, __ldg(each + d)));
    }
    sums.biased = __dadd_rn(__dmul_rn(shared, __ldg(biased_d + depth)), __dmul_rn(rest, sums.biased));
    sums.average = __ddiv_rn(sums.average, depth);
    sums.near = shared > 0 ? __ddiv_rn(sums.near, __ldg(harmonic + shared)) : 0.0;
    return sums;
}

// Compares the runs from `first` on, in side 0, with those from `second` on.
__device__ void compare_groups(const Store& store, int first, int second, size_t first_word, const double* weights_3d,
                               double rest, double* measures_3pv) {
    const Shape& shape = store.shape;
    int side = first == second ? 0 : 1;
    for (int i = threadIdx.x; i < shape.group * shape.group * shape.tile; i += blockDim.x) {
        int column = i % shape.tile, b = i / shape.tile % shape.group, a = i / shape.tile / shape.group;
        size_t word = first_word + column;
        if (first + a >= second + b || second + b >= shape.runs || word >= shape.words) continue;
        List one = store.list(store.number(0, a, column)), other = store.list(store.number(side, b, column));
        uint32_t* seen = store.seen + ((second + b) * shape.tile + column) * shape.seen_cells();
        Measures found = compare(shape, one, other, weights_3d, rest, seen);
        double* out_v = measures_3pv + shape.pair(first + a, second + b) * shape.words + word;
        out_v[0] = found.biased;
        out_v[shape.pairs() * shape.words] = found.average;
        out_v[2 * shape.pairs() * shape.words] = found.near;
    }
}

// Adds the ids of a group's lists to their words' numbers.
__device__ void add_lengths(const Store& store, int first, size_t first_word) {
    const Shape& shape = store.shape;
    for (int i = threadIdx.x; i < shape.group * shape.tile; i += blockDim.x)
        if (first + i / shape.tile < shape.runs && first_word + i % shape.tile < shape.words)
            atomicAdd(store.distinct + i % shape.tile, store.lengths[i]);
}

__global__ void __launch_bounds__(256, 4)  // with five blocks a multiprocessor registers spill
    compare_runs(const int32_t* ids_svk, const double* weights_3d, double* measures_3pv, int32_t* distinct_v,
                 double rest, uint64_t words, int runs, int k, int places, int tile, int group) {
    Store store(Shape{runs, k, places, tile, group, words});
    size_t first_word = static_cast<size_t>(blockIdx.x) * tile;
    int cells = store.shape.seen_cells();
    for (int i = threadIdx.x; i < runs * tile * cells; i += blockDim.x) store.seen[i] = 0;
    for (int i = threadIdx.x; i < tile; i += blockDim.x) store.distinct[i] = 0;
    for (int first = 0; first < runs; first += group) {
        read(store, ids_svk, first_word, first, 0);
        add_lengths(store, first, first_word);
        for (int second = first; second < runs; second += group) {
            if (second != first) read(store, ids_svk, first_word, second, 1);
            compare_groups(store, first, second, first_word, weights_3d, rest, measures_3pv);
            __syncthreads();
        }
    }
    for (int i = threadIdx.x; i < runs * tile * cells; i += blockDim.x)
        if (store.seen[i]) atomicSub(store.distinct + i / cells % tile, __popc(store.seen[i]));
    __syncthreads();
    for (int i = threadIdx.x; i < tile; i += blockDim.x)
        if (first_word + i < words) distinct_v[first_word + i] = store.distinct[i];
}
