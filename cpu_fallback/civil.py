"""Searching sorted columns: transition tables of civil time, lists of ids."""

from cpu_fallback.device import device, u64


@device
def last_at_or_before(ts, first, stop, instant):
    """Last row of [first, stop) whose instant is at most ts, else `stop`; instants ascend."""
    low = first
    high = stop
    while low < high:
        middle = low + ((high - low) >> u64(1))
        if instant[middle] <= ts:
            low = middle + u64(1)
        else:
            high = middle
    return low - u64(1) if low > first else stop


@device
def find_sorted(value, first, stop, column):
    """Row of [first, stop) that holds `value`; `stop` where none does. Rows ascend."""
    low = first
    high = stop
    while low < high:
        middle = low + ((high - low) >> u64(1))
        if column[middle] < value:
            low = middle + u64(1)
        else:
            high = middle
    return low if low < stop and column[low] == value else stop
