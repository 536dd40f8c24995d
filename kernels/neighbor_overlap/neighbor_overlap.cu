// neighbor_overlap.cu: size of the intersection of a word's k neighbors in two runs.
//
//   ids_svk    (S, V, k)  int32   -1 padded anywhere, no word twice in a list
//   shared_pv  (P, V)     uint16  P = S(S-1)/2 pairs, in the order of itertools.combinations
//   common_v   (V)        uint16  words that are in all S lists
//   filled_sv  (S, V)     uint16  lengths of the lists
//
// Plan      A team (a warp, or a block where S*k is large) takes a word. It numbers the distinct ids by their place
//           in a hash table in shared memory; each run becomes a bit set over those places, and a pair is counted by
//           popcounts of two sets. Ids of a word that do not fit the table are taken in parts of the hash's range.
//           A block takes `tile` adjacent words and writes their counts in rows of `tile`.
// Bound by  reading ids once, S*k*4 bytes a word, and writing P*2; for short lists by the instructions of inserting.
//           Not measured yet (kernels/README.md).
// Limits    k <= 256 and S <= 100, so P*tile counts fit the shared memory planned by cuda.py; any k*S fits the table.
// Contract  kernels/neighbor_overlap/__init__.py, exactly: integers, so the order of insertions does not matter.
// Rejected  Merging sorted lists: 2k steps a pair, where a pair costs one popcount for 32 places; 100 lists of 256 ids
//           would also fill a block's 99 KB on sm_120. A bit set over V words does not fit beside anything.
#include "common.cuh"

constexpr int32_t EMPTY = -1;  // a free place of the table; padding is the same number and is never inserted
constexpr int PROBES = 64;     // a part with at most so many ids always fits, so cutting parts in halves ends

// Sizes planned by the launcher, and derived ones.
struct Shape {
    int runs, k, places, tile;  // places: of a team's table, a power of two from 32; tile: words a block
    size_t words;

    __device__ int pairs() const { return runs * (runs - 1) / 2; }
    __device__ int rows() const { return pairs() + runs; }  // counts of a word: shared, then filled
    __device__ int pitch() const { return tile + 2; }       // cells between two rows: no bank conflicts
    __device__ int sets() const { return places / WARP; }   // 32-bit words of a run's bit set
    __device__ int team_cells() const { return places + sets() * runs; }
};

// The threads that share a word: one warp, or the whole block.
template <int WARPS> struct Team {
    static constexpr int SIZE = WARPS * WARP;
    __device__ static int rank() { return threadIdx.x % SIZE; }
    __device__ static void sync() {
        if constexpr (WARPS == 1) __syncwarp();
        else __syncthreads();
    }
    // Whether any vote is true; a barrier that orders memory.
    __device__ static bool any(bool vote) {
        if constexpr (WARPS > 1) return __syncthreads_or(vote);
        __syncwarp();
        return __any_sync(EVERY_LANE, vote);
    }
};

// Part `part` of the 2^depth parts of the hash's range, with the rest of the hash in `rest`.
__device__ bool in_part(int32_t id, int depth, uint32_t part, uint32_t& rest) {
    uint64_t hash = static_cast<uint64_t>(static_cast<uint32_t>(id) * 2654435761u) << depth;  // odd: a bijection
    rest = static_cast<uint32_t>(hash);
    return static_cast<uint32_t>(hash >> 32) == part;
}

// Inserts an id into the table and into the bit set of its run; false after PROBES occupied places.
__device__ bool insert(const Shape& shape, int32_t* table, uint32_t* bits_gs, int32_t id, uint32_t rest, int run) {
    uint32_t last = shape.places - 1;
    uint32_t place = static_cast<uint64_t>(rest) * shape.places >> 32;
    for (int probe = 0; probe < PROBES; ++probe) {
        int32_t found = atomicCAS(table + place, EMPTY, id);
        if (found == EMPTY || found == id) {
            atomicOr(bits_gs + place / WARP * shape.runs + run, 1u << place % WARP);
            return true;
        }
        place = (place + 1) & last;
    }
    return false;
}

// Inserts a part of a word's ids. False when they do not fit; the table is then incomplete.
template <int WARPS>
__device__ bool fill(const Shape& shape, const int32_t* ids_svk, size_t word, int depth, uint32_t part,
                     int32_t* table, uint32_t* bits_gs) {
    using Threads = Team<WARPS>;
    for (int i = Threads::rank(); i < shape.places; i += Threads::SIZE) table[i] = EMPTY;
    for (int i = Threads::rank(); i < shape.sets() * shape.runs; i += Threads::SIZE) bits_gs[i] = 0;
    Threads::sync();
    bool fits = true;
    int run = Threads::rank() / shape.k, place = Threads::rank() % shape.k;
    while (run < shape.runs && fits) {
        int32_t id = __ldg(ids_svk + (run * shape.words + word) * shape.k + place);
        uint32_t rest;
        if (id >= 0 && in_part(id, depth, part, rest)) fits = insert(shape, table, bits_gs, id, rest, run);
        place += Threads::SIZE % shape.k;
        run += Threads::SIZE / shape.k;
        if (place >= shape.k) {
            place -= shape.k;
            ++run;
        }
    }
    return !Threads::any(!fits);
}

