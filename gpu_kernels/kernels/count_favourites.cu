// contract: count_favourites - one thread a party; counts are at most the party's rows, below 2**32.
// twin: cpu_fallback/kernels/count_favourites.py
#include "kernel.cuh"

DEVICE void exchange(u64 &a, u64 &b) {
    const u64 kept = a;
    a = b;
    b = kept;
}

KERNEL void count_favourites(IN(u64, first), IN(u64, packed), u32 few, u32 many, OUT(u32, distinct), OUT(u32, among_few),
                             OUT(u32, among_many), OUT(u32, top1), OUT(u32, top3), OUT(u32, top5), ERROR) {
    const u64 total = LENGTH(packed);
    for (u64 i = first_row(); i < LENGTH(distinct); i += row_stride()) {
        const u64 begin = first[i];
        const u64 end = first[i + 1];
        distinct[i] = among_few[i] = among_many[i] = top1[i] = top3[i] = top5[i] = 0;
        if (end < begin || end > total || (i == 0 && begin != 0) || (i + 1 == LENGTH(distinct) && end != total)) {
            report(error, i, BAD_OFFSET);
            continue;
        }
        u64 one = 0, two = 0, three = 0, four = 0, five = 0;
        u64 kinds = 0, early = 0, later = 0;
        bool falls = false;
        u64 r = begin;
        while (r < end) {
            const u64 merchant = packed[r] >> 32;
            const u64 place = packed[r] & 0xFFFFFFFF;
            kinds += 1;
            early += place < few;
            later += place < many;
            const u64 start = r;
            r += 1;
            while (r < end && packed[r] >> 32 == merchant) {
                falls = falls || packed[r] <= packed[r - 1];
                r += 1;
            }
            falls = falls || (r < end && packed[r] < packed[r - 1]);
            const u64 met = r - start;
            if (met > five) {
                five = met;
            }
            if (five > four) {
                exchange(four, five);
            }
            if (four > three) {
                exchange(three, four);
            }
            if (three > two) {
                exchange(two, three);
            }
            if (two > one) {
                exchange(one, two);
            }
        }
        if (falls) {
            report(error, i, NOT_ASCENDING);
            continue;
        }
        distinct[i] = (u32)kinds;
        among_few[i] = (u32)early;
        among_many[i] = (u32)later;
        top1[i] = (u32)one;
        top3[i] = (u32)(one + two + three);
        top5[i] = (u32)(one + two + three + four + five);
    }
}
