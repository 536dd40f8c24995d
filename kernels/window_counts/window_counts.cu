// window_counts.cu: co-occurrence counts of a chunk of text, added up by blocks of positions.
//
//   words_t      (t)      uint32  the text, a word as its rank by falling frequency: the larger is the rarer
//   sorted_t     (t)      uint32  its words in order, and
//   positions_t  (t)      uint32  their positions (window_counts_sort.cu)
//   reach_t      (t)      uint16  tokens of a position's window: to the left, and to the right times 256
//   times_t      (t)      int64   how often its document counts; read where documents are `resampled`
//   weights_w    (w + 1)  int64
//   bounds_s     (s + 1)  int64   first place in the order of each word below s
//   ends_s       (s)      int64   blocks of `share` positions up to each of those words
//   keys_n, sums_n        uint64  out, in any order: row * V + column, and a part of the cell's sum
//
// Plan      A block takes some positions in the order of words; lanes take neighboring contexts of one. The rarer word
//           of a pair owns it, so windows of frequent words are read but few of their pairs counted. A word of a rank
//           below s owns pairs with words of lower ranks only: its row fits shared memory (short_rows). The other
//           words (long_rows) have a hash table of cells a block, flushed to the COO buffer when it is nearly full.
//           Every block has equally many positions, whatever the words: entries of one cell are merged later.
// Bound by  reading windows, 2·w words of 4 bytes a position in lines of 32, and shared atomics, two a pair counted.
//           Not measured yet (kernels/README.md).
// Contract  kernels/window_counts/__init__.py. Integers, so neither the order of blocks nor the time of a flush
//           changes a sum. A pair is counted with the chunk of its later token.
// Rejected  A block a word: a frequent one has a twentieth of the text. Sums by 64-bit atomics: shared memory adds 32.
#include "common.cuh"
#include "collectives.cuh"

constexpr uint64_t FREE = ~0ull;
constexpr int ON_THE_RIGHT = 1, ON_THE_LEFT = 2;  // side of the owner on which the cell is in the partner's row

struct Pair {
    uint32_t owner, partner;
    bool transposed;  // the cell is in the partner's row
    uint64_t weight;
};

// The chunk of text, its order, and the rules of counting.
struct Text {
    const uint32_t *words_t, *sorted_t, *positions_t;
    const uint16_t* reach_t;
    const int64_t *times_t, *weights_w;
    uint32_t begin, window;  // a pair that ends before `begin` was counted with the chunk before
    int resampled, transposed;  // transposed: of ON_THE_RIGHT and ON_THE_LEFT

    // The pair of a place in the order and a step of its window; false where it owns none.
    __device__ bool pair(uint64_t place, uint32_t step, Pair& found) const {
        bool right = step >= window;
        uint32_t distance = (right ? step - window : step) + 1, center = __ldg(positions_t + place);
        uint32_t reach = __ldg(reach_t + center);
        if (distance > (right ? reach >> 8 : reach & 255)) return false;
        uint32_t other = right ? center + distance : center - distance;
        if (max(center, other) < begin) return false;
        found.owner = __ldg(sorted_t + place);
        found.partner = __ldg(words_t + other);
        // Of two equal words the first owns the pair.
        if (found.partner > found.owner || (found.partner == found.owner && !right)) return false;
        found.transposed = transposed & (right ? ON_THE_RIGHT : ON_THE_LEFT);
        found.weight = __ldg(weights_w + distance) * (resampled ? __ldg(times_t + center) : 1);
        return true;
    }
};

// Sums of 64 bits in two halves.
struct Sums {
    uint32_t *low, *high;

    __device__ void add(uint32_t place, uint64_t value) const {
        uint32_t part = static_cast<uint32_t>(value);
        uint32_t carry = atomicAdd(low + place, part) > ~part;
        uint32_t rest = static_cast<uint32_t>(value >> 32) + carry;
        if (rest) atomicAdd(high + place, rest);
    }
    // Returns a sum and sets it to 0.
    __device__ uint64_t take(uint32_t place) const {
        uint64_t sum = static_cast<uint64_t>(high[place]) << 32 | low[place];
        low[place] = high[place] = 0;
        return sum;
    }
};

