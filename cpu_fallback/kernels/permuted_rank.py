# contract: permuted_rank - one iteration a number; halves have at most 32 bits, mixing is mod 2**64.
# twin: gpu_kernels/kernels/permuted_rank.cu
from cpu_fallback.device import device, kernel, report, rows, u64
from cpu_fallback.errors import errors_of
from cpu_fallback.philox import philox2x64

ERRORS = errors_of("permuted_rank")


@device
def mixed(x):
    """Finaliser of SplitMix64 (Steele, Lea, Flood 2014)."""
    x = (x ^ (x >> u64(30))) * u64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> u64(27))) * u64(0x94D049BB133111EB)
    return x ^ (x >> u64(31))


@device
def width_of(size):
    """Bits that hold every number below size, at least 2."""
    width = u64(2)
    while width < u64(64) and ((size - u64(1)) >> width) != u64(0):
        width = width + u64(1)
    return width


@device
def round_of(value, number, low_bits, high_bits, first, step):
    """Round `number` of the network: even rounds change the high half, odd ones the low half."""
    low = value & ((u64(1) << low_bits) - u64(1))
    high = value >> low_bits
    subkey = first + number * step
    if number & u64(1):
        low = low ^ (mixed(high ^ subkey) & ((u64(1) << low_bits) - u64(1)))
    else:
        high = high ^ (mixed(low ^ subkey) & ((u64(1) << high_bits) - u64(1)))
    return (high << low_bits) | low


@kernel
def permuted_rank(key, inverse, tweak, size, rank, place, error):
    # Sets come in runs: what follows from tweak and size alone is found once a run.
    set_tweak = u64(0)
    set_size = u64(0)
    first = u64(0)
    step = u64(0)
    width = u64(2)
    for i in rows(place):
        if rank[i] >= size[i]:
            report(error, i, ERRORS.RANK_BEYOND_SIZE)
            place[i] = u64(0)
        else:
            if size[i] != set_size or tweak[i] != set_tweak:
                set_tweak = tweak[i]
                set_size = size[i]
                first, step = philox2x64(set_tweak, set_size, key)
                width = width_of(set_size)
            low_bits = width >> u64(1)
            high_bits = width - low_bits
            value = rank[i]
            walking = True
            while walking:
                for number in range(u64(8)):
                    nth = u64(7) - u64(number) if inverse else u64(number)
                    value = round_of(value, nth, low_bits, high_bits, first, step)
                walking = value >= size[i]
            place[i] = value
