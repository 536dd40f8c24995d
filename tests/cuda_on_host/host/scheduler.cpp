// scheduler.cpp: fibers, barriers, and the order in which waiting threads go on.
#include <ucontext.h>

#include <algorithm>
#include <cstdarg>
#include <cstdio>
#include <memory>
#include <numeric>
#include <random>
#include <vector>

#include "runtime.hpp"

namespace on_host {

Thread* current;
dim3 block_index, block_size, grid_size;
unsigned char* dynamic_memory;
std::vector<Thread> threads;
const Launch* launch;

namespace {

constexpr size_t STACK = 64 << 10;
constexpr uint64_t MOST_TURNS = 4'000'000;  // of a block's threads
std::unique_ptr<unsigned char[]> stacks;  // of one launch: each text is a library, and none is ever unloaded
std::jmp_buf scheduler, failure;
std::mt19937_64 numbers;
int votes;
uint64_t turns;

// ucontext lays the first frame of a fiber; after that, _setjmp and _longjmp switch without a system call.
void first_frame() {
    launch->kernel(launch->arguments);
    current->state = State::left;
    after_leaving();
    _longjmp(scheduler, 1);
}

void start(Thread& thread) {
    ucontext_t frame;
    getcontext(&frame);
    frame.uc_stack.ss_sp = stacks.get() + STACK * thread.number;
    frame.uc_stack.ss_size = STACK;
    frame.uc_link = nullptr;
    makecontext(&frame, first_frame, 0);
    setcontext(&frame);
}

// Runs one thread until it waits.
void take_up(Thread& thread, std::vector<bool>& begun) {
    current = &thread;
    if (++turns > MOST_TURNS) fail(thread.place, "the block does not end: its threads waited %lu times", turns);
    begin_turn();
    if (_setjmp(scheduler)) return;
    if (begun[thread.number]) _longjmp(thread.resume, 1);
    begun[thread.number] = true;
    start(thread);
}

const char* doing(const Thread& thread) {
    static char text[200];
    if (thread.state == State::at_barrier)
        std::snprintf(text, sizeof text, "%s at line %d", thread.operation->name, thread.place.line);
    else
        std::snprintf(text, sizeof text, "%s(0x%08x) at line %d", thread.operation->name, thread.mask,
                      thread.place.line);
    return text;
}

[[noreturn]] void fail_stuck() {
    char text[1000];
    int length = 0, told = 0;
    const Thread* last = nullptr;
    for (const Thread& thread : threads) {
        bool same = last && last->state == thread.state && last->place.line == thread.place.line &&
                    (thread.state == State::at_barrier || last->mask == thread.mask);
        if (thread.state == State::left || same || told == 4) continue;
        length += std::snprintf(text + length, sizeof text - length, "%sthread %u waits in %s", told ? ", " : "",
                                thread.number, doing(thread));
        last = &thread;
        ++told;
    }
    current = nullptr;
    fail({nullptr, 0}, "deadlock: %s", text);
}

// Every thread waits or has left: the barrier opens, or nothing ever will.
void open_barrier() {
    const Thread* waiting = nullptr;
    unsigned at_barrier = 0, left = 0;
    votes = 0;
    for (const Thread& thread : threads) {
        left += thread.state == State::left;
        if (thread.state != State::at_barrier) continue;
        if (waiting && (waiting->place.line != thread.place.line || waiting->operation != thread.operation))
            fail(thread.place, "divergent barrier: thread %u waits at line %d, thread %u at line %d", waiting->number,
                 waiting->place.line, thread.number, thread.place.line);
        waiting = &thread;
        votes += thread.brought != 0;
        ++at_barrier;
    }
    if (at_barrier + left < threads.size()) fail_stuck();
    if (left) fail(waiting->place, "barrier without %u threads that have left the kernel", left);
    for (Thread& thread : threads) thread.state = State::ready;
    next_epoch();
}

// One round over the block; says whether any thread ran.
bool sweep(std::vector<unsigned>& order, std::vector<bool>& begun) {
    bool ran = false;
    auto visit = [&](unsigned number) {
        bool ready = threads[number].state == State::ready;
        if (ready) take_up(threads[number], begun);
        return ready;
    };
    if (launch->schedule == Schedule::ahead) {  // a warp runs on until each of its threads needs another warp
        size_t warps = (threads.size() + WARP - 1) / WARP;
        std::vector<unsigned> turn(warps);
        std::iota(turn.begin(), turn.end(), 0);
        std::shuffle(turn.begin(), turn.end(), numbers);
        for (unsigned warp : turn)
            for (bool again = true; again; ran |= again) {
                again = false;
                for (unsigned i = warp * WARP; i < std::min<size_t>((warp + 1) * WARP, threads.size()); ++i)
                    again |= visit(i);
            }
        return ran;
    }
    if (launch->schedule == Schedule::random) std::shuffle(order.begin(), order.end(), numbers);
    for (unsigned number : order) ran |= visit(number);
    return ran;
}

void run_block(uint64_t block) {
    block_index = dim3(block % grid_size.x, block / grid_size.x % grid_size.y, block / grid_size.x / grid_size.y);
    begin_block();
    turns = 0;
    for (unsigned i = 0; i < threads.size(); ++i) {
        threads[i] = Thread{};
        threads[i].number = i;
        threads[i].known[i % WARP] = 1;
        threads[i].index = dim3(i % block_size.x, i / block_size.x % block_size.y, i / block_size.x / block_size.y);
    }
    std::vector<bool> begun(threads.size());
    std::vector<unsigned> order(threads.size());
    std::iota(order.begin(), order.end(), 0);
    if (launch->schedule == Schedule::reverse) std::reverse(order.begin(), order.end());
    auto left = [](const Thread& thread) { return thread.state == State::left; };
    while (!std::all_of(threads.begin(), threads.end(), left))
        if (!sweep(order, begun)) open_barrier();
}

void run_blocks() {
    std::vector<uint64_t> order(launch->last_block - launch->first_block);
    std::iota(order.begin(), order.end(), launch->first_block);
    if (launch->schedule == Schedule::reverse) std::reverse(order.begin(), order.end());
    if (launch->schedule >= Schedule::random) std::shuffle(order.begin(), order.end(), numbers);
    for (uint64_t block : order) run_block(block);
}

int finished(int failed) {
    end_launch();
    stacks.reset();
    return failed;
}

}  // namespace

void wait(State state) {
    current->state = state;
    if (!_setjmp(current->resume)) _longjmp(scheduler, 1);
}

int barrier(const Operation& operation, bool vote, Place place) {
    current->operation = &operation;
    current->brought = vote;
    current->place = place;
    wait(State::at_barrier);
    return votes;
}

// Under the random schedule others may come first.
void before_atomic(const void* address, size_t bytes, const void* code) {
    if (launch->schedule == Schedule::random && numbers() % 4 == 0) wait(State::ready);
    watch(address, bytes, Access::atomic, code);
}

bool on_a_stack(const unsigned char* address, const Thread& thread) {
    const unsigned char* start = stacks.get() + STACK * thread.number;
    return address >= start && address < start + STACK;
}

void fail(Place place, const char* format, ...) {
    char* out = launch->message;
    size_t room = launch->message_bytes;
    size_t used = 0;
    if (place.line) used += std::snprintf(out, room, "%s:%d: ", place.file, place.line);
    va_list values;
    va_start(values, format);
    used += std::vsnprintf(out + std::min(used, room), room - std::min(used, room), format, values);
    va_end(values);
    used = std::min(used, room);
    if (current)
        std::snprintf(out + used, room - used, " [block (%u, %u, %u), thread (%u, %u, %u)]", block_index.x,
                      block_index.y, block_index.z, current->index.x, current->index.y, current->index.z);
    else
        std::snprintf(out + used, room - used, " [block (%u, %u, %u)]", block_index.x, block_index.y, block_index.z);
    _longjmp(failure, 1);
}

}  // namespace on_host

extern "C" int on_host_run(const on_host::Launch* asked) {
    using namespace on_host;
    launch = asked;
    grid_size = dim3(asked->grid[0], asked->grid[1], asked->grid[2]);
    block_size = dim3(asked->block[0], asked->block[1], asked->block[2]);
    threads.resize(static_cast<size_t>(block_size.x) * block_size.y * block_size.z);
    stacks.reset(new unsigned char[STACK * threads.size()]);
    numbers.seed(asked->seed);
    current = nullptr;
    if (_setjmp(failure)) return finished(1);
    begin_launch();
    run_blocks();
    return finished(0);
}
