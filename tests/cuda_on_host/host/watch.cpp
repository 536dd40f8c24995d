// watch.cpp: every access of a kernel to memory, before it happens: is it inside an array, is it aligned, did
// somebody write there before, and is it ordered with what other threads did to the same byte?
//
// GCC's instrumentation calls __tsan_* and __ubsan_*; these are those functions, and no sanitizer is linked.
// Of a byte's readers two are remembered and of its atomic accesses one, so what is reported is a race, but a
// schedule may miss one. Reports name code as @OFFSET; Python turns that into file and line.
#include <link.h>

#include <algorithm>
#include <cstdio>
#include <vector>

#include "runtime.hpp"

namespace on_host {

namespace {

constexpr size_t ALIGNMENT = 256, RED_ZONE = 256;  // as the device's allocator aligns; no array is nearer to another
constexpr size_t MOST_WATCHED = 4 << 20;           // of larger arrays only the bounds are watched
constexpr uint64_t MOST_ACCESSES = 20'000'000;     // of one thread between two waits
constexpr unsigned char POISON = 0xA5;             // uninitialized memory

struct Record {  // who touched a byte, and when
    uint32_t block, epoch, time;
    uint32_t code;
    uint16_t thread;
};

struct Cell {
    Record write, atomic, first_read, last_read;
};

struct Region {
    unsigned char* start;
    size_t bytes;
    int argument;  // -1 for shared memory
    std::vector<Cell> cells;
    bool shared() const { return argument < 0; }
};

struct Visit {
    Region& region;
    size_t byte, bytes;
    Access access;
    Record now;
};

thread_local volatile unsigned char first_shared;  // touched, so that the thread-local segment exists

bool watching;
uint32_t block_number, epoch;
uint64_t accesses;
std::vector<Region> regions;
std::vector<unsigned char> dynamic_store;
const unsigned char *image_start, *image_end;

// The library's own segments; its thread-local one is the static shared memory.
int find_segments(dl_phdr_info* info, size_t, void* shared) {
    auto start = reinterpret_cast<const unsigned char*>(info->dlpi_addr), end = start;
    size_t thread_local_bytes = 0;
    for (int i = 0; i < info->dlpi_phnum; ++i) {
        const auto& part = info->dlpi_phdr[i];
        if (part.p_type == PT_LOAD) end = std::max(end, start + part.p_vaddr + part.p_memsz);
        if (part.p_type == PT_TLS) thread_local_bytes = part.p_memsz;
    }
    auto here = reinterpret_cast<const unsigned char*>(&find_segments);
    if (here < start || here >= end) return 0;
    image_start = start;
    image_end = end;
    *static_cast<Memory*>(shared) = {static_cast<unsigned char*>(info->dlpi_tls_data), thread_local_bytes, -1};
    return 1;
}

void add_region(const Memory& memory) {
    size_t cells = memory.bytes <= MOST_WATCHED ? memory.bytes : 0;
    if (memory.bytes) regions.push_back({memory.start, memory.bytes, memory.argument, std::vector<Cell>(cells)});
}

// Shared memory is new in each block.
bool happened(const Record& record, const Region& region) {
    return record.block && (!region.shared() || record.block == block_number);
}

bool ordered(const Record& record, const Region& region) {
    if (!happened(record, region)) return true;
    if (record.block != block_number) return false;
    if (record.thread == current->number || record.epoch < epoch) return true;
    return record.thread / WARP == current->number / WARP && current->known[record.thread % WARP] >= record.time;
}

const char* name(Access access) {
    return access == Access::read ? "read" : access == Access::write ? "write" : "atomic access";
}

[[noreturn]] void fail_at(const Visit& visit, const char* what) {
    char where[40] = "shared memory";
    if (!visit.region.shared()) std::snprintf(where, sizeof where, "argument %d", visit.region.argument);
    fail({}, "%s @%x of %zu bytes at byte %td of %s (%zu bytes) %s", name(visit.access), visit.now.code, visit.bytes,
         static_cast<ptrdiff_t>(visit.byte), where, visit.region.bytes, what);
}

void require_order(const Visit& visit, const Record& before, Access access) {
    if (ordered(before, visit.region)) return;
    char what[160];
    std::snprintf(what, sizeof what, "is a race with the %s @%x by thread %u of %s block", name(access), before.code,
                  before.thread, before.block == block_number ? "the same" : "another");
    fail_at(visit, what);
}

void visit_cell(Cell& cell, const Visit& visit) {
    bool written = happened(cell.write, visit.region) || happened(cell.atomic, visit.region);
    if (visit.region.shared() && visit.access != Access::write && !written)
        fail_at(visit, "finds what nobody in this block has written");
    require_order(visit, cell.write, Access::write);
    if (visit.access != Access::atomic) require_order(visit, cell.atomic, Access::atomic);
    if (visit.access == Access::read) {
        (ordered(cell.first_read, visit.region) ? cell.first_read : cell.last_read) = visit.now;
        return;
    }
    require_order(visit, cell.first_read, Access::read);
    require_order(visit, cell.last_read, Access::read);
    if (visit.access == Access::write) cell = {visit.now, {}, {}, {}};
    else cell.atomic = visit.now;
}

// The region that holds the address, or has it within its margin; null for none.
Region* region_of(const unsigned char* address, size_t margin) {
    for (Region& region : regions)
        if (address + margin >= region.start && address < region.start + region.bytes + margin) return &region;
    return nullptr;
}

uint32_t code_offset(const void* code) {
    return static_cast<uint32_t>(static_cast<const unsigned char*>(code) - image_start);
}

bool is_own(const unsigned char* address, Access access) {
    bool constant = access == Access::read && address >= image_start && address < image_end;
    return constant || on_a_stack(address, *current);
}

}  // namespace

void watch(const void* address, size_t bytes, Access access, const void* code) {
    if (!watching) return;
    if (++accesses > MOST_ACCESSES) fail({}, "a loop @%x does not end", code_offset(code));
    auto start = static_cast<unsigned char*>(const_cast<void*>(address));
    uint32_t offset = code_offset(code);
    Region* region = region_of(start, 0);
    if (!region && is_own(start, access)) return;
    if (!region) region = region_of(start, RED_ZONE);
    if (!region)
        fail({}, "%s @%x of %zu bytes is outside every argument and all shared memory", name(access), offset, bytes);
    Record now = {block_number, epoch, current->known[lane()], offset, static_cast<uint16_t>(current->number)};
    Visit visit = {*region, static_cast<size_t>(start - region->start), bytes, access, now};
    if (visit.byte + bytes > region->bytes || start < region->start) fail_at(visit, "is out of bounds");
    if ((bytes & (bytes - 1)) == 0 && reinterpret_cast<uintptr_t>(start) % bytes) fail_at(visit, "is misaligned");
    for (size_t end = visit.byte + bytes; visit.byte < end && visit.byte < region->cells.size(); ++visit.byte)
        visit_cell(region->cells[visit.byte], visit);
}

void begin_launch() {
    Memory shared = {};
    first_shared = 0;
    dl_iterate_phdr(find_segments, &shared);
    for (int i = 0; i < launch->array_count; ++i) add_region(launch->arrays[i]);
    add_region(shared);
    dynamic_store.resize(launch->shared_bytes + ALIGNMENT + RED_ZONE);
    dynamic_memory = dynamic_store.data();
    dynamic_memory += ALIGNMENT - reinterpret_cast<uintptr_t>(dynamic_memory) % ALIGNMENT;
    add_region({dynamic_memory, launch->shared_bytes, -1});
    block_number = epoch = 0;
    watching = true;
}

void end_launch() {
    watching = false;
    regions.clear();  // eighty bytes for each byte of the arrays
}

void begin_block() {
    ++block_number;
    ++epoch;
    for (Region& region : regions)
        if (region.shared()) std::fill(region.start, region.start + region.bytes, POISON);
}

void begin_turn() { accesses = 0; }

void next_epoch() { ++epoch; }

}  // namespace on_host

