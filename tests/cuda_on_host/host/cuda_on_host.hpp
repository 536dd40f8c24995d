// cuda_on_host.hpp: CUDA's own words, for a C++ compiler. It stands before a kernel's text.
#pragma once
#include <cmath>

#include "emulator.hpp"

#define __global__
#define __device__
#define __host__
#define __constant__
#define __forceinline__ inline
#define __launch_bounds__(...)
#define __align__(bytes) __attribute__((aligned(bytes)))
#define __shared__ thread_local  // inside a function that is static; watch.cpp poisons it before each block

#define threadIdx (::on_host::thread_index())
#define blockIdx (::on_host::block_index)
#define blockDim (::on_host::block_size)
#define gridDim (::on_host::grid_size)
constexpr int warpSize = on_host::WARP;

using std::max, std::min;

struct __align__(16) float4 {
    float x, y, z, w;
};

// Barriers.
inline void __syncthreads(ON_HOST_HERE) { on_host::barrier(on_host::SYNCTHREADS, false, here); }
inline int __syncthreads_or(int vote, ON_HOST_HERE) {
    return on_host::barrier(on_host::SYNCTHREADS_OR, vote, here) > 0;
}
inline int __syncthreads_count(int vote, ON_HOST_HERE) {
    return on_host::barrier(on_host::SYNCTHREADS_COUNT, vote, here);
}
inline int __syncthreads_and(int vote, ON_HOST_HERE) {
    return on_host::barrier(on_host::SYNCTHREADS_AND, !vote, here) == 0;
}
inline void __syncwarp(unsigned mask = ~0u, ON_HOST_HERE) { on_host::gather(on_host::SYNCWARP, mask, 0, here); }

namespace on_host {

template <class T> ON_HOST_UNWATCHED uint64_t to_bits(T value) {
    static_assert(sizeof(T) <= 8);
    uint64_t bits = 0;
    std::memcpy(&bits, &value, sizeof value);
    return bits;
}
template <class T> ON_HOST_UNWATCHED T from_bits(uint64_t bits) {
    T value;
    std::memcpy(&value, &bits, sizeof value);
    return value;
}

inline constexpr Operation SHFL = {"__shfl_sync", false}, SHFL_UP = {"__shfl_up_sync", false},
                           SHFL_DOWN = {"__shfl_down_sync", false}, SHFL_XOR = {"__shfl_xor_sync", false},
                           BALLOT = {"__ballot_sync", false}, ANY = {"__any_sync", false}, ALL = {"__all_sync", false},
                           MATCH_ANY = {"__match_any_sync", false}, REDUCE = {"__reduce_sync", false};

// The value of another lane; what a lane outside the mask would have given is undefined, so nobody may ask for it.
template <class T>
ON_HOST_UNWATCHED T exchange(const Operation& operation, unsigned mask, T value, int source, Place here) {
    gather(operation, mask, to_bits(value), here);
    if (!(current->present >> source & 1))
        fail(here, "%s(0x%08x): lane %u asks for lane %d, which does not take part", operation.name, mask, lane(),
             source);
    return from_bits<T>(current->gathered[source]);
}

template <class T, class Combine>
ON_HOST_UNWATCHED T reduce(unsigned mask, T value, Place here, Combine combine) {
    gather(REDUCE, mask, to_bits(value), here);
    bool first = true;
    T result = value;
    for (int i = 0; i < WARP; ++i) {
        if (!(current->present >> i & 1)) continue;
        T other = from_bits<T>(current->gathered[i]);
        result = first ? other : combine(result, other);
        first = false;
    }
    return result;
}

ON_HOST_UNWATCHED inline unsigned ballot(const Operation& operation, unsigned mask, bool vote, Place here) {
    gather(operation, mask, vote, here);
    unsigned votes = 0;
    for (int i = 0; i < WARP; ++i) votes |= static_cast<unsigned>(current->gathered[i]) << i;
    return votes;
}

inline int segment(int width) { return static_cast<int>(lane()) & ~(width - 1); }

}  // namespace on_host