// A word's row, followed by its cells in the rows of others.
struct Row {
    Sums sums;
    uint32_t cells;

    __device__ void add(const Pair& pair) { sums.add(pair.partner + (pair.transposed ? cells : 0), pair.weight); }
    __device__ void flush_if_full() {}
};

// Open-addressing hash table of cells of any words, at most three quarters full.
struct HashTable {
    uint64_t* keys;
    Sums sums;
    uint32_t* used;
    uint32_t places, limit;  // places: a power of two; flushed when more than `limit` are used
    uint64_t words;
    AppendBuffer out;
    bool full;

    __device__ void add(const Pair& pair) {
        uint64_t key = pair.transposed ? pair.partner * words + pair.owner : pair.owner * words + pair.partner;
        uint32_t place = key * 0x9e3779b97f4a7c15ull >> 32 & (places - 1), last = places - 1;
        uint64_t found;
        while ((found = atomicCAS(keys + place, FREE, key)) != FREE && found != key) place = (place + 1) & last;
        if (found == FREE && atomicAdd(used, 1u) >= limit) full = true;
        sums.add(place, pair.weight);
    }
    __device__ void flush_if_full() {
        if (__syncthreads_or(full)) flush();
    }
    // Moves the cells to the buffer; called by all threads, none of them adding.
    __device__ void flush() {
        for (uint32_t start = 0; start < places; start += blockDim.x) {
            uint32_t place = start + threadIdx.x;
            uint64_t key = place < places ? keys[place] : FREE;
            out.append(key != FREE, key, key != FREE ? sums.take(place) : 0);
            if (key != FREE) keys[place] = FREE;
        }
        if (threadIdx.x == 0) *used = 0;
        full = false;
        __syncthreads();
    }
};

// Adds all pairs of the places `first` to `last` - 1; the table may be flushed after each `rounds` pairs a thread.
template <class Cells>
__device__ void add_pairs(const Text& text, uint64_t first, uint64_t last, uint32_t rounds, Cells& cells) {
    uint32_t positions = last - first, steps = 2 * text.window;
    uint32_t at = threadIdx.x / steps, step = threadIdx.x % steps, far = blockDim.x / steps, more = blockDim.x % steps;
    for (uint32_t start = 0; start < positions * steps; start += rounds * blockDim.x) {
        for (uint32_t round = 0; round < rounds; ++round) {
            Pair pair;
            if (at < positions && text.pair(first + at, step, pair)) cells.add(pair);
            at += far;
            step += more;
            if (step >= steps) {
                step -= steps;
                ++at;
            }
        }
        cells.flush_if_full();
    }
}

// The document of a token is the last that does not begin behind it: empty ones begin where the next does.
__global__ void reaches(const int64_t* starts_d, const int64_t* repeats_d, uint16_t* reach_t, int64_t* times_t,
                        int64_t base, uint64_t documents, uint32_t tokens, uint32_t window, int resampled) {
    uint32_t i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= tokens) return;
    int64_t token = base + i;
    uint64_t low = 0, high = documents;
    while (high - low > 1) {
        uint64_t middle = (low + high) / 2;
        (__ldg(starts_d + middle) <= token ? low : high) = middle;
    }
    int64_t left = min(token - starts_d[low], static_cast<int64_t>(min(i, window)));
    int64_t right = min(starts_d[low + 1] - 1 - token, static_cast<int64_t>(min(tokens - 1 - i, window)));
    bool counts = !resampled || repeats_d[low] > 0;
    reach_t[i] = counts ? left | right << 8 : 0;
    if (resampled) times_t[i] = repeats_d[low];
}

