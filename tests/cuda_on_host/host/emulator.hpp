// emulator.hpp: what a kernel's text, compiled for the host, calls; scheduler.cpp, warp.cpp and watch.cpp hold it.
//
// A block's threads are fibers of one OS thread, blocks run one after another. A fiber runs until it waits at a
// barrier or in a warp collective, so a schedule is the order in which waiting fibers are taken up again.
// The text is compiled with GCC's thread and undefined-behavior instrumentation but linked to neither library: its
// calls arrive in watch.cpp, which knows every access to memory before it happens.
#pragma once
#include <csetjmp>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>
#include <utility>

#define ON_HOST_UNWATCHED __attribute__((no_sanitize("thread", "undefined"), noinline))

struct dim3 {
    unsigned x, y, z;
    constexpr dim3(unsigned x = 1, unsigned y = 1, unsigned z = 1) : x(x), y(y), z(z) {}
};

namespace on_host {

constexpr int WARP = 32;

struct Place {  // where in the kernel's text
    const char* file;
    int line;
};
#define ON_HOST_HERE ::on_host::Place here = {__builtin_FILE(), __builtin_LINE()}

struct Operation {
    const char* name;
    bool orders_memory;
};
inline constexpr Operation SYNCTHREADS = {"__syncthreads", true}, SYNCTHREADS_OR = {"__syncthreads_or", true},
                           SYNCTHREADS_AND = {"__syncthreads_and", true},
                           SYNCTHREADS_COUNT = {"__syncthreads_count", true}, SYNCWARP = {"__syncwarp", true};

enum class State { ready, at_barrier, in_collective, left };

struct Thread {
    std::jmp_buf resume;
    State state;
    unsigned number;  // in its block
    dim3 index;
    Place place;                 // where it waits,
    const Operation* operation;  // for what,
    unsigned mask;               // with which lanes,
    uint64_t brought;            // and what it brought
    uint64_t gathered[WARP];
    unsigned present;      // lanes whose values were gathered; those that left the kernel are missing
    uint32_t known[WARP];  // until which of its times it knows what each lane of its warp did; its own is now
};

enum class Access { read, write, atomic };

// The running thread, its block and its launch.
extern Thread* current;
extern dim3 block_index, block_size, grid_size;
extern unsigned char* dynamic_memory;

// Waits for the whole block; the number of threads that voted for it.
int barrier(const Operation&, bool vote, Place);
// Waits until each lane of the mask has brought its value to the same operation; then current->gathered holds them.
void gather(const Operation&, unsigned mask, uint64_t value, Place);
[[noreturn]] void fail(Place, const char* format, ...) __attribute__((format(printf, 2, 3)));

void before_atomic(const void* address, size_t bytes, const void* code);

ON_HOST_UNWATCHED inline unsigned lane() { return current->number % WARP; }
ON_HOST_UNWATCHED inline dim3 thread_index() { return current->index; }

// How Python checks the arguments of a launch.
struct Parameter {
    char kind;  // 'p' pointer, or the kind of NumPy's dtype: 'i', 'u', 'f', 'b', 'V'
    char pointee;
    int bytes, pointee_bytes;
};

template <class T> constexpr char kind_of() {
    if (std::is_pointer_v<T>) return 'p';
    if (std::is_same_v<std::remove_cv_t<T>, bool>) return 'b';
    if (std::is_floating_point_v<T>) return 'f';
    if (std::is_integral_v<T>) return std::is_signed_v<T> ? 'i' : 'u';
    return 'V';
}

template <class T> constexpr Parameter parameter_of() {
    using Pointee = std::remove_pointer_t<T>;
    if constexpr (!std::is_pointer_v<T>) return {kind_of<T>(), 0, sizeof(T), 0};
    else if constexpr (std::is_void_v<Pointee>) return {'p', 'V', sizeof(T), 0};
    else return {'p', kind_of<Pointee>(), sizeof(T), sizeof(Pointee)};
}

template <class... P> int parameters_of(void (*)(P...), Parameter* out) {
    ((*out++ = parameter_of<P>()), ...);
    return sizeof...(P);
}

template <class... P, size_t... I>
ON_HOST_UNWATCHED void call_with(void (*kernel)(P...), void** arguments, std::index_sequence<I...>) {
    kernel(*static_cast<std::remove_const_t<P>*>(arguments[I])...);
}

template <class... P> void call(void (*kernel)(P...), void** arguments) {
    call_with(kernel, arguments, std::index_sequence_for<P...>{});
}

struct Memory {  // an argument's array, or shared memory
    unsigned char* start;
    size_t bytes;
    int argument;  // its number; -1 for shared memory
};

enum class Schedule { forward, reverse, random, ahead };

struct Launch {
    void (*kernel)(void** arguments);
    void** arguments;
    const Memory* arrays;
    int array_count;
    unsigned grid[3], block[3];
    size_t shared_bytes;
    Schedule schedule;
    uint64_t seed;
    uint64_t first_block, last_block;  // only these are run
    char* message;                     // of the failure
    size_t message_bytes;
};

}  // namespace on_host

// Runs a launch; 0, or 1 with a message.
extern "C" int on_host_run(const on_host::Launch*);
