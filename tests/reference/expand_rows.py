"""Row i, counts[i] times, with ranks 0, 1, 2, ..."""

from tests.reference._errors import RowError


def expand_rows(offset):
    if offset[0] != 0:
        raise RowError(0, "BAD_OFFSET")
    row, rank = [], []
    for i in range(len(offset) - 1):
        if offset[i + 1] < offset[i]:
            raise RowError(i, "BAD_OFFSET")
        for position in range(offset[i + 1] - offset[i]):
            row.append(i)
            rank.append(position)
    return row, rank
