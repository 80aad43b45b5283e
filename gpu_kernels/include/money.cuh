// Whole amounts: prices as shops end them, and half-even division. Twin of cpu_fallback/money.py.
#pragma once
#include "kernel.cuh"
#include "wide.cuh"

// From so many units on, prices are counted in tens of units, and round ones in fives.
constexpr u64 LARGE = 200;

// a * b / divisor, ties to the even neighbour; needs a * b < divisor * 2**64.
DEVICE u64 half_even(u64 a, u64 b, u64 divisor) {
    const Quotient found = multiply_divide(a, b, divisor);
    const u64 other = divisor - found.remainder;
    const bool up = found.remainder > other || (found.remainder == other && (found.quotient & 1) != 0);
    return up ? found.quotient + 1 : found.quotient;
}

// The multiple of `note` nearest to an amount, at least one and, but for that, at most `most`.
DEVICE u64 whole_notes(u64 value, u64 note, u64 most) {
    const u64 count = minimum((value + note / 2) / note, most / note);
    return maximum(count, (u64)1) * note;
}

// A price near `value`, a multiple of `grain`: just under a unit, just under a half, on a half, on a whole unit, or anyhow.
DEVICE u64 ended(u64 value, u64 word, u64 unit, u64 grain, u64 most, u64 under, u64 half_under, u64 half, u64 whole) {
    u64 price = value + grain / 2;
    if (value >= unit) {
        const bool large = value >= LARGE * unit;
        const u64 cent = maximum(unit / 100, grain);
        if (word < under) {
            const u64 step = large ? unit * 10 : unit;
            price = (value + step / 2) / step * step;
            price = price > cent ? price - cent : price;
        } else if (word < half_under) {
            price = value / unit * unit + unit / 2 - cent;
        } else if (word < half) {
            price = value / unit * unit + unit / 2;
        } else if (word < whole) {
            const u64 step = large ? unit * 5 : unit;
            price = (value + step / 2) / step * step;
        }
    }
    price = minimum(price, most);
    return maximum(price / grain, (u64)1) * grain;
}
