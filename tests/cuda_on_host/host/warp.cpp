// warp.cpp: warp collectives are meetings of the lanes that their mask names.
#include <algorithm>

#include "runtime.hpp"

namespace on_host {

namespace {

// The threads of the current thread's warp that exist, by lane.
Thread* warp_of_current() { return &threads[current->number / WARP * WARP]; }

unsigned lanes_of(const Thread* warp) {
    return std::min<size_t>(WARP, threads.size() - (warp - threads.data()));
}

// Whether each lane of the mask has come to the same operation, or has left the kernel.
bool complete(const Thread* warp, const Thread& waiting) {
    for (unsigned i = 0; i < lanes_of(warp); ++i) {
        const Thread& other = warp[i];
        if (!(waiting.mask >> i & 1) || other.state == State::left) continue;
        if (other.state != State::in_collective || other.operation != waiting.operation || other.mask != waiting.mask)
            return false;
    }
    return true;
}

// A lane's time goes on with each meeting; who met knows what the others had done until then.
void order_memory(Thread* warp, unsigned present) {
    uint32_t joint[WARP] = {};
    for (unsigned i = 0; i < lanes_of(warp); ++i)
        for (unsigned j = 0; j < WARP && (present >> i & 1); ++j) joint[j] = std::max(joint[j], warp[i].known[j]);
    for (unsigned i = 0; i < lanes_of(warp); ++i)
        if (present >> i & 1) {
            std::copy(joint, joint + WARP, warp[i].known);
            ++warp[i].known[i];
        }
}

void finish(Thread* warp, const Operation& operation, unsigned mask) {
    uint64_t values[WARP] = {};
    unsigned present = 0;
    for (unsigned i = 0; i < lanes_of(warp); ++i)
        if ((mask >> i & 1) && warp[i].state == State::in_collective) {
            values[i] = warp[i].brought;
            present |= 1u << i;
        }
    if (operation.orders_memory) order_memory(warp, present);
    for (unsigned i = 0; i < lanes_of(warp); ++i)
        if (present >> i & 1) {
            std::copy(values, values + WARP, warp[i].gathered);
            warp[i].present = present;
            warp[i].state = State::ready;
        }
}

}  // namespace

void gather(const Operation& operation, unsigned mask, uint64_t value, Place place) {
    if (!(mask >> lane() & 1))
        fail(place, "%s(0x%08x): the calling lane %u is not in its mask", operation.name, mask, lane());
    current->operation = &operation;
    current->mask = mask;
    current->brought = value;
    current->place = place;
    current->state = State::in_collective;
    Thread* warp = warp_of_current();
    if (complete(warp, *current)) finish(warp, operation, mask);
    else wait(State::in_collective);
}

void after_leaving() {
    Thread* warp = warp_of_current();
    for (unsigned i = 0; i < lanes_of(warp); ++i)
        if (warp[i].state == State::in_collective && complete(warp, warp[i])) finish(warp, *warp[i].operation, warp[i].mask);
}

}  // namespace on_host
