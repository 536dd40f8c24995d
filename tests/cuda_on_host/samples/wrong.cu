// wrong.cu: each kernel makes one mistake, with 64 threads and one block, two where its name says so.
// out has 128 numbers, dynamic shared memory has 50.
#include "common.cuh"

__global__ void race_without_barrier(int* out) {
    __shared__ int cells[64];
    cells[threadIdx.x] = threadIdx.x;
    out[threadIdx.x] = cells[63 - threadIdx.x];
}

__global__ void race_without_syncwarp(int* out) {
    __shared__ int cells[64];
    cells[threadIdx.x] = threadIdx.x;
    __shfl_sync(EVERY_LANE, 0, 0);  // exchanges registers, and orders no memory
    out[threadIdx.x] = cells[threadIdx.x ^ 1];
}

__global__ void race_across_warps(int* out) {
    __shared__ int cells[64];
    cells[threadIdx.x] = threadIdx.x;
    __syncwarp();
    out[threadIdx.x] = cells[threadIdx.x ^ 32];
}

__global__ void race_write_after_read(int* out) {
    __shared__ int cells[64];
    cells[threadIdx.x] = threadIdx.x;
    __syncthreads();
    out[threadIdx.x] = cells[63 - threadIdx.x];
    cells[threadIdx.x] = 0;
}

__global__ void race_between_two_blocks(int* out) {
    if (threadIdx.x == 0) out[0] += 1;
}

__global__ void race_with_atomic(int* out) {
    if (threadIdx.x == 40) out[0] = 5;
    else atomicAdd(out, 1);
}

__global__ void barrier_in_branch(int* out) {
    if (threadIdx.x < 40) __syncthreads();
    out[threadIdx.x] = 0;
}

__global__ void barriers_in_two_branches(int* out) {
    if (threadIdx.x < 32) {
        __syncthreads();
        out[threadIdx.x] = 1;
    } else {
        __syncthreads();
        out[threadIdx.x] = 2;
    }
}

__global__ void barrier_after_return(int* out) {
    if (threadIdx.x == 63) return;
    __syncthreads();
    out[threadIdx.x] = 0;
}

__global__ void mask_without_itself(int* out) {
    out[threadIdx.x] = __shfl_sync(0x0000ffffu, 1, 0);
}

__global__ void mask_with_absent_lanes(int* out) {
    if (threadIdx.x % 32 < 16) out[threadIdx.x] = __ballot_sync(EVERY_LANE, 1);
    else __syncthreads();
}

__global__ void source_outside_mask(int* out) {
    if (threadIdx.x % 32 < 16) out[threadIdx.x] = __shfl_sync(0x0000ffffu, 1, 20);
}

__global__ void read_beyond(int* out) {
    if (threadIdx.x == 63) out[63] = out[128];
}

__global__ void write_before(int* out) {
    out[(int)threadIdx.x - 1] = 0;
}

__global__ void far_away(int* out) {
    if (threadIdx.x == 3) out[1 << 28] = 0;
}

__global__ void beyond_dynamic_shared(int* out) {
    int* cells = dynamic_shared<int>();
    cells[threadIdx.x] = 0;
    out[threadIdx.x] = cells[threadIdx.x];
}

__global__ void beyond_a_local_array(int* out, int count) {
    int mine[4] = {1, 2, 3, 4};
    for (int i = 0; i < count; ++i) out[threadIdx.x] = mine[i];  // count is 5
}

__global__ void misaligned(int* out) {
    struct __align__(16) Four { int x, y, z, w; };
    if (threadIdx.x == 0) *reinterpret_cast<Four*>(out + 1) = {};
}

__global__ void unwritten_shared(int* out) {
    __shared__ int cells[64];
    if (threadIdx.x > 0) cells[threadIdx.x] = 0;
    __syncthreads();
    out[threadIdx.x] = cells[threadIdx.x];
}

__global__ void unwritten_in_the_second_of_two_blocks(int* out) {
    __shared__ int cells[64];
    if (blockIdx.x == 0) cells[threadIdx.x] = 0;
    out[blockIdx.x * 64 + threadIdx.x] = cells[threadIdx.x];
}

__global__ void signed_overflow(int* out, int count) {
    for (int i = 0, n = 1; i < 40; ++i) out[threadIdx.x] = n *= count;
}

__global__ void other_thread_s_memory(int* out) {
    __shared__ int* one;
    int mine = threadIdx.x;
    if (threadIdx.x == 0) one = &mine;
    __syncthreads();
    out[threadIdx.x] = *one;
}

__global__ void never_ends(int* out) {
    for (;;) out[threadIdx.x] = 0;
}

__global__ void waits_for_ever(int* out) {
    for (;;) {
        __syncthreads();
        if (threadIdx.x == 0) out[0] = 0;
    }
}
