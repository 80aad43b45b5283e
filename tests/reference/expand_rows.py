"""Row i, counts[i] times, with ranks 0, 1, 2, ..."""

from tests.reference._errors import RowError


def expand_rows(offset):
    if offset[0] != 0:
        raise RowError(0, "BAD_OFFSET")
    # Twins are told the number of output rows, and refuse row 0 if the offsets end elsewhere.
    total = offset[-1]
    row, rank = [], []
    for i in range(len(offset) - 1):
        if offset[i + 1] < offset[i] or offset[i + 1] > total:
            raise RowError(i, "BAD_OFFSET")
        for position in range(offset[i + 1] - offset[i]):
            row.append(i)
            rank.append(position)
    return row, rank
