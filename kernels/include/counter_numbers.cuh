// counter_numbers.cuh: pseudo-random numbers of counters (kernels/skipgram_epoch/__init__.py), bit for bit.
#pragma once
#include <common.cuh>

constexpr uint64_t GOLDEN = 0x9e3779b97f4a7c15ull;

// Number `counter` under a key: SplitMix64.
__device__ __forceinline__ uint64_t number_of(uint64_t key, uint64_t counter) {
    uint64_t x = key + counter * GOLDEN;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ull;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebull;
    return x ^ (x >> 31);
}

__device__ __forceinline__ uint64_t upper_half(uint64_t number) { return number >> 32; }
__device__ __forceinline__ uint64_t lower_half(uint64_t number) { return number & 0xffffffffull; }
