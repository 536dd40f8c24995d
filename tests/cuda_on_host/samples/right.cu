// right.cu: kernels that use each of the emulator's words as CUDA allows.
#include "common.cuh"

// A block sums by a tree in shared memory, twice, so that the second must wait for the first.
template <int THREADS> __global__ void tree_sum(const int* in, int* out, int rounds) {
    __shared__ int partial[THREADS];
    for (int round = 0; round < rounds; ++round) {
        partial[threadIdx.x] = in[(blockIdx.x * rounds + round) * THREADS + threadIdx.x];
        __syncthreads();
        for (int half = THREADS / 2; half > 0; half /= 2) {
            if (threadIdx.x < half) partial[threadIdx.x] += partial[threadIdx.x + half];
            __syncthreads();
        }
        if (threadIdx.x == 0) out[blockIdx.x * rounds + round] = partial[0];
        __syncthreads();
    }
}

// out[i] (12, 32): what each lane sees of the others.
__global__ void collectives(const int* in, int* out) {
    int lane = threadIdx.x, value = in[lane];
    int* row = out + lane;
    row[0] = __shfl_sync(EVERY_LANE, value, 5);
    row[32] = __shfl_sync(EVERY_LANE, value, 3, 8);
    row[64] = __shfl_xor_sync(EVERY_LANE, value, 9);
    row[96] = __shfl_up_sync(EVERY_LANE, value, 3);
    row[128] = __shfl_down_sync(EVERY_LANE, value, 3, 16);
    row[160] = __ballot_sync(EVERY_LANE, value & 1);
    row[192] = __any_sync(EVERY_LANE, value == 7) + 2 * __all_sync(EVERY_LANE, value < 1000);
    row[224] = __match_any_sync(EVERY_LANE, value % 5);
    row[256] = __reduce_add_sync(EVERY_LANE, value);
    row[288] = __reduce_min_sync(EVERY_LANE, value);
    row[320] = __reduce_max_sync(EVERY_LANE, value);
    if (lane < 16) row[352] = __ballot_sync(0x0000ffffu, value & 2);  // each half meets alone
    else row[352] = __ballot_sync(0xffff0000u, value & 4);
}

// A tree in shared memory with no barrier of the block: each warp orders its own memory.
__global__ void warp_tree(const int* in, int* out) {
    int* mine = dynamic_shared<int>() + threadIdx.x / WARP * WARP;
    int lane = threadIdx.x % WARP;
    mine[lane] = in[threadIdx.x];
    for (int half = 16; half > 0; half /= 2) {
        __syncwarp();
        if (lane < half) mine[lane] += mine[lane + half];
    }
    if (lane == 0) out[threadIdx.x / WARP] = mine[0];
}

__global__ void atomics(unsigned* cells, unsigned long long* wide, const unsigned* in, int count) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= count) return;
    atomicAdd(cells, in[i]);
    atomicMax(cells + 1, in[i]);
    atomicMin(cells + 2, in[i]);
    atomicOr(cells + 3, in[i]);
    atomicExch(cells + 4, 9);
    for (unsigned seen = 0, old; (old = atomicCAS(cells + 5, seen, seen + 2)) != seen;) seen = old;
    atomicAdd(wide, (unsigned long long)in[i] << 32);
}

__global__ void votes(const int* in, int* out) {
    int any = __syncthreads_or(in[threadIdx.x] == 3);
    int all = __syncthreads_and(in[threadIdx.x] < 50);
    int count = __syncthreads_count(in[threadIdx.x] % 2);
    out[threadIdx.x] = 10000 * any + 1000 * all + count;
}

__global__ void half_product(const uint32_t* a, const uint32_t* b, float* c) {
    uint32_t mine_a[4], mine_b[2];
    float sums[4];
    for (int i = 0; i < 4; ++i) mine_a[i] = a[threadIdx.x * 4 + i];
    for (int i = 0; i < 2; ++i) mine_b[i] = b[threadIdx.x * 2 + i];
    for (int i = 0; i < 4; ++i) sums[i] = c[threadIdx.x * 4 + i];
    mma_m16n8k16_f16(sums, mine_a, mine_b);
    for (int i = 0; i < 4; ++i) c[threadIdx.x * 4 + i] = sums[i];
}

__global__ void byte_product(const uint32_t* a, const uint32_t* b, int* c) {
    uint32_t mine_a[4], mine_b[2];
    int sums[4];
    for (int i = 0; i < 4; ++i) mine_a[i] = a[threadIdx.x * 4 + i];
    for (int i = 0; i < 2; ++i) mine_b[i] = b[threadIdx.x * 2 + i];
    for (int i = 0; i < 4; ++i) sums[i] = c[threadIdx.x * 4 + i];
    mma_m16n8k32_s8(sums, mine_a, mine_b);
    for (int i = 0; i < 4; ++i) c[threadIdx.x * 4 + i] = sums[i];
}

__global__ void bits(const unsigned* in, int* out, int count) {
    for (int i = threadIdx.x; i < count; i += blockDim.x) {
        unsigned x = __ldg(in + i);
        out[5 * i] = __popc(x);
        out[5 * i + 1] = __clz(x);
        out[5 * i + 2] = __ffs(x);
        out[5 * i + 3] = __umulhi(x, x);
        out[5 * i + 4] = __float_as_int(__uint_as_float(x & 0x3fffffffu));
    }
}

__global__ void conversions(const float* in, uint16_t* half, float* back, double* exact, int count) {
    for (int i = threadIdx.x; i < count; i += blockDim.x) {
        half[i] = half_bits(in[i]);
        back[i] = half_value(half[i]);
        exact[i] = widened(in[i]);
    }
}
