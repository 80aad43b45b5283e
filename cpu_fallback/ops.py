"""Array operations that are not row-local; the GPU backend does them with CuPy.

Results do not depend on the algorithm.
"""

import numpy as np

from cpu_fallback.device import device, kernel, length, stack_words, subroutine, u64

FEW = 4
SMALL = 32
PAD = np.uint64(7)  # of eight words, one AVX-512 register
HIGHEST = np.uint64(0xFFFFFFFFFFFFFFFF)
_scratch = stack_words(SMALL)


@device
def _insertion_sort(values, first, stop):
    for i in range(first + u64(1), stop):
        value = values[i]
        j = i
        while j > first and values[j - u64(1)] > value:
            values[j] = values[j - u64(1)]
            j = j - u64(1)
        values[j] = value


@device
def _count_below(scratch, width, value):
    """How many of the first `width` words are below `value`, by a few vector comparisons.

    `width` is a constant where this is inlined.
    """
    below = u64(0)
    for j in range(width):
        below = below + u64(scratch[j] < value)
    return below


@device
def _rank_sort(values, first, stop, scratch):
    """Put each of at most SMALL values where its rank says, without a branch that depends on a value."""
    size = stop - first
    if size <= u64(FEW):
        _insertion_sort(values, first, stop)
        return
    for i in range(size):
        scratch[i] = values[first + i]
    padded = (size + PAD) & ~PAD
    for i in range(size, padded):
        scratch[i] = HIGHEST  # below nothing
    ranks = u64(0)
    for i in range(size):
        value = scratch[i]
        if size <= u64(8):
            rank = _count_below(scratch, u64(8), value)
        elif size <= u64(16):
            rank = _count_below(scratch, u64(16), value)
        elif size <= u64(24):
            rank = _count_below(scratch, u64(24), value)
        else:
            rank = _count_below(scratch, u64(32), value)
        values[first + rank] = value
        ranks = ranks + rank
    if ranks != size * (size - u64(1)) // u64(2):
        # Equal values share a rank, and some place got none.
        for i in range(size):
            values[first + i] = scratch[i]
        _insertion_sort(values, first, stop)


@device
def _sift_down(values, first, root, size):
    value = values[first + root]
    while True:
        child = root * u64(2) + u64(1)
        if child >= size:
            break
        if child + u64(1) < size and values[first + child] < values[first + child + u64(1)]:
            child = child + u64(1)
        if value >= values[first + child]:
            break
        values[first + root] = values[first + child]
        root = child
    values[first + root] = value


@subroutine
def _heap_sort(values, first, stop):
    size = stop - first
    for back in range(size // u64(2)):
        _sift_down(values, first, size // u64(2) - u64(1) - back, size)
    for back in range(size - u64(1)):
        last = size - u64(1) - back
        top = values[first]
        values[first] = values[first + last]
        values[first + last] = top
        _sift_down(values, first, u64(0), last)


@device
def _median(a, b, c):
    low = min(a, b)
    return max(low, min(max(a, b), c))


@device
def _partition(values, first, stop):
    """Move what is below a median-of-three pivot to the front; (position after it, whether it is all equal).

    Lomuto's scheme without branches: random data cost no mispredictions.
    """
    pivot = _median(values[first], values[first + (stop - first) // u64(2)], values[stop - u64(1)])
    split = first
    for j in range(first, stop):
        value = values[j]
        values[j] = values[split]
        values[split] = value
        split = split + u64(value < pivot)
    # Everything equal to the smallest value: peel the equals off, so that progress is certain.
    if split == first:
        for j in range(first, stop):
            value = values[j]
            values[j] = values[split]
            values[split] = value
            split = split + u64(value == pivot)
        return split, True
    return split, False


@subroutine
def _sort_range(values, first, stop, depth, scratch):
    """Quicksort, the left side by recursion; heapsort once `depth` halvings were not enough."""
    while stop - first > u64(SMALL):
        if depth == u64(0):
            _heap_sort(values, first, stop)
            return
        depth = depth - u64(1)
        split, equals = _partition(values, first, stop)
        if not equals:
            _sort_range(values, first, split, depth, scratch)
        first = split
    _rank_sort(values, first, stop, scratch)


@kernel
def sort_segments(values, offset):
    """Sort each segment of a uint64 column in place: rows offset[i] .. offset[i + 1] - 1, ascending.

    Offsets must not fall nor pass the end of `values`. Equal values cannot be told apart, so any correct sort
    gives this result.
    """
    scratch = _scratch()
    for s in range(length(offset) - u64(1)):
        first = offset[s]
        stop = offset[s + u64(1)]
        if stop <= first + u64(1):
            continue
        depth = u64(2)
        rest = stop - first
        while rest > u64(1):
            rest = rest >> u64(1)
            depth = depth + u64(2)
        _sort_range(values, first, stop, depth, scratch)