#define CODE __builtin_return_address(0)
#define WATCH(bytes)                                                                                                 \
    void __tsan_read##bytes(void* p) { on_host::watch(p, bytes, on_host::Access::read, CODE); }                       \
    void __tsan_write##bytes(void* p) { on_host::watch(p, bytes, on_host::Access::write, CODE); }                     \
    void __tsan_unaligned_read##bytes(void* p) { on_host::watch(p, bytes, on_host::Access::read, CODE); }             \
    void __tsan_unaligned_write##bytes(void* p) { on_host::watch(p, bytes, on_host::Access::write, CODE); }
#define UNDEFINED(name, what) \
    void __ubsan_handle_##name(const on_host::Place* place) { on_host::fail(*place, what); }

extern "C" {
void __tsan_init() {}
void __tsan_func_entry(void*) {}
void __tsan_func_exit() {}
void __tsan_vptr_update(void**, void*) {}
void __tsan_read_range(void* p, size_t bytes) { on_host::watch(p, bytes, on_host::Access::read, CODE); }
void __tsan_write_range(void* p, size_t bytes) { on_host::watch(p, bytes, on_host::Access::write, CODE); }
WATCH(1)
WATCH(2)
WATCH(4)
WATCH(8)
WATCH(16)
UNDEFINED(add_overflow, "signed addition overflows")
UNDEFINED(sub_overflow, "signed subtraction overflows")
UNDEFINED(mul_overflow, "signed multiplication overflows")
UNDEFINED(negate_overflow, "signed negation overflows")
UNDEFINED(divrem_overflow, "division by zero, or its quotient overflows")
UNDEFINED(shift_out_of_bounds, "shift by more than the number has bits, or into the sign")
UNDEFINED(out_of_bounds, "index out of the array's bounds")
UNDEFINED(type_mismatch_v1, "misaligned address")
}