// Adds the counts of the table to the word's column of the tile.
template <int WARPS>
__device__ void count(const Shape& shape, const uint32_t* bits_gs, const uint16_t* pair_ab, uint16_t* column,
                      unsigned* common) {
    using Threads = Team<WARPS>;
    for (int row = Threads::rank(); row < shape.rows(); row += Threads::SIZE) {
        int a = row - shape.pairs(), b = a;  // a run and itself: the length of its list
        if (row < shape.pairs()) {
            a = pair_ab[row] >> 8;
            b = pair_ab[row] & 255;
        }
        int found = 0;
        for (int g = 0; g < shape.sets(); ++g)
            found += __popc(bits_gs[g * shape.runs + a] & bits_gs[g * shape.runs + b]);
        column[row * shape.pitch()] += found;
    }
    for (int g = Threads::rank(); g < shape.sets(); g += Threads::SIZE) {
        uint32_t in_all = ~0u;
        for (int run = 0; run < shape.runs; ++run) in_all &= bits_gs[g * shape.runs + run];
        if (in_all) atomicAdd(common, static_cast<unsigned>(__popc(in_all)));
    }
}

// The runs of each pair, a in the upper byte, b in the lower.
__device__ void list_pairs(const Shape& shape, uint16_t* pair_ab) {
    for (int a = threadIdx.x; a < shape.runs; a += blockDim.x) {
        int first = a * (2 * shape.runs - a - 1) / 2;
        for (int b = a + 1; b < shape.runs; ++b) pair_ab[first + b - a - 1] = a << 8 | b;
    }
}

// Writes the tile's rows; neighboring threads write neighboring words.
__device__ void write(const Shape& shape, const uint16_t* counts, const unsigned* commons, size_t first,
                      uint16_t* shared_pv, uint16_t* common_v, uint16_t* filled_sv) {
    for (int i = threadIdx.x; i < shape.rows() * shape.tile; i += blockDim.x) {
        int row = i / shape.tile, column = i % shape.tile;
        if (first + column >= shape.words) continue;
        uint16_t* out_v = row < shape.pairs() ? shared_pv + row * shape.words
                                              : filled_sv + (row - shape.pairs()) * shape.words;
        out_v[first + column] = counts[row * shape.pitch() + column];
    }
    for (int column = threadIdx.x; column < shape.tile; column += blockDim.x)
        if (first + column < shape.words) common_v[first + column] = commons[column];
}

// Shared memory: teams x (table, bit sets), commons (tile), counts (rows, pitch), pairs (P).
template <int WARPS>
__global__ void __launch_bounds__(256, 5)  // five blocks a multiprocessor: with six, registers spill
    overlap(const int32_t* ids_svk, uint16_t* shared_pv, uint16_t* common_v, uint16_t* filled_sv, uint64_t words,
            int runs, int k, int places, int tile) {
    using Threads = Team<WARPS>;
    Shape shape = {runs, k, places, tile, words};
    int teams = blockDim.x / Threads::SIZE, team = threadIdx.x / Threads::SIZE;
    int32_t* tables = dynamic_shared<int32_t>();
    int32_t* table = tables + team * shape.team_cells();
    uint32_t* bits_gs = reinterpret_cast<uint32_t*>(table + places);
    unsigned* commons = reinterpret_cast<unsigned*>(tables + teams * shape.team_cells());
    uint16_t* counts = reinterpret_cast<uint16_t*>(commons + tile);
    uint16_t* pair_ab = counts + shape.rows() * shape.pitch();

    list_pairs(shape, pair_ab);
    for (int i = threadIdx.x; i < shape.rows() * shape.pitch(); i += blockDim.x) counts[i] = 0;
    for (int i = threadIdx.x; i < tile; i += blockDim.x) commons[i] = 0;
    __syncthreads();

    size_t first = static_cast<size_t>(blockIdx.x) * tile;
    for (int column = team; column < tile && first + column < words; column += teams) {
        int depth = 0;  // parts are halved where the ids do not fit, and doubled again after each that fits
        for (uint32_t part = 0; part >> depth == 0;) {
            if (fill<WARPS>(shape, ids_svk, first + column, depth, part, table, bits_gs)) {
                count<WARPS>(shape, bits_gs, pair_ab, counts + column, commons + column);
                ++part;
                if (depth > 0 && part % 2 == 0) --depth, part /= 2;
            } else {
                ++depth, part *= 2;
            }
            Threads::sync();
        }
    }
    __syncthreads();
    write(shape, counts, commons, first, shared_pv, common_v, filled_sv);
}
