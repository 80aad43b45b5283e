# contract: count_favourites - one iteration a party; counts are at most the party's rows, below 2**32.
# twin: gpu_kernels/kernels/count_favourites.cu
from cpu_fallback.device import kernel, length, report, rows, u32, u64
from cpu_fallback.errors import errors_of

ERRORS = errors_of("count_favourites")


@kernel
def count_favourites(
    first, packed, few, many, distinct, among_few, among_many, top1, top3, top5, error,
):  # fmt: skip
    total = length(packed)
    for i in rows(distinct):
        begin = first[i]
        end = first[i + u64(1)]
        distinct[i], among_few[i], among_many[i] = u32(0), u32(0), u32(0)
        top1[i], top3[i], top5[i] = u32(0), u32(0), u32(0)
        if (
            end < begin
            or end > total
            or (i == u64(0) and begin != u64(0))
            or (i + u64(1) == length(distinct) and end != total)
        ):
            report(error, i, ERRORS.BAD_OFFSET)
            continue
        one, two, three, four, five = u64(0), u64(0), u64(0), u64(0), u64(0)
        kinds, early, later = u64(0), u64(0), u64(0)
        r = begin
        falls = False
        while r < end:
            merchant = packed[r] >> u64(32)
            place = packed[r] & u64(0xFFFFFFFF)
            kinds += u64(1)
            if place < few:
                early += u64(1)
            if place < many:
                later += u64(1)
            start = r
            r += u64(1)
            while r < end and packed[r] >> u64(32) == merchant:
                falls = falls or packed[r] <= packed[r - u64(1)]
                r += u64(1)
            falls = falls or (r < end and packed[r] < packed[r - u64(1)])
            met = r - start
            if met > one:
                one, two, three, four, five = met, one, two, three, four
            elif met > two:
                two, three, four, five = met, two, three, four
            elif met > three:
                three, four, five = met, three, four
            elif met > four:
                four, five = met, four
            elif met > five:
                five = met
        if falls:
            report(error, i, ERRORS.NOT_ASCENDING)
            continue
        distinct[i], among_few[i], among_many[i] = u32(kinds), u32(early), u32(later)
        top1[i], top3[i], top5[i] = u32(one), u32(one + two + three), u32(one + two + three + four + five)
