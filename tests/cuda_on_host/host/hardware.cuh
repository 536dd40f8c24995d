// hardware.cuh on the host: the twin of kernels/include/hardware.cuh, found before it.
#pragma once
#include <cstdint>

#include "cuda_on_host.hpp"

template <class T> T* dynamic_shared() { return reinterpret_cast<T*>(on_host::dynamic_memory); }

namespace on_host {

inline constexpr Operation MMA = {"mma.sync", false};

// What every lane brought, a word a lane.
ON_HOST_UNWATCHED inline void gather_words(uint32_t word, uint32_t (&all)[WARP], Place here) {
    gather(MMA, ~0u, word, here);
    for (int i = 0; i < WARP; ++i) all[i] = static_cast<uint32_t>(current->gathered[i]);
}

inline int byte_of(uint32_t word, int number) { return static_cast<int8_t>(word >> 8 * number); }
ON_HOST_UNWATCHED inline float half_of(uint32_t word, int number) {
    uint16_t bits = static_cast<uint16_t>(word >> 16 * number);
    _Float16 value;
    std::memcpy(&value, &bits, sizeof value);
    return value;
}

// Fragments as the PTX manual lays them out: lane 4g + t holds rows g and g + 8 of A, column g of B; a word holds
// neighbors along k, words 4/B of t apart. c[i] is row g + 8(i/2), column 2t + i%2.
template <int A_BYTES, class Sum, class Value>
ON_HOST_UNWATCHED void multiply(Sum (&c)[4], const uint32_t (&a)[4], const uint32_t (&b)[2], Value value, Place here) {
    constexpr int IN_WORD = 4 / A_BYTES, DEPTH = 8 * IN_WORD;
    uint32_t all_a[4][WARP], all_b[2][WARP];
    for (int i = 0; i < 4; ++i) gather_words(a[i], all_a[i], here);
    for (int i = 0; i < 2; ++i) gather_words(b[i], all_b[i], here);
    int g = lane() / 4, t = lane() % 4;
    for (int i = 0; i < 4; ++i)
        for (int k = 0; k < DEPTH; ++k) {
            int half = k / (DEPTH / 2), owner = k % (DEPTH / 2) / IN_WORD, column = 2 * t + i % 2;
            c[i] += value(all_a[i / 2 + 2 * half][4 * g + owner], k % IN_WORD) *
                    value(all_b[half][4 * column + owner], k % IN_WORD);
        }
}

}  // namespace on_host

inline void mma_m16n8k16_f16(float (&c)[4], const uint32_t (&a)[4], const uint32_t (&b)[2], ON_HOST_HERE) {
    on_host::multiply<2>(c, a, b, on_host::half_of, here);
}

inline void mma_m16n8k32_s8(int32_t (&c)[4], const uint32_t (&a)[4], const uint32_t (&b)[2], ON_HOST_HERE) {
    on_host::multiply<1>(c, a, b, on_host::byte_of, here);
}

inline double widened(float x) { return x; }

inline float narrowed(double x) { return static_cast<float>(x); }

inline uint16_t half_bits(float x) { return static_cast<uint16_t>(on_host::to_bits(static_cast<_Float16>(x))); }

inline float half_value(uint16_t bits) { return on_host::from_bits<_Float16>(bits); }
