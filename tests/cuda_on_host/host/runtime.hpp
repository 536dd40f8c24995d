// runtime.hpp: what the emulator's own files share.
#pragma once
#include <vector>

#include "emulator.hpp"

namespace on_host {

extern std::vector<Thread> threads;  // of the present block
extern const Launch* launch;

// scheduler.cpp
void wait(State);
bool on_a_stack(const unsigned char* address, const Thread&);

// warp.cpp
void after_leaving();  // those who waited for the current thread may go on

// watch.cpp
void begin_launch();
void begin_block();
void begin_turn();  // a thread goes on
void end_launch();
void next_epoch();  // all threads of the block have met
void watch(const void* address, size_t bytes, Access, const void* code);

}  // namespace on_host