// Warp collectives.
template <class T> T __shfl_sync(unsigned mask, T value, int source, int width = warpSize, ON_HOST_HERE) {
    return on_host::exchange(on_host::SHFL, mask, value, on_host::segment(width) + (source & (width - 1)), here);
}
template <class T> T __shfl_xor_sync(unsigned mask, T value, int bits, int width = warpSize, ON_HOST_HERE) {
    int lane = on_host::lane(), source = lane ^ bits;
    bool beyond = source >= on_host::segment(width) + width;
    return on_host::exchange(on_host::SHFL_XOR, mask, value, beyond ? lane : source, here);
}
template <class T> T __shfl_up_sync(unsigned mask, T value, unsigned delta, int width = warpSize, ON_HOST_HERE) {
    int lane = on_host::lane(), source = lane - static_cast<int>(delta);
    return on_host::exchange(on_host::SHFL_UP, mask, value, source < on_host::segment(width) ? lane : source, here);
}
template <class T> T __shfl_down_sync(unsigned mask, T value, unsigned delta, int width = warpSize, ON_HOST_HERE) {
    int lane = on_host::lane(), source = lane + static_cast<int>(delta);
    bool beyond = source >= on_host::segment(width) + width;
    return on_host::exchange(on_host::SHFL_DOWN, mask, value, beyond ? lane : source, here);
}
inline unsigned __ballot_sync(unsigned mask, int vote, ON_HOST_HERE) {
    return on_host::ballot(on_host::BALLOT, mask, vote, here);
}
inline int __any_sync(unsigned mask, int vote, ON_HOST_HERE) {
    return on_host::ballot(on_host::ANY, mask, vote, here) != 0;
}
inline int __all_sync(unsigned mask, int vote, ON_HOST_HERE) {
    return on_host::ballot(on_host::ALL, mask, !vote, here) == 0;
}
template <class T> ON_HOST_UNWATCHED unsigned __match_any_sync(unsigned mask, T value, ON_HOST_HERE) {
    on_host::gather(on_host::MATCH_ANY, mask, on_host::to_bits(value), here);
    unsigned equal = 0;
    for (int i = 0; i < warpSize; ++i)
        if (on_host::current->present >> i & 1)
            equal |= static_cast<unsigned>(on_host::current->gathered[i] == on_host::to_bits(value)) << i;
    return equal;
}
template <class T> T __reduce_add_sync(unsigned mask, T value, ON_HOST_HERE) {
    static_assert(sizeof(T) == 4);
    return on_host::reduce(mask, value, here, [](T a, T b) { return static_cast<T>(unsigned(a) + unsigned(b)); });
}
template <class T> T __reduce_min_sync(unsigned mask, T value, ON_HOST_HERE) {
    return on_host::reduce(mask, value, here, [](T a, T b) { return min(a, b); });
}
template <class T> T __reduce_max_sync(unsigned mask, T value, ON_HOST_HERE) {
    return on_host::reduce(mask, value, here, [](T a, T b) { return max(a, b); });
}

// Atomics: each is one step, and returns what stood there before.
#define ON_HOST_ATOMIC(name, result)                                                              \
    template <class T> ON_HOST_UNWATCHED T name(T* address, std::common_type_t<T> value) {        \
        static_assert(sizeof(T) == 4 || sizeof(T) == 8);                                          \
        on_host::before_atomic(address, sizeof(T), __builtin_return_address(0));                  \
        T old = *address;                                                                         \
        *address = result;                                                                        \
        return old;                                                                               \
    }
ON_HOST_ATOMIC(atomicAdd, old + value)
ON_HOST_ATOMIC(atomicSub, old - value)
ON_HOST_ATOMIC(atomicMax, max(old, value))
ON_HOST_ATOMIC(atomicMin, min(old, value))
ON_HOST_ATOMIC(atomicOr, old | value)
ON_HOST_ATOMIC(atomicAnd, old & value)
ON_HOST_ATOMIC(atomicXor, old ^ value)
ON_HOST_ATOMIC(atomicExch, value)
#undef ON_HOST_ATOMIC
template <class T>
ON_HOST_UNWATCHED T atomicCAS(T* address, std::common_type_t<T> expected, std::common_type_t<T> value) {
    static_assert(sizeof(T) == 2 || sizeof(T) == 4 || sizeof(T) == 8);
    on_host::before_atomic(address, sizeof(T), __builtin_return_address(0));
    T old = *address;
    if (old == expected) *address = value;
    return old;
}

// Arithmetic and bits.
template <class T> T __ldg(const T* address) { return *address; }
inline int __popc(unsigned x) { return __builtin_popcount(x); }
inline int __popcll(unsigned long long x) { return __builtin_popcountll(x); }
inline int __clz(unsigned x) { return x ? __builtin_clz(x) : 32; }
inline int __clzll(unsigned long long x) { return x ? __builtin_clzll(x) : 64; }
inline int __ffs(unsigned x) { return __builtin_ffs(static_cast<int>(x)); }
inline int __ffsll(unsigned long long x) { return __builtin_ffsll(static_cast<long long>(x)); }
inline unsigned __umulhi(unsigned a, unsigned b) { return static_cast<unsigned long long>(a) * b >> 32; }
inline unsigned __float_as_uint(float x) { return static_cast<unsigned>(on_host::to_bits(x)); }
inline int __float_as_int(float x) { return static_cast<int>(on_host::to_bits(x)); }
inline float __uint_as_float(unsigned x) { return on_host::from_bits<float>(x); }
inline float __int_as_float(int x) { return on_host::from_bits<float>(static_cast<unsigned>(x)); }
inline double __longlong_as_double(long long x) { return on_host::from_bits<double>(static_cast<uint64_t>(x)); }
inline float __fadd_rn(float a, float b) { return a + b; }
inline float __fmul_rn(float a, float b) { return a * b; }
inline float __fmaf_rn(float a, float b, float c) { return std::fma(a, b, c); }
inline float rsqrtf(float x) { return 1.0f / std::sqrt(x); }
inline double __dadd_rn(double a, double b) { return a + b; }
inline double __dmul_rn(double a, double b) { return a * b; }
inline double __fma_rn(double a, double b, double c) { return std::fma(a, b, c); }
inline double __ddiv_rn(double a, double b) { return a / b; }
inline double __dsqrt_rn(double a) { return std::sqrt(a); }
