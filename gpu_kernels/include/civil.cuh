// Searching sorted columns: transition tables of civil time, lists of ids. Twin of cpu_fallback/civil.py.
#pragma once
#include "kernel.cuh"

// Value and column have one type, so that no comparison mixes signed and unsigned.

// Last row of [first, stop) whose instant is not after ts; `stop` where there is none. Instants ascend.
template <typename T> DEVICE u64 last_at_or_before(T ts, u64 first, u64 stop, const T *instant) {
    u64 low = first;
    u64 high = stop;
    while (low < high) {
        const u64 middle = low + ((high - low) >> 1);
        if (instant[middle] <= ts) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low > first ? low - 1 : stop;
}

// Row of [first, stop) that holds `value`; `stop` where none does. Rows ascend.
template <typename T> DEVICE u64 find_sorted(T value, u64 first, u64 stop, const T *column) {
    u64 low = first;
    u64 high = stop;
    while (low < high) {
        const u64 middle = low + ((high - low) >> 1);
        if (column[middle] < value) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low < stop && column[low] == value ? low : stop;
}
