// common.cuh: what every kernel includes.
#pragma once
#include <hardware.cuh>

constexpr int WARP = 32;
constexpr uint32_t EVERY_LANE = 0xffffffffu;
