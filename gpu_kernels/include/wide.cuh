// Exact 128-by-64-bit division from 64-bit operations (Knuth, TAOCP vol. 2, algorithm 4.3.1 D with two 32-bit digits).
// Twin of cpu_fallback/wide.py.
#pragma once
#include "kernel.cuh"

struct Quotient {
    u64 quotient, remainder;
};

// Number of leading zero bits of a non-zero u64.
DEVICE u64 leading_zeros(u64 x) { return (u64)__clzll((i64)x); }

// One 32-bit quotient digit of (high : next_digit) / divisor and the remainder; divisor = d1 : d0 has its top bit set.
DEVICE Quotient quotient_digit(u64 high, u64 next_digit, u64 d1, u64 d0, u64 divisor) {
    const u64 base = 0x100000000ULL;
    u64 digit = high / d1;
    u64 rest = high - digit * d1;
    // The estimate is at most 2 too large.
    while (digit >= base || digit * d0 > (rest << 32) + next_digit) {
        digit = digit - 1;
        rest = rest + d1;
        if (rest >= base) {
            break;
        }
    }
    // Wraps mod 2**64 on purpose: the true value is below the divisor.
    return {digit, (high << 32) + next_digit - digit * divisor};
}

// Quotient and remainder of the 128-bit number high : low by a divisor; needs high < divisor, so the quotient fits.
DEVICE Quotient divide128(u64 high, u64 low, u64 divisor) {
    const u64 shift = leading_zeros(divisor);
    const u64 scaled = divisor << shift;
    if (shift > 0) {
        high = (high << shift) | (low >> (64 - shift));
        low = low << shift;
    }
    const u64 d1 = scaled >> 32;
    const u64 d0 = (u64)(u32)scaled;
    const Quotient first = quotient_digit(high, low >> 32, d1, d0, scaled);
    const Quotient second = quotient_digit(first.remainder, (u64)(u32)low, d1, d0, scaled);
    return {(first.quotient << 32) | second.quotient, second.remainder >> shift};
}

// Quotient and remainder of a * b / divisor through the exact 128-bit product; needs a * b < divisor * 2**64.
DEVICE Quotient multiply_divide(u64 a, u64 b, u64 divisor) {
    const Product product = mul128(a, b);
    if (product.high == 0) {
        return {product.low / divisor, product.low % divisor};
    }
    return divide128(product.high, product.low, divisor);
}