// A thread for each place and one behind the last: words between the previous word and its own begin there.
__global__ void bounds(const uint32_t* sorted_t, int64_t* bounds_s, uint32_t tokens, uint32_t last_word) {
    uint32_t i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i > tokens) return;
    uint32_t first = i == 0 ? 0 : sorted_t[i - 1] + 1;
    uint32_t last = i == tokens ? last_word : min(sorted_t[i], last_word);
    for (uint32_t word = first; word <= last; ++word) bounds_s[word] = i;
}

// The first word whose blocks end behind this one.
__device__ __forceinline__ uint32_t word_of_block(const int64_t* ends_s, uint32_t words) {
    uint32_t low = 0, high = words;
    while (low < high) {
        uint32_t middle = (low + high) / 2;
        if (__ldg(ends_s + middle) > blockIdx.x) high = middle;
        else low = middle + 1;
    }
    return low;
}

// Shared memory: low and high halves of the row's sums, twice where cells are transposed.
__global__ void __launch_bounds__(512)
    short_rows(const uint32_t* words_t, const uint32_t* sorted_t, const uint32_t* positions_t, const uint16_t* reach_t,
               const int64_t* times_t, const int64_t* weights_w, const int64_t* bounds_s, uint64_t* keys_n,
               uint64_t* sums_n, uint64_t* filled, uint64_t words, uint32_t begin, uint32_t window, int resampled,
               int transposed, const int64_t* ends_s, uint32_t short_words, uint32_t share) {
    uint32_t word = word_of_block(ends_s, short_words);
    if (word == short_words) return;
    uint32_t cells = word + 1, all = transposed ? 2 * cells : cells;
    uint32_t* low = dynamic_shared<uint32_t>();
    Row row = {{low, low + all}, cells};
    for (uint32_t i = threadIdx.x; i < 2 * all; i += blockDim.x) low[i] = 0;
    __syncthreads();

    int64_t part = blockIdx.x - (word ? ends_s[word - 1] : 0), first = bounds_s[word] + part * share;
    Text text = {words_t, sorted_t, positions_t, reach_t, times_t, weights_w, begin, window, resampled, transposed};
    add_pairs(text, first, min(first + share, bounds_s[word + 1]), 1, row);
    __syncthreads();

    AppendBuffer out = {keys_n, sums_n, filled};
    for (uint32_t start = 0; start < all; start += blockDim.x) {
        uint32_t i = start + threadIdx.x;
        uint64_t sum = i < all ? row.sums.take(i) : 0, partner = i < cells ? i : i - cells;
        out.append(sum > 0, i < cells ? word * words + partner : partner * words + word, sum);
    }
}

// Shared memory: keys, low and high halves of their sums, places used.
__global__ void __launch_bounds__(512)
    long_rows(const uint32_t* words_t, const uint32_t* sorted_t, const uint32_t* positions_t, const uint16_t* reach_t,
              const int64_t* times_t, const int64_t* weights_w, const int64_t* bounds_s, uint64_t* keys_n,
              uint64_t* sums_n, uint64_t* filled, uint64_t words, uint32_t begin, uint32_t window, int resampled,
              int transposed, uint32_t tokens, uint32_t short_words, uint32_t share, uint32_t places, uint32_t limit,
              uint32_t rounds) {
    uint64_t first = bounds_s[short_words] + static_cast<uint64_t>(blockIdx.x) * share;
    if (first >= tokens) return;
    uint64_t* keys = dynamic_shared<uint64_t>();
    uint32_t* low = reinterpret_cast<uint32_t*>(keys + places);
    uint32_t* used = low + 2 * places;
    HashTable table = {keys, {low, low + places}, used, places, limit, words, {keys_n, sums_n, filled}, false};
    for (uint32_t i = threadIdx.x; i < places; i += blockDim.x) {
        keys[i] = FREE;
        low[i] = low[places + i] = 0;
    }
    if (threadIdx.x == 0) *used = 0;
    __syncthreads();

    Text text = {words_t, sorted_t, positions_t, reach_t, times_t, weights_w, begin, window, resampled, transposed};
    add_pairs(text, first, min(first + share, static_cast<uint64_t>(tokens)), rounds, table);
    table.flush();
}
