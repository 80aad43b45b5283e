// Picking from an alias table (Walker 1977) with one random word. Twin of cpu_fallback/alias.py.
#pragma once
#include "kernel.cuh"

// Slot within the table of `slots` rows from `first`: high word of x * slots, kept where the low word is below its threshold.
DEVICE u64 pick_slot(u64 x, u64 first, u64 slots, const u64 *threshold, const u32 *alias) {
    const Product product = mul128(x, slots);
    const u64 other = (u64)alias[first + product.high];
    return product.low < threshold[first + product.high] ? product.high : other;
}
